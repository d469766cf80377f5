/* SPDX-License-Identifier: Apache-2.0 */
/* Reals as integers against 128-bit integers and doubles; and the window that they are summed in.
 */
#include "inference/factor.h"
#include "inference/float_bits.h"
#include "inference/window.h"
#include "support/noise.h"
#include "support/suite.h"

#include <math.h>
#include <string.h>

static const int64_t most = INT64_C(1) << 62;

#ifdef __SIZEOF_INT128__
__extension__ typedef __int128 wide;

static int64_t product_of(int64_t v, struct mw_factor f)
{
    wide product = ((wide)v * f.mantissa) >> f.shift;
    return product > most ? most : product < -most ? -most : (int64_t)product;
}
#else
/* In two parts, high * 2^32 + low. */
static int64_t product_of(int64_t v, struct mw_factor f)
{
    uint64_t low = (uint64_t)(uint32_t)v * (uint32_t)f.mantissa;
    int64_t high = (v >> 32) * f.mantissa + (int64_t)(low >> 32);
    low &= UINT32_MAX;
    if (f.shift >= 32)
        return high >> (f.shift - 32);
    int64_t times = INT64_C(1) << (32 - f.shift);
    if (high >= most / times || high < -most / times)
        return high < 0 ? -most : most;
    return high * times + (int64_t)(low >> f.shift);
}
#endif

/* 2^-40 .. 2^40, all bits of the mantissa in use. */
static double draw_real(struct noise *noise)
{
    return ldexp(1.0 + noise_uniform(noise), (int)(noise_u64(noise) % 71) - 40);
}

START_TEST(a_factor_is_the_real_number_to_31_bits)
{
    struct noise noise = { .state = 1 };
    for (int i = 0; i < 100000; i++) {
        double real = fmin(draw_real(&noise), MW_FACTOR_MOST);
        struct mw_factor f = mw_factor_of(real);
        ck_assert_int_ge(f.mantissa, 1 << 30);
        ck_assert(f.shift >= 0 && f.shift <= 95);
        ck_assert_double_le(fabs(ldexp((double)f.mantissa, -f.shift) / real - 1.0), 0x1p-30);
    }
    ck_assert_int_eq(mw_factor_of(0.0).mantissa, 0);
    ck_assert_int_eq(mw_factor_of(1e-30).mantissa, 0);
    ck_assert_int_eq(mw_times(INT64_C(1) << 40, mw_factor_of(1.0)), INT64_C(1) << 40);
}
END_TEST

START_TEST(a_product_is_rounded_down_and_saturates)
{
    struct noise noise = { .state = 2 };
    for (int i = 0; i < 300000; i++) {
        struct mw_factor f = mw_factor_of(fmin(draw_real(&noise), MW_FACTOR_MOST));
        int64_t v = (int64_t)noise_u64(&noise) >> (noise_u64(&noise) % 62 + 1);
        int64_t got = mw_times(v, f);
        ck_assert_msg(got == product_of(v, f), "%lld by %d >> %d: %lld", (long long)v, f.mantissa,
                      f.shift, (long long)got);
    }
}
END_TEST

START_TEST(floats_become_integers_half_away_and_clipped)
{
    struct noise noise = { .state = 3 };
    const int32_t limit = (1 << 30) - 7;
    for (int i = 0; i < 300000; i++) {
        float v = (float)(draw_real(&noise) * (noise_u64(&noise) & 1 ? 1 : -1));
        int32_t bits = (int32_t)(noise_u64(&noise) % 25);
        double expected = round(ldexp((double)v, bits));
        expected = fmax(-limit, fmin(limit, expected));
        ck_assert_int_eq(mw_fixed(v, bits, limit), (int32_t)expected);
    }
    ck_assert_int_eq(mw_fixed(0.0f, 23, limit), 0);
    ck_assert_int_eq(mw_fixed(0x1p-149f, 23, limit), 0);
    ck_assert_int_eq(mw_fixed(INFINITY, 23, limit), limit);
    ck_assert_int_eq(mw_fixed(-INFINITY, 23, limit), -limit);
    ck_assert_int_eq(mw_fixed_wide(-2.5, 0), -3);
}
END_TEST

START_TEST(bits_of_floats_answer_as_comparisons_do)
{
    const float some[] = { 0.0f,  -0.0f,    1.0f, -1.0f,    0x1p-149f, -0x1p-149f,
                           1e30f, 3.40e38f, 2.5f, 2.50001f, -2.5f };
    const size_t n = sizeof some / sizeof some[0];
    for (size_t i = 0; i < n; i++) {
        ck_assert(mw_float_finite(some[i]));
        ck_assert(mw_float_zero(some[i]) == (some[i] == 0.0f));
        ck_assert(mw_float_abs(some[i]) == fabsf(some[i]));
        for (size_t k = 0; k < n; k++) {
            float a = fabsf(some[i]), b = fabsf(some[k]);
            ck_assert(mw_float_same(some[i], some[k]) == (some[i] == some[k]));
            ck_assert(mw_float_less(a, b) == (a < b));
        }
    }
    ck_assert(!mw_float_finite(NAN) && !mw_float_finite(INFINITY) && !mw_float_finite(-INFINITY));
}
END_TEST

/* Far more frames than the memory holds, against all frames kept. */
START_TEST(a_window_is_its_last_frames_however_long_it_runs)
{
    static const uint16_t shapes[][2] = { { 16, 8 }, { 64, 32 }, { 2, 1 }, { 63, 31 }, { 5, 7 } };
    static struct mw_window window;
    static int32_t wide_of[5000][MW_MAX_CHANNELS];
    static int8_t input_of[5000][MW_MAX_CHANNELS];
    struct noise noise = { .state = 4 };
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        uint16_t w = shapes[s][0], d = shapes[s][1];
        mw_window_init(&window, w, d, 0);
        for (int i = 0; i < 5000; i++) {
            for (uint16_t c = 0; c < d; c++) {
                wide_of[i][c] = (int32_t)(noise_u64(&noise) & 0x7fffffff) - (1 << 30);
                input_of[i][c] = (int8_t)(noise_u64(&noise) & 0xff);
            }
            mw_window_push(&window, wide_of[i], input_of[i], true, i);
            ck_assert(mw_window_ready(&window) == (i + 1 >= w));
            if (i + 1 < w)
                continue;
            const int8_t *input = mw_window_input(&window);
            for (int k = 0; k < w; k++)
                ck_assert_mem_eq(input + k * d, input_of[i - w + 1 + k], d);
            for (uint16_t c = 0; c < d; c++) {
                int64_t sum = 0;
                for (int k = 0; k < w; k++)
                    sum += wide_of[i - k][c];
                ck_assert_int_eq(window.sums[c], sum);
            }
        }
    }
}
END_TEST

MW_SUITE("inference/factor", a_factor_is_the_real_number_to_31_bits,
         a_product_is_rounded_down_and_saturates, floats_become_integers_half_away_and_clipped,
         bits_of_floats_answer_as_comparisons_do, a_window_is_its_last_frames_however_long_it_runs)
