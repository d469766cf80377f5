/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that sum: convolutions, pools, MEAN, int16x8 FULLY_CONNECTED; random shapes and numbers
 * against loops written from their formulas, in both roundings. TRANSPOSE_CONV scatters here. */
#include "unit/inference/graphs.h"

#define N_TRIALS  150
#define MAX_ITEMS 40000

static const uint8_t FUSED[] = { 0, 1, 2, 3 };

static int8_t x[MAX_ITEMS], y[MAX_ITEMS], expected[MAX_ITEMS], weights[MAX_ITEMS];
static int32_t bias[256];
static float channel_scales[256];

struct images {
    uint32_t in[4], out[4], w[4]; /* NHWC; OHWI, depthwise 1HWO */
    uint32_t stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w, same;
    uint8_t fused;
    bool has_bias;
    float in_scale, out_scale;
    int32_t in_zero, out_zero;
    uint32_t n_scales;
};

/* SAME out = ceil(in / stride), VALID ceil((in - span + 1) / stride); half of the rest before. */
static bool pad(uint32_t same, uint32_t in, uint32_t filter, uint32_t stride, uint32_t dilation,
                uint32_t *ret_out, uint32_t *ret_before)
{
    int64_t span = (int64_t)(filter - 1) * dilation + 1, room = same ? in : (int64_t)in - span + 1;
    if (room < 1)
        return false;
    int64_t out = (room + stride - 1) / stride, total = (out - 1) * stride + span - in;
    *ret_out = (uint32_t)out;
    *ret_before = total > 0 ? (uint32_t)(total / 2) : 0;
    return true;
}

static void pick_image(struct images *c, uint64_t *seed)
{
    *c = (struct images){ .same = (uint32_t)pick(seed, 0, 1),
                          .stride_h = (uint32_t)pick(seed, 1, 3),
                          .stride_w = (uint32_t)pick(seed, 1, 3),
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .fused = FUSED[next(seed) % 4],
                          .has_bias = next(seed) % 4 != 0,
                          .in_scale = pick_scale(seed),
                          .in_zero = pick(seed, -128, 127),
                          .out_zero = pick(seed, -128, 127) };
    c->in[0] = (uint32_t)pick(seed, 1, 2);
    c->in[1] = next(seed) % 2 ? 1 : (uint32_t)pick(seed, 1, 7); /* half are 1-D */
    c->in[2] = (uint32_t)pick(seed, 1, 12);
    c->in[3] = (uint32_t)pick(seed, 1, 6);
    c->w[1] = c->in[1] == 1 ? 1 : (uint32_t)pick(seed, 1, 4);
    c->w[2] = (uint32_t)pick(seed, 1, 5);
    c->out[0] = c->in[0];
}

static void pick_numbers(struct images *c, uint32_t n_out, uint32_t n_terms, uint64_t *seed)
{
    float base = pick_scale(seed);
    c->n_scales = next(seed) % 2 ? n_out : 1;
    int32_t size = next(seed) % 2 ? 127 : pick(seed, 2, 60);
    for (uint32_t i = 0; i < n_out; i++) {
        channel_scales[i] = base * (0.5f + (float)pick(seed, 0, 1000) / 1000.0f);
        bias[i] = pick(seed, -150 * size, 150 * size);
    }
    for (uint32_t i = 0; i < n_terms * n_out; i++)
        weights[i] = (int8_t)pick(seed, -size, size);
    c->out_scale =
        c->in_scale * base * (float)size * (float)pick(seed, 1, 12) * sqrtf((float)n_terms) / 3.0f;
    if (next(seed) % 8 == 0)
        c->out_scale = c->in_scale * base * 0.3f; /* a left shift */
    if (next(seed) % 2)                           /* so that 6 and 1 lie within int8 */
        c->out_scale = ldexpf(c->out_scale, (int)-lroundf(log2f(c->out_scale * 12.0f)));
    random_bytes(seed, x, c->in[0] * c->in[1] * c->in[2] * c->in[3]);
}

static uint32_t items(const uint32_t dims[4])
{
    return dims[0] * dims[1] * dims[2] * dims[3];
}

