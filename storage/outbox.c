/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/outbox.h"
#include "base/event.h"
#include "storage/db_internal.h"

#include <assert.h>
#include <stdio.h>
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

/* The size and severity of a waiting message; MW_ERR_NOT_FOUND. */
static int size_of(struct db *db, uint64_t seq, uint64_t *ret_n_bytes, uint8_t *ret_severity)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_OUTBOX_SIZE,
                        "SELECT length(bytes), severity FROM outbox WHERE seq = ?1", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int64(stmt, 1, (sqlite3_int64)seq));
    if (result != MW_OK)
        return result;
    *ret_n_bytes = (uint64_t)sqlite3_column_int64(stmt, 0);
    *ret_severity = (uint8_t)sqlite3_column_int(stmt, 1);
    sqlite3_reset(stmt);
    return MW_OK;
}

int outbox_take_out(struct db *db, uint64_t seq)
{
    uint64_t n_bytes;
    uint8_t severity;
    sqlite3_stmt *stmt;
    int result = size_of(db, seq, &n_bytes, &severity);
    if (result == MW_OK)
        result = db_use(db, ST_OUTBOX_DELETE, "DELETE FROM outbox WHERE seq = ?1", &stmt);
    if (result == MW_OK)
        result = db_run(db, stmt, sqlite3_bind_int64(stmt, 1, (sqlite3_int64)seq));
    if (result != MW_OK)
        return result;
    db->tally.waiting--;
    db->tally.waiting_bytes -= cost(n_bytes);
    db->tally.n_gaps -= severity == OUTBOX_GAP_SEVERITY;
    return MW_OK;
}

struct victim {
    uint64_t seq;
    uint8_t severity;
    int64_t at_us;
};

/* The waiting message that overflow takes first, if it may go for one of this severity. */
static int find_victim(struct db *db, uint8_t severity, struct victim *ret_victim)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_OUTBOX_VICTIM,
                        "SELECT seq, severity, at_us FROM outbox WHERE severity <= ?1"
                        " ORDER BY severity, seq LIMIT 1",
                        &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int(stmt, 1, severity));
    if (result != MW_OK)
        return result;
    *ret_victim =
        (struct victim){ (uint64_t)sqlite3_column_int64(stmt, 0),
                         (uint8_t)sqlite3_column_int(stmt, 1), sqlite3_column_int64(stmt, 2) };
    sqlite3_reset(stmt);
    return MW_OK;
}

static int drop_victim(struct db *db, uint8_t severity, uint8_t reason, struct mw_gap *gap)
{
    struct victim victim;
    int result = find_victim(db, severity, &victim);
    if (result == MW_OK)
        result = outbox_take_out(db, victim.seq);
    if (result != MW_OK)
        return result;
    db->tally.dropped++;
    gap_count(gap, victim.seq, victim.severity, victim.at_us, reason);
    return MW_OK;
}

/* What waits beside gap records, which have room of their own. */
static bool exceeds_limit(const struct db *db, uint64_t more_bytes)
{
    uint64_t bytes = db->tally.waiting_bytes - db->tally.n_gaps * GAP_BYTES;
    return bytes + more_bytes > (uint64_t)db->config.outbox_bytes - (uint64_t)GAPS_MAX * GAP_BYTES;
}

/* Overflow until the message fits. MW_ERR_NOT_FOUND: nothing of its severity or below is left, so
 * that it is itself the one to go. */
static int make_way(struct db *db, const struct outbox_message *message, struct mw_gap *gap,
                    uint8_t *ret_reason)
{
    int result = MW_OK;
    *ret_reason = MW_GAP_OUTBOX_LIMIT;
    while (result == MW_OK && exceeds_limit(db, cost(message->n_bytes)))
        result = drop_victim(db, message->severity, *ret_reason, gap);
    while (result == MW_OK) {
        result = db_room(db, (size_t)cost(message->n_bytes), ROOM_FOR_OUTBOX, true);
        if (result != MW_ERR_NO_SPACE)
            return result;
        *ret_reason = MW_GAP_STORE_FULL;
        result = drop_victim(db, message->severity, *ret_reason, gap);
    }
    return result;
}

static int insert(struct db *db, const struct outbox_message *m, int64_t timebase)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_OUTBOX_PUT,
                        "INSERT INTO outbox (seq, at_us, severity, bytes, timebase, subject)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, (sqlite3_int64)m->seq) |
                sqlite3_bind_int64(stmt, 2, m->at_us) | sqlite3_bind_int(stmt, 3, m->severity) |
                sqlite3_bind_blob(stmt, 4, m->bytes, m->n_bytes, SQLITE_STATIC) |
                sqlite3_bind_int64(stmt, 5, timebase) |
                sqlite3_bind_text(stmt, 6, m->subject, -1, SQLITE_STATIC);
    return db_run(db, stmt, bound);
}

