/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/accelerate.h"
#include "base/result.h"
#include "inference/dense_kernel.h"

size_t mw_model_packed_bytes(const struct mw_model *model, uint32_t cpu)
{
    size_t n = 0;
    for (uint32_t i = 0; i < model->n_layers; i++) {
        const struct mw_dense_s8 *layer = mw_model_layer(model, i);
        n += layer ? mw_dense_packed_bytes(layer, cpu) : 0;
    }
    return n;
}

int mw_model_accelerate(struct mw_model *model, uint32_t cpu, void *packed, size_t packed_bytes)
{
    if (packed && packed_bytes < mw_model_packed_bytes(model, cpu))
        return MW_ERR_NO_MEMORY;
    if ((uintptr_t)packed % MW_DENSE_PACKED_ALIGN != 0)
        return MW_ERR_INVALID;
    uint8_t *at = packed;
    for (uint32_t i = 0; i < model->n_layers; i++) {
        struct mw_dense_s8 *layer = mw_model_layer(model, i);
        size_t n = at && layer ? mw_dense_packed_bytes(layer, cpu) : 0;
        if (layer)
            mw_dense_choose(layer, cpu, at, n);
        at = at ? at + n : NULL;
    }
    return MW_OK;
}
