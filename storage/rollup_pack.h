/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine's points did over equal spans of time: how often each was measured, its least,
 * greatest and mean value; packed into one row of bytes, and back. docs/SPEC-database.md states the
 * layout. Pure: no database here. */
#ifndef MW_STORAGE_ROLLUP_PACK_H
#define MW_STORAGE_ROLLUP_PACK_H

#include "base/sample.h"

#include <stddef.h>
#include <stdint.h>

#define ROLLUP_MAX_SLOTS   (MW_MAX_CHANNELS + 1) /* a machine's channels, then its score */
#define ROLLUP_MAX_ENTRIES 24
/* Head, each entry's two varints and its slots at their longest, CRC. */
#define ROLLUP_BYTES_MAX \
    (3 + ROLLUP_MAX_ENTRIES * (2 + 10 + ROLLUP_MAX_SLOTS * (5 + 5 + 5 + 5)) + 4)

/* One point over one span. n 0: no value, and then nothing of the rest means anything. */
struct rollup_slot {
    uint32_t n; /* values; 0xffffffff: at least so many */
    float min, max, mean;
};

/* One span; a span without any value is not kept. */
struct rollup_entry {
    uint32_t index; /* of the span within the row, 0 to ROLLUP_MAX_ENTRIES - 1 */
    struct rollup_slot slots[ROLLUP_MAX_SLOTS];
};

/* Adds what another one counted over the same span, or a part of it. */
void rollup_slot_merge(struct rollup_slot *slot, const struct rollup_slot *other);

/* Packs n_entries (1 to ROLLUP_MAX_ENTRIES), index rising, into bytes of cap; ROLLUP_BYTES_MAX
 * always fits. n_slots: 1 to ROLLUP_MAX_SLOTS. In each entry at least one slot has values, and
 * min <= mean <= max, all finite. The number of bytes, or MW_ERR_NO_SPACE. */
int rollup_pack(const struct rollup_entry *entries, uint32_t n_entries, uint32_t n_slots,
                uint8_t *bytes, size_t cap);

/* Into ret_entries[ROLLUP_MAX_ENTRIES]; returns how many. MW_ERR_CHECKSUM, MW_ERR_UNSUPPORTED (a
 * newer version), MW_ERR_FORMAT. */
int rollup_unpack(const uint8_t *bytes, size_t n_bytes, struct rollup_entry *ret_entries,
                  uint32_t *ret_n_slots);

#endif
