/* SPDX-License-Identifier: Apache-2.0 */
/* A database is looked at, and nothing of it changes. */
#include "storage/examine.h"
#include "base/result.h"
#include "support/suite.h"
#include "temp_store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct traces {
    int n_files;
    int64_t n_bytes, newest_ns;
};

static struct traces traces_of(const struct temp_store *t)
{
    struct traces traces = { 0 };
    DIR *dir = opendir(t->folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat there;
        char path[400];
        snprintf(path, sizeof path, "%s/%s", t->folder, entry->d_name);
        if (entry->d_name[0] == '.' || stat(path, &there) != 0)
            continue;
        int64_t ns = (int64_t)there.st_mtim.tv_sec * 1000000000 + there.st_mtim.tv_nsec;
        traces.n_files++;
        traces.n_bytes += there.st_size;
        traces.newest_ns = ns > traces.newest_ns ? ns : traces.newest_ns;
    }
    closedir(dir);
    return traces;
}

/* Looks, and holds the folder against what it was. */
static int look(const struct temp_store *t, db_patience_fn *patience, struct db_examined *ret_found)
{
    struct traces before = traces_of(t);
    int result = db_examine(t->config.path, true, patience, NULL, ret_found);
    struct traces after = traces_of(t);
    ck_assert_int_eq(before.n_files, after.n_files);
    ck_assert_int_eq(before.n_bytes, after.n_bytes);
    ck_assert_int_eq(before.newest_ns, after.newest_ns);
    return result;
}

static void put_machines(struct db *db, int n)
{
    ck_assert_int_eq(db_begin(db), MW_OK);
    for (int i = 0; i < n; i++) {
        char name[32];
        uint32_t machine;
        snprintf(name, sizeof name, "m%d", i);
        ck_assert_int_eq(db_machine(db, name, &machine), MW_OK);
    }
    ck_assert_int_eq(db_commit(db), MW_OK);
}

static void make_closed(struct temp_store *t, int n_machines)
{
    temp_begin(t, 0);
    put_machines(t->db, n_machines);
    db_close(t->db);
    t->db = NULL;
}

static void overwrite(const struct temp_store *t, off_t at, const void *bytes, size_t n)
{
    int fd = open(t->config.path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, bytes, n, at), (ssize_t)n);
    close(fd);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

START_TEST(a_whole_one_is_whole)
{
    struct temp_store t;
    struct db_examined found;
    make_closed(&t, 5000);
    ck_assert_int_eq(look(&t, NULL, &found), MW_OK);
    ck_assert(found.checked && !found.held && found.trouble[0] == 0);
    ck_assert_int_eq(found.version, found.newest);
    ck_assert_int_gt(found.newest, 0);
    ck_assert_uint_gt(found.n_bytes, 4096);
    ck_assert_uint_eq(found.n_wal_bytes, 0);
    ck_assert_int_eq(look(&t, never, &found), MW_OK);
    ck_assert_msg(!found.checked && found.trouble[0] == 0, "patience had an end");
    temp_end(&t);
}
END_TEST

/* A program that has it open and says so; it lives until it is killed. */
static pid_t start_holder(const struct temp_store *t)
{
    int ends[2];
    char byte;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct db *db = NULL;
        struct db_report report;
        if (db_open(&db, &t->config, AT_US, &report) == MW_OK) {
            put_machines(db, 3);
            (void)!write(ends[1], "x", 1);
        }
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

START_TEST(one_that_another_has_open_is_left_to_it)
{
    struct temp_store t;
    struct db_examined found;
    temp_make(&t, 0);
    pid_t pid = start_holder(&t);
    ck_assert_int_eq(look(&t, NULL, &found), MW_OK);
    ck_assert(found.held && !found.checked);
    ck_assert_int_eq(found.holder, pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(look(&t, NULL, &found), MW_OK);
    ck_assert_msg(!found.held && found.checked && found.n_wal_bytes > 0, "its WAL is read, too");
    ck_assert_int_eq(found.version, found.newest);
    ck_assert_msg(access(t.config.path, F_OK) == 0, "nothing was cleaned up");
    temp_end(&t);
}
END_TEST

START_TEST(a_corrupt_one_is_told_with_its_reason)
{
    struct temp_store t;
    struct db_examined found;
    static uint8_t junk[3 * 4096];
    memset(junk, 0x55, sizeof junk);
    make_closed(&t, 2000);
    overwrite(&t, 3 * 4096, junk, sizeof junk);
    ck_assert_int_eq(look(&t, NULL, &found), MW_ERR_CORRUPT);
    ck_assert(found.trouble[0] != 0 && !strchr(found.trouble, '\n'));
    overwrite(&t, 0, junk, 100);
    ck_assert_int_eq(look(&t, NULL, &found), MW_ERR_FORMAT);
    ck_assert_int_eq(truncate(t.config.path, 60), 0);
    ck_assert_int_eq(look(&t, NULL, &found), MW_ERR_FORMAT);
    ck_assert_int_eq(truncate(t.config.path, 0), 0);
    ck_assert_int_eq(look(&t, NULL, &found), MW_OK);
    ck_assert_uint_eq(found.n_bytes, 0);
    temp_end(&t);
}
END_TEST

START_TEST(others_and_newer_ones_are_not_ours)
{
    struct temp_store t;
    struct db_examined found;
    make_closed(&t, 1);
    overwrite(&t, 60, "\0\0\0\x63", 4); /* user_version */
    ck_assert_int_eq(look(&t, NULL, &found), MW_ERR_UNSUPPORTED);
    ck_assert_int_eq(found.version, 99);
    overwrite(&t, 60, "\0\0\0\x01", 4);
    overwrite(&t, 68, "abcd", 4); /* application_id */
    ck_assert_int_eq(look(&t, NULL, &found), MW_ERR_UNSUPPORTED);
    overwrite(&t, 60, "\0\0\0\0", 4); /* tables of somebody who sets neither */
    overwrite(&t, 68, "\0\0\0\0", 4);
    ck_assert_int_eq(look(&t, NULL, &found), MW_ERR_UNSUPPORTED);
    ck_assert_int_eq(db_examine("/nonexistent/m.db", true, NULL, NULL, &found), MW_ERR_NOT_FOUND);
    ck_assert_int_eq(db_examine(t.folder, true, NULL, NULL, &found), MW_ERR_INVALID);
    temp_end(&t);
}
END_TEST

/* '?', '#' and '%' mean something in a URI. */
START_TEST(any_path_is_a_path)
{
    struct temp_store t;
    struct db_examined found;
    temp_make(&t, 0);
    snprintf(t.config.path, sizeof t.config.path, "%s/a?b#c%%41 d.db", t.folder);
    temp_open(&t);
    db_close(t.db);
    t.db = NULL;
    ck_assert_int_eq(look(&t, NULL, &found), MW_OK);
    ck_assert(found.checked);
    temp_end(&t);
}
END_TEST

MW_SUITE("storage/examine", a_whole_one_is_whole, one_that_another_has_open_is_left_to_it,
         a_corrupt_one_is_told_with_its_reason, others_and_newer_ones_are_not_ours,
         any_path_is_a_path)
