/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/feed.h"

#include <assert.h>
#include <string.h>

static bool was_passed(const struct feed *f, uint64_t seq)
{
    for (size_t i = 0; i < f->n_passed; i++)
        if (f->passed[i] == seq)
            return true;
    return false;
}

/* The answer takes the place of what was there, from its first message on. */
static void take_answer(struct feed *f, const struct outbox_news *news)
{
    if (!f->answering)
        f->n_cache = f->next = 0;
    f->answering = true;
    if (news->kind == OUTBOX_MESSAGE && f->n_cache < OUTBOX_BATCH &&
        !was_passed(f, news->message.seq))
        f->cache[f->n_cache++] = news->message;
    if (news->kind != OUTBOX_SERVED)
        return;
    f->requested = f->answering = false;
    f->complete = !news->more;
    f->n_passed = 0;
}

void feed_take(struct feed *f, const struct outbox_news *news)
{
    if (news->highest > f->highest)
        f->highest = news->highest;
    if (news->kind != OUTBOX_HIGHEST && news->request == f->request && f->requested)
        take_answer(f, news);
}

void feed_forget(struct feed *f)
{
    f->stale = true;
    f->complete = f->requested = false;
    f->request++;
}

void feed_connected(struct feed *f)
{
    f->live_above = f->highest;
    feed_forget(f); /* answers on their way belong to the lost connection */
}

bool feed_should_ask(const struct feed *f)
{
    bool little = !f->complete && f->n_cache - f->next < OUTBOX_BATCH / 3;
    return !f->requested && (f->stale || little || f->highest > f->asked_highest);
}

void feed_ask(struct feed *f, const struct link *link, struct outbox_order *ret_order)
{
    *ret_order = (struct outbox_order){ .kind = OUTBOX_WANT, .request = ++f->request };
    ret_order->ask.live_above = f->live_above;
    for (uint32_t i = 0; i < link->n_flights; i++)
        ret_order->ask.flying[ret_order->ask.n_flying++] = link->flights[i].seq;
    if (f->stale)
        f->n_cache = f->next = 0;
    f->stale = f->answering = false;
    f->requested = true;
    f->n_passed = 0;
    f->asked_highest = f->highest;
}

const struct outbox_message *feed_first(const struct feed *f)
{
    return !f->stale && f->next < f->n_cache ? &f->cache[f->next] : NULL;
}

enum link_offer feed_offer(const struct feed *f)
{
    const struct outbox_message *message = feed_first(f);
    if (message)
        return message->live ? LINK_OFFER_LIVE : LINK_OFFER_BACKLOG;
    bool none = !f->stale && !f->requested && f->complete && f->highest == f->asked_highest;
    return none ? LINK_OFFER_NONE : LINK_OFFER_UNKNOWN;
}

void feed_pass_first(struct feed *f)
{
    assert(f->next < f->n_cache);
    if (f->requested && !f->answering) { /* it comes from the cache of before */
        assert(f->n_passed < OUTBOX_BATCH);
        f->passed[f->n_passed++] = f->cache[f->next].seq;
    }
    f->next++;
}

void feed_drop(struct feed *f, uint64_t seq)
{
    for (size_t i = f->next; i < f->n_cache; i++) {
        if (f->cache[i].seq != seq)
            continue;
        memmove(f->cache + f->next + 1, f->cache + f->next, (i - f->next) * sizeof f->cache[0]);
        f->next++;
    }
}
