/* SPDX-License-Identifier: Apache-2.0 */
/* The operators, tensors and memory plan of a model, for people or as JSON. Called by model.c with
 * a file that has been verified. */
#ifndef CLI_GRAPH_H
#define CLI_GRAPH_H

#include "inference/plan.h"

struct graph_facts {
    struct mw_plan plan;
    uint64_t n_macs, n_parameter_bytes;
    const char *kernels[MW_MODEL_MAX_LAYERS]; /* what computes each operator; NULL: not told */
};

/* Prepares the model once, in n_memory bytes of its own, to count. Results as mw_model_init. */
int graph_gather(struct graph_facts *ret_facts, const struct mw_tflite *file, const uint8_t *bytes,
                 size_t n_bytes, size_t n_memory, struct mw_model_fault *ret_why);

void graph_print(const struct graph_facts *facts, const struct mw_tflite *file);

/* The members from "input" to "tensors" of an object, without what follows. */
void graph_print_json(const struct graph_facts *facts, const struct mw_tflite *file);

#endif
