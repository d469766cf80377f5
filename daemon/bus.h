/* SPDX-License-Identifier: Apache-2.0 */
/* Stage: wires in, samples out. One RTU line has a stage of its own, since a serial write may
 * block; TCP connections share stages. */
#ifndef MW_DAEMON_BUS_H
#define MW_DAEMON_BUS_H

#include "base/ring.h"
#include "config/config.h"
#include "daemon/messages.h"
#include "daemon/worker.h"

#define BUS_SAMPLES 8192 /* waiting for the pipeline; more are dropped and counted */
#define BUS_REPORTS 1024

struct bus_entry {
    uint32_t bus;
    struct poller *poller;
    struct device_config *configs; /* of the devices on this bus */
    uint32_t *devices;             /* and their indexes in the configuration */
    size_t n_devices;
};

struct bus_stage {
    const struct config *config;
    struct bus_entry *entries;
    size_t n_entries;
    struct mw_ring samples, reports; /* to the pipeline */
    struct mw_sample *sample_items;
    struct bus_report *report_items;
    struct worker *pipeline; /* woken when samples came */
    uint32_t current_bus;
    bool pushed;
    int64_t stats_us; /* monotonic: next hand-out of counters */
};

/* buses: indexes served by this stage. Borrows config and pipeline until destroyed. */
int bus_stage_create(struct bus_stage **ret_stage, const struct config *config,
                     const uint32_t *buses, size_t n_buses, int64_t epoch_us,
                     struct worker *pipeline);
void bus_stage_destroy(struct bus_stage *stage);
struct stage bus_stage(struct bus_stage *stage);

#endif
