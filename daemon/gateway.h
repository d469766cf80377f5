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

struct gateway {
    const struct config *config;
    struct worker main, store, link;
    struct worker *buses;
    struct bus_stage **bus_stages;
    size_t n_bus_stages;
    struct pipeline *pipeline;
    struct store_stage *store_stage;
    struct uplink_stage *uplink_stage;
    struct control control;
    int signals;       /* signalfd */
    int signal_number; /* that ends it */
    int64_t watchdog_us, watchdog_due_us, status_us;
    bool ready;
};

/* Builds everything; starts no thread yet. Failures are in the journal. MW_ERR_IO: the store or a
 * file; MW_ERR_STATE: another daemon runs. Borrows config. */
int gateway_open(struct gateway *gateway, const struct config *config);
/* Runs until SIGTERM or SIGINT. */
int gateway_run(struct gateway *gateway);
void gateway_close(struct gateway *gateway);

#endif
