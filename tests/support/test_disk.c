/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test_disk.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct disk_handle {
    sqlite3_file base;
    struct disk *disk;
    sqlite3_file *real; /* behind this struct */
};

static struct disk_handle *handle_of(sqlite3_file *file)
{
    return (struct disk_handle *)(void *)file;
}

static struct disk *disk_of(sqlite3_vfs *vfs)
{
    return (struct disk *)(void *)vfs;
}

static sqlite3_vfs *real_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

/* Whether this change fails; or the end, where it is the one to die in. */
static bool strike(struct disk *disk, sqlite3_file *real, const void *bytes, int n,
                   sqlite3_int64 at)
{
    disk->n_changes++;
    if (disk->n_changes == disk->kill_at) {
        if (real && bytes)
            real->pMethods->xWrite(real, bytes, n / 2, at);
        kill(getpid(), SIGKILL);
    }
    return disk->fail_at > 0 &&
           (disk->fail_on ? disk->n_changes >= disk->fail_at : disk->n_changes == disk->fail_at);
}

static int disk_close(sqlite3_file *file)
{
    sqlite3_file *real = handle_of(file)->real;
    return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int disk_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 at)
{
    sqlite3_file *real = handle_of(file)->real;
    return real->pMethods->xRead(real, bytes, n, at);
}

static int disk_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    struct disk_handle *h = handle_of(file);
    if (strike(h->disk, h->real, bytes, n, at))
        return h->disk->fail_write;
    return h->real->pMethods->xWrite(h->real, bytes, n, at);
}

static int disk_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct disk_handle *h = handle_of(file);
    if (strike(h->disk, NULL, NULL, 0, 0))
        return SQLITE_IOERR_TRUNCATE;
    return h->real->pMethods->xTruncate(h->real, size);
}

static int disk_sync(sqlite3_file *file, int flags)
{
    struct disk_handle *h = handle_of(file);
    if (strike(h->disk, NULL, NULL, 0, 0))
        return SQLITE_IOERR_FSYNC;
    (void)flags; /* a killed process keeps what it wrote: only a power cut would tell */
    return SQLITE_OK;
}

static int disk_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    sqlite3_file *real = handle_of(file)->real;
    return real->pMethods->xFileSize(real, ret_size);
}

static int disk_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = handle_of(file)->real;
    return real->pMethods->xLock(real, level);
}

static int disk_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = handle_of(file)->real;
    return real->pMethods->xUnlock(real, level);
}

static int disk_check_reserved(sqlite3_file *file, int *ret_locked)
{
    sqlite3_file *real = handle_of(file)->real;
    return real->pMethods->xCheckReservedLock(real, ret_locked);
}

static int disk_control(sqlite3_file *file, int what, void *arg)
{
    if (what == SQLITE_FCNTL_SIZE_HINT || what == SQLITE_FCNTL_CHUNK_SIZE)
        return SQLITE_OK; /* would change the file unseen */
    sqlite3_file *real = handle_of(file)->real;
    return real->pMethods->xFileControl(real, what, arg);
}

static int disk_sector(sqlite3_file *file)
{
    sqlite3_file *real = handle_of(file)->real;
    return real->pMethods->xSectorSize(real);
}

static int disk_kind(sqlite3_file *file)
{
    sqlite3_file *real = handle_of(file)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

/* Version 1: no shared memory and no memory map, which the product must not need. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = disk_close,
    .xRead = disk_read,
    .xWrite = disk_write,
    .xTruncate = disk_truncate,
    .xSync = disk_sync,
    .xFileSize = disk_size,
    .xLock = disk_lock,
    .xUnlock = disk_unlock,
    .xCheckReservedLock = disk_check_reserved,
    .xFileControl = disk_control,
    .xSectorSize = disk_sector,
    .xDeviceCharacteristics = disk_kind,
};

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    struct disk_handle *h = handle_of(file);
    h->base.pMethods = NULL;
    h->disk = disk_of(vfs);
    h->real = (sqlite3_file *)(void *)(h + 1);
    int code = real_of(vfs)->xOpen(real_of(vfs), name, h->real, flags, ret_flags);
    if (code == SQLITE_OK)
        h->base.pMethods = &methods;
    return code;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    struct disk *disk = disk_of(vfs);
    if (strike(disk, NULL, NULL, 0, 0))
        return SQLITE_IOERR_DELETE;
    return real_of(vfs)->xDelete(real_of(vfs), name, sync);
}

static int disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_is)
{
    return real_of(vfs)->xAccess(real_of(vfs), name, flags, ret_is);
}

static int disk_full_name(sqlite3_vfs *vfs, const char *name, int n, char *ret_name)
{
    return real_of(vfs)->xFullPathname(real_of(vfs), name, n, ret_name);
}

static int disk_random(sqlite3_vfs *vfs, int n, char *ret_bytes)
{
    return real_of(vfs)->xRandomness(real_of(vfs), n, ret_bytes);
}

static int disk_wait(sqlite3_vfs *vfs, int us)
{
    return real_of(vfs)->xSleep(real_of(vfs), us);
}

static int disk_time(sqlite3_vfs *vfs, double *ret_days)
{
    return real_of(vfs)->xCurrentTime(real_of(vfs), ret_days);
}

static int disk_last_error(sqlite3_vfs *vfs, int n, char *ret_words)
{
    return real_of(vfs)->xGetLastError ? real_of(vfs)->xGetLastError(real_of(vfs), n, ret_words)
                                       : 0;
}

void disk_install(struct disk *disk)
{
    sqlite3_vfs *real = sqlite3_vfs_find("unix");
    disk->vfs = (sqlite3_vfs){ .iVersion = 1,
                               .szOsFile = (int)sizeof(struct disk_handle) + real->szOsFile,
                               .mxPathname = real->mxPathname,
                               .zName = "test-disk",
                               .pAppData = real,
                               .xOpen = disk_open,
                               .xDelete = disk_delete,
                               .xAccess = disk_access,
                               .xFullPathname = disk_full_name,
                               .xRandomness = disk_random,
                               .xSleep = disk_wait,
                               .xCurrentTime = disk_time,
                               .xGetLastError = disk_last_error };
    if (sqlite3_vfs_register(&disk->vfs, 1) != SQLITE_OK)
        abort();
}

void disk_remove(struct disk *disk)
{
    sqlite3_vfs_unregister(&disk->vfs);
}
