/* SPDX-License-Identifier: Apache-2.0 */
/* The random numbers of training: splitmix64 on a counter (Steele, Lea, Flood 2014), so that a seed
 * gives the same draws everywhere. Not for secrets. */
#ifndef TRAINING_RNG_H
#define TRAINING_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t seed, counter;
};

/* Uniform in 0 .. 1 - 2^-24, a multiple of 2^-24: the top 24 bits. */
double rng_uniform(struct rng *rng);

/* Standard normal: Box-Muller, the cosine branch only; two uniforms each. */
double rng_normal(struct rng *rng);

/* ret uint32 [n]: a random order of 0 .. n-1, Fisher-Yates from the end. Draws n uniforms first,
 * of which the first is not used. scratch double [n]. */
void rng_permutation(struct rng *rng, uint32_t *ret, double *scratch, uint32_t n);

#endif
