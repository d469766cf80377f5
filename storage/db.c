/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/db_internal.h"

#include <assert.h>
#include <stdio.h>

#define PRUNE_BLOCKS_MAX 1024 /* in one call, so that a clock set wrong cannot take all at once */
#define OWED_PAGES_MAX   128  /* half the reserve; see owe_little */

int db_result(struct db *db, int code)
{
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
        return MW_OK;
    db->stats.n_errors++;
    snprintf(db->error, sizeof db->error, "%s (%d)",
             db->sqlite ? sqlite3_errmsg(db->sqlite) : sqlite3_errstr(code),
             db->sqlite ? sqlite3_extended_errcode(db->sqlite) : code);
    if (code == SQLITE_IOERR_NOMEM)
        return MW_ERR_NO_MEMORY;
    switch (code & 0xff) {
    case SQLITE_FULL:
        if (!db->config.in_memory) {
            reserve_release(db->config.path);
            db->squeezed = true;
        }
        return MW_ERR_NO_SPACE;
    case SQLITE_NOMEM: return MW_ERR_NO_MEMORY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return MW_ERR_CORRUPT;
    case SQLITE_TOOBIG: return MW_ERR_TOO_BIG;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return MW_ERR_STATE;
    default: return MW_ERR_IO;
    }
}

int db_use(struct db *db, enum statement which, const char *sql, sqlite3_stmt **ret_stmt)
{
    if (db->in_transaction && sqlite3_get_autocommit(db->sqlite))
        return MW_ERR_STATE;
    sqlite3_stmt **stmt = &db->statements[which];
    if (!*stmt) {
        int code = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
        if (code != SQLITE_OK)
            return db_result(db, code);
    }
    sqlite3_reset(*stmt);
    sqlite3_clear_bindings(*stmt);
    *ret_stmt = *stmt;
    return MW_OK;
}

int db_row(struct db *db, sqlite3_stmt *stmt, int bound)
{
    if (bound != SQLITE_OK)
        return MW_ERR_NO_MEMORY; /* or a blob beyond SQLite's limit, which every caller rules out */
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        return MW_OK;
    int result = code == SQLITE_DONE ? MW_ERR_NOT_FOUND : db_result(db, code);
    sqlite3_reset(stmt);
    return result;
}

int db_run(struct db *db, sqlite3_stmt *stmt, int bound)
{
    int result = db_row(db, stmt, bound);
    if (result == MW_OK)
        sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt); /* bound bytes are the caller's */
    return result == MW_ERR_NOT_FOUND ? MW_OK : result;
}

int db_number(struct db *db, enum statement which, const char *sql, int64_t *ret_number)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, which, sql, &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, SQLITE_OK);
    if (result != MW_OK)
        return result;
    *ret_number = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return MW_OK;
}

static int pages(struct db *db, int64_t *ret_all, int64_t *ret_free)
{
    int result = db_number(db, ST_PAGE_COUNT, "PRAGMA page_count", ret_all);
    if (result == MW_OK)
        result = db_number(db, ST_FREE_COUNT, "PRAGMA freelist_count", ret_free);
    return result;
}

/* Runs a statement that deletes; its count in *ret_n. */
static int drop(struct db *db, enum statement which, const char *sql, int64_t limit, int *ret_n)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, which, sql, &stmt);
    if (result == MW_OK)
        result = db_run(db, stmt, sqlite3_bind_int64(stmt, 1, limit));
    if (result == MW_OK)
        *ret_n = sqlite3_changes(db->sqlite);
    return result;
}

struct dropper {
    enum db_give from;
    enum statement which;
    const char *sql;
    int64_t n;
};

