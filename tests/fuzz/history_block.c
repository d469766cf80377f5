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

/* in and again: n bytes each. */
static void check(const uint8_t *in, uint8_t *again, size_t n)
{
    struct history_block block;
    struct history_block_writer w;
    struct mw_frame frame;
    const char *names[MW_MAX_CHANNELS];
    float score;
    int result;
    if (history_block_open(&block, in, n) != MW_OK)
        return;
    for (uint32_t c = 0; c < block.n_channels; c++)
        names[c] = block.channels[c];
    history_block_begin(&w, again, n, names, block.n_channels, block.n_frames,
                        block.plain ? NULL : block.decimals);
    while ((result = history_block_next(&block, &frame, &score)) == MW_OK)
        history_block_add(&w, &frame, score);
    if (result != MW_ERR_NOT_FOUND)
        return;
    if (history_block_finish(&w) != (int)n || memcmp(in, again, n) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct history_block block;
    (void)history_block_open(&block, bytes, n);
    uint8_t *in = malloc(n + 4), *again = malloc(n + 4);
    if (in && again) {
        struct mw_writer w = { .bytes = in, .n_bytes = n + 4 };
        mw_put_bytes(&w, bytes, n);
        mw_put_u32le(&w, mw_crc32(bytes, n));
        check(in, again, n + 4);
    }
    free(in);
    free(again);
    return 0;
}
