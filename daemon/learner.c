/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/spool.h"
#include "daemon/store_parts.h"
#include "storage/registry.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_US     500000
#define PATIENCE_US (INT64_C(3600) * 1000000) /* of one training */

void learner_report(struct store_stage *s, uint32_t machine)
{
    struct store_report item = { .kind = STORE_LEARNING,
                                 .machine = machine,
                                 .learn = s->learners[machine].progress };
    store_report(s, &item);
}

int learner_start(struct store_stage *s, uint32_t machine)
{
    struct learner *l = &s->learners[machine];
    l->progress = (struct learn_progress){ .phase = LEARN_COLLECTING,
                                           .n_wanted = s->config->machines[machine].learn_rows };
    l->look_us = 0;
    l->counted = false;
    learner_report(s, machine);
    return MW_OK;
}

int learner_settle_model(struct store_stage *s, const struct store_order *order, bool accepted)
{
    struct learner *l = &s->learners[order->machine];
    int result = registry_set_state(s->db, s->machines[order->machine], order->digest,
                                    accepted ? MODEL_ACTIVE : MODEL_RETIRED);
    if (result >= 0 && accepted)
        result = store_put_blob(s, order);
    l->settled = accepted ? LEARNER_ACCEPTED : LEARNER_REFUSED;
    return result;
}

void learner_tell_settled(struct store_stage *s, bool committed)
{
    for (uint32_t m = 0; m < s->config->n_machines; m++) {
        struct learner *l = &s->learners[m];
        if (committed && l->settled != LEARNER_OPEN && l->progress.phase == LEARN_INSTALLING) {
            bool accepted = l->settled == LEARNER_ACCEPTED;
            l->progress.phase = accepted ? LEARN_DONE : LEARN_FAILED;
            l->progress.percent = 100;
            snprintf(l->progress.text, sizeof l->progress.text, "%s",
                     accepted ? "" : "the model was refused");
            learner_report(s, m);
        }
        l->settled = LEARNER_OPEN;
    }
}

static void fail_learning(struct store_stage *s, uint32_t machine, const char *text)
{
    struct learner *l = &s->learners[machine];
    l->progress.phase = LEARN_FAILED;
    snprintf(l->progress.text, sizeof l->progress.text, "%s", text);
    learner_report(s, machine);
}

static bool is_whole(const struct machine_config *machine, const struct mw_frame *frame)
{
    for (uint16_t c = 0; c < machine->detector.n_channels; c++)
        if (machine->detector.channels[c].role != MW_ROLE_OFF && !(frame->valid & 1u << c))
            return false;
    return true;
}

/* Of the newest history, or of the windows kept for training that end before it. */
static int open_reader(struct store_stage *s, uint32_t machine, bool windows, int64_t from_us,
                       int64_t to_us, struct history_reader **ret_reader)
{
    const struct mw_detector_config *d = &s->config->machines[machine].detector;
    const char *names[MW_MAX_CHANNELS];
    for (uint16_t c = 0; c < d->n_channels; c++)
        names[c] = d->channels[c].name;
    return windows ? history_windows_open(ret_reader, s->history, s->history_machines[machine],
                                          names, d->n_channels, INT64_MIN, to_us)
                   : history_reader_open(ret_reader, s->history, s->history_machines[machine],
                                         names, d->n_channels, from_us, to_us);
}

/* Whole frames are counted in *n, the first 'skip' of them passed over, the rest exported (export
 * NULL: counted only). *ret_first_us: of the first frame. */
struct walk {
    uint32_t skip, n;
    struct spool_export *export;
    int64_t first_us;
};

static int walk_along(struct store_stage *s, uint32_t machine, struct history_reader *reader,
                      struct walk *w)
{
    struct mw_frame frame;
    int result = MW_OK;
    while (result >= 0) {
        result = history_reader_next(reader, &frame, NULL);
        if (result == MW_ERR_CORRUPT) {
            result = MW_OK; /* the reader goes on behind the damaged block */
            continue;
        }
        if (result < 0 || !is_whole(&s->config->machines[machine], &frame))
            continue;
        if (w->first_us == INT64_MAX)
            w->first_us = frame.at_us;
        if (w->n++ >= w->skip && w->export)
            result = spool_export_row(w->export, &frame);
    }
    return result == MW_ERR_NOT_FOUND ? MW_OK : result;
}