static int drop_oldest(struct db *db, enum db_give give)
{
    static const struct dropper droppers[] = {
        { GIVE_BLOCKS, ST_DROP_OLDEST_BLOCKS,
          "DELETE FROM block WHERE id IN (SELECT id FROM block ORDER BY id LIMIT ?1)", 4 },
        { GIVE_ROLLUPS, ST_DROP_OLDEST_DAYS,
          "DELETE FROM rollup_day WHERE id IN (SELECT id FROM rollup_day ORDER BY id LIMIT ?1)",
          16 },
        { GIVE_ROLLUPS, ST_DROP_OLDEST_ROLLUPS,
          "DELETE FROM rollup WHERE id IN (SELECT id FROM rollup ORDER BY id LIMIT ?1)", 64 },
        { GIVE_ALERTS, ST_DROP_OLDEST_ALERTS,
          "DELETE FROM alert WHERE id IN (SELECT id FROM alert ORDER BY id LIMIT ?1)", 16 },
    };
    for (size_t i = 0; i < sizeof droppers / sizeof droppers[0]; i++) {
        const struct dropper *d = &droppers[i];
        int n = 0;
        int result = d->from <= give ? drop(db, d->which, d->sql, d->n, &n) : MW_OK;
        if (result != MW_OK)
            return result;
        if (d->from == GIVE_BLOCKS)
            db->stats.n_pruned_blocks += (uint64_t)n;
        if (d->from == GIVE_ROLLUPS)
            db->stats.n_pruned_rollups += (uint64_t)n;
        if (n > 0)
            return MW_OK;
    }
    return MW_ERR_NO_SPACE;
}

int db_room_by(struct db *db, size_t n_bytes, uint32_t reserve_pages, enum db_give give)
{
    /* Three quarters of each page filled, and a few to split the trees above. */
    int64_t wanted = (int64_t)(n_bytes / (DB_PAGE_BYTES * 3 / 4)) + 4 + reserve_pages;
    if (wanted > (int64_t)db->max_pages) /* nothing is given up for what never fits */
        return MW_ERR_NO_SPACE;
    for (;;) {
        int64_t n_all, n_free;
        int result = pages(db, &n_all, &n_free);
        if (result != MW_OK)
            return result;
        if (n_all - n_free + wanted <= (int64_t)db->max_pages)
            return MW_OK;
        result = drop_oldest(db, give);
        if (result != MW_OK)
            return result;
    }
}

int db_room(struct db *db, size_t n_bytes, uint32_t reserve_pages, bool alerts_too)
{
    return db_room_by(db, n_bytes, reserve_pages, alerts_too ? GIVE_ALERTS : GIVE_ROLLUPS);
}

uint32_t db_history_leaves(const struct db *db)
{
    uint32_t eighth = db->max_pages / 8;
    return eighth > ROOM_FOR_ALERTS + 32 ? eighth : ROOM_FOR_ALERTS + 32;
}

static int run_plain(struct db *db, enum statement which, const char *sql)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, which, sql, &stmt);
    return result == MW_OK ? db_run(db, stmt, SQLITE_OK) : result;
}

