/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/fixedpoint.h"

#include <assert.h>

static_assert((-1 >> 1) == -1, "rounding needs an arithmetic right shift");

#define ONE  INT32_MAX          /* of Q0.31, which does not reach 1 */
#define UNIT (INT32_C(1) << 29) /* 1 in Q2.29 */

int32_t mw_fixed_multiply(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN)
        return INT32_MAX;
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

int32_t mw_fixed_divide_by_power(int32_t x, int32_t n)
{
    int32_t mask = (int32_t)((UINT32_C(1) << n) - 1), rest = x & mask;
    return (x >> n) + (rest > (mask >> 1) + (x < 0));
}

/* x * 2^n, saturated; n 1 .. 30. */
static int32_t shift_left(int32_t x, int32_t n)
{
    int64_t wide = (int64_t)x * (INT64_C(1) << n);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* e^a for a in [-1/4, 0), all Q0.31: the Taylor series of fourth order around -1/8. */
static int32_t exp_near_zero(int32_t a)
{
    const int32_t exp_minus_eighth = 1895147668, third = 715827883;
    int32_t x = a + (INT32_C(1) << 28);
    int32_t x2 = mw_fixed_multiply(x, x);
    int32_t x3 = mw_fixed_multiply(x2, x), x4 = mw_fixed_multiply(x2, x2);
    int32_t x4_4 = mw_fixed_divide_by_power(x4, 2);
    int32_t high = mw_fixed_divide_by_power(mw_fixed_multiply(x4_4 + x3, third) + x2, 1);
    return exp_minus_eighth + mw_fixed_multiply(exp_minus_eighth, x + high);
}

int32_t mw_fixed_exp(int32_t a, int32_t integer_bits)
{
    /* e^(-2^k) in Q0.31 for k = -2 .. 4. */
    static const int32_t POWERS[] = { 1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242 };
    if (a == 0)
        return ONE;
    int32_t fraction_bits = 31 - integer_bits, quarter = INT32_C(1) << (fraction_bits - 2);
    int32_t part = (a & (quarter - 1)) - quarter, rest = part - a;
    int32_t result = exp_near_zero(shift_left(part, integer_bits));
    for (int32_t k = -2; k < integer_bits; k++)
        if (rest & INT32_C(1) << (fraction_bits + k))
            result = mw_fixed_multiply(result, POWERS[k + 2]);
    return result;
}

/* 2 / (1 + a) in Q2.29 for a Q0.31 in [0, 1]: three steps of Newton from 48/17 - 32/17 d. */
static int32_t two_over_one_plus(int32_t a)
{
    int32_t half = (int32_t)(((int64_t)a + ONE + 1) / 2); /* the sum is not negative */
    int32_t x = 1515870810 + mw_fixed_multiply(half, -1010580540);
    for (int i = 0; i < 3; i++) {
        int32_t error = UNIT - mw_fixed_multiply(half, x);
        x += shift_left(mw_fixed_multiply(x, error), 2);
    }
    return x;
}

int32_t mw_fixed_logistic(int32_t a)
{
    if (a == 0)
        return INT32_C(1) << 30;
    int32_t exponential = mw_fixed_exp(a > 0 ? -a : a, 4);
    int32_t positive = shift_left(two_over_one_plus(exponential), 1); /* half of it, to Q0.31 */
    return a > 0 ? positive : ONE - positive;
}

int32_t mw_fixed_tanh(int32_t a)
{
    if (a == 0)
        return 0;
    /* The Q4.27 of a is the Q5.26 of 2 a: (1 - e^2a) / (1 + e^2a) = 2 / (1 + e^2a) - 1. */
    int32_t exponential = mw_fixed_exp(a > 0 ? -a : a, 5);
    int32_t magnitude = shift_left(two_over_one_plus(exponential) - UNIT, 2);
    return a > 0 ? magnitude : -magnitude;
}

int32_t mw_fixed_reciprocal(int32_t x, int32_t integer_bits, int32_t *ret_bits_over_unit)
{
    int32_t headroom = 0;
    uint32_t bits = (uint32_t)x;
    for (; !(bits & UINT32_C(1) << 31); bits <<= 1)
        headroom++;
    *ret_bits_over_unit = integer_bits - headroom;
    int32_t above_one = (int32_t)(bits - (UINT32_C(1) << 31));
    return shift_left(two_over_one_plus(above_one), 1);
}
