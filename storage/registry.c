/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/registry.h"
#include "storage/db_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The order of changes, without a clock: each change of a state takes the machine's next turn. */
#define NEXT_TURN "(SELECT ifnull(max(turn), 0) + 1 FROM model WHERE machine = ?1)"

static int bind_digest(sqlite3_stmt *stmt, uint32_t machine, const uint8_t *digest)
{
    return sqlite3_bind_int64(stmt, 1, machine) |
           sqlite3_bind_blob(stmt, 2, digest, MW_SHA256_BYTES, SQLITE_STATIC);
}

/* MW_ERR_NOT_FOUND, or the state it has. */
static int find(struct db *db, uint32_t machine, const uint8_t *digest, int *ret_state)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_MODEL_FIND,
                        "SELECT state FROM model WHERE machine = ?1 AND digest = ?2", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, bind_digest(stmt, machine, digest));
    if (result != MW_OK)
        return result;
    *ret_state = sqlite3_column_int(stmt, 0);
    sqlite3_reset(stmt);
    return MW_OK;
}

/* Deletes the oldest of a state beyond those kept. */
static int trim(struct db *db, uint32_t machine, int state)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_MODEL_TRIM,
                        "DELETE FROM model WHERE id IN (SELECT id FROM model"
                        " WHERE machine = ?1 AND state = ?2 ORDER BY turn DESC"
                        " LIMIT -1 OFFSET ?3)",
                        &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, machine) | sqlite3_bind_int(stmt, 2, state) |
                sqlite3_bind_int(stmt, 3, REGISTRY_KEPT);
    return db_run(db, stmt, bound);
}

struct addition {
    uint32_t machine, n_rows;
    const void *bytes;
    size_t n_bytes;
    float r2;
    int64_t at_us;
};

static int put(struct db *db, const struct addition *a, const uint8_t *digest)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_MODEL_PUT,
                        "INSERT INTO model (machine, digest, state, turn, added_us, n_bytes,"
                        " n_rows, r2, bytes)"
                        " VALUES (?1, ?2, 1, " NEXT_TURN ", ?3, ?4, ?5, ?6, ?7)",
                        &stmt);
    if (result != MW_OK)
        return result;
    int bound = bind_digest(stmt, a->machine, digest) | sqlite3_bind_int64(stmt, 3, a->at_us) |
                sqlite3_bind_int64(stmt, 4, (sqlite3_int64)a->n_bytes) |
                sqlite3_bind_int64(stmt, 5, a->n_rows) |
                sqlite3_bind_double(stmt, 6, (double)a->r2) |
                sqlite3_bind_blob(stmt, 7, a->bytes, (int)a->n_bytes, SQLITE_STATIC);
    return db_run(db, stmt, bound);
}

int registry_add(struct db *db, uint32_t machine, const void *bytes, size_t n_bytes,
                 uint32_t n_rows, float r2, int64_t at_us, uint8_t ret_digest[MW_SHA256_BYTES])
{
    assert(db->in_transaction);
    if (n_bytes < 1)
        return MW_ERR_INVALID;
    if (n_bytes > REGISTRY_MODEL_MAX)
        return MW_ERR_TOO_BIG;
    uint8_t digest[MW_SHA256_BYTES];
    int state;
    mw_sha256(bytes, n_bytes, digest);
    int result = find(db, machine, digest, &state);
    if (result == MW_ERR_NOT_FOUND) {
        if (r2 != r2) /* SQLite keeps no NaN: it would read back as NULL */
            r2 = 0;
        const struct addition a = { machine, n_rows, bytes, n_bytes, r2, at_us };
        result = db_room(db, n_bytes, ROOM_FOR_REGISTRY, false);
        if (result == MW_OK)
            result = put(db, &a, digest);
        if (result == MW_OK)
            result = trim(db, machine, MODEL_CANDIDATE);
    }
    if (result == MW_OK)
        memcpy(ret_digest, digest, sizeof digest);
    return result;
}

static int retire_active(struct db *db, uint32_t machine)
{
    sqlite3_stmt *stmt;
    int result = db_use(
        db, ST_MODEL_RETIRE_ACTIVE,
        "UPDATE model SET state = 4, turn = " NEXT_TURN " WHERE machine = ?1 AND state = 3", &stmt);
    return result == MW_OK ? db_run(db, stmt, sqlite3_bind_int64(stmt, 1, machine)) : result;
}

static int count_of(struct db *db, uint32_t machine, int state, int64_t *ret_n)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_MODEL_COUNT,
                        "SELECT count(*) FROM model WHERE machine = ?1 AND state = ?2", &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, machine) | sqlite3_bind_int(stmt, 2, state);
    result = db_row(db, stmt, bound);
    if (result != MW_OK)
        return result;
    *ret_n = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return MW_OK;
}

