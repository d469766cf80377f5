/* SPDX-License-Identifier: Apache-2.0 */
#include "power/workload.h"
#include "base/result.h"
#include "storage/history.h"
#include "storage/outbox.h"
#include "storage/registry.h"
#include "storage/reservoir.h"
#include "storage/rollup.h"
#include "storage/timebase.h"

#include <stdlib.h>
#include <string.h>

#define AT_US        ((int64_t)1767225600 * 1000000)
#define BLOCK_FRAMES 40
#define BLOCKS_KEPT  2
#define MODEL_MAX    3000
#define ROLLUP_US    INT64_C(300000000) /* between the frames that are summed up */

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* What one group does. */
struct group {
    int n_pushes, n_acknowledged;
    uint64_t acknowledged[8];
    bool refused; /* the first of them went to the dead letters */
    int n_frames;
    bool prunes, adds_model;
};

static void plan(const struct workload *w, struct group *g)
{
    uint64_t seed = w->seed * 1000003 + w->n_groups * 7919 + 17;
    *g = (struct group){ .n_pushes = (int)(draw(&seed) % 3) };
    int wanted = (int)(draw(&seed) % 4) + (w->n_waiting > 60 ? 4 : 0);
    uint64_t left = (uint64_t)w->n_waiting;
    for (; g->n_acknowledged < wanted && left > 0; left--) {
        uint64_t seq = w->waiting[draw(&seed) % (uint64_t)w->n_waiting];
        int i = 0;
        while (i < g->n_acknowledged && g->acknowledged[i] != seq)
            i++;
        if (i == g->n_acknowledged)
            g->acknowledged[g->n_acknowledged++] = seq;
    }
    g->n_frames = draw(&seed) % 4 == 0 ? BLOCK_FRAMES : 0;
    g->refused = g->n_acknowledged > 0 && draw(&seed) % 8 == 0;
    g->prunes = (w->n_groups + 1) % 16 == 0;
    g->adds_model = (w->n_groups + 1) % 11 == 0;
}

static void forget(struct workload *w, uint64_t seq)
{
    int i = 0;
    while (w->waiting[i] != seq)
        i++;
    w->n_waiting--;
    memmove(&w->waiting[i], &w->waiting[i + 1], (size_t)(w->n_waiting - i) * sizeof w->waiting[0]);
}

static void advance(struct workload *w, const struct group *g)
{
    for (int i = 0; i < g->n_acknowledged; i++)
        forget(w, g->acknowledged[i]);
    for (int i = 0; i < g->n_pushes; i++) {
        if (w->n_waiting == WORKLOAD_WAITING_MAX)
            abort();
        w->waiting[w->n_waiting++] = w->next_seq++;
    }
    w->n_frames += (uint64_t)g->n_frames;
    w->n_kept += (uint64_t)g->n_frames;
    w->n_rolled += (uint64_t)g->n_frames;
    w->n_offered += g->n_frames > 0;
    if (g->prunes && w->n_kept > BLOCKS_KEPT * BLOCK_FRAMES)
        w->n_kept = BLOCKS_KEPT * BLOCK_FRAMES;
    w->n_dead += g->refused;
    w->n_groups++;
    if (g->adds_model)
        w->model = w->n_groups;
    if (w->n_groups == w->upgraded_at)
        w->n_rolled = w->n_offered = 0;
}

static void message_for(uint64_t seq, struct outbox_message *m)
{
    uint64_t seed = seq;
    *m = (struct outbox_message){ .seq = seq, .at_us = AT_US + (int64_t)seq, .severity = 2 };
    m->n_bytes = (uint16_t)(draw(&seed) % 600 + 100);
    for (int i = 0; i < m->n_bytes; i++)
        m->bytes[i] = (uint8_t)draw(&seed);
}

static int push(struct db *db, uint64_t seq)
{
    struct outbox_message m;
    struct mw_alert a = { .seq = seq, .event = MW_ALERT_RAISED, .subject = "press-07" };
    message_for(seq, &m);
    int result = history_alert(db, &a, 0);
    return result == MW_OK ? outbox_push(db, &m) : result;
}

static const char *const names[] = { "a", "b" };

