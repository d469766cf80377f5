/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/tflite.h"
#include "base/result.h"
#include "inference/fault.h"
#include "support/suite.h"
#include "unit/inference/builder.h"

static const int8_t WEIGHTS[6] = { 1, -2, 3, -4, 5, -6 };
static const int32_t BIAS[2] = { 7, -8 };
static const float SCALES[2] = { 0.5f, 0.25f };

static struct builder b;

/* Two layers, 3 -> 2 per output channel with RELU, 2 -> 3 per tensor. */
static const struct dense_spec LAYERS[2] = {
    { .n_in = 3,
      .n_out = 2,
      .weights = WEIGHTS,
      .bias = BIAS,
      .scales = SCALES,
      .n_scales = 2,
      .out_scale = 0.125f,
      .out_zero = -3,
      .activation = 1 },
    { .n_in = 2,
      .n_out = 3,
      .weights = WEIGHTS,
      .scales = SCALES,
      .n_scales = 1,
      .out_scale = 2.0f,
      .out_zero = 4,
      .activation = 3 },
};
static const struct model_spec RIGHT = {
    .layers = LAYERS, .n_layers = 2, .in_scale = 0.5f, .in_zero = -1, .card = "card"
};

/* A heap copy of the exact size, so that the sanitizers see the first byte too many. */
static int measure(const uint8_t *bytes, size_t n, struct mw_model_fault *ret_why)
{
    size_t n_memory;
    uint8_t *copy = malloc(n ? n : 1);
    ck_assert_ptr_nonnull(copy);
    if (n > 0)
        memcpy(copy, bytes, n);
    int result = mw_model_measure(copy, n, &n_memory, ret_why);
    free(copy);
    return result;
}

START_TEST(a_file_is_read_as_it_was_written)
{
    build_model(&b, &RIGHT);
    struct mw_tflite file;
    struct mw_node node;
    struct mw_tensor in, out, weights, bias;
    struct mw_model_fault why = { "" };
    ck_assert_msg(mw_tflite_open(&file, b.bytes, b.n, &why) == MW_OK, "%s", why.text);
    ck_assert_uint_eq(file.operators.n, 2);
    ck_assert_uint_eq(file.input, 0);
    ck_assert_uint_eq(file.output, 2);
    ck_assert_uint_eq(file.n_card_bytes, 4);
    ck_assert_mem_eq(file.card, "card", 4);

    ck_assert_msg(mw_tflite_read_node(&file, 0, &node, &why) == MW_OK, "%s", why.text);
    ck_assert_str_eq(node.name, "FULLY_CONNECTED");
    ck_assert_uint_eq(node.version, 4);
    ck_assert_uint_eq(node.options_type, 8);
    ck_assert_uint_eq(node.ins.n, 3);
    ck_assert_uint_eq(mw_node_in(&file, &node, 0), 0);
    ck_assert_uint_eq(mw_node_out(&file, &node, 0), 1);
    ck_assert_uint_eq(mw_node_out(&file, &node, 1), UINT32_MAX);
    ck_assert_int_eq(mw_tflite_read_tensor(&file, 0, &in, &why), MW_OK);
    ck_assert_int_eq(mw_tflite_read_tensor(&file, 1, &out, &why), MW_OK);
    ck_assert_int_eq(mw_tflite_read_tensor(&file, mw_node_in(&file, &node, 1), &weights, &why),
                     MW_OK);
    ck_assert_int_eq(mw_tflite_read_tensor(&file, mw_node_in(&file, &node, 2), &bias, &why), MW_OK);
    ck_assert(in.quant.scale == 0.5f && in.quant.zero == -1 && !in.data && in.n_items == 3);
    ck_assert(out.quant.scale == 0.125f && out.quant.zero == -3);
    ck_assert_uint_eq(weights.n_scales, 2);
    ck_assert(mw_tensor_scale(&weights, 1) == 0.25f);
    ck_assert_mem_eq(weights.data, WEIGHTS, 6);
    ck_assert_mem_eq(bias.data, BIAS, 8);
    ck_assert_int_eq(mw_tflite_read_node(&file, 1, &node, &why), MW_OK);
    ck_assert_uint_eq(mw_node_in(&file, &node, 2), UINT32_MAX);
}
END_TEST

