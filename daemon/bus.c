/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/bus.h"
#include "base/result.h"
#include "fieldbus/modbus_line.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STATS_EVERY_US 1000000
#define SPARE          8
/* A sample's point, on its way: the entry's slot and the point's number there. */
#define POINT_BITS 16
#define NO_SLOT    (UINT32_MAX >> POINT_BITS)
#define POINT_MASK ((1u << POINT_BITS) - 1)
static_assert(CONFIG_MAX_POINTS <= POINT_MASK, "a point's number fits");
static_assert(CONFIG_MAX_DEVICES < NO_SLOT, "a slot fits");

static void take_sample(void *ctx, const struct mw_sample *sample)
{
    struct bus_stage *stage = ctx;
    struct mw_sample slotted = *sample;
    slotted.point |= stage->current->slot << POINT_BITS;
    mw_ring_push(&stage->samples, &slotted);
    stage->pushed = true;
}

static void take_event(void *ctx, const struct poller_event *event)
{
    struct bus_stage *stage = ctx;
    struct bus_report report = { .kind = BUS_EVENT,
                                 .bus = stage->current->slot,
                                 .device = event->device,
                                 .health = event->health,
                                 .event = *event };
    mw_ring_push(&stage->reports, &report);
    stage->urgent = true;
}

/* ---- a recording ---- */

static void take_frame(void *ctx, enum line_way way, const uint8_t *bytes, size_t n_bytes,
                       int64_t at_us, int result)
{
    struct bus_entry *entry = ctx;
    struct bus_stage *stage = entry->stage;
    struct trace_frame frame = { .mono_us = at_us,
                                 .utc_us = at_us + stage->now.utc_us - stage->now.mono_us,
                                 .bus = entry->slot,
                                 .way = way,
                                 .result = result };
    frame.n_bytes = (uint16_t)(n_bytes < TRACE_MAX_BYTES ? n_bytes : TRACE_MAX_BYTES);
    memcpy(frame.bytes, bytes, frame.n_bytes);
    if (!mw_ring_push(&stage->frames, &frame))
        atomic_fetch_add_explicit(&entry->n_frames_lost, 1, memory_order_relaxed);
    stage->pushed = true;
}

/* ---- what people want ---- */

static void answer(struct bus_stage *stage, uint64_t id, const struct guest_answer *guest)
{
    struct bus_answer message = { .id = id, .answer = *guest };
    mw_ring_push(&stage->answers, &message);
    stage->pushed = true;
}

static void obey(struct bus_stage *stage, const struct bus_order *order)
{
    if (order->bus >= stage->parts.n_entries)
        return;
    struct bus_entry *entry = stage->parts.entries[order->bus];
    switch (order->kind) {
    case BUS_RECORD: poller_tap(entry->poller, &entry->tap); return;
    case BUS_RECORD_END: poller_tap(entry->poller, NULL); return;
    case BUS_READ: break;
    }
    int result = poller_guest_ask(entry->poller, &order->request, stage->now.mono_us);
    if (result < 0) {
        answer(stage, order->id, &(struct guest_answer){ .result = result });
        return;
    }
    entry->reading = true;
    entry->read_id = order->id;
}

static void take_guest(struct bus_stage *stage, struct bus_entry *entry)
{
    struct guest_answer guest;
    if (!entry->reading || !poller_guest_take(entry->poller, &guest))
        return;
    entry->reading = false;
    answer(stage, entry->read_id, &guest);
}

static void hand_out_stats(struct bus_stage *stage, const struct bus_entry *entry)
{
    struct bus_report report = { .kind = BUS_STATS,
                                 .bus = entry->slot,
                                 .device = UINT32_MAX,
                                 .stats = poller_bus_stats(entry->poller) };
    mw_ring_push(&stage->reports, &report);
    for (uint32_t i = 0; i < entry->n_devices; i++) {
        report.device = i;
        report.stats = poller_device_stats(entry->poller, report.device);
        report.health = (uint8_t)poller_device_health(entry->poller, report.device);
        report.refusals = poller_device_refusals(entry->poller, report.device);
        mw_ring_push(&stage->reports, &report);
    }
}

/* Wakes the pipeline, or not yet: samples of a fast device are not worth a wake-up each. Returns
 * the wait, shortened where something is left to tell. */
