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

/* store.c, inside a group: an event into the outbox, numbered. */
int store_push_event(struct store_stage *stage, const struct mw_event *event, int64_t offset_us);

/* learner.c: from history to an installed model. */
int learner_start(struct store_stage *stage, uint32_t machine);
int learner_settle_model(struct store_stage *stage, const struct store_order *order, bool accepted);
void learner_count(struct store_stage *stage, const struct frame_record *record);
/* The group with a model's new state was committed, or not. */
void learner_tell_settled(struct store_stage *stage, bool committed);
void learner_step(struct store_stage *stage, const struct clock_time *now);
void learner_report(struct store_stage *stage, uint32_t machine);

#endif
