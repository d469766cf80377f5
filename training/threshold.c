/* SPDX-License-Identifier: Apache-2.0 */
#include "training/threshold.h"

#include "base/result.h"
#include "inference/score.h"
#include "training/dmath.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SCORED MW_MAX_CHANNELS

/* Signals of one window: residuals first, then levels; without a network levels alone. */
struct reading {
    bool whole;
    double signals[MW_CARD_MAX_SIGNALS];
};

struct tally {
    uint32_t n_signals, n_windows, n_pairs, since_hole;
    double squares[MW_CARD_MAX_SIGNALS]; /* of differences between adjacent windows */
    double baseline[MW_CARD_MAX_SIGNALS];
    double residual_squares[MAX_SCORED];
    double level_sum[MAX_SCORED], level_squares[MAX_SCORED];
};

static void add_pair(struct tally *t, const double *now, const double *before)
{
    for (uint32_t j = 0; j < t->n_signals; j++) {
        double off = now[j] - before[j];
        t->squares[j] += off * off;
    }
    t->n_pairs++;
}

static void add_window(struct tally *t, const double *signals, double tau)
{
    t->n_windows++;
    double gain = 1.0 / t->n_windows;
    gain = gain > 1.0 / tau ? gain : 1.0 / tau;
    for (uint32_t j = 0; j < t->n_signals; j++)
        t->baseline[j] += gain * (signals[j] - t->baseline[j]);
}

/* Sums for R2; the network's residuals are followed by the levels. */
static void add_fit(struct tally *t, const double *signals, uint32_t n_scored)
{
    for (uint32_t k = 0; k < n_scored; k++) {
        double level = signals[n_scored + k];
        t->residual_squares[k] += signals[k] * signals[k];
        t->level_sum[k] += level;
        t->level_squares[k] += level * level;
    }
}

/* Feeds every frame. recent: the last W readings, by row modulo W; a window counts as adjacent to
 * the one W rows before where no hole lies between them. */
static void collect(struct mw_score *score, const struct dataset *set, struct reading *recent,
                    struct tally *t)
{
    uint16_t w = score->card.window;
    bool fitted = score->card.has_network;
    for (uint32_t row = 0; row < set->n_rows; row++) {
        const struct mw_frame *frame = &set->frames[row];
        struct reading *slot = &recent[row % w], now;
        mw_score_prime(score, frame->values, frame->valid, frame->slot);
        now.whole = mw_score_signals(score, now.signals);
        t->since_hole = now.whole ? t->since_hole + 1 : 0;
        if (now.whole) {
            add_window(t, now.signals, (double)score->card.tau);
            if (fitted)
                add_fit(t, now.signals, score->n_scored);
            if (t->since_hole > w && slot->whole)
                add_pair(t, now.signals, slot->signals);
        }
        *slot = now;
    }
}

static void conclude(const struct tally *t, const struct mw_model *model, struct mw_card *card,
                     uint32_t n_scored, float *ret_r2)
{
    float least_residual = THRESHOLD_SIGMA_LEAST;
    if (card->has_network && model->out.scale * THRESHOLD_SIGMA_LEAST_LSB > least_residual)
        least_residual = model->out.scale * THRESHOLD_SIGMA_LEAST_LSB;
    for (uint32_t j = 0; j < card->n_signals; j++) {
        float least = card->has_network && j < n_scored ? least_residual : THRESHOLD_SIGMA_LEAST;
        float sigma = (float)dmath_sqrt(t->squares[j] / t->n_pairs / 2.0);
        card->sigma[j] = sigma > least ? sigma : least;
        card->baseline[j] = (float)t->baseline[j];
    }
    for (uint32_t k = 0; k < n_scored; k++) {
        double spread = t->level_squares[k] - t->level_sum[k] * t->level_sum[k] / t->n_windows;
        ret_r2[k] = card->has_network && spread > 1e-12
                        ? (float)(1.0 - t->residual_squares[k] / spread)
                        : 0.0f;
    }
}

int threshold_measure(const struct dataset *set, const struct mw_model *model, struct mw_card *card,
                      float *ret_r2)
{
    /* Levels are always needed here, for R2; the card's own signals are the first ones. */
    struct mw_card all = *card;
    uint32_t n_scored = card->n_signals / (card->level_guard ? 2u : 1u);
    all.level_guard = card->has_network;
    all.n_signals = (uint16_t)(card->has_network ? 2 * n_scored : n_scored);
    struct mw_score *score = malloc(sizeof *score);
    struct reading *recent = calloc(card->window, sizeof recent[0]);
    struct tally tally = { .n_signals = all.n_signals };
    int result = MW_ERR_NO_MEMORY;
    if (score && recent)
        result = mw_score_init(score, &all, model, false);
    if (result == MW_OK) {
        collect(score, set, recent, &tally);
        result = tally.n_pairs > 0 ? MW_OK : MW_ERR_INVALID;
    }
    if (result == MW_OK)
        conclude(&tally, model, card, n_scored, ret_r2);
    free(score);
    free(recent);
    return result;
}
