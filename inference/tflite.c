/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/tflite.h"
#include "base/bytes.h"
#include "base/result.h"
#include "inference/card.h"
#include "inference/fault.h"

#include <float.h>
#include <string.h>

#define SCHEMA_VERSION 3
#define MAX_DIMENSIONS 8 /* as TensorFlow Lite's own shapes */

/* Field numbers: the order of the fields of each table in schema.fbs. */
enum { MODEL_VERSION = 0, MODEL_CODES, MODEL_SUBGRAPHS, MODEL_BUFFERS = 4, MODEL_METADATA = 6 };
enum { CODE_DEPRECATED = 0, CODE_BUILTIN = 3 };
enum { GRAPH_TENSORS = 0, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPERATORS };
enum { OP_CODE = 0, OP_INPUTS, OP_OUTPUTS, OP_OPTIONS_TYPE, OP_OPTIONS };
enum { DENSE_ACTIVATION = 0, DENSE_WEIGHTS_FORMAT };
enum {
    TENSOR_SHAPE = 0,
    TENSOR_TYPE,
    TENSOR_BUFFER,
    TENSOR_QUANT = 4,
    TENSOR_VARIABLE,
    TENSOR_SPARSITY
};
enum { QUANT_SCALE = 2, QUANT_ZERO, QUANT_DETAILS_TYPE, QUANT_DIMENSION = 6 };
enum { BUFFER_DATA = 0, BUFFER_OFFSET };
enum { METADATA_NAME = 0, METADATA_BUFFER };

enum { TYPE_INT32 = 2, TYPE_INT8 = 9 };
enum { OPERATOR_FULLY_CONNECTED = 9, OPTIONS_FULLY_CONNECTED = 8 };

/* A tensor's facts before it is known what it is for. */
struct tensor {
    uint32_t index, n_dimensions, type, buffer;
    uint32_t n_items;    /* product of its dimensions, at most 2^31 - 1 */
    int32_t first, last; /* dimensions */
    struct mw_fb_vector scales, zeros;
    uint32_t channel_dimension;
};

/* The data of a buffer; an absent vector where it has none. */
static int read_buffer(struct mw_fb *fb, const struct mw_tflite *file, uint32_t index,
                       struct mw_fb_vector *ret_data, struct mw_model_fault *why)
{
    if (index >= file->buffers.n)
        return mw_fault(why, MW_ERR_FORMAT, "buffer # does not exist, there are #", index,
                        file->buffers.n);
    struct mw_fb_table buffer = mw_fb_table_at(fb, &file->buffers, index);
    struct mw_fb_vector data = mw_fb_vector(fb, &buffer, BUFFER_DATA, 1);
    uint64_t outside = mw_fb_u64(fb, &buffer, BUFFER_OFFSET, 0);
    if (fb->failed)
        return mw_fault(why, MW_ERR_FORMAT, "buffer # reaches beyond the file", index, 0);
    if (outside > 1)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "buffer # lies outside of the flatbuffer", index,
                        0);
    *ret_data = data;
    return MW_OK;
}

static bool is_card(const struct mw_fb *fb, const struct mw_fb_vector *name)
{
    return name->n == strlen(MW_CARD_NAME) &&
           memcmp(fb->bytes + name->at, MW_CARD_NAME, name->n) == 0;
}

static int find_card(struct mw_tflite *file, const struct mw_fb_table *model,
                     struct mw_model_fault *why)
{
    struct mw_fb *fb = &file->fb;
    struct mw_fb_vector entries = mw_fb_vector(fb, model, MODEL_METADATA, 4);
    bool found = false;
    for (uint32_t i = 0; i < entries.n && !fb->failed; i++) {
        struct mw_fb_table entry = mw_fb_table_at(fb, &entries, i);
        struct mw_fb_vector name = mw_fb_vector(fb, &entry, METADATA_NAME, 1), data = { 0 };
        uint32_t buffer = mw_fb_u32(fb, &entry, METADATA_BUFFER, 0);
        if (fb->failed || !is_card(fb, &name))
            continue;
        if (found)
            return mw_fault(why, MW_ERR_FORMAT, "two metadata entries " MW_CARD_NAME, 0, 0);
        int result = read_buffer(fb, file, buffer, &data, why);
        if (result < 0)
            return result;
        found = true;
        file->card = data.n > 0 ? fb->bytes + data.at : NULL;
        file->n_card_bytes = data.n;
    }
    if (fb->failed)
        return mw_fault(why, MW_ERR_FORMAT, "malformed metadata", 0, 0);
    return MW_OK;
}

