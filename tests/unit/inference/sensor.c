/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/sensor.h"

#include "base/result.h"
#include "support/suite.h"

#define S INT64_C(1000000)

static const struct mw_sensor_habit NOISY = { .longest_run = 2, .zero_is_foreign = true };

static struct mw_sensor_config settled(int64_t stuck_us)
{
    struct mw_sensor_config config = { .stuck_us = stuck_us };
    ck_assert_int_eq(mw_sensor_settle(&config, NULL), MW_OK);
    return config;
}

/* Feeds value for n frames of 1 s; time goes on from *now_us. */
static void feed(struct mw_sensor *s, const struct mw_sensor_config *config,
                 const struct mw_sensor_habit *habit, float value, int n, int64_t *now_us)
{
    for (int i = 0; i < n; i++, *now_us += S)
        mw_sensor_step(s, config, habit, value, true, *now_us);
}

static void feed_alive(struct mw_sensor *s, const struct mw_sensor_config *config,
                       const struct mw_sensor_habit *habit, int n, int64_t *now_us)
{
    for (int i = 0; i < n; i++)
        feed(s, config, habit, 5.0f + 0.1f * (float)(i % 7), 1, now_us);
}

START_TEST(settings_get_defaults_and_ranges)
{
    struct mw_sensor_config c = { 0 };
    ck_assert_int_eq(mw_sensor_settle(&c, NULL), MW_OK);
    ck_assert_int_eq(c.no_data_us, 30 * S);
    ck_assert_int_eq(c.stuck_us, 0);
    c.stuck_us = -1;
    ck_assert_int_eq(mw_sensor_settle(&c, NULL), MW_OK);
    c.stuck_us = -2;
    ck_assert_int_eq(mw_sensor_settle(&c, NULL), MW_ERR_INVALID);
    c = (struct mw_sensor_config){ .no_data_us = 999999 };
    ck_assert_int_eq(mw_sensor_settle(&c, NULL), MW_ERR_INVALID);
}
END_TEST

START_TEST(a_run_longer_than_natural_is_suspect_and_a_much_longer_one_is_stuck)
{
    struct mw_sensor_config config = settled(0);
    struct mw_sensor s;
    int64_t now_us = 0;
    mw_sensor_init(&s);
    feed_alive(&s, &config, &NOISY, 100, &now_us);
    ck_assert(mw_sensor_trusted(&s));
    feed(&s, &config, &NOISY, 9.0f, 7, &now_us); /* 2 L + 3 */
    ck_assert(mw_sensor_trusted(&s));
    ck_assert(mw_sensor_doubtful(&s, &NOISY));
    feed(&s, &config, &NOISY, 9.0f, 1, &now_us);
    ck_assert(!mw_sensor_trusted(&s) && s.suspect && !s.stuck);
    feed(&s, &config, &NOISY, 9.0f, 52, &now_us);
    ck_assert(!s.stuck);
    feed(&s, &config, &NOISY, 9.0f, 1, &now_us);
    ck_assert_uint_eq(s.run, 61);
    ck_assert(s.stuck && s.run_since_us == 100 * S);
}
END_TEST

START_TEST(a_suspicion_ends_with_a_change_and_stuck_with_three)
{
    struct mw_sensor_config config = settled(0);
    struct mw_sensor s;
    int64_t now_us = 0;
    mw_sensor_init(&s);
    feed(&s, &config, &NOISY, 9.0f, 20, &now_us);
    ck_assert(s.suspect);
    feed(&s, &config, &NOISY, 9.1f, 1, &now_us);
    ck_assert(mw_sensor_trusted(&s));
    feed(&s, &config, &NOISY, 9.1f, 61, &now_us);
    ck_assert(s.stuck);
    feed(&s, &config, &NOISY, 9.2f, 1, &now_us);
    feed(&s, &config, &NOISY, 9.1f, 1, &now_us);
    ck_assert(s.stuck && !mw_sensor_trusted(&s));
    feed(&s, &config, &NOISY, 9.3f, 1, &now_us);
    ck_assert(mw_sensor_trusted(&s));
}
END_TEST

START_TEST(a_foreign_zero_is_suspect_at_once_and_stuck_when_it_stays)
{
    struct mw_sensor_config config = settled(0);
    struct mw_sensor s;
    int64_t now_us = 0;
    mw_sensor_init(&s);
    feed(&s, &config, &NOISY, 0.0f, 1, &now_us);
    ck_assert(!mw_sensor_trusted(&s) && !s.stuck);
    feed(&s, &config, &NOISY, 5.0f, 1, &now_us);
    ck_assert(mw_sensor_trusted(&s));
    feed(&s, &config, &NOISY, 0.0f, 61, &now_us);
    ck_assert(s.stuck);

    /* Even where the point may stand still for long at other values. */
    struct mw_sensor_habit still = { .longest_run = 5000, .zero_is_foreign = true };
    mw_sensor_init(&s);
    feed(&s, &config, &still, 5.0f, 10000, &now_us);
    ck_assert(mw_sensor_trusted(&s));
    feed(&s, &config, &still, 0.0f, 61, &now_us);
    ck_assert(s.stuck);
}
END_TEST

