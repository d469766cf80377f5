/* SPDX-License-Identifier: Apache-2.0 */
/* Each change of the disk in turn fails, once or from there on. A group that failed is rolled back
 * whole, the next one works, and what was reported as committed is there after a new start. */
#include "base/result.h"
#include "power/workload.h"
#include "support/suite.h"
#include "support/test_disk.h"
#include "unit/storage/temp_store.h"

#define GROUPS 12

/* One run with a fault; the number of changes it made. */
static long run_with(struct disk *disk, struct temp_store *t)
{
    struct workload w;
    workload_init(&w);
    disk_install(disk);
    int opened = db_open(&t->db, &t->config, AT_US, &t->report);
    ck_assert(opened == MW_OK || opened == MW_ERR_IO || opened == MW_ERR_NO_SPACE);
    uint64_t failed = 0;
    for (int i = 0; opened == MW_OK && i < GROUPS; i++) {
        int result = workload_step(&w, t->db);
        /* History stays refused until db_prune has made the reserve again. */
        if (result == MW_ERR_NO_SPACE && !disk->fail_on && db_begin(t->db) == MW_OK) {
            ck_assert_int_eq(db_prune(t->db, AT_US), MW_OK);
            ck_assert_int_eq(db_commit(t->db), MW_OK);
        }
        failed += result != MW_OK;
        ck_assert(result == MW_OK || result == MW_ERR_IO || result == MW_ERR_NO_SPACE);
    }
    ck_assert(disk->fail_on || failed <= 1);
    db_close(t->db);
    t->db = NULL;
    long n_changes = disk->n_changes;
    disk_remove(disk);

    temp_open(t);
    ck_assert_str_eq(t->report.quarantined, "");
    uint64_t n = workload_groups_in(t->db);
    /* A commit that failed at its very end may be found done: it is whole then. */
    ck_assert_msg(n == w.n_groups || n == w.n_groups + 1, "change %ld: %lu groups, not %lu",
                  disk->fail_at, (unsigned long)n, (unsigned long)w.n_groups);
    workload_replay(&w, n);
    const char *difference = n > 0 ? workload_compare(&w, t->db) : NULL;
    ck_assert_msg(!difference, "change %ld: %s", disk->fail_at, difference);
    return n_changes;
}

static void fail_each(int code, bool fail_on)
{
    long n_changes = 0; /* the first run is without a fault and says how many there are */
    for (long at = 0; at <= n_changes; at++) {
        struct temp_store t;
        struct disk disk = { .fail_at = at, .fail_on = fail_on, .fail_write = code };
        temp_make(&t, 4 * MIB);
        t.config.windows = WORKLOAD_CONFIG_WINDOWS;
        long n = run_with(&disk, &t);
        if (at == 0)
            n_changes = n;
        temp_end(&t);
    }
    ck_assert_int_gt(n_changes, 100);
}

START_TEST(an_io_error_at_each_change_costs_one_group_at_most)
{
    fail_each(SQLITE_IOERR_WRITE, false);
}
END_TEST

START_TEST(a_full_disk_at_each_change_costs_one_group_at_most)
{
    fail_each(SQLITE_FULL, false);
}
END_TEST

START_TEST(a_disk_that_stays_broken_loses_nothing_that_was_reported)
{
    fail_each(SQLITE_IOERR_WRITE, true);
}
END_TEST

MW_SUITE("power/faults", an_io_error_at_each_change_costs_one_group_at_most,
         a_full_disk_at_each_change_costs_one_group_at_most,
         a_disk_that_stays_broken_loses_nothing_that_was_reported)
