/* SPDX-License-Identifier: Apache-2.0 */
/* A disk without one free byte, filled by others: what the reserve beside the database carries.
 * Counted are the changes of alarms that are still committed, and found after a kill; and
 * acknowledgements go on until nothing waits, whatever was in the log when the disk became full. */
#include "base/alert.h"
#include "base/result.h"
#include "storage/history.h"
#include "storage/outbox.h"
#include "support/power_disk.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#define AT_US INT64_C(1767225600000000)
#define MIB   (INT64_C(1) << 20)

#define STATE_BYTES  4096 /* of a detector: one of ten channels has fewer */
#define TRIES        3    /* a second apart in the daemon */
#define ALARMS_MAX   5000
#define ALARMS_LEAST 300 /* docs/OPERATING.md, docs/SPEC-database.md */

struct full_disk {
    struct power_disk disk;
    struct store_config config;
    struct db *db;
    bool taken; /* others take all that is free between any two transactions */
    uint64_t n_committed, n_acknowledged;
};

/* What was there when the disk became full. */
struct before {
    uint64_t n_alarms;
    int n_groups; /* of five new pages each, as history writes them */
};

/* Between none and as many new pages in the log as there may be, and beyond. */
static const struct before BEFORES[] = { { 0, 0 },    { 10, 0 },    { 200, 0 },   { 1000, 0 },
                                         { 0, 20 },   { 0, 24 },    { 0, 25 },    { 0, 26 },
                                         { 0, 27 },   { 0, 60 },    { 0, 120 },   { 400, 20 },
                                         { 400, 60 }, { 400, 100 }, { 400, 160 }, { 0, 250 } };
#define N_BEFORES (int)(sizeof BEFORES / sizeof BEFORES[0])

static void begin(struct full_disk *f)
{
    *f = (struct full_disk){ .config = { .max_bytes = 64 * MIB } };
    snprintf(f->config.path, sizeof f->config.path, "%s/m.db", POWER_FOLDER);
    ck_assert_int_eq(store_settle(&f->config, NULL), MW_OK);
    power_disk_install(&f->disk);
    ck_assert_int_eq(db_open(&f->db, &f->config, AT_US, NULL), MW_OK);
}

static void end(struct full_disk *f)
{
    db_close(f->db);
    power_disk_remove(&f->disk);
    power_disk_free(&f->disk);
}

/* As the daemon's store does it: the alarm's row, its message, its state and the detector's. */
static int put_alarm(struct db *db, uint64_t seq)
{
    static const uint8_t state[STATE_BYTES];
    struct outbox_message m = { .seq = seq, .at_us = AT_US + (int64_t)seq, .severity = 2 };
    struct mw_alert a = { .seq = seq,
                          .number = (uint32_t)seq,
                          .event = MW_ALERT_RAISED,
                          .state = MW_ALARM_ACTIVE_UNACKED,
                          .class = MW_ALARM_MACHINE,
                          .severity = MW_SEVERITY_WARNING,
                          .at_us = AT_US,
                          .n_contributors = 3 };
    snprintf(a.subject, sizeof a.subject, "pump-%u", (unsigned)(seq % 10));
    snprintf(m.subject, sizeof m.subject, "%s", a.subject);
    for (int i = 0; i < 3; i++)
        snprintf(a.contributors[i].name, sizeof a.contributors[i].name, "vel_rms_%d", i);
    int n = mw_alert_encode(&a, m.bytes, sizeof m.bytes);
    m.n_bytes = (uint16_t)n;
    int result = n < 0 ? n : outbox_push(db, &m);
    if (result == MW_OK)
        result = history_alert(db, &a, 0);
    if (result == MW_OK)
        result = state_put(db, "alarm", a.subject, state, 64);
    if (result == MW_OK)
        result = state_put(db, "counter", "alarm_number", &a.number, sizeof a.number);
    return result == MW_OK ? state_put(db, "detector", a.subject, state, sizeof state) : result;
}

static bool commit_or_roll_back(struct full_disk *f, int result)
{
    if (result == MW_OK)
        result = db_commit(f->db);
    else
        db_rollback(f->db);
    ck_assert(result == MW_OK || result == MW_ERR_NO_SPACE);
    return result == MW_OK;
}

static bool raise_alarm(struct full_disk *f)
{
    ck_assert_int_eq(db_begin(f->db), MW_OK);
    bool stored = commit_or_roll_back(f, put_alarm(f->db, outbox_next_seq(f->db)));
    f->n_committed += stored;
    return stored;
}

static bool acknowledge(struct full_disk *f)
{
    struct outbox_message oldest[16];
    size_t n;
    ck_assert_int_eq(outbox_peek(f->db, 0, oldest, 16, &n), MW_OK);
    if (n == 0)
        return false;
    ck_assert_int_eq(db_begin(f->db), MW_OK);
    int result = MW_OK;
    for (size_t i = 0; result == MW_OK && i < n; i++)
        result = outbox_acknowledged(f->db, oldest[i].seq);
    bool stored = commit_or_roll_back(f, result);
    f->n_acknowledged += stored ? n : 0;
    return stored;
}