/* The one tensor that goes into the graph or out of it; a graph without operators needs none. */
static int read_end(struct mw_tflite *file, const struct mw_fb_table *graph, uint32_t field,
                    const char *what, uint32_t *ret_tensor, struct mw_model_fault *why)
{
    struct mw_fb_vector ends = mw_fb_vector(&file->fb, graph, field, 4);
    *ret_tensor = 0;
    if (file->operators.n == 0)
        return MW_OK;
    if (ends.n != 1)
        return mw_fault_named(why, MW_ERR_UNSUPPORTED, "the graph has # $, one is supported", what,
                              ends.n, 0);
    *ret_tensor = (uint32_t)mw_fb_i32_at(&file->fb, &ends, 0);
    return MW_OK;
}

static int open_graph(struct mw_tflite *file, const struct mw_fb_table *model,
                      struct mw_model_fault *why)
{
    struct mw_fb *fb = &file->fb;
    struct mw_fb_vector graphs = mw_fb_vector(fb, model, MODEL_SUBGRAPHS, 4);
    if (!fb->failed && graphs.n != 1)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "# subgraphs, one is supported", graphs.n, 0);
    struct mw_fb_table graph = mw_fb_table_at(fb, &graphs, 0);
    file->tensors = mw_fb_vector(fb, &graph, GRAPH_TENSORS, 4);
    file->operators = mw_fb_vector(fb, &graph, GRAPH_OPERATORS, 4);
    if (!fb->failed && file->operators.n > MW_MODEL_MAX_LAYERS)
        return mw_fault(why, MW_ERR_TOO_BIG, "# operators, at most # are supported",
                        file->operators.n, MW_MODEL_MAX_LAYERS);
    int result = read_end(file, &graph, GRAPH_INPUTS, "inputs", &file->input, why);
    if (result == MW_OK)
        result = read_end(file, &graph, GRAPH_OUTPUTS, "outputs", &file->output, why);
    if (fb->failed)
        return mw_fault(why, MW_ERR_FORMAT, "malformed subgraph", 0, 0);
    return result;
}

int mw_tflite_open(struct mw_tflite *ret_file, const uint8_t *bytes, size_t n_bytes,
                   struct mw_model_fault *why)
{
    if (n_bytes > MW_MODEL_MAX_BYTES)
        return mw_fault(why, MW_ERR_TOO_BIG, "the file has # bytes, at most # are supported",
                        (int64_t)n_bytes, MW_MODEL_MAX_BYTES);
    struct mw_tflite file = { .fb = { .bytes = bytes, .n_bytes = (uint32_t)n_bytes } };
    struct mw_fb_table model = mw_fb_root(&file.fb, "TFL3");
    if (file.fb.failed)
        return mw_fault(why, MW_ERR_FORMAT, "not a .tflite file", 0, 0);

    uint32_t version = mw_fb_u32(&file.fb, &model, MODEL_VERSION, 0);
    if (!file.fb.failed && version != SCHEMA_VERSION)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "schema version #, # is supported", version,
                        SCHEMA_VERSION);
    file.codes = mw_fb_vector(&file.fb, &model, MODEL_CODES, 4);
    file.buffers = mw_fb_vector(&file.fb, &model, MODEL_BUFFERS, 4);
    if (file.fb.failed)
        return mw_fault(why, MW_ERR_FORMAT, "malformed model table", 0, 0);

    int result = open_graph(&file, &model, why);
    if (result == MW_OK)
        result = find_card(&file, &model, why);
    if (result == MW_OK)
        *ret_file = file;
    return result;
}

static int read_shape(struct mw_fb *fb, const struct mw_fb_vector *shape, struct tensor *t,
                      struct mw_model_fault *why)
{
    int64_t n_items = 1;
    if (shape->n == 0 || shape->n > MAX_DIMENSIONS)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "tensor # has # dimensions", t->index, shape->n);
    for (uint32_t d = 0; d < shape->n; d++) {
        int32_t size = mw_fb_i32_at(fb, shape, d);
        n_items *= size;
        if (size < 1 || n_items > INT32_MAX)
            return mw_fault(why, MW_ERR_FORMAT, "tensor #: a dimension of # is impossible",
                            t->index, size);
        t->first = d == 0 ? size : t->first;
        t->last = size;
    }
    t->n_dimensions = shape->n;
    t->n_items = (uint32_t)n_items;
    return MW_OK;
}

