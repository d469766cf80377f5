/* SPDX-License-Identifier: Apache-2.0 */
#include "training/train.h"

#include "base/result.h"
#include "base/sha256.h"
#include "training/quantize.h"
#include "training/tflite_writer.h"
#include "training/threshold.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_WINDOW 16

__attribute__((format(printf, 3, 4))) static int fault(struct train_fault *why, int result,
                                                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    return result;
}

/* The decision's constants, chosen on SKAB's files of even index; see docs/SPEC-model.md. */
static const struct mw_card DEFAULTS = {
    .clip_in = 4.0f,
    .clip_wide = 100.0f,
    .on = 8.0f,
    .off_ratio = 0.6f,
    .rho = 0.2f,
    .cap = 1000.0f,
    .k_on = 1,
    .k_off = 5,
    .tau = 1000.0f,
    .baseline_bound = 4.0f,
    .pipeline = MW_CARD_PIPELINE,
};

static bool listed(const char *name, const char *const *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static int check_names(const struct csv *table, const char *const *names, uint32_t n,
                       struct train_fault *why)
{
    for (uint32_t i = 0; i < n; i++)
        if (csv_column(table, names[i]) < 0)
            return fault(why, MW_ERR_INVALID, "there is no column '%.64s'", names[i]);
    return MW_OK;
}

static int check_rows(const struct train_options *o, const struct csv *table,
                      struct csv_frames *frames, struct train_fault *why)
{
    frames->row = o->first_row;
    frames->end = o->end_row ? o->end_row : table->n_rows;
    if (frames->row >= frames->end || frames->end > table->n_rows)
        return fault(why, MW_ERR_INVALID, "rows %u:%u are not within the table's 0:%u", frames->row,
                     frames->end, table->n_rows);
    /* A window ends at each row from the first whole one on; learn() and calibrate() count them. */
    uint32_t window = o->window ? o->window : DEFAULT_WINDOW, least = 2 * window;
    if (!o->no_network && FIT_DEFAULTS.n_batch + window - 1 > least)
        least = FIT_DEFAULTS.n_batch + window - 1;
    if (frames->end - frames->row < least)
        return fault(why, MW_ERR_INVALID, "too few rows: %u, at least %u",
                     frames->end - frames->row, least);
    return MW_OK;
}

/* Chooses the columns and their roles. */
static int choose(const struct train_options *o, const struct csv *table, struct csv_frames *frames,
                  struct mw_card *card, struct train_fault *why)
{
    int result = check_names(table, o->context, o->n_context, why);
    if (result == MW_OK)
        result = check_names(table, o->ignored, o->n_ignored, why);
    if (result < 0)
        return result;
    uint32_t n_scored = 0;
    for (uint32_t column = 0; column < table->n_columns; column++) {
        const char *name = table->names[column];
        if (listed(name, o->ignored, o->n_ignored))
            continue;
        if (card->n_channels == MW_MAX_CHANNELS)
            return fault(why, MW_ERR_TOO_BIG, "more than %d columns are sensors; ignore some",
                         MW_MAX_CHANNELS);
        if (strlen(name) > MW_NAME_MAX)
            return fault(why, MW_ERR_TOO_BIG, "column '%s': the name is longer than %d characters",
                         name, MW_NAME_MAX);
        struct mw_card_channel *channel = &card->channels[card->n_channels];
        memcpy(channel->name, name, strlen(name) + 1);
        channel->role = listed(name, o->context, o->n_context) ? MW_ROLE_CONTEXT : MW_ROLE_SCORE;
        n_scored += channel->role == MW_ROLE_SCORE;
        frames->columns[card->n_channels++] = column;
    }
    frames->n_channels = card->n_channels;
    if (n_scored == 0)
        return fault(why, MW_ERR_INVALID, "no column is left to be scored");
    card->n_signals = (uint16_t)(n_scored * (card->level_guard ? 2 : 1));
    return MW_OK;
}

static int describe(const struct train_options *o, const struct csv *table,
                    struct csv_frames *frames, struct mw_card *card, struct train_fault *why)
{
    *card = DEFAULTS;
    card->window = o->window ? o->window : DEFAULT_WINDOW;
    if (card->window < 2 || card->window > MW_CARD_MAX_WINDOW)
        return fault(why, MW_ERR_INVALID, "a window of %u frames is not in 2 to %d", card->window,
                     MW_CARD_MAX_WINDOW);
    if (o->period_us < 0)
        return fault(why, MW_ERR_INVALID, "a period below 0");
    card->k_recover = (uint16_t)(2 * card->window);
    card->max_gap = card->window / 4;
    card->has_network = !o->no_network;
    card->level_guard = card->has_network && !o->no_level_guard;
    card->seed = o->seed;
    card->period_us = o->period_us;
    *frames = (struct csv_frames){ .csv = table, .period_us = o->period_us };
    int result = check_rows(o, table, frames, why);
    if (result < 0)
        return result;
    const struct csv_stamp *first = &table->stamps[frames->row],
                           *last = &table->stamps[frames->end - 1];
    if (first->utc && last->utc && first->at_us <= last->at_us) {
        card->from_us = first->at_us;
        card->to_us = last->at_us;
    }
    card->n_rows = frames->end - frames->row;
    return choose(o, table, frames, card, why);
}

/* Reads, normalises and cuts the rows. */
static int prepare(struct csv_frames *frames, struct mw_card *card, struct dataset *ret_set,
                   struct train_fault *why)
{
    struct mw_frame_source source = csv_source(frames);
    uint32_t bad = 0;
    int result = dataset_read(ret_set, &source, frames->n_channels);
    if (result < 0)
        return fault(why, result, "the rows cannot be read: %s", mw_result_text(result));
    result = dataset_normalise(ret_set, card, &bad);
    if (result < 0)
        result = fault(why, result, "column '%s' has fewer than two values in these rows",
                       card->channels[bad].name);
    else if ((result = dataset_cut(ret_set, card)) < 0)
        result = fault(why, result, "%s", mw_result_text(result));
    if (result < 0)
        dataset_destroy(ret_set);
    return result;
}

static int learn(const struct dataset *set, const struct mw_card *card, bool fine,
                 const struct progress *progress, struct quantized *ret_net,
                 struct train_report *report, struct train_fault *why)
{
    struct rng rng = { .seed = card->seed };
    struct autoencoder ae;
    int result = fit(&ae, set, card, &FIT_DEFAULTS, &rng, progress);
    if (result == MW_ERR_INVALID)
        return fault(why, result,
                     "only %u windows of %u rows are without a missing value, %u are the least",
                     set->n_windows, card->window, FIT_DEFAULTS.n_batch);
    if (result < 0)
        return fault(why, result, "%s", mw_result_text(result));
    result = fit_error(&ae, set, card, &report->train_mse);
    if (result == MW_OK)
        result = quantize(ret_net, &ae, set, card, QUANTIZE_HEADROOM, fine);
    autoencoder_destroy(&ae);
    return result < 0 ? fault(why, result, "%s", mw_result_text(result)) : MW_OK;
}

static int write_file(const struct quantized *net, const struct mw_card *card, uint8_t **ret_bytes,
                      size_t *ret_n)
{
    uint8_t bytes[MW_CARD_MAX_BYTES];
    int n = mw_card_write(card, bytes, sizeof bytes);
    return n < 0 ? n : tflite_write(ret_bytes, ret_n, net, bytes, (size_t)n);
}

/* Runs the file's own network over the training rows; sigma and baseline go into the card. */
static int calibrate(const struct dataset *set, const uint8_t *tflite, size_t n_bytes,
                     struct mw_card *card, struct train_report *report)
{
    struct mw_model model;
    struct mw_model_fault ignored;
    size_t memory_bytes = 0;
    int result = mw_model_measure(tflite, n_bytes, &memory_bytes, &ignored);
    if (result < 0)
        return result;
    void *memory = malloc(memory_bytes ? memory_bytes : 1);
    if (!memory)
        return MW_ERR_NO_MEMORY;
    result =
        mw_model_init(&model, tflite, n_bytes, MW_ROUNDING_DOUBLE, memory, memory_bytes, &ignored);
    if (result == MW_OK)
        result = threshold_measure(set, &model, card, report->r2);
    free(memory);
    return result;
}

/* The file is written twice: the network in it is what the card's numbers are measured with. */
static int finish(const struct dataset *set, const struct quantized *net, struct mw_card *card,
                  uint8_t **ret_tflite, size_t *ret_n, struct train_report *report,
                  struct train_fault *why)
{
    uint8_t *draft = NULL;
    size_t n = 0;
    int result = write_file(net, card, &draft, &n);
    if (result == MW_OK)
        result = calibrate(set, draft, n, card, report);
    free(draft);
    if (result == MW_ERR_INVALID)
        return fault(why, result,
                     "no %u rows in a row are without a missing value; two windows are the least",
                     2 * card->window);
    report->n_scored = card->n_signals / (card->level_guard ? 2u : 1u);
    report->r2_best = card->has_network ? report->r2[0] : 0.0f;
    for (uint32_t k = 1; card->has_network && k < report->n_scored; k++)
        if (report->r2[k] > report->r2_best)
            report->r2_best = report->r2[k];
    card->r2 = report->r2_best;
    if (result == MW_OK)
        result = write_file(net, card, ret_tflite, ret_n);
    return result < 0 ? fault(why, result, "%s", mw_result_text(result)) : MW_OK;
}

int train_run(const struct train_options *options, const struct csv *table,
              const struct progress *progress, uint8_t **ret_tflite, size_t *ret_n_bytes,
              struct train_report *ret_report, struct train_fault *ret_why)
{
    struct csv_frames frames;
    struct train_report report = { 0 };
    struct dataset set;
    struct quantized net = { 0 };
    int result = describe(options, table, &frames, &report.card, ret_why);
    if (result == MW_OK)
        result = prepare(&frames, &report.card, &set, ret_why);
    if (result < 0)
        return result;
    if (report.card.has_network)
        result = learn(&set, &report.card, options->fine, progress, &net, &report, ret_why);
    if (result == MW_OK)
        result = finish(&set, report.card.has_network ? &net : NULL, &report.card, ret_tflite,
                        ret_n_bytes, &report, ret_why);
    if (result == MW_OK) {
        report.n_rows = set.n_rows;
        report.n_windows = set.n_windows;
        mw_sha256(*ret_tflite, *ret_n_bytes, report.digest);
        *ret_report = report;
    }
    quantize_destroy(&net);
    dataset_destroy(&set);
    return result;
}

bool train_is_hollow(const struct train_report *report)
{
    return report->card.has_network && !(report->r2_best > TRAIN_R2_LEAST);
}
