/* SPDX-License-Identifier: Apache-2.0 */
/* From frames to rows of ten minutes. */
#include "storage/rollup.h"
#include "storage/db_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PRUNE_SPANS_MAX 2048 /* in one call, so that a clock set wrong cannot take all at once */
#define PRUNE_DAYS_MAX  1024
#define DAY_US          (ROLLUP_SPANS_OF_DAY * ROLLUP_SPAN_US)

static_assert(DAY_US == INT64_C(86400000000), "spans divide the day");

struct summed {
    double sum;
    uint32_t n;
    float min, max;
};

struct open_span {
    int64_t span, offset_us; /* UTC / ROLLUP_SPAN_US; UTC minus monotonic time of its frames */
    struct summed *slots;    /* [n_slots] */
};

struct rollup_writer {
    struct db *db; /* while spans are in its transaction */
    struct rollup_writer *next;
    uint32_t machine, n_slots;
    uint64_t n_dropped;
    uint32_t n, n_ended; /* oldest first; the last one may be under way */
    uint32_t n_written;  /* the oldest of them, in the transaction */
    uint32_t n_at_risk;  /* pushed out while in the transaction */
    struct open_span spans[ROLLUP_SPANS_MAX + 1];
    char (*channels)[MW_NAME_MAX + 1]; /* [n_slots - 1], behind slots */
    struct summed slots[];             /* [ROLLUP_SPANS_MAX + 1][n_slots] */
};

int rollup_writer_create(struct rollup_writer **ret_writer, uint32_t machine,
                         const char *const *channels, uint32_t n_channels)
{
    if (n_channels < 1 || n_channels > MW_MAX_CHANNELS)
        return MW_ERR_INVALID;
    size_t n_slots = (size_t)n_channels + 1, n_all = n_slots * (ROLLUP_SPANS_MAX + 1);
    struct rollup_writer *w =
        calloc(1, sizeof *w + n_all * sizeof w->slots[0] + n_channels * sizeof w->channels[0]);
    if (!w)
        return MW_ERR_NO_MEMORY;
    w->machine = machine;
    w->n_slots = (uint32_t)n_slots;
    w->channels = (char(*)[MW_NAME_MAX + 1])(void *)(w->slots + n_all);
    for (uint32_t s = 0; s <= ROLLUP_SPANS_MAX; s++)
        w->spans[s].slots = w->slots + s * n_slots;
    if (history_copy_names(w->channels, channels, n_channels) != MW_OK) {
        free(w);
        return MW_ERR_INVALID;
    }
    *ret_writer = w;
    return MW_OK;
}

static void leave_transaction(struct rollup_writer *w)
{
    struct rollup_writer **link = &w->db->rollups;
    while (*link != w)
        link = &(*link)->next;
    *link = w->next;
    w->db = NULL;
    w->next = NULL;
    w->n_written = w->n_at_risk = 0;
}

void rollup_writer_destroy(struct rollup_writer *writer)
{
    if (writer && writer->db)
        leave_transaction(writer);
    free(writer);
}

/* The oldest n go; their memory is the next ones'. */
static void forget_oldest(struct rollup_writer *w, uint32_t n)
{
    for (; n > 0; n--) {
        struct open_span oldest = w->spans[0];
        memmove(&w->spans[0], &w->spans[1], ROLLUP_SPANS_MAX * sizeof w->spans[0]);
        w->spans[ROLLUP_SPANS_MAX] = oldest;
        w->n--;
        w->n_ended -= w->n_ended > 0;
    }
}

void rollup_transaction_over(struct db *db, bool committed)
{
    while (db->rollups) {
        struct rollup_writer *w = db->rollups;
        if (committed)
            forget_oldest(w, w->n_written);
        else
            w->n_dropped += w->n_at_risk;
        leave_transaction(w);
    }
}

/* ---- adding ---- */

/* The same as division, towards the past also before 1970. */
static int64_t span_of(int64_t at_us)
{
    return at_us / ROLLUP_SPAN_US - (at_us % ROLLUP_SPAN_US < 0);
}

static struct open_span *begin_span(struct rollup_writer *w, int64_t span, int64_t offset_us)
{
    if (w->n == ROLLUP_SPANS_MAX + 1) {
        if (w->n_written > 0) { /* lost only where the transaction fails */
            w->n_written--;
            w->n_at_risk++;
        } else {
            w->n_dropped++;
        }
        forget_oldest(w, 1);
    }
    struct open_span *s = &w->spans[w->n++];
    s->span = span;
    s->offset_us = offset_us;
    memset(s->slots, 0, w->n_slots * sizeof s->slots[0]);
    return s;
}

