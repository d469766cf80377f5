/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/quant.h"
#include "support/suite.h"

#include <math.h>
#include <string.h>

START_TEST(a_real_multiplier_keeps_31_bits_and_rounds_half_away)
{
    struct mw_multiplier m = mw_quantize_multiplier(0.75, MW_ROUNDING_DOUBLE);
    ck_assert_int_eq(m.mantissa, 3 << 29);
    ck_assert_int_eq(m.shift, 0);
    /* 0.5 + 2^-32 is half a unit above 2^30. */
    m = mw_quantize_multiplier(0.5 + 0x1p-32, MW_ROUNDING_DOUBLE);
    ck_assert_int_eq(m.mantissa, (1 << 30) + 1);
    m = mw_quantize_multiplier(0x1.fffffffffffffp-1, MW_ROUNDING_DOUBLE);
    ck_assert_int_eq(m.mantissa, 1 << 30);
    ck_assert_int_eq(m.shift, 1);
}
END_TEST

START_TEST(tiny_multipliers_are_zero_and_huge_ones_saturate_only_with_single_rounding)
{
    const double tiny[] = { 0.0, 0x1p-1074, 0x1p-33 };
    for (int i = 0; i < 3; i++) {
        struct mw_multiplier m = mw_quantize_multiplier(tiny[i], MW_ROUNDING_DOUBLE);
        ck_assert_int_eq(m.mantissa, 0);
        ck_assert_int_eq(m.shift, 0);
    }
    struct mw_multiplier d = mw_quantize_multiplier(0x1p31, MW_ROUNDING_DOUBLE);
    ck_assert_int_eq(d.mantissa, 1 << 30);
    ck_assert_int_eq(d.shift, 32);
    struct mw_multiplier s = mw_quantize_multiplier(0x1p31, MW_ROUNDING_SINGLE);
    ck_assert_int_eq(s.mantissa, INT32_MAX);
    ck_assert_int_eq(s.shift, 30);
}
END_TEST

/* x * 2^30 / 2^31 / 2^(-shift): halves show the rule of each family. */
START_TEST(ties_go_away_from_zero_twice_or_upward_once)
{
    const int32_t half = 1 << 30; /* 0.5 */
    const struct {
        int32_t x, shift, twice, once;
    } cases[] = {
        { 1, 0, 1, 1 },     /*  0.5 */
        { -1, 0, 0, 0 },    /* -0.5: upward in the first step */
        { 6, -1, 2, 2 },    /*  1.5 */
        { -6, -1, -2, -1 }, /* -1.5: away from zero in the second step */
        { 5, -1, 2, 1 },    /*  1.25: 2.5 becomes 3, 1.5 becomes 2 */
        { -5, -1, -1, -1 }, /* -1.25: -2.5 becomes -2 */
        { 3, 2, 6, 6 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(mw_requantize_double(cases[i].x, half, cases[i].shift), cases[i].twice);
        ck_assert_int_eq(mw_requantize_single(cases[i].x, half, cases[i].shift), cases[i].once);
    }
    ck_assert_int_eq(mw_requantize_double(INT32_MIN, INT32_MIN, 0), INT32_MAX);
    ck_assert_int_eq(mw_requantize_double(INT32_MIN, INT32_MAX, -31), -1);
    ck_assert_int_eq(mw_requantize_single(INT32_MIN, INT32_MAX, -31), -1);
}
END_TEST

START_TEST(quantising_rounds_half_away_and_clamps)
{
    const struct mw_quant q = { .scale = 0.5f, .zero = 3 };
    const float x[] = { 0.0f, 0.25f, -0.25f, 0.24f, 1e9f, -1e9f, 1e38f, -1e38f, 0.0f / 1.0f };
    const int8_t expected[] = { 3, 4, 2, 3, 127, -128, 127, -128, 3 };
    int8_t y[9];
    mw_quantize_s8(&q, x, y, 9);
    ck_assert_mem_eq(y, expected, sizeof y);
}
END_TEST

START_TEST(not_a_number_gives_the_zero_point_and_infinity_the_ends)
{
    const struct mw_quant q = { .scale = 0.5f, .zero = -7 };
    const float zero = 0.0f;
    volatile float infinite = 1e38f;
    infinite *= 1e38f;
    const float x[] = { infinite * zero, infinite, -infinite };
    int8_t y[3];
    mw_quantize_s8(&q, x, y, 3);
    ck_assert_int_eq(y[0], -7);
    ck_assert_int_eq(y[1], 127);
    ck_assert_int_eq(y[2], -128);
}
END_TEST

START_TEST(dequantising_multiplies_in_double)
{
    const struct mw_quant q = { .scale = 0x1.753f16p-2f, .zero = 96 };
    const int8_t x[] = { 96, 127, -128 };
    float y[3];
    mw_dequantize_s8(&q, x, y, 3);
    ck_assert(y[0] == 0.0f);
    ck_assert(y[1] == (float)(31 * (double)q.scale));
    ck_assert(y[2] == (float)(-224 * (double)q.scale));
}
END_TEST

static uint32_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(*seed >> 32);
}

