/* SPDX-License-Identifier: Apache-2.0 */
#include "alarm/alarm.h"
#include "base/result.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#define SECOND_US 1000000
#define UTC_US    ((int64_t)1767225600 * SECOND_US)

static const struct alarm_facts QUIET = { 0 };
static const struct alarm_facts WARNING = { true, MW_SEVERITY_WARNING, 1u << MW_DETECTOR_LIMIT };
static const struct alarm_facts CRITICAL = { true, MW_SEVERITY_CRITICAL, 1u << MW_DETECTOR_LIMIT };
static const struct alarm_facts MODEL_TOO = { true, MW_SEVERITY_WARNING,
                                              1u << MW_DETECTOR_LIMIT | 1u << MW_DETECTOR_MODEL };

/* A told story: each line one step at a second of both clocks. */
struct story {
    struct alarm alarm;
    struct alarm_config config;
    uint32_t next_number;
};

static int ask(struct story *s, int at_s, const struct alarm_facts *facts,
               enum alarm_request request, int until_s)
{
    return alarm_step(&s->alarm, &s->config, facts, request, UTC_US + (int64_t)until_s * SECOND_US,
                      s->next_number, (int64_t)(at_s + 1) * SECOND_US,
                      UTC_US + (int64_t)at_s * SECOND_US);
}

static int tick(struct story *s, int at_s, const struct alarm_facts *facts)
{
    return ask(s, at_s, facts, ALARM_TICK, 0);
}

START_TEST(an_episode_is_raised_acknowledged_and_cleared_once)
{
    struct story s = { .next_number = 184 };
    ck_assert_int_eq(tick(&s, 0, &QUIET), 0);
    ck_assert_int_eq(tick(&s, 1, &WARNING), MW_ALERT_RAISED);
    ck_assert_uint_eq(s.alarm.state, MW_ALARM_ACTIVE_UNACKED);
    ck_assert_uint_eq(s.alarm.number, 184);
    ck_assert_int_eq(s.alarm.since_us, UTC_US + SECOND_US);
    s.next_number = 185;
    ck_assert_int_eq(tick(&s, 2, &WARNING), 0);
    ck_assert_int_eq(ask(&s, 3, &WARNING, ALARM_ACKNOWLEDGE, 0), MW_ALERT_ACKNOWLEDGED);
    ck_assert_int_eq(ask(&s, 4, &WARNING, ALARM_ACKNOWLEDGE, 0), 0);
    ck_assert_int_eq(tick(&s, 5, &QUIET), MW_ALERT_CLEARED);
    ck_assert_uint_eq(s.alarm.state, MW_ALARM_NORMAL);
    ck_assert_uint_eq(s.alarm.number, 184);
    ck_assert_int_eq(tick(&s, 6, &QUIET), 0);
    ck_assert_int_eq(tick(&s, 7, &WARNING), MW_ALERT_RAISED);
    ck_assert_uint_eq(s.alarm.number, 185);
}
END_TEST

START_TEST(unacknowledged_and_without_latch_its_return_clears_it)
{
    struct story s = { .next_number = 1 };
    ck_assert_int_eq(tick(&s, 0, &WARNING), MW_ALERT_RAISED);
    ck_assert_int_eq(tick(&s, 1, &QUIET), MW_ALERT_CLEARED);
}
END_TEST

START_TEST(delays_hold_on_the_monotonic_clock_and_start_anew_at_each_change)
{
    struct story s = { .config = { .on_delay_us = 5 * SECOND_US, .off_delay_us = 3 * SECOND_US } };
    ck_assert_int_eq(tick(&s, 0, &WARNING), 0);
    ck_assert_int_eq(tick(&s, 4, &WARNING), 0);
    ck_assert_int_eq(tick(&s, 5, &QUIET), 0);
    ck_assert_int_eq(tick(&s, 6, &WARNING), 0);
    ck_assert_int_eq(tick(&s, 10, &WARNING), 0);
    ck_assert_int_eq(tick(&s, 11, &WARNING), MW_ALERT_RAISED);
    ck_assert_int_eq(tick(&s, 12, &QUIET), 0);
    ck_assert_int_eq(tick(&s, 13, &WARNING), 0);
    ck_assert_int_eq(tick(&s, 14, &QUIET), 0);
    ck_assert_int_eq(tick(&s, 16, &QUIET), 0);
    ck_assert_int_eq(tick(&s, 17, &QUIET), MW_ALERT_CLEARED);
}
END_TEST

