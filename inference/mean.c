/* SPDX-License-Identifier: Apache-2.0 */
/* MEAN on int8 over any axes. With S the sum of n items and (m, e) the pair of s_in / s_out:
 * k = min(floor(log2 n), 32, 31 + e); m' = trunc(m 2^k / n); y = requantise(S - n zero_in; m', e -
 * k)
 * + zero_out, clamped to int8. Source: TensorFlow Lite reference/reduce.h,
 * QuantizedMeanOrSum, as of 2024; older versions of the 4-D spatial mean differ. */
#include "base/result.h"
#include "inference/operator.h"
#include "inference/walk.h"

struct mean {
    struct mw_walk kept, reduced; /* a: steps in the input */
    struct mw_multiplier m;
    enum mw_rounding rounding;
    int32_t n, in_zero, out_zero;
};

static int32_t sum_of(const struct mw_walk *walk, const int8_t *x)
{
    int32_t sum = 0, inner = walk->n_dims - 1;
    struct mw_walker w = { 0 };
    do
        for (int32_t i = 0; i < walk->dims[inner]; i++)
            sum += x[w.a + i * walk->a[inner]];
    while (mw_walk_next(walk, &w));
    return sum;
}

static void run_mean(const void *params, const void *const *in, void *const *out)
{
    const struct mean *p = params;
    const int8_t *x = in[0];
    int8_t *y = out[0];
    int32_t inner = p->kept.n_dims - 1;
    struct mw_walker w = { 0 };
    do
        for (int32_t i = 0; i < p->kept.dims[inner]; i++) {
            int32_t sum = sum_of(&p->reduced, x + w.a + i * p->kept.a[inner]);
            int32_t v = mw_requantize(sum - p->n * p->in_zero, p->m, p->rounding);
            *y++ = mw_clamp_s8((int64_t)v + p->out_zero, INT8_MIN, INT8_MAX);
        }
    while (mw_walk_next(&p->kept, &w));
}

/* Every dimension goes into one of the two walks. */
static int make_walks(struct mw_build *b, struct mean *p, const struct mw_tensor *in)
{
    int32_t axes[MW_TENSOR_MAX_DIMS], steps[MW_TENSOR_MAX_DIMS];
    uint32_t n_axes = 0;
    bool reduced[MW_TENSOR_MAX_DIMS] = { false };
    int result = mw_constant_s32(b, 1, MW_TENSOR_MAX_DIMS, axes, &n_axes);
    if (result < 0)
        return result;
    for (uint32_t i = 0; i < n_axes; i++) {
        int32_t axis = mw_axis(in, axes[i]);
        if (axis < 0)
            return mw_refuse(b, "there is no axis #", axes[i], 0);
        reduced[axis] = true;
    }
    mw_row_major(in, steps);
    mw_walk_add(&p->kept, 1, 0, 0);
    mw_walk_add(&p->reduced, 1, 0, 0);
    p->n = 1;
    for (int32_t d = 0; d < in->n_dims; d++) {
        mw_walk_add(reduced[d] ? &p->reduced : &p->kept, in->dims[d], steps[d], 0);
        p->n *= reduced[d] ? in->dims[d] : 1;
    }
    return MW_OK;
}

/* The division by n goes into the multiplier. */
static struct mw_multiplier divided(struct mw_multiplier m, int32_t n)
{
    int32_t k = 0;
    while (k < 30 && n >> (k + 1) > 0)
        k++;
    if (k > 31 + m.shift)
        k = 31 + m.shift;
    return (struct mw_multiplier){ (int32_t)(((int64_t)m.mantissa << k) / n), m.shift - k };
}

int mw_prepare_mean(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    struct mean p = { .rounding = b->rounding };
    int result = mw_input_s8(b, 0, &in);
    if (result == MW_OK)
        result = mw_output_s8(b, 0, &out);
    if (result == MW_OK)
        result = make_walks(b, &p, &in);
    if (result == MW_OK)
        result = mw_make_multiplier(b, (double)in.quant.scale / (double)out.quant.scale, &p.m);
    if (result < 0)
        return result;
    if (in.n_items / (uint32_t)p.n != out.n_items)
        return mw_refuse(b, "tensor # has not # items", out.index, in.n_items / (uint32_t)p.n);
    p.m = divided(p.m, p.n);
    p.in_zero = in.quant.zero;
    p.out_zero = out.quant.zero;
    op->run = run_mean;
    op->params = mw_keep(b, &p, sizeof p);
    return MW_OK;
}
