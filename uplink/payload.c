/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/payload.h"
#include "base/result.h"
#include "uplink/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_MAX 240 /* the line for people; what is longer is cut */
#define ID_MAX      512

/* Floor, so that a millisecond begins where its digits in the text do. */
static int64_t to_ms(int64_t us)
{
    return us / 1000 - (us % 1000 < 0);
}

/* 100 at rest, 50 at the threshold, towards 0 beyond: 100 / (1 + score^2). */
static void put_health(struct json *j, float score)
{
    if (isfinite(score))
        emit_int(j, "health", (int64_t)(100.0f / (1.0f + score * score) + 0.5f));
}

static void put_gateway(struct json *j, const struct payload_gateway *gateway)
{
    emit_string(j, "site", gateway->site);
    emit_string(j, "gateway", gateway->gateway);
}

static void put_severity(struct json *j, uint8_t severity)
{
    emit_string(j, "severity", mw_severity_text(severity));
    emit_uint(j, "severity_num", severity);
}

static void put_ids(struct json *j, const struct payload_gateway *gateway, const struct mw_alert *a)
{
    char id[ID_MAX];
    (void)snprintf(id, sizeof id, "%s/%" PRIu64, gateway->gateway, a->seq);
    emit_string(j, "id", id);
    /* A machine's alarm may blame another point as it goes on; a sensor's is about that point. */
    const char *point = a->class == MW_ALARM_SENSOR ? a->point : "";
    (void)snprintf(id, sizeof id, "%s/%s/%s%s%s/%06" PRIu32, gateway->gateway, a->subject,
                   mw_alarm_class_text(a->class), point[0] ? "/" : "", point, a->number);
    emit_string(j, "alarm_id", id);
}

static void put_times(struct json *j, const struct mw_alert *a, int64_t published_us, bool replayed)
{
    emit_instant(j, "ts", a->at_us);
    emit_int(j, "ts_ms", to_ms(a->at_us));
    emit_int(j, "since_ms", to_ms(a->since_us));
    emit_int(j, "published_ts_ms", to_ms(published_us));
    emit_bool(j, "replayed", replayed);
    emit_bool(j, "clock_synced", a->clock_synced);
}

static void put_top(struct json *j, const struct mw_alert *a)
{
    if (a->n_contributors == 0)
        return;
    const struct mw_contributor *top = &a->contributors[0];
    emit_string(j, "top_channel", top->name);
    emit_float(j, "top_share", top->share);
    emit_float(j, "top_value", top->value);
    emit_float(j, "top_expected", top->expected);
    emit_string(j, "top_unit", top->unit);
}

static void put_digest(struct json *j, const uint8_t digest[8])
{
    static const uint8_t none[8];
    char hex[17] = "";
    if (memcmp(digest, none, sizeof none) != 0)
        for (int i = 0; i < 8; i++)
            (void)snprintf(hex + 2L * i, 3, "%02x", (unsigned)digest[i]);
    emit_string(j, "model", hex);
}

static void put_contributors(struct json *j, const struct mw_alert *a, int n)
{
    emit_begin_array(j, "contributors");
    for (int i = 0; i < n; i++) {
        const struct mw_contributor *c = &a->contributors[i];
        emit_begin_object(j);
        emit_string(j, "channel", c->name);
        emit_float(j, "value", c->value);
        emit_float(j, "expected", c->expected);
        emit_string(j, "unit", c->unit);
        emit_float(j, "share", c->share);
        emit_end_object(j);
    }
    emit_end_array(j);
}

/* "model, score 1.31", "limit high, score 1.2": who speaks, and how loud. */
static void word_detector(char *text, size_t cap, const struct mw_alert *a)
{
    const char *condition = mw_condition_text(a->condition);
    bool plain = a->condition == MW_CONDITION_ANOMALY || a->condition == MW_CONDITION_TREND ||
                 a->condition == MW_CONDITION_NONE;
    (void)snprintf(text, cap, "%s%s%s, score %.3g", mw_detector_text(a->detector), plain ? "" : " ",
                   plain ? "" : condition, isfinite(a->score) ? (double)a->score : 0.0);
}