static int walk_one(struct store_stage *s, uint32_t machine, bool windows, int64_t to_us,
                    struct walk *w)
{
    struct history_reader *reader = NULL;
    int result = open_reader(s, machine, windows, s->learners[machine].from_us, to_us, &reader);
    if (result >= 0)
        result = walk_along(s, machine, reader, w);
    history_reader_close(reader);
    return result;
}

/* How many whole frames the newest history has, and, where those are too few, the windows kept for
 * training that are older than it: *ret_n_windows, ending before *ret_first_us. */
static int count_frames(struct store_stage *s, uint32_t machine, uint32_t n_wanted, uint32_t *ret_n,
                        uint32_t *ret_n_windows, int64_t *ret_first_us)
{
    struct walk raw = { .first_us = INT64_MAX }, windows = { .first_us = INT64_MAX };
    int result = walk_one(s, machine, false, INT64_MAX, &raw);
    if (result >= 0 && raw.n < n_wanted)
        result = walk_one(s, machine, true, raw.first_us, &windows);
    *ret_n = raw.n;
    *ret_n_windows = windows.n;
    *ret_first_us = raw.first_us;
    return result;
}

/* The newest n_wanted frames, those of windows first. */
static int export_frames(struct store_stage *s, uint32_t machine, uint32_t n_wanted,
                         struct spool_export *export)
{
    uint32_t n, n_windows;
    int64_t first_us;
    int result = count_frames(s, machine, n_wanted, &n, &n_windows, &first_us);
    if (result < 0)
        return result;
    struct walk windows = { .export = export, .first_us = INT64_MAX },
                raw = { .export = export, .first_us = INT64_MAX };
    raw.skip = n > n_wanted ? n - n_wanted : 0;
    windows.skip = n + n_windows > n_wanted ? n + n_windows - n_wanted : 0;
    if (n < n_wanted)
        result = walk_one(s, machine, true, first_us, &windows);
    return result < 0 ? result : walk_one(s, machine, false, INT64_MAX, &raw);
}

