/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/trend.h"

#include "base/result.h"
#include "support/noise.h"
#include "support/suite.h"

#include <math.h>
#include <string.h>

#define MINUTE  INT64_C(60000000)
#define HOUR    (60 * MINUTE)
#define DAY_MIN (24 * 60)
#define PI      3.14159265358979323846

struct rig {
    struct mw_trend trend;
    struct mw_trend_config config;
    _Alignas(8) uint8_t memory[4096];
    struct noise noise;
    int64_t minute;
};

static void start(struct rig *rig)
{
    *rig = (struct rig){ .noise = { 7 } };
    ck_assert_int_eq(mw_trend_settle(&rig->config, NULL), MW_OK);
    ck_assert_uint_le(mw_trend_bytes(&rig->config, 1), sizeof rig->memory);
    mw_trend_init(&rig->trend, &rig->config, 1, rig->memory);
}

/* One frame a minute. */
static void feed(struct rig *rig, float value, const float *score)
{
    mw_trend_step(&rig->trend, &rig->config, &value, 1, score, rig->minute++ * MINUTE);
}

static float steady(struct rig *rig)
{
    return 10.0f + 0.1f * (float)noise_normal(&rig->noise);
}

static void commission(struct rig *rig)
{
    for (int i = 0; i < DAY_MIN; i++)
        feed(rig, steady(rig), NULL);
    feed(rig, steady(rig), NULL);
    ck_assert(rig->trend.series[0].commissioned);
}

START_TEST(settings_get_defaults_and_ranges)
{
    struct mw_trend_config c = { 0 };
    ck_assert_int_eq(mw_trend_settle(&c, NULL), MW_OK);
    ck_assert_int_eq(c.interval_us, HOUR);
    ck_assert_uint_eq(c.n_baseline, 24);
    ck_assert_float_eq(c.threshold, 6.0f);
    ck_assert_uint_eq(c.n_persist, 3);
    c.n_baseline = 7;
    ck_assert_int_eq(mw_trend_settle(&c, NULL), MW_ERR_INVALID);
    c = (struct mw_trend_config){ .interval_us = 999 };
    ck_assert_int_eq(mw_trend_settle(&c, NULL), MW_ERR_INVALID);
    c = (struct mw_trend_config){ .threshold = NAN };
    ck_assert_int_eq(mw_trend_settle(&c, NULL), MW_ERR_INVALID);
}
END_TEST

START_TEST(the_median_of_an_interval_is_within_a_quarter_of_the_noise)
{
    struct rig rig;
    start(&rig);
    rig.config.interval_us = 1000 * MINUTE;
    double worst = 0.0;
    for (int k = 0; k < 20; k++) {
        for (int i = 0; i < 1000; i++)
            feed(&rig, steady(&rig), NULL);
        if (k > 0)
            worst = fmax(worst, fabs((double)rig.trend.series[0].median - 10.0));
        ck_assert_uint_ge(rig.trend.series[0].n_samples, 32);
    }
    ck_assert_double_lt(worst, 3 * 0.25 * 0.1);
    ck_assert_double_gt(worst, 0.0);
}
END_TEST

START_TEST(a_month_of_days_and_nights_is_silent_after_one_day_of_baseline)
{
    struct rig rig;
    start(&rig);
    double weather = 0.0;
    for (int64_t i = 0; i < 31 * DAY_MIN; i++) {
        if (i % DAY_MIN == 0)
            weather = 0.7 * weather + 0.7 * noise_normal(&rig.noise);
        double day = sin(2 * PI * (double)i / DAY_MIN);
        feed(&rig, (float)(25.0 + weather + 4.0 * day + 0.2 * noise_normal(&rig.noise)), NULL);
        ck_assert(!rig.trend.series[0].active);
    }
    ck_assert_float_gt(rig.trend.series[0].hi, rig.trend.series[0].lo + 6.0f);
}
END_TEST

