/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/reload.h"
#include "base/result.h"
#include "daemon/handover.h"
#include "daemon/journal.h"
#include "daemon/notify.h"
#include "daemon/reload_parts.h"
#include "daemon/reload_words.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REST_LOOK_US  1000 /* while stages come to rest */
#define SETTLE_ROUNDS 1000 /* of 64 orders and 2048 frames; more than the rings hold */

enum reload_state {
    RELOAD_IDLE = 0,
    RELOAD_READING, /* the reader's thread reads and compares */
    RELOAD_RESTING, /* store and link come to rest */
    RELOAD_SWAPPING /* the touched buses do, and nothing else moves */
};

struct reload {
    struct gateway *g;
    enum reload_state state;
    uint64_t asked, serving, served;
    int64_t not_before_us, since_us;
    /* the reader's while it runs */
    struct worker reader;
    struct config *fresh;
    struct config_diff diff;
    int result; /* of reading */
    struct reload_words words;
    /* made before anything is changed */
    struct pipeline_parts pipeline;
    struct store_parts store;
    struct uplink_parts uplink;
    struct bus_plan buses;
};

/* ---- the reader ---- */

static void take_error(void *ctx, const struct config_error *error)
{
    struct reload *r = ctx;
    reload_words_error(&r->words, error);
}

/* The configuration in force does not change while this runs. */
static int64_t read_step(void *ctx, const struct clock_time *now)
{
    struct reload *r = ctx;
    (void)now;
    r->result = config_load(&r->fresh, r->g->config_file, r->g->profiles, CONFIG_HERE_STARTS,
                            take_error, r);
    if (r->result >= 0) {
        config_diff(&r->diff, r->g->config, r->fresh);
        r->result = r->diff.no_memory ? MW_ERR_NO_MEMORY : MW_OK;
    }
    worker_ask_stop(&r->reader);
    return 0;
}

int reload_create(struct reload **ret_reload, struct gateway *gateway)
{
    struct reload *r = calloc(1, sizeof *r);
    if (!r)
        return MW_ERR_NO_MEMORY;
    r->g = gateway;
    *ret_reload = r;
    return MW_OK;
}

static void forget_parts(struct reload *r)
{
    if (r->pipeline.config)
        pipeline_parts_destroy(&r->pipeline);
    store_parts_destroy(&r->store);
    uplink_parts_destroy(&r->uplink);
    bus_plan_destroy(&r->buses);
}

static void forget(struct reload *r)
{
    forget_parts(r);
    config_diff_finish(&r->diff);
    config_free(r->fresh);
    r->fresh = NULL;
}

void reload_destroy(struct reload *r)
{
    if (!r)
        return;
    worker_finish(&r->reader);
    if (r->state >= RELOAD_RESTING) { /* what is left is theirs to do */
        worker_rest(&r->g->store);
        worker_rest(&r->g->link);
        (void)worker_start(&r->g->store);
        (void)worker_start(&r->g->link);
    }
    forget(r);
    reload_words_clear(&r->words);
    free(r);
}

uint64_t reload_ask(struct reload *r)
{
    return ++r->asked;
}

uint64_t reload_served(const struct reload *r)
{
    return r->served;
}

char *reload_answer(const struct reload *r)
{
    return reload_words_json(&r->words);
}

bool reload_is_swapping(const struct reload *r)
{
    return r->state == RELOAD_SWAPPING;
}

bool reload_is_busy(const struct reload *r, int64_t now_us)
{
    return r->state >= RELOAD_RESTING && now_us - r->since_us < RELOAD_REST_US;
}

/* ---- ends ---- */

/* Whoever looks after many gateways from afar hears of it as well. */
static void tell_refused(struct reload *r, const struct clock_time *now)
{
    struct pipeline *p = r->g->pipeline;
    struct store_order order = { .kind = STORE_EVENT,
                                 .machine = UINT32_MAX,
                                 .blob = NO_BLOB,
                                 .offset_us = p->timebase.offset_us };
    order.event = (struct mw_event){ .kind = MW_EVENT_CONFIG_REFUSED,
                                     .severity = MW_SEVERITY_WARNING,
                                     .clock_synced = p->timebase.synced,
                                     .at_us = now->utc_us };
    snprintf(order.event.file, sizeof order.event.file, "%s", reload_words_first(&r->words));
    if (handover_has_room(p))
        handover_order(p, &order);
}

