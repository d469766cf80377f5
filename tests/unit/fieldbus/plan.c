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

START_TEST(requests_of_a_bus_start_spread_over_half_the_period_with_one_slot_number)
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
        int64_t now_us = EPOCH_US + 1000 * 100000 + i * 12500;
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

/* What cannot be begun within its period is run as the slot that has begun: one number, one period.
 */
START_TEST(a_late_poll_is_run_under_the_number_of_the_period_it_is_run_in)
{
    struct point_config points[2] = { point(0, VALUE_INT16, 100000),
                                      point(0, VALUE_INT16, 100000) };
    struct device_config d[2] = { device(0, 1), device(1, 1) };
    struct plan plan = make(d, 2, points);
    int64_t wait_us = 0;
    uint64_t n_skipped = 0;
    plan_done(&plan, plan_due(&plan, EPOCH_US, &wait_us, &n_skipped));
    /* the second, with an offset of 25 ms, is held up until after the next period's beginning */
    struct plan_poll *late = plan_due(&plan, EPOCH_US + 99999, &wait_us, &n_skipped);
    ck_assert_uint_eq(late->device, 1);
    ck_assert_int_eq(late->slot, 0);
    ck_assert_uint_eq(n_skipped, 0);
    late = plan_due(&plan, EPOCH_US + 100000, &wait_us, &n_skipped);
    ck_assert_uint_eq(late->device, 1);
    ck_assert_int_eq(late->slot, 1);
    ck_assert_uint_eq(n_skipped, 1);
    plan_done(&plan, late);
    plan_done(&plan, plan_due(&plan, EPOCH_US + 110000, &wait_us, &n_skipped));
    ck_assert_ptr_null(plan_due(&plan, EPOCH_US + 199999, &wait_us, &n_skipped));
    ck_assert_int_eq(wait_us, 1);
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

/* One slot of a device that refuses every request that holds all of one of these ranges. Returns
 * how many requests it took; *ret_lost how many values were not handed over. */
struct refused_range {
    uint16_t address, count;
};

static size_t run_slot(struct plan *plan, const struct refused_range *bad, size_t n_bad,
                       int64_t now_us, size_t *ret_lost)
{
    size_t n_requests = 0;
    int64_t wait_us = 0;
    uint64_t n_skipped = 0;
    *ret_lost = 0;
    for (struct plan_poll *poll; (poll = plan_due(plan, now_us, &wait_us, &n_skipped));) {
        bool asked = !poll->refused || now_us >= poll->refused_until_us;
        bool refused = !asked;
        n_requests += asked;
        for (size_t i = 0; i < n_bad && asked; i++)
            refused = refused || (poll->address <= bad[i].address &&
                                  bad[i].address + bad[i].count <= poll->address + poll->count);
        if (asked && refused && plan_refused(plan, poll, 2, true, now_us))
            continue;
        if (!refused)
            plan_accepted(plan, poll);
        *ret_lost += refused ? poll->n : 0;
        plan_done(plan, poll);
    }
    return n_requests;
}

#define HUNDRED_PERIOD_US 1000

static struct plan hundred(struct point_config points[100], struct device_config *d)
{
    for (uint16_t i = 0; i < 100; i++)
        points[i] = point(i, VALUE_UINT16, HUNDRED_PERIOD_US);
    *d = device(0, 100);
    return make(d, 1, points);
}

START_TEST(one_bad_register_in_a_block_of_100_costs_one_value_and_later_one_request)
{
    for (uint16_t bad = 0; bad < 100; bad++) {
        struct point_config points[100];
        struct device_config d;
        struct plan plan = hundred(points, &d);
        struct refused_range range = { bad, 1 };
        size_t lost = 0;
        run_slot(&plan, &range, 1, EPOCH_US, &lost);
        ck_assert_uint_eq(lost, 1);
        size_t n = run_slot(&plan, &range, 1, EPOCH_US + HUNDRED_PERIOD_US, &lost);
        ck_assert_uint_eq(lost, 1);
        ck_assert_uint_eq(n, bad == 0 || bad == 99 ? 1 : 2);
        ck_assert_uint_eq(plan.refusals.n, 1);
        ck_assert_uint_eq(plan.refusals.items[0].address, bad);
        ck_assert_uint_eq(plan.refusals.items[0].count, 1);
        plan_finish(&plan);
    }
}
END_TEST

START_TEST(registers_that_may_not_be_read_together_are_read_apart_and_none_is_lost)
{
    struct point_config points[100];
    struct device_config d;
    struct plan plan = hundred(points, &d);
    struct refused_range seam = { 41, 2 };
    size_t lost = 0;
    run_slot(&plan, &seam, 1, EPOCH_US, &lost);
    ck_assert_uint_eq(lost, 0);
    ck_assert_uint_eq(run_slot(&plan, &seam, 1, EPOCH_US + HUNDRED_PERIOD_US, &lost), 2);
    ck_assert_uint_eq(lost, 0);
    plan_finish(&plan);
}
END_TEST

START_TEST(a_refused_register_is_tried_again_rarely_and_taken_back)
{
    struct point_config points[100];
    struct device_config d;
    struct plan plan = hundred(points, &d);
    struct refused_range bad[] = { { 10, 1 }, { 11, 1 }, { 90, 1 } };
    size_t lost = 0;
    run_slot(&plan, bad, 3, EPOCH_US, &lost);
    ck_assert_uint_eq(lost, 3);
    int64_t later_us = EPOCH_US + PLAN_REFUSED_AGAIN_US;
    ck_assert_uint_eq(run_slot(&plan, bad, 3, later_us - HUNDRED_PERIOD_US, &lost), 3);
    ck_assert_uint_eq(run_slot(&plan, bad + 2, 1, later_us, &lost), 6);
    ck_assert_uint_eq(lost, 1);
    ck_assert_uint_eq(run_slot(&plan, bad + 2, 1, later_us + HUNDRED_PERIOD_US, &lost), 2);
    ck_assert_uint_eq(lost, 1);
    ck_assert_uint_eq(plan.refusals.n, 1);
    plan_finish(&plan);
}
END_TEST

/* Any set of bad registers, also of values of two registers: nothing else is lost, from the first
 * slot on, and the second slot needs at most one request more than there are refusals. */
START_TEST(whatever_is_refused_nothing_else_is_lost)
{
    uint64_t seed = 7;
    for (int run = 0; run < 300; run++) {
        struct point_config points[60];
        struct refused_range bad[6];
        size_t n_bad = 0, lost = 0;
        for (uint16_t i = 0; i < 60; i++)
            points[i] = point((uint16_t)(2 * i), VALUE_FLOAT32, 1000);
        for (uint16_t i = 0; i < 60 && n_bad < 6; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            if (seed >> 60 == 0)
                bad[n_bad++] = (struct refused_range){ (uint16_t)(2 * i + (seed >> 59 & 1)), 1 };
        }
        struct device_config d = device(0, 60);
        struct plan plan = make(&d, 1, points);
        run_slot(&plan, bad, n_bad, EPOCH_US, &lost);
        ck_assert_uint_eq(lost, n_bad);
        size_t n = run_slot(&plan, bad, n_bad, EPOCH_US + 1000, &lost);
        ck_assert_uint_eq(lost, n_bad);
        ck_assert_uint_le(n, n_bad + 1);
        plan_finish(&plan);
    }
}
END_TEST

START_TEST(a_mood_of_the_device_does_not_split_a_request_for_good)
{
    struct point_config points[100];
    struct device_config d;
    struct plan plan = hundred(points, &d);
    struct refused_range seam = { 41, 2 };
    size_t lost = 0;
    run_slot(&plan, &seam, 1, EPOCH_US, &lost);
    ck_assert_uint_eq(run_slot(&plan, &seam, 0, EPOCH_US + HUNDRED_PERIOD_US, &lost), 2);
    int64_t later_us = EPOCH_US + PLAN_REFUSED_AGAIN_US + PLAN_REVIEW_US;
    run_slot(&plan, &seam, 0, later_us, &lost);
    ck_assert_uint_eq(run_slot(&plan, &seam, 0, later_us + HUNDRED_PERIOD_US, &lost), 1);
    ck_assert_uint_eq(plan.refusals.n, 0);
    ck_assert_uint_eq(lost, 0);
    plan_finish(&plan);
}
END_TEST

START_TEST(a_function_the_device_does_not_know_is_not_halved)
{
    struct point_config points[100];
    struct device_config d;
    struct plan plan = hundred(points, &d);
    int64_t wait_us = 0;
    uint64_t n_skipped = 0;
    struct plan_poll *poll = plan_due(&plan, EPOCH_US, &wait_us, &n_skipped);
    ck_assert(!plan_refused(&plan, poll, 1, false, EPOCH_US));
    ck_assert_uint_eq(plan.n_polls, 1);
    ck_assert(poll->refused);
    plan_finish(&plan);
}
END_TEST

START_TEST(a_block_is_read_by_exactly_its_request_and_never_halved)
{
    struct point_config points[] = { point(9, VALUE_INT16, 1000), point(12, VALUE_INT16, 1000),
                                     point(14, VALUE_FLOAT32, 1000), point(21, VALUE_INT16, 1000) };
    struct device_config d = device(0, 4);
    d.n_blocks = 1;
    d.blocks[0] = (struct register_range){ REGISTER_HOLDING, 10, 10 };
    struct plan plan = make(&d, 1, points);
    ck_assert_uint_eq(plan.n_polls, 3);
    range(&plan, 0, 9, 1, 1);
    range(&plan, 1, 10, 10, 2);
    range(&plan, 2, 21, 1, 1);
    ck_assert(!plan_refused(&plan, &plan.polls[1], 2, true, EPOCH_US));
    ck_assert_uint_eq(plan.n_polls, 3);
    plan_finish(&plan);
}
END_TEST

START_TEST(registers_that_must_not_be_read_are_never_read_across)
{
    struct point_config points[] = { point(0, VALUE_INT16, 1000), point(5, VALUE_INT16, 1000),
                                     point(8, VALUE_INT16, 1000) };
    struct device_config d = device(0, 3);
    d.n_no_read = 2;
    d.no_read[0] = (struct register_range){ REGISTER_HOLDING, 4, 1 };
    d.no_read[1] = (struct register_range){ REGISTER_INPUT, 6, 1 };
    struct plan plan = make(&d, 1, points);
    ck_assert_uint_eq(plan.n_polls, 2);
    range(&plan, 0, 0, 1, 1);
    range(&plan, 1, 5, 4, 2);
    plan_finish(&plan);
}
END_TEST

START_TEST(no_other_request_reads_across_a_block)
{
    struct point_config points[] = { point(0, VALUE_INT16, 1000), point(3, VALUE_INT16, 2000),
                                     point(5, VALUE_INT16, 1000) };
    struct device_config d = device(0, 3);
    struct plan plan = make(&d, 1, points);
    ck_assert_uint_eq(plan.n_polls, 2);
    plan_finish(&plan);
    for (uint16_t address = 1; address <= 3; address++) {
        d.n_blocks = 1;
        d.blocks[0] = (struct register_range){ REGISTER_HOLDING, address, (uint16_t)(5 - address) };
        plan = make(&d, 1, points);
        ck_assert_uint_eq(plan.n_polls, 3);
        range(&plan, 0, 0, 1, 1);
        range(&plan, 1, 5, 1, 1);
        range(&plan, 2, address, (uint16_t)(5 - address), 1);
        plan_finish(&plan);
    }
}
END_TEST

/* The rule of a rival: the next field joins while at most this many registers are inserted before
 * it and the request stays within the limit. Stated here anew, on a sorted list. */
static size_t requests_by_max_insert(const bool used[], uint16_t n_used, uint16_t max_insert,
                                     uint16_t max_registers)
{
    size_t n = 0;
    int first = -1, last = -1;
    for (uint16_t a = 0; a < n_used; a++) {
        if (!used[a])
            continue;
        if (n == 0 || a - last - 1 > max_insert || a - first + 1 > max_registers) {
            n++;
            first = a;
        }
        last = a;
    }
    return n;
}

START_TEST(a_random_map_needs_no_more_requests_than_the_max_insert_rule)
{
    uint64_t seed = 3;
    for (int run = 0; run < 200; run++) {
        bool used[1000] = { false };
        struct point_config points[200];
        for (uint32_t i = 0; i < 200;) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint16_t address = (uint16_t)((seed >> 33) % 1000);
            if (used[address])
                continue;
            used[address] = true;
            points[i++] = point(address, VALUE_UINT16, 1000);
        }
        struct device_config d = device(0, 200);
        d.max_gap = (uint16_t)(run % 20 + 1);
        d.max_registers = (uint16_t)(run % 3 == 0 ? 40 : 125);
        struct plan plan = make(&d, 1, points);
        ck_assert_uint_le(plan.n_polls,
                          requests_by_max_insert(used, 1000, d.max_gap, d.max_registers));
        plan_finish(&plan);
    }
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

MW_SUITE("fieldbus/plan", a_mood_of_the_device_does_not_split_a_request_for_good,
         neighbours_are_read_together_across_small_holes_only,
         only_the_same_device_kind_and_period_share_a_request,
         a_request_ends_at_max_registers_and_never_within_a_value, coils_are_batched_by_the_bit,
         requests_of_a_bus_start_spread_over_half_the_period_with_one_slot_number,
         a_late_poll_is_run_under_the_number_of_the_period_it_is_run_in,
         deadlines_do_not_drift_in_a_day_and_no_slot_is_lost_from_the_count,
         a_retry_keeps_its_slot_and_never_takes_the_next_ones,
         one_bad_register_in_a_block_of_100_costs_one_value_and_later_one_request,
         registers_that_may_not_be_read_together_are_read_apart_and_none_is_lost,
         a_refused_register_is_tried_again_rarely_and_taken_back,
         whatever_is_refused_nothing_else_is_lost,
         a_function_the_device_does_not_know_is_not_halved,
         a_block_is_read_by_exactly_its_request_and_never_halved,
         registers_that_must_not_be_read_are_never_read_across,
         no_other_request_reads_across_a_block,
         a_random_map_needs_no_more_requests_than_the_max_insert_rule, a_bus_without_points_rests)
