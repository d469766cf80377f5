/* SPDX-License-Identifier: Apache-2.0 */
/* What devices say instead of measurements: codes for "no value", numbers that are none, values
 * nobody believes, exceptions, silence, zeroes after a restart. All the way from registers through
 * poller, framer and detector: the values become gaps, and no gap becomes an anomaly of the
 * machine. */
#include "inference/detector.h"

#include "base/result.h"
#include "fieldbus/poller.h"
#include "inference/framer.h"
#include "support/fake_line.h"
#include "support/noise.h"
#include "support/suite.h"
#include "support/table.h"
#include "training/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define S          INT64_C(1000000)
#define N_POINTS   4
#define TRAIN_ROWS 1000
#define EPISODES   400
#define NAN_BITS   UINT32_C(0x7fc00000)
#define INF_BITS   UINT32_C(0xff800000)

/* Registers 0-1 float32 current, 2 uint16 vibration, 3 int16 temperature, 4-5 int32 pressure. */
static const struct point_config MAP[N_POINTS] = {
    { .name = "current",
      .address = 0,
      .type = VALUE_FLOAT32,
      .bit = -1,
      .has_range = true,
      .range_min = 0,
      .range_max = 100 },
    { .name = "vibration",
      .address = 2,
      .type = VALUE_UINT16,
      .bit = -1,
      .scale = 0.001,
      .sentinels = { 0xFFFF },
      .n_sentinels = 1 },
    { .name = "temperature",
      .address = 3,
      .type = VALUE_INT16,
      .bit = -1,
      .scale = 0.01,
      .sentinels = { 0x8000, 0x7FFF },
      .n_sentinels = 2,
      .has_range = true,
      .range_min = -40,
      .range_max = 150 },
    { .name = "pressure",
      .address = 4,
      .type = VALUE_INT32,
      .bit = -1,
      .scale = 0.001,
      .sentinels = { 0x80000000 },
      .n_sentinels = 1 },
};
static const double MEAN[N_POINTS] = { 8.0, 2.5, 45.0, 3.0 };
static const double SIGMA[N_POINTS] = { 0.2, 0.1, 0.3, 0.05 };

/* What the device does instead of measuring. */
enum nonsense {
    SENSE = 0,
    CODE_VIBRATION,   /* 0xFFFF */
    CODE_TEMPERATURE, /* 0x8000 */
    CODE_OPEN_WIRE,   /* 0x7FFF */
    CODE_PRESSURE,
    NOT_A_NUMBER,
    INFINITE,
    HUGE_CURRENT,     /* 1e30 A */
    NEGATIVE_CURRENT, /* outside the range */
    HOT,              /* 255 degC */
    ALL_CODES,
    ALL_ZERO, /* registers not yet written after a restart */
    BUSY,     /* exception 6 */
    FAILURE,  /* exception 4 */
    NO_ANSWER,
    N_NONSENSE
};

struct rig {
    struct fake_line wire;
    struct poller *poller;
    struct noise noise;
    uint16_t registers[6];
    enum nonsense now;
    struct mw_framer framer;
    struct mw_detector_config config;
    struct mw_detector detector;
    void *state; /* of the detector */
    struct mw_verdict verdict;
    struct mw_frame *recorded; /* while commissioning */
    uint32_t n_recorded;
    uint64_t n_good, n_gaps, n_false, n_zero_good;
    int frozen; /* point whose measurement stands still; -1: none */
    uint64_t n_stuck[N_POINTS];
    double shift; /* sigmas that the pressure is off */
};

static void put_u32(uint16_t *registers, uint32_t bits)
{
    registers[0] = (uint16_t)(bits >> 16);
    registers[1] = (uint16_t)bits;
}

static void measure(struct rig *rig)
{
    double x[N_POINTS];
    for (int i = 0; i < N_POINTS; i++)
        x[i] = MEAN[i] + SIGMA[i] * (noise_normal(&rig->noise) + (i == 3 ? rig->shift : 0.0));
    if (rig->frozen >= 0)
        x[rig->frozen] = MEAN[rig->frozen] + SIGMA[rig->frozen];
    float current = (float)x[0];
    uint32_t bits = 0;
    memcpy(&bits, &current, sizeof bits);
    put_u32(rig->registers, bits);
    rig->registers[2] = (uint16_t)lround(x[1] * 1000);
    rig->registers[3] = (uint16_t)lround(x[2] * 100);
    put_u32(rig->registers + 4, (uint32_t)lround(x[3] * 1000));
}

