/* SPDX-License-Identifier: Apache-2.0 */
/* Operators on single bytes and on their places: element by element, data movers, conversions;
 * random shapes and numbers against loops written from their formulas. */
#include "unit/inference/graphs.h"

#define N_TRIALS  200
#define MAX_ITEMS 6000

static int8_t x[MAX_ITEMS], other[MAX_ITEMS], y[MAX_ITEMS], expected[MAX_ITEMS];

struct box {
    uint32_t n_dims, dims[6];
};

static struct box pick_box(uint64_t *seed, uint32_t most_dims)
{
    struct box b = { .n_dims = (uint32_t)pick(seed, 1, (int32_t)most_dims) };
    for (uint32_t d = 0; d < b.n_dims; d++)
        b.dims[d] = (uint32_t)pick(seed, 1, most_dims > 4 ? 3 : 5);
    return b;
}

static uint32_t items(const struct box *b)
{
    uint32_t n = 1;
    for (uint32_t d = 0; d < b->n_dims; d++)
        n *= b->dims[d];
    return n;
}

/* Row-major index k as coordinates, and back. */
static void place_of(const struct box *b, uint32_t k, uint32_t *ret_at)
{
    for (uint32_t d = b->n_dims; d-- > 0; k /= b->dims[d])
        ret_at[d] = k % b->dims[d];
}

static uint32_t index_of(const struct box *b, const uint32_t *at)
{
    uint32_t k = 0;
    for (uint32_t d = 0; d < b->n_dims; d++)
        k = k * b->dims[d] + at[d];
    return k;
}

enum { ADD = 0, MUL = 18, SUB = 41 };

struct pairing {
    float s1, s2, out;
    int32_t z1, z2, zo;
    uint8_t code, fused;
};

static int8_t slow_binary(const struct pairing *p, int32_t a, int32_t b, enum mw_rounding rounding)
{
    if (p->code == MUL) {
        double real = (double)p->s1 * (double)p->s2 / (double)p->out;
        int64_t v = slow_requantize((int64_t)(a - p->z1) * (b - p->z2), slow_pair(real), rounding);
        return slow_fuse(v, p->fused, p->out, p->zo);
    }
    double twice = 2.0 * fmax((double)p->s1, (double)p->s2);
    struct pair m1 = slow_pair((double)p->s1 / twice), m2 = slow_pair((double)p->s2 / twice);
    struct pair mo = slow_pair(twice / (1048576.0 * (double)p->out));
    int64_t v1 = slow_requantize((int64_t)(a - p->z1) * 1048576, m1, rounding);
    int64_t v2 = slow_requantize((int64_t)(b - p->z2) * 1048576, m2, rounding);
    int64_t v = slow_requantize(p->code == ADD ? v1 + v2 : v1 - v2, mo, rounding);
    return slow_fuse(v, p->fused, p->out, p->zo);
}

/* The output's coordinate in an operand that may repeat and may lack leading dimensions. */
static uint32_t broadcast(const struct box *operand, const struct box *out, const uint32_t *at)
{
    uint32_t own[6];
    for (uint32_t d = 0; d < operand->n_dims; d++)
        own[d] = operand->dims[d] == 1 ? 0 : at[d + out->n_dims - operand->n_dims];
    return index_of(operand, own);
}

static struct box smaller(const struct box *out, uint64_t *seed)
{
    uint32_t skip = next(seed) % 3 ? 0 : (uint32_t)pick(seed, 0, (int32_t)out->n_dims - 1);
    struct box b = { .n_dims = out->n_dims - skip };
    for (uint32_t d = 0; d < b.n_dims; d++)
        b.dims[d] = next(seed) % 3 ? out->dims[d + skip] : 1;
    return b;
}