START_TEST(loads_of_one_day_are_natural_on_every_day)
{
    struct rig rig;
    start(&rig);
    float load = 0.5f;
    for (int64_t i = 0; i < 31 * DAY_MIN; i++) {
        if (noise_uniform(&rig.noise) < 1.0 / 40)
            load = 0.3f + 0.7f * (float)noise_uniform(&rig.noise);
        feed(&rig, 20.0f * load + 0.2f * (float)noise_normal(&rig.noise), NULL);
        ck_assert(!rig.trend.series[0].active);
    }
}
END_TEST

START_TEST(what_grows_over_a_week_is_found_and_stays_found)
{
    struct rig rig;
    start(&rig);
    commission(&rig);
    int64_t found = 0;
    for (int64_t i = 0; i < 8 * DAY_MIN; i++) {
        float grown = 2.0f * (float)i / (7 * DAY_MIN); /* 20 sigmas in 7 days */
        feed(&rig, steady(&rig) + grown, NULL);
        if (rig.trend.series[0].active && !found)
            found = i;
        ck_assert(!found || rig.trend.series[0].active);
    }
    /* 2 sigmas beyond the baseline are there after 17 hours; three intervals in a row */
    ck_assert_int_gt(found, 15 * 60);
    ck_assert_int_lt(found, 30 * 60);
    ck_assert_float_gt(rig.trend.series[0].score, 5.0f);
}
END_TEST

START_TEST(a_small_excess_needs_three_intervals_and_a_large_one_a_single_interval)
{
    static const struct {
        float excess; /* of the threshold's distance */
        int hours;
    } cases[] = { { 1.5f, 3 }, { 3.0f, 2 }, { 6.0f, 1 } };
    for (int k = 0; k < 3; k++) {
        struct rig rig;
        start(&rig);
        commission(&rig);
        struct mw_trend_series *s = &rig.trend.series[0];
        s->change = 1000.0f; /* so that size alone decides, not the jump */
        float far = s->hi + cases[k].excess * rig.config.threshold * s->unit;
        int minutes = 0; /* all but one of the interval's frames are still to come */
        for (; !s->active && minutes < 600; minutes++)
            feed(&rig, far + 0.01f * (float)noise_normal(&rig.noise), NULL);
        ck_assert_int_eq(minutes / 60, cases[k].hours);
    }
}
END_TEST

START_TEST(a_jump_of_a_temperature_needs_one_interval_and_ends_inside_the_band)
{
    struct rig rig;
    start(&rig);
    struct mw_trend_series *s = &rig.trend.series[0];
    int64_t at = 0;
    for (int64_t i = 0; i < 4 * DAY_MIN; i++) {
        bool broken = i >= 2 * DAY_MIN && i < 3 * DAY_MIN;
        double day = 4.0 * sin(2 * PI * (double)i / DAY_MIN);
        feed(&rig, (float)(25 + day + (broken ? 12 : 0) + 0.2 * noise_normal(&rig.noise)), NULL);
        if (s->active && !at)
            at = i;
        ck_assert(!s->active || i > 2 * DAY_MIN);
    }
    ck_assert_int_ge(at, 2 * DAY_MIN);
    ck_assert_int_le(at, 2 * DAY_MIN + 2 * 60);
    ck_assert(!s->active);
}
END_TEST

START_TEST(a_finding_ends_only_when_calm_for_as_long_as_it_took)
{
    struct rig rig;
    start(&rig);
    commission(&rig);
    struct mw_trend_series *s = &rig.trend.series[0];
    for (int i = 0; i < 5 * 60; i++)
        feed(&rig, steady(&rig) + 1.0f, NULL);
    ck_assert(s->active);
    for (int i = 0; i < 3 * 60 - 1; i++)
        feed(&rig, steady(&rig), NULL);
    ck_assert(s->active);
    feed(&rig, steady(&rig), NULL);
    ck_assert(!s->active);
}
END_TEST

