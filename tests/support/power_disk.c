/* SPDX-License-Identifier: Apache-2.0 */
/* The two faces of the disk in memory: to SQLite a VFS, to storage/'s own calls the C library. */
#include "support/power_disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FIRST_FD  100000 /* of files here; far above what a process gets */
#define FOLDER_FD (FIRST_FD - 1)

#define BLOCK_BYTES 4096

struct power_handle {
    sqlite3_file base;
    struct power_disk *disk;
    int node;
    bool is_wal, is_database;
    bool sync_folder; /* as in SQLite's unix VFS: the first sync of a new journal or WAL syncs it */
};

/* --wrap gives a C library call no context, so the disk in force is known to this file. */
static struct power_disk *in_force;

static struct power_handle *handle_of(sqlite3_file *file)
{
    return (struct power_handle *)(void *)file;
}

static struct power_disk *disk_of(sqlite3_vfs *vfs)
{
    return (struct power_disk *)(void *)vfs;
}

static bool fails(struct power_disk *disk)
{
    disk->n_calls++;
    return disk->fail_at > 0 &&
           (disk->fail_on ? disk->n_calls >= disk->fail_at : disk->n_calls == disk->fail_at);
}

static void set_errno(const struct power_disk *disk)
{
    errno = disk->fault == POWER_ENOSPC ? ENOSPC : EIO;
}