/* Any positive float: mostly of a scale's size, every eighth of any exponent, subnormal ones too.
 */
static float any_scale(uint64_t *seed)
{
    uint32_t bits = next(seed) % 8 ? (next(seed) & 0x7fffff) | (100 + next(seed) % 40) << 23
                                   : next(seed) % 0x7f7fffff + 1;
    if (next(seed) % 16 == 0)
        bits &= 0x7f800000 | 0x700000; /* few bits: exact products and ties */
    float value;
    memcpy(&value, &bits, sizeof value);
    return value > 0 ? value : 1.0f;
}

START_TEST(integer_steps_give_the_bits_of_floating_point)
{
    uint64_t seed = 99;
    for (int i = 0; i < 15000; i++) {
        float in = any_scale(&seed), w = any_scale(&seed), out = any_scale(&seed);
        float product = in * w;
        double one = (double)product / (double)out, all = (double)in * (double)w / (double)out;
        double got = mw_real_multiplier_per_tensor(in, w, out);
        ck_assert_mem_eq(&got, &one, sizeof one);
        got = mw_real_multiplier_per_channel(in, w, out);
        ck_assert_mem_eq(&got, &all, sizeof all);
        const struct mw_quant q = { in, (int32_t)(next(&seed) % 256) - 128 };
        for (int32_t whole = -6; whole <= 6; whole++)
            ck_assert_int_eq(mw_quantize_whole(&q, whole), mw_quantize(&q, (float)whole));
    }
}
END_TEST

START_TEST(a_bias_scale_may_be_off_by_a_fiftieth_of_the_output)
{
    uint64_t seed = 98;
    uint32_t n_fit = 0;
    for (int i = 0; i < 30000; i++) {
        float in = any_scale(&seed), w = any_scale(&seed), out = any_scale(&seed), off = 0;
        float product = in * w;
        if (!(product > 0 && product < 1e30f))
            continue;
        float bias = product + out * 0.02f * (float)(next(&seed) % 200) / 100.0f;
        off = next(&seed) % 4 ? bias : product;
        double beyond = fabs((double)product - (double)off) / (double)out;
        if (!(off < 1e30f) || fabs(beyond - 0.02) < 1e-9)
            continue;
        ck_assert_int_eq(mw_bias_scale_fits(in, w, off, out), beyond <= 0.02);
        n_fit += beyond <= 0.02;
    }
    ck_assert_uint_gt(n_fit, 3000);
    ck_assert(mw_bias_scale_fits(0.5f, 0.5f, 0.25f, 1e-30f));
    ck_assert(!mw_bias_scale_fits(0.5f, 0.5f, 0.0f, 1.0f));
    ck_assert(mw_bias_scale_fits(0.5f, 0.5f, 0.0f, 12.5f));
}
END_TEST

MW_SUITE("inference/quant", a_real_multiplier_keeps_31_bits_and_rounds_half_away,
         tiny_multipliers_are_zero_and_huge_ones_saturate_only_with_single_rounding,
         ties_go_away_from_zero_twice_or_upward_once, quantising_rounds_half_away_and_clamps,
         not_a_number_gives_the_zero_point_and_infinity_the_ends, dequantising_multiplies_in_double,
         integer_steps_give_the_bits_of_floating_point,
         a_bias_scale_may_be_off_by_a_fiftieth_of_the_output)