static void add_value(struct summed *s, float value)
{
    if (!isfinite(value))
        return;
    value += 0.0f; /* of the two zeroes the positive one */
    s->min = s->n == 0 || value < s->min ? value : s->min;
    s->max = s->n == 0 || value > s->max ? value : s->max;
    s->sum += (double)value;
    s->n += s->n < UINT32_MAX;
}

static struct open_span *span_for(struct rollup_writer *w, const struct mw_frame *frame)
{
    int64_t span = span_of(frame->at_us), offset_us = frame->at_us - frame->mono_us;
    struct open_span *s = w->n > w->n_ended ? &w->spans[w->n - 1] : NULL;
    if (s && s->span == span && s->offset_us == offset_us)
        return s;
    w->n_ended = w->n;
    return begin_span(w, span, offset_us);
}

int rollup_add(struct rollup_writer *writer, const struct mw_frame *frame, float score)
{
    struct rollup_writer *w = writer;
    struct open_span *s = span_for(w, frame);
    for (uint32_t c = 0; c + 1 < w->n_slots; c++)
        if (frame->valid >> c & 1)
            add_value(&s->slots[c], frame->values[c]);
    if (score >= 0)
        add_value(&s->slots[w->n_slots - 1], score);
    return w->n_ended > w->n_written;
}

int rollup_end(struct rollup_writer *writer, int64_t at_us)
{
    struct rollup_writer *w = writer;
    if (w->n > w->n_ended && w->spans[w->n - 1].span < span_of(at_us))
        w->n_ended = w->n;
    return w->n_ended > w->n_written;
}

bool rollup_pending(const struct rollup_writer *writer)
{
    return writer->n > writer->n_written;
}

uint64_t rollup_dropped(const struct rollup_writer *writer)
{
    return writer->n_dropped;
}

/* ---- writing ---- */

static int find_set(struct db *db, const uint8_t *names, int n_names, int64_t *ret_id)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_SET_FIND, "SELECT id FROM channel_set WHERE names = ?1", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_blob(stmt, 1, names, n_names, SQLITE_STATIC));
    if (result != MW_OK)
        return result;
    *ret_id = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return MW_OK;
}

static int channel_set(struct db *db, const struct rollup_writer *w, int64_t *ret_id)
{
    uint8_t names[MW_MAX_CHANNELS * (MW_NAME_MAX + 1)];
    struct mw_writer out = { .bytes = names, .n_bytes = sizeof names };
    for (uint32_t c = 0; c + 1 < w->n_slots; c++)
        mw_put_str8(&out, w->channels[c]);
    int result = find_set(db, names, (int)out.at, ret_id);
    if (result != MW_ERR_NOT_FOUND)
        return result;
    sqlite3_stmt *stmt;
    result = db_use(db, ST_SET_PUT, "INSERT INTO channel_set (names) VALUES (?1)", &stmt);
    if (result == MW_OK)
        result = db_run(db, stmt, sqlite3_bind_blob(stmt, 1, names, (int)out.at, SQLITE_STATIC));
    return result == MW_OK ? find_set(db, names, (int)out.at, ret_id) : result;
}

int rollup_take_row(struct db *db, sqlite3_stmt *stmt, uint32_t *ret_n_slots)
{
    const void *bytes = sqlite3_column_blob(stmt, 1);
    int n_bytes = sqlite3_column_bytes(stmt, 1);
    int n = bytes ? rollup_unpack(bytes, (size_t)n_bytes, db->entries, ret_n_slots) : -1;
    return n < 0 ? MW_ERR_CORRUPT : n;
}

/* The key under which an entry belongs: of the row of its set and timebase, whose content is merged
 * into it, or the first free one. A row that is corrupt holds nothing. */
static int find_place(struct db *db, struct rollup_entry *entry, int64_t set, int64_t timebase,
                      uint32_t n_slots, int64_t *key)
{
    sqlite3_stmt *stmt;
    uint32_t n_there = 0, taken = 0;
    int result = db_use(db, ST_ROLLUP_GET,
                        "SELECT channel_set, bytes, ifnull(timebase, 0), id FROM rollup"
                        " WHERE id BETWEEN ?1 AND ?1 + 15",
                        &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, *key);
    while ((result = db_row(db, stmt, bound)) == MW_OK) {
        int64_t id = sqlite3_column_int64(stmt, 3);
        taken |= 1u << (id - *key);
        if (sqlite3_column_int64(stmt, 0) != set || sqlite3_column_int64(stmt, 2) != timebase)
            continue;
        if (rollup_take_row(db, stmt, &n_there) == 1 && n_there == n_slots)
            for (uint32_t s = 0; s < n_slots; s++)
                rollup_slot_merge(&entry->slots[s], &db->entries[0].slots[s]);
        else
            db->stats.n_errors++;
        sqlite3_reset(stmt);
        *key = id;
        return MW_OK;
    }
    for (int n = 0; n < ROLLUP_VARIANTS - 1 && taken & 1; n++, taken >>= 1)
        ++*key;
    db->stats.n_errors += taken & 1; /* sixteen kinds in ten minutes: the last one gives way */
    return result == MW_ERR_NOT_FOUND ? MW_OK : result;
}

