/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/model.h"
#include "base/result.h"
#include "inference/conv.h"
#include "inference/dense.h"
#include "inference/fault.h"
#include "inference/operator.h"
#include "inference/plan.h"

#include <assert.h>

/* Stand for the caller's buffers until an inference says where they are. */
static const char AT_X = 0, AT_Y = 0;

static size_t align8(size_t n)
{
    return (n + 7) / 8 * 8;
}

/* Name and number of inputs and outputs, version, options. */
static int check_node(const struct mw_build *b, const struct mw_operator *known,
                      struct mw_model_fault *why)
{
    const struct mw_node *node = &b->node;
    if (!known)
        return mw_fault_named(why, MW_ERR_UNSUPPORTED, "operator #: $ is not supported", node->name,
                              node->index, 0);
    if (node->version < 1 || node->version > known->max_version)
        return mw_fault_named(why, MW_ERR_UNSUPPORTED, "operator # ($): version # is not supported",
                              node->name, node->index, node->version);
    if (node->ins.n < known->least_in || node->ins.n > known->most_in ||
        node->outs.n < known->least_out || node->outs.n > known->most_out)
        return mw_fault_named(why, MW_ERR_FORMAT,
                              "operator # ($): not its number of ends, # inputs", node->name,
                              node->index, node->ins.n);
    if (node->options_type != 0 && node->options_type != known->options_type)
        return mw_fault_named(why, MW_ERR_FORMAT, "operator # ($): options of type #", node->name,
                              node->index, node->options_type);
    for (uint32_t i = 0; i < known->least_in; i++)
        if (mw_node_in(b->file, node, i) == UINT32_MAX)
            return mw_fault_named(why, MW_ERR_FORMAT, "operator # ($): input # is left out",
                                  node->name, node->index, i);
    return MW_OK;
}

/* An end's final address, or a mark. */
static const void *address_of(const struct mw_build *b, const struct mw_plan *plan, uint32_t end,
                              const uint8_t *arena)
{
    struct mw_planned planned;
    if (mw_plan_end(plan, b->file, &b->node, end, &planned))
        return planned.place == MW_PLACE_X   ? (const void *)&AT_X
               : planned.place == MW_PLACE_Y ? (const void *)&AT_Y
                                             : arena + planned.offset;
    struct mw_tensor t;
    uint32_t tensor = mw_node_in(b->file, &b->node, end); /* all outputs are planned */
    if (tensor == UINT32_MAX || mw_tflite_read_tensor(b->file, tensor, &t, NULL) != MW_OK)
        return NULL;
    return t.data;
}

static void connect(struct mw_build *b, const struct mw_plan *plan, const uint8_t *arena,
                    struct mw_op *op)
{
    const struct mw_node *node = &b->node;
    op->code = (uint8_t)node->code;
    if (op->n_in == 0)
        op->n_in = (uint8_t)node->ins.n;
    op->n_out = (uint8_t)node->outs.n;
    op->ends = mw_take(b, (size_t)(op->n_in + op->n_out) * sizeof op->ends[0]);
    if (!op->ends)
        return;
    for (uint32_t i = 0; i < op->n_in; i++)
        op->ends[i] = address_of(b, plan, i, arena);
    for (uint32_t i = 0; i < op->n_out; i++)
        op->ends[op->n_in + i] = address_of(b, plan, node->ins.n + i, arena);
    struct mw_planned first = { 0 };
    mw_plan_end(plan, b->file, node, node->ins.n, &first);
    op->n_out_bytes = first.n_bytes;
}

/* Operator i: checked, and where there is memory, ready to run. */
static int build_op(struct mw_build *b, const struct mw_plan *plan, const uint8_t *arena,
                    uint32_t i, struct mw_op *op, struct mw_model_fault *why)
{
    struct mw_model_fault inner;
    int result = mw_tflite_read_node(b->file, i, &b->node, why);
    const struct mw_operator *known = mw_operator_find(b->node.code);
    if (result == MW_OK)
        result = check_node(b, known, why);
    if (result < 0)
        return result;
    b->why = mw_fault_empty(&inner);
    b->fb = b->file->fb;
    result = known->prepare(b, op);
    if (result == MW_OK && b->fb.failed)
        result = mw_fault(b->why, MW_ERR_FORMAT, "malformed options", 0, 0);
    if (result < 0) {
        mw_fault_named(why, result, "operator # ($): ", b->node.name, i, 0);
        return mw_fault_append(why, result, inner.text);
    }
    connect(b, plan, arena, op);
    return MW_OK;
}

/* Every operator in turn. memory NULL: only checked and measured. */
static int build_all(const struct mw_tflite *file, const struct mw_plan *plan,
                     enum mw_rounding rounding, uint8_t *memory, const uint8_t *arena,
                     struct mw_build *b, struct mw_model_fault *why)
{
    *b = (struct mw_build){ .file = file, .rounding = rounding, .memory = memory };
    struct mw_op *ops = mw_take(b, file->operators.n * sizeof ops[0]);
    for (uint32_t i = 0; i < file->operators.n; i++) {
        struct mw_op op = { 0 };
        int result = build_op(b, plan, arena, i, &op, why);
        if (result < 0)
            return result;
        if (ops)
            ops[i] = op;
    }
    return MW_OK;
}

/* Types of the graph's two ends. */
static int check_end(const struct mw_tflite *file, uint32_t tensor, const char *what,
                     struct mw_tensor *ret_tensor, struct mw_model_fault *why)
{
    int result = mw_tflite_read_tensor(file, tensor, ret_tensor, why);
    if (result < 0)
        return result;
    if (ret_tensor->type != MW_INT8 && ret_tensor->type != MW_INT16 &&
        ret_tensor->type != MW_FLOAT32)
        return mw_fault_named(why, MW_ERR_UNSUPPORTED,
                              "the graph's $ is of type #, not int8, int16 or float32", what,
                              ret_tensor->type, 0);
    return MW_OK;
}