/* "vel_rms_z 6.4 mm/s, expected 2.1"; of a limit "..., limit 4.5" */
static void word_top(char *text, size_t cap, const struct mw_alert *a)
{
    const struct mw_contributor *top = &a->contributors[0];
    bool known = a->n_contributors > 0 && isfinite(top->value) && isfinite(top->expected);
    if (known)
        (void)snprintf(text, cap, "%s %.3g%s%s, %s %.3g", top->name, (double)top->value,
                       top->unit[0] ? " " : "", top->unit,
                       a->detector == MW_DETECTOR_LIMIT ? "limit" : "expected",
                       (double)top->expected);
    else
        (void)snprintf(text, cap, "%s", a->point[0] ? a->point : "not itself");
}

/* What the alarm is about when it is not a machine's behaviour; both ends of its life. */
static const char *word_silence(const struct mw_alert *a, bool over)
{
    if (a->class == MW_ALARM_DEVICE)
        return over ? "answers again" : "does not answer";
    if (a->condition == MW_CONDITION_STUCK)
        return over ? "moves again" : "is stuck";
    return over ? "has values again" : "has no valid value";
}

/* One line, ready for a text message. */
static void word_message(char *text, size_t cap, const struct mw_alert *a)
{
    bool raised = a->event == MW_ALERT_RAISED;
    bool over = a->event == MW_ALERT_CLEARED;
    const char *event = raised ? "" : mw_alert_event_text(a->event);
    const char *comma = raised ? "" : ", ";
    char detector[80], top[120];
    word_detector(detector, sizeof detector, a);
    word_top(top, sizeof top, a);
    if (a->event == MW_ALERT_TEST)
        (void)snprintf(text, cap, "%s: test message", a->subject);
    else if (a->class == MW_ALARM_MACHINE && over)
        (void)snprintf(text, cap, "%s: cleared (%s)", a->subject, detector);
    else if (a->class == MW_ALARM_MACHINE)
        (void)snprintf(text, cap, "%s: %s%s%s (%s)", a->subject, event, comma, top, detector);
    else
        (void)snprintf(text, cap, "%s: %s%s%s%s%s", a->subject, event, comma, a->point,
                       a->point[0] ? " " : "", word_silence(a, over));
}

/* The alert with its n worst contributors. */
static int put_alert(char *ret_json, size_t cap, const struct payload_gateway *gateway,
                     const struct mw_alert *a, int64_t published_us, bool replayed, int n)
{
    struct json j;
    char message[MESSAGE_MAX];
    emit_open(&j, ret_json, cap);
    emit_string(&j, "schema", "millwright-alert/1");
    put_ids(&j, gateway, a);
    emit_uint(&j, "seq", a->seq);
    emit_string(&j, "event", mw_alert_event_text(a->event));
    emit_string(&j, "state", mw_alarm_state_text(a->state));
    put_severity(&j, a->severity);
    put_times(&j, a, published_us, replayed);
    put_gateway(&j, gateway);
    emit_string(&j, a->class == MW_ALARM_DEVICE ? "device" : "machine", a->subject);
    emit_string(&j, "class", mw_alarm_class_text(a->class));
    emit_string(&j, "detector", mw_detector_text(a->detector));
    emit_string(&j, "condition", mw_condition_text(a->condition));
    emit_string(&j, "point", a->point);
    emit_float(&j, "score", a->score);
    emit_float(&j, "threshold", 1.0f);
    emit_float(&j, "clear_below", a->clear_below);
    if (a->class == MW_ALARM_MACHINE)
        put_health(&j, a->score);
    put_top(&j, a);
    put_digest(&j, a->model_digest);
    emit_string(&j, "model_state", mw_model_state_text(a->model_state));
    word_message(message, sizeof message, a);
    emit_string(&j, "message", message);
    put_contributors(&j, a, n);
    return emit_close(&j);
}

