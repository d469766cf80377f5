/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/recorder.h"
#include "base/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_wanted(const struct recorder *r, uint32_t bus)
{
    return r->bus == RECORDER_ALL || r->bus == bus;
}

/* An order to every stage that has a wanted bus; false where one has no room for it. */
static bool order_all(struct recorder *r, enum bus_order_kind kind)
{
    bool all = true;
    for (size_t s = 0; s < r->n_stages; s++) {
        struct bus_stage *stage = r->stages[s];
        for (size_t i = 0; i < stage->parts.n_entries; i++) {
            const struct bus_entry *entry = stage->parts.entries[i];
            struct bus_order order = { .kind = kind, .bus = entry->slot };
            if (is_wanted(r, entry->bus))
                all = mw_ring_offer(&stage->orders, &order) && all;
        }
        if (stage->worker)
            worker_wake(stage->worker);
    }
    return all;
}

static void remember_losses(struct recorder *r)
{
    for (size_t s = 0; s < r->n_stages; s++)
        for (size_t i = 0; i < r->stages[s]->parts.n_entries; i++) {
            struct bus_entry *entry = r->stages[s]->parts.entries[i];
            r->losses[entry->bus].seen = atomic_load(&entry->n_frames_lost);
        }
}

static bool add(struct recorder *r, const char *line, int n)
{
    if (n < 0 || r->n_text + (size_t)n > RECORDER_BYTES)
        return false;
    memcpy(r->text + r->n_text, line, (size_t)n);
    r->n_text += (size_t)n;
    return true;
}

static void write_head(struct recorder *r, bool with_names)
{
    char line[TRACE_LINE_MAX];
    add(r, TRACE_FIRST_LINE "\n", sizeof TRACE_FIRST_LINE);
    for (uint32_t b = 0; b < r->config->n_buses; b++)
        if (is_wanted(r, b))
            add(r, line, trace_write_bus(&r->config->buses[b], b, with_names, line, sizeof line));
}

int recorder_begin(struct recorder *r, const struct config *config, struct bus_stage **stages,
                   size_t n_stages, uint32_t bus, bool with_names)
{
    if (r->on)
        return MW_ERR_STATE;
    *r = (struct recorder){
        .on = true, .config = config, .stages = stages, .n_stages = n_stages, .bus = bus
    };
    r->losses = calloc(config->n_buses + 1, sizeof *r->losses);
    r->text = malloc(RECORDER_BYTES);
    int result = r->losses && r->text ? MW_OK : MW_ERR_NO_MEMORY;
    if (result == MW_OK) {
        remember_losses(r);
        write_head(r, with_names);
        result = order_all(r, BUS_RECORD) ? MW_OK : MW_ERR_AGAIN;
    }
    if (result < 0)
        recorder_end(r);
    return result;
}

static void tell_losses(struct recorder *r, struct bus_entry *entry, const struct clock_time *now)
{
    char line[TRACE_LINE_MAX];
    struct recorder_loss *loss = &r->losses[entry->bus];
    uint64_t seen = atomic_load(&entry->n_frames_lost);
    uint64_t n = seen - loss->seen + loss->here;
    if (n > 0 && is_wanted(r, entry->bus) &&
        add(r, line, trace_write_lost(entry->bus, n, now->mono_us, now->utc_us, line, sizeof line)))
        *loss = (struct recorder_loss){ .seen = seen };
}

void recorder_step(struct recorder *r, struct bus_stage **stages, size_t n_stages,
                   const struct clock_time *now)
{
    char line[TRACE_LINE_MAX];
    struct trace_frame frame;
    for (size_t s = 0; s < n_stages; s++) {
        while (bus_stage_frame(stages[s], &frame))
            if (r->on && is_wanted(r, frame.bus) &&
                !add(r, line, trace_write_frame(&frame, line, sizeof line)))
                r->losses[frame.bus].here++;
        for (size_t i = 0; r->on && i < stages[s]->parts.n_entries; i++)
            tell_losses(r, stages[s]->parts.entries[i], now);
    }
}

void recorder_taken(struct recorder *r, size_t n_bytes)
{
    r->n_text -= n_bytes;
    memmove(r->text, r->text + n_bytes, r->n_text);
}

void recorder_end(struct recorder *r)
{
    if (!r->on)
        return;
    order_all(r, BUS_RECORD_END);
    free(r->losses);
    free(r->text);
    *r = (struct recorder){ 0 };
}
