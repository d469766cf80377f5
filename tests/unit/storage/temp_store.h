/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of its own for each test, and the database in it. */
#ifndef MW_TESTS_UNIT_STORAGE_TEMP_STORE_H
#define MW_TESTS_UNIT_STORAGE_TEMP_STORE_H

#include "storage/db.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_US ((int64_t)1767225600 * 1000000) /* 2026-01-01 */
#define MIB   ((int64_t)1 << 20)

struct temp_store {
    char folder[64];
    struct store_config config;
    struct db_report report;
    struct db *db;
};

static inline void temp_open(struct temp_store *t)
{
    ck_assert_int_eq(db_open(&t->db, &t->config, AT_US, &t->report), 0);
}

/* max_bytes 0: the default. */
static inline void temp_make(struct temp_store *t, int64_t max_bytes)
{
    *t = (struct temp_store){ .config = { .max_bytes = max_bytes } };
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(t->folder, sizeof t->folder, "%s/mw-storage-XXXXXX", root);
    ck_assert_ptr_nonnull(mkdtemp(t->folder));
    snprintf(t->config.path, sizeof t->config.path, "%s/m.db", t->folder);
    ck_assert_int_eq(store_settle(&t->config, NULL), 0);
}

static inline void temp_begin(struct temp_store *t, int64_t max_bytes)
{
    temp_make(t, max_bytes);
    temp_open(t);
}

static inline void temp_reopen(struct temp_store *t)
{
    db_close(t->db);
    temp_open(t);
}

static inline void temp_clear(struct temp_store *t)
{
    DIR *dir = opendir(t->folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", t->folder, entry->d_name);
        unlink(path);
    }
    if (dir)
        closedir(dir);
}

static inline void temp_end(struct temp_store *t)
{
    db_close(t->db);
    temp_clear(t);
    rmdir(t->folder);
}

static inline uint64_t temp_draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

#endif