static int64_t blocks(int64_t n_bytes)
{
    return (n_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

/* Whether the disk has no room for this file to become so long; else the room is taken or given
 * back. */
static bool is_full(struct power_disk *disk, int node, int64_t size, bool may_shrink)
{
    int64_t more = blocks(size) - blocks(disk->files.nodes[node].size);
    if (!disk->limited || (more < 0 && (!may_shrink || disk->greedy)))
        return false;
    if (more > disk->n_free)
        return true;
    disk->n_free -= more;
    return false;
}

static void give_back(struct power_disk *disk, const char *name)
{
    int node = power_files_find(&disk->files, name);
    if (node >= 0 && !disk->greedy)
        disk->n_free += blocks(disk->files.nodes[node].size);
}

/* Applies and, while recording, remembers. */
static void perform(struct power_disk *disk, struct power_op *op)
{
    power_files_apply(&disk->files, op, op->n_bytes);
    if (!disk->recording)
        return;
    if (disk->n_ops == disk->cap_ops) {
        disk->cap_ops = 2 * disk->cap_ops + 1024;
        disk->ops = realloc(disk->ops, disk->cap_ops * sizeof *disk->ops);
        if (!disk->ops)
            abort();
    }
    if (op->n_bytes > 0) {
        uint8_t *bytes = malloc(op->n_bytes);
        if (!bytes)
            abort();
        memcpy(bytes, op->bytes, op->n_bytes);
        op->bytes = bytes;
    }
    disk->ops[disk->n_ops++] = *op;
}

static void perform_named(struct power_disk *disk, enum power_op_kind kind, const char *name,
                          const char *to)
{
    struct power_op op = { .kind = kind };
    assert(strlen(name) < sizeof op.name && strlen(to) < sizeof op.to);
    strncpy(op.name, name, sizeof op.name - 1);
    strncpy(op.to, to, sizeof op.to - 1);
    op.node = kind == POWER_CREATE ? disk->files.n_nodes : power_files_find(&disk->files, name);
    assert(op.node < POWER_NODES_MAX);
    perform(disk, &op);
}

static int create(struct power_disk *disk, const char *name)
{
    perform_named(disk, POWER_CREATE, name, "");
    return disk->files.n_nodes - 1;
}

static void sync_folder(struct power_disk *disk)
{
    struct power_op op = { .kind = POWER_SYNC_FOLDER };
    if (disk->lie != POWER_NO_FOLDER_SYNC)
        perform(disk, &op);
}

void power_disk_mark(struct power_disk *disk, int64_t promised)
{
    struct power_op op = { .kind = POWER_MARK, .at = promised };
    perform(disk, &op);
}

/* ---- SQLite's files ---- */

static int file_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 at)
{
    struct power_handle *h = handle_of(file);
    const struct power_node *node = &h->disk->files.nodes[h->node];
    size_t wanted = (size_t)n, stored = 0;
    int64_t there = node->size - at;
    if (++h->disk->n_reads == h->disk->read_fail_at)
        return SQLITE_IOERR_READ;
    if ((size_t)at < node->n_stored)
        stored = node->n_stored - (size_t)at < wanted ? node->n_stored - (size_t)at : wanted;
    if (stored > 0)
        memcpy(bytes, node->bytes + at, stored);
    memset((uint8_t *)bytes + stored, 0, wanted - stored);
    return there >= n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    struct power_handle *h = handle_of(file);
    struct power_op op = { .kind = POWER_WRITE, .node = h->node, .at = at, .n_bytes = (size_t)n };
    if (fails(h->disk))
        return h->disk->fault == POWER_ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    if (is_full(h->disk, h->node, at + n, false))
        return SQLITE_FULL;
    memcpy(&op.bytes, &bytes, sizeof bytes); /* perform copies before it keeps */
    perform(h->disk, &op);
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct power_handle *h = handle_of(file);
    struct power_op op = { .kind = POWER_TRUNCATE, .node = h->node, .at = size };
    if (fails(h->disk) || is_full(h->disk, h->node, size, true))
        return SQLITE_IOERR_TRUNCATE;
    perform(h->disk, &op);
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct power_handle *h = handle_of(file);
    struct power_op op = { .kind = POWER_SYNC, .node = h->node };
    bool lied = (h->is_wal && h->disk->lie == POWER_NO_WAL_SYNC) ||
                (h->is_database && h->disk->lie == POWER_NO_DATABASE_SYNC);
    (void)flags;
    if (fails(h->disk))
        return SQLITE_IOERR_FSYNC;
    if (!lied)
        perform(h->disk, &op);
    if (h->sync_folder)
        sync_folder(h->disk);
    h->sync_folder = false;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    *ret_size = handle_of(file)->disk->files.nodes[handle_of(file)->node].size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level)
{
    (void)file, (void)level; /* one process, one connection */
    return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *file, int *ret_locked)
{
    (void)file;
    *ret_locked = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int what, void *arg)
{
    (void)file, (void)what, (void)arg;
    return SQLITE_NOTFOUND;
}

/* The unix VFS's own two answers. */
static int file_sector(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int file_kind(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_kind,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    struct power_handle *h = handle_of(file);
    struct power_disk *disk = disk_of(vfs);
    *h = (struct power_handle){ .disk = disk };
    if (!name || fails(disk)) /* the product keeps temporary tables in memory */
        return SQLITE_CANTOPEN;
    h->node = power_files_find(&disk->files, name);
    if (h->node < 0) {
        if (!(flags & SQLITE_OPEN_CREATE))
            return SQLITE_CANTOPEN;
        h->node = create(disk, name);
        h->sync_folder = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    }
    h->is_wal = (flags & SQLITE_OPEN_WAL) != 0;
    h->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    h->base.pMethods = &methods;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    struct power_disk *disk = disk_of(vfs);
    if (power_files_find(&disk->files, name) < 0)
        return SQLITE_IOERR_DELETE_NOENT;
    if (fails(disk))
        return SQLITE_IOERR_DELETE;
    give_back(disk, name);
    perform_named(disk, POWER_UNLINK, name, "");
    if (sync)
        sync_folder(disk);
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_is)
{
    const struct power_files *files = &disk_of(vfs)->files;
    int node = power_files_find(files, name);
    *ret_is = node >= 0 && (flags != SQLITE_ACCESS_EXISTS || files->nodes[node].size > 0);
    return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int n, char *ret_name)
{
    (void)vfs;
    return snprintf(ret_name, (size_t)n, "%s", name) < n ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* The salts of a WAL: the same each time, so that a run can be repeated. */
static int vfs_random(sqlite3_vfs *vfs, int n, char *ret_bytes)
{
    uint64_t seed = (uint64_t)disk_of(vfs)->n_calls + 1;
    for (int i = 0; i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        ret_bytes[i] = (char)(seed >> 40);
    }
    return n;
}

static int vfs_wait(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int vfs_time(sqlite3_vfs *vfs, double *ret_days)
{
    (void)vfs;
    *ret_days = 2461041.5; /* 2026-01-01 as a Julian day */
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int n, char *ret_words)
{
    (void)vfs, (void)n, (void)ret_words;
    return 0;
}

void power_disk_install(struct power_disk *disk)
{
    disk->vfs = (sqlite3_vfs){ .iVersion = 1,
                               .szOsFile = (int)sizeof(struct power_handle),
                               .mxPathname = POWER_NAME_MAX - 16,
                               .zName = "power-disk",
                               .xOpen = vfs_open,
                               .xDelete = vfs_delete,
                               .xAccess = vfs_access,
                               .xFullPathname = vfs_full_name,
                               .xRandomness = vfs_random,
                               .xSleep = vfs_wait,
                               .xCurrentTime = vfs_time,
                               .xGetLastError = vfs_last_error };
    if (sqlite3_vfs_register(&disk->vfs, 1) != SQLITE_OK)
        abort();
    in_force = disk;
}

void power_disk_remove(struct power_disk *disk)
{
    sqlite3_vfs_unregister(&disk->vfs);
    in_force = NULL;
}

void power_disk_free(struct power_disk *disk)
{
    for (size_t i = 0; i < disk->n_ops; i++)
        free(disk->ops[i].bytes);
    free(disk->ops);
    power_files_free(&disk->files);
    *disk = (struct power_disk){ 0 };
}

/* ---- storage's own calls, by --wrap ---- */

struct power_dir {
    int next;
    struct dirent entry;
};

int __real_open(const char *path, int flags, ...);
int __real_close(int fd);
int __real_fdatasync(int fd);
ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t at);
int __real_unlink(const char *path);
int __real_rename(const char *from, const char *to);
int __real_access(const char *path, int mode);
int __real_statvfs(const char *path, struct statvfs *ret);
DIR *__real_opendir(const char *path);
struct dirent *__real_readdir(DIR *dir);
int __real_closedir(DIR *dir);

int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int fd);
int __wrap_fdatasync(int fd);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at);
int __wrap_unlink(const char *path);
int __wrap_rename(const char *from, const char *to);
int __wrap_access(const char *path, int mode);
int __wrap_statvfs(const char *path, struct statvfs *ret);
DIR *__wrap_opendir(const char *path);
struct dirent *__wrap_readdir(DIR *dir);
int __wrap_closedir(DIR *dir);

static bool is_ours(const char *path)
{
    return in_force && strncmp(path, POWER_FOLDER, sizeof POWER_FOLDER - 1) == 0;
}

static bool is_our_fd(int fd)
{
    return in_force && fd >= FOLDER_FD;
}

int __wrap_open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list list;
        va_start(list, flags);
        mode = va_arg(list, mode_t);
        va_end(list);
    }
    if (!is_ours(path))
        return __real_open(path, flags, mode);
    if (fails(in_force)) {
        set_errno(in_force);
        return -1;
    }
    if (flags & O_DIRECTORY)
        return FOLDER_FD;
    int node = power_files_find(&in_force->files, path);
    if (node < 0 && !(flags & O_CREAT)) {
        errno = ENOENT;
        return -1;
    }
    return FIRST_FD + (node < 0 ? create(in_force, path) : node);
}

