/* SPDX-License-Identifier: Apache-2.0 */
/* Real numbers as integers, for what runs once a frame on processors without floating point: sums
 * of them are exact in any order, and a product is a handful of instructions. */
#ifndef MW_INFERENCE_FACTOR_H
#define MW_INFERENCE_FACTOR_H

#include <stdint.h>

/* A positive real number, about mantissa / 2^shift; its relative error is at most 2^-31. */
struct mw_factor {
    int32_t mantissa; /* 2^30 .. 2^31 - 1; 0: the number is below 2^-65 */
    int32_t shift;    /* 0 .. 95 */
};

#define MW_FACTOR_MOST 0x1p30

/* real: finite, 0 or more; what is above MW_FACTOR_MOST becomes that. */
struct mw_factor mw_factor_of(double real);

/* v times a factor of 1/2 and more, rounded down; saturates at +-2^62. |v| <= 2^62. */
int64_t mw_times_more(int64_t v, struct mw_factor factor);

/* v times any factor, rounded down; saturates at +-2^62. |v| <= 2^62. The product has 93 bits, of
 * which a factor below 1/2 needs the upper ones only. */
static inline int64_t mw_times(int64_t v, struct mw_factor factor)
{
    if (factor.shift < 32)
        return mw_times_more(v, factor);
    uint64_t low = (uint64_t)(uint32_t)v * (uint32_t)factor.mantissa;
    int32_t upper = (int32_t)(v >> 32);
    __asm__("" : "+r"(upper)); /* GCC would multiply 64 bits by 64 */
    int64_t high = (int64_t)upper * factor.mantissa + (int64_t)(low >> 32);
    return high >> (factor.shift - 32);
}

/* value * 2^bits as an integer, half away from zero; clipped to +-limit, which is at most 2^30.
 * bits 0 .. 30. Infinities are clipped, too; a NaN is the caller's mistake. */
int32_t mw_fixed(float value, int32_t bits, int32_t limit);

/* The same for a double, |value| * 2^bits below 2^62. */
int64_t mw_fixed_wide(double value, int32_t bits);

#endif
