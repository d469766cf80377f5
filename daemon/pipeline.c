/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/pipeline.h"
#include "base/result.h"
#include "daemon/journal.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_ITEMS  4096
#define ORDER_ITEMS  512
#define NEWS_ITEMS   1024
#define TICK_US      200000
#define SYNCED_US    1000000
#define STATE_US     60000000 /* detector states are saved this often beside the alarms */
#define GATEWAY_US   60000000 /* the gateway's retained status */
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

static int make_rings(struct pipeline *p)
{
    p->frame_items = calloc(FRAME_ITEMS, sizeof *p->frame_items);
    p->order_items = calloc(ORDER_ITEMS, sizeof *p->order_items);
    p->news_items = calloc(NEWS_ITEMS, sizeof *p->news_items);
    if (!p->frame_items || !p->order_items || !p->news_items)
        return MW_ERR_NO_MEMORY;
    mw_ring_init(&p->frames, p->frame_items, sizeof *p->frame_items, FRAME_ITEMS);
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
    p->bus_stats = calloc(config->n_buses + 1, sizeof *p->bus_stats);
    if (!p->machines || !p->devices || !p->bus_stats || map_points(p) < 0 || make_rings(p) < 0) {
        pipeline_destroy(p);
        return MW_ERR_NO_MEMORY;
    }
    for (uint32_t m = 0; m < config->n_machines; m++)
        machine_init(&p->machines[m], config, m);
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
    free(p->bus_stats);
    free(p->first_channel);
    free(p->channels);
    free(p->frame_items);
    free(p->order_items);
    free(p->news_items);
    free(p->blobs);
    free(p);
}

/* ---- handing over ---- */

static int take_blob(struct pipeline *p)
{
    for (int b = 0; b < PIPELINE_BLOBS; b++)
        if (p->blob_free[b])
            return b;
    return NO_BLOB;
}

/* Whether an alert could be handed over now: its order and a blob for the detector's state. */
static bool has_room(struct pipeline *p)
{
    return mw_ring_count(&p->orders) < ORDER_ITEMS && take_blob(p) != NO_BLOB;
}

static void put_state(struct pipeline *p, struct machine *m, struct store_order *order)
{
    int b = take_blob(p);
    if (b == NO_BLOB)
        return;
    uint8_t *blob = p->blobs + (size_t)b * p->blob_bytes;
    int n =
        mw_detector_save(&m->detector, blob + sizeof(uint32_t), p->blob_bytes - sizeof(uint32_t));
    if (n < 0)
        return;
    memcpy(blob, &(uint32_t){ (uint32_t)n }, sizeof(uint32_t));
    p->blob_free[b] = false;
    order->blob = b;
}

static void send_order(struct pipeline *p, const struct store_order *order)
{
    if (!mw_ring_push(&p->orders, order) && order->blob != NO_BLOB)
        p->blob_free[order->blob] = true;
    p->store_news = true;
}

static void send_alert(struct pipeline *p, struct machine *m, const struct alarm *alarm,
                       const char *name, const struct mw_alert *alert)
{
    struct store_order order = {
        .kind = STORE_ALERT, .machine = m ? m->index : UINT32_MAX, .blob = NO_BLOB, .alert = *alert
    };
    memcpy(order.alarm_name, name, sizeof order.alarm_name);
    int n = alarm_save(alarm, order.alarm_state, sizeof order.alarm_state);
    order.n_alarm_state = n > 0 ? (uint8_t)n : 0;
    if (m) {
        put_state(p, m, &order);
        m->news = true;
    }
    send_order(p, &order);
    journal_alert(p->config, alert);
}

/* ---- alarms ---- */

static void step_own_alarm(struct pipeline *p, struct machine *m, enum alarm_request request,
                           const struct clock_time *now)
{
    struct alarm_facts facts = machine_facts(m);
    uint8_t before = m->alarm.state;
    int event = alarm_step(&m->alarm, &m->config->alarm, &facts, request, 0, p->next_number,
                           now->mono_us, now->utc_us);
    if (m->alarm.state != before)
        m->news = true;
    if (event <= 0)
        return;
    if (event == MW_ALERT_RAISED)
        p->next_number++;
    struct mw_alert alert =
        machine_alert(m, MACHINE_ALARM, (enum mw_alert_event)event, p->clock_synced, now->utc_us);
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, 'm', m->config->name, NULL);
    send_alert(p, m, &m->alarm, name, &alert);
}

