/* SPDX-License-Identifier: Apache-2.0 */
#include "config/unit.h"
#include "support/suite.h"

#include <string.h>

static struct point_config settled(const char *unit, double scale, double offset)
{
    struct point_config point = {
        .scale = scale, .offset = offset, .has_range = true, .range_min = 0, .range_max = 100
    };
    memcpy(point.unit, unit, strlen(unit) + 1);
    unit_settle(&point);
    return point;
}

START_TEST(velocity_is_mm_s_inside)
{
    struct point_config p = settled("in/s", 0.0001, 1);
    ck_assert_str_eq(p.unit, "mm/s");
    ck_assert_double_eq_tol(p.scale, 0.00254, 1e-15);
    ck_assert_double_eq_tol(p.offset, 25.4, 1e-12);
    ck_assert_double_eq_tol(p.range_max, 2540, 1e-9);
    ck_assert_double_eq(settled("m/s", 1, 0).scale, 1000);
}
END_TEST

START_TEST(temperatures_move_their_zero)
{
    struct point_config p = settled("degF", 0.05, 0);
    ck_assert_str_eq(p.unit, "degC");
    ck_assert_double_eq_tol(0x0625 * p.scale + p.offset, (78.65 - 32) / 1.8, 1e-12);
    ck_assert_double_eq_tol(p.range_min, -32 / 1.8, 1e-12);
    p = settled("K", 1, 0);
    ck_assert_double_eq(p.offset, -273.15);
}
END_TEST

START_TEST(acceleration_is_g_inside)
{
    struct point_config p = settled("m/s2", 1, 0);
    ck_assert_str_eq(p.unit, "g");
    ck_assert_double_eq_tol(9.80665 * p.scale, 1, 1e-15);
}
END_TEST

START_TEST(what_is_inside_already_or_unknown_stays)
{
    static const char *const STAY[] = { "mm/s", "g", "degC", "A", "rpm", "%", "kWh", "", "bar" };
    for (size_t i = 0; i < sizeof STAY / sizeof STAY[0]; i++) {
        struct point_config p = settled(STAY[i], 0.3, 0.7);
        ck_assert_str_eq(p.unit, STAY[i]);
        ck_assert_double_eq(p.scale, 0.3);
        ck_assert_double_eq(p.offset, 0.7);
        ck_assert_double_eq(p.range_max, 100);
        ck_assert_ptr_null(unit_meant(STAY[i]));
    }
}
END_TEST

START_TEST(capitals_are_asked_about)
{
    ck_assert_str_eq(unit_meant("IN/S"), "in/s");
    ck_assert_str_eq(unit_meant("degf"), "degF");
    ck_assert_str_eq(unit_meant("HZ"), "Hz");
    ck_assert_ptr_null(unit_meant("mW"));
    ck_assert_ptr_null(unit_meant("MW"));
}
END_TEST

MW_SUITE("config/unit", velocity_is_mm_s_inside, temperatures_move_their_zero,
         acceleration_is_g_inside, what_is_inside_already_or_unknown_stays,
         capitals_are_asked_about)
