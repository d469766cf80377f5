/* SPDX-License-Identifier: Apache-2.0 */
/* The way of messages from outbox to broker, as a pure machine: events and time in, orders out.
 * Down, dialling, up; full-jitter back-off from 1 to 60 s on the monotonic clock; a window of
 * max(1, min(16, receive_maximum - 1)) messages in flight, since the library's own window is slow
 * (docs/DESIGN.md). What is in flight is RAM only: after a loss the window is forgotten and
 * publishing restarts from the lowest message not acknowledged.
 *
 * First deliveries are in the order of seq. A message the broker refuses goes back: nothing new
 * is published before its fate is known, one message at a time; those in flight behind it may be
 * acknowledged meanwhile and are not sent again. */
#ifndef MW_UPLINK_LINK_H
#define MW_UPLINK_LINK_H

#include "uplink/broker.h"

#define LINK_WINDOW_MAX      16
#define LINK_REFUSALS_MAX    3                 /* then a message is a dead letter */
#define LINK_DIAL_TIMEOUT_US INT64_C(40000000) /* above what the library allows itself */
#define LINK_ACK_TIMEOUT_US  INT64_C(15000000) /* of the oldest message in flight */
#define LINK_STEADY_US       INT64_C(60000000) /* up for so long: back-off starts anew */
#define LINK_BACKOFF_MIN_US  INT64_C(1000000)
#define LINK_BACKOFF_MAX_US  INT64_C(60000000)
#define LINK_IDLE_US         INT64_C(60000000) /* REST while nothing is due */

enum link_state { LINK_DOWN = 0, LINK_DIALLING, LINK_UP };

enum link_order_kind {
    LINK_REST = 0,    /* nothing to do until wait_us has passed or an event comes */
    LINK_DIAL,        /* connect, once; what it returns may be ignored, an event tells */
    LINK_HANG_UP,     /* disconnect: an acknowledgement or the connection is overdue */
    LINK_ANNOUNCE,    /* just up: publish status and retained states, then go on */
    LINK_PUBLISH,     /* publish the message after seq 'after'; answer with link_published */
    LINK_ACKNOWLEDGE, /* tell storage that seq is delivered */
    LINK_DEAD_LETTER, /* tell storage that seq is refused for good */
};

struct link_order {
    enum link_order_kind kind;
    uint64_t seq;    /* ACKNOWLEDGE, DEAD_LETTER; PUBLISH: lowest seq wanted is above this */
    uint8_t reason;  /* DEAD_LETTER */
    int64_t wait_us; /* REST */
};

enum link_flight_state {
    LINK_FLIGHT_IN_AIR = 1, /* handed over, no answer yet */
    LINK_FLIGHT_SETTLED,    /* storage was told; kept while a lower one is to be sent again */
    LINK_FLIGHT_REFUSED,    /* to be sent again */
};

struct link_flight {
    uint64_t seq;
    int64_t sent_us;
    enum link_flight_state state;
    uint8_t n_refusals; /* with a reason that will not pass by itself */
    bool told;          /* storage knows already, from a late event of an older epoch */
};

struct link_stats {
    uint64_t n_connects, n_refused, n_lost, n_published, n_delivered, n_unheard, n_failed,
        n_dead_letters;
    uint64_t n_hang_ups; /* acknowledgement or connection overdue */
    uint64_t n_late;     /* acknowledged by an event of an older epoch */
    uint64_t n_stray;    /* events about nothing in flight, or of an older epoch: ignored */
    uint64_t n_held;     /* messages the library did not take */
};

struct link {
    enum link_state state;
    uint32_t epoch; /* as the broker counts: connect calls */
    uint64_t seed;  /* of the jitter */
    uint32_t n_failures;
    int64_t retry_us; /* monotonic: next dial; publishing pauses until then after a refusal */
    int64_t ack_timeout_us;
    int64_t since_us; /* of the present state DIALLING or UP */
    bool announce;
    bool hang_up;        /* an order owed to the caller */
    bool fruitful;       /* something was delivered on this connection */
    uint32_t n_pauses;   /* refusals in a row */
    uint32_t n_held;     /* hand-overs in a row that failed */
    int64_t held_us;     /* no hand-over before this */
    uint32_t window;     /* in force */
    uint64_t sent_up_to; /* all up to here are handed over on this connection, or settled */
    struct link_flight flights[LINK_WINDOW_MAX + 1]; /* ascending seq */
    uint32_t n_flights;
    uint64_t late[LINK_WINDOW_MAX]; /* in flight when a connection ended */
    uint32_t n_late;
    uint64_t refused_seq; /* the message refused last and how often */
    uint32_t n_refusals;
    struct link_order pending[2 * LINK_WINDOW_MAX + 2]; /* orders owed to the caller */
    uint32_t n_pending;
    struct link_stats stats;
};

/* seed: anything that differs between gateways booted at the same moment. */
void link_init(struct link *link, uint64_t seed);

/* What happened. Late events of an old epoch may still acknowledge, never fail or drop. */
void link_event(struct link *link, const struct broker_event *event, int64_t now_us);

/* What to do now; call until it says REST. more: storage has a message above link's sent_up_to,
 * which moves back when a message is to be sent again. */
struct link_order link_next(struct link *link, bool more, int64_t now_us);

/* The caller handed message seq over (after PUBLISH), or could not (failed): then it is asked
 * again, after 10 ms and, where that goes on, after up to 1 s. */
void link_published(struct link *link, uint64_t seq, bool failed, int64_t now_us);

#endif
