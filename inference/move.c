/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that move bytes and compute none. int8 alone, input and output quantised alike, but
 * RESHAPE, EXPAND_DIMS and SQUEEZE take every type.
 *
 * Sources: TensorFlow Lite reference/transpose.h (output dimension d is input dimension perm[d]),
 * reference/pad.h (PAD fills with zero_out, PADV2 with its constant), reference/strided_slice.h
 * with internal/strided_slice_logic.h (masks; a negative stride walks back),
 * reference/concatenation.h, micro/kernels/split.cc, reference/resize_nearest_neighbor.h; RESHAPE,
 * EXPAND_DIMS, SQUEEZE copy (micro/kernels/reshape.cc, expand_dims.cc, squeeze.cc). */
#include "base/load.h"
#include "base/result.h"
#include "inference/operator.h"
#include "inference/walk.h"

#include <string.h>

static int check_alike(struct mw_build *b, const struct mw_tensor *in, const struct mw_tensor *out)
{
    if (!mw_same_quant(in, out))
        return mw_refuse(b, "tensors # and # are not quantised alike", in->index, out->index);
    return MW_OK;
}

static int read_alike(struct mw_build *b, uint32_t input, struct mw_tensor *in,
                      struct mw_tensor *out)
{
    int result = mw_input_s8(b, input, in);
    if (result == MW_OK)
        result = mw_output_s8(b, 0, out);
    return result == MW_OK ? check_alike(b, in, out) : result;
}

/* --- RESHAPE, EXPAND_DIMS, SQUEEZE --- */

static void run_copy(const void *params, const void *const *in, void *const *out)
{
    const uint32_t *n = params;
    if (in[0] != out[0])
        memmove(out[0], in[0], *n);
}

/* The output's shape in the file is what counts; the shape input and the options only repeat it. */
int mw_prepare_reshape(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    int result = mw_input(b, 0, &in);
    if (result == MW_OK)
        result = mw_output(b, 0, &out);
    if (result < 0)
        return result;
    if (in.type != out.type || in.n_items != out.n_items)
        return mw_refuse(b, "tensors # and # do not hold the same items", in.index, out.index);
    op->run = run_copy;
    op->params = mw_keep(b, &in.n_bytes, sizeof in.n_bytes);
    return check_alike(b, &in, &out);
}

/* --- TRANSPOSE, PAD, PADV2, STRIDED_SLICE: one box copied into another --- */

struct box {
    struct mw_walk walk; /* a: source, b: destination */
    int32_t from, to;    /* of the first item */
    uint32_t n_fill;     /* bytes filled before; 0: none */
    int8_t fill;
};

static void run_box(const void *params, const void *const *in, void *const *out)
{
    const struct box *p = params;
    const int8_t *x = in[0];
    int8_t *y = out[0];
    int32_t inner = p->walk.n_dims - 1, a = p->walk.a[inner], b = p->walk.b[inner];
    struct mw_walker w = { .a = p->from, .b = p->to };
    memset(y, p->fill, p->n_fill);
    do
        for (int32_t i = 0; i < p->walk.dims[inner]; i++)
            y[w.b + i * b] = x[w.a + i * a];
    while (mw_walk_next(&p->walk, &w));
}

int mw_prepare_transpose(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    int32_t perm[MW_TENSOR_MAX_DIMS] = { 0 }, from[MW_TENSOR_MAX_DIMS], to[MW_TENSOR_MAX_DIMS];
    uint32_t n_perm = 0, seen = 0;
    struct box p = { 0 };
    int result = read_alike(b, 0, &in, &out);
    if (result == MW_OK)
        result = mw_constant_s32(b, 1, MW_TENSOR_MAX_DIMS, perm, &n_perm);
    if (result < 0)
        return result;
    if (n_perm != in.n_dims || in.n_dims != out.n_dims)
        return mw_refuse(b, "# dimensions in another order of #", in.n_dims, n_perm);
    mw_row_major(&in, from);
    mw_row_major(&out, to);
    mw_walk_add(&p.walk, 1, 0, 0);
    for (uint32_t d = 0; d < n_perm; d++) {
        int32_t axis = mw_axis(&in, perm[d]);
        if (axis < 0 || seen & 1u << axis || in.dims[axis] != out.dims[d])
            return mw_refuse(b, "dimension # of the output is not # of the input", d, perm[d]);
        seen |= 1u << axis;
        mw_walk_add(&p.walk, out.dims[d], from[axis], to[d]);
    }
    op->run = run_box;
    op->params = mw_keep(b, &p, sizeof p);
    return MW_OK;
}