static void step_sensor_alarm(struct pipeline *p, struct machine *m, uint32_t channel,
                              enum alarm_request request, const struct clock_time *now)
{
    uint32_t device = p->config->point_devices[m->config->points[channel]];
    bool offline = p->devices[device].health == DEVICE_OFFLINE;
    struct alarm *alarm = &m->sensor_alarms[channel];
    struct alarm_facts facts = machine_sensor_facts(m, channel, offline);
    if (!facts.active && alarm->state == MW_ALARM_NORMAL && alarm->pending_us == 0)
        return;
    int event = alarm_step(alarm, &m->config->alarm, &facts, request, 0, p->next_number,
                           now->mono_us, now->utc_us);
    if (event <= 0)
        return;
    if (event == MW_ALERT_RAISED)
        p->next_number++;
    struct mw_alert alert =
        machine_alert(m, channel, (enum mw_alert_event)event, p->clock_synced, now->utc_us);
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, 's', m->config->name, m->config->detector.channels[channel].name);
    send_alert(p, m, alarm, name, &alert);
}

static bool step_machine_alarms(struct pipeline *p, struct machine *m, enum alarm_request request,
                                const struct clock_time *now)
{
    if (!has_room(p))
        return false;
    step_own_alarm(p, m, request, now);
    for (uint32_t c = 0; c < m->config->detector.n_channels; c++) {
        if (!has_room(p))
            return false;
        step_sensor_alarm(p, m, c, request, now);
    }
    m->changed = false;
    return true;
}

static void step_device_alarm(struct pipeline *p, uint32_t device, enum alarm_request request,
                              const struct clock_time *now)
{
    static const struct alarm_config at_once = { 0 };
    struct device_watch *d = &p->devices[device];
    bool was_active = d->alarm.state != MW_ALARM_NORMAL;
    struct alarm_facts facts = {
        /* Until the first answer or time-out after a start the alarm stays as it was. */
        .active = d->health == DEVICE_OFFLINE || (d->health == DEVICE_UNKNOWN && was_active),
        .severity = MW_SEVERITY_WARNING,
        .detectors = 1u << MW_DETECTOR_SENSOR,
    };
    if (!has_room(p) || (!facts.active && !was_active))
        return;
    int event = alarm_step(&d->alarm, &at_once, &facts, request, 0, p->next_number, now->mono_us,
                           now->utc_us);
    if (event <= 0)
        return;
    if (event == MW_ALERT_RAISED)
        p->next_number++;
    struct mw_alert alert = { .number = d->alarm.number,
                              .event = (uint8_t)event,
                              .state = d->alarm.state,
                              .class = MW_ALARM_DEVICE,
                              .severity = d->alarm.severity,
                              .detector = MW_DETECTOR_SENSOR,
                              .condition = MW_CONDITION_NO_DATA,
                              .clock_synced = p->clock_synced,
                              .at_us = now->utc_us,
                              .since_us = d->alarm.since_us,
                              .score = facts.active ? 1.0f : 0.0f,
                              .clear_below = 1.0f };
    memcpy(alert.subject, p->config->devices[device].name, sizeof alert.subject);
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, 'd', alert.subject, NULL);
    send_alert(p, NULL, &d->alarm, name, &alert);
}

/* ---- samples to verdicts ---- */

struct frame_ctx {
    struct pipeline *pipeline;
    struct machine *machine;
};

static void take_frame(void *ctx, const struct mw_frame *frame)
{
    struct frame_ctx *f = ctx;
    machine_judge(f->machine, frame);
    bool judged = f->machine->verdict.model_state == MW_MODEL_NORMAL ||
                  f->machine->verdict.model_state == MW_MODEL_ALARM;
    struct frame_record record = { .machine = f->machine->index,
                                   .score = judged ? f->machine->verdict.score : -1.0f,
                                   .frame = *frame };
    mw_ring_push(&f->pipeline->frames, &record);
    f->pipeline->store_news = true;
}

static void take_sample(struct pipeline *p, const struct mw_sample *sample)
{
    const struct point_config *point = &p->config->points[sample->point];
    for (uint32_t i = p->first_channel[sample->point]; i < p->first_channel[sample->point + 1];
         i++) {
        struct machine *m = &p->machines[p->channels[i].machine];
        struct frame_ctx ctx = { p, m };
        /* A point shared with a faster machine has a finer grid than this machine's. */
        int64_t ratio = m->config->detector.period_us / point->period_us;
        int64_t slot = ratio > 1 ? sample->slot / ratio : sample->slot;
        mw_framer_feed(&m->framer, p->channels[i].channel, slot, sample, take_frame, &ctx);
    }
}

