/* SPDX-License-Identifier: Apache-2.0 */
/* MLPerf Tiny's anomaly detection model (mlcommons/tiny, ad01_int8.tflite): byte for byte what
 * TensorFlow Lite Micro and CMSIS-NN compute with double rounding, XNNPACK and ONNX Runtime with
 * single rounding. 196 windows of 640 values. */
#include "base/bytes.h"
#include "base/result.h"
#include "golden/shared.h"
#include "inference/model.h"
#include "inference/quant.h"

#include <string.h>

#define MODEL     "models/ad01_int8.tflite"
#define WIDTH     640
#define N_WINDOWS 196

struct loaded {
    uint8_t *bytes;
    void *memory;
    struct mw_model model;
};

static struct loaded load(enum mw_rounding rounding)
{
    struct loaded l = { 0 };
    struct mw_model_fault why;
    size_t n_bytes, n_memory;
    l.bytes = shared_load(MODEL, &n_bytes);
    ck_assert_msg(mw_model_measure(l.bytes, n_bytes, &n_memory, &why) == MW_OK, "%s", why.text);
    l.memory = malloc(n_memory);
    int result = mw_model_init(&l.model, l.bytes, n_bytes, rounding, l.memory, n_memory, &why);
    ck_assert_msg(result == MW_OK, "%s", why.text);
    ck_assert_uint_eq(l.model.n_in, WIDTH);
    ck_assert_uint_eq(l.model.n_out, WIDTH);
    ck_assert_uint_eq(l.model.n_layers, 10);
    return l;
}

static void unload(struct loaded *l)
{
    free(l->memory);
    free(l->bytes);
}

static void expect_outputs(enum mw_rounding rounding, const char *expected_name)
{
    struct loaded l = load(rounding);
    size_t n_in, n_expected;
    uint8_t *in = shared_load("golden/ad01_input_196x640.s8", &n_in);
    uint8_t *expected = shared_load(expected_name, &n_expected);
    ck_assert_uint_eq(n_in, (size_t)N_WINDOWS * WIDTH);
    ck_assert_uint_eq(n_expected, n_in);
    int8_t out[WIDTH];
    for (size_t w = 0; w < N_WINDOWS; w++) {
        mw_model_run(&l.model, (const int8_t *)in + w * WIDTH, out);
        ck_assert_mem_eq(out, expected + w * WIDTH, WIDTH);
    }
    free(expected);
    free(in);
    unload(&l);
}

START_TEST(double_rounding_gives_the_bytes_of_tflite_micro)
{
    expect_outputs(MW_ROUNDING_DOUBLE, "golden/ad01_output_196x640.s8");
}
END_TEST

START_TEST(single_rounding_gives_the_bytes_of_xnnpack)
{
    expect_outputs(MW_ROUNDING_SINGLE, "golden/ad01_output_196x640_single_rounding.s8");
}
END_TEST

/* Input and output in one buffer: 640 bytes saved on a small processor. */
START_TEST(the_output_may_lie_where_the_input_was)
{
    struct loaded l = load(MW_ROUNDING_DOUBLE);
    size_t n_in, n_expected;
    uint8_t *in = shared_load("golden/ad01_input_196x640.s8", &n_in);
    uint8_t *expected = shared_load("golden/ad01_output_196x640.s8", &n_expected);
    ck_assert(l.model.ends_may_overlap);
    for (size_t w = 0; w < 8; w++) {
        mw_model_run(&l.model, in + w * WIDTH, in + w * WIDTH);
        ck_assert_mem_eq(in + w * WIDTH, expected + w * WIDTH, WIDTH);
    }
    free(expected);
    free(in);
    unload(&l);
}
END_TEST

struct trace {
    const uint8_t *expected;
    size_t at, n;
    uint32_t n_layers;
};

static void compare_layer(void *ctx, uint32_t layer, const int8_t *out, uint32_t n)
{
    struct trace *trace = ctx;
    ck_assert_uint_eq(layer, trace->n_layers++ % 10);
    ck_assert_uint_le(trace->at + n, trace->n);
    ck_assert_mem_eq(out, trace->expected + trace->at, n);
    trace->at += n;
}

