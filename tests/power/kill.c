/* SPDX-License-Identifier: Apache-2.0 */
/* The process is killed in the middle of a change of the disk, a hundred times in a row on the
 * same database. What was reported as committed is there each time, and nothing is half there. */
#include "base/result.h"
#include "power/workload.h"
#include "support/suite.h"
#include "support/test_disk.h"
#include "unit/storage/temp_store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define ROUNDS     100
#define GROUPS_MAX 400 /* of a child that is not struck */

/* Never returns. *reported is shared with the parent: the last group whose commit said OK. */
static void child(const struct temp_store *t, long kill_at, volatile uint64_t *reported)
{
    struct disk disk = { .kill_at = kill_at };
    struct workload w;
    struct db *db;
    disk_install(&disk);
    if (db_open(&db, &t->config, AT_US, NULL) != MW_OK)
        _exit(1);
    workload_init(&w);
    workload_replay(&w, workload_groups_in(db));
    for (int i = 0; i < GROUPS_MAX; i++) {
        if (workload_step(&w, db) != MW_OK)
            _exit(2);
        *reported = w.n_groups;
    }
    _exit(0);
}

/* A word that outlives the child: MAP_ANONYMOUS is not POSIX.1-2008. */
static int memory_of(const char *folder)
{
    char path[100];
    snprintf(path, sizeof path, "%s/reported", folder);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, sizeof(uint64_t)), 0);
    return fd;
}

START_TEST(a_hundred_kills_lose_nothing_that_was_reported)
{
    struct temp_store t;
    uint64_t seed = 2026, n_killed = 0;
    temp_make(&t, 4 * MIB);
    t.config.windows = WORKLOAD_CONFIG_WINDOWS;
    int shared = memory_of(t.folder);
    volatile uint64_t *reported =
        mmap(NULL, sizeof *reported, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    ck_assert(reported != MAP_FAILED);
    close(shared);
    for (int round = 0; round < ROUNDS; round++) {
        long kill_at = (long)(temp_draw(&seed) % (round % 4 == 0 ? 60 : 1500)) + 1;
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
            child(&t, kill_at, reported);
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0,
                      "round %d: status %d", round, status);
        n_killed += WIFSIGNALED(status) != 0;

        struct workload w;
        workload_init(&w);
        temp_open(&t);
        uint64_t n = workload_groups_in(t.db);
        ck_assert_msg(n == *reported || n == *reported + 1, "seed 2026, round %d: %lu, not %lu",
                      round, (unsigned long)n, (unsigned long)*reported);
        workload_replay(&w, n);
        if (n > 0) {
            const char *difference = workload_compare(&w, t.db);
            ck_assert_msg(!difference, "seed 2026, round %d: %s", round, difference);
        }
        ck_assert_str_eq(t.report.quarantined, "");
        *reported = n;
        db_close(t.db);
        t.db = NULL;
    }
    ck_assert_uint_ge(n_killed, 90);
    printf("%lu kills, %lu groups\n", (unsigned long)n_killed, (unsigned long)*reported);
    temp_end(&t);
}
END_TEST

MW_SUITE("power/kill", a_hundred_kills_lose_nothing_that_was_reported)