static int read_tensor(struct mw_fb *fb, const struct mw_tflite *file, uint32_t index,
                       struct tensor *ret_tensor, struct mw_model_fault *why)
{
    if (index >= file->tensors.n)
        return mw_fault(why, MW_ERR_FORMAT, "tensor # does not exist, there are #", (int32_t)index,
                        file->tensors.n);
    struct tensor t = { .index = index };
    struct mw_fb_table table = mw_fb_table_at(fb, &file->tensors, index);
    struct mw_fb_vector shape = mw_fb_vector(fb, &table, TENSOR_SHAPE, 4);
    t.type = mw_fb_u8(fb, &table, TENSOR_TYPE, 0);
    t.buffer = mw_fb_u32(fb, &table, TENSOR_BUFFER, 0);
    bool variable = mw_fb_u8(fb, &table, TENSOR_VARIABLE, 0) != 0;
    bool sparse = mw_fb_table(fb, &table, TENSOR_SPARSITY).at != 0;
    struct mw_fb_table quant = mw_fb_table(fb, &table, TENSOR_QUANT);
    t.scales = mw_fb_vector(fb, &quant, QUANT_SCALE, 4);
    t.zeros = mw_fb_vector(fb, &quant, QUANT_ZERO, 8);
    t.channel_dimension = mw_fb_u32(fb, &quant, QUANT_DIMENSION, 0);
    bool custom = mw_fb_u8(fb, &quant, QUANT_DETAILS_TYPE, 0) != 0;
    if (fb->failed)
        return mw_fault(why, MW_ERR_FORMAT, "tensor # is malformed", index, 0);
    if (variable || sparse || custom)
        return mw_fault_named(why, MW_ERR_UNSUPPORTED, "tensor # is $",
                              variable ? "a variable"
                              : sparse ? "sparse"
                                       : "quantised by custom rules",
                              index, 0);
    int result = read_shape(fb, &shape, &t, why);
    if (result == MW_OK)
        *ret_tensor = t;
    return result;
}

static float load_f32(const uint8_t *p)
{
    uint32_t bits = mw_load_u32le(p);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

float mw_tflite_scale(const struct mw_tflite_dense *dense, uint32_t i)
{
    return load_f32(dense->scales + 4 * (size_t)i);
}

/* Every scale finite and above 0, every zero point within a range; n of each. */
static int check_quant(struct mw_fb *fb, const struct tensor *t, uint32_t n, int64_t zero_min,
                       int64_t zero_max, struct mw_model_fault *why)
{
    if (t->scales.n != n || t->zeros.n != n)
        return mw_fault(why, MW_ERR_UNSUPPORTED,
                        "tensor # is not quantised with # scales and zero points", t->index, n);
    for (uint32_t i = 0; i < n; i++) {
        float scale = load_f32(fb->bytes + t->scales.at + 4 * (size_t)i);
        int64_t zero = mw_fb_i64_at(fb, &t->zeros, i);
        if (!(scale > 0 && scale <= FLT_MAX))
            return mw_fault(why, MW_ERR_FORMAT, "tensor #: scale # is not above 0 and finite",
                            t->index, i);
        if (zero < zero_min || zero > zero_max)
            return mw_fault(why, MW_ERR_UNSUPPORTED, "tensor #: zero point # is not supported",
                            t->index, zero);
    }
    return MW_OK;
}

/* An int8 tensor that is computed, not stored: n_items in a single row. */
static int read_activation(struct mw_fb *fb, const struct mw_tflite *file, uint32_t index,
                           uint32_t n_items, struct mw_quant *ret_quant, struct mw_model_fault *why)
{
    struct tensor t = { 0 };
    struct mw_fb_vector data = { 0 };
    int result = read_tensor(fb, file, index, &t, why);
    if (result == MW_OK)
        result = read_buffer(fb, file, t.buffer, &data, why);
    if (result < 0)
        return result;
    if (t.type != TYPE_INT8)
        return mw_fault(why, MW_ERR_UNSUPPORTED,
                        "tensor # is of type #, only int8 (9) is supported", index, t.type);
    if (data.n > 0)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "tensor # is computed and constant at once", index,
                        0);
    if (t.n_items != n_items)
        return mw_fault(why, MW_ERR_UNSUPPORTED,
                        "tensor # is not one row of # items as its operator wants", index, n_items);
    result = check_quant(fb, &t, 1, INT8_MIN, INT8_MAX, why);
    if (result == MW_OK)
        *ret_quant = (struct mw_quant){ load_f32(fb->bytes + t.scales.at),
                                        (int32_t)mw_fb_i64_at(fb, &t.zeros, 0) };
    return result;
}

