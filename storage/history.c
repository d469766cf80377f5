/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/history.h"
#include "storage/db_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(HISTORY_BLOCK_FRAMES == HISTORY_BLOCK_MAX_FRAMES, "one limit, said twice");

/* A frame without the channels that its machine does not have. */
struct kept {
    int64_t at_us, mono_us, slot;
    uint32_t valid, fresh;
    float score;
};

struct history_writer {
    struct db *db; /* while frames are in its transaction */
    struct history_writer *next;
    struct reservoir reservoir;
    uint32_t machine, n_channels, n_room; /* frames that it holds */
    int64_t block_us;
    uint64_t n_dropped;
    uint32_t first, n, n_written;      /* ring; the oldest n_written are in the transaction */
    uint32_t n_at_risk;                /* pushed out while in the transaction */
    float *values;                     /* [n_room][n_channels], behind kept */
    char (*channels)[MW_NAME_MAX + 1]; /* [n_channels], behind values */
    struct kept kept[];                /* [n_room] */
};

int history_copy_names(char (*ret_names)[MW_NAME_MAX + 1], const char *const *names, uint32_t n)
{
    if (n < 1 || n > MW_MAX_CHANNELS)
        return MW_ERR_INVALID;
    for (uint32_t c = 0; c < n; c++) {
        size_t length = strlen(names[c]);
        if (length < 1 || length > MW_NAME_MAX)
            return MW_ERR_INVALID;
        memcpy(ret_names[c], names[c], length + 1);
    }
    return MW_OK;
}

int history_writer_create(struct history_writer **ret_writer, uint32_t machine,
                          const char *const *channels, uint32_t n_channels, uint32_t n_frames,
                          int64_t block_us)
{
    if (n_channels < 1 || n_channels > MW_MAX_CHANNELS || n_frames < 1 ||
        n_frames > HISTORY_BLOCK_FRAMES || block_us <= 0)
        return MW_ERR_INVALID;
    size_t n_values = (size_t)n_frames * n_channels;
    struct history_writer *w =
        calloc(1, sizeof *w + n_frames * sizeof w->kept[0] + n_values * sizeof w->values[0] +
                      n_channels * sizeof w->channels[0]);
    if (!w)
        return MW_ERR_NO_MEMORY;
    w->values = (float *)(void *)(w->kept + n_frames);
    w->channels = (char(*)[MW_NAME_MAX + 1])(void *)(w->values + n_values);
    if (history_copy_names(w->channels, channels, n_channels) != MW_OK) {
        free(w);
        return MW_ERR_INVALID;
    }
    w->machine = machine;
    w->n_channels = n_channels;
    w->n_room = n_frames;
    w->block_us = block_us;
    *ret_writer = w;
    return MW_OK;
}

static void leave_transaction(struct history_writer *w)
{
    struct history_writer **link = &w->db->writers;
    while (*link != w)
        link = &(*link)->next;
    *link = w->next;
    w->db = NULL;
    w->next = NULL;
    w->n_written = w->n_at_risk = 0;
}

void history_writer_destroy(struct history_writer *writer)
{
    if (writer && writer->db)
        leave_transaction(writer);
    free(writer);
}

static void forget_oldest(struct history_writer *w, uint32_t n)
{
    w->first = (w->first + n) % w->n_room;
    w->n -= n;
    if (w->n == 0)
        w->first = 0; /* so that a ring that is never full touches little memory */
}

void history_transaction_over(struct db *db, bool committed)
{
    while (db->writers) {
        struct history_writer *w = db->writers;
        if (committed)
            forget_oldest(w, w->n_written);
        else
            w->n_dropped += w->n_at_risk;
        leave_transaction(w);
    }
}

int history_add(struct history_writer *writer, const struct mw_frame *frame, float score)
{
    struct history_writer *w = writer;
    if (w->n == w->n_room) {
        if (w->n_written > 0) { /* lost only where the transaction fails */
            w->n_written--;
            w->n_at_risk++;
        } else {
            w->n_dropped++;
        }
        forget_oldest(w, 1);
    }
    uint32_t i = (w->first + w->n++) % w->n_room;
    w->kept[i] = (struct kept){ frame->at_us, frame->mono_us, frame->slot,
                                frame->valid, frame->fresh,   score };
    memcpy(&w->values[(size_t)i * w->n_channels], frame->values, sizeof(float) * w->n_channels);
    int64_t age_us = frame->mono_us - w->kept[w->first].mono_us;
    return w->n == w->n_room || age_us >= w->block_us;
}

