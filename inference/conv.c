/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/conv.h"
#include "base/load.h"
#include "base/result.h"
#include "inference/dense_kernel.h"
#include "inference/weights.h"

#define MAX_STEP 65536

/* Fields of the three option tables. */
enum { CONV_PADDING = 0, CONV_STRIDE_W, CONV_STRIDE_H };
enum { CONV_ACTIVATION = 3, CONV_DILATION_W, CONV_DILATION_H };
enum { DEPTHWISE_ACTIVATION = 4, DEPTHWISE_DILATION_W, DEPTHWISE_DILATION_H };
enum { TRANSPOSE_ACTIVATION = 3 };

struct conv {
    struct mw_dense_s8 layer; /* a position's taps to its channels; a kernel's only where row is */
    int8_t *row;              /* [layer.n_in], or NULL: no kernel suits */
    enum mw_rounding rounding;
    int32_t n_batches, in_h, in_w, in_c, out_h, out_w, out_c, filter_h, filter_w;
    int32_t depth, per_group;      /* input channels of a sum; outputs that share them */
    int32_t w_out, w_row, w_place; /* steps in the weights: output channel, ky, kx */
    int32_t stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
};

static int8_t conv_finish(const struct conv *c, int32_t acc, int32_t o)
{
    const struct mw_dense_s8 *l = &c->layer;
    if (l->bias)
        acc += (int32_t)mw_load_u32le(l->bias + 4 * (size_t)o);
    int32_t k = l->n_multipliers > 1 ? o : 0;
    struct mw_multiplier m = { l->multiplier[k], l->shift[k] };
    return mw_clamp_s8((int64_t)mw_requantize(acc, m, c->rounding) + l->out_zero, l->out_min,
                       l->out_max);
}

static int32_t conv_dot(const int8_t *w, const int8_t *x, int32_t n, int32_t in_zero)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += w[i] * (x[i] - in_zero);
    return sum;
}

/* Sum of output channel o with the filter's first tap at (y, x) of one image. */
static int32_t forward_sum(const struct conv *c, const int8_t *image, int32_t y, int32_t x,
                           int32_t o)
{
    const int8_t *w = c->layer.weights + (size_t)o * (size_t)c->w_out;
    const int8_t *group = image + o / c->per_group * c->depth;
    int32_t sum = 0;
    for (int32_t ky = 0; ky < c->filter_h; ky++) {
        int32_t iy = y + ky * c->dilation_h;
        if (iy < 0 || iy >= c->in_h)
            continue;
        for (int32_t kx = 0; kx < c->filter_w; kx++) {
            int32_t ix = x + kx * c->dilation_w;
            if (ix >= 0 && ix < c->in_w)
                sum +=
                    conv_dot(w + ky * c->w_row + kx * c->w_place,
                             group + ((size_t)iy * (size_t)c->in_w + (size_t)ix) * (size_t)c->in_c,
                             c->depth, c->layer.in_zero);
        }
    }
    return sum;
}

static void run_forward(const void *params, const void *const *in, void *const *out)
{
    const struct conv *c = params;
    const int8_t *image = in[0];
    int8_t *at = out[0];
    for (int32_t b = 0; b < c->n_batches; b++, image += c->in_h * c->in_w * c->in_c)
        for (int32_t oy = 0; oy < c->out_h; oy++)
            for (int32_t ox = 0; ox < c->out_w; ox++)
                for (int32_t o = 0; o < c->out_c; o++)
                    *at++ = conv_finish(c,
                                        forward_sum(c, image, oy * c->stride_h - c->pad_h,
                                                    ox * c->stride_w - c->pad_w, o),
                                        o);
}

/* Copies the taps of the filter at (y, x) into the row; what is outside of the image is in_zero,
 * which adds nothing. */
static void gather(const struct conv *c, const int8_t *image, int32_t y, int32_t x)
{
    int8_t *at = c->row;
    size_t depth = (size_t)c->in_c;
    __builtin_memset(c->row, c->layer.in_zero, c->layer.n_in);
    for (int32_t ky = 0; ky < c->filter_h; ky++) {
        int32_t iy = y + ky * c->dilation_h;
        for (int32_t kx = 0; kx < c->filter_w; kx++, at += depth) {
            int32_t ix = x + kx * c->dilation_w;
            if (iy >= 0 && iy < c->in_h && ix >= 0 && ix < c->in_w)
                __builtin_memcpy(at, image + ((size_t)iy * (size_t)c->in_w + (size_t)ix) * depth,
                                 depth);
        }
    }
}