static int read_weights(struct mw_fb *fb, const struct mw_tflite *file, uint32_t index,
                        struct mw_tflite_dense *d, struct mw_model_fault *why)
{
    struct tensor t = { 0 };
    struct mw_fb_vector data = { 0 };
    int result = read_tensor(fb, file, index, &t, why);
    if (result == MW_OK)
        result = read_buffer(fb, file, t.buffer, &data, why);
    if (result < 0)
        return result;
    if (t.type != TYPE_INT8 || t.n_dimensions != 2)
        return mw_fault(why, MW_ERR_UNSUPPORTED,
                        "weights (tensor #) are of type #, not int8 (9), or not a matrix", index,
                        t.type);
    if (t.first > MW_MODEL_MAX_WIDTH || t.last > MW_MODEL_MAX_WIDTH)
        return mw_fault(why, MW_ERR_TOO_BIG, "weights of # x # are too wide", t.first, t.last);
    if (data.n != t.n_items)
        return mw_fault(why, MW_ERR_FORMAT, "# weights in a buffer of # bytes", t.n_items, data.n);
    d->n_out = (uint32_t)t.first;
    d->n_in = (uint32_t)t.last;
    d->n_scales = t.scales.n == 1 ? 1 : d->n_out;
    if (d->n_scales > 1 && t.channel_dimension != 0)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "weights (tensor #) quantised along dimension #",
                        index, t.channel_dimension);
    d->weights = (const int8_t *)(fb->bytes + data.at);
    d->scales = fb->bytes + t.scales.at;
    return check_quant(fb, &t, d->n_scales, 0, 0, why);
}

/* abs(s_in * s_w - s_bias) / s_out beyond 0.02 is refused, as by TensorFlow Lite
 * (kernels/kernel_util.cc, GetQuantizedConvolutionMultipler), which does not ask per channel. */
static bool bias_scale_fits(const struct mw_tflite_dense *d, const struct mw_fb *fb,
                            const struct tensor *bias)
{
    if (d->n_scales > 1)
        return true;
    float product = d->in.scale * mw_tflite_scale(d, 0);
    float given = bias->scales.n > 0 ? load_f32(fb->bytes + bias->scales.at) : 0;
    double difference = (double)product - (double)given;
    return (difference < 0 ? -difference : difference) / (double)d->out.scale <= 0.02;
}

static int read_bias(struct mw_fb *fb, const struct mw_tflite *file, int32_t index,
                     struct mw_tflite_dense *d, struct mw_model_fault *why)
{
    struct tensor t = { 0 };
    struct mw_fb_vector data = { 0 };
    d->bias = NULL;
    if (index == -1)
        return MW_OK;
    int result = read_tensor(fb, file, (uint32_t)index, &t, why);
    if (result == MW_OK)
        result = read_buffer(fb, file, t.buffer, &data, why);
    if (result < 0)
        return result;
    if (t.type != TYPE_INT32)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "bias (tensor #) is of type #, not int32 (2)",
                        index, t.type);
    if (t.n_items != d->n_out || data.n != 4 * d->n_out)
        return mw_fault(why, MW_ERR_FORMAT, "bias (tensor #) does not have # items", index,
                        d->n_out);
    if (!bias_scale_fits(d, fb, &t))
        return mw_fault(why, MW_ERR_UNSUPPORTED,
                        "bias (tensor #) is not scaled by input and weights", index, 0);
    d->bias = fb->bytes + data.at;
    return MW_OK;
}

