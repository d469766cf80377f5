/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the store stage's own files: its group, its learner. */
#ifndef MW_DAEMON_STORE_PARTS_H
#define MW_DAEMON_STORE_PARTS_H

#include "daemon/store.h"

#define STORE_NEWS_ITEMS 64     /* an answer to the link, and some */
#define STORE_IDLE_US    500000 /* frames wait at most this long in their ring, unless it fills up */

const char *store_machine_name(const struct store_stage *stage, uint32_t machine);

/* store_group.c: one transaction per group. What is taken from the rings is taken for good only by
 * store_close_group; store_abandon_group rolls back, tells main why, and waits before trying
 * again. */
void store_report(struct store_stage *stage, const struct store_report *item);
/* Tells main once, until a commit succeeds again. */
void store_trouble(struct store_stage *stage, const char *what, int result);
int store_open_group(struct store_stage *stage, int64_t now_us);
int store_close_group(struct store_stage *stage, int64_t now_us);
void store_abandon_group(struct store_stage *stage, const char *what, int result, int64_t now_us);

/* store.c: applies everything that waits within one group; a detector's state of an order. */
int store_apply_all(struct store_stage *stage, const struct clock_time *now);
/* Frames into their writers; true where some were left in the ring, since a writer has become full
 * that is to be written first. */
bool store_take_frames(struct store_stage *stage);
int store_put_blob(struct store_stage *stage, const struct store_order *order);

/* store_history.c: what is kept of the frames. With history in memory its transactions are its own;
 * else it is part of the open group. */
int history_open_all(struct store_stage *stage, const struct store_config *config, int64_t at_us);
void history_close_all(struct store_stage *stage);
/* One frame out of the ring; whether its writer has just become full and is to be written first. */
bool history_take(struct store_stage *stage, const struct frame_record *record);
int history_keep(struct store_stage *stage, const struct clock_time *now);
/* The frames of one machine that wait, whatever the budget says, committed. */
int history_flush(struct store_stage *stage, uint32_t machine, int64_t now_us);
/* For a new configuration (store_reload.c): the writers of a machine, number being that of the
 * history's database; NULL where none is kept. What full writers hold is written. A machine is not
 * watched any more, or otherwise: all that waits is written, the span under way included. */
int history_make_writers(const struct config *config, uint32_t machine, uint32_t number,
                         struct history_writer **ret_writer, struct rollup_writer **ret_rollup);
int history_write_full(struct store_stage *stage, int64_t now_us);
int history_end_machine(struct store_stage *stage, uint32_t machine, int64_t now_us);
/* Everything that waits, the spans under way included, committed. */
int history_flush_all(struct store_stage *stage, int64_t now_us);
/* A repaired machine: windows to train from are of another one. */
int history_forget_windows(struct store_stage *stage, uint32_t machine);
/* The clock's offset, where history is not in the database itself. */
int history_set_clock(struct store_stage *stage, int64_t offset_us, bool synced);

/* store_text.c: history as text for people, a piece in each step, so that alarms come in between.
 * Returns whether it wants to be called again soon. */
bool text_serve(struct store_stage *stage);
void text_end(struct store_stage *stage);
/* store.c, inside a group: an event into the outbox, numbered. */
int store_push_event(struct store_stage *stage, const struct mw_event *event, int64_t offset_us);
/* The same: what the database has lost, ahead of the first message that would hide it. */
int store_tell_rewound(struct store_stage *stage, int64_t at_us, int64_t offset_us);

/* learner.c: from history to an installed model. */
int learner_start(struct store_stage *stage, uint32_t machine);
int learner_settle_model(struct store_stage *stage, const struct store_order *order, bool accepted);
void learner_count(struct store_stage *stage, const struct frame_record *record);
/* The group with a model's new state was committed, or not. */
void learner_tell_settled(struct store_stage *stage, bool committed);
void learner_step(struct store_stage *stage, const struct clock_time *now);
void learner_report(struct store_stage *stage, uint32_t machine);

#endif
