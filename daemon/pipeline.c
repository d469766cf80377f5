/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/pipeline.h"
#include "base/result.h"
#include "daemon/alarms.h"
#include "daemon/handover.h"
#include "daemon/journal.h"
#include "daemon/news.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_US       4000000 /* frames of so long may wait for the store */
#define FRAMES_LEAST   64
#define FRAMES_MOST    4096
#define ORDER_ITEMS    512
#define NEWS_ITEMS     1024
#define FIRST_STATE_US 600000000
#define TICK_US        200000
#define MINUTE_US      60000000
#define SAMPLES_STEP   4096 /* taken from one bus in one step, so that all get their turn */

/* ---- life ---- */

/* Counted first, then dealt out: in one pass over the channels each. */
static int map_points(struct pipeline_parts *p, const struct config *c)
{
    size_t n = 0;
    p->first_channel = calloc(c->n_points + 2, sizeof *p->first_channel);
    for (size_t m = 0; m < c->n_machines; m++)
        n += c->machines[m].detector.n_channels;
    p->channels = calloc(n + 1, sizeof *p->channels);
    if (!p->first_channel || !p->channels)
        return MW_ERR_NO_MEMORY;
    uint32_t *next = p->first_channel + 1; /* moves on to where the next point's begin */
    for (size_t m = 0; m < c->n_machines; m++)
        for (uint16_t ch = 0; ch < c->machines[m].detector.n_channels; ch++)
            next[c->machines[m].points[ch] + 1]++;
    for (size_t point = 1; point <= c->n_points; point++)
        next[point] += next[point - 1];
    for (uint32_t m = 0; m < c->n_machines; m++)
        for (uint16_t ch = 0; ch < c->machines[m].detector.n_channels; ch++)
            p->channels[next[c->machines[m].points[ch]]++] = (struct channel_of_point){ m, ch };
    return MW_OK;
}

static uint32_t frames_room(const struct config *c)
{
    int64_t n = FRAMES_LEAST;
    for (size_t m = 0; m < c->n_machines; m++)
        n += 1 + FRAME_US / c->machines[m].detector.period_us;
    return c->store.no_history ? 1 : mw_ring_room(n, FRAMES_MOST);
}

static int make_rings(struct pipeline *p)
{
    p->order_items = calloc(ORDER_ITEMS, sizeof *p->order_items);
    p->news_items = calloc(NEWS_ITEMS, sizeof *p->news_items);
    if (!p->order_items || !p->news_items)
        return MW_ERR_NO_MEMORY;
    mw_ring_init(&p->orders, p->order_items, sizeof *p->order_items, ORDER_ITEMS);
    mw_ring_init(&p->queries, p->query_items, sizeof p->query_items[0], PIPELINE_QUERIES);
    mw_ring_init(&p->link_news, p->news_items, sizeof *p->news_items, NEWS_ITEMS);
    p->blob_bytes = MW_DETECTOR_STATE_MAX;
    p->blobs = calloc(PIPELINE_BLOBS, p->blob_bytes);
    for (int b = 0; b < PIPELINE_BLOBS; b++)
        p->blob_free[b] = true;
    return p->blobs ? MW_OK : MW_ERR_NO_MEMORY;
}

int pipeline_parts_create(struct pipeline_parts *ret_parts, const struct config *config)
{
    struct pipeline_parts parts = { .config = config, .n_frame_items = frames_room(config) };
    parts.machines = calloc(config->n_machines + 1, sizeof(struct machine *));
    parts.devices = calloc(config->n_devices + 1, sizeof *parts.devices);
    parts.watched_buses = calloc(config->n_buses + 1, sizeof *parts.watched_buses);
    parts.frame_items = calloc(parts.n_frame_items, sizeof *parts.frame_items);
    bool all = parts.machines && parts.devices && parts.watched_buses && parts.frame_items;
    if (!all || map_points(&parts, config) < 0) {
        pipeline_parts_destroy(&parts);
        return MW_ERR_NO_MEMORY;
    }
    *ret_parts = parts;
    return MW_OK;
}

