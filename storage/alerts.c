/* SPDX-License-Identifier: Apache-2.0 */
/* The alarms' changes as rows. */
#include "storage/db_internal.h"
#include "storage/history.h"

#define ALERTS_KEPT     100000
#define BYTES_FOR_ALERT 4096 /* of max_bytes, for each row kept */

static int64_t rows_kept(const struct db *db)
{
    int64_t n = db->config.max_bytes / BYTES_FOR_ALERT;
    return n < ALERTS_KEPT ? n : ALERTS_KEPT;
}

static int put_row(struct db *db, const char *subject, const uint8_t *bytes, int n_bytes,
                   int64_t timebase)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_ALERT_PUT,
                        "INSERT INTO alert (subject, bytes, timebase) VALUES (?1, ?2, ?3)", &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_text(stmt, 1, subject, -1, SQLITE_STATIC) |
                sqlite3_bind_blob(stmt, 2, bytes, n_bytes, SQLITE_STATIC) |
                sqlite3_bind_int64(stmt, 3, timebase);
    return db_run(db, stmt, bound);
}

int history_alert(struct db *db, const struct mw_alert *alert, int64_t offset_us)
{
    struct known_timebase timebase = { 0 };
    uint8_t bytes[MW_ALERT_BYTES_MAX];
    int n_bytes = mw_alert_encode(alert, bytes, sizeof bytes);
    if (n_bytes < 0)
        return n_bytes;
    int result = db_room(db, (size_t)n_bytes, ROOM_FOR_ALERTS, true);
    if (result == MW_OK)
        result = timebase_of(db, offset_us, &timebase);
    if (result == MW_OK)
        result = put_row(db, alert->subject, bytes, n_bytes, timebase.id);
    if (result != MW_OK)
        return result;
    /* Rows are numbered without holes and go from the low end, so the number alone says which. */
    sqlite3_stmt *stmt;
    int64_t newest = sqlite3_last_insert_rowid(db->sqlite);
    result = db_use(db, ST_ALERT_TRIM, "DELETE FROM alert WHERE id <= ?1", &stmt);
    if (result != MW_OK)
        return result;
    return db_run(db, stmt, sqlite3_bind_int64(stmt, 1, newest - rows_kept(db)));
}

/* The encoded alert, the offset it was stamped with, by how much that was wrong, whether it is
 * confirmed. */
#define ALERTS_SELECT                                                                        \
    "SELECT a.bytes, ifnull(t.offset_us, 0),"                                                \
    " CASE WHEN t.synced THEN 0 ELSE ifnull(b.offset_us - t.offset_us, 0) END,"              \
    " ifnull(t.synced OR b.synced, 0)"                                                       \
    " FROM alert a LEFT JOIN timebase t ON t.id = a.timebase LEFT JOIN timebase b ON b.id =" \
    "  (SELECT id FROM timebase WHERE boot = t.boot ORDER BY synced DESC, turn DESC LIMIT 1)"

static int start_list(struct db *db, const char *subject, sqlite3_stmt **ret_stmt, int *ret_bound)
{
    *ret_bound = SQLITE_OK;
    if (!subject)
        return db_use(db, ST_ALERT_LIST, ALERTS_SELECT " ORDER BY a.id DESC", ret_stmt);
    int result = db_use(db, ST_ALERT_LIST_SUBJECT,
                        ALERTS_SELECT " WHERE subject = ?1 ORDER BY a.id DESC", ret_stmt);
    if (result == MW_OK)
        *ret_bound = sqlite3_bind_text(*ret_stmt, 1, subject, -1, SQLITE_STATIC);
    return result;
}

int history_alerts(struct db *db, const char *subject, struct mw_alert *ret_alerts, size_t cap,
                   size_t *ret_n)
{
    sqlite3_stmt *stmt;
    int bound;
    size_t n = 0;
    int result = start_list(db, subject, &stmt, &bound);
    if (result != MW_OK)
        return result;
    while (n < cap && (result = db_row(db, stmt, bound)) == MW_OK) {
        const void *bytes = sqlite3_column_blob(stmt, 0);
        size_t n_bytes = (size_t)sqlite3_column_bytes(stmt, 0);
        if (bytes && mw_alert_decode(&ret_alerts[n], bytes, n_bytes) == MW_OK) {
            mw_alert_restamp(&ret_alerts[n], sqlite3_column_int64(stmt, 1),
                             sqlite3_column_int64(stmt, 2), sqlite3_column_int(stmt, 3) != 0);
            n++;
        } else {
            db->stats.n_errors++;
        }
    }
    sqlite3_reset(stmt);
    if (result != MW_OK && result != MW_ERR_NOT_FOUND)
        return result;
    *ret_n = n;
    return MW_OK;
}
