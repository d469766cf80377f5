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

static int put_row(struct db *db, const char *subject, const uint8_t *bytes, int n_bytes)
{
    sqlite3_stmt *stmt;
    int result =
        db_use(db, ST_ALERT_PUT, "INSERT INTO alert (subject, bytes) VALUES (?1, ?2)", &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_text(stmt, 1, subject, -1, SQLITE_STATIC) |
                sqlite3_bind_blob(stmt, 2, bytes, n_bytes, SQLITE_STATIC);
    return db_run(db, stmt, bound);
}

int history_alert(struct db *db, const struct mw_alert *alert)
{
    uint8_t bytes[MW_ALERT_BYTES_MAX];
    int n_bytes = mw_alert_encode(alert, bytes, sizeof bytes);
    if (n_bytes < 0)
        return n_bytes;
    int result = db_room(db, (size_t)n_bytes, ROOM_FOR_ALERTS, true);
    if (result == MW_OK)
        result = put_row(db, alert->subject, bytes, n_bytes);
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

static int start_list(struct db *db, const char *subject, sqlite3_stmt **ret_stmt, int *ret_bound)
{
    *ret_bound = SQLITE_OK;
    if (!subject)
        return db_use(db, ST_ALERT_LIST, "SELECT bytes FROM alert ORDER BY id DESC", ret_stmt);
    int result = db_use(db, ST_ALERT_LIST_SUBJECT,
                        "SELECT bytes FROM alert WHERE subject = ?1 ORDER BY id DESC", ret_stmt);
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
        if (bytes && mw_alert_decode(&ret_alerts[n], bytes, n_bytes) == MW_OK)
            n++;
        else
            db->stats.n_errors++;
    }
    sqlite3_reset(stmt);
    if (result != MW_OK && result != MW_ERR_NOT_FOUND)
        return result;
    *ret_n = n;
    return MW_OK;
}