START_TEST(either_operator_code_field_may_hold_the_operator)
{
    struct model_spec spec = RIGHT;
    struct mw_model_fault why = { "" };
    spec.builtin_code = 9;
    build_model(&b, &spec);
    ck_assert_int_eq(measure(b.bytes, b.n, &why), MW_OK);
    spec.old_code = 4; /* the greater counts */
    build_model(&b, &spec);
    ck_assert_int_eq(measure(b.bytes, b.n, &why), MW_OK);
    spec.builtin_code = 0;
    build_model(&b, &spec);
    ck_assert_int_eq(measure(b.bytes, b.n, &why), MW_ERR_FORMAT);
    ck_assert_str_eq(why.text, "operator 0 (DEPTHWISE_CONV_2D): options of type 8");
}
END_TEST

/* RIGHT, with a knob turned. */
#define WRONG(...)                                                     \
    {                                                                  \
        .layers = LAYERS, .n_layers = 2, .in_scale = 0.5f, __VA_ARGS__ \
    }

START_TEST(everything_else_is_refused_in_words_with_its_place)
{
    static const struct {
        struct model_spec spec;
        int result;
        const char *words;
    } cases[] = {
        { WRONG(.version_off = 1), MW_ERR_UNSUPPORTED, "schema version 4, 3 is supported" },
        { WRONG(.builtin_code = 47), MW_ERR_UNSUPPORTED, "operator 0: EXP is not supported" },
        { WRONG(.operator_version_off = 9), MW_ERR_UNSUPPORTED,
          "operator 0 (FULLY_CONNECTED): version 13 is not supported" },
        { WRONG(.builtin_code = 4000), MW_ERR_UNSUPPORTED,
          "operator 0: builtin 4000 is not supported" },
        { WRONG(.code_off = 1), MW_ERR_FORMAT, "operator 0: operator code 1 does not exist" },
        { WRONG(.n_graphs_off = 1), MW_ERR_UNSUPPORTED, "2 subgraphs, one is supported" },
        { WRONG(.n_inputs_off = 1), MW_ERR_UNSUPPORTED,
          "the graph has 2 inputs, one is supported" },
        { WRONG(.input_off = 1), MW_ERR_FORMAT,
          "operator 0: tensor 0 is read before it is written, or has no data" },
        { WRONG(.output_off = 1), MW_ERR_FORMAT, "the graph's output, tensor 3, is not written" },
        { WRONG(.output_off = -2), MW_ERR_UNSUPPORTED, "the graph's input is its output" },
        { WRONG(.activation_type = 3), MW_ERR_UNSUPPORTED,
          "the graph's input: tensor 0 is of type 3, which is not supported" },
        { WRONG(.weights_type = 17), MW_ERR_UNSUPPORTED,
          "operator 0: tensor 3 is of type 17, which is not supported" },
        { WRONG(.bias_type = 4), MW_ERR_FORMAT,
          "operator 0: 16 bytes of a constant in a buffer of 8 bytes" },
        { WRONG(.weights_zero = 1), MW_ERR_UNSUPPORTED,
          "operator 0 (FULLY_CONNECTED): tensor 3: zero point 1 is not supported" },
        { WRONG(.n_zeros_off = 1), MW_ERR_UNSUPPORTED,
          "operator 0: tensor 3 is not quantised with 2 scales and zero points" },
        { WRONG(.channel_dimension = 1), MW_ERR_UNSUPPORTED,
          "operator 0 (FULLY_CONNECTED): weights (tensor 3) quantised along dimension 1" },
        { WRONG(.weights_format = 1), MW_ERR_UNSUPPORTED,
          "operator 0 (FULLY_CONNECTED): weights format 1 is not supported" },
        { WRONG(.weights_bytes_off = -1), MW_ERR_FORMAT,
          "operator 0: 6 bytes of a constant in a buffer of 5 bytes" },
        { WRONG(.bias_bytes_off = -1), MW_ERR_FORMAT,
          "operator 0: 8 bytes of a constant in a buffer of 7 bytes" },
        { WRONG(.buffer_off = 9), MW_ERR_FORMAT,
          "operator 0: buffer 10 does not exist, there are 5" },
        { WRONG(.outside_buffer = 1), MW_ERR_UNSUPPORTED,
          "buffer 1 lies outside of the flatbuffer" },
        { WRONG(.variable = true), MW_ERR_UNSUPPORTED,
          "the graph's input: tensor 0 is a variable" },
        { WRONG(.sparse = true), MW_ERR_UNSUPPORTED, "operator 0: tensor 3 is sparse" },
        { WRONG(.card = "c", .two_cards = 1), MW_ERR_FORMAT,
          "two metadata entries millwright.card" },
        { WRONG(.in_zero = 128), MW_ERR_UNSUPPORTED,
          "the graph's input: tensor 0: zero point 128 is not supported" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mw_model_fault why = { "" };
        build_model(&b, &cases[i].spec);
        int result = measure(b.bytes, b.n, &why);
        ck_assert_str_eq(why.text, cases[i].words);
        ck_assert_int_eq(result, cases[i].result);
    }
}
END_TEST

static int measure_layer(const struct dense_spec *d, float bias_scale, struct mw_model_fault *why)
{
    struct model_spec spec = {
        .layers = d, .n_layers = 1, .in_scale = 0.5f, .bias_scale = bias_scale
    };
    build_model(&b, &spec);
    return measure(b.bytes, b.n, why);
}

START_TEST(numbers_the_arithmetic_cannot_hold_are_refused)
{
    struct mw_model_fault why = { "" };
    const float zero = 0, huge[1] = { 1e30f };
    const int32_t big[2] = { 0, 2147483647 - 2 * 128 * 255 }, bigger[2] = { 0, big[1] + 1 };
    struct dense_spec right = LAYERS[1], d = right;
    ck_assert_int_eq(measure_layer(&d, 0, &why), MW_OK);

    d.activation = 4; /* TANH, which TensorFlow Lite takes for NONE */
    ck_assert_int_eq(measure_layer(&d, 0, &why), MW_ERR_UNSUPPORTED);
    ck_assert_str_eq(why.text, "operator 0 (FULLY_CONNECTED): fused activation 4 is not supported");
    d = right;
    d.scales = &zero;
    ck_assert_int_eq(measure_layer(&d, 0, &why), MW_ERR_FORMAT);
    ck_assert_str_eq(why.text, "operator 0: tensor 2: scale 0 is not above 0 and finite");
    d.scales = huge;
    ck_assert_int_eq(measure_layer(&d, 0, &why), MW_ERR_UNSUPPORTED);
    ck_assert_str_eq(why.text,
                     "operator 0 (FULLY_CONNECTED): output 0 is scaled up by 2^30 or more");
    d = right;
    d.n_out = 2;
    d.bias = big;
    ck_assert_int_eq(measure_layer(&d, 0, &why), MW_OK);
    d.bias = bigger;
    ck_assert_int_eq(measure_layer(&d, 0, &why), MW_ERR_UNSUPPORTED);
    ck_assert_str_eq(why.text,
                     "operator 0 (FULLY_CONNECTED): the bias of output 1 could overflow its sum");
    d.bias = big;
    ck_assert_int_eq(measure_layer(&d, 0.5f * 0.5f + 0.0399f, &why), MW_OK);
    ck_assert_int_eq(measure_layer(&d, 0.5f * 0.5f + 0.0401f, &why), MW_ERR_UNSUPPORTED);
    ck_assert_str_eq(
        why.text,
        "operator 0 (FULLY_CONNECTED): bias (tensor 3) is not scaled by input and weights");
}
END_TEST

START_TEST(limits_are_refused_as_too_big)
{
    static int8_t weights[MW_MODEL_MAX_WIDTH + 1];
    static struct dense_spec many[MW_MODEL_MAX_LAYERS + 1];
    struct mw_model_fault why = { "" };
    struct dense_spec d = { .n_in = MW_MODEL_MAX_WIDTH,
                            .n_out = 1,
                            .weights = weights,
                            .scales = SCALES,
                            .n_scales = 1,
                            .out_scale = 1 };
    ck_assert_int_eq(measure_layer(&d, 0, &why), MW_OK);
    d.n_in++;
    ck_assert_int_eq(measure_layer(&d, 0, &why), MW_ERR_TOO_BIG);
    ck_assert_str_eq(why.text, "operator 0 (FULLY_CONNECTED): weights of 1 x 4097 are too wide");

    for (int i = 0; i <= MW_MODEL_MAX_LAYERS; i++)
        many[i] = (struct dense_spec){ .n_in = 1,
                                       .n_out = 1,
                                       .weights = weights,
                                       .scales = SCALES,
                                       .n_scales = 1,
                                       .out_scale = 1 };
    struct model_spec spec = { .layers = many, .n_layers = MW_MODEL_MAX_LAYERS, .in_scale = 1 };
    build_model(&b, &spec);
    ck_assert_int_eq(measure(b.bytes, b.n, &why), MW_OK);
    spec.n_layers++;
    build_model(&b, &spec);
    ck_assert_int_eq(measure(b.bytes, b.n, &why), MW_ERR_TOO_BIG);
    ck_assert_str_eq(why.text, "65 operators, at most 64 are supported");

    size_t n_memory;
    ck_assert_int_eq(mw_model_measure(b.bytes, MW_MODEL_MAX_BYTES + 1, &n_memory, &why),
                     MW_ERR_TOO_BIG);
}
END_TEST

START_TEST(a_chain_out_of_order_is_refused)
{
    const struct dense_spec square[2] = {
        { .n_in = 2,
          .n_out = 2,
          .weights = WEIGHTS,
          .scales = SCALES,
          .n_scales = 1,
          .out_scale = 1 },
        { .n_in = 2,
          .n_out = 2,
          .weights = WEIGHTS,
          .scales = SCALES,
          .n_scales = 1,
          .out_scale = 1 },
    };
    const struct model_spec spec = {
        .layers = square, .n_layers = 2, .in_scale = 1, .transposed_chain = true
    };
    struct mw_model_fault why = { "" };
    build_model(&b, &spec);
    ck_assert_int_eq(measure(b.bytes, b.n, &why), MW_ERR_FORMAT);
    ck_assert_str_eq(why.text, "operator 0: tensor 1 is read before it is written, or has no data");
}
END_TEST

START_TEST(no_truncated_file_is_believed)
{
    struct mw_model_fault why;
    build_model(&b, &RIGHT);
    uint32_t n = b.n; /* the last three may be padding */
    for (uint32_t cut = 0; cut + 4 < n; cut++)
        ck_assert_int_lt(measure(b.bytes, cut, &why), 0);
    ck_assert_int_eq(measure((const uint8_t *)"hello, world", 12, &why), MW_ERR_FORMAT);
    ck_assert_str_eq(why.text, "not a .tflite file");
}
END_TEST

/* Whatever a byte is changed into, the answer is a model or words, and no byte outside is read. */
START_TEST(every_changed_byte_is_survived)
{
    static const uint8_t nasty[] = { 0x00, 0x01, 0x04, 0x7f, 0x80, 0xff };
    uint32_t n_refused = 0;
    build_model(&b, &RIGHT);
    for (uint32_t i = 0; i < b.n; i++) {
        uint8_t old = b.bytes[i];
        for (size_t k = 0; k < sizeof nasty; k++) {
            struct mw_model_fault why = { "" };
            b.bytes[i] = nasty[k];
            int result = measure(b.bytes, b.n, &why);
            ck_assert(result == MW_OK || why.text[0] != 0);
            n_refused += result != MW_OK;
        }
        b.bytes[i] = old;
    }
    ck_assert_uint_gt(n_refused, b.n);
}
END_TEST

START_TEST(fault_words_are_cut_off_and_never_overrun)
{
    struct {
        struct mw_model_fault why;
        char guard;
    } f = { .guard = 'g' };
    char name[sizeof f.why.text + 40];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    ck_assert_int_eq(mw_fault_named(&f.why, -3, "$ # #", name, 1, 2), -3);
    ck_assert_uint_eq(strlen(f.why.text), sizeof f.why.text - 1);
    ck_assert_int_eq(f.guard, 'g');
    mw_fault(&f.why, -1, "# then #", INT64_MIN, 0);
    ck_assert_str_eq(f.why.text, "-9223372036854775808 then 0");
    ck_assert_int_eq(mw_fault(NULL, -2, "nobody listens", 0, 0), -2);
}
END_TEST

MW_SUITE("inference/tflite", a_file_is_read_as_it_was_written,
         either_operator_code_field_may_hold_the_operator,
         everything_else_is_refused_in_words_with_its_place,
         numbers_the_arithmetic_cannot_hold_are_refused, limits_are_refused_as_too_big,
         a_chain_out_of_order_is_refused, no_truncated_file_is_believed,
         every_changed_byte_is_survived, fault_words_are_cut_off_and_never_overrun)
