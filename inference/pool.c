/* SPDX-License-Identifier: Apache-2.0 */
/* AVERAGE_POOL_2D and MAX_POOL_2D on int8, NHWC. The average over the n taps inside the image is
 * (sum + n/2) / n where the sum is above 0, else (sum - n/2) / n, truncated; nothing is
 * requantised, so input and output have one quantisation. Source: TensorFlow Lite
 * reference/integer_ops/pooling.h. */
#include "base/result.h"
#include "inference/conv.h"

enum { POOL_PADDING = 0, POOL_STRIDE_W, POOL_STRIDE_H, POOL_W, POOL_H, POOL_ACTIVATION };
enum { CODE_AVERAGE_POOL = 1 };

struct pool {
    bool average;
    int32_t n_batches, in_h, in_w, n_channels, out_h, out_w;
    int32_t stride_h, stride_w, filter_h, filter_w, pad_h, pad_w;
    int32_t out_min, out_max;
};

static int32_t not_below(int32_t v, int32_t min)
{
    return v < min ? min : v;
}

static int32_t not_above(int32_t v, int32_t max)
{
    return v > max ? max : v;
}

/* One channel of one output; image points at that channel. */
static int32_t pool_one(const struct pool *p, const int8_t *image, int32_t y, int32_t x)
{
    int32_t sum = 0, max = INT8_MIN, n = 0;
    for (int32_t iy = not_below(y, 0); iy < not_above(y + p->filter_h, p->in_h); iy++)
        for (int32_t ix = not_below(x, 0); ix < not_above(x + p->filter_w, p->in_w); ix++, n++) {
            int32_t v = image[(iy * p->in_w + ix) * p->n_channels];
            sum += v;
            max = not_below(v, max);
        }
    if (!p->average || n == 0)
        return max;
    return sum > 0 ? (sum + n / 2) / n : (sum - n / 2) / n;
}

static void run_pool(const void *params, const void *const *in, void *const *out)
{
    const struct pool *p = params;
    const int8_t *image = in[0];
    int8_t *at = out[0];
    for (int32_t b = 0; b < p->n_batches; b++, image += p->in_h * p->in_w * p->n_channels)
        for (int32_t oy = 0; oy < p->out_h; oy++)
            for (int32_t ox = 0; ox < p->out_w; ox++)
                for (int32_t c = 0; c < p->n_channels; c++)
                    *at++ = mw_clamp_s8(pool_one(p, image + c, oy * p->stride_h - p->pad_h,
                                                 ox * p->stride_w - p->pad_w),
                                        p->out_min, p->out_max);
}

static int read_options(struct mw_build *b, struct pool *p)
{
    int result = mw_read_step(b, POOL_STRIDE_W, &p->stride_w);
    if (result == MW_OK)
        result = mw_read_step(b, POOL_STRIDE_H, &p->stride_h);
    if (result == MW_OK)
        result = mw_read_step(b, POOL_W, &p->filter_w);
    if (result == MW_OK)
        result = mw_read_step(b, POOL_H, &p->filter_h);
    return result;
}

/* Equal zero points, and scales within 1e-6, as TensorFlow Lite Micro demands. */
static bool quant_fits(const struct mw_tensor *in, const struct mw_tensor *out)
{
    float difference = in->quant.scale - out->quant.scale;
    return in->quant.zero == out->quant.zero && difference <= 1e-6f && difference >= -1e-6f;
}

static int read_shapes(struct mw_build *b, struct pool *p, const struct mw_tensor *in,
                       const struct mw_tensor *out)
{
    uint8_t padding = mw_option_u8(b, POOL_PADDING, 0);
    if (padding > 1)
        return mw_refuse(b, "padding # is not supported", padding, 0);
    if (in->n_dims != 4 || out->n_dims != 4 || in->dims[0] != out->dims[0] ||
        in->dims[MW_IMAGE_C] != out->dims[MW_IMAGE_C])
        return mw_refuse(b, "tensors # and # are not images of as many channels", in->index,
                         out->index);
    struct mw_padding h = mw_pad_axis(padding, in->dims[MW_IMAGE_H], p->filter_h, p->stride_h, 1);
    struct mw_padding w = mw_pad_axis(padding, in->dims[MW_IMAGE_W], p->filter_w, p->stride_w, 1);
    if (h.n_out != out->dims[MW_IMAGE_H] || w.n_out != out->dims[MW_IMAGE_W])
        return mw_refuse(b, "the output is not # x #", h.n_out, w.n_out);
    p->n_batches = in->dims[0];
    p->in_h = in->dims[MW_IMAGE_H];
    p->in_w = in->dims[MW_IMAGE_W];
    p->n_channels = in->dims[MW_IMAGE_C];
    p->out_h = h.n_out;
    p->out_w = w.n_out;
    p->pad_h = h.before;
    p->pad_w = w.before;
    return MW_OK;
}

int mw_prepare_pool(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    struct pool p = { .average = b->node.code == CODE_AVERAGE_POOL };
    int result = mw_input_s8(b, 0, &in);
    if (result == MW_OK)
        result = mw_output_s8(b, 0, &out);
    if (result == MW_OK)
        result = read_options(b, &p);
    if (result == MW_OK)
        result = read_shapes(b, &p, &in, &out);
    if (result < 0)
        return result;
    if (!quant_fits(&in, &out))
        return mw_refuse(b, "tensors # and # are not quantised alike", in.index, out.index);
    result =
        mw_fused_range(b, mw_option_u8(b, POOL_ACTIVATION, 0), &out.quant, &p.out_min, &p.out_max);
    b->n_macs += (uint64_t)out.n_items * (uint64_t)p.filter_h * (uint64_t)p.filter_w;
    op->run = run_pool;
    op->params = mw_keep(b, &p, sizeof p);
    return result;
}
