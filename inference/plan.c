/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/plan.h"
#include "base/result.h"
#include "inference/fault.h"
#include "inference/operator.h"

#ifndef MW_ENGINE_DENSE_ONLY

static struct mw_planned *find(struct mw_plan *plan, uint32_t tensor)
{
    for (uint32_t i = 0; i < plan->n_tensors; i++)
        if (plan->tensors[i].tensor == tensor)
            return &plan->tensors[i];
    return NULL;
}

const struct mw_planned *mw_plan_find(const struct mw_plan *plan, uint32_t tensor)
{
    for (uint32_t i = 0; i < plan->n_tensors; i++)
        if (plan->tensors[i].tensor == tensor)
            return &plan->tensors[i];
    return NULL;
}

/* A tensor that is written, by the caller or by operator op. */
static int add_tensor(struct mw_plan *plan, const struct mw_tflite *file, uint32_t tensor,
                      uint32_t op, struct mw_model_fault *why)
{
    struct mw_tensor t = { 0 };
    int result = mw_tflite_read_tensor(file, tensor, &t, why);
    if (result < 0)
        return result;
    if (t.data)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "tensor # is computed and constant at once",
                        tensor, 0);
    if (find(plan, tensor))
        return mw_fault(why, MW_ERR_FORMAT, "tensor # is written twice", tensor, 0);
    if (t.n_items > MW_MODEL_MAX_ITEMS)
        return mw_fault(why, MW_ERR_TOO_BIG, "tensor # has # items", tensor, t.n_items);
    if (plan->n_tensors == MW_PLAN_MAX_TENSORS)
        return mw_fault(why, MW_ERR_TOO_BIG, "more than # computed tensors", MW_PLAN_MAX_TENSORS,
                        0);
    plan->tensors[plan->n_tensors] = (struct mw_planned){
        .tensor = (uint16_t)tensor,
        .first = (uint16_t)op,
        .last = (uint16_t)op,
        .home = (uint16_t)plan->n_tensors,
        .place = tensor == file->output ? MW_PLACE_Y : MW_PLACE_ARENA,
        .n_bytes = t.n_bytes,
    };
    plan->n_tensors++;
    return MW_OK;
}

static int read_by(struct mw_plan *plan, const struct mw_tflite *file, uint32_t tensor, uint32_t op,
                   struct mw_model_fault *why)
{
    struct mw_planned *t = find(plan, tensor);
    if (t) {
        t->last = (uint16_t)op;
        return MW_OK;
    }
    struct mw_tensor constant = { 0 };
    int result = mw_tflite_read_tensor(file, tensor, &constant, why);
    if (result < 0)
        return result;
    return constant.data
               ? MW_OK
               : mw_fault(why, MW_ERR_FORMAT,
                          "tensor # is read before it is written, or has no data", tensor, 0);
}

static struct mw_planned *home_of(struct mw_plan *plan, const struct mw_planned *t)
{
    return &plan->tensors[t->home];
}

/* The output moves in with the input. Not where one end is the caller's x and the other y: then
 * the operator really copies. */
static void move_in(struct mw_plan *plan, uint32_t input, uint32_t output)
{
    struct mw_planned *in = find(plan, input), *out = find(plan, output);
    if (!in || !out || in->n_bytes != out->n_bytes)
        return;
    struct mw_planned *home = home_of(plan, in);
    if (home->place != MW_PLACE_ARENA && out->place != MW_PLACE_ARENA)
        return;
    if (out->place == MW_PLACE_Y)
        home->place = MW_PLACE_Y;
    out->home = in->home;
}

static int add_operator(struct mw_plan *plan, const struct mw_tflite *file, uint32_t op,
                        struct mw_model_fault *why)
{
    struct mw_node node;
    int result = mw_tflite_read_node(file, op, &node, why);
    for (uint32_t i = 0; i < node.ins.n && result == MW_OK; i++) {
        uint32_t tensor = mw_node_in(file, &node, i);
        if (tensor != UINT32_MAX)
            result = read_by(plan, file, tensor, op, why);
    }
    for (uint32_t i = 0; i < node.outs.n && result == MW_OK; i++)
        result = add_tensor(plan, file, mw_node_out(file, &node, i), op, why);
    const struct mw_operator *known = mw_operator_find(node.code);
    if (result == MW_OK && known && known->copies && node.ins.n > 0 && node.outs.n == 1)
        move_in(plan, mw_node_in(file, &node, 0), mw_node_out(file, &node, 0));
    return result;
}

