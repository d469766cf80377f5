/* SPDX-License-Identifier: Apache-2.0 */
/* The power fails at every operation of the disk, in every order that the disk may have chosen:
 * all that was not synced is there, nothing of it, seeded subsets, the last write torn. The
 * database opens, is whole, and holds exactly the groups that were promised, or one more that was
 * being committed: so nothing accepted is lost, nothing settled comes back, no number is given
 * twice. With one kind of sync left out the same must find losses.
 *
 * MW_POWER_STATES: how many distinct states; MW_POWER_SEED: the first seed. */
#include "base/result.h"
#include "power/workload.h"
#include "storage/outbox.h"
#include "support/power_disk.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#define AT_US          ((int64_t)1767225600 * 1000000)
#define GROUPS         60
#define SUBSETS        5
#define SEEN_SLOTS     (1u << 23)
#define CONTINUE_EVERY 16
#define CONTROL_STATES 2000
#define TOLD_MAX       3
#define TOLD_EVERY     100000

struct hunt {
    struct power_disk recorded, tried;
    struct power_files start; /* what was there before */
    struct power_files state;
    struct store_config config;
    struct workload promised;
    uint64_t seed, draws;
    uint64_t first_seq;
    uint64_t used_seq; /* a corrupt database was begun with, which had given numbers below this */
    uint64_t before, before_seed; /* groups of that seed were there, in a database of schema 2 */
    uint64_t *seen;
    long n_states, n_tried, wanted, n_lost, n_unreadable;
    bool control;
};

/* The connection that storage opened last, and after how many pages of WAL it checkpoints:
 * sqlite3_auto_extension takes no context. */
static sqlite3 *opened;
static int checkpoint_pages;

static int on_open(sqlite3 *sqlite, char **ret_words, const void *api)
{
    (void)ret_words, (void)api;
    opened = sqlite;
    sqlite3_wal_autocheckpoint(sqlite, checkpoint_pages);
    return SQLITE_OK;
}

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Whether this state was not tried before. */
static bool is_new(struct hunt *h, uint64_t digest)
{
    size_t slot = (size_t)(digest % SEEN_SLOTS);
    digest += digest == 0;
    for (; h->seen[slot] != 0; slot = (slot + 1) % SEEN_SLOTS)
        if (h->seen[slot] == digest)
            return false;
    h->seen[slot] = digest;
    return true;
}

/* ---- the recording ---- */

static void begin_workload(const struct hunt *h, struct workload *w)
{
    workload_init(w);
    w->seed = h->before > 0 ? h->before_seed : h->seed;
    w->upgraded_at = h->before;
    workload_replay(w, h->before);
}

/* Groups, with a new start of the program now and then. */
static void record(struct hunt *h, enum power_lie lie)
{
    struct workload w;
    struct db *db;
    static const int pages[] = { 6, 24, 90, 1000 };
    checkpoint_pages = pages[h->seed % 4];
    h->recorded = (struct power_disk){ .lie = lie, .recording = true };
    power_files_copy(&h->recorded.files, &h->start);
    power_disk_install(&h->recorded);
    ck_assert_int_eq(db_open(&db, &h->config, AT_US, NULL), MW_OK);
    begin_workload(h, &w);
    if (h->before == 0)
        w.next_seq = outbox_next_seq(db);
    h->first_seq = w.next_seq;
    for (uint64_t i = 0; i < GROUPS; i++) {
        power_disk_mark(&h->recorded, (int64_t)w.n_groups);
        ck_assert_int_eq(workload_step(&w, db), MW_OK);
        if (draw(&h->draws) % 24 == 0) {
            db_close(db);
            ck_assert_int_eq(db_open(&db, &h->config, AT_US, NULL), MW_OK);
        }
    }
    power_disk_mark(&h->recorded, (int64_t)w.n_groups);
    db_close(db);
    power_disk_remove(&h->recorded);
    ck_assert_msg(lie != POWER_HONEST || h->recorded.n_ops > 500, "%zu operations",
                  h->recorded.n_ops);
}

/* ---- the verdict on one state ---- */