static int64_t hand_over(struct bus_stage *stage, int64_t now_us, bool came, int64_t wait_us)
{
    int64_t since_us = now_us - stage->told_us;
    int64_t left_us = BUS_HANDOVER_LAST_US - since_us;
    if (stage->urgent || (came && since_us >= BUS_HANDOVER_US) || (stage->waits && left_us <= 0)) {
        stage->told_us = now_us;
        stage->waits = stage->urgent = false;
        worker_wake(stage->pipeline);
    } else {
        stage->waits = stage->waits || came;
    }
    return stage->waits && left_us < wait_us ? left_us : wait_us;
}

static int64_t step(void *ctx, const struct clock_time *now)
{
    struct bus_stage *stage = ctx;
    struct poller_sink sink = { take_sample, take_event, stage };
    bool stats_due = now->mono_us >= stage->stats_us;
    stage->pushed = false;
    int64_t wait_us = STATS_EVERY_US;
    struct bus_order order;
    stage->now = *now;
    while (mw_ring_pop(&stage->orders, &order))
        obey(stage, &order);
    for (size_t i = 0; i < stage->parts.n_entries; i++) {
        struct bus_entry *entry = stage->parts.entries[i];
        stage->current = entry;
        int64_t w = poller_step(entry->poller, now->mono_us, now->utc_us - now->mono_us, &sink);
        if (w < wait_us)
            wait_us = w;
        take_guest(stage, entry);
        if (stats_due)
            hand_out_stats(stage, entry);
    }
    if (stats_due)
        stage->stats_us = now->mono_us + STATS_EVERY_US;
    return hand_over(stage, now->mono_us, stage->pushed, wait_us);
}

static size_t descriptors(void *ctx, struct pollfd *ret_fds, size_t cap)
{
    struct bus_stage *stage = ctx;
    size_t n = 0;
    for (size_t i = 0; i < stage->parts.n_entries && n < cap; i++) {
        short events = 0;
        int fd = poller_descriptor(stage->parts.entries[i]->poller, &events);
        if (fd >= 0 && events)
            ret_fds[n++] = (struct pollfd){ .fd = fd, .events = events };
    }
    return n;
}

/* ---- one bus ---- */

static size_t count_polled(const struct config *config, const struct device_config *device)
{
    size_t n = 0;
    for (uint32_t i = 0; i < device->n_points; i++)
        n += config->points[device->first_point + i].period_us > 0;
    return n;
}

static int allocate(struct bus_entry *entry, const struct config *config, uint32_t bus)
{
    for (uint32_t d = 0; d < config->n_devices; d++)
        if (config->devices[d].bus == bus) {
            entry->n_devices++;
            entry->n_points += count_polled(config, &config->devices[d]);
        }
    entry->devices = calloc(entry->n_devices + 1, sizeof *entry->devices);
    entry->own_numbers = calloc(entry->n_devices + 1, sizeof *entry->own_numbers);
    entry->configs = calloc(entry->n_devices + 1, sizeof *entry->configs);
    entry->points = calloc(entry->n_points + 1, sizeof *entry->points);
    entry->polled = calloc(entry->n_points + 1, sizeof *entry->polled);
    bool all =
        entry->devices && entry->own_numbers && entry->configs && entry->points && entry->polled;
    return all ? MW_OK : MW_ERR_NO_MEMORY;
}

void bus_entry_number(struct bus_entry *entry, const struct config *config, uint32_t bus)
{
    size_t n_devices = 0, n_points = 0;
    entry->bus = bus;
    for (uint32_t d = 0; d < config->n_devices; d++) {
        const struct device_config *device = &config->devices[d];
        if (device->bus != bus)
            continue;
        assert(n_devices < entry->n_devices);
        entry->devices[n_devices++] = d;
        for (uint32_t i = device->first_point; i < device->first_point + device->n_points; i++)
            if (config->points[i].period_us > 0)
                entry->points[n_points++] = i;
    }
    assert(n_devices == entry->n_devices && n_points == entry->n_points);
}

/* Its own devices and points, counted from zero; points that nobody polls are left out. */
static void copy_settings(struct bus_entry *entry, const struct config *config)
{
    uint32_t at = 0;
    entry->config = config->buses[entry->bus];
    for (uint32_t d = 0; d < entry->n_devices; d++) {
        entry->own_numbers[d] = d;
        entry->configs[d] = config->devices[entry->devices[d]];
        entry->configs[d].bus = 0;
        entry->configs[d].n_points =
            (uint32_t)count_polled(config, &config->devices[entry->devices[d]]);
        entry->configs[d].first_point = at;
        at += entry->configs[d].n_points;
    }
    for (size_t i = 0; i < entry->n_points; i++)
        entry->polled[i] = config->points[entry->points[i]];
}

