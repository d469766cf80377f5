/* SPDX-License-Identifier: Apache-2.0 */
/* Operators of one int8 input and no shape of their own.
 *
 * RELU: requantise(x - zero_in) by float32(s_in / s_out), + zero_out, not below zero_out.
 * RELU6: the byte clamped to zero .. q(6); input and output quantised alike. LEAKY_RELU: as RELU
 * where x >= zero_in, else by float32(float32(s_in * alpha) / s_out). LOGISTIC, TANH: a table of
 * 256 bytes made at load in fixed point. Source: TensorFlow Lite micro/kernels/activations.h,
 * reference/leaky_relu.h with micro/kernels/leaky_relu_common.cc, reference/integer_ops/logistic.h
 * and tanh.h with micro/kernels/logistic_common.cc and tanh.cc. */
#include "base/result.h"
#include "inference/fixedpoint.h"
#include "inference/operator.h"

#include <float.h>

enum { CODE_LOGISTIC = 14 };
enum { OPTION_ALPHA = 0 };

struct slope {
    uint32_t n;
    struct mw_multiplier above, below; /* of zero_in */
    enum mw_rounding rounding;
    int32_t in_zero, out_zero, out_min, out_max;
};

static void run_slope(const void *params, const void *const *in, void *const *out)
{
    const struct slope *p = params;
    const int8_t *x = in[0];
    int8_t *y = out[0];
    for (uint32_t i = 0; i < p->n; i++) {
        int32_t v = x[i] - p->in_zero;
        v = mw_requantize(v, v >= 0 ? p->above : p->below, p->rounding);
        y[i] = mw_clamp_s8((int64_t)v + p->out_zero, p->out_min, p->out_max);
    }
}

static void run_clamp(const void *params, const void *const *in, void *const *out)
{
    const struct slope *p = params;
    const int8_t *x = in[0];
    int8_t *y = out[0];
    for (uint32_t i = 0; i < p->n; i++)
        y[i] = mw_clamp_s8(x[i], p->out_min, p->out_max);
}

static int read_unary(struct mw_build *b, struct mw_tensor *in, struct mw_tensor *out)
{
    int result = mw_input_s8(b, 0, in);
    if (result == MW_OK)
        result = mw_output_s8(b, 0, out);
    if (result == MW_OK && !mw_same_shape(in, out))
        return mw_refuse(b, "tensors # and # are not of one shape", in->index, out->index);
    return result;
}

static struct slope slope_of(const struct mw_build *b, const struct mw_tensor *in,
                             const struct mw_tensor *out)
{
    return (struct slope){
        .n = in->n_items,
        .rounding = b->rounding,
        .in_zero = in->quant.zero,
        .out_zero = out->quant.zero,
        .out_min = INT8_MIN,
        .out_max = INT8_MAX,
    };
}

int mw_prepare_relu(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    int result = read_unary(b, &in, &out);
    if (result < 0)
        return result;
    struct slope p = slope_of(b, &in, &out);
    float ratio = in.quant.scale / out.quant.scale;
    result = mw_make_multiplier(b, (double)ratio, &p.above);
    p.below = p.above;
    p.out_min = out.quant.zero;
    op->run = run_slope;
    op->params = mw_keep(b, &p, sizeof p);
    return result;
}

int mw_prepare_leaky_relu(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    int result = read_unary(b, &in, &out);
    float alpha = mw_option_f32(b, OPTION_ALPHA, 0.0f);
    if (result == MW_OK && !(alpha >= 0.0f && alpha <= FLT_MAX))
        result = mw_refuse(b, "alpha is not 0 or above", 0, 0);
    if (result < 0)
        return result;
    struct slope p = slope_of(b, &in, &out);
    float scaled = in.quant.scale * alpha;
    float ratio = in.quant.scale / out.quant.scale, below = scaled / out.quant.scale;
    result = mw_make_multiplier(b, (double)ratio, &p.above);
    if (result == MW_OK)
        result = mw_make_multiplier(b, (double)below, &p.below);
    op->run = run_slope;
    op->params = mw_keep(b, &p, sizeof p);
    return result;
}

int mw_prepare_relu6(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    int result = read_unary(b, &in, &out);
    if (result < 0)
        return result;
    if (!mw_same_quant(&in, &out))
        return mw_refuse(b, "tensors # and # are not quantised alike", in.index, out.index);
    struct slope p = slope_of(b, &in, &out);
    result = mw_fused_range(b, MW_TFLITE_RELU6, &in.quant, &p.out_min, &p.out_max);
    op->run = run_clamp;
    op->params = mw_keep(b, &p, sizeof p);
    return result;
}

struct table {
    uint32_t n;
    int8_t y[256]; /* of x = -128 .. 127 */
};

static void run_table(const void *params, const void *const *in, void *const *out)
{
    const struct table *p = params;
    const int8_t *x = in[0];
    int8_t *y = out[0];
    for (uint32_t i = 0; i < p->n; i++)
        y[i] = p->y[x[i] + 128];
}

static int8_t curve(int32_t x, bool logistic, struct mw_multiplier m, int64_t radius,
                    enum mw_rounding rounding)
{
    if (x <= -radius)
        return INT8_MIN;
    if (x >= radius)
        return INT8_MAX;
    int32_t t = mw_requantize(x, m, rounding);
    int32_t v = logistic ? mw_fixed_divide_by_power(mw_fixed_logistic(t), 23) - 128
                         : mw_fixed_divide_by_power(mw_fixed_tanh(t), 24);
    return mw_clamp_s8(v, INT8_MIN, INT8_MAX);
}

/* LOGISTIC gives 1/256 steps from zero point -128, TANH 1/128 steps around 0. */
int mw_prepare_logistic(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    bool logistic = b->node.code == CODE_LOGISTIC;
    int result = read_unary(b, &in, &out);
    if (result < 0)
        return result;
    if (out.quant.scale != (logistic ? 0x1p-8f : 0x1p-7f) ||
        out.quant.zero != (logistic ? -128 : 0))
        return mw_refuse(b, "tensor # has not the scale and zero point that this operator gives",
                         out.index, 0);
    struct mw_multiplier m = mw_quantize_multiplier((double)in.quant.scale * 0x1p27, b->rounding);
    if (m.shift < 0 || m.shift > MW_QUANT_MAX_SHIFT)
        return mw_refuse(b, "the input's scale is not in 2^-28 to 8", 0, 0);
    struct table *table = mw_take(b, sizeof *table);
    int64_t radius = (INT64_C(15) << 27) >> m.shift;
    op->run = run_table;
    op->params = table;
    if (!table)
        return MW_OK;
    table->n = in.n_items;
    for (int32_t q = -128; q < 128; q++)
        table->y[q + 128] = curve(q - in.quant.zero, logistic, m, radius, b->rounding);
    return MW_OK;
}