static void take_report(struct pipeline *p, const struct bus_report *report,
                        const struct clock_time *now)
{
    if (report->kind == BUS_STATS && report->device == UINT32_MAX) {
        p->bus_stats[report->bus] = report->stats;
        return;
    }
    if (report->device == UINT32_MAX) {
        journal_bus(p->config, report);
        return;
    }
    struct device_watch *d = &p->devices[report->device];
    if (report->kind == BUS_STATS) {
        d->stats = report->stats;
        /* The event may have found a full ring; the figures tell the same. */
        d->health = report->health;
    } else {
        d->health = report->health;
        d->result = report->event.result;
        journal_bus(p->config, report);
    }
    step_device_alarm(p, report->device, ALARM_TICK, now);
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

/* ---- news for dashboards ---- */

static uint8_t quality_of(const struct machine *m)
{
    for (uint32_t c = 0; c < m->config->detector.n_channels; c++)
        if (m->sensor_alarms[c].state != MW_ALARM_NORMAL)
            return MW_QUALITY_BAD;
    return m->verdict.model_state == MW_MODEL_HOLD ? MW_QUALITY_STALE : MW_QUALITY_GOOD;
}

static struct machine_news news_of(const struct machine *m, const struct clock_time *now)
{
    bool active =
        m->alarm.state == MW_ALARM_ACTIVE_UNACKED || m->alarm.state == MW_ALARM_ACTIVE_ACKED;
    bool calm = m->alarm.state == MW_ALARM_NORMAL;
    struct machine_news news = { .machine = m->index,
                                 .at_us = m->verdict.at_us ? m->verdict.at_us : now->utc_us,
                                 .since_us = m->alarm.since_us,
                                 .active = active,
                                 .state = m->alarm.state,
                                 .severity = calm ? MW_SEVERITY_NONE : m->alarm.severity,
                                 .detector = calm ? 0 : m->newest.detector,
                                 .condition = calm ? 0 : m->newest.condition,
                                 .model_state = m->verdict.model_state,
                                 .data_quality = quality_of(m),
                                 .score = m->verdict.score,
                                 .last_alert_seq = m->last_alert_seq };
    if (!calm)
        machine_point(m, m->newest.channel, news.point, sizeof news.point);
    machine_model(m, news.model);
    return news;
}

static void send_gateway_news(struct pipeline *p, const struct clock_time *now)
{
    struct machine_news news = { .machine = UINT32_MAX,
                                 .at_us = now->utc_us,
                                 .clock_synced = p->clock_synced,
                                 .n_machines_active = pipeline_machines_active(p),
                                 .n_devices_offline = pipeline_devices_offline(p),
                                 .n_polls = pipeline_polls(p),
                                 .n_windows = pipeline_windows(p),
                                 .outbox_waiting = p->db.outbox_waiting,
                                 .outbox_dropped = p->db.outbox_dropped,
                                 .uptime_s = (now->mono_us - p->started_us) / 1000000 };
    mw_ring_offer(&p->link_news, &news);
}

static void send_news(struct pipeline *p, const struct clock_time *now)
{
    bool sent = false;
    for (size_t i = 0; i < p->config->n_machines; i++) {
        struct machine *m = &p->machines[i];
        if (!m->news)
            continue;
        struct machine_news news = news_of(m, now);
        if (!mw_ring_offer(&p->link_news, &news))
            break;
        m->news = false;
        sent = true;
    }
    if (sent || now->mono_us >= p->news_us) {
        send_gateway_news(p, now);
        p->news_us = now->mono_us + GATEWAY_US;
        worker_wake(p->link);
    }
}

/* ---- the step ---- */

static void save_states(struct pipeline *p, int64_t now_us)
{
    for (size_t i = 0; i < p->config->n_machines; i++) {
        struct machine *m = &p->machines[i];
        if (now_us - m->saved_us < STATE_US || m->n_frames == 0)
            continue;
        /* Alarms come first: states leave most blobs and most of the ring to them. */
        if (mw_ring_count(&p->orders) > ORDER_ITEMS / 4)
            return;
        struct store_order order = { .kind = STORE_STATE, .machine = m->index, .blob = NO_BLOB };
        put_state(p, m, &order);
        if (order.blob == NO_BLOB)
            return;
        send_order(p, &order);
        m->saved_us = now_us;
    }
}

static void tick(struct pipeline *p, const struct clock_time *now)
{
    for (size_t i = 0; i < p->config->n_machines; i++)
        step_machine_alarms(p, &p->machines[i], ALARM_TICK, now);
    for (uint32_t d = 0; d < p->config->n_devices; d++)
        step_device_alarm(p, d, ALARM_TICK, now);
    save_states(p, now->mono_us);
    send_news(p, now);
}

int64_t pipeline_step(struct pipeline *p, const struct clock_time *now)
{
    if (p->started_us == 0)
        p->started_us = now->mono_us;
    if (now->mono_us >= p->synced_us) {
        p->clock_synced = clock_is_synced();
        p->synced_us = now->mono_us + SYNCED_US;
    }
    take_all(p, now);
    for (size_t i = 0; i < p->config->n_machines; i++)
        if (p->machines[i].changed)
            step_machine_alarms(p, &p->machines[i], ALARM_TICK, now);
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

static void install(struct pipeline *p, struct store_report *report)
{
    struct machine *m = &p->machines[report->machine];
    struct mw_model_fault why = { "" };
    struct store_order order = { .machine = m->index, .blob = NO_BLOB };
    memcpy(order.digest, report->digest, sizeof order.digest);
    int result = machine_install(m, report->model, report->n_model, report->digest, &why);
    report->model = NULL;
    if (result == MW_OK) {
        order.kind = STORE_ACTIVATE;
        put_state(p, m, &order);
        m->changed = true;
    } else {
        order.kind = STORE_REJECT;
    }
    send_order(p, &order);
    journal_model(m->config->name, report->digest, result, why.text);
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
    case STORE_STATS: p->db = report->stats; break;
    case STORE_LEARNING: p->machines[report->machine].learn = report->learn; break;
    case STORE_MODEL: install(p, report); break;
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
        return step_machine_alarms(p, m, ALARM_ACKNOWLEDGE, now) ? MW_OK : MW_ERR_AGAIN;
    for (uint32_t d = 0; d < p->config->n_devices; d++)
        if (strcmp(p->config->devices[d].name, subject) == 0) {
            step_device_alarm(p, d, ALARM_ACKNOWLEDGE, now);
            return MW_OK;
        }
    return MW_ERR_NOT_FOUND;
}

int pipeline_accept(struct pipeline *p, const char *machine, const struct clock_time *now)
{
    struct machine *m = pipeline_machine(p, machine);
    if (!m)
        return MW_ERR_NOT_FOUND;
    if (!has_room(p))
        return MW_ERR_AGAIN;
    mw_detector_accept(&m->detector);
    m->saved_us = now->mono_us - STATE_US;
    save_states(p, now->mono_us);
    return MW_OK;
}

int pipeline_learn(struct pipeline *p, const char *machine)
{
    struct machine *m = pipeline_machine(p, machine);
    if (!m)
        return MW_ERR_NOT_FOUND;
    if (m->learn.phase == LEARN_COLLECTING || m->learn.phase == LEARN_TRAINING ||
        m->learn.phase == LEARN_INSTALLING)
        return MW_ERR_STATE;
    if (mw_ring_count(&p->orders) == ORDER_ITEMS)
        return MW_ERR_AGAIN;
    m->learn =
        (struct learn_progress){ .phase = LEARN_COLLECTING, .n_wanted = m->config->learn_rows };
    send_order(p,
               &(struct store_order){ .kind = STORE_LEARN, .machine = m->index, .blob = NO_BLOB });
    return MW_OK;
}

void pipeline_save_all(struct pipeline *p)
{
    for (size_t i = 0; i < p->config->n_machines; i++)
        p->machines[i].saved_us = INT64_MIN / 2;
    save_states(p, 0);
}

/* ---- figures ---- */

uint32_t pipeline_devices_offline(const struct pipeline *p)
{
    uint32_t n = 0;
    for (size_t d = 0; d < p->config->n_devices; d++)
        n += p->devices[d].health == DEVICE_OFFLINE;
    return n;
}

uint32_t pipeline_machines_active(const struct pipeline *p)
{
    uint32_t n = 0;
    for (size_t m = 0; m < p->config->n_machines; m++)
        n += p->machines[m].alarm.state == MW_ALARM_ACTIVE_UNACKED ||
             p->machines[m].alarm.state == MW_ALARM_ACTIVE_ACKED;
    return n;
}

uint64_t pipeline_polls(const struct pipeline *p)
{
    uint64_t n = 0;
    for (size_t b = 0; b < p->config->n_buses; b++)
        n += p->bus_stats[b].n_replies;
    return n;
}

uint64_t pipeline_windows(const struct pipeline *p)
{
    uint64_t n = 0;
    for (size_t m = 0; m < p->config->n_machines; m++)
        n += p->machines[m].n_judged;
    return n;
}

uint64_t pipeline_bytes_polled(const struct pipeline *p)
{
    uint64_t n = 0;
    for (size_t b = 0; b < p->config->n_buses; b++)
        n += p->bus_stats[b].n_bytes_read;
    return n;
}
