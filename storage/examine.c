/* SPDX-License-Identifier: Apache-2.0 */
/* A database left by an unclean stop has a WAL and, since the daemon locks it whole, no shared
 * memory file. Such a one is read with SQLite's VFS without locks in exclusive mode, which keeps
 * the index of the WAL in memory; one without a WAL is read as an immutable file, since SQLite
 * would make a WAL else. */
#include "storage/examine.h"
#include "storage/db_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Source: sqlite.org/fileformat2.html, 1.3; os.h for the bytes that are locked. */
#define HEADER_BYTES          100
#define HEADER_USER_VERSION   60
#define HEADER_APPLICATION_ID 68
#define APPLICATION_ID        0x4d574442
#define LOCK_FIRST            0x40000000
#define LOCK_BYTES            512

#define PROGRESS_STEPS 20000 /* of SQLite's machine: a few milliseconds */

static bool holder_of(int fd, long *ret_pid)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_FIRST, .l_len = LOCK_BYTES
    };
    if (fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
        return false;
    *ret_pid = lock.l_pid > 0 ? (long)lock.l_pid : 0;
    return true;
}

static uint64_t size_beside(const char *path, const char *tail)
{
    char name[320];
    struct stat there;
    snprintf(name, sizeof name, "%s%s", path, tail);
    return stat(name, &there) == 0 && there.st_size > 0 ? (uint64_t)there.st_size : 0;
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int read_header(int fd, struct db_examined *found)
{
    uint8_t header[HEADER_BYTES];
    ssize_t n = pread(fd, header, sizeof header, 0);
    if (n < 0)
        return MW_ERR_IO;
    if (n == 0) /* made, and not a page written yet */
        return MW_OK;
    if (n < HEADER_BYTES || memcmp(header, "SQLite format 3", 16) != 0)
        return MW_ERR_FORMAT;
    uint32_t application = big_endian(header + HEADER_APPLICATION_ID);
    found->version = (int32_t)big_endian(header + HEADER_USER_VERSION);
    bool ours = application == APPLICATION_ID || (application == 0 && found->version == 0);
    return ours && found->version >= 0 && found->version <= found->newest ? MW_OK
                                                                          : MW_ERR_UNSUPPORTED;
}

/* file:PATH?immutable=1 */
static bool write_uri(const char *path, char *ret_uri, size_t cap)
{
    static const char option[] = "?immutable=1";
    size_t n = (size_t)snprintf(ret_uri, cap, "file:");
    for (const char *p = path; *p; p++) {
        if (n + 3 + sizeof option > cap)
            return false;
        unsigned char c = (unsigned char)*p;
        bool plain = c > 0x20 && c < 0x7f && !strchr("?#%", c);
        n += (size_t)snprintf(ret_uri + n, cap - n, plain ? "%c" : "%%%02x", c);
    }
    memcpy(ret_uri + n, option, sizeof option);
    return true;
}

static int open_quietly(const char *path, bool has_wal, sqlite3 **ret_sqlite)
{
    char uri[1024];
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (!has_wal)
        return write_uri(path, uri, sizeof uri)
                   ? sqlite3_open_v2(uri, ret_sqlite, flags | SQLITE_OPEN_URI, NULL)
                   : SQLITE_CANTOPEN;
    int code = sqlite3_open_v2(path, ret_sqlite, flags, "unix-none");
    if (code == SQLITE_OK)
        sqlite3_db_config(*ret_sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(*ret_sqlite, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    return code;
}

struct patience {
    db_patience_fn *fn;
    void *ctx;
};

static int on_progress(void *ctx)
{
    const struct patience *patience = ctx;
    return patience->fn && !patience->fn(patience->ctx);
}

/* SQLite's first complaint; an SQLite code. */
static int quick_check(sqlite3 *sqlite, struct db_examined *found)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_exec(sqlite,
                            "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;"
                            "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1024;",
                            NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(sqlite, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    const char *text =
        code == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : sqlite3_errmsg(sqlite);
    if (text && strcmp(text, "ok") != 0)
        snprintf(found->trouble, sizeof found->trouble, "%.*s", (int)strcspn(text, "\n"), text);
    found->checked = code == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return code;
}

/* The header in the file is older than the one in the WAL. */
static void read_version(sqlite3 *sqlite, struct db_examined *found)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(sqlite, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        found->version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
}

/* As open.c has it: what has no mark of ours must be empty. */
static bool is_foreign(sqlite3 *sqlite)
{
    sqlite3_stmt *stmt = NULL;
    static const char sql[] =
        "SELECT count(*) > 0 FROM sqlite_schema, pragma_application_id, pragma_user_version"
        " WHERE application_id = 0 AND user_version = 0";
    bool foreign = sqlite3_prepare_v2(sqlite, sql, -1, &stmt, NULL) == SQLITE_OK &&
                   sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) != 0;
    sqlite3_finalize(stmt);
    return foreign;
}

static int result_of(int code, const struct db_examined *found)
{
    switch (code & 0xff) {
    case SQLITE_ROW:
        return found->trouble[0]                ? MW_ERR_CORRUPT
               : found->version > found->newest ? MW_ERR_UNSUPPORTED
                                                : MW_OK;
    case SQLITE_INTERRUPT: return MW_OK; /* found->checked says that it was not to the end */
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return MW_ERR_CORRUPT;
    case SQLITE_NOMEM: return MW_ERR_NO_MEMORY;
    default: return MW_ERR_IO;
    }
}

static int check_whole(const char *path, const struct patience *patience, struct db_examined *found)
{
    sqlite3 *sqlite = NULL;
    bool foreign = false;
    int code = open_quietly(path, found->n_wal_bytes > 0, &sqlite);
    if (code == SQLITE_OK) {
        struct patience mine = *patience;
        sqlite3_progress_handler(sqlite, PROGRESS_STEPS, on_progress, &mine);
        code = quick_check(sqlite, found);
        read_version(sqlite, found);
        foreign = code == SQLITE_ROW && is_foreign(sqlite);
    } else {
        snprintf(found->trouble, sizeof found->trouble, "%s", sqlite3_errstr(code));
    }
    sqlite3_close(sqlite);
    int result = foreign ? MW_ERR_UNSUPPORTED : result_of(code, found);
    if (code != SQLITE_ROW && result == MW_OK)
        found->trouble[0] = '\0';
    return result;
}

/* What is read without a lock proves nothing once another has begun to write. */
static bool has_changed(int fd, const char *path, const struct stat *before,
                        struct db_examined *found)
{
    struct stat now;
    bool held = holder_of(fd, &found->holder);
    return held || fstat(fd, &now) != 0 || now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != before->st_mtim.tv_nsec ||
           size_beside(path, "-wal") != found->n_wal_bytes;
}

static int examine(int fd, const char *path, const struct patience *whole,
                   struct db_examined *found)
{
    struct stat there;
    if (fstat(fd, &there) != 0)
        return MW_ERR_IO;
    if (!S_ISREG(there.st_mode))
        return MW_ERR_INVALID;
    found->n_bytes = (uint64_t)there.st_size;
    found->n_wal_bytes = size_beside(path, "-wal");
    found->held = holder_of(fd, &found->holder);
    int result = read_header(fd, found);
    if (result != MW_OK || !whole || found->held || there.st_size == 0)
        return result;
    result = check_whole(path, whole, found);
    return has_changed(fd, path, &there, found) ? MW_ERR_STATE : result;
}

int db_examine(const char *path, bool whole, db_patience_fn *patience, void *ctx,
               struct db_examined *ret_found)
{
    struct patience given = { patience, ctx };
    *ret_found = (struct db_examined){ .newest = migrations_newest() };
    (void)quarantine_newest_s(path, &ret_found->quarantined_s);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? MW_ERR_NOT_FOUND : MW_ERR_IO;
    int result = examine(fd, path, whole ? &given : NULL, ret_found);
    close(fd);
    return result;
}

const char *db_library_version(void)
{
    return sqlite3_libversion();
}
