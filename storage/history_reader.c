/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/db_internal.h"
#include "storage/history.h"

#include <stdlib.h>
#include <string.h>

struct history_reader {
    struct db *db; /* borrowed until close */
    uint32_t machine, n_channels;
    int64_t from_us, to_us;
    int64_t block_us, block_id; /* the key of the block read last */
    int64_t shift_us;           /* of the present block: its clock was set later */
    int64_t last_us;            /* of the frame handed out last */
    bool in_block, windows;
    bool sought;    /* lookup is a place where blocks may be */
    int64_t lookup; /* first_us / HISTORY_LOOKUP_US of the blocks looked at */
    struct history_block block;
    int map[MW_MAX_CHANNELS]; /* channel of the caller → channel of the block, or -1 */
    char channels[MW_MAX_CHANNELS][MW_NAME_MAX + 1];
    uint8_t bytes[HISTORY_BLOCK_BYTES_MAX];
};

/* Where blocks begin that may reach at_us. */
static int64_t lookup_of(int64_t at_us)
{
    return at_us > INT64_MIN + HISTORY_SPAN_US ? (at_us - HISTORY_SPAN_US) / HISTORY_LOOKUP_US
                                               : INT64_MIN;
}

int history_reader_open(struct history_reader **ret_reader, struct db *db, uint32_t machine,
                        const char *const *channels, uint32_t n_channels, int64_t from_us,
                        int64_t to_us)
{
    struct history_reader *r = calloc(1, sizeof *r);
    if (!r)
        return MW_ERR_NO_MEMORY;
    if (history_copy_names(r->channels, channels, n_channels) != MW_OK) {
        free(r);
        return MW_ERR_INVALID;
    }
    r->db = db;
    r->machine = machine;
    r->n_channels = n_channels;
    r->from_us = from_us;
    r->to_us = to_us;
    r->block_us = r->last_us = INT64_MIN;
    r->lookup = lookup_of(from_us);
    *ret_reader = r;
    return MW_OK;
}

int history_windows_open(struct history_reader **ret_reader, struct db *db, uint32_t machine,
                         const char *const *channels, uint32_t n_channels, int64_t from_us,
                         int64_t to_us)
{
    int result = history_reader_open(ret_reader, db, machine, channels, n_channels, from_us, to_us);
    if (result == MW_OK)
        (*ret_reader)->windows = true;
    return result;
}

void history_reader_close(struct history_reader *reader)
{
    free(reader);
}

static void map_channels(struct history_reader *r)
{
    for (uint32_t c = 0; c < r->n_channels; c++) {
        r->map[c] = -1;
        for (uint32_t b = 0; b < r->block.n_channels && r->map[c] < 0; b++)
            if (strcmp(r->channels[c], r->block.channels[b]) == 0)
                r->map[c] = (int)b;
    }
}

/* Copies the row's block, so that the statement rests before the first frame is handed out. */
static int take_block(struct history_reader *r, sqlite3_stmt *stmt)
{
    const void *bytes = sqlite3_column_blob(stmt, 2);
    int n_bytes = sqlite3_column_bytes(stmt, 2);
    r->block_us = sqlite3_column_int64(stmt, 0);
    r->block_id = sqlite3_column_int64(stmt, 1);
    r->shift_us = sqlite3_column_int64(stmt, 3);
    if (!bytes || n_bytes > (int)sizeof r->bytes)
        return MW_ERR_CORRUPT;
    memcpy(r->bytes, bytes, (size_t)n_bytes);
    if (history_block_open(&r->block, r->bytes, (size_t)n_bytes) != MW_OK)
        return MW_ERR_CORRUPT;
    map_channels(r);
    r->in_block = true;
    return MW_OK;
}

/* The next place in the index, from this one on, where any machine has blocks; MW_ERR_NOT_FOUND. */
static int next_lookup(struct db *db, int64_t from, int64_t *ret_lookup)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_BLOCK_AFTER,
                        "SELECT first_us / 600000000 FROM block WHERE first_us / 600000000 >= ?1"
                        " ORDER BY first_us / 600000000 LIMIT 1",
                        &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int64(stmt, 1, from));
    if (result != MW_OK)
        return result;
    *ret_lookup = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return MW_OK;
}

static int bind_range(const struct history_reader *r, sqlite3_stmt *stmt)
{
    return sqlite3_bind_int64(stmt, 1, r->machine) | sqlite3_bind_int64(stmt, 2, r->block_us) |
           sqlite3_bind_int64(stmt, 3, r->block_id) | sqlite3_bind_int64(stmt, 4, r->to_us) |
           sqlite3_bind_int64(stmt, 5, r->from_us);
}