/* The same frames, five minutes apart. */
static int write_rollups(struct db *db, const struct workload *w, int n)
{
    struct rollup_writer *writer = NULL;
    int result = rollup_writer_create(&writer, 1, names, 2);
    for (int i = 0; result == MW_OK && i < n; i++) {
        int64_t slot = (int64_t)w->n_frames + i, mono_us = slot * ROLLUP_US;
        struct mw_frame f = { AT_US + mono_us, mono_us, slot, 3, 3, { (float)slot, 1.0f } };
        if (rollup_add(writer, &f, -1))
            result = rollup_write(writer, db, false);
    }
    if (result == MW_OK)
        result = rollup_write(writer, db, true);
    rollup_writer_destroy(writer);
    return result;
}

static int write_frames(struct db *db, const struct workload *w, int n)
{
    struct history_writer *writer;
    uint32_t machine;
    int result = timebase_set(db, AT_US, true); /* retention takes what is confirmed */
    if (result == MW_OK)
        result = db_machine(db, "press-07", &machine);
    if (result == MW_OK)
        result = write_rollups(db, w, n);
    if (result == MW_OK)
        result = history_writer_create(&writer, 1, names, 2, 512, 60000000);
    if (result != MW_OK)
        return result;
    for (int i = 0; i < n; i++) {
        int64_t slot = (int64_t)w->n_frames + i;
        int64_t mono_us = slot * 1000000;
        struct mw_frame f = { AT_US + mono_us, mono_us, slot, 3, 3, { (float)(slot % 7), 1.0f } };
        history_add(writer, &f, -1);
    }
    result = history_write(writer, db);
    history_writer_destroy(writer);
    return result;
}

/* The group's number stands for the bytes. */
static size_t model_for(uint64_t group, uint8_t ret_bytes[MODEL_MAX])
{
    uint64_t seed = ~group;
    size_t n = (size_t)(draw(&seed) % (MODEL_MAX - 100)) + 100;
    for (size_t i = 0; i < n; i++)
        ret_bytes[i] = (uint8_t)draw(&seed);
    return n;
}

static int add_model(struct db *db, uint64_t group)
{
    uint8_t bytes[MODEL_MAX], digest[MW_SHA256_BYTES];
    size_t n = model_for(group, bytes);
    int result = registry_add(db, 1, bytes, n, 100, 0.9f, AT_US, digest);
    return result == MW_OK ? registry_set_state(db, 1, digest, MODEL_ACTIVE) : result;
}

static int settle(struct db *db, const struct group *g)
{
    int result = MW_OK;
    for (int i = 0; result == MW_OK && i < g->n_acknowledged; i++)
        result = i == 0 && g->refused ? outbox_dead_letter(db, g->acknowledged[i], 0x87)
                                      : outbox_acknowledged(db, g->acknowledged[i]);
    return result;
}

/* At a time at which all but the newest two blocks are too old. */
static int prune(struct db *db, uint64_t n_frames)
{
    int64_t n_old = (int64_t)n_frames - BLOCKS_KEPT * BLOCK_FRAMES;
    uint32_t n;
    int result = rollup_sum_up(db, 8, &n);
    return result != MW_OK ? result : db_prune(db, AT_US + WORKLOAD_HISTORY_US + n_old * 1000000);
}

static int run(const struct workload *w, const struct group *g, struct db *db)
{
    uint64_t n_groups = w->n_groups + 1;
    int result = settle(db, g);
    for (int i = 0; result == MW_OK && i < g->n_pushes; i++)
        result = push(db, w->next_seq + (uint64_t)i);
    if (result == MW_OK && g->n_frames > 0)
        result = write_frames(db, w, g->n_frames);
    if (result == MW_OK && g->prunes)
        result = prune(db, w->n_frames + (uint64_t)g->n_frames);
    if (result == MW_OK && g->adds_model)
        result = add_model(db, n_groups);
    if (result == MW_OK)
        result = state_put(db, "workload", "groups", &n_groups, sizeof n_groups);
    return result;
}

void workload_init(struct workload *w)
{
    *w = (struct workload){ .next_seq = 1 };
}

