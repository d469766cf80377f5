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
        result = store_write_blocks(s, now->mono_us);
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
static int store_rest(struct store_stage *s, const struct config *fresh,
                      const struct config_diff *diff, bool *ends)
{
    int result = MW_OK;
    for (size_t m = 0; m < s->config->n_machines; m++)
        ends[m] = true;
    for (uint32_t m = 0; m < fresh->n_machines; m++)
        if (goes_on(s, fresh, diff, m))
            ends[diff->machines[m]] = false;
    for (size_t m = 0; result >= 0 && m < s->config->n_machines; m++)
        if (ends[m] && s->writers[m] && history_pending(s->writers[m])) {
            result = history_write(s->writers[m], s->db);
            s->due[m] = false;
        }
    return result;
}

static int make_numbers(struct store_stage *s, struct store_parts *parts,
                        const struct config *fresh, const struct config_diff *diff)
{
    int result = MW_OK;
    for (uint32_t m = 0; result >= 0 && m < fresh->n_machines; m++) {
        uint32_t old = diff->machines[m];
        if (old != DIFF_NONE)
            parts->machines[m] = s->machines[old];
        else
            result = db_machine(s->db, fresh->machines[m].name, &parts->machines[m]);
        if (result >= 0 && !goes_on(s, fresh, diff, m))
            result = store_make_writer(fresh, m, parts->machines[m], &parts->writers[m]);
    }
    return result;
}

static int in_one_group(struct store_stage *s, struct store_parts *parts,
                        const struct config *fresh, const struct config_diff *diff,
                        const struct clock_time *now)
{
    bool *ends = calloc(s->config->n_machines + 1, sizeof *ends);
    int result = ends ? store_open_group(s, now->mono_us) : MW_ERR_NO_MEMORY;
    if (result >= 0)
        result = make_numbers(s, parts, fresh, diff);
    if (result >= 0)
        result = store_rest(s, fresh, diff, ends);
    free(ends);
    if (result >= 0)
        return store_close_group(s, now->mono_us);
    store_abandon_group(s, "cannot store", result, now->mono_us);
    return result;
}

int store_prepare(struct store_stage *s, struct store_parts *ret_parts, const struct config *fresh,
                  const struct config_diff *diff, const struct clock_time *now)
{
    size_t n = fresh->n_machines;
    struct store_parts parts = { .n = n };
    parts.machines = calloc(n + 1, sizeof *parts.machines);
    parts.writers = calloc(n + 1, sizeof(struct history_writer *));
    parts.learners = calloc(n + 1, sizeof *parts.learners);
    parts.due = calloc(n + 1, sizeof *parts.due);
    bool all = parts.machines && parts.writers && parts.learners && parts.due;
    int result = all ? in_one_group(s, &parts, fresh, diff, now) : MW_ERR_NO_MEMORY;
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
    free(parts->machines);
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
        if (!goes_on(s, fresh, diff, m))
            continue;
        parts->writers[m] = s->writers[old];
        parts->due[m] = s->due[old];
        s->writers[old] = NULL;
    }
    struct store_parts before = { .machines = s->machines,
                                  .writers = s->writers,
                                  .learners = s->learners,
                                  .due = s->due,
                                  .n = s->config->n_machines };
    s->machines = parts->machines;
    s->writers = parts->writers;
    s->learners = parts->learners;
    s->due = parts->due;
    s->config = fresh;
    *parts = (struct store_parts){ 0 };
    store_parts_destroy(&before);
}
