/* SPDX-License-Identifier: Apache-2.0 */
/* A small machine at 1 Hz: current and flow are scored, temperature is context, humidity is off.
 * The model judges levels, so that what happens can be calculated by hand. */
#include "inference/detector.h"

#include "base/result.h"
#include "support/noise.h"
#include "support/suite.h"
#include "support/table.h"
#include "training/train.h"

#define S INT64_C(1000000)

enum { CURRENT, FLOW, TEMPERATURE, HUMIDITY, N_CHANNELS };
#define ALL 15u

static const char *const NAMES[] = { "current", "flow", "temperature", "humidity" };

static const struct {
    float mean, sd;
} NATURE[] = { { 8.0f, 0.2f }, { 40.0f, 1.0f }, { 25.0f, 0.3f }, { 50.0f, 2.0f } };

struct rig {
    struct mw_detector_config config;
    struct mw_detector detector;
    void *state; /* of the detector */
    struct noise noise;
    int64_t slot, offset_us; /* of the monotonic clock */
    struct mw_frame frame;   /* the newest */
    struct mw_verdict verdict;
    uint8_t *tflite, *memory;
    size_t n_tflite, n_memory;
};

static struct mw_frame natural(struct rig *rig)
{
    struct mw_frame f = { .slot = rig->slot, .valid = ALL, .fresh = ALL };
    f.mono_us = rig->slot * S + rig->offset_us;
    f.at_us = rig->slot * S + INT64_C(1700000000000000);
    for (int c = 0; c < N_CHANNELS; c++)
        f.values[c] = NATURE[c].mean + NATURE[c].sd * (float)noise_normal(&rig->noise);
    rig->slot++;
    return f;
}

static void settle(struct mw_detector_config *config)
{
    *config = (struct mw_detector_config){ .n_channels = N_CHANNELS, .period_us = S };
    static const uint8_t roles[] = { MW_ROLE_SCORE, MW_ROLE_SCORE, MW_ROLE_CONTEXT, MW_ROLE_OFF };
    for (int c = 0; c < N_CHANNELS; c++) {
        strcpy(config->channels[c].name, NAMES[c]);
        config->channels[c].role = roles[c];
        ck_assert_int_eq(mw_limits_settle(&config->channels[c].limits, NULL), MW_OK);
        ck_assert_int_eq(mw_sensor_settle(&config->channels[c].sensor, NULL), MW_OK);
    }
    ck_assert_int_eq(mw_trend_settle(&config->trend, NULL), MW_OK);
}

static void train(struct rig *rig, uint64_t seed, uint32_t n_columns)
{
    static struct mw_frame frames[600];
    struct train_options options = {
        .context = (const char *const[]){ "temperature" },
        .n_context = n_columns > TEMPERATURE ? 1 : 0,
        .no_network = true,
        .seed = seed,
        .period_us = S,
    };
    struct train_report report;
    struct train_fault why;
    for (int i = 0; i < 600; i++)
        frames[i] = natural(rig);
    struct csv table = table_of(frames, 600, NAMES, n_columns);
    free(rig->tflite);
    ck_assert_msg(train_run(&options, &table, NULL, &rig->tflite, &rig->n_tflite, &report, &why) ==
                      MW_OK,
                  "%s", why.text);
    csv_destroy(&table);
}

/* config: borrowed */
static void init(struct rig *rig, const struct mw_detector_config *config)
{
    free(rig->state);
    rig->state = malloc(mw_detector_bytes(config));
    mw_detector_init(&rig->detector, config, rig->state);
}

static int install(struct rig *rig)
{
    struct mw_model_fault why;
    ck_assert_int_eq(mw_detector_measure(rig->tflite, rig->n_tflite, &rig->n_memory, &why), MW_OK);
    uint8_t *old = rig->memory;
    rig->memory = malloc(rig->n_memory + 1);
    int result = mw_detector_install(&rig->detector, rig->tflite, rig->n_tflite, rig->memory,
                                     rig->n_memory, &why);
    free(old);
    return result;
}

