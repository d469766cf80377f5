/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/outbox.h"
#include "storage/db_internal.h"

#include <assert.h>
#include <string.h>

#define DEAD_LETTERS_KEPT 256

static uint64_t cost(uint64_t n_bytes)
{
    return n_bytes + OUTBOX_ROW_BYTES;
}

uint64_t outbox_next_seq(const struct db *db)
{
    return db->tally.next_seq;
}

/* The size of a waiting message; MW_ERR_NOT_FOUND. */
static int size_of(struct db *db, uint64_t seq, uint64_t *ret_n_bytes)
{
    sqlite3_stmt *stmt;
    int result =
        db_use(db, ST_OUTBOX_SIZE, "SELECT length(bytes) FROM outbox WHERE seq = ?1", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int64(stmt, 1, (sqlite3_int64)seq));
    if (result != MW_OK)
        return result;
    *ret_n_bytes = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return MW_OK;
}

/* Takes a message out; MW_ERR_NOT_FOUND. */
static int take_out(struct db *db, uint64_t seq)
{
    uint64_t n_bytes;
    sqlite3_stmt *stmt;
    int result = size_of(db, seq, &n_bytes);
    if (result == MW_OK)
        result = db_use(db, ST_OUTBOX_DELETE, "DELETE FROM outbox WHERE seq = ?1", &stmt);
    if (result == MW_OK)
        result = db_run(db, stmt, sqlite3_bind_int64(stmt, 1, (sqlite3_int64)seq));
    if (result != MW_OK)
        return result;
    db->tally.waiting--;
    db->tally.waiting_bytes -= cost(n_bytes);
    return MW_OK;
}

/* The waiting message that overflow takes first, if it may go for one of this severity. */
static int find_victim(struct db *db, uint8_t severity, uint64_t *ret_seq)
{
    sqlite3_stmt *stmt;
    int result =
        db_use(db, ST_OUTBOX_VICTIM,
               "SELECT seq FROM outbox WHERE severity <= ?1 ORDER BY severity, seq LIMIT 1", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int(stmt, 1, severity));
    if (result != MW_OK)
        return result;
    *ret_seq = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return MW_OK;
}

static int drop_victim(struct db *db, uint8_t severity)
{
    uint64_t seq;
    int result = find_victim(db, severity, &seq);
    if (result == MW_OK)
        result = take_out(db, seq);
    if (result == MW_OK)
        db->tally.dropped++;
    return result;
}

/* Overflow until the message fits. MW_ERR_NOT_FOUND: nothing of its severity or below is left, so
 * that it is itself the one to go. */
static int make_way(struct db *db, const struct outbox_message *message)
{
    uint64_t limit = (uint64_t)db->config.outbox_bytes;
    int result = MW_OK;
    while (result == MW_OK && db->tally.waiting_bytes + cost(message->n_bytes) > limit)
        result = drop_victim(db, message->severity);
    while (result == MW_OK) {
        result = db_room(db, (size_t)cost(message->n_bytes), ROOM_FOR_OUTBOX, true);
        if (result != MW_ERR_NO_SPACE)
            return result;
        result = drop_victim(db, message->severity);
    }
    return result;
}

static int put(struct db *db, const struct outbox_message *m, int64_t timebase)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_OUTBOX_PUT,
                        "INSERT INTO outbox (seq, at_us, severity, bytes, timebase)"
                        " VALUES (?1, ?2, ?3, ?4, ?5)",
                        &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, (sqlite3_int64)m->seq) |
                sqlite3_bind_int64(stmt, 2, m->at_us) | sqlite3_bind_int(stmt, 3, m->severity) |
                sqlite3_bind_blob(stmt, 4, m->bytes, m->n_bytes, SQLITE_STATIC) |
                sqlite3_bind_int64(stmt, 5, timebase);
    return db_run(db, stmt, bound);
}

int outbox_push(struct db *db, const struct outbox_message *message)
{
    assert(db->in_transaction);
    if (message->seq != db->tally.next_seq || message->n_bytes < 1 ||
        message->n_bytes > OUTBOX_MESSAGE_MAX)
        return MW_ERR_INVALID;
    struct known_timebase timebase = { 0 };
    int result = make_way(db, message);
    if (result == MW_OK)
        result = timebase_of(db, message->offset_us, &timebase);
    if (result == MW_OK)
        result = put(db, message, timebase.id);
    if (result == MW_OK) {
        db->tally.waiting++;
        db->tally.waiting_bytes += cost(message->n_bytes);
    } else if (result == MW_ERR_NOT_FOUND) {
        db->tally.dropped++;
        result = MW_OK;
    }
    if (result == MW_OK)
        db->tally.next_seq++;
    return result;
}

