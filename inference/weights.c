/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/weights.h"
#include "base/load.h"
#include "base/result.h"
#include "inference/dense_s8.h"
#include "inference/fault.h"

int mw_weights(struct mw_build *b, uint32_t i, uint8_t n_dims, uint32_t channel_dimension,
               struct mw_tensor *t)
{
    int result = mw_input(b, i, t);
    if (result < 0)
        return result;
    if (t->type != MW_INT8 || t->n_dims != n_dims || !t->data)
        return mw_refuse(b, "weights (tensor #) are not an int8 constant of # dimensions", t->index,
                         n_dims);
    uint32_t n_channels = (uint32_t)t->dims[channel_dimension];
    if (t->n_scales != 1 && t->n_scales != n_channels)
        return mw_refuse(b, "tensor # is not quantised with # scales and zero points", t->index,
                         n_channels);
    if (t->n_scales > 1 && t->channel_dimension != channel_dimension)
        return mw_refuse(b, "weights (tensor #) quantised along dimension #", t->index,
                         t->channel_dimension);
    struct mw_fb fb = b->file->fb;
    for (uint32_t k = 0; k < t->n_scales; k++) {
        int64_t zero = mw_fb_i64_at(&fb, &t->zeros, k);
        if (zero != 0)
            return mw_refuse(b, "tensor #: zero point # is not supported", t->index, zero);
    }
    return MW_OK;
}

static int check_sums(struct mw_build *b, const uint8_t *data, uint32_t n, uint32_t n_terms,
                      bool wide)
{
    int32_t max = wide ? 0 : mw_dense_s8_max_bias(n_terms);
    const int64_t max_wide = INT64_C(1) << 46; /* requantisation holds less than 2^47 */
    for (uint32_t o = 0; o < n; o++) {
        int64_t bias = wide ? (int64_t)mw_load_u64le(data + 8 * (size_t)o)
                            : (int32_t)mw_load_u32le(data + 4 * (size_t)o);
        int64_t limit = wide ? max_wide : max;
        if (bias > limit || bias < -limit)
            return mw_refuse(b, "the bias of output # could overflow its sum", o, 0);
    }
    return MW_OK;
}

int mw_bias(struct mw_build *b, uint32_t i, uint32_t n_channels, uint32_t n_terms, bool wide,
            const uint8_t **ret_data, struct mw_tensor *t)
{
    *ret_data = NULL;
    if (n_terms > MW_MODEL_MAX_ITEMS)
        return mw_fault(b->why, MW_ERR_TOO_BIG, "a sum of # terms, at most # are supported",
                        n_terms, MW_MODEL_MAX_ITEMS);
    if (!mw_has_input(b, i))
        return MW_OK;
    int result = mw_input(b, i, t);
    if (result < 0)
        return result;
    if (t->type != (wide ? MW_INT64 : MW_INT32))
        return mw_refuse(b, "bias (tensor #) is of type #, not int32 (2), with int16 int64 (4)",
                         t->index, t->type);
    if (t->n_items != n_channels || !t->data)
        return mw_fault(b->why, MW_ERR_FORMAT, "bias (tensor #) is no constant of # items",
                        t->index, n_channels);
    *ret_data = t->data;
    return check_sums(b, t->data, n_channels, n_terms, wide);
}

int mw_channel_multipliers(struct mw_build *b, float in_scale, const struct mw_tensor *weights,
                           float out_scale, bool per_tensor, int32_t max_shift,
                           const int32_t **ret_mantissas, const int8_t **ret_shifts)
{
    int32_t *mantissas = mw_take(b, weights->n_scales * sizeof mantissas[0]);
    int8_t *shifts = mw_take(b, weights->n_scales);
    for (uint32_t i = 0; i < weights->n_scales; i++) {
        float scale = mw_tensor_scale(weights, i);
        double real = per_tensor ? mw_real_multiplier_per_tensor(in_scale, scale, out_scale)
                                 : mw_real_multiplier_per_channel(in_scale, scale, out_scale);
        struct mw_multiplier m = { 0, 0 };
        if (mw_make_multiplier(b, real, &m) < 0 || m.shift > max_shift)
            return mw_refuse(b, "output # is scaled up by 2^# or more", i, max_shift);
        if (!mantissas)
            continue;
        mantissas[i] = m.mantissa;
        shifts[i] = (int8_t)m.shift;
    }
    *ret_mantissas = mantissas;
    *ret_shifts = shifts;
    return MW_OK;
}
