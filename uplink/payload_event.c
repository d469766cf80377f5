/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alert.h"
#include "base/result.h"
#include "uplink/json.h"
#include "uplink/payload.h"

#include <inttypes.h>
#include <stdio.h>

static int64_t to_ms(int64_t us)
{
    return us / 1000 - (us % 1000 < 0);
}

static const char *word_reasons(uint8_t reasons)
{
    switch (reasons) {
    case MW_GAP_OUTBOX_LIMIT: return "outbox_full";
    case MW_GAP_STORE_FULL: return "store_full";
    default: return "outbox_and_store_full";
    }
}

static const char *word_certificate(uint8_t certificate)
{
    return certificate == MW_CERTIFICATE_CLIENT ? "client" : "authority";
}

/* One line, ready for a text message. */
static void put_message(struct json *j, const struct payload_gateway *gateway,
                        const struct mw_event *e)
{
    char text[480];
    const char *whose = word_certificate(e->certificate);
    if (e->kind == MW_EVENT_OUTBOX_GAP)
        (void)snprintf(text, sizeof text, "%.64s: %" PRIu64 " messages were given up: %s",
                       gateway->gateway, e->gap.n,
                       e->gap.reasons == MW_GAP_OUTBOX_LIMIT ? "the outbox was full"
                                                             : "the database was full");
    else if (e->kind == MW_EVENT_STORE_QUARANTINED)
        (void)snprintf(text, sizeof text,
                       "%.64s: the database was corrupt; it was put aside as %s, a new one begun",
                       gateway->gateway, e->file);
    else if (e->kind == MW_EVENT_CONFIG_REFUSED)
        (void)snprintf(text, sizeof text,
                       "%.64s: a new configuration was refused, nothing was changed: %s",
                       gateway->gateway, e->file);
    else if (e->kind == MW_EVENT_STORE_REWOUND)
        (void)snprintf(text, sizeof text,
                       "%.64s: the database lacks what it had (its log was cut or damaged, or it "
                       "was removed or replaced by an older copy): messages %" PRIu64 " to %" PRIu64
                       " are gone, but for those that had been delivered",
                       gateway->gateway, e->first_seq, e->last_seq);
    else if (e->days == 0)
        (void)snprintf(text, sizeof text, "%.64s: the %s certificate has expired", gateway->gateway,
                       whose);
    else
        (void)snprintf(text, sizeof text, "%.64s: the %s certificate expires within %u day%s",
                       gateway->gateway, whose, e->days, e->days == 1 ? "" : "s");
    emit_string(j, "message", text);
}

static void put_gap(struct json *j, const struct mw_gap *g)
{
    emit_uint(j, "count", g->n);
    emit_uint(j, "count_info", g->n_of_severity[MW_SEVERITY_INFO]);
    emit_uint(j, "count_warning", g->n_of_severity[MW_SEVERITY_WARNING]);
    emit_uint(j, "count_critical", g->n_of_severity[MW_SEVERITY_CRITICAL]);
    emit_uint(j, "count_ever", g->n_ever);
    emit_uint(j, "first_seq", g->first_seq);
    emit_uint(j, "last_seq", g->last_seq);
    emit_int(j, "from_ms", to_ms(g->from_us));
    emit_int(j, "to_ms", to_ms(g->to_us));
    emit_string(j, "reason", word_reasons(g->reasons));
}

static void put_certificate(struct json *j, const struct mw_event *e)
{
    emit_string(j, "certificate", word_certificate(e->certificate));
    emit_string(j, "file", e->file);
    emit_uint(j, "days", e->days);
    emit_int(j, "not_after_ms", to_ms(e->not_after_us));
}

int payload_event(char *ret_json, size_t cap, const struct payload_gateway *gateway,
                  const struct mw_event *e, int64_t published_us, bool replayed)
{
    struct json j;
    char id[MW_EVENT_FILE_MAX + 1];
    (void)snprintf(id, sizeof id, "%.200s/%" PRIu64, gateway->gateway, e->seq);
    emit_open(&j, ret_json, cap);
    emit_string(&j, "schema", "millwright-event/1");
    emit_string(&j, "id", id);
    emit_uint(&j, "seq", e->seq);
    emit_string(&j, "event", mw_event_kind_text(e->kind));
    emit_string(&j, "severity", mw_severity_text(e->severity));
    emit_uint(&j, "severity_num", e->severity);
    emit_instant(&j, "ts", e->at_us);
    emit_int(&j, "ts_ms", to_ms(e->at_us));
    emit_int(&j, "published_ts_ms", to_ms(published_us));
    emit_bool(&j, "replayed", replayed);
    emit_bool(&j, "clock_synced", e->clock_synced);
    emit_string(&j, "site", gateway->site);
    emit_string(&j, "gateway", gateway->gateway);
    if (e->kind == MW_EVENT_OUTBOX_GAP)
        put_gap(&j, &e->gap);
    if (e->kind == MW_EVENT_STORE_QUARANTINED) {
        emit_string(&j, "file", e->file);
        emit_uint(&j, "bytes", e->n_bytes);
        emit_uint(&j, "wal_bytes", e->n_wal_bytes);
    }
    if (e->kind == MW_EVENT_STORE_REWOUND) {
        emit_uint(&j, "first_seq", e->first_seq);
        emit_uint(&j, "last_seq", e->last_seq);
        emit_uint(&j, "bytes", e->n_bytes);
        emit_uint(&j, "wal_bytes", e->n_wal_bytes);
    }
    if (e->kind == MW_EVENT_CERTIFICATE_EXPIRES)
        put_certificate(&j, e);
    if (e->kind == MW_EVENT_CONFIG_REFUSED)
        emit_string(&j, "error", e->file);
    put_message(&j, gateway, e);
    return emit_close(&j);
}
