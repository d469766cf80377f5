/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/status.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAY_US    INT64_C(86400000000)
#define TEXT_STEP 4096 /* the answer grows by at least this much */

static json_t *number(float v)
{
    return isfinite(v) ? json_real((double)v) : json_null();
}

static const char *health_text(uint8_t health)
{
    static const char *const words[] = { "unknown", "online", "retrying", "offline" };
    return health < 4 ? words[health] : "unknown";
}

static const char *learn_text(uint8_t phase)
{
    static const char *const words[] = { "idle",       "collecting", "training",
                                         "installing", "done",       "failed" };
    return phase <= LEARN_FAILED ? words[phase] : "unknown";
}

static const char *link_text(uint8_t state)
{
    static const char *const words[] = { "down", "dialling", "up" };
    return state <= LINK_UP ? words[state] : "unknown";
}

/* Buckets that hold something, as [upper end in us, count]. */
static json_t *histogram(const struct histogram *h)
{
    json_t *buckets = json_array();
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (h->counts[i] > 0)
            json_array_append_new(buckets, json_pack("[I,I]", (json_int_t)histogram_upper_us(i),
                                                     (json_int_t)h->counts[i]));
    return json_pack("{sI sI so}", "p50_us", (json_int_t)histogram_percentile_us(h, 0.5), "p99_us",
                     (json_int_t)histogram_percentile_us(h, 0.99), "buckets", buckets);
}

static json_t *poll_stats(const struct poller_stats *s)
{
    const struct {
        const char *name;
        uint64_t count;
    } counts[] = {
        { "requests", s->n_requests },
        { "replies", s->n_replies },
        { "timeouts", s->n_timeouts },
        { "exceptions", s->n_exceptions },
        { "crc", s->n_crc },
        { "mismatched", s->n_mismatched },
        { "refused_stale", s->n_refused_stale },
        { "io_errors", s->n_io_errors },
        { "reopens", s->n_reopens },
        { "slots_run", s->n_slots_run },
        { "slots_missed", s->n_slots_missed },
        { "samples_good", s->n_samples_good },
        { "samples_other", s->n_samples_other },
        { "bytes_read", s->n_bytes_read },
        { "tried_again", s->n_tried_again },
        { "lag_min_us", s->lag_min_us },
    };
    json_t *stats = json_object();
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        json_object_set_new(stats, counts[i].name, json_integer((json_int_t)counts[i].count));
    json_object_set_new(stats, "start_jitter", histogram(&s->start));
    json_object_set_new(stats, "response", histogram(&s->response));
    return stats;
}

static const char *kind_text(enum register_kind kind)
{
    static const char *const words[] = { "none", "holding", "input", "coil", "discrete" };
    return (size_t)kind < sizeof words / sizeof words[0] ? words[kind] : "unknown";
}

static json_t *refusals(const struct poller_refusals *refusals, const struct clock_time *now)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < refusals->n && i < POLLER_MAX_REFUSALS; i++) {
        const struct refusal *r = &refusals->items[i];
        json_array_append_new(
            list, json_pack("{ss si si si sI}", "kind", kind_text(r->kind), "address",
                            (int)r->address, "count", (int)r->count, "exception", (int)r->exception,
                            "since_s", (json_int_t)((now->mono_us - r->since_us) / 1000000)));
    }
    return list;
}

static json_t *learning(const struct learn_progress *l)
{
    return json_pack("{ss si si si so ss}", "phase", learn_text(l->phase), "percent",
                     (int)l->percent, "rows", (int)l->n_rows, "wanted", (int)l->n_wanted, "r2",
                     number(l->r2), "text", l->text);
}

static json_t *channel(const struct machine *m, uint32_t c)
{
    const struct mw_channel_config *config = &m->config->detector.channels[c];
    uint32_t bit = 1u << c;
    bool valid = m->framer.holds & bit;
    char point[2 * MW_NAME_MAX + 2];
    machine_point(m, (uint8_t)c, point, sizeof point);
    return json_pack("{ss ss ss so ss}", "name", config->name, "point", point, "unit", config->unit,
                     "value", valid ? number(m->framer.held[c]) : json_null(), "sensor_alarm",
                     mw_alarm_state_text(m->sensor_alarms[c].state));
}

