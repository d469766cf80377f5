/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/tflite.h"
#include "base/load.h"
#include "base/result.h"
#include "inference/fault.h"

#include <string.h>

#define SCHEMA_VERSION 3
#define LARGEST_FLOAT  0x7f7fffff /* bits; what is above is infinite, no number, or negative */
#define MAX_CODES      64

#define CARD_NAME_BYTES (sizeof MW_CARD_NAME - 1)

/* Field numbers: the order of the fields of each table in schema.fbs. */
enum { MODEL_VERSION = 0, MODEL_CODES, MODEL_SUBGRAPHS, MODEL_BUFFERS = 4, MODEL_METADATA = 6 };
enum { CODE_DEPRECATED = 0, CODE_VERSION = 2, CODE_BUILTIN };
enum { GRAPH_TENSORS = 0, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPERATORS };
enum { OP_CODE = 0, OP_INPUTS, OP_OUTPUTS, OP_OPTIONS_TYPE, OP_OPTIONS };
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

static float load_f32(const uint8_t *p)
{
    uint32_t bits = mw_load_u32le(p);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

float mw_tensor_scale(const struct mw_tensor *tensor, uint32_t i)
{
    return load_f32(tensor->scales + 4 * (size_t)i);
}

static uint32_t bytes_of(uint8_t type)
{
    switch ((enum mw_type)type) {
    case MW_INT8: return 1;
    case MW_INT16: return 2;
    case MW_FLOAT32:
    case MW_INT32: return 4;
    case MW_INT64: return 8;
    }
    return 0;
}

const char *mw_tflite_type_name(uint32_t type)
{
    switch ((enum mw_type)type) {
    case MW_INT8: return "int8";
    case MW_INT16: return "int16";
    case MW_FLOAT32: return "float32";
    case MW_INT32: return "int32";
    case MW_INT64: return "int64";
    }
    return "another type";
}

static int read_shape(struct mw_fb *fb, const struct mw_fb_vector *shape, struct mw_tensor *t,
                      struct mw_model_fault *why)
{
    int64_t n_items = 1;
    if (shape->n > MW_TENSOR_MAX_DIMS)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "tensor # has # dimensions", t->index, shape->n);
    for (uint32_t d = 0; d < shape->n; d++) {
        int32_t size = mw_fb_i32_at(fb, shape, d);
        n_items *= size;
        if (size < 1 || n_items > MW_MODEL_MAX_BYTES)
            return mw_fault(why, MW_ERR_FORMAT, "tensor #: a dimension of # is impossible",
                            t->index, size);
        t->dims[d] = size;
    }
    t->n_dims = (uint8_t)shape->n;
    t->n_items = (uint32_t)n_items;
    return MW_OK;
}

struct flags {
    bool variable, sparse, custom;
    uint32_t buffer;
};

/* The table of a tensor; its shape and numbers are not looked at. */
static int read_form(struct mw_fb *fb, const struct mw_tflite *file, uint32_t index,
                     struct mw_tensor *t, struct mw_fb_vector *ret_shape, struct flags *ret_flags,
                     struct mw_model_fault *why)
{
    if (index >= file->tensors.n)
        return mw_fault(why, MW_ERR_FORMAT, "tensor # does not exist, there are #", (int32_t)index,
                        file->tensors.n);
    *t = (struct mw_tensor){ .index = index };
    struct mw_fb_table table = mw_fb_table_at(fb, &file->tensors, index);
    *ret_shape = mw_fb_vector(fb, &table, TENSOR_SHAPE, 4);
    t->type = mw_fb_u8(fb, &table, TENSOR_TYPE, 0);
    struct mw_fb_table quant = mw_fb_table(fb, &table, TENSOR_QUANT);
    struct mw_fb_vector scales = mw_fb_vector(fb, &quant, QUANT_SCALE, 4);
    t->zeros = mw_fb_vector(fb, &quant, QUANT_ZERO, 8);
    t->channel_dimension = mw_fb_u32(fb, &quant, QUANT_DIMENSION, 0);
    t->scales = scales.n > 0 ? fb->bytes + scales.at : NULL;
    t->n_scales = scales.n;
    *ret_flags = (struct flags){
        .variable = mw_fb_u8(fb, &table, TENSOR_VARIABLE, 0) != 0,
        .sparse = mw_fb_table(fb, &table, TENSOR_SPARSITY).at != 0,
        .custom = mw_fb_u8(fb, &quant, QUANT_DETAILS_TYPE, 0) != 0,
        .buffer = mw_fb_u32(fb, &table, TENSOR_BUFFER, 0),
    };
    if (fb->failed)
        return mw_fault(why, MW_ERR_FORMAT, "tensor # is malformed", index, 0);
    return MW_OK;
}