static void end(struct reload *r, const struct clock_time *now)
{
    struct reload_outcome *outcome = &r->g->pipeline->reload;
    bool refused = r->words.code != 0;
    outcome->n_done += !refused;
    outcome->n_refused += refused;
    outcome->refused = refused;
    outcome->at_us = now->utc_us;
    snprintf(outcome->text, sizeof outcome->text, "%s", reload_words_first(&r->words));
    journal_reload(&r->words);
    if (refused)
        tell_refused(r, now);
    forget(r);
    r->served = r->serving;
    r->state = RELOAD_IDLE;
    r->not_before_us = now->mono_us + RELOAD_PAUSE_US;
    notify_ready();
    malloc_trim(0); /* reading takes several times the file's size */
}

static bool start(struct worker *worker)
{
    return worker->started || worker_start(worker) >= 0;
}

/* Everything that rests goes on. Without a thread for it nothing can: the service starts anew. */
static void start_all(struct reload *r)
{
    struct gateway *g = r->g;
    bool all = start(&g->store) && start(&g->link);
    for (size_t i = 0; i < g->n_bus_stages; i++)
        all = start(g->buses[i]) && all;
    if (all)
        return;
    journal_failed("reload", "a thread cannot be started; stopping");
    worker_ask_stop(&g->main);
}

static void refuse(struct reload *r, int code, const char *why, const struct clock_time *now)
{
    reload_words_refuse(&r->words, code, why);
    if (r->state >= RELOAD_RESTING)
        start_all(r);
    end(r, now);
}

/* ---- the way ---- */

static void begin(struct reload *r, const struct clock_time *now)
{
    struct stage body = {
        .name = "reload", .bound_us = INT64_MAX / 2, .step = read_step, .ctx = r
    };
    reload_words_clear(&r->words);
    r->serving = r->asked;
    r->since_us = now->mono_us;
    r->result = MW_ERR_NO_MEMORY;
    notify_reloading(now->mono_us);
    r->state = RELOAD_READING;
    if (worker_init(&r->reader, &body) < 0 || worker_start(&r->reader) < 0) {
        worker_finish(&r->reader);
        refuse(r, RELOAD_CODE_LATER, "there is no thread or descriptor left to read it with", now);
    }
}

static int code_of(int result)
{
    switch (result) {
    case MW_ERR_NOT_FOUND: return RELOAD_CODE_NO_FILE;
    case MW_ERR_IO: return RELOAD_CODE_IO;
    case MW_ERR_NO_MEMORY: return RELOAD_CODE_LATER;
    default: return RELOAD_CODE_CONFIG;
    }
}

/* What was read is wrong, is nothing new, or cannot be had; else store and link come to rest. */
static void weigh(struct reload *r, const struct clock_time *now)
{
    char why[200];
    struct gateway *g = r->g;
    worker_finish(&r->reader);
    if (r->result < 0) {
        refuse(r, code_of(r->result), "the configuration is wrong; nothing was changed", now);
        return;
    }
    reload_words_changes(&r->words, &r->diff);
    if (r->diff.n_restart > 0) {
        refuse(r, RELOAD_CODE_CONFIG,
               "needs a restart; nothing was changed ('systemctl restart millwrightd')", now);
    } else if (r->diff.n_changes == 0) {
        reload_words_done(&r->words, "nothing has changed");
        end(r, now);
    } else if (g->pipeline->trouble[0]) {
        refuse(r, RELOAD_CODE_LATER, "the store is not well; nothing was changed, ask again", now);
    } else if (gateway_check_descriptors(g, r->fresh, why, sizeof why) < 0) {
        refuse(r, RELOAD_CODE_CONFIG, why, now);
    } else {
        r->state = RELOAD_RESTING;
        r->since_us = now->mono_us;
        worker_ask_stop(&g->store);
        worker_ask_stop(&g->link);
    }
}

/* All that was handed to the store is stored. */
static int settle(struct reload *r, const struct clock_time *now)
{
    bool more = true;
    int result = MW_OK;
    for (int i = 0; result >= 0 && more && i < SETTLE_ROUNDS; i++) {
        result = store_settle_some(r->g->store_stage, now, &more);
        gateway_take_reports(r->g, now);
    }
    return result >= 0 && more ? MW_ERR_AGAIN : result;
}

static int settle_and_retire(struct reload *r, const struct clock_time *now)
{
    int result = MW_ERR_AGAIN;
    for (int i = 0; result == MW_ERR_AGAIN && i < SETTLE_ROUNDS; i++) {
        result = settle(r, now);
        if (result >= 0)
            result = pipeline_retire(r->g->pipeline, r->fresh, &r->diff, now);
    }
    return result >= 0 ? settle(r, now) : result;
}