static void export_rows(struct store_stage *s, uint32_t machine, int64_t now_us)
{
    struct learner *l = &s->learners[machine];
    struct spool_export *export = NULL;
    int result = spool_export_open(&export, s->config->spool, &s->config->machines[machine]);
    if (result >= 0) {
        result = export_frames(s, machine, l->progress.n_wanted, export);
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
    l->progress.n_rows = l->progress.n_wanted;
    l->since_us = now_us;
    learner_report(s, machine);
}

/* Far enough back for twice the frames wanted, since some are not whole; the database counts them
 * without reading them. */
static int choose_from(struct store_stage *s, uint32_t machine, int64_t utc_us)
{
    struct learner *l = &s->learners[machine];
    int64_t span_us = s->config->machines[machine].detector.period_us * l->progress.n_wanted;
    uint64_t n = 0;
    int result = MW_OK;
    for (l->from_us = utc_us;
         result >= 0 && l->from_us > 0 && n < UINT64_C(2) * l->progress.n_wanted;) {
        span_us *= 2;
        l->from_us = utc_us > span_us ? utc_us - span_us : 0;
        result = history_count(s->history, s->history_machines[machine], l->from_us, &n);
    }
    return result;
}

void learner_count(struct store_stage *s, const struct frame_record *record)
{
    struct learner *l = &s->learners[record->machine];
    if (l->progress.phase == LEARN_COLLECTING && l->counted &&
        is_whole(&s->config->machines[record->machine], &record->frame))
        l->progress.n_rows++;
}

/* The whole frames of the history; those that follow are counted as they come. */
static int count_rows(struct store_stage *s, uint32_t machine, const struct clock_time *now,
                      uint32_t *ret_n)
{
    uint32_t n = 0, n_windows = 0;
    int64_t first_us;
    int result = history_flush(s, machine, now->mono_us); /* it is part of the newest */
    if (result >= 0)
        result = choose_from(s, machine, now->utc_us);
    if (result >= 0)
        result = count_frames(s, machine, s->learners[machine].progress.n_wanted, &n, &n_windows,
                              &first_us);
    if (result >= 0)
        *ret_n = n + n_windows;
    return result;
}

static void collect(struct store_stage *s, uint32_t machine, const struct clock_time *now)
{
    struct learner *l = &s->learners[machine];
    uint32_t n = l->progress.n_rows, wanted = l->progress.n_wanted;
    assert(wanted > 0);
    if ((!l->counted || n >= wanted) && count_rows(s, machine, now, &n) < 0) {
        fail_learning(s, machine, "the history cannot be read");
        return;
    }
    l->counted = true;
    l->progress.n_rows = n;
    uint64_t share = n < wanted ? UINT64_C(100) * n / wanted : 100;
    uint8_t percent = (uint8_t)share;
    if (percent != l->progress.percent) {
        l->progress.percent = percent;
        learner_report(s, machine);
    }
    if (n >= wanted)
        export_rows(s, machine, now->mono_us);
}

static void bring_home(struct store_stage *s, uint32_t machine, const struct clock_time *now)
{
    struct learner *l = &s->learners[machine];
    struct store_report item = { .kind = STORE_MODEL, .machine = machine };
    uint32_t n_rows = 0;
    int result = spool_take(s->config->spool, store_machine_name(s, machine), &item.model,
                            &item.n_model, &n_rows, &l->progress.r2);
    if (result >= 0)
        result = store_open_group(s, now->mono_us);
    if (result >= 0)
        result = registry_add(s->db, s->machines[machine], item.model, item.n_model, n_rows,
                              l->progress.r2, now->utc_us, item.digest);
    if (result >= 0)
        result = store_close_group(s, now->mono_us);
    if (result < 0) {
        free(item.model);
        if (s->in_group)
            store_abandon_group(s, "cannot store a model", result, now->mono_us);
        return; /* it stays in the spool and is tried again */
    }
    spool_clear(s->config->spool, store_machine_name(s, machine));
    l->progress.phase = LEARN_INSTALLING;
    learner_report(s, machine);
    store_report(s, &item);
}

static void look_at_spool(struct store_stage *s, uint32_t machine, const struct clock_time *now)
{
    struct learner *l = &s->learners[machine];
    char text[120];
    uint8_t percent = l->progress.percent;
    switch (
        spool_look(s->config->spool, store_machine_name(s, machine), &percent, text, sizeof text)) {
    case SPOOL_WAITING:
        if (now->mono_us - l->since_us > PATIENCE_US) {
            spool_clear(s->config->spool, store_machine_name(s, machine));
            fail_learning(s, machine, "no outcome in an hour; does millwright-train run?");
        } else if (percent != l->progress.percent) {
            l->progress.percent = percent;
            learner_report(s, machine);
        }
        break;
    case SPOOL_DONE: bring_home(s, machine, now); break;
    case SPOOL_FAILED:
        spool_clear(s->config->spool, store_machine_name(s, machine));
        fail_learning(s, machine, text);
        break;
    }
}

/* A job of before a restart goes on: its outcome is taken like any other. */
static void resume(struct store_stage *s, uint32_t machine, int64_t now_us)
{
    struct learner *l = &s->learners[machine];
    l->looked = true;
    if (!spool_holds(s->config->spool, store_machine_name(s, machine)))
        return;
    l->progress.phase = LEARN_TRAINING;
    l->progress.n_wanted = s->config->machines[machine].learn_rows;
    l->progress.n_rows = l->progress.n_wanted;
    l->since_us = now_us;
    learner_report(s, machine);
}

void learner_step(struct store_stage *s, const struct clock_time *now)
{
    for (uint32_t m = 0; m < s->config->n_machines; m++) {
        struct learner *l = &s->learners[m];
        if (l->progress.phase == LEARN_IDLE && !l->looked)
            resume(s, m, now->mono_us);
        bool waits = l->progress.phase == LEARN_COLLECTING || l->progress.phase == LEARN_TRAINING;
        if (!waits || now->mono_us < l->look_us)
            continue;
        l->look_us = now->mono_us + LOOK_US;
        if (l->progress.phase == LEARN_COLLECTING)
            collect(s, m, now);
        else
            look_at_spool(s, m, now);
        return; /* one machine a step: alarms come in between */
    }
}