START_TEST(the_baseline_is_frozen_until_it_is_commissioned_anew)
{
    struct rig rig;
    start(&rig);
    commission(&rig);
    struct mw_trend_series *s = &rig.trend.series[0];
    float lo = s->lo, hi = s->hi, unit = s->unit;
    for (int i = 0; i < 20 * DAY_MIN; i++)
        feed(&rig, steady(&rig) + 1.0f, NULL);
    ck_assert(s->active && s->lo == lo && s->hi == hi && s->unit == unit);

    mw_trend_recommission(&rig.trend);
    ck_assert(!s->active);
    for (int i = 0; i < 3 * DAY_MIN; i++) {
        feed(&rig, steady(&rig) + 1.0f, NULL);
        ck_assert(!s->active);
    }
    ck_assert(s->commissioned && s->lo > hi);
}
END_TEST

START_TEST(a_frozen_or_missing_value_is_no_trend)
{
    struct rig rig;
    start(&rig);
    commission(&rig);
    for (int i = 0; i < DAY_MIN; i++)
        feed(&rig, 0.0f, NULL); /* a dead sensor nobody told us about */
    ck_assert(!rig.trend.series[0].active);
    for (int i = 0; i < DAY_MIN; i++)
        mw_trend_step(&rig.trend, &rig.config, &(float){ 99.0f }, 0, NULL, rig.minute++ * MINUTE);
    ck_assert(!rig.trend.series[0].active);
    for (int i = 0; i < 5 * 60; i++)
        feed(&rig, steady(&rig) + 2.0f, NULL);
    ck_assert(rig.trend.series[0].active);
}
END_TEST

START_TEST(a_coarse_value_is_judged_in_steps_of_its_resolution)
{
    struct rig rig;
    start(&rig);
    for (int i = 0; i < DAY_MIN; i++)
        feed(&rig, i % 50 ? 2.0f : 2.5f, NULL);
    for (int i = 0; i < DAY_MIN; i++)
        feed(&rig, i % 50 ? 3.0f : 3.5f, NULL); /* two steps: within three */
    ck_assert(!rig.trend.series[0].active);
    for (int i = 0; i < DAY_MIN; i++)
        feed(&rig, i % 50 ? 4.0f : 4.5f, NULL);
    ck_assert(rig.trend.series[0].active);
}
END_TEST

START_TEST(the_score_is_watched_upwards_by_half_its_threshold)
{
    struct rig rig;
    start(&rig);
    struct mw_trend_series *s = &rig.trend.score;
    float score = 0.0f;
    for (int i = 0; i < 10 * DAY_MIN; i++) {
        score = 0.25f + 0.05f * (float)noise_uniform(&rig.noise);
        score += i > 2 * DAY_MIN ? 0.4f : 0.0f;
        feed(&rig, steady(&rig), &score);
    }
    ck_assert(s->commissioned && !s->active);
    for (int i = 0; i < 5 * 60; i++)
        feed(&rig, steady(&rig), &(float){ 0.1f });
    ck_assert(!s->active);
    for (int i = 0; i < 5 * 60; i++) {
        score = 0.85f + 0.05f * (float)noise_uniform(&rig.noise);
        feed(&rig, steady(&rig), &score);
    }
    ck_assert(s->active && !rig.trend.series[0].active);
}
END_TEST

START_TEST(off_is_off)
{
    struct rig rig;
    start(&rig);
    rig.config.off = true;
    for (int i = 0; i < 2 * DAY_MIN; i++)
        feed(&rig, steady(&rig), NULL);
    ck_assert(!rig.trend.series[0].commissioned && !rig.trend.clock.started);
}
END_TEST

static size_t save(const struct mw_trend *trend, uint8_t *bytes, size_t cap)
{
    struct mw_writer w = { .bytes = bytes, .n_bytes = cap };
    mw_trend_put_clock(&trend->clock, &w);
    mw_trend_put_series(&trend->series[0], &w);
    mw_trend_put_series(&trend->score, &w);
    ck_assert(!w.failed);
    return w.at;
}

