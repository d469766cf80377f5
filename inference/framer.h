/* SPDX-License-Identifier: Apache-2.0 */
/* Gathers the samples of one machine's channels into frames on the machine's grid. Devices answer
 * at different speeds, so a few slots are open at once; frames leave strictly in order. A slot
 * leaves when every channel has a sample for it, or when a sample MW_FRAMER_OPEN slots later has
 * come. A channel without a sample in a slot holds its last good value for up to MW_FRAMER_HOLD
 * slots (a skipped poll), after that it is invalid. A slot for which no sample came at all makes
 * no frame: the hole shows in the slot numbers. The monotonic time of frames never falls: a frame
 * whose samples are all older than the frame before wears that one's times. Pure; one object per
 * machine. */
#ifndef MW_INFERENCE_FRAMER_H
#define MW_INFERENCE_FRAMER_H

#include "base/sample.h"

#define MW_FRAMER_OPEN 4
#define MW_FRAMER_HOLD 2

struct mw_framer_slot {
    struct mw_frame frame;
    uint32_t have; /* bit c: a sample came, good or not */
};

struct mw_framer {
    uint16_t n_channels;
    bool started;
    int64_t next_slot;                          /* lowest slot that has not left */
    struct mw_framer_slot open[MW_FRAMER_OPEN]; /* slot s lives in s modulo MW_FRAMER_OPEN */
    float held[MW_MAX_CHANNELS];
    int64_t held_slot[MW_MAX_CHANNELS]; /* slot of the held value */
    uint32_t holds;                     /* bit c: held[c] is a value */
    int64_t last_mono_us, last_at_us;   /* of the frame that left last */
    uint64_t n_late;                    /* samples that came after their slot had left */
};

void mw_framer_init(struct mw_framer *framer, uint16_t n_channels);

/* Takes one sample for a channel and its slot on the machine's grid; hands out the frames that are
 * complete now, oldest first. n_channels > channel. */
void mw_framer_feed(struct mw_framer *framer, uint16_t channel, int64_t slot,
                    const struct mw_sample *sample,
                    void (*emit)(void *ctx, const struct mw_frame *frame), void *ctx);

#endif
