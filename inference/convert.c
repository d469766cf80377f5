/* SPDX-License-Identifier: Apache-2.0 */
/* QUANTIZE (float32 to int8, int8 to int8, int8 to int16) and DEQUANTIZE (int8 and int16 to
 * float32). Between integers: requantise(q - zero_in) by s_in / s_out in double, + zero_out,
 * clamped. Source: TensorFlow Lite reference/quantize.h, requantize.h, dequantize.h. */
#include "base/result.h"
#include "inference/operator.h"

struct convert {
    uint32_t n;
    struct mw_quant in, out;
    struct mw_multiplier m;
    enum mw_rounding rounding;
};

static void run_quantize(const void *params, const void *const *in, void *const *out)
{
    const struct convert *p = params;
    mw_quantize_s8(&p->out, in[0], out[0], p->n);
}

static int32_t requantized(const struct convert *p, int32_t q, int32_t min, int32_t max)
{
    int64_t v = (int64_t)mw_requantize(q - p->in.zero, p->m, p->rounding) + p->out.zero;
    return (int32_t)(v < min ? min : v > max ? max : v);
}

static void run_to_s8(const void *params, const void *const *in, void *const *out)
{
    const struct convert *p = params;
    const int8_t *x = in[0];
    int8_t *y = out[0];
    for (uint32_t i = 0; i < p->n; i++)
        y[i] = (int8_t)requantized(p, x[i], INT8_MIN, INT8_MAX);
}

static void run_to_s16(const void *params, const void *const *in, void *const *out)
{
    const struct convert *p = params;
    const int8_t *x = in[0];
    int16_t *y = out[0];
    for (uint32_t i = 0; i < p->n; i++)
        y[i] = (int16_t)requantized(p, x[i], INT16_MIN, INT16_MAX);
}

static void run_dequantize(const void *params, const void *const *in, void *const *out)
{
    const struct convert *p = params;
    mw_dequantize_s8(&p->in, in[0], out[0], p->n);
}

static void run_dequantize_s16(const void *params, const void *const *in, void *const *out)
{
    const struct convert *p = params;
    const int16_t *x = in[0];
    float *y = out[0];
    for (uint32_t i = 0; i < p->n; i++)
        y[i] = (float)((double)p->in.scale * (x[i] - p->in.zero));
}

static int read_convert(struct mw_build *b, struct convert *p, struct mw_tensor *in,
                        struct mw_tensor *out)
{
    int result = mw_input(b, 0, in);
    if (result == MW_OK)
        result = mw_output(b, 0, out);
    if (result < 0)
        return result;
    if (!mw_same_shape(in, out))
        return mw_refuse(b, "tensors # and # are not of one shape", in->index, out->index);
    if (in->data)
        return mw_refuse(b, "tensor # is a constant", in->index, 0);
    *p = (struct convert){
        .n = in->n_items, .in = in->quant, .out = out->quant, .rounding = b->rounding
    };
    return MW_OK;
}

static int refuse_types(struct mw_build *b, const struct mw_tensor *in, const struct mw_tensor *out)
{
    return mw_refuse(b, "from type # to type # is not supported", in->type, out->type);
}

int mw_prepare_quantize(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    struct convert p;
    int result = read_convert(b, &p, &in, &out);
    if (result < 0)
        return result;
    bool to_s8 = out.type == MW_INT8, to_s16 = out.type == MW_INT16;
    if ((!to_s8 && !to_s16) || (in.type != MW_INT8 && (in.type != MW_FLOAT32 || to_s16)))
        return refuse_types(b, &in, &out);
    if (out.n_scales != 1 || (in.type == MW_INT8 && in.n_scales != 1) ||
        (to_s16 && out.quant.zero != 0))
        return mw_refuse(b, "tensor # or # has not one scale, or int16 a zero point", in.index,
                         out.index);
    op->run = in.type == MW_FLOAT32 ? run_quantize : to_s8 ? run_to_s8 : run_to_s16;
    if (in.type == MW_INT8)
        result = mw_make_multiplier(b, (double)in.quant.scale / (double)out.quant.scale, &p.m);
    op->params = mw_keep(b, &p, sizeof p);
    return result;
}

int mw_prepare_dequantize(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    struct convert p;
    int result = read_convert(b, &p, &in, &out);
    if (result < 0)
        return result;
    if ((in.type != MW_INT8 && in.type != MW_INT16) || out.type != MW_FLOAT32)
        return refuse_types(b, &in, &out);
    if (in.n_scales != 1)
        return mw_refuse(b, "tensor # has not one scale", in.index, 0);
    op->run = in.type == MW_INT8 ? run_dequantize : run_dequantize_s16;
    op->params = mw_keep(b, &p, sizeof p);
    return MW_OK;
}