/* The taps of the filter at (y, x) in one piece: a row of a 1-D convolution lies in the image as it
 * is, but at the image's edges. */
static const int8_t *taps(const struct conv *c, const int8_t *image, int32_t y, int32_t x)
{
    bool whole = c->filter_h == 1 && c->dilation_w == 1 && y >= 0 && y < c->in_h && x >= 0 &&
                 x + c->filter_w <= c->in_w;
    if (whole)
        return image + ((size_t)y * (size_t)c->in_w + (size_t)x) * (size_t)c->in_c;
    gather(c, image, y, x);
    return c->row;
}

/* By a kernel of FULLY_CONNECTED, whose window is the filter's taps. */
static void run_rows(const struct conv *c, const int8_t *image, int8_t *at)
{
    for (int32_t b = 0; b < c->n_batches; b++, image += c->in_h * c->in_w * c->in_c)
        for (int32_t oy = 0; oy < c->out_h; oy++)
            for (int32_t ox = 0; ox < c->out_w; ox++, at += c->out_c)
                mw_dense_run(
                    &c->layer, c->rounding,
                    taps(c, image, oy * c->stride_h - c->pad_h, ox * c->stride_w - c->pad_w), at,
                    1);
}

static void run_conv(const void *params, const void *const *in, void *const *out)
{
    const struct conv *c = params;
    if (c->layer.kernel && c->layer.kernel != &mw_dense_reference)
        run_rows(c, in[0], out[0]);
    else
        run_forward(params, in, out);
}

struct mw_dense_s8 *mw_conv_layer(const struct mw_op *op)
{
    if (op->run != run_conv)
        return NULL;
    struct conv *c = (struct conv *)(uintptr_t)op->params; /* in the caller's memory, not const */
    return c->row ? &c->layer : NULL;
}

/* Along an axis, taps first, first + stride, … meet output position `at`; the first meets input
 * position *ret_from, each next one the position before. */
static int32_t first_tap(int32_t at, int32_t pad, int32_t stride, int32_t *ret_from)
{
    *ret_from = (at + pad) / stride;
    return (at + pad) % stride;
}

static int32_t backward_row(const struct conv *c, const int8_t *w, const int8_t *row, int32_t ox)
{
    int32_t ix, sum = 0;
    for (int32_t kx = first_tap(ox, c->pad_w, c->stride_w, &ix); kx < c->filter_w && ix >= 0;
         kx += c->stride_w, ix--)
        if (ix < c->in_w)
            sum += conv_dot(w + kx * c->w_place, row + ix * c->in_c, c->depth, c->layer.in_zero);
    return sum;
}

static int32_t backward_sum(const struct conv *c, const int8_t *image, int32_t oy, int32_t ox,
                            int32_t o)
{
    const int8_t *w = c->layer.weights + (size_t)o * (size_t)c->w_out;
    int32_t iy, sum = 0;
    for (int32_t ky = first_tap(oy, c->pad_h, c->stride_h, &iy); ky < c->filter_h && iy >= 0;
         ky += c->stride_h, iy--)
        if (iy < c->in_h)
            sum += backward_row(c, w + ky * c->w_row, image + iy * c->in_w * c->in_c, ox);
    return sum;
}

static void run_backward(const void *params, const void *const *in, void *const *out)
{
    const struct conv *c = params;
    const int8_t *image = in[2];
    int8_t *at = out[0];
    for (int32_t b = 0; b < c->n_batches; b++, image += c->in_h * c->in_w * c->in_c)
        for (int32_t oy = 0; oy < c->out_h; oy++)
            for (int32_t ox = 0; ox < c->out_w; ox++)
                for (int32_t o = 0; o < c->out_c; o++)
                    *at++ = conv_finish(c, backward_sum(c, image, oy, ox, o), o);
}

struct mw_padding mw_pad_axis(uint8_t padding, int32_t n_in, int32_t filter, int32_t stride,
                              int32_t dilation)
{
    int64_t span = (int64_t)(filter - 1) * dilation + 1;
    int64_t free = padding == 0 ? n_in : n_in - span + 1;
    int64_t n_out = free < 1 ? 0 : (free + stride - 1) / stride;
    int64_t total = (n_out - 1) * stride + span - n_in;
    return (struct mw_padding){ (int32_t)n_out, total > 0 ? (int32_t)(total / 2) : 0 };
}

