/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/plan.h"
#include "base/result.h"
#include "fieldbus/line.h"

#include <assert.h>
#include <stdlib.h>

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_entries(const void *left, const void *right)
{
    const struct plan_entry *a = left, *b = right;
    int by = order(a->device, b->device);
    by = by ? by : order((int64_t)a->kind, (int64_t)b->kind);
    by = by ? by : order(a->period_us, b->period_us);
    by = by ? by : order(a->address, b->address);
    return by ? by : order(a->point, b->point);
}

static size_t count_points(const struct device_config *devices, size_t n_devices,
                           const struct point_config *points)
{
    size_t n = 0;
    for (size_t d = 0; d < n_devices; d++)
        for (uint32_t i = 0; i < devices[d].n_points; i++)
            n += points[devices[d].first_point + i].period_us > 0;
    return n;
}

static bool meets(const struct register_range *range, enum register_kind kind, uint32_t address,
                  uint32_t count)
{
    return range->kind == kind && address < (uint32_t)range->address + range->count &&
           range->address < address + count;
}

bool plan_may_read(const struct device_config *device, enum register_kind kind, uint32_t address,
                   uint32_t count)
{
    for (uint8_t i = 0; i < device->n_no_read; i++)
        if (meets(&device->no_read[i], kind, address, count))
            return false;
    for (uint8_t i = 0; i < device->n_blocks; i++) {
        const struct register_range *block = &device->blocks[i];
        bool whole = block->address == address && block->count == count;
        if (!whole && meets(block, kind, address, count))
            return false;
    }
    return true;
}

/* The device's block that holds this point, counted from 1. */
static uint8_t block_of(const struct device_config *device, const struct point_config *point)
{
    uint32_t end = (uint32_t)point->address + value_registers(point->type);
    for (uint8_t i = 0; i < device->n_blocks; i++) {
        const struct register_range *r = &device->blocks[i];
        if (r->kind == point->kind && r->address <= point->address &&
            end <= (uint32_t)r->address + r->count)
            return (uint8_t)(i + 1);
    }
    return 0;
}

static void list_points(struct plan *plan, const struct device_config *devices, size_t n_devices,
                        const struct point_config *points)
{
    struct plan_entry *entry = plan->entries;
    for (size_t d = 0; d < n_devices; d++) {
        for (uint32_t i = 0; i < devices[d].n_points; i++) {
            uint32_t p = devices[d].first_point + i;
            if (points[p].period_us <= 0)
                continue;
            *entry++ = (struct plan_entry){ .device = (uint32_t)d,
                                            .point = p,
                                            .kind = points[p].kind,
                                            .period_us = points[p].period_us,
                                            .address = points[p].address,
                                            .n_registers = value_registers(points[p].type),
                                            .block = block_of(&devices[d], &points[p]) };
        }
    }
}

/* One past the last register of entries first .. first + n - 1. */
static uint32_t end_of(const struct plan *plan, uint32_t first, uint32_t n)
{
    uint32_t end = 0;
    for (uint32_t i = first; i < first + n; i++) {
        uint32_t e = (uint32_t)plan->entries[i].address + plan->entries[i].n_registers;
        end = e > end ? e : end;
    }
    return end;
}

/* May the entry join a poll that begins at address and ends before end? */
static bool joins(const struct plan_poll *poll, uint8_t first_block, uint32_t end,
                  const struct plan_entry *entry, const struct device_config *device)
{
    bool bits = entry->kind == REGISTER_COIL || entry->kind == REGISTER_DISCRETE;
    uint32_t limit = bits ? device->max_registers * 16u : device->max_registers;
    uint32_t gap = device->max_gap == DEVICE_NO_GAP ? 0 : device->max_gap;
    uint32_t entry_end = (uint32_t)entry->address + entry->n_registers;
    if (entry->device != poll->device || entry->kind != poll->kind ||
        entry->period_us != poll->period_us)
        return false;
    if (poll->fixed || entry->block != 0)
        return poll->fixed && entry->block == first_block;
    /* not only a hole that is a whole block: that would be read as a part of a larger request */
    bool hole_may_be_read = entry->address <= end ||
                            plan_may_read(device, entry->kind, end - 1, entry->address - end + 2);
    return hole_may_be_read && entry->address <= end + gap && entry_end - poll->address <= limit;
}

