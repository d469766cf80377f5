/* SPDX-License-Identifier: Apache-2.0 */
/* Faults that grow slowly, and a month without any. Two synthetic machines with noise of 1 sigma
 * on every channel, day and night and weather on two context temperatures, and readings rounded
 * as registers are: one of constant duty, whose model has the level guard, and one whose channels
 * follow a load that changes by steps. Each is commissioned on its first day: the trend's
 * baseline, and a model trained on the same rows. Prints which detector spoke, and when. */
#include "inference/detector.h"

#include "base/result.h"
#include "support/noise.h"
#include "support/suite.h"
#include "support/table.h"
#include "training/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define S      INT64_C(1000000)
#define MINUTE (60 * S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define PI     3.14159265358979323846

enum { CURRENT, FLOW, VIBRATION, PRESSURE, BEARING, AMBIENT, N_CHANNELS };
#define N_SCORED 4
#define ALL      63u
#define NEVER    INT64_MAX

/* Of each channel: value at half load, noise, how much full load adds to no load, resolution. */
static const struct nature {
    const char *name;
    double mean, sigma, load, step;
} NATURE[] = {
    { "current", 8.0, 0.2, 4.0, 0.01 },   { "flow", 40.0, 1.0, 20.0, 0.1 },
    { "vibration", 2.5, 0.1, 2.0, 0.01 }, { "pressure", 3.0, 0.05, -1.0, 0.01 },
    { "bearing", 45.0, 0.3, 12.0, 0.1 },  { "ambient", 22.0, 0.3, 0.0, 0.1 },
};

struct machine {
    bool load_driven;
    int64_t period_us;
    struct noise noise;
    int64_t slot;
    double load, slow_load, weather; /* load 0 .. 1 */
    int64_t load_until_us;
};

static struct machine machine_of(bool load_driven, int64_t period_us, uint64_t seed)
{
    return (struct machine){ .load_driven = load_driven,
                             .period_us = period_us,
                             .noise = { seed },
                             .load = 0.5,
                             .slow_load = 0.5 };
}

/* A new load after 5 to 60 minutes; a new day's weather at midnight. */
static void live(struct machine *m, int64_t now_us)
{
    if (m->load_driven && now_us >= m->load_until_us) {
        m->load = noise_uniform(&m->noise);
        m->load_until_us = now_us + 5 * MINUTE + (int64_t)(noise_uniform(&m->noise) * 55 * MINUTE);
    }
    double part = (double)m->period_us / (double)HOUR;
    m->slow_load += (m->load - m->slow_load) * (part < 1.0 ? part : 1.0);
    if (now_us % DAY < m->period_us)
        m->weather = 0.7 * m->weather + 0.7 * noise_normal(&m->noise);
}

static struct mw_frame next_frame(struct machine *m)
{
    int64_t now_us = m->slot * m->period_us;
    struct mw_frame f = { .slot = m->slot, .mono_us = now_us, .valid = ALL, .fresh = ALL };
    f.at_us = now_us + INT64_C(1700000000000000);
    live(m, now_us);
    double heat = 4.0 * sin(2.0 * PI * (double)(now_us % DAY) / (double)DAY) + m->weather;
    for (int c = 0; c < N_CHANNELS; c++) {
        double x = NATURE[c].mean + NATURE[c].sigma * noise_normal(&m->noise);
        x += NATURE[c].load * ((c == BEARING ? m->slow_load : m->load) - 0.5);
        x += c == AMBIENT ? heat : c == BEARING ? 0.7 * heat : 0.0;
        f.values[c] = (float)(round(x / NATURE[c].step) * NATURE[c].step);
    }
    m->slot++;
    return f;
}

struct rig {
    struct machine machine;
    struct mw_detector_config config;
    struct mw_detector detector;
    struct mw_verdict verdict;
    uint8_t *tflite, *memory;
    void *state; /* of the detector */
    size_t n_tflite, n_memory;
};

static void settle(struct mw_detector_config *config, int64_t period_us)
{
    *config = (struct mw_detector_config){ .n_channels = N_CHANNELS, .period_us = period_us };
    config->model_delay_us = 5 * period_us;
    for (int c = 0; c < N_CHANNELS; c++) {
        struct mw_channel_config *channel = &config->channels[c];
        strcpy(channel->name, NATURE[c].name);
        channel->role = c < N_SCORED ? MW_ROLE_SCORE : MW_ROLE_CONTEXT;
        channel->sensor.no_data_us = 30 * period_us;
        ck_assert_int_eq(mw_limits_settle(&channel->limits, NULL), MW_OK);
        ck_assert_int_eq(mw_sensor_settle(&channel->sensor, NULL), MW_OK);
    }
    ck_assert_int_eq(mw_trend_settle(&config->trend, NULL), MW_OK);
}

