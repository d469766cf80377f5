/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of the data folder and the database in it. The file that is written to time the disk has no
 * name: whatever ends this program, it is gone. */
#define _GNU_SOURCE /* O_TMPFILE */
#include "base/result.h"
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define N_SYNCS    64
#define PAGE_BYTES 4096 /* the database's page, what the smallest commit writes */
#define SYNCS_US   INT64_C(5000000)
#define EXAMINE_US INT64_C(10000000) /* quick_check reads some 100 MiB a second from an SD card */
#define OWN_BYTES  INT64_C(1048576)  /* the reserve: it counts as the database's */

/* ---- folder ---- */

/* Source: statfs(2), linux/magic.h. */
static const struct {
    unsigned long magic;
    const char *name;
    enum doctor_medium medium;
} KINDS[] = {
    { 0x01021994, "tmpfs", MEDIUM_RAM },
    { 0x858458f6, "ramfs", MEDIUM_RAM },
    { 0x794c7630, "overlay", MEDIUM_OVERLAY },
    { 0x6969, "nfs", MEDIUM_NETWORK },
    { 0xff534d42, "cifs", MEDIUM_NETWORK },
    { 0xfe534d42, "smb2", MEDIUM_NETWORK },
    { 0x65735546, "fuse", MEDIUM_NETWORK },
    { 0x01021997, "9p", MEDIUM_NETWORK },
    { 0x4d44, "vfat", MEDIUM_FAT },
    { 0x2011bab0, "exfat", MEDIUM_FAT },
    { 0xef53, "ext4", MEDIUM_DISK },
    { 0x58465342, "xfs", MEDIUM_DISK },
    { 0x9123683e, "btrfs", MEDIUM_DISK },
    { 0xf2f52010, "f2fs", MEDIUM_DISK },
    { 0x24051905, "ubifs", MEDIUM_DISK },
    { 0x2fc12fc1, "zfs", MEDIUM_DISK },
    { 0x72b6, "jffs2", MEDIUM_DISK },
};

static void look_at_kind(const char *folder, struct doctor_disk *disk)
{
    struct statfs fs;
    if (statfs(folder, &fs) != 0)
        return;
    unsigned long magic = (unsigned long)fs.f_type & 0xffffffff;
    (void)snprintf(disk->kind, sizeof disk->kind, "type 0x%lx", magic);
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (KINDS[i].magic != magic)
            continue;
        (void)snprintf(disk->kind, sizeof disk->kind, "%s", KINDS[i].name);
        disk->medium = KINDS[i].medium;
    }
}

static int64_t size_of(const char *path, const char *tail)
{
    char name[320];
    struct stat there;
    (void)snprintf(name, sizeof name, "%s%s", path, tail);
    return stat(name, &there) == 0 ? (int64_t)there.st_size : 0;
}

static void look_at_room(const struct store_config *store, const char *folder,
                         struct doctor_disk *disk)
{
    struct statvfs fs;
    if (statvfs(folder, &fs) != 0)
        return;
    disk->has_figures = true;
    disk->read_only = fs.f_flag & ST_RDONLY;
    disk->free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    disk->used_bytes =
        size_of(store->path, "") + size_of(store->path, "-wal") + size_of(store->path, "-reserve");
    disk->max_bytes = store->max_bytes + OWN_BYTES;
}

/* ---- speed ---- */

static int open_nameless(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char name[PATH_MAX];
    int n = snprintf(name, sizeof name, "%s/.millwright-doctor-XXXXXX", folder);
    fd = n > 0 && (size_t)n < sizeof name ? mkstemp(name) : -1;
    if (fd >= 0)
        unlink(name);
    return fd;
}

static int compare_us(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* 0, or an errno. */
static int sync_often(int fd, int64_t took_us[N_SYNCS], uint32_t *ret_n)
{
    uint8_t page[PAGE_BYTES];
    int64_t start_us = doctor_mono_us();
    memset(page, 0x5a, sizeof page);
    for (uint32_t i = 0; i < N_SYNCS && doctor_mono_us() - start_us < SYNCS_US; i++) {
        int64_t since_us = doctor_mono_us();
        ssize_t n = pwrite(fd, page, sizeof page, (off_t)i * PAGE_BYTES);
        if (n != PAGE_BYTES)
            return n < 0 ? errno : ENOSPC;
        if (fdatasync(fd) != 0)
            return errno;
        took_us[i] = doctor_mono_us() - since_us;
        *ret_n = i + 1;
    }
    return 0;
}

static void time_syncs(const char *folder, struct doctor_disk *disk)
{
    int64_t took_us[N_SYNCS] = { 0 };
    uint32_t n = 0;
    int fd = open_nameless(folder);
    if (fd < 0) {
        disk->sync_error = errno == EACCES || errno == EPERM || errno == EROFS ? 0 : errno;
        return;
    }
    disk->sync_error = sync_often(fd, took_us, &n);
    close(fd);
    if (disk->sync_error != 0 || n == 0)
        return;
    qsort(took_us, n, sizeof took_us[0], compare_us);
    disk->timed = true;
    disk->n_syncs = n;
    disk->p50_us = took_us[(n - 1) / 2];
    disk->p99_us = took_us[(n - 1) * 99 / 100];
}

void doctor_look_at_disk(const struct store_config *store, const struct doctor_user *user,
                         char *folder, struct doctor_disk *ret_disk)
{
    struct doctor_disk disk = { .folder = folder, .user = user->name };
    const char *slash = strrchr(store->path, '/');
    (void)snprintf(folder, PATH_MAX, "%.*s", slash > store->path ? (int)(slash - store->path) : 1,
                   store->path);
    disk.access = doctor_may(user, folder, W_OK | X_OK);
    /* StateDirectory= and ProtectSystem=strict of the unit. */
    disk.outside = strncmp(folder, "/var/lib/millwright", 19) != 0 && doctor_is_of_unit(user);
    if (disk.access == ACCESS_YES || disk.access == ACCESS_NO) {
        look_at_kind(folder, &disk);
        look_at_room(store, folder, &disk);
        time_syncs(folder, &disk);
    }
    *ret_disk = disk;
}

/* ---- database ---- */

static bool has_patience(void *ctx)
{
    const int64_t *until_us = ctx;
    return doctor_mono_us() < *until_us;
}

void doctor_look_at_database(const struct store_config *store, const struct doctor_daemon *daemon,
                             struct doctor_database *ret_database)
{
    struct doctor_database database = { .path = store->path, .by_daemon = daemon->answered };
    int64_t until_us = doctor_mono_us() + EXAMINE_US;
    database.result = db_examine(store->path, true, has_patience, &until_us, &database.found);
    database.access = ACCESS_YES;
    if (database.result == MW_ERR_NOT_FOUND)
        database.access = ACCESS_MISSING;
    else if (access(store->path, R_OK) != 0)
        database.access = ACCESS_SEEN_NOT;
    database.by_daemon = daemon->answered && database.found.held;
    database.well = daemon->store_well;
    database.has_reserve = size_of(store->path, "-reserve") > 0;
    *ret_database = database;
}
