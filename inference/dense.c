/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/dense.h"
#include "base/load.h"
#include "base/result.h"
#include "inference/dense_kernel.h"
#include "inference/fault.h"
#include "inference/weights.h"

enum { DENSE_ACTIVATION = 0, DENSE_WEIGHTS_FORMAT };

#define MAX_SHIFT_WIDE 7 /* of mw_requantize_wide */

struct dense {
    struct mw_dense_s8 layer;
    enum mw_rounding rounding;
    uint32_t n_rows;
};

static void run_s8(const void *params, const void *const *in, void *const *out)
{
    const struct dense *d = params;
    mw_dense_run(&d->layer, d->rounding, in[0], out[0], d->n_rows);
}

struct mw_dense_s8 *mw_dense_layer(const struct mw_op *op)
{
    if (op->run != run_s8)
        return NULL;
    return (struct mw_dense_s8 *)(uintptr_t)op->params; /* in the caller's memory, not const */
}

/* Whether a layer has int16 activations; asked of its input. */
static bool is_wide(const struct mw_tensor *in)
{
#ifdef MW_ENGINE_DENSE_ONLY
    (void)in;
    return false;
#else
    return in->type == MW_INT16;
#endif
}

#ifndef MW_ENGINE_DENSE_ONLY
static void row_s16(const struct mw_dense_s8 *layer, const int16_t *x, int16_t *y)
{
    const int8_t *w = layer->weights;
    for (uint32_t o = 0; o < layer->n_out; o++, w += layer->n_in) {
        int64_t acc = layer->bias ? (int64_t)mw_load_u64le(layer->bias + 8 * (size_t)o) : 0;
        for (uint32_t i = 0; i < layer->n_in; i++)
            acc += w[i] * x[i];
        uint32_t k = layer->n_multipliers > 1 ? o : 0;
        int32_t v = mw_requantize_wide(
            acc, (struct mw_multiplier){ layer->multiplier[k], layer->shift[k] });
        y[o] = (int16_t)(v < layer->out_min   ? layer->out_min
                         : v > layer->out_max ? layer->out_max
                                              : v);
    }
}

static void run_s16(const void *params, const void *const *in, void *const *out)
{
    const struct dense *d = params;
    const int16_t *x = in[0];
    int16_t *y = out[0];
    for (uint32_t r = 0; r < d->n_rows; r++)
        row_s16(&d->layer, x + (size_t)r * d->layer.n_in, y + (size_t)r * d->layer.n_out);
}
#endif

/* abs(s_in * s_w - s_bias) / s_out beyond 0.02 is refused, as by TensorFlow Lite
 * (kernels/kernel_util.cc, GetQuantizedConvolutionMultipler), which does not ask per channel. */
static bool bias_scale_fits(const struct mw_tensor *in, const struct mw_tensor *weights,
                            const struct mw_tensor *bias, const struct mw_tensor *out)
{
    if (weights->n_scales > 1)
        return true;
    return mw_bias_scale_fits(in->quant.scale, weights->quant.scale, bias->quant.scale,
                              out->quant.scale);
}

static int check_shapes(struct mw_build *b, const struct mw_tensor *in, const struct mw_tensor *w,
                        const struct mw_tensor *out)
{
    if (w->dims[0] > MW_MODEL_MAX_WIDTH || w->dims[1] > MW_MODEL_MAX_WIDTH)
        return mw_fault(b->why, MW_ERR_TOO_BIG, "weights of # x # are too wide", w->dims[0],
                        w->dims[1]);
    uint32_t n_out = (uint32_t)w->dims[0], n_in = (uint32_t)w->dims[1];
    if (in->n_items % n_in != 0)
        return mw_refuse(b, "tensor # is not rows of # items", in->index, n_in);
    if (out->n_items % n_out != 0 || out->n_items / n_out != in->n_items / n_in)
        return mw_refuse(b, "tensor # is not as many rows of # items", out->index, n_out);
    return MW_OK;
}

