/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/store_parts.h"

#include <stdlib.h>
#include <string.h>

int store_settle_some(struct store_stage *s, const struct clock_time *now, bool *ret_more)
{
    int result = store_apply_all(s, now);
    bool frames = result >= 0 && store_take_frames(s);
    if (frames) /* a writer is full */
        result = history_write_full(s, now->mono_us);
    if (result >= 0)
        result = store_close_group(s, now->mono_us);
    else
        store_abandon_group(s, "cannot store", result, now->mono_us);
    *ret_more =
        frames || mw_ring_count(&s->pipeline->orders) > 0 || mw_ring_count(s->outbox_orders) > 0;
    return result;
}

/* Whether the blocks of both machines look alike, so that one writer serves on. */
static bool same_blocks(const struct machine_config *a, const struct machine_config *b)
{
    bool same = a->detector.period_us == b->detector.period_us &&
                a->detector.n_channels == b->detector.n_channels;
    for (uint16_t c = 0; same && c < a->detector.n_channels; c++)
        same = strcmp(a->detector.channels[c].name, b->detector.channels[c].name) == 0;
    return same;
}

static bool goes_on(const struct store_stage *s, const struct config *fresh,
                    const struct config_diff *diff, uint32_t m)
{
    uint32_t old = diff->machines[m];
    return old != DIFF_NONE && same_blocks(&s->config->machines[old], &fresh->machines[m]);
}

/* What the writers that do not go on hold belongs to the history. */
static int end_others(struct store_stage *s, const struct config *fresh,
                      const struct config_diff *diff, int64_t now_us)
{
    int result = MW_OK;
    bool *stays = calloc(s->config->n_machines + 1, sizeof *stays);
    if (!stays)
        return MW_ERR_NO_MEMORY;
    for (uint32_t m = 0; m < fresh->n_machines; m++)
        if (goes_on(s, fresh, diff, m))
            stays[diff->machines[m]] = true;
    for (uint32_t m = 0; result >= 0 && m < s->config->n_machines; m++)
        if (!stays[m])
            result = history_end_machine(s, m, now_us);
    free(stays);
    return result;
}

/* Numbers of machines that are new, in the database and, where history is apart, there. */
static int name_new(struct db *db, const struct config *fresh, const struct config_diff *diff,
                    uint32_t *numbers)
{
    int result = db_begin(db);
    if (result < 0)
        return result;
    for (uint32_t m = 0; result >= 0 && m < fresh->n_machines; m++)
        if (diff->machines[m] == DIFF_NONE)
            result = db_machine(db, fresh->machines[m].name, &numbers[m]);
    if (result >= 0)
        return db_commit(db);
    db_rollback(db);
    return result;
}

static int make_numbers(struct store_stage *s, struct store_parts *parts,
                        const struct config *fresh, const struct config_diff *diff)
{
    for (uint32_t m = 0; m < fresh->n_machines; m++) {
        uint32_t old = diff->machines[m];
        if (old == DIFF_NONE)
            continue;
        parts->machines[m] = s->machines[old];
        parts->history_machines[m] = s->history_machines[old];
    }
    int result = name_new(s->db, fresh, diff, parts->machines);
    if (result < 0 || fresh->store.no_history)
        return result;
    if (s->history != s->db)
        return name_new(s->history, fresh, diff, parts->history_machines);
    for (uint32_t m = 0; m < fresh->n_machines; m++)
        parts->history_machines[m] = parts->machines[m];
    return MW_OK;
}

static int make_all(struct store_stage *s, struct store_parts *parts, const struct config *fresh,
                    const struct config_diff *diff, const struct clock_time *now)
{
    int result = store_close_group(s, now->mono_us);
    if (result >= 0)
        result = make_numbers(s, parts, fresh, diff);
    for (uint32_t m = 0; result >= 0 && m < fresh->n_machines; m++)
        if (!goes_on(s, fresh, diff, m))
            result = history_make_writers(fresh, m, parts->history_machines[m], &parts->writers[m],
                                          &parts->rollups[m]);
    if (result >= 0)
        result = end_others(s, fresh, diff, now->mono_us);
    if (result < 0)
        store_abandon_group(s, "cannot store", result, now->mono_us);
    return result;
}

int store_prepare(struct store_stage *s, struct store_parts *ret_parts, const struct config *fresh,
                  const struct config_diff *diff, const struct clock_time *now)
{
    size_t n = fresh->n_machines;
    struct store_parts parts = { .n = n };
    parts.machines = calloc(n + 1, sizeof *parts.machines);
    parts.history_machines = calloc(n + 1, sizeof *parts.history_machines);
    parts.writers = calloc(n + 1, sizeof(struct history_writer *));
    parts.rollups = calloc(n + 1, sizeof(struct rollup_writer *));
    parts.learners = calloc(n + 1, sizeof *parts.learners);
    parts.due = calloc(n + 1, sizeof *parts.due);
    parts.keeps = calloc(n + 1, sizeof *parts.keeps);
    bool all = parts.machines && parts.history_machines && parts.writers && parts.rollups &&
               parts.learners && parts.due && parts.keeps;
    int result = all ? make_all(s, &parts, fresh, diff, now) : MW_ERR_NO_MEMORY;
    if (result < 0) {
        store_parts_destroy(&parts);
        return result;
    }
    *ret_parts = parts;
    return MW_OK;
}

void store_parts_destroy(struct store_parts *parts)
{
    for (size_t m = 0; parts->writers && m < parts->n; m++)
        history_writer_destroy(parts->writers[m]);
    for (size_t m = 0; parts->rollups && m < parts->n; m++)
        rollup_writer_destroy(parts->rollups[m]);
    free(parts->machines);
    free(parts->history_machines);
    free(parts->rollups);
    free(parts->keeps);
    free(parts->writers);
    free(parts->learners);
    free(parts->due);
    *parts = (struct store_parts){ 0 };
}

void store_put_into_force(struct store_stage *s, struct store_parts *parts,
                          const struct config *fresh, const struct config_diff *diff)
{
    for (uint32_t m = 0; m < fresh->n_machines; m++) {
        uint32_t old = diff->machines[m];
        if (old == DIFF_NONE)
            continue;
        parts->learners[m] = s->learners[old];
        parts->keeps[m] = s->keeps[old];
        if (!goes_on(s, fresh, diff, m))
            continue;
        parts->writers[m] = s->writers[old];
        parts->rollups[m] = s->rollups[old];
        parts->due[m] = s->due[old];
        s->writers[old] = NULL;
        s->rollups[old] = NULL;
    }
    text_end(s); /* whoever reads history asks again */
    struct store_parts before = { .machines = s->machines,
                                  .history_machines = s->history_machines,
                                  .writers = s->writers,
                                  .rollups = s->rollups,
                                  .keeps = s->keeps,
                                  .learners = s->learners,
                                  .due = s->due,
                                  .n = s->config->n_machines };
    s->machines = parts->machines;
    s->history_machines = parts->history_machines;
    s->writers = parts->writers;
    s->rollups = parts->rollups;
    s->keeps = parts->keeps;
    s->budget.next = 0;
    s->learners = parts->learners;
    s->due = parts->due;
    s->config = fresh;
    *parts = (struct store_parts){ 0 };
    store_parts_destroy(&before);
}
