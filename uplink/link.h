/* SPDX-License-Identifier: Apache-2.0 */
/* The way of messages from outbox to broker, as a pure machine: events and time in, orders out.
 * Down, dialling, up; full-jitter back-off from 1 to 60 s on the monotonic clock; a window of
 * max(1, min(16, receive_maximum - 1)) messages in flight, since the library's own window is slow
 * (docs/DESIGN.md). A quarter of it, at least one place of two, is kept for live messages, so that
 * a backlog that drains never fills it. What is in flight is RAM only: after a loss the window is
 * forgotten and publishing starts anew with what storage still holds.
 *
 * Which message goes next is the caller's question to storage: it offers the first of those that
 * wait and are not in flight. A message the broker refuses stops being in flight, so storage names
 * it again; until it flies again one message flies at a time. Those in flight behind it may be
 * acknowledged meanwhile. */
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
    LINK_PUBLISH,     /* publish the message offered; answer with link_published */
    LINK_ACKNOWLEDGE, /* tell storage that seq is delivered */
    LINK_DEAD_LETTER, /* tell storage that seq is refused for good */
};

/* The first message that waits and is not in flight. */
enum link_offer {
    LINK_OFFER_UNKNOWN = 0, /* storage has not answered yet */
    LINK_OFFER_NONE,        /* nothing waits but what is in flight */
    LINK_OFFER_BACKLOG,
    LINK_OFFER_LIVE, /* may take the places kept */
};

struct link_order {
    enum link_order_kind kind;
    uint64_t seq;    /* ACKNOWLEDGE, DEAD_LETTER */
    uint8_t reason;  /* DEAD_LETTER */
    int64_t wait_us; /* REST */
};

struct link_flight {
    uint64_t seq;
    int64_t sent_us;
    uint8_t n_refusals; /* with a reason that will not pass by itself */
    bool told;          /* storage knows already, from a late event of an older epoch */
};

struct link_refused {
    uint64_t seq;
    uint8_t n_refusals;
    bool again; /* on this connection, and not sent again yet: caution */
};

struct link_stats {
    uint64_t n_connects, n_refused, n_lost, n_published, n_delivered, n_failed, n_dead_letters;
    uint64_t n_unheard;  /* of those delivered: nobody was subscribed (MQTT 5, reason 0x10) */
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
    bool hang_up;                                /* an order owed to the caller */
    bool fruitful;                               /* something was delivered on this connection */
    uint32_t n_pauses;                           /* refusals in a row */
    uint32_t n_held;                             /* hand-overs in a row that failed */
    int64_t held_us;                             /* no hand-over before this */
    uint32_t window;                             /* in force */
    struct link_flight flights[LINK_WINDOW_MAX]; /* in the order they were handed over */
    uint32_t n_flights;
    uint64_t late[LINK_WINDOW_MAX]; /* in flight when a connection ended */
    uint32_t n_late;
    struct link_refused refused[2 * LINK_WINDOW_MAX];
    uint32_t n_refused;
    struct link_order pending[2 * LINK_WINDOW_MAX + 2]; /* orders owed to the caller */
    uint32_t n_pending;
    struct link_stats stats;
};

/* seed: anything that differs between gateways booted at the same moment. */
void link_init(struct link *link, uint64_t seed);

/* What happened. Late events of an old epoch may still acknowledge, never fail or drop. */
void link_event(struct link *link, const struct broker_event *event, int64_t now_us);

/* What to do now; call until it says REST. After a refusal what was offered before is out of date:
 * the refused message may have to go first. */
struct link_order link_next(struct link *link, enum link_offer offer, int64_t now_us);

/* The caller handed message seq over (after PUBLISH), or could not (failed): then it is asked
 * again, after 10 ms and, where that goes on, after up to 1 s. offer: what it was offered as. */
void link_published(struct link *link, uint64_t seq, enum link_offer offer, bool failed,
                    int64_t now_us);

/* Places of the window that a backlog may fill. */
uint32_t link_backlog_window(const struct link *link);

#endif