/* A detector with a model; config may be changed afterwards, it is borrowed. */
static struct rig *start(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig->noise.state = 42;
    settle(&rig->config);
    init(rig, &rig->config);
    train(rig, 1, HUMIDITY);
    ck_assert_int_eq(install(rig), MW_OK);
    return rig;
}

static void finish(struct rig *rig)
{
    free(rig->tflite);
    free(rig->memory);
    free(rig->state);
    free(rig);
}

static void step(struct rig *rig, const struct mw_frame *frame)
{
    rig->frame = *frame;
    mw_detector_step(&rig->detector, frame, &rig->verdict);
}

/* n natural frames with channel c at value; MW_CHANNEL_NONE: all natural. Counts the findings. */
static int run(struct rig *rig, int n, uint8_t c, float value)
{
    int n_findings = 0;
    for (int i = 0; i < n; i++) {
        struct mw_frame f = natural(rig);
        if (c != MW_CHANNEL_NONE)
            f.values[c] = value;
        step(rig, &f);
        n_findings += rig->verdict.n_findings;
    }
    return n_findings;
}

/* As run, until a frame brings findings; returns frames, or 0 where none came within n. */
static int run_until(struct rig *rig, int n, uint8_t c, float value)
{
    for (int i = 1; i <= n; i++)
        if (run(rig, 1, c, value))
            return i;
    return 0;
}

/* A shift that keeps the noise. */
static int shift_until(struct rig *rig, int n, uint8_t c, float by)
{
    for (int i = 1; i <= n; i++) {
        struct mw_frame f = natural(rig);
        f.values[c] += by;
        step(rig, &f);
        if (rig->verdict.n_findings)
            return i;
    }
    return 0;
}

static void is_finding(const struct rig *rig, int i, uint8_t detector, uint8_t condition,
                       uint8_t channel, bool active)
{
    ck_assert_int_gt(rig->verdict.n_findings, i);
    const struct mw_finding *f = &rig->verdict.findings[i];
    ck_assert_uint_eq(f->detector, detector);
    ck_assert_uint_eq(f->condition, condition);
    ck_assert_uint_eq(f->channel, channel);
    ck_assert_uint_eq(f->active, active);
    ck_assert_int_eq(f->at_us, rig->frame.at_us);
}

START_TEST(without_a_model_limits_and_sensors_are_watched)
{
    struct rig *rig = start();
    init(rig, &rig->config);
    rig->config.channels[TEMPERATURE].limits.armed = MW_LIMIT_HIGH;
    rig->config.channels[TEMPERATURE].limits.high = 30.0f;
    ck_assert_int_eq(run(rig, 100, MW_CHANNEL_NONE, 0), 0);
    ck_assert_uint_eq(rig->verdict.model_state, MW_MODEL_ABSENT);
    ck_assert_int_eq(run_until(rig, 20, TEMPERATURE, 33.0f), 6);
    is_finding(rig, 0, MW_DETECTOR_LIMIT, MW_CONDITION_HIGH, TEMPERATURE, true);
    ck_assert_uint_eq(rig->verdict.findings[0].severity, MW_SEVERITY_WARNING);
    ck_assert_float_eq_tol(rig->verdict.findings[0].score, 1.1f, 1e-6f);
    ck_assert_float_eq(rig->verdict.findings[0].expected, 30.0f);
    ck_assert_int_eq(run_until(rig, 20, MW_CHANNEL_NONE, 0), 1);
    is_finding(rig, 0, MW_DETECTOR_LIMIT, MW_CONDITION_HIGH, TEMPERATURE, false);
    finish(rig);
}
END_TEST

START_TEST(a_machine_that_is_well_gives_no_finding)
{
    struct rig *rig = start();
    ck_assert_int_eq(run(rig, 20000, MW_CHANNEL_NONE, 0), 0);
    ck_assert_uint_eq(rig->verdict.model_state, MW_MODEL_NORMAL);
    finish(rig);
}
END_TEST