static const char *check_integrity(void)
{
    sqlite3_stmt *stmt;
    bool ok =
        sqlite3_prepare_v2(opened, "PRAGMA integrity_check(1)", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW &&
        strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
    sqlite3_finalize(stmt);
    return ok ? NULL : "integrity_check";
}

static const char *compare(const struct hunt *h, struct workload *w, struct db *db)
{
    uint64_t n = workload_groups_in(db);
    if (n != h->promised.n_groups && n != h->promised.n_groups + 1)
        return "not the groups that were promised";
    *w = h->promised;
    if (h->used_seq > 0 && n == 0) { /* a new beginning, whose first number nobody knows yet */
        w->next_seq = outbox_next_seq(db);
        return w->next_seq < h->used_seq ? "a number is given twice" : check_integrity();
    }
    workload_replay(w, n);
    const char *difference = workload_compare(w, db);
    return difference ? difference : check_integrity();
}

/* Life goes on: one more group, a new start, and all is there. */
static const char *go_on(struct hunt *h, struct workload *w, struct db **db)
{
    if (workload_step(w, *db) != MW_OK)
        return "the next group";
    db_close(*db);
    *db = NULL;
    if (db_open(db, &h->config, AT_US, NULL) != MW_OK)
        return "the next start";
    return workload_compare(w, *db);
}

static const char *judge(struct hunt *h)
{
    struct db_report report;
    struct workload w;
    struct db *db = NULL;
    const char *fault = NULL;
    int result = db_open(&db, &h->config, AT_US, &report);
    bool may_quarantine = h->used_seq > 0 && h->promised.n_groups == 0;
    if (result != MW_OK || (report.quarantined[0] && !may_quarantine)) {
        fault = "does not open";
        h->n_unreadable++;
    } else {
        fault = compare(h, &w, db);
    }
    if (!fault && h->n_tried % CONTINUE_EVERY == 0)
        fault = go_on(h, &w, &db);
    db_close(db);
    return fault;
}

/* The state in h->state, unless it was tried before with the same promise: a disk that was right
 * for one group may be too old for the next. Counted is the disk alone. */
static void try_state(struct hunt *h, const struct power_walk *walk, const char *kind)
{
    uint64_t digest = power_files_digest(&h->state), promise = (uint64_t)walk->promised;
    if (is_new(h, digest) && ++h->n_states % TOLD_EVERY == 0) {
        printf("%ld states, %ld lost, seed %lu\n", h->n_states, h->n_lost, (unsigned long)h->seed);
        fflush(stdout);
    }
    if (!is_new(h, digest ^ draw(&promise)))
        return;
    h->n_tried++;
    power_files_copy(&h->tried.files, &h->state);
    power_disk_install(&h->tried);
    const char *fault = judge(h);
    power_disk_remove(&h->tried);
    if (!fault)
        return;
    h->n_lost++;
    if (!h->control && h->n_lost <= TOLD_MAX)
        printf("seed %lu, operation %zu of %zu, %s: %s\n", (unsigned long)h->seed, walk->next,
               h->recorded.n_ops, kind, fault);
}

/* ---- the states of one moment ---- */

static void keep_all(bool *kept, size_t n, bool value)
{
    for (size_t i = 0; i < n; i++)
        kept[i] = value;
}

/* Each with the same chance: an eighth, a half or seven eighths. */
static void keep_some(struct hunt *h, bool *kept, size_t n)
{
    static const unsigned eighths[] = { 1, 4, 7 };
    unsigned chance = eighths[draw(&h->draws) % 3];
    for (size_t i = 0; i < n; i++)
        kept[i] = draw(&h->draws) % 8 < chance;
}

static void try_torn(struct hunt *h, const struct power_walk *walk, bool *kept)
{
    size_t n = walk->n_pending;
    const struct power_op *last = &h->recorded.ops[walk->pending[n - 1]];
    if (last->kind != POWER_WRITE)
        return;
    size_t n_sectors = last->n_bytes / POWER_SECTOR_BYTES;
    for (size_t i = 1; i < n_sectors; i++) {
        keep_all(kept, n, true);
        power_walk_build(walk, kept, i * POWER_SECTOR_BYTES, &h->state);
        try_state(h, walk, "last write torn");
    }
    if (n_sectors < 2)
        return;
    keep_some(h, kept, n);
    kept[n - 1] = true;
    power_walk_build(walk, kept,
                     (size_t)(draw(&h->draws) % (n_sectors - 1) + 1) * POWER_SECTOR_BYTES,
                     &h->state);
    try_state(h, walk, "a subset, last write torn");
}

static void try_moment(struct hunt *h, const struct power_walk *walk)
{
    static bool kept[POWER_PENDING_MAX];
    size_t n = walk->n_pending;
    keep_all(kept, n, true);
    power_walk_build(walk, kept, SIZE_MAX, &h->state);
    try_state(h, walk, "all");
    if (n == 0)
        return;
    keep_all(kept, n, false);
    power_walk_build(walk, kept, SIZE_MAX, &h->state);
    try_state(h, walk, "nothing");
    for (int i = 0; i < SUBSETS; i++) {
        keep_some(h, kept, n);
        power_walk_build(walk, kept, SIZE_MAX, &h->state);
        try_state(h, walk, "a subset");
    }
    try_torn(h, walk, kept);
}

/* Every moment of one recording. */
static void try_recording(struct hunt *h)
{
    struct power_walk *walk = calloc(1, sizeof *walk);
    bool changed;
    ck_assert_ptr_nonnull(walk);
    power_walk_init(walk, &h->recorded, &h->start);
    begin_workload(h, &h->promised);
    h->promised.next_seq = h->first_seq;
    while (h->n_states < h->wanted && power_walk_step(walk, &changed)) {
        workload_replay(&h->promised, (uint64_t)walk->promised);
        if (changed)
            try_moment(h, walk);
    }
    power_walk_finish(walk);
    free(walk);
}

/* ---- hunts ---- */

static struct hunt *hunt_create(long wanted, uint64_t seed, bool control)
{
    struct hunt *h = calloc(1, sizeof *h);
    ck_assert_ptr_nonnull(h);
    h->config = (struct store_config){ .max_bytes = 4 << 20, .windows = WORKLOAD_CONFIG_WINDOWS };
    snprintf(h->config.path, sizeof h->config.path, POWER_FOLDER "/m.db");
    ck_assert_int_eq(store_settle(&h->config, NULL), MW_OK);
    h->seen = calloc(SEEN_SLOTS, sizeof *h->seen);
    ck_assert_ptr_nonnull(h->seen);
    h->wanted = wanted;
    h->seed = h->draws = seed;
    h->control = control;
    ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))on_open), SQLITE_OK);
    return h;
}