static json_t *machine(const struct machine *m)
{
    char model[17], point[2 * MW_NAME_MAX + 2];
    machine_model(m, model);
    bool calm = m->alarm.state == MW_ALARM_NORMAL;
    machine_point(m, calm ? MW_CHANNEL_NONE : m->newest.channel, point, sizeof point);
    json_t *channels = json_array();
    for (uint32_t c = 0; c < m->config->detector.n_channels; c++)
        json_array_append_new(channels, channel(m, c));
    return json_pack("{ss ss ss ss ss ss so ss sI sI sI sI so so}", "name", m->config->name,
                     "model", model, "alarm", mw_alarm_state_text(m->alarm.state), "severity",
                     mw_severity_text(calm ? MW_SEVERITY_NONE : m->alarm.severity), "detector",
                     calm ? "" : mw_detector_text(m->newest.detector), "point", point, "score",
                     number(m->verdict.score), "model_state",
                     mw_model_state_text(m->verdict.model_state), "frames", (json_int_t)m->n_frames,
                     "windows", (json_int_t)m->n_judged, "late_samples",
                     (json_int_t)m->framer.n_late, "last_alert_seq", (json_int_t)m->last_alert_seq,
                     "learn", learning(&m->learn), "channels", channels);
}

static json_t *device(const struct pipeline *p, size_t d, const struct clock_time *now)
{
    const struct device_config *config = &p->config->devices[d];
    json_t *device = poll_stats(&p->devices[d].stats);
    json_object_set_new(device, "name", json_string(config->name));
    json_object_set_new(device, "bus", json_string(p->config->buses[config->bus].name));
    json_object_set_new(device, "unit", json_integer(config->unit));
    json_object_set_new(device, "health", json_string(health_text(p->devices[d].health)));
    json_object_set_new(device, "n_refused", json_integer(p->devices[d].refusals.n));
    json_object_set_new(device, "refused", refusals(&p->devices[d].refusals, now));
    return device;
}

/* So that a tool on this computer knows which bus has the port it was told. */
static json_t *where(const struct bus_config *bus)
{
    if (bus->kind == BUS_RTU)
        return json_string(bus->device);
    return json_sprintf("%s:%u", bus->host, (unsigned)bus->port);
}

static json_t *bus(const struct pipeline *p, size_t b)
{
    json_t *bus = poll_stats(&p->watched_buses[b].stats);
    json_object_set_new(bus, "name", json_string(p->config->buses[b].name));
    json_object_set_new(bus, "overloaded", json_boolean(p->watched_buses[b].overloaded));
    json_object_set_new(bus, "where", where(&p->config->buses[b]));
    return bus;
}

/* Whole days left, negative after the end; null where there is no such certificate. */
static json_t *certificate(const struct pipeline *p, enum mw_certificate which,
                           const struct clock_time *now)
{
    int64_t end_us = p->link_report.not_after_us[which], at_us = now->utc_us;
    if (end_us == 0)
        return json_null();
    return json_pack("{sI sI}", "not_after_ms", (json_int_t)(end_us / 1000), "days_left",
                     (json_int_t)((end_us - at_us) / DAY_US - (end_us < at_us)));
}

static json_t *broker(const struct pipeline *p, const struct clock_time *now)
{
    const struct link_stats *s = &p->link_report.stats;
    return json_pack("{ss ss sI sI sI sI sI sI sI sI sI so so}", "state",
                     p->config->mqtt.uri[0] ? link_text(p->link_report.state) : "none", "text",
                     p->link_report.text, "connects", (json_int_t)s->n_connects, "refused",
                     (json_int_t)s->n_refused, "lost", (json_int_t)s->n_lost, "published",
                     (json_int_t)s->n_published, "delivered", (json_int_t)s->n_delivered, "unheard",
                     (json_int_t)s->n_unheard, "dead_letters", (json_int_t)s->n_dead_letters,
                     "bytes_published", (json_int_t)p->link_report.n_bytes, "states",
                     (json_int_t)p->link_report.n_states, "client_certificate",
                     certificate(p, MW_CERTIFICATE_CLIENT, now), "authority_certificate",
                     certificate(p, MW_CERTIFICATE_AUTHORITY, now));
}

static uint64_t samples_lost(const struct pipeline *p)
{
    uint64_t n = 0;
    for (size_t b = 0; b < p->n_buses; b++)
        n += bus_stage_samples_lost(p->buses[b]);
    return n;
}

static json_t *syncs(const struct pipeline *p)
{
    const struct store_figures *f = &p->store_figures;
    return json_pack("{sI sI sI sI sI}", "alarms", (json_int_t)f->n_syncs_alarms,
                     "acknowledgements", (json_int_t)f->n_syncs_acks, "history",
                     (json_int_t)f->n_syncs_history, "states", (json_int_t)f->n_syncs_states,
                     "checkpoints", (json_int_t)p->db.n_syncs_database);
}

static const char *history_text(const struct store_config *store)
{
    return store->no_history ? "off" : store->history_in_ram ? "ram" : "disk";
}

static json_t *history(const struct pipeline *p)
{
    return json_pack("{ss sI sI sI sI sI sI sI}", "kept_in", history_text(&p->config->store),
                     "blocks", (json_int_t)p->db.n_history_blocks, "rollups",
                     (json_int_t)p->db.n_rollups, "windows", (json_int_t)p->db.n_windows,
                     "frames_left_out", (json_int_t)p->store_figures.n_frames_left_out,
                     "frames_pushed_out", (json_int_t)p->store_figures.n_frames_pushed_out,
                     "spans_lost", (json_int_t)p->store_figures.n_spans_lost, "rollups_given_up",
                     (json_int_t)p->db.n_pruned_rollups);
}