START_TEST(an_anomaly_begins_and_ends_once_and_names_its_channel)
{
    struct rig *rig = start();
    run(rig, 100, MW_CHANNEL_NONE, 0);
    int latency = shift_until(rig, 100, FLOW, 4.0f);
    ck_assert(latency > 0 && latency <= 16);
    ck_assert_int_eq(rig->verdict.n_findings, 1);
    is_finding(rig, 0, MW_DETECTOR_MODEL, MW_CONDITION_ANOMALY, FLOW, true);
    const struct mw_finding f = rig->verdict.findings[0];
    ck_assert(f.score > 1.0f && f.score < 3.0f && f.severity == MW_SEVERITY_WARNING);
    ck_assert_float_eq_tol(f.expected, 40.0f, 0.5f);
    ck_assert(f.value > 41.0f && f.value < 45.0f);
    ck_assert(f.share > 0.5f && f.share <= 1.0f);
    struct mw_contributor who[MW_ALERT_CONTRIBUTORS];
    ck_assert_uint_eq(mw_detector_contributors(&rig->detector, who), 2);
    ck_assert_uint_eq(who[0].channel, FLOW);
    ck_assert_int_eq(shift_until(rig, 500, FLOW, 4.0f), 0);
    ck_assert_int_gt(run_until(rig, 100, MW_CHANNEL_NONE, 0), 5);
    is_finding(rig, 0, MW_DETECTOR_MODEL, MW_CONDITION_ANOMALY, FLOW, false);
    ck_assert_int_eq(run(rig, 500, MW_CHANNEL_NONE, 0), 0);
    finish(rig);
}
END_TEST

START_TEST(a_finding_that_becomes_critical_is_said_again)
{
    struct rig *rig = start();
    run(rig, 100, MW_CHANNEL_NONE, 0);
    ck_assert_int_gt(shift_until(rig, 100, FLOW, 9.0f), 0);
    ck_assert_uint_eq(rig->verdict.findings[0].severity, MW_SEVERITY_WARNING);
    ck_assert_int_gt(shift_until(rig, 100, FLOW, 9.0f), 0);
    ck_assert_int_eq(rig->verdict.n_findings, 1);
    is_finding(rig, 0, MW_DETECTOR_MODEL, MW_CONDITION_ANOMALY, FLOW, true);
    ck_assert_uint_eq(rig->verdict.findings[0].severity, MW_SEVERITY_CRITICAL);
    ck_assert_float_ge(rig->verdict.findings[0].score, 3.0f);
    ck_assert_int_eq(shift_until(rig, 300, FLOW, 9.0f), 0);
    finish(rig);
}
END_TEST

START_TEST(an_alarm_shorter_than_its_delay_is_no_finding)
{
    struct rig *rig = start();
    rig->config.model_delay_us = 40 * S;
    run(rig, 100, MW_CHANNEL_NONE, 0);
    int n = 0;
    for (int i = 0; i < 20; i++) {
        struct mw_frame f = natural(rig);
        f.values[FLOW] += 6.0f;
        step(rig, &f);
        n += rig->verdict.n_findings;
    }
    ck_assert_uint_eq(rig->verdict.model_state, MW_MODEL_ALARM);
    ck_assert_int_eq(n + run(rig, 200, MW_CHANNEL_NONE, 0), 0);
    ck_assert_uint_eq(rig->verdict.model_state, MW_MODEL_NORMAL);
    int latency = shift_until(rig, 100, FLOW, 6.0f);
    ck_assert(latency >= 40 && latency <= 56);
    finish(rig);
}
END_TEST

