/* SPDX-License-Identifier: Apache-2.0 */
/* The database's settings, and the way from a path to an open, checked, migrated database. */
#include "storage/db_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SECOND_US ((int64_t)1000000)
#define MIB       ((int64_t)1 << 20)

#define APPLICATION_ID 0x4d574442

static int complain_number(const struct mw_complaints *to, const char *setting, int64_t value,
                           const char *unit, const char *rule)
{
    char text[40];
    snprintf(text, sizeof text, "%" PRId64 "%s", value, unit);
    return mw_complain(to, setting, text, rule);
}

static void fill_in(struct store_config *store)
{
    if (store->path[0] == 0)
        snprintf(store->path, sizeof store->path, "/var/lib/millwright/millwright.db");
    if (store->max_bytes == 0)
        store->max_bytes = 256 * MIB;
    if (store->outbox_bytes == 0)
        store->outbox_bytes = store->max_bytes / 4 < 64 * MIB ? store->max_bytes / 4 : 64 * MIB;
    if (store->history_us == 0)
        store->history_us = 90 * 86400 * SECOND_US;
    if (store->block_us == 0)
        store->block_us = 60 * SECOND_US;
    if (store->ram_bytes == 0)
        store->ram_bytes = 16 * MIB;
    if (store->day_bytes == 0)
        store->day_bytes = 400 * MIB;
    if (store->checkpoint_us == 0)
        store->checkpoint_us = 6 * 3600 * SECOND_US;
}

int store_settle(struct store_config *store, const struct mw_complaints *to)
{
    int result = MW_OK;
    fill_in(store);
    if (!memchr(store->path, 0, sizeof store->path))
        result = mw_complain(to, "path", NULL, "is longer than 255 characters");
    if (store->max_bytes < 4 * MIB || store->max_bytes > 64 * 1024 * MIB)
        result = complain_number(to, "max_bytes", store->max_bytes, "", "is not in 4MiB to 64GiB");
    else if (store->outbox_bytes < MIB / 16 || store->outbox_bytes > store->max_bytes / 2)
        result = complain_number(to, "outbox_bytes", store->outbox_bytes, "",
                                 "is not in 64KiB to half of max_bytes");
    if (store->history_us < 3600 * SECOND_US || store->history_us > 3660 * 86400 * SECOND_US)
        result = complain_number(to, "history", store->history_us, "us", "is not in 1h to 3660d");
    if (store->block_us < SECOND_US || store->block_us > 3600 * SECOND_US)
        result = complain_number(to, "block", store->block_us, "us", "is not in 1s to 1h");
    if (store->ram_bytes < 4 * MIB || store->ram_bytes > 4096 * MIB)
        result = complain_number(to, "ram_bytes", store->ram_bytes, "", "is not in 4MiB to 4GiB");
    if (store->day_bytes != -1 && store->day_bytes < 32 * MIB)
        result = complain_number(to, "day_bytes", store->day_bytes, "", "is less than 32MiB");
    if (store->checkpoint_us < 60 * SECOND_US || store->checkpoint_us > 86400 * SECOND_US)
        result =
            complain_number(to, "checkpoint", store->checkpoint_us, "us", "is not in 1min to 24h");
    return result;
}

/* The first column of the first row: as a number, and whether it is the given word. */
static int ask(struct db *db, const char *sql, int64_t *ret_number, const char *word,
               bool *ret_is_word)
{
    sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    int result = code == SQLITE_ROW ? MW_OK : MW_ERR_IO;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = db_result(db, code);
    if (result == MW_OK && ret_number)
        *ret_number = sqlite3_column_int64(stmt, 0);
    if (result == MW_OK && word) {
        const unsigned char *text = sqlite3_column_text(stmt, 0);
        *ret_is_word = text && strcmp((const char *)text, word) == 0;
    }
    sqlite3_finalize(stmt);
    return result;
}

static int ask_number(struct db *db, const char *sql, int64_t *ret_number)
{
    return ask(db, sql, ret_number, NULL, NULL);
}

/* Before anything is written: is it ours, and not from a newer program? The report has the answer
 * either way. */
