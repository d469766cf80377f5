/* SPDX-License-Identifier: Apache-2.0 */
#include "power/courier.h"
#include "base/result.h"

#include <string.h>

#define RETRY_US 1000000

void courier_init(struct courier *c, struct db *db, uint64_t seed)
{
    *c = (struct courier){ .db = db, .latency_us = 2000 };
    link_init(&c->link, seed);
}

static void tell(struct courier *c, enum broker_event_kind kind, uint64_t token, int64_t now_us)
{
    struct broker_event event = { .kind = kind, .epoch = c->link.epoch, .token = token };
    link_event(&c->link, &event, now_us);
}

static void hang_up(struct courier *c)
{
    c->connected = false;
    c->n_flights = 0; /* their acknowledgements never come */
}

static void hear(struct courier *c, int64_t now_us)
{
    if (c->connected && !c->reachable) {
        hang_up(c);
        tell(c, BROKER_LOST, 0, now_us);
    }
    size_t n = 0;
    for (size_t i = 0; i < c->n_flights; i++) {
        if (c->flights[i].due_us <= now_us)
            tell(c, BROKER_DELIVERED, c->flights[i].seq, now_us);
        else
            c->flights[n++] = c->flights[i];
    }
    c->n_flights = n;
}

static void dial(struct courier *c, int64_t now_us)
{
    c->connected = c->reachable;
    c->live_above = outbox_next_seq(c->db) - 1;
    tell(c, c->connected ? BROKER_UP : BROKER_REFUSED, 0, now_us);
}

static bool is_acknowledged(const struct courier *c, uint64_t seq)
{
    for (size_t i = 0; i < c->n_acks; i++)
        if (c->acks[i] == seq)
            return true;
    return false;
}

/* What goes next. Storage does not know yet what waits for its group: that is passed over here. */
static enum link_offer ask(struct courier *c, int64_t now_us)
{
    struct outbox_message some[COURIER_GROUP_MAX + 1];
    struct outbox_ask question = { .live_above = c->live_above };
    size_t n = 0;
    c->known = false;
    if (now_us < c->retry_us)
        return LINK_OFFER_UNKNOWN;
    for (uint32_t i = 0; i < c->link.n_flights; i++)
        question.flying[question.n_flying++] = c->link.flights[i].seq;
    if (outbox_next(c->db, &question, some, c->n_acks + 1, &n) != MW_OK) {
        c->n_errors++;
        c->retry_us = now_us + RETRY_US;
        return LINK_OFFER_UNKNOWN;
    }
    for (size_t i = 0; i < n && !c->known; i++) {
        c->known = !is_acknowledged(c, some[i].seq);
        c->next = some[i];
    }
    return !c->known ? LINK_OFFER_NONE : c->next.live ? LINK_OFFER_LIVE : LINK_OFFER_BACKLOG;
}

static void publish(struct courier *c, enum link_offer offer, int64_t now_us)
{
    const struct outbox_message *message = &c->next;
    c->receive(c->ctx, message);
    c->flights[c->n_flights].seq = message->seq;
    c->flights[c->n_flights++].due_us = now_us + c->latency_us;
    link_published(&c->link, message->seq, offer, false, now_us);
}

static int settle_all(struct courier *c)
{
    int result = db_begin(c->db);
    if (result != MW_OK)
        return result;
    for (size_t i = 0; result == MW_OK && i < c->n_acks; i++)
        result = outbox_acknowledged(c->db, c->acks[i]);
    if (result == MW_OK)
        return db_commit(c->db);
    db_rollback(c->db);
    return result;
}

static void commit(struct courier *c, int64_t now_us)
{
    bool due = c->n_acks == COURIER_GROUP_MAX || now_us >= c->commit_us;
    if (c->n_acks == 0 || !due || now_us < c->retry_us)
        return;
    uint64_t n_waiting = db_stats(c->db).outbox_waiting;
    if (settle_all(c) == MW_OK) {
        c->n_settled += n_waiting - db_stats(c->db).outbox_waiting;
        c->n_acks = 0;
        return;
    }
    c->n_errors++;
    c->retry_us = now_us + RETRY_US;
}

static void keep_ack(struct courier *c, uint64_t seq, int64_t now_us)
{
    if (c->n_acks == 0)
        c->commit_us = now_us + COURIER_GROUP_US;
    c->acks[c->n_acks++] = seq;
}

/* Returns false where there is nothing more to do now; then *ret_wait_us. */
static bool obey(struct courier *c, int64_t now_us, int64_t *ret_wait_us)
{
    bool asks = c->link.state == LINK_UP && c->link.n_pending == 0;
    enum link_offer offer = asks ? ask(c, now_us) : LINK_OFFER_UNKNOWN;
    struct link_order order = link_next(&c->link, offer, now_us);
    switch (order.kind) {
    case LINK_REST: *ret_wait_us = order.wait_us; return false;
    case LINK_DIAL: dial(c, now_us); break;
    case LINK_HANG_UP: hang_up(c); break;
    case LINK_ANNOUNCE: break;
    case LINK_PUBLISH: publish(c, offer, now_us); break;
    case LINK_ACKNOWLEDGE:
    case LINK_DEAD_LETTER: keep_ack(c, order.seq, now_us); break;
    }
    return true;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t courier_step(struct courier *c, int64_t now_us)
{
    int64_t wait_us = 0;
    hear(c, now_us);
    commit(c, now_us);
    while (c->n_acks < COURIER_GROUP_MAX && obey(c, now_us, &wait_us)) {
    }
    commit(c, now_us);
    for (size_t i = 0; i < c->n_flights; i++)
        wait_us = earlier(wait_us, c->flights[i].due_us - now_us);
    if (c->n_acks > 0)
        wait_us = earlier(wait_us, c->commit_us - now_us);
    if (c->retry_us > now_us)
        wait_us = earlier(wait_us, c->retry_us - now_us);
    return wait_us > 0 ? wait_us : c->n_acks > 0 && c->retry_us > now_us ? c->retry_us - now_us : 0;
}
