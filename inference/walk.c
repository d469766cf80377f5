/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/walk.h"

void mw_walk_add(struct mw_walk *walk, int32_t n, int32_t a, int32_t b)
{
    int32_t k = walk->n_dims - 1;
    if (n == 1 && walk->n_dims > 0)
        return;
    /* A single place, or one whose step is n times the new one, goes into the new dimension. */
    if (k >= 0 && walk->dims[k] == 1) {
        walk->dims[k] = n;
        walk->a[k] = a;
        walk->b[k] = b;
    } else if (k >= 0 && walk->a[k] == n * a && walk->b[k] == n * b) {
        walk->dims[k] *= n;
        walk->a[k] = a;
        walk->b[k] = b;
    } else {
        walk->dims[walk->n_dims] = n;
        walk->a[walk->n_dims] = a;
        walk->b[walk->n_dims++] = b;
    }
}

bool mw_walk_next(const struct mw_walk *walk, struct mw_walker *w)
{
    for (int32_t d = walk->n_dims - 2; d >= 0; d--) {
        w->a += walk->a[d];
        w->b += walk->b[d];
        if (++w->at[d] < walk->dims[d])
            return true;
        w->a -= walk->dims[d] * walk->a[d];
        w->b -= walk->dims[d] * walk->b[d];
        w->at[d] = 0;
    }
    return false;
}

void mw_row_major(const struct mw_tensor *tensor, int32_t ret_steps[MW_TENSOR_MAX_DIMS])
{
    int32_t step = 1;
    for (int32_t d = tensor->n_dims - 1; d >= 0; d--) {
        ret_steps[d] = step;
        step *= tensor->dims[d];
    }
}
