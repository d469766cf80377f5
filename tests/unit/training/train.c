/* SPDX-License-Identifier: Apache-2.0 */
#include "training/train.h"
#include "base/result.h"
#include "inference/score.h"
#include "support/suite.h"
#include "training/quantize.h"
#include "unit/training/table.h"

#include <string.h>

static const char *const CONTEXT[] = { "temperature" };

/* A trained model, loaded as the daemon loads it. */
struct trained {
    struct csv table;
    struct train_report report;
    uint8_t *tflite;
    size_t n_bytes;
    void *memory;
    struct mw_model model;
    struct mw_card card;
};

static void train_and_load(struct trained *t, int n_rows, struct train_options options)
{
    struct train_fault why;
    struct mw_model_fault model_why;
    size_t memory_bytes = 0;
    options.context = CONTEXT;
    options.n_context = 1;
    *t = (struct trained){ .table = table_make(n_rows) };
    ck_assert_msg(train_run(&options, &t->table, NULL, &t->tflite, &t->n_bytes, &t->report, &why) ==
                      0,
                  "%s", why.text);
    ck_assert_msg(mw_model_measure(t->tflite, t->n_bytes, &memory_bytes, &model_why) == 0, "%s",
                  model_why.text);
    t->memory = malloc(memory_bytes + 1);
    ck_assert_int_eq(mw_model_init(&t->model, t->tflite, t->n_bytes, MW_ROUNDING_DOUBLE, t->memory,
                                   memory_bytes, &model_why),
                     MW_OK);
    ck_assert_msg(mw_card_read(&t->card, t->model.card, t->model.n_card_bytes, &model_why) == 0,
                  "%s", model_why.text);
}

static void drop(struct trained *t)
{
    free(t->memory);
    free(t->tflite);
    csv_destroy(&t->table);
}

START_TEST(the_network_rebuilds_what_it_was_trained_on)
{
    struct trained t;
    train_and_load(&t, 1000, (struct train_options){ .seed = 1 });
    ck_assert_uint_eq(t.report.n_scored, 4);
    /* Four channels follow one load; the one that follows least still does so mostly. */
    for (uint32_t k = 0; k < 4; k++)
        ck_assert_float_gt(t.report.r2[k], 0.5f);
    ck_assert_float_gt(t.report.r2_best, 0.9f);
    ck_assert_double_lt(t.report.train_mse, 0.5);
    ck_assert(!train_is_hollow(&t.report));
    drop(&t);
}
END_TEST

START_TEST(noise_alone_is_reported_as_a_hollow_network)
{
    struct csv table;
    struct csv_fault csv_why;
    struct train_fault why;
    struct train_report report;
    uint8_t *tflite = NULL;
    size_t n = 0, at = 0;
    static char text[100000];
    uint64_t seed = 3;
    at += (size_t)snprintf(text, sizeof text, "t,a\n");
    for (int i = 0; i < 1500; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "2026-01-01 00:00,%d\n",
                               table_noise(&seed));
    ck_assert_int_eq(csv_parse(&table, text, at, &csv_why), MW_OK);
    const struct train_options options = { .seed = 1, .window = 64 };
    ck_assert_int_eq(train_run(&options, &table, NULL, &tflite, &n, &report, &why), MW_OK);
    /* 64 independent values through 4 numbers: little can be rebuilt. */
    ck_assert_float_le(report.r2_best, TRAIN_R2_LEAST);
    ck_assert(train_is_hollow(&report));
    free(tflite);
    csv_destroy(&table);
}
END_TEST

START_TEST(the_card_says_what_was_trained)
{
    struct trained t;
    train_and_load(&t, 400, (struct train_options){ .seed = 9, .first_row = 100, .end_row = 400 });
    ck_assert_uint_eq(t.card.n_channels, 5);
    ck_assert_uint_eq(t.card.n_signals, 8);
    ck_assert_str_eq(t.card.channels[2].name, "current");
    ck_assert_uint_eq(t.card.channels[4].role, MW_ROLE_CONTEXT);
    ck_assert_uint_eq(t.card.n_rows, 300);
    ck_assert_uint_eq(t.card.seed, 9);
    ck_assert_int_eq(t.card.from_us, t.table.stamps[100].at_us);
    ck_assert_int_eq(t.card.to_us, t.table.stamps[399].at_us);
    ck_assert_uint_eq(t.model.n_in, 16 * 5);
    ck_assert_uint_eq(t.model.n_out, 16 * 4);
    ck_assert_uint_eq(t.report.n_windows, 285);
    /* mean and deviation against a plain sum */
    double sum = 0.0;
    for (int row = 100; row < 400; row++)
        sum += (double)t.table.values[5 * row];
    ck_assert_float_eq_tol(t.card.channels[0].mu, (float)(sum / 300), 1e-4f);
    drop(&t);
}
END_TEST

