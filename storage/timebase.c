/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/timebase.h"
#include "storage/db_internal.h"

#include <assert.h>
#include <string.h>

#define OFFSETS_KEPT 64 /* of one boot, beside those that rows need */

int timebase_begin(struct db *db, const uint8_t boot[TIMEBASE_BOOT_BYTES])
{
    sqlite3_stmt *stmt;
    memcpy(db->boot, boot, sizeof db->boot);
    int result = db_begin(db);
    if (result != MW_OK)
        return result;
    result = db_use(db, ST_TIMEBASE_TRIM,
                    "DELETE FROM timebase WHERE boot <> ?1 AND boot NOT IN"
                    " (SELECT boot FROM timebase WHERE id IN"
                    "  (SELECT timebase FROM outbox UNION SELECT timebase FROM alert UNION"
                    "   SELECT timebase FROM rollup WHERE timebase IS NOT NULL UNION"
                    "   SELECT timebase FROM block WHERE timebase IS NOT NULL))",
                    &stmt);
    if (result == MW_OK)
        result =
            db_run(db, stmt, sqlite3_bind_blob(stmt, 1, boot, TIMEBASE_BOOT_BYTES, SQLITE_STATIC));
    if (result != MW_OK) {
        db_rollback(db);
        return result;
    }
    return db_commit(db);
}

/* The row of this boot and offset; MW_ERR_NOT_FOUND. */
static int find(struct db *db, int64_t offset_us, struct known_timebase *ret_known)
{
    sqlite3_stmt *stmt;
    int result =
        db_use(db, ST_TIMEBASE_FIND,
               "SELECT id, synced FROM timebase WHERE boot = ?1 AND offset_us = ?2", &stmt);
    if (result != MW_OK)
        return result;
    result = db_row(db, stmt,
                    sqlite3_bind_blob(stmt, 1, db->boot, sizeof db->boot, SQLITE_STATIC) |
                        sqlite3_bind_int64(stmt, 2, offset_us));
    if (result != MW_OK)
        return result;
    *ret_known = (struct known_timebase){ sqlite3_column_int64(stmt, 0), offset_us,
                                          sqlite3_column_int(stmt, 1) != 0, true };
    sqlite3_reset(stmt);
    return MW_OK;
}

static int put(struct db *db, int64_t offset_us)
{
    sqlite3_stmt *stmt;
    int result =
        db_use(db, ST_TIMEBASE_PUT,
               "INSERT INTO timebase (boot, offset_us, synced, turn) VALUES (?1, ?2, 0, 0)", &stmt);
    if (result != MW_OK)
        return result;
    return db_run(db, stmt,
                  sqlite3_bind_blob(stmt, 1, db->boot, sizeof db->boot, SQLITE_STATIC) |
                      sqlite3_bind_int64(stmt, 2, offset_us));
}

int timebase_of(struct db *db, int64_t offset_us, struct known_timebase *ret_known)
{
    assert(db->in_transaction);
    int result = MW_OK;
    if (!db->timebase.known || db->timebase.offset_us != offset_us) {
        struct known_timebase found = { 0 };
        result = find(db, offset_us, &found);
        if (result == MW_ERR_NOT_FOUND)
            result = put(db, offset_us);
        if (result == MW_OK && !found.known)
            result = find(db, offset_us, &found);
        if (result == MW_OK)
            db->timebase = found;
    }
    if (result == MW_OK)
        *ret_known = db->timebase;
    return result;
}

/* Offsets of this boot that no row needs, once there are many: a clock that is set all the time. */
static int trim(struct db *db, int64_t keep)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_TIMEBASE_TRIM_BOOT,
                        "DELETE FROM timebase WHERE boot = ?1 AND id <> ?2 AND"
                        " (SELECT count(*) FROM timebase WHERE boot = ?1) > ?3 AND id NOT IN"
                        " (SELECT timebase FROM outbox WHERE timebase IS NOT NULL"
                        "  UNION SELECT timebase FROM alert WHERE timebase IS NOT NULL"
                        "  UNION SELECT timebase FROM rollup WHERE timebase IS NOT NULL"
                        "  UNION SELECT timebase FROM block WHERE timebase IS NOT NULL)",
                        &stmt);
    if (result != MW_OK)
        return result;
    return db_run(db, stmt,
                  sqlite3_bind_blob(stmt, 1, db->boot, sizeof db->boot, SQLITE_STATIC) |
                      sqlite3_bind_int64(stmt, 2, keep) | sqlite3_bind_int(stmt, 3, OFFSETS_KEPT));
}

