/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that were stamped before the clock was set. Each row remembers which offset between
 * monotonic time and UTC it was stamped with and in which boot of the computer. Once a better
 * offset of the same boot is known, its rows are moved: history by timebase_correct, messages and
 * alerts whenever they are read. Rows of a boot whose clock was never set keep their stamps, and
 * say so. */
#ifndef MW_STORAGE_TIMEBASE_H
#define MW_STORAGE_TIMEBASE_H

#include "storage/db.h"

#include <stdbool.h>

#define TIMEBASE_BOOT_BYTES 16

/* Once, after db_open: the running boot (Linux: /proc/sys/kernel/random/boot_id). Forgets offsets
 * of other boots that no row needs. Not inside a transaction. */
int timebase_begin(struct db *db, const uint8_t boot[TIMEBASE_BOOT_BYTES]);

/* Inside a transaction: from now on this is the best offset of this boot; where it is not confirmed
 * (synced), only if none was before. */
int timebase_set(struct db *db, int64_t offset_us, bool synced);

/* How many offsets are remembered, of all boots: those that rows need, and about 64 more of the
 * running one. */
int timebase_count(struct db *db, int64_t *ret_n);

/* Inside a transaction: moves at most max_blocks blocks of history, and as many rollups; *ret_n how
 * many. Call again until none was. */
int timebase_correct(struct db *db, uint32_t max_blocks, uint32_t *ret_n);

#endif