/* Whatever a sensor freezes at, only the sensor is reported. */
static void only_stuck(float value, uint8_t channel, int64_t delay_us)
{
    struct rig *rig = start();
    rig->config.model_delay_us = delay_us;
    ck_assert_int_eq(run(rig, 100, MW_CHANNEL_NONE, 0), 0);
    int frames = run_until(rig, 2000, channel, value);
    ck_assert_int_ge(frames, 61);
    ck_assert_int_eq(rig->verdict.n_findings, 1);
    is_finding(rig, 0, MW_DETECTOR_SENSOR, MW_CONDITION_STUCK, channel, true);
    ck_assert_uint_eq(rig->verdict.model_state, MW_MODEL_HOLD);
    ck_assert_int_eq(run(rig, 1000, channel, value), 0);
    ck_assert_int_eq(run_until(rig, 10, MW_CHANNEL_NONE, 0), 3);
    is_finding(rig, 0, MW_DETECTOR_SENSOR, MW_CONDITION_STUCK, channel, false);
    ck_assert_int_eq(run(rig, 100, MW_CHANNEL_NONE, 0), 0);
    ck_assert_uint_eq(rig->verdict.model_state, MW_MODEL_NORMAL);
    finish(rig);
}

START_TEST(a_sensor_that_freezes_anywhere_is_a_sensor_finding_and_nothing_else)
{
    static const float values[] = { 0.0f, 40.0f, 43.0f, 6553.5f, -9999.0f };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        only_stuck(values[i], FLOW, 0);
        only_stuck(values[i], FLOW, 5 * S);
        only_stuck(values[i], CURRENT, 0);
        only_stuck(values[i], TEMPERATURE, 0);
    }
}
END_TEST

START_TEST(a_sensor_without_an_answer_holds_the_model_and_nothing_else)
{
    struct rig *rig = start();
    rig->config.channels[TEMPERATURE].limits.armed = MW_LIMIT_HIGH_HIGH;
    rig->config.channels[TEMPERATURE].limits.high_high = 80.0f;
    run(rig, 100, MW_CHANNEL_NONE, 0);
    int frames = 0;
    do {
        struct mw_frame f = natural(rig);
        f.valid &= ~(1u << FLOW);
        f.values[FLOW] = 0.0f;
        step(rig, &f);
        ck_assert_uint_eq(rig->verdict.model_state, MW_MODEL_HOLD);
    } while (++frames < 100 && rig->verdict.n_findings == 0);
    ck_assert_int_eq(frames, 30);
    is_finding(rig, 0, MW_DETECTOR_SENSOR, MW_CONDITION_NO_DATA, FLOW, true);
    for (frames = 1; frames < 20; frames++) { /* the healthy point is still watched */
        struct mw_frame f = natural(rig);
        f.valid &= ~(1u << FLOW);
        f.values[TEMPERATURE] += 60.0f;
        step(rig, &f);
        if (rig->verdict.n_findings)
            break;
    }
    is_finding(rig, 0, MW_DETECTOR_LIMIT, MW_CONDITION_HIGH_HIGH, TEMPERATURE, true);
    ck_assert_uint_eq(rig->verdict.findings[0].severity, MW_SEVERITY_CRITICAL);
    run(rig, 1, MW_CHANNEL_NONE, 0);
    ck_assert_int_eq(rig->verdict.n_findings, 2);
    is_finding(rig, 0, MW_DETECTOR_SENSOR, MW_CONDITION_NO_DATA, FLOW, false);
    is_finding(rig, 1, MW_DETECTOR_LIMIT, MW_CONDITION_HIGH_HIGH, TEMPERATURE, false);
    finish(rig);
}
END_TEST

START_TEST(a_model_finding_ends_when_its_channel_is_found_stuck)
{
    struct rig *rig = start();
    run(rig, 100, MW_CHANNEL_NONE, 0);
    ck_assert_int_gt(shift_until(rig, 100, FLOW, 5.0f), 0); /* a dying sensor wanders off */
    ck_assert_int_ge(run_until(rig, 500, FLOW, 45.0f), 61); /* and freezes */
    ck_assert_int_eq(rig->verdict.n_findings, 2);
    is_finding(rig, 0, MW_DETECTOR_SENSOR, MW_CONDITION_STUCK, FLOW, true);
    is_finding(rig, 1, MW_DETECTOR_MODEL, MW_CONDITION_ANOMALY, FLOW, false);
    ck_assert_int_eq(run(rig, 100, FLOW, 45.0f), 0);
    finish(rig);
}
END_TEST