START_TEST(add_sub_and_mul_broadcast)
{
    uint64_t seed = 21;
    struct tally tally = { 0 };
    const uint8_t codes[] = { ADD, MUL, SUB }, options[] = { 11, 21, 28 };
    for (int i = 0; i < 3 * N_TRIALS; i++) {
        struct pairing p = { .code = codes[i % 3],
                             .fused = (uint8_t)pick(&seed, 0, 3),
                             .s1 = pick_scale(&seed),
                             .s2 = pick_scale(&seed),
                             .z1 = pick(&seed, -128, 127),
                             .z2 = pick(&seed, -128, 127),
                             .zo = pick(&seed, -128, 127) };
        p.out = p.code == MUL ? p.s1 * p.s2 * (float)pick(&seed, 1, 200)
                              : fmaxf(p.s1, p.s2) * (float)pick(&seed, 1, 40) / 10.0f;
        struct box out = pick_box(&seed, 5), b1 = out, b2 = smaller(&out, &seed);
        if (next(&seed) % 3 == 0) { /* the first is the smaller one; sometimes both are whole */
            b1 = b2;
            b2 = out;
        } else if (next(&seed) % 3 == 0)
            b2 = out;
        bool both_x = next(&seed) % 8 == 0; /* x op x */
        if (both_x) {
            b1 = b2 = out;
            p.s2 = p.s1;
            p.z2 = p.z1;
        }
        random_bytes(&seed, x, items(&b1));
        random_bytes(&seed, other, items(&b2));
        struct trial t = { 0 };
        int32_t ins[2] = { activation(&t, b1.n_dims, b1.dims, p.s1, p.z1) };
        ins[1] = both_x ? ins[0] : constant(&t, GRAPH_INT8, b2.n_dims, b2.dims, other, 1);
        if (!both_x) {
            t.scales[ins[1]] = p.s2;
            t.tensors[ins[1]].scales = &t.scales[ins[1]];
            t.tensors[ins[1]].n_scales = 1;
            t.tensors[ins[1]].zero = p.z2;
        }
        connect(&t, p.code, 2, ins, activation(&t, out.n_dims, out.dims, p.out, p.zo),
                options[i % 3]);
        option(&t, 0, 1, p.fused);
        for (int rounding = 0; rounding < 2; rounding++) {
            for (uint32_t k = 0; k < items(&out); k++) {
                uint32_t at[6];
                place_of(&out, k, at);
                int8_t a = x[broadcast(&b1, &out, at)];
                int8_t b = both_x ? a : other[broadcast(&b2, &out, at)];
                expected[k] = slow_binary(&p, a, b, (enum mw_rounding)rounding);
            }
            run_trial(&t, (enum mw_rounding)rounding, x, y);
            compare(&tally, y, expected, items(&out), "pairing", i);
        }
    }
    judge(&tally, "ADD, MUL, SUB");
}
END_TEST

enum { RELU = 19, RELU6 = 21, LEAKY_RELU = 98, QUANTIZE = 114 };

static int8_t slow_unary(uint8_t code, int8_t q, float s_in, int32_t z_in, float s_out,
                         int32_t z_out, float alpha, enum mw_rounding rounding)
{
    if (code == RELU6)
        return slow_fuse(q - z_in, 3, s_in, z_in);
    float ratio = s_in / s_out, scaled = s_in * alpha, below = scaled / s_out;
    double real = code == QUANTIZE                 ? (double)s_in / (double)s_out
                  : code == LEAKY_RELU && q < z_in ? (double)below
                                                   : (double)ratio;
    int64_t v = slow_requantize(q - z_in, slow_pair(real), rounding) + z_out;
    return slow_clamp(v, code == RELU ? z_out : -128, 127);
}

/* All 256 bytes each. */
START_TEST(relus_and_requantisation)
{
    uint64_t seed = 22;
    struct tally tally = { 0 };
    const uint8_t codes[] = { RELU, RELU6, LEAKY_RELU, QUANTIZE }, options[] = { 0, 0, 75, 89 };
    const uint32_t dims[] = { 4, 64 };
    for (int i = 0; i < 256; i++)
        x[i] = (int8_t)(i - 128);
    for (int i = 0; i < 4 * N_TRIALS; i++) {
        uint8_t code = codes[i % 4];
        float s_in = pick_scale(&seed), s_out = s_in * (float)pick(&seed, 2, 40) / 10.0f;
        float alpha = (float)pick(&seed, 0, 1000) / 900.0f;
        int32_t z_in = pick(&seed, -128, 127), z_out = pick(&seed, -128, 127);
        if (code == RELU6) {
            s_out = s_in;
            z_out = z_in;
        }
        struct trial t = { 0 };
        int32_t in = activation(&t, 2, dims, s_in, z_in);
        connect(&t, code, 1, &in, activation(&t, 2, dims, s_out, z_out), options[i % 4]);
        uint32_t bits;
        memcpy(&bits, &alpha, sizeof bits);
        if (code == LEAKY_RELU)
            option(&t, 0, 4, bits);
        for (int rounding = 0; rounding < 2; rounding++) {
            for (uint32_t k = 0; k < 256; k++)
                expected[k] = slow_unary(code, x[k], s_in, z_in, s_out, z_out, alpha,
                                         (enum mw_rounding)rounding);
            run_trial(&t, (enum mw_rounding)rounding, x, y);
            compare(&tally, y, expected, 256, "unary", i);
        }
    }
    judge(&tally, "RELU, RELU6, LEAKY_RELU, QUANTIZE int8");
}
END_TEST

