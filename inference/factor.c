/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/factor.h"

#include <string.h>

#define MOST INT64_C(0x4000000000000000)

struct mw_factor mw_factor_of(double real)
{
    int32_t shift = 30;
    if (real > MW_FACTOR_MOST)
        real = MW_FACTOR_MOST;
    for (; real >= 2.0; shift--)
        real *= 0.5;
    for (; real < 1.0 && shift < 95; shift++)
        real *= 2.0;
    if (real < 1.0)
        return (struct mw_factor){ 0, 95 };
    double mantissa = real * 0x1p30 + 0.5;
    return (struct mw_factor){ mantissa < 0x1p31 ? (int32_t)mantissa : INT32_MAX, shift };
}

int64_t mw_times_more(int64_t v, struct mw_factor f)
{
    uint64_t low = (uint64_t)(uint32_t)v * (uint32_t)f.mantissa;
    int64_t high = (int64_t)(int32_t)(v >> 32) * f.mantissa + (int64_t)(low >> 32);
    int64_t most = INT64_C(1) << (30 + f.shift);
    if (high >= most)
        return MOST;
    if (high < -most)
        return -MOST;
    return high * (INT64_C(1) << (32 - f.shift)) + (int64_t)((uint32_t)low >> f.shift);
}

int32_t mw_fixed(float value, int32_t bits, int32_t limit)
{
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    int32_t exponent = (int32_t)(word >> 23 & 0xff) - 150 + bits;
    int32_t magnitude = (int32_t)(word & 0x7fffff) | 0x800000; /* a subnormal is shifted out */
    if (exponent >= 7)
        magnitude = limit;
    else if (exponent >= 0)
        magnitude <<= exponent;
    else
        magnitude = exponent < -24 ? 0 : (magnitude + (1 << (-exponent - 1))) >> -exponent;
    if (magnitude > limit)
        magnitude = limit;
    return word >> 31 ? -magnitude : magnitude;
}

int64_t mw_fixed_wide(double value, int32_t bits)
{
    double scaled = value * (double)(INT64_C(1) << bits);
    if (scaled >= 0x1p52 || scaled <= -0x1p52)
        return (int64_t)scaled; /* is whole, and a half more could be rounded up */
    return (int64_t)(scaled + (scaled < 0.0 ? -0.5 : 0.5));
}
