/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store.h"
#include "base/result.h"
#include "daemon/spool.h"
#include "storage/outbox.h"
#include "storage/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_ITEMS 1024
#define NEWS_ITEMS   64
#define LOOK_US      500000
#define STATS_US     1000000
#define PRUNE_US     60000000
#define RETRY_US     1000000
#define FRAMES_STEP  2048

/* ---- telling others ---- */

static void report(struct store_stage *s, const struct store_report *item)
{
    mw_ring_push(&s->reports, item);
    worker_wake(s->main);
}

static void report_learning(struct store_stage *s, uint32_t machine)
{
    struct store_report item = { .kind = STORE_LEARNING,
                                 .machine = machine,
                                 .learn = s->learners[machine].progress };
    report(s, &item);
}

static void trouble(struct store_stage *s, const char *what, int result)
{
    struct store_report item = { .kind = STORE_TROUBLE };
    snprintf(item.text, sizeof item.text, "%s: %s (%.80s)", what, mw_result_text(result),
             db_error(s->db));
    if (!s->failing)
        report(s, &item);
    s->failing = true;
}

static void well(struct store_stage *s)
{
    if (s->failing)
        report(s, &(struct store_report){ .kind = STORE_WELL });
    s->failing = false;
}

/* ---- one transaction per group ---- */

static int open_group(struct store_stage *s, int64_t now_us)
{
    if (s->in_group)
        return MW_OK;
    int result = db_begin(s->db);
    if (result < 0)
        return result;
    s->in_group = true;
    s->urgent = false;
    s->commit_us = now_us + STORE_GROUP_US;
    return MW_OK;
}

static void abandon_group(struct store_stage *s, const char *what, int result, int64_t now_us)
{
    trouble(s, what, result);
    if (s->in_group)
        db_rollback(s->db);
    s->in_group = false;
    s->n_committed = 0;
    s->n_orders = 0;
    s->n_outbox_orders = 0;
    s->retry_us = now_us + RETRY_US;
}

static void take_applied(struct store_stage *s)
{
    struct store_order order;
    struct outbox_order outbox_order;
    for (; s->n_orders > 0 && mw_ring_pop(&s->pipeline->orders, &order); s->n_orders--)
        if (order.blob != NO_BLOB)
            report(s, &(struct store_report){ .kind = STORE_BLOB_FREE, .blob = order.blob });
    while (s->n_outbox_orders > 0 && mw_ring_pop(s->outbox_orders, &outbox_order))
        s->n_outbox_orders--;
}

static void tell_committed(struct store_stage *s)
{
    for (size_t i = 0; i < s->n_committed; i++) {
        if (s->committed[i].seq > s->highest)
            s->highest = s->committed[i].seq;
        report(s, &s->committed[i]);
    }
    s->n_committed = 0;
}

static void close_group(struct store_stage *s, int64_t now_us)
{
    if (!s->in_group)
        return;
    s->in_group = false;
    int result = db_commit(s->db);
    if (result < 0) {
        abandon_group(s, "cannot commit", result, now_us);
        return;
    }
    well(s);
    take_applied(s);
    tell_committed(s);
}

/* ---- orders of the pipeline ---- */

static const char *machine_name(const struct store_stage *s, uint32_t machine)
{
    return s->config->machines[machine].name;
}

static int put_blob(struct store_stage *s, const struct store_order *order)
{
    if (order->blob == NO_BLOB || order->machine >= s->config->n_machines)
        return MW_OK;
    const uint8_t *blob = s->pipeline->blobs + (size_t)order->blob * s->pipeline->blob_bytes;
    uint32_t n;
    memcpy(&n, blob, sizeof n);
    return state_put(s->db, "detector", machine_name(s, order->machine), blob + sizeof n, n);
}

static int put_rows(struct store_stage *s, const struct store_order *order,
                    const struct mw_alert *alert)
{
    int result = history_alert(s->db, alert);
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
    alert.seq = outbox_next_seq(s->db);
    struct outbox_message message = { .seq = alert.seq,
                                      .at_us = alert.at_us,
                                      .severity = alert.severity };
    int result = mw_alert_encode(&alert, message.bytes, sizeof message.bytes);
    if (result < 0)
        return result;
    message.n_bytes = (uint16_t)result;
    result = outbox_push(s->db, &message);
    if (result >= 0)
        result = put_rows(s, order, &alert);
    if (result >= 0)
        result = put_blob(s, order);
    if (result < 0)
        return result;
    s->committed[s->n_committed++] =
        (struct store_report){ .kind = STORE_ALERTED, .machine = order->machine, .seq = alert.seq };
    return MW_OK;
}

