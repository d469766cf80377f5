/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/expiry.h"
#include "daemon/store_parts.h"
#include "storage/outbox.h"
#include "storage/timebase.h"

#include <string.h>

#define STATS_US     1000000
#define RETRY_US     1000000
#define FULL_US      10000
#define FRAMES_STEP  2048
#define ALARM_BLOCKS 10 /* written after an alarm's change whatever the write budget says */
/* What one group can tell main: a blob and an alert of each order, and the rest of a step. */
#define REPORTS_STEP (4 * STORE_GROUP_MAX)

/* ---- orders of the pipeline ---- */

int store_put_blob(struct store_stage *s, const struct store_order *order)
{
    if (order->blob == NO_BLOB || order->machine >= s->config->n_machines)
        return MW_OK;
    const uint8_t *blob = s->pipeline->blobs + (size_t)order->blob * s->pipeline->blob_bytes;
    uint32_t n;
    memcpy(&n, blob, sizeof n);
    return state_put(s->db, "detector", store_machine_name(s, order->machine), blob + sizeof n, n);
}

int store_push_event(struct store_stage *s, const struct mw_event *event, int64_t offset_us)
{
    struct mw_event numbered = *event;
    numbered.seq = outbox_next_seq(s->db);
    struct outbox_message message = { .seq = numbered.seq,
                                      .at_us = event->at_us,
                                      .offset_us = offset_us,
                                      .severity = event->severity };
    int n = mw_event_encode(&numbered, message.bytes, sizeof message.bytes);
    if (n < 0)
        return n;
    message.n_bytes = (uint16_t)n;
    return outbox_push(s->db, &message);
}

int store_tell_rewound(struct store_stage *s, int64_t at_us, int64_t offset_us)
{
    const struct db_rewound *r = &s->rewound;
    if (r->last_seq == 0 || s->tells_rewound)
        return MW_OK;
    struct mw_event event = { .kind = MW_EVENT_STORE_REWOUND,
                              .severity = MW_SEVERITY_WARNING,
                              .at_us = at_us,
                              .n_bytes = r->n_bytes,
                              .n_wal_bytes = r->n_wal_bytes,
                              .first_seq = r->first_seq,
                              .last_seq = r->last_seq };
    int result = store_push_event(s, &event, offset_us);
    s->tells_rewound = result >= 0;
    return result;
}

static int put_rows(struct store_stage *s, const struct store_order *order,
                    const struct mw_alert *alert)
{
    int result = history_alert(s->db, alert, order->offset_us);
    if (result >= 0)
        result =
            state_put(s->db, "alarm", order->alarm_name, order->alarm_state, order->n_alarm_state);
    if (result >= 0 && alert->event == MW_ALERT_RAISED)
        result = state_put(s->db, "counter", "alarm_number", &alert->number, sizeof alert->number);
    return result;
}

static int put_alert(struct store_stage *s, const struct store_order *order)
{
    struct mw_alert alert = order->alert;
    int result = store_tell_rewound(s, alert.at_us, order->offset_us);
    if (result < 0)
        return result;
    alert.seq = outbox_next_seq(s->db);
    struct outbox_message message = { .seq = alert.seq,
                                      .at_us = alert.at_us,
                                      .offset_us = order->offset_us,
                                      .severity = alert.severity };
    memcpy(message.subject, alert.subject, sizeof message.subject);
    result = mw_alert_encode(&alert, message.bytes, sizeof message.bytes);
    if (result < 0)
        return result;
    message.n_bytes = (uint16_t)result;
    result = outbox_push(s->db, &message);
    if (result >= 0)
        result = put_rows(s, order, &alert);
    if (result >= 0)
        result = store_put_blob(s, order);
    if (result < 0)
        return result;
    if (order->machine < s->config->n_machines)
        s->keeps[order->machine] = ALARM_BLOCKS;
    s->committed[s->n_committed++] =
        (struct store_report){ .kind = STORE_ALERTED, .machine = order->machine, .seq = alert.seq };
    return MW_OK;
}

