/* SPDX-License-Identifier: Apache-2.0 */
/* The last W frames of one machine, oldest first, in the two forms the model detector needs: int8
 * for the network and wide z for the residual. Knows which windows may be judged. Pure. */
#ifndef MW_INFERENCE_WINDOW_H
#define MW_INFERENCE_WINDOW_H

#include "base/sample.h"

#include <stdbool.h>
#include <stdint.h>

#define MW_WINDOW_MAX_FRAMES 64
#define MW_WINDOW_MAX_VALUES (MW_WINDOW_MAX_FRAMES * MW_MAX_CHANNELS)

struct mw_window {
    uint16_t n_frames;   /* W */
    uint16_t n_channels; /* d */
    uint16_t max_gap;    /* missing slots that are bridged */
    uint16_t n_filled;   /* frames since the window last started anew, at most W */
    uint16_t n_clean;    /* newest frames in a row without an invalid value, at most W */
    bool started;        /* last_slot means something */
    int64_t last_slot;
    float wide[MW_WINDOW_MAX_VALUES];   /* z, clipped wide; [W][d] */
    int8_t input[MW_WINDOW_MAX_VALUES]; /* the network's input; [W][d], time-major */
};

/* An empty window. n_frames 1 .. MW_WINDOW_MAX_FRAMES, n_channels 1 .. MW_MAX_CHANNELS. */
void mw_window_init(struct mw_window *window, uint16_t n_frames, uint16_t n_channels,
                    uint16_t max_gap);

/* Appends one frame and forgets the oldest. A hole of more than max_gap slots, or a slot that is
 * not larger than the last one, empties the window first.
 *   wide   float [n_channels]; input int8 [n_channels]
 *   clean  false: the frame holds an invalid value, whatever the numbers are */
void mw_window_push(struct mw_window *window, const float *wide, const int8_t *input, bool clean,
                    int64_t slot);

/* Full, and no frame of it holds an invalid value. */
bool mw_window_ready(const struct mw_window *window);

/* Mean of one channel's wide z over the window: summed in double from the oldest frame on, then
 * divided by W, so that the bits are the same everywhere. */
double mw_window_mean(const struct mw_window *window, uint16_t channel);

#endif