static int start_learning(struct store_stage *s, uint32_t machine)
{
    struct learner *l = &s->learners[machine];
    l->progress = (struct learn_progress){ .phase = LEARN_COLLECTING,
                                           .n_wanted = s->config->machines[machine].learn_rows };
    l->look_us = 0;
    report_learning(s, machine);
    return MW_OK;
}

static int settle_model(struct store_stage *s, const struct store_order *order, bool accepted)
{
    struct learner *l = &s->learners[order->machine];
    int result = registry_set_state(s->db, s->machines[order->machine], order->digest,
                                    accepted ? MODEL_ACTIVE : MODEL_RETIRED);
    if (result >= 0 && accepted)
        result = put_blob(s, order);
    if (l->progress.phase == LEARN_INSTALLING) {
        l->progress.phase = accepted ? LEARN_DONE : LEARN_FAILED;
        l->progress.percent = 100;
        if (!accepted)
            snprintf(l->progress.text, sizeof l->progress.text, "the model was refused");
        report_learning(s, order->machine);
    }
    return result;
}

static int do_order(struct store_stage *s, const struct store_order *order)
{
    switch (order->kind) {
    case STORE_ALERT: return put_alert(s, order);
    case STORE_STATE: return put_blob(s, order);
    case STORE_LEARN: return start_learning(s, order->machine);
    case STORE_ACTIVATE: return settle_model(s, order, true);
    case STORE_REJECT: return settle_model(s, order, false);
    }
    return MW_OK;
}

static int apply_orders(struct store_stage *s, int64_t now_us)
{
    struct store_order order;
    while (s->n_orders < STORE_GROUP_MAX &&
           mw_ring_peek(&s->pipeline->orders, s->n_orders, &order)) {
        int result = open_group(s, now_us);
        if (result >= 0)
            result = do_order(s, &order);
        if (result < 0)
            return result;
        s->n_orders++;
        s->urgent = s->urgent || order.kind != STORE_STATE;
    }
    return MW_OK;
}

/* ---- orders of the link ---- */

static int apply_outbox_orders(struct store_stage *s, int64_t now_us)
{
    struct outbox_order order;
    while (mw_ring_peek(s->outbox_orders, s->n_outbox_orders, &order)) {
        int result = MW_OK;
        if (order.kind == OUTBOX_WANT) {
            s->want_after = order.seq;
            s->request = order.request;
            s->wanted = true;
        }
        result = open_group(s, now_us);
        if (result >= 0 && order.kind == OUTBOX_ACK)
            result = outbox_acknowledged(s->db, order.seq);
        if (result >= 0 && order.kind == OUTBOX_DEAD)
            result = outbox_dead_letter(s->db, order.seq, order.reason);
        if (result < 0)
            return result;
        s->n_outbox_orders++;
    }
    return MW_OK;
}

/* Called with no group open: the link is shown committed messages only. */
static int serve_link(struct store_stage *s)
{
    struct outbox_message messages[LINK_WINDOW_MAX];
    size_t n = 0;
    if (!s->wanted || NEWS_ITEMS - mw_ring_count(&s->news) < LINK_WINDOW_MAX + 2)
        return MW_OK;
    int result = outbox_peek(s->db, s->want_after, messages, LINK_WINDOW_MAX, &n);
    if (result < 0)
        return result;
    struct outbox_news news = { .kind = OUTBOX_MESSAGE, .request = s->request };
    for (size_t i = 0; i < n; i++) {
        news.message = messages[i];
        mw_ring_offer(&s->news, &news);
    }
    news.kind = OUTBOX_SERVED;
    news.highest = s->highest;
    mw_ring_offer(&s->news, &news);
    s->wanted = false;
    worker_wake(s->link);
    return MW_OK;
}