START_TEST(an_on_delay_is_deaf_to_steps_of_the_wall_clock)
{
    struct alarm a = { 0 };
    const struct alarm_config config = { .on_delay_us = 10 };
    ck_assert_int_eq(alarm_step(&a, &config, &WARNING, ALARM_TICK, 0, 1, 100, UTC_US), 0);
    ck_assert_int_eq(alarm_step(&a, &config, &WARNING, ALARM_TICK, 0, 1, 109, 2 * UTC_US), 0);
    ck_assert_int_eq(alarm_step(&a, &config, &WARNING, ALARM_TICK, 0, 1, 110, 5), MW_ALERT_RAISED);
    ck_assert_int_eq(a.since_us, 5);
}
END_TEST

START_TEST(worse_is_announced_once_and_wants_another_look)
{
    struct story s = { .next_number = 9 };
    tick(&s, 0, &WARNING);
    ask(&s, 1, &WARNING, ALARM_ACKNOWLEDGE, 0);
    ck_assert_int_eq(tick(&s, 2, &CRITICAL), MW_ALERT_ESCALATED);
    ck_assert_uint_eq(s.alarm.state, MW_ALARM_ACTIVE_UNACKED);
    ck_assert_int_eq(tick(&s, 3, &CRITICAL), 0);
    ask(&s, 4, &CRITICAL, ALARM_ACKNOWLEDGE, 0);
    ck_assert_int_eq(tick(&s, 5, &WARNING), MW_ALERT_DEESCALATED);
    ck_assert_uint_eq(s.alarm.state, MW_ALARM_ACTIVE_ACKED);
    ck_assert_int_eq(tick(&s, 6, &MODEL_TOO), MW_ALERT_ESCALATED);
    ck_assert_int_eq(tick(&s, 7, &WARNING), 0);
    ck_assert_int_eq(tick(&s, 8, &MODEL_TOO), 0); /* it had spoken already */
    ck_assert_uint_eq(s.alarm.number, 9);
}
END_TEST

START_TEST(latched_clears_only_at_the_acknowledgement)
{
    struct story s = { .config = { .latch = true }, .next_number = 3 };
    tick(&s, 0, &WARNING);
    ck_assert_int_eq(tick(&s, 1, &QUIET), 0);
    ck_assert_uint_eq(s.alarm.state, MW_ALARM_LATCHED);
    ck_assert_int_eq(tick(&s, 100000, &QUIET), 0);
    ck_assert_int_eq(ask(&s, 100001, &QUIET, ALARM_ACKNOWLEDGE, 0), MW_ALERT_CLEARED);
    ck_assert_uint_eq(s.alarm.state, MW_ALARM_NORMAL);
}
END_TEST

START_TEST(latched_and_active_again_is_the_same_episode)
{
    struct story s = { .config = { .latch = true }, .next_number = 3 };
    tick(&s, 0, &WARNING);
    ask(&s, 1, &WARNING, ALARM_ACKNOWLEDGE, 0);
    tick(&s, 2, &QUIET);
    s.next_number = 4;
    ck_assert_int_eq(tick(&s, 3, &WARNING), 0);
    ck_assert_uint_eq(s.alarm.state, MW_ALARM_ACTIVE_UNACKED);
    ck_assert_uint_eq(s.alarm.number, 3);
    tick(&s, 4, &QUIET);
    ck_assert_int_eq(tick(&s, 5, &CRITICAL), MW_ALERT_ESCALATED);
    tick(&s, 6, &QUIET);
    ck_assert_int_eq(ask(&s, 7, &CRITICAL, ALARM_ACKNOWLEDGE, 0), MW_ALERT_ACKNOWLEDGED);
    ck_assert_uint_eq(s.alarm.state, MW_ALARM_ACTIVE_ACKED);
    ck_assert_uint_eq(s.alarm.number, 3);
}
END_TEST

