/* SPDX-License-Identifier: Apache-2.0 */
#include "training/dmath.h"

#include <stdint.h>
#include <string.h>

#define LN2_HIGH 6.93147180369123816490e-01 /* the first 33 bits: k * LN2_HIGH is exact */
#define LN2_LOW  1.90821492927058770002e-10
#define TWO_PI   6.28318530717958647693

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

double dmath_log(double x)
{
    /* m in sqrt(1/2) .. sqrt(2), so that s stays below 0.172. */
    int64_t k = (int64_t)(bits_of(x) >> 52) - 1023;
    double m = from_bits((bits_of(x) & 0x000fffffffffffffu) | 0x3ff0000000000000u);
    if (m > 1.41421356237309504880) {
        m *= 0.5;
        k++;
    }
    double f = m - 1.0, s = f / (2.0 + f), s2 = s * s;
    /* atanh(s) / s - 1; the first neglected term is below 3e-18. */
    double sum = 0.0;
    for (int n = 23; n >= 3; n -= 2)
        sum = s2 * (sum + 1.0 / n);
    return (double)k * LN2_HIGH + (2.0 * s + (2.0 * s * sum + (double)k * LN2_LOW));
}

/* cos t and sin t for |t| up to pi / 4: Taylor series, the neglected terms are below 1e-18. */
static double cos_small(double t)
{
    double t2 = t * t, sum = 1.0;
    for (int n = 18; n >= 2; n -= 2)
        sum = 1.0 - sum * t2 / (n * (n - 1));
    return sum;
}

static double sin_small(double t)
{
    double t2 = t * t, sum = 1.0;
    for (int n = 19; n >= 3; n -= 2)
        sum = 1.0 - sum * t2 / (n * (n - 1));
    return t * sum;
}

double dmath_cos_turns(double turns)
{
    /* Nearest quarter; the difference is exact and at most an eighth of a turn. */
    int64_t quarter = (int64_t)(turns * 4.0 + (turns < 0.0 ? -0.5 : 0.5));
    double t = (turns - (double)quarter * 0.25) * TWO_PI;
    switch (quarter & 3) {
    case 0: return cos_small(t);
    case 1: return -sin_small(t);
    case 2: return -cos_small(t);
    default: return sin_small(t);
    }
}

double dmath_sqrt(double x)
{
    if (!(x > 0.0))
        return 0.0;
    /* Half the exponent gives a start within 7 %; Heron doubles its digits four times. */
    double y = from_bits((bits_of(x) >> 1) + 0x1ff8000000000000u);
    for (int i = 0; i < 4; i++)
        y = 0.5 * (y + x / y);
    return y;
}
