/* SPDX-License-Identifier: Apache-2.0 */
/* The seed models of the fuzz corpus: one for each operator, a branching graph of several, and the
 * two convolutional autoencoders; each must load and run. The committed files are compared.
 *   test-golden-seeds --write DIR   writes them */
#include "training/conv_autoencoder.h"
#include "unit/inference/graphs.h"

#include <stdlib.h>

#define CORPUS "fuzz/corpus/tflite"

static const int8_t NUMBERS[32] = {
    3, -5, 7, 11, -13, 17, 19, -23, 29, -31, 37, 41, 43, -47, 53, 59
};
static const int32_t BIASES[4] = { 100, -200, 300, -400 };
static const int64_t WIDE_BIASES[4] = { 100, -200, 300, -400 };
static const float SCALES[4] = { 0.01f, 0.02f, 0.03f, 0.04f };

struct seed {
    struct trial t;
    struct graph_operator ops[8];
    uint32_t n_ops;
    int32_t out;
};

static int32_t image(struct seed *s, uint32_t h, uint32_t w, uint32_t c)
{
    const uint32_t dims[] = { 1, h, w, c };
    return activation(&s->t, 4, dims, 0.5f, 3);
}

static int32_t row(struct seed *s, uint32_t n, float scale, int32_t zero)
{
    const uint32_t dims[] = { 1, n };
    return activation(&s->t, 2, dims, scale, zero);
}

static int32_t numbers(struct seed *s, uint32_t n_dims, const uint32_t *dims, uint32_t n_scales,
                       uint32_t dimension)
{
    int32_t tensor = constant(&s->t, GRAPH_INT8, n_dims, dims, NUMBERS, 1);
    s->t.tensors[tensor].scales = SCALES;
    s->t.tensors[tensor].n_scales = n_scales;
    s->t.tensors[tensor].channel_dimension = dimension;
    return tensor;
}

static int32_t biases(struct seed *s, uint32_t n)
{
    return constant(&s->t, GRAPH_INT32, 1, &n, BIASES, 4);
}

/* Adds an operator; ins end with -2. Its options are added to the last one. */
static void op(struct seed *s, uint8_t code, uint8_t options_type, int32_t out, const int32_t *ins)
{
    uint32_t n = 0;
    while (ins[n] != -2)
        n++;
    connect(&s->t, code, n, ins, out, options_type);
    s->ops[s->n_ops++] = s->t.op;
    s->out = out;
}

static void with(struct seed *s, uint16_t id, uint8_t width, uint32_t value)
{
    struct graph_operator *last = &s->ops[s->n_ops - 1];
    last->options[last->n_options++] =
        (struct flat_field){ .id = id, .width = width, .value = value };
}

#define INS(...) ((const int32_t[]){ __VA_ARGS__, -2 })

static void dense_wide(struct seed *s)
{
    const uint32_t dims[] = { 3, 4 }, n = 3;
    int32_t x = row(s, 4, 0.5f, 3), mid = row(s, 4, 0.002f, 0), y = row(s, 3, 0.001f, 0);
    int32_t real = row(s, 3, 1, 0);
    s->t.tensors[mid].type = s->t.tensors[y].type = GRAPH_INT16;
    s->t.tensors[real].type = GRAPH_FLOAT32;
    s->t.tensors[real].n_scales = 0;
    int32_t b = constant(&s->t, GRAPH_INT64, 1, &n, WIDE_BIASES, 8);
    op(s, 114, 89, mid, INS(x));
    op(s, 9, 8, y, INS(mid, numbers(s, 2, dims, 3, 0), b));
    with(s, 0, 1, 0);
    op(s, 6, 38, real, INS(y));
}

static void floats(struct seed *s)
{
    int32_t x = row(s, 6, 1, 0), q = row(s, 6, 0.1f, 3), z = row(s, 6, 0.2f, -4);
    int32_t y = row(s, 6, 1, 0);
    s->t.tensors[x].type = s->t.tensors[y].type = GRAPH_FLOAT32;
    s->t.tensors[x].n_scales = s->t.tensors[y].n_scales = 0;
    op(s, 114, 89, q, INS(x));
    op(s, 114, 89, z, INS(q));
    op(s, 6, 38, y, INS(z));
}

static void conv(struct seed *s)
{
    const uint32_t dims[] = { 2, 1, 3, 2 };
    int32_t x = image(s, 1, 8, 2), y = image(s, 1, 4, 2);
    op(s, 3, 1, y, INS(x, numbers(s, 4, dims, 2, 0), biases(s, 2)));
    with(s, 0, 1, 0);
    with(s, 1, 4, 2);
    with(s, 2, 4, 1);
    with(s, 3, 1, 1);
    with(s, 4, 4, 1);
    with(s, 5, 4, 1);
}

