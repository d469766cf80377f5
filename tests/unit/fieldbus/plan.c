/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/plan.h"
#include "support/suite.h"

#define EPOCH_US INT64_C(5000123)

static struct point_config point(uint16_t address, enum value_type type, int64_t period_us)
{
    return (struct point_config){ .kind = REGISTER_HOLDING,
                                  .type = type,
                                  .address = address,
                                  .bit = -1,
                                  .period_us = period_us };
}

static struct device_config device(uint32_t first, uint32_t n)
{
    return (struct device_config){
        .unit = 1, .max_registers = 125, .max_gap = 8, .first_point = first, .n_points = n
    };
}

static struct plan make(const struct device_config *devices, size_t n_devices,
                        const struct point_config *points)
{
    struct plan plan;
    ck_assert_int_eq(plan_init(&plan, devices, n_devices, points, EPOCH_US), 0);
    return plan;
}

static void range(const struct plan *plan, size_t i, uint16_t address, uint16_t count, uint32_t n)
{
    ck_assert_uint_lt(i, plan->n_polls);
    ck_assert_uint_eq(plan->polls[i].address, address);
    ck_assert_uint_eq(plan->polls[i].count, count);
    ck_assert_uint_eq(plan->polls[i].n, n);
}

START_TEST(neighbours_are_read_together_across_small_holes_only)
{
    struct point_config points[] = { point(30, VALUE_INT16, 1000), point(0, VALUE_FLOAT32, 1000),
                                     point(10, VALUE_INT16, 1000), point(20, VALUE_INT16, 1000) };
    struct device_config d = device(0, 4);
    struct plan plan = make(&d, 1, points);
    ck_assert_uint_eq(plan.n_polls, 3);
    range(&plan, 0, 0, 11, 2); /* a hole of 8 */
    range(&plan, 1, 20, 1, 1); /* behind one of 9 */
    range(&plan, 2, 30, 1, 1);
    plan_finish(&plan);

    d.max_gap = DEVICE_NO_GAP;
    plan = make(&d, 1, points);
    ck_assert_uint_eq(plan.n_polls, 4);
    plan_finish(&plan);
}
END_TEST

START_TEST(only_the_same_device_kind_and_period_share_a_request)
{
    struct point_config points[] = { point(0, VALUE_INT16, 1000), point(1, VALUE_INT16, 2000),
                                     point(2, VALUE_INT16, 1000), point(3, VALUE_INT16, 1000),
                                     point(4, VALUE_INT16, 0) };
    points[2].kind = REGISTER_INPUT;
    struct device_config d[] = { device(0, 3), device(3, 2) };
    struct plan plan = make(d, 2, points);
    ck_assert_uint_eq(plan.n_polls, 4); /* a point without a period is not polled */
    ck_assert_uint_eq(plan.n_entries, 4);
    plan_finish(&plan);
}
END_TEST

START_TEST(a_request_ends_at_max_registers_and_never_within_a_value)
{
    struct point_config points[40];
    for (uint16_t i = 0; i < 40; i++)
        points[i] = point((uint16_t)(2 * i), VALUE_FLOAT32, 1000);
    struct device_config d = device(0, 40);
    d.max_registers = 41;
    struct plan plan = make(&d, 1, points);
    ck_assert_uint_eq(plan.n_polls, 2);
    range(&plan, 0, 0, 40, 20);
    range(&plan, 1, 40, 40, 20);
    plan_finish(&plan);
}
END_TEST

START_TEST(coils_are_batched_by_the_bit)
{
    struct point_config points[300];
    for (uint16_t i = 0; i < 300; i++) {
        points[i] = point((uint16_t)(8 * i), VALUE_BIT, 1000);
        points[i].kind = REGISTER_COIL;
    }
    struct device_config d = device(0, 300);
    struct plan plan = make(&d, 1, points);
    ck_assert_uint_eq(plan.n_polls, 2);
    range(&plan, 0, 0, 1993, 250);
    plan_finish(&plan);
}
END_TEST

START_TEST(requests_of_a_bus_start_spread_over_the_period_with_one_slot_number)
{
    struct point_config points[4];
    struct device_config d[4];
    for (uint32_t i = 0; i < 4; i++) {
        points[i] = point(0, VALUE_INT16, 100000);
        d[i] = device(i, 1);
    }
    struct plan plan = make(d, 4, points);
    int64_t wait_us = 0;
    uint64_t n_skipped = 0;
    ck_assert_ptr_null(plan_due(&plan, EPOCH_US + 1000 * 100000 - 1, &wait_us, &n_skipped));
    ck_assert_int_eq(wait_us, 1);
    for (int64_t i = 0; i < 4; i++) {
        int64_t now_us = EPOCH_US + 1000 * 100000 + i * 25000;
        ck_assert_ptr_null(plan_due(&plan, now_us - 1, &wait_us, &n_skipped));
        struct plan_poll *poll = plan_due(&plan, now_us, &wait_us, &n_skipped);
        ck_assert_ptr_nonnull(poll);
        ck_assert_int_eq(poll->device, i);
        ck_assert_int_eq(poll->slot, 1000);
        plan_done(&plan, poll);
    }
    plan_finish(&plan);
}
END_TEST