START_TEST(an_anomaly_is_found_although_another_channel_stands_still_as_it_always_did)
{
    struct rig *rig = start();
    run(rig, 100, MW_CHANNEL_NONE, 0);
    int latency = 0;
    for (int i = 1; i < 100 && !latency; i++) {
        struct mw_frame f = natural(rig);
        f.values[FLOW] += 6.0f;
        f.values[HUMIDITY] = 50.0f; /* off: its standstill says nothing of the model */
        step(rig, &f);
        latency = rig->verdict.n_findings ? i : 0;
    }
    ck_assert(latency > 0 && latency <= 16);
    is_finding(rig, 0, MW_DETECTOR_MODEL, MW_CONDITION_ANOMALY, FLOW, true);
    finish(rig);
}
END_TEST

START_TEST(a_saturated_reading_still_reaches_high_limits_and_a_frozen_one_no_low_limit)
{
    struct rig *rig = start();
    rig->config.channels[FLOW].limits.armed = MW_LIMIT_LOW | MW_LIMIT_HIGH_HIGH;
    rig->config.channels[FLOW].limits.low = 30.0f;
    rig->config.channels[FLOW].limits.high_high = 90.0f;
    rig->config.channels[FLOW].limits.delay_us = 10 * S;
    run(rig, 100, MW_CHANNEL_NONE, 0);
    ck_assert_int_ge(run_until(rig, 500, FLOW, 10.0f), 61);
    ck_assert_int_eq(rig->verdict.n_findings, 1);
    is_finding(rig, 0, MW_DETECTOR_SENSOR, MW_CONDITION_STUCK, FLOW, true);
    run(rig, 100, MW_CHANNEL_NONE, 0);
    ck_assert_int_eq(run_until(rig, 500, FLOW, 100.0f), 11);
    is_finding(rig, 0, MW_DETECTOR_LIMIT, MW_CONDITION_HIGH_HIGH, FLOW, true);
    finish(rig);
}
END_TEST

START_TEST(what_does_not_fit_a_verdict_comes_with_the_next)
{
    struct rig *rig = start();
    struct mw_detector_config *config = &rig->config;
    config->n_channels = 20;
    for (int c = N_CHANNELS; c < 20; c++) {
        config->channels[c] = config->channels[HUMIDITY];
        config->channels[c].name[0] = (char)('a' + c);
    }
    init(rig, config);
    struct mw_frame f = natural(rig);
    f.valid = 0;
    step(rig, &f);
    f.slot++;
    f.mono_us += 60 * S;
    step(rig, &f);
    ck_assert_uint_eq(rig->verdict.n_findings, MW_MAX_FINDINGS);
    f.slot++;
    f.mono_us += S;
    step(rig, &f);
    ck_assert_uint_eq(rig->verdict.n_findings, 4);
    is_finding(rig, 3, MW_DETECTOR_SENSOR, MW_CONDITION_NO_DATA, 19, true);
    f.mono_us += S;
    step(rig, &f);
    ck_assert_uint_eq(rig->verdict.n_findings, 0);
    finish(rig);
}
END_TEST

START_TEST(a_model_of_other_channels_is_refused_and_the_old_one_stays)
{
    struct rig *rig = start();
    struct mw_model_fault why = { "" };
    size_t n_memory;
    static _Alignas(8) uint8_t memory[65536];
    uint8_t digest[8];
    memcpy(digest, rig->detector.digest, sizeof digest);
    uint8_t *old = rig->tflite;
    rig->tflite = NULL;
    train(rig, 2, TEMPERATURE);
    ck_assert_int_eq(mw_detector_measure(rig->tflite, rig->n_tflite, &n_memory, &why), MW_OK);
    ck_assert_uint_le(n_memory, sizeof memory);
    ck_assert_int_eq(mw_detector_install(&rig->detector, rig->tflite, rig->n_tflite, memory,
                                         sizeof memory, &why),
                     MW_ERR_MISMATCH);
    ck_assert_str_eq(why.text, "the model has 2 channels, the machine has 3 to judge by");
    strcpy(rig->config.channels[FLOW].name, "volume");
    ck_assert_int_eq(
        mw_detector_install(&rig->detector, rig->tflite, 10, memory, sizeof memory, &why),
        MW_ERR_FORMAT);
    ck_assert_mem_eq(digest, rig->detector.digest, sizeof digest);
    ck_assert_int_eq(run(rig, 100, MW_CHANNEL_NONE, 0), 0);
    ck_assert_uint_eq(rig->verdict.model_state, MW_MODEL_NORMAL);
    free(old);
    finish(rig);
}
END_TEST