/* float32 in, float32 out, int8 between: what a Keras model with float ends has. */
START_TEST(float_ends_around_an_int8_core)
{
    uint64_t seed = 23;
    const uint32_t dims[] = { 1, 50 };
    for (int i = 0; i < N_TRIALS; i++) {
        struct trial t = { 0 };
        float scale = pick_scale(&seed), in[50], out[50];
        int32_t zero = pick(&seed, -128, 127);
        int32_t first = activation(&t, 2, dims, 1, 0), core = activation(&t, 2, dims, scale, zero);
        int32_t last = activation(&t, 2, dims, 1, 0);
        t.tensors[first].type = t.tensors[last].type = GRAPH_FLOAT32;
        t.tensors[first].n_scales = t.tensors[last].n_scales = 0;
        const struct graph_operator ops[2] = {
            { .code = 114,
              .version = 1,
              .ins = { first },
              .n_ins = 1,
              .outs = { core },
              .n_outs = 1,
              .options_type = 89 },
            { .code = 6,
              .version = 2,
              .ins = { core },
              .n_ins = 1,
              .outs = { last },
              .n_outs = 1,
              .options_type = 38 },
        };
        struct graph graph = graph_of(&t);
        graph.operators = ops;
        graph.n_operators = 2;
        graph.output = (uint32_t)last;
        for (int k = 0; k < 50; k++)
            in[k] = k % 5 ? scale * (float)pick(&seed, -400, 400) / 2.0f
                          : scale * (float)pick(&seed, -40000, 40000) / 300.0f;
        run_graph(&graph, MW_ROUNDING_DOUBLE, in, out, NULL);
        for (int k = 0; k < 50; k++) {
            int8_t q = slow_clamp((int64_t)roundf(in[k] / scale) + zero, -128, 127);
            float real = (float)((double)scale * (q - zero));
            ck_assert_mem_eq(&out[k], &real, sizeof real);
        }
    }
}
END_TEST

START_TEST(reshapes_copy)
{
    uint64_t seed = 24;
    const uint32_t dims[3] = { 2, 1, 6 };
    static const int32_t axis[] = { 1 }, shape[] = { 1, -1 };
    const struct {
        uint8_t code, options;
        uint32_t n_dims, dims[4];
        const int32_t *values;
        uint32_t n_values;
    } cases[] = { { 22, 17, 2, { 1, 12 }, shape, 2 },
                  { 22, 17, 1, { 12 }, NULL, 0 },
                  { 43, 30, 2, { 2, 6 }, NULL, 0 },
                  { 70, 52, 4, { 2, 1, 1, 6 }, axis, 1 } };
    random_bytes(&seed, x, 12);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct trial t = { 0 };
        int32_t ins[2] = { activation(&t, 3, dims, 0.5f, 3) };
        if (cases[i].values)
            ins[1] = shape_constant(&t, cases[i].values, cases[i].n_values);
        connect(&t, cases[i].code, cases[i].values ? 2 : 1, ins,
                activation(&t, cases[i].n_dims, cases[i].dims, 0.5f, 3), cases[i].options);
        memset(y, 0, 12);
        run_trial(&t, MW_ROUNDING_DOUBLE, x, y);
        ck_assert_mem_eq(y, x, 12);
        t.tensors[t.op.outs[0]].dims[0]++;
        struct graph graph = graph_of(&t);
        run_graph(&graph, MW_ROUNDING_DOUBLE, x, y, "do not hold the same items");
    }
}
END_TEST

