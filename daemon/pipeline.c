/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/pipeline.h"
#include "base/result.h"
#include "daemon/alarms.h"
#include "daemon/handover.h"
#include "daemon/journal.h"
#include "daemon/news.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_US     4000000 /* frames of so long may wait for the store */
#define FRAMES_LEAST 64
#define FRAMES_MOST  4096
#define ORDER_ITEMS  512
#define NEWS_ITEMS   1024
#define TICK_US      200000
#define MINUTE_US    60000000
#define STATE_US     60000000 /* detector states are saved this often beside the alarms */
#define SAMPLES_STEP 4096     /* taken from one bus in one step, so that all get their turn */

/* ---- life ---- */

static int map_points(struct pipeline *p)
{
    const struct config *c = p->config;
    size_t n = 0;
    p->first_channel = calloc(c->n_points + 2, sizeof *p->first_channel);
    for (size_t m = 0; m < c->n_machines; m++)
        n += c->machines[m].detector.n_channels;
    p->channels = calloc(n + 1, sizeof *p->channels);
    if (!p->first_channel || !p->channels)
        return MW_ERR_NO_MEMORY;
    n = 0;
    for (uint32_t point = 0; point < c->n_points; point++) {
        p->first_channel[point] = (uint32_t)n;
        for (uint32_t m = 0; m < c->n_machines; m++)
            for (uint16_t ch = 0; ch < c->machines[m].detector.n_channels; ch++)
                if (c->machines[m].points[ch] == point)
                    p->channels[n++] = (struct channel_of_point){ m, ch };
    }
    p->first_channel[c->n_points] = (uint32_t)n;
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
    uint32_t n_frames = frames_room(p->config);
    p->frame_items = calloc(n_frames, sizeof *p->frame_items);
    p->order_items = calloc(ORDER_ITEMS, sizeof *p->order_items);
    p->news_items = calloc(NEWS_ITEMS, sizeof *p->news_items);
    if (!p->frame_items || !p->order_items || !p->news_items)
        return MW_ERR_NO_MEMORY;
    mw_ring_init(&p->frames, p->frame_items, sizeof *p->frame_items, n_frames);
    mw_ring_init(&p->orders, p->order_items, sizeof *p->order_items, ORDER_ITEMS);
    mw_ring_init(&p->link_news, p->news_items, sizeof *p->news_items, NEWS_ITEMS);
    p->blob_bytes = MW_DETECTOR_STATE_MAX;
    p->blobs = calloc(PIPELINE_BLOBS, p->blob_bytes);
    for (int b = 0; b < PIPELINE_BLOBS; b++)
        p->blob_free[b] = true;
    return p->blobs ? MW_OK : MW_ERR_NO_MEMORY;
}

int pipeline_create(struct pipeline **ret_pipeline, const struct config *config,
                    struct worker *store, struct worker *link)
{
    struct pipeline *p = calloc(1, sizeof *p);
    if (!p)
        return MW_ERR_NO_MEMORY;
    p->config = config;
    p->store = store;
    p->link = link;
    p->next_number = 1;
    p->machines = calloc(config->n_machines + 1, sizeof *p->machines);
    p->devices = calloc(config->n_devices + 1, sizeof *p->devices);
    p->watched_buses = calloc(config->n_buses + 1, sizeof *p->watched_buses);
    if (!p->machines || !p->devices || !p->watched_buses || map_points(p) < 0 ||
        make_rings(p) < 0) {
        pipeline_destroy(p);
        return MW_ERR_NO_MEMORY;
    }
    int result = MW_OK;
    for (uint32_t m = 0; result >= 0 && m < config->n_machines; m++)
        result = machine_init(&p->machines[m], config, m);
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
    for (size_t m = 0; p->machines && m < p->config->n_machines; m++)
        machine_finish(&p->machines[m]);
    free(p->machines);
    free(p->devices);
    free(p->watched_buses);
    free(p->first_channel);
    free(p->channels);
    free(p->frame_items);
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
        struct machine *m = &p->machines[p->channels[i].machine];
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

static void take_all(struct pipeline *p, const struct clock_time *now)
{
    for (size_t b = 0; b < p->n_buses; b++) {
        struct bus_report report;
        struct mw_sample sample;
        while (mw_ring_pop(&p->buses[b]->reports, &report))
            take_report(p, &report, now);
        for (int n = 0; n < SAMPLES_STEP && mw_ring_pop(&p->buses[b]->samples, &sample); n++)
            take_sample(p, &sample);
    }
}

/* ---- the step ---- */

/* False where some are due but there was no room. */
static bool save_states(struct pipeline *p, int64_t now_us)
{
    for (size_t i = 0; i < p->config->n_machines; i++) {
        struct machine *m = &p->machines[i];
        if (now_us - m->saved_us < STATE_US || m->n_frames == 0)
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
        alarms_step_machine(p, &p->machines[i], ALARM_TICK, now);
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

int64_t pipeline_step(struct pipeline *p, const struct clock_time *now)
{
    if (p->started_us == 0)
        p->started_us = now->mono_us;
    take_all(p, now);
    for (size_t i = 0; i < p->config->n_machines; i++)
        install_waiting(p, &p->machines[i]);
    for (size_t i = 0; i < p->config->n_machines; i++)
        if (p->machines[i].changed)
            alarms_step_machine(p, &p->machines[i], ALARM_TICK, now);
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
            p->machines[report->machine].last_alert_seq = report->seq;
        break;
    case STORE_STATS: take_stats(p, &report->stats); break;
    case STORE_LEARNING: p->machines[report->machine].learn = report->learn; break;
    case STORE_MODEL: take_model(&p->machines[report->machine], report); break;
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
    p->link_report = *report;
}

/* ---- people ---- */

struct machine *pipeline_machine(struct pipeline *p, const char *name)
{
    for (size_t i = 0; i < p->config->n_machines; i++)
        if (strcmp(p->config->machines[i].name, name) == 0)
            return &p->machines[i];
    return NULL;
}

int pipeline_acknowledge(struct pipeline *p, const char *subject, const struct clock_time *now)
{
    struct machine *m = pipeline_machine(p, subject);
    if (m)
        return alarms_step_machine(p, m, ALARM_ACKNOWLEDGE, now) ? MW_OK : MW_ERR_AGAIN;
    for (uint32_t d = 0; d < p->config->n_devices; d++)
        if (strcmp(p->config->devices[d].name, subject) == 0) {
            return alarms_step_device(p, d, ALARM_ACKNOWLEDGE, now) ? MW_OK : MW_ERR_AGAIN;
        }
    return MW_ERR_NOT_FOUND;
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
        p->machines[i].saved_us = INT64_MIN / 2;
}

bool pipeline_save_some(struct pipeline *p, int64_t now_us)
{
    return save_states(p, now_us);
}
