/* SPDX-License-Identifier: Apache-2.0 */
#include "training/csv.h"
#include "base/result.h"
#include "support/suite.h"

#include <math.h>
#include <string.h>

static struct csv_fault why;

static int parse(struct csv *ret, const char *text)
{
    return csv_parse(ret, text, strlen(text), &why);
}

static void refused(const char *text, const char *words)
{
    struct csv csv = { .n_rows = 77 };
    ck_assert_int_lt(parse(&csv, text), 0);
    ck_assert_msg(strcmp(why.text, words) == 0, "said: %s", why.text);
    ck_assert_uint_eq(csv.n_rows, 77);
}

START_TEST(a_table_is_read_with_either_separator_and_line_end)
{
    struct csv csv;
    ck_assert_int_eq(parse(&csv, "t;a;b c\n2020-03-09 10:14:33;1.5;-2e3\n"
                                 "2020-03-09 10:14:34;0.1;+7\n"),
                     MW_OK);
    ck_assert_uint_eq(csv.n_rows, 2);
    ck_assert_uint_eq(csv.n_columns, 2);
    ck_assert_str_eq(csv.names[1], "b c");
    ck_assert_float_eq(csv.values[1], -2000.0f);
    ck_assert_float_eq(csv.values[2], 0.1f);
    ck_assert_str_eq(csv.stamps[0].text, "2020-03-09 10:14:33");
    ck_assert_int_eq(csv.stamps[0].at_us, 1583748873000000);
    ck_assert(!csv.stamps[0].utc);
    ck_assert_int_eq(csv_column(&csv, "a"), 0);
    ck_assert_int_eq(csv_column(&csv, "t"), MW_ERR_NOT_FOUND);
    csv_destroy(&csv);

    ck_assert_int_eq(parse(&csv, "\xef\xbb\xbf\"t\",\"a\"\r\n2024-02-29T00:00:00.25Z, 3 \r\n\r\n"),
                     MW_OK);
    ck_assert_str_eq(csv.names[0], "a");
    ck_assert_int_eq(csv.stamps[0].at_us, 1709164800250000);
    ck_assert(csv.stamps[0].utc);
    ck_assert_float_eq(csv.values[0], 3.0f);
    csv_destroy(&csv);
}
END_TEST

START_TEST(a_missing_value_is_invalid_in_its_frame)
{
    struct csv csv;
    ck_assert_int_eq(parse(&csv, "t;a;b\n2020-01-01 00:00;;2\n2020-01-01 00:01;1;nan\n"), MW_OK);
    ck_assert(isnan(csv.values[0]) && isnan(csv.values[3]));
    struct csv_frames frames = { .csv = &csv, .columns = { 1, 0 }, .n_channels = 2, .end = 2 };
    struct mw_frame_source source = csv_source(&frames);
    struct mw_frame frame;
    ck_assert_int_eq(source.next(source.ctx, &frame), MW_OK);
    ck_assert_uint_eq(frame.valid, 1);
    ck_assert_float_eq(frame.values[0], 2.0f);
    ck_assert_int_eq(source.next(source.ctx, &frame), MW_OK);
    ck_assert_uint_eq(frame.valid, 2);
    ck_assert_int_eq(source.next(source.ctx, &frame), MW_ERR_NOT_FOUND);
    csv_destroy(&csv);
}
END_TEST

START_TEST(with_a_period_the_times_say_how_many_slots_passed)
{
    struct csv csv;
    ck_assert_int_eq(parse(&csv, "t;a\n2020-01-01 00:00:00;1\n2020-01-01 00:00:01.1;1\n"
                                 "2020-01-01 00:00:01.9;1\n2020-01-01 00:00:09;1\n"
                                 "2020-01-01 00:00:03;1\n"),
                     MW_OK);
    struct csv_frames frames = {
        .csv = &csv, .n_channels = 1, .end = csv.n_rows, .period_us = 1000000
    };
    struct mw_frame_source source = csv_source(&frames);
    static const int64_t slots[] = { 1, 2, 3, 10, 10 };
    for (int i = 0; i < 5; i++) {
        struct mw_frame frame;
        ck_assert_int_eq(source.next(source.ctx, &frame), MW_OK);
        ck_assert_int_eq(frame.slot, slots[i]);
    }
    csv_destroy(&csv);
}
END_TEST

START_TEST(what_is_wrong_is_said_with_line_and_column)
{
    refused("", "1: the file is empty");
    refused("t\n", "1: one column only; a time and a value are the least, separated by ; or ,");
    refused("t;a;\n", "1: column 3 has no name");
    refused("t;a;a\n", "1:a: the name occurs twice");
    refused("t;a;Temp\xe9rature\n", "1: the name of column 3 is not UTF-8; is it Latin-1?");
    refused("t;a;cut\xc3\n", "1: the name of column 3 is not UTF-8; is it Latin-1?");
    refused("t;a\n", "1: no row follows the names");
    refused("t;a\n2020-01-01 00:00:00;1,5\n", "2:a: '1,5' is not a number");
    refused("t;a\n2020-01-01 00:00:00;0x1p3\n", "2:a: '0x1p3' is not a number");
    refused("t;a\n2020-01-01 00:00:00;inf\n", "2:a: 'inf' is not a number");
    refused("t;a\n2020-01-01 00:00:00;1e99\n", "2:a: '1e99' is not a number");
    refused("t;a\n2020-01-01 00:00:00;1e\n", "2:a: '1e' is not a number");
    refused("t;a\n2020-01-01 00:00:00;\x1b[2J\n", "2:a: '?[2J' is not a number");
    refused("t;a;b\n2020-01-01 00:00:00;1\n", "2:b: missing, the row has only 2 cells");
    refused("t;a\n2020-01-01 00:00:00;1;2\n", "2: more cells than the 2 columns named above");
    refused("t;a\n\n2020-02-30 00:00:00;1\n",
            "3: '2020-02-30 00:00:00' is not a time such as 2020-03-09 10:14:33, from 1970 on");
    refused("t;a\n1583748873;1\n",
            "2: '1583748873' is not a time such as 2020-03-09 10:14:33, from 1970 on");
}
END_TEST

START_TEST(a_file_that_is_not_there_is_said)
{
    struct csv csv;
    ck_assert_int_eq(csv_load(&csv, "/nonexistent/table.csv", &why), MW_ERR_NOT_FOUND);
    ck_assert_str_eq(why.text, " No such file or directory");
}
END_TEST

MW_SUITE("training/csv", a_table_is_read_with_either_separator_and_line_end,
         a_missing_value_is_invalid_in_its_frame, with_a_period_the_times_say_how_many_slots_passed,
         what_is_wrong_is_said_with_line_and_column, a_file_that_is_not_there_is_said)
