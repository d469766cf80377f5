/* SPDX-License-Identifier: Apache-2.0 */
/* Start, a steady minute, a drain: each allocation, storage/'s own and SQLite's, and each open,
 * write, truncation, sync, deletion and allocation on disk fails once, in turn. The program does
 * not crash; what failed is rolled back and works when it is tried again, as the daemon does; at
 * the end the database holds exactly what was promised, and the broker has every message.
 *
 * MW_TORTURE_STRIDE: only every n-th allocation; from TORTURE_SLOW on (sanitizers) every n-th of
 * all. */
#include "base/result.h"
#include "power/courier.h"
#include "power/workload.h"
#include "storage/outbox.h"
#include "support/power_disk.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_US             ((int64_t)1767225600 * 1000000)
#define GROUPS            33 /* a steady minute: blocks, retention twice, a model three times */
#define DRAIN_US          INT64_C(120000000)
#define MESSAGES          256
#define TORTURE_SLOW      20
#define POINTS_LEAST      300
#define START_OVER_STRIDE 13

/* ---- allocations ---- */

/* SQLite's hooks and --wrap take no context. */
static struct {
    long n_calls, fail_at;
    bool armed, fail_on; /* and all after it */
    sqlite3_mem_methods real;
} memory;

static bool memory_fails(void)
{
    if (!memory.armed)
        return false;
    memory.n_calls++;
    return memory.n_calls == memory.fail_at ||
           (memory.fail_on && memory.fail_at > 0 && memory.n_calls > memory.fail_at);
}

static void *sqlite_malloc(int n)
{
    return memory_fails() ? NULL : memory.real.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
    return memory_fails() ? NULL : memory.real.xRealloc(p, n);
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
    return memory_fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return memory_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return memory_fails() ? NULL : __real_realloc(p, n);
}

static void hook_sqlite(void)
{
    sqlite3_mem_methods ours;
    ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &ours), SQLITE_OK);
    if (ours.xMalloc == sqlite_malloc)
        return;
    memory.real = ours;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &ours), SQLITE_OK);
    /* Each small allocation a real one: lookaside would hide them. */
    ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
}

/* ---- one life of the program ---- */

struct life {
    struct power_disk disk;
    struct store_config config;
    struct workload w;
    struct db *db;
    uint64_t first_seq;
    bool received[MESSAGES]; /* from first_seq on */
    uint64_t n_failed;       /* operations that said so */
    long point;
};

/* Check allocates at each assertion, so that one holds only where nothing is about to fail. */
static void insist(bool holds, const struct life *l, const char *what, int result)
{
    if (holds)
        return;
    memory.armed = false;
    ck_abort_msg("point %ld: %s: %d (%s)", l->point, what, result, l->db ? db_error(l->db) : "");
}

static void life_open(struct life *l)
{
    int result = db_open(&l->db, &l->config, AT_US, NULL);
    if (result == MW_OK)
        return;
    l->n_failed++;
    insist(result == MW_ERR_NO_MEMORY || result == MW_ERR_IO || result == MW_ERR_NO_SPACE, l,
           "start", result);
    result = db_open(&l->db, &l->config, AT_US, NULL); /* systemd starts it anew */
    insist(result == MW_OK, l, "the next start", result);
}

/* As the daemon where there is no room: retention makes the reserve again. */
static void life_prune(struct life *l)
{
    int result = db_begin(l->db);
    if (result == MW_OK)
        result = db_prune(l->db, AT_US);
    if (result == MW_OK)
        result = db_commit(l->db);
    insist(result == MW_OK, l, "retention", result);
}

static void life_groups(struct life *l)
{
    for (int i = 0; i < GROUPS; i++) {
        int result = workload_step(&l->w, l->db);
        if (result == MW_OK)
            continue;
        l->n_failed++;
        if (result == MW_ERR_NO_SPACE)
            life_prune(l);
        result = workload_step(&l->w, l->db);
        insist(result == MW_OK, l, "a group, tried again", result);
    }
}

static void receive(void *ctx, const struct outbox_message *message)
{
    struct life *l = ctx;
    uint64_t i = message->seq - l->first_seq;
    insist(i < MESSAGES, l, "a number from nowhere", 0);
    l->received[i] = true;
}

static void life_drain(struct life *l)
{
    struct courier courier;
    int64_t now_us = 0;
    courier_init(&courier, l->db, 1);
    courier.reachable = true;
    courier.receive = receive;
    courier.ctx = l;
    while (db_stats(l->db).outbox_waiting > 0) {
        int64_t wait_us = courier_step(&courier, now_us);
        now_us += wait_us > 0 ? wait_us : 1;
        insist(now_us < DRAIN_US, l, "the drain does not end", 0);
    }
    l->n_failed += courier.n_errors;
}