static void spoil(struct rig *rig)
{
    const float huge = 1e30f, negative = -1.0f;
    uint32_t bits = 0;
    switch (rig->now) {
    case CODE_VIBRATION: rig->registers[2] = 0xFFFF; break;
    case CODE_TEMPERATURE: rig->registers[3] = 0x8000; break;
    case CODE_OPEN_WIRE: rig->registers[3] = 0x7FFF; break;
    case CODE_PRESSURE: put_u32(rig->registers + 4, UINT32_C(0x80000000)); break;
    case NOT_A_NUMBER: put_u32(rig->registers, NAN_BITS); break;
    case INFINITE: put_u32(rig->registers, INF_BITS); break;
    case HUGE_CURRENT:
        memcpy(&bits, &huge, sizeof bits);
        put_u32(rig->registers, bits);
        break;
    case NEGATIVE_CURRENT:
        memcpy(&bits, &negative, sizeof bits);
        put_u32(rig->registers, bits);
        break;
    case HOT: rig->registers[3] = 25500; break;
    case ALL_CODES:
        put_u32(rig->registers, NAN_BITS);
        rig->registers[2] = 0xFFFF;
        rig->registers[3] = 0x8000;
        put_u32(rig->registers + 4, UINT32_C(0x80000000));
        break;
    case ALL_ZERO: memset(rig->registers, 0, sizeof rig->registers); break;
    case SENSE:
    case BUSY:
    case FAILURE:
    case NO_ANSWER:
    case N_NONSENSE: break;
    }
}

static struct fake_answer slave(struct fake_line *wire, const struct line_request *asked)
{
    struct rig *rig = wire->ctx;
    (void)asked;
    struct fake_answer answer = { 0 };
    measure(rig);
    spoil(rig);
    if (rig->now == BUSY || rig->now == FAILURE)
        answer.exception = rig->now == BUSY ? 6 : 4;
    answer.silent = rig->now == NO_ANSWER;
    return answer;
}

static uint16_t value(struct fake_line *wire, uint8_t unit, uint16_t address)
{
    const struct rig *rig = wire->ctx;
    (void)unit;
    return address < 6 ? rig->registers[address] : 0;
}

static void on_frame(void *ctx, const struct mw_frame *frame)
{
    struct rig *rig = ctx;
    if (rig->recorded && rig->n_recorded < TRAIN_ROWS)
        rig->recorded[rig->n_recorded++] = *frame;
    mw_detector_step(&rig->detector, frame, &rig->verdict);
    for (int i = 0; i < rig->verdict.n_findings; i++) {
        const struct mw_finding *finding = &rig->verdict.findings[i];
        rig->n_false += finding->detector != MW_DETECTOR_SENSOR;
        if (finding->condition == MW_CONDITION_STUCK)
            rig->n_stuck[finding->channel]++;
    }
}

static void on_sample(void *ctx, const struct mw_sample *sample)
{
    struct rig *rig = ctx;
    bool good = sample->quality == MW_QUALITY_GOOD;
    rig->n_good += good;
    rig->n_gaps += !good;
    rig->n_zero_good += good && sample->value == 0.0f && rig->now != ALL_ZERO;
    mw_framer_feed(&rig->framer, (uint16_t)sample->point, sample->slot, sample, on_frame, rig);
}

static void run_for(struct rig *rig, int64_t for_us)
{
    struct poller_sink sink = { .sample = on_sample, .ctx = rig };
    int64_t until_us = rig->wire.now_us + for_us;
    while (rig->wire.now_us < until_us) {
        int64_t wait_us =
            poller_step(rig->poller, rig->wire.now_us, INT64_C(1700000000) * S, &sink);
        int64_t next_us = fake_line_next_us(&rig->wire);
        int64_t to_us = rig->wire.now_us + wait_us;
        rig->wire.now_us = next_us > rig->wire.now_us && next_us < to_us ? next_us : to_us;
    }
}

static void settle(struct rig *rig)
{
    rig->config = (struct mw_detector_config){ .n_channels = N_POINTS, .period_us = S };
    for (int c = 0; c < N_POINTS; c++) {
        struct mw_channel_config *channel = &rig->config.channels[c];
        strcpy(channel->name, MAP[c].name);
        channel->role = MW_ROLE_SCORE;
        channel->limits = (struct mw_limits_config){ 0 };
        ck_assert_int_eq(mw_limits_settle(&channel->limits, NULL), MW_OK);
        ck_assert_int_eq(mw_sensor_settle(&channel->sensor, NULL), MW_OK);
    }
    ck_assert_int_eq(mw_trend_settle(&rig->config.trend, NULL), MW_OK);
    rig->state = malloc(mw_detector_bytes(&rig->config));
    mw_detector_init(&rig->detector, &rig->config, rig->state);
}