START_TEST(shelved_says_nothing_until_its_time_is_over)
{
    struct story s = { .next_number = 1 };
    tick(&s, 0, &WARNING);
    ck_assert_int_eq(ask(&s, 1, &WARNING, ALARM_SHELVE, 1), 0); /* a time that has passed */
    ck_assert_int_eq(ask(&s, 1, &WARNING, ALARM_SHELVE, 10), MW_ALERT_SHELVED);
    ck_assert_uint_eq(s.alarm.state, MW_ALARM_SHELVED);
    ck_assert_int_eq(tick(&s, 2, &CRITICAL), 0);
    ck_assert_int_eq(tick(&s, 3, &QUIET), 0);
    ck_assert_int_eq(ask(&s, 4, &QUIET, ALARM_ACKNOWLEDGE, 0), 0);
    ck_assert_int_eq(ask(&s, 5, &QUIET, ALARM_SHELVE, 20), MW_ALERT_SHELVED);
    ck_assert_int_eq(tick(&s, 19, &QUIET), 0);
    ck_assert_int_eq(tick(&s, 20, &QUIET), MW_ALERT_UNSHELVED);
    ck_assert_uint_eq(s.alarm.state, MW_ALARM_ACTIVE_UNACKED);
    ck_assert_int_eq(tick(&s, 21, &QUIET), MW_ALERT_CLEARED); /* what raised is cleared, heard */
}
END_TEST

START_TEST(unshelved_by_hand_and_still_active_is_not_raised_again)
{
    struct story s = { .next_number = 1 };
    tick(&s, 0, &WARNING);
    ask(&s, 1, &WARNING, ALARM_SHELVE, 100);
    s.next_number = 2;
    ck_assert_int_eq(ask(&s, 2, &WARNING, ALARM_UNSHELVE, 0), MW_ALERT_UNSHELVED);
    ck_assert_int_eq(ask(&s, 3, &WARNING, ALARM_UNSHELVE, 0), 0);
    ck_assert_int_eq(tick(&s, 4, &WARNING), 0);
    ck_assert_uint_eq(s.alarm.number, 1);
}
END_TEST

START_TEST(what_begins_on_the_shelf_is_raised_after_it)
{
    struct story s = { .next_number = 5 };
    ck_assert_int_eq(ask(&s, 0, &QUIET, ALARM_SHELVE, 10), MW_ALERT_SHELVED);
    ck_assert_int_eq(tick(&s, 5, &WARNING), 0);
    ck_assert_int_eq(tick(&s, 10, &WARNING), MW_ALERT_UNSHELVED);
    ck_assert_int_eq(tick(&s, 11, &WARNING), MW_ALERT_RAISED);
}
END_TEST

START_TEST(a_request_at_the_end_of_the_shelf_is_not_lost)
{
    struct story s = { .next_number = 5 };
    tick(&s, 0, &WARNING);
    ask(&s, 1, &WARNING, ALARM_SHELVE, 10);
    ck_assert_int_eq(ask(&s, 10, &WARNING, ALARM_ACKNOWLEDGE, 0), MW_ALERT_ACKNOWLEDGED);
    ck_assert_int_eq(s.alarm.shelved_until_us, 0);
}
END_TEST

/* What people have heard, from the events alone. */
struct listener {
    bool open; /* raised and not cleared */
    int64_t
        contradicted_us; /* since when the facts say otherwise than the state; -1: they do not */
};

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void listen(struct listener *l, int event)
{
    if (event == MW_ALERT_RAISED) {
        ck_assert_msg(!l->open, "raised twice without a clear");
        l->open = true;
    }
    if (event == MW_ALERT_CLEARED || event == MW_ALERT_ACKNOWLEDGED ||
        event == MW_ALERT_ESCALATED || event == MW_ALERT_DEESCALATED)
        ck_assert_msg(l->open, "event %d of an alarm that was not raised", event);
    if (event == MW_ALERT_CLEARED)
        l->open = false;
}

static bool state_is_active(uint8_t state)
{
    return state == MW_ALARM_ACTIVE_UNACKED || state == MW_ALARM_ACTIVE_ACKED;
}

