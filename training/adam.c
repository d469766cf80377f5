/* SPDX-License-Identifier: Apache-2.0 */
#include "training/adam.h"

#include "base/result.h"
#include "training/dmath.h"

#include <stdlib.h>

#define BETA1   0.9
#define BETA2   0.999
#define EPSILON 1e-8

int adam_create(struct adam *ret_adam, size_t n)
{
    struct adam adam = { .n = n, .beta1_power = 1.0, .beta2_power = 1.0 };
    adam.mean = calloc(n, sizeof(double));
    adam.square = calloc(n, sizeof(double));
    if (!adam.mean || !adam.square) {
        adam_destroy(&adam);
        return MW_ERR_NO_MEMORY;
    }
    *ret_adam = adam;
    return MW_OK;
}

void adam_destroy(struct adam *adam)
{
    if (!adam)
        return;
    free(adam->mean);
    free(adam->square);
}

void adam_step(struct adam *adam, double *parameters, const double *gradient, double step)
{
    adam->beta1_power *= BETA1;
    adam->beta2_power *= BETA2;
    double unbias1 = 1.0 - adam->beta1_power, unbias2 = 1.0 - adam->beta2_power;
    for (size_t i = 0; i < adam->n; i++) {
        double g = gradient[i];
        adam->mean[i] = BETA1 * adam->mean[i] + 0.1 * g;
        adam->square[i] = BETA2 * adam->square[i] + 0.001 * g * g;
        parameters[i] -=
            step * (adam->mean[i] / unbias1) / (dmath_sqrt(adam->square[i] / unbias2) + EPSILON);
    }
}
