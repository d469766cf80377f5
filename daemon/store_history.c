/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of the frames: raw blocks as far as the write budget goes, rollups, windows. */
#include "base/result.h"
#include "daemon/store_parts.h"
#include "storage/reservoir.h"
#include "storage/timebase.h"

#define PRUNE_US         60000000
#define RETRY_US         1000000
#define CORRECT_STEP     64
#define CORRECT_AGAIN_US 60000000
#define PACE_US          1000000 /* between two groups of history: at most one sync a second */
#define SUM_UP_US        60000000
#define SUM_UP_STEP      8 /* machines' days in one group */
#define SPARE_FRAMES     16
#define DAY_US           86400e6
#define BURST            288 /* of a day: five minutes' worth, and a checkpoint, is kept or owed at most */
#define CHECKPOINT_BYTES 8e6  /* a checkpoint comes all at once, of 1,000 pages and more */
#define BLOCK_BYTES      12e3 /* a first guess of what a block costs, checkpoint included */

/* ---- life ---- */

/* The frames that may come between two writes. */
static int64_t spare_frames(int64_t period_us)
{
    return (STORE_IDLE_US + PACE_US) / period_us + SPARE_FRAMES;
}

int history_make_writers(const struct config *config, uint32_t machine, uint32_t number,
                         struct history_writer **ret_writer, struct rollup_writer **ret_rollup)
{
    const struct mw_detector_config *d = &config->machines[machine].detector;
    const char *names[MW_MAX_CHANNELS];
    if (config->store.no_history)
        return MW_OK;
    for (uint16_t c = 0; c < d->n_channels; c++)
        names[c] = d->channels[c].name;
    int64_t spare = spare_frames(d->period_us), block_us = config->store.block_us;
    if (block_us / d->period_us + spare > HISTORY_BLOCK_FRAMES) /* a fast machine */
        block_us = (HISTORY_BLOCK_FRAMES - spare) * d->period_us;
    uint32_t n_frames = (uint32_t)(block_us / d->period_us + spare);
    int result =
        history_writer_create(ret_writer, number, names, d->n_channels, n_frames, block_us);
    return result < 0 ? result : rollup_writer_create(ret_rollup, number, names, d->n_channels);
}

/* A database of memory alone has machines of its own. */
static int open_ram(struct store_stage *s, const struct store_config *config, int64_t at_us)
{
    struct store_config ram = *config;
    uint8_t boot[TIMEBASE_BOOT_BYTES];
    ram.in_memory = true;
    ram.max_bytes = config->ram_bytes;
    ram.windows = reservoir_bound(&ram, s->config->n_machines);
    int result = db_open(&s->history, &ram, at_us, NULL);
    if (result < 0)
        return result;
    clock_boot(boot);
    result = timebase_begin(s->history, boot);
    if (result >= 0)
        result = db_begin(s->history);
    for (uint32_t m = 0; result >= 0 && m < s->config->n_machines; m++)
        result = db_machine(s->history, store_machine_name(s, m), &s->history_machines[m]);
    return result < 0 ? result : db_commit(s->history);
}

int history_open_all(struct store_stage *s, const struct store_config *config, int64_t at_us)
{
    int result = MW_OK;
    s->history = s->db;
    for (uint32_t m = 0; m < s->config->n_machines; m++)
        s->history_machines[m] = s->machines[m];
    if (config->no_history)
        return MW_OK;
    if (config->history_in_ram) {
        s->history = NULL;
        result = open_ram(s, config, at_us);
    }
    for (uint32_t m = 0; result >= 0 && m < s->config->n_machines; m++)
        result = history_make_writers(s->config, m, s->history_machines[m], &s->writers[m],
                                      &s->rollups[m]);
    s->budget.block_bytes = BLOCK_BYTES;
    s->budget.seen_bytes = db_stats(s->db).n_bytes_written;
    return result;
}

void history_close_all(struct store_stage *s)
{
    for (size_t m = 0; s->writers && s->rollups && m < s->config->n_machines; m++) {
        history_writer_destroy(s->writers[m]);
        rollup_writer_destroy(s->rollups[m]);
    }
    if (s->history != s->db)
        db_close(s->history);
    s->history = NULL;
}

/* ---- transactions ---- */

static bool is_apart(const struct store_stage *s)
{
    return s->history != s->db;
}

static int begin(struct store_stage *s, int64_t now_us)
{
    if (is_apart(s))
        return db_begin(s->history);
    int result = store_open_group(s, now_us);
    s->holds_history = result >= 0;
    return result;
}

/* The group itself is committed with the rest of it. */
static int end(struct store_stage *s, int result)
{
    if (!is_apart(s))
        return result;
    if (result >= 0)
        return db_commit(s->history);
    db_rollback(s->history);
    return result;
}

/* ---- frames ---- */

bool history_take(struct store_stage *s, const struct frame_record *record)
{
    struct history_writer *writer = s->writers[record->machine];
    bool waits = s->due[record->machine];
    learner_count(s, record);
    if (rollup_add(s->rollups[record->machine], &record->frame, record->score) > 0)
        s->rollups_due = true;
    if (history_add(writer, &record->frame, record->score) > 0)
        s->due[record->machine] = true;
    /* While nothing can be written, waiting would only fill the ring as well. */
    s->hurry = s->hurry || history_is_full(writer);
    return !waits && !s->failing && history_is_full(writer);
}