/* A certificate's threshold is remembered with its event, so that it is told once. */
static int put_event(struct store_stage *s, const struct store_order *order)
{
    struct mw_event event = order->event;
    struct expiry_told told = { event.not_after_us, event.days };
    int result = store_tell_rewound(s, event.at_us, order->offset_us);
    if (result >= 0)
        result = store_push_event(s, &event, order->offset_us);
    if (result >= 0 && event.kind == MW_EVENT_CERTIFICATE_EXPIRES)
        result = state_put(s->db, "certificate",
                           expiry_name((enum mw_certificate)event.certificate), &told, sizeof told);
    return result;
}

static int set_clock(struct store_stage *s, const struct store_order *order)
{
    s->correcting = true;
    s->offset_us = order->offset_us;
    s->synced = order->synced;
    int result = timebase_set(s->db, order->offset_us, order->synced);
    return result < 0 ? result : history_set_clock(s, order->offset_us, order->synced);
}

/* One that a person waits for says that the machine's present level is right. */
static int put_state(struct store_stage *s, const struct store_order *order)
{
    int result = store_put_blob(s, order);
    return result >= 0 && order->urgent ? history_forget_windows(s, order->machine) : result;
}

static int do_order(struct store_stage *s, const struct store_order *order)
{
    switch (order->kind) {
    case STORE_ALERT: return put_alert(s, order);
    case STORE_STATE: return put_state(s, order);
    case STORE_LEARN: return learner_start(s, order->machine);
    case STORE_ACTIVATE: return learner_settle_model(s, order, true);
    case STORE_REJECT: return learner_settle_model(s, order, false);
    case STORE_CLOCK: return set_clock(s, order);
    case STORE_EVENT: return put_event(s, order);
    }
    return MW_OK;
}

/* Whether trying again cannot help: such an order is reported and dropped, else it would block all
 * that follow. */
static bool is_hopeless(int result)
{
    return result == MW_ERR_NOT_FOUND || result == MW_ERR_INVALID || result == MW_ERR_TOO_BIG ||
           result == MW_ERR_FORMAT || result == MW_ERR_UNSUPPORTED;
}

static int apply_orders(struct store_stage *s, int64_t now_us)
{
    struct store_order order;
    while (s->n_orders < STORE_GROUP_MAX &&
           mw_ring_peek(&s->pipeline->orders, s->n_orders, &order)) {
        int result = store_open_group(s, now_us);
        if (result >= 0)
            result = do_order(s, &order);
        if (is_hopeless(result))
            store_trouble(s, "an order was dropped", result);
        else if (result < 0)
            return result;
        s->n_orders++;
        s->urgent = s->urgent || order.kind != STORE_STATE || order.urgent;
    }
    return MW_OK;
}

/* ---- orders of the link ---- */

static void note_want(struct store_stage *s, const struct outbox_order *order)
{
    s->ask = order->ask;
    s->request = order->request;
    s->wanted = true;
    s->want_waits = s->n_outbox_orders > 0;
}

/* A question needs no transaction; behind acknowledgements it waits for theirs, so that nothing
 * that was delivered is named again. */
static int apply_outbox_orders(struct store_stage *s, int64_t now_us)
{
    struct outbox_order order;
    while (mw_ring_peek(s->outbox_orders, s->n_outbox_orders, &order)) {
        int result = MW_OK;
        if (order.kind == OUTBOX_WANT) {
            note_want(s, &order);
            if (s->n_outbox_orders == 0) {
                mw_ring_pop(s->outbox_orders, &order);
                continue;
            }
        } else {
            result = store_open_group(s, now_us);
        }
        if (result >= 0 && order.kind == OUTBOX_ACK)
            result = outbox_acknowledged(s->db, order.seq);
        if (result >= 0 && order.kind == OUTBOX_DEAD)
            result = outbox_dead_letter(s->db, order.seq, order.reason);
        if (result < 0)
            return result;
        s->holds_acks = true;
        s->n_outbox_orders++;
    }
    return MW_OK;
}

/* Not while a group holds new messages: the link is shown committed ones only. Acknowledgements
 * that are not committed yet are no obstacle: what they take out is not shown, and should they be
 * rolled back, they are applied again. */
