/* SPDX-License-Identifier: Apache-2.0 */
/* The database's own count of what it costs the disk: a layer between SQLite and the operating
 * system's files that passes every call on. Memory is the struct db's; SQLite knows it by a name
 * of its own from meter_begin to meter_end. */
#include "storage/db_internal.h"

#include <stdio.h>

struct metered_file {
    sqlite3_file base;
    struct db_meter *meter;
    enum { METER_DATABASE = 0, METER_WAL, METER_OTHER } kind;
    sqlite3_file *real; /* behind this struct */
};

static struct metered_file *file_of(sqlite3_file *file)
{
    return (struct metered_file *)(void *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return file_of(file)->real;
}

static sqlite3_vfs *vfs_of(sqlite3_vfs *vfs)
{
    return ((struct db_meter *)vfs->pAppData)->real;
}

static int meter_close(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int meter_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 at)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xRead(real, bytes, n, at);
}

static int meter_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    sqlite3_file *real = real_of(file);
    int code = real->pMethods->xWrite(real, bytes, n, at);
    if (code == SQLITE_OK)
        file_of(file)->meter->n_bytes += (uint64_t)n;
    return code;
}

static int meter_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xTruncate(real, size);
}

static int meter_sync(sqlite3_file *file, int flags)
{
    sqlite3_file *real = real_of(file);
    struct metered_file *f = file_of(file);
    if (f->kind == METER_DATABASE)
        f->meter->n_syncs_database++;
    else
        f->meter->n_syncs_wal++;
    return real->pMethods->xSync(real, flags);
}

static int meter_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xFileSize(real, ret_size);
}

static int meter_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xLock(real, level);
}

static int meter_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xUnlock(real, level);
}

static int meter_check_reserved(sqlite3_file *file, int *ret_locked)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xCheckReservedLock(real, ret_locked);
}

static int meter_control(sqlite3_file *file, int what, void *arg)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xFileControl(real, what, arg);
}

static int meter_sector(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xSectorSize(real);
}

static int meter_kind(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xDeviceCharacteristics(real);
}

/* Version 1: no shared memory and no mapping, which an exclusive WAL needs none of. */
static const sqlite3_io_methods METHODS = {
    .iVersion = 1,
    .xClose = meter_close,
    .xRead = meter_read,
    .xWrite = meter_write,
    .xTruncate = meter_truncate,
    .xSync = meter_sync,
    .xFileSize = meter_size,
    .xLock = meter_lock,
    .xUnlock = meter_unlock,
    .xCheckReservedLock = meter_check_reserved,
    .xFileControl = meter_control,
    .xSectorSize = meter_sector,
    .xDeviceCharacteristics = meter_kind,
};

static int meter_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                      int *ret_flags)
{
    sqlite3_vfs *real = vfs_of(vfs);
    struct metered_file *f = file_of(file);
    f->meter = vfs->pAppData;
    f->kind = flags & SQLITE_OPEN_MAIN_DB ? METER_DATABASE
              : flags & SQLITE_OPEN_WAL   ? METER_WAL
                                          : METER_OTHER;
    f->real = (sqlite3_file *)(void *)(f + 1);
    f->base.pMethods = NULL;
    int code = real->xOpen(real, name, f->real, flags, ret_flags);
    if (f->real->pMethods) /* then xClose is called, also after a failure */
        f->base.pMethods = &METHODS;
    return code;
}

static int meter_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    return vfs_of(vfs)->xDelete(vfs_of(vfs), name, sync_folder);
}

static int meter_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_there)
{
    return vfs_of(vfs)->xAccess(vfs_of(vfs), name, flags, ret_there);
}

static int meter_full_name(sqlite3_vfs *vfs, const char *name, int cap, char *ret_name)
{
    return vfs_of(vfs)->xFullPathname(vfs_of(vfs), name, cap, ret_name);
}

static int meter_random(sqlite3_vfs *vfs, int n, char *ret_bytes)
{
    return vfs_of(vfs)->xRandomness(vfs_of(vfs), n, ret_bytes);
}

static int meter_pause(sqlite3_vfs *vfs, int us)
{
    return vfs_of(vfs)->xSleep(vfs_of(vfs), us);
}

static int meter_now(sqlite3_vfs *vfs, double *ret_days)
{
    return vfs_of(vfs)->xCurrentTime(vfs_of(vfs), ret_days);
}

static int meter_error(sqlite3_vfs *vfs, int cap, char *ret_text)
{
    return vfs_of(vfs)->xGetLastError ? vfs_of(vfs)->xGetLastError(vfs_of(vfs), cap, ret_text) : 0;
}

int meter_begin(struct db_meter *meter)
{
    *meter = (struct db_meter){ .real = sqlite3_vfs_find(NULL) };
    if (!meter->real)
        return SQLITE_ERROR;
    snprintf(meter->name, sizeof meter->name, "meter-%p", (void *)meter);
    meter->vfs =
        (sqlite3_vfs){ .iVersion = 1,
                       .szOsFile = (int)sizeof(struct metered_file) + meter->real->szOsFile,
                       .mxPathname = meter->real->mxPathname,
                       .zName = meter->name,
                       .pAppData = meter,
                       .xOpen = meter_open,
                       .xDelete = meter_delete,
                       .xAccess = meter_access,
                       .xFullPathname = meter_full_name,
                       .xRandomness = meter_random,
                       .xSleep = meter_pause,
                       .xCurrentTime = meter_now,
                       .xGetLastError = meter_error };
    return sqlite3_vfs_register(&meter->vfs, 0);
}

void meter_end(struct db_meter *meter)
{
    if (meter->real)
        sqlite3_vfs_unregister(&meter->vfs);
}
