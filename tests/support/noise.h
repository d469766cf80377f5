/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded noise for tests: the same numbers on every machine. */
#ifndef MW_TESTS_SUPPORT_NOISE_H
#define MW_TESTS_SUPPORT_NOISE_H

#include <stdint.h>

struct noise {
    uint64_t state; /* the seed */
};

/* Steele et al. 2014, SplitMix64. */
static inline uint64_t noise_u64(struct noise *n)
{
    uint64_t z = n->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in [0, 1). */
static inline double noise_uniform(struct noise *n)
{
    return (double)(noise_u64(n) >> 11) * 0x1p-53;
}

/* Mean 0, standard deviation 1, within +-6: the sum of twelve uniforms. */
static inline double noise_normal(struct noise *n)
{
    double sum = -6.0;
    for (int i = 0; i < 12; i++)
        sum += noise_uniform(n);
    return sum;
}

#endif