START_TEST(another_model_ends_the_finding_of_the_old_one)
{
    struct rig *rig = start();
    run(rig, 100, MW_CHANNEL_NONE, 0);
    ck_assert_int_gt(shift_until(rig, 100, FLOW, 5.0f), 0);
    train(rig, 2, HUMIDITY);
    ck_assert_int_eq(install(rig), MW_OK);
    ck_assert_int_eq(run(rig, 1, MW_CHANNEL_NONE, 0), 1);
    is_finding(rig, 0, MW_DETECTOR_MODEL, MW_CONDITION_ANOMALY, FLOW, false);
    ck_assert_uint_eq(rig->verdict.model_state, MW_MODEL_ABSENT);
    finish(rig);
}
END_TEST

START_TEST(accepting_ends_the_findings_and_makes_the_level_normal)
{
    struct rig *rig = start();
    run(rig, 100, MW_CHANNEL_NONE, 0);
    ck_assert_int_gt(shift_until(rig, 100, FLOW, 5.0f), 0);
    for (int i = 0; i < 30; i++)
        shift_until(rig, 1, FLOW, 5.0f);
    mw_detector_accept(&rig->detector);
    ck_assert_int_eq(shift_until(rig, 1, FLOW, 5.0f), 1);
    is_finding(rig, 0, MW_DETECTOR_MODEL, MW_CONDITION_ANOMALY, FLOW, false);
    ck_assert_int_eq(shift_until(rig, 1000, FLOW, 5.0f), 0);
    ck_assert_int_gt(run_until(rig, 100, MW_CHANNEL_NONE, 0), 0);
    is_finding(rig, 0, MW_DETECTOR_MODEL, MW_CONDITION_ANOMALY, FLOW, true);
    finish(rig);
}
END_TEST

static uint8_t saved[MW_DETECTOR_STATE_MAX], again[MW_DETECTOR_STATE_MAX];

/* The process ends and starts again; the monotonic clock starts anew. */
static int restart(struct rig *rig)
{
    int n = mw_detector_save(&rig->detector, saved, sizeof saved);
    ck_assert_int_gt(n, 0);
    init(rig, &rig->config);
    ck_assert_int_eq(install(rig), MW_OK);
    rig->offset_us = -rig->slot * S + 5;
    int result = mw_detector_restore(&rig->detector, saved, (size_t)n);
    if (result == MW_OK) {
        ck_assert_int_eq(mw_detector_save(&rig->detector, again, sizeof again), n);
        ck_assert_mem_eq(saved, again, (size_t)n);
    }
    return result;
}

START_TEST(a_restart_neither_repeats_nor_forgets)
{
    struct rig *rig = start();
    rig->config.channels[TEMPERATURE].limits.armed = MW_LIMIT_HIGH;
    rig->config.channels[TEMPERATURE].limits.high = 24.0f;
    rig->config.channels[TEMPERATURE].limits.deadband = 5.0f;
    rig->config.channels[TEMPERATURE].limits.delay_us = S;
    run(rig, 100, MW_CHANNEL_NONE, 0);
    run(rig, 100, HUMIDITY, 1.0f); /* off, unknown to the model */
    for (int i = 0; i < 40; i++)
        shift_until(rig, 1, FLOW, 9.0f);
    ck_assert(mw_detector_is_active(&rig->detector, TEMPERATURE, MW_CONDITION_HIGH));
    ck_assert(mw_detector_is_active(&rig->detector, MW_MAX_CHANNELS, MW_CONDITION_ANOMALY));
    ck_assert(rig->detector.told_critical);
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(restart(rig), MW_OK);
        ck_assert(mw_detector_is_active(&rig->detector, MW_MAX_CHANNELS, MW_CONDITION_ANOMALY));
        ck_assert_int_eq(shift_until(rig, 10 + 10 * k, FLOW, 9.0f), 0);
    }
    ck_assert_int_eq(shift_until(rig, 30, FLOW, 9.0f), 0);
    ck_assert_int_gt(run_until(rig, 100, MW_CHANNEL_NONE, 0), 0);
    is_finding(rig, 0, MW_DETECTOR_MODEL, MW_CONDITION_ANOMALY, FLOW, false);
    finish(rig);
}
END_TEST