static void hunt_destroy(struct hunt *h)
{
    sqlite3_reset_auto_extension();
    power_disk_free(&h->tried);
    power_files_free(&h->state);
    power_files_free(&h->start);
    free(h->seen);
    free(h);
}

static void hunt_run(struct hunt *h, enum power_lie lie)
{
    for (; h->n_states < h->wanted; h->seed++) {
        record(h, lie);
        try_recording(h);
        power_disk_free(&h->recorded);
    }
}

static long number_of(const char *variable, long otherwise)
{
    const char *text = getenv(variable);
    return text ? strtol(text, NULL, 10) : otherwise;
}

START_TEST(a_power_cut_at_any_moment_loses_nothing_that_was_promised)
{
    long wanted = number_of("MW_POWER_STATES", POWER_STATES);
    uint64_t seed = (uint64_t)number_of("MW_POWER_SEED", 1);
    ck_assert_int_lt(wanted, SEEN_SLOTS / 4);
    struct hunt *h = hunt_create(wanted, seed, false);
    hunt_run(h, POWER_HONEST);
    printf("seeds %lu to %lu, %ld cuts tried\npowercut_states %ld count\npowercut_lost %ld count\n",
           (unsigned long)seed, (unsigned long)h->seed - 1, h->n_tried, h->n_states, h->n_lost);
    ck_assert_int_ge(h->n_states, wanted);
    ck_assert_int_eq(h->n_lost, 0);
    hunt_destroy(h);
}
END_TEST

