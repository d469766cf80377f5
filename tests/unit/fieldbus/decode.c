/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/decode.h"
#include "support/suite.h"

#include <math.h>

static float good(struct point_config point, const uint16_t *registers)
{
    float value = -12345.0f;
    ck_assert_int_eq(point_settle(&point, NULL), 0);
    ck_assert_int_eq(decode_point(&point, registers, &value), MW_QUALITY_GOOD);
    return value;
}

static void invalid(struct point_config point, const uint16_t *registers)
{
    float value = -12345.0f;
    ck_assert_int_eq(point_settle(&point, NULL), 0);
    ck_assert_int_eq(decode_point(&point, registers, &value), MW_QUALITY_INVALID);
    ck_assert_float_eq(value, -12345.0f);
}

/* 123456.789f is 0x47F12065 (IEEE 754, checked by hand: 1.8838316 * 2^16). */
START_TEST(every_order_gives_the_same_value)
{
    static const uint16_t wire[][2] = {
        { 0x47f1, 0x2065 }, { 0x2065, 0x47f1 }, { 0xf147, 0x6520 }, { 0x6520, 0xf147 }
    };
    for (int i = 0; i < 4; i++) {
        struct point_config point = { .type = VALUE_FLOAT32,
                                      .bit = -1,
                                      .order = (enum word_order)(ORDER_ABCD + i) };
        ck_assert_float_eq(good(point, wire[i]), 123456.789f);
    }
    static const uint16_t wide[][4] = { { 0xc05e, 0xdd2f, 0x1a9f, 0xbe77 },
                                        { 0xbe77, 0x1a9f, 0xdd2f, 0xc05e },
                                        { 0x5ec0, 0x2fdd, 0x9f1a, 0x77be },
                                        { 0x77be, 0x9f1a, 0x2fdd, 0x5ec0 } };
    for (int i = 0; i < 4; i++) {
        struct point_config point = { .type = VALUE_FLOAT64,
                                      .bit = -1,
                                      .order = (enum word_order)(ORDER_ABCD + i) };
        ck_assert_float_eq(good(point, wide[i]), -123.456f);
    }
}
END_TEST

START_TEST(signs_and_ends_of_every_integer_are_right)
{
    static const uint16_t ones[] = { 0xffff, 0xffff, 0xffff, 0xffff };
    static const uint16_t low[] = { 0x8000, 0, 0, 0 };
    ck_assert_float_eq(good((struct point_config){ .type = VALUE_INT16, .bit = -1 }, ones), -1.0f);
    ck_assert_float_eq(good((struct point_config){ .type = VALUE_INT32, .bit = -1 }, ones), -1.0f);
    ck_assert_float_eq(good((struct point_config){ .type = VALUE_INT64, .bit = -1 }, ones), -1.0f);
    ck_assert_float_eq(good((struct point_config){ .type = VALUE_UINT16, .bit = -1 }, ones),
                       65535.0f);
    ck_assert_float_eq(good((struct point_config){ .type = VALUE_UINT32, .bit = -1 }, ones),
                       4294967295.0f);
    ck_assert_float_eq(good((struct point_config){ .type = VALUE_UINT64, .bit = -1 }, ones),
                       18446744073709551615.0f);
    ck_assert_float_eq(good((struct point_config){ .type = VALUE_INT16, .bit = -1 }, low),
                       -32768.0f);
    ck_assert_float_eq(good((struct point_config){ .type = VALUE_INT32, .bit = -1 }, low),
                       -2147483648.0f);
    ck_assert_float_eq(good((struct point_config){ .type = VALUE_INT64, .bit = -1 }, low),
                       -9223372036854775808.0f);
}
END_TEST

START_TEST(scale_and_offset_apply_to_the_raw_value)
{
    struct point_config point = { .type = VALUE_INT16, .bit = -1, .scale = 0.1, .offset = -40.0 };
    ck_assert_float_eq_tol(good(point, (uint16_t[]){ 653 }), 25.3f, 1e-5f);
    ck_assert_float_eq_tol(good(point, (uint16_t[]){ 0xff9c }), -50.0f, 1e-5f);
}
END_TEST

