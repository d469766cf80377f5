/* links: inference base */
/* SPDX-License-Identifier: Apache-2.0 */
/* Model files come from anywhere. Whatever the bytes are: a refusal in words, or a model that
 * runs within exactly the memory that was measured, in both roundings. */
#include "base/result.h"
#include "inference/model.h"

#include <stdlib.h>
#include <string.h>

#define MAX_MACS 200000 /* layers can share one buffer; more would only be slow */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void must(int condition)
{
    if (!condition)
        abort();
}

static void run(const struct mw_model *model)
{
    int8_t *x = malloc(model->n_in_bytes + 1), *y = malloc(model->n_out_bytes + 1);
    must(x && y);
    for (uint32_t i = 0; i < model->n_in_bytes; i++)
        x[i] = (int8_t)(i % 3 == 0 ? -128 : i % 3 == 1 ? 127 : (int)(i & 63));
    y[model->n_out_bytes] = 99;
    mw_model_run(model, x, y);
    must(y[model->n_out_bytes] == 99);
    free(x);
    free(y);
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