/* The byte around the image. */
static int read_fill(struct mw_build *b, const struct mw_tensor *out, int8_t *ret_fill)
{
    struct mw_tensor value;
    *ret_fill = (int8_t)out->quant.zero;
    if (!mw_has_input(b, 2))
        return MW_OK;
    int result = mw_input_s8(b, 2, &value);
    if (result < 0)
        return result;
    if (!value.data || value.n_items != 1)
        return mw_refuse(b, "tensor # is not one constant", value.index, 0);
    *ret_fill = (int8_t)value.data[0];
    return check_alike(b, &value, out);
}

int mw_prepare_pad(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    int32_t pads[2 * MW_TENSOR_MAX_DIMS], from[MW_TENSOR_MAX_DIMS], to[MW_TENSOR_MAX_DIMS];
    uint32_t n_pads = 0;
    struct box p = { 0 };
    int result = read_alike(b, 0, &in, &out);
    if (result == MW_OK)
        result = mw_constant_s32(b, 1, 2 * MW_TENSOR_MAX_DIMS, pads, &n_pads);
    if (result == MW_OK)
        result = read_fill(b, &out, &p.fill);
    if (result < 0)
        return result;
    if (n_pads != 2u * in.n_dims || in.n_dims != out.n_dims)
        return mw_refuse(b, "# paddings for # dimensions", n_pads, in.n_dims);
    mw_row_major(&in, from);
    mw_row_major(&out, to);
    mw_walk_add(&p.walk, 1, 0, 0);
    for (int32_t d = 0; d < in.n_dims; d++) {
        int32_t before = pads[2 * d], after = pads[2 * d + 1];
        if (before < 0 || after < 0 || (int64_t)before + after + in.dims[d] != (int64_t)out.dims[d])
            return mw_refuse(b, "paddings of # and # do not give the output", before, after);
        p.to += before * to[d];
        mw_walk_add(&p.walk, in.dims[d], from[d], to[d]);
    }
    p.n_fill = out.n_bytes;
    op->run = run_box;
    op->params = mw_keep(b, &p, sizeof p);
    return MW_OK;
}

enum { SLICE_BEGIN = 0, SLICE_END, SLICE_ELLIPSIS, SLICE_NEW_AXIS, SLICE_SHRINK, SLICE_OFFSET };

struct slice {
    int32_t begin[MW_TENSOR_MAX_DIMS], end[MW_TENSOR_MAX_DIMS], stride[MW_TENSOR_MAX_DIMS];
    int32_t begin_mask, end_mask, shrink_mask;
};

static int32_t within(int64_t v, int32_t min, int32_t max)
{
    return (int32_t)(v < min ? min : v > max ? max : v);
}

/* First item and number of items along dimension d of n items. */
static void slice_axis(const struct slice *s, int32_t d, int32_t n, int32_t *ret_from,
                       int64_t *ret_n)
{
    int32_t stride = s->stride[d], low = stride > 0 ? 0 : -1, high = stride > 0 ? n : n - 1;
    int64_t from = s->begin[d], to = s->end[d];
    from = within(from < 0 ? from + n : from, low, high);
    to = within(to < 0 ? to + n : to, low, high);
    if (s->begin_mask >> d & 1)
        from = stride > 0 ? 0 : n - 1;
    if (s->end_mask >> d & 1)
        to = stride > 0 ? n : -1;
    if (s->shrink_mask >> d & 1) {
        *ret_from = (int32_t)from;
        *ret_n = from >= 0 && from < n && stride > 0 ? 1 : 0;
        return;
    }
    int64_t span = stride > 0 ? to - from : from - to,
            step = stride > 0 ? stride : -(int64_t)stride;
    *ret_from = (int32_t)from;
    *ret_n = span <= 0 ? 0 : (span + step - 1) / step;
}

static int read_slice(struct mw_build *b, struct slice *s, uint32_t n_dims)
{
    uint32_t n[3] = { 0 };
    int result = mw_constant_s32(b, 1, MW_TENSOR_MAX_DIMS, s->begin, &n[0]);
    if (result == MW_OK)
        result = mw_constant_s32(b, 2, MW_TENSOR_MAX_DIMS, s->end, &n[1]);
    if (result == MW_OK)
        result = mw_constant_s32(b, 3, MW_TENSOR_MAX_DIMS, s->stride, &n[2]);
    if (result < 0)
        return result;
    if (n[0] != n_dims || n[1] != n_dims || n[2] != n_dims)
        return mw_refuse(b, "a slice of # dimensions from #", n[0], n_dims);
    if (mw_option_s32(b, SLICE_ELLIPSIS, 0) != 0 || mw_option_s32(b, SLICE_NEW_AXIS, 0) != 0 ||
        mw_option_u8(b, SLICE_OFFSET, 0) != 0)
        return mw_refuse(b, "ellipsis, new axis and offset are not supported", 0, 0);
    s->begin_mask = mw_option_s32(b, SLICE_BEGIN, 0);
    s->end_mask = mw_option_s32(b, SLICE_END, 0);
    s->shrink_mask = mw_option_s32(b, SLICE_SHRINK, 0);
    return MW_OK;
}

