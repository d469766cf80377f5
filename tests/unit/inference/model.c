/* SPDX-License-Identifier: Apache-2.0 */
/* Random chains of layers against a slow reference that is written from the formulas of
 * docs/SPEC-model.md with libm and magnitudes, and shares no code with the engine. */
#include "inference/model.h"
#include "base/result.h"
#include "support/suite.h"
#include "unit/inference/builder.h"

#include <math.h>
#include <stdio.h>

#define N_MODELS 200
#define MAX_N    40

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Uniform in low .. high. */
static int32_t pick(uint64_t *seed, int32_t low, int32_t high)
{
    return low + (int32_t)(next(seed) % (uint64_t)(high - low + 1));
}

static float pick_scale(uint64_t *seed)
{
    return ldexpf((float)pick(seed, 1 << 23, (1 << 24) - 1), -pick(seed, 24, 34));
}

struct random_layer {
    int8_t weights[MAX_N * MAX_N];
    int32_t bias[MAX_N];
    float scales[MAX_N];
};

struct random_model {
    struct random_layer data[5];
    struct dense_spec layers[5];
    struct model_spec spec;
};

static void make_layer(struct random_layer *data, struct dense_spec *d, uint32_t n_in,
                       float in_scale, uint64_t *seed)
{
    static const uint8_t activations[] = { 0, 1, 2, 3 };
    d->n_in = n_in;
    d->n_out = (uint32_t)pick(seed, 1, MAX_N);
    d->n_scales = next(seed) % 2 ? d->n_out : 1;
    d->out_zero = pick(seed, -128, 127);
    d->activation = activations[next(seed) % 4];
    float base = pick_scale(seed);
    for (uint32_t i = 0; i < d->n_out; i++)
        data->scales[i] = base * (0.5f + (float)pick(seed, 0, 1000) / 1000.0f);
    int32_t size = next(seed) % 2 ? 128 : pick(seed, 2, 40); /* of the weights */
    for (uint32_t i = 0; i < d->n_in * d->n_out; i++)
        data->weights[i] = (int8_t)pick(seed, -size, size - 1);
    for (uint32_t i = 0; i < d->n_out; i++)
        data->bias[i] = pick(seed, -150 * size, 150 * size);
    /* So that most outputs lie within int8; sometimes a left shift. */
    d->out_scale = in_scale * base * (next(seed) % 8 ? (float)(size * pick(seed, 1, 12)) : 0.3f);
    d->weights = data->weights;
    d->bias = next(seed) % 4 ? data->bias : NULL;
    d->scales = data->scales;
}

static void make_model(struct random_model *m, uint64_t *seed)
{
    m->spec = (struct model_spec){ .layers = m->layers,
                                   .n_layers = (uint32_t)pick(seed, 1, 5),
                                   .in_scale = pick_scale(seed),
                                   .in_zero = pick(seed, -128, 127) };
    uint32_t n_in = (uint32_t)pick(seed, 1, MAX_N);
    float in_scale = m->spec.in_scale;
    for (uint32_t i = 0; i < m->spec.n_layers; i++) {
        make_layer(&m->data[i], &m->layers[i], n_in, in_scale, seed);
        n_in = m->layers[i].n_out;
        in_scale = m->layers[i].out_scale;
    }
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b != 0 && a < 0 ? q - 1 : q;
}

/* floor((x 2^L m + 2^30) / 2^31), then / 2^R rounded half away from zero. */
static int64_t slow_double(int64_t x, int64_t m, int e)
{
    int64_t left = e > 0 ? (int64_t)1 << e : 1, right = e < 0 ? (int64_t)1 << -e : 1;
    int64_t y = floor_div(x * left * m + ((int64_t)1 << 30), (int64_t)1 << 31);
    int64_t magnitude = y < 0 ? -y : y;
    magnitude = (2 * magnitude + right) / (2 * right);
    return y < 0 ? -magnitude : magnitude;
}

/* floor((x m + 2^(30-e)) / 2^(31-e)). */
static int64_t slow_single(int64_t x, int64_t m, int e)
{
    return floor_div(x * m + ((int64_t)1 << (30 - e)), (int64_t)1 << (31 - e));
}

static int8_t slow_output(const struct dense_spec *d, uint32_t o, float in_scale, int32_t in_zero,
                          enum mw_rounding rounding, const int8_t *x)
{
    int64_t acc = d->bias ? d->bias[o] : 0;
    for (uint32_t i = 0; i < d->n_in; i++)
        acc += (int64_t)d->weights[o * d->n_in + i] * (x[i] - in_zero);