static int put_row(struct db *db, int64_t key, int64_t set, int64_t timebase,
                   const struct rollup_entry *entry, uint32_t n_slots)
{
    uint8_t bytes[2 + 3 + 10 + ROLLUP_MAX_SLOTS * 20 + 4];
    sqlite3_stmt *stmt;
    int n_bytes = rollup_pack(entry, 1, n_slots, bytes, sizeof bytes);
    if (n_bytes < 0)
        return n_bytes;
    int result = db_room_by(db, (size_t)n_bytes, db_history_leaves(db), GIVE_ROLLUPS);
    if (result == MW_OK)
        result = db_use(db, ST_ROLLUP_PUT,
                        "INSERT OR REPLACE INTO rollup (id, channel_set, timebase, bytes)"
                        " VALUES (?1, ?2, ?3, ?4)",
                        &stmt);
    if (result != MW_OK)
        return result;
    db->stats.n_rollups++;
    return db_run(
        db, stmt,
        sqlite3_bind_int64(stmt, 1, key) | sqlite3_bind_int64(stmt, 2, set) |
            (timebase == 0 ? sqlite3_bind_null(stmt, 3) : sqlite3_bind_int64(stmt, 3, timebase)) |
            sqlite3_bind_blob(stmt, 4, bytes, n_bytes, SQLITE_STATIC));
}

/* A day that was summed up is summed up anew, or once it is over. */
static void sum_up_anew(struct db *db, int64_t day, uint32_t machine)
{
    int64_t summed = (int64_t)db->tally.rollup_day;
    if (day < summed || (day == summed && machine <= db->summed_machine)) {
        db->tally.rollup_day = (uint64_t)day;
        db->summed_machine = 0;
    }
}

int rollup_put(struct db *db, uint32_t machine, int64_t span, int64_t set, int64_t timebase,
               const struct rollup_entry *entry, uint32_t n_slots)
{
    struct rollup_entry merged = *entry;
    int64_t key = ROLLUP_KEY(span, machine);
    int result = find_place(db, &merged, set, timebase, n_slots, &key);
    if (result != MW_OK)
        return result;
    sum_up_anew(db, span / ROLLUP_SPANS_OF_DAY, machine);
    return put_row(db, key, set, timebase, &merged, n_slots);
}

static void finish_slot(const struct summed *from, struct rollup_slot *slot)
{
    if (from->n == 0)
        return;
    float mean = (float)(from->sum / from->n);
    mean = mean < from->min ? from->min : mean > from->max ? from->max : mean;
    *slot = (struct rollup_slot){ from->n, from->min, from->max, mean };
}

static int write_span(const struct rollup_writer *w, struct db *db, const struct open_span *s,
                      int64_t set)
{
    struct rollup_entry entry = { 0 };
    struct known_timebase timebase = { 0 };
    bool any = false;
    for (uint32_t i = 0; i < w->n_slots; i++) {
        finish_slot(&s->slots[i], &entry.slots[i]);
        any = any || entry.slots[i].n > 0;
    }
    if (!any || s->span < 0) /* no value, no row; a clock before 1970 is none */
        return MW_OK;
    int result = timebase_of(db, s->offset_us, &timebase);
    if (result == MW_OK)
        result = rollup_put(db, w->machine, s->span, set, timebase.synced ? 0 : timebase.id, &entry,
                            w->n_slots);
    if (result == MW_OK)
        db->rollup_newest = s->span;
    return result;
}