struct loading {
    struct mw_tflite file;
    struct mw_plan plan;
    struct mw_build build;
    struct mw_tensor in, out;
    size_t n_memory;
};

/* The whole check of a file; afterwards nothing can fail but memory. */
static int verify(struct loading *l, const uint8_t *bytes, size_t n_bytes,
                  enum mw_rounding rounding, struct mw_model_fault *why)
{
    if (why)
        why->text[0] = 0;
    int result = mw_tflite_open(&l->file, bytes, n_bytes, why);
    /* Operators that are not known are refused first, whatever their tensors are. */
    for (uint32_t i = 0; result == MW_OK && i < l->file.operators.n; i++) {
        struct mw_build b = { .file = &l->file };
        result = mw_tflite_read_node(&l->file, i, &b.node, why);
        if (result == MW_OK)
            result = check_node(&b, mw_operator_find(b.node.code), why);
    }
    if (result == MW_OK)
        result = mw_plan_make(&l->plan, &l->file, why);
    if (result == MW_OK && l->file.operators.n > 0)
        result = check_end(&l->file, l->file.input, "input", &l->in, why);
    if (result == MW_OK && l->file.operators.n > 0)
        result = check_end(&l->file, l->file.output, "output", &l->out, why);
    if (result == MW_OK)
        result = build_all(&l->file, &l->plan, rounding, NULL, NULL, &l->build, why);
    if (result == MW_OK)
        l->n_memory = align8(l->build.n_used) + l->plan.n_arena_bytes;
    return result;
}

int mw_model_measure(const uint8_t *bytes, size_t n_bytes, size_t *ret_memory_bytes,
                     struct mw_model_fault *ret_why)
{
    struct loading l = { 0 };
    int result = verify(&l, bytes, n_bytes, MW_ROUNDING_DOUBLE, ret_why);
    if (result == MW_OK)
        *ret_memory_bytes = l.n_memory;
    return result;
}

int mw_model_init(struct mw_model *ret_model, const uint8_t *bytes, size_t n_bytes,
                  enum mw_rounding rounding, void *memory, size_t memory_bytes,
                  struct mw_model_fault *ret_why)
{
    struct loading l = { 0 };
    int result = verify(&l, bytes, n_bytes, rounding, ret_why);
    if (result < 0)
        return result;
    if (memory_bytes < l.n_memory)
        return mw_fault(ret_why, MW_ERR_NO_MEMORY,
                        "the model needs # bytes of memory, # were given", (int64_t)l.n_memory,
                        (int64_t)memory_bytes);
    if ((uintptr_t)memory % 8 != 0)
        return mw_fault(ret_why, MW_ERR_INVALID, "the memory is not aligned to 8", 0, 0);
    uint8_t *base = memory, *arena = base + align8(l.build.n_used);
    if (l.n_memory > 0) {
        result = build_all(&l.file, &l.plan, rounding, base, arena, &l.build, ret_why);
        assert(result == MW_OK); /* verified above, and the bytes are borrowed */
    }
    *ret_model = (struct mw_model){
        .ops = l.n_memory > 0 ? memory : NULL,
        .n_layers = l.file.operators.n,
        .n_in = l.in.n_items,
        .n_out = l.out.n_items,
        .n_in_bytes = l.in.n_bytes,
        .n_out_bytes = l.out.n_bytes,
        .in_type = l.in.type,
        .out_type = l.out.type,
        .in = l.in.quant,
        .out = l.out.quant,
        .ends_may_overlap = l.plan.ends_may_overlap,
        .n_macs = l.build.n_macs,
        .rounding = rounding,
        .card = l.file.card,
        .n_card_bytes = l.file.n_card_bytes,
    };
    return MW_OK;
}

struct mw_dense_s8 *mw_model_dense(const struct mw_model *model, uint32_t layer)
{
    return mw_dense_layer(&model->ops[layer]);
}

struct mw_dense_s8 *mw_model_layer(const struct mw_model *model, uint32_t layer)
{
    struct mw_dense_s8 *dense = mw_model_dense(model, layer);
#ifndef MW_ENGINE_DENSE_ONLY
    if (!dense)
        dense = mw_conv_layer(&model->ops[layer]);
#endif
    return dense;
}

/* The caller's buffers in the place of the two marks. */
static void run_op(const struct mw_op *op, const void *x, void *y)
{
    /* Outputs at x are only what a copying operator leaves there; the arena is ours to write to. */
    void *ends[2 * MW_NODE_MAX_ENDS];
    for (uint32_t i = 0; i < (uint32_t)op->n_in + op->n_out; i++) {
        const void *end = op->ends[i];
        ends[i] = end == &AT_Y ? y : (void *)(uintptr_t)(end == &AT_X ? x : end);
    }
    op->run(op->params, (const void *const *)ends, ends + op->n_in);
}

void mw_model_run_traced(const struct mw_model *model, const void *x, void *y,
                         void (*after_layer)(void *ctx, uint32_t layer, const int8_t *out,
                                             uint32_t n),
                         void *ctx)
{
    for (uint32_t i = 0; i < model->n_layers; i++) {
        const struct mw_op *op = &model->ops[i];
        run_op(op, x, y);
        const void *first = op->ends[op->n_in];
        if (after_layer)
            after_layer(ctx, i, first == &AT_X ? x : first == &AT_Y ? y : first, op->n_out_bytes);
    }
}

void mw_model_run(const struct mw_model *model, const void *x, void *y)
{
    for (uint32_t i = 0; i < model->n_layers; i++)
        run_op(&model->ops[i], x, y);
}
