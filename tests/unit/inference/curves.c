/* SPDX-License-Identifier: Apache-2.0 */
/* LOGISTIC, TANH and SOFTMAX with random scales, in both roundings, against the fixed-point
 * formulas written anew in integers of 128 bits: gemmlowp fixedpoint/fixedpoint.h
 * (exp_on_negative_values, one_over_one_plus_x_for_x_in_0_1, logistic, tanh) and TensorFlow Lite's
 * reference/softmax.h. All numbers below are whole; "Q5.26" says that one unit is 2^-26. */
#include "unit/inference/graphs.h"

#define N_TRIALS 300
#define MAX_ROW  64

static int8_t x[256], y[256], expected[256];

/* The product of two Q0.31, halves upward. */
static int64_t product(int64_t a, int64_t b)
{
    return (int64_t)floor_div((wide)a * b + power(30), power(31));
}

/* x / 2^n, halves away from zero. */
static int64_t rounded(int64_t v, int n)
{
    int64_t magnitude = (int64_t)(((wide)(v < 0 ? -v : v) * 2 + power(n)) / (2 * power(n)));
    return v < 0 ? -magnitude : magnitude;
}

static int64_t saturated(wide v)
{
    return (int64_t)(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v);
}

/* e^a, a of Q0.31 in [-1/4, 0): around -1/8, where e^(-1/8) is 0.882496902584595. */
static int64_t exp_of_small(int64_t a)
{
    const int64_t at_eighth = llround(0.8824969025845955 * 0x1p31);
    const int64_t third = llround(0x1p31 / 3.0);
    int64_t d = a + (1 << 28), d2 = product(d, d), d3 = product(d2, d), d4 = product(d2, d2);
    int64_t tail = rounded(product(rounded(d4, 2) + d3, third) + d2, 1);
    return at_eighth + product(at_eighth, d + tail);
}

/* e^a, a at most 0 with that many integer bits; Q0.31. */
static int64_t exp_of_negative(int64_t a, int integer_bits)
{
    if (a == 0)
        return INT32_MAX;
    int fraction = 31 - integer_bits;
    int64_t quarter = (int64_t)1 << (fraction - 2);
    int64_t whole = (int64_t)floor_div(a, quarter), part = a - whole * quarter - quarter;
    int64_t result = exp_of_small(saturated(part * power(integer_bits)));
    int64_t n_quarters = -(whole + 1); /* e^(-1/4) so many times, by powers of two */
    for (int k = 0; k < integer_bits + 2; k++)
        if (n_quarters >> k & 1)
            result = product(result, llround(exp(-ldexp(0.25, k)) * 0x1p31));
    return result;
}

/* 2 / (1 + a) as Q2.29; a of Q0.31 in [0, 1]. */
static int64_t newton(int64_t a)
{
    int64_t half = (int64_t)(((wide)a + INT32_MAX + 1) / 2);
    int64_t r = llround(48.0 / 17.0 * 0x1p29) + product(half, llround(-32.0 / 17.0 * 0x1p29));
    for (int i = 0; i < 3; i++)
        r += saturated((wide)product(r, (1 << 29) - product(half, r)) * 4);
    return r;
}

static int8_t slow_logistic(int64_t a) /* Q4.27 */
{
    int64_t v = (int64_t)1 << 30;
    if (a != 0) {
        v = saturated((wide)newton(exp_of_negative(a > 0 ? -a : a, 4)) * 2);
        v = a > 0 ? v : INT32_MAX - v;
    }
    return slow_clamp(rounded(v, 23) - 128, -128, 127);
}

static int8_t slow_tanh(int64_t a) /* Q4.27, which is Q5.26 of twice that */
{
    int64_t v = 0;
    if (a != 0) {
        v = saturated(((wide)newton(exp_of_negative(a > 0 ? -a : a, 5)) - (1 << 29)) * 4);
        v = a > 0 ? v : -v;
    }
    return slow_clamp(rounded(v, 24), -128, 127);
}

static int8_t slow_curve(int8_t q, float scale, int32_t zero, bool logistic,
                         enum mw_rounding rounding)
{
    struct pair p = slow_pair((double)scale * 0x1p27);
    int64_t radius = (int64_t)floor_div(15 * power(27), power(p.e)), v = q - zero;
    if (v <= -radius || v >= radius)
        return v < 0 ? -128 : 127;
    int64_t a = slow_requantize(v, p, rounding);
    return logistic ? slow_logistic(a) : slow_tanh(a);
}

