/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/card.h"
#include "base/utf8.h"

#include "base/bytes.h"
#include "base/result.h"
#include "inference/fault.h"

#include <assert.h>
#include <float.h>
#include <string.h>

/* docs/SPEC-model.md, "The detector card", has this table byte by byte. */
#define MAGIC    "MWCD"
#define VERSION  1
#define CRITICAL 0x8000 /* a reader that does not know this tag must refuse the card */

enum tag {
    TAG_PIPELINE = 1,
    TAG_WINDOW,
    TAG_NETWORK,
    TAG_CLIP,
    TAG_DECISION,
    TAG_TRAINING,
    TAG_CHANNEL, /* once for each channel, in their order */
    TAG_SIGNALS,
    TAG_END,
};

static_assert(8 + TAG_END * 4 + 8 + 4 + 2 + 8 + 30 + 40 + MW_MAX_CHANNELS * (4 + 13 + 33 + 12) + 2 +
                      MW_CARD_MAX_SIGNALS * 8 <=
                  MW_CARD_MAX_BYTES,
              "the largest card fits the stated bound");

static bool within(float v, float least, float most)
{
    return v >= least && v <= most; /* false for NaN */
}

/* A name a person can read: so many bytes at least, UTF-8, no control characters. */
static bool readable(const char *text, size_t least)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t n; *s; s += n) {
        n = mw_utf8_length(s);
        if (n == 0 || *s < 0x20 || *s == 0x7f)
            return false;
    }
    return (size_t)(s - (const unsigned char *)text) >= least;
}

static const char *flaw_of_channels(const struct mw_card *card)
{
    if (card->n_channels < 1)
        return "card: no channel";
    for (uint16_t c = 0; c < card->n_channels; c++) {
        const struct mw_card_channel *ch = &card->channels[c];
        if (!readable(ch->name, 1) || !readable(ch->unit, 0))
            return "card: a channel's name or unit is empty or not printable";
        if (ch->role != MW_ROLE_SCORE && ch->role != MW_ROLE_CONTEXT)
            return "card: a channel's role is neither score nor context";
        if (!within(ch->mu, -1e30f, 1e30f) || !within(ch->sd, 1e-30f, 1e30f))
            return "card: a channel's mean or deviation is not in range";
        if (ch->longest_run < 1)
            return "card: a channel's longest run is 0";
        for (uint16_t other = 0; other < c; other++)
            if (strcmp(card->channels[other].name, ch->name) == 0)
                return "card: two channels have the same name";
    }
    return NULL;
}

static const char *flaw_of_decision(const struct mw_card *card)
{
    if (!within(card->clip_in, 1e-3f, 1e3f) || !within(card->clip_wide, card->clip_in, 1e6f))
        return "card: clip_in is not in 0.001 to 1000, or clip_wide not in clip_in to 1000000";
    if (!within(card->on, 1e-3f, 1e6f) || !within(card->cap, card->on, 1e9f))
        return "card: on is not in 0.001 to 1000000, or cap not in on to 1000000000";
    if (!within(card->off_ratio, 1e-3f, 1.0f) || !within(card->rho, 0.0f, 1.0f))
        return "card: off_ratio is not in 0.001 to 1, or rho not in 0 to 1";
    if (card->k_on < 1 || card->k_off < 1 || card->k_recover < 1)
        return "card: k_on, k_off or k_recover is 0";
    if (!within(card->tau, 1.0f, 1e9f) || !within(card->baseline_bound, 0.0f, 1e3f))
        return "card: tau is not in 1 to 1000000000, or baseline_bound not in 0 to 1000";
    return NULL;
}