START_TEST(one_bit_of_a_register_and_a_coil_are_0_or_1)
{
    struct point_config bit = { .type = VALUE_BIT, .bit = 3 };
    ck_assert_float_eq(good(bit, (uint16_t[]){ 0x0008 }), 1.0f);
    ck_assert_float_eq(good(bit, (uint16_t[]){ 0xfff7 }), 0.0f);
    struct point_config coil = { .kind = REGISTER_COIL, .bit = -1 };
    ck_assert_float_eq(good(coil, (uint16_t[]){ 1 }), 1.0f);
    ck_assert_float_eq(good(coil, (uint16_t[]){ 0 }), 0.0f);
}
END_TEST

/* 0x8000 in a 16-bit register of a sensor without a probe; also written as -32768. */
START_TEST(a_sentinel_is_no_value)
{
    struct point_config point = {
        .type = VALUE_INT16, .bit = -1, .sentinels = { 0x7fff, (uint64_t)-32768 }, .n_sentinels = 2
    };
    invalid(point, (uint16_t[]){ 0x8000 });
    invalid(point, (uint16_t[]){ 0x7fff });
    ck_assert_float_eq(good(point, (uint16_t[]){ 0x8001 }), -32767.0f);

    /* compared after the words are in order */
    struct point_config wide = { .type = VALUE_UINT32,
                                 .bit = -1,
                                 .order = ORDER_CDAB,
                                 .sentinels = { 0x80000000 },
                                 .n_sentinels = 1 };
    invalid(wide, (uint16_t[]){ 0x0000, 0x8000 });
    ck_assert_float_eq(good(wide, (uint16_t[]){ 0x8000, 0x0000 }), 32768.0f);
}
END_TEST

START_TEST(what_is_not_a_finite_float_is_no_value)
{
    struct point_config f32 = { .type = VALUE_FLOAT32, .bit = -1 };
    invalid(f32, (uint16_t[]){ 0x7fc0, 0x0000 }); /* NaN */
    invalid(f32, (uint16_t[]){ 0x7f80, 0x0001 }); /* signalling NaN */
    invalid(f32, (uint16_t[]){ 0x7f80, 0x0000 }); /* infinity */
    invalid(f32, (uint16_t[]){ 0xff80, 0x0000 });
    struct point_config f64 = { .type = VALUE_FLOAT64, .bit = -1 };
    invalid(f64, (uint16_t[]){ 0x7fef, 0xffff, 0xffff, 0xffff }); /* DBL_MAX is no float */
    struct point_config scaled = { .type = VALUE_FLOAT32, .bit = -1, .scale = 1e300 };
    invalid(scaled, (uint16_t[]){ 0x7f00, 0x0000 });
}
END_TEST

START_TEST(an_implausible_value_is_no_value)
{
    struct point_config point = { .type = VALUE_INT16,
                                  .bit = -1,
                                  .scale = 0.1,
                                  .has_range = true,
                                  .range_min = -40.0,
                                  .range_max = 150.0 };
    ck_assert_float_eq(good(point, (uint16_t[]){ 1500 }), 150.0f);
    ck_assert_float_eq(good(point, (uint16_t[]){ (uint16_t)-400 }), -40.0f);
    invalid(point, (uint16_t[]){ 1501 });
    invalid(point, (uint16_t[]){ (uint16_t)-401 });
}
END_TEST

MW_SUITE("fieldbus/decode", every_order_gives_the_same_value,
         signs_and_ends_of_every_integer_are_right, scale_and_offset_apply_to_the_raw_value,
         one_bit_of_a_register_and_a_coil_are_0_or_1, a_sentinel_is_no_value,
         what_is_not_a_finite_float_is_no_value, an_implausible_value_is_no_value)