/* Graph of one convolution; the transposed has its output's shape first. */
static void make_conv(struct trial *t, const struct images *c, uint8_t code, uint32_t dimension)
{
    static int32_t shape[4];
    int32_t ins[4], n = 0;
    int32_t in = activation(t, 4, c->in, c->in_scale, c->in_zero);
    int32_t w = constant(t, GRAPH_INT8, 4, c->w, weights, 1);
    t->tensors[w].scales = channel_scales;
    t->tensors[w].n_scales = c->n_scales;
    t->tensors[w].channel_dimension = dimension;
    int32_t b = constant(t, GRAPH_INT32, 1, &c->out[3], bias, 4);
    int32_t out = activation(t, 4, c->out, c->out_scale, c->out_zero);
    for (int d = 0; d < 4; d++)
        shape[d] = (int32_t)c->out[d];
    if (code == 67)
        ins[n++] = shape_constant(t, shape, 4);
    if (code != 67)
        ins[n++] = in;
    ins[n++] = w;
    if (code == 67)
        ins[n++] = in;
    ins[n++] = c->has_bias ? b : -1;
    connect(t, code, (uint32_t)n, ins, out, code == 67 ? 49 : code == 4 ? 2 : 1);
    option(t, 0, 1, c->same ? 0 : 1);
    option(t, 1, 4, c->stride_w);
    option(t, 2, 4, c->stride_h);
    if (code == 4)
        option(t, 3, 4, c->out[3] / c->in[3]);
    option(t, code == 4 ? 4 : 3, 1, c->fused);
    if (code == 67)
        return;
    option(t, code == 4 ? 5 : 4, 4, c->dilation_w);
    option(t, code == 4 ? 6 : 5, 4, c->dilation_h);
}

static int8_t finish(const struct images *c, int64_t acc, uint32_t o, enum mw_rounding rounding)
{
    double real = (double)c->in_scale * (double)channel_scales[c->n_scales > 1 ? o : 0] /
                  (double)c->out_scale;
    acc += c->has_bias ? bias[o] : 0;
    return slow_fuse(slow_requantize(acc, slow_pair(real), rounding), c->fused, c->out_scale,
                     c->out_zero);
}

/* Input of image b, or the zero point outside: a tap there counts nothing. */
static int64_t input_at(const struct images *c, uint32_t b, int64_t iy, int64_t ix, uint32_t i)
{
    if (iy < 0 || ix < 0 || iy >= c->in[1] || ix >= c->in[2])
        return 0;
    return x[((b * c->in[1] + (uint32_t)iy) * c->in[2] + (uint32_t)ix) * c->in[3] + i] - c->in_zero;
}

static void slow_conv(const struct images *c, bool depthwise, enum mw_rounding rounding)
{
    uint32_t depth = depthwise ? 1 : c->w[3], n_groups = c->in[3] / depth;
    uint32_t at = 0;
    for (uint32_t b = 0; b < c->out[0]; b++)
        for (uint32_t oy = 0; oy < c->out[1]; oy++)
            for (uint32_t ox = 0; ox < c->out[2]; ox++)
                for (uint32_t o = 0; o < c->out[3]; o++) {
                    int64_t acc = 0;
                    uint32_t group = o / (c->out[3] / n_groups);
                    for (uint32_t ky = 0; ky < c->w[1]; ky++)
                        for (uint32_t kx = 0; kx < c->w[2]; kx++)
                            for (uint32_t i = 0; i < depth; i++) {
                                uint32_t k = depthwise
                                                 ? (ky * c->w[2] + kx) * c->out[3] + o
                                                 : ((o * c->w[1] + ky) * c->w[2] + kx) * depth + i;
                                acc += weights[k] *
                                       input_at(c, b,
                                                (int64_t)oy * c->stride_h + ky * c->dilation_h -
                                                    (int64_t)c->pad_h,
                                                (int64_t)ox * c->stride_w + kx * c->dilation_w -
                                                    (int64_t)c->pad_w,
                                                group * depth + i);
                            }
                    expected[at++] = finish(c, acc, o, rounding);
                }
}

static void try_conv(struct tally *tally, const struct images *c, uint8_t code, uint32_t dimension,
                     int trial, void (*slow)(const struct images *c, enum mw_rounding rounding))
{
    int8_t other[MAX_ITEMS];
    for (int rounding = 0; rounding < 2; rounding++) {
        struct trial t = { 0 };
        make_conv(&t, c, code, dimension);
        memset(y, 0, sizeof y);
        run_trial(&t, (enum mw_rounding)rounding, x, y);
        slow(c, (enum mw_rounding)rounding);
        compare(tally, y, expected, items(c->out), "convolution", trial);
        if (rounding == 1)
            tally->n_differ += memcmp(other, y, items(c->out)) != 0;
        memcpy(other, y, items(c->out));
    }
}

