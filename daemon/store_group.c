/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/store_parts.h"
#include "storage/outbox.h"

#include <stdio.h>
#include <string.h>

#define RETRY_US 1000000

const char *store_machine_name(const struct store_stage *s, uint32_t machine)
{
    return s->config->machines[machine].name;
}

void store_report(struct store_stage *s, const struct store_report *item)
{
    mw_ring_push(&s->reports, item);
    worker_wake(s->main);
}

void store_trouble(struct store_stage *s, const char *what, int result)
{
    struct store_report item = { .kind = STORE_TROUBLE };
    snprintf(item.text, sizeof item.text, "%s: %s (%.80s)", what, mw_result_text(result),
             db_error(s->db));
    if (!s->failing)
        store_report(s, &item);
    s->failing = true;
}

static void store_well(struct store_stage *s)
{
    if (s->failing)
        store_report(s, &(struct store_report){ .kind = STORE_WELL });
    s->failing = false;
}

int store_open_group(struct store_stage *s, int64_t now_us)
{
    if (s->in_group)
        return MW_OK;
    int result = db_begin(s->db);
    if (result < 0)
        return result;
    s->in_group = true;
    s->urgent = s->holds_acks = s->holds_history = false;
    s->commit_us = now_us + STORE_GROUP_US;
    return MW_OK;
}

void store_abandon_group(struct store_stage *s, const char *what, int result, int64_t now_us)
{
    store_trouble(s, what, result);
    if (s->in_group)
        db_rollback(s->db);
    s->in_group = s->tells_rewound = false;
    s->n_committed = 0;
    s->n_orders = 0;
    s->n_outbox_orders = 0;
    s->wanted = s->wanted && !s->want_waits; /* it is asked again, behind the acknowledgements */
    learner_tell_settled(s, false);
    s->retry_us = now_us + RETRY_US;
}

static void take_applied(struct store_stage *s)
{
    struct store_order order;
    struct outbox_order outbox_order;
    for (; s->n_orders > 0 && mw_ring_pop(&s->pipeline->orders, &order); s->n_orders--)
        if (order.blob != NO_BLOB)
            store_report(s, &(struct store_report){ .kind = STORE_BLOB_FREE, .blob = order.blob });
    while (s->n_outbox_orders > 0 && mw_ring_pop(s->outbox_orders, &outbox_order))
        s->n_outbox_orders--;
}

static void tell_committed(struct store_stage *s)
{
    s->highest = outbox_next_seq(s->db) - 1;
    for (size_t i = 0; i < s->n_committed; i++)
        store_report(s, &s->committed[i]);
    s->n_committed = 0;
}

/* Syncs of the WAL are told apart by the most important thing that one was for. */
static void count_syncs(struct store_stage *s, uint64_t n)
{
    struct store_figures *f = &s->figures;
    if (s->urgent)
        f->n_syncs_alarms += n;
    else if (s->holds_acks)
        f->n_syncs_acks += n;
    else if (s->holds_history)
        f->n_syncs_history += n;
    else
        f->n_syncs_states += n;
}

int store_close_group(struct store_stage *s, int64_t now_us)
{
    if (!s->in_group)
        return MW_OK;
    s->in_group = false;
    struct db_stats before = db_stats(s->db);
    int result = db_commit(s->db);
    struct db_stats after = db_stats(s->db);
    /* A checkpoint syncs the WAL once more before the database. */
    uint64_t n_checkpoints = after.n_syncs_database - before.n_syncs_database;
    uint64_t n_wal = after.n_syncs_wal - before.n_syncs_wal;
    count_syncs(s, n_wal > n_checkpoints ? n_wal - n_checkpoints : 0);
    if (result < 0) {
        store_abandon_group(s, "cannot commit", result, now_us);
        return result;
    }
    s->want_waits = false;
    store_well(s);
    if (s->tells_rewound)
        s->rewound = (struct db_rewound){ 0 };
    s->tells_rewound = false;
    take_applied(s);
    tell_committed(s);
    learner_tell_settled(s, true);
    return MW_OK;
}