START_TEST(transpose_moves_every_dimension)
{
    uint64_t seed = 25;
    for (int i = 0; i < N_TRIALS; i++) {
        struct trial t = { 0 };
        struct box in = pick_box(&seed, 6), out = in;
        int32_t perm[6] = { 0, 1, 2, 3, 4, 5 };
        for (uint32_t d = in.n_dims; d-- > 1;) {
            uint32_t other_d = (uint32_t)pick(&seed, 0, (int32_t)d);
            int32_t kept = perm[d];
            perm[d] = perm[other_d];
            perm[other_d] = kept;
        }
        for (uint32_t d = 0; d < in.n_dims; d++)
            out.dims[d] = in.dims[perm[d]];
        int32_t ins[2] = { activation(&t, in.n_dims, in.dims, 0.5f, 3) };
        ins[1] = shape_constant(&t, perm, in.n_dims);
        connect(&t, 39, 2, ins, activation(&t, out.n_dims, out.dims, 0.5f, 3), 26);
        random_bytes(&seed, x, items(&in));
        for (uint32_t k = 0; k < items(&in); k++) {
            uint32_t at[6], to[6];
            place_of(&in, k, at);
            for (uint32_t d = 0; d < in.n_dims; d++)
                to[d] = at[perm[d]];
            expected[index_of(&out, to)] = x[k];
        }
        run_trial(&t, MW_ROUNDING_DOUBLE, x, y);
        ck_assert_mem_eq(y, expected, items(&in));
    }
}
END_TEST

START_TEST(pads_are_filled)
{
    uint64_t seed = 26;
    for (int i = 0; i < N_TRIALS; i++) {
        struct trial t = { 0 };
        struct box in = pick_box(&seed, 4), out = in;
        int32_t pads[8], zero = pick(&seed, -128, 127);
        int8_t fill = (int8_t)(i % 2 ? pick(&seed, -128, 127) : zero);
        for (uint32_t d = 0; d < in.n_dims; d++) {
            pads[2 * d] = pick(&seed, 0, 2);
            pads[2 * d + 1] = pick(&seed, 0, 3);
            out.dims[d] += (uint32_t)(pads[2 * d] + pads[2 * d + 1]);
        }
        int32_t ins[3] = { activation(&t, in.n_dims, in.dims, 0.5f, zero) };
        ins[1] = constant(&t, GRAPH_INT32, 2, (const uint32_t[]){ in.n_dims, 2 }, pads, 4);
        ins[2] = activation(&t, 0, NULL, 0.5f, zero);
        t.tensors[ins[2]].data = &fill;
        t.tensors[ins[2]].n_bytes = 1;
        connect(&t, i % 2 ? 60 : 34, i % 2 ? 3 : 2, ins,
                activation(&t, out.n_dims, out.dims, 0.5f, zero), i % 2 ? 43 : 22);
        random_bytes(&seed, x, items(&in));
        memset(expected, fill, items(&out));
        for (uint32_t k = 0; k < items(&in); k++) {
            uint32_t at[6];
            place_of(&in, k, at);
            for (uint32_t d = 0; d < in.n_dims; d++)
                at[d] += (uint32_t)pads[2 * d];
            expected[index_of(&out, at)] = x[k];
        }
        run_trial(&t, MW_ROUNDING_DOUBLE, x, y);
        ck_assert_mem_eq(y, expected, items(&out));
    }
}
END_TEST

/* SPLIT along an axis, then CONCATENATION of the pieces in reverse order. */
START_TEST(split_and_concatenation)
{
    uint64_t seed = 27;
    for (int i = 0; i < N_TRIALS; i++) {
        struct trial t = { 0 };
        struct box whole = pick_box(&seed, 4), piece;
        int32_t axis = pick(&seed, 0, (int32_t)whole.n_dims - 1), n = pick(&seed, 1, 4);
        piece = whole;
        whole.dims[axis] *= (uint32_t)n;
        int32_t given = next(&seed) % 2 ? axis : axis - (int32_t)whole.n_dims;
        int32_t in = activation(&t, whole.n_dims, whole.dims, 0.5f, 3);
        struct graph_operator ops[2] = {
            { .code = 49,
              .version = 2,
              .ins = { shape_constant(&t, &given, 1), in },
              .n_ins = 2,
              .n_outs = (uint32_t)n,
              .options_type = 35,
              .options = { { .id = 0, .width = 4, .value = (uint32_t)n } },
              .n_options = 1 },
            { .code = 2,
              .version = 2,
              .n_ins = (uint32_t)n,
              .n_outs = 1,
              .options_type = 10,
              .options = { { .id = 0, .width = 4, .value = (uint32_t)given } },
              .n_options = 1 },
        };
        for (int32_t k = 0; k < n; k++)
            ops[0].outs[k] = ops[1].ins[n - 1 - k] =
                activation(&t, piece.n_dims, piece.dims, 0.5f, 3);
        ops[1].outs[0] = activation(&t, whole.n_dims, whole.dims, 0.5f, 3);
        struct graph graph = graph_of(&t);
        graph.operators = ops;
        graph.n_operators = 2;
        graph.output = (uint32_t)ops[1].outs[0];
        graph.input = (uint32_t)in;
        random_bytes(&seed, x, items(&whole));
        for (uint32_t k = 0; k < items(&whole); k++) {
            uint32_t at[6];
            place_of(&whole, k, at);
            uint32_t from = at[axis] / piece.dims[axis];
            at[axis] += ((uint32_t)n - 1 - 2 * from) * piece.dims[axis];
            expected[index_of(&whole, at)] = x[k];
        }
        run_graph(&graph, MW_ROUNDING_DOUBLE, x, y, NULL);
        ck_assert_mem_eq(y, expected, items(&whole));
    }
}
END_TEST