static void slow_forward(const struct images *c, enum mw_rounding rounding)
{
    slow_conv(c, false, rounding);
}

static void slow_depthwise(const struct images *c, enum mw_rounding rounding)
{
    slow_conv(c, true, rounding);
}

static bool fit_forward(struct images *c, uint64_t *seed)
{
    c->dilation_h = (uint32_t)pick(seed, 1, 2);
    c->dilation_w = (uint32_t)pick(seed, 1, 3);
    return pad(c->same, c->in[1], c->w[1], c->stride_h, c->dilation_h, &c->out[1], &c->pad_h) &&
           pad(c->same, c->in[2], c->w[2], c->stride_w, c->dilation_w, &c->out[2], &c->pad_w);
}

START_TEST(conv_2d_with_dilation_and_groups)
{
    uint64_t seed = 11;
    struct tally tally = { 0 };
    for (int i = 0; i < N_TRIALS;) {
        struct images c;
        pick_image(&c, &seed);
        uint32_t groups = (uint32_t)pick(&seed, 1, 3);
        c.w[3] = c.in[3];
        if (next(&seed) % 3 == 0)
            c.in[3] *= groups;
        c.out[3] = c.w[0] = (uint32_t)pick(&seed, 1, 5) * (c.in[3] / c.w[3]);
        if (!fit_forward(&c, &seed))
            continue;
        pick_numbers(&c, c.out[3], c.w[1] * c.w[2] * c.w[3], &seed);
        try_conv(&tally, &c, 3, 0, i++, slow_forward);
    }
    judge(&tally, "CONV_2D");
    ck_assert_uint_gt(tally.n_differ, N_TRIALS / 16); /* the roundings are two */
}
END_TEST

START_TEST(depthwise_conv_2d_with_multiplier)
{
    uint64_t seed = 12;
    struct tally tally = { 0 };
    for (int i = 0; i < N_TRIALS;) {
        struct images c;
        pick_image(&c, &seed);
        c.w[0] = 1;
        c.out[3] = c.w[3] = c.in[3] * (uint32_t)pick(&seed, 1, 3);
        if (!fit_forward(&c, &seed))
            continue;
        pick_numbers(&c, c.out[3], c.w[1] * c.w[2], &seed);
        try_conv(&tally, &c, 4, 3, i++, slow_depthwise);
    }
    judge(&tally, "DEPTHWISE_CONV_2D");
}
END_TEST

/* Every input position adds its products where its taps fall. */
static void slow_transpose(const struct images *c, enum mw_rounding rounding)
{
    static int64_t sums[MAX_ITEMS];
    memset(sums, 0, sizeof sums);
    for (uint32_t b = 0; b < c->in[0]; b++)
        for (uint32_t iy = 0; iy < c->in[1]; iy++)
            for (uint32_t ix = 0; ix < c->in[2]; ix++)
                for (uint32_t ky = 0; ky < c->w[1]; ky++)
                    for (uint32_t kx = 0; kx < c->w[2]; kx++) {
                        int64_t oy = (int64_t)iy * c->stride_h + ky - (int64_t)c->pad_h;
                        int64_t ox = (int64_t)ix * c->stride_w + kx - (int64_t)c->pad_w;
                        if (oy < 0 || ox < 0 || oy >= c->out[1] || ox >= c->out[2])
                            continue;
                        int64_t at = ((b * c->out[1] + oy) * c->out[2] + ox) * c->out[3];
                        for (uint32_t o = 0; o < c->out[3]; o++)
                            for (uint32_t i = 0; i < c->in[3]; i++)
                                sums[at + o] +=
                                    weights[((o * c->w[1] + ky) * c->w[2] + kx) * c->in[3] + i] *
                                    input_at(c, b, iy, ix, i);
                    }
    for (uint32_t k = 0; k < items(c->out); k++)
        expected[k] = finish(c, sums[k], k % c->out[3], rounding);
}

/* An output size whose forward convolution gives the input's. */
static bool fit_backward(uint32_t same, uint32_t in, uint32_t filter, uint32_t stride,
                         uint64_t *seed, uint32_t *ret_out, uint32_t *ret_before)
{
    uint32_t out = same ? in * stride : (in - 1) * stride + filter, forward;
    if (next(seed) % 4 == 0)
        out += (uint32_t)pick(seed, 0, 2);
    *ret_out = out;
    return pad(same, out, filter, stride, 1, &forward, ret_before);
}