static void set_range(const struct plan *plan, struct plan_poll *poll)
{
    if (poll->fixed)
        return;
    poll->address = plan->entries[poll->first].address;
    poll->count = (uint16_t)(end_of(plan, poll->first, poll->n) - poll->address);
}

static void batch(struct plan *plan, const struct device_config *devices)
{
    uint32_t n_entries = (uint32_t)plan->n_entries;
    for (uint32_t i = 0; i < n_entries;) {
        const struct plan_entry *first = &plan->entries[i];
        struct plan_poll *poll = &plan->polls[plan->n_polls];
        *poll = (struct plan_poll){ .device = first->device,
                                    .first = i,
                                    .n = 1,
                                    .kind = first->kind,
                                    .address = first->address,
                                    .period_us = first->period_us,
                                    .origin = (uint32_t)plan->n_polls };
        plan->n_polls++;
        if (first->block != 0) {
            poll->fixed = true;
            poll->address = devices[first->device].blocks[first->block - 1].address;
            poll->count = devices[first->device].blocks[first->block - 1].count;
        }
        uint32_t end = end_of(plan, i, 1);
        for (i++; i < n_entries; i++) {
            if (!joins(poll, first->block, end, &plan->entries[i], &devices[poll->device]))
                break;
            poll->n++;
            uint32_t entry_end = end_of(plan, i, 1);
            end = entry_end > end ? entry_end : end;
        }
        set_range(plan, poll);
    }
}

/* Spreads the polls of each period evenly over its first half. The other half is for what is late:
 * a retry, a neighbour that does not answer. So all values of one slot are of one period. */
static void stagger(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_polls; i++) {
        struct plan_poll *poll = &plan->polls[i];
        int64_t n_before = 0, n_alike = 0;
        for (size_t k = 0; k < plan->n_polls; k++) {
            n_alike += plan->polls[k].period_us == poll->period_us;
            n_before += k < i && plan->polls[k].period_us == poll->period_us;
        }
        poll->offset_us = poll->period_us / 2 / n_alike * n_before;
    }
}

int plan_init(struct plan *ret_plan, const struct device_config *devices, size_t n_devices,
              const struct point_config *points, int64_t epoch_us)
{
    struct plan plan = { .devices = devices,
                         .epoch_us = epoch_us,
                         .n_entries = count_points(devices, n_devices, points) };
    if (plan.n_entries > 0) {
        plan.entries = calloc(plan.n_entries, sizeof plan.entries[0]);
        plan.polls = calloc(plan.n_entries, sizeof plan.polls[0]);
        plan.refusals.cap = plan.n_entries + 1;
        plan.refusals.items = calloc(plan.refusals.cap, sizeof plan.refusals.items[0]);
        if (!plan.entries || !plan.polls || !plan.refusals.items) {
            plan_finish(&plan);
            return MW_ERR_NO_MEMORY;
        }
        list_points(&plan, devices, n_devices, points);
        qsort(plan.entries, plan.n_entries, sizeof plan.entries[0], compare_entries);
        batch(&plan, devices);
        stagger(&plan);
    }
    *ret_plan = plan;
    return MW_OK;
}

void plan_finish(struct plan *plan)
{
    if (!plan)
        return;
    free(plan->entries);
    free(plan->polls);
    free(plan->refusals.items);
    *plan = (struct plan){ 0 };
}

/* a / b rounded down, also for a before the epoch. */
static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