void pipeline_parts_destroy(struct pipeline_parts *parts)
{
    for (size_t m = 0; parts->machines && m < parts->config->n_machines; m++)
        machine_destroy(parts->machines[m]);
    free(parts->machines);
    free(parts->devices);
    free(parts->watched_buses);
    free(parts->first_channel);
    free(parts->channels);
    free(parts->frame_items);
    *parts = (struct pipeline_parts){ 0 };
}

static struct pipeline_parts parts_of(const struct pipeline *p)
{
    return (struct pipeline_parts){ .config = p->config,
                                    .machines = p->machines,
                                    .devices = p->devices,
                                    .watched_buses = p->watched_buses,
                                    .first_channel = p->first_channel,
                                    .channels = p->channels,
                                    .frame_items = p->frame_items };
}

void pipeline_swap(struct pipeline *p, struct pipeline_parts *parts)
{
    struct pipeline_parts before = parts_of(p);
    uint64_t n_lost = p->frame_items ? p->n_frames_lost + p->frames.n_dropped : 0;
    p->config = parts->config;
    p->machines = parts->machines;
    p->devices = parts->devices;
    p->watched_buses = parts->watched_buses;
    p->first_channel = parts->first_channel;
    p->channels = parts->channels;
    p->frame_items = parts->frame_items;
    p->n_frames_lost = n_lost;
    mw_ring_init(&p->frames, p->frame_items, sizeof *p->frame_items, parts->n_frame_items);
    *parts = before;
}

int pipeline_create(struct pipeline **ret_pipeline, const struct config *config,
                    struct worker *store, struct worker *link)
{
    struct pipeline_parts parts = { 0 };
    struct pipeline *p = calloc(1, sizeof *p);
    if (!p)
        return MW_ERR_NO_MEMORY;
    p->store = store;
    p->link = link;
    p->next_number = 1;
    int result = make_rings(p);
    if (result >= 0)
        result = pipeline_parts_create(&parts, config);
    if (result >= 0)
        pipeline_swap(p, &parts);
    for (uint32_t m = 0; result >= 0 && m < config->n_machines; m++)
        result = machine_create(&p->machines[m], config, m);
    if (result < 0) {
        pipeline_destroy(p);
        return result;
    }
    *ret_pipeline = p;
    return MW_OK;
}

void pipeline_destroy(struct pipeline *p)
{
    if (!p)
        return;
    struct pipeline_parts parts = parts_of(p);
    pipeline_parts_destroy(&parts);
    free(p->order_items);
    free(p->news_items);
    free(p->blobs);
    free(p);
}

/* ---- samples to verdicts ---- */

struct frame_ctx {
    struct pipeline *pipeline;
    struct machine *machine;
};

static void take_frame(void *ctx, const struct mw_frame *frame)
{
    struct frame_ctx *f = ctx;
    struct mw_frame stamped = *frame;
    stamped.at_us = timebase_utc(&f->pipeline->timebase, frame->mono_us);
    machine_judge(f->machine, &stamped);
    bool judged = f->machine->verdict.model_state == MW_MODEL_NORMAL ||
                  f->machine->verdict.model_state == MW_MODEL_ALARM;
    struct frame_record record = { .machine = f->machine->index,
                                   .score = judged ? f->machine->verdict.score : -1.0f,
                                   .frame = stamped };
    if (f->pipeline->config->store.no_history)
        return;
    mw_ring_push(&f->pipeline->frames, &record);
    /* The store looks by itself soon enough, unless there is little room left. */
    if (mw_ring_count(&f->pipeline->frames) >= f->pipeline->frames.capacity / 2)
        f->pipeline->store_news = true;
}