START_TEST(transpose_conv_gathers_what_scatters)
{
    uint64_t seed = 13;
    struct tally tally = { 0 };
    for (int i = 0; i < N_TRIALS;) {
        struct images c;
        pick_image(&c, &seed);
        c.w[3] = c.in[3];
        c.out[3] = c.w[0] = (uint32_t)pick(&seed, 1, 6);
        if (!fit_backward(c.same, c.in[1], c.w[1], c.stride_h, &seed, &c.out[1], &c.pad_h) ||
            !fit_backward(c.same, c.in[2], c.w[2], c.stride_w, &seed, &c.out[2], &c.pad_w))
            continue;
        pick_numbers(&c, c.out[3], c.w[1] * c.w[2] * c.w[3], &seed);
        try_conv(&tally, &c, 67, 0, i++, slow_transpose);
    }
    judge(&tally, "TRANSPOSE_CONV");
}
END_TEST

static int8_t slow_pool(const struct images *c, bool average, uint32_t b, uint32_t oy, uint32_t ox,
                        uint32_t channel)
{
    int64_t sum = 0, max = -128, n = 0;
    for (uint32_t ky = 0; ky < c->w[1]; ky++)
        for (uint32_t kx = 0; kx < c->w[2]; kx++) {
            int64_t iy = (int64_t)oy * c->stride_h + ky - (int64_t)c->pad_h;
            int64_t ix = (int64_t)ox * c->stride_w + kx - (int64_t)c->pad_w;
            if (iy < 0 || ix < 0 || iy >= c->in[1] || ix >= c->in[2])
                continue;
            int64_t v = input_at(c, b, iy, ix, channel) + c->in_zero;
            sum += v;
            max = v > max ? v : max;
            n++;
        }
    if (average)
        max = sum > 0 ? (sum + n / 2) / n : (sum - n / 2) / n;
    return slow_fuse(max - c->out_zero, c->fused, c->out_scale, c->out_zero);
}

START_TEST(pools_count_only_what_is_inside)
{
    uint64_t seed = 14;
    struct tally tally = { 0 };
    for (int i = 0; i < 2 * N_TRIALS;) {
        struct images c;
        bool average = i % 2;
        pick_image(&c, &seed);
        c.out[3] = c.in[3];
        if (!pad(c.same, c.in[1], c.w[1], c.stride_h, 1, &c.out[1], &c.pad_h) ||
            !pad(c.same, c.in[2], c.w[2], c.stride_w, 1, &c.out[2], &c.pad_w))
            continue;
        c.out_scale = c.in_scale;
        c.out_zero = c.in_zero;
        random_bytes(&seed, x, items(c.in));
        struct trial t = { 0 };
        int32_t in = activation(&t, 4, c.in, c.in_scale, c.in_zero);
        connect(&t, average ? 1 : 17, 1, &in, activation(&t, 4, c.out, c.in_scale, c.in_zero), 5);
        const uint32_t values[] = { c.same ? 0 : 1, c.stride_w, c.stride_h, c.w[2], c.w[1] };
        for (uint16_t k = 0; k < 5; k++)
            option(&t, k, k ? 4 : 1, values[k]);
        option(&t, 5, 1, c.fused);
        run_trial(&t, MW_ROUNDING_DOUBLE, x, y);
        for (uint32_t k = 0; k < items(c.out); k++)
            expected[k] = slow_pool(&c, average, k / c.out[3] / c.out[2] / c.out[1],
                                    k / c.out[3] / c.out[2] % c.out[1], k / c.out[3] % c.out[2],
                                    k % c.out[3]);
        compare(&tally, y, expected, items(c.out), "pool", i++);
    }
    judge(&tally, "AVERAGE_POOL_2D, MAX_POOL_2D");
}
END_TEST

struct reduction {
    uint32_t n_dims, dims[4], n_kept, kept[4], n_axes;
    int32_t axes[4];
    bool reduced[4];
    int64_t n; /* items of a sum */
    float in_scale, out_scale;
    int32_t in_zero, out_zero;
};

static struct reduction pick_reduction(uint64_t *seed)
{
    struct reduction r = { .n_dims = (uint32_t)pick(seed, 1, 4),
                           .n = 1,
                           .in_scale = pick_scale(seed),
                           .in_zero = pick(seed, -128, 127),
                           .out_zero = pick(seed, -60, 60) };
    r.out_scale = r.in_scale * (float)pick(seed, 1, 20) / 20;
    uint32_t always = (uint32_t)pick(seed, 0, (int32_t)r.n_dims - 1);
    for (uint32_t d = 0; d < r.n_dims; d++) {
        r.dims[d] = (uint32_t)pick(seed, 1, 9);
        r.reduced[d] = d == always || next(seed) % 2;
        if (r.reduced[d]) {
            r.axes[r.n_axes++] = next(seed) % 2 ? (int32_t)d : (int32_t)d - (int32_t)r.n_dims;
            r.n *= r.dims[d];
        } else
            r.kept[r.n_kept++] = r.dims[d];
    }
    if (r.n_kept == 0)
        r.kept[r.n_kept++] = 1;
    return r;
}

