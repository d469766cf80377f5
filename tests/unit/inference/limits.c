/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/limits.h"
#include "base/result.h"
#include "support/suite.h"

#include <math.h>
#include <string.h>

#define S INT64_C(1000000)

struct watch {
    struct mw_limits_config config;
    struct mw_limits limits;
    struct mw_limits_anchor anchors[MW_LIMITS_ANCHORS];
    uint8_t changed;
};

static void arm(struct watch *w, struct mw_limits_config config)
{
    w->config = config;
    mw_limits_init(&w->limits, w->anchors);
    ck_assert_int_eq(mw_limits_settle(&w->config, NULL), MW_OK);
}

static uint8_t at(struct watch *w, int64_t now_s, float value)
{
    return mw_limits_step(&w->limits, &w->config, value, now_s * S, &w->changed);
}

START_TEST(a_limit_begins_after_the_delay_and_ends_by_the_deadband)
{
    struct watch w;
    arm(&w, (struct mw_limits_config){ .armed = MW_LIMIT_HIGH, .high = 10, .deadband = 1 });
    ck_assert_uint_eq(at(&w, 0, 11), 0); /* the default delay is 5 s */
    ck_assert_uint_eq(at(&w, 4, 11), 0);
    ck_assert_uint_eq(w.changed, 0);
    ck_assert_uint_eq(at(&w, 5, 11), MW_LIMIT_HIGH);
    ck_assert_uint_eq(w.changed, MW_LIMIT_HIGH);
    ck_assert_uint_eq(at(&w, 6, 9.5f), MW_LIMIT_HIGH); /* inside, but not by the deadband */
    ck_assert_uint_eq(w.changed, 0);
    ck_assert_uint_eq(at(&w, 7, 9.0f), 0);
    ck_assert_uint_eq(w.changed, MW_LIMIT_HIGH);
    ck_assert_uint_eq(at(&w, 8, 9.5f), 0);
}
END_TEST

START_TEST(one_value_inside_starts_the_delay_anew)
{
    struct watch w;
    arm(&w, (struct mw_limits_config){ .armed = MW_LIMIT_LOW, .low = -10, .delay_us = 3 * S });
    at(&w, 0, -11);
    at(&w, 2, -11);
    at(&w, 3, -10); /* at the limit is inside */
    ck_assert_uint_eq(at(&w, 4, -11), 0);
    ck_assert_uint_eq(at(&w, 6, -11), 0);
    ck_assert_uint_eq(at(&w, 7, -11), MW_LIMIT_LOW);
    /* the default deadband is 2 % of the limit, here 0.2 */
    ck_assert_uint_eq(at(&w, 8, -9.85f), MW_LIMIT_LOW);
    ck_assert_uint_eq(at(&w, 9, -9.75f), 0);
}
END_TEST

START_TEST(high_and_high_high_are_judged_side_by_side)
{
    struct watch w;
    arm(&w, (struct mw_limits_config){ .armed = MW_LIMIT_HIGH | MW_LIMIT_HIGH_HIGH,
                                       .high = 10,
                                       .high_high = 20,
                                       .delay_us = 1 });
    at(&w, 0, 25);
    ck_assert_uint_eq(at(&w, 1, 25), MW_LIMIT_HIGH | MW_LIMIT_HIGH_HIGH);
    ck_assert_uint_eq(at(&w, 2, 15), MW_LIMIT_HIGH);
    ck_assert_uint_eq(w.changed, MW_LIMIT_HIGH_HIGH);
    ck_assert_uint_eq(at(&w, 3, 5), 0);
}
END_TEST

START_TEST(what_is_not_armed_is_not_judged)
{
    struct watch w;
    arm(&w, (struct mw_limits_config){ .armed = 0, .high = 10, .low = 10, .rate = 1 });
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(at(&w, i, (float)i * 1000), 0);
}
END_TEST