START_TEST(a_restart_keeps_what_a_sensor_was_found_to_be)
{
    struct rig *rig = start();
    run(rig, 100, MW_CHANNEL_NONE, 0);
    ck_assert_int_gt(run_until(rig, 500, FLOW, 40.0f), 0);
    ck_assert_int_eq(restart(rig), MW_OK);
    ck_assert_int_eq(run(rig, 300, FLOW, 40.0f), 0);
    ck_assert(mw_detector_is_active(&rig->detector, FLOW, MW_CONDITION_STUCK));
    ck_assert_int_eq(run_until(rig, 10, MW_CHANNEL_NONE, 0), 3);
    is_finding(rig, 0, MW_DETECTOR_SENSOR, MW_CONDITION_STUCK, FLOW, false);
    finish(rig);
}
END_TEST

START_TEST(a_restart_with_another_model_keeps_the_rest)
{
    struct rig *rig = start();
    rig->config.channels[TEMPERATURE].limits.armed = MW_LIMIT_HIGH;
    rig->config.channels[TEMPERATURE].limits.high = 24.0f;
    rig->config.channels[TEMPERATURE].limits.deadband = 5.0f;
    run(rig, 100, MW_CHANNEL_NONE, 0);
    for (int i = 0; i < 40; i++)
        shift_until(rig, 1, FLOW, 5.0f);
    train(rig, 2, HUMIDITY);
    ck_assert_int_eq(restart(rig), MW_ERR_MISMATCH);
    ck_assert(mw_detector_is_active(&rig->detector, TEMPERATURE, MW_CONDITION_HIGH));
    ck_assert_int_eq(run(rig, 1, MW_CHANNEL_NONE, 0), 1);
    is_finding(rig, 0, MW_DETECTOR_MODEL, MW_CONDITION_ANOMALY, FLOW, false);
    ck_assert(mw_detector_is_active(&rig->detector, TEMPERATURE, MW_CONDITION_HIGH));
    finish(rig);
}
END_TEST

START_TEST(channels_are_found_again_by_name)
{
    struct rig *rig = start();
    run(rig, 100, MW_CHANNEL_NONE, 0);
    ck_assert_int_gt(shift_until(rig, 100, FLOW, 5.0f), 0);
    int n = mw_detector_save(&rig->detector, saved, sizeof saved);
    struct mw_channel_config flow = rig->config.channels[FLOW];
    rig->config.channels[FLOW] = rig->config.channels[HUMIDITY];
    rig->config.channels[HUMIDITY] = flow;
    init(rig, &rig->config);
    ck_assert_int_eq(install(rig), MW_OK);
    ck_assert_int_eq(mw_detector_restore(&rig->detector, saved, (size_t)n), MW_OK);
    ck_assert_uint_eq(rig->detector.alarm.channel, HUMIDITY);
    ck_assert(rig->detector.sensors[HUMIDITY].run == 1);
    finish(rig);
}
END_TEST

START_TEST(damaged_bytes_are_refused_and_change_nothing)
{
    struct rig *rig = start();
    run(rig, 100, MW_CHANNEL_NONE, 0);
    int n = mw_detector_save(&rig->detector, saved, sizeof saved);
    for (int cap = 0; cap < n; cap += 7)
        ck_assert_int_eq(mw_detector_save(&rig->detector, again, (size_t)cap), MW_ERR_NO_SPACE);
    for (int i = 0; i < n; i++) {
        saved[i] ^= 0x10;
        ck_assert_int_lt(mw_detector_restore(&rig->detector, saved, (size_t)n), 0);
        ck_assert_int_lt(mw_detector_restore(&rig->detector, saved, (size_t)i), 0);
        saved[i] ^= 0x10;
    }
    ck_assert_int_eq(mw_detector_save(&rig->detector, again, sizeof again), n);
    ck_assert_mem_eq(saved, again, (size_t)n);
    finish(rig);
}
END_TEST