int bus_entry_create(struct bus_entry **ret_entry, const struct config *config, uint32_t bus,
                     int64_t epoch_us)
{
    struct line *line = NULL;
    struct bus_entry *entry = calloc(1, sizeof *entry);
    int result = entry ? allocate(entry, config, bus) : MW_ERR_NO_MEMORY;
    if (result == MW_OK) {
        bus_entry_number(entry, config, bus);
        copy_settings(entry, config);
        entry->tap = (struct line_tap){ take_frame, entry };
        result = modbus_line_create(&line, &entry->config);
    }
    if (result == MW_OK) {
        result = poller_create(&entry->poller, &entry->config, entry->configs, entry->own_numbers,
                               entry->n_devices, entry->polled, line, epoch_us);
        if (result < 0)
            line->destroy(line->ctx);
    }
    if (result < 0) {
        bus_entry_destroy(entry);
        return result;
    }
    *ret_entry = entry;
    return MW_OK;
}

void bus_entry_destroy(struct bus_entry *entry)
{
    if (!entry)
        return;
    poller_destroy(entry->poller);
    free(entry->devices);
    free(entry->own_numbers);
    free(entry->configs);
    free(entry->points);
    free(entry->polled);
    free(entry);
}

/* ---- rings ---- */

/* Samples of a second, with a quarter to spare, and not less than one of each point. */
static uint32_t samples_room(const struct bus_parts *parts)
{
    int64_t n_points = 0, n = 0;
    for (size_t i = 0; i < parts->n_entries; i++)
        for (size_t k = 0; k < parts->entries[i]->n_points; k++) {
            n_points++;
            n += 1000000 / parts->entries[i]->polled[k].period_us;
        }
    return mw_ring_room((n > n_points ? n : n_points) * 5 / 4 + SPARE, BUS_SAMPLES);
}

/* A round of counters, and an event of each bus and device. */
static uint32_t reports_room(const struct bus_parts *parts)
{
    int64_t n = SPARE;
    for (size_t i = 0; i < parts->n_entries; i++)
        n += 2 * (1 + (int64_t)parts->entries[i]->n_devices);
    return mw_ring_room(n, BUS_REPORTS);
}

int bus_parts_create(struct bus_parts *ret_parts, struct bus_entry *const *entries, size_t n)
{
    struct bus_parts parts = { .n_entries = n };
    parts.entries = calloc(n + 1, sizeof(struct bus_entry *));
    if (!parts.entries)
        return MW_ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        parts.entries[i] = entries[i];
    parts.n_sample_items = samples_room(&parts);
    parts.n_report_items = reports_room(&parts);
    parts.sample_items = calloc(parts.n_sample_items, sizeof *parts.sample_items);
    parts.report_items = calloc(parts.n_report_items, sizeof *parts.report_items);
    if (!parts.sample_items || !parts.report_items) {
        bus_parts_destroy(&parts);
        return MW_ERR_NO_MEMORY;
    }
    *ret_parts = parts;
    return MW_OK;
}

void bus_parts_destroy(struct bus_parts *parts)
{
    free(parts->entries);
    free(parts->sample_items);
    free(parts->report_items);
    *parts = (struct bus_parts){ 0 };
}

/* ---- the stage ---- */

/* What waits of entries that stay goes along into the new rings; what ended entries left, not. */
static void move_rings(struct bus_stage *stage, struct mw_ring *samples, struct mw_ring *reports)
{
    struct bus_entry *const *before = stage->parts.entries;
    struct mw_sample sample;
    struct bus_report report;
    while (mw_ring_pop(&stage->samples, &sample)) {
        uint32_t slot = before[sample.point >> POINT_BITS]->slot;
        sample.point = (sample.point & POINT_MASK) | slot << POINT_BITS;
        if (slot != NO_SLOT)
            mw_ring_push(samples, &sample);
    }
    while (mw_ring_pop(&stage->reports, &report)) {
        report.bus = before[report.bus]->slot;
        if (report.bus != NO_SLOT)
            mw_ring_push(reports, &report);
    }
}

