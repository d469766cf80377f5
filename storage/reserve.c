/* SPDX-License-Identifier: Apache-2.0 */
/* The files beside the database: the reserve for a full disk, and corrupt databases put aside. */
#include "storage/db_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RESERVE_BYTES    (1 << 20)
#define ACK_ROOM_BYTES   (1 << 18) /* a log of 64 pages: a group of acknowledgements has fewer */
#define QUARANTINED_KEPT 3
#define PATH_BYTES       320 /* of a settings path and the longest suffix */

static void beside(char ret_path[PATH_BYTES], const char *path, const char *suffix)
{
    snprintf(ret_path, PATH_BYTES, "%s%s", path, suffix);
}

/* The folder of path in ret_folder; the name in it is the result. */
static const char *split(const char *path, char ret_folder[PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        snprintf(ret_folder, PATH_BYTES, ".");
        return path;
    }
    snprintf(ret_folder, PATH_BYTES, "%.*s", (int)(slash - path) + 1, path);
    return slash + 1;
}

/* Written, since a hole, or what some file systems reserve or compress, would not be there when
 * it is needed. */
static bool fill(int fd)
{
    uint8_t *bytes = malloc(RESERVE_BYTES);
    if (!bytes)
        return false;
    memset(bytes, 0xa5, RESERVE_BYTES);
    bool written = pwrite(fd, bytes, RESERVE_BYTES, 0) == RESERVE_BYTES;
    free(bytes);
    return written;
}

bool reserve_is_there(const char *path)
{
    char name[PATH_BYTES];
    beside(name, path, "-reserve");
    return access(name, F_OK) == 0;
}

static bool is_free(const char *path, uint64_t n_bytes)
{
    char folder[PATH_BYTES];
    struct statvfs disk;
    split(path, folder);
    return statvfs(folder, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize >= n_bytes;
}

bool reserve_has_room(const char *path)
{
    return is_free(path, ACK_ROOM_BYTES);
}

bool reserve_make(const char *path)
{
    char name[PATH_BYTES];
    beside(name, path, "-reserve");
    if (access(name, F_OK) == 0)
        return true;
    if (!is_free(path, (uint64_t)4 * RESERVE_BYTES))
        return false;
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool made = fill(fd);
    close(fd);
    if (!made)
        unlink(name);
    return made;
}

void reserve_release(const char *path)
{
    char name[PATH_BYTES];
    beside(name, path, "-reserve");
    unlink(name);
}

/* The seconds of NAME.corrupt-SECONDS, exactly; or 0. */
static int64_t seconds_of(const char *entry, const char *name)
{
    static const char word[] = ".corrupt-";
    size_t n_name = strlen(name);
    if (strncmp(entry, name, n_name) != 0 || strncmp(entry + n_name, word, sizeof word - 1) != 0)
        return 0;
    const char *digits = entry + n_name + sizeof word - 1;
    size_t n_digits = strspn(digits, "0123456789");
    if (n_digits == 0 || n_digits > 12 || digits[n_digits] != 0)
        return 0;
    return strtoll(digits, NULL, 10);
}

struct found {
    int64_t oldest_s, newest_s;
    int n;
};

/* MW_ERR_IO where the folder cannot be read: that is not the same as nothing found. */
static int find_quarantined(const char *path, struct found *ret_found)
{
    struct found found = { 0 };
    char folder[PATH_BYTES];
    const char *name = split(path, folder);
    DIR *dir = opendir(folder);
    if (!dir)
        return MW_ERR_IO;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        int64_t at_s = seconds_of(entry->d_name, name);
        if (at_s <= 0)
            continue;
        found.n++;
        if (found.oldest_s == 0 || at_s < found.oldest_s)
            found.oldest_s = at_s;
        if (at_s > found.newest_s)
            found.newest_s = at_s;
    }
    int result = errno == 0 ? MW_OK : MW_ERR_IO;
    closedir(dir);
    if (result == MW_OK)
        *ret_found = found;
    return result;
}

int quarantine_newest_s(const char *path, int64_t *ret_newest_s)
{
    struct found found;
    int result = find_quarantined(path, &found);
    if (result == MW_OK)
        *ret_newest_s = found.newest_s;
    return result;
}

static void name_quarantined(char ret_path[PATH_BYTES], const char *path, int64_t at_s,
                             const char *tail)
{
    snprintf(ret_path, PATH_BYTES, "%s.corrupt-%" PRId64 "%s", path, at_s, tail);
}

/* SQLite finds the WAL of a moved database when both have moved alike. */
static int move(const char *path, int64_t at_s, const char *tail)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    beside(from, path, tail);
    name_quarantined(to, path, at_s, tail);
    return rename(from, to) == 0 || errno == ENOENT ? MW_OK : MW_ERR_IO;
}

static void forget_oldest(const char *path)
{
    struct found found;
    while (find_quarantined(path, &found) == MW_OK && found.n > QUARANTINED_KEPT) {
        static const char *const tails[] = { "-wal", "-shm", "" };
        char name[PATH_BYTES];
        for (int i = 0; i < 3; i++) {
            name_quarantined(name, path, found.oldest_s, tails[i]);
            if (unlink(name) != 0 && errno != ENOENT)
                return;
        }
    }
}

static int make_renames_durable(const char *path)
{
    char folder[PATH_BYTES];
    split(path, folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return MW_ERR_IO;
    int failed = fdatasync(fd);
    close(fd);
    return failed ? MW_ERR_IO : MW_OK;
}

int quarantine(const char *path, int64_t at_us, char *ret_where, size_t cap)
{
    int64_t at_s = at_us / 1000000, newest_s;
    int result = quarantine_newest_s(path, &newest_s);
    if (result != MW_OK)
        return result;
    if (at_s <= newest_s) /* never over another one */
        at_s = newest_s + 1;
    if (at_s <= 0)
        at_s = 1;
    /* The WAL goes first: a database without its WAL is only older, but a WAL that stays behind
     * would be taken for the next database's. */
    result = move(path, at_s, "-wal");
    if (result == MW_OK)
        result = move(path, at_s, "-shm");
    if (result == MW_OK)
        result = move(path, at_s, "");
    if (result == MW_OK)
        result = make_renames_durable(path);
    if (result != MW_OK)
        return result;
    forget_oldest(path);
    snprintf(ret_where, cap, "%s.corrupt-%" PRId64, path, at_s);
    return MW_OK;
}

static uint64_t size_of(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 && there.st_size > 0 ? (uint64_t)there.st_size : 0;
}

int db_quarantined(const struct db *db, struct db_quarantined *ret_newest)
{
    const char *path = db->config.path;
    char name[PATH_BYTES], folder[PATH_BYTES];
    struct db_quarantined newest = { 0 };
    int result = quarantine_newest_s(path, &newest.at_s);
    if (result != MW_OK)
        return result;
    if (newest.at_s == 0)
        return MW_ERR_NOT_FOUND;
    name_quarantined(name, path, newest.at_s, "-wal");
    newest.n_wal_bytes = size_of(name);
    name_quarantined(name, path, newest.at_s, "");
    newest.n_bytes = size_of(name);
    snprintf(newest.file, sizeof newest.file, "%s", split(name, folder));
    *ret_newest = newest;
    return MW_OK;
}