/* A day at 10 Hz, called at moments of chance up to 35 ms late and now and then much later: every
 * slot is run on time or counted as skipped, and the last deadline is as exact as the first. */
START_TEST(deadlines_do_not_drift_in_a_day_and_no_slot_is_lost_from_the_count)
{
    struct point_config p = point(0, VALUE_INT16, 100000);
    struct device_config d = device(0, 1);
    struct plan plan = make(&d, 1, &p);
    int64_t end_us = EPOCH_US + INT64_C(86400000000), wait_us = 0, last_slot = -1;
    uint64_t n_run = 0, n_missed = 0, n_skipped = 0, seed = 1;
    for (int64_t now_us = EPOCH_US; now_us < end_us;) {
        struct plan_poll *poll = plan_due(&plan, now_us, &wait_us, &n_skipped);
        n_missed += n_skipped;
        if (poll) {
            /* on time, and no burst */
            if (poll->slot != (now_us - EPOCH_US) / 100000 || poll->slot <= last_slot)
                ck_abort_msg("slot %ld at %ld", (long)poll->slot, (long)now_us);
            last_slot = poll->slot;
            n_run++;
            plan_done(&plan, poll);
            continue;
        }
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        now_us += wait_us + (int64_t)(seed >> 33) % 35000;
        if (seed >> 40 == 0)
            now_us += 777777;
        if (n_run % 5000 == 4999)
            now_us += 1234567;
    }
    n_missed += (uint64_t)(864000 - 1 - last_slot);
    ck_assert_uint_eq(n_run + n_missed, 864000);
    ck_assert_uint_gt(n_missed, 100);
    ck_assert_uint_gt(n_run, 850000);
    plan_finish(&plan);
}
END_TEST

START_TEST(a_retry_keeps_its_slot_and_never_takes_the_next_ones)
{
    struct point_config p = point(0, VALUE_INT16, 100000);
    struct device_config d = device(0, 1);
    struct plan plan = make(&d, 1, &p);
    int64_t wait_us = 0, at_us = EPOCH_US + 500000;
    uint64_t n_skipped = 0;
    struct plan_poll *poll = plan_due(&plan, at_us, &wait_us, &n_skipped);
    ck_assert(!plan_retry(&plan, poll, at_us + 100000));
    ck_assert(plan_retry(&plan, poll, at_us + 60000));
    ck_assert_ptr_null(plan_due(&plan, at_us + 59999, &wait_us, &n_skipped));
    poll = plan_due(&plan, at_us + 60000, &wait_us, &n_skipped);
    ck_assert_int_eq(poll->slot, 5);
    ck_assert_uint_eq(poll->n_retries, 1);
    poll = plan_due(&plan, at_us + 100000, &wait_us, &n_skipped);
    ck_assert_int_eq(poll->slot, 6);
    ck_assert_uint_eq(poll->n_retries, 0);
    ck_assert_uint_eq(n_skipped, 1);
    plan_finish(&plan);
}
END_TEST

START_TEST(splitting_ends_with_single_values_and_loses_none)
{
    struct point_config points[9];
    for (uint16_t i = 0; i < 9; i++)
        points[i] = point((uint16_t)(2 * i), VALUE_FLOAT32, 1000);
    struct device_config d = device(0, 9);
    struct plan plan = make(&d, 1, points);
    for (size_t i = 0; i < plan.n_polls;)
        i += !plan_split(&plan, &plan.polls[i]);
    ck_assert_uint_eq(plan.n_polls, 9);
    bool seen[9] = { false };
    for (size_t i = 0; i < 9; i++) {
        ck_assert_uint_eq(plan.polls[i].count, 2);
        seen[plan.polls[i].address / 2] = true;
    }
    for (size_t i = 0; i < 9; i++)
        ck_assert(seen[i]);
    plan_finish(&plan);
}
END_TEST

START_TEST(a_bus_without_points_rests)
{
    struct device_config d = device(0, 0);
    struct plan plan = make(&d, 1, NULL);
    int64_t wait_us = 0;
    uint64_t n_skipped = 0;
    ck_assert_ptr_null(plan_due(&plan, 0, &wait_us, &n_skipped));
    ck_assert_int_eq(wait_us, PLAN_REST_US);
    plan_finish(&plan);
    plan_finish(NULL);
}
END_TEST

MW_SUITE("fieldbus/plan", neighbours_are_read_together_across_small_holes_only,
         only_the_same_device_kind_and_period_share_a_request,
         a_request_ends_at_max_registers_and_never_within_a_value, coils_are_batched_by_the_bit,
         requests_of_a_bus_start_spread_over_the_period_with_one_slot_number,
         deadlines_do_not_drift_in_a_day_and_no_slot_is_lost_from_the_count,
         a_retry_keeps_its_slot_and_never_takes_the_next_ones,
         splitting_ends_with_single_values_and_loses_none, a_bus_without_points_rests)
