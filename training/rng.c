/* SPDX-License-Identifier: Apache-2.0 */
#include "training/rng.h"

#include "training/dmath.h"

double rng_uniform(struct rng *rng)
{
    uint64_t z = rng->seed + ++rng->counter * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 40) / 16777216.0;
}

double rng_normal(struct rng *rng)
{
    double u = rng_uniform(rng), v = rng_uniform(rng);
    return dmath_sqrt(-2.0 * dmath_log(u + 1.0 / 33554432.0)) * dmath_cos_turns(v);
}

void rng_permutation(struct rng *rng, uint32_t *ret, double *scratch, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        scratch[i] = rng_uniform(rng);
        ret[i] = i;
    }
    for (uint32_t i = n; i-- > 1;) {
        uint32_t j = (uint32_t)(scratch[i] * (i + 1)), held = ret[i];
        ret[i] = ret[j];
        ret[j] = held;
    }
}
