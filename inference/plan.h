/* SPDX-License-Identifier: Apache-2.0 */
/* Where the computed tensors of a graph lie. Called by model.c before memory is touched, and by the
 * command line to show the plan. Checks the graph's order on the way: every tensor is written once
 * and before it is read.
 *
 * A tensor lives from the operator that writes it to the last one that reads it. Tensors whose
 * lives do not meet may share bytes; the widest is placed first, each at the lowest place that is
 * free during its life (the greedy order of Pisarchyk and Lee, "Efficient Memory Management for
 * Deep Neural Net Inference", 2020). An operator that only copies has its output at its input's
 * place. The graph's input and output are the caller's buffers. */
#ifndef MW_INFERENCE_PLAN_H
#define MW_INFERENCE_PLAN_H

#include "inference/profile.h"
#include "inference/tflite.h"

#include <stdbool.h>

#define MW_PLAN_MAX_TENSORS 96
#define MW_PLAN_ALIGNMENT   4

enum mw_place { MW_PLACE_ARENA, MW_PLACE_X, MW_PLACE_Y };

struct mw_planned {
    uint16_t tensor;      /* its number in the file */
    uint16_t first, last; /* operators */
    uint16_t home;        /* index of the entry whose place it shares; itself mostly */
    uint8_t place;        /* enum mw_place */
    uint32_t n_bytes;
    uint32_t offset; /* in the arena */
};

#ifdef MW_ENGINE_DENSE_ONLY
struct mw_plan { /* of a chain, plan_chain.c */
    uint32_t n_arena_bytes;
    bool ends_may_overlap;
};
#else
struct mw_plan {
    struct mw_planned tensors[MW_PLAN_MAX_TENSORS];
    uint32_t n_tensors;
    uint32_t n_arena_bytes;
    bool ends_may_overlap; /* the input is read for the last time before the output is written */
};

/* The entry of a tensor, with the place of its home; NULL: it is a constant or is not computed. */
const struct mw_planned *mw_plan_find(const struct mw_plan *plan, uint32_t tensor);
#endif

/* Results and words as mw_model_measure. */
int mw_plan_make(struct mw_plan *ret_plan, const struct mw_tflite *file,
                 struct mw_model_fault *ret_why);

/* Where an operator's end lies: an input, or, from ins.n on, an output. False: a constant, or left
 * out. */
bool mw_plan_end(const struct mw_plan *plan, const struct mw_tflite *file,
                 const struct mw_node *node, uint32_t end, struct mw_planned *ret_planned);

#endif
