/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/db_internal.h"
#include "storage/rollup.h"

#include <stdlib.h>

#define SEARCH_MAX 256 /* days or spans looked at in one call */

struct rollup_reader {
    struct db *db; /* borrowed until close */
    uint32_t machine;
    int64_t span_us, from_us, to_us;
    int64_t at;      /* hours: the day in hand; else the span in hand */
    bool loaded;     /* its rows are in day */
    uint32_t set, i; /* next to be handed out */
    bool by_hours;
    struct rollup_day day;
};

int rollup_reader_open(struct rollup_reader **ret_reader, struct db *db, uint32_t machine,
                       int64_t span_us, int64_t from_us, int64_t to_us)
{
    if (span_us != ROLLUP_SPAN_US && span_us != ROLLUP_HOUR_US)
        return MW_ERR_INVALID;
    struct rollup_reader *r = calloc(1, sizeof *r);
    if (!r)
        return MW_ERR_NO_MEMORY;
    r->db = db;
    r->machine = machine;
    r->span_us = span_us;
    r->by_hours = span_us == ROLLUP_HOUR_US;
    r->from_us = from_us > 0 ? from_us : 0;
    r->to_us = to_us;
    r->at = r->from_us / ROLLUP_SPAN_US / (r->by_hours ? ROLLUP_SPANS_OF_DAY : 1);
    *ret_reader = r;
    return MW_OK;
}

void rollup_reader_close(struct rollup_reader *reader)
{
    free(reader);
}

/* The first day from this one on that has anything, summed up or not. */
static int first_day(struct db *db, int64_t from, int64_t *ret_day)
{
    int64_t span, summed = (int64_t)db->tally.rollup_day;
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_DAY_AFTER, "SELECT min(id) FROM rollup_day WHERE id >= ?1", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int64(stmt, 1, ROLLUP_KEY(from, 0)));
    if (result != MW_OK)
        return result;
    bool none = sqlite3_column_type(stmt, 0) == SQLITE_NULL;
    int64_t day = sqlite3_column_int64(stmt, 0) >> 24;
    sqlite3_reset(stmt);
    if (!none && day < summed) {
        *ret_day = day;
        return MW_OK;
    }
    result = rollup_first_span(db, (from > summed ? from : summed) * ROLLUP_SPANS_OF_DAY, &span);
    if (result == MW_OK)
        *ret_day = span / ROLLUP_SPANS_OF_DAY;
    return result;
}

/* One row of ten minutes as a day with a single hour. */
static int load_span(struct rollup_reader *r)
{
    sqlite3_stmt *stmt;
    uint32_t n = 0;
    int result =
        db_use(r->db, ST_ROLLUP_SPAN,
               "SELECT channel_set, bytes FROM rollup WHERE id BETWEEN ?1 AND ?1 + 15", &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, ROLLUP_KEY(r->at, r->machine));
    while ((result = db_row(r->db, stmt, bound)) == MW_OK && n < ROLLUP_DAY_SETS) {
        if (rollup_take_row(r->db, stmt, &r->day.sets[n].n_slots) != 1) {
            sqlite3_reset(stmt);
            return MW_ERR_CORRUPT;
        }
        r->day.sets[n].id = sqlite3_column_int64(stmt, 0);
        r->day.sets[n].n_hours = 1;
        r->day.sets[n++].hours[0] = r->db->entries[0];
    }
    if (result == MW_OK)
        sqlite3_reset(stmt);
    r->day.n_sets = n;
    return result == MW_ERR_NOT_FOUND ? MW_OK : result;
}

static int load_day(struct rollup_reader *r)
{
    int result =
        rollup_load_day(r->db, r->machine, r->at, r->at < (int64_t)r->db->tally.rollup_day);
    if (result == MW_OK)
        r->day = r->db->day;
    return result;
}

/* What is at r->at or, where nothing is there, further on. MW_ERR_NOT_FOUND at the end. */
static int load(struct rollup_reader *r)
{
    int64_t unit_us = r->by_hours ? ROLLUP_SPANS_OF_DAY * ROLLUP_SPAN_US : ROLLUP_SPAN_US;
    int result =
        r->by_hours ? first_day(r->db, r->at, &r->at) : rollup_first_span(r->db, r->at, &r->at);
    if (result != MW_OK)
        return result;
    if (r->to_us / unit_us < r->at)
        return MW_ERR_NOT_FOUND;
    r->set = r->i = 0;
    r->day.n_sets = 0;
    result = r->by_hours ? load_day(r) : load_span(r);
    if (result != MW_OK) {
        r->at++;
        return result;
    }
    r->loaded = true;
    return MW_OK;
}

static int name_channels(struct rollup_reader *r, int64_t set, struct rollup_row *row)
{
    sqlite3_stmt *stmt;
    int result = db_use(r->db, ST_SET_NAMES, "SELECT names FROM channel_set WHERE id = ?1", &stmt);
    if (result == MW_OK)
        result = db_row(r->db, stmt, sqlite3_bind_int64(stmt, 1, set));
    if (result != MW_OK)
        return result == MW_ERR_NOT_FOUND ? MW_ERR_CORRUPT : result;
    struct mw_reader in = { .bytes = sqlite3_column_blob(stmt, 0),
                            .n_bytes = (size_t)sqlite3_column_bytes(stmt, 0) };
    for (uint32_t c = 0; c < row->n_channels; c++)
        mw_get_str8(&in, row->channels[c], sizeof row->channels[c]);
    result = in.failed || in.at != in.n_bytes ? MW_ERR_CORRUPT : MW_OK;
    sqlite3_reset(stmt);
    return result;
}

/* The entry in hand, if it lies in the range. */
static bool take(struct rollup_reader *r, struct rollup_row *row)
{
    const struct rollup_entry *entry = &r->day.sets[r->set].hours[r->i];
    int64_t at = r->by_hours ? r->at * 24 + entry->index : r->at;
    if (at * r->span_us < r->from_us || at * r->span_us >= r->to_us)
        return false;
    row->at_us = at * r->span_us;
    row->span_us = r->span_us;
    row->n_channels = r->day.sets[r->set].n_slots - 1;
    for (uint32_t s = 0; s <= row->n_channels; s++)
        row->slots[s] = entry->slots[s];
    return true;
}

/* On to a set with an entry left; false where all are handed out. */
static bool next_set(struct rollup_reader *r)
{
    while (r->set < r->day.n_sets && r->i == r->day.sets[r->set].n_hours) {
        r->set++;
        r->i = 0;
    }
    return r->set < r->day.n_sets;
}

int rollup_reader_next(struct rollup_reader *reader, struct rollup_row *ret_row)
{
    struct rollup_reader *r = reader;
    struct rollup_row row;
    for (int n = 0; n < SEARCH_MAX;) {
        if (!r->loaded) {
            int result = load(r);
            if (result != MW_OK)
                return result;
            n++;
        }
        if (!next_set(r)) {
            r->loaded = false;
            r->at++;
            continue;
        }
        bool taken = take(r, &row);
        int64_t set = r->day.sets[r->set].id;
        r->i++;
        if (!taken)
            continue;
        int result = name_channels(r, set, &row);
        if (result == MW_OK)
            *ret_row = row;
        return result;
    }
    return MW_ERR_AGAIN;
}
