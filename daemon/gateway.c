/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/gateway.h"
#include "base/result.h"
#include "base/sha256.h"
#include "daemon/journal.h"
#include "daemon/notify.h"
#include "daemon/reload.h"
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
        if (info.ssi_signo == SIGHUP) {
            reload_ask(g->reload);
            continue;
        }
        g->signal_number = (int)info.ssi_signo;
        worker_ask_stop(&g->main);
    }
}

void gateway_take_reports(struct gateway *g, const struct clock_time *now)
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
    if (reload_is_busy(g->reload, now_us)) { /* stages rest by intent */
        notify_watchdog();
        return;
    }
    bool alive = is_alive(g, &g->store, now_us) && is_alive(g, &g->link, now_us);
    for (size_t i = 0; i < g->n_bus_stages; i++)
        alive = is_alive(g, g->buses[i], now_us) && alive;
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
    int64_t reload_us = reload_step(g->reload, now);
    gateway_take_reports(g, now);
    int64_t wait_us = reload_us;
    if (!reload_is_swapping(g->reload)) {
        wait_us = pipeline_step(g->pipeline, now);
        control_step(&g->control, now);
    }
    if (!g->ready) {
        g->ready = true;
        notify_ready();
    }
    feed_watchdog(g, now->mono_us);
    tell_systemd(g, now->mono_us);
    return reload_us < wait_us ? reload_us : wait_us;
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

/* Every bus holds a descriptor at times; all else together fewer than OTHER_DESCRIPTORS. */
static uint64_t descriptors_for(const struct config *config)
{
    return config->n_buses + OTHER_DESCRIPTORS;
}

int gateway_check_descriptors(const struct gateway *g, const struct config *config, char *ret_why,
                              size_t cap)
{
    uint64_t wanted = descriptors_for(config);
    if (wanted <= g->n_descriptors)
        return MW_OK;
    snprintf(ret_why, cap,
             "%zu buses need %llu file descriptors and %llu are allowed (LimitNOFILE= of the unit, "
             "ulimit -n)",
             config->n_buses, (unsigned long long)wanted, (unsigned long long)g->n_descriptors);
    return MW_ERR_TOO_BIG;
}

/* The soft limit is raised as far as the largest configuration would need and no further: later
 * nobody may ask or change it (sandbox.h). */
static int reserve_descriptors(struct gateway *g)
{
    rlim_t most = CONFIG_MAX_DEVICES + OTHER_DESCRIPTORS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return MW_ERR_IO;
    if (limit.rlim_cur < most) {
        limit.rlim_cur = limit.rlim_max < most ? limit.rlim_max : most;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            return MW_ERR_IO;
    }
    g->n_descriptors = limit.rlim_cur;
    return MW_OK;
}

static int open_signals(struct gateway *g)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGHUP); /* reads the configuration again */
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    signal(SIGPIPE, SIG_IGN);
    g->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    return g->signals < 0 ? MW_ERR_IO : MW_OK;
}

int gateway_make_stage(struct gateway *g, struct bus_parts *parts, struct bus_stage **ret_stage,
                       struct worker **ret_worker)
{
    struct bus_stage *stage = NULL;
    struct worker *worker = calloc(1, sizeof *worker);
    int result = worker ? bus_stage_create(&stage, parts, &g->main) : (int)MW_ERR_NO_MEMORY;
    if (result >= 0) {
        struct stage body = bus_stage(stage);
        result = worker_init(worker, &body);
    }
    if (result < 0) {
        if (stage)
            stage->parts.n_entries = 0; /* they stay the caller's */
        bus_stage_destroy(stage);
        free(worker);
        return result;
    }
    stage->worker = worker;
    *ret_stage = stage;
    *ret_worker = worker;
    return MW_OK;
}

void gateway_append_stage(struct gateway *g, struct bus_stage *stage, struct worker *worker)
{
    g->bus_stages[g->n_bus_stages] = stage;
    g->buses[g->n_bus_stages++] = worker;
    g->pipeline->n_buses = g->n_bus_stages;
}

static int add_stage_of(struct gateway *g, const uint32_t *buses, size_t n)
{
    struct bus_entry **entries = calloc(n, sizeof(struct bus_entry *));
    struct bus_parts parts = { 0 };
    struct bus_stage *stage = NULL;
    struct worker *worker = NULL;
    int result = entries ? MW_OK : MW_ERR_NO_MEMORY;
    for (size_t i = 0; result >= 0 && i < n; i++)
        result = bus_entry_create(&entries[i], g->config, buses[i], g->epoch_us);
    if (result >= 0)
        result = bus_parts_create(&parts, entries, n);
    if (result >= 0)
        result = gateway_make_stage(g, &parts, &stage, &worker);
    if (result >= 0)
        gateway_append_stage(g, stage, worker);
    for (size_t i = 0; result < 0 && entries && i < n; i++)
        bus_entry_destroy(entries[i]);
    if (result < 0)
        bus_parts_destroy(&parts);
    free(entries);
    return result;
}

