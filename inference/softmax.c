/* SPDX-License-Identifier: Apache-2.0 */
/* SOFTMAX on int8 over the last axis, in fixed point: output 1/256, zero point -128. The sum of
 * exponentials is Q12.19. Source: TensorFlow Lite reference/softmax.h and
 * micro/kernels/softmax_common.cc. */
#include "base/result.h"
#include "inference/fixedpoint.h"
#include "inference/operator.h"

#include <float.h>

enum { OPTION_BETA = 0 };

#define SUM_BITS  12   /* integer bits of the sum */
#define MAX_DEPTH 4096 /* each term is at most 1, the sum below 2^12 */

struct softmax {
    uint32_t n_rows, depth;
    struct mw_multiplier m;
    enum mw_rounding rounding;
    int32_t diff_min;
};

/* e^(scaled difference) as Q0.31; 0 where it is too small to count. */
static int32_t exponential(const struct softmax *p, int32_t diff)
{
    return diff < p->diff_min ? -1 : mw_fixed_exp(mw_requantize(diff, p->m, p->rounding), 5);
}

static void run_row(const struct softmax *p, const int8_t *x, int8_t *y)
{
    int32_t max = INT8_MIN, sum = 0, over_unit;
    for (uint32_t i = 0; i < p->depth; i++)
        max = x[i] > max ? x[i] : max;
    for (uint32_t i = 0; i < p->depth; i++) {
        int32_t e = exponential(p, x[i] - max);
        sum += e < 0 ? 0 : mw_fixed_divide_by_power(e, SUM_BITS);
    }
    int32_t reciprocal = mw_fixed_reciprocal(sum, SUM_BITS, &over_unit);
    for (uint32_t i = 0; i < p->depth; i++) {
        int32_t e = exponential(p, x[i] - max);
        int32_t v =
            e < 0 ? 0 : mw_fixed_divide_by_power(mw_fixed_multiply(reciprocal, e), over_unit + 23);
        y[i] = mw_clamp_s8(v - 128, INT8_MIN, INT8_MAX);
    }
}

static void run_softmax(const void *params, const void *const *in, void *const *out)
{
    const struct softmax *p = params;
    const int8_t *x = in[0];
    int8_t *y = out[0];
    for (uint32_t r = 0; r < p->n_rows; r++, x += p->depth, y += p->depth)
        run_row(p, x, y);
}

/* The input's scale times beta as a multiplier into Q5.26, which must be above 1. */
static int read_scale(struct mw_build *b, struct softmax *p, float in_scale)
{
    float beta = mw_option_f32(b, OPTION_BETA, 0.0f);
    if (!(beta > 0.0f && beta <= FLT_MAX))
        return mw_refuse(b, "beta is not above 0", 0, 0);
    double real = (double)beta * (double)in_scale * 0x1p26;
    real = real < 0x1p31 - 1 ? real : 0x1p31 - 1;
    if (!(real > 1))
        return mw_refuse(b, "beta times the input's scale is 2^-26 or less", 0, 0);
    p->m = mw_quantize_multiplier(real, b->rounding);
    p->diff_min = -(int32_t)((INT64_C(31) << 26) >> p->m.shift);
    return MW_OK;
}

int mw_prepare_softmax(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    struct softmax p = { .rounding = b->rounding };
    int result = mw_input_s8(b, 0, &in);
    if (result == MW_OK)
        result = mw_output_s8(b, 0, &out);
    if (result == MW_OK)
        result = read_scale(b, &p, in.quant.scale);
    if (result < 0)
        return result;
    if (!mw_same_shape(&in, &out) || in.n_dims < 1)
        return mw_refuse(b, "tensors # and # are not of one shape", in.index, out.index);
    if (out.quant.scale != 0x1p-8f || out.quant.zero != -128)
        return mw_refuse(b, "tensor # has not scale 1/256 and zero point -128", out.index, 0);
    p.depth = (uint32_t)in.dims[in.n_dims - 1];
    if (p.depth >= MAX_DEPTH)
        return mw_refuse(b, "# items in a row, fewer than # are supported", p.depth, MAX_DEPTH);
    p.n_rows = in.n_items / p.depth;
    op->run = run_softmax;
    op->params = mw_keep(b, &p, sizeof p);
    return MW_OK;
}
