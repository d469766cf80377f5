/* SPDX-License-Identifier: Apache-2.0 */
/* What the watchdog rests on: a stage that works or waits is alive, one that hangs is not. */
#include "daemon/worker.h"
#include "base/result.h"
#include "support/suite.h"

#include <semaphore.h>

#define S     INT64_C(1000000)
#define BOUND (10 * S)
#define SLACK (2 * S) /* two beats */

/* Stays in its step until it is let go, as one would on a call that never returns. */
struct trap {
    sem_t entered, let_go;
};

static int64_t hang(void *ctx, const struct clock_time *now)
{
    struct trap *trap = ctx;
    (void)now;
    sem_post(&trap->entered);
    while (sem_wait(&trap->let_go) != 0)
        ;
    return 3600 * S;
}

static void start(struct worker *worker, struct trap *trap)
{
    struct stage stage = { .name = "trap", .bound_us = BOUND, .step = hang, .ctx = trap };
    ck_assert_int_eq(sem_init(&trap->entered, 0, 0), 0);
    ck_assert_int_eq(sem_init(&trap->let_go, 0, 0), 0);
    ck_assert_int_eq(worker_init(worker, &stage), MW_OK);
    ck_assert_int_eq(worker_start(worker), MW_OK);
    while (sem_wait(&trap->entered) != 0)
        ;
}

START_TEST(a_step_may_take_its_bound_and_no_longer)
{
    struct worker worker;
    struct trap trap;
    start(&worker, &trap);
    int64_t beat_us = atomic_load(&worker.beat_us);
    ck_assert(worker_is_alive(&worker, beat_us));
    ck_assert(worker_is_alive(&worker, beat_us + BOUND));
    ck_assert(worker_is_alive(&worker, beat_us + BOUND + SLACK - 1));
    ck_assert(!worker_is_alive(&worker, beat_us + BOUND + SLACK));
    ck_assert(!worker_is_alive(&worker, beat_us + 3600 * S));

    sem_post(&trap.let_go);
    worker_finish(&worker);
    ck_assert(atomic_load(&worker.beat_us) >= beat_us);
}
END_TEST

START_TEST(a_stage_with_nothing_to_do_beats_all_the_same)
{
    struct worker worker;
    struct trap trap;
    start(&worker, &trap);
    int64_t hung_us = atomic_load(&worker.beat_us);
    sem_post(&trap.let_go);
    /* It wants to be called in an hour; its next beat comes within a second or two. */
    while (sem_wait(&trap.entered) != 0)
        ;
    ck_assert(atomic_load(&worker.beat_us) > hung_us);
    sem_post(&trap.let_go);
    worker_finish(&worker);
}
END_TEST

MW_SUITE("daemon/worker", a_step_may_take_its_bound_and_no_longer,
         a_stage_with_nothing_to_do_beats_all_the_same)