/* 2 units a minute over 5 minutes: a rise of more than 10 within them. */
START_TEST(a_rise_faster_than_the_rate_is_found_and_a_slower_one_is_not)
{
    for (int per_minute_x10 = 15; per_minute_x10 <= 25; per_minute_x10 += 10) {
        struct watch w;
        uint8_t seen = 0;
        arm(&w, (struct mw_limits_config){ .armed = MW_LIMIT_RATE, .rate = 2 });
        for (int t = 0; t < 3600; t++)
            seen |= at(&w, t, (float)t / 600 * (float)per_minute_x10);
        ck_assert_uint_eq(seen, per_minute_x10 > 20 ? MW_LIMIT_RATE : 0);
        /* it ends once the value has been level over rate_us, an eighth of it and one poll */
        for (int t = 3600; t < 3600 + 338; t++)
            at(&w, t, 3600.0f / 600 * (float)per_minute_x10);
        ck_assert_uint_eq(at(&w, 3600 + 338, 3600.0f / 600 * (float)per_minute_x10), 0);
    }
}
END_TEST

START_TEST(the_rate_needs_one_whole_interval_of_values)
{
    struct watch w;
    arm(&w, (struct mw_limits_config){
                .armed = MW_LIMIT_RATE, .rate = 1, .rate_us = 60 * S, .delay_us = 1 });
    for (int t = 0; t < 60; t++)
        ck_assert_uint_eq(at(&w, t, (float)t), 0);
    at(&w, 60, 60);
    ck_assert_uint_eq(at(&w, 61, 61), MW_LIMIT_RATE);
}
END_TEST

START_TEST(the_rate_forgets_what_a_long_silence_has_made_old)
{
    struct watch w;
    arm(&w, (struct mw_limits_config){
                .armed = MW_LIMIT_RATE, .rate = 1, .rate_us = 60 * S, .delay_us = 1 });
    for (int t = 0; t < 100; t++)
        at(&w, t, 0);
    for (int t = 500; t < 600; t++)
        ck_assert_uint_eq(at(&w, t, 50), 0);
}
END_TEST

START_TEST(the_rate_takes_any_poll_period)
{
    for (int64_t step_us = 10000; step_us < 200 * S; step_us = step_us * 3 / 2 + 7) {
        struct watch w;
        uint8_t active = 0;
        arm(&w, (struct mw_limits_config){
                    .armed = MW_LIMIT_RATE, .rate = 1, .rate_us = 100 * S + 7, .delay_us = 1 });
        for (int64_t now_us = 0; now_us < 500 * S; now_us += step_us)
            active = mw_limits_step(&w.limits, &w.config, (float)((double)now_us / 1e6 / 60 * 1.1),
                                    now_us, &w.changed);
        ck_assert_uint_eq(active, MW_LIMIT_RATE);
    }
}
END_TEST

START_TEST(invalid_values_hold_and_their_time_does_not_count)
{
    struct watch w;
    arm(&w, (struct mw_limits_config){ .armed = MW_LIMIT_HIGH, .high = 10 });
    at(&w, 0, 11);
    at(&w, 2, 11);
    mw_limits_hold(&w.limits);
    ck_assert_uint_eq(at(&w, 60, 11), 0); /* 2 s beyond so far */
    ck_assert_uint_eq(at(&w, 62, 11), 0);
    ck_assert_uint_eq(at(&w, 63, 11), MW_LIMIT_HIGH);
    mw_limits_hold(&w.limits);
    ck_assert_uint_eq(at(&w, 64, NAN), MW_LIMIT_HIGH); /* held, too */
    ck_assert_uint_eq(at(&w, 65, INFINITY), MW_LIMIT_HIGH);
    ck_assert_uint_eq(at(&w, 66, 11), MW_LIMIT_HIGH);
    ck_assert_uint_eq(w.changed, 0);
}
END_TEST