int mw_prepare_strided_slice(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    struct slice s = { 0 };
    struct box p = { 0 };
    int32_t steps[MW_TENSOR_MAX_DIMS], out_step, n_dims = 0;
    int result = read_alike(b, 0, &in, &out);
    if (result == MW_OK)
        result = read_slice(b, &s, in.n_dims);
    if (result < 0)
        return result;
    mw_row_major(&in, steps);
    mw_walk_add(&p.walk, 1, 0, 0);
    out_step = (int32_t)out.n_items;
    for (int32_t d = 0; d < in.n_dims; d++) {
        int64_t n = 0;
        int32_t from = 0;
        if (s.stride[d] != 0)
            slice_axis(&s, d, in.dims[d], &from, &n);
        bool shrunk = s.shrink_mask >> d & 1;
        if (n < 1 || (!shrunk && (n_dims >= out.n_dims || n != out.dims[n_dims])))
            return mw_refuse(b, "dimension #: # items do not fit the output", d, n);
        if (!shrunk)
            n_dims++;
        out_step /= (int32_t)n;
        p.from += from * steps[d];
        /* With one item the stride, which may be huge, moves nothing. */
        mw_walk_add(&p.walk, (int32_t)n, n > 1 ? steps[d] * s.stride[d] : 0, out_step);
    }
    if (n_dims != out.n_dims)
        return mw_refuse(b, "the output has # dimensions, the slice #", out.n_dims, n_dims);
    op->run = run_box;
    op->params = mw_keep(b, &p, sizeof p);
    return MW_OK;
}

/* --- CONCATENATION and SPLIT --- */

struct pieces {
    uint32_t n, n_rows, row;          /* row: bytes of all pieces side by side */
    uint32_t bytes[MW_NODE_MAX_ENDS]; /* of each piece in a row */
};

static void run_concatenation(const void *params, const void *const *in, void *const *out)
{
    const struct pieces *p = params;
    int8_t *at = out[0];
    for (uint32_t i = 0; i < p->n; at += p->bytes[i++])
        for (uint32_t r = 0; r < p->n_rows; r++)
            memcpy(at + (size_t)r * p->row, (const int8_t *)in[i] + (size_t)r * p->bytes[i],
                   p->bytes[i]);
}

static void run_split(const void *params, const void *const *in, void *const *out)
{
    const struct pieces *p = params;
    const int8_t *at = in[1];
    for (uint32_t i = 0; i < p->n; at += p->bytes[i++])
        for (uint32_t r = 0; r < p->n_rows; r++)
            memcpy((int8_t *)out[i] + (size_t)r * p->bytes[i], at + (size_t)r * p->row,
                   p->bytes[i]);
}

/* The whole's form; whole has the axis. */
static void measure_rows(struct pieces *p, const struct mw_tensor *whole, int32_t axis)
{
    p->n_rows = 1;
    for (int32_t d = 0; d < axis; d++)
        p->n_rows *= (uint32_t)whole->dims[d];
    p->row = whole->n_items / p->n_rows;
}

/* Piece i: like the whole but along the axis. */
static int add_piece(struct mw_build *b, struct pieces *p, const struct mw_tensor *whole,
                     const struct mw_tensor *piece, int32_t axis)
{
    bool fits = piece->n_dims == whole->n_dims;
    for (int32_t d = 0; fits && d < whole->n_dims; d++)
        fits = d == axis || piece->dims[d] == whole->dims[d];
    if (!fits)
        return mw_refuse(b, "tensor # is no piece of tensor #", piece->index, whole->index);
    p->bytes[p->n++] = piece->n_items / p->n_rows;
    return check_alike(b, piece, whole);
}

static int check_pieces(struct mw_build *b, const struct pieces *p)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->n; i++)
        sum += p->bytes[i];
    return sum == p->row ? MW_OK : mw_refuse(b, "the pieces are not the whole", 0, 0);
}

enum { CONCATENATION_AXIS = 0, CONCATENATION_ACTIVATION };