/* What must hold before a model takes a new state. */
static int prepare(struct db *db, uint32_t machine, enum registry_state state)
{
    int64_t n_shadows = 0;
    if (state == MODEL_ACTIVE)
        return retire_active(db, machine);
    if (state != MODEL_SHADOW)
        return MW_OK;
    int result = count_of(db, machine, MODEL_SHADOW, &n_shadows);
    return result == MW_OK && n_shadows >= REGISTRY_KEPT ? MW_ERR_TOO_BIG : result;
}

int registry_set_state(struct db *db, uint32_t machine, const uint8_t digest[MW_SHA256_BYTES],
                       enum registry_state state)
{
    assert(db->in_transaction);
    int before;
    sqlite3_stmt *stmt;
    if (state < MODEL_CANDIDATE || state > MODEL_RETIRED)
        return MW_ERR_INVALID;
    int result = find(db, machine, digest, &before);
    if (result != MW_OK || before == (int)state)
        return result;
    result = prepare(db, machine, state);
    if (result == MW_OK)
        result = db_use(db, ST_MODEL_SET,
                        "UPDATE model SET state = ?3, turn = " NEXT_TURN
                        " WHERE machine = ?1 AND digest = ?2",
                        &stmt);
    if (result == MW_OK)
        result = db_run(db, stmt,
                        bind_digest(stmt, machine, digest) | sqlite3_bind_int(stmt, 3, (int)state));
    if (result == MW_OK)
        result = trim(db, machine, MODEL_RETIRED);
    if (result == MW_OK)
        result = trim(db, machine, MODEL_CANDIDATE);
    return result;
}

/* The row's bytes as the caller's copy, if they are what the digest says. */
static int copy_model(sqlite3_stmt *stmt, uint8_t **ret_bytes, size_t *ret_n)
{
    const void *bytes = sqlite3_column_blob(stmt, 1), *stated = sqlite3_column_blob(stmt, 0);
    size_t n = (size_t)sqlite3_column_bytes(stmt, 1);
    if (!bytes || !stated || sqlite3_column_bytes(stmt, 0) != MW_SHA256_BYTES)
        return MW_ERR_CORRUPT;
    uint8_t digest[MW_SHA256_BYTES];
    mw_sha256(bytes, n, digest);
    if (memcmp(digest, stated, sizeof digest) != 0)
        return MW_ERR_CORRUPT;
    uint8_t *copy = malloc(n);
    if (!copy)
        return MW_ERR_NO_MEMORY;
    memcpy(copy, bytes, n);
    *ret_bytes = copy;
    *ret_n = n;
    return MW_OK;
}

int registry_active(struct db *db, uint32_t machine, uint8_t **ret_bytes, size_t *ret_n)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_MODEL_ACTIVE,
                        "SELECT digest, bytes FROM model WHERE machine = ?1 AND state = 3", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int64(stmt, 1, machine));
    if (result != MW_OK)
        return result;
    result = copy_model(stmt, ret_bytes, ret_n);
    sqlite3_reset(stmt);
    return result;
}

static bool read_entry(sqlite3_stmt *stmt, uint32_t machine, struct registry_entry *entry)
{
    const void *digest = sqlite3_column_blob(stmt, 0);
    if (!digest || sqlite3_column_bytes(stmt, 0) != MW_SHA256_BYTES)
        return false;
    *entry = (struct registry_entry){ .machine = machine,
                                      .state = (uint8_t)sqlite3_column_int(stmt, 1),
                                      .added_us = sqlite3_column_int64(stmt, 2),
                                      .n_bytes = (uint32_t)sqlite3_column_int64(stmt, 3),
                                      .n_rows = (uint32_t)sqlite3_column_int64(stmt, 4),
                                      .r2 = (float)sqlite3_column_double(stmt, 5) };
    memcpy(entry->digest, digest, MW_SHA256_BYTES);
    return true;
}

int registry_list(struct db *db, uint32_t machine, struct registry_entry *ret, size_t cap,
                  size_t *ret_n)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_MODEL_LIST,
                        "SELECT digest, state, added_us, n_bytes, n_rows, r2 FROM model"
                        " WHERE machine = ?1 ORDER BY turn DESC",
                        &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, machine);
    size_t n = 0;
    while (n < cap && (result = db_row(db, stmt, bound)) == MW_OK) {
        if (!read_entry(stmt, machine, &ret[n])) {
            result = MW_ERR_CORRUPT;
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