static void train(struct rig *rig, const struct mw_frame *frames, uint32_t n_rows, uint64_t seed)
{
    const char *names[N_CHANNELS];
    for (int c = 0; c < N_CHANNELS; c++)
        names[c] = NATURE[c].name;
    struct train_options options = {
        .context = (const char *const[]){ "bearing", "ambient" },
        .n_context = 2,
        .seed = seed,
        .no_level_guard = rig->machine.load_driven,
        .period_us = rig->machine.period_us,
    };
    struct train_report report;
    struct train_fault why = { "" };
    struct mw_model_fault fault = { "" };
    struct csv table = table_of(frames, n_rows, names, N_CHANNELS);
    int result = train_run(&options, &table, NULL, &rig->tflite, &rig->n_tflite, &report, &why);
    ck_assert_msg(result == MW_OK, "%s", why.text);
    csv_destroy(&table);
    mw_detector_measure(rig->tflite, rig->n_tflite, &rig->n_memory, &fault);
    rig->memory = malloc(rig->n_memory);
    result = mw_detector_install(&rig->detector, rig->tflite, rig->n_tflite, rig->memory,
                                 rig->n_memory, &fault);
    ck_assert_msg(result == MW_OK, "%s", fault.text);
}

/* Commissioned: n_rows without a model, then trained and installed. The caller ends it. */
static void commission(struct rig *rig, bool load_driven, int64_t period_us, uint32_t n_rows,
                       uint64_t seed)
{
    *rig = (struct rig){ .machine = machine_of(load_driven, period_us, seed) };
    struct mw_frame *frames = calloc(n_rows, sizeof frames[0]);
    settle(&rig->config, period_us);
    rig->state = malloc(mw_detector_bytes(&rig->config));
    mw_detector_init(&rig->detector, &rig->config, rig->state);
    for (uint32_t i = 0; i < n_rows; i++) {
        frames[i] = next_frame(&rig->machine);
        mw_detector_step(&rig->detector, &frames[i], &rig->verdict);
        ck_assert_uint_eq(rig->verdict.n_findings, 0);
    }
    train(rig, frames, n_rows, seed);
    free(frames);
}

static void end(struct rig *rig)
{
    free(rig->tflite);
    free(rig->memory);
    free(rig->state);
}

static void copy_series(struct mw_trend_series *to, const struct mw_trend_series *from, size_t n)
{
    float *medians = to->medians;
    *to = *from;
    to->medians = memcpy(medians, from->medians, n * sizeof medians[0]);
}

/* Another rig in the same state, to be ended like it; the model's bytes stay the first one's. */
static void copy(struct rig *to, const struct rig *from)
{
    const struct mw_detector *old = &from->detector;
    struct mw_detector *d = &to->detector;
    struct mw_detector empty;
    *to = *from;
    to->tflite = NULL;
    to->state = malloc(mw_detector_bytes(&to->config));
    to->memory = malloc(from->n_memory);
    memcpy(to->memory, from->memory, from->n_memory);
    mw_detector_init(&empty, &to->config, to->state);
    d->config = &to->config;
    d->score = (struct mw_score *)(void *)to->memory;
    d->limits = memcpy(empty.limits, old->limits, N_CHANNELS * sizeof old->limits[0]);
    d->sensors = memcpy(empty.sensors, old->sensors, N_CHANNELS * sizeof old->sensors[0]);
    d->habits = memcpy(empty.habits, old->habits, N_CHANNELS * sizeof old->habits[0]);
    d->trend.series = empty.trend.series;
    for (int c = 0; c < N_CHANNELS; c++)
        copy_series(&d->trend.series[c], &old->trend.series[c], to->config.trend.n_baseline);
    d->trend.score.medians = empty.trend.score.medians;
    copy_series(&d->trend.score, &old->trend.score, to->config.trend.n_baseline);
}

/* What is wrong with a channel, from since_us on. */
struct fault {
    const char *name;
    enum { RAMP, STEP, FROZEN, CONSTANT, SILENT } kind;
    int channel;
    double size; /* RAMP, STEP: sigmas; CONSTANT: the value */
    int64_t ramp_us;
};

