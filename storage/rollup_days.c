/* SPDX-License-Identifier: Apache-2.0 */
/* From rows of ten minutes to a row of hours for each machine and day. */
#include "storage/db_internal.h"
#include "storage/rollup.h"

#include <assert.h>
#include <string.h>

/* Days so far back may have lost their ten minutes to retention. */
#define DAYS_WITH_SPANS (ROLLUP_SPANS_US / INT64_C(86400000000) - 1)

/* Where the hours of a set are gathered; NULL where there is no room for another set. */
static struct rollup_entry *hour_of(struct rollup_day *day, int64_t set, uint32_t n_slots,
                                    uint32_t hour)
{
    uint32_t i = 0;
    while (i < day->n_sets && day->sets[i].id != set)
        i++;
    if (i == ROLLUP_DAY_SETS)
        return NULL;
    if (i == day->n_sets) {
        day->sets[i].id = set;
        day->sets[i].n_slots = n_slots;
        day->sets[i].n_hours = 0;
        day->n_sets++;
    }
    if (day->sets[i].n_slots != n_slots)
        return NULL;
    struct rollup_entry *hours = day->sets[i].hours;
    uint32_t n = day->sets[i].n_hours, at = n;
    while (at > 0 && hours[at - 1].index > hour)
        at--;
    if (at > 0 && hours[at - 1].index == hour)
        return &hours[at - 1];
    assert(n < ROLLUP_MAX_ENTRIES);
    memmove(&hours[at + 1], &hours[at], (n - at) * sizeof hours[0]);
    hours[at] = (struct rollup_entry){ .index = hour };
    day->sets[i].n_hours++;
    return &hours[at];
}

/* The row the statement stands on, columns channel_set and bytes. divisor: spans in an hour. */
static void add_row(struct db *db, sqlite3_stmt *stmt, uint32_t span_in_day, uint32_t divisor)
{
    uint32_t n_slots = 0;
    int64_t set = sqlite3_column_int64(stmt, 0);
    int n = rollup_take_row(db, stmt, &n_slots);
    if (n < 0)
        db->stats.n_errors++;
    for (int e = 0; e < n; e++) {
        const struct rollup_entry *from = &db->entries[e];
        struct rollup_entry *hour =
            hour_of(&db->day, set, n_slots, (span_in_day + from->index) / divisor);
        if (!hour) { /* a fifth set of channels within a day */
            db->stats.n_errors++;
            continue;
        }
        for (uint32_t s = 0; s < n_slots; s++)
            rollup_slot_merge(&hour->slots[s], &from->slots[s]);
    }
}

static int add_rows(struct db *db, enum statement which, const char *sql, int64_t key,
                    uint32_t span_in_day, uint32_t divisor)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, which, sql, &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, key);
    while ((result = db_row(db, stmt, bound)) == MW_OK)
        add_row(db, stmt, span_in_day, divisor);
    return result == MW_ERR_NOT_FOUND ? MW_OK : result;
}

static int add_spans(struct db *db, uint32_t machine, int64_t day, bool confirmed_only)
{
    int result = MW_OK;
    for (uint32_t b = 0; result == MW_OK && b < ROLLUP_SPANS_OF_DAY; b++) {
        int64_t key = ROLLUP_KEY(day * ROLLUP_SPANS_OF_DAY + b, machine);
        result = confirmed_only ? add_rows(db, ST_ROLLUP_RANGE_CONFIRMED,
                                           "SELECT channel_set, bytes FROM rollup"
                                           " WHERE id BETWEEN ?1 AND ?1 + 15 AND timebase IS NULL",
                                           key, b, ROLLUP_SPANS_OF_HOUR)
                                : add_rows(db, ST_ROLLUP_RANGE,
                                           "SELECT channel_set, bytes FROM rollup"
                                           " WHERE id BETWEEN ?1 AND ?1 + 15",
                                           key, b, ROLLUP_SPANS_OF_HOUR);
    }
    return result;
}

static int add_hours(struct db *db, uint32_t machine, int64_t day)
{
    return add_rows(db, ST_DAY_RANGE,
                    "SELECT channel_set, bytes FROM rollup_day WHERE id BETWEEN ?1 AND ?1 + 15",
                    ROLLUP_KEY(day, machine), 0, 1);
}

int rollup_load_day(struct db *db, uint32_t machine, int64_t day, bool summed)
{
    db->day.n_sets = 0;
    return summed ? add_hours(db, machine, day) : add_spans(db, machine, day, false);
}

/* ---- summing up ---- */

static int clear_day(struct db *db, uint32_t machine, int64_t day)
{
    sqlite3_stmt *stmt;
    int result =
        db_use(db, ST_DAY_CLEAR, "DELETE FROM rollup_day WHERE id BETWEEN ?1 AND ?1 + 15", &stmt);
    return result == MW_OK ? db_run(db, stmt, sqlite3_bind_int64(stmt, 1, ROLLUP_KEY(day, machine)))
                           : result;
}

