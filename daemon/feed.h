/* SPDX-License-Identifier: Apache-2.0 */
/* What the link hands over next, as far as the store has said. The store's answer to a question is
 * "all that waits but what is in flight, in its order"; it takes the place of the one before.
 * Questions are asked ahead, so what is handed over while one is open is remembered until its
 * answer is whole. Pure. */
#ifndef MW_DAEMON_FEED_H
#define MW_DAEMON_FEED_H

#include "daemon/messages.h"
#include "uplink/link.h"

struct feed {
    struct outbox_message cache[OUTBOX_BATCH]; /* cache[next] is handed over next */
    size_t n_cache, next;
    uint64_t highest, asked_highest; /* newest seq committed: now, and at the newest question */
    uint64_t live_above;             /* what was committed before the connection is the backlog */
    uint64_t request;
    bool requested, answering; /* a question is open; the first of its answer has come */
    bool stale;                /* the cache is out of date */
    bool complete;             /* nothing waited but what the cache held */
    /* Handed over while a question was open: its answer may still name them. */
    uint64_t passed[OUTBOX_BATCH];
    size_t n_passed;
};

/* What the store says. Answers to other questions than the newest are ignored. */
void feed_take(struct feed *feed, const struct outbox_news *news);

/* A new connection: what was committed until now is its backlog. */
void feed_connected(struct feed *feed);

/* A message was refused: what is in the cache, and on its way, may not be what goes next. */
void feed_forget(struct feed *feed);

/* Whether to ask the store: nothing is known, little is left, or there is news. Only after the
 * store was told of every acknowledgement, so that it names nothing that was. */
bool feed_should_ask(const struct feed *feed);
void feed_ask(struct feed *feed, const struct link *link, struct outbox_order *ret_order);

/* The message that goes next, or NULL; and what it is offered to the link as. */
const struct outbox_message *feed_first(const struct feed *feed);
enum link_offer feed_offer(const struct feed *feed);

/* The first one was handed over. */
void feed_pass_first(struct feed *feed);
/* Acknowledged, maybe late: it needs not be handed over any more. */
void feed_drop(struct feed *feed, uint64_t seq);

#endif