static int64_t due_of(const struct plan *plan, const struct plan_poll *poll, int64_t slot)
{
    return plan->epoch_us + slot * poll->period_us + poll->offset_us;
}

/* The newest slot that is due at now_us. */
static int64_t newest_slot(const struct plan *plan, const struct plan_poll *poll, int64_t now_us)
{
    return floor_div(now_us - plan->epoch_us - poll->offset_us, poll->period_us);
}

static void start(struct plan *plan, int64_t now_us)
{
    for (size_t i = 0; i < plan->n_polls; i++) {
        struct plan_poll *poll = &plan->polls[i];
        poll->slot = newest_slot(plan, poll, now_us);
        if (due_of(plan, poll, poll->slot) < now_us)
            poll->slot++;
        poll->due_us = due_of(plan, poll, poll->slot);
    }
    plan->started = true;
}

/* Which of two polls goes first. Of those that are due the one that waits longest, what it has lost
 * to overload before included: no poll of an overloaded bus starves, whatever its offset. */
static bool precedes(const struct plan_poll *a, const struct plan_poll *b, int64_t now_us)
{
    if (a->due_us <= now_us && b->due_us <= now_us)
        return a->due_us - a->lost_us < b->due_us - b->lost_us;
    return a->due_us < b->due_us;
}

static void mark_pieces(struct plan *plan, uint32_t origin, bool in_pieces)
{
    for (size_t i = 0; i < plan->n_polls; i++)
        if (plan->polls[i].origin == origin)
            plan->polls[i].in_pieces = in_pieces;
}

/* A refused poll is tried again by itself. A refusal that no poll bears stands between polls that
 * are read well, apart: it may have been a mood of the device. */
static bool is_borne(const struct plan *plan, const struct refusal *r)
{
    for (size_t i = 0; i < plan->n_polls; i++) {
        const struct plan_poll *poll = &plan->polls[i];
        if (poll->refused && poll->device == r->device && poll->kind == r->kind &&
            poll->address == r->address && poll->count == r->count)
            return true;
    }
    return false;
}

/* Its range is to be tried in one piece again, when its slot is over. */
static void mark_range(struct plan *plan, const struct refusal *r)
{
    for (size_t i = 0; i < plan->n_polls; i++) {
        const struct plan_poll *poll = &plan->polls[i];
        if (poll->device == r->device && poll->kind == r->kind &&
            poll->address < (uint32_t)r->address + r->count &&
            r->address < (uint32_t)poll->address + poll->count)
            mark_pieces(plan, poll->origin, true);
    }
}

static void review(struct plan *plan, int64_t now_us)
{
    plan->review_us = now_us + PLAN_REVIEW_US;
    for (size_t i = plan->refusals.n; i-- > 0;) {
        struct refusal r = plan->refusals.items[i];
        if (now_us - r.since_us < PLAN_REFUSED_AGAIN_US || is_borne(plan, &r))
            continue;
        refusals_drop(&plan->refusals, i);
        mark_range(plan, &r);
    }
}

struct plan_poll *plan_due(struct plan *plan, int64_t now_us, int64_t *ret_wait_us,
                           uint64_t *ret_n_skipped)
{
    if (!plan->started)
        start(plan, now_us);
    if (plan->refusals.n > 0 && now_us >= plan->review_us)
        review(plan, now_us);
    *ret_n_skipped = 0;
    *ret_wait_us = PLAN_REST_US;
    struct plan_poll *next = plan->n_polls ? &plan->polls[0] : NULL;
    for (size_t i = 1; i < plan->n_polls; i++)
        if (precedes(&plan->polls[i], next, now_us))
            next = &plan->polls[i];
    if (!next)
        return NULL;
    if (next->due_us > now_us) {
        *ret_wait_us = next->due_us - now_us;
        return NULL;
    }

    /* A slot that could not be begun within its period is over, and the one that has begun is run
     * in its place, maybe ahead of its offset: the poll keeps its place in the queue. */
    int64_t newest = floor_div(now_us - plan->epoch_us, next->period_us);
    assert(newest >= next->slot);
    if (newest > next->slot) {
        int64_t due_us = due_of(plan, next, newest);
        *ret_n_skipped = (uint64_t)(newest - next->slot);
        next->lost_us += (newest - next->slot) * next->period_us;
        next->slot = newest;
        next->due_us = due_us < now_us ? due_us : next->due_us;
        next->n_retries = 0;
    }
    *ret_wait_us = 0;
    return next;
}