static void conv_groups(struct seed *s)
{
    const uint32_t dims[] = { 4, 2, 2, 2 };
    int32_t x = image(s, 5, 6, 4), y = image(s, 3, 4, 4);
    op(s, 3, 1, y, INS(x, numbers(s, 4, dims, 1, 0), -1));
    with(s, 0, 1, 1);
    with(s, 1, 4, 1);
    with(s, 2, 4, 1);
    with(s, 3, 1, 3);
    with(s, 4, 4, 2);
    with(s, 5, 4, 2);
}

static void depthwise(struct seed *s)
{
    const uint32_t dims[] = { 1, 2, 3, 4 };
    int32_t x = image(s, 4, 5, 2), y = image(s, 4, 5, 4);
    op(s, 4, 2, y, INS(x, numbers(s, 4, dims, 4, 3), biases(s, 4)));
    with(s, 0, 1, 0);
    with(s, 1, 4, 1);
    with(s, 2, 4, 1);
    with(s, 3, 4, 2);
    with(s, 4, 1, 2);
}

static void transpose_conv(struct seed *s)
{
    static const int32_t shape[] = { 1, 4, 6, 2 };
    const uint32_t dims[] = { 2, 2, 3, 2 };
    int32_t x = image(s, 2, 3, 2), y = image(s, 4, 6, 2);
    op(s, 67, 49, y,
       INS(shape_constant(&s->t, shape, 4), numbers(s, 4, dims, 2, 0), x, biases(s, 2)));
    with(s, 0, 1, 0);
    with(s, 1, 4, 2);
    with(s, 2, 4, 2);
}

static void pool(struct seed *s, uint8_t code)
{
    int32_t x = image(s, 4, 5, 2), y = image(s, 2, 3, 2);
    op(s, code, 5, y, INS(x));
    const uint32_t values[] = { 0, 2, 2, 3, 2 };
    for (uint16_t i = 0; i < 5; i++)
        with(s, i, i ? 4 : 1, values[i]);
}

static void average_pool(struct seed *s)
{
    pool(s, 1);
}

static void max_pool(struct seed *s)
{
    pool(s, 17);
}

static void pairing(struct seed *s, uint8_t code, uint8_t options)
{
    const uint32_t dims[] = { 1, 3, 1 };
    int32_t x = image(s, 2, 3, 2), y = image(s, 2, 3, 2);
    op(s, code, options, y, INS(x, numbers(s, 3, dims, 1, 0)));
    with(s, 0, 1, 1);
}

static void add(struct seed *s)
{
    pairing(s, 0, 11);
}

static void mul(struct seed *s)
{
    pairing(s, 18, 21);
}

static void sub(struct seed *s)
{
    pairing(s, 41, 28);
}

static void mean(struct seed *s)
{
    static const int32_t axes[] = { 1, -2 };
    int32_t x = image(s, 3, 4, 2), y = row(s, 2, 0.4f, -5);
    op(s, 40, 27, y, INS(x, shape_constant(&s->t, axes, 2)));
    with(s, 0, 1, 0);
}

static void unary(struct seed *s)
{
    int32_t a = row(s, 9, 0.05f, 3), b = row(s, 9, 0.06f, -9), c = row(s, 9, 0.06f, -9);
    int32_t d = row(s, 9, 0.05f, 20), e = row(s, 9, 0x1p-8f, -128), f = row(s, 9, 0x1p-7f, 0);
    int32_t g = row(s, 9, 0x1p-8f, -128);
    op(s, 19, 0, b, INS(a));
    op(s, 21, 0, c, INS(b));
    op(s, 98, 75, d, INS(c));
    with(s, 0, 4, 0x3e4ccccd); /* 0.2 */
    op(s, 14, 0, e, INS(d));
    op(s, 28, 0, f, INS(e));
    op(s, 25, 9, g, INS(f));
    with(s, 0, 4, 0x3f800000); /* 1.0 */
}

static void shapes(struct seed *s)
{
    static const int32_t axis[] = { 1 }, shape[] = { 2, -1 };
    const uint32_t a[] = { 2, 3 }, b[] = { 2, 1, 3 };
    int32_t x = activation(&s->t, 2, a, 0.5f, 3), y = activation(&s->t, 3, b, 0.5f, 3);
    int32_t z = activation(&s->t, 2, a, 0.5f, 3), w = activation(&s->t, 2, a, 0.5f, 3);
    op(s, 70, 52, y, INS(x, shape_constant(&s->t, axis, 1)));
    op(s, 43, 30, z, INS(y));
    op(s, 22, 17, w, INS(z, shape_constant(&s->t, shape, 2)));
}