int timebase_set(struct db *db, int64_t offset_us, bool synced)
{
    struct known_timebase known;
    sqlite3_stmt *stmt;
    int result = timebase_of(db, offset_us, &known);
    if (result == MW_OK)
        result = db_use(db, ST_TIMEBASE_SET,
                        "UPDATE timebase SET synced = max(synced, ?2),"
                        " turn = 1 + (SELECT max(turn) FROM timebase) WHERE id = ?1",
                        &stmt);
    if (result == MW_OK)
        result = db_run(db, stmt,
                        sqlite3_bind_int64(stmt, 1, known.id) | sqlite3_bind_int(stmt, 2, synced));
    db->timebase.known = false; /* its row has changed */
    return result == MW_OK ? trim(db, known.id) : result;
}

/* What is to be done with the blocks of one timebase. */
struct correction {
    int64_t timebase, step_us, best;
    bool confirmed;
};

/* A timebase with blocks that a better one of its boot moves, or confirms; or with rollups, which
 * are moved once, when one is confirmed: each move rounds. MW_ERR_NOT_FOUND. */
static int find_correction(struct db *db, struct correction *ret_correction)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_TIMEBASE_WRONG,
                        "SELECT t.id, b.offset_us - t.offset_us, b.id, b.synced FROM timebase t"
                        " JOIN timebase b ON b.id = (SELECT id FROM timebase WHERE boot = t.boot"
                        "  ORDER BY synced DESC, turn DESC LIMIT 1)"
                        " WHERE (b.id <> t.id OR b.synced)"
                        " AND (EXISTS (SELECT 1 FROM block WHERE timebase = t.id) OR"
                        "  b.synced AND EXISTS (SELECT 1 FROM rollup WHERE timebase = t.id))"
                        " LIMIT 1",
                        &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, SQLITE_OK);
    if (result != MW_OK)
        return result;
    *ret_correction =
        (struct correction){ sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                             sqlite3_column_int64(stmt, 2), sqlite3_column_int(stmt, 3) != 0 };
    sqlite3_reset(stmt);
    return MW_OK;
}

/* A confirmed block has no timebase; an unconfirmed one that of the best offset so far. */
static int correct_blocks(struct db *db, const struct correction *c, uint32_t max, uint32_t *ret_n)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_TIMEBASE_CORRECT,
                        "UPDATE block SET first_us = first_us + ?1, last_us = last_us + ?1,"
                        " shift_us = shift_us + ?1, timebase = ?2 WHERE id IN"
                        " (SELECT id FROM block WHERE timebase = ?3 LIMIT ?4)",
                        &stmt);
    if (result != MW_OK)
        return result;
    int best = c->confirmed ? sqlite3_bind_null(stmt, 2) : sqlite3_bind_int64(stmt, 2, c->best);
    result =
        db_run(db, stmt,
               sqlite3_bind_int64(stmt, 1, c->step_us) | best |
                   sqlite3_bind_int64(stmt, 3, c->timebase) | sqlite3_bind_int64(stmt, 4, max));
    if (result == MW_OK)
        *ret_n = (uint32_t)sqlite3_changes(db->sqlite);
    return result;
}

int timebase_correct(struct db *db, uint32_t max_blocks, uint32_t *ret_n)
{
    assert(db->in_transaction);
    struct correction c;
    uint32_t n_blocks = 0, n_rollups = 0;
    int result = find_correction(db, &c);
    if (result == MW_ERR_NOT_FOUND) {
        *ret_n = 0;
        return MW_OK;
    }
    if (result == MW_OK)
        result = correct_blocks(db, &c, max_blocks, &n_blocks);
    if (result == MW_OK && c.confirmed)
        result = rollup_correct(db, c.timebase, c.step_us, max_blocks, &n_rollups);
    if (result == MW_OK)
        *ret_n = n_blocks + n_rollups;
    return result;
}

int timebase_count(struct db *db, int64_t *ret_n)
{
    return db_number(db, ST_TIMEBASE_COUNT, "SELECT count(*) FROM timebase", ret_n);
}