/* As many zero points as scales, and every scale finite and above 0. */
static int check_quant(struct mw_fb *fb, struct mw_tensor *t, struct mw_model_fault *why)
{
    if (t->zeros.n != t->n_scales)
        return mw_fault(why, MW_ERR_UNSUPPORTED,
                        "tensor # is not quantised with # scales and zero points", t->index,
                        t->n_scales);
    for (uint32_t i = 0; i < t->n_scales; i++) {
        uint32_t bits = mw_load_u32le(t->scales + 4 * (size_t)i);
        if (bits == 0 || bits > LARGEST_FLOAT)
            return mw_fault(why, MW_ERR_FORMAT, "tensor #: scale # is not above 0 and finite",
                            t->index, i);
    }
    if (t->n_scales == 0)
        return MW_OK;
    int64_t zero = mw_fb_i64_at(fb, &t->zeros, 0);
    if (zero < INT8_MIN || zero > INT8_MAX)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "tensor #: zero point # is not supported",
                        t->index, zero);
    t->quant = (struct mw_quant){ mw_tensor_scale(t, 0), (int32_t)zero };
    return MW_OK;
}

static int read_tensor(struct mw_fb *fb, const struct mw_tflite *file, uint32_t index,
                       struct mw_tensor *t, struct mw_model_fault *why)
{
    struct mw_fb_vector shape, data = { 0 };
    struct flags flags;
    int result = read_form(fb, file, index, t, &shape, &flags, why);
    if (result < 0)
        return result;
    if (flags.variable || flags.sparse || flags.custom)
        return mw_fault_named(why, MW_ERR_UNSUPPORTED, "tensor # is $",
                              flags.variable ? "a variable"
                              : flags.sparse ? "sparse"
                                             : "quantised by custom rules",
                              index, 0);
    result = read_shape(fb, &shape, t, why);
    if (result == MW_OK)
        result = read_buffer(fb, file, flags.buffer, &data, why);
    if (result < 0)
        return result;
    if (bytes_of(t->type) == 0)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "tensor # is of type #, which is not supported",
                        index, t->type);
    t->n_bytes = t->n_items * bytes_of(t->type);
    if (data.n > 0 && data.n != t->n_bytes)
        return mw_fault(why, MW_ERR_FORMAT, "# bytes of a constant in a buffer of # bytes",
                        t->n_bytes, data.n);
    t->data = data.n > 0 ? fb->bytes + data.at : NULL;
    return check_quant(fb, t, why);
}

int mw_tflite_read_tensor(const struct mw_tflite *file, uint32_t index,
                          struct mw_tensor *ret_tensor, struct mw_model_fault *why)
{
    struct mw_fb fb = file->fb;
    return read_tensor(&fb, file, index, ret_tensor, why);
}

static int read_code(struct mw_fb *fb, const struct mw_tflite *file,
                     const struct mw_fb_table *table, struct mw_node *node,
                     struct mw_model_fault *why)
{
    uint32_t index = mw_fb_u32(fb, table, OP_CODE, 0);
    if (!fb->failed && index >= file->codes.n)
        return mw_fault(why, MW_ERR_FORMAT, "operator #: operator code # does not exist",
                        node->index, index);
    struct mw_fb_table code = mw_fb_table_at(fb, &file->codes, index);
    uint32_t old = mw_fb_u8(fb, &code, CODE_DEPRECATED, 0);
    uint32_t builtin = mw_fb_u32(fb, &code, CODE_BUILTIN, 0);
    node->version = mw_fb_u32(fb, &code, CODE_VERSION, 1);
    /* The greater of the two, as TensorFlow Lite's schema_utils.cc. */
    node->code = builtin > old ? builtin : old;
    node->name = mw_tflite_operator_name(node->code);
    return MW_OK;
}

static int read_node(struct mw_fb *fb, const struct mw_tflite *file, uint32_t op,
                     struct mw_node *ret_node, struct mw_model_fault *why)
{
    struct mw_node node = { .index = op };
    struct mw_fb_table table = mw_fb_table_at(fb, &file->operators, op);
    int result = read_code(fb, file, &table, &node, why);
    if (result < 0)
        return result;
    node.ins = mw_fb_vector(fb, &table, OP_INPUTS, 4);
    node.outs = mw_fb_vector(fb, &table, OP_OUTPUTS, 4);
    node.options_type = mw_fb_u8(fb, &table, OP_OPTIONS_TYPE, 0);
    node.options = mw_fb_table(fb, &table, OP_OPTIONS);
    if (fb->failed)
        return mw_fault(why, MW_ERR_FORMAT, "operator # is malformed", op, 0);
    if (!node.name)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "operator #: builtin # is not supported", op,
                        node.code);
    if (node.ins.n > MW_NODE_MAX_ENDS || node.outs.n > MW_NODE_MAX_ENDS)
        return mw_fault_named(why, MW_ERR_TOO_BIG, "operator # ($): more than # inputs or outputs",
                              node.name, op, MW_NODE_MAX_ENDS);
    *ret_node = node;
    return MW_OK;
}

