/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/health.h"
#include "support/suite.h"

static const struct device_config device = { .timeout_us = 300000, .retries = 2 };

START_TEST(a_device_is_retrying_for_its_retries_then_offline)
{
    struct health health = { .state = DEVICE_ONLINE };
    ck_assert(health_failed(&health, &device, 1000));
    ck_assert_int_eq(health.state, DEVICE_RETRYING);
    ck_assert_int_eq(health.ask_us, 1000);
    ck_assert(!health_failed(&health, &device, 2000));
    ck_assert(health_failed(&health, &device, 3000));
    ck_assert_int_eq(health.state, DEVICE_OFFLINE);
    ck_assert_int_eq(health.ask_us, 3000 + HEALTH_FIRST_WAIT * 300000);
}
END_TEST

START_TEST(the_first_answer_brings_it_back)
{
    struct health health = { .state = DEVICE_OFFLINE, .n_failures = 9, .ask_us = 1 };
    ck_assert(health_answered(&health));
    ck_assert_int_eq(health.state, DEVICE_ONLINE);
    ck_assert_uint_eq(health.n_failures, 0);
    ck_assert(!health_answered(&health));
}
END_TEST

START_TEST(the_wait_doubles_up_to_a_minute_and_keeps_its_share)
{
    struct health health = { 0 };
    int64_t now_us = 0, before_us = 0;
    for (int i = 0; i < 200; i++) {
        health_failed(&health, &device, now_us);
        int64_t wait_us = health.ask_us - now_us;
        ck_assert_int_ge(wait_us, before_us);
        ck_assert_int_le(wait_us, HEALTH_MAX_WAIT_US);
        before_us = wait_us;
        now_us = health.ask_us + device.timeout_us;
    }
    ck_assert_int_eq(before_us, HEALTH_MAX_WAIT_US);

    struct device_config slow = { .timeout_us = 30000000 };
    struct health late = { 0 };
    for (int i = 0; i < 5; i++)
        health_failed(&late, &slow, 0);
    ck_assert_int_eq(late.ask_us, HEALTH_FIRST_WAIT * slow.timeout_us);
}
END_TEST

MW_SUITE("fieldbus/health", a_device_is_retrying_for_its_retries_then_offline,
         the_first_answer_brings_it_back, the_wait_doubles_up_to_a_minute_and_keeps_its_share)
