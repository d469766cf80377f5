/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/db.h"
#include "base/result.h"
#include "storage/db_internal.h"
#include "storage/history.h"
#include "storage/outbox.h"
#include "support/suite.h"
#include "unit/storage/temp_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

static void count_complaint(void *ctx, const struct mw_complaint *complaint)
{
    ck_assert_ptr_nonnull(complaint->rule);
    (*(int *)ctx)++;
}

START_TEST(settings_not_given_get_their_defaults_and_wrong_ones_are_all_told)
{
    int n = 0;
    const struct mw_complaints to = { count_complaint, &n };
    struct store_config c = { 0 };
    ck_assert_int_eq(store_settle(&c, &to), MW_OK);
    ck_assert_str_eq(c.path, "/var/lib/millwright/millwright.db");
    ck_assert_int_eq(c.max_bytes, 256 * MIB);
    ck_assert_int_eq(c.outbox_bytes, 64 * MIB);
    ck_assert_int_eq(c.block_us, 60000000);
    c = (struct store_config){ .max_bytes = 8 * MIB };
    ck_assert_int_eq(store_settle(&c, &to), MW_OK);
    ck_assert_int_eq(c.outbox_bytes, 2 * MIB);
    ck_assert_int_eq(n, 0);
    c = (struct store_config){ .max_bytes = 4 * MIB - 1, .history_us = 1, .block_us = -1 };
    ck_assert_int_eq(store_settle(&c, &to), MW_ERR_INVALID);
    ck_assert_int_eq(n, 3);
}
END_TEST

START_TEST(a_new_database_is_migrated_and_an_old_one_is_left_alone)
{
    struct temp_store t;
    temp_begin(&t, 0);
    ck_assert_int_eq(t.report.migrated_from, 0);
    ck_assert_int_ge(t.report.migrated_to, 1);
    ck_assert_str_eq(t.report.quarantined, "");
    ck_assert_int_ge(db_stats(t.db).file_bytes, 4096);
    temp_reopen(&t);
    ck_assert_int_eq(t.report.migrated_from, t.report.migrated_to);
    temp_end(&t);
}
END_TEST

static void execute_on(sqlite3 *s, const char *sql)
{
    char *words = NULL;
    int code = sqlite3_exec(s, sql, NULL, NULL, &words);
    ck_assert_msg(code == SQLITE_OK, "%s: %s", sql, words ? words : "");
}

/* Another program's hand on the closed file. */
static void execute(const char *path, const char *sql)
{
    sqlite3 *s;
    ck_assert_int_eq(sqlite3_open(path, &s), SQLITE_OK);
    execute_on(s, sql);
    sqlite3_close(s);
}

