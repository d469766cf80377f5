/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/history_block.h"
#include "base/crc.h"
#include "base/result.h"
#include "storage/varint.h"

#include <assert.h>
#include <string.h>

#define BLOCK_VERSION 1
#define CRC_BYTES     4

static const uint8_t MAGIC[3] = { 'M', 'H', 'B' };

static_assert(MW_MAX_CHANNELS <= 32, "masks are 32 bits");

static uint32_t mask_of(uint32_t n_channels)
{
    return n_channels >= 32 ? UINT32_MAX : (1u << n_channels) - 1;
}

void history_block_begin(struct history_block_writer *w, uint8_t *bytes, size_t cap,
                         const char *const *channels, uint32_t n_channels, uint32_t n_frames)
{
    assert(n_channels >= 1 && n_channels <= MW_MAX_CHANNELS);
    assert(n_frames >= 1 && n_frames <= HISTORY_BLOCK_MAX_FRAMES);
    *w = (struct history_block_writer){ .out = { .bytes = bytes, .n_bytes = cap },
                                        .n_channels = n_channels };
    w->before.valid = w->before.fresh = mask_of(n_channels);
    mw_put_bytes(&w->out, MAGIC, sizeof MAGIC);
    mw_put_u8(&w->out, BLOCK_VERSION);
    mw_put_u16le(&w->out, (uint16_t)n_frames);
    mw_put_u8(&w->out, (uint8_t)n_channels);
    for (uint32_t c = 0; c < n_channels; c++)
        mw_put_str8(&w->out, channels[c]);
}

void history_block_add(struct history_block_writer *w, const struct mw_frame *frame, float score)
{
    struct history_before *b = &w->before;
    uint32_t valid = frame->valid & mask_of(w->n_channels);
    uint32_t fresh = frame->fresh & mask_of(w->n_channels);
    uint64_t step_us = (uint64_t)frame->at_us - b->at_us;
    uint64_t mono_step_us = (uint64_t)frame->mono_us - b->mono_us;

    put_varint(&w->out, zigzag(step_us - b->step_us));
    put_varint(&w->out, zigzag(mono_step_us - step_us));
    put_varint(&w->out, zigzag((uint64_t)frame->slot - b->slot - 1));
    put_varint(&w->out, valid ^ b->valid);
    put_varint(&w->out, fresh ^ b->fresh);
    put_varint(&w->out, zigzag32(bits_of(score) - b->score));
    for (uint32_t c = 0; c < w->n_channels; c++) {
        if (!(valid >> c & 1))
            continue;
        uint32_t bits = bits_of(frame->values[c]);
        put_varint(&w->out, zigzag32(bits - b->values[c]));
        b->values[c] = bits;
    }
    b->at_us = (uint64_t)frame->at_us;
    b->mono_us = (uint64_t)frame->mono_us;
    b->slot = (uint64_t)frame->slot;
    b->step_us = step_us;
    b->valid = valid;
    b->fresh = fresh;
    b->score = bits_of(score);
}

int history_block_finish(struct history_block_writer *w)
{
    if (!w->out.failed)
        mw_put_u32le(&w->out, mw_crc32(w->out.bytes, w->out.at));
    return w->out.failed ? MW_ERR_NO_SPACE : (int)w->out.at;
}

static int open_header(struct history_block *b)
{
    const uint8_t *magic = mw_get_bytes(&b->in, sizeof MAGIC);
    if (!magic || memcmp(magic, MAGIC, sizeof MAGIC) != 0)
        return MW_ERR_FORMAT;
    if (mw_get_u8(&b->in) != BLOCK_VERSION)
        return MW_ERR_UNSUPPORTED;
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
    return b->in.failed ? MW_ERR_FORMAT : MW_OK;
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

int history_block_next(struct history_block *block, struct mw_frame *ret_frame, float *ret_score)
{
    if (block->n_read == block->n_frames)
        return block->in.at == block->in.n_bytes ? MW_ERR_NOT_FOUND : MW_ERR_FORMAT;
    struct history_before b = block->before;
    uint32_t mask = mask_of(block->n_channels);
    b.step_us += unzigzag(get_varint(&block->in, UINT64_MAX));
    b.at_us += b.step_us;
    b.mono_us += unzigzag(get_varint(&block->in, UINT64_MAX)) + b.step_us;
    b.slot += unzigzag(get_varint(&block->in, UINT64_MAX)) + 1;
    b.valid ^= (uint32_t)get_varint(&block->in, mask);
    b.fresh ^= (uint32_t)get_varint(&block->in, mask);
    b.score += unzigzag32((uint32_t)get_varint(&block->in, UINT32_MAX));

    struct mw_frame frame = { .at_us = (int64_t)b.at_us,
                              .mono_us = (int64_t)b.mono_us,
                              .slot = (int64_t)b.slot,
                              .valid = b.valid,
                              .fresh = b.fresh };
    for (uint32_t c = 0; c < block->n_channels; c++) {
        if (!(b.valid >> c & 1))
            continue;
        b.values[c] += unzigzag32((uint32_t)get_varint(&block->in, UINT32_MAX));
        frame.values[c] = float_of(b.values[c]);
    }
    if (block->in.failed)
        return MW_ERR_FORMAT;
    block->before = b;
    block->n_read++;
    *ret_frame = frame;
    *ret_score = float_of(b.score);
    return MW_OK;
}