static int put_day(struct db *db, uint32_t machine, int64_t day)
{
    int result = clear_day(db, machine, day);
    for (uint32_t i = 0; result == MW_OK && i < db->day.n_sets; i++) {
        sqlite3_stmt *stmt;
        int n_bytes = rollup_pack(db->day.sets[i].hours, db->day.sets[i].n_hours,
                                  db->day.sets[i].n_slots, db->scratch, sizeof db->scratch);
        if (n_bytes < 0)
            return n_bytes;
        result = db_room_by(db, (size_t)n_bytes, db_history_leaves(db), GIVE_ROLLUPS);
        if (result == MW_OK)
            result = db_use(
                db, ST_DAY_PUT,
                "INSERT OR REPLACE INTO rollup_day (id, channel_set, bytes) VALUES (?1, ?2, ?3)",
                &stmt);
        if (result == MW_OK)
            result = db_run(db, stmt,
                            sqlite3_bind_int64(stmt, 1, ROLLUP_KEY(day, machine) + i) |
                                sqlite3_bind_int64(stmt, 2, db->day.sets[i].id) |
                                sqlite3_bind_blob(stmt, 3, db->scratch, n_bytes, SQLITE_STATIC));
        db->stats.n_days += result == MW_OK;
    }
    return result;
}

static int delete_spans(struct db *db, uint32_t machine, int64_t day)
{
    int result = MW_OK;
    for (uint32_t b = 0; result == MW_OK && b < ROLLUP_SPANS_OF_DAY; b++) {
        sqlite3_stmt *stmt;
        result = db_use(db, ST_ROLLUP_DELETE_CONFIRMED,
                        "DELETE FROM rollup WHERE id BETWEEN ?1 AND ?1 + 15 AND timebase IS NULL",
                        &stmt);
        if (result == MW_OK)
            result = db_run(
                db, stmt,
                sqlite3_bind_int64(stmt, 1, ROLLUP_KEY(day * ROLLUP_SPANS_OF_DAY + b, machine)));
    }
    return result;
}

/* A day far back has its hours already and may have lost its ten minutes: what came late is added
 * to them, and taken away here so that it is added once. */
static int sum_machine(struct db *db, uint32_t machine, int64_t day, bool far_back)
{
    db->day.n_sets = 0;
    int result = far_back ? add_hours(db, machine, day) : MW_OK;
    if (result == MW_OK)
        result = add_spans(db, machine, day, far_back);
    if (result == MW_OK)
        result = put_day(db, machine, day);
    if (result == MW_OK && far_back)
        result = delete_spans(db, machine, day);
    return result;
}

int rollup_first_span(struct db *db, int64_t from, int64_t *ret_span)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_ROLLUP_AFTER, "SELECT min(id) FROM rollup WHERE id >= ?1", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int64(stmt, 1, ROLLUP_KEY(from, 0)));
    if (result != MW_OK)
        return result;
    bool none = sqlite3_column_type(stmt, 0) == SQLITE_NULL;
    *ret_span = sqlite3_column_int64(stmt, 0) >> 24;
    sqlite3_reset(stmt);
    return none ? MW_ERR_NOT_FOUND : MW_OK;
}

/* MW_ERR_NOT_FOUND after the last one. */
static int next_machine(struct db *db, uint32_t *machine)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_MACHINE_AFTER,
                        "SELECT id FROM machine WHERE id > ?1 ORDER BY id LIMIT 1", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int64(stmt, 1, *machine));
    if (result != MW_OK)
        return result;
    *machine = (uint32_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return MW_OK;
}

static void go_to_day(struct db *db, int64_t day)
{
    db->tally.rollup_day = (uint64_t)day;
    db->summed_machine = 0;
}

/* One machine's day further. MW_ERR_NOT_FOUND: nothing is left to be done. */
static int sum_next(struct db *db, int64_t today)
{
    int64_t first, day = (int64_t)db->tally.rollup_day;
    uint32_t machine = db->summed_machine;
    if (day >= today)
        return MW_ERR_NOT_FOUND;
    if (machine == 0) { /* days without anything are passed over */
        int result = rollup_first_span(db, day * ROLLUP_SPANS_OF_DAY, &first);
        if (result != MW_OK)
            return result;
        if (first / ROLLUP_SPANS_OF_DAY > day) {
            go_to_day(db,
                      first / ROLLUP_SPANS_OF_DAY < today ? first / ROLLUP_SPANS_OF_DAY : today);
            return MW_OK;
        }
    }
    int result = next_machine(db, &machine);
    if (result == MW_ERR_NOT_FOUND) {
        go_to_day(db, day + 1);
        return MW_OK;
    }
    if (result == MW_OK)
        result = sum_machine(db, machine, day, day + DAYS_WITH_SPANS < today);
    if (result == MW_OK)
        db->summed_machine = machine;
    return result;
}

int rollup_sum_up(struct db *db, uint32_t max_machines, uint32_t *ret_n)
{
    assert(db->in_transaction);
    uint32_t n = 0;
    int result = MW_OK;
    while (n < max_machines &&
           (result = sum_next(db, db->rollup_newest / ROLLUP_SPANS_OF_DAY)) == MW_OK)
        n++;
    *ret_n = n;
    return result == MW_ERR_NOT_FOUND ? MW_OK : result;
}