START_TEST(logistic_and_tanh_to_the_bit)
{
    const uint32_t dims[] = { 1, 256 };
    uint64_t seed = 40;
    struct tally tally = { 0 };
    for (int i = 0; i < 256; i++)
        x[i] = (int8_t)(i - 128);
    for (int i = 0; i < N_TRIALS; i++) {
        bool logistic = i % 2;
        float scale = pick_scale(&seed);
        int32_t zero = pick(&seed, -128, 127);
        struct trial t = { 0 };
        int32_t in = activation(&t, 2, dims, scale, zero);
        connect(&t, logistic ? 14 : 28, 1, &in,
                activation(&t, 2, dims, logistic ? 0x1p-8f : 0x1p-7f, logistic ? -128 : 0), 0);
        for (int rounding = 0; rounding < 2; rounding++) {
            for (int k = 0; k < 256; k++)
                expected[k] = slow_curve(x[k], scale, zero, logistic, (enum mw_rounding)rounding);
            run_trial(&t, (enum mw_rounding)rounding, x, y);
            compare(&tally, y, expected, 256, logistic ? "LOGISTIC" : "TANH", i);
        }
    }
    judge(&tally, "LOGISTIC, TANH");
}
END_TEST

/* Terms, then their sum as Q12.19, then its reciprocal times each term. */
static void slow_softmax(const int8_t *row, int8_t *to, uint32_t n, struct pair p,
                         enum mw_rounding rounding)
{
    int64_t terms[MAX_ROW], sum = 0, least = -(int64_t)floor_div(31 * power(26), power(p.e));
    int max = -128, headroom = 0;
    for (uint32_t i = 0; i < n; i++)
        max = row[i] > max ? row[i] : max;
    for (uint32_t i = 0; i < n; i++) {
        int64_t d = row[i] - max;
        terms[i] = d < least ? 0 : exp_of_negative(slow_requantize(d, p, rounding), 5);
        sum += d < least ? 0 : rounded(terms[i], 12);
    }
    while (sum * power(headroom) < power(31))
        headroom++;
    int64_t reciprocal = saturated((wide)newton((int64_t)(sum * power(headroom) - power(31))) * 2);
    for (uint32_t i = 0; i < n; i++)
        to[i] = row[i] - max < least
                    ? -128
                    : slow_clamp(rounded(product(reciprocal, terms[i]), 12 - headroom + 23) - 128,
                                 -128, 127);
}

START_TEST(softmax_to_the_bit)
{
    uint64_t seed = 41;
    struct tally tally = { 0 };
    for (int i = 0; i < N_TRIALS; i++) {
        uint32_t dims[] = { (uint32_t)pick(&seed, 1, 4), (uint32_t)pick(&seed, 2, MAX_ROW) }, bits;
        float scale = pick_scale(&seed), beta = (float)pick(&seed, 1, 40) / 10.0f;
        struct trial t = { 0 };
        int32_t in = activation(&t, 2, dims, scale, pick(&seed, -128, 127));
        connect(&t, 25, 1, &in, activation(&t, 2, dims, 0x1p-8f, -128), 9);
        memcpy(&bits, &beta, sizeof bits);
        option(&t, 0, 4, bits);
        random_bytes(&seed, x, dims[0] * dims[1]);
        struct pair p = slow_pair(fmin((double)beta * (double)scale * 0x1p26, 0x1p31 - 1));
        for (int rounding = 0; rounding < 2; rounding++) {
            for (uint32_t r = 0; r < dims[0]; r++)
                slow_softmax(x + r * dims[1], expected + r * dims[1], dims[1], p,
                             (enum mw_rounding)rounding);
            run_trial(&t, (enum mw_rounding)rounding, x, y);
            compare(&tally, y, expected, dims[0] * dims[1], "SOFTMAX", i);
        }
    }
    printf("SOFTMAX: %u bytes, %u above zero\n", tally.n, tally.n_inside);
    ck_assert_uint_gt(tally.n_inside, tally.n / 8);
}
END_TEST

MW_SUITE("inference/curves", logistic_and_tanh_to_the_bit, softmax_to_the_bit)