static uint8_t *commission(struct rig *rig, uint8_t **ret_memory)
{
    const char *names[N_POINTS] = { MAP[0].name, MAP[1].name, MAP[2].name, MAP[3].name };
    rig->recorded = calloc(TRAIN_ROWS, sizeof rig->recorded[0]);
    run_for(rig, (TRAIN_ROWS + 5) * S);
    ck_assert_uint_eq(rig->n_recorded, TRAIN_ROWS);
    struct train_options options = { .seed = 1, .period_us = S };
    struct train_report report;
    struct train_fault why = { "" };
    struct mw_model_fault fault = { "" };
    struct csv table = table_of(rig->recorded, TRAIN_ROWS, names, N_POINTS);
    uint8_t *tflite = NULL;
    size_t n_tflite = 0, n_memory = 0;
    int result = train_run(&options, &table, NULL, &tflite, &n_tflite, &report, &why);
    ck_assert_msg(result == MW_OK, "%s", why.text);
    csv_destroy(&table);
    free(rig->recorded);
    rig->recorded = NULL;
    mw_detector_measure(tflite, n_tflite, &n_memory, &fault);
    *ret_memory = malloc(n_memory);
    result = mw_detector_install(&rig->detector, tflite, n_tflite, *ret_memory, n_memory, &fault);
    ck_assert_msg(result == MW_OK, "%s", fault.text);
    return tflite;
}

static const uint32_t INDEX = 0;

/* The rig of the running test, commissioned; what it borrows is static, as it is. */
static struct rig *begin(uint8_t **ret_memory, uint8_t **ret_tflite)
{
    static struct rig rig;
    static struct bus_config bus;
    static struct device_config device;
    static struct point_config points[N_POINTS];
    bus = (struct bus_config){ .kind = BUS_TCP, .host = "any", .retries = UINT32_MAX };
    device = (struct device_config){ .unit = 1, .n_points = N_POINTS, .retries = UINT32_MAX };
    rig = (struct rig){ .noise = { 1 }, .frozen = -1 };
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    ck_assert_int_eq(device_settle(&device, &bus, NULL), MW_OK);
    for (int i = 0; i < N_POINTS; i++) {
        points[i] = MAP[i];
        points[i].period_us = S;
        ck_assert_int_eq(point_settle(&points[i], NULL), MW_OK);
    }
    fake_line_init(&rig.wire, true, slave, value);
    rig.wire.ctx = &rig;
    rig.wire.now_us = S;
    ck_assert_int_eq(
        poller_create(&rig.poller, &bus, &device, &INDEX, 1, points, &rig.wire.port, 0), MW_OK);
    mw_framer_init(&rig.framer, N_POINTS);
    settle(&rig);
    *ret_tflite = commission(&rig, ret_memory);
    run_for(&rig, 600 * S);
    return &rig;
}

/* One axis stands still while the others move: a sick sensor, named, and no sick machine. */
START_TEST(a_frozen_point_is_found_stuck_and_its_machine_is_judged_by_the_others)
{
    for (int point = 0; point < N_POINTS; point++) {
        uint8_t *memory = NULL, *tflite = NULL;
        struct rig *rig = begin(&memory, &tflite);
        rig->frozen = point;
        run_for(rig, 600 * S);
        for (int i = 0; i < N_POINTS; i++)
            ck_assert_uint_eq(rig->n_stuck[i], i == point ? 1 : 0);
        ck_assert_uint_eq(rig->n_false, 0);
        ck_assert_uint_eq(rig->n_gaps, 0); /* the fieldbus calls a good answer good */
        poller_destroy(rig->poller);
        free(rig->state);
        free(memory);
        free(tflite);
    }
}
END_TEST

START_TEST(nonsense_becomes_a_gap_and_a_gap_no_anomaly)
{
    uint8_t *memory = NULL, *tflite = NULL;
    struct rig *rig = begin(&memory, &tflite);
    uint64_t n_gaps_before = rig->n_gaps;
    ck_assert_uint_eq(n_gaps_before, 0);

    struct noise choice = { 2 };
    for (int episode = 0; episode < EPISODES; episode++) {
        rig->now = (enum nonsense)(1 + episode % (N_NONSENSE - 1));
        run_for(rig, (int64_t)(1 + noise_uniform(&choice) * 20) * S);
        rig->now = SENSE;
        run_for(rig, (int64_t)(10 + noise_uniform(&choice) * 120) * S);
    }
    printf("%d episodes: %llu good samples, %llu gaps, %llu false anomalies\n", EPISODES,
           (unsigned long long)rig->n_good, (unsigned long long)rig->n_gaps,
           (unsigned long long)rig->n_false);
    ck_assert_uint_gt(rig->n_gaps, 4 * EPISODES);
    ck_assert_uint_eq(rig->n_zero_good, 0); /* no value is ever made up */
    ck_assert_uint_eq(rig->n_false, 0);

    /* The same chain is not deaf: a machine that is really different is found. */
    rig->shift = 15.0;
    run_for(rig, 600 * S);
    ck_assert_uint_gt(rig->n_false, 0);
    poller_destroy(rig->poller);
    free(rig->state);
    free(memory);
    free(tflite);
}
END_TEST

MW_SUITE("sim/nonsense", nonsense_becomes_a_gap_and_a_gap_no_anomaly,
         a_frozen_point_is_found_stuck_and_its_machine_is_judged_by_the_others)
