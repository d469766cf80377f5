/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/timebase.h"
#include "support/suite.h"

#define S         INT64_C(1000000)
#define MINUTE_70 INT64_C(60000000)
#define TRUE_UTC  INT64_C(1767225600000000)

static enum timebase_event at(struct timebase *t, int64_t mono_us, int64_t offset_us, bool synced)
{
    struct clock_time reading = { mono_us, mono_us + offset_us };
    return timebase_step(t, &reading, synced);
}

START_TEST(the_first_reading_is_the_offset_until_somebody_sets_the_clock)
{
    struct timebase t = { 0 };
    ck_assert_int_eq(at(&t, 5 * S, MINUTE_70, false), TIMEBASE_SET);
    ck_assert_int_eq(timebase_utc(&t, 7 * S), 7 * S + MINUTE_70);
    /* Readings of two clocks are never quite of one instant; an unconfirmed clock may wander. */
    ck_assert_int_eq(at(&t, 6 * S, MINUTE_70 + 400000, false), TIMEBASE_STEADY);
    ck_assert_int_eq(timebase_utc(&t, 7 * S), 7 * S + MINUTE_70);
    ck_assert_uint_eq(t.n_steps, 0);
}
END_TEST

START_TEST(a_confirmation_says_by_how_much_the_guess_was_off)
{
    struct timebase t = { 0 };
    at(&t, S, MINUTE_70, false);
    ck_assert_int_eq(at(&t, 2 * S, TRUE_UTC, true), TIMEBASE_SET);
    ck_assert_int_eq(t.step_us, TRUE_UTC - MINUTE_70);
    ck_assert(t.synced);
    ck_assert_int_eq(timebase_utc(&t, S), S + TRUE_UTC);
    /* also by a little: 300 ms are more than the 100 ms that stamps are good for */
    struct timebase u = { 0 };
    at(&u, S, TRUE_UTC - 300000, false);
    ck_assert_int_eq(at(&u, 2 * S, TRUE_UTC, true), TIMEBASE_SET);
    ck_assert_int_eq(u.step_us, 300000);
    ck_assert_uint_eq(u.n_steps, 0);
}
END_TEST

START_TEST(a_right_guess_is_confirmed_without_a_step)
{
    struct timebase t = { 0 };
    at(&t, S, TRUE_UTC, false);
    ck_assert_int_eq(at(&t, 2 * S, TRUE_UTC + 37, true), TIMEBASE_SET);
    ck_assert_int_eq(t.step_us, 0);
    ck_assert_int_eq(t.offset_us, TRUE_UTC);
}
END_TEST

START_TEST(a_clock_set_by_hand_counts_as_set_but_not_as_confirmed)
{
    struct timebase t = { 0 };
    at(&t, S, MINUTE_70, false);
    ck_assert_int_eq(at(&t, 2 * S, TRUE_UTC, false), TIMEBASE_SET);
    ck_assert(!t.synced);
    ck_assert_int_eq(t.step_us, TRUE_UTC - MINUTE_70);
}
END_TEST

START_TEST(a_confirmed_clock_that_jumps_two_hours_is_a_step_both_ways)
{
    struct timebase t = { 0 };
    at(&t, S, TRUE_UTC, true);
    ck_assert_int_eq(at(&t, 2 * S, TRUE_UTC - 7200 * S, true), TIMEBASE_STEPPED);
    ck_assert_int_eq(t.step_us, -7200 * S);
    ck_assert_int_eq(at(&t, 3 * S, TRUE_UTC, true), TIMEBASE_STEPPED);
    ck_assert_int_eq(t.step_us, 7200 * S);
    ck_assert_uint_eq(t.n_steps, 2);
    ck_assert_int_eq(t.offset_us, TRUE_UTC);
}
END_TEST

START_TEST(a_small_correction_of_a_confirmed_clock_is_followed_in_silence)
{
    struct timebase t = { 0 };
    at(&t, S, TRUE_UTC, true);
    ck_assert_int_eq(at(&t, 2 * S, TRUE_UTC + 100000, true), TIMEBASE_STEADY);
    ck_assert_int_eq(t.offset_us, TRUE_UTC + 100000);
    ck_assert_int_eq(at(&t, 3 * S, TRUE_UTC + 100009, true), TIMEBASE_STEADY);
    ck_assert_int_eq(t.offset_us, TRUE_UTC + 100000);
}
END_TEST

START_TEST(a_clock_that_loses_its_server_goes_on_as_it_is)
{
    struct timebase t = { 0 };
    at(&t, S, TRUE_UTC, true);
    ck_assert_int_eq(at(&t, 2 * S, TRUE_UTC + 20, false), TIMEBASE_LOST);
    ck_assert(!t.synced);
    ck_assert_int_eq(t.offset_us, TRUE_UTC);
    ck_assert_int_eq(at(&t, 3 * S, TRUE_UTC + 20, true), TIMEBASE_SET);
    ck_assert_int_eq(t.step_us, 0);
}
END_TEST

START_TEST(only_what_was_stamped_without_confirmation_moves)
{
    struct timebase t = { 0 };
    int64_t restored = TRUE_UTC - 3600 * S, early = MINUTE_70 + 3 * S, late = MINUTE_70 + 50 * S;
    at(&t, S, MINUTE_70, false);
    at(&t, 60 * S, TRUE_UTC, true);
    timebase_move(&t, 60 * S, &restored);
    timebase_move(&t, 60 * S, &early);
    timebase_move(&t, 60 * S, &late);
    ck_assert_int_eq(restored, TRUE_UTC - 3600 * S);
    ck_assert_int_eq(early, TRUE_UTC + 3 * S);
    ck_assert_int_eq(late, TRUE_UTC + 50 * S);

    /* Confirmed from 60 s to 100 s, then set by hand: only the last seconds were a guess. */
    int64_t confirmed = TRUE_UTC + 90 * S, guessed = TRUE_UTC + 105 * S;
    at(&t, 100 * S, TRUE_UTC, false);
    ck_assert_int_eq(at(&t, 110 * S, TRUE_UTC + 3600 * S, false), TIMEBASE_SET);
    timebase_move(&t, 110 * S, &confirmed);
    timebase_move(&t, 110 * S, &guessed);
    ck_assert_int_eq(confirmed, TRUE_UTC + 90 * S);
    ck_assert_int_eq(guessed, TRUE_UTC + 105 * S + 3600 * S);
}
END_TEST

MW_SUITE("daemon/timebase", only_what_was_stamped_without_confirmation_moves,
         the_first_reading_is_the_offset_until_somebody_sets_the_clock,
         a_confirmation_says_by_how_much_the_guess_was_off,
         a_right_guess_is_confirmed_without_a_step,
         a_clock_set_by_hand_counts_as_set_but_not_as_confirmed,
         a_confirmed_clock_that_jumps_two_hours_is_a_step_both_ways,
         a_small_correction_of_a_confirmed_clock_is_followed_in_silence,
         a_clock_that_loses_its_server_goes_on_as_it_is)