static bool in_the_end(struct full_disk *f, bool (*act)(struct full_disk *f))
{
    bool done = false;
    for (int i = 0; i < TRIES && !done; i++) {
        done = act(f);
        if (f->taken)
            f->disk.n_free = 0;
    }
    return done;
}

static void grow(struct full_disk *f, int n_groups)
{
    static const uint8_t page[3500];
    char name[24];
    for (int i = 0; i < n_groups; i++) {
        ck_assert_int_eq(db_begin(f->db), MW_OK);
        for (int k = 0; k < 5; k++) {
            snprintf(name, sizeof name, "%d-%d", i, k);
            ck_assert_int_eq(state_put(f->db, "page", name, page, sizeof page), MW_OK);
        }
        ck_assert_int_eq(db_commit(f->db), MW_OK);
    }
}

static void begin_full(struct full_disk *f, const struct before *before, bool taken)
{
    begin(f);
    for (uint64_t i = 0; i < before->n_alarms; i++)
        ck_assert(raise_alarm(f));
    grow(f, before->n_groups);
    f->disk.limited = true;
    f->taken = taken;
    f->n_committed = 0;
}

/* The process is killed: what it wrote is there, and no call of it comes after that. */
static void check_after_kill(const struct full_disk *f, uint64_t n_waiting)
{
    struct power_disk there = { 0 };
    struct db *db;
    power_files_copy(&there.files, &f->disk.files);
    power_disk_install(&there);
    ck_assert_int_eq(db_open(&db, &f->config, AT_US, NULL), MW_OK);
    ck_assert_uint_eq(db_stats(db).outbox_waiting, n_waiting);
    ck_assert_uint_eq(outbox_next_seq(db), n_waiting + 1);
    db_close(db);
    power_disk_remove(&there);
    power_disk_free(&there);
}

static void drain(struct full_disk *f)
{
    while (in_the_end(f, acknowledge))
        ;
    ck_assert_uint_eq(db_stats(f->db).outbox_waiting, 0);
}

START_TEST(at_least_three_hundred_changes_of_alarms_are_stored_and_survive_a_kill)
{
    uint64_t least = ALARMS_MAX, most = 0;
    for (int i = 0; i < N_BEFORES; i++) {
        struct full_disk f;
        begin_full(&f, &BEFORES[i], false);
        while (in_the_end(&f, raise_alarm))
            ck_assert_uint_lt(f.n_committed, ALARMS_MAX);
        least = f.n_committed < least ? f.n_committed : least;
        most = f.n_committed > most ? f.n_committed : most;
        power_disk_remove(&f.disk);
        check_after_kill(&f, BEFORES[i].n_alarms + f.n_committed);
        power_disk_install(&f.disk);
        drain(&f);
        end(&f);
    }
    printf("%lu to %lu changes of alarms in the reserve\n", (unsigned long)least,
           (unsigned long)most);
    ck_assert_uint_ge(least, ALARMS_LEAST);
}
END_TEST

START_TEST(with_the_broker_connected_it_goes_on_beyond_that)
{
    for (int i = 0; i < N_BEFORES; i++) {
        struct full_disk f;
        begin_full(&f, &BEFORES[i], false);
        while (f.n_committed < 2 * ALARMS_LEAST && in_the_end(&f, raise_alarm))
            ck_assert(in_the_end(&f, acknowledge));
        drain(&f);
        ck_assert_uint_eq(f.n_committed, 2 * ALARMS_LEAST);
        end(&f);
    }
}
END_TEST

/* The reserve's room is gone before the first alarm can have it; only what waits gets out. */
START_TEST(acknowledgements_go_on_where_others_take_what_the_reserve_gave_back)
{
    for (int i = 0; i < N_BEFORES; i++) {
        struct full_disk f;
        begin_full(&f, &BEFORES[i], true);
        while (in_the_end(&f, raise_alarm))
            ck_assert_uint_lt(f.n_committed, ALARMS_MAX);
        drain(&f);
        ck_assert_uint_eq(f.n_acknowledged, BEFORES[i].n_alarms + f.n_committed);
        end(&f);
    }
}
END_TEST

/* Once there is room, all is as before, and the reserve is made again. */
START_TEST(with_room_it_goes_on)
{
    struct full_disk f;
    begin_full(&f, &BEFORES[0], true);
    while (in_the_end(&f, raise_alarm))
        ;
    f.taken = false;
    f.disk.n_free = 8 * MIB / 4096;
    ck_assert(raise_alarm(&f));
    ck_assert_int_eq(db_begin(f.db), MW_OK);
    ck_assert_int_eq(db_prune(f.db, AT_US), MW_OK);
    ck_assert_int_eq(db_commit(f.db), MW_OK);
    ck_assert_int_lt(f.disk.n_free, 7 * MIB / 4096 + 1);
    end(&f);
}
END_TEST

MW_SUITE("power/reserve", at_least_three_hundred_changes_of_alarms_are_stored_and_survive_a_kill,
         with_the_broker_connected_it_goes_on_beyond_that,
         acknowledgements_go_on_where_others_take_what_the_reserve_gave_back, with_room_it_goes_on)