static void read_message(sqlite3_stmt *stmt, struct outbox_message *m)
{
    const void *bytes = sqlite3_column_blob(stmt, 3);
    int n_bytes = sqlite3_column_bytes(stmt, 3);
    m->seq = (uint64_t)sqlite3_column_int64(stmt, 0);
    m->at_us = sqlite3_column_int64(stmt, 1);
    m->severity = (uint8_t)sqlite3_column_int(stmt, 2);
    m->offset_us = sqlite3_column_int64(stmt, 4);
    m->this_boot = sqlite3_column_int(stmt, 5) != 0;
    m->shift_us = sqlite3_column_int64(stmt, 6);
    m->synced = sqlite3_column_int(stmt, 7) != 0;
    m->n_bytes = (uint16_t)(bytes && n_bytes <= OUTBOX_MESSAGE_MAX ? n_bytes : 0);
    if (m->n_bytes > 0)
        memcpy(m->bytes, bytes, m->n_bytes);
}

int outbox_peek(struct db *db, uint64_t after, struct outbox_message *ret_messages, size_t cap,
                size_t *ret_n)
{
    sqlite3_stmt *stmt;
    int result = db_use(
        db, ST_OUTBOX_PEEK,
        "SELECT seq, at_us, severity, bytes, ifnull(t.offset_us, 0), ifnull(t.boot = ?2, 0),"
        " CASE WHEN t.synced THEN 0 ELSE ifnull(b.offset_us - t.offset_us, 0) END,"
        " ifnull(t.synced OR b.synced, 0)"
        " FROM outbox o LEFT JOIN timebase t ON t.id = o.timebase"
        " LEFT JOIN timebase b ON b.id ="
        "  (SELECT id FROM timebase WHERE boot = t.boot ORDER BY synced DESC, turn DESC LIMIT 1)"
        " WHERE seq > ?1 ORDER BY seq",
        &stmt);
    if (result != MW_OK)
        return result;
    if (after > INT64_MAX)
        after = INT64_MAX;
    int bound = sqlite3_bind_int64(stmt, 1, (sqlite3_int64)after) |
                sqlite3_bind_blob(stmt, 2, db->boot, sizeof db->boot, SQLITE_STATIC);
    size_t n = 0;
    while (n < cap && (result = db_row(db, stmt, bound)) == MW_OK) {
        read_message(stmt, &ret_messages[n]);
        if (ret_messages[n].n_bytes == 0) {
            result = MW_ERR_NO_MEMORY;
            break;
        }
        n++;
    }
    sqlite3_reset(stmt);
    if (result != MW_OK && result != MW_ERR_NOT_FOUND)
        return result;
    *ret_n = n;
    return MW_OK;
}

int outbox_acknowledged(struct db *db, uint64_t seq)
{
    assert(db->in_transaction);
    if (seq > INT64_MAX)
        return MW_OK;
    int result = take_out(db, seq);
    return result == MW_ERR_NOT_FOUND ? MW_OK : result;
}

static int bury(struct db *db, uint64_t seq, uint8_t reason)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_DEAD_PUT,
                        "INSERT INTO dead_letter (seq, at_us, severity, reason, bytes)"
                        " SELECT seq, at_us, severity, ?2, bytes FROM outbox WHERE seq = ?1",
                        &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, (sqlite3_int64)seq) | sqlite3_bind_int(stmt, 2, reason);
    result = db_run(db, stmt, bound);
    if (result == MW_OK)
        result = db_use(db, ST_DEAD_TRIM,
                        "DELETE FROM dead_letter WHERE seq IN"
                        " (SELECT seq FROM dead_letter ORDER BY seq DESC LIMIT -1 OFFSET ?1)",
                        &stmt);
    if (result == MW_OK)
        result = db_run(db, stmt, sqlite3_bind_int(stmt, 1, DEAD_LETTERS_KEPT));
    return result;
}

int outbox_dead_letter(struct db *db, uint64_t seq, uint8_t reason)
{
    assert(db->in_transaction);
    uint64_t n_bytes;
    if (seq > INT64_MAX)
        return MW_OK;
    int result = size_of(db, seq, &n_bytes);
    if (result == MW_ERR_NOT_FOUND)
        return MW_OK;
    if (result == MW_OK)
        result = db_room(db, (size_t)cost(n_bytes), ROOM_FOR_OUTBOX, true);
    if (result == MW_OK)
        result = bury(db, seq, reason);
    else if (result == MW_ERR_NO_SPACE)
        result = MW_OK; /* no grave left: the message still goes, and is counted */
    if (result == MW_OK)
        result = take_out(db, seq);
    if (result == MW_OK)
        db->tally.dead_letters++;
    return result;
}
