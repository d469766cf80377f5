/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of one machine as one packed block of bytes, and back. docs/SPEC-database.md states the
 * layout. Pure: no database here. A block is self-describing (channel names) and ends with a
 * CRC-32, so that what a lying disk returns is refused. */
#ifndef MW_STORAGE_HISTORY_BLOCK_H
#define MW_STORAGE_HISTORY_BLOCK_H

#include "base/bytes.h"
#include "base/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_BLOCK_MAX_FRAMES 512
/* Header, names, decimals, each frame's head, six varints and values at their longest, the CRC. */
#define HISTORY_BLOCK_BYTES_MAX                 \
    (32 + MW_MAX_CHANNELS * (MW_NAME_MAX + 2) + \
     HISTORY_BLOCK_MAX_FRAMES * (1 + 3 * 10 + 3 * 5 + MW_MAX_CHANNELS * 5) + 4)

#define HISTORY_DECIMALS_MAX  6
#define HISTORY_DECIMALS_NONE 255 /* values are kept as their bits */

/* How many decimals a value has, so_far at least: e where it is the float next to k / 10^e, |k| <
 * 2^22. What sensors deliver is a whole number times a power of ten, and small whole numbers pack
 * well. A channel has e decimals where history_decimals(e, v) is e for all of its values. */
uint8_t history_decimals(uint8_t so_far, float value);

/* What each frame is told apart from. */
struct history_before {
    uint64_t at_us, mono_us, slot;    /* two's complement */
    uint64_t step_us;                 /* between the two frames before */
    uint32_t valid, fresh, score;     /* score as IEEE 754 bits, as the values */
    uint32_t values[MW_MAX_CHANNELS]; /* as the score; or whole numbers */
};

struct history_block_writer {
    struct mw_writer out;
    struct history_before before;
    uint32_t n_channels;
    bool plain; /* version 1 */
    uint8_t decimals[MW_MAX_CHANNELS + 1];
};

/* Begins a block of n_frames (1 to 512) with n_channels (1 to 32) names of 1 to 32 characters in
 * bytes of cap; HISTORY_BLOCK_BYTES_MAX always fits. Then add each frame, then finish. decimals: of
 * each channel and, last, of the score, for all values to come. NULL: a block of version 1, which
 * keeps all as bits. */
void history_block_begin(struct history_block_writer *w, uint8_t *bytes, size_t cap,
                         const char *const *channels, uint32_t n_channels, uint32_t n_frames,
                         const uint8_t *decimals);

/* Masks beyond the channels are ignored, values of invalid channels are not kept. */
void history_block_add(struct history_block_writer *w, const struct mw_frame *frame, float score);

/* The number of bytes, or MW_ERR_NO_SPACE where cap was too small. */
int history_block_finish(struct history_block_writer *w);

struct history_block {
    char channels[MW_MAX_CHANNELS][MW_NAME_MAX + 1];
    uint32_t n_channels, n_frames;
    uint32_t n_read;
    bool plain; /* version 1 */
    uint8_t decimals[MW_MAX_CHANNELS + 1];
    struct mw_reader in;
    struct history_before before;
};

/* Checks the digest and reads the header. bytes are borrowed while frames are read.
 * MW_ERR_CHECKSUM, MW_ERR_UNSUPPORTED (a newer version), MW_ERR_FORMAT. */
int history_block_open(struct history_block *ret_block, const uint8_t *bytes, size_t n_bytes);

/* The next frame, in the block's own channels. MW_ERR_NOT_FOUND after the last one, MW_ERR_FORMAT
 * where the bytes are no frame or bytes are left over after the last one. */
int history_block_next(struct history_block *block, struct mw_frame *ret_frame, float *ret_score);

#endif
