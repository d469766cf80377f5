/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/framer.h"

#include <assert.h>

static struct mw_framer_slot *slot_at(struct mw_framer *f, int64_t slot)
{
    return &f->open[(uint64_t)slot % MW_FRAMER_OPEN];
}

static void clear(struct mw_framer_slot *s)
{
    *s = (struct mw_framer_slot){ 0 };
}

void mw_framer_init(struct mw_framer *framer, uint16_t n_channels)
{
    assert(n_channels >= 1 && n_channels <= MW_MAX_CHANNELS);
    *framer = (struct mw_framer){ .n_channels = n_channels };
}

/* What was measured is kept for later; what was not is held from before. */
static void complete(struct mw_framer *f, struct mw_framer_slot *s)
{
    for (uint16_t c = 0; c < f->n_channels; c++) {
        uint32_t bit = 1u << c;
        if (s->frame.valid & bit) {
            f->held[c] = s->frame.values[c];
            f->held_slot[c] = s->frame.slot;
            f->holds |= bit;
        } else if (s->have & bit) {
            f->holds &= ~bit; /* it answered, but not with a value */
        } else if (f->holds & bit && s->frame.slot - f->held_slot[c] <= MW_FRAMER_HOLD) {
            s->frame.values[c] = f->held[c];
            s->frame.valid |= bit;
        }
    }
}

/* A late answer makes a frame young; the next one, without that device, may hold older samples. */
static void keep_order(struct mw_framer *f, struct mw_frame *frame)
{
    if (frame->mono_us < f->last_mono_us) {
        frame->mono_us = f->last_mono_us;
        frame->at_us = f->last_at_us;
    }
    f->last_mono_us = frame->mono_us;
    f->last_at_us = frame->at_us;
}

static void leave(struct mw_framer *f, void (*emit)(void *ctx, const struct mw_frame *frame),
                  void *ctx)
{
    struct mw_framer_slot *s = slot_at(f, f->next_slot);
    if (s->have) {
        complete(f, s);
        keep_order(f, &s->frame);
        emit(ctx, &s->frame);
    }
    clear(s);
    f->next_slot++;
}

static void take(struct mw_framer_slot *s, uint16_t channel, int64_t slot,
                 const struct mw_sample *sample)
{
    uint32_t bit = 1u << channel;
    s->frame.slot = slot;
    s->have |= bit;
    s->frame.fresh |= bit;
    s->frame.valid &= ~bit;
    if (sample->quality == MW_QUALITY_GOOD) {
        s->frame.valid |= bit;
        s->frame.values[channel] = sample->value;
    }
    if (sample->mono_us >= s->frame.mono_us) {
        s->frame.mono_us = sample->mono_us;
        s->frame.at_us = sample->at_us;
    }
}

void mw_framer_feed(struct mw_framer *framer, uint16_t channel, int64_t slot,
                    const struct mw_sample *sample,
                    void (*emit)(void *ctx, const struct mw_frame *frame), void *ctx)
{
    assert(channel < framer->n_channels);
    if (!framer->started) {
        framer->started = true;
        framer->next_slot = slot;
    }
    if (slot < framer->next_slot) {
        framer->n_late++;
        return;
    }
    for (int open = 0; open < MW_FRAMER_OPEN && framer->next_slot + MW_FRAMER_OPEN <= slot; open++)
        leave(framer, emit, ctx);
    if (framer->next_slot + MW_FRAMER_OPEN <= slot)
        framer->next_slot = slot; /* nothing is open: jump over the hole */

    take(slot_at(framer, slot), channel, slot, sample);

    uint32_t all = framer->n_channels == 32 ? UINT32_MAX : (1u << framer->n_channels) - 1;
    while (slot_at(framer, framer->next_slot)->have == all)
        leave(framer, emit, ctx);
}
