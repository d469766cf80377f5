/* SPDX-License-Identifier: Apache-2.0 */
/* millwrightd, the composition: makes every stage from the configuration, in order, and undoes it
 * in reverse. Owns everything; the main thread is its pipeline stage. */
#ifndef MW_DAEMON_GATEWAY_H
#define MW_DAEMON_GATEWAY_H

#include "config/config.h"
#include "daemon/bus.h"
#include "daemon/control.h"
#include "daemon/pipeline.h"
#include "daemon/store.h"
#include "daemon/uplink.h"
#include "daemon/worker.h"

#define GATEWAY_TCP_THREADS 8

/* Each line has one; more only where TCP stages keep a thread of their own. */
#define GATEWAY_MAX_STAGES (CONFIG_MAX_DEVICES + GATEWAY_TCP_THREADS)

struct gateway {
    struct config *config; /* in force; owned */
    const char *config_file, *profiles;
    struct worker main, store, link;
    struct worker **buses;         /* [GATEWAY_MAX_STAGES] each owned */
    struct bus_stage **bus_stages; /* [GATEWAY_MAX_STAGES] each owned */
    size_t n_bus_stages;
    int64_t epoch_us;       /* monotonic: slot 0 of every grid */
    uint64_t n_descriptors; /* that may be open */
    struct pipeline *pipeline;
    struct store_stage *store_stage;
    struct uplink_stage *uplink_stage;
    struct control control;
    struct reload *reload;
    int signals;       /* signalfd */
    int signal_number; /* that ends it */
    int64_t watchdog_us, watchdog_due_us, status_us;
    bool ready;
};

/* Builds everything; starts no thread yet. Failures are in the journal. MW_ERR_IO: the store or a
 * file; MW_ERR_STATE: another daemon runs. Takes config over; borrows file and profiles, where it
 * was read from. */
int gateway_open(struct gateway *gateway, struct config *config, const char *file,
                 const char *profiles);
/* Runs until SIGTERM or SIGINT. */
int gateway_run(struct gateway *gateway);
void gateway_close(struct gateway *gateway);

/* For a new configuration (reload.c): whether its buses get enough file descriptors; a stage of
 * these parts, taken over, with a thread that is not started yet; and it is one of the gateway's
 * from now on. */
int gateway_check_descriptors(const struct gateway *gateway, const struct config *config,
                              char *ret_why, size_t cap);
/* What store and link have told so far. */
void gateway_take_reports(struct gateway *gateway, const struct clock_time *now);
int gateway_make_stage(struct gateway *gateway, struct bus_parts *parts,
                       struct bus_stage **ret_stage, struct worker **ret_worker);
void gateway_append_stage(struct gateway *gateway, struct bus_stage *stage, struct worker *worker);

#endif