int rollup_write(struct rollup_writer *writer, struct db *db, bool all)
{
    struct rollup_writer *w = writer;
    int64_t set = 0;
    assert(db->in_transaction);
    if (db->squeezed) /* what the reserve gave back is for acknowledgements */
        return MW_ERR_NO_SPACE;
    uint32_t n = all ? w->n : w->n_ended;
    if (w->n_written >= n)
        return MW_OK;
    int result = channel_set(db, w, &set);
    if (result != MW_OK)
        return result;
    if (!w->db) {
        w->db = db;
        w->next = db->rollups;
        db->rollups = w;
    }
    w->n_ended = n;
    for (; result == MW_OK && w->n_written < n; w->n_written += result == MW_OK)
        result = write_span(w, db, &w->spans[w->n_written], set);
    return result;
}

/* ---- a clock that was corrected ---- */

struct wrong_row {
    int64_t key, set;
    struct rollup_entry entry;
    uint32_t n_slots;
};

/* MW_ERR_NOT_FOUND where there is none; a corrupt one is *ret_row with n_slots 0. */
static int find_wrong(struct db *db, int64_t timebase, struct wrong_row *ret_row)
{
    sqlite3_stmt *stmt;
    int result =
        db_use(db, ST_ROLLUP_WRONG,
               "SELECT channel_set, bytes, id FROM rollup WHERE timebase = ?1 LIMIT 1", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int64(stmt, 1, timebase));
    if (result != MW_OK)
        return result;
    *ret_row = (struct wrong_row){ .key = sqlite3_column_int64(stmt, 2),
                                   .set = sqlite3_column_int64(stmt, 0) };
    if (rollup_take_row(db, stmt, &ret_row->n_slots) == 1)
        ret_row->entry = db->entries[0];
    else
        ret_row->n_slots = 0;
    sqlite3_reset(stmt);
    return MW_OK;
}

int rollup_correct(struct db *db, int64_t timebase, int64_t step_us, uint32_t max_rows,
                   uint32_t *ret_n)
{
    struct wrong_row row;
    sqlite3_stmt *stmt;
    uint32_t n = 0;
    int result = MW_OK;
    while (n < max_rows && (result = find_wrong(db, timebase, &row)) == MW_OK) {
        uint32_t machine = (uint32_t)(row.key >> 4 & 0xfffff);
        int64_t old = row.key >> 24;
        /* To the nearest span: half a span is how far off what is summed up may be. */
        int64_t span = span_of(old * ROLLUP_SPAN_US + step_us + ROLLUP_SPAN_US / 2);
        result = db_use(db, ST_ROLLUP_DELETE, "DELETE FROM rollup WHERE id = ?1", &stmt);
        if (result == MW_OK)
            result = db_run(db, stmt, sqlite3_bind_int64(stmt, 1, row.key));
        if (result == MW_OK && row.n_slots > 0 && span >= 0)
            result = rollup_put(db, machine, span, row.set, 0, &row.entry, row.n_slots);
        /* Its old day may have been summed up with it. */
        sum_up_anew(db, old / ROLLUP_SPANS_OF_DAY, machine);
        if (result != MW_OK)
            return result;
        n++;
    }
    *ret_n = n;
    return result == MW_ERR_NOT_FOUND ? MW_OK : result;
}

/* ---- retention ---- */

static int drop_before(struct db *db, enum statement which, const char *sql, int64_t key, int max)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, which, sql, &stmt);
    if (result != MW_OK)
        return result;
    return db_run(db, stmt, sqlite3_bind_int64(stmt, 1, key) | sqlite3_bind_int(stmt, 2, max));
}

int rollup_prune(struct db *db, int64_t at_us)
{
    if (at_us <= ROLLUP_SPANS_US)
        return MW_OK;
    /* Whole days only, and none that is not summed up yet: it may be summed up anew. */
    int64_t spans_day = (at_us - ROLLUP_SPANS_US) / DAY_US;
    if (spans_day > (int64_t)db->tally.rollup_day)
        spans_day = (int64_t)db->tally.rollup_day;
    int result = drop_before(db, ST_DROP_EXPIRED_ROLLUPS,
                             "DELETE FROM rollup WHERE id IN (SELECT id FROM rollup WHERE id < ?1"
                             " AND timebase IS NULL ORDER BY id LIMIT ?2)",
                             ROLLUP_KEY(spans_day * ROLLUP_SPANS_OF_DAY, 0), PRUNE_SPANS_MAX);
    if (result != MW_OK || at_us <= ROLLUP_DAYS_US)
        return result;
    return drop_before(db, ST_DROP_EXPIRED_DAYS,
                       "DELETE FROM rollup_day WHERE id IN (SELECT id FROM rollup_day"
                       " WHERE id < ?1 ORDER BY id LIMIT ?2)",
                       ROLLUP_KEY((at_us - ROLLUP_DAYS_US) / DAY_US, 0), PRUNE_DAYS_MAX);
}