static int serve_link(struct store_stage *s)
{
    size_t n = 0;
    if (!s->wanted || STORE_NEWS_ITEMS - mw_ring_count(&s->news) < OUTBOX_BATCH + 2)
        return MW_OK;
    int result = outbox_next(s->db, &s->ask, s->served, OUTBOX_BATCH, &n);
    if (result < 0)
        return result;
    struct outbox_news news = { .kind = OUTBOX_MESSAGE, .request = s->request };
    for (size_t i = 0; i < n; i++) {
        news.message = s->served[i];
        mw_ring_offer(&s->news, &news);
    }
    news.kind = OUTBOX_SERVED;
    news.highest = s->highest;
    news.more = n == OUTBOX_BATCH;
    mw_ring_offer(&s->news, &news);
    s->wanted = false;
    worker_wake(s->link);
    return MW_OK;
}

static void tell_highest(struct store_stage *s)
{
    if (s->highest == s->told || STORE_NEWS_ITEMS - mw_ring_count(&s->news) < 2)
        return;
    mw_ring_offer(&s->news, &(struct outbox_news){ .kind = OUTBOX_HIGHEST, .highest = s->highest });
    s->told = s->highest;
    worker_wake(s->link);
}

/* ---- history ---- */

bool store_take_frames(struct store_stage *s)
{
    struct frame_record record;
    for (int i = 0; i < FRAMES_STEP && mw_ring_pop(&s->pipeline->frames, &record); i++)
        if (history_take(s, &record))
            break;
    return mw_ring_count(&s->pipeline->frames) > 0;
}

/* ---- the step ---- */

/* Of the database, with what history in memory has counted by itself. */
static struct db_stats stats_of(const struct store_stage *s)
{
    struct db_stats stats = db_stats(s->db);
    if (s->history == s->db)
        return stats;
    struct db_stats ram = db_stats(s->history);
    stats.n_history_frames = ram.n_history_frames;
    stats.n_history_blocks = ram.n_history_blocks;
    stats.n_rollups = ram.n_rollups;
    stats.n_windows = ram.n_windows;
    stats.n_pruned_rollups = ram.n_pruned_rollups;
    return stats;
}

static void hand_out_stats(struct store_stage *s, int64_t now_us)
{
    if (now_us < s->stats_us)
        return;
    s->stats_us = now_us + STATS_US;
    store_report(s, &(struct store_report){
                        .kind = STORE_STATS, .stats = stats_of(s), .figures = s->figures });
}

/* Acknowledgements, alarms and history are groups of their own: where one cannot be stored, the
 * others still can, and deletes make room. */
int store_apply_all(struct store_stage *s, const struct clock_time *now)
{
    int result = apply_outbox_orders(s, now->mono_us);
    if (result >= 0 && s->n_outbox_orders > 0 && mw_ring_count(&s->pipeline->orders) > s->n_orders)
        result = store_close_group(s, now->mono_us);
    if (result >= 0)
        result = apply_orders(s, now->mono_us);
    if (result >= 0 && s->urgent)
        result = store_close_group(s, now->mono_us);
    return result;
}

static int64_t step(void *ctx, const struct clock_time *now)
{
    struct store_stage *s = ctx;
    bool more = store_take_frames(s);
    hand_out_stats(s, now->mono_us);
    if (now->mono_us < s->retry_us)
        return s->retry_us - now->mono_us;
    /* Main must hear of every blob and every model; where it lags behind, nothing new is begun. */
    if (s->reports.capacity - mw_ring_count(&s->reports) < REPORTS_STEP)
        return FULL_US;
    int result = store_apply_all(s, now);
    if (result >= 0)
        result = history_keep(s, now);
    if (result < 0)
        store_abandon_group(s, "cannot store", result, now->mono_us);
    learner_step(s, now);
    bool full = s->urgent || s->n_outbox_orders >= STORE_ACKS_MAX || now->mono_us >= s->commit_us;
    if (s->in_group && full)
        store_close_group(s, now->mono_us);
    if (serve_link(s) < 0)
        s->retry_us = now->mono_us + RETRY_US;
    tell_highest(s);
    more = text_serve(s) || more;
    if (more || mw_ring_count(&s->pipeline->orders) > s->n_orders)
        return 0;
    return s->in_group ? s->commit_us - now->mono_us : STORE_IDLE_US;
}

struct stage store_stage(struct store_stage *stage)
{
    return (struct stage){ .name = "store", .bound_us = 20000000, .step = step, .ctx = stage };
}