static void tell_highest(struct store_stage *s)
{
    if (s->highest == s->told || NEWS_ITEMS - mw_ring_count(&s->news) < 2)
        return;
    mw_ring_offer(&s->news, &(struct outbox_news){ .kind = OUTBOX_HIGHEST, .highest = s->highest });
    s->told = s->highest;
    worker_wake(s->link);
}

/* ---- history ---- */

static void take_frames(struct store_stage *s)
{
    struct frame_record record;
    for (int i = 0; i < FRAMES_STEP && mw_ring_pop(&s->pipeline->frames, &record); i++)
        if (history_add(s->writers[record.machine], &record.frame, record.score) > 0)
            s->due[record.machine] = true;
}

static int write_blocks(struct store_stage *s, int64_t now_us)
{
    for (size_t m = 0; m < s->config->n_machines; m++) {
        if (!s->due[m])
            continue;
        int result = open_group(s, now_us);
        if (result >= 0)
            result = history_write(s->writers[m], s->db);
        if (result < 0)
            return result;
        s->due[m] = false;
    }
    return MW_OK;
}

static int prune(struct store_stage *s, const struct clock_time *now)
{
    if (now->mono_us < s->prune_us)
        return MW_OK;
    s->prune_us = now->mono_us + PRUNE_US;
    int result = open_group(s, now->mono_us);
    return result < 0 ? result : db_prune(s->db, now->utc_us);
}

/* ---- learning ---- */

static void fail_learning(struct store_stage *s, uint32_t machine, const char *text)
{
    struct learner *l = &s->learners[machine];
    l->progress.phase = LEARN_FAILED;
    snprintf(l->progress.text, sizeof l->progress.text, "%s", text);
    report_learning(s, machine);
}

static bool is_whole(const struct machine_config *machine, const struct mw_frame *frame)
{
    for (uint16_t c = 0; c < machine->detector.n_channels; c++)
        if (machine->detector.channels[c].role != MW_ROLE_OFF && !(frame->valid & 1u << c))
            return false;
    return true;
}

static int open_reader(struct store_stage *s, uint32_t machine, struct history_reader **ret_reader)
{
    const struct mw_detector_config *d = &s->config->machines[machine].detector;
    const char *names[MW_MAX_CHANNELS];
    for (uint16_t c = 0; c < d->n_channels; c++)
        names[c] = d->channels[c].name;
    return history_reader_open(ret_reader, s->db, s->machines[machine], names, d->n_channels, 0,
                               INT64_MAX);
}

/* Frames with every channel of the model valid; those before the first 'skip' of them are passed
 * over, the rest exported (export NULL: counted only). */
static int walk(struct store_stage *s, uint32_t machine, uint32_t skip, struct spool_export *export,
                uint32_t *ret_n)
{
    struct history_reader *reader = NULL;
    struct mw_frame frame;
    uint32_t n = 0;
    int result = open_reader(s, machine, &reader);
    while (result >= 0 && (result = history_reader_next(reader, &frame, NULL)) >= 0)
        if (is_whole(&s->config->machines[machine], &frame) && n++ >= skip && export)
            result = spool_export_row(export, &frame);
    history_reader_close(reader);
    *ret_n = n;
    return result == MW_ERR_NOT_FOUND ? MW_OK : result;
}

static void export_rows(struct store_stage *s, uint32_t machine, uint32_t n_rows)
{
    struct learner *l = &s->learners[machine];
    struct spool_export *export = NULL;
    uint32_t skip = n_rows - l->progress.n_wanted, n = 0;
    int result = spool_export_open(&export, s->config->spool, &s->config->machines[machine]);
    if (result >= 0) {
        result = walk(s, machine, skip, export, &n);
        int closed = spool_export_close(export, result < 0);
        result = result < 0 ? result : closed;
    }
    if (result < 0) {
        char text[120];
        snprintf(text, sizeof text, "cannot write the data set into %.60s: %s", s->config->spool,
                 mw_result_text(result));
        fail_learning(s, machine, text);
        return;
    }
    l->progress.phase = LEARN_TRAINING;
    l->progress.percent = 0;
    report_learning(s, machine);
}

