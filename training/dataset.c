/* SPDX-License-Identifier: Apache-2.0 */
#include "training/dataset.h"

#include "base/result.h"
#include "inference/window.h"
#include "training/dmath.h"

#include <stdlib.h>
#include <string.h>

int dataset_read(struct dataset *ret_set, struct mw_frame_source *source, uint32_t n_channels)
{
    struct dataset set = { .n_channels = n_channels };
    uint32_t cap = 0;
    struct mw_frame frame;
    int result;
    while ((result = source->next(source->ctx, &frame)) == MW_OK) {
        if (set.n_rows == DATASET_MAX_ROWS) {
            result = MW_ERR_TOO_BIG;
            break;
        }
        if (set.n_rows == cap) {
            cap = cap ? 2 * cap : 512;
            struct mw_frame *frames = realloc(set.frames, cap * sizeof frames[0]);
            if (!frames) {
                result = MW_ERR_NO_MEMORY;
                break;
            }
            set.frames = frames;
        }
        set.frames[set.n_rows++] = frame;
    }
    if (result != MW_ERR_NOT_FOUND) {
        dataset_destroy(&set);
        return result;
    }
    *ret_set = set;
    return MW_OK;
}

void dataset_destroy(struct dataset *set)
{
    if (!set)
        return;
    free(set->frames);
    free(set->ends);
    free(set->inputs);
}

static bool is_valid(const struct dataset *set, uint32_t row, uint32_t c)
{
    return set->frames[row].valid >> c & 1;
}

static double mean_of(const struct dataset *set, uint32_t c, uint32_t *ret_n)
{
    double sum = 0.0;
    uint32_t n = 0;
    for (uint32_t row = 0; row < set->n_rows; row++)
        if (is_valid(set, row, c)) {
            sum += (double)set->frames[row].values[c];
            n++;
        }
    *ret_n = n;
    return n ? sum / n : 0.0;
}

static double deviation_of(const struct dataset *set, uint32_t c, double mean)
{
    double sum = 0.0;
    uint32_t n = 0;
    for (uint32_t row = 0; row < set->n_rows; row++)
        if (is_valid(set, row, c)) {
            double off = (double)set->frames[row].values[c] - mean;
            sum += off * off;
            n++;
        }
    return n ? dmath_sqrt(sum / n) : 0.0;
}

static uint32_t longest_run_of(const struct dataset *set, uint32_t c)
{
    uint32_t longest = 1, run = 0;
    float last = 0.0f;
    for (uint32_t row = 0; row < set->n_rows; row++) {
        if (!is_valid(set, row, c))
            continue;
        float value = set->frames[row].values[c];
        run = run > 0 && value == last ? run + 1 : 1;
        last = value;
        if (run > longest)
            longest = run;
    }
    return longest;
}

int dataset_normalise(const struct dataset *set, struct mw_card *card, uint32_t *ret_channel)
{
    for (uint32_t c = 0; c < set->n_channels; c++) {
        uint32_t n;
        double mu = mean_of(set, c, &n), size = mu < 0.0 ? -mu : mu;
        if (n < 2) {
            *ret_channel = c;
            return MW_ERR_INVALID;
        }
        double sd = deviation_of(set, c, mu), least = 1e-3 * (size > 1e-3 ? size : 1e-3);
        card->channels[c].mu = (float)mu;
        card->channels[c].sd = (float)(sd > least ? sd : least);
        card->channels[c].longest_run = longest_run_of(set, c);
    }
    return MW_OK;
}

static float narrow(const struct mw_card *card, uint32_t c, float x)
{
    const struct mw_card_channel *channel = &card->channels[c];
    double z = ((double)x - (double)channel->mu) / (double)channel->sd;
    if (z > (double)card->clip_in)
        return card->clip_in;
    return z < -(double)card->clip_in ? -card->clip_in : (float)z;
}

int dataset_cut(struct dataset *set, const struct mw_card *card)
{
    uint32_t all = set->n_channels == 32 ? UINT32_MAX : (1u << set->n_channels) - 1;
    size_t d = set->n_channels;
    struct mw_window *window = malloc(sizeof *window);
    free(set->ends);
    free(set->inputs);
    set->n_windows = 0;
    set->ends = calloc(set->n_rows ? set->n_rows : 1, sizeof set->ends[0]);
    set->inputs = calloc(set->n_rows ? set->n_rows * d : 1, sizeof set->inputs[0]);
    if (!window || !set->ends || !set->inputs) {
        free(window);
        return MW_ERR_NO_MEMORY;
    }
    mw_window_init(window, card->window, card->n_channels, card->max_gap);
    static const int8_t NOTHING[MW_MAX_CHANNELS] = { 0 };
    static const int32_t NOWHERE[MW_MAX_CHANNELS] = { 0 };
    for (uint32_t row = 0; row < set->n_rows; row++) {
        const struct mw_frame *frame = &set->frames[row];
        float *inputs = set->inputs + row * d;
        for (uint32_t c = 0; c < d; c++)
            inputs[c] = is_valid(set, row, c) ? narrow(card, c, frame->values[c]) : 0.0f;
        mw_window_push(window, NOWHERE, NOTHING, (frame->valid & all) == all, frame->slot);
        if (mw_window_ready(window))
            set->ends[set->n_windows++] = row;
    }
    free(window);
    return MW_OK;
}
