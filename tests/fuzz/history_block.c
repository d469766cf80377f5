/* links: storage */
/* SPDX-License-Identifier: Apache-2.0 */
/* History blocks are read back from a disk that may lie. The input is a block without its CRC,
 * which is put right here, so that the parser behind it is reached. Each frame that decodes must
 * encode to the same bytes: there is one form of every block. */
#include "storage/history_block.h"
#include "base/crc.h"
#include "base/result.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct buffers {
    uint8_t in[HISTORY_BLOCK_BYTES_MAX], again[HISTORY_BLOCK_BYTES_MAX];
};

static void check(struct buffers *b, size_t n)
{
    struct history_block block;
    struct history_block_writer w;
    struct mw_frame frame;
    const char *names[MW_MAX_CHANNELS];
    float score;
    int result;
    if (history_block_open(&block, b->in, n) != MW_OK)
        return;
    for (uint32_t c = 0; c < block.n_channels; c++)
        names[c] = block.channels[c];
    history_block_begin(&w, b->again, sizeof b->again, names, block.n_channels, block.n_frames);
    while ((result = history_block_next(&block, &frame, &score)) == MW_OK)
        history_block_add(&w, &frame, score);
    if (result != MW_ERR_NOT_FOUND)
        return;
    if (history_block_finish(&w) != (int)n || memcmp(b->in, b->again, n) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct history_block block;
    (void)history_block_open(&block, bytes, n);
    if (n + 4 > HISTORY_BLOCK_BYTES_MAX)
        return 0;
    struct buffers *b = malloc(sizeof *b);
    if (!b)
        return 0;
    struct mw_writer w = { .bytes = b->in, .n_bytes = sizeof b->in };
    mw_put_bytes(&w, bytes, n);
    mw_put_u32le(&w, mw_crc32(bytes, n));
    check(b, w.at);
    free(b);
    return 0;
}