/* Where item k of the input goes in the output. */
static uint32_t kept_place(const struct reduction *r, uint32_t k)
{
    uint32_t at = 0, index[4];
    for (uint32_t d = r->n_dims; d-- > 0; k /= r->dims[d])
        index[d] = k % r->dims[d];
    for (uint32_t d = 0; d < r->n_dims; d++)
        at = r->reduced[d] ? at : at * r->dims[d] + index[d];
    return at;
}

static void slow_mean(const struct reduction *r, uint32_t n_in, enum mw_rounding rounding)
{
    static int64_t sums[MAX_ITEMS];
    memset(sums, 0, sizeof sums);
    for (uint32_t k = 0; k < n_in; k++)
        sums[kept_place(r, k)] += x[k];
    struct pair p = slow_pair((double)r->in_scale / (double)r->out_scale);
    int s = 0;
    while (((int64_t)2 << s) <= r->n)
        s++;
    s = s > 32 ? 32 : s;
    s = s > 31 + p.e ? 31 + p.e : s;
    struct pair divided = { (int64_t)(p.m * power(s) / r->n), p.e - s };
    for (uint32_t k = 0; k < n_in / (uint32_t)r->n; k++) {
        int64_t v = slow_requantize(sums[k] - r->in_zero * r->n, divided, rounding);
        expected[k] = slow_clamp(v + r->out_zero, -128, 127);
    }
}

START_TEST(mean_over_any_axes)
{
    uint64_t seed = 15;
    struct tally tally = { 0 };
    for (int i = 0; i < N_TRIALS; i++) {
        struct trial t = { 0 };
        struct reduction r = pick_reduction(&seed);
        int32_t ins[2] = { activation(&t, r.n_dims, r.dims, r.in_scale, r.in_zero) };
        ins[1] = shape_constant(&t, r.axes, r.n_axes);
        connect(&t, 40, 2, ins, activation(&t, r.n_kept, r.kept, r.out_scale, r.out_zero), 27);
        uint32_t n_in = count(&t.tensors[ins[0]]);
        random_bytes(&seed, x, n_in);
        for (int rounding = 0; rounding < 2; rounding++) {
            slow_mean(&r, n_in, (enum mw_rounding)rounding);
            run_trial(&t, (enum mw_rounding)rounding, x, y);
            compare(&tally, y, expected, n_in / (uint32_t)r.n, "MEAN", i);
        }
    }
    judge(&tally, "MEAN");
}
END_TEST

/* int8 to int16, then an int16x8 layer, then to float32: the wide last layer. */
struct wide_layer {
    uint32_t n_in, n_out, n_rows, n_scales;
    float s_in, s_mid, s_out;
    int32_t in_zero;
    uint8_t fused;
    bool has_bias;
    int64_t bias[64];
};

static void pick_wide(struct wide_layer *l, uint64_t *seed)
{
    *l = (struct wide_layer){ .n_in = (uint32_t)pick(seed, 1, 60),
                              .n_out = (uint32_t)pick(seed, 1, 20),
                              .n_rows = (uint32_t)pick(seed, 1, 3),
                              .s_in = pick_scale(seed),
                              .in_zero = pick(seed, -128, 127),
                              .fused = (uint8_t)pick(seed, 0, 1),
                              .has_bias = next(seed) % 3 != 0 };
    float base = pick_scale(seed);
    l->s_mid = l->s_in / 250.0f;
    l->s_out = l->s_mid * base * 30.0f * (float)pick(seed, 1, 40);
    l->n_scales = next(seed) % 2 ? l->n_out : 1;
    for (uint32_t k = 0; k < l->n_out; k++) {
        channel_scales[k] = base * (0.5f + (float)pick(seed, 0, 1000) / 1000.0f);
        l->bias[k] = (int64_t)pick(seed, -20000000, 20000000);
    }
    for (uint32_t k = 0; k < l->n_in * l->n_out; k++)
        weights[k] = (int8_t)pick(seed, -127, 127);
    random_bytes(seed, x, l->n_rows * l->n_in);
}

