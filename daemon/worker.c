/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* pthread_setname_np */
#include "daemon/worker.h"
#include "base/result.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A worker beats at least this often, also when its stage has nothing to do. */
#define BEAT_US 1000000

/* Measured in use: 8 to 20 KiB are touched. The rest is room for the deepest calls of SQLite, TLS
 * and the C library's resolver, and costs addresses only. */
#define STACK_BYTES (512 * 1024)

int worker_init(struct worker *worker, const struct stage *stage)
{
    worker->stage = *stage;
    worker->started = false;
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_init(&worker->beat_us, clock_read().mono_us);
    atomic_init(&worker->stop, false);
    atomic_init(&worker->ended, true);
    return worker->wake_fd < 0 ? MW_ERR_IO : MW_OK;
}

static void wait_for(struct worker *worker, int64_t wait_us)
{
    struct pollfd fds[STAGE_MAX_DESCRIPTORS + 1] = { { .fd = worker->wake_fd, .events = POLLIN } };
    size_t n = 1;
    if (worker->stage.descriptors)
        n += worker->stage.descriptors(worker->stage.ctx, fds + 1, STAGE_MAX_DESCRIPTORS);
    if (wait_us > BEAT_US)
        wait_us = BEAT_US;
    struct timespec timeout = { .tv_sec = wait_us / 1000000,
                                .tv_nsec = (long)(wait_us % 1000000) * 1000 };
    if (ppoll(fds, n, wait_us > 0 ? &timeout : &(struct timespec){ 0 }, NULL) > 0 &&
        fds[0].revents) {
        uint64_t count;
        if (read(worker->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
            worker_ask_stop(worker); /* an eventfd that cannot be read would spin */
    }
}

void worker_run(struct worker *worker)
{
    while (!atomic_load(&worker->stop)) {
        struct clock_time now = clock_read();
        atomic_store(&worker->beat_us, now.mono_us);
        int64_t wait_us = worker->stage.step(worker->stage.ctx, &now);
        atomic_store(&worker->beat_us, clock_read().mono_us);
        if (wait_us > 0 || worker->stage.descriptors)
            wait_for(worker, wait_us);
    }
}

static void *thread_main(void *arg)
{
    struct worker *worker = arg;
    if (worker->stage.precise)
        prctl(PR_SET_TIMERSLACK, 1UL); /* ns; of this thread alone */
    worker_run(worker);
    atomic_store(&worker->ended, true);
    return NULL;
}

int worker_start(struct worker *worker)
{
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_store(&worker->stop, false);
    atomic_store(&worker->ended, false);
    atomic_store(&worker->beat_us, clock_read().mono_us);
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error == 0) {
        error = pthread_attr_setstacksize(&attributes, STACK_BYTES);
        if (error == 0)
            error = pthread_create(&worker->thread, &attributes, thread_main, worker);
        pthread_attr_destroy(&attributes);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        atomic_store(&worker->ended, true);
        return MW_ERR_NO_MEMORY;
    }
    pthread_setname_np(worker->thread, worker->stage.name);
    worker->started = true;
    return MW_OK;
}

void worker_wake(struct worker *worker)
{
    uint64_t one = 1;
    /* EAGAIN means that a wake-up is already waiting. */
    while (write(worker->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void worker_ask_stop(struct worker *worker)
{
    atomic_store(&worker->stop, true);
    worker_wake(worker);
}

bool worker_has_ended(const struct worker *worker)
{
    return atomic_load(&worker->ended);
}

void worker_rest(struct worker *worker)
{
    if (!worker->started)
        return;
    worker_ask_stop(worker);
    pthread_join(worker->thread, NULL);
    worker->started = false;
}

void worker_finish(struct worker *worker)
{
    worker_rest(worker);
    if (worker->stage.step && worker->wake_fd >= 0)
        close(worker->wake_fd);
    worker->stage.step = NULL;
}

bool worker_is_alive(struct worker *worker, int64_t now_us)
{
    return now_us - atomic_load(&worker->beat_us) < worker->stage.bound_us + INT64_C(2) * BEAT_US;
}
