/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/link.h"

#include <assert.h>
#include <string.h>

static_assert(LINK_WINDOW_MAX >= 1, "one message must be able to fly");

/* splitmix64 (Steele, Lea, Flood 2014): jitter needs spread, not secrecy. */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Anything from 1 s to 2, 4, 8 … 60 s: a fleet that lost its broker does not return as one. */
static int64_t backoff(struct link *link, uint32_t n_failures)
{
    int64_t ceiling_us = LINK_BACKOFF_MIN_US;
    for (uint32_t i = 0; i < n_failures && ceiling_us < LINK_BACKOFF_MAX_US; i++)
        ceiling_us *= 2;
    if (ceiling_us > LINK_BACKOFF_MAX_US)
        ceiling_us = LINK_BACKOFF_MAX_US;
    uint64_t span = (uint64_t)(ceiling_us - LINK_BACKOFF_MIN_US) + 1;
    return LINK_BACKOFF_MIN_US + (int64_t)(next_random(&link->seed) % span);
}

static void owe(struct link *link, enum link_order_kind kind, uint64_t seq, uint8_t reason)
{
    /* At most one for each message in flight and each late one, until the caller asks again. */
    assert(link->n_pending < sizeof link->pending / sizeof link->pending[0]);
    link->pending[link->n_pending++] =
        (struct link_order){ .kind = kind, .seq = seq, .reason = reason };
}

static struct link_flight *find_flight(struct link *link, uint64_t seq)
{
    for (uint32_t i = 0; i < link->n_flights; i++)
        if (link->flights[i].seq == seq)
            return &link->flights[i];
    return NULL;
}

static void end_flight(struct link *link, struct link_flight *flight)
{
    size_t n_behind = (size_t)(link->flights + link->n_flights - flight) - 1;
    memmove(flight, flight + 1, n_behind * sizeof *flight);
    link->n_flights--;
}

static struct link_refused *find_refused(struct link *link, uint64_t seq)
{
    for (uint32_t i = 0; i < link->n_refused; i++)
        if (link->refused[i].seq == seq)
            return &link->refused[i];
    return NULL;
}

static void strike_refused(struct link *link, struct link_refused *refused)
{
    if (refused)
        *refused = link->refused[--link->n_refused];
}

static bool is_cautious(const struct link *link)
{
    for (uint32_t i = 0; i < link->n_refused; i++)
        if (link->refused[i].again)
            return true;
    return false;
}

/* Where the list is full, one of an older connection is forgotten, else the highest: it only gets a
 * few more tries. */
static struct link_refused *refused_place(struct link *link)
{
    struct link_refused *worst = &link->refused[0];
    if (link->n_refused < sizeof link->refused / sizeof link->refused[0])
        return &link->refused[link->n_refused++];
    for (uint32_t i = 1; i < link->n_refused; i++) {
        struct link_refused *r = &link->refused[i];
        if (r->again == worst->again ? r->seq > worst->seq : worst->again)
            worst = r;
    }
    return worst;
}

static void note_refused(struct link *link, const struct link_flight *flight, bool again)
{
    *refused_place(link) = (struct link_refused){ flight->seq, flight->n_refusals, again };
}

/* What flew may still be acknowledged late; how often a message was refused is remembered. */
static void forget_window(struct link *link)
{
    uint32_t n_late = 0;
    for (uint32_t i = 0; i < link->n_refused; i++)
        link->refused[i].again = false;
    for (uint32_t i = 0; i < link->n_flights; i++) {
        const struct link_flight *f = &link->flights[i];
        if (!f->told)
            link->late[n_late++] = f->seq;
        if (!f->told && f->n_refusals > 0)
            note_refused(link, f, false);
    }
    if (n_late > 0)
        link->n_late = n_late;
    link->n_flights = 0;
}

static void go_down(struct link *link, int64_t now_us)
{
    bool steady = link->fruitful || now_us - link->since_us >= LINK_STEADY_US;
    if (link->state == LINK_UP && steady)
        link->n_failures = 0;
    forget_window(link);
    link->state = LINK_DOWN;
    link->announce = false;
    link->n_failures += link->n_failures < UINT32_MAX;
    link->retry_us = now_us + backoff(link, link->n_failures);
}

static void come_up(struct link *link, uint16_t receive_maximum, int64_t now_us)
{
    /* MQTT 5.0 section 3.2.2.3.3: absent means 65535. One place is left for states. */
    uint32_t allowed = receive_maximum == 0 ? UINT16_MAX : receive_maximum;
    allowed = allowed > 1 ? allowed - 1 : 1;
    link->window = allowed < LINK_WINDOW_MAX ? allowed : LINK_WINDOW_MAX;
    link->state = LINK_UP;
    link->since_us = link->retry_us = link->held_us = now_us;
    link->announce = true;
    link->fruitful = false;
    link->n_held = 0;
    link->stats.n_connects++;
}

