/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/canary.h"
#include "fieldbus/frame.h"

#include <assert.h>

#define MAX_STRANGE 3 /* lengths that are not a poll's */

struct lengths {
    uint16_t counts[MAX_STRANGE + 1];
    uint32_t n;
};

/* A poll that the device answers is a better start than one it refuses, one that may be read in
 * part a better one than a block, and a long one better than a short one. */
static bool is_better(const struct plan_poll *a, const struct plan_poll *b)
{
    if (a->refused != b->refused)
        return b->refused;
    if (a->fixed != b->fixed)
        return b->fixed;
    return a->count > b->count;
}

/* The device has at least one poll: the caller had an exchange with it. */
static const struct plan_poll *best_poll(const struct plan *plan, uint32_t device)
{
    const struct plan_poll *best = &plan->polls[0];
    for (size_t i = 0; i < plan->n_polls; i++) {
        const struct plan_poll *poll = &plan->polls[i];
        if (poll->device == device && (best->device != device || is_better(poll, best)))
            best = poll;
    }
    assert(best->device == device);
    return best;
}

static size_t reply_bytes(enum register_kind kind, uint16_t count)
{
    return frame_data_bytes(&(struct line_request){ .kind = kind, .count = count });
}

/* No poll of this device, and no length chosen before, has a reply this long. */
static bool is_strange(const struct plan *plan, const struct plan_poll *like, uint16_t count,
                       const struct lengths *chosen)
{
    size_t n_bytes = reply_bytes(like->kind, count);
    for (size_t i = 0; i < plan->n_polls; i++) {
        const struct plan_poll *poll = &plan->polls[i];
        if (poll->device == like->device && poll->kind == like->kind &&
            reply_bytes(poll->kind, poll->count) == n_bytes)
            return false;
    }
    for (uint32_t i = 0; i < chosen->n; i++)
        if (reply_bytes(like->kind, chosen->counts[i]) == n_bytes)
            return false;
    return true;
}

static void add(const struct plan *plan, const struct plan_poll *like, uint32_t count,
                struct lengths *chosen)
{
    bool bits = like->kind == REGISTER_COIL || like->kind == REGISTER_DISCRETE;
    bool legal = count >= 1 && count <= (bits ? LINE_MAX_BITS : LINE_MAX_REGISTERS) &&
                 like->address + count <= 65536 &&
                 plan_may_read(&plan->devices[like->device], like->kind, like->address, count);
    if (legal && chosen->n < MAX_STRANGE && is_strange(plan, like, (uint16_t)count, chosen))
        chosen->counts[chosen->n++] = (uint16_t)count;
}

struct line_request canary_request(const struct plan *plan, uint32_t device, uint8_t unit,
                                   uint32_t turn)
{
    struct lengths lengths = { .n = 0 };
    const struct plan_poll *poll = best_poll(plan, device);
    for (uint32_t i = poll->first; i < poll->first + poll->n; i++) {
        const struct plan_entry *entry = &plan->entries[i];
        uint32_t end = (uint32_t)entry->address + entry->n_registers - poll->address;
        if (end < poll->count)
            add(plan, poll, end, &lengths);
    }
    if (lengths.n == 0) {
        add(plan, poll, poll->count - 1u, &lengths);
        add(plan, poll, poll->count + 1u, &lengths);
        add(plan, poll, poll->count + 8u, &lengths); /* bits: one byte more */
    }
    lengths.counts[lengths.n++] = poll->count;
    return (struct line_request){ .unit = unit,
                                  .kind = poll->kind,
                                  .address = poll->address,
                                  .count = lengths.counts[turn % lengths.n] };
}
