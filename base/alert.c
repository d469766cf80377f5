/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alert.h"
#include "base/bytes.h"
#include "base/result.h"

#define ALERT_VERSION 1

static void put_contributor(struct mw_writer *w, const struct mw_contributor *c)
{
    mw_put_u8(w, c->channel);
    mw_put_str8(w, c->name);
    mw_put_str8(w, c->unit);
    mw_put_f32le(w, c->value);
    mw_put_f32le(w, c->expected);
    mw_put_f32le(w, c->share);
}

static void get_contributor(struct mw_reader *r, struct mw_contributor *c)
{
    c->channel = mw_get_u8(r);
    mw_get_str8(r, c->name, sizeof c->name);
    mw_get_str8(r, c->unit, sizeof c->unit);
    c->value = mw_get_f32le(r);
    c->expected = mw_get_f32le(r);
    c->share = mw_get_f32le(r);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written through the writer */
int mw_alert_encode(const struct mw_alert *alert, uint8_t *ret_bytes, size_t cap)
{
    struct mw_writer w = { .bytes = ret_bytes, .n_bytes = cap };
    const uint8_t small[] = { ALERT_VERSION,      alert->event,          alert->state,
                              alert->class,       alert->severity,       alert->detector,
                              alert->condition,   alert->n_contributors, alert->model_state,
                              alert->clock_synced };
    mw_put_bytes(&w, small, sizeof small);
    mw_put_u64le(&w, alert->seq);
    mw_put_u32le(&w, alert->number);
    mw_put_u64le(&w, (uint64_t)alert->at_us);
    mw_put_u64le(&w, (uint64_t)alert->since_us);
    mw_put_f32le(&w, alert->score);
    mw_put_f32le(&w, alert->clear_below);
    mw_put_bytes(&w, alert->model_digest, sizeof alert->model_digest);
    mw_put_str8(&w, alert->subject);
    mw_put_str8(&w, alert->point);
    for (int i = 0; i < alert->n_contributors; i++)
        put_contributor(&w, &alert->contributors[i]);
    return w.failed ? MW_ERR_NO_SPACE : (int)w.at;
}

static void get_small(struct mw_reader *r, struct mw_alert *a)
{
    a->event = mw_get_u8(r);
    a->state = mw_get_u8(r);
    a->class = mw_get_u8(r);
    a->severity = mw_get_u8(r);
    a->detector = mw_get_u8(r);
    a->condition = mw_get_u8(r);
    a->n_contributors = mw_get_u8(r);
    a->model_state = mw_get_u8(r);
    a->clock_synced = mw_get_u8(r) != 0;
}

int mw_alert_decode(struct mw_alert *ret_alert, const uint8_t *bytes, size_t n_bytes)
{
    struct mw_reader r = { .bytes = bytes, .n_bytes = n_bytes };
    struct mw_alert a = { 0 };
    if (mw_get_u8(&r) != ALERT_VERSION)
        return MW_ERR_FORMAT;
    get_small(&r, &a);
    if (a.n_contributors > MW_ALERT_CONTRIBUTORS)
        return MW_ERR_FORMAT;
    a.seq = mw_get_u64le(&r);
    a.number = mw_get_u32le(&r);
    a.at_us = (int64_t)mw_get_u64le(&r);
    a.since_us = (int64_t)mw_get_u64le(&r);
    a.score = mw_get_f32le(&r);
    a.clear_below = mw_get_f32le(&r);
    for (size_t i = 0; i < sizeof a.model_digest; i++)
        a.model_digest[i] = mw_get_u8(&r);
    mw_get_str8(&r, a.subject, sizeof a.subject);
    mw_get_str8(&r, a.point, sizeof a.point);
    for (int i = 0; i < a.n_contributors; i++)
        get_contributor(&r, &a.contributors[i]);
    if (r.failed || r.at != n_bytes)
        return MW_ERR_FORMAT;
    *ret_alert = a;
    return MW_OK;
}

#define WORD(table, i) \
    ((i) < sizeof(table) / sizeof(table)[0] && (table)[i] ? (table)[i] : "unknown")

const char *mw_alert_event_text(uint8_t event)
{
    static const char *const words[] = {
        [MW_ALERT_RAISED] = "raised",
        [MW_ALERT_ESCALATED] = "escalated",
        [MW_ALERT_DEESCALATED] = "deescalated",
        [MW_ALERT_ACKNOWLEDGED] = "acknowledged",
        [MW_ALERT_CLEARED] = "cleared",
        [MW_ALERT_SHELVED] = "shelved",
        [MW_ALERT_UNSHELVED] = "unshelved",
        [MW_ALERT_SUPPRESSED] = "suppressed",
        [MW_ALERT_TEST] = "test",
    };
    return WORD(words, event);
}

const char *mw_alarm_state_text(uint8_t state)
{
    static const char *const words[] = {
        [MW_ALARM_NORMAL] = "normal",
        [MW_ALARM_ACTIVE_UNACKED] = "active_unacked",
        [MW_ALARM_ACTIVE_ACKED] = "active_acked",
        [MW_ALARM_CLEARED_UNACKED] = "cleared_unacked",
        [MW_ALARM_LATCHED] = "latched",
        [MW_ALARM_SHELVED] = "shelved",
        [MW_ALARM_SUPPRESSED] = "suppressed",
        [MW_ALARM_OUT_OF_SERVICE] = "out_of_service",
    };
    return WORD(words, state);
}

const char *mw_alarm_class_text(uint8_t class)
{
    static const char *const words[] = {
        [MW_ALARM_MACHINE] = "machine", [MW_ALARM_SENSOR] = "sensor", [MW_ALARM_DEVICE] = "device"
    };
    return WORD(words, class);
}

const char *mw_severity_text(uint8_t severity)
{
    static const char *const words[] = { "none", "info", "warning", "critical" };
    return WORD(words, severity);
}

void mw_alert_restamp(struct mw_alert *alert, int64_t offset_us, int64_t shift_us, bool synced)
{
    /* An episode that began before this boot keeps its beginning. */
    if (alert->since_us >= offset_us && alert->since_us <= alert->at_us)
        alert->since_us += shift_us;
    alert->at_us += shift_us;
    alert->clock_synced = alert->clock_synced || synced;
}

const char *mw_detector_text(uint8_t detector)
{
    static const char *const words[] = { [MW_DETECTOR_LIMIT] = "limit",
                                         [MW_DETECTOR_TREND] = "trend",
                                         [MW_DETECTOR_MODEL] = "model",
                                         [MW_DETECTOR_SENSOR] = "sensor" };
    return WORD(words, detector);
}

const char *mw_condition_text(uint8_t condition)
{
    static const char *const words[] = {
        [MW_CONDITION_NONE] = "none",           [MW_CONDITION_HIGH] = "high",
        [MW_CONDITION_HIGH_HIGH] = "high_high", [MW_CONDITION_LOW] = "low",
        [MW_CONDITION_RATE] = "rate",           [MW_CONDITION_TREND] = "trend",
        [MW_CONDITION_ANOMALY] = "anomaly",     [MW_CONDITION_NO_DATA] = "no_data",
        [MW_CONDITION_STUCK] = "stuck",
    };
    return WORD(words, condition);
}

const char *mw_model_state_text(uint8_t state)
{
    static const char *const words[] = { [MW_MODEL_ABSENT] = "absent",
                                         [MW_MODEL_NORMAL] = "normal",
                                         [MW_MODEL_ALARM] = "alarm",
                                         [MW_MODEL_RECOVERING] = "recovering",
                                         [MW_MODEL_HOLD] = "hold" };
    return WORD(words, state);
}