static int64_t ask(const char *path, const char *sql)
{
    sqlite3 *s;
    sqlite3_stmt *stmt;
    ck_assert_int_eq(sqlite3_open(path, &s), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(s, sql, -1, &stmt, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(s);
    return n;
}

/* A database as release with schema 2 left it: two blocks, a message, a state. */
static void make_schema_2(const char *path)
{
    static struct db old;
    static const char *const names[] = { "vib" };
    uint8_t bytes[2000];
    char sql[8000];
    old = (struct db){ 0 };
    ck_assert_int_eq(sqlite3_open(path, &old.sqlite), SQLITE_OK);
    execute_on(old.sqlite, "PRAGMA journal_mode = WAL");
    ck_assert_int_eq(migrations_apply(&old, 0, 2, 7), MW_OK);
    for (int block = 0; block < 2; block++) {
        struct history_block_writer w;
        int64_t first_us = AT_US + block * INT64_C(3600000000);
        history_block_begin(&w, bytes, sizeof bytes, names, 1, 30, NULL);
        for (int i = 0; i < 30; i++)
            history_block_add(&w, &(struct mw_frame){ first_us + i, i, i, 1, 1, { (float)i } }, 0);
        int n = history_block_finish(&w);
        int at = snprintf(sql, sizeof sql, "INSERT INTO block VALUES (%d, 1, %lld, %lld, 30, x'",
                          block + 1, (long long)first_us, (long long)first_us + 29);
        for (int i = 0; i < n; i++)
            at += snprintf(sql + at, sizeof sql - (size_t)at, "%02x", bytes[i]);
        snprintf(sql + at, sizeof sql - (size_t)at, "', NULL, 0)");
        execute_on(old.sqlite, sql);
    }
    execute_on(old.sqlite, "INSERT INTO machine VALUES (1, 'pump');"
                           "INSERT INTO outbox VALUES (7, 1, 2, x'01', NULL);"
                           "UPDATE counter SET value = 8 WHERE name = 'next_seq';"
                           "INSERT INTO state VALUES ('k', 'n', x'05')");
    sqlite3_close(old.sqlite);
}

START_TEST(a_database_of_schema_2_is_brought_up_with_all_that_it_holds)
{
    static const char *const names[] = { "vib" };
    struct temp_store t;
    struct history_reader *r;
    struct mw_frame f;
    uint64_t n;
    uint8_t byte;
    size_t n_bytes;
    temp_make(&t, 0);
    make_schema_2(t.config.path);
    temp_open(&t);
    ck_assert_int_eq(t.report.migrated_from, 2);
    ck_assert_int_eq(t.report.migrated_to, migrations_newest());
    ck_assert_uint_eq(outbox_next_seq(t.db), 8);
    ck_assert_uint_eq(db_stats(t.db).outbox_waiting, 1);
    ck_assert_int_eq(state_get(t.db, "k", "n", &byte, 1, &n_bytes), MW_OK);
    ck_assert_int_eq(history_count(t.db, 1, 0, &n), MW_OK);
    ck_assert_uint_eq(n, 60);
    ck_assert_int_eq(history_reader_open(&r, t.db, 1, names, 1, AT_US + 10, INT64_MAX), MW_OK);
    for (int i = 10; i < 60; i++) {
        ck_assert_int_eq(history_reader_next(r, &f, NULL), MW_OK);
        ck_assert_float_eq(f.values[0], (float)(i % 30));
    }
    ck_assert_int_eq(history_reader_next(r, &f, NULL), MW_ERR_NOT_FOUND);
    history_reader_close(r);
    temp_reopen(&t);
    ck_assert_int_eq(t.report.migrated_from, t.report.migrated_to);
    temp_end(&t);
}
END_TEST

/* Path and its WAL, one behind the other; returns how many bytes. */
static size_t read_both(const char *path, uint8_t *bytes, size_t cap)
{
    static const char *const ends[] = { "", "-wal" };
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        char name[300];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        FILE *f = fopen(name, "rb");
        ck_assert_msg(f != NULL, "%s", name);
        size_t n_part = fread(bytes + n, 1, cap - n, f);
        ck_assert_uint_gt(n_part, 0);
        n += n_part;
        fclose(f);
    }
    return n;
}

START_TEST(a_newer_programs_database_is_refused_and_not_changed_by_a_byte)
{
    static uint8_t before[1 << 20], after[1 << 20];
    struct temp_store t;
    sqlite3 *newer;
    temp_begin(&t, 0);
    db_close(t.db);
    t.db = NULL;
    /* Its last commits are in the WAL alone, as after a power cut. */
    ck_assert_int_eq(sqlite3_open(t.config.path, &newer), SQLITE_OK);
    sqlite3_db_config(newer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    execute_on(newer, "PRAGMA user_version = 99");
    sqlite3_close(newer);
    size_t n = read_both(t.config.path, before, sizeof before);
    ck_assert_int_eq(db_open(&t.db, &t.config, AT_US, &t.report), MW_ERR_UNSUPPORTED);
    ck_assert_int_eq(t.report.migrated_from, 99);
    ck_assert_int_eq(t.report.migrated_to, migrations_newest());
    ck_assert_uint_eq(read_both(t.config.path, after, sizeof after), n);
    ck_assert_mem_eq(before, after, n);
    temp_end(&t);
}
END_TEST

START_TEST(another_programs_database_is_refused_and_not_touched)
{
    struct temp_store t;
    temp_make(&t, 0);
    execute(t.config.path, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (7)");
    ck_assert_int_eq(db_open(&t.db, &t.config, AT_US, &t.report), MW_ERR_UNSUPPORTED);
    ck_assert_int_eq(t.report.migrated_from, 0);
    ck_assert_int_eq(ask(t.config.path, "SELECT x FROM theirs"), 7);
    temp_end(&t);
}
END_TEST

START_TEST(a_second_connection_is_kept_out)
{
    struct temp_store t;
    struct db *second = NULL;
    temp_begin(&t, 0);
    ck_assert_int_eq(db_open(&second, &t.config, AT_US, NULL), MW_ERR_STATE);
    ck_assert_ptr_null(second);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(state_put(t.db, "k", "n", "x", 1), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    temp_end(&t);
}
END_TEST

static void overwrite(const char *path, off_t at, const void *bytes, size_t n)
{
    int fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, bytes, n, at), (ssize_t)n);
    close(fd);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void push(struct db *db, const char *text)
{
    struct outbox_message m = { .seq = outbox_next_seq(db), .at_us = AT_US, .severity = 2 };
    m.n_bytes = (uint16_t)strlen(text);
    memcpy(m.bytes, text, m.n_bytes);
    ck_assert_int_eq(db_begin(db), MW_OK);
    ck_assert_int_eq(outbox_push(db, &m), MW_OK);
    ck_assert_int_eq(db_commit(db), MW_OK);
}

START_TEST(a_corrupt_header_is_put_aside_and_numbers_go_on_above_the_old_ones)
{
    struct temp_store t;
    temp_begin(&t, 0);
    for (int i = 0; i < 20; i++)
        push(t.db, "message");
    uint64_t before = outbox_next_seq(t.db);
    db_close(t.db);
    overwrite(t.config.path, 0, "garbage garbage garbage garbage garbage", 39);
    temp_open(&t);
    char expected[400];
    snprintf(expected, sizeof expected, "%s.corrupt-1767225600", t.config.path);
    ck_assert_str_eq(t.report.quarantined, expected);
    ck_assert(exists(expected));
    ck_assert_uint_gt(outbox_next_seq(t.db), before);
    ck_assert_uint_lt(outbox_next_seq(t.db), (uint64_t)1 << 53);
    push(t.db, "goes on");
    temp_end(&t);
}
END_TEST

START_TEST(where_a_database_has_vanished_numbers_go_on_above_its_own)
{
    for (int emptied = 0; emptied < 2; emptied++) {
        struct temp_store t;
        temp_begin(&t, 0);
        ck_assert_uint_eq(outbox_next_seq(t.db), 1);
        for (int i = 0; i < 20; i++)
            push(t.db, "message");
        db_close(t.db);
        ck_assert_int_eq(emptied ? truncate(t.config.path, 0) : unlink(t.config.path), 0);
        temp_open(&t);
        ck_assert_uint_gt(outbox_next_seq(t.db), UINT64_C(1) << 32);
        temp_end(&t);
    }
}
END_TEST

START_TEST(a_corrupt_page_within_is_found_at_the_opening)
{
    struct temp_store t;
    uint8_t junk[4096];
    temp_begin(&t, 0);
    for (int i = 0; i < 200; i++)
        push(t.db, "message message message message message message message message message");
    db_close(t.db);
    memset(junk, 0xa5, sizeof junk);
    struct stat s;
    ck_assert_int_eq(stat(t.config.path, &s), 0);
    for (off_t at = 2 * 4096; at < s.st_size; at += 4096)
        overwrite(t.config.path, at, junk, sizeof junk);
    temp_open(&t);
    ck_assert_str_ne(t.report.quarantined, "");
    push(t.db, "goes on");
    temp_end(&t);
}
END_TEST

START_TEST(the_wal_of_a_corrupt_database_moves_with_it)
{
    struct temp_store t;
    char wal[300], moved[400];
    temp_begin(&t, 0);
    db_close(t.db);
    snprintf(wal, sizeof wal, "%s-wal", t.config.path);
    snprintf(moved, sizeof moved, "%s.corrupt-1767225600-wal", t.config.path);
    overwrite(t.config.path, 0, "garbage garbage garbage garbage garbage", 39);
    int fd = open(wal, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "left over", 9), 9);
    close(fd);
    temp_open(&t);
    ck_assert(exists(moved));
    push(t.db, "goes on");
    temp_end(&t);
}
END_TEST

START_TEST(only_the_three_newest_corrupt_ones_are_kept_and_none_is_written_over)
{
    struct temp_store t;
    temp_begin(&t, 0);
    uint64_t seq = outbox_next_seq(t.db);
    for (int i = 0; i < 6; i++) {
        db_close(t.db);
        overwrite(t.config.path, 0, "garbage garbage garbage garbage garbage", 39);
        temp_open(&t); /* always at the same second, as with a clock that stands */
        ck_assert_uint_gt(outbox_next_seq(t.db), seq);
        seq = outbox_next_seq(t.db);
    }
    int n = 0;
    for (int s = 0; s < 6; s++) {
        char name[400];
        snprintf(name, sizeof name, "%s.corrupt-%d", t.config.path, 1767225600 + s);
        n += exists(name);
        ck_assert(s < 3 || exists(name));
    }
    ck_assert_int_eq(n, 3);
    temp_end(&t);
}
END_TEST

/* As after a crash: the files as they are, without the close that tidies up. */
static void crash(struct temp_store *t)
{
    char command[2400];
    const char *p = t->config.path;
    snprintf(command, sizeof command,
             "cp %s %s.copy && cp %s-wal %s.copy-wal && cp %s-seq %s.copy-seq", p, p, p, p, p, p);
    ck_assert_int_eq(system(command), 0);
    db_close(t->db);
    strcat(t->config.path, ".copy");
}

enum { WAL_CUT, WAL_DAMAGED, WAL_GONE, WAL_DAMAGES };

static void damage_wal(const struct temp_store *t, int how, double where)
{
    char wal[300];
    struct stat s;
    snprintf(wal, sizeof wal, "%s-wal", t->config.path);
    ck_assert_int_eq(stat(wal, &s), 0);
    off_t at = (off_t)((double)s.st_size * where);
    if (how == WAL_CUT)
        ck_assert_int_eq(truncate(wal, at), 0);
    else if (how == WAL_DAMAGED)
        overwrite(wal, at, "\xff\x00\xa5 wrong", 9);
    else
        ck_assert_int_eq(unlink(wal), 0);
}

/* What waits, each with what it said; returns the number of the last one. */
static uint64_t expect_contents(struct db *db, char said[][32])
{
    static struct outbox_message m[64];
    const struct outbox_ask ask = { 0 };
    size_t n;
    ck_assert_int_eq(outbox_next(db, &ask, m, 64, &n), MW_OK);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(m[i].n_bytes, strlen(said[m[i].seq]));
        ck_assert_mem_eq(m[i].bytes, said[m[i].seq], m[i].n_bytes);
    }
    return n > 0 ? m[n - 1].seq : 0;
}

/* Under each number that was ever given there is one content, before and after. */
START_TEST(a_wal_that_is_cut_or_damaged_is_found_and_its_numbers_are_not_given_again)
{
    int n_anew = 0;
    for (int how = 0; how < WAL_DAMAGES; how++)
        for (int tenth = how == WAL_GONE ? 9 : 0; tenth < 10; tenth++) {
            struct temp_store t;
            char said[64][32];
            temp_begin(&t, 0);
            for (int i = 1; i <= 30; i++) {
                snprintf(said[i], sizeof said[i], "message %d", i);
                push(t.db, said[i]);
            }
            crash(&t);
            damage_wal(&t, how, 0.01 + tenth / 10.0);
            temp_open(&t);
            ck_assert_str_eq(t.report.quarantined, "");
            bool anew = t.report.migrated_from == 0; /* its very first commits are lost */
            n_anew += anew;
            ck_assert(anew ? outbox_next_seq(t.db) > 31 : outbox_next_seq(t.db) == 31);
            uint64_t last = expect_contents(t.db, said);
            ck_assert_uint_lt(last, 30);
            ck_assert_uint_eq(t.report.rewound.first_seq, last + 1);
            ck_assert_uint_eq(t.report.rewound.last_seq, 30);
            ck_assert_uint_gt(t.report.rewound.n_bytes, 0);
            ck_assert(how == WAL_GONE || t.report.rewound.n_wal_bytes > 0);
            temp_reopen(&t); /* nobody was told: found again */
            ck_assert_uint_eq(t.report.rewound.last_seq, anew ? 0 : 30);
            uint64_t next = outbox_next_seq(t.db);
            push(t.db, "goes on");
            temp_reopen(&t);
            ck_assert_uint_eq(t.report.rewound.last_seq, 0);
            ck_assert_uint_eq(outbox_next_seq(t.db), next + 1);
            temp_end(&t);
        }
    ck_assert_int_lt(n_anew, 10);
}
END_TEST

START_TEST(an_older_copy_in_the_databases_place_is_found)
{
    struct temp_store t;
    char command[1200];
    temp_begin(&t, 0);
    push(t.db, "message");
    db_close(t.db);
    snprintf(command, sizeof command, "cp %s %s.backup", t.config.path, t.config.path);
    ck_assert_int_eq(system(command), 0);
    temp_open(&t);
    push(t.db, "message");
    push(t.db, "message");
    db_close(t.db);
    snprintf(command, sizeof command, "mv %s.backup %s", t.config.path, t.config.path);
    ck_assert_int_eq(system(command), 0);
    temp_open(&t);
    ck_assert_uint_eq(t.report.rewound.first_seq, 2);
    ck_assert_uint_eq(t.report.rewound.last_seq, 3);
    ck_assert_uint_eq(outbox_next_seq(t.db), 4);
    temp_end(&t);
}
END_TEST

START_TEST(a_mark_that_is_none_is_made_anew)
{
    static const char *const texts[] = { "",
                                         "x",
                                         "00000000000000000009 00000000000000000008\n",
                                         "99999999999999999999 99999999999999999999\n",
                                         "-0000000000000000009 -0000000000000000009\n",
                                         "00000000000000000009 00000000000000000009" };
    struct temp_store t;
    char mark[300];
    temp_begin(&t, 0);
    push(t.db, "message");
    snprintf(mark, sizeof mark, "%s-seq", t.config.path);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ck_assert_uint_eq(mark_read(t.config.path), 2);
        ck_assert_int_eq(truncate(mark, 0), 0);
        overwrite(mark, 0, texts[i], strlen(texts[i]));
        ck_assert_uint_eq(mark_read(t.config.path), 0);
        temp_reopen(&t);
        ck_assert_uint_eq(t.report.rewound.last_seq, 0);
    }
    ck_assert_int_eq(unlink(mark), 0);
    ck_assert_int_eq(mkdir(mark, 0700), 0); /* cannot be written at all: nothing depends on it */
    temp_reopen(&t);
    push(t.db, "message");
    ck_assert_uint_eq(outbox_next_seq(t.db), 3);
    ck_assert_int_eq(rmdir(mark), 0);
    temp_end(&t);
}
END_TEST

