/* SPDX-License-Identifier: Apache-2.0 */
/* The random numbers and functions against published values of the reference implementation
 * (numpy, splitmix64) and against libm. */
#include "support/suite.h"
#include "training/dmath.h"
#include "training/rng.h"

#include <math.h>

START_TEST(seed_1_draws_the_references_numbers)
{
    static const double uniforms[] = { 0.566561520, 0.745781720, 0.971002698, 0.444359183 };
    struct rng rng = { .seed = 1 };
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol(rng_uniform(&rng), uniforms[i], 5e-10);

    rng = (struct rng){ .seed = 1 };
    ck_assert_double_eq_tol(rng_normal(&rng), -0.02825, 5e-6);
    ck_assert_double_eq_tol(rng_normal(&rng), -0.22791961, 5e-9);
}
END_TEST

START_TEST(seed_1_permutes_as_the_reference)
{
    static const uint32_t order[10] = { 0, 3, 5, 1, 8, 9, 6, 4, 2, 7 };
    struct rng rng = { .seed = 1 };
    uint32_t ret[10];
    double scratch[10];
    rng_permutation(&rng, ret, scratch, 10);
    for (int i = 0; i < 10; i++)
        ck_assert_uint_eq(ret[i], order[i]);
    ck_assert_uint_eq(rng.counter, 10);
}
END_TEST

START_TEST(normal_draws_have_mean_0_and_deviation_1)
{
    struct rng rng = { .seed = 5 };
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < 100000; i++) {
        double v = rng_normal(&rng);
        sum += v;
        squares += v * v;
    }
    ck_assert_double_eq_tol(sum / 100000, 0.0, 0.01);
    ck_assert_double_eq_tol(squares / 100000, 1.0, 0.02);
}
END_TEST

START_TEST(the_functions_are_as_exact_as_stated)
{
    struct rng rng = { .seed = 3 };
    for (int i = 0; i < 200000; i++) {
        double u = rng_uniform(&rng) + 0x1p-25, wide = exp2(60.0 * u - 30.0);
        ck_assert_double_le(fabs(dmath_log(u) - log(u)), 3e-16 * fmax(1.0, fabs(log(u))));
        ck_assert_double_le(fabs(dmath_log(wide) - log(wide)), 3e-16 * fmax(1.0, fabs(log(wide))));
        ck_assert_double_le(fabs(dmath_sqrt(wide) - sqrt(wide)), 3e-16 * sqrt(wide));
        /* libm's own argument is rounded: 2 pi u carries half a unit in the last place. */
        ck_assert_double_le(fabs(dmath_cos_turns(u) - cos(6.283185307179586477 * u)), 9e-16);
    }
    ck_assert_double_eq(dmath_log(1.0), 0.0);
    ck_assert_double_eq(dmath_sqrt(0.0), 0.0);
    ck_assert_double_eq(dmath_sqrt(6.25), 2.5);
    ck_assert_double_eq(dmath_cos_turns(0.25), 0.0);
    ck_assert_double_eq(dmath_cos_turns(0.5), -1.0);
    ck_assert_double_eq(dmath_cos_turns(-1.0), 1.0);
    ck_assert_double_eq_tol(dmath_cos_turns(0.125), 0.70710678118654752440, 3e-16);
}
END_TEST

MW_SUITE("training/numbers", seed_1_draws_the_references_numbers, seed_1_permutes_as_the_reference,
         normal_draws_have_mean_0_and_deviation_1, the_functions_are_as_exact_as_stated)