int mw_tflite_read_node(const struct mw_tflite *file, uint32_t op, struct mw_node *ret_node,
                        struct mw_model_fault *why)
{
    struct mw_fb fb = file->fb;
    return read_node(&fb, file, op, ret_node, why);
}

static uint32_t end_of(const struct mw_tflite *file, const struct mw_fb_vector *ends, uint32_t i)
{
    struct mw_fb fb = file->fb;
    return i < ends->n ? (uint32_t)mw_fb_i32_at(&fb, ends, i) : UINT32_MAX;
}

uint32_t mw_node_in(const struct mw_tflite *file, const struct mw_node *node, uint32_t i)
{
    return end_of(file, &node->ins, i);
}

uint32_t mw_node_out(const struct mw_tflite *file, const struct mw_node *node, uint32_t i)
{
    return end_of(file, &node->outs, i);
}

static bool is_card(const struct mw_fb *fb, const struct mw_fb_vector *name)
{
    uint32_t n = 0;
    while (n < name->n && n < CARD_NAME_BYTES && fb->bytes[name->at + n] == MW_CARD_NAME[n])
        n++;
    return n == name->n && n == CARD_NAME_BYTES;
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

/* Every table and vector of the file, once; what it means is asked later. */
static int verify_form(const struct mw_tflite *file, struct mw_model_fault *why)
{
    struct mw_fb fb = file->fb;
    struct mw_fb_vector data;
    int result = MW_OK;
    for (uint32_t i = 0; i < file->buffers.n && result == MW_OK; i++)
        result = read_buffer(&fb, file, i, &data, why);
    for (uint32_t i = 0; i < file->tensors.n && result == MW_OK; i++) {
        struct mw_fb_vector shape;
        struct mw_tensor t;
        struct flags flags;
        result = read_form(&fb, file, i, &t, &shape, &flags, why);
    }
    for (uint32_t i = 0; i < file->operators.n && result == MW_OK; i++) {
        struct mw_node node;
        result = read_node(&fb, file, i, &node, why);
    }
    return result;
}

static int check_counts(const struct mw_tflite *file, struct mw_model_fault *why)
{
    if (file->tensors.n > MW_TFLITE_MAX_TENSORS)
        return mw_fault(why, MW_ERR_TOO_BIG, "# tensors, at most # are supported", file->tensors.n,
                        MW_TFLITE_MAX_TENSORS);
    if (file->buffers.n > MW_TFLITE_MAX_BUFFERS)
        return mw_fault(why, MW_ERR_TOO_BIG, "# buffers, at most # are supported", file->buffers.n,
                        MW_TFLITE_MAX_BUFFERS);
    if (file->codes.n > MAX_CODES)
        return mw_fault(why, MW_ERR_TOO_BIG, "# operator codes, at most # are supported",
                        file->codes.n, MAX_CODES);
    return MW_OK;
}

int mw_tflite_open(struct mw_tflite *file, const uint8_t *bytes, size_t n_bytes,
                   struct mw_model_fault *why)
{
    if (n_bytes > MW_MODEL_MAX_BYTES)
        return mw_fault(why, MW_ERR_TOO_BIG, "the file has # bytes, at most # are supported",
                        (int64_t)n_bytes, MW_MODEL_MAX_BYTES);
    *file = (struct mw_tflite){ .fb = { .bytes = bytes, .n_bytes = (uint32_t)n_bytes } };
    struct mw_fb_table model = mw_fb_root(&file->fb, "TFL3");
    if (file->fb.failed)
        return mw_fault(why, MW_ERR_FORMAT, "not a .tflite file", 0, 0);

    uint32_t version = mw_fb_u32(&file->fb, &model, MODEL_VERSION, 0);
    if (!file->fb.failed && version != SCHEMA_VERSION)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "schema version #, # is supported", version,
                        SCHEMA_VERSION);
    file->codes = mw_fb_vector(&file->fb, &model, MODEL_CODES, 4);
    file->buffers = mw_fb_vector(&file->fb, &model, MODEL_BUFFERS, 4);
    if (file->fb.failed)
        return mw_fault(why, MW_ERR_FORMAT, "malformed model table", 0, 0);

    int result = open_graph(file, &model, why);
    if (result == MW_OK)
        result = check_counts(file, why);
    if (result == MW_OK)
        result = verify_form(file, why);
    if (result == MW_OK)
        result = find_card(file, &model, why);
    return result;
}