/* Each promise of the header, held against one step. */
static void check_step(const struct alarm *before, const struct alarm *after,
                       const struct alarm_config *config, const struct alarm_facts *facts,
                       enum alarm_request request, uint32_t number, int event, int64_t lasted_us)
{
    if (event == MW_ALERT_RAISED) {
        ck_assert_uint_eq(after->number, number);
        ck_assert_uint_eq(after->severity, facts->severity);
        ck_assert_int_ge(lasted_us, config->on_delay_us);
    } else {
        ck_assert_uint_eq(after->number, before->number);
        ck_assert_int_eq(after->since_us, before->since_us);
    }
    if (before->state == MW_ALARM_LATCHED && after->state == MW_ALARM_NORMAL)
        ck_assert(request == ALARM_ACKNOWLEDGE && event == MW_ALERT_CLEARED);
    if (before->state == MW_ALARM_LATCHED && event == MW_ALERT_CLEARED)
        ck_assert_int_eq(request, ALARM_ACKNOWLEDGE);
    if (state_is_active(before->state) && event == MW_ALERT_CLEARED) {
        ck_assert(!config->latch);
        ck_assert_int_ge(lasted_us, config->off_delay_us);
    }
    if (event == MW_ALERT_ESCALATED)
        ck_assert(facts->severity > before->severity || (facts->detectors & ~before->detectors));
    if (event == MW_ALERT_DEESCALATED)
        ck_assert(facts->active && facts->severity < before->severity);
    if (before->state == MW_ALARM_SHELVED && after->state == MW_ALARM_SHELVED)
        ck_assert(event == 0 || event == MW_ALERT_SHELVED);
    if (state_is_active(after->state) && facts->active && request == ALARM_TICK && event == 0)
        ck_assert_uint_eq(after->severity, facts->severity);
}

/* Nothing is lost either: a tick whose delay is over must move. */
static void check_moves(const struct alarm *before, const struct alarm *after,
                        const struct alarm_config *config, const struct alarm_facts *facts,
                        enum alarm_request request, int64_t lasted_us)
{
    if (request != ALARM_TICK || before->state == MW_ALARM_SHELVED || lasted_us < 0)
        return;
    if (lasted_us >= (facts->active ? config->on_delay_us : config->off_delay_us))
        ck_assert(state_is_active(after->state) == facts->active);
}

static void save_and_restore(struct alarm *alarm)
{
    uint8_t bytes[ALARM_SAVED_BYTES];
    ck_assert_int_eq(alarm_save(alarm, bytes, sizeof bytes), ALARM_SAVED_BYTES);
    struct alarm again = { 0 };
    ck_assert_int_eq(alarm_restore(&again, bytes, sizeof bytes), MW_OK);
    *alarm = again;
}

static void live(uint64_t seed, int n_steps)
{
    static const int64_t delays_us[] = { 0, 0, 1, 30, 200 };
    struct alarm alarm = { 0 };
    struct alarm_config config = { .on_delay_us = delays_us[draw(&seed) % 5],
                                   .off_delay_us = delays_us[draw(&seed) % 5],
                                   .latch = draw(&seed) % 2 };
    struct alarm_facts facts = { 0 };
    struct listener heard = { .contradicted_us = -1 };
    int64_t now_us = 1, at_us = UTC_US;
    for (int i = 0; i < n_steps; i++) {
        now_us += (int64_t)(draw(&seed) % 20);
        at_us += (int64_t)(draw(&seed) % 100) - 20; /* the wall clock steps back, too */
        if (draw(&seed) % 6 == 0)
            facts = (struct alarm_facts){ draw(&seed) % 2, (uint8_t)(draw(&seed) % 3 + 1),
                                          (uint32_t)(draw(&seed) % 15 + 1) };
        if (!facts.active)
            facts = QUIET;
        uint64_t r = draw(&seed) % 40;
        enum alarm_request request = r < 4 ? (enum alarm_request)r : ALARM_TICK;
        if (draw(&seed) % 25 == 0) {
            save_and_restore(&alarm);
            heard.contradicted_us = -1;
        }

        struct alarm before = alarm;
        if (before.state == MW_ALARM_SHELVED || facts.active == state_is_active(before.state))
            heard.contradicted_us = -1;
        else if (heard.contradicted_us < 0)
            heard.contradicted_us = now_us;
        int64_t lasted_us = heard.contradicted_us < 0 ? -1 : now_us - heard.contradicted_us;
        uint32_t number = (uint32_t)i + 1;
        int event =
            alarm_step(&alarm, &config, &facts, request, at_us + 500, number, now_us, at_us);
        check_step(&before, &alarm, &config, &facts, request, number, event, lasted_us);
        check_moves(&before, &alarm, &config, &facts, request, lasted_us);
        listen(&heard, event);
        if (state_is_active(alarm.state) != state_is_active(before.state))
            heard.contradicted_us = -1;
    }
}