/* Whether seq was among those that flew when their connection ended; it is not any more. */
static bool strike_late(struct link *link, uint64_t seq)
{
    for (uint32_t i = 0; i < link->n_late; i++) {
        if (link->late[i] != seq)
            continue;
        link->late[i] = link->late[--link->n_late];
        return true;
    }
    return false;
}

static void settle(struct link *link, struct link_flight *flight)
{
    (void)strike_late(link, flight->seq); /* nothing late can be news about it */
    end_flight(link, flight);
}

/* An answer to a message of a connection that has ended. */
static void late_delivery(struct link *link, const struct broker_event *event)
{
    struct link_flight *again = find_flight(link, event->token);
    if (!strike_late(link, event->token)) {
        link->stats.n_stray++;
        return;
    }
    link->stats.n_late++;
    owe(link, LINK_ACKNOWLEDGE, event->token, 0);
    strike_refused(link, find_refused(link, event->token));
    if (again) /* it stays in flight: its place at the broker is taken */
        again->told = true;
}

static void delivered(struct link *link, const struct broker_event *event)
{
    bool here = link->state == LINK_UP && event->epoch == link->epoch;
    struct link_flight *flight = here ? find_flight(link, event->token) : NULL;
    if (!here) {
        late_delivery(link, event);
        return;
    }
    if (!flight) {
        link->stats.n_stray++;
        return;
    }
    link->fruitful = true;
    link->n_pauses = 0;
    link->stats.n_delivered++;
    link->stats.n_unheard += event->reason == 0x10;
    if (!flight->told)
        owe(link, LINK_ACKNOWLEDGE, flight->seq, 0);
    settle(link, flight);
}

/* Not authorized, topic name invalid, packet too large, payload format invalid: the message, not
 * the moment, is what the broker minds. */
static bool is_for_good(uint8_t reason)
{
    return reason == 0x87 || reason == 0x90 || reason == 0x95 || reason == 0x99;
}

static void send_again(struct link *link, struct link_flight *flight, int64_t now_us)
{
    note_refused(link, flight, true);
    end_flight(link, flight); /* still in link->late where it flew before: it may be answered yet */
    if (now_us < link->retry_us)
        return; /* the rest of the window, refused for the same cause */
    link->n_pauses += link->n_pauses < UINT32_MAX;
    link->retry_us = now_us + backoff(link, link->n_pauses);
}

static void failed(struct link *link, const struct broker_event *event, int64_t now_us)
{
    bool here = link->state == LINK_UP && event->epoch == link->epoch;
    struct link_flight *flight = here ? find_flight(link, event->token) : NULL;
    if (!flight) {
        link->stats.n_stray++;
        return;
    }
    link->stats.n_failed++;
    flight->n_refusals += is_for_good(event->reason);
    if (flight->told) {
        settle(link, flight);
    } else if (flight->n_refusals >= LINK_REFUSALS_MAX) {
        link->stats.n_dead_letters++;
        owe(link, LINK_DEAD_LETTER, flight->seq, event->reason);
        settle(link, flight);
    } else {
        send_again(link, flight, now_us);
    }
}

/* The library may tell one end of a connection twice and in either way. */
static void ended(struct link *link, const struct broker_event *event, int64_t now_us)
{
    if (event->epoch != link->epoch || link->state == LINK_DOWN) {
        link->stats.n_stray++;
        return;
    }
    if (link->state == LINK_UP)
        link->stats.n_lost++;
    else
        link->stats.n_refused++;
    go_down(link, now_us);
}

static void connected(struct link *link, const struct broker_event *event, int64_t now_us)
{
    if (event->epoch == link->epoch && link->state == LINK_DIALLING) {
        come_up(link, event->receive_maximum, now_us);
        return;
    }
    link->stats.n_stray++;
    /* A connection that nobody waits for any more would keep its Will from telling the truth. */
    if (event->epoch == link->epoch && link->state == LINK_DOWN)
        link->hang_up = true;
}

void link_init(struct link *link, uint64_t seed)
{
    *link = (struct link){ .seed = seed, .ack_timeout_us = LINK_ACK_TIMEOUT_US, .window = 1 };
}

void link_event(struct link *link, const struct broker_event *event, int64_t now_us)
{
    switch (event->kind) {
    case BROKER_UP: connected(link, event, now_us); break;
    case BROKER_REFUSED:
    case BROKER_LOST: ended(link, event, now_us); break;
    case BROKER_DELIVERED: delivered(link, event); break;
    case BROKER_FAILED: failed(link, event, now_us); break;
    }
}

static struct link_order rest(int64_t wait_us)
{
    return (struct link_order){ .kind = LINK_REST, .wait_us = wait_us > 0 ? wait_us : 0 };
}