int mw_prepare_concatenation(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor piece, out;
    struct pieces p = { 0 };
    int result = mw_output_s8(b, 0, &out);
    if (result < 0)
        return result;
    int32_t axis = mw_axis(&out, mw_option_s32(b, CONCATENATION_AXIS, 0));
    if (axis < 0 || mw_option_u8(b, CONCATENATION_ACTIVATION, 0) != 0)
        return mw_refuse(b, "no such axis, or a fused activation", 0, 0);
    measure_rows(&p, &out, axis);
    for (uint32_t i = 0; i < b->node.ins.n && result == MW_OK; i++) {
        result = mw_input_s8(b, i, &piece);
        if (result == MW_OK)
            result = add_piece(b, &p, &out, &piece, axis);
    }
    if (result == MW_OK)
        result = check_pieces(b, &p);
    op->run = run_concatenation;
    op->params = mw_keep(b, &p, sizeof p);
    return result;
}

enum { SPLIT_N = 0 };

int mw_prepare_split(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, piece;
    struct pieces p = { 0 };
    int32_t given = 0;
    uint32_t n = 0;
    int result = mw_input_s8(b, 1, &in);
    if (result == MW_OK)
        result = mw_constant_s32(b, 0, 1, &given, &n);
    if (result < 0)
        return result;
    int32_t axis = mw_axis(&in, given);
    if (n != 1 || axis < 0 || mw_option_s32(b, SPLIT_N, 0) != (int32_t)b->node.outs.n)
        return mw_refuse(b, "no such axis, or not as many outputs as its options say", 0, 0);
    measure_rows(&p, &in, axis);
    for (uint32_t i = 0; i < b->node.outs.n && result == MW_OK; i++) {
        result = mw_output_s8(b, i, &piece);
        if (result == MW_OK &&
            piece.dims[axis < piece.n_dims ? axis : 0] != in.dims[axis] / (int32_t)b->node.outs.n)
            return mw_refuse(b, "tensor # is not one of # equal pieces", piece.index,
                             b->node.outs.n);
        if (result == MW_OK)
            result = add_piece(b, &p, &in, &piece, axis);
    }
    if (result == MW_OK)
        result = check_pieces(b, &p);
    op->run = run_split;
    op->params = mw_keep(b, &p, sizeof p);
    return result;
}

/* --- RESIZE_NEAREST_NEIGHBOR --- */

enum { RESIZE_ALIGN_CORNERS = 0, RESIZE_HALF_PIXEL };

struct resize {
    int32_t n_batches, in_h, in_w, out_h, out_w;
    uint32_t n_channels;
    bool align_corners, half_pixel;
};

/* All in float32; the products are far below 2^24. */
static int32_t nearest(const struct resize *p, int32_t i, int32_t n_in, int32_t n_out)
{
    float scale = p->align_corners && n_out > 1 ? (float)(n_in - 1) / (float)(n_out - 1)
                                                : (float)n_in / (float)n_out;
    float place = (float)i + (p->half_pixel ? 0.5f : 0.0f);
    place *= scale;
    int32_t whole = (int32_t)place; /* not negative */
    if (p->align_corners && place - (float)whole >= 0.5f)
        whole++;
    return whole < n_in - 1 ? whole : n_in - 1;
}

static void run_resize(const void *params, const void *const *in, void *const *out)
{
    const struct resize *p = params;
    const int8_t *image = in[0];
    int8_t *y = out[0];
    size_t n = p->n_channels;
    for (int32_t b = 0; b < p->n_batches; b++, image += (size_t)(p->in_h * p->in_w) * n)
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            const int8_t *row = image + (size_t)(nearest(p, oy, p->in_h, p->out_h) * p->in_w) * n;
            for (int32_t ox = 0; ox < p->out_w; ox++, y += n)
                memcpy(y, row + (size_t)nearest(p, ox, p->in_w, p->out_w) * n, n);
        }
}

int mw_prepare_resize_nearest(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor in, out;
    int32_t size[2] = { 0 };
    uint32_t n = 0;
    int result = read_alike(b, 0, &in, &out);
    if (result == MW_OK)
        result = mw_constant_s32(b, 1, 2, size, &n);
    if (result < 0)
        return result;
    if (in.n_dims != 4 || out.n_dims != 4 || in.dims[0] != out.dims[0] ||
        in.dims[3] != out.dims[3] || n != 2 || size[0] != out.dims[1] || size[1] != out.dims[2])
        return mw_refuse(b, "tensor # is not tensor # resized", out.index, in.index);
    const struct resize p = {
        .n_batches = in.dims[0],
        .in_h = in.dims[1],
        .in_w = in.dims[2],
        .out_h = out.dims[1],
        .out_w = out.dims[2],
        .n_channels = (uint32_t)in.dims[3],
        .align_corners = mw_option_u8(b, RESIZE_ALIGN_CORNERS, 0) != 0,
        .half_pixel = mw_option_u8(b, RESIZE_HALF_PIXEL, 0) != 0,
    };
    op->run = run_resize;
    op->params = mw_keep(b, &p, sizeof p);
    return MW_OK;
}