START_TEST(random_lives_keep_every_promise_also_over_restarts)
{
    for (uint64_t seed = 1; seed <= 500; seed++)
        live(seed, 400);
}
END_TEST

START_TEST(a_restart_at_any_step_neither_repeats_nor_loses)
{
    uint64_t seed = 7;
    struct alarm steady = { 0 }, restarted = { 0 };
    const struct alarm_config config = { .latch = true }; /* no delay that would start anew */
    for (int i = 0; i < 20000; i++) {
        struct alarm_facts facts = { draw(&seed) % 2, (uint8_t)(draw(&seed) % 3 + 1),
                                     (uint32_t)(draw(&seed) % 15 + 1) };
        enum alarm_request request = (enum alarm_request)(draw(&seed) % 4);
        int64_t at_us = UTC_US + i;
        save_and_restore(&restarted);
        int a = alarm_step(&steady, &config, &facts, request, at_us + 3, (uint32_t)i, i, at_us);
        int b = alarm_step(&restarted, &config, &facts, request, at_us + 3, (uint32_t)i, i, at_us);
        ck_assert_int_eq(a, b);
        ck_assert_uint_eq(steady.state, restarted.state);
        ck_assert_uint_eq(steady.number, restarted.number);
    }
}
END_TEST

START_TEST(bytes_that_are_no_saved_alarm_are_refused_and_change_nothing)
{
    struct alarm a = { .state = MW_ALARM_ACTIVE_ACKED, .severity = 2, .number = 77, .since_us = 5 };
    uint8_t bytes[ALARM_SAVED_BYTES + 1] = { 0 };
    ck_assert_int_eq(alarm_save(&a, bytes, ALARM_SAVED_BYTES - 1), MW_ERR_NO_SPACE);
    ck_assert_int_eq(alarm_save(&a, bytes, sizeof bytes), ALARM_SAVED_BYTES);
    struct alarm b = { .number = 1 };
    for (size_t n = 0; n <= sizeof bytes; n++)
        if (n != ALARM_SAVED_BYTES)
            ck_assert_int_eq(alarm_restore(&b, bytes, n), MW_ERR_FORMAT);
    for (int place = 0; place < 4; place++) {
        uint8_t wrong[ALARM_SAVED_BYTES];
        memcpy(wrong, bytes, sizeof wrong);
        wrong[place] = 0xee;
        if (place != 2) /* under_shelf means nothing while not shelved */
            ck_assert_int_eq(alarm_restore(&b, wrong, sizeof wrong), MW_ERR_FORMAT);
    }
    ck_assert_uint_eq(b.number, 1);
}
END_TEST

static void count_complaint(void *ctx, const struct mw_complaint *complaint)
{
    ck_assert_ptr_nonnull(complaint->setting);
    (*(int *)ctx)++;
}

START_TEST(delays_outside_0_to_24_h_are_refused_each)
{
    int n = 0;
    const struct mw_complaints to = { count_complaint, &n };
    struct alarm_config config = { .off_delay_us = ALARM_DELAY_MAX_US };
    ck_assert_int_eq(alarm_settle(&config, &to), MW_OK);
    config = (struct alarm_config){ -1, ALARM_DELAY_MAX_US + 1, false };
    ck_assert_int_eq(alarm_settle(&config, &to), MW_ERR_INVALID);
    ck_assert_int_eq(n, 2);
}
END_TEST

MW_SUITE("alarm", an_episode_is_raised_acknowledged_and_cleared_once,
         unacknowledged_and_without_latch_its_return_clears_it,
         delays_hold_on_the_monotonic_clock_and_start_anew_at_each_change,
         an_on_delay_is_deaf_to_steps_of_the_wall_clock,
         worse_is_announced_once_and_wants_another_look, latched_clears_only_at_the_acknowledgement,
         latched_and_active_again_is_the_same_episode, shelved_says_nothing_until_its_time_is_over,
         unshelved_by_hand_and_still_active_is_not_raised_again,
         what_begins_on_the_shelf_is_raised_after_it, a_request_at_the_end_of_the_shelf_is_not_lost,
         random_lives_keep_every_promise_also_over_restarts,
         a_restart_at_any_step_neither_repeats_nor_loses,
         bytes_that_are_no_saved_alarm_are_refused_and_change_nothing,
         delays_outside_0_to_24_h_are_refused_each)