START_TEST(a_restart_at_any_moment_changes_nothing_but_the_clock)
{
    static uint8_t a_bytes[65536], b_bytes[65536];
    static struct rig a, b;
    start(&a);
    start(&b);
    b.minute = 1000000; /* another clock from here on */
    for (int i = 0; i < 3 * DAY_MIN; i++) {
        float value = steady(&a) + (i > 2 * DAY_MIN ? 1.0f : 0.0f);
        feed(&a, value, NULL);
        feed(&b, value, NULL);
        if (i % 97 == 0) {
            size_t n = save(&b.trend, b_bytes, sizeof b_bytes);
            struct mw_reader r = { .bytes = b_bytes, .n_bytes = n };
            mw_trend_init(&b.trend, &b.config, 1, b.memory);
            mw_trend_get_clock(&b.trend.clock, &r);
            mw_trend_get_series(&b.trend.series[0], b.config.n_baseline, &r);
            mw_trend_get_series(&b.trend.score, b.config.n_baseline, &r);
            ck_assert(!r.failed && r.at == n);
            b.minute = i; /* the next frame comes right at the restart: no minute is lost */
            int64_t age_us = -b.trend.clock.started_us;
            b.trend.clock.started_us = -(age_us + MINUTE);
        }
    }
    size_t n = save(&a.trend, a_bytes, sizeof a_bytes);
    ck_assert_uint_eq(save(&b.trend, b_bytes, sizeof b_bytes), n);
    ck_assert_mem_eq(a_bytes, b_bytes, n);
    ck_assert(a.trend.series[0].active);
}
END_TEST

START_TEST(a_baseline_that_was_made_shorter_keeps_its_newest_medians)
{
    static uint8_t bytes[4096];
    static struct rig rig;
    start(&rig);
    for (int i = 0; i <= 20 * 60; i++)
        feed(&rig, (float)(i / 60), NULL);
    struct mw_writer w = { .bytes = bytes, .n_bytes = sizeof bytes };
    mw_trend_put_series(&rig.trend.series[0], &w);
    float medians[8];
    struct mw_trend_series s = { .medians = medians };
    struct mw_reader r = { .bytes = bytes, .n_bytes = w.at };
    mw_trend_get_series(&s, 8, &r);
    ck_assert(!r.failed && !s.commissioned);
    ck_assert_uint_eq(s.n_medians, 7);
    for (int i = 0; i < 7; i++)
        ck_assert_float_eq(medians[i], (float)(13 + i));
}
END_TEST

START_TEST(bytes_cut_anywhere_change_nothing)
{
    static uint8_t bytes[65536];
    static struct rig rig;
    start(&rig);
    commission(&rig);
    struct mw_writer w = { .bytes = bytes, .n_bytes = sizeof bytes };
    mw_trend_put_series(&rig.trend.series[0], &w);
    float medians[24];
    struct mw_trend_series s = { .medians = medians, .n_calm = 77 }, before = s;
    for (size_t cut = 0; cut < w.at; cut++) {
        struct mw_reader r = { .bytes = bytes, .n_bytes = cut };
        mw_trend_get_series(&s, rig.config.n_baseline, &r);
        ck_assert(r.failed);
        ck_assert_mem_eq(&s, &before, sizeof s);
    }
}
END_TEST

MW_SUITE("inference/trend", settings_get_defaults_and_ranges,
         the_median_of_an_interval_is_within_a_quarter_of_the_noise,
         a_month_of_days_and_nights_is_silent_after_one_day_of_baseline,
         loads_of_one_day_are_natural_on_every_day, what_grows_over_a_week_is_found_and_stays_found,
         a_small_excess_needs_three_intervals_and_a_large_one_a_single_interval,
         a_jump_of_a_temperature_needs_one_interval_and_ends_inside_the_band,
         a_finding_ends_only_when_calm_for_as_long_as_it_took,
         the_baseline_is_frozen_until_it_is_commissioned_anew,
         a_frozen_or_missing_value_is_no_trend, a_coarse_value_is_judged_in_steps_of_its_resolution,
         the_score_is_watched_upwards_by_half_its_threshold, off_is_off,
         a_restart_at_any_moment_changes_nothing_but_the_clock,
         a_baseline_that_was_made_shorter_keeps_its_newest_medians,
         bytes_cut_anywhere_change_nothing)
