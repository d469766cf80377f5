/* SPDX-License-Identifier: Apache-2.0 */
#include "power/workload.h"
#include "base/result.h"
#include "storage/history.h"
#include "storage/outbox.h"

#include <stdlib.h>
#include <string.h>

#define AT_US ((int64_t)1767225600 * 1000000)

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
    int n_frames;
};

static void plan(const struct workload *w, struct group *g)
{
    uint64_t seed = w->n_groups * 7919 + 17;
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
    g->n_frames = draw(&seed) % 4 == 0 ? 20 : 0;
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
    w->n_groups++;
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

static int write_frames(struct db *db, const struct workload *w, int n)
{
    static const char *const names[] = { "a", "b" };
    struct history_writer *writer;
    int result = history_writer_create(&writer, 1, names, 2, 512, 60000000);
    if (result != MW_OK)
        return result;
    for (int i = 0; i < n; i++) {
        int64_t slot = (int64_t)w->n_frames + i;
        struct mw_frame f = { AT_US + slot * 1000000, slot, slot, 3, 3, { (float)slot, 1.0f } };
        history_add(writer, &f, -1);
    }
    result = history_write(writer, db);
    history_writer_destroy(writer);
    return result;
}

static int run(const struct workload *w, const struct group *g, struct db *db)
{
    uint64_t n_groups = w->n_groups + 1;
    int result = MW_OK;
    for (int i = 0; result == MW_OK && i < g->n_acknowledged; i++)
        result = outbox_acknowledged(db, g->acknowledged[i]);
    for (int i = 0; result == MW_OK && i < g->n_pushes; i++)
        result = push(db, w->next_seq + (uint64_t)i);
    if (result == MW_OK && g->n_frames > 0)
        result = write_frames(db, w, g->n_frames);
    if (result == MW_OK && n_groups % 16 == 0)
        result = db_prune(db, AT_US);
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
    if (stats.outbox_waiting != (uint64_t)w->n_waiting || stats.outbox_dropped != 0)
        return "other counts";
    if (history_count(db, 1, 0, &n_frames) != MW_OK || n_frames != w->n_frames)
        return "other history";
    if (history_alerts(db, NULL, &newest, 1, &n) != MW_OK || newest.seq + 1 != w->next_seq)
        return "another newest alert";
    return compare_outbox(w, db);
}