START_TEST(every_layer_of_the_first_windows_is_right)
{
    struct loaded l = load(MW_ROUNDING_DOUBLE);
    struct trace trace = { 0 };
    size_t n_in;
    uint8_t *in = shared_load("golden/ad01_input_196x640.s8", &n_in);
    uint8_t *expected = shared_load("golden/ad01_layers_win0-3.s8", &trace.n);
    trace.expected = expected;
    int8_t out[WIDTH];
    for (size_t w = 0; w < 4; w++)
        mw_model_run_traced(&l.model, (const int8_t *)in + w * WIDTH, out, compare_layer, &trace);
    ck_assert_uint_eq(trace.n_layers, 40);
    ck_assert_uint_eq(trace.at, trace.n);
    free(expected);
    free(in);
    unload(&l);
}
END_TEST

/* layer,in,out,activation,in_scale,in_zp,w_scale,w_zp,bias_scale,out_scale,out_zp,multiplier,shift,
 * act_min,act_max,… */
START_TEST(every_layer_has_the_published_parameters)
{
    struct loaded l = load(MW_ROUNDING_DOUBLE);
    FILE *file = shared_open("golden/ad01_layer_params.csv");
    ck_assert_ptr_nonnull(file);
    char line[512];
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    uint32_t n = 0;
    for (; fgets(line, sizeof line, file); n++) {
        unsigned i, n_in, n_out;
        int in_zero, out_zero, multiplier, shift, out_min, out_max;
        ck_assert_int_eq(
            sscanf(line, "%u,%u,%u,%*[^,],%*[^,],%d,%*[^,],%*d,%*[^,],%*[^,],%d,%d,%d,%d,%d", &i,
                   &n_in, &n_out, &in_zero, &out_zero, &multiplier, &shift, &out_min, &out_max),
            9);
        const struct mw_dense_s8 *layer = mw_model_dense(&l.model, i);
        ck_assert_uint_eq(layer->n_in, n_in);
        ck_assert_uint_eq(layer->n_out, n_out);
        ck_assert_uint_eq(layer->n_multipliers, 1);
        ck_assert_int_eq(layer->multiplier[0], multiplier);
        ck_assert_int_eq(layer->shift[0], shift);
        ck_assert_int_eq(layer->in_zero, in_zero);
        ck_assert_int_eq(layer->out_zero, out_zero);
        ck_assert_int_eq(layer->out_min, out_min);
        ck_assert_int_eq(layer->out_max, out_max);
    }
    ck_assert_uint_eq(n, 10);
    fclose(file);
    unload(&l);
}
END_TEST

/* Window w is frames w to w + 4 of a recording of 200 frames with 128 values each. */
START_TEST(quantising_the_recording_gives_the_input_bytes)
{
    struct loaded l = load(MW_ROUNDING_DOUBLE);
    size_t n_in, n_float;
    uint8_t *in = shared_load("golden/ad01_input_196x640.s8", &n_in);
    uint8_t *recording = shared_load("golden/normal_id_01_00000000.f32", &n_float);
    ck_assert_uint_eq(n_float, 200 * 128 * 4);
    for (size_t w = 0; w < N_WINDOWS; w++) {
        float x[WIDTH];
        int8_t q[WIDTH];
        struct mw_reader r = { .bytes = recording, .n_bytes = n_float, .at = w * 128 * 4 };
        for (size_t i = 0; i < WIDTH; i++)
            x[i] = mw_get_f32le(&r);
        mw_quantize_s8(&l.model.in, x, q, WIDTH);
        ck_assert_mem_eq(q, in + w * WIDTH, WIDTH);
    }
    free(recording);
    free(in);
    unload(&l);
}
END_TEST

MW_SHARED_SUITE("golden/ad01", MODEL, double_rounding_gives_the_bytes_of_tflite_micro,
                single_rounding_gives_the_bytes_of_xnnpack, the_output_may_lie_where_the_input_was,
                every_layer_of_the_first_windows_is_right, every_layer_has_the_published_parameters,
                quantising_the_recording_gives_the_input_bytes)