/* Machines and devices that are new may have been here before. */
static int restore_added(struct reload *r, const struct clock_time *now)
{
    struct db *db = r->g->store_stage->db;
    size_t n_scratch = r->g->pipeline->blob_bytes;
    uint8_t *scratch = malloc(n_scratch);
    if (!scratch)
        return MW_ERR_NO_MEMORY;
    for (size_t m = 0; m < r->fresh->n_machines; m++)
        if (r->diff.machines[m] == DIFF_NONE)
            restore_machine(db, r->store.machines[m], r->pipeline.machines[m], scratch, n_scratch,
                            now);
    for (size_t d = 0; d < r->fresh->n_devices; d++)
        if (r->diff.devices[d] == DIFF_NONE)
            restore_device(db, r->fresh->devices[d].name, &r->pipeline.devices[d].alarm);
    free(scratch);
    return MW_OK;
}

static int make_all(struct reload *r, const struct clock_time *now)
{
    struct gateway *g = r->g;
    int result = settle_and_retire(r, now);
    if (result >= 0)
        result = uplink_prepare(g->uplink_stage, &r->uplink, r->fresh, &r->diff);
    if (result >= 0)
        result = bus_plan_make(&r->buses, g, r->fresh, &r->diff);
    if (result >= 0)
        result = pipeline_prepare(g->pipeline, &r->pipeline, r->fresh, &r->diff);
    if (result >= 0)
        result = store_prepare(g->store_stage, &r->store, r->fresh, &r->diff, now);
    return result >= 0 ? restore_added(r, now) : result;
}

static void rest(struct reload *r, const struct clock_time *now)
{
    struct gateway *g = r->g;
    if (!worker_has_ended(&g->store) || !worker_has_ended(&g->link))
        return;
    worker_rest(&g->store);
    worker_rest(&g->link);
    gateway_take_reports(g, now);
    int result = make_all(r, now);
    if (result < 0) {
        char why[160];
        snprintf(why, sizeof why, "cannot be put into force: %s; nothing was changed",
                 mw_result_text(result));
        refuse(r, RELOAD_CODE_LATER, why, now);
        return;
    }
    r->state = RELOAD_SWAPPING;
    for (size_t s = 0; s < r->buses.n_present; s++)
        if (r->buses.stages[s].touched)
            worker_ask_stop(g->buses[s]);
}

static bool have_ended(const struct reload *r)
{
    for (size_t s = 0; s < r->buses.n_present; s++)
        if (r->buses.stages[s].touched && !worker_has_ended(r->g->buses[s]))
            return false;
    return true;
}

/* Nothing here can fail. */
static void swap(struct reload *r, const struct clock_time *now)
{
    struct gateway *g = r->g;
    if (!have_ended(r))
        return;
    for (size_t s = 0; s < r->buses.n_present; s++)
        if (r->buses.stages[s].touched)
            worker_rest(g->buses[s]);
    control_reloaded(&g->control, r->fresh, &r->diff, r->buses.n_touched > 0);
    uplink_put_into_force(g->uplink_stage, &r->uplink, r->fresh, &r->diff, now->utc_us);
    store_put_into_force(g->store_stage, &r->store, r->fresh, &r->diff);
    bus_plan_put_into_force(&r->buses, g, r->fresh, &r->diff);
    /* No order is under way: its blobs are free to be scratch. */
    pipeline_put_into_force(g->pipeline, &r->pipeline, &r->diff, g->pipeline->blobs);
    config_free(g->config);
    g->config = r->fresh;
    r->fresh = NULL;
    reload_words_done(&r->words, "in force");
    start_all(r);
    end(r, now);
}

int64_t reload_step(struct reload *r, const struct clock_time *now)
{
    switch (r->state) {
    case RELOAD_IDLE:
        if (r->asked > r->serving && now->mono_us >= r->not_before_us)
            begin(r, now);
        else if (r->asked > r->serving)
            return r->not_before_us - now->mono_us;
        break;
    case RELOAD_READING:
        if (worker_has_ended(&r->reader))
            weigh(r, now);
        break;
    case RELOAD_RESTING: rest(r, now); break;
    case RELOAD_SWAPPING: swap(r, now); break;
    }
    if (r->state == RELOAD_READING)
        return 10 * REST_LOOK_US;
    return r->state == RELOAD_IDLE ? INT64_MAX : REST_LOOK_US;
}