int outbox_put(struct db *db, const struct outbox_message *message)
{
    struct known_timebase timebase = { 0 };
    int result = timebase_of(db, message->offset_us, &timebase);
    if (result == MW_OK)
        result = insert(db, message, timebase.id);
    if (result != MW_OK)
        return result;
    db->tally.waiting++;
    db->tally.waiting_bytes += cost(message->n_bytes);
    db->tally.n_gaps += message->severity == OUTBOX_GAP_SEVERITY;
    db->tally.next_seq++;
    return MW_OK;
}

/* The message itself is the one to go; its number is used up. */
static void give_up(struct db *db, const struct outbox_message *m, uint8_t reason,
                    struct mw_gap *gap)
{
    db->tally.dropped++;
    db->tally.next_seq++;
    gap_count(gap, m->seq, m->severity, m->at_us, reason);
}

int outbox_push(struct db *db, const struct outbox_message *message)
{
    assert(db->in_transaction);
    if (message->seq != db->tally.next_seq || message->n_bytes < 1 ||
        message->n_bytes > OUTBOX_MESSAGE_MAX || message->severity > OUTBOX_SEVERITY_MAX)
        return MW_ERR_INVALID;
    struct mw_gap gap = { 0 };
    uint8_t reason = 0;
    int result = make_way(db, message, &gap, &reason);
    if (result == MW_OK)
        result = outbox_put(db, message);
    if (result == MW_ERR_NOT_FOUND) {
        give_up(db, message, reason, &gap);
        result = MW_OK;
    }
    return result == MW_OK ? gap_record(db, &gap, message->at_us, message->offset_us) : result;
}

/* The columns of a message, of the outbox as o and its time base as t. */
#define MESSAGE_COLUMNS                                                              \
    "o.seq, at_us, severity, bytes, ifnull(t.offset_us, 0), ifnull(t.boot = ?1, 0)," \
    " CASE WHEN t.synced THEN 0 ELSE ifnull(b.offset_us - t.offset_us, 0) END,"      \
    " ifnull(t.synced OR b.synced, 0), ifnull(subject, '')"
#define MESSAGE_TIMES                                                           \
    " LEFT JOIN timebase t ON t.id = o.timebase LEFT JOIN timebase b ON b.id =" \
    "  (SELECT id FROM timebase WHERE boot = t.boot ORDER BY synced DESC, turn DESC LIMIT 1)"

/* MW_ERR_NO_MEMORY where SQLite could not give the bytes. */
static int read_message(sqlite3_stmt *stmt, struct outbox_message *m)
{
    const void *bytes = sqlite3_column_blob(stmt, 3);
    int n_bytes = sqlite3_column_bytes(stmt, 3);
    const unsigned char *subject = sqlite3_column_text(stmt, 8);
    if (!bytes || !subject || n_bytes < 1 || n_bytes > OUTBOX_MESSAGE_MAX)
        return MW_ERR_NO_MEMORY;
    m->seq = (uint64_t)sqlite3_column_int64(stmt, 0);
    m->at_us = sqlite3_column_int64(stmt, 1);
    m->severity = (uint8_t)sqlite3_column_int(stmt, 2);
    m->offset_us = sqlite3_column_int64(stmt, 4);
    m->this_boot = sqlite3_column_int(stmt, 5) != 0;
    m->shift_us = sqlite3_column_int64(stmt, 6);
    m->synced = sqlite3_column_int(stmt, 7) != 0;
    m->live = false;
    snprintf(m->subject, sizeof m->subject, "%s", (const char *)subject);
    m->n_bytes = (uint16_t)n_bytes;
    memcpy(m->bytes, bytes, m->n_bytes);
    return MW_OK;
}

/* Messages as they come from a statement; those to be left out are passed over. */
struct gathering {
    const struct outbox_ask *ask; /* NULL: none is left out */
    struct outbox_message *messages;
    size_t cap, n;
};

static bool is_left_out(const struct gathering *g, uint64_t seq)
{
    for (uint32_t i = 0; g->ask && i < g->ask->n_flying; i++)
        if (g->ask->flying[i] == seq)
            return true;
    for (size_t i = 0; g->ask && i < g->n; i++)
        if (g->messages[i].seq == seq)
            return true;
    return false;
}

