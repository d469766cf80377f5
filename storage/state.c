/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/db_internal.h"

#include <string.h>

static int find_machine(struct db *db, const char *name, uint32_t *ret_machine)
{
    sqlite3_stmt *stmt;
    int result = db_use(db, ST_MACHINE_GET, "SELECT id FROM machine WHERE name = ?1", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC));
    if (result != MW_OK)
        return result;
    *ret_machine = (uint32_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return MW_OK;
}

int db_machine(struct db *db, const char *name, uint32_t *ret_machine)
{
    size_t n_name = strlen(name);
    if (n_name < 1 || n_name > MW_NAME_MAX)
        return MW_ERR_INVALID;
    int result = find_machine(db, name, ret_machine);
    if (result != MW_ERR_NOT_FOUND)
        return result;
    sqlite3_stmt *stmt;
    result = db_use(db, ST_MACHINE_PUT, "INSERT INTO machine (name) VALUES (?1)", &stmt);
    if (result == MW_OK)
        result = db_run(db, stmt, sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC));
    return result == MW_OK ? find_machine(db, name, ret_machine) : result;
}

static int bind_key(sqlite3_stmt *stmt, const char *kind, const char *name)
{
    return sqlite3_bind_text(stmt, 1, kind, -1, SQLITE_STATIC) |
           sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
}

int state_put(struct db *db, const char *kind, const char *name, const void *bytes, size_t n)
{
    if (n > STATE_BYTES_MAX)
        return MW_ERR_TOO_BIG;
    int result = db_room(db, n, ROOM_FOR_STATE, true);
    if (result != MW_OK)
        return result;
    sqlite3_stmt *stmt;
    result = db_use(db, ST_STATE_PUT,
                    "INSERT INTO state (kind, name, bytes) VALUES (?1, ?2, ?3)"
                    " ON CONFLICT (kind, name) DO UPDATE SET bytes = excluded.bytes",
                    &stmt);
    if (result != MW_OK)
        return result;
    int bound = bind_key(stmt, kind, name);
    bound |= n > 0 ? sqlite3_bind_blob(stmt, 3, bytes, (int)n, SQLITE_STATIC)
                   : sqlite3_bind_zeroblob(stmt, 3, 0);
    return db_run(db, stmt, bound);
}

int state_get(struct db *db, const char *kind, const char *name, void *ret_bytes, size_t cap,
              size_t *ret_n)
{
    sqlite3_stmt *stmt;
    int result =
        db_use(db, ST_STATE_GET, "SELECT bytes FROM state WHERE kind = ?1 AND name = ?2", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, bind_key(stmt, kind, name));
    if (result != MW_OK)
        return result;
    const void *bytes = sqlite3_column_blob(stmt, 0);
    size_t n = (size_t)sqlite3_column_bytes(stmt, 0);
    if (n > cap)
        result = MW_ERR_NO_SPACE;
    else if (n > 0 && !bytes)
        result = MW_ERR_NO_MEMORY;
    if (result == MW_OK) {
        if (n > 0)
            memcpy(ret_bytes, bytes, n);
        *ret_n = n;
    }
    sqlite3_reset(stmt);
    return result;
}