int mw_read_step(struct mw_build *b, uint32_t field, int32_t *ret_step)
{
    int32_t step = mw_option_s32(b, field, 0);
    if (step < 1 || step > MAX_STEP)
        return mw_refuse(b, "a stride, dilation or filter of # is not supported", step, 0);
    *ret_step = step;
    return MW_OK;
}

static int read_dilation(struct mw_build *b, uint32_t field, int32_t *ret_step)
{
    int32_t step = mw_option_s32(b, field, 1);
    if (step < 1 || step > MAX_STEP)
        return mw_refuse(b, "a dilation of # is not supported", step, 0);
    *ret_step = step;
    return MW_OK;
}

static int read_steps(struct mw_build *b, struct conv *c, uint32_t dilation_w)
{
    int result = mw_read_step(b, CONV_STRIDE_W, &c->stride_w);
    if (result == MW_OK)
        result = mw_read_step(b, CONV_STRIDE_H, &c->stride_h);
    c->dilation_w = c->dilation_h = 1;
    if (result == MW_OK && dilation_w > 0)
        result = read_dilation(b, dilation_w, &c->dilation_w);
    if (result == MW_OK && dilation_w > 0)
        result = read_dilation(b, dilation_w + 1, &c->dilation_h);
    return result;
}

/* Input `input`, weights and output, and what follows from their shapes. */
static int read_images(struct mw_build *b, struct conv *c, uint32_t input, bool depthwise,
                       struct mw_tensor *in, struct mw_tensor *w, struct mw_tensor *out)
{
    int result = mw_input_s8(b, input, in);
    if (result == MW_OK)
        result = mw_weights(b, 1, 4, depthwise ? MW_IMAGE_C : 0, w);
    if (result == MW_OK)
        result = mw_output_s8(b, 0, out);
    if (result < 0)
        return result;
    if (in->n_dims != 4 || out->n_dims != 4 || in->dims[0] != out->dims[0])
        return mw_refuse(b, "tensors # and # are not images of as many batches", in->index,
                         out->index);
    c->n_batches = in->dims[0];
    c->in_h = in->dims[MW_IMAGE_H];
    c->in_w = in->dims[MW_IMAGE_W];
    c->in_c = in->dims[MW_IMAGE_C];
    c->out_h = out->dims[MW_IMAGE_H];
    c->out_w = out->dims[MW_IMAGE_W];
    c->out_c = out->dims[MW_IMAGE_C];
    c->filter_h = w->dims[MW_IMAGE_H];
    c->filter_w = w->dims[MW_IMAGE_W];
    c->w_row = c->filter_w * w->dims[MW_IMAGE_C];
    c->w_place = w->dims[MW_IMAGE_C];
    c->layer = (struct mw_dense_s8){ .n_out = (uint32_t)c->out_c,
                                     .weights = (const int8_t *)w->data,
                                     .n_multipliers = w->n_scales,
                                     .in_zero = in->quant.zero,
                                     .out_zero = out->quant.zero };
    c->rounding = b->rounding;
    return MW_OK;
}

/* Padding of the forward convolution from n_in to n_out positions along both axes. */
static int read_padding(struct mw_build *b, struct conv *c, bool transposed)
{
    uint8_t padding = mw_option_u8(b, CONV_PADDING, 0);
    if (padding > 1)
        return mw_refuse(b, "padding # is not supported", padding, 0);
    if ((int64_t)(c->filter_h - 1) * c->dilation_h >= MAX_STEP ||
        (int64_t)(c->filter_w - 1) * c->dilation_w >= MAX_STEP)
        return mw_refuse(b, "a dilated filter of more than # places is not supported", MAX_STEP, 0);
    struct mw_padding h = mw_pad_axis(padding, transposed ? c->out_h : c->in_h, c->filter_h,
                                      c->stride_h, c->dilation_h);
    struct mw_padding w = mw_pad_axis(padding, transposed ? c->out_w : c->in_w, c->filter_w,
                                      c->stride_w, c->dilation_w);
    if (!transposed && (h.n_out != c->out_h || w.n_out != c->out_w))
        return mw_refuse(b, "the output is not # x #", h.n_out, w.n_out);
    c->pad_h = h.before;
    c->pad_w = w.before;
    return MW_OK;
}