int __wrap_close(int fd)
{
    return is_our_fd(fd) ? 0 : __real_close(fd);
}

int __wrap_fdatasync(int fd)
{
    if (!is_our_fd(fd))
        return __real_fdatasync(fd);
    if (fails(in_force)) {
        set_errno(in_force);
        return -1;
    }
    struct power_op op = { .kind = POWER_SYNC, .node = fd - FIRST_FD };
    if (fd == FOLDER_FD)
        sync_folder(in_force);
    else
        perform(in_force, &op);
    return 0;
}

/* Of what is written just the size is kept: the reserve's bytes are never read. */
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    if (!is_our_fd(fd))
        return __real_pwrite(fd, bytes, n, at);
    if (fails(in_force)) {
        set_errno(in_force);
        return -1;
    }
    if (is_full(in_force, fd - FIRST_FD, at + (off_t)n, false)) {
        errno = ENOSPC;
        return -1;
    }
    struct power_op op = { .kind = POWER_TRUNCATE, .node = fd - FIRST_FD, .at = at + (off_t)n };
    perform(in_force, &op);
    return (ssize_t)n;
}

/* Whether a call that changes a name fails, by plan or because the name is not there. */
static bool name_fails(const char *path)
{
    if (power_files_find(&in_force->files, path) < 0) {
        errno = ENOENT;
        return true;
    }
    if (!fails(in_force))
        return false;
    set_errno(in_force);
    return true;
}

int __wrap_unlink(const char *path)
{
    if (!is_ours(path))
        return __real_unlink(path);
    if (name_fails(path))
        return -1;
    give_back(in_force, path);
    perform_named(in_force, POWER_UNLINK, path, "");
    return 0;
}

int __wrap_rename(const char *from, const char *to)
{
    if (!is_ours(from))
        return __real_rename(from, to);
    if (name_fails(from))
        return -1;
    perform_named(in_force, POWER_RENAME, from, to);
    return 0;
}

int __wrap_access(const char *path, int mode)
{
    if (!is_ours(path))
        return __real_access(path, mode);
    if (power_files_find(&in_force->files, path) >= 0)
        return 0;
    errno = ENOENT;
    return -1;
}

int __wrap_statvfs(const char *path, struct statvfs *ret)
{
    if (!is_ours(path))
        return __real_statvfs(path, ret);
    *ret = (struct statvfs){ .f_bavail = in_force->limited ? (fsblkcnt_t)in_force->n_free : 1 << 20,
                             .f_frsize = BLOCK_BYTES };
    return 0;
}

DIR *__wrap_opendir(const char *path)
{
    if (!is_ours(path))
        return __real_opendir(path);
    if (fails(in_force)) {
        set_errno(in_force);
        return NULL;
    }
    struct power_dir *dir = calloc(1, sizeof *dir);
    return (DIR *)(void *)dir;
}

struct dirent *__wrap_readdir(DIR *dir)
{
    if (!in_force)
        return __real_readdir(dir);
    struct power_dir *d = (struct power_dir *)(void *)dir;
    if (d->next == in_force->files.n_entries)
        return NULL;
    snprintf(d->entry.d_name, sizeof d->entry.d_name, "%s",
             in_force->files.entries[d->next++].name + sizeof POWER_FOLDER);
    return &d->entry;
}

int __wrap_closedir(DIR *dir)
{
    if (!in_force)
        return __real_closedir(dir);
    free((struct power_dir *)(void *)dir);
    return 0;
}