static void pads(struct seed *s)
{
    static const int32_t around[] = { 0, 1, 2, 0 };
    static const int8_t fill = 9;
    const uint32_t a[] = { 2, 3 }, b[] = { 3, 5 }, c[] = { 4, 7 }, p[] = { 2, 2 };
    int32_t x = activation(&s->t, 2, a, 0.5f, 3), y = activation(&s->t, 2, b, 0.5f, 3);
    int32_t z = activation(&s->t, 2, c, 0.5f, 3);
    int32_t pad = constant(&s->t, GRAPH_INT32, 2, p, around, 4);
    int32_t value = activation(&s->t, 0, NULL, 0.5f, 3);
    s->t.tensors[value].data = &fill;
    s->t.tensors[value].n_bytes = 1;
    op(s, 34, 22, y, INS(x, pad));
    op(s, 60, 43, z, INS(y, pad, value));
}

static void slice(struct seed *s)
{
    static const int32_t begin[] = { 0, -1, 1 }, end[] = { 3, -4, 2 }, stride[] = { 2, -1, 1 };
    const uint32_t a[] = { 3, 4, 5 }, b[] = { 2, 3 };
    int32_t x = activation(&s->t, 3, a, 0.5f, 3), y = activation(&s->t, 2, b, 0.5f, 3);
    op(s, 45, 32, y,
       INS(x, shape_constant(&s->t, begin, 3), shape_constant(&s->t, end, 3),
           shape_constant(&s->t, stride, 3)));
    with(s, 0, 4, 1);
    with(s, 4, 4, 4);
}

static void transpose(struct seed *s)
{
    static const int32_t order[] = { 2, 0, 1 };
    const uint32_t a[] = { 2, 3, 4 }, b[] = { 4, 2, 3 };
    int32_t x = activation(&s->t, 3, a, 0.5f, 3), y = activation(&s->t, 3, b, 0.5f, 3);
    op(s, 39, 26, y, INS(x, shape_constant(&s->t, order, 3)));
}

static void resize(struct seed *s)
{
    static const int32_t size[] = { 5, 4 };
    int32_t x = image(s, 3, 2, 2), y = image(s, 5, 4, 2);
    op(s, 97, 74, y, INS(x, shape_constant(&s->t, size, 2)));
    with(s, 0, 1, 0);
    with(s, 1, 1, 1);
}

/* Split, one half through a layer, added to the other, and both side by side. */
static void branches(struct seed *s)
{
    static const int32_t axis[] = { 1 };
    const uint32_t square[] = { 4, 4 };
    int32_t x = row(s, 8, 0.5f, 3), a = row(s, 4, 0.5f, 3), b = row(s, 4, 0.5f, 3);
    int32_t c = row(s, 4, 0.5f, 3), d = row(s, 4, 0.5f, 3), y = row(s, 8, 0.5f, 3);
    op(s, 49, 35, a, INS(shape_constant(&s->t, axis, 1), x));
    s->ops[0].outs[1] = b;
    s->ops[0].n_outs = 2;
    with(s, 0, 4, 2);
    op(s, 9, 8, c, INS(a, numbers(s, 2, square, 4, 0), -1));
    with(s, 0, 1, 1);
    op(s, 0, 11, d, INS(c, b));
    op(s, 2, 10, y, INS(d, a));
    with(s, 0, 4, 1);
}

static const struct {
    const char *name;
    void (*make)(struct seed *s);
} SEEDS[] = {
    { "op_dense_wide", dense_wide },
    { "op_floats", floats },
    { "op_conv", conv },
    { "op_conv_groups", conv_groups },
    { "op_depthwise", depthwise },
    { "op_transpose_conv", transpose_conv },
    { "op_average_pool", average_pool },
    { "op_max_pool", max_pool },
    { "op_add", add },
    { "op_mul", mul },
    { "op_sub", sub },
    { "op_mean", mean },
    { "op_unary", unary },
    { "op_shapes", shapes },
    { "op_pads", pads },
    { "op_slice", slice },
    { "op_transpose", transpose },
    { "op_resize", resize },
    { "op_branches", branches },
};

static void write_seed(size_t i, uint8_t **ret_bytes, size_t *ret_n)
{
    static struct seed s;
    s = (struct seed){ 0 };
    SEEDS[i].make(&s);
    struct graph graph = graph_of(&s.t);
    for (uint32_t k = 0; k < s.n_ops; k++)
        s.ops[k].version = 2;
    for (uint32_t k = 0; k < s.n_ops; k++)
        if (s.ops[k].code == 22 || s.ops[k].code == 70)
            s.ops[k].version = 1;
    graph.operators = s.ops;
    graph.n_operators = s.n_ops;
    graph.output = (uint32_t)s.out;
    ck_assert_int_eq(tflite_graph_write(ret_bytes, ret_n, &graph), MW_OK);
}