bool history_is_full(const struct history_writer *writer)
{
    return writer->n == writer->n_room;
}

int history_pending(const struct history_writer *writer)
{
    return writer->n > writer->n_written;
}

uint64_t history_dropped(const struct history_writer *writer)
{
    return writer->n_dropped;
}

static const struct kept *kept_at(const struct history_writer *w, uint32_t i)
{
    return &w->kept[(w->first + i) % w->n_room];
}

static int64_t offset_of(const struct kept *kept)
{
    return kept->at_us - kept->mono_us;
}

/* How many frames from i on follow one another in time, by one clock. */
static uint32_t run_length(const struct history_writer *w, uint32_t i)
{
    uint32_t end = i + 1;
    while (end < w->n && kept_at(w, end)->at_us >= kept_at(w, end - 1)->at_us &&
           kept_at(w, end)->at_us - kept_at(w, i)->at_us <= HISTORY_SPAN_US &&
           offset_of(kept_at(w, end)) == offset_of(kept_at(w, i)))
        end++;
    return end - i;
}

static int pack(const struct history_writer *w, uint32_t from, uint32_t n, uint8_t *bytes,
                size_t cap)
{
    const char *names[MW_MAX_CHANNELS];
    struct history_block_writer block;
    for (uint32_t c = 0; c < w->n_channels; c++)
        names[c] = w->channels[c];
    history_block_begin(&block, bytes, cap, names, w->n_channels, n);
    for (uint32_t i = from; i < from + n; i++) {
        const struct kept *k = kept_at(w, i);
        struct mw_frame frame = { k->at_us, k->mono_us, k->slot, k->valid, k->fresh, { 0 } };
        const float *values = &w->values[(size_t)(k - w->kept) * w->n_channels];
        memcpy(frame.values, values, sizeof(float) * w->n_channels);
        history_block_add(&block, &frame, k->score);
    }
    return history_block_finish(&block);
}

static int put_block(struct history_writer *w, struct db *db, uint32_t from, uint32_t n)
{
    int n_bytes = pack(w, from, n, db->scratch, sizeof db->scratch);
    if (n_bytes < 0)
        return n_bytes;
    struct known_timebase timebase = { 0 };
    int result = db_room_by(db, (size_t)n_bytes, db_history_leaves(db), GIVE_BLOCKS);
    if (result == MW_OK)
        result = timebase_of(db, offset_of(kept_at(w, from)), &timebase);
    sqlite3_stmt *stmt;
    if (result == MW_OK)
        result = db_use(db, ST_BLOCK_PUT,
                        "INSERT INTO block (machine, first_us, last_us, n_frames, bytes, timebase)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        &stmt);
    if (result != MW_OK)
        return result;
    int bound =
        sqlite3_bind_int64(stmt, 1, w->machine) |
        sqlite3_bind_int64(stmt, 2, kept_at(w, from)->at_us) |
        sqlite3_bind_int64(stmt, 3, kept_at(w, from + n - 1)->at_us) |
        sqlite3_bind_int64(stmt, 4, n) |
        sqlite3_bind_blob(stmt, 5, db->scratch, n_bytes, SQLITE_STATIC) |
        (timebase.synced ? sqlite3_bind_null(stmt, 6) : sqlite3_bind_int64(stmt, 6, timebase.id));
    result = db_run(db, stmt, bound);
    return result == MW_OK
               ? reservoir_offer(db, &w->reservoir, w->machine, db->scratch, (size_t)n_bytes)
               : result;
}

uint32_t history_skip(struct history_writer *writer)
{
    struct history_writer *w = writer;
    uint32_t n = w->n - w->n_written;
    w->n -= n;
    return n;
}

void history_forget_reservoir(struct history_writer *writer)
{
    writer->reservoir = (struct reservoir){ 0 };
}

int history_write(struct history_writer *writer, struct db *db)
{
    struct history_writer *w = writer;
    assert(db->in_transaction);
    if (db->squeezed) /* what the reserve gave back is for acknowledgements */
        return MW_ERR_NO_SPACE;
    if (!w->db) {
        w->db = db;
        w->next = db->writers;
        db->writers = w;
    }
    while (w->n_written < w->n) {
        uint32_t n = run_length(w, w->n_written);
        int result = put_block(w, db, w->n_written, n);
        if (result != MW_OK)
            return result;
        w->n_written += n;
        db->stats.n_history_blocks++;
        db->stats.n_history_frames += n;
    }
    return MW_OK;
}