    float product = in_scale * d->scales[0];
    double real = d->n_scales == 1 ? (double)product / (double)d->out_scale
                                   : (double)in_scale * (double)d->scales[o] / (double)d->out_scale;
    int e;
    int64_t m = llround(ldexp(frexp(real, &e), 31));
    if (m == (int64_t)1 << 31) {
        m /= 2;
        e++;
    }
    int64_t y = rounding == MW_ROUNDING_DOUBLE ? slow_double(acc, m, e) : slow_single(acc, m, e);
    y += d->out_zero;
    int64_t low = d->activation ? d->out_zero : -128;
    int64_t most = llroundf((d->activation == 2 ? 1.0f : 6.0f) / d->out_scale);
    if (d->activation == 2) /* RELU_N1_TO_1 */
        low = d->out_zero - most < -128 ? -128 : d->out_zero - most;
    int64_t high = d->activation >= 2 && d->out_zero + most < 127 ? d->out_zero + most : 127;
    return (int8_t)(y < low ? low : y > high ? high : y);
}

static void slow_run(const struct model_spec *s, enum mw_rounding rounding, const int8_t *x,
                     int8_t *y)
{
    int8_t now[MAX_N], then[MAX_N];
    memcpy(now, x, s->layers[0].n_in);
    float scale = s->in_scale;
    int32_t zero = s->in_zero;
    for (uint32_t i = 0; i < s->n_layers; i++) {
        const struct dense_spec *d = &s->layers[i];
        for (uint32_t o = 0; o < d->n_out; o++)
            then[o] = slow_output(d, o, scale, zero, rounding, now);
        memcpy(now, then, d->n_out);
        scale = d->out_scale;
        zero = d->out_zero;
    }
    memcpy(y, now, s->layers[s->n_layers - 1].n_out);
}

struct engine {
    void *memory;
    uint8_t *file; /* at an odd address */
    struct mw_model model;
};

static void start(struct engine *e, const struct model_spec *spec, enum mw_rounding rounding)
{
    static struct builder b;
    build_model(&b, spec);
    struct mw_model_fault why = { "" };
    size_t n_memory;
    uint8_t *file = malloc(b.n + 1);
    memcpy(file + 1, b.bytes, b.n);
    ck_assert_msg(mw_model_measure(file + 1, b.n, &n_memory, &why) == MW_OK, "%s", why.text);
    e->file = file;
    e->memory = malloc(n_memory ? n_memory : 1);
    int result = mw_model_init(&e->model, file + 1, b.n, rounding, e->memory, n_memory, &why);
    ck_assert_msg(result == MW_OK, "%s", why.text);
}

static void finish(struct engine *e)
{
    free(e->memory);
    free(e->file);
}

START_TEST(random_chains_give_the_bytes_of_the_slow_reference)
{
    uint64_t seed = 20240607;
    uint32_t n_inside = 0, n_all = 0, n_differ = 0;
    static struct random_model m;
    printf("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < N_MODELS; i++) {
        int8_t y[2][8][MAX_N] = { 0 };
        make_model(&m, &seed);
        uint64_t input_seed = next(&seed);
        for (int rounding = 0; rounding < 2; rounding++) {
            struct engine e;
            start(&e, &m.spec, (enum mw_rounding)rounding);
            uint64_t s = input_seed;
            for (int k = 0; k < 8; k++) {
                int8_t x[MAX_N], expected[MAX_N];
                for (uint32_t j = 0; j < e.model.n_in; j++)
                    x[j] = (int8_t)pick(&s, -128, 127);
                mw_model_run(&e.model, x, y[rounding][k]);
                slow_run(&m.spec, (enum mw_rounding)rounding, x, expected);
                ck_assert_mem_eq(y[rounding][k], expected, e.model.n_out);
                for (uint32_t j = 0; j < e.model.n_out; j++, n_all++)
                    n_inside += expected[j] > -128 && expected[j] < 127;
            }
            finish(&e);
        }
        n_differ += memcmp(y[0], y[1], sizeof y[0]) != 0;
    }
    /* The comparison means nothing where everything is clamped or both roundings agree. */
    ck_assert_uint_gt(n_inside, n_all / 4);
    ck_assert_uint_gt(n_differ, N_MODELS / 8);
    printf("%u of %u bytes not clamped, %u of %u models differ between the roundings\n", n_inside,
           n_all, n_differ, N_MODELS);
}
END_TEST

static const int8_t ONE_WEIGHT[4] = { 1, 2, 3, 4 };
static const int32_t ONE_BIAS[2] = { 5, 6 };
static const float ONE_SCALE[2] = { 0.5f, 0.25f };

START_TEST(per_tensor_takes_the_float_product_and_per_channel_the_double)
{
    /* Chosen so that the two formulas differ in the mantissa's last bits. */
    const float in_scale = 0x1.90664cp-2f, scales[2] = { 0x1.8b2e9cp-12f, 0x1.8b2e9cp-12f };
    struct dense_spec d = { .n_in = 2,
                            .n_out = 2,
                            .weights = ONE_WEIGHT,
                            .scales = scales,
                            .n_scales = 1,
                            .out_scale = 0x1.952b5p-5f };
    struct model_spec spec = { .layers = &d, .n_layers = 1, .in_scale = in_scale };
    struct engine e;
    start(&e, &spec, MW_ROUNDING_DOUBLE);
    int32_t per_tensor = mw_model_dense(&e.model, 0)->multiplier[0];
    ck_assert_int_eq(per_tensor, 1638001653); /* layer 0 of ad01 in TensorFlow Lite Micro */
    ck_assert_int_eq(mw_model_dense(&e.model, 0)->shift[0], -8);
    finish(&e);

    d.n_scales = 2;
    start(&e, &spec, MW_ROUNDING_DOUBLE);
    int shift;
    double real = (double)in_scale * (double)scales[1] / (double)d.out_scale;
    ck_assert_int_eq(mw_model_dense(&e.model, 0)->multiplier[1],
                     llround(ldexp(frexp(real, &shift), 31)));
    ck_assert_int_ne(mw_model_dense(&e.model, 0)->multiplier[1], per_tensor);
    finish(&e);
}
END_TEST