static void write_conv(bool upsample, uint8_t **ret_bytes, size_t *ret_n)
{
    static const struct conv_step steps[] = { { CONV_FORWARD, 8, 5, 2, true },
                                              { CONV_FORWARD, 4, 5, 2, false },
                                              { CONV_TRANSPOSED, 8, 5, 2, true },
                                              { CONV_TRANSPOSED, 6, 5, 2, false } };
    static const struct conv_step others[] = { { CONV_FORWARD, 8, 3, 2, true },
                                               { CONV_UPSAMPLE, 0, 0, 2, false },
                                               { CONV_FORWARD, 4, 3, 1, false } };
    struct rng rng = { .seed = 3 };
    struct conv_autoencoder ae;
    double window[16 * 8];
    ck_assert_int_eq(
        conv_autoencoder_create(&ae, 16, 8, upsample ? others : steps, upsample ? 3 : 4, &rng),
        MW_OK);
    for (int i = 0; i < 16 * 8; i++)
        window[i] = rng_normal(&rng);
    ck_assert_int_eq(conv_autoencoder_quantize(&ae, window, 1, 1.5), MW_OK);
    ck_assert_int_eq(conv_autoencoder_write(ret_bytes, ret_n, &ae, (const uint8_t *)"card", 4),
                     MW_OK);
    conv_autoencoder_destroy(&ae);
}

static const char *get(size_t i, uint8_t **ret_bytes, size_t *ret_n)
{
    size_t n = sizeof SEEDS / sizeof SEEDS[0];
    if (i < n)
        write_seed(i, ret_bytes, ret_n);
    else if (i < n + 2)
        write_conv(i > n, ret_bytes, ret_n);
    else
        return NULL;
    return i < n ? SEEDS[i].name : i > n ? "conv_upsample" : "conv_906";
}

START_TEST(every_seed_loads_and_runs_in_exactly_its_memory)
{
    uint8_t *bytes;
    size_t n;
    for (size_t i = 0; get(i, &bytes, &n); i++) {
        size_t n_memory = 0;
        struct mw_model model;
        struct mw_model_fault why = { "" };
        static uint64_t x[512], y[512];
        const char *name = i < sizeof SEEDS / sizeof SEEDS[0] ? SEEDS[i].name : "conv";
        ck_assert_msg(mw_model_measure(bytes, n, &n_memory, &why) == MW_OK, "%s: %s", name,
                      why.text);
        void *memory = malloc(n_memory);
        ck_assert_int_eq(
            mw_model_init(&model, bytes, n, MW_ROUNDING_DOUBLE, memory, n_memory - 1, &why),
            MW_ERR_NO_MEMORY);
        ck_assert_int_eq(
            mw_model_init(&model, bytes, n, MW_ROUNDING_DOUBLE, memory, n_memory, &why), MW_OK);
        ck_assert_uint_le(model.n_in_bytes, sizeof x);
        ck_assert_uint_le(model.n_out_bytes, sizeof y);
        mw_model_run(&model, x, y);
        free(memory);
        free(bytes);
    }
}
END_TEST

START_TEST(the_committed_corpus_holds_them)
{
    uint8_t *bytes;
    size_t n;
    const char *name;
    for (size_t i = 0; (name = get(i, &bytes, &n)); i++) {
        static uint8_t committed[1 << 16];
        char path[512];
        snprintf(path, sizeof path, MW_SOURCE_DIR "/tests/" CORPUS "/%s", name);
        FILE *file = fopen(path, "rb");
        ck_assert_msg(file != NULL, "%s is missing", path);
        ck_assert_msg(fread(committed, 1, sizeof committed, file) == n &&
                          memcmp(committed, bytes, n) == 0,
                      "%s: is not what test-golden-seeds --write makes", path);
        fclose(file);
        free(bytes);
    }
}
END_TEST

static const char *write_to; /* from the command line */

START_TEST(the_corpus_is_written)
{
    uint8_t *bytes;
    size_t n;
    const char *name;
    for (size_t i = 0; (name = get(i, &bytes, &n)); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", write_to, name);
        FILE *file = fopen(path, "wb");
        ck_assert_msg(file != NULL, "%s cannot be written", path);
        ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
        ck_assert_int_eq(fclose(file), 0);
        free(bytes);
    }
}
END_TEST

int main(int argc, char **argv)
{
    bool write = argc == 3 && strcmp(argv[1], "--write") == 0;
    Suite *suite = suite_create("golden/seeds");
    TCase *tcase = tcase_create("golden/seeds");
    write_to = write ? argv[2] : NULL;
    tcase_add_test(tcase, every_seed_loads_and_runs_in_exactly_its_memory);
    if (write)
        tcase_add_test(tcase, the_corpus_is_written);
    else
        tcase_add_test(tcase, the_committed_corpus_holds_them);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
