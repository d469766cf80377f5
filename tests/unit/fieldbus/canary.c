/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/canary.h"
#include "fieldbus/frame.h"
#include "support/suite.h"

static struct device_config device; /* of the running test; a plan borrows it */

static struct plan make_with(const struct device_config *ranges, struct point_config *points,
                             uint32_t n_points)
{
    device = *ranges;
    device.unit = 5;
    device.max_registers = 125;
    device.max_gap = 8;
    device.n_points = n_points;
    struct plan plan;
    for (uint32_t i = 0; i < n_points; i++) {
        points[i].period_us = 1000;
        points[i].bit = -1;
        ck_assert_int_eq(point_settle(&points[i], NULL), 0);
    }
    ck_assert_int_eq(plan_init(&plan, &device, 1, points, 0), 0);
    return plan;
}

static struct plan make(struct point_config *points, uint32_t n_points)
{
    return make_with(&(struct device_config){ 0 }, points, n_points);
}

static bool as_long_as_a_poll(const struct plan *plan, const struct line_request *canary)
{
    for (size_t i = 0; i < plan->n_polls; i++) {
        const struct plan_poll *poll = &plan->polls[i];
        struct line_request data = { .kind = poll->kind, .count = poll->count };
        if (poll->kind == canary->kind && frame_data_bytes(&data) == frame_data_bytes(canary))
            return true;
    }
    return false;
}

START_TEST(a_canary_has_a_reply_length_of_its_own_and_another_each_turn)
{
    struct point_config points[] = { { .address = 0, .type = VALUE_FLOAT32 },
                                     { .address = 2, .type = VALUE_FLOAT32 },
                                     { .address = 4, .type = VALUE_FLOAT32 },
                                     { .address = 6, .type = VALUE_FLOAT32 },
                                     { .address = 100, .type = VALUE_FLOAT32 } };
    struct plan plan = make(points, 5);
    ck_assert_uint_eq(plan.n_polls, 2); /* of 8 and of 2 registers */
    struct line_request first = canary_request(&plan, 0, 5, 0);
    struct line_request second = canary_request(&plan, 0, 5, 1);
    ck_assert_uint_eq(first.unit, 5);
    ck_assert_uint_eq(first.address, 0);
    ck_assert_uint_eq(first.count, 4); /* ends with a value */
    ck_assert_uint_eq(second.count, 6);
    ck_assert(!as_long_as_a_poll(&plan, &first) && !as_long_as_a_poll(&plan, &second));
    /* and in the last turn what the device is known to answer */
    ck_assert_uint_eq(canary_request(&plan, 0, 5, 2).count, 8);
    plan_finish(&plan);
}
END_TEST

START_TEST(a_device_with_one_register_is_asked_for_two)
{
    struct point_config points[] = { { .address = 7 }, { .address = 99 } };
    struct plan plan = make(points, 2);
    ck_assert_uint_eq(canary_request(&plan, 0, 5, 0).count, 2);
    bool plain = false;
    for (uint32_t turn = 0; turn < 4; turn++)
        plain |= canary_request(&plan, 0, 5, turn).count == 1;
    ck_assert(plain);
    plan_finish(&plan);
}
END_TEST

START_TEST(a_canary_never_leaves_the_address_space)
{
    struct point_config points[] = { { .address = 65535 } };
    struct plan plan = make(points, 1);
    for (uint32_t turn = 0; turn < 4; turn++) {
        struct line_request canary = canary_request(&plan, 0, 5, turn);
        ck_assert_uint_eq(canary.count, 1);
        ck_assert_uint_eq(canary.address, 65535);
    }
    plan_finish(&plan);
}
END_TEST

START_TEST(bits_differ_by_a_whole_byte)
{
    struct point_config points[] = { { .address = 3, .kind = REGISTER_COIL } };
    struct plan plan = make(points, 1);
    struct line_request canary = canary_request(&plan, 0, 5, 0);
    ck_assert(!as_long_as_a_poll(&plan, &canary));
    ck_assert_uint_eq(canary.count, 9);
    plan_finish(&plan);
}
END_TEST

START_TEST(a_canary_touches_nothing_that_must_not_be_read)
{
    struct point_config points[] = { { .address = 10 } };
    struct device_config ranges = { .n_no_read = 1 };
    ranges.no_read[0] = (struct register_range){ REGISTER_HOLDING, 11, 2 };
    struct plan plan = make_with(&ranges, points, 1);
    for (uint32_t turn = 0; turn < 4; turn++) {
        struct line_request canary = canary_request(&plan, 0, 5, turn);
        ck_assert_uint_eq(canary.address, 10);
        ck_assert_uint_eq(canary.count, 1);
    }
    plan_finish(&plan);
}
END_TEST

START_TEST(a_canary_is_never_a_part_of_a_block)
{
    struct point_config points[] = { { .address = 10 }, { .address = 15 }, { .address = 40 } };
    struct device_config ranges = { .n_blocks = 1 };
    ranges.blocks[0] = (struct register_range){ REGISTER_HOLDING, 10, 8 };
    struct plan plan = make_with(&ranges, points, 2);
    for (uint32_t turn = 0; turn < 4; turn++) {
        struct line_request canary = canary_request(&plan, 0, 5, turn);
        ck_assert_uint_eq(canary.address, 10);
        ck_assert_uint_eq(canary.count, 8);
    }
    plan_finish(&plan);

    /* what is not a block serves better, however short */
    plan = make_with(&ranges, points, 3);
    struct line_request canary = canary_request(&plan, 0, 5, 0);
    ck_assert_uint_eq(canary.address, 40);
    ck_assert_uint_eq(canary.count, 2);
    plan_finish(&plan);
}
END_TEST

MW_SUITE("fieldbus/canary", a_canary_has_a_reply_length_of_its_own_and_another_each_turn,
         a_device_with_one_register_is_asked_for_two, a_canary_never_leaves_the_address_space,
         bits_differ_by_a_whole_byte, a_canary_touches_nothing_that_must_not_be_read,
         a_canary_is_never_a_part_of_a_block)
