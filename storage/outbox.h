/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that must reach the broker: kept until acknowledged. The alarm's row and its message
 * are one transaction. A message leaves in the group commit after its acknowledgement, or by the
 * counted overflow: when the byte limit is reached the lowest severity goes first, oldest first,
 * the loss is counted for ever, and a gap record (base/event.h) goes with the others to tell of it.
 * Samples never wait here: only alerts and events are sent, so there is nothing to merge first. */
#ifndef MW_STORAGE_OUTBOX_H
#define MW_STORAGE_OUTBOX_H

#include "base/sample.h"
#include "storage/db.h"

#include <stdbool.h>

#define OUTBOX_MESSAGE_MAX  2048
#define OUTBOX_SEVERITY_MAX 3  /* enum mw_severity: critical */
#define OUTBOX_FLYING_MAX   16 /* messages that one question may leave out */

struct outbox_message {
    uint64_t seq;                  /* id; never reused for other content */
    char subject[MW_NAME_MAX + 1]; /* whose first deliveries keep their order; "": the gateway's */
    int64_t at_us;                 /* UTC, as stamped */
    int64_t offset_us;             /* UTC minus monotonic time that it was stamped with */
    /* Known when it is read back: */
    bool this_boot;   /* so that at_us - offset_us is a time of the running monotonic clock */
    bool synced;      /* the clock of its boot was confirmed, before or after */
    int64_t shift_us; /* to be added to what was stamped with that offset */
    bool live;        /* goes ahead of what waited before, see outbox_next */
    uint8_t severity;
    uint16_t n_bytes;
    uint8_t bytes[OUTBOX_MESSAGE_MAX]; /* opaque here: an encoded alert or event */
};

/* What is asked of outbox_next. */
struct outbox_ask {
    uint64_t live_above; /* messages with a higher seq are news, the others the backlog */
    uint64_t flying[OUTBOX_FLYING_MAX]; /* handed over and not answered: left out */
    uint32_t n_flying;
};

/* The number the next push will get; it goes into the message itself. Not lower after a restart,
 * and never one that was pushed before, also when everything was acknowledged. */
uint64_t outbox_next_seq(const struct db *db);

/* Inside a transaction. The message's seq must be outbox_next_seq(), its severity at most
 * OUTBOX_SEVERITY_MAX: else MW_ERR_INVALID. A gap record may take the number after it. */
int outbox_push(struct db *db, const struct outbox_message *message);

/* Up to cap messages, the one that goes next first. Every subject's are in the order of seq. News
 * goes ahead of the backlog of other subjects, behind its own subject's, which it so takes along:
 * first the lowest of each subject that has news, then the second of each, in at most half of the
 * answer's places; the backlog follows in the order of seq. Looked at are the oldest 512 news; none
 * overtakes while a message of before schema 3 waits, whose subject is not known. */
int outbox_next(struct db *db, const struct outbox_ask *ask, struct outbox_message *ret_messages,
                size_t cap, size_t *ret_n);

/* Up to cap messages with seq > after, lowest first. */
int outbox_peek(struct db *db, uint64_t after, struct outbox_message *ret_messages, size_t cap,
                size_t *ret_n);

/* Inside a transaction: the broker has it. Unknown numbers are no error. */
int outbox_acknowledged(struct db *db, uint64_t seq);

/* Inside a transaction: the broker will never take it (refused three times); moved to the bounded
 * dead letters, counted. */
int outbox_dead_letter(struct db *db, uint64_t seq, uint8_t reason);

#endif