/* ---- the write budget ---- */

/* The most that is saved, or owed. */
static double most_bytes(const struct store_stage *s)
{
    return (double)s->config->store.day_bytes / BURST + CHECKPOINT_BYTES;
}

/* Everything that was written counts, whoever wrote it; what blocks were guessed to cost is taken
 * back first. */
static void look_at_budget(struct store_stage *s, int64_t now_us)
{
    struct write_budget *b = &s->budget;
    double day = (double)s->config->store.day_bytes;
    uint64_t n_bytes = db_stats(s->db).n_bytes_written;
    double spent = (double)(n_bytes - b->seen_bytes);
    if (b->at_us == 0)
        b->left = day / BURST;
    else
        b->left += day * (double)(now_us - b->at_us) / DAY_US;
    b->left += b->charged - spent;
    /* Beyond that what was not used is lost, and what alarms and starts took is forgiven. */
    double most = most_bytes(s);
    b->left = b->left > most ? most : b->left < -most ? -most : b->left;
    if (b->n_blocks > 0)
        b->block_bytes += 0.05 * (spent / b->n_blocks - b->block_bytes);
    b->charged = 0;
    b->n_blocks = 0;
    b->seen_bytes = n_bytes;
    b->at_us = now_us;
}

static bool is_learning(const struct store_stage *s, uint32_t machine)
{
    return s->learners[machine].progress.phase == LEARN_COLLECTING;
}

/* Who learns is written in any case; who was in alarm just now as long as the debt lets: all
 * machines of a hall may be. */
static bool may_write(struct store_stage *s, uint32_t machine)
{
    if (s->config->store.day_bytes < 0 || is_apart(s) || is_learning(s, machine))
        return true;
    if (s->keeps[machine] > 0) {
        s->keeps[machine]--;
        return s->budget.left > -most_bytes(s);
    }
    return s->budget.left > 0;
}

static int write_block(struct store_stage *s, uint32_t machine)
{
    if (!may_write(s, machine)) {
        s->figures.n_frames_left_out += history_skip(s->writers[machine]);
        return MW_OK;
    }
    s->budget.left -= s->budget.block_bytes;
    s->budget.charged += s->budget.block_bytes;
    s->budget.n_blocks++;
    return history_write(s->writers[machine], s->history);
}

/* ---- keeping ---- */

/* Retention may make room. */
static void prune_soon(struct store_stage *s, int64_t now_us)
{
    if (s->prune_us > now_us + RETRY_US)
        s->prune_us = now_us + RETRY_US;
}

/* Retention first: after a full disk it is what lets history be written again. */
static int prune(struct store_stage *s, const struct clock_time *now)
{
    if (now->mono_us < s->prune_us)
        return MW_OK;
    int64_t at_us = s->synced ? now->mono_us + s->offset_us : 0;
    int result = store_open_group(s, now->mono_us);
    if (result >= 0)
        result = db_prune(s->db, at_us);
    if (result >= 0 && is_apart(s)) {
        result = begin(s, now->mono_us);
        if (result >= 0)
            result = end(s, db_prune(s->history, at_us));
    }
    if (result >= 0)
        s->prune_us = now->mono_us + PRUNE_US;
    return result;
}

/* Those that are due, beginning behind the one that was written last, so that a budget that does
 * not go round is shared. A block for which there is no room waits: history must not hold up
 * alarms. */
static int write_blocks(struct store_stage *s, int64_t now_us)
{
    uint32_t n = (uint32_t)s->config->n_machines, first = s->budget.next;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t m = (first + i) % n;
        if (!s->due[m])
            continue;
        bool left = s->budget.left > 0;
        int result = write_block(s, m);
        if (result == MW_ERR_NO_SPACE) {
            prune_soon(s, now_us);
            return MW_OK;
        }
        if (result < 0)
            return result;
        s->due[m] = false;
        if (left)
            s->budget.next = m + 1;
    }
    return MW_OK;
}

static int write_rollups(struct store_stage *s, int64_t now_us, bool all)
{
    for (size_t m = 0; m < s->config->n_machines; m++) {
        int result = rollup_write(s->rollups[m], s->history, all);
        if (result == MW_ERR_NO_SPACE) {
            prune_soon(s, now_us);
            return MW_OK;
        }
        if (result < 0)
            return result;
    }
    s->rollups_due = false;
    return MW_OK;
}

/* Machines fall silent: their spans end by the clock. */
static void end_rollups(struct store_stage *s, const struct clock_time *now)
{
    if (now->mono_us < s->rollup_us)
        return;
    s->rollup_us = now->mono_us + SUM_UP_US;
    s->summing = true;
    s->figures.n_spans_lost = s->figures.n_frames_pushed_out = 0;
    for (size_t m = 0; m < s->config->n_machines; m++) {
        if (rollup_end(s->rollups[m], now->mono_us + s->offset_us) > 0)
            s->rollups_due = true;
        s->figures.n_spans_lost += rollup_dropped(s->rollups[m]);
        s->figures.n_frames_pushed_out += history_dropped(s->writers[m]);
    }
}

