/* SPDX-License-Identifier: Apache-2.0 */
/* Two places that move over an n-dimensional box together, each with its own steps: what broadcast
 * and every data mover are made of. */
#ifndef MW_INFERENCE_WALK_H
#define MW_INFERENCE_WALK_H

#include "inference/tflite.h"

#include <stdbool.h>

struct mw_walk {
    int32_t n_dims; /* 1 at least */
    int32_t dims[MW_TENSOR_MAX_DIMS];
    int32_t a[MW_TENSOR_MAX_DIMS], b[MW_TENSOR_MAX_DIMS]; /* steps in items */
};

/* Adds an inner dimension. Joins it with the one outside where one step continues the other, so
 * that equal shapes become one row. */
void mw_walk_add(struct mw_walk *walk, int32_t n, int32_t a, int32_t b);

/* Where the walk stands: at the beginning of a row of the innermost dimension. */
struct mw_walker {
    int32_t at[MW_TENSOR_MAX_DIMS];
    int32_t a, b;
};

/* To the next row; false after the last. Begin with zeroes. */
bool mw_walk_next(const struct mw_walk *walk, struct mw_walker *walker);

/* Steps between neighbours of a row-major tensor along each of its dimensions. */
void mw_row_major(const struct mw_tensor *tensor, int32_t ret_steps[MW_TENSOR_MAX_DIMS]);

#endif