START_TEST(sigma_is_never_below_its_least_and_two_output_steps)
{
    struct trained t;
    train_and_load(&t, 400, (struct train_options){ .seed = 1 });
    for (uint32_t j = 0; j < t.card.n_signals; j++)
        ck_assert_float_ge(t.card.sigma[j], 0.15f);
    for (uint32_t j = 0; j < 4; j++)
        ck_assert_float_ge(t.card.sigma[j], 2.0f * t.model.out.scale);
    drop(&t);
}
END_TEST

START_TEST(training_and_live_scoring_agree)
{
    struct trained t;
    struct mw_score score;
    train_and_load(&t, 400, (struct train_options){ .seed = 1 });
    ck_assert_int_eq(mw_score_init(&score, &t.card, &t.model, false), MW_OK);
    struct csv_frames frames = {
        .csv = &t.table, .columns = { 0, 1, 2, 3, 4 }, .n_channels = 5, .end = 400
    };
    struct mw_frame_source source = csv_source(&frames);
    struct mw_frame frame;
    /* The running mean of the live signals is the commissioned baseline, to float's last bit. */
    double mean[8] = { 0 }, signals[8];
    for (int n = 0; source.next(source.ctx, &frame) == MW_OK;) {
        mw_score_prime(&score, frame.values, frame.valid, frame.slot);
        if (!mw_score_signals(&score, signals))
            continue;
        n++;
        for (int j = 0; j < 8; j++)
            mean[j] += (signals[j] - mean[j]) * (1.0 / n);
    }
    for (int j = 0; j < 8; j++)
        ck_assert_float_eq_tol((float)mean[j], t.card.baseline[j], 1e-6f);
    drop(&t);
}
END_TEST

START_TEST(a_machine_that_left_its_normal_is_found_and_named)
{
    struct trained t;
    struct mw_score score;
    struct mw_score_result result = { 0 };
    train_and_load(&t, 1000, (struct train_options){ .seed = 1, .no_level_guard = true });
    ck_assert_uint_eq(t.card.n_signals, 4);
    ck_assert_int_eq(mw_score_init(&score, &t.card, &t.model, false), MW_OK);
    struct csv_frames frames = {
        .csv = &t.table, .columns = { 0, 1, 2, 3, 4 }, .n_channels = 5, .end = 1000
    };
    struct mw_frame_source source = csv_source(&frames);
    struct mw_frame frame;
    int n_alarms = 0;
    for (int row = 0; source.next(source.ctx, &frame) == MW_OK; row++) {
        if (row >= 900) /* the pressure no longer follows the load, 8 of its deviations off */
            frame.values[1] += 8.0f * t.card.channels[1].sd;
        mw_score_step(&score, frame.values, frame.valid, frame.slot, &result);
        n_alarms += row < 900 && result.state == MW_MODEL_ALARM;
    }
    ck_assert_int_eq(n_alarms, 0);
    ck_assert_uint_eq(result.state, MW_MODEL_ALARM);
    ck_assert_uint_eq(result.top_channel, 1);
    drop(&t);
}
END_TEST

START_TEST(int8_is_close_to_the_float_network)
{
    struct csv table = table_make(400);
    struct csv_frames frames = {
        .csv = &table, .columns = { 0, 1, 2, 3, 4 }, .n_channels = 5, .end = 400
    };
    struct mw_frame_source source = csv_source(&frames);
    struct mw_card card = { .window = 16, .n_channels = 5, .n_signals = 5, .clip_in = 4.0f };
    struct dataset set;
    uint32_t bad;
    ck_assert_int_eq(dataset_read(&set, &source, 5), MW_OK);
    ck_assert_int_eq(dataset_normalise(&set, &card, &bad), MW_OK);
    ck_assert_int_eq(dataset_cut(&set, &card), MW_OK);
    struct rng rng = { .seed = 1 };
    struct autoencoder ae;
    struct quantized net;
    ck_assert_int_eq(fit(&ae, &set, &card, &FIT_DEFAULTS, &rng, NULL), MW_OK);
    ck_assert_int_eq(quantize(&net, &ae, &set, &card, QUANTIZE_HEADROOM, false), MW_OK);
    for (int l = 0; l < AE_LAYERS; l++) {
        const struct quantized_layer *q = &net.layers[l];
        for (uint32_t o = 0; o < q->n_out; o++) {
            int most = 0;
            for (uint32_t i = 0; i < q->n_in; i++) {
                double w = ae.layers[l].weights[i * q->n_out + o], s = (double)q->scales[o];
                int8_t v = q->weights[o * q->n_in + i];
                ck_assert_double_eq_tol(v * s, w, 0.5000001 * s);
                most = abs(v) > most ? abs(v) : most;
            }
            ck_assert_int_eq(most, 127);
        }
        ck_assert_int_eq(net.tensors[l + 1].zero, q->relu ? -128 : 0);
    }
    quantize_destroy(&net);
    autoencoder_destroy(&ae);
    dataset_destroy(&set);
    csv_destroy(&table);
}
END_TEST

