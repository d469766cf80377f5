/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/window.h"

#include <assert.h>
#include <string.h>

void mw_window_init(struct mw_window *window, uint16_t n_frames, uint16_t n_channels,
                    uint16_t max_gap)
{
    assert(n_frames >= 1 && n_frames <= MW_WINDOW_MAX_FRAMES);
    assert(n_channels >= 1 && n_channels <= MW_MAX_CHANNELS);
    *window = (struct mw_window){
        .n_frames = n_frames,
        .n_channels = n_channels,
        .max_gap = max_gap,
        .end = (uint16_t)(n_frames * n_channels),
    };
}

/* Slots between the last frame and this one are few enough to be bridged. Unsigned, so that slots
 * at both ends of int64 do not overflow. */
static bool continues(const struct mw_window *window, int64_t slot)
{
    return window->started && slot > window->last_slot &&
           (uint64_t)slot - (uint64_t)window->last_slot - 1 <= window->max_gap;
}

static void append_input(struct mw_window *window, const int8_t *input)
{
    uint32_t d = window->n_channels, kept = (window->n_frames - 1u) * d;
    if (window->end + d > MW_WINDOW_MAX_VALUES) {
        memmove(window->input, window->input + window->end - kept, kept);
        window->end = (uint16_t)kept;
    }
    int8_t *to = window->input + window->end;
    for (uint32_t c = 0; c < d; c++)
        to[c] = input[c];
    window->end = (uint16_t)(window->end + d);
}

static void replace_oldest(struct mw_window *window, const int32_t *wide)
{
    uint32_t d = window->n_channels;
    int32_t *frame = window->wide + window->oldest * d;
    for (uint32_t c = 0; c < d; c++) {
        window->sums[c] += (int64_t)wide[c] - frame[c];
        frame[c] = wide[c];
    }
    window->oldest = (uint16_t)(window->oldest + 1 < window->n_frames ? window->oldest + 1 : 0);
}

void mw_window_push(struct mw_window *window, const int32_t *wide, const int8_t *input, bool clean,
                    int64_t slot)
{
    if (!continues(window, slot)) {
        window->n_filled = 0;
        window->n_clean = 0;
    }
    replace_oldest(window, wide);
    append_input(window, input);

    if (window->n_filled < window->n_frames)
        window->n_filled++;
    if (!clean)
        window->n_clean = 0;
    else if (window->n_clean < window->n_frames)
        window->n_clean++;
    window->last_slot = slot;
    window->started = true;
}

bool mw_window_ready(const struct mw_window *window)
{
    return window->n_frames > 0 && window->n_clean == window->n_frames;
}

const int8_t *mw_window_input(const struct mw_window *window)
{
    return window->input + window->end - window->n_frames * window->n_channels;
}