START_TEST(a_machine_that_stood_still_in_training_may_stand_still)
{
    struct mw_sensor_config config = settled(0);
    struct mw_sensor_habit stops = { .longest_run = 300 };
    struct mw_sensor s;
    int64_t now_us = 0;
    mw_sensor_init(&s);
    feed(&s, &config, &stops, 0.0f, 200000, &now_us);
    ck_assert(mw_sensor_trusted(&s) && !s.stuck);
}
END_TEST

START_TEST(a_slow_quantity_may_stand_still_ten_times_as_long)
{
    struct mw_sensor_config config = settled(0);
    struct mw_sensor_habit slow = { .longest_run = 8, .slow = true };
    struct mw_sensor s;
    int64_t now_us = 0;
    mw_sensor_init(&s);
    feed(&s, &config, &slow, 21.5f, 163, &now_us);
    ck_assert(mw_sensor_trusted(&s));
    feed(&s, &config, &slow, 21.5f, 1, &now_us);
    ck_assert(s.suspect);
    feed(&s, &config, &slow, 21.5f, 636, &now_us);
    ck_assert(!s.stuck);
    feed(&s, &config, &slow, 21.5f, 1, &now_us);
    ck_assert(s.stuck);
}
END_TEST

START_TEST(without_a_model_only_the_given_time_counts)
{
    struct mw_sensor_config none = settled(0), given = settled(10 * S), never = settled(-1);
    struct mw_sensor_habit unknown = { 0 };
    struct mw_sensor s;
    int64_t now_us = 0;
    mw_sensor_init(&s);
    feed(&s, &none, &unknown, 0.0f, 100000, &now_us);
    ck_assert(mw_sensor_trusted(&s));

    mw_sensor_init(&s);
    feed(&s, &given, &unknown, 3.0f, 10, &now_us);
    ck_assert(!s.stuck);
    feed(&s, &given, &unknown, 3.0f, 1, &now_us);
    ck_assert(s.stuck);

    mw_sensor_init(&s);
    feed(&s, &never, &NOISY, 0.0f, 100000, &now_us);
    ck_assert(mw_sensor_trusted(&s));
}
END_TEST

START_TEST(no_data_is_said_after_its_time_and_taken_back_by_a_value)
{
    struct mw_sensor_config config = settled(0);
    struct mw_sensor s;
    mw_sensor_init(&s);
    mw_sensor_step(&s, &config, &NOISY, 5.0f, false, 7 * S); /* never a value so far */
    mw_sensor_step(&s, &config, &NOISY, 5.0f, false, 37 * S - 1);
    ck_assert(!s.no_data && !mw_sensor_trusted(&s));
    mw_sensor_step(&s, &config, &NOISY, 5.0f, false, 37 * S);
    ck_assert(s.no_data);
    mw_sensor_step(&s, &config, &NOISY, 5.0f, true, 38 * S);
    ck_assert(!s.no_data && mw_sensor_trusted(&s));
}
END_TEST

START_TEST(what_is_not_a_number_is_no_value)
{
    struct mw_sensor_config config = settled(0);
    struct mw_sensor s;
    volatile float zero = 0.0f;
    float bad[] = { zero / zero, 1.0f / zero, -1.0f / zero };
    for (int i = 0; i < 3; i++) {
        mw_sensor_init(&s);
        mw_sensor_step(&s, &config, &NOISY, bad[i], true, S);
        ck_assert(!mw_sensor_trusted(&s));
        ck_assert_uint_eq(s.run, 0);
    }
}
END_TEST

START_TEST(a_run_survives_frames_without_data)
{
    struct mw_sensor_config config = settled(0);
    struct mw_sensor s;
    int64_t now_us = 0;
    mw_sensor_init(&s);
    for (int i = 0; i < 61; i++) {
        feed(&s, &config, &NOISY, 9.0f, 1, &now_us);
        mw_sensor_step(&s, &config, &NOISY, 0.0f, false, now_us++);
    }
    ck_assert(s.stuck);
}
END_TEST

MW_SUITE("inference/sensor", settings_get_defaults_and_ranges,
         a_run_longer_than_natural_is_suspect_and_a_much_longer_one_is_stuck,
         a_suspicion_ends_with_a_change_and_stuck_with_three,
         a_foreign_zero_is_suspect_at_once_and_stuck_when_it_stays,
         a_machine_that_stood_still_in_training_may_stand_still,
         a_slow_quantity_may_stand_still_ten_times_as_long,
         without_a_model_only_the_given_time_counts,
         no_data_is_said_after_its_time_and_taken_back_by_a_value, what_is_not_a_number_is_no_value,
         a_run_survives_frames_without_data)
