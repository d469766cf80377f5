/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/story.h"

#include "base/result.h"
#include "support/suite.h"

#include <string.h>

#define MINUTE_US (60 * (int64_t)1000000)
#define START_US  1769860800000000 /* 2026-01-31T12:00:00Z */

static const char SCENARIO[] =
    "version: 1\ntick: 1s\nfaults_after: 10min\n"
    "buses:\n  - {name: a, tcp: 0}\n"
    "machines:\n  - {name: m, kind: pump}\n"
    "devices:\n"
    "  - {name: d, bus: a, unit: 1, map: list, machine: m,\n"
    "     registers: [{quantity: vel_rms_x, address: 0}, {quantity: current, address: 2}]}\n"
    "faults:\n"
    "  - {kind: imbalance, machine: m, at: 5min, until: 20min, size: 3mm/s}\n"
    "  - {kind: dead_slave, device: d, at: 6min}\n";

static void hear(void *ctx, int line, const char *message)
{
    (void)ctx;
    ck_abort_msg("line %d: %s", line, message);
}

START_TEST(every_begin_and_end_is_told_once_with_its_real_time)
{
    struct scenario *s;
    struct world *w;
    struct story story;
    char line[STORY_LINE_MAX];
    ck_assert_int_eq(scenario_parse(&s, SCENARIO, sizeof SCENARIO - 1, hear, NULL), MW_OK);
    ck_assert_int_eq(world_create(&w, s, 1, false), MW_OK);
    story_init(&story, s);

    world_advance(w, 15 * MINUTE_US - 1);
    ck_assert(!story_next(&story, w, START_US, 60, line));
    world_advance(w, 17 * MINUTE_US);
    ck_assert(story_next(&story, w, START_US, 60, line));
    ck_assert_str_eq(line,
                     "{\"event\":\"begin\",\"fault\":0,\"kind\":\"imbalance\",\"machine\":\"m\","
                     "\"points\":[\"d.vel_rms_x\"],\"size\":3,\"unit\":\"mm/s\","
                     "\"at\":\"2026-01-31T12:00:15.000000Z\",\"at_us\":1769860815000000,"
                     "\"simulated_s\":900.000}");
    ck_assert(story_next(&story, w, START_US, 60, line));
    ck_assert_ptr_nonnull(
        strstr(line, "\"device\":\"d\",\"points\":[\"d.vel_rms_x\",\"d.current\"]"));
    ck_assert(!story_next(&story, w, START_US, 60, line));

    world_advance(w, 40 * MINUTE_US);
    ck_assert(story_next(&story, w, START_US, 60, line));
    ck_assert_ptr_nonnull(strstr(line, "\"event\":\"end\",\"fault\":0"));
    ck_assert_ptr_nonnull(strstr(line, "\"simulated_s\":1800.000"));
    ck_assert(!story_next(&story, w, START_US, 60, line));
    world_destroy(w);
    scenario_free(s);
}
END_TEST

START_TEST(held_faults_are_not_told)
{
    struct scenario *s;
    struct world *w;
    struct story story;
    char line[STORY_LINE_MAX];
    ck_assert_int_eq(scenario_parse(&s, SCENARIO, sizeof SCENARIO - 1, hear, NULL), MW_OK);
    ck_assert_int_eq(world_create(&w, s, 1, true), MW_OK);
    story_init(&story, s);
    world_advance(w, 100 * MINUTE_US);
    ck_assert(!story_next(&story, w, START_US, 60, line));
    world_arm(w);
    world_advance(w, 105 * MINUTE_US);
    ck_assert(story_next(&story, w, START_US, 60, line));
    ck_assert_ptr_nonnull(strstr(line, "\"simulated_s\":6300.000"));
    world_destroy(w);
    scenario_free(s);
}
END_TEST

MW_SUITE("simulator/story", every_begin_and_end_is_told_once_with_its_real_time,
         held_faults_are_not_told)