START_TEST(a_missing_folder_and_a_folder_for_a_file_are_io_errors)
{
    struct temp_store t;
    temp_make(&t, 0);
    struct store_config c = t.config;
    snprintf(c.path, sizeof c.path, "%s/not/there.db", t.folder);
    ck_assert_int_eq(db_open(&t.db, &c, AT_US, NULL), MW_ERR_IO);
    snprintf(c.path, sizeof c.path, "%s", t.folder);
    ck_assert_int_eq(db_open(&t.db, &c, AT_US, NULL), MW_ERR_IO);
    temp_end(&t);
}
END_TEST

START_TEST(the_meter_counts_what_the_disk_is_given)
{
    struct temp_store t;
    uint8_t bytes[20000] = { 1 };
    temp_begin(&t, 0);
    struct db_stats before = db_stats(t.db);
    ck_assert_uint_gt(before.n_bytes_written, 0);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK); /* an empty group costs nothing */
    ck_assert_uint_eq(db_stats(t.db).n_bytes_written, before.n_bytes_written);
    ck_assert_uint_eq(db_stats(t.db).n_syncs_wal, before.n_syncs_wal);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(state_put(t.db, "k", "n", bytes, sizeof bytes), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    struct db_stats after = db_stats(t.db);
    ck_assert_uint_ge(after.n_bytes_written - before.n_bytes_written, sizeof bytes);
    ck_assert_uint_le(after.n_bytes_written - before.n_bytes_written, 10 * 4200);
    ck_assert_uint_eq(after.n_syncs_wal - before.n_syncs_wal, 1);
    ck_assert_uint_eq(after.n_syncs_database, before.n_syncs_database);
    temp_end(&t);
}
END_TEST