static int read_options(struct mw_fb *fb, const struct mw_fb_table *op, struct mw_tflite_dense *d,
                        struct mw_model_fault *why)
{
    uint8_t type = mw_fb_u8(fb, op, OP_OPTIONS_TYPE, 0);
    struct mw_fb_table options = mw_fb_table(fb, op, OP_OPTIONS);
    uint8_t activation = 0, format = 0;
    if (type == OPTIONS_FULLY_CONNECTED) {
        activation = mw_fb_u8(fb, &options, DENSE_ACTIVATION, 0);
        format = mw_fb_u8(fb, &options, DENSE_WEIGHTS_FORMAT, 0);
    }
    if (fb->failed || (type != OPTIONS_FULLY_CONNECTED && type != 0))
        return mw_fault(why, MW_ERR_FORMAT, "malformed options of FULLY_CONNECTED", 0, 0);
    if (format != 0)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "weights format # is not supported", format, 0);
    if (activation != MW_TFLITE_NONE && activation != MW_TFLITE_RELU &&
        activation != MW_TFLITE_RELU6)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "fused activation # is not supported", activation,
                        0);
    d->activation = (enum mw_tflite_activation)activation;
    return MW_OK;
}

/* The operator is FULLY_CONNECTED, or is refused by name. */
static int check_code(struct mw_fb *fb, const struct mw_tflite *file, const struct mw_fb_table *op,
                      struct mw_model_fault *why)
{
    uint32_t index = mw_fb_u32(fb, op, OP_CODE, 0);
    if (!fb->failed && index >= file->codes.n)
        return mw_fault(why, MW_ERR_FORMAT, "operator code # does not exist", index, 0);
    struct mw_fb_table code = mw_fb_table_at(fb, &file->codes, index);
    uint32_t old = mw_fb_u8(fb, &code, CODE_DEPRECATED, 0);
    uint32_t builtin = mw_fb_u32(fb, &code, CODE_BUILTIN, 0);
    if (fb->failed)
        return mw_fault(why, MW_ERR_FORMAT, "malformed operator code", 0, 0);
    /* The greater of the two, as TensorFlow Lite's schema_utils.cc. */
    uint32_t number = builtin > old ? builtin : old;
    const char *name = mw_tflite_operator_name(number);
    if (number == OPERATOR_FULLY_CONNECTED)
        return MW_OK;
    return name ? mw_fault_named(why, MW_ERR_UNSUPPORTED, "$ is not supported", name, 0, 0)
                : mw_fault(why, MW_ERR_UNSUPPORTED, "builtin # is not supported", number, 0);
}

static int read_operator(struct mw_fb *fb, const struct mw_tflite *file, uint32_t op,
                         struct mw_tflite_dense *d, struct mw_model_fault *why)
{
    struct mw_fb_table table = mw_fb_table_at(fb, &file->operators, op);
    int result = check_code(fb, file, &table, why);
    if (result == MW_OK)
        result = read_options(fb, &table, d, why);
    struct mw_fb_vector ins = mw_fb_vector(fb, &table, OP_INPUTS, 4);
    struct mw_fb_vector outs = mw_fb_vector(fb, &table, OP_OUTPUTS, 4);
    if (result < 0)
        return result;
    if (fb->failed || ins.n < 2 || ins.n > 3 || outs.n != 1)
        return mw_fault(why, MW_ERR_FORMAT, "# inputs and # outputs", ins.n, outs.n);
    d->in_tensor = (uint32_t)mw_fb_i32_at(fb, &ins, 0);
    d->out_tensor = (uint32_t)mw_fb_i32_at(fb, &outs, 0);

    result = read_weights(fb, file, (uint32_t)mw_fb_i32_at(fb, &ins, 1), d, why);
    if (result == MW_OK)
        result = read_activation(fb, file, d->in_tensor, d->n_in, &d->in, why);
    if (result == MW_OK)
        result = read_activation(fb, file, d->out_tensor, d->n_out, &d->out, why);
    if (result == MW_OK)
        result = read_bias(fb, file, ins.n == 3 ? mw_fb_i32_at(fb, &ins, 2) : -1, d, why);
    return result;
}

int mw_tflite_read_dense(const struct mw_tflite *file, uint32_t op,
                         struct mw_tflite_dense *ret_dense, struct mw_model_fault *why)
{
    struct mw_fb fb = file->fb;
    struct mw_tflite_dense dense = { 0 };
    struct mw_model_fault inner = { "" };
    int result = read_operator(&fb, file, op, &dense, &inner);
    if (result < 0)
        return mw_fault_named(why, result, "operator #: $", inner.text, op, 0);
    *ret_dense = dense;
    return MW_OK;
}