static void take_sample(struct pipeline *p, const struct mw_sample *sample)
{
    const struct point_config *point = &p->config->points[sample->point];
    for (uint32_t i = p->first_channel[sample->point]; i < p->first_channel[sample->point + 1];
         i++) {
        struct machine *m = p->machines[p->channels[i].machine];
        struct frame_ctx ctx = { p, m };
        /* A point shared with a faster machine has a finer grid: the first sample of each of this
         * machine's slots is its sample. */
        int64_t period_us = m->config->detector.period_us;
        int64_t slot = sample->slot * point->period_us / period_us;
        if (point->period_us < period_us && sample->slot > 0 &&
            (sample->slot - 1) * point->period_us / period_us == slot)
            continue;
        mw_framer_feed(&m->framer, p->channels[i].channel, slot, sample, take_frame, &ctx);
    }
}

/* A bus is overloaded where more than 1 % of a minute's polls could not be run in time. */
static void take_bus_stats(struct pipeline *p, const struct bus_report *report,
                           const struct clock_time *now)
{
    struct bus_watch *watch = &p->watched_buses[report->bus];
    watch->stats = report->stats;
    if (watch->minute_us == 0)
        watch->minute_us = now->mono_us;
    if (now->mono_us - watch->minute_us < MINUTE_US)
        return;
    uint64_t n_missed = watch->stats.n_slots_missed - watch->minute_stats.n_slots_missed;
    uint64_t n_run = watch->stats.n_slots_run - watch->minute_stats.n_slots_run;
    bool overloaded = n_missed * 100 > n_missed + n_run;
    if (overloaded != watch->overloaded)
        journal_load(p->config, report->bus, n_missed, n_missed + n_run, overloaded);
    watch->overloaded = overloaded;
    watch->minute_us = now->mono_us;
    watch->minute_stats = watch->stats;
}

static void take_report(struct pipeline *p, const struct bus_report *report,
                        const struct clock_time *now)
{
    if (report->kind == BUS_STATS && report->device == UINT32_MAX) {
        take_bus_stats(p, report, now);
        return;
    }
    if (report->device == UINT32_MAX) {
        journal_bus(p->config, report);
        return;
    }
    struct device_watch *d = &p->devices[report->device];
    /* An event may have found a full ring; the figures tell the same. */
    if (report->health == DEVICE_ONLINE && d->health != DEVICE_ONLINE)
        d->online_us = now->mono_us;
    d->health = report->health;
    if (report->kind == BUS_STATS) {
        d->stats = report->stats;
        d->refusals = report->refusals;
    } else {
        d->result = report->event.result;
        journal_bus(p->config, report);
    }
    alarms_step_device(p, report->device, ALARM_TICK, now);
}

void pipeline_take_stage(struct pipeline *p, struct bus_stage *stage, const struct clock_time *now)
{
    struct bus_report report;
    struct mw_sample sample;
    while (bus_stage_report(stage, &report))
        take_report(p, &report, now);
    for (int n = 0; n < SAMPLES_STEP && bus_stage_sample(stage, &sample); n++)
        take_sample(p, &sample);
}

static void take_all(struct pipeline *p, const struct clock_time *now)
{
    for (size_t b = 0; b < p->n_buses; b++)
        pipeline_take_stage(p, p->buses[b], now);
}

/* ---- the step ---- */

/* False where some are due but there was no room. */
static bool save_states(struct pipeline *p, int64_t now_us)
{
    for (size_t i = 0; i < p->config->n_machines; i++) {
        struct machine *m = p->machines[i];
        if (now_us - m->saved_us < p->config->store.checkpoint_us || m->n_frames == 0)
            continue;
        /* Alarms come first: states leave most blobs and most of the ring to them. */
        if (mw_ring_count(&p->orders) > ORDER_ITEMS / 4 || handover_free_blobs(p) <= PIPELINE_SPARE)
            return false;
        struct store_order order = { .kind = STORE_STATE, .machine = m->index, .blob = NO_BLOB };
        handover_put_state(p, m, &order);
        if (order.blob == NO_BLOB)
            return false;
        handover_order(p, &order);
        m->saved_us = now_us;
    }
    return true;
}