START_TEST(a_layer_without_bias_reads_none)
{
    struct dense_spec d = { .n_in = 2,
                            .n_out = 2,
                            .weights = ONE_WEIGHT,
                            .scales = ONE_SCALE,
                            .n_scales = 1,
                            .out_scale = 0.5f };
    struct model_spec spec = { .layers = &d, .n_layers = 1, .in_scale = 1 };
    struct engine e;
    start(&e, &spec, MW_ROUNDING_DOUBLE);
    int8_t y[2];
    mw_model_run(&e.model, (const int8_t[]){ 10, 1 }, y);
    ck_assert_int_eq(y[0], 12);
    ck_assert_int_eq(y[1], 34);
    finish(&e);
}
END_TEST

START_TEST(an_empty_graph_has_a_card_and_writes_nothing)
{
    struct model_spec spec = { .card = "card bytes" };
    struct engine e;
    start(&e, &spec, MW_ROUNDING_DOUBLE);
    ck_assert_uint_eq(e.model.n_layers, 0);
    ck_assert_uint_eq(e.model.n_in, 0);
    ck_assert_uint_eq(e.model.n_out, 0);
    ck_assert_uint_eq(e.model.n_card_bytes, 10);
    ck_assert_mem_eq(e.model.card, "card bytes", 10);
    int8_t y = 77;
    mw_model_run(&e.model, NULL, &y);
    ck_assert_int_eq(y, 77);
    finish(&e);
}
END_TEST

START_TEST(too_little_memory_is_said_with_both_numbers)
{
    struct dense_spec d[3];
    for (int i = 0; i < 3; i++)
        d[i] = (struct dense_spec){ .n_in = 2,
                                    .n_out = 2,
                                    .weights = ONE_WEIGHT,
                                    .bias = ONE_BIAS,
                                    .scales = ONE_SCALE,
                                    .n_scales = 2,
                                    .out_scale = 1 };
    struct model_spec spec = { .layers = d, .n_layers = 3, .in_scale = 1 };
    static struct builder b;
    build_model(&b, &spec);
    size_t n_memory;
    struct mw_model_fault why;
    ck_assert_int_eq(mw_model_measure(b.bytes, b.n, &n_memory, &why), MW_OK);
    static uint64_t memory[256];
    ck_assert_uint_le(n_memory, sizeof memory);
    char expected[160];
    snprintf(expected, sizeof expected, "the model needs %zu bytes of memory, %zu were given",
             n_memory, n_memory - 1);
    struct mw_model model = { .n_layers = 99 };
    ck_assert_int_eq(
        mw_model_init(&model, b.bytes, b.n, MW_ROUNDING_DOUBLE, memory, n_memory - 1, &why),
        MW_ERR_NO_MEMORY);
    ck_assert_str_eq(why.text, expected);
    ck_assert_uint_eq(model.n_layers, 99);
    ck_assert_int_eq(mw_model_init(&model, b.bytes, b.n, MW_ROUNDING_DOUBLE, (uint8_t *)memory + 4,
                                   n_memory, &why),
                     MW_ERR_INVALID);
    ck_assert_str_eq(why.text, "the memory is not aligned to 8");
}
END_TEST

static void note_width(void *ctx, uint32_t layer, const int8_t *out, uint32_t n)
{
    (void)out;
    ((uint32_t *)ctx)[layer] = n;
}

START_TEST(a_trace_sees_every_layer)
{
    uint64_t seed = 3;
    static struct random_model m;
    do
        make_model(&m, &seed);
    while (m.spec.n_layers < 4);
    struct engine e;
    start(&e, &m.spec, MW_ROUNDING_DOUBLE);
    int8_t x[MAX_N] = { 0 }, y[MAX_N];
    uint32_t widths[5] = { 0 };
    mw_model_run_traced(&e.model, x, y, note_width, widths);
    for (uint32_t i = 0; i < m.spec.n_layers; i++)
        ck_assert_uint_eq(widths[i], m.layers[i].n_out);
    finish(&e);
}
END_TEST

MW_SUITE("inference/model", random_chains_give_the_bytes_of_the_slow_reference,
         per_tensor_takes_the_float_product_and_per_channel_the_double,
         a_layer_without_bias_reads_none, an_empty_graph_has_a_card_and_writes_nothing,
         too_little_memory_is_said_with_both_numbers, a_trace_sees_every_layer)