static void apply(const struct fault *fault, int64_t age_us, float *frozen, struct mw_frame *f)
{
    float *value = &f->values[fault->channel];
    double sigma = NATURE[fault->channel].sigma, step = NATURE[fault->channel].step;
    double grown = age_us < fault->ramp_us ? (double)age_us / (double)fault->ramp_us : 1.0;
    if (age_us == 0)
        *frozen = *value;
    switch (fault->kind) {
    case RAMP:
    case STEP: *value += (float)(round(fault->size * grown * sigma / step) * step); break;
    case FROZEN: *value = *frozen; break;
    case CONSTANT: *value = (float)fault->size; break;
    case SILENT: f->valid &= ~(1u << fault->channel); break;
    }
}

/* When each detector first spoke, since the fault began; NEVER. */
struct outcome {
    int64_t after_us[MW_DETECTOR_SENSOR + 1];
    uint8_t channel[MW_DETECTOR_SENSOR + 1];
    int n_findings;
};

/* Runs the machine for so long; fault may be NULL. */
static struct outcome run(struct rig *rig, int64_t for_us, const struct fault *fault)
{
    struct outcome outcome = { 0 };
    int64_t since_us = rig->machine.slot * rig->machine.period_us;
    float frozen = 0.0f;
    for (int d = 0; d <= MW_DETECTOR_SENSOR; d++)
        outcome.after_us[d] = NEVER;
    for (int64_t age_us = 0; age_us < for_us; age_us += rig->machine.period_us) {
        struct mw_frame f = next_frame(&rig->machine);
        if (fault)
            apply(fault, age_us, &frozen, &f);
        mw_detector_step(&rig->detector, &f, &rig->verdict);
        for (int i = 0; i < rig->verdict.n_findings; i++) {
            const struct mw_finding *finding = &rig->verdict.findings[i];
            outcome.n_findings++;
            if (!finding->active || outcome.after_us[finding->detector] != NEVER)
                continue;
            outcome.after_us[finding->detector] = f.mono_us - since_us;
            outcome.channel[finding->detector] = finding->channel;
        }
    }
    return outcome;
}

static const char *machine_name(const struct rig *rig)
{
    return rig->machine.load_driven ? "load-driven" : "constant-duty";
}

static void print_when(const struct outcome *outcome, int detector, const struct fault *fault)
{
    int64_t after_us = outcome->after_us[detector];
    if (after_us == NEVER) {
        printf(" | %-28s", "-");
        return;
    }
    uint8_t c = outcome->channel[detector];
    double grown = after_us < fault->ramp_us ? (double)after_us / (double)fault->ramp_us : 1.0;
    printf(" | %6.1f h %5.1f sd %-10s", (double)after_us / (double)HOUR, fault->size * grown,
           c < N_CHANNELS ? NATURE[c].name : "score");
}

static void print_row(const struct rig *rig, uint64_t seed, const struct fault *fault,
                      const struct outcome *outcome)
{
    printf("%-13s %2d | %-32s", machine_name(rig), (int)seed, fault->name);
    print_when(outcome, MW_DETECTOR_MODEL, fault);
    print_when(outcome, MW_DETECTOR_TREND, fault);
    printf("\n");
    fflush(stdout);
}

static void found(struct rig *healthy, uint64_t seed, const struct fault *fault, int64_t within_us)
{
    struct rig rig;
    copy(&rig, healthy); /* from the same state every time */
    struct outcome outcome = run(&rig, within_us, fault);
    print_row(&rig, seed, fault, &outcome);
    ck_assert_msg(outcome.after_us[MW_DETECTOR_MODEL] != NEVER ||
                      outcome.after_us[MW_DETECTOR_TREND] != NEVER,
                  "%s, %s: nobody noticed", machine_name(&rig), fault->name);
    ck_assert(outcome.after_us[MW_DETECTOR_SENSOR] == NEVER);
    end(&rig);
}

static const struct fault GROWING[] = {
    { "flow, 20 sd in 1 h", RAMP, FLOW, 20.0, HOUR },
    { "flow, 20 sd in 6 h", RAMP, FLOW, 20.0, 6 * HOUR },
    { "flow, 20 sd in 24 h", RAMP, FLOW, 20.0, DAY },
    { "flow, 20 sd in 7 days", RAMP, FLOW, 20.0, 7 * DAY },
    { "vibration, 20 sd in 1 h", RAMP, VIBRATION, 20.0, HOUR },
    { "vibration, 20 sd in 6 h", RAMP, VIBRATION, 20.0, 6 * HOUR },
    { "vibration, 20 sd in 24 h", RAMP, VIBRATION, 20.0, DAY },
    { "vibration, 20 sd in 7 days", RAMP, VIBRATION, 20.0, 7 * DAY },
    { "ambient (context), step of 60 sd", STEP, AMBIENT, 60.0, 0 },
};

/* Thirty days without a finding; and, from their third day on in another world, each fault, as
 * long as it grows and six hours more. */