static int sum_up(struct store_stage *s)
{
    uint32_t n = 0;
    int result = s->summing ? rollup_sum_up(s->history, SUM_UP_STEP, &n) : MW_OK;
    if (result == MW_ERR_NO_SPACE) {
        n = 0;
        result = MW_OK;
    }
    s->summing = n > 0;
    return result;
}

static bool is_due(const struct store_stage *s)
{
    bool due = s->rollups_due || s->summing;
    for (size_t m = 0; !due && m < s->config->n_machines; m++)
        due = s->due[m];
    return due;
}

static int write_due(struct store_stage *s, const struct clock_time *now)
{
    end_rollups(s, now);
    if ((now->mono_us < s->history_us && !s->hurry) || !is_due(s))
        return MW_OK;
    look_at_budget(s, now->mono_us);
    int result = begin(s, now->mono_us);
    if (result < 0)
        return result;
    result = write_blocks(s, now->mono_us);
    if (result >= 0 && s->rollups_due)
        result = write_rollups(s, now->mono_us, false);
    if (result >= 0)
        result = sum_up(s);
    s->history_us = now->mono_us + PACE_US;
    s->hurry = false;
    return end(s, result);
}

static int correct_one(struct db *db, uint32_t *ret_n)
{
    int result = db_begin(db);
    if (result < 0)
        return result;
    result = timebase_correct(db, CORRECT_STEP, ret_n);
    if (result >= 0)
        return db_commit(db);
    db_rollback(db);
    return result;
}

/* A few blocks at a time, behind everything else and in groups of their own: where they cannot be
 * stored, say on a full disk, acknowledgements still can. */
static int correct(struct store_stage *s, int64_t now_us)
{
    uint32_t n = 0, n_apart = 0;
    if (!s->correcting || now_us < s->correct_us)
        return MW_OK;
    int result = store_close_group(s, now_us);
    if (result < 0)
        return result;
    result = correct_one(s->db, &n);
    if (result >= 0 && is_apart(s))
        result = correct_one(s->history, &n_apart);
    if (result < 0)
        s->correct_us = now_us + CORRECT_AGAIN_US;
    else
        s->correcting = n + n_apart > 0;
    return MW_OK;
}

int history_keep(struct store_stage *s, const struct clock_time *now)
{
    int result = prune(s, now);
    if (result >= 0 && !s->config->store.no_history)
        result = write_due(s, now);
    if (result >= 0)
        result = correct(s, now->mono_us);
    return result;
}

/* ---- what others want at once ---- */

int history_flush(struct store_stage *s, uint32_t machine, int64_t now_us)
{
    if (!history_pending(s->writers[machine]))
        return MW_OK;
    int result = begin(s, now_us);
    if (result >= 0)
        result = end(s, history_write(s->writers[machine], s->history));
    s->due[machine] = false;
    store_close_group(s, now_us);
    return result;
}

int history_write_full(struct store_stage *s, int64_t now_us)
{
    int result = MW_OK;
    for (uint32_t m = 0; result >= 0 && m < s->config->n_machines; m++)
        if (s->writers[m] && history_is_full(s->writers[m]))
            result = history_flush(s, m, now_us);
    return result;
}

int history_end_machine(struct store_stage *s, uint32_t machine, int64_t now_us)
{
    if (!s->writers[machine])
        return MW_OK;
    int result = history_flush(s, machine, now_us);
    if (result < 0 || !rollup_pending(s->rollups[machine]))
        return result;
    result = begin(s, now_us);
    if (result >= 0)
        result = end(s, rollup_write(s->rollups[machine], s->history, true));
    return result < 0 ? result : store_close_group(s, now_us);
}

int history_flush_all(struct store_stage *s, int64_t now_us)
{
    if (is_apart(s)) /* it ends with the process */
        return MW_OK;
    int result = begin(s, now_us);
    for (size_t m = 0; result >= 0 && m < s->config->n_machines; m++) {
        s->due[m] = false;
        if (history_pending(s->writers[m]))
            result = history_write(s->writers[m], s->history);
    }
    if (result >= 0)
        result = write_rollups(s, now_us, true);
    return result < 0 ? result : store_close_group(s, now_us);
}

int history_forget_windows(struct store_stage *s, uint32_t machine)
{
    if (s->config->store.no_history || machine >= s->config->n_machines)
        return MW_OK;
    int result = is_apart(s) ? db_begin(s->history) : MW_OK;
    if (result < 0)
        return result;
    result = end(s, reservoir_clear(s->history, s->history_machines[machine]));
    history_forget_reservoir(s->writers[machine]);
    return result;
}

int history_set_clock(struct store_stage *s, int64_t offset_us, bool synced)
{
    if (!is_apart(s))
        return MW_OK;
    int result = db_begin(s->history);
    return result < 0 ? result : end(s, timebase_set(s->history, offset_us, synced));
}
