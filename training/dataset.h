/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as training needs them: in memory, normalised, and which windows are whole. */
#ifndef TRAINING_DATASET_H
#define TRAINING_DATASET_H

#include "base/sample.h"
#include "inference/card.h"

#include <stdint.h>

#define DATASET_MAX_ROWS 1000000

struct dataset {
    uint32_t n_rows, n_channels;
    struct mw_frame *frames; /* [n_rows] */
    uint32_t n_windows;
    uint32_t *ends; /* [n_windows]: last row of each whole window, rising */
    float *inputs;  /* [n_rows][n_channels]: z, clipped as the network sees it */
};

/* Reads all frames of a source. MW_ERR_TOO_BIG beyond DATASET_MAX_ROWS, MW_ERR_NO_MEMORY, or the
 * source's own error. */
int dataset_read(struct dataset *ret_set, struct mw_frame_source *source, uint32_t n_channels);
void dataset_destroy(struct dataset *set);

/* Fills each channel's mu, sd and longest run into the card, from the valid values: mean and
 * population deviation, the latter at least a thousandth of |mu| or 1e-6. MW_ERR_INVALID, with the
 * channel's index in *ret_channel, where a channel has no two valid values. */
int dataset_normalise(const struct dataset *set, struct mw_card *card, uint32_t *ret_channel);

/* Finds the whole windows by the card's window and max_gap, exactly as the score will, and the
 * network's inputs. MW_ERR_NO_MEMORY. */
int dataset_cut(struct dataset *set, const struct mw_card *card);

#endif