static void silent_for_a_month_and_every_fault_found(bool load_driven)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        static struct rig rig;
        commission(&rig, load_driven, MINUTE, 1440, seed);
        int n_findings = run(&rig, 2 * DAY + 7 * HOUR, NULL).n_findings;
        for (size_t i = 0; i < sizeof GROWING / sizeof GROWING[0]; i++)
            found(&rig, seed, &GROWING[i], GROWING[i].ramp_us + 6 * HOUR);
        n_findings += run(&rig, 28 * DAY, NULL).n_findings;
        printf("%-13s %2d | 30 healthy days: %d findings\n", machine_name(&rig), (int)seed,
               n_findings);
        fflush(stdout);
        ck_assert_int_eq(n_findings, 0);
        end(&rig);
    }
}

START_TEST(constant_duty_is_silent_for_a_month_and_every_growing_fault_is_found)
{
    silent_for_a_month_and_every_fault_found(false);
}
END_TEST

START_TEST(varying_load_is_silent_for_a_month_and_every_growing_fault_is_found)
{
    silent_for_a_month_and_every_fault_found(true);
}
END_TEST

static const struct fault SENSORS[] = {
    { "flow frozen", FROZEN, FLOW, 0, 0 },
    { "current dead, reads 0", CONSTANT, CURRENT, 0.0, 0 },
    { "pressure dead, reads 6553.5", CONSTANT, PRESSURE, 6553.5, 0 },
    { "vibration silent", SILENT, VIBRATION, 0, 0 },
    { "ambient dead, reads 0", CONSTANT, AMBIENT, 0.0, 0 },
    { "ambient silent", SILENT, AMBIENT, 0, 0 },
};

/* At twelve moments each, so that loads change soon after or long after the sensor's end. */
START_TEST(a_dying_sensor_is_a_sensor_finding_and_never_a_machine_finding)
{
    for (int k = 0; k < 2; k++) {
        static struct rig rig, dying;
        commission(&rig, k == 1, MINUTE, 1440, 1);
        rig.config.model_delay_us = 0; /* the hardest case */
        ck_assert_int_eq(run(&rig, DAY, NULL).n_findings, 0);
        for (int moment = 0; moment < 12; moment++) {
            ck_assert_int_eq(run(&rig, 97 * MINUTE, NULL).n_findings, 0);
            for (size_t i = 0; i < sizeof SENSORS / sizeof SENSORS[0]; i++) {
                copy(&dying, &rig);
                struct outcome outcome = run(&dying, DAY, &SENSORS[i]);
                ck_assert_msg(outcome.after_us[MW_DETECTOR_SENSOR] != NEVER, "%s: not found",
                              SENSORS[i].name);
                ck_assert_msg(outcome.n_findings == 1, "%s, %s, moment %d: %d findings",
                              machine_name(&rig), SENSORS[i].name, moment, outcome.n_findings);
                if (moment == 0)
                    printf("%-13s  1 | %-32s | sensor after %d min, nothing else\n",
                           machine_name(&rig), SENSORS[i].name,
                           (int)(outcome.after_us[MW_DETECTOR_SENSOR] / MINUTE));
                end(&dying);
            }
        }
        end(&rig);
    }
}
END_TEST

/* At 2 Hz the slow baseline (1000 frames) keeps up with a ramp of 6 hours, unless it is bound. */
START_TEST(the_bound_of_the_baseline_is_what_finds_a_ramp_of_six_hours)
{
    static const struct fault ramp = { "flow, 20 sd in 6 h, 2 Hz", RAMP, FLOW, 20.0, 6 * HOUR };
    for (int unbound = 0; unbound < 2; unbound++) {
        static struct rig rig;
        commission(&rig, false, S / 2, 2000, 1);
        if (unbound)
            for (int j = 0; j < MW_CARD_MAX_SIGNALS; j++)
                rig.detector.score->signals[j].reach = INT64_C(1) << 61;
        struct outcome outcome = run(&rig, 6 * HOUR, &ramp);
        printf("%s: ", unbound ? "bound off" : "bound on ");
        print_row(&rig, 1, &ramp, &outcome);
        ck_assert((outcome.after_us[MW_DETECTOR_MODEL] == NEVER) == unbound);
        end(&rig);
    }
}
END_TEST

MW_SUITE("sim/slow_faults", constant_duty_is_silent_for_a_month_and_every_growing_fault_is_found,
         varying_load_is_silent_for_a_month_and_every_growing_fault_is_found,
         a_dying_sensor_is_a_sensor_finding_and_never_a_machine_finding,
         the_bound_of_the_baseline_is_what_finds_a_ramp_of_six_hours)