/* Python's x[begin:end:stride] of one axis, by walking. */
static uint32_t slice_of(int32_t n, int32_t begin, int32_t end, int32_t stride, bool open_begin,
                         bool open_end, bool shrink, int32_t *ret_places)
{
    uint32_t n_places = 0;
    int32_t from = open_begin ? (stride > 0 ? 0 : n - 1) : begin < 0 ? begin + n : begin;
    int32_t to = open_end ? (stride > 0 ? n : -1) : end < 0 ? end + n : end;
    if (shrink) {
        ret_places[0] = from;
        return from >= 0 && from < n ? 1 : 0;
    }
    if (stride > 0) {
        from = from < 0 ? 0 : from;
        for (int32_t k = from; k < to && k < n; k += stride)
            ret_places[n_places++] = k;
    } else {
        from = from > n - 1 ? n - 1 : from;
        for (int32_t k = from; k > to && k >= 0; k += stride)
            ret_places[n_places++] = k;
    }
    return n_places;
}

START_TEST(strided_slices)
{
    uint64_t seed = 28;
    int n_done = 0;
    while (n_done < N_TRIALS) {
        struct trial t = { 0 };
        struct box in = pick_box(&seed, 4), kept, out = { 0 };
        int32_t begin[4], end[4], stride[4], places[4][8];
        uint32_t masks[3] = { 0 };
        bool possible = true;
        kept.n_dims = in.n_dims;
        for (uint32_t d = 0; d < in.n_dims; d++) {
            int32_t n = (int32_t)in.dims[d];
            begin[d] = pick(&seed, -n - 1, n + 1);
            end[d] = pick(&seed, -n - 1, n + 1);
            stride[d] = pick(&seed, -3, 3);
            stride[d] = stride[d] ? stride[d] : 1;
            bool shrink = next(&seed) % 5 == 0;
            stride[d] = shrink ? 1 : stride[d];
            for (uint32_t k = 0; k < 2; k++)
                masks[k] |= (uint32_t)(next(&seed) % 3 == 0) << d;
            masks[2] |= (uint32_t)shrink << d;
            kept.dims[d] = slice_of(n, begin[d], end[d], stride[d], masks[0] >> d & 1,
                                    masks[1] >> d & 1, shrink, places[d]);
            possible = possible && kept.dims[d] > 0;
            if (!shrink)
                out.dims[out.n_dims++] = kept.dims[d];
        }
        if (!possible)
            continue;
        int32_t ins[4] = { activation(&t, in.n_dims, in.dims, 0.5f, 3) };
        ins[1] = shape_constant(&t, begin, in.n_dims);
        ins[2] = shape_constant(&t, end, in.n_dims);
        ins[3] = shape_constant(&t, stride, in.n_dims);
        connect(&t, 45, 4, ins, activation(&t, out.n_dims, out.dims, 0.5f, 3), 32);
        option(&t, 0, 4, masks[0]);
        option(&t, 1, 4, masks[1]);
        option(&t, 4, 4, masks[2]);
        random_bytes(&seed, x, items(&in));
        for (uint32_t k = 0; k < items(&kept); k++) {
            uint32_t at[6];
            place_of(&kept, k, at);
            for (uint32_t d = 0; d < in.n_dims; d++)
                at[d] = (uint32_t)places[d][at[d]];
            expected[k] = x[index_of(&in, at)];
        }
        run_trial(&t, MW_ROUNDING_DOUBLE, x, y);
        ck_assert_mem_eq(y, expected, items(&kept));
        n_done++;
    }
}
END_TEST