static int check_types(struct mw_build *b, const struct mw_tensor *in, const struct mw_tensor *out)
{
    bool wide = is_wide(in);
    if (in->type != MW_INT8 && !wide)
        return mw_refuse(b, "tensor # is of type #, only int8 (9) and int16 (7) are supported",
                         in->index, in->type);
    if (out->type != in->type)
        return mw_refuse(b, "tensor # is of another type than tensor #", out->index, in->index);
    if (wide && in->data) /* which the file need not align */
        return mw_refuse(b, "tensor # is an int16 constant", in->index, 0);
    if (in->n_scales != 1 || out->n_scales != 1)
        return mw_refuse(b, "tensor # or # has not one scale", in->index, out->index);
    if (wide && (in->quant.zero != 0 || out->quant.zero != 0))
        return mw_refuse(b, "tensor # or #: int16 has zero point 0", in->index, out->index);
    return MW_OK;
}

static int fused_range(struct mw_build *b, const struct mw_tensor *out, bool wide,
                       struct mw_dense_s8 *layer)
{
    uint8_t activation = mw_option_u8(b, DENSE_ACTIVATION, 0);
    if (!wide)
        return mw_fused_range(b, activation, &out->quant, &layer->out_min, &layer->out_max);
    if (activation != MW_TFLITE_NONE && activation != MW_TFLITE_RELU)
        return mw_refuse(b, "fused activation # is not supported with int16", activation, 0);
    layer->out_min = activation == MW_TFLITE_RELU ? 0 : INT16_MIN;
    layer->out_max = INT16_MAX;
    return MW_OK;
}

static int read_dense(struct mw_build *b, struct mw_tensor *in, struct mw_tensor *weights,
                      struct mw_tensor *out)
{
    int result = mw_weights(b, 1, 2, 0, weights);
    if (result == MW_OK)
        result = mw_input(b, 0, in);
    if (result == MW_OK)
        result = mw_output(b, 0, out);
    if (result == MW_OK)
        result = check_types(b, in, out);
    return result == MW_OK ? check_shapes(b, in, weights, out) : result;
}

int mw_prepare_dense(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, weights, out, bias = { 0 };
    struct dense d = { .rounding = b->rounding };
    struct mw_dense_s8 *layer = &d.layer;
    uint8_t format = mw_option_u8(b, DENSE_WEIGHTS_FORMAT, 0);
    if (format != 0)
        return mw_refuse(b, "weights format # is not supported", format, 0);
    int result = read_dense(b, &in, &weights, &out);
    if (result < 0)
        return result;
    bool wide = is_wide(&in);
    layer->n_out = (uint32_t)weights.dims[0];
    layer->n_in = (uint32_t)weights.dims[1];
    layer->weights = (const int8_t *)weights.data;
    layer->n_multipliers = weights.n_scales;
    layer->in_zero = in.quant.zero;
    layer->out_zero = out.quant.zero;
    d.n_rows = in.n_items / layer->n_in;
    result = mw_bias(b, 2, layer->n_out, layer->n_in, wide, &layer->bias, &bias);
    if (result == MW_OK && layer->bias && !bias_scale_fits(&in, &weights, &bias, &out))
        return mw_refuse(b, "bias (tensor #) is not scaled by input and weights", bias.index, 0);
    if (result == MW_OK)
        result = fused_range(b, &out, wide, layer);
    if (result == MW_OK)
        result = mw_channel_multipliers(
            b, in.quant.scale, &weights, out.quant.scale, weights.n_scales == 1,
            wide ? MAX_SHIFT_WIDE : MW_QUANT_MAX_SHIFT, &layer->multiplier, &layer->shift);
    if (result < 0)
        return result;
    b->n_macs += (uint64_t)d.n_rows * layer->n_in * layer->n_out;
    op->params = mw_keep(b, &d, sizeof d);
    op->run = run_s8;
    op->n_in = 1; /* weights and bias are in the layer */
#ifndef MW_ENGINE_DENSE_ONLY
    if (wide)
        op->run = run_s16;
#endif
    return MW_OK;
}