static const char *flaw_of_signals(const struct mw_card *card)
{
    uint32_t n_scored = 0;
    for (uint16_t c = 0; c < card->n_channels; c++)
        n_scored += card->channels[c].role == MW_ROLE_SCORE;
    if (n_scored == 0)
        return "card: no channel is scored";
    if (!card->has_network && card->level_guard)
        return "card: without a network there are levels alone, level_guard must be 0";
    if (card->n_signals != n_scored * (card->level_guard ? 2u : 1u))
        return "card: the number of signals does not fit the channels";
    for (uint16_t j = 0; j < card->n_signals; j++)
        if (!within(card->sigma[j], 1e-6f, 1e6f) || !within(card->baseline[j], -1e6f, 1e6f))
            return "card: a signal's sigma or baseline is not in range";
    return NULL;
}

/* The first rule the card breaks, or NULL. */
static const char *flaw_of(const struct mw_card *card)
{
    if (card->window < 2 || card->window > MW_CARD_MAX_WINDOW)
        return "card: window is not in 2 to 64";
    if (card->period_us < 0 || card->from_us > card->to_us)
        return "card: the training interval is not one";
    if (!within(card->r2, -FLT_MAX, FLT_MAX))
        return "card: r2 is not a number";
    const char *flaw = flaw_of_channels(card);
    if (!flaw)
        flaw = flaw_of_decision(card);
    return flaw ? flaw : flaw_of_signals(card);
}

static void get_channel(struct mw_reader *r, struct mw_card *card)
{
    if (card->n_channels >= MW_MAX_CHANNELS) {
        r->failed = true;
        return;
    }
    struct mw_card_channel *ch = &card->channels[card->n_channels++];
    ch->role = mw_get_u8(r);
    ch->mu = mw_get_f32le(r);
    ch->sd = mw_get_f32le(r);
    ch->longest_run = mw_get_u32le(r);
    mw_get_str8(r, ch->name, sizeof ch->name);
    mw_get_str8(r, ch->unit, sizeof ch->unit);
}

static void get_decision(struct mw_reader *r, struct mw_card *card)
{
    card->on = mw_get_f32le(r);
    card->off_ratio = mw_get_f32le(r);
    card->rho = mw_get_f32le(r);
    card->cap = mw_get_f32le(r);
    card->k_on = mw_get_u16le(r);
    card->k_off = mw_get_u16le(r);
    card->k_recover = mw_get_u16le(r);
    card->tau = mw_get_f32le(r);
    card->baseline_bound = mw_get_f32le(r);
}

static void get_training(struct mw_reader *r, struct mw_card *card)
{
    card->period_us = (int64_t)mw_get_u64le(r);
    card->from_us = (int64_t)mw_get_u64le(r);
    card->to_us = (int64_t)mw_get_u64le(r);
    card->n_rows = mw_get_u32le(r);
    card->seed = mw_get_u64le(r);
    card->r2 = mw_get_f32le(r);
}

static bool get_flag(struct mw_reader *r)
{
    uint8_t flag = mw_get_u8(r);
    if (flag > 1)
        r->failed = true;
    return flag == 1;
}

static void get_signals(struct mw_reader *r, struct mw_card *card)
{
    card->n_signals = mw_get_u16le(r);
    if (card->n_signals > MW_CARD_MAX_SIGNALS)
        r->failed = true;
    for (uint16_t j = 0; j < card->n_signals && !r->failed; j++) {
        card->sigma[j] = mw_get_f32le(r);
        card->baseline[j] = mw_get_f32le(r);
    }
}

/* One record's value; fails the reader where it is shorter or longer than its tag says. */
static void get_value(struct mw_reader *r, uint16_t tag, struct mw_card *card)
{
    const uint8_t *hash;
    switch ((enum tag)tag) {
    case TAG_PIPELINE:
        hash = mw_get_bytes(r, sizeof card->pipeline);
        if (hash)
            memcpy(card->pipeline, hash, sizeof card->pipeline);
        break;
    case TAG_WINDOW:
        card->window = mw_get_u16le(r);
        card->max_gap = mw_get_u16le(r);
        break;
    case TAG_NETWORK:
        card->has_network = get_flag(r);
        card->level_guard = get_flag(r);
        break;
    case TAG_CLIP:
        card->clip_in = mw_get_f32le(r);
        card->clip_wide = mw_get_f32le(r);
        break;
    case TAG_DECISION: get_decision(r, card); break;
    case TAG_TRAINING: get_training(r, card); break;
    case TAG_CHANNEL: get_channel(r, card); break;
    case TAG_SIGNALS: get_signals(r, card); break;
    case TAG_END: break;
    }
    if (r->at != r->n_bytes)
        r->failed = true;
}