static int gather(struct db *db, struct gathering *g, sqlite3_stmt *stmt, int bound, bool live)
{
    int result = MW_OK;
    while (g->n < g->cap && (result = db_row(db, stmt, bound)) == MW_OK) {
        if (is_left_out(g, (uint64_t)sqlite3_column_int64(stmt, 0)))
            continue;
        result = read_message(stmt, &g->messages[g->n]);
        if (result != MW_OK)
            break;
        gap_shown(db, g->messages[g->n].seq);
        g->messages[g->n++].live = live;
    }
    sqlite3_reset(stmt);
    return result == MW_ERR_NOT_FOUND ? MW_OK : result;
}

static int bind_boot(const struct db *db, sqlite3_stmt *stmt)
{
    return sqlite3_bind_blob(stmt, 1, db->boot, sizeof db->boot, SQLITE_STATIC);
}

static int bind_seq(sqlite3_stmt *stmt, int at, uint64_t seq)
{
    return sqlite3_bind_int64(stmt, at, (sqlite3_int64)(seq > INT64_MAX ? INT64_MAX : seq));
}

static int gather_backlog(struct db *db, struct gathering *g, uint64_t after)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_OUTBOX_PEEK,
                        "SELECT " MESSAGE_COLUMNS " FROM outbox o" MESSAGE_TIMES
                        " WHERE o.seq > ?2 ORDER BY o.seq",
                        &stmt);
    if (result != MW_OK)
        return result;
    return gather(db, g, stmt, bind_boot(db, stmt) | bind_seq(stmt, 2, after), false);
}

/* 512 news and 32 of each of their subjects bound the work of one question, whatever waits. */
static int gather_live(struct db *db, struct gathering *g)
{
    sqlite3_stmt *stmt;
    int result = db_use(
        db, ST_OUTBOX_LIVE,
        "WITH hot AS MATERIALIZED (SELECT DISTINCT subject FROM (SELECT subject FROM outbox"
        "  WHERE seq > ?2 AND NOT EXISTS (SELECT 1 FROM outbox WHERE subject IS NULL)"
        "  ORDER BY seq LIMIT 512)),"
        " head AS MATERIALIZED (SELECT h.seq, row_number() OVER"
        "  (PARTITION BY hot.subject ORDER BY h.seq) AS turn FROM hot CROSS JOIN outbox h"
        "  ON h.seq IN (SELECT seq FROM outbox WHERE subject = hot.subject ORDER BY seq LIMIT 32))"
        "SELECT " MESSAGE_COLUMNS " FROM head CROSS JOIN outbox o ON o.seq = head.seq" MESSAGE_TIMES
        " ORDER BY head.turn, o.seq",
        &stmt);
    if (result != MW_OK)
        return result;
    return gather(db, g, stmt, bind_boot(db, stmt) | bind_seq(stmt, 2, g->ask->live_above), true);
}

int outbox_next(struct db *db, const struct outbox_ask *ask, struct outbox_message *ret_messages,
                size_t cap, size_t *ret_n)
{
    assert(ask->n_flying <= OUTBOX_FLYING_MAX);
    struct gathering g = { .ask = ask, .messages = ret_messages, .cap = (cap + 1) / 2 };
    int result = MW_OK;
    if (db->tally.waiting > 0 && db->tally.next_seq - 1 > ask->live_above)
        result = gather_live(db, &g);
    g.cap = cap;
    if (result == MW_OK)
        result = gather_backlog(db, &g, 0);
    if (result == MW_OK)
        *ret_n = g.n;
    return result;
}

int outbox_peek(struct db *db, uint64_t after, struct outbox_message *ret_messages, size_t cap,
                size_t *ret_n)
{
    struct gathering g = { .messages = ret_messages, .cap = cap };
    int result = gather_backlog(db, &g, after);
    if (result == MW_OK)
        *ret_n = g.n;
    return result;
}

int outbox_acknowledged(struct db *db, uint64_t seq)
{
    assert(db->in_transaction);
    if (seq > INT64_MAX)
        return MW_OK;
    int result = outbox_take_out(db, seq);
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
    uint8_t severity;
    if (seq > INT64_MAX)
        return MW_OK;
    int result = size_of(db, seq, &n_bytes, &severity);
    if (result == MW_ERR_NOT_FOUND)
        return MW_OK;
    if (result == MW_OK)
        result = db_room(db, (size_t)cost(n_bytes), ROOM_FOR_OUTBOX, true);
    if (result == MW_OK)
        result = bury(db, seq, reason);
    else if (result == MW_ERR_NO_SPACE)
        result = MW_OK; /* no grave left: the message still goes, and is counted */
    if (result == MW_OK)
        result = outbox_take_out(db, seq);
    if (result == MW_OK)
        db->tally.dead_letters++;
    return result;
}
