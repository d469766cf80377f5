/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/draw.h"

#include <math.h>

#define GOLDEN 0x9e3779b97f4a7c15u
#define TWO_PI 6.283185307179586

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t draw_bits(uint64_t seed, uint64_t stream, uint64_t n)
{
    return mix(mix(mix(seed + GOLDEN) + stream * GOLDEN + 1) + n * GOLDEN);
}

static double unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

double draw_uniform(uint64_t seed, uint64_t stream, uint64_t n)
{
    return unit(draw_bits(seed, stream, n));
}

double draw_normal(uint64_t seed, uint64_t stream, uint64_t n)
{
    uint64_t bits = draw_bits(seed, stream, n);
    double u = unit(bits) + 0x1p-54; /* never 0: its logarithm bounds the tail */
    double angle = TWO_PI * unit(mix(bits + GOLDEN));
    return sqrt(-2.0 * log(u)) * cos(angle);
}
