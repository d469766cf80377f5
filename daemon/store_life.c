/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/store_parts.h"
#include "storage/outbox.h"
#include "storage/reservoir.h"
#include "storage/timebase.h"

#include <stdio.h>
#include <stdlib.h>

#define REPORT_ITEMS 512

static int make_memory(struct store_stage *s)
{
    size_t n = s->config->n_machines + 1;
    s->machines = calloc(n, sizeof *s->machines);
    s->history_machines = calloc(n, sizeof *s->history_machines);
    s->writers = calloc(n, sizeof(struct history_writer *));
    s->rollups = calloc(n, sizeof(struct rollup_writer *));
    s->keeps = calloc(n, sizeof *s->keeps);
    s->learners = calloc(n, sizeof *s->learners);
    s->due = calloc(n, sizeof *s->due);
    s->report_items = calloc(REPORT_ITEMS, sizeof *s->report_items);
    s->news_items = calloc(STORE_NEWS_ITEMS, sizeof *s->news_items);
    s->served = calloc(OUTBOX_BATCH, sizeof *s->served);
    if (!s->machines || !s->history_machines || !s->writers || !s->rollups || !s->keeps ||
        !s->learners || !s->due || !s->report_items || !s->news_items || !s->served)
        return MW_ERR_NO_MEMORY;
    mw_ring_init(&s->reports, s->report_items, sizeof *s->report_items, REPORT_ITEMS);
    mw_ring_init(&s->query_answers, s->query_answer_items, sizeof s->query_answer_items[0],
                 STORE_QUERY_ANSWERS);
    mw_ring_init(&s->news, s->news_items, sizeof *s->news_items, STORE_NEWS_ITEMS);
    return MW_OK;
}

static int name_machines(struct store_stage *s)
{
    int result = db_begin(s->db);
    for (uint32_t m = 0; result >= 0 && m < s->config->n_machines; m++)
        result = db_machine(s->db, store_machine_name(s, m), &s->machines[m]);
    if (result < 0) {
        db_rollback(s->db);
        return result;
    }
    return db_commit(s->db);
}

static int push_quarantined(struct store_stage *s, const struct db_quarantined *newest,
                            const struct clock_time *now)
{
    struct mw_event event = { .kind = MW_EVENT_STORE_QUARANTINED,
                              .severity = MW_SEVERITY_WARNING,
                              .at_us = now->utc_us,
                              .n_bytes = newest->n_bytes,
                              .n_wal_bytes = newest->n_wal_bytes };
    snprintf(event.file, sizeof event.file, "%s", newest->file);
    int result = store_push_event(s, &event, now->utc_us - now->mono_us);
    return result < 0
               ? result
               : state_put(s->db, "event", "quarantined", &newest->at_s, sizeof newest->at_s);
}

/* A corrupt database beside this one of which nobody was told yet: known from the files, since the
 * process may have ended between putting aside and telling. Where it cannot be stored now, the next
 * start will tell. */
static void tell_quarantined(struct store_stage *s, const struct clock_time *now)
{
    struct db_quarantined newest;
    int64_t told_s = 0;
    size_t n;
    if (db_quarantined(s->db, &newest) < 0 || db_begin(s->db) < 0)
        return;
    int result = state_get(s->db, "event", "quarantined", &told_s, sizeof told_s, &n);
    if (result == MW_ERR_NOT_FOUND || told_s != newest.at_s)
        result = push_quarantined(s, &newest, now);
    if (result < 0 || db_commit(s->db) < 0)
        db_rollback(s->db);
}

/* Where it cannot be stored now, it goes ahead of the next message. */
static void try_to_tell_rewound(struct store_stage *s, const struct clock_time *now)
{
    if (s->rewound.last_seq == 0 || store_open_group(s, now->mono_us) < 0)
        return;
    if (store_tell_rewound(s, now->utc_us, now->utc_us - now->mono_us) < 0 ||
        store_close_group(s, now->mono_us) < 0)
        store_abandon_group(s, "cannot store", MW_ERR_IO, now->mono_us);
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
    struct store_config store = config->store;
    store.windows = store.history_in_ram ? 0 : reservoir_bound(&store, config->n_machines);
    int result = make_memory(s);
    if (result >= 0)
        result = db_open(&s->db, &store, now->utc_us, ret_report);
    uint8_t boot[TIMEBASE_BOOT_BYTES];
    clock_boot(boot);
    if (result >= 0)
        result = timebase_begin(s->db, boot);
    s->correcting = true; /* a stop may have come in between */
    if (result >= 0)
        result = name_machines(s);
    if (result >= 0)
        result = history_open_all(s, &store, now->utc_us);
    if (result >= 0)
        result = restore_all(s->db, ret_report, s->machines, pipeline, now);
    if (result < 0) {
        store_stage_destroy(s);
        return result;
    }
    tell_quarantined(s, now);
    s->rewound = ret_report->rewound;
    try_to_tell_rewound(s, now);
    s->highest = outbox_next_seq(s->db) - 1;
    *ret_stage = s;
    return MW_OK;
}

/* A last try, whatever failed before: the orders that wait, then the history's rest. */
static void write_rest(struct store_stage *s, struct clock_time now)
{
    int result = MW_OK;
    while (result >= 0 &&
           (mw_ring_count(&s->pipeline->orders) > 0 || mw_ring_count(s->outbox_orders) > 0)) {
        result = store_apply_all(s, &now);
        if (result >= 0)
            result = store_close_group(s, now.mono_us);
    }
    for (bool more = !s->config->store.no_history; result >= 0 && more;) {
        more = store_take_frames(s);
        result = history_flush_all(s, now.mono_us);
    }
    if (result < 0)
        store_abandon_group(s, "cannot store the rest", result, now.mono_us);
}

void store_stage_destroy(struct store_stage *s)
{
    if (!s)
        return;
    if (s->db && s->outbox_orders)
        write_rest(s, (struct clock_time){ s->retry_us, 0 });
    text_end(s);
    struct history_answer answer;
    while (s->query_answers.items && mw_ring_pop(&s->query_answers, &answer))
        free(answer.text);
    history_close_all(s);
    struct store_report item;
    while (s->reports.items && mw_ring_pop(&s->reports, &item))
        if (item.kind == STORE_MODEL)
            free(item.model);
    db_close(s->db);
    free(s->machines);
    free(s->history_machines);
    free(s->writers);
    free(s->rollups);
    free(s->keeps);
    free(s->learners);
    free(s->due);
    free(s->report_items);
    free(s->news_items);
    free(s->served);
    free(s);
}
