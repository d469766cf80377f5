/* SPDX-License-Identifier: Apache-2.0 */
/* Adam (Kingma and Ba 2015, algorithm 1) with beta 0.9 and 0.999, epsilon 1e-8, in double. */
#ifndef TRAINING_ADAM_H
#define TRAINING_ADAM_H

#include <stddef.h>

struct adam {
    size_t n;
    double *mean, *square; /* [n] */
    double beta1_power, beta2_power;
};

/* MW_ERR_NO_MEMORY. */
int adam_create(struct adam *ret_adam, size_t n);
void adam_destroy(struct adam *adam);

/* One step: parameters and gradient double [n]. */
void adam_step(struct adam *adam, double *parameters, const double *gradient, double step);

#endif