static uint32_t slow_nearest(uint32_t i, uint32_t n_in, uint32_t n_out, bool corners, bool half)
{
    float scale =
        corners && n_out > 1 ? (float)(n_in - 1) / (float)(n_out - 1) : (float)n_in / (float)n_out;
    float place = ((float)i + (half ? 0.5f : 0.0f)) * scale;
    uint32_t v = (uint32_t)(corners ? roundf(place) : floorf(place));
    return v < n_in - 1 ? v : n_in - 1;
}

START_TEST(resize_takes_the_nearest)
{
    uint64_t seed = 29;
    for (int i = 0; i < N_TRIALS; i++) {
        struct trial t = { 0 };
        struct box in = { .n_dims = 4 }, out = { .n_dims = 4 };
        bool corners = i % 3 == 1, half = i % 3 == 2;
        for (uint32_t d = 0; d < 4; d++)
            in.dims[d] = out.dims[d] = (uint32_t)pick(&seed, 1, d == 0 ? 2 : 7);
        out.dims[1] = (uint32_t)pick(&seed, 1, 15);
        out.dims[2] = (uint32_t)pick(&seed, 1, 15);
        int32_t size[2] = { (int32_t)out.dims[1], (int32_t)out.dims[2] };
        int32_t ins[2] = { activation(&t, 4, in.dims, 0.5f, 3) };
        ins[1] = shape_constant(&t, size, 2);
        connect(&t, 97, 2, ins, activation(&t, 4, out.dims, 0.5f, 3), 74);
        option(&t, 0, 1, corners);
        option(&t, 1, 1, half);
        random_bytes(&seed, x, items(&in));
        for (uint32_t k = 0; k < items(&out); k++) {
            uint32_t at[6];
            place_of(&out, k, at);
            for (uint32_t d = 1; d < 3; d++)
                at[d] = slow_nearest(at[d], in.dims[d], out.dims[d], corners, half);
            expected[k] = x[index_of(&in, at)];
        }
        run_trial(&t, MW_ROUNDING_DOUBLE, x, y);
        ck_assert_mem_eq(y, expected, items(&out));
    }
}
END_TEST

/* LOGISTIC, TANH and SOFTMAX are within one step of the real functions; the bytes themselves are
 * held against published vectors in golden/operators. */
START_TEST(curves_are_within_a_step_of_the_real_ones)
{
    uint64_t seed = 30;
    const uint32_t dims[] = { 1, 256 }, short_dims[] = { 16, 16 };
    for (int i = 0; i < 256; i++)
        x[i] = (int8_t)(i - 128);
    for (int i = 0; i < 60; i++) {
        float scale = pick_scale(&seed);
        int32_t zero = pick(&seed, -128, 127);
        for (int kind = 0; kind < 3; kind++) {
            static const uint8_t codes[] = { 14, 28, 25 }, options[] = { 0, 0, 9 };
            const uint32_t *shape = kind == 2 ? short_dims : dims;
            struct trial t = { 0 };
            int32_t in = activation(&t, 2, shape, scale, zero);
            int32_t out =
                activation(&t, 2, shape, kind == 1 ? 0x1p-7f : 0x1p-8f, kind == 1 ? 0 : -128);
            connect(&t, codes[kind], 1, &in, out, options[kind]);
            if (kind == 2)
                option(&t, 0, 4, 0x3f800000); /* beta 1.0 */
            for (int rounding = 0; rounding < 2; rounding++) {
                run_trial(&t, (enum mw_rounding)rounding, x, y);
                for (int k = 0; k < 256; k++) {
                    double v = (double)scale * (x[k] - zero), sum = 0;
                    for (int j = k / 16 * 16; j < k / 16 * 16 + 16; j++)
                        sum += exp((double)scale * (x[j] - zero) - v);
                    double real = kind == 0   ? 256 / (1 + exp(-v)) - 128
                                  : kind == 1 ? 128 * tanh(v)
                                              : 256 / sum - 128;
                    real = fmax(-128, fmin(127, real));
                    ck_assert_double_le(fabs(real - y[k]), 1.01);
                }
            }
        }
    }
}
END_TEST

MW_SUITE("inference/bytes", add_sub_and_mul_broadcast, relus_and_requantisation,
         float_ends_around_an_int8_core, reshapes_copy, transpose_moves_every_dimension,
         pads_are_filled, split_and_concatenation, strided_slices, resize_takes_the_nearest,
         curves_are_within_a_step_of_the_real_ones)
