/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"
#include "support/suite.h"

#include <string.h>

static const char *const NOT_WHOLE[] = { "",
                                         "12abc",
                                         "5x02",
                                         "010",
                                         "00",
                                         "-1",
                                         "+1",
                                         "1.0",
                                         "1e3",
                                         " 1",
                                         "1 ",
                                         "0x",
                                         "0xg",
                                         "0X10",
                                         "1_000",
                                         "0b1",
                                         "0o17",
                                         "nan",
                                         "18446744073709551616" };
static const char *const NOT_NUMBERS[] = { "",    "nan", ".nan", "inf", "-.inf",   "1.5mm", "1.",
                                           ".5",  "+1",  "01",   "1e",  "1e+",     "0x10",  "1e999",
                                           "--1", "1,5", " 1",   "1 ",  "infinity" };
static const char *const NOT_TRUTHS[] = { "", "yes", "no", "on", "off", "maybe", "True", "1", "0" };
static const char *const NOT_DURATIONS[] = { "",     "5",   "0",     "5 s",  "s",     "-5s",
                                             "1.5s", "5S",  "5sec",  "05s",  "5 min", "5m",
                                             "nans", "5ss", "1s5ms", "0x5s", "36526d" };
static const char *const NOT_SIZES[] = { "",      "5",   "64MB",   "64 MiB",
                                         "64mib", "-1B", "1.5GiB", "99999999999GiB" };
static const char *const NOT_RATES[] = { "",        "5",    "5 per min", "5/ min",   "5/m",
                                         "nan/min", "/min", "5/min/min", "1e999/min" };

#define EACH(list) (size_t i = 0; i < sizeof(list) / sizeof(list)[0]; i++)

START_TEST(what_is_not_wholly_a_value_is_refused)
{
    uint64_t whole = 7;
    double number = 7;
    bool truth = true;
    int64_t scaled = 7;
    for
        EACH(NOT_WHOLE)
    ck_assert_msg(value_whole(NOT_WHOLE[i], &whole) != NULL, "%s", NOT_WHOLE[i]);
    for
        EACH(NOT_NUMBERS)
    ck_assert_msg(value_number(NOT_NUMBERS[i], &number) != NULL, "%s", NOT_NUMBERS[i]);
    for
        EACH(NOT_TRUTHS)
    ck_assert_msg(value_truth(NOT_TRUTHS[i], &truth) != NULL, "%s", NOT_TRUTHS[i]);
    for
        EACH(NOT_DURATIONS)
    ck_assert_msg(value_duration(NOT_DURATIONS[i], &scaled) != NULL, "%s", NOT_DURATIONS[i]);
    for
        EACH(NOT_SIZES)
    ck_assert_msg(value_size(NOT_SIZES[i], &scaled) != NULL, "%s", NOT_SIZES[i]);
    for
        EACH(NOT_RATES)
    ck_assert_msg(value_rate(NOT_RATES[i], &number) != NULL, "%s", NOT_RATES[i]);
    /* untouched on failure */
    ck_assert_uint_eq(whole, 7);
    ck_assert_double_eq(number, 7);
    ck_assert(truth);
    ck_assert_int_eq(scaled, 7);
}
END_TEST

START_TEST(values_are_what_they_say)
{
    uint64_t whole = 1;
    ck_assert_ptr_null(value_whole("0", &whole));
    ck_assert_uint_eq(whole, 0);
    ck_assert_ptr_null(value_whole("0x0c", &whole));
    ck_assert_uint_eq(whole, 12);
    ck_assert_ptr_null(value_whole("18446744073709551615", &whole));
    ck_assert(whole == UINT64_MAX);

    double number = 0;
    ck_assert_ptr_null(value_number("-0.5e-1", &number));
    ck_assert_double_eq(number, -0.05);
    bool truth = true;
    ck_assert_ptr_null(value_truth("false", &truth));
    ck_assert(!truth);
}
END_TEST

START_TEST(units_are_part_of_the_value)
{
    static const struct {
        const char *text;
        int64_t us;
    } DURATIONS[] = { { "7us", 7 },         { "250ms", 250000 },
                      { "5s", 5000000 },    { "10min", 600000000 },
                      { "1h", 3600000000 }, { "7d", INT64_C(604800000000) },
                      { "0s", 0 } };
    int64_t us = 0, bytes = 0;
    for
        EACH(DURATIONS)
        {
            ck_assert_ptr_null(value_duration(DURATIONS[i].text, &us));
            ck_assert_int_eq(us, DURATIONS[i].us);
        }
    ck_assert_ptr_null(value_size("64MiB", &bytes));
    ck_assert_int_eq(bytes, 64 << 20);
    double per_min = 0;
    ck_assert_ptr_null(value_rate("5/min", &per_min));
    ck_assert_double_eq(per_min, 5);
    ck_assert_ptr_null(value_rate("0.1/s", &per_min));
    ck_assert_double_eq_tol(per_min, 6, 1e-12);
    ck_assert_ptr_null(value_rate("-30/h", &per_min));
    ck_assert_double_eq(per_min, -0.5);
}
END_TEST

START_TEST(a_number_without_its_unit_says_how_to_write_it)
{
    int64_t us = 0;
    ck_assert_ptr_nonnull(strstr(value_duration("250", &us), "250ms"));
    ck_assert_ptr_nonnull(strstr(value_size("250", &us), "64MiB"));
}
END_TEST

START_TEST(a_name_fits_into_a_topic)
{
    static const char *const WRONG[] = { "",
                                         "a/b",
                                         "a+b",
                                         "a#b",
                                         "a b",
                                         "a.b",
                                         "-a",
                                         "_a",
                                         "\xc3\xa4",
                                         "a\n",
                                         "123456789012345678901234567890123" };
    for
        EACH(WRONG)
    ck_assert_msg(value_name(WRONG[i]) != NULL, "%s", WRONG[i]);
    ck_assert_ptr_null(value_name("12345678901234567890123456789012"));
    ck_assert_ptr_null(value_name("Pump_1-b"));
}
END_TEST

START_TEST(distance_counts_slips_of_the_hand)
{
    ck_assert_uint_eq(value_distance("baud", "baud", 9), 0);
    ck_assert_uint_eq(value_distance("buad", "baud", 9), 1);
    ck_assert_uint_eq(value_distance("timeot", "timeout", 9), 1);
    ck_assert_uint_eq(value_distance("kitten", "sitting", 9), 3);
    ck_assert_uint_eq(value_distance("", "abc", 9), 3);
    ck_assert_uint_eq(value_distance("kitten", "sitting", 2), 2);
    ck_assert_uint_eq(value_distance("a", "123456789012345678901234567890123", 2), 2);
    unsigned distance = 0;
    ck_assert(value_resembles("prriod", "period", &distance));
    ck_assert(value_resembles("bus", "buses", &distance));
    ck_assert(!value_resembles("tcp", "rtu", &distance));
}
END_TEST

MW_SUITE("config/value", what_is_not_wholly_a_value_is_refused, values_are_what_they_say,
         units_are_part_of_the_value, a_number_without_its_unit_says_how_to_write_it,
         a_name_fits_into_a_topic, distance_counts_slips_of_the_hand)
