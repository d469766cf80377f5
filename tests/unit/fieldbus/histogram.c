/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/histogram.h"
#include "support/suite.h"

START_TEST(every_time_falls_into_the_bucket_whose_upper_end_is_next)
{
    for (uint32_t i = 1; i < HISTOGRAM_BUCKETS; i++) {
        struct histogram h = { 0 };
        histogram_add(&h, histogram_upper_us(i - 1));
        histogram_add(&h, histogram_upper_us(i) - 1);
        ck_assert_uint_eq(h.counts[i], 2);
        ck_assert_int_le(2 * histogram_upper_us(i), 3 * histogram_upper_us(i - 1) + 1);
    }
}
END_TEST

START_TEST(times_beyond_the_ends_are_counted_at_the_ends)
{
    struct histogram h = { 0 };
    histogram_add(&h, -5);
    histogram_add(&h, 0);
    histogram_add(&h, INT64_MAX);
    ck_assert_uint_eq(h.counts[0], 2);
    ck_assert_uint_eq(h.counts[HISTOGRAM_BUCKETS - 1], 1);
}
END_TEST

START_TEST(a_percentile_is_the_upper_end_of_its_bucket)
{
    struct histogram h = { 0 };
    ck_assert_int_eq(histogram_percentile_us(&h, 0.99), 0);
    for (int i = 0; i < 99; i++)
        histogram_add(&h, 100);
    histogram_add(&h, 5000);
    ck_assert_int_eq(histogram_percentile_us(&h, 0.5), 128);
    ck_assert_int_eq(histogram_percentile_us(&h, 0.99), 128);
    ck_assert_int_eq(histogram_percentile_us(&h, 1.0), 6144);
}
END_TEST

START_TEST(a_full_bucket_stays_full)
{
    struct histogram h = { .counts = { UINT32_MAX } };
    histogram_add(&h, 1);
    ck_assert_uint_eq(h.counts[0], UINT32_MAX);
}
END_TEST

MW_SUITE("fieldbus/histogram", every_time_falls_into_the_bucket_whose_upper_end_is_next,
         times_beyond_the_ends_are_counted_at_the_ends, a_percentile_is_the_upper_end_of_its_bucket,
         a_full_bucket_stays_full)