static struct graph make_wide(struct trial *t, struct graph_operator ops[3],
                              const struct wide_layer *l)
{
    const uint32_t in_dims[] = { l->n_rows, l->n_in }, out_dims[] = { l->n_rows, l->n_out };
    const uint32_t w_dims[] = { l->n_out, l->n_in };
    int32_t in = activation(t, 2, in_dims, l->s_in, l->in_zero);
    int32_t mid = activation(t, 2, in_dims, l->s_mid, 0);
    int32_t w = constant(t, GRAPH_INT8, 2, w_dims, weights, 1);
    int32_t b = constant(t, GRAPH_INT64, 1, &l->n_out, l->bias, 8);
    int32_t out = activation(t, 2, out_dims, l->s_out, 0), real = activation(t, 2, out_dims, 1, 0);
    t->tensors[mid].type = t->tensors[out].type = GRAPH_INT16;
    t->tensors[real].type = GRAPH_FLOAT32;
    t->tensors[real].n_scales = 0;
    t->tensors[w].scales = channel_scales;
    t->tensors[w].n_scales = l->n_scales;
    t->scales[b] = l->s_mid * channel_scales[0];
    t->tensors[b].scales = &t->scales[b];
    t->tensors[b].n_scales = 1;
    connect(t, 114, 1, &in, mid, 0);
    ops[0] = t->op;
    connect(t, 9, 3, (const int32_t[]){ mid, w, l->has_bias ? b : -1 }, out, 8);
    option(t, 0, 1, l->fused);
    ops[1] = t->op;
    connect(t, 6, 1, &out, real, 0);
    ops[2] = t->op;
    struct graph graph = graph_of(t);
    graph.operators = ops;
    graph.n_operators = 3;
    return graph;
}

/* Output r in steps of s_out. */
static int64_t slow_wide(const struct wide_layer *l, uint32_t r, enum mw_rounding rounding)
{
    uint32_t o = r % l->n_out;
    struct pair to_16 = slow_pair((double)l->s_in / (double)l->s_mid);
    wide acc = l->has_bias ? l->bias[o] : 0;
    for (uint32_t k = 0; k < l->n_in; k++) {
        int64_t q = slow_requantize(x[r / l->n_out * l->n_in + k] - l->in_zero, to_16, rounding);
        q = q < -32768 ? -32768 : q > 32767 ? 32767 : q;
        acc += weights[o * l->n_in + k] * q;
    }
    float product = l->s_mid * channel_scales[0];
    double exact = (double)l->s_mid * (double)channel_scales[o];
    struct pair m = slow_pair((l->n_scales == 1 ? (double)product : exact) / (double)l->s_out);
    int64_t cut = m.m < 0x7fff0000 ? (m.m + 32768) / 65536 : 0x7fff;
    int64_t v = (int64_t)floor_div(acc * cut + power(14 - m.e), power(15 - m.e));
    int64_t min = l->fused ? 0 : -32768;
    return v < min ? min : v > 32767 ? 32767 : v;
}

START_TEST(the_last_layer_may_have_int16_activations)
{
    uint64_t seed = 16;
    uint32_t n_all = 0, n_inside = 0;
    for (int i = 0; i < N_TRIALS; i++) {
        struct trial t = { 0 };
        struct graph_operator ops[3];
        struct wide_layer l;
        float floats[64];
        pick_wide(&l, &seed);
        struct graph graph = make_wide(&t, ops, &l);
        for (int rounding = 0; rounding < 2; rounding++) {
            run_graph(&graph, (enum mw_rounding)rounding, x, floats, NULL);
            for (uint32_t r = 0; r < l.n_rows * l.n_out; r++, n_all++) {
                int64_t v = slow_wide(&l, r, (enum mw_rounding)rounding);
                float real = (float)((double)l.s_out * (double)v);
                ck_assert_mem_eq(&floats[r], &real, sizeof real);
                n_inside += v > -32768 && v < 32767 && v != 0;
            }
        }
    }
    printf("int16x8: %u values, %u not at an end\n", n_all, n_inside);
    ck_assert_uint_gt(n_inside, n_all / 4);
}
END_TEST

MW_SUITE("inference/sums", conv_2d_with_dilation_and_groups, depthwise_conv_2d_with_multiplier,
         transpose_conv_gathers_what_scatters, pools_count_only_what_is_inside, mean_over_any_axes,
         the_last_layer_may_have_int16_activations)
