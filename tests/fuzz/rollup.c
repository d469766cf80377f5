/* links: storage */
/* SPDX-License-Identifier: Apache-2.0 */
/* Rollups are read back from a disk that may lie. The input is a row without its CRC, which is put
 * right here, so that the parser behind it is reached. What unpacks must pack to the same bytes and
 * keep min <= mean <= max: there is one form of every row. */
#include "base/bytes.h"
#include "base/crc.h"
#include "base/result.h"
#include "storage/rollup_pack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(const uint8_t *in, size_t n)
{
    static struct rollup_entry entries[ROLLUP_MAX_ENTRIES];
    static uint8_t again[ROLLUP_BYTES_MAX];
    uint32_t n_slots;
    int n_entries = rollup_unpack(in, n, entries, &n_slots);
    if (n_entries < 0)
        return;
    for (int e = 0; e < n_entries; e++)
        for (uint32_t s = 0; s < n_slots; s++) {
            const struct rollup_slot *slot = &entries[e].slots[s];
            if (slot->n > 0 && !(slot->min <= slot->mean && slot->mean <= slot->max))
                abort();
        }
    if (rollup_pack(entries, (uint32_t)n_entries, n_slots, again, n) != (int)n ||
        memcmp(in, again, n) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct rollup_entry entries[ROLLUP_MAX_ENTRIES];
    uint32_t n_slots;
    (void)rollup_unpack(bytes, n, entries, &n_slots);
    uint8_t *in = malloc(n + 4);
    if (in) {
        struct mw_writer w = { .bytes = in, .n_bytes = n + 4 };
        mw_put_bytes(&w, bytes, n);
        mw_put_u32le(&w, mw_crc32(bytes, n));
        check(in, n + 4);
    }
    free(in);
    return 0;
}