int payload_alert(char *ret_json, size_t cap, const struct payload_gateway *gateway,
                  const struct mw_alert *alert, int64_t published_us, bool replayed)
{
    assert(alert->n_contributors <= MW_ALERT_CONTRIBUTORS);
    /* Names made of escapes alone may exceed PAYLOAD_MAX. An alert without its least contributors
     * is worth more than none. */
    int result = MW_ERR_NO_SPACE;
    for (int n = alert->n_contributors; n >= 0 && result == MW_ERR_NO_SPACE; n--)
        result = put_alert(ret_json, cap, gateway, alert, published_us, replayed, n);
    return result;
}

int payload_state(char *ret_json, size_t cap, const struct payload_gateway *gateway,
                  const struct payload_state *state)
{
    struct json j;
    emit_open(&j, ret_json, cap);
    emit_string(&j, "schema", "millwright-state/1");
    emit_instant(&j, "ts", state->at_us);
    emit_int(&j, "ts_ms", to_ms(state->at_us));
    emit_int(&j, "since_ms", to_ms(state->since_us));
    put_gateway(&j, gateway);
    emit_string(&j, "machine", state->machine);
    emit_bool(&j, "active", state->active);
    emit_string(&j, "state", mw_alarm_state_text(state->state));
    put_severity(&j, state->severity);
    /* Without an alarm no detector has spoken: both are "none" rather than left out. */
    emit_string(&j, "detector", state->detector ? mw_detector_text(state->detector) : "none");
    emit_string(&j, "condition", mw_condition_text(state->condition));
    emit_string(&j, "point", state->point ? state->point : "");
    emit_float(&j, "score", state->score);
    emit_float(&j, "threshold", 1.0f);
    put_health(&j, state->score);
    emit_uint(&j, "last_alert_seq", state->last_alert_seq);
    emit_string(&j, "model", state->model ? state->model : "");
    emit_string(&j, "model_state", mw_model_state_text(state->model_state));
    emit_string(&j, "data_quality", state->data_quality);
    return emit_close(&j);
}

static int status_number(const char *state)
{
    return strcmp(state, "online") == 0 ? 2 : strcmp(state, "degraded") == 0 ? 1 : 0;
}

static void put_counts(struct json *j, const struct payload_status *s)
{
    emit_int(j, "uptime_s", s->uptime_s);
    emit_bool(j, "clock_synced", s->clock_synced);
    emit_uint(j, "machines", s->n_machines);
    emit_uint(j, "machines_active", s->n_machines_active);
    emit_uint(j, "devices", s->n_devices);
    emit_uint(j, "devices_offline", s->n_devices_offline);
    emit_uint(j, "polls", s->n_polls);
    emit_uint(j, "windows", s->n_windows);
    emit_uint(j, "outbox_waiting", s->outbox_waiting);
    emit_uint(j, "outbox_dropped", s->outbox_dropped);
}

int payload_status(char *ret_json, size_t cap, const struct payload_gateway *gateway,
                   const struct payload_status *status)
{
    struct json j;
    int number = status_number(status->state);
    emit_open(&j, ret_json, cap);
    emit_string(&j, "schema", "millwright-status/1");
    emit_instant(&j, "ts", status->at_us);
    emit_int(&j, "ts_ms", to_ms(status->at_us));
    put_gateway(&j, gateway);
    emit_string(&j, "state", status->state);
    emit_int(&j, "state_num", number);
    emit_string(&j, "version", status->version);
    /* What a Will says is as old as its connection: no figures, so that nobody reads them as news.
     */
    if (number > 0)
        put_counts(&j, status);
    return emit_close(&j);
}