START_TEST(the_gradient_is_that_of_the_loss)
{
    struct rng rng = { .seed = 11 };
    struct autoencoder ae;
    struct ae_trace trace;
    ck_assert_int_eq(autoencoder_create(&ae, 6, 5, 3, 4, &rng), MW_OK);
    ck_assert_int_eq(ae_trace_create(&trace, &ae), MW_OK);
    double x[6], target[4], gradient[200] = { 0 }, error[8], scratch[8];
    ck_assert_uint_le(ae.n_parameters, 200);
    for (int i = 0; i < 6; i++)
        x[i] = rng_normal(&rng);
    for (int o = 0; o < 4; o++)
        target[o] = rng_normal(&rng);
    autoencoder_forward(&ae, x, &trace);
    for (int o = 0; o < 4; o++)
        error[o] = 2.0 * (trace.activations[3][o] - target[o]);
    autoencoder_backward(&ae, &trace, error, scratch, gradient);
    for (size_t p = 0; p < ae.n_parameters; p++) {
        double loss[2], held = ae.parameters[p];
        for (int side = 0; side < 2; side++) {
            ae.parameters[p] = held + (side ? 1e-6 : -1e-6);
            autoencoder_forward(&ae, x, &trace);
            loss[side] = 0.0;
            for (int o = 0; o < 4; o++) {
                double off = trace.activations[3][o] - target[o];
                loss[side] += off * off;
            }
        }
        ae.parameters[p] = held;
        ck_assert_double_eq_tol(gradient[p], (loss[1] - loss[0]) / 2e-6, 1e-5);
    }
    ae_trace_destroy(&trace);
    autoencoder_destroy(&ae);
}
END_TEST

START_TEST(windows_with_a_missing_value_or_a_hole_are_not_learned)
{
    struct csv table = table_make(400);
    struct csv_frames frames = {
        .csv = &table, .columns = { 0, 1, 2, 3, 4 }, .n_channels = 5, .end = 400
    };
    struct mw_frame_source source = csv_source(&frames);
    struct mw_card card = {
        .window = 16, .n_channels = 5, .n_signals = 5, .clip_in = 4.0f, .max_gap = 4
    };
    struct dataset set;
    uint32_t bad;
    ck_assert_int_eq(dataset_read(&set, &source, 5), MW_OK);
    ck_assert_int_eq(dataset_normalise(&set, &card, &bad), MW_OK);
    set.frames[100].valid = 0xf;
    for (int row = 200; row < 400; row++)
        set.frames[row].slot += 5;
    ck_assert_int_eq(dataset_cut(&set, &card), MW_OK);
    ck_assert_uint_eq(set.n_windows, 385 - 16 - 15);
    for (uint32_t w = 0; w < set.n_windows; w++) {
        ck_assert(set.ends[w] < 100 || set.ends[w] >= 116);
        ck_assert(set.ends[w] < 200 || set.ends[w] >= 215);
    }
    dataset_destroy(&set);
    csv_destroy(&table);
}
END_TEST

static void refused(struct train_options options, int n_rows, const char *words)
{
    struct csv table = table_make(n_rows);
    struct train_report report;
    struct train_fault why;
    uint8_t *tflite = NULL;
    size_t n = 0;
    ck_assert_int_lt(train_run(&options, &table, NULL, &tflite, &n, &report, &why), 0);
    ck_assert_msg(strcmp(why.text, words) == 0, "said: %s", why.text);
    ck_assert_ptr_null(tflite);
    csv_destroy(&table);
}

START_TEST(options_that_do_not_fit_are_refused_in_words)
{
    static const char *const unknown[] = { "Flow" };
    static const char *const all[] = { "flow", "pressure", "current", "vibration", "temperature" };
    refused((struct train_options){ .first_row = 5, .end_row = 500 }, 200,
            "rows 5:500 are not within the table's 0:200");
    refused((struct train_options){ .first_row = 200 }, 200,
            "rows 200:200 are not within the table's 0:200");
    refused((struct train_options){ .context = unknown, .n_context = 1 }, 200,
            "there is no column 'Flow'");
    refused((struct train_options){ .ignored = all, .n_ignored = 5 }, 200,
            "no column is left to be scored");
    refused((struct train_options){ .context = all, .n_context = 5 }, 200,
            "no column is left to be scored");
    refused((struct train_options){ .window = 1 }, 200, "a window of 1 frames is not in 2 to 64");
    refused((struct train_options){ .end_row = 70 }, 200, "too few rows: 70, at least 79");
    refused((struct train_options){ .end_row = 31, .no_network = true }, 200,
            "too few rows: 31, at least 32");
}
END_TEST

MW_SUITE("training/train", the_network_rebuilds_what_it_was_trained_on,
         noise_alone_is_reported_as_a_hollow_network, the_card_says_what_was_trained,
         sigma_is_never_below_its_least_and_two_output_steps, training_and_live_scoring_agree,
         a_machine_that_left_its_normal_is_found_and_named, int8_is_close_to_the_float_network,
         the_gradient_is_that_of_the_loss, windows_with_a_missing_value_or_a_hole_are_not_learned,
         options_that_do_not_fit_are_refused_in_words)