START_TEST(a_restart_goes_on_where_it_was_on_a_new_clock)
{
    struct watch w;
    arm(&w,
        (struct mw_limits_config){ .armed = MW_LIMIT_HIGH | MW_LIMIT_LOW, .high = 10, .low = 0 });
    at(&w, 1000, 11);
    at(&w, 1003, 11);
    mw_limits_resume(&w.limits, 7 * S);
    ck_assert_uint_eq(at(&w, 8, 11), 0);
    ck_assert_uint_eq(at(&w, 9, 11), MW_LIMIT_HIGH); /* 3 s before and 2 s after */
    mw_limits_resume(&w.limits, -500 * S);
    ck_assert_uint_eq(at(&w, -499, 11), MW_LIMIT_HIGH);
    ck_assert_uint_eq(w.changed, 0);
    ck_assert_uint_eq(at(&w, -498, 0), 0);
}
END_TEST

START_TEST(an_active_rate_survives_a_restart_until_it_can_be_measured)
{
    struct watch w;
    arm(&w, (struct mw_limits_config){
                .armed = MW_LIMIT_RATE, .rate = 1, .rate_us = 60 * S, .delay_us = 1 });
    for (int t = 0; t < 100; t++)
        at(&w, t, (float)t);
    ck_assert_uint_eq(at(&w, 100, 100), MW_LIMIT_RATE);
    mw_limits_resume(&w.limits, 0);
    for (int t = 1; t < 60; t++)
        ck_assert_uint_eq(at(&w, t, 100), MW_LIMIT_RATE);
    at(&w, 61, 100);
    ck_assert_uint_eq(at(&w, 62, 100), 0);
}
END_TEST

struct heard {
    int n;
    const char *setting, *rule;
};

static void hear(void *ctx, const struct mw_complaint *c)
{
    struct heard *heard = ctx;
    heard->n++;
    heard->setting = c->setting;
    heard->rule = c->rule;
}

START_TEST(wrong_settings_are_named_and_right_ones_completed)
{
    struct mw_limits_config c = { .armed = MW_LIMIT_HIGH, .high = 1 };
    ck_assert_int_eq(mw_limits_settle(&c, NULL), MW_OK);
    ck_assert_int_eq(c.rate_us, 300 * S);
    ck_assert_int_eq(c.delay_us, 5 * S);

    static const struct {
        struct mw_limits_config config;
        const char *setting, *rule;
    } wrong[] = {
        { { .armed = 3, .high = 5, .high_high = 5 }, "high_high", "is not above high" },
        { { .armed = 5, .high = 5, .low = 5 }, "low", "is not below high" },
        { { .armed = 6, .high_high = 5, .low = 6 }, "low", "is not below high_high" },
        { { .armed = 1, .high = INFINITY }, "high", "is not a finite number" },
        { { .armed = 4, .low = NAN }, "low", "is not a finite number" },
        { { .armed = 8, .rate = 0 }, "rate", "is not above 0" },
        { { .armed = 8, .rate = 1, .rate_us = 9 * S }, "rate_over", "is not in 10s to 24h" },
        { { .armed = 1, .delay_us = -1 }, "delay", "is not in 0s to 24h" },
        { { .armed = 1, .deadband = -1 }, "deadband", "is not 0 or above" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct heard heard = { 0 };
        c = wrong[i].config;
        ck_assert_int_eq(mw_limits_settle(&c, &(struct mw_complaints){ hear, &heard }),
                         MW_ERR_INVALID);
        ck_assert_int_eq(heard.n, 1);
        ck_assert_str_eq(heard.setting, wrong[i].setting);
        ck_assert_str_eq(heard.rule, wrong[i].rule);
    }
}
END_TEST

MW_SUITE("inference/limits", a_limit_begins_after_the_delay_and_ends_by_the_deadband,
         one_value_inside_starts_the_delay_anew, high_and_high_high_are_judged_side_by_side,
         what_is_not_armed_is_not_judged,
         a_rise_faster_than_the_rate_is_found_and_a_slower_one_is_not,
         the_rate_needs_one_whole_interval_of_values,
         the_rate_forgets_what_a_long_silence_has_made_old, the_rate_takes_any_poll_period,
         invalid_values_hold_and_their_time_does_not_count,
         a_restart_goes_on_where_it_was_on_a_new_clock,
         an_active_rate_survives_a_restart_until_it_can_be_measured,
         wrong_settings_are_named_and_right_ones_completed)