void bus_stage_adopt(struct bus_stage *stage, struct bus_parts *parts)
{
    struct mw_ring samples, reports;
    struct trace_frame frame;
    mw_ring_init(&samples, parts->sample_items, sizeof *parts->sample_items, parts->n_sample_items);
    mw_ring_init(&reports, parts->report_items, sizeof *parts->report_items, parts->n_report_items);
    struct bus_order order;
    while (stage->parts.entries && mw_ring_pop(&stage->orders, &order))
        obey(stage, &order); /* by the slots it was given for */
    for (size_t i = 0; i < stage->parts.n_entries; i++)
        stage->parts.entries[i]->slot = NO_SLOT;
    for (uint32_t i = 0; i < parts->n_entries; i++) {
        parts->entries[i]->slot = i;
        parts->entries[i]->stage = stage;
    }
    if (stage->parts.entries) {
        stage->n_dropped += mw_ring_dropped(&stage->samples);
        move_rings(stage, &samples, &reports);
        while (mw_ring_pop(&stage->frames, &frame)) /* nobody records any more */
            ;
    }
    bus_parts_destroy(&stage->parts);
    stage->parts = *parts;
    *parts = (struct bus_parts){ 0 };
    stage->samples = samples;
    stage->reports = reports;
}

int bus_stage_create(struct bus_stage **ret_stage, struct bus_parts *parts, struct worker *pipeline)
{
    struct bus_stage *stage = calloc(1, sizeof *stage);
    if (!stage)
        return MW_ERR_NO_MEMORY;
    stage->pipeline = pipeline;
    stage->answer_items = calloc(BUS_ANSWERS, sizeof *stage->answer_items);
    stage->frame_items = calloc(BUS_FRAMES, sizeof *stage->frame_items);
    if (!stage->answer_items || !stage->frame_items) {
        bus_stage_destroy(stage);
        return MW_ERR_NO_MEMORY;
    }
    mw_ring_init(&stage->orders, stage->order_items, sizeof stage->order_items[0], BUS_ORDERS);
    mw_ring_init(&stage->answers, stage->answer_items, sizeof *stage->answer_items, BUS_ANSWERS);
    mw_ring_init(&stage->frames, stage->frame_items, sizeof *stage->frame_items, BUS_FRAMES);
    bus_stage_adopt(stage, parts);
    *ret_stage = stage;
    return MW_OK;
}

void bus_stage_destroy(struct bus_stage *stage)
{
    if (!stage)
        return;
    for (size_t i = 0; i < stage->parts.n_entries; i++)
        bus_entry_destroy(stage->parts.entries[i]);
    bus_parts_destroy(&stage->parts);
    free(stage->answer_items);
    free(stage->frame_items);
    free(stage);
}

struct stage bus_stage(struct bus_stage *stage)
{
    bool rtu = stage->parts.n_entries > 0 && stage->parts.entries[0]->config.kind == BUS_RTU;
    return (struct stage){ .name = rtu ? "bus-rtu" : "bus-tcp",
                           .bound_us = 10000000,
                           .step = step,
                           .descriptors = descriptors,
                           .ctx = stage,
                           .precise = rtu };
}

/* ---- what the main thread takes ---- */

bool bus_stage_sample(struct bus_stage *stage, struct mw_sample *ret_sample)
{
    if (!mw_ring_pop(&stage->samples, ret_sample))
        return false;
    const struct bus_entry *entry = stage->parts.entries[ret_sample->point >> POINT_BITS];
    ret_sample->point = entry->points[ret_sample->point & POINT_MASK];
    return true;
}

bool bus_stage_report(struct bus_stage *stage, struct bus_report *ret_report)
{
    if (!mw_ring_pop(&stage->reports, ret_report))
        return false;
    const struct bus_entry *entry = stage->parts.entries[ret_report->bus];
    ret_report->bus = entry->bus;
    if (ret_report->device != UINT32_MAX)
        ret_report->device = entry->devices[ret_report->device];
    ret_report->event.device = ret_report->device;
    return true;
}

bool bus_stage_frame(struct bus_stage *stage, struct trace_frame *ret_frame)
{
    if (!mw_ring_pop(&stage->frames, ret_frame))
        return false;
    ret_frame->bus = stage->parts.entries[ret_frame->bus]->bus;
    return true;
}

uint64_t bus_stage_samples_lost(struct bus_stage *stage)
{
    return stage->n_dropped + mw_ring_dropped(&stage->samples);
}

struct bus_entry *bus_stage_entry(struct bus_stage *stage, uint32_t bus)
{
    for (size_t i = 0; i < stage->parts.n_entries; i++)
        if (stage->parts.entries[i]->bus == bus)
            return stage->parts.entries[i];
    return NULL;
}