/* What a life with groups leaves: WAL and all, then spoilt. */
static void begin_corrupt(struct hunt *h)
{
    record(h, POWER_HONEST);
    struct power_walk *walk = calloc(1, sizeof *walk);
    bool changed;
    ck_assert_ptr_nonnull(walk);
    power_walk_init(walk, &h->recorded, &h->start);
    while (power_walk_step(walk, &changed) && walk->promised < GROUPS / 2)
        continue;
    power_files_copy(&h->start, &walk->files);
    power_files_spoil(&h->start, h->config.path);
    power_walk_finish(walk);
    free(walk);
    power_disk_free(&h->recorded);
    h->used_seq = 4 * GROUPS; /* a group pushes two at most */
}

/* A database with groups, made what schema 2 would have left of it. */
static void begin_schema_2(struct hunt *h)
{
    sqlite3 *sqlite;
    record(h, POWER_HONEST);
    power_files_copy(&h->start, &h->recorded.files);
    power_disk_free(&h->recorded);
    power_files_copy(&h->tried.files, &h->start);
    power_disk_install(&h->tried);
    ck_assert_int_eq(sqlite3_open(h->config.path, &sqlite), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(sqlite,
                     "PRAGMA locking_mode = EXCLUSIVE;"
                     "DROP INDEX outbox_subject; ALTER TABLE outbox DROP COLUMN subject;"
                     "DROP INDEX block_window; DROP TABLE channel_set; DROP TABLE rollup;"
                     "DROP TABLE rollup_day; DROP TABLE training_window;"
                     "DELETE FROM counter WHERE name = 'rollup_day';"
                     "DELETE FROM state WHERE kind = 'reservoir';"
                     "CREATE INDEX block_range ON block (machine, first_us, last_us, n_frames);"
                     "PRAGMA user_version = 2",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(sqlite);
    power_disk_remove(&h->tried);
    power_files_copy(&h->start, &h->tried.files);
    h->before = GROUPS;
    h->before_seed = h->seed;
}

START_TEST(a_power_cut_while_schema_2_is_brought_up_loses_nothing)
{
    struct hunt *h = hunt_create(POWER_STATES / 20, 55, false);
    begin_schema_2(h);
    hunt_run(h, POWER_HONEST);
    printf("brought up: %ld cuts tried, %ld faults\n", h->n_tried, h->n_lost);
    ck_assert_int_eq(h->n_lost, 0);
    hunt_destroy(h);
}
END_TEST

START_TEST(a_power_cut_while_a_corrupt_database_is_put_aside_gives_no_number_twice)
{
    struct hunt *h = hunt_create(POWER_STATES / 20, 77, false);
    begin_corrupt(h);
    hunt_run(h, POWER_HONEST);
    printf("put aside: %ld cuts tried, %ld faults\n", h->n_tried, h->n_lost);
    ck_assert_int_eq(h->n_lost, 0);
    hunt_destroy(h);
}
END_TEST

/* A hunt that cannot find anything proves nothing. */
static void find_losses(enum power_lie lie, const char *words)
{
    struct hunt *h = hunt_create(CONTROL_STATES, 2, true);
    hunt_run(h, lie);
    printf("without %s: %ld of %ld cuts lost something, %ld of them all\n", words, h->n_lost,
           h->n_tried, h->n_unreadable);
    ck_assert_int_gt(h->n_lost, 0);
    hunt_destroy(h);
}

START_TEST(without_the_sync_of_the_wal_rows_are_lost)
{
    find_losses(POWER_NO_WAL_SYNC, "the sync of the WAL");
}
END_TEST

START_TEST(without_the_sync_of_the_database_rows_are_lost)
{
    find_losses(POWER_NO_DATABASE_SYNC, "the sync of the database at a checkpoint");
}
END_TEST

START_TEST(without_the_sync_of_the_folder_rows_are_lost)
{
    find_losses(POWER_NO_FOLDER_SYNC, "the sync of the folder");
    printf("negative_control_fails 1 bool\n");
}
END_TEST

MW_SUITE("power/cuts", a_power_cut_at_any_moment_loses_nothing_that_was_promised,
         a_power_cut_while_schema_2_is_brought_up_loses_nothing,
         a_power_cut_while_a_corrupt_database_is_put_aside_gives_no_number_twice,
         without_the_sync_of_the_wal_rows_are_lost, without_the_sync_of_the_database_rows_are_lost,
         without_the_sync_of_the_folder_rows_are_lost)