/* Known tags come in rising order, each once but CHANNEL; so a card has one form. */
static bool in_order(uint16_t last, uint16_t tag)
{
    if (tag == TAG_CHANNEL && last == TAG_CHANNEL)
        return true;
    return tag == last + 1;
}

static int get_records(struct mw_reader *r, struct mw_card *card, struct mw_model_fault *why)
{
    uint16_t last = 0;
    while (r->at < r->n_bytes) {
        uint16_t tag = mw_get_u16le(r), n = mw_get_u16le(r);
        const uint8_t *value = mw_get_bytes(r, n);
        if (!value)
            return mw_fault(why, MW_ERR_FORMAT, "card: a record runs past the end", 0, 0);
        if (tag == 0 || tag >= TAG_END) {
            if (tag & CRITICAL || tag == 0)
                return mw_fault(why, MW_ERR_UNSUPPORTED,
                                "card: a record this version cannot ignore", 0, 0);
            continue;
        }
        if (!in_order(last, tag))
            return mw_fault(why, MW_ERR_FORMAT, "card: a record is missing or out of order", 0, 0);
        struct mw_reader inner = { .bytes = value, .n_bytes = n };
        get_value(&inner, tag, card);
        if (inner.failed)
            return mw_fault(why, MW_ERR_FORMAT, "card: a record's length or value is not possible",
                            0, 0);
        last = tag;
    }
    if (last != TAG_END - 1)
        return mw_fault(why, MW_ERR_FORMAT, "card: records are missing at the end", 0, 0);
    return MW_OK;
}

int mw_card_read(struct mw_card *ret_card, const uint8_t *bytes, size_t n_bytes,
                 struct mw_model_fault *ret_why)
{
    struct mw_card card = { 0 };
    struct mw_reader r = { .bytes = bytes, .n_bytes = n_bytes };
    const uint8_t *magic = mw_get_bytes(&r, 4);
    uint16_t version = mw_get_u16le(&r), n_following = mw_get_u16le(&r);
    if (r.failed || memcmp(magic, MAGIC, 4) != 0)
        return mw_fault(ret_why, MW_ERR_FORMAT, "card: does not begin with MWCD", 0, 0);
    if (version != VERSION)
        return mw_fault(ret_why, MW_ERR_UNSUPPORTED,
                        "card: of a version this program does not know", 0, 0);
    if (n_following != n_bytes - r.at || n_bytes > MW_CARD_MAX_BYTES)
        return mw_fault(ret_why, MW_ERR_FORMAT, "card: its length is not what it says", 0, 0);

    int result = get_records(&r, &card, ret_why);
    if (result < 0)
        return result;
    static const uint8_t PIPELINE[8] = MW_CARD_PIPELINE;
    if (memcmp(card.pipeline, PIPELINE, sizeof PIPELINE) != 0)
        return mw_fault(ret_why, MW_ERR_UNSUPPORTED,
                        "card: made for another way of preparing the input", 0, 0);
    const char *flaw = flaw_of(&card);
    if (flaw)
        return mw_fault(ret_why, MW_ERR_FORMAT, flaw, 0, 0);
    *ret_card = card;
    return MW_OK;
}

/* Begins a record; close_record fills in its length. */
static size_t open_record(struct mw_writer *w, enum tag tag)
{
    mw_put_u16le(w, (uint16_t)tag);
    mw_put_u16le(w, 0);
    return w->at;
}

