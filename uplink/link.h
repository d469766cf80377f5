/* SPDX-License-Identifier: Apache-2.0 */
/* The way of messages from outbox to broker, as a pure machine: events and time in, orders out.
 * Down, dialling, up; full-jitter back-off from 1 to 60 s on the monotonic clock; a window of
 * max(1, min(16, receive_maximum - 1)) messages in flight, since the library's own window is slow
 * (docs/DESIGN.md). What is in flight is RAM only: after a loss the window is forgotten and
 * publishing restarts from the lowest message not acknowledged. */
#ifndef MW_UPLINK_LINK_H
#define MW_UPLINK_LINK_H

#include "uplink/broker.h"

#define LINK_WINDOW_MAX 16

enum link_state { LINK_DOWN = 0, LINK_DIALLING, LINK_UP };

enum link_order_kind {
    LINK_REST = 0,    /* nothing to do until wait_us has passed or an event comes */
    LINK_DIAL,        /* connect */
    LINK_HANG_UP,     /* disconnect: an acknowledgement is overdue */
    LINK_ANNOUNCE,    /* just up: publish status and retained states, then go on */
    LINK_PUBLISH,     /* publish the message after seq 'after' */
    LINK_ACKNOWLEDGE, /* tell storage that seq is delivered */
    LINK_DEAD_LETTER, /* tell storage that seq is refused for good */
};

struct link_order {
    enum link_order_kind kind;
    uint64_t seq;    /* ACKNOWLEDGE, DEAD_LETTER; PUBLISH: lowest seq wanted is above this */
    uint8_t reason;  /* DEAD_LETTER */
    int64_t wait_us; /* REST */
};

struct link_flight {
    uint64_t seq;
    int64_t sent_us;
    bool done;
};

struct link_stats {
    uint64_t n_connects, n_refused, n_lost, n_published, n_delivered, n_unheard, n_failed,
        n_dead_letters;
};

struct link {
    enum link_state state;
    uint32_t epoch; /* as the broker counts: connect calls */
    uint64_t seed;  /* of the jitter */
    uint32_t n_failures;
    int64_t retry_us; /* monotonic: next dial; publishing pauses until then after a refusal */
    int64_t ack_timeout_us;
    bool announce;
    uint32_t window;     /* in force */
    uint64_t sent_up_to; /* highest seq handed over on this connection */
    struct link_flight flights[LINK_WINDOW_MAX];
    uint32_t n_flights;
    uint64_t refused_seq; /* the message refused last and how often */
    uint32_t n_refusals;
    struct link_order pending[LINK_WINDOW_MAX + 2]; /* orders owed to the caller */
    uint32_t n_pending;
    struct link_stats stats;
};

/* seed: anything that differs between gateways booted at the same moment. */
void link_init(struct link *link, uint64_t seed);

/* What happened. Late events of an old epoch may still acknowledge, never fail or drop. */
void link_event(struct link *link, const struct broker_event *event, int64_t now_us);

/* What to do now; call until it says REST. more: storage has a message above link's sent_up_to. */
struct link_order link_next(struct link *link, bool more, int64_t now_us);

/* The caller handed message seq over (after PUBLISH), or could not (failed). */
void link_published(struct link *link, uint64_t seq, bool failed, int64_t now_us);

#endif