static json_t *store(const struct pipeline *p)
{
    return json_pack(
        "{sb ss sI sI sI sI sI sI sI sI sI so so}", "well", p->trouble[0] == 0, "text", p->trouble,
        "commits", (json_int_t)p->db.n_commits, "errors", (json_int_t)p->db.n_errors,
        "history_frames", (json_int_t)p->db.n_history_frames, "outbox_waiting",
        (json_int_t)p->db.outbox_waiting, "outbox_dropped", (json_int_t)p->db.outbox_dropped,
        "file_bytes", (json_int_t)p->db.file_bytes, "frames_lost", (json_int_t)p->frames.n_dropped,
        "samples_lost", (json_int_t)samples_lost(p), "bytes_written",
        (json_int_t)p->db.n_bytes_written, "syncs", syncs(p), "history", history(p));
}

/* The answer as it grows. Ten thousand points as one tree of objects would be some 12 MiB. */
struct text {
    char *bytes;
    size_t n, cap;
    bool failed;
};

static int append(const char *bytes, size_t n, void *ctx)
{
    struct text *t = ctx;
    if (t->cap - t->n < n && !t->failed) {
        size_t cap = 2 * t->cap + n + TEXT_STEP;
        char *larger = realloc(t->bytes, cap);
        t->failed = !larger;
        if (larger) {
            t->bytes = larger;
            t->cap = cap;
        }
    }
    if (t->failed)
        return -1;
    memcpy(t->bytes + t->n, bytes, n);
    t->n += n;
    return 0;
}

static void add(struct text *t, const char *words)
{
    append(words, strlen(words), t);
}

/* Takes the value over. */
static void add_value(struct text *t, json_t *value)
{
    if (!value || json_dump_callback(value, append, t, JSON_COMPACT) < 0)
        t->failed = true;
    json_decref(value);
}

static void add_buses(struct text *t, const struct pipeline *p)
{
    add(t, ",\"buses\":[");
    for (size_t b = 0; b < p->config->n_buses; b++) {
        add(t, b > 0 ? "," : "");
        add_value(t, bus(p, b));
    }
    add(t, "]");
}

static void add_devices(struct text *t, const struct pipeline *p, const char *only,
                        const struct clock_time *now)
{
    add(t, ",\"devices\":[");
    for (size_t d = 0; !only && d < p->config->n_devices; d++) {
        add(t, d > 0 ? "," : "");
        add_value(t, device(p, d, now));
    }
    add(t, "]");
}

static void add_machines(struct text *t, const struct pipeline *p, const char *only)
{
    bool first = true;
    add(t, ",\"machines\":[");
    for (size_t i = 0; i < p->config->n_machines; i++) {
        if (only && strcmp(only, p->config->machines[i].name) != 0)
            continue;
        add(t, first ? "" : ",");
        add_value(t, machine(p->machines[i]));
        first = false;
    }
    add(t, "]");
}

static json_t *config_in_force(const struct pipeline *p)
{
    const struct reload_outcome *r = &p->reload;
    return json_pack("{ss sI sI sI sb ss}", "file", p->config_file ? p->config_file : "", "reloads",
                     (json_int_t)r->n_done, "refused", (json_int_t)r->n_refused, "last_ts_ms",
                     (json_int_t)(r->at_us / 1000), "last_refused", (int)r->refused, "text",
                     r->text);
}

static json_t *gateway(const struct pipeline *p, const struct clock_time *now)
{
    return json_pack(
        "{ss ss ss sI sI sb sI sI sI so so so}", "version", MW_VERSION, "site", p->config->site,
        "gateway", p->config->gateway, "ts_ms", (json_int_t)(now->utc_us / 1000), "uptime_s",
        (json_int_t)((now->mono_us - p->started_us) / 1000000), "clock_synced",
        (int)p->timebase.synced, "polls", (json_int_t)pipeline_polls(p), "windows",
        (json_int_t)pipeline_windows(p), "bytes_polled", (json_int_t)pipeline_bytes_polled(p),
        "broker", broker(p, now), "store", store(p), "config", config_in_force(p));
}

char *status_json(const struct pipeline *p, const char *only, const struct clock_time *now)
{
    struct text text = { 0 };
    add_value(&text, gateway(p, now));
    if (text.n > 0)
        text.n--; /* the brace is closed behind the lists */
    add_buses(&text, p);
    add_devices(&text, p, only, now);
    add_machines(&text, p, only);
    append("}\n", sizeof "}\n", &text);
    if (text.failed) {
        free(text.bytes);
        return NULL;
    }
    return text.bytes;
}