/* The drained database against the model without its waiting messages. */
static void life_judge(struct life *l)
{
    struct db_report report;
    ck_assert_int_eq(db_open(&l->db, &l->config, AT_US, &report), MW_OK);
    ck_assert_msg(!report.quarantined[0], "point %ld: quarantined", l->point);
    for (int i = 0; i < l->w.n_waiting; i++)
        ck_assert_msg(l->received[l->w.waiting[i] - l->first_seq], "point %ld: message %lu is lost",
                      l->point, (unsigned long)l->w.waiting[i]);
    l->w.n_waiting = 0;
    const char *difference = workload_compare(&l->w, l->db);
    ck_assert_msg(!difference, "point %ld: %s", l->point, difference);
    db_close(l->db);
    l->db = NULL;
}

/* The disk as a first life leaves it, with its database spoilt afterwards. */
static void life_spoil(struct life *l)
{
    struct workload w;
    workload_init(&w);
    ck_assert_int_eq(db_open(&l->db, &l->config, AT_US, NULL), MW_OK);
    for (int i = 0; i < GROUPS; i++)
        ck_assert_int_eq(workload_step(&w, l->db), MW_OK);
    l->first_seq = outbox_next_seq(l->db);
    db_close(l->db);
    l->db = NULL;
    power_files_spoil(&l->disk.files, l->config.path);
    l->disk.n_calls = 0;
}

struct fault {
    const char *words;
    bool allocations; /* or calls of the disk */
    enum power_fault kind;
    bool spoilt; /* begins with a corrupt database */
};

/* One life in which the point-th call of a kind fails; the number of calls. 0: none fails. */
static long live(long point, const struct fault *fault, uint64_t *ret_n_failed)
{
    bool allocations = fault->allocations;
    struct life *l = __real_calloc(1, sizeof *l);
    ck_assert_ptr_nonnull(l);
    l->point = point;
    l->config = (struct store_config){ .max_bytes = 4 << 20, .windows = WORKLOAD_CONFIG_WINDOWS };
    snprintf(l->config.path, sizeof l->config.path, POWER_FOLDER "/m.db");
    ck_assert_int_eq(store_settle(&l->config, NULL), MW_OK);
    workload_init(&l->w);
    power_disk_install(&l->disk);
    if (fault->spoilt)
        life_spoil(l);
    l->disk.fault = fault->kind;
    l->disk.fail_at = allocations ? 0 : point;
    memory.n_calls = 0;
    memory.fail_at = allocations ? point : 0;
    memory.armed = allocations;
    life_open(l);
    insist(outbox_next_seq(l->db) >= l->first_seq, l, "a number is given twice", 0);
    l->first_seq = l->w.next_seq = outbox_next_seq(l->db);
    life_groups(l);
    life_drain(l);
    db_close(l->db);
    memory.armed = false;
    l->disk.fail_at = 0;
    long n_calls = allocations ? memory.n_calls : l->disk.n_calls;
    life_judge(l);
    *ret_n_failed = l->n_failed;
    power_disk_remove(&l->disk);
    power_disk_free(&l->disk);
    free(l);
    return n_calls;
}

static long allocation_stride(void)
{
    const char *text = getenv("MW_TORTURE_STRIDE");
    return text ? strtol(text, NULL, 10) : TORTURE_STRIDE;
}

static void fail_each(const struct fault *fault)
{
    long stride = allocation_stride();
    if (!fault->allocations && stride < TORTURE_SLOW)
        stride = 1;
    long n_points = 0, n_noticed = 0;
    uint64_t n_failed;
    ck_assert_int_ge(stride, 1);
    hook_sqlite();
    long n_calls = live(0, fault, &n_failed);
    ck_assert_uint_eq(n_failed, 0);
    for (long point = 1; point <= n_calls; point += stride, n_points++) {
        live(point, fault, &n_failed);
        n_noticed += n_failed > 0;
    }
    sqlite3_shutdown();
    printf("%s: %ld of %ld points failed once, %ld were said to the caller\n", fault->words,
           n_points, n_calls, n_noticed);
    ck_assert_int_gt(n_calls, POINTS_LEAST);
    ck_assert_int_gt(n_noticed, n_points / 10);
}

START_TEST(no_allocation_that_fails_loses_or_breaks_anything)
{
    fail_each(&(struct fault){ "allocations", true, POWER_EIO, false });
}
END_TEST

START_TEST(no_io_error_loses_or_breaks_anything)
{
    fail_each(&(struct fault){ "calls of the disk, EIO", false, POWER_EIO, false });
}
END_TEST

