/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled once for each variant: MW_VARIANT names it, and millwright_engine.c beside it is
 * compiled with the same switches and with its functions' names made the variant's own. */
#include "engine/variant.h"
#include "millwright_engine.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT(name)  TEXT_(name)
#define TEXT_(name) #name

static int measure(const uint8_t *bytes, size_t n, size_t *ret_memory_bytes, char *text,
                   size_t text_bytes)
{
    struct mw_model_fault why = { "" };
    int result = mw_model_measure(bytes, n, ret_memory_bytes, &why);
    snprintf(text, text_bytes, "%s", why.text);
    return result;
}

static int run(const uint8_t *bytes, size_t n, int rounding, uint32_t cpu, void *memory,
               size_t n_memory, const void *x, void *y)
{
    struct mw_model model;
    int result =
        mw_model_init(&model, bytes, n, (enum mw_rounding)rounding, memory, n_memory, NULL);
    if (result != MW_OK)
        return result;
    size_t n_packed = mw_model_packed_bytes(&model, cpu);
    void *packed = n_packed ? aligned_alloc(MW_DENSE_PACKED_ALIGN, n_packed) : NULL;
    result = mw_model_accelerate(&model, cpu, packed, packed ? n_packed : 0);
    if (result == MW_OK)
        mw_model_run(&model, x, y);
    free(packed);
    return result;
}

extern const struct variant MW_VARIANT;
const struct variant MW_VARIANT = { TEXT(MW_VARIANT), measure, run };