START_TEST(a_database_in_memory_writes_no_file)
{
    struct temp_store t;
    static const char *const names[] = { "vib" };
    struct history_writer *w;
    uint64_t n;
    temp_make(&t, 4 * MIB);
    t.config.in_memory = true;
    temp_open(&t);
    ck_assert_int_eq(access(t.config.path, F_OK), -1);
    ck_assert_int_eq(history_writer_create(&w, 1, names, 1, 512, 60000000), MW_OK);
    for (int block = 0; block < 3000; block++) { /* twice what it may hold */
        for (int i = 0; i < 500; i++) {
            int64_t us = (int64_t)block * 500 + i;
            history_add(w, &(struct mw_frame){ us, us, us, 1, 1, { (float)(i * 7919 % 1000) } }, 0);
        }
        ck_assert_int_eq(db_begin(t.db), MW_OK);
        ck_assert_int_eq(history_write(w, t.db), MW_OK);
        ck_assert_int_eq(db_commit(t.db), MW_OK);
    }
    ck_assert_int_eq(history_count(t.db, 1, 0, &n), MW_OK);
    ck_assert_uint_lt(n, 1500000);
    ck_assert_uint_gt(n, 100000);
    ck_assert_int_le(db_stats(t.db).file_bytes, 4 * MIB);
    ck_assert_uint_eq(db_stats(t.db).n_bytes_written, 0);
    history_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(a_rolled_back_group_leaves_nothing)
{
    struct temp_store t;
    char got[8];
    size_t n;
    temp_begin(&t, 0);
    push(t.db, "one");
    struct outbox_message m = { .seq = 2, .n_bytes = 3, .bytes = "two" };
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(outbox_push(t.db, &m), MW_OK);
    ck_assert_int_eq(outbox_acknowledged(t.db, 1), MW_OK);
    ck_assert_int_eq(state_put(t.db, "kind", "name", "x", 1), MW_OK);
    ck_assert_uint_eq(outbox_next_seq(t.db), 3);
    db_rollback(t.db);
    ck_assert_uint_eq(outbox_next_seq(t.db), 2);
    ck_assert_uint_eq(db_stats(t.db).outbox_waiting, 1);
    ck_assert_int_eq(state_get(t.db, "kind", "name", got, sizeof got, &n), MW_ERR_NOT_FOUND);
    temp_end(&t);
}
END_TEST

START_TEST(a_close_in_the_middle_of_a_group_leaves_nothing_of_it)
{
    struct temp_store t;
    char got[8];
    size_t n;
    temp_begin(&t, 0);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(state_put(t.db, "kind", "name", "x", 1), MW_OK);
    temp_reopen(&t);
    ck_assert_int_eq(state_get(t.db, "kind", "name", got, sizeof got, &n), MW_ERR_NOT_FOUND);
    temp_end(&t);
}
END_TEST

START_TEST(state_is_kept_by_kind_and_name)
{
    struct temp_store t;
    char got[8] = "";
    size_t n = 77;
    temp_begin(&t, 0);
    ck_assert_int_eq(state_get(t.db, "alarm", "a", got, 8, &n), MW_ERR_NOT_FOUND);
    ck_assert_int_eq(state_put(t.db, "alarm", "a", "12345678", 8), MW_OK);
    ck_assert_int_eq(state_put(t.db, "alarm", "b", "b", 1), MW_OK);
    ck_assert_int_eq(state_put(t.db, "detector", "a", "", 0), MW_OK);
    ck_assert_int_eq(state_put(t.db, "alarm", "b", "bb", 2), MW_OK);
    temp_reopen(&t);
    ck_assert_int_eq(state_get(t.db, "alarm", "a", got, 7, &n), MW_ERR_NO_SPACE);
    ck_assert_uint_eq(n, 77);
    ck_assert_int_eq(state_get(t.db, "alarm", "a", got, 8, &n), MW_OK);
    ck_assert_uint_eq(n, 8);
    ck_assert_mem_eq(got, "12345678", 8);
    ck_assert_int_eq(state_get(t.db, "alarm", "b", got, 8, &n), MW_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(state_get(t.db, "detector", "a", NULL, 0, &n), MW_OK);
    ck_assert_uint_eq(n, 0);
    static uint8_t big[STATE_BYTES_MAX + 1];
    ck_assert_int_eq(state_put(t.db, "k", "n", big, sizeof big), MW_ERR_TOO_BIG);
    ck_assert_int_eq(state_put(t.db, "k", "n", big, STATE_BYTES_MAX), MW_OK);
    temp_end(&t);
}
END_TEST

START_TEST(a_machines_number_stays)
{
    struct temp_store t;
    uint32_t a, b, again;
    temp_begin(&t, 0);
    ck_assert_int_eq(db_machine(t.db, "press-07", &a), MW_OK);
    ck_assert_int_eq(db_machine(t.db, "fan-2", &b), MW_OK);
    ck_assert_uint_ne(a, b);
    temp_reopen(&t);
    ck_assert_int_eq(db_machine(t.db, "press-07", &again), MW_OK);
    ck_assert_uint_eq(a, again);
    ck_assert_int_eq(db_machine(t.db, "", &again), MW_ERR_INVALID);
    temp_end(&t);
}
END_TEST

START_TEST(the_file_is_in_wal_mode_with_full_sync_and_no_shared_memory)
{
    struct temp_store t;
    char name[300];
    temp_begin(&t, 0);
    push(t.db, "x");
    snprintf(name, sizeof name, "%s-wal", t.config.path);
    ck_assert(exists(name));
    snprintf(name, sizeof name, "%s-shm", t.config.path);
    ck_assert(!exists(name));
    db_close(t.db);
    t.db = NULL;
    ck_assert_int_eq(ask(t.config.path, "PRAGMA application_id"), 0x4d574442);
    ck_assert_int_eq(ask(t.config.path,
                         "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
                         " AND name NOT LIKE 'sqlite_%' AND sql NOT LIKE '%STRICT%'"),
                     0);
    temp_end(&t);
}
END_TEST

MW_SUITE("storage/db", settings_not_given_get_their_defaults_and_wrong_ones_are_all_told,
         a_new_database_is_migrated_and_an_old_one_is_left_alone,
         a_database_of_schema_2_is_brought_up_with_all_that_it_holds,
         the_meter_counts_what_the_disk_is_given, a_database_in_memory_writes_no_file,
         a_newer_programs_database_is_refused_and_not_changed_by_a_byte,
         another_programs_database_is_refused_and_not_touched, a_second_connection_is_kept_out,
         a_corrupt_header_is_put_aside_and_numbers_go_on_above_the_old_ones,
         where_a_database_has_vanished_numbers_go_on_above_its_own,
         a_corrupt_page_within_is_found_at_the_opening, the_wal_of_a_corrupt_database_moves_with_it,
         only_the_three_newest_corrupt_ones_are_kept_and_none_is_written_over,
         a_wal_that_is_cut_or_damaged_is_found_and_its_numbers_are_not_given_again,
         an_older_copy_in_the_databases_place_is_found, a_mark_that_is_none_is_made_anew,
         a_missing_folder_and_a_folder_for_a_file_are_io_errors, a_rolled_back_group_leaves_nothing,
         a_close_in_the_middle_of_a_group_leaves_nothing_of_it, state_is_kept_by_kind_and_name,
         a_machines_number_stays, the_file_is_in_wal_mode_with_full_sync_and_no_shared_memory)