/* The next block in this place of the index, or the next window. MW_ERR_NOT_FOUND. */
static int look(struct history_reader *r)
{
    sqlite3_stmt *stmt;
    int result = r->windows
                     ? db_use(r->db, ST_WINDOW_NEXT,
                              "SELECT first_us, id, bytes, 0 FROM training_window"
                              " WHERE id BETWEEN ?1 << 16 AND (?1 << 16) + 65535"
                              " AND (first_us, id) > (?2, ?3) AND first_us < ?4 AND last_us >= ?5"
                              " ORDER BY first_us, id LIMIT 1",
                              &stmt)
                     : db_use(r->db, ST_BLOCK_NEXT,
                              "SELECT first_us, id, bytes, shift_us FROM block"
                              " WHERE first_us / 600000000 = ?6 AND machine = ?1"
                              " AND (first_us, id) > (?2, ?3) AND first_us < ?4 AND last_us >= ?5"
                              " ORDER BY first_us, id LIMIT 1",
                              &stmt);
    if (result != MW_OK)
        return result;
    int bound = bind_range(r, stmt);
    if (!r->windows)
        bound |= sqlite3_bind_int64(stmt, 6, r->lookup);
    result = db_row(r->db, stmt, bound);
    if (result != MW_OK)
        return result;
    result = take_block(r, stmt);
    sqlite3_reset(stmt);
    return result;
}

static int next_block(struct history_reader *r)
{
    if (r->windows)
        return look(r);
    for (;;) {
        int result = r->sought ? look(r) : MW_ERR_NOT_FOUND;
        if (result != MW_ERR_NOT_FOUND)
            return result;
        result = next_lookup(r->db, r->lookup, &r->lookup);
        if (result != MW_OK)
            return result;
        r->sought = true;
        if (r->lookup > r->to_us / HISTORY_LOOKUP_US)
            return MW_ERR_NOT_FOUND;
        result = look(r);
        if (result != MW_ERR_NOT_FOUND)
            return result;
        r->lookup++;
        r->sought = false;
    }
}

/* The block's frame with the caller's channels. */
static void rearrange(const struct history_reader *r, const struct mw_frame *from,
                      struct mw_frame *ret_frame)
{
    struct mw_frame to = { .at_us = from->at_us, .mono_us = from->mono_us, .slot = from->slot };
    for (uint32_t c = 0; c < r->n_channels; c++) {
        if (r->map[c] < 0 || !(from->valid >> r->map[c] & 1))
            continue;
        to.valid |= 1u << c;
        to.fresh |= (from->fresh >> r->map[c] & 1) << c;
        to.values[c] = from->values[r->map[c]];
    }
    *ret_frame = to;
}

/* The next wanted frame of the present block; MW_ERR_NOT_FOUND at its end. */
static int next_in_block(struct history_reader *r, struct mw_frame *frame, float *score)
{
    for (;;) {
        int result = history_block_next(&r->block, frame, score);
        if (result != MW_OK)
            return result == MW_ERR_NOT_FOUND ? result : MW_ERR_CORRUPT;
        frame->at_us += r->shift_us;
        if (frame->at_us >= r->from_us && frame->at_us < r->to_us && frame->at_us >= r->last_us)
            return MW_OK;
    }
}

int history_reader_next(struct history_reader *reader, struct mw_frame *ret_frame, float *ret_score)
{
    struct mw_frame frame;
    float score;
    for (;;) {
        int result = reader->in_block ? MW_OK : next_block(reader);
        if (result != MW_OK)
            return result;
        result = next_in_block(reader, &frame, &score);
        if (result == MW_OK)
            break;
        reader->in_block = false;
        if (result != MW_ERR_NOT_FOUND)
            return result;
    }
    reader->last_us = frame.at_us;
    rearrange(reader, &frame, ret_frame);
    if (ret_score)
        *ret_score = score;
    return MW_OK;
}

/* Frames at or after from_us in one block's bytes; none where they are corrupt. */
static uint64_t count_in_block(const uint8_t *bytes, size_t n_bytes, int64_t from_us)
{
    struct history_block block;
    struct mw_frame frame;
    float score;
    uint64_t n = 0;
    if (!bytes || history_block_open(&block, bytes, n_bytes) != MW_OK)
        return 0;
    while (history_block_next(&block, &frame, &score) == MW_OK)
        n += frame.at_us >= from_us;
    return n;
}

/* Adds what one place of the index has. */
static int count_at(struct db *db, uint32_t machine, int64_t lookup, int64_t from_us, uint64_t *n)
{
    sqlite3_stmt *stmt;
    int result =
        db_use(db, ST_BLOCK_COUNT,
               "SELECT n_frames, CASE WHEN first_us < ?2 THEN bytes END, shift_us FROM block"
               " WHERE first_us / 600000000 = ?3 AND machine = ?1 AND last_us >= ?2",
               &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, machine) | sqlite3_bind_int64(stmt, 2, from_us) |
                sqlite3_bind_int64(stmt, 3, lookup);
    while ((result = db_row(db, stmt, bound)) == MW_OK) {
        if (sqlite3_column_type(stmt, 1) == SQLITE_NULL)
            *n += (uint64_t)sqlite3_column_int64(stmt, 0);
        else
            *n +=
                count_in_block(sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1),
                               from_us - sqlite3_column_int64(stmt, 2));
    }
    return result == MW_ERR_NOT_FOUND ? MW_OK : result;
}

int history_count(struct db *db, uint32_t machine, int64_t from_us, uint64_t *ret_n)
{
    uint64_t n = 0;
    int64_t lookup = lookup_of(from_us);
    int result;
    while ((result = next_lookup(db, lookup, &lookup)) == MW_OK) {
        result = count_at(db, machine, lookup++, from_us, &n);
        if (result != MW_OK)
            return result;
    }
    if (result != MW_ERR_NOT_FOUND)
        return result;
    *ret_n = n;
    return MW_OK;
}