int workload_step(struct workload *w, struct db *db)
{
    struct group g;
    plan(w, &g);
    int result = db_begin(db);
    if (result != MW_OK)
        return result;
    result = run(w, &g, db);
    if (result == MW_OK)
        result = db_commit(db);
    else
        db_rollback(db);
    if (result == MW_OK)
        advance(w, &g);
    return result;
}

uint64_t workload_groups_in(struct db *db)
{
    uint64_t n_groups = 0;
    size_t n;
    if (state_get(db, "workload", "groups", &n_groups, sizeof n_groups, &n) != MW_OK)
        return 0;
    return n_groups;
}

void workload_replay(struct workload *w, uint64_t n_groups)
{
    while (w->n_groups < n_groups) {
        struct group g;
        plan(w, &g);
        advance(w, &g);
    }
}

static const char *compare_outbox(const struct workload *w, struct db *db)
{
    struct outbox_message expected, got;
    uint64_t after = 0;
    size_t n;
    for (int i = 0; i < w->n_waiting; i++) {
        if (outbox_peek(db, after, &got, 1, &n) != MW_OK || n != 1)
            return "a message is missing";
        message_for(w->waiting[i], &expected);
        if (got.seq != expected.seq)
            return "another message is there";
        if (got.n_bytes != expected.n_bytes || got.at_us != expected.at_us ||
            memcmp(got.bytes, expected.bytes, got.n_bytes) != 0)
            return "a message has changed";
        after = got.seq;
    }
    if (outbox_peek(db, after, &got, 1, &n) != MW_OK || n != 0)
        return "an acknowledged message is back";
    return NULL;
}

static const char *compare_model(const struct workload *w, struct db *db)
{
    uint8_t expected[MODEL_MAX], *got;
    size_t n_got;
    int result = registry_active(db, 1, &got, &n_got);
    if (w->model == 0)
        return result == MW_ERR_NOT_FOUND ? NULL : "a model from nowhere";
    if (result != MW_OK)
        return "no active model";
    bool same = n_got == model_for(w->model, expected) && memcmp(got, expected, n_got) == 0;
    free(got);
    return same ? NULL : "another active model";
}

/* Every frame is in one hour, none twice, none made up. */
static const char *compare_rollups(const struct workload *w, struct db *db)
{
    struct rollup_reader *reader;
    struct rollup_row row;
    uint64_t n = 0;
    int result = rollup_reader_open(&reader, db, 1, ROLLUP_HOUR_US, 0, INT64_MAX);
    if (result != MW_OK)
        return "no reader of rollups";
    while ((result = rollup_reader_next(reader, &row)) == MW_OK || result == MW_ERR_AGAIN)
        if (result == MW_OK)
            n += row.slots[0].n;
    rollup_reader_close(reader);
    if (result != MW_ERR_NOT_FOUND)
        return "rollups cannot be read";
    return n == w->n_rolled ? NULL : "other rollups";
}

static const char *compare_windows(const struct workload *w, struct db *db)
{
    uint32_t n, n_states;
    if (reservoir_count(db, 1, &n, &n_states) != MW_OK)
        return "windows cannot be counted";
    uint64_t wanted = w->n_offered < WORKLOAD_WINDOWS ? w->n_offered : WORKLOAD_WINDOWS;
    return n == wanted && n_states == (wanted > 0) ? NULL : "other windows";
}

const char *workload_compare(const struct workload *w, struct db *db)
{
    struct mw_alert newest = { 0 };
    struct db_stats stats = db_stats(db);
    uint64_t n_frames;
    size_t n;
    if (workload_groups_in(db) != w->n_groups)
        return "another number of groups";
    if (outbox_next_seq(db) != w->next_seq)
        return "another next number";
    if (stats.outbox_waiting != (uint64_t)w->n_waiting || stats.outbox_dropped != 0 ||
        stats.dead_letters != w->n_dead)
        return "other counts";
    if (history_count(db, 1, 0, &n_frames) != MW_OK || n_frames != w->n_kept)
        return "other history";
    if (history_alerts(db, NULL, &newest, 1, &n) != MW_OK || newest.seq + 1 != w->next_seq)
        return "another newest alert";
    const char *difference = compare_model(w, db);
    if (!difference)
        difference = compare_rollups(w, db);
    if (!difference)
        difference = compare_windows(w, db);
    return difference ? difference : compare_outbox(w, db);
}