/* A home lives as long as all who live in it, who share its place. */
static void join_lives(struct mw_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_tensors; i++) {
        struct mw_planned *home = home_of(plan, &plan->tensors[i]);
        if (plan->tensors[i].last > home->last)
            home->last = plan->tensors[i].last;
    }
}

static bool is_home(const struct mw_plan *plan, uint32_t i)
{
    return plan->tensors[i].home == i && plan->tensors[i].place == MW_PLACE_ARENA;
}

static bool meet(const struct mw_planned *a, const struct mw_planned *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest place that no tensor placed before takes during the life of t. */
static uint32_t lowest_place(const struct mw_plan *plan, const bool *placed,
                             const struct mw_planned *t)
{
    uint32_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < plan->n_tensors; i++) {
            const struct mw_planned *o = &plan->tensors[i];
            if (placed[i] && meet(o, t) && offset < o->offset + o->n_bytes &&
                o->offset < offset + t->n_bytes) {
                offset = (o->offset + o->n_bytes + MW_PLAN_ALIGNMENT - 1) / MW_PLAN_ALIGNMENT *
                         MW_PLAN_ALIGNMENT;
                moved = true;
            }
        }
    }
    return offset;
}

static void place_all(struct mw_plan *plan)
{
    bool placed[MW_PLAN_MAX_TENSORS] = { false };
    for (;;) {
        uint32_t widest = plan->n_tensors;
        for (uint32_t i = 0; i < plan->n_tensors; i++)
            if (is_home(plan, i) && !placed[i] &&
                (widest == plan->n_tensors ||
                 plan->tensors[i].n_bytes > plan->tensors[widest].n_bytes))
                widest = i;
        if (widest == plan->n_tensors)
            return;
        struct mw_planned *t = &plan->tensors[widest];
        t->offset = lowest_place(plan, placed, t);
        placed[widest] = true;
        if (t->offset + t->n_bytes > plan->n_arena_bytes)
            plan->n_arena_bytes = t->offset + t->n_bytes;
    }
}

static void tell_places(struct mw_plan *plan)
{
    uint32_t last_x = 0, first_y = UINT32_MAX;
    for (uint32_t i = 0; i < plan->n_tensors; i++) {
        const struct mw_planned *home = home_of(plan, &plan->tensors[i]);
        plan->tensors[i].place = home->place;
        plan->tensors[i].offset = home->offset;
        if (home->place == MW_PLACE_X && home->last > last_x)
            last_x = home->last;
        if (home->place == MW_PLACE_Y && home->first < first_y)
            first_y = home->first;
    }
    plan->ends_may_overlap = last_x < first_y;
}

int mw_plan_make(struct mw_plan *ret_plan, const struct mw_tflite *file, struct mw_model_fault *why)
{
    struct mw_model_fault inner = { "" };
    ret_plan->n_tensors = 0;
    ret_plan->n_arena_bytes = 0;
    ret_plan->ends_may_overlap = false;
    if (file->operators.n == 0)
        return MW_OK;
    int result = add_tensor(ret_plan, file, file->input, 0, &inner);
    if (result < 0)
        return mw_fault_named(why, result, "the graph's input: $", inner.text, 0, 0);
    if (file->input == file->output)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "the graph's input is its output", 0, 0);
    ret_plan->tensors[0].place = MW_PLACE_X;
    for (uint32_t i = 0; i < file->operators.n; i++) {
        result = add_operator(ret_plan, file, i, &inner);
        if (result < 0)
            return mw_fault_named(why, result, "operator #: $", inner.text, i, 0);
    }
    if (!find(ret_plan, file->output))
        return mw_fault(why, MW_ERR_FORMAT, "the graph's output, tensor #, is not written",
                        (int32_t)file->output, 0);
    join_lives(ret_plan);
    place_all(ret_plan);
    tell_places(ret_plan);
    return MW_OK;
}

bool mw_plan_end(const struct mw_plan *plan, const struct mw_tflite *file,
                 const struct mw_node *node, uint32_t end, struct mw_planned *ret)
{
    uint32_t tensor = end < node->ins.n ? mw_node_in(file, node, end)
                                        : mw_node_out(file, node, end - node->ins.n);
    const struct mw_planned *planned = mw_plan_find(plan, tensor);
    if (planned)
        *ret = *planned;
    return planned != NULL;
}

#endif
