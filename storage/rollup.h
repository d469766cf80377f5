/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept for long of each machine: of every ten minutes for 30 days and of every hour for
 * three years, how often each point was measured, and its least, greatest and mean value; the
 * model's score beside them. Spans lie on the UTC grid. A span without a value has no row and
 * nothing is made up for it: n tells how much of a span was seen.
 *
 * A day's hours are summed up from its ten minutes once a later day has begun, and anew where
 * something was added to it (a clock that was corrected). */
#ifndef MW_STORAGE_ROLLUP_H
#define MW_STORAGE_ROLLUP_H

#include "base/sample.h"
#include "storage/db.h"
#include "storage/rollup_pack.h"

#define ROLLUP_SPAN_US   (INT64_C(600) * 1000000)
#define ROLLUP_HOUR_US   (INT64_C(3600) * 1000000)
#define ROLLUP_SPANS_US  (INT64_C(30) * 86400000000)   /* how long the ten minutes are kept */
#define ROLLUP_DAYS_US   (INT64_C(1096) * 86400000000) /* the hours */
#define ROLLUP_SPANS_MAX 4 /* that wait in memory while nothing can be written */

/* Sums up one machine's frames. */
struct rollup_writer;

/* channels: names in the frames' order, 1 to 32 of 1 to 32 characters; copied. MW_ERR_INVALID,
 * MW_ERR_NO_MEMORY. */
int rollup_writer_create(struct rollup_writer **ret_writer, uint32_t machine,
                         const char *const *channels, uint32_t n_channels);
void rollup_writer_destroy(struct rollup_writer *writer);

/* Adds one frame and its score (negative: not judged). Values that are no numbers count as missing.
 * Returns 1 where a span has ended: call rollup_write then, inside a transaction. Where more than
 * ROLLUP_SPANS_MAX wait, the oldest is lost, which is counted. */
int rollup_add(struct rollup_writer *writer, const struct mw_frame *frame, float score);

/* Ends the span under way where it lies before at_us (UTC): a machine may have fallen silent.
 * Returns 1 where one waits to be written. */
int rollup_end(struct rollup_writer *writer, int64_t at_us);

/* Stores the spans that have ended; with all, also the one under way, to which later frames add.
 * They leave the writer when the transaction is committed; where it is rolled back they wait on.
 * MW_ERR_NO_SPACE while the disk is full. */
int rollup_write(struct rollup_writer *writer, struct db *db, bool all);

/* Whether rollup_write with all would store something. */
bool rollup_pending(const struct rollup_writer *writer);

/* Spans lost since they could not be stored. */
uint64_t rollup_dropped(const struct rollup_writer *writer);

/* Inside a transaction: sums up at most max_machines machines' days that are over. *ret_n how many
 * were; call again until none was. */
int rollup_sum_up(struct db *db, uint32_t max_machines, uint32_t *ret_n);

/* Reads back in the order of time, spans that begin in [from_us, to_us); where a machine's channels
 * changed within a day, the hours of each set one after the other. The reader holds no statement
 * between two calls. */
struct rollup_reader;
struct rollup_row {
    int64_t at_us; /* UTC, of the span's beginning */
    int64_t span_us;
    uint32_t n_channels;
    char channels[MW_MAX_CHANNELS][MW_NAME_MAX + 1];
    struct rollup_slot slots[ROLLUP_MAX_SLOTS]; /* of the channels, then of the score */
};
int rollup_reader_open(struct rollup_reader **ret_reader, struct db *db, uint32_t machine,
                       int64_t span_us, int64_t from_us, int64_t to_us);
/* MW_ERR_NOT_FOUND at the end. MW_ERR_CORRUPT: a row fails its own check; the next call goes on
 * behind it. MW_ERR_AGAIN: nothing found yet, after a bounded search; call again. */
int rollup_reader_next(struct rollup_reader *reader, struct rollup_row *ret_row);
void rollup_reader_close(struct rollup_reader *reader);

#endif