/* Bias, activation and multipliers; then everything is kept. */
static int complete(struct mw_build *b, struct conv *c, struct mw_op *op, uint32_t bias_input,
                    uint32_t activation, const struct mw_tensor *in, const struct mw_tensor *w,
                    const struct mw_tensor *out)
{
    struct mw_tensor bias;
    struct mw_dense_s8 *l = &c->layer;
    l->n_in = (uint32_t)c->filter_h * (uint32_t)c->filter_w * (uint32_t)c->depth;
    int result = mw_bias(b, bias_input, l->n_out, l->n_in, false, &l->bias, &bias);
    if (result == MW_OK)
        result = mw_fused_range(b, mw_option_u8(b, activation, 0), &out->quant, &l->out_min,
                                &l->out_max);
    if (result == MW_OK)
        result = mw_channel_multipliers(b, in->quant.scale, w, out->quant.scale, false,
                                        MW_QUANT_MAX_SHIFT, &l->multiplier, &l->shift);
    if (result < 0)
        return result;
    if (op->run == run_conv && c->per_group == c->out_c && l->n_in <= MW_MODEL_MAX_WIDTH &&
        l->n_out <= MW_MODEL_MAX_WIDTH)
        c->row = mw_take(b, l->n_in);
    op->params = mw_keep(b, c, sizeof *c);
    return MW_OK;
}

int mw_prepare_conv(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, w, out;
    struct conv c = { 0 };
    int result = read_images(b, &c, 0, false, &in, &w, &out);
    if (result == MW_OK)
        result = read_steps(b, &c, CONV_DILATION_W);
    if (result == MW_OK)
        result = read_padding(b, &c, false);
    if (result < 0)
        return result;
    c.depth = w.dims[MW_IMAGE_C];
    if (c.in_c % c.depth != 0 || w.dims[0] != c.out_c || c.out_c % (c.in_c / c.depth) != 0)
        return mw_refuse(b, "weights for # channels on an input of #", c.depth, c.in_c);
    c.per_group = c.out_c / (c.in_c / c.depth);
    c.w_out = c.filter_h * c.w_row;
    op->run = run_conv;
    op->n_in = 1;
    b->n_macs += (uint64_t)out.n_items * (uint32_t)(c.filter_h * c.filter_w * c.depth);
    return complete(b, &c, op, 2, CONV_ACTIVATION, &in, &w, &out);
}

int mw_prepare_depthwise(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, w, out;
    struct conv c = { 0 };
    int result = read_images(b, &c, 0, true, &in, &w, &out);
    if (result == MW_OK)
        result = read_steps(b, &c, DEPTHWISE_DILATION_W);
    if (result == MW_OK)
        result = read_padding(b, &c, false);
    if (result < 0)
        return result;
    if (w.dims[0] != 1 || w.dims[MW_IMAGE_C] != c.out_c || c.out_c % c.in_c != 0)
        return mw_refuse(b, "weights for # outputs on an input of # channels", w.dims[MW_IMAGE_C],
                         c.in_c);
    c.depth = 1;
    c.per_group = c.out_c / c.in_c;
    c.w_out = 1;
    op->run = run_forward;
    op->n_in = 1;
    b->n_macs += (uint64_t)out.n_items * (uint32_t)(c.filter_h * c.filter_w * c.depth);
    return complete(b, &c, op, 2, DEPTHWISE_ACTIVATION, &in, &w, &out);
}

int mw_prepare_transpose_conv(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, w, out;
    struct conv c = { 0 };
    int32_t shape[4];
    uint32_t n_shape = 0;
    int result = read_images(b, &c, 2, false, &in, &w, &out);
    if (result == MW_OK)
        result = mw_constant_s32(b, 0, 4, shape, &n_shape);
    if (result == MW_OK)
        result = read_steps(b, &c, 0);
    if (result == MW_OK)
        result = read_padding(b, &c, true);
    if (result < 0)
        return result;
    if (n_shape != 4 || shape[0] != out.dims[0] || shape[MW_IMAGE_H] != c.out_h ||
        shape[MW_IMAGE_W] != c.out_w || shape[MW_IMAGE_C] != c.out_c)
        return mw_refuse(b, "tensor # is not the output's shape", mw_node_in(b->file, &b->node, 0),
                         0);
    c.depth = w.dims[MW_IMAGE_C];
    if (c.depth != c.in_c || w.dims[0] != c.out_c)
        return mw_refuse(b, "weights for # channels on an input of #", c.depth, c.in_c);
    c.w_out = c.filter_h * c.w_row;
    op->run = run_backward;
    b->n_macs += (uint64_t)in.n_items * (uint32_t)(c.filter_h * c.filter_w * c.out_c);
    return complete(b, &c, op, 3, TRANSPOSE_ACTIVATION, &in, &w, &out);
}
