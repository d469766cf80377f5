/* SPDX-License-Identifier: Apache-2.0 */
/* A stage is a body of work called again and again; a worker is a thread that calls it. Only a
 * worker waits. A test calls the same step without a thread. */
#ifndef MW_DAEMON_WORKER_H
#define MW_DAEMON_WORKER_H

#include "daemon/clock.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#define STAGE_MAX_DESCRIPTORS 256

struct stage {
    const char *name; /* at most 15 characters: the thread wears it */
    int64_t bound_us; /* longest time one step may take before the watchdog is left to bite */
    /* Does what is due; returns the microseconds until it wants to be called again. */
    int64_t (*step)(void *ctx, const struct clock_time *now);
    /* Descriptors whose readiness calls the step early; how many. NULL: none. */
    size_t (*descriptors)(void *ctx, struct pollfd *ret_fds, size_t cap);
    void *ctx;
    bool precise; /* waits to the microsecond, where the kernel may else add 50 */
};

struct worker {
    struct stage stage;
    pthread_t thread;
    bool started;
    int wake_fd;
    _Atomic int64_t beat_us; /* monotonic: last sign of life */
    _Atomic bool stop, ended;
};

/* MW_ERR_IO where there is no descriptor left. */
int worker_init(struct worker *worker, const struct stage *stage);
/* Runs the stage in a thread of its own. */
int worker_start(struct worker *worker);
/* Runs the stage in this thread until worker_ask_stop. */
void worker_run(struct worker *worker);
/* From any thread: call the step soon. */
void worker_wake(struct worker *worker);
void worker_ask_stop(struct worker *worker);
/* Whether its thread has run to its end, so that worker_rest does not wait; one that was never
 * started has. */
bool worker_has_ended(const struct worker *worker);
/* Asks and waits for the thread's end; its stage belongs to the caller then, and worker_start sets
 * it going again. */
void worker_rest(struct worker *worker);
/* Asks, waits for the thread's end, closes. Accepts one that was never started, or zeroes. */
void worker_finish(struct worker *worker);
/* Whether the worker showed life within its stage's bound. */
bool worker_is_alive(struct worker *worker, int64_t now_us);

#endif