static void checkpoint(struct db *db)
{
    sqlite3_wal_checkpoint_v2(db->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* On a full disk the log must not grow by each commit until it has eaten what the reserve gave
 * back: moved into the database each time, it is written from its beginning again, and the database
 * grows only by what is new in it. Where that fails nothing is lost, and the next one tries again.
 */
static void keep_log_short(struct db *db)
{
    if (db->squeezed)
        checkpoint(db);
}

int db_begin(struct db *db)
{
    assert(!db->in_transaction);
    keep_log_short(db);
    int result = run_plain(db, ST_BEGIN, "BEGIN IMMEDIATE");
    if (result != MW_OK)
        return result;
    db->in_transaction = true;
    db->at_begin = db->tally;
    return MW_OK;
}

static int put_counter(struct db *db, const char *name, uint64_t before, uint64_t now)
{
    if (before == now)
        return MW_OK;
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_COUNTER_PUT, "UPDATE counter SET value = ?2 WHERE name = ?1", &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) |
                sqlite3_bind_int64(stmt, 2, (sqlite3_int64)now);
    return db_run(db, stmt, bound);
}

static int put_counters(struct db *db)
{
    const struct tally *was = &db->at_begin, *is = &db->tally;
    int result = put_counter(db, "next_seq", was->next_seq, is->next_seq);
    if (result == MW_OK)
        result = put_counter(db, "outbox_dropped", was->dropped, is->dropped);
    if (result == MW_OK)
        result = put_counter(db, "dead_letters", was->dead_letters, is->dead_letters);
    if (result == MW_OK)
        result = put_counter(db, "rollup_day", was->rollup_day, is->rollup_day);
    return result;
}

/* What makes the database larger takes the last of a full disk only so far that acknowledgements,
 * which do not, still have a log to go through. */
static int leave_room(struct db *db, int64_t n_pages)
{
    if (!db->squeezed || n_pages <= db->stats.file_bytes / DB_PAGE_BYTES ||
        reserve_has_room(db->config.path))
        return MW_OK;
    db->stats.n_errors++;
    snprintf(db->error, sizeof db->error, "the rest of the disk is for acknowledgements");
    return MW_ERR_NO_SPACE;
}

/* Pages that are new in the log must find room in the database's file, on a disk that has become
 * full meanwhile from the reserve: so there are never more of them than that holds. A checkpoint
 * that fails is made up for by a later one. */
static void owe_little(struct db *db, int64_t n_pages)
{
    sqlite3_file *file = NULL;
    sqlite3_int64 n_bytes = 0;
    if (db->config.in_memory || n_pages <= db->stats.file_bytes / DB_PAGE_BYTES)
        return;
    if (sqlite3_file_control(db->sqlite, NULL, SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file->pMethods->xFileSize(file, &n_bytes) != SQLITE_OK)
        return;
    if (n_pages - n_bytes / DB_PAGE_BYTES > OWED_PAGES_MAX)
        checkpoint(db);
}

int db_commit(struct db *db)
{
    assert(db->in_transaction);
    int64_t n_pages = db->stats.file_bytes / DB_PAGE_BYTES;
    int result = put_counters(db);
    if (result == MW_OK)
        result = db_number(db, ST_PAGE_COUNT, "PRAGMA page_count", &n_pages);
    if (result == MW_OK)
        result = leave_room(db, n_pages);
    if (result == MW_OK)
        result = run_plain(db, ST_COMMIT, "COMMIT");
    if (result != MW_OK) {
        db_rollback(db);
        return result;
    }
    db->in_transaction = false;
    db->stats.n_commits++;
    owe_little(db, n_pages);
    if (db->tally.next_seq != db->at_begin.next_seq && !db->config.in_memory)
        mark_write(db->config.path, db->tally.next_seq);
    db->stats.file_bytes = n_pages * DB_PAGE_BYTES;
    history_transaction_over(db, true);
    rollup_transaction_over(db, true);
    return MW_OK;
}

void db_rollback(struct db *db)
{
    if (!db->in_transaction)
        return;
    db->in_transaction = false;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_reset(db->statements[i]);
    /* SQLite has rolled back by itself after some errors. Should its ROLLBACK fail, it is left
     * without a transaction all the same. */
    if (!sqlite3_get_autocommit(db->sqlite))
        run_plain(db, ST_ROLLBACK, "ROLLBACK");
    db->tally = db->at_begin;
    db->timebase.known = false; /* its row may have gone with the rest */
    db->summed_machine = 0;     /* the day begins anew: its rows may have gone as well */
    history_transaction_over(db, false);
    rollup_transaction_over(db, false);
    keep_log_short(db); /* before others take what the reserve gave back */
}

int db_prune(struct db *db, int64_t at_us)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_DROP_EXPIRED_BLOCKS,
                        "DELETE FROM block WHERE id IN (SELECT id FROM block WHERE last_us < ?1"
                        " AND timebase IS NULL ORDER BY last_us LIMIT ?2)",
                        &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, at_us - db->config.history_us) |
                sqlite3_bind_int(stmt, 2, PRUNE_BLOCKS_MAX);
    result = db_run(db, stmt, bound);
    if (result != MW_OK)
        return result;
    db->stats.n_pruned_blocks += (uint64_t)sqlite3_changes(db->sqlite);
    if (db->squeezed)
        db->squeezed = !reserve_make(db->config.path);
    result = rollup_prune(db, at_us);
    if (result != MW_OK)
        return result;
    result = db_room_by(db, 0, db_history_leaves(db), GIVE_BLOCKS);
    return result == MW_ERR_NO_SPACE ? MW_OK : result;
}

struct db_stats db_stats(const struct db *db)
{
    struct db_stats stats = db->stats;
    stats.outbox_waiting = db->tally.waiting;
    stats.outbox_bytes = db->tally.waiting_bytes;
    stats.outbox_dropped = db->tally.dropped;
    stats.dead_letters = db->tally.dead_letters;
    stats.n_bytes_written = db->meter.n_bytes;
    stats.n_syncs_wal = db->meter.n_syncs_wal;
    stats.n_syncs_database = db->meter.n_syncs_database;
    stats.gaps_merged = db->tally.merged;
    return stats;
}

const char *db_error(const struct db *db)
{
    return db->error;
}