static void patch_u16le(struct mw_writer *w, size_t at, size_t value)
{
    struct mw_writer patch = { .bytes = w->bytes, .n_bytes = w->at, .at = at };
    if (!w->failed)
        mw_put_u16le(&patch, (uint16_t)value);
}

static void close_record(struct mw_writer *w, size_t start)
{
    patch_u16le(w, start - 2, w->at - start);
}

static void put_channel(struct mw_writer *w, const struct mw_card_channel *ch)
{
    size_t start = open_record(w, TAG_CHANNEL);
    mw_put_u8(w, ch->role);
    mw_put_f32le(w, ch->mu);
    mw_put_f32le(w, ch->sd);
    mw_put_u32le(w, ch->longest_run);
    mw_put_str8(w, ch->name);
    mw_put_str8(w, ch->unit);
    close_record(w, start);
}

static void put_decision(struct mw_writer *w, const struct mw_card *card)
{
    size_t start = open_record(w, TAG_DECISION);
    mw_put_f32le(w, card->on);
    mw_put_f32le(w, card->off_ratio);
    mw_put_f32le(w, card->rho);
    mw_put_f32le(w, card->cap);
    mw_put_u16le(w, card->k_on);
    mw_put_u16le(w, card->k_off);
    mw_put_u16le(w, card->k_recover);
    mw_put_f32le(w, card->tau);
    mw_put_f32le(w, card->baseline_bound);
    close_record(w, start);
}

static void put_training(struct mw_writer *w, const struct mw_card *card)
{
    size_t start = open_record(w, TAG_TRAINING);
    mw_put_u64le(w, (uint64_t)card->period_us);
    mw_put_u64le(w, (uint64_t)card->from_us);
    mw_put_u64le(w, (uint64_t)card->to_us);
    mw_put_u32le(w, card->n_rows);
    mw_put_u64le(w, card->seed);
    mw_put_f32le(w, card->r2);
    close_record(w, start);
}

static void put_signals(struct mw_writer *w, const struct mw_card *card)
{
    size_t start = open_record(w, TAG_SIGNALS);
    mw_put_u16le(w, card->n_signals);
    for (uint16_t j = 0; j < card->n_signals; j++) {
        mw_put_f32le(w, card->sigma[j]);
        mw_put_f32le(w, card->baseline[j]);
    }
    close_record(w, start);
}

static void put_shape(struct mw_writer *w, const struct mw_card *card)
{
    size_t start = open_record(w, TAG_PIPELINE);
    mw_put_bytes(w, card->pipeline, sizeof card->pipeline);
    close_record(w, start);
    start = open_record(w, TAG_WINDOW);
    mw_put_u16le(w, card->window);
    mw_put_u16le(w, card->max_gap);
    close_record(w, start);
    start = open_record(w, TAG_NETWORK);
    mw_put_u8(w, card->has_network);
    mw_put_u8(w, card->level_guard);
    close_record(w, start);
    start = open_record(w, TAG_CLIP);
    mw_put_f32le(w, card->clip_in);
    mw_put_f32le(w, card->clip_wide);
    close_record(w, start);
}

int mw_card_write(const struct mw_card *card, uint8_t *ret_bytes, size_t cap)
{
    assert(card->n_channels <= MW_MAX_CHANNELS && card->n_signals <= MW_CARD_MAX_SIGNALS);
    struct mw_writer w = { .bytes = ret_bytes, .n_bytes = cap };
    mw_put_bytes(&w, MAGIC, 4);
    mw_put_u16le(&w, VERSION);
    size_t length_at = w.at;
    mw_put_u16le(&w, 0);
    size_t start = w.at;
    put_shape(&w, card);
    put_decision(&w, card);
    put_training(&w, card);
    for (uint16_t c = 0; c < card->n_channels; c++)
        put_channel(&w, &card->channels[c]);
    put_signals(&w, card);
    patch_u16le(&w, length_at, w.at - start);
    return w.failed ? MW_ERR_NO_SPACE : (int)w.at;
}