static struct link_order hang_up(struct link *link, int64_t now_us)
{
    link->stats.n_hang_ups++;
    go_down(link, now_us);
    return (struct link_order){ .kind = LINK_HANG_UP };
}

static struct link_order next_down(struct link *link, int64_t now_us)
{
    if (now_us < link->retry_us)
        return rest(link->retry_us - now_us);
    link->state = LINK_DIALLING;
    link->since_us = now_us;
    link->epoch++;
    return (struct link_order){ .kind = LINK_DIAL };
}

static struct link_order next_dialling(struct link *link, int64_t now_us)
{
    int64_t wait_us = link->since_us + LINK_DIAL_TIMEOUT_US - now_us;
    return wait_us > 0 ? rest(wait_us) : hang_up(link, now_us);
}

/* Until the oldest acknowledgement is overdue. */
static int64_t patience(const struct link *link, int64_t now_us)
{
    int64_t wait_us = LINK_IDLE_US;
    for (uint32_t i = 0; i < link->n_flights; i++) {
        int64_t left_us = link->flights[i].sent_us + link->ack_timeout_us - now_us;
        if (left_us < wait_us)
            wait_us = left_us;
    }
    return wait_us;
}

uint32_t link_backlog_window(const struct link *link)
{
    uint32_t kept = link->window < 2 ? 0 : (link->window + 3) / 4;
    return link->window - kept;
}

static bool has_room(const struct link *link, enum link_offer offer)
{
    if (is_cautious(link))
        return link->n_flights < 1;
    return link->n_flights < (offer == LINK_OFFER_LIVE ? link->window : link_backlog_window(link));
}

static struct link_order next_up(struct link *link, enum link_offer offer, int64_t now_us)
{
    if (link->announce) {
        link->announce = false;
        return (struct link_order){ .kind = LINK_ANNOUNCE };
    }
    int64_t wait_us = patience(link, now_us);
    if (wait_us <= 0)
        return hang_up(link, now_us);
    if (offer == LINK_OFFER_NONE) /* storage has given up what was refused */
        link->n_refused = 0;
    if (offer == LINK_OFFER_UNKNOWN || offer == LINK_OFFER_NONE || !has_room(link, offer))
        return rest(wait_us);
    int64_t free_us = link->retry_us > link->held_us ? link->retry_us : link->held_us;
    if (now_us < free_us)
        return rest(free_us - now_us < wait_us ? free_us - now_us : wait_us);
    return (struct link_order){ .kind = LINK_PUBLISH };
}

struct link_order link_next(struct link *link, enum link_offer offer, int64_t now_us)
{
    if (link->n_pending > 0) {
        struct link_order order = link->pending[0];
        link->n_pending--;
        memmove(link->pending, link->pending + 1, link->n_pending * sizeof link->pending[0]);
        return order;
    }
    if (link->hang_up) {
        link->hang_up = false;
        return (struct link_order){ .kind = LINK_HANG_UP };
    }
    switch (link->state) {
    case LINK_DOWN: return next_down(link, now_us);
    case LINK_DIALLING: return next_dialling(link, now_us);
    case LINK_UP: return next_up(link, offer, now_us);
    }
    return rest(LINK_IDLE_US);
}

/* Takes the library's "not now" for a sign that it needs a moment: 10 ms, 20, 40 … 1 s. */
static void hold(struct link *link, int64_t now_us)
{
    uint32_t doublings = link->n_held < 7 ? link->n_held : 7;
    int64_t wait_us = INT64_C(10000) << doublings;
    link->held_us = now_us + (wait_us < 1000000 ? wait_us : 1000000);
    link->n_held++;
    link->stats.n_held++;
}

/* A backlog is handed over in the order of seq, so what was refused below seq is not there any
 * more.
 */
static void strike_below(struct link *link, uint64_t seq)
{
    for (uint32_t i = link->n_refused; i-- > 0;)
        if (link->refused[i].seq < seq)
            strike_refused(link, &link->refused[i]);
}

void link_published(struct link *link, uint64_t seq, enum link_offer offer, bool failed_to,
                    int64_t now_us)
{
    if (link->state != LINK_UP)
        return;
    if (failed_to) {
        hold(link, now_us);
        return;
    }
    assert(link->n_flights < LINK_WINDOW_MAX && !find_flight(link, seq));
    struct link_refused *refused = find_refused(link, seq);
    uint8_t n_refusals = refused ? refused->n_refusals : 0;
    strike_refused(link, refused);
    if (offer == LINK_OFFER_BACKLOG)
        strike_below(link, seq);
    link->n_held = 0;
    link->stats.n_published++;
    link->flights[link->n_flights++] =
        (struct link_flight){ .seq = seq, .sent_us = now_us, .n_refusals = n_refusals };
}
