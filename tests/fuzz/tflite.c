/* links: inference base config */
/* SPDX-License-Identifier: Apache-2.0 */
/* Model files come from anywhere. Whatever the bytes are: a refusal in words, or a model that
 * runs within exactly the memory that was measured, in both roundings, and gives the same bytes
 * with the reference and with each kernel of this processor. */
#include "base/result.h"
#include "config/host_cpu.h"
#include "inference/accelerate.h"
#include "inference/dense_kernel.h"

#include <stdlib.h>
#include <string.h>

#define MAX_MACS 200000 /* layers can share one buffer; more would only be slow */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void must(int condition)
{
    if (!condition)
        abort();
}

/* The answer to a fixed window; the caller frees it. */
static int8_t *answer(const struct mw_model *model, const int8_t *x)
{
    int8_t *y = malloc(model->n_out_bytes + 1);
    must(y != NULL);
    y[model->n_out_bytes] = 99;
    mw_model_run(model, x, y);
    must(y[model->n_out_bytes] == 99);
    return y;
}

static void run_kernel(struct mw_model *model, const struct mw_dense_kernel *kernel,
                       const int8_t *x, const int8_t *expected)
{
    size_t n = kernel->pack ? mw_model_packed_bytes(model, kernel->cpu) : 0;
    void *packed = n ? aligned_alloc(MW_DENSE_PACKED_ALIGN, n) : NULL;
    must(mw_model_accelerate(model, kernel->cpu, packed, n) == MW_OK);
    int8_t *y = answer(model, x);
    must(memcmp(y, expected, model->n_out_bytes) == 0);
    free(y);
    free(packed);
}

static void run(struct mw_model *model)
{
    const struct mw_dense_kernel *kernel;
    int8_t *x = malloc(model->n_in_bytes + 1);
    must(x != NULL);
    for (uint32_t i = 0; i < model->n_in_bytes; i++)
        x[i] = (int8_t)(i % 3 == 0 ? -128 : i % 3 == 1 ? 127 : (int)(i & 63));
    int8_t *expected = answer(model, x);
    for (uint32_t k = 0; (kernel = mw_dense_kernel_at(k)); k++)
        if ((kernel->cpu & ~host_cpu()) == 0)
            run_kernel(model, kernel, x, expected);
    free(expected);
    free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    size_t n_memory = 0;
    struct mw_model_fault why = { "" };
    int result = mw_model_measure(bytes, n, &n_memory, &why);
    if (result != MW_OK) {
        must(memchr(why.text, 0, sizeof why.text) != NULL && why.text[0] != 0);
        return 0;
    }
    for (int rounding = MW_ROUNDING_DOUBLE; rounding <= MW_ROUNDING_SINGLE; rounding++) {
        struct mw_model model;
        void *memory = malloc(n_memory ? n_memory : 1);
        must(memory != NULL);
        must(mw_model_init(&model, bytes, n, (enum mw_rounding)rounding, memory, n_memory, &why) ==
             MW_OK);
        must(!model.card || (model.card >= bytes && model.card + model.n_card_bytes <= bytes + n));
        if (model.n_macs <= MAX_MACS)
            run(&model);
        free(memory);
    }
    return 0;
}