static void tick(struct pipeline *p, const struct clock_time *now)
{
    for (size_t i = 0; i < p->config->n_machines; i++)
        alarms_step_machine(p, p->machines[i], ALARM_TICK, now);
    for (uint32_t d = 0; d < p->config->n_devices; d++)
        alarms_step_device(p, d, ALARM_TICK, now);
    save_states(p, now->mono_us);
    expiry_step(p, now);
    news_send(p, now);
}

static void install_waiting(struct pipeline *p, struct machine *m)
{
    if (!m->waiting_model || !handover_has_room(p))
        return;
    struct mw_model_fault why = { "" };
    struct store_order order = { .machine = m->index, .blob = NO_BLOB };
    memcpy(order.digest, m->waiting_digest, sizeof order.digest);
    int result = machine_install(m, m->waiting_model, m->n_waiting_model, m->waiting_digest, &why);
    m->waiting_model = NULL;
    if (result == MW_OK) {
        order.kind = STORE_ACTIVATE;
        handover_put_state(p, m, &order);
        m->changed = true;
    } else {
        order.kind = STORE_REJECT;
    }
    handover_order(p, &order);
    journal_model(m->config->name, order.digest, result, why.text);
}

/* States are stored for the first time soon: a gateway may be switched off every night. */
static void start(struct pipeline *p, int64_t now_us)
{
    int64_t often_us = p->config->store.checkpoint_us;
    int64_t first_us = often_us < FIRST_STATE_US ? often_us : FIRST_STATE_US;
    p->started_us = now_us;
    for (size_t m = 0; m < p->config->n_machines; m++)
        p->machines[m]->saved_us = now_us + first_us - often_us;
}

int64_t pipeline_step(struct pipeline *p, const struct clock_time *now)
{
    if (p->started_us == 0)
        start(p, now->mono_us);
    take_all(p, now);
    for (size_t i = 0; i < p->config->n_machines; i++)
        install_waiting(p, p->machines[i]);
    for (size_t i = 0; i < p->config->n_machines; i++)
        if (p->machines[i]->changed)
            alarms_step_machine(p, p->machines[i], ALARM_TICK, now);
    if (now->mono_us >= p->tick_us) {
        tick(p, now);
        p->tick_us = now->mono_us + TICK_US;
    }
    if (p->store_news) {
        p->store_news = false;
        worker_wake(p->store);
    }
    return p->tick_us - now->mono_us;
}

/* ---- reports of the other stages ---- */

/* Takes the model over; it is installed once the store can be told of it. */
static void take_model(struct machine *m, struct store_report *report)
{
    free(m->waiting_model);
    m->waiting_model = report->model;
    m->n_waiting_model = report->n_model;
    memcpy(m->waiting_digest, report->digest, sizeof m->waiting_digest);
    report->model = NULL;
}

/* Overflow is told once, until a second has passed without. */
static void take_stats(struct pipeline *p, const struct db_stats *stats)
{
    bool known = p->db.file_bytes > 0; /* what was given up before the start is old */
    bool more = known && stats->outbox_dropped > p->db.outbox_dropped;
    if (more && !p->gives_up)
        journal_overflow(stats->outbox_dropped);
    p->gives_up = more;
    p->db = *stats;
}

void pipeline_store_report(struct pipeline *p, struct store_report *report,
                           const struct clock_time *now)
{
    (void)now;
    switch (report->kind) {
    case STORE_BLOB_FREE: p->blob_free[report->blob] = true; break;
    case STORE_ALERTED:
        if (report->machine < p->config->n_machines)
            p->machines[report->machine]->last_alert_seq = report->seq;
        break;
    case STORE_STATS:
        take_stats(p, &report->stats);
        p->store_figures = report->figures;
        break;
    case STORE_LEARNING: p->machines[report->machine]->learn = report->learn; break;
    case STORE_MODEL: take_model(p->machines[report->machine], report); break;
    case STORE_TROUBLE:
        memcpy(p->trouble, report->text, sizeof p->trouble);
        journal_store(report->text);
        break;
    case STORE_WELL:
        p->trouble[0] = 0;
        journal_store(NULL);
        break;
    }
}