static void collect(struct store_stage *s, uint32_t machine, int64_t now_us)
{
    struct learner *l = &s->learners[machine];
    uint32_t n = 0;
    int result = MW_OK;
    if (history_pending(s->writers[machine])) {
        result = open_group(s, now_us);
        if (result >= 0)
            result = history_write(s->writers[machine], s->db);
        s->due[machine] = false;
        close_group(s, now_us);
    }
    if (result >= 0)
        result = walk(s, machine, UINT32_MAX, NULL, &n);
    if (result < 0) {
        fail_learning(s, machine, "the history cannot be read");
        return;
    }
    uint32_t wanted = l->progress.n_wanted;
    l->progress.n_rows = n < wanted ? n : wanted;
    l->progress.percent = (uint8_t)(100u * (uint64_t)l->progress.n_rows / wanted);
    report_learning(s, machine);
    if (n >= wanted)
        export_rows(s, machine, n);
}

static void bring_home(struct store_stage *s, uint32_t machine, const struct clock_time *now)
{
    struct learner *l = &s->learners[machine];
    struct store_report item = { .kind = STORE_MODEL, .machine = machine };
    uint32_t n_rows = 0;
    int result = spool_take(s->config->spool, machine_name(s, machine), &item.model, &item.n_model,
                            &n_rows, &l->progress.r2);
    if (result >= 0)
        result = open_group(s, now->mono_us);
    if (result >= 0)
        result = registry_add(s->db, s->machines[machine], item.model, item.n_model, n_rows,
                              l->progress.r2, now->utc_us, item.digest);
    if (result < 0) {
        free(item.model);
        fail_learning(s, machine, "the trained model cannot be stored");
        return;
    }
    s->urgent = true;
    spool_clear(s->config->spool, machine_name(s, machine));
    l->progress.phase = LEARN_INSTALLING;
    report_learning(s, machine);
    report(s, &item);
}

static void look_at_spool(struct store_stage *s, uint32_t machine, const struct clock_time *now)
{
    struct learner *l = &s->learners[machine];
    char text[120];
    uint8_t percent = l->progress.percent;
    switch (spool_look(s->config->spool, machine_name(s, machine), &percent, text, sizeof text)) {
    case SPOOL_WAITING:
        if (percent != l->progress.percent) {
            l->progress.percent = percent;
            report_learning(s, machine);
        }
        break;
    case SPOOL_DONE: bring_home(s, machine, now); break;
    case SPOOL_FAILED:
        spool_clear(s->config->spool, machine_name(s, machine));
        fail_learning(s, machine, text);
        break;
    }
}

static void step_learning(struct store_stage *s, const struct clock_time *now)
{
    for (uint32_t m = 0; m < s->config->n_machines; m++) {
        struct learner *l = &s->learners[m];
        bool waits = l->progress.phase == LEARN_COLLECTING || l->progress.phase == LEARN_TRAINING;
        if (!waits || now->mono_us < l->look_us)
            continue;
        l->look_us = now->mono_us + LOOK_US;
        if (l->progress.phase == LEARN_COLLECTING)
            collect(s, m, now->mono_us);
        else
            look_at_spool(s, m, now);
    }
}

/* ---- the step ---- */

static void hand_out_stats(struct store_stage *s, int64_t now_us)
{
    if (now_us < s->stats_us)
        return;
    s->stats_us = now_us + STATS_US;
    report(s, &(struct store_report){ .kind = STORE_STATS, .stats = db_stats(s->db) });
}

static int apply_all(struct store_stage *s, const struct clock_time *now)
{
    int result = apply_orders(s, now->mono_us);
    if (result >= 0)
        result = apply_outbox_orders(s, now->mono_us);
    if (result >= 0)
        result = write_blocks(s, now->mono_us);
    if (result >= 0)
        result = prune(s, now);
    return result;
}

static int64_t step(void *ctx, const struct clock_time *now)
{
    struct store_stage *s = ctx;
    take_frames(s);
    hand_out_stats(s, now->mono_us);
    if (now->mono_us < s->retry_us)
        return s->retry_us - now->mono_us;
    int result = apply_all(s, now);
    if (result < 0)
        abandon_group(s, "cannot store", result, now->mono_us);
    step_learning(s, now);
    if (s->in_group && (s->urgent || s->wanted || now->mono_us >= s->commit_us))
        close_group(s, now->mono_us);
    if (!s->in_group && serve_link(s) < 0)
        s->retry_us = now->mono_us + RETRY_US;
    tell_highest(s);
    return s->in_group ? s->commit_us - now->mono_us : LOOK_US;
}

