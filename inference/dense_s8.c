/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/dense_s8.h"
#include "base/load.h"
#include "inference/quant.h"

#include <assert.h>

#define MAX_PRODUCT 32640 /* 128 * 255: |w| <= 128, |x - zero| <= 255 */

static_assert((int64_t)MW_MODEL_MAX_WIDTH * MAX_PRODUCT < INT32_MAX / 2,
              "the dot product takes less than half of an int32");

int32_t mw_dense_s8_max_bias(uint32_t n_in)
{
    return INT32_MAX - (int32_t)n_in * MAX_PRODUCT;
}

static int32_t dot(const int8_t *w, const int8_t *x, uint32_t n, int32_t in_zero)
{
    int32_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += w[i] * (x[i] - in_zero);
    return sum;
}

void mw_dense_s8(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                 int8_t *y)
{
    const int8_t *row = layer->weights;
    for (uint32_t o = 0; o < layer->n_out; o++, row += layer->n_in) {
        int32_t acc = dot(row, x, layer->n_in, layer->in_zero);
        if (layer->bias)
            acc += (int32_t)mw_load_u32le(layer->bias + 4 * (size_t)o);

        uint32_t m = layer->n_multipliers > 1 ? o : 0;
        int32_t scaled = rounding == MW_ROUNDING_DOUBLE
                             ? mw_requantize_double(acc, layer->multiplier[m], layer->shift[m])
                             : mw_requantize_single(acc, layer->multiplier[m], layer->shift[m]);
        int64_t v = (int64_t)scaled + layer->out_zero;
        y[o] = (int8_t)(v < layer->out_min   ? layer->out_min
                        : v > layer->out_max ? layer->out_max
                                             : v);
    }
}