/* Every RTU line has a thread; TCP connections are dealt out over a few. */
static int make_buses(struct gateway *g)
{
    const struct config *c = g->config;
    int result = MW_OK;
    uint32_t *dealt = calloc(c->n_buses + 1, sizeof *dealt);
    g->buses = calloc(GATEWAY_MAX_STAGES, sizeof(struct worker *));
    g->bus_stages = calloc(GATEWAY_MAX_STAGES, sizeof(struct bus_stage *));
    if (!dealt || !g->buses || !g->bus_stages)
        result = MW_ERR_NO_MEMORY;
    g->pipeline->buses = g->bus_stages;
    for (uint32_t b = 0; result >= 0 && b < c->n_buses; b++)
        if (c->buses[b].kind == BUS_RTU)
            result = add_stage_of(g, &b, 1);
    for (uint32_t t = 0; result >= 0 && t < GATEWAY_TCP_THREADS; t++) {
        size_t n = 0, seen = 0;
        for (uint32_t b = 0; b < c->n_buses; b++)
            if (c->buses[b].kind == BUS_TCP && seen++ % GATEWAY_TCP_THREADS == t)
                dealt[n++] = b;
        if (n > 0)
            result = add_stage_of(g, dealt, n);
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
    const char *path = g->config->store.path;
    if (result == MW_ERR_UNSUPPORTED && report.migrated_from != report.migrated_to)
        journal_db_refused(path, &report);
    else if (result < 0)
        journal_failed(path, word_store(path, result));
    if (result < 0)
        return result;
    journal_db(&report);
    spool_make(g->config->spool);
    g->store.stage = store_stage(g->store_stage);
    g->pipeline->query_answers = &g->store_stage->query_answers;
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

int gateway_open(struct gateway *g, struct config *config, const char *file, const char *profiles)
{
    struct clock_time now = clock_read();
    char why[256];
    *g = (struct gateway){ .config = config,
                           .config_file = file,
                           .profiles = profiles,
                           .epoch_us = now.mono_us,
                           .signals = -1,
                           .control = { .listener = -1 } };
    forget_proxies();
    int result = reserve_descriptors(g);
    if (result >= 0 && gateway_check_descriptors(g, config, why, sizeof why) < 0) {
        journal_failed("start", why);
        return MW_ERR_TOO_BIG;
    }
    if (result >= 0)
        result = open_signals(g);
    if (result >= 0)
        result = init_workers(g);
    if (result >= 0)
        result = pipeline_create(&g->pipeline, config, &g->store, &g->link);
    if (result >= 0)
        result = reload_create(&g->reload, g);
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
    g->control.reload = g->reload;
    g->pipeline->config_file = file;
    result = make_store(g, &now);
    if (result >= 0)
        result = make_uplink(g, &now);
    if (result < 0)
        return result;
    result = make_buses(g);
    if (result < 0)
        journal_failed("buses", mw_result_text(result));
    g->watchdog_us = notify_watchdog_us();
    return result;
}

int gateway_run(struct gateway *g)
{
    int result = worker_start(&g->store);
    if (result >= 0)
        result = worker_start(&g->link);
    for (size_t i = 0; result >= 0 && i < g->n_bus_stages; i++)
        result = worker_start(g->buses[i]);
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
        gateway_take_reports(g, &now);
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
    reload_destroy(g->reload);
    g->reload = NULL;
    for (size_t i = 0; g->buses && i < g->n_bus_stages; i++)
        worker_finish(g->buses[i]);
    if (g->ready)
        save_all(g);
    worker_finish(&g->link);
    if (g->uplink_stage)
        uplink_stage_say_goodbye(g->uplink_stage, now.utc_us);
    worker_finish(&g->store);
    store_stage_destroy(g->store_stage);
    uplink_stage_destroy(g->uplink_stage);
    control_close(&g->control);
    for (size_t i = 0; i < g->n_bus_stages; i++) {
        bus_stage_destroy(g->bus_stages[i]);
        free(g->buses[i]);
    }
    free(g->bus_stages);
    free(g->buses);
    pipeline_destroy(g->pipeline);
    config_free(g->config);
    worker_finish(&g->main);
    if (g->signals >= 0)
        close(g->signals);
}