struct stage store_stage(struct store_stage *stage)
{
    return (struct stage){ .name = "store", .bound_us = 20000000, .step = step, .ctx = stage };
}

/* ---- life ---- */

static int make_memory(struct store_stage *s)
{
    size_t n = s->config->n_machines + 1;
    s->machines = calloc(n, sizeof *s->machines);
    s->writers = calloc(n, sizeof(struct history_writer *));
    s->learners = calloc(n, sizeof *s->learners);
    s->due = calloc(n, sizeof *s->due);
    s->report_items = calloc(REPORT_ITEMS, sizeof *s->report_items);
    s->news_items = calloc(NEWS_ITEMS, sizeof *s->news_items);
    if (!s->machines || !s->writers || !s->learners || !s->due || !s->report_items ||
        !s->news_items)
        return MW_ERR_NO_MEMORY;
    mw_ring_init(&s->reports, s->report_items, sizeof *s->report_items, REPORT_ITEMS);
    mw_ring_init(&s->news, s->news_items, sizeof *s->news_items, NEWS_ITEMS);
    return MW_OK;
}

static int make_writer(struct store_stage *s, uint32_t m)
{
    const struct mw_detector_config *d = &s->config->machines[m].detector;
    const char *names[MW_MAX_CHANNELS];
    for (uint16_t c = 0; c < d->n_channels; c++)
        names[c] = d->channels[c].name;
    int result = db_machine(s->db, machine_name(s, m), &s->machines[m]);
    if (result >= 0)
        result = history_writer_create(&s->writers[m], s->machines[m], names, d->n_channels,
                                       s->config->store.block_us);
    return result;
}

static int make_writers(struct store_stage *s)
{
    int result = db_begin(s->db);
    for (uint32_t m = 0; result >= 0 && m < s->config->n_machines; m++)
        result = make_writer(s, m);
    if (result < 0) {
        db_rollback(s->db);
        return result;
    }
    return db_commit(s->db);
}

int store_stage_create(struct store_stage **ret_stage, const struct config *config,
                       struct pipeline *pipeline, struct worker *main_worker, struct worker *link,
                       const struct clock_time *now, struct db_report *ret_report)
{
    struct store_stage *s = calloc(1, sizeof *s);
    if (!s)
        return MW_ERR_NO_MEMORY;
    s->config = config;
    s->pipeline = pipeline;
    s->main = main_worker;
    s->link = link;
    s->prune_us = now->mono_us + PRUNE_US;
    int result = make_memory(s);
    if (result >= 0)
        result = db_open(&s->db, &config->store, now->utc_us, ret_report);
    if (result >= 0)
        result = make_writers(s);
    if (result >= 0)
        result = restore_all(s->db, s->machines, pipeline, now);
    if (result < 0) {
        store_stage_destroy(s);
        return result;
    }
    s->highest = outbox_next_seq(s->db) - 1;
    *ret_stage = s;
    return MW_OK;
}

static void write_rest(struct store_stage *s)
{
    int64_t now_us = s->retry_us; /* a last try, whatever the failure before */
    struct clock_time now = { now_us, 0 };
    take_frames(s);
    for (size_t m = 0; m < s->config->n_machines; m++)
        s->due[m] = history_pending(s->writers[m]) > 0;
    s->prune_us = INT64_MAX;
    if (apply_all(s, &now) >= 0)
        close_group(s, now_us);
    else
        abandon_group(s, "cannot store", MW_ERR_IO, now_us);
}

void store_stage_destroy(struct store_stage *s)
{
    if (!s)
        return;
    if (s->db && s->outbox_orders)
        write_rest(s);
    for (size_t m = 0; s->writers && m < s->config->n_machines; m++)
        history_writer_destroy(s->writers[m]);
    struct store_report item;
    while (s->reports.items && mw_ring_pop(&s->reports, &item))
        if (item.kind == STORE_MODEL)
            free(item.model);
    db_close(s->db);
    free(s->machines);
    free(s->writers);
    free(s->learners);
    free(s->due);
    free(s->report_items);
    free(s->news_items);
    free(s);
}