START_TEST(no_full_disk_loses_or_breaks_anything)
{
    fail_each(&(struct fault){ "calls of the disk, ENOSPC", false, POWER_ENOSPC, false });
}
END_TEST

START_TEST(no_io_error_gives_a_number_twice_while_a_corrupt_database_is_put_aside)
{
    fail_each(&(struct fault){ "put aside, EIO", false, POWER_EIO, true });
}
END_TEST

/* One start over what a life has left, in which the point-th allocation or read fails; the number
 * of calls. */
static long start_over(struct life *l, const struct power_files *left, long point, bool allocations,
                       bool *ret_failed)
{
    struct db_report report;
    power_files_free(&l->disk.files);
    power_files_copy(&l->disk.files, left);
    memory.n_calls = l->disk.n_reads = 0;
    memory.fail_at = allocations ? point : 0;
    l->disk.read_fail_at = allocations ? 0 : point;
    l->point = point;
    memory.armed = true;
    int result = db_open(&l->db, &l->config, AT_US, &report);
    memory.armed = false;
    l->disk.read_fail_at = 0;
    long n_calls = allocations ? memory.n_calls : l->disk.n_reads;
    *ret_failed = result != MW_OK;
    if (result != MW_OK) {
        insist(result == MW_ERR_NO_MEMORY || result == MW_ERR_IO, l, "start", result);
        ck_assert_int_eq(db_open(&l->db, &l->config, AT_US, &report), MW_OK);
    }
    ck_assert_msg(!report.quarantined[0], "point %ld: a whole database is put aside", point);
    const char *difference = workload_compare(&l->w, l->db);
    ck_assert_msg(!difference, "point %ld: %s", point, difference);
    db_close(l->db);
    l->db = NULL;
    return n_calls;
}

/* What cannot be read or checked for want of memory is not corrupt. */
static void start_over_each(bool allocations, bool fail_on)
{
    struct life *l = __real_calloc(1, sizeof *l);
    ck_assert_ptr_nonnull(l);
    l->config = (struct store_config){ .max_bytes = 4 << 20, .windows = WORKLOAD_CONFIG_WINDOWS };
    snprintf(l->config.path, sizeof l->config.path, POWER_FOLDER "/m.db");
    ck_assert_int_eq(store_settle(&l->config, NULL), MW_OK);
    hook_sqlite();
    power_disk_install(&l->disk);
    workload_init(&l->w);
    ck_assert_int_eq(db_open(&l->db, &l->config, AT_US, NULL), MW_OK);
    l->w.next_seq = outbox_next_seq(l->db);
    for (int i = 0; i < GROUPS; i++)
        ck_assert_int_eq(workload_step(&l->w, l->db), MW_OK);
    db_close(l->db);
    struct power_files left = { 0 };
    power_files_copy(&left, &l->disk.files);

    long stride = allocations ? allocation_stride() : 1, n_points = 0, n_noticed = 0;
    if (stride > START_OVER_STRIDE) /* a start is short, also with the sanitizers */
        stride = START_OVER_STRIDE;
    bool failed;
    memory.fail_on = fail_on;
    long n_calls = start_over(l, &left, 0, allocations, &failed);
    for (long point = 1; point <= n_calls; point += stride, n_points++) {
        start_over(l, &left, point, allocations, &failed);
        n_noticed += failed;
    }
    printf("starts over a database, %s: %ld of %ld points failed once, %ld starts were refused\n",
           fail_on       ? "no memory from an allocation on"
           : allocations ? "allocations"
                         : "reads",
           n_points, n_calls, n_noticed);
    ck_assert_int_gt(n_points, 20);
    ck_assert_int_gt(n_noticed, 0);
    memory.fail_on = false;
    power_files_free(&left);
    power_disk_remove(&l->disk);
    power_disk_free(&l->disk);
    free(l);
    sqlite3_shutdown();
}

START_TEST(no_allocation_that_fails_puts_a_whole_database_aside)
{
    start_over_each(true, false);
}
END_TEST

START_TEST(no_want_of_memory_puts_a_whole_database_aside)
{
    start_over_each(true, true);
}
END_TEST

START_TEST(no_read_that_fails_puts_a_whole_database_aside)
{
    start_over_each(false, false);
}
END_TEST

MW_SUITE("power/torture", no_allocation_that_fails_puts_a_whole_database_aside,
         no_want_of_memory_puts_a_whole_database_aside,
         no_read_that_fails_puts_a_whole_database_aside,
         no_allocation_that_fails_loses_or_breaks_anything, no_io_error_loses_or_breaks_anything,
         no_full_disk_loses_or_breaks_anything,
         no_io_error_gives_a_number_twice_while_a_corrupt_database_is_put_aside)
