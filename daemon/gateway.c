/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/gateway.h"
#include "base/result.h"
#include "base/sha256.h"
#include "daemon/journal.h"
#include "daemon/notify.h"
#include "daemon/spool.h"
#include "daemon/stamps.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATUS_US 5000000
/* The database's files, the control socket's clients, wake-ups, the broker, 20 name look-ups of
 * glibc with two sockets each. */
#define OTHER_DESCRIPTORS 128
static_assert(GATEWAY_TCP_THREADS * STAGE_MAX_DESCRIPTORS >= CONFIG_MAX_DEVICES,
              "every connection can be waited for");
#define SAVING_US      5000000
#define SAVING_POLL_MS 20

/* ---- the main thread's stage ---- */

static void take_signals(struct gateway *g)
{
    struct signalfd_siginfo info;
    while (read(g->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        g->signal_number = (int)info.ssi_signo;
        worker_ask_stop(&g->main);
    }
}

static void take_reports(struct gateway *g, const struct clock_time *now)
{
    struct store_report from_store;
    struct link_report from_link;
    while (mw_ring_pop(&g->store_stage->reports, &from_store))
        pipeline_store_report(g->pipeline, &from_store, now);
    while (mw_ring_pop(&g->uplink_stage->reports, &from_link))
        pipeline_link_report(g->pipeline, &from_link);
}

static bool is_alive(struct gateway *g, struct worker *worker, int64_t now_us)
{
    if (worker_is_alive(worker, now_us))
        return true;
    if (g->watchdog_us > 0)
        journal_hung(worker->stage.name);
    return false;
}

/* The watchdog is fed only while every stage shows life. */
static void feed_watchdog(struct gateway *g, int64_t now_us)
{
    if (g->watchdog_us == 0 || now_us < g->watchdog_due_us)
        return;
    g->watchdog_due_us = now_us + g->watchdog_us / 2;
    bool alive = is_alive(g, &g->store, now_us) && is_alive(g, &g->link, now_us);
    for (size_t i = 0; i < g->n_bus_stages; i++)
        alive = is_alive(g, &g->buses[i], now_us) && alive;
    if (alive)
        notify_watchdog();
}

static void tell_systemd(struct gateway *g, int64_t now_us)
{
    if (now_us < g->status_us)
        return;
    g->status_us = now_us + STATUS_US;
    char line[160];
    snprintf(line, sizeof line, "%zu machines, %u in alarm; %u devices offline; broker %s",
             g->config->n_machines, pipeline_machines_active(g->pipeline),
             pipeline_devices_offline(g->pipeline),
             g->pipeline->link_report.state == LINK_UP ? "up" : "down");
    notify_status(line);
}

static int64_t step(void *ctx, const struct clock_time *reading)
{
    struct gateway *g = ctx;
    struct clock_time stamp = stamps_now(g->pipeline, reading);
    const struct clock_time *now = &stamp;
    take_signals(g);
    take_reports(g, now);
    int64_t wait_us = pipeline_step(g->pipeline, now);
    control_step(&g->control, now);
    if (!g->ready) {
        g->ready = true;
        notify_ready();
    }
    feed_watchdog(g, now->mono_us);
    tell_systemd(g, now->mono_us);
    return wait_us;
}

static size_t descriptors(void *ctx, struct pollfd *ret_fds, size_t cap)
{
    struct gateway *g = ctx;
    ret_fds[0] = (struct pollfd){ .fd = g->signals, .events = POLLIN };
    return 1 + control_descriptors(&g->control, ret_fds + 1, cap - 1);
}

/* ---- construction ---- */

/* Paho takes these for a proxy of every connection, TLS or not, even where they are empty; what the
 * broker is, the configuration says. Before any thread is there. */
static void forget_proxies(void)
{
    unsetenv("http_proxy");
    unsetenv("https_proxy");
}

/* Every bus holds a descriptor at times; all else together fewer than OTHER_DESCRIPTORS. The soft
 * limit is raised as far as that needs and no further. */
static int reserve_descriptors(const struct config *config)
{
    rlim_t wanted = config->n_buses + OTHER_DESCRIPTORS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return MW_ERR_IO;
    if (limit.rlim_cur >= wanted)
        return MW_OK;
    if (limit.rlim_max >= wanted) {
        limit.rlim_cur = wanted;
        return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? MW_ERR_IO : MW_OK;
    }
    char what[160];
    snprintf(what, sizeof what,
             "%zu buses need %llu file descriptors and %llu are allowed (LimitNOFILE= of the unit, "
             "ulimit -n)",
             config->n_buses, (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
    journal_failed("start", what);
    return MW_ERR_TOO_BIG;
}

static int open_signals(struct gateway *g)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* a hang-up of the terminal is no wish to stop */
    g->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    return g->signals < 0 ? MW_ERR_IO : MW_OK;
}

static int add_bus_stage(struct gateway *g, const uint32_t *buses, size_t n, int64_t epoch_us)
{
    struct bus_stage *stage = NULL;
    int result = bus_stage_create(&stage, g->config, buses, n, epoch_us, &g->main);
    if (result < 0)
        return result;
    g->bus_stages[g->n_bus_stages] = stage;
    struct stage body = bus_stage(stage);
    result = worker_init(&g->buses[g->n_bus_stages], &body);
    stage->worker = &g->buses[g->n_bus_stages];
    g->n_bus_stages++;
    return result;
}

/* Every RTU line has a thread; TCP connections are dealt out over a few. */
static int make_buses(struct gateway *g, int64_t epoch_us)
{
    const struct config *c = g->config;
    int result = MW_OK;
    uint32_t *dealt = calloc(c->n_buses + 1, sizeof *dealt);
    g->buses = calloc(c->n_buses + 1, sizeof *g->buses);
    g->bus_stages = calloc(c->n_buses + 1, sizeof(struct bus_stage *));
    if (!dealt || !g->buses || !g->bus_stages)
        result = MW_ERR_NO_MEMORY;
    for (uint32_t b = 0; result >= 0 && b < c->n_buses; b++)
        if (c->buses[b].kind == BUS_RTU)
            result = add_bus_stage(g, &b, 1, epoch_us);
    for (uint32_t t = 0; result >= 0 && t < GATEWAY_TCP_THREADS; t++) {
        size_t n = 0, seen = 0;
        for (uint32_t b = 0; b < c->n_buses; b++)
            if (c->buses[b].kind == BUS_TCP && seen++ % GATEWAY_TCP_THREADS == t)
                dealt[n++] = b;
        if (n > 0)
            result = add_bus_stage(g, dealt, n, epoch_us);
    }
    free(dealt);
    return result;
}

/* Gateways that boot together must not knock together: names and the clock differ. */
static uint64_t jitter_seed(const struct config *config, const struct clock_time *now)
{
    uint8_t digest[MW_SHA256_BYTES];
    uint64_t seed;
    struct mw_sha256 sha;
    mw_sha256_init(&sha);
    mw_sha256_feed(&sha, config->gateway, strlen(config->gateway));
    mw_sha256_feed(&sha, config->site, strlen(config->site));
    mw_sha256_feed(&sha, now, sizeof *now);
    mw_sha256_finish(&sha, digest);
    memcpy(&seed, digest, sizeof seed);
    return seed;
}

static int init_workers(struct gateway *g)
{
    struct stage main_stage = {
        .name = "main", .bound_us = 5000000, .step = step, .descriptors = descriptors, .ctx = g
    };
    /* Wake-up descriptors come first: the stages keep pointers to their workers. */
    int result = worker_init(&g->main, &main_stage);
    if (result >= 0)
        result = worker_init(&g->store, &main_stage);
    if (result >= 0)
        result = worker_init(&g->link, &main_stage);
    return result;
}

/* Why the database could not be opened, as far as can be told from outside. */
static const char *word_store(const char *path, int result)
{
    char folder[sizeof((struct store_config *)0)->path];
    struct stat there;
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    if (result == MW_ERR_STATE)
        return "another millwrightd uses it";
    if (result == MW_ERR_UNSUPPORTED)
        return "a newer release or another program wrote it; it is left alone";
    if (result == MW_ERR_IO && stat(path, &there) == 0 && S_ISDIR(there.st_mode))
        return "is a folder";
    if (result == MW_ERR_IO && access(slash ? folder : ".", W_OK) < 0)
        return strerror(errno);
    if (result == MW_ERR_IO && access(path, F_OK) == 0 && access(path, W_OK) < 0)
        return strerror(errno);
    return mw_result_text(result);
}

static int make_store(struct gateway *g, const struct clock_time *now)
{
    struct db_report report = { 0 };
    int result = store_stage_create(&g->store_stage, g->config, g->pipeline, &g->main, &g->link,
                                    now, &report);
    if (result < 0) {
        journal_failed(g->config->store.path, word_store(g->config->store.path, result));
        return result;
    }
    journal_db(&report);
    spool_make(g->config->spool);
    g->store.stage = store_stage(g->store_stage);
    return MW_OK;
}

static int make_uplink(struct gateway *g, const struct clock_time *now)
{
    int result = uplink_stage_create(&g->uplink_stage, g->config, &g->main, &g->store,
                                     jitter_seed(g->config, now));
    if (result < 0) {
        journal_failed(result == MW_ERR_REFUSED
                           ? "mqtt: password_file or key_file is readable by others"
                           : "mqtt: a file named in the configuration cannot be read",
                       mw_result_text(result));
        return result;
    }
    g->link.stage = uplink_stage(g->uplink_stage);
    g->store_stage->outbox_orders = &g->uplink_stage->outbox_orders;
    g->uplink_stage->outbox_news = &g->store_stage->news;
    g->uplink_stage->feed.highest = g->store_stage->highest; /* what waits already is no news */
    g->uplink_stage->machine_news = &g->pipeline->link_news;
    return MW_OK;
}

int gateway_open(struct gateway *g, const struct config *config)
{
    struct clock_time now = clock_read();
    char why[256];
    *g = (struct gateway){ .config = config, .signals = -1, .control = { .listener = -1 } };
    forget_proxies();
    int result = reserve_descriptors(config);
    if (result < 0)
        return result;
    result = open_signals(g);
    if (result >= 0)
        result = init_workers(g);
    if (result >= 0)
        result = pipeline_create(&g->pipeline, config, &g->store, &g->link);
    if (result < 0) {
        journal_failed("start", mw_result_text(result));
        return result;
    }
    /* First the socket: a second daemon must not touch the first one's database. */
    result = control_open(&g->control, config->socket, g->pipeline, why, sizeof why);
    if (result < 0) {
        journal_failed("control socket", why);
        return result;
    }
    result = make_store(g, &now);
    if (result >= 0)
        result = make_uplink(g, &now);
    if (result < 0)
        return result;
    result = make_buses(g, now.mono_us);
    if (result < 0)
        journal_failed("buses", mw_result_text(result));
    g->pipeline->buses = g->bus_stages;
    g->pipeline->n_buses = g->n_bus_stages;
    g->watchdog_us = notify_watchdog_us();
    return result;
}

int gateway_run(struct gateway *g)
{
    int result = worker_start(&g->store);
    if (result >= 0)
        result = worker_start(&g->link);
    for (size_t i = 0; result >= 0 && i < g->n_bus_stages; i++)
        result = worker_start(&g->buses[i]);
    if (result < 0) {
        journal_failed("threads", mw_result_text(result));
        return result;
    }
    worker_run(&g->main);
    notify_stopping();
    journal_stopping(g->signal_number);
    return MW_OK;
}

/* Every detector's state, in as many rounds as there are blobs; bounded, since the store may be
 * failing. */
static void save_all(struct gateway *g)
{
    int64_t until_us = clock_read().mono_us + SAVING_US;
    pipeline_begin_saving(g->pipeline);
    for (;;) {
        struct clock_time now = clock_read();
        take_reports(g, &now);
        bool all = pipeline_save_some(g->pipeline, now.mono_us);
        worker_wake(&g->store);
        if (all || now.mono_us > until_us)
            return;
        poll(&(struct pollfd){ .fd = g->main.wake_fd, .events = POLLIN }, 1, SAVING_POLL_MS);
    }
}

void gateway_close(struct gateway *g)
{
    struct clock_time now = clock_read();
    for (size_t i = 0; g->buses && i < g->n_bus_stages; i++)
        worker_finish(&g->buses[i]);
    if (g->ready)
        save_all(g);
    worker_finish(&g->link);
    if (g->uplink_stage)
        uplink_stage_say_goodbye(g->uplink_stage, now.utc_us);
    worker_finish(&g->store);
    store_stage_destroy(g->store_stage);
    uplink_stage_destroy(g->uplink_stage);
    control_close(&g->control);
    for (size_t i = 0; i < g->n_bus_stages; i++)
        bus_stage_destroy(g->bus_stages[i]);
    free(g->bus_stages);
    free(g->buses);
    pipeline_destroy(g->pipeline);
    worker_finish(&g->main);
    if (g->signals >= 0)
        close(g->signals);
}