void pipeline_link_report(struct pipeline *p, const struct link_report *report)
{
    if (report->changed)
        journal_link(report);
    if (report->stats.n_dead_letters > p->link_report.stats.n_dead_letters)
        journal_dead_letter(report->stats.n_dead_letters);
    if (report->changed && report->state == LINK_UP)
        p->unheard_told = false;
    if (!p->unheard_told && report->stats.n_unheard > p->link_report.stats.n_unheard) {
        p->unheard_told = true;
        journal_unheard(report->stats.n_unheard);
    }
    p->link_report = *report;
}

/* ---- people ---- */

struct machine *pipeline_machine(struct pipeline *p, const char *name)
{
    for (size_t i = 0; i < p->config->n_machines; i++)
        if (strcmp(p->config->machines[i].name, name) == 0)
            return p->machines[i];
    return NULL;
}

/* A machine with a device of its own shares its name: both are meant. */
int pipeline_acknowledge(struct pipeline *p, const char *subject, const struct clock_time *now)
{
    struct machine *m = pipeline_machine(p, subject);
    bool found = m != NULL;
    bool done = !m || alarms_step_machine(p, m, ALARM_ACKNOWLEDGE, now);
    for (uint32_t d = 0; d < p->config->n_devices; d++)
        if (strcmp(p->config->devices[d].name, subject) == 0) {
            found = true;
            done = alarms_step_device(p, d, ALARM_ACKNOWLEDGE, now) && done;
        }
    return !found ? MW_ERR_NOT_FOUND : done ? MW_OK : MW_ERR_AGAIN;
}

int pipeline_accept(struct pipeline *p, const char *machine, const struct clock_time *now)
{
    struct machine *m = pipeline_machine(p, machine);
    if (!m)
        return MW_ERR_NOT_FOUND;
    if (!handover_has_room(p))
        return MW_ERR_AGAIN;
    mw_detector_accept(&m->detector);
    struct store_order order = {
        .kind = STORE_STATE, .machine = m->index, .blob = NO_BLOB, .urgent = true
    };
    handover_put_state(p, m, &order);
    handover_order(p, &order);
    m->saved_us = now->mono_us;
    return MW_OK;
}

int pipeline_learn(struct pipeline *p, const char *machine)
{
    struct machine *m = pipeline_machine(p, machine);
    if (!m)
        return MW_ERR_NOT_FOUND;
    if (p->config->store.no_history)
        return MW_ERR_INVALID;
    if (m->learn.phase == LEARN_COLLECTING || m->learn.phase == LEARN_TRAINING ||
        m->learn.phase == LEARN_INSTALLING)
        return MW_ERR_STATE;
    if (m->alarm.state == MW_ALARM_ACTIVE_UNACKED || m->alarm.state == MW_ALARM_ACTIVE_ACKED)
        return MW_ERR_REFUSED;
    if (mw_ring_count(&p->orders) == ORDER_ITEMS)
        return MW_ERR_AGAIN;
    m->learn =
        (struct learn_progress){ .phase = LEARN_COLLECTING, .n_wanted = m->config->learn_rows };
    handover_order(
        p, &(struct store_order){ .kind = STORE_LEARN, .machine = m->index, .blob = NO_BLOB });
    return MW_OK;
}

void pipeline_begin_saving(struct pipeline *p)
{
    for (size_t i = 0; i < p->config->n_machines; i++)
        p->machines[i]->saved_us = INT64_MIN / 2; /* older than any interval */
}

bool pipeline_save_some(struct pipeline *p, int64_t now_us)
{
    return save_states(p, now_us);
}
