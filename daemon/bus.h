/* SPDX-License-Identifier: Apache-2.0 */
/* Stage: wires in, samples out. One RTU line has a stage of its own, since a serial write may
 * block; TCP connections share stages. */
#ifndef MW_DAEMON_BUS_H
#define MW_DAEMON_BUS_H

#include "base/ring.h"
#include "config/config.h"
#include "daemon/messages.h"
#include "daemon/worker.h"
#include "fieldbus/trace.h"

#define BUS_SAMPLES 8192 /* waiting for the pipeline; more are dropped and counted */
#define BUS_REPORTS 1024
#define BUS_ORDERS  512 /* people's, all buses of the stage; full: they are told to ask again */
#define BUS_ANSWERS 16  /* at most one per bus is under way */
#define BUS_FRAMES  256 /* of a recording, waiting for the main thread; more are counted as lost */

struct bus_entry {
    uint32_t bus; /* index in the configuration */
    struct poller *poller;
    struct bus_stage *stage;
    struct line_tap tap;
    bool reading;                   /* a guest is under way */
    uint64_t read_id;               /* which */
    _Atomic uint64_t n_frames_lost; /* of the recording, since start; counted here, read by main */
    struct device_config *configs;  /* of the devices on this bus */
    uint32_t *devices;              /* and their indexes in the configuration */
    size_t n_devices;
};

struct bus_stage {
    const struct config *config;
    struct bus_entry *entries;
    size_t n_entries;
    struct mw_ring samples, reports; /* to the pipeline */
    struct mw_ring orders;           /* from the main thread */
    struct mw_ring answers, frames;  /* to it: bus_answer, trace_frame */
    struct bus_order order_items[BUS_ORDERS];
    struct bus_answer *answer_items;
    struct trace_frame *frame_items;
    struct mw_sample *sample_items;
    struct bus_report *report_items;
    struct worker *worker;   /* its own, woken when there are orders; NULL: it is called anyway */
    struct worker *pipeline; /* woken when samples came */
    uint32_t current_bus;
    bool pushed;
    struct clock_time now; /* of the running step */
    int64_t stats_us;      /* monotonic: next hand-out of counters */
};

/* buses: indexes served by this stage. Borrows config and pipeline until destroyed. */
int bus_stage_create(struct bus_stage **ret_stage, const struct config *config,
                     const uint32_t *buses, size_t n_buses, int64_t epoch_us,
                     struct worker *pipeline);
void bus_stage_destroy(struct bus_stage *stage);
struct stage bus_stage(struct bus_stage *stage);

/* The entry that serves this bus, or NULL. From any thread: entries do not move. */
struct bus_entry *bus_stage_entry(struct bus_stage *stage, uint32_t bus);

#endif