static int compare_polls(const void *left, const void *right)
{
    const struct plan_poll *a = left, *b = right;
    return order(a->first, b->first);
}

/* Two pieces of one request, the second right behind the first, are one again unless the device
 * refuses just that. */
static bool belong_together(const struct plan *plan, const struct plan_poll *a,
                            const struct plan_poll *b)
{
    if (a->origin != b->origin || a->refused || b->refused)
        return false;
    uint32_t end = end_of(plan, a->first, a->n + b->n);
    return !refusals_meet(&plan->refusals, a->device, a->kind, a->address, end - a->address);
}

static bool all_pieces_done(const struct plan *plan, const struct plan_poll *poll)
{
    for (size_t i = 0; i < plan->n_polls; i++)
        if (plan->polls[i].origin == poll->origin && plan->polls[i].slot != poll->slot)
            return false;
    return true;
}

static void put_together(struct plan *plan, uint32_t origin)
{
    mark_pieces(plan, origin, false);
    qsort(plan->polls, plan->n_polls, sizeof plan->polls[0], compare_polls);
    size_t n = 1;
    for (size_t i = 1; i < plan->n_polls; i++) {
        struct plan_poll *last = &plan->polls[n - 1];
        const struct plan_poll *poll = &plan->polls[i];
        if (poll->origin == origin && belong_together(plan, last, poll)) {
            last->n += poll->n;
            set_range(plan, last);
        } else {
            plan->polls[n++] = *poll;
        }
    }
    plan->n_polls = n;
}

void plan_done(struct plan *plan, struct plan_poll *poll)
{
    poll->slot++;
    poll->due_us = due_of(plan, poll, poll->slot);
    poll->n_retries = 0;
    if (poll->in_pieces && all_pieces_done(plan, poll))
        put_together(plan, poll->origin);
}

bool plan_retry(const struct plan *plan, struct plan_poll *poll, int64_t at_us)
{
    if (at_us >= due_of(plan, poll, poll->slot + 1))
        return false;
    poll->due_us = at_us;
    poll->n_retries++;
    return true;
}

static void halve(struct plan *plan, struct plan_poll *poll)
{
    assert(plan->n_polls < plan->n_entries);
    struct plan_poll *half = &plan->polls[plan->n_polls++];
    *half = *poll;
    poll->n /= 2;
    half->first += poll->n;
    half->n -= poll->n;
    set_range(plan, poll);
    set_range(plan, half);
}

bool plan_refused(struct plan *plan, struct plan_poll *poll, uint8_t exception, bool may_halve,
                  int64_t now_us)
{
    refusals_add(&plan->refusals, &(struct refusal){ .device = poll->device,
                                                     .kind = poll->kind,
                                                     .address = poll->address,
                                                     .count = poll->count,
                                                     .exception = exception,
                                                     .since_us = now_us });
    mark_pieces(plan, poll->origin, true);
    if (may_halve && !poll->fixed && poll->n > 1) {
        halve(plan, poll);
        return true;
    }
    poll->refused = true;
    poll->refused_until_us = now_us + PLAN_REFUSED_AGAIN_US;
    return false;
}

void plan_accepted(struct plan *plan, struct plan_poll *poll)
{
    if (!poll->refused)
        return;
    poll->refused = false;
    refusals_forget(&plan->refusals, poll->device, poll->kind, poll->address, poll->count);
    mark_pieces(plan, poll->origin, true);
}
