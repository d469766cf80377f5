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
    };
}

/* Slots between the last frame and this one are few enough to be bridged. Unsigned, so that slots
 * at both ends of int64 do not overflow. */
static bool continues(const struct mw_window *window, int64_t slot)
{
    return window->started && slot > window->last_slot &&
           (uint64_t)slot - (uint64_t)window->last_slot - 1 <= window->max_gap;
}

void mw_window_push(struct mw_window *window, const float *wide, const int8_t *input, bool clean,
                    int64_t slot)
{
    size_t d = window->n_channels, kept = (size_t)(window->n_frames - 1) * d;
    if (!continues(window, slot)) {
        window->n_filled = 0;
        window->n_clean = 0;
    }
    /* A window is a few hundred bytes: moving it keeps it contiguous for the network. */
    memmove(window->wide, window->wide + d, kept * sizeof window->wide[0]);
    memmove(window->input, window->input + d, kept);
    memcpy(window->wide + kept, wide, d * sizeof wide[0]);
    memcpy(window->input + kept, input, d);

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

double mw_window_mean(const struct mw_window *window, uint16_t channel)
{
    assert(channel < window->n_channels);
    double sum = 0.0;
    for (size_t i = 0; i < window->n_frames; i++)
        sum += (double)window->wide[i * window->n_channels + channel];
    return sum / window->n_frames;
}
