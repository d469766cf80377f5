/* SPDX-License-Identifier: Apache-2.0 */
/* The last W frames of one machine, oldest first, in the two forms the model detector needs: int8
 * for the network, and wide z as its sum over the window. Knows which windows may be judged. Pure.
 *
 * The network wants its window in one piece, so frames are appended and the window is moved to the
 * front of its memory only where that ends: every 240 frames at 16 frames of 8 channels. Wide z
 * are integers, and the sum of a window is the last one's plus the newest value minus the oldest:
 * exact, however long it runs. */
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
    uint16_t oldest;     /* frame in wide */
    uint16_t end;        /* of the window in input, items */
    bool started;        /* last_slot means something */
    int64_t last_slot;
    int64_t sums[MW_MAX_CHANNELS];      /* of wide, by channel */
    int32_t wide[MW_WINDOW_MAX_VALUES]; /* z in the caller's unit, clipped wide; a ring of [W][d] */
    int8_t input[MW_WINDOW_MAX_VALUES]; /* the network's input; [..][d], time-major */
};

/* An empty window. n_frames 1 .. MW_WINDOW_MAX_FRAMES, n_channels 1 .. MW_MAX_CHANNELS. */
void mw_window_init(struct mw_window *window, uint16_t n_frames, uint16_t n_channels,
                    uint16_t max_gap);

/* Appends one frame and forgets the oldest. A hole of more than max_gap slots, or a slot that is
 * not larger than the last one, empties the window first.
 *   wide   int32 [n_channels]; input int8 [n_channels]
 *   clean  false: the frame holds an invalid value, whatever the numbers are */
void mw_window_push(struct mw_window *window, const int32_t *wide, const int8_t *input, bool clean,
                    int64_t slot);

/* Full, and no frame of it holds an invalid value. */
bool mw_window_ready(const struct mw_window *window);

/* int8 [W][d], oldest frame first; until the next push. */
const int8_t *mw_window_input(const struct mw_window *window);

#endif