static int find_version(struct db *db, struct db_report *report)
{
    int64_t version, application, n_tables = 0;
    report->migrated_to = migrations_newest();
    int result = ask_number(db, "PRAGMA user_version", &version);
    if (result == MW_OK)
        result = ask_number(db, "PRAGMA application_id", &application);
    if (result != MW_OK)
        return result;
    if (application == 0 && version == 0) {
        result = ask_number(db, "SELECT count(*) FROM sqlite_schema", &n_tables);
        if (result != MW_OK)
            return result;
    } else if (application != APPLICATION_ID) {
        return MW_ERR_UNSUPPORTED;
    }
    if (n_tables > 0 || version < 0)
        return MW_ERR_UNSUPPORTED;
    report->migrated_from = (int32_t)version;
    return version > report->migrated_to ? MW_ERR_UNSUPPORTED : MW_OK;
}

static int set_journal(struct db *db)
{
    bool is_set = false, in_memory = db->config.in_memory;
    int result = ask(db, in_memory ? "PRAGMA journal_mode" : "PRAGMA journal_mode = WAL", NULL,
                     in_memory ? "memory" : "wal", &is_set);
    if (result == MW_OK && !is_set)
        return MW_ERR_IO;
    if (result != MW_OK)
        return result;
    char sql[160];
    snprintf(sql, sizeof sql,
             "PRAGMA synchronous = FULL;"
             "PRAGMA journal_size_limit = 8388608;"
             "PRAGMA max_page_count = %" PRIu32 ";",
             db->max_pages);
    return db_result(db, sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL));
}

/* Does the checker's complaint come from want of memory, and not from the page? It says so by
 * SQLITE_NOMEM's number alone. */
static bool speaks_of_memory(const char *complaint)
{
    const char *code = strstr(complaint, "error code");
    return code && (strcmp(code, "error code=7") == 0 || strcmp(code, "error code 7") == 0);
}

static int check_once(struct db *db)
{
    sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v2(db->sqlite, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    int result = code == SQLITE_ROW ? MW_OK : code == SQLITE_DONE ? MW_ERR_IO : db_result(db, code);
    const char *word = result == MW_OK ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (result == MW_OK && (!word || speaks_of_memory(word)))
        result = MW_ERR_NO_MEMORY;
    else if (result == MW_OK && strcmp(word, "ok") != 0)
        result = MW_ERR_CORRUPT;
    sqlite3_finalize(stmt);
    return result;
}

/* A page that cannot be read this once is worded like one that is wrong: what is put aside must
 * have been found so twice. */
static int check_whole(struct db *db)
{
    int result = check_once(db);
    return result == MW_ERR_CORRUPT ? check_once(db) : result;
}

static int load_tally(struct db *db)
{
    struct tally *t = &db->tally;
    int64_t n[7] = { 0 };
    static const char *const questions[] = {
        "SELECT max((SELECT value FROM counter WHERE name = 'next_seq'),"
        " (SELECT ifnull(max(seq), 0) + 1 FROM outbox),"
        " (SELECT ifnull(max(seq), 0) + 1 FROM dead_letter))",
        "SELECT value FROM counter WHERE name = 'outbox_dropped'",
        "SELECT value FROM counter WHERE name = 'dead_letters'",
        "SELECT count(*) FROM outbox",
        "SELECT ifnull(sum(length(bytes)), 0) FROM outbox",
        "SELECT value FROM counter WHERE name = 'rollup_day'",
        "SELECT count(*) FROM outbox WHERE severity = 255", /* OUTBOX_GAP_SEVERITY */
    };
    for (int i = 0; i < 7; i++) {
        int result = ask_number(db, questions[i], &n[i]);
        if (result != MW_OK)
            return result;
    }
    *t = (struct tally){ .next_seq = (uint64_t)n[0],
                         .dropped = (uint64_t)n[1],
                         .dead_letters = (uint64_t)n[2],
                         .waiting = (uint64_t)n[3],
                         .waiting_bytes = (uint64_t)(n[4] + n[3] * OUTBOX_ROW_BYTES),
                         .rollup_day = (uint64_t)n[5],
                         .n_gaps = (uint64_t)n[6] };
    return ask_number(db, "PRAGMA page_count", &db->stats.file_bytes);
}

/* A database begun anew beside a corrupt one, or where one has vanished whose reserve or mark is
 * still there, goes on with numbers that the old one cannot have reached: it would have had to send
 * 65536 messages in each second since 1970. */
static int first_seq(const char *path, int64_t at_us, uint64_t *ret_seq)
{
    int64_t newest_s, at_s = at_us / SECOND_US;
    int result = quarantine_newest_s(path, &newest_s);
    if (result != MW_OK)
        return result;
    uint64_t mark = mark_read(path);
    *ret_seq = newest_s == 0 && mark == 0 && !reserve_is_there(path)
                   ? 1
                   : (uint64_t)((at_s > newest_s ? at_s : newest_s) + 1) << 16;
    if (*ret_seq < mark) /* the clock stands before its time */
        *ret_seq = mark;
    return MW_OK;
}

static int migrate(struct db *db, int version, int64_t at_us)
{
    uint64_t seq = 0;
    int result = MW_OK;
    if (version == 0 && !db->config.in_memory)
        result = first_seq(db->config.path, at_us, &seq);
    return result == MW_OK ? migrations_apply(db, version, migrations_newest(), seq) : result;
}

static int connect_to(struct db *db)
{
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = db->config.in_memory ? SQLITE_OK : meter_begin(&db->meter);
    if (code == SQLITE_OK && db->config.in_memory)
        code = sqlite3_open_v2(":memory:", &db->sqlite, flags, NULL);
    else if (code == SQLITE_OK)
        code = sqlite3_open_v2(db->config.path, &db->sqlite, flags, db->meter.name);
    if (code != SQLITE_OK)
        return db_result(db, code);
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    /* EXCLUSIVE before the first access: no shared memory file, and no second connection. */
    return db_result(db, sqlite3_exec(db->sqlite,
                                      "PRAGMA locking_mode = EXCLUSIVE;"
                                      "PRAGMA page_size = 4096;"
                                      "PRAGMA mmap_size = 0;"
                                      "PRAGMA secure_delete = OFF;"
                                      "PRAGMA cell_size_check = ON;"
                                      "PRAGMA temp_store = MEMORY;"
                                      "PRAGMA cache_size = -1024;",
                                      NULL, NULL, NULL));
}

static uint64_t size_beside(const char *path, const char *suffix)
{
    char name[sizeof((struct store_config *)0)->path + 8];
    struct stat there;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &there) == 0 && there.st_size > 0 ? (uint64_t)there.st_size : 0;
}