START_TEST(the_same_frames_give_the_same_bytes)
{
    struct rig *a = start(), *b = start();
    for (int i = 0; i < 5000; i++) {
        float by = i > 3000 && i < 3300 ? 5.0f : 0.0f;
        shift_until(a, 1, FLOW, by);
        shift_until(b, 1, FLOW, by);
        ck_assert_mem_eq(&a->verdict.findings, &b->verdict.findings, sizeof a->verdict.findings);
    }
    int n = mw_detector_save(&a->detector, saved, sizeof saved);
    ck_assert_int_eq(mw_detector_save(&b->detector, again, sizeof again), n);
    ck_assert_mem_eq(saved, again, (size_t)n);
    finish(a);
    finish(b);
}
END_TEST

START_TEST(the_largest_state_fits)
{
    struct rig *rig = start();
    rig->config.n_channels = MW_MAX_CHANNELS;
    rig->config.trend.n_baseline = MW_TREND_MAX_BASELINE;
    rig->config.trend.interval_us = 64 * S;
    for (int c = 0; c < MW_MAX_CHANNELS; c++) {
        rig->config.channels[c].role = MW_ROLE_OFF;
        rig->config.channels[c].sensor = rig->config.channels[0].sensor;
        memset(rig->config.channels[c].name, 'a' + c % 26, MW_NAME_MAX);
        rig->config.channels[c].name[0] = (char)('A' + c);
    }
    init(rig, &rig->config);
    for (int i = 0; i < 167 * 64 + 64; i++) {
        struct mw_frame f = natural(rig);
        f.valid = ~0u;
        for (int c = N_CHANNELS; c < MW_MAX_CHANNELS; c++)
            f.values[c] = (float)noise_normal(&rig->noise);
        step(rig, &f);
    }
    ck_assert_uint_eq(rig->detector.trend.series[31].n_medians, 167);
    ck_assert_uint_eq(rig->detector.trend.series[31].n_samples, 64);
    int n = mw_detector_save(&rig->detector, saved, sizeof saved);
    ck_assert_int_gt(n, 32 * 900);
    ck_assert_int_eq(mw_detector_restore(&rig->detector, saved, (size_t)n), MW_OK);
    finish(rig);
}
END_TEST

MW_SUITE("inference/detector", without_a_model_limits_and_sensors_are_watched,
         a_machine_that_is_well_gives_no_finding,
         an_anomaly_begins_and_ends_once_and_names_its_channel,
         a_finding_that_becomes_critical_is_said_again,
         an_alarm_shorter_than_its_delay_is_no_finding,
         a_sensor_that_freezes_anywhere_is_a_sensor_finding_and_nothing_else,
         a_sensor_without_an_answer_holds_the_model_and_nothing_else,
         a_model_finding_ends_when_its_channel_is_found_stuck,
         an_anomaly_is_found_although_another_channel_stands_still_as_it_always_did,
         a_saturated_reading_still_reaches_high_limits_and_a_frozen_one_no_low_limit,
         what_does_not_fit_a_verdict_comes_with_the_next,
         a_model_of_other_channels_is_refused_and_the_old_one_stays,
         another_model_ends_the_finding_of_the_old_one,
         accepting_ends_the_findings_and_makes_the_level_normal,
         a_restart_neither_repeats_nor_forgets, a_restart_keeps_what_a_sensor_was_found_to_be,
         a_restart_with_another_model_keeps_the_rest, channels_are_found_again_by_name,
         damaged_bytes_are_refused_and_change_nothing, the_same_frames_give_the_same_bytes,
         the_largest_state_fits)
