/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/history_block.h"
#include "base/crc.h"
#include "base/result.h"
#include "storage/varint.h"

#include <assert.h>
#include <string.h>

#define PLAIN_VERSION 1
#define BLOCK_VERSION 2
#define WHOLE_LIMIT   (1 << 22) /* below it a float tells two neighbours of six decimals apart */
#define CRC_BYTES     4

static const uint8_t MAGIC[3] = { 'M', 'H', 'B' };

static_assert(MW_MAX_CHANNELS <= 32, "masks are 32 bits");

static uint32_t mask_of(uint32_t n_channels)
{
    return n_channels >= 32 ? UINT32_MAX : (1u << n_channels) - 1;
}

/* ---- decimals ---- */

static const double POWERS[HISTORY_DECIMALS_MAX + 1] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };

static float float_of_whole(int32_t whole, uint8_t decimals)
{
    return (float)(whole / POWERS[decimals]);
}

/* The nearest whole number; out of range where there is none below the limit. */
static int32_t whole_of(float value, uint8_t decimals)
{
    double scaled = (double)value * POWERS[decimals];
    if (!(scaled > -WHOLE_LIMIT && scaled < WHOLE_LIMIT)) /* a NaN neither */
        return WHOLE_LIMIT;
    return (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

static bool is_whole(float value, uint8_t decimals)
{
    int32_t whole = whole_of(value, decimals);
    return whole > -WHOLE_LIMIT && whole < WHOLE_LIMIT &&
           bits_of(float_of_whole(whole, decimals)) == bits_of(value);
}

uint8_t history_decimals(uint8_t so_far, float value)
{
    for (uint8_t e = so_far; e <= HISTORY_DECIMALS_MAX; e++)
        if (is_whole(value, e))
            return e;
    return HISTORY_DECIMALS_NONE;
}

/* ---- writing ---- */

void history_block_begin(struct history_block_writer *w, uint8_t *bytes, size_t cap,
                         const char *const *channels, uint32_t n_channels, uint32_t n_frames,
                         const uint8_t *decimals)
{
    assert(n_channels >= 1 && n_channels <= MW_MAX_CHANNELS);
    assert(n_frames >= 1 && n_frames <= HISTORY_BLOCK_MAX_FRAMES);
    *w = (struct history_block_writer){ .out = { .bytes = bytes, .n_bytes = cap },
                                        .n_channels = n_channels,
                                        .plain = !decimals };
    w->before.valid = w->before.fresh = mask_of(n_channels);
    mw_put_bytes(&w->out, MAGIC, sizeof MAGIC);
    mw_put_u8(&w->out, w->plain ? PLAIN_VERSION : BLOCK_VERSION);
    mw_put_u16le(&w->out, (uint16_t)n_frames);
    mw_put_u8(&w->out, (uint8_t)n_channels);
    for (uint32_t c = 0; c < n_channels; c++)
        mw_put_str8(&w->out, channels[c]);
    for (uint32_t c = 0; c <= n_channels; c++) {
        w->decimals[c] = decimals ? decimals[c] : HISTORY_DECIMALS_NONE;
        if (decimals)
            mw_put_u8(&w->out, decimals[c]);
    }
}

/* As it is kept: the bits, or a whole number. */
static uint32_t code_of(float value, uint8_t decimals)
{
    return decimals == HISTORY_DECIMALS_NONE ? bits_of(value) : (uint32_t)whole_of(value, decimals);
}

/* In version 2 only those that are not zero, behind a head that says which; in version 1 all. */
static void put_head(struct history_block_writer *w, const uint64_t heads[6])
{
    uint8_t there = 0;
    for (uint32_t i = 0; i < 6; i++)
        there |= (uint8_t)((heads[i] != 0) << i);
    if (!w->plain)
        mw_put_u8(&w->out, there);
    for (uint32_t i = 0; i < 6; i++)
        if (w->plain || heads[i] != 0)
            put_varint(&w->out, heads[i]);
}

void history_block_add(struct history_block_writer *w, const struct mw_frame *frame, float score)
{
    struct history_before *b = &w->before;
    uint32_t valid = frame->valid & mask_of(w->n_channels);
    uint32_t fresh = frame->fresh & mask_of(w->n_channels);
    uint32_t score_code = code_of(score, w->decimals[w->n_channels]);
    uint64_t step_us = (uint64_t)frame->at_us - b->at_us;
    uint64_t mono_step_us = (uint64_t)frame->mono_us - b->mono_us;
    const uint64_t heads[6] = { zigzag(step_us - b->step_us),
                                zigzag(mono_step_us - step_us),
                                zigzag((uint64_t)frame->slot - b->slot - 1),
                                valid ^ b->valid,
                                fresh ^ b->fresh,
                                zigzag32(score_code - b->score) };
    put_head(w, heads);
    for (uint32_t c = 0; c < w->n_channels; c++) {
        if (!(valid >> c & 1))
            continue;
        uint32_t code = code_of(frame->values[c], w->decimals[c]);
        put_varint(&w->out, zigzag32(code - b->values[c]));
        b->values[c] = code;
    }
    b->at_us = (uint64_t)frame->at_us;
    b->mono_us = (uint64_t)frame->mono_us;
    b->slot = (uint64_t)frame->slot;
    b->step_us = step_us;
    b->valid = valid;
    b->fresh = fresh;
    b->score = score_code;
}

int history_block_finish(struct history_block_writer *w)
{
    if (!w->out.failed)
        mw_put_u32le(&w->out, mw_crc32(w->out.bytes, w->out.at));
    return w->out.failed ? MW_ERR_NO_SPACE : (int)w->out.at;
}

/* ---- reading ---- */

static bool get_decimals(struct history_block *b)
{
    for (uint32_t c = 0; c <= b->n_channels; c++) {
        b->decimals[c] = b->plain ? HISTORY_DECIMALS_NONE : mw_get_u8(&b->in);
        if (b->decimals[c] > HISTORY_DECIMALS_MAX && b->decimals[c] != HISTORY_DECIMALS_NONE)
            return false;
    }
    return true;
}

static int open_header(struct history_block *b)
{
    const uint8_t *magic = mw_get_bytes(&b->in, sizeof MAGIC);
    if (!magic || memcmp(magic, MAGIC, sizeof MAGIC) != 0)
        return MW_ERR_FORMAT;
    uint8_t version = mw_get_u8(&b->in);
    if (version != PLAIN_VERSION && version != BLOCK_VERSION)
        return MW_ERR_UNSUPPORTED;
    b->plain = version == PLAIN_VERSION;
    b->n_frames = mw_get_u16le(&b->in);
    b->n_channels = mw_get_u8(&b->in);
    if (b->n_frames < 1 || b->n_frames > HISTORY_BLOCK_MAX_FRAMES || b->n_channels < 1 ||
        b->n_channels > MW_MAX_CHANNELS)
        return MW_ERR_FORMAT;
    for (uint32_t c = 0; c < b->n_channels; c++) {
        mw_get_str8(&b->in, b->channels[c], sizeof b->channels[c]);
        if (b->channels[c][0] == 0)
            return MW_ERR_FORMAT;
    }
    return !get_decimals(b) || b->in.failed ? MW_ERR_FORMAT : MW_OK;
}

int history_block_open(struct history_block *ret_block, const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes < CRC_BYTES || n_bytes > HISTORY_BLOCK_BYTES_MAX)
        return MW_ERR_FORMAT;
    size_t n_body = n_bytes - CRC_BYTES;
    if (mw_load_u32le(bytes + n_body) != mw_crc32(bytes, n_body))
        return MW_ERR_CHECKSUM;
    struct history_block block = { .in = { .bytes = bytes, .n_bytes = n_body } };
    int result = open_header(&block);
    if (result != MW_OK)
        return result;
    block.before.valid = block.before.fresh = mask_of(block.n_channels);
    *ret_block = block;
    return MW_OK;
}

/* What is not there in version 2 is 0; what is there is not. */
static void get_head(struct history_block *block, uint64_t ret_heads[6])
{
    uint32_t mask = mask_of(block->n_channels);
    const uint64_t most[6] = { UINT64_MAX, UINT64_MAX, UINT64_MAX, mask, mask, UINT32_MAX };
    uint8_t there = block->plain ? 63 : mw_get_u8(&block->in);
    for (uint32_t i = 0; i < 6; i++) {
        ret_heads[i] = there >> i & 1 ? get_varint(&block->in, most[i]) : 0;
        if (!block->plain && there >> i & 1 && ret_heads[i] == 0)
            block->in.failed = true;
    }
    block->in.failed = block->in.failed || there > 63;
}

static float value_of(struct history_block *block, uint32_t code, uint8_t decimals)
{
    if (decimals == HISTORY_DECIMALS_NONE)
        return float_of(code);
    int32_t whole = (int32_t)code;
    if (whole <= -WHOLE_LIMIT || whole >= WHOLE_LIMIT) {
        block->in.failed = true;
        return 0;
    }
    return float_of_whole(whole, decimals);
}

int history_block_next(struct history_block *block, struct mw_frame *ret_frame, float *ret_score)
{
    if (block->n_read == block->n_frames)
        return block->in.at == block->in.n_bytes ? MW_ERR_NOT_FOUND : MW_ERR_FORMAT;
    struct history_before b = block->before;
    uint64_t heads[6];
    get_head(block, heads);
    b.step_us += unzigzag(heads[0]);
    b.at_us += b.step_us;
    b.mono_us += unzigzag(heads[1]) + b.step_us;
    b.slot += unzigzag(heads[2]) + 1;
    b.valid ^= (uint32_t)heads[3];
    b.fresh ^= (uint32_t)heads[4];
    b.score += unzigzag32((uint32_t)heads[5]);

    struct mw_frame frame = { .at_us = (int64_t)b.at_us,
                              .mono_us = (int64_t)b.mono_us,
                              .slot = (int64_t)b.slot,
                              .valid = b.valid,
                              .fresh = b.fresh };
    for (uint32_t c = 0; c < block->n_channels; c++) {
        if (!(b.valid >> c & 1))
            continue;
        b.values[c] += unzigzag32((uint32_t)get_varint(&block->in, UINT32_MAX));
        frame.values[c] = value_of(block, b.values[c], block->decimals[c]);
    }
    float score = value_of(block, b.score, block->decimals[block->n_channels]);
    if (block->in.failed)
        return MW_ERR_FORMAT;
    block->before = b;
    block->n_read++;
    *ret_frame = frame;
    *ret_score = score;
    return MW_OK;
}