static void heed_mark(struct db *db, struct db_report *report)
{
    uint64_t mark = mark_read(db->config.path), next = db->tally.next_seq;
    bool vanished = report->migrated_from == 0 && !report->quarantined[0] && mark > 1;
    if (vanished || mark > next) {
        report->rewound.first_seq = vanished ? 1 : next;
        report->rewound.last_seq = mark - 1;
    }
    if (mark > next)
        db->tally.next_seq = mark;
    else
        mark_write(db->config.path, next);
}

static int open_checked(struct db *db, int64_t at_us, struct db_report *report)
{
    int result = connect_to(db);
    if (result == MW_OK)
        result = find_version(db, report);
    if (result == MW_OK)
        result = set_journal(db);
    if (result == MW_OK)
        result = check_whole(db);
    if (result == MW_OK)
        result = migrate(db, report->migrated_from, at_us);
    if (result == MW_OK)
        result = load_tally(db);
    if (result != MW_OK)
        return result;
    db->stats.file_bytes *= DB_PAGE_BYTES;
    if (!db->config.in_memory)
        heed_mark(db, report);
    return MW_OK;
}

static int try_open(const struct store_config *config, int64_t at_us, struct db_report *report,
                    struct db **ret_db)
{
    struct db *db = calloc(1, sizeof *db);
    if (!db)
        return MW_ERR_NO_MEMORY;
    db->config = *config;
    db->max_pages = (uint32_t)(config->max_bytes / DB_PAGE_BYTES);
    report->rewound = (struct db_rewound){ .n_bytes = size_beside(config->path, ""),
                                           .n_wal_bytes = size_beside(config->path, "-wal") };
    int result = open_checked(db, at_us, report);
    if (result != MW_OK) {
        if (result == MW_ERR_CORRUPT || result == MW_ERR_UNSUPPORTED) /* leave the WAL alone */
            sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
        db_close(db);
        return result;
    }
    db->squeezed = !config->in_memory && !reserve_make(config->path);
    *ret_db = db;
    return MW_OK;
}

int db_open(struct db **ret_db, const struct store_config *config, int64_t at_us,
            struct db_report *ret_report)
{
    struct db_report report = { 0 };
    int result = try_open(config, at_us, &report, ret_db);
    if (result == MW_ERR_CORRUPT) {
        result = quarantine(config->path, at_us, report.quarantined, sizeof report.quarantined);
        if (result == MW_OK)
            result = try_open(config, at_us, &report, ret_db);
    }
    if ((result == MW_OK || result == MW_ERR_UNSUPPORTED) && ret_report)
        *ret_report = report;
    return result;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    db_rollback(db);
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(db->statements[i]);
    sqlite3_close(db->sqlite);
    meter_end(&db->meter);
    free(db);
}
