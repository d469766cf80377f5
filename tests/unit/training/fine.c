/* SPDX-License-Identifier: Apache-2.0 */
/* A network with int16 activations, on a machine whose signals are smooth: two
 * temperatures that swing slowly and have next to no noise. What int8 adds to the residual there is
 * its own rounding. */
#include "base/result.h"
#include "inference/detector.h"
#include "support/noise.h"
#include "support/suite.h"
#include "support/table.h"
#include "training/train.h"

#include <stdio.h>

#define N_ROWS     1200
#define N_CHANNELS 2
#define SECOND_US  INT64_C(1000000)

static const char *const NAMES[N_CHANNELS] = { "inlet", "outlet" };

static struct mw_frame frames[N_ROWS];
static struct csv table;

static void make_table(void)
{
    struct noise noise = { .state = 3 };
    for (int i = 0; i < N_ROWS; i++) {
        double phase = 6.283185307179586 * i / 240.0;
        frames[i] = (struct mw_frame){
            .slot = i, .mono_us = i * SECOND_US, .at_us = i * SECOND_US, .valid = 3, .fresh = 3
        };
        frames[i].values[0] = (float)(40.0 + 5.0 * sin(phase) + 0.004 * noise_normal(&noise));
        frames[i].values[1] = (float)(60.0 + 8.0 * sin(phase - 0.4) + 0.004 * noise_normal(&noise));
    }
    table = table_of(frames, N_ROWS, NAMES, N_CHANNELS);
}

struct trained {
    struct train_report report;
    uint8_t *tflite;
    size_t n_bytes, n_memory;
    void *memory;
    struct mw_model model;
    struct mw_card card;
};

static void train(struct trained *t, bool fine)
{
    const struct train_options options = { .seed = 1, .fine = fine };
    struct train_fault why;
    struct mw_model_fault model_why;
    ck_assert_msg(train_run(&options, &table, NULL, &t->tflite, &t->n_bytes, &t->report, &why) ==
                      MW_OK,
                  "%s", why.text);
    ck_assert_msg(mw_model_measure(t->tflite, t->n_bytes, &t->n_memory, &model_why) == MW_OK, "%s",
                  model_why.text);
    t->memory = malloc(t->n_memory);
    ck_assert_int_eq(mw_model_init(&t->model, t->tflite, t->n_bytes, MW_ROUNDING_DOUBLE, t->memory,
                                   t->n_memory, &model_why),
                     MW_OK);
    ck_assert_int_eq(mw_card_read(&t->card, t->model.card, t->model.n_card_bytes, &model_why),
                     MW_OK);
}

static void drop(struct trained *t)
{
    free(t->memory);
    free(t->tflite);
}

/* Root mean square of the residuals' second differences: a smooth residual has none, and what is
 * left is the noise of sensors and of rounding. */
static double roughness(const struct trained *t)
{
    static struct mw_score score;
    double before[2][2 * N_CHANNELS] = { 0 }, now[2 * N_CHANNELS], sum = 0.0;
    int n = 0;
    ck_assert_int_eq(mw_score_init(&score, &t->card, &t->model, false), MW_OK);
    for (int i = 0; i < N_ROWS; i++) {
        mw_score_prime(&score, frames[i].values, frames[i].valid, frames[i].slot);
        if (!mw_score_signals(&score, now))
            continue;
        for (int k = 0; n >= 2 && k < N_CHANNELS; k++) {
            double bend = now[k] - 2.0 * before[0][k] + before[1][k];
            sum += bend * bend;
        }
        memcpy(before[1], before[0], sizeof now);
        memcpy(before[0], now, sizeof now);
        n++;
    }
    return sqrt(sum / ((n - 2) * N_CHANNELS));
}

START_TEST(the_network_computes_in_int16)
{
    struct trained t;
    make_table();
    train(&t, true);
    ck_assert_uint_eq(t.model.in_type, MW_INT8);
    ck_assert_uint_eq(t.model.out_type, MW_INT16);
    ck_assert_uint_eq(t.model.n_layers, 5); /* four layers and a QUANTIZE */
    ck_assert_int_eq(t.model.out.zero, 0);
    drop(&t);
    csv_destroy(&table);
}
END_TEST

START_TEST(the_reconstruction_of_a_smooth_signal_is_less_rough)
{
    struct trained coarse, fine;
    make_table();
    train(&coarse, false);
    train(&fine, true);
    double rough = roughness(&coarse), smooth = roughness(&fine);
    printf("step of the output %.5f and %.5f sd, roughness of the residual %.6f and %.6f sd\n",
           (double)coarse.model.out.scale, (double)fine.model.out.scale, rough, smooth);
    ck_assert_float_gt(coarse.model.out.scale, 250.0f * fine.model.out.scale);
    ck_assert_double_lt(smooth, rough / 10.0);
    /* The same float network stands behind both. */
    for (uint32_t k = 0; k < N_CHANNELS; k++)
        ck_assert_float_eq_tol(coarse.report.r2[k], fine.report.r2[k], 0.01f);
    drop(&coarse);
    drop(&fine);
    csv_destroy(&table);
}
END_TEST

START_TEST(the_detector_takes_it_and_finds_what_is_wrong)
{
    static struct mw_detector_config config = { .n_channels = N_CHANNELS, .period_us = SECOND_US };
    static struct mw_detector detector;
    static struct mw_verdict verdict;
    struct trained t;
    struct mw_model_fault why;
    size_t n_memory = 0;
    make_table();
    train(&t, true);
    for (int c = 0; c < N_CHANNELS; c++) {
        strcpy(config.channels[c].name, NAMES[c]);
        ck_assert_int_eq(mw_limits_settle(&config.channels[c].limits, NULL), MW_OK);
        ck_assert_int_eq(mw_sensor_settle(&config.channels[c].sensor, NULL), MW_OK);
    }
    ck_assert_int_eq(mw_trend_settle(&config.trend, NULL), MW_OK);
    void *state = malloc(mw_detector_bytes(&config));
    mw_detector_init(&detector, &config, state);
    ck_assert_int_eq(mw_detector_measure(t.tflite, t.n_bytes, &n_memory, &why), MW_OK);
    void *memory = malloc(n_memory);
    ck_assert_msg(mw_detector_install(&detector, t.tflite, t.n_bytes, memory, n_memory, &why) ==
                      MW_OK,
                  "%s", why.text);
    for (int i = 0; i < N_ROWS; i++) {
        struct mw_frame frame = frames[i];
        if (i >= N_ROWS - 60) /* the cooler fails: the outlet no longer follows the inlet */
            frame.values[1] += 25.0f;
        mw_detector_step(&detector, &frame, &verdict);
        if (i < N_ROWS - 60)
            ck_assert_uint_ne(verdict.model_state, MW_MODEL_ALARM);
    }
    ck_assert_uint_eq(verdict.model_state, MW_MODEL_ALARM);
    ck_assert_uint_eq(verdict.top_channel, 1);
    free(memory);
    free(state);
    drop(&t);
    csv_destroy(&table);
}
END_TEST

MW_SUITE("training/fine", the_network_computes_in_int16,
         the_reconstruction_of_a_smooth_signal_is_less_rough,
         the_detector_takes_it_and_finds_what_is_wrong)
