/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a build that knows FULLY_CONNECTED alone: a chain, in which nothing outlives the next
 * operator. Tensors take turns at the two ends of the arena, so that the widest pair of neighbours
 * is all that it needs to hold. */
#include "base/result.h"
#include "inference/fault.h"
#include "inference/plan.h"

#ifdef MW_ENGINE_DENSE_ONLY

static uint32_t padded(uint32_t n_bytes)
{
    return (n_bytes + MW_PLAN_ALIGNMENT - 1) & ~(uint32_t)(MW_PLAN_ALIGNMENT - 1);
}

/* Tensor k of the chain: the graph's input, then what each operator writes. Every operator was read
 * when the file was opened, and its number of ends checked. */
static uint32_t tensor_at(const struct mw_tflite *file, uint32_t k)
{
    struct mw_node node = { 0 };
    if (k == 0)
        return file->input;
    mw_tflite_read_node(file, k - 1, &node, NULL);
    return mw_node_out(file, &node, 0);
}

static bool is_read_next(const struct mw_tflite *file, uint32_t tensor, uint32_t op)
{
    struct mw_node node = { 0 };
    mw_tflite_read_node(file, op, &node, NULL);
    return mw_node_in(file, &node, 0) == tensor;
}

/* Tensor k is computed, is no earlier one, and operator k reads it, or it is the output. */
static int check_link(const struct mw_tflite *file, uint32_t k, struct mw_tensor *ret_tensor,
                      struct mw_model_fault *why)
{
    uint32_t tensor = tensor_at(file, k);
    int result = mw_tflite_read_tensor(file, tensor, ret_tensor, why);
    if (result < 0)
        return result;
    bool known = ret_tensor->data != NULL;
    for (uint32_t i = 0; i < k; i++)
        known |= tensor_at(file, i) == tensor;
    if (known)
        return mw_fault(why, MW_ERR_FORMAT, "tensor # is constant, or written twice", tensor, 0);
    if (k < file->operators.n ? !is_read_next(file, tensor, k) : tensor != file->output)
        return mw_fault(why, MW_ERR_UNSUPPORTED, "tensor # is not what operator # or the end reads",
                        tensor, k);
    return MW_OK;
}

int mw_plan_make(struct mw_plan *ret_plan, const struct mw_tflite *file, struct mw_model_fault *why)
{
    uint32_t n_before = 0, n_ops = file->operators.n, n_most = 0;
    for (uint32_t k = 0; k <= n_ops && n_ops > 0; k++) {
        struct mw_tensor t;
        int result = check_link(file, k, &t, why);
        if (result < 0)
            return result;
        uint32_t n = k == 0 || k == n_ops ? 0 : padded(t.n_bytes); /* the caller's buffers */
        if (n_before + n > n_most)
            n_most = n_before + n;
        n_before = n;
    }
    ret_plan->n_arena_bytes = n_most;
    ret_plan->ends_may_overlap = n_ops > 1;
    return MW_OK;
}

bool mw_plan_end(const struct mw_plan *plan, const struct mw_tflite *file,
                 const struct mw_node *node, uint32_t end, struct mw_planned *ret)
{
    uint32_t k = node->index + (end > 0);
    struct mw_tensor t = { 0 };
    mw_tflite_read_tensor(file, tensor_at(file, k), &t, NULL); /* as check_link did */
    ret->n_bytes = t.n_bytes;
    ret->place = (uint8_t)(k == 0                   ? MW_PLACE_X
                           : k == file->operators.n ? MW_PLACE_Y
                                                    : MW_PLACE_ARENA);
    ret->offset = k % 2 ? 0 : plan->n_arena_bytes - padded(t.n_bytes);
    return true;
}

#endif
