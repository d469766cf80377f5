/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/bus.h"
#include "base/result.h"
#include "fieldbus/modbus_line.h"

#include <stdlib.h>
#include <string.h>

#define STATS_EVERY_US 1000000
#define SPARE          8

static void take_sample(void *ctx, const struct mw_sample *sample)
{
    struct bus_stage *stage = ctx;
    mw_ring_push(&stage->samples, sample);
    stage->pushed = true;
}

static void take_event(void *ctx, const struct poller_event *event)
{
    struct bus_stage *stage = ctx;
    struct bus_report report = { .kind = BUS_EVENT,
                                 .bus = stage->current_bus,
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
                                 .bus = entry->bus,
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
    struct bus_entry *entry = bus_stage_entry(stage, order->bus);
    if (!entry)
        return;
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
                                 .bus = entry->bus,
                                 .device = UINT32_MAX,
                                 .stats = poller_bus_stats(entry->poller) };
    mw_ring_push(&stage->reports, &report);
    for (size_t i = 0; i < entry->n_devices; i++) {
        report.device = entry->devices[i];
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
    for (size_t i = 0; i < stage->n_entries; i++) {
        stage->current_bus = stage->entries[i].bus;
        int64_t w =
            poller_step(stage->entries[i].poller, now->mono_us, now->utc_us - now->mono_us, &sink);
        if (w < wait_us)
            wait_us = w;
        take_guest(stage, &stage->entries[i]);
        if (stats_due)
            hand_out_stats(stage, &stage->entries[i]);
    }
    if (stats_due)
        stage->stats_us = now->mono_us + STATS_EVERY_US;
    return hand_over(stage, now->mono_us, stage->pushed, wait_us);
}

static size_t descriptors(void *ctx, struct pollfd *ret_fds, size_t cap)
{
    struct bus_stage *stage = ctx;
    size_t n = 0;
    for (size_t i = 0; i < stage->n_entries && n < cap; i++) {
        short events = 0;
        int fd = poller_descriptor(stage->entries[i].poller, &events);
        if (fd >= 0 && events)
            ret_fds[n++] = (struct pollfd){ .fd = fd, .events = events };
    }
    return n;
}

static int open_entry(struct bus_stage *stage, struct bus_entry *entry, uint32_t bus,
                      int64_t epoch_us)
{
    const struct config *config = stage->config;
    entry->bus = bus;
    entry->stage = stage;
    entry->tap = (struct line_tap){ take_frame, entry };
    size_t n = 0;
    for (uint32_t d = 0; d < config->n_devices; d++)
        n += config->devices[d].bus == bus;
    entry->devices = calloc(n + 1, sizeof *entry->devices);
    entry->configs = calloc(n + 1, sizeof *entry->configs);
    if (!entry->devices || !entry->configs)
        return MW_ERR_NO_MEMORY;
    for (uint32_t d = 0; d < config->n_devices; d++)
        if (config->devices[d].bus == bus) {
            entry->configs[entry->n_devices] = config->devices[d];
            entry->devices[entry->n_devices++] = d;
        }
    struct line *line = NULL;
    int result = modbus_line_create(&line, &config->buses[bus]);
    if (result < 0)
        return result;
    result = poller_create(&entry->poller, &config->buses[bus], entry->configs, entry->devices,
                           entry->n_devices, config->points, line, epoch_us);
    if (result < 0)
        line->destroy(line->ctx);
    return result;
}

/* Samples of a second, with a quarter to spare, and not less than one of each point. */
static uint32_t samples_room(const struct bus_stage *stage)
{
    int64_t n_points = 0, n = 0;
    for (size_t i = 0; i < stage->n_entries; i++)
        for (size_t d = 0; d < stage->entries[i].n_devices; d++) {
            const struct device_config *device = &stage->entries[i].configs[d];
            for (uint32_t k = 0; k < device->n_points; k++) {
                int64_t period_us = stage->config->points[device->first_point + k].period_us;
                n_points += period_us > 0;
                n += period_us > 0 ? 1000000 / period_us : 0;
            }
        }
    return mw_ring_room((n > n_points ? n : n_points) * 5 / 4 + SPARE, BUS_SAMPLES);
}

/* A round of counters, and an event of each bus and device. */
static uint32_t reports_room(const struct bus_stage *stage)
{
    int64_t n = SPARE;
    for (size_t i = 0; i < stage->n_entries; i++)
        n += 2 * (1 + (int64_t)stage->entries[i].n_devices);
    return mw_ring_room(n, BUS_REPORTS);
}

static int make_rings(struct bus_stage *stage)
{
    uint32_t n_samples = samples_room(stage), n_reports = reports_room(stage);
    stage->sample_items = calloc(n_samples, sizeof *stage->sample_items);
    stage->report_items = calloc(n_reports, sizeof *stage->report_items);
    if (!stage->sample_items || !stage->report_items)
        return MW_ERR_NO_MEMORY;
    mw_ring_init(&stage->samples, stage->sample_items, sizeof *stage->sample_items, n_samples);
    mw_ring_init(&stage->reports, stage->report_items, sizeof *stage->report_items, n_reports);
    return MW_OK;
}

int bus_stage_create(struct bus_stage **ret_stage, const struct config *config,
                     const uint32_t *buses, size_t n_buses, int64_t epoch_us,
                     struct worker *pipeline)
{
    int result = MW_ERR_NO_MEMORY;
    struct bus_stage *stage = calloc(1, sizeof *stage);
    if (!stage)
        return MW_ERR_NO_MEMORY;
    stage->config = config;
    stage->pipeline = pipeline;
    stage->entries = calloc(n_buses + 1, sizeof *stage->entries);
    stage->answer_items = calloc(BUS_ANSWERS, sizeof *stage->answer_items);
    stage->frame_items = calloc(BUS_FRAMES, sizeof *stage->frame_items);
    if (!stage->entries || !stage->answer_items || !stage->frame_items)
        goto fail;
    mw_ring_init(&stage->orders, stage->order_items, sizeof stage->order_items[0], BUS_ORDERS);
    mw_ring_init(&stage->answers, stage->answer_items, sizeof *stage->answer_items, BUS_ANSWERS);
    mw_ring_init(&stage->frames, stage->frame_items, sizeof *stage->frame_items, BUS_FRAMES);
    for (size_t i = 0; i < n_buses; i++) {
        stage->n_entries = i + 1;
        result = open_entry(stage, &stage->entries[i], buses[i], epoch_us);
        if (result < 0)
            goto fail;
    }
    result = make_rings(stage);
    if (result < 0)
        goto fail;
    *ret_stage = stage;
    return MW_OK;
fail:
    bus_stage_destroy(stage);
    return result;
}

void bus_stage_destroy(struct bus_stage *stage)
{
    if (!stage)
        return;
    for (size_t i = 0; i < stage->n_entries; i++) {
        poller_destroy(stage->entries[i].poller);
        free(stage->entries[i].devices);
        free(stage->entries[i].configs);
    }
    free(stage->entries);
    free(stage->sample_items);
    free(stage->report_items);
    free(stage->answer_items);
    free(stage->frame_items);
    free(stage);
}

struct stage bus_stage(struct bus_stage *stage)
{
    bool rtu = stage->n_entries > 0 && stage->config->buses[stage->entries[0].bus].kind == BUS_RTU;
    return (struct stage){ .name = rtu ? "bus-rtu" : "bus-tcp",
                           .bound_us = 10000000,
                           .step = step,
                           .descriptors = descriptors,
                           .ctx = stage,
                           .precise = rtu };
}

struct bus_entry *bus_stage_entry(struct bus_stage *stage, uint32_t bus)
{
    for (size_t i = 0; i < stage->n_entries; i++)
        if (stage->entries[i].bus == bus)
            return &stage->entries[i];
    return NULL;
}
