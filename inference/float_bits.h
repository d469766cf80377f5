/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about a float that its bits answer: without a floating-point unit a comparison is a
 * call. The answers are those of == and <. */
#ifndef MW_INFERENCE_FLOAT_BITS_H
#define MW_INFERENCE_FLOAT_BITS_H

#include <stdbool.h>
#include <stdint.h>

static inline uint32_t mw_float_bits(float v)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline bool mw_float_finite(float v)
{
    return (mw_float_bits(v) >> 23 & 0xff) != 0xff;
}

static inline bool mw_float_zero(float v)
{
    return mw_float_bits(v) << 1 == 0;
}

/* a == b, of numbers that are no NaN. */
static inline bool mw_float_same(float a, float b)
{
    uint32_t x = mw_float_bits(a), y = mw_float_bits(b);
    return x == y || (x | y) << 1 == 0;
}

static inline float mw_float_abs(float v)
{
    uint32_t bits = mw_float_bits(v) & 0x7fffffff;
    __builtin_memcpy(&v, &bits, sizeof v);
    return v;
}

/* a < b, of numbers that are not negative and no NaN. */
static inline bool mw_float_less(float a, float b)
{
    return mw_float_bits(a) < mw_float_bits(b);
}

#endif
