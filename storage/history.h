/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and scores of each machine, kept in packed blocks (never a row per sample), and the
 * alarms' changes as rows. */
#ifndef MW_STORAGE_HISTORY_H
#define MW_STORAGE_HISTORY_H

#include "base/alert.h"
#include "base/sample.h"
#include "storage/db.h"

#define HISTORY_BLOCK_FRAMES 512                  /* most frames in one block */
#define HISTORY_LOOKUP_US    INT64_C(600000000)   /* of the index block_window */
#define HISTORY_SPAN_US      INT64_C(14400000000) /* of one block, at most */

/* Gathers frames of one machine until a block is due; memory is bounded by one block. */
struct history_writer;

/* n_frames: room for so many, 1 to HISTORY_BLOCK_FRAMES. channels: names in the frames' order;
 * stored with each block so that a later change of the configuration does not mix them up. */
int history_writer_create(struct history_writer **ret_writer, uint32_t machine,
                          const char *const *channels, uint32_t n_channels, uint32_t n_frames,
                          int64_t block_us);
void history_writer_destroy(struct history_writer *writer);

/* Adds one frame and its score (negative: not judged). Returns 1 where a block became due: call
 * history_write then, inside a transaction. Where there is no room left, a frame pushes out the
 * oldest one, which is counted. */
int history_add(struct history_writer *writer, const struct mw_frame *frame, float score);

/* Stores all that waits, as one block (as more where the clock was set back in between: within a
 * block time does not run back). The frames leave the writer when the transaction is committed;
 * where it is rolled back they wait on. MW_ERR_NO_SPACE while the disk is full. */
int history_write(struct history_writer *writer, struct db *db);

/* Throws away what waits, since it may not be written; returns how many frames. */
uint32_t history_skip(struct history_writer *writer);

/* After reservoir_clear: what the writer knew of the machine's operating states is gone as well. */
void history_forget_reservoir(struct history_writer *writer);

/* Whether the next frame pushes one out. */
bool history_is_full(const struct history_writer *writer);

/* Whether frames wait that history_write would store. */
int history_pending(const struct history_writer *writer);

/* Frames pushed out by newer ones before they were stored. */
uint64_t history_dropped(const struct history_writer *writer);

/* Reads back in the order of time, [from_us, to_us). Frames come with the channels of the given
 * names; one that a block does not know is invalid there, and the value of an invalid channel is 0.
 * Where the clock was set back, what overlaps is passed over, so that time never runs back here.
 * The reader holds no statement between two calls: writing and pruning go on beside it. */
struct history_reader;
int history_reader_open(struct history_reader **ret_reader, struct db *db, uint32_t machine,
                        const char *const *channels, uint32_t n_channels, int64_t from_us,
                        int64_t to_us);
/* The same of the windows kept for training (storage/reservoir.h). */
int history_windows_open(struct history_reader **ret_reader, struct db *db, uint32_t machine,
                         const char *const *channels, uint32_t n_channels, int64_t from_us,
                         int64_t to_us);
int history_reader_next(struct history_reader *reader, struct mw_frame *ret_frame,
                        float *ret_score); /* MW_ERR_NOT_FOUND at the end; ret_score may be NULL.
                                              MW_ERR_CORRUPT: a block fails its own check; the next
                                              call goes on behind it */
void history_reader_close(struct history_reader *reader);

/* Frames stored for a machine since from_us. */
int history_count(struct db *db, uint32_t machine, int64_t from_us, uint64_t *ret_n);

/* One alarm change as a row, beside the outbox message of the same transaction. The newest 100,000
 * are kept, fewer where max_bytes is small (one for each 4096 bytes). offset_us: UTC minus
 * monotonic time that it was stamped with. */
int history_alert(struct db *db, const struct mw_alert *alert, int64_t offset_us);

/* The newest alerts first, at most cap, with their stamps as they are known to be by now. subject
 * NULL: all. Rows that do not decode are passed over and counted as errors. */
int history_alerts(struct db *db, const char *subject, struct mw_alert *ret_alerts, size_t cap,
                   size_t *ret_n);

#endif
