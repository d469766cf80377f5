/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness without state: the n-th number of a stream of a seed is a function of the three, so
 * that a world gives the same values however often and in whatever order it is asked. */
#ifndef MW_SIMULATOR_DRAW_H
#define MW_SIMULATOR_DRAW_H

#include <stdint.h>

/* 64 well mixed bits. Source: Steele, Lea and Flood 2014, SplitMix64, used as a hash. */
uint64_t draw_bits(uint64_t seed, uint64_t stream, uint64_t n);

/* 0 <= u < 1. */
double draw_uniform(uint64_t seed, uint64_t stream, uint64_t n);

/* Mean 0, deviation 1, within +-8. Source: Box and Muller 1958. */
double draw_normal(uint64_t seed, uint64_t stream, uint64_t n);

#endif
