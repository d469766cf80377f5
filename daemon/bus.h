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

/* Waiting for the pipeline at most; the rings are as large as the stage's points and devices need.
 * What finds no room is dropped and counted. */
#define BUS_SAMPLES 8192
#define BUS_REPORTS 4096
/* The pipeline is woken at once for events and for samples that come this long after the last time;
 * others wait for those, at most until the second. 28: every third sample of 10 ms, with 2 ms to
 * spare, so that a fast device costs no timer of its own. */
#define BUS_HANDOVER_US      28000
#define BUS_HANDOVER_LAST_US 40000
#define BUS_ORDERS           512 /* people's, all buses of the stage; full: they are told to ask again */
#define BUS_ANSWERS          16 /* at most one per bus is under way */
#define BUS_FRAMES           256 /* of a recording, waiting for the main thread; more are counted as lost */

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
    bool pushed;           /* samples, in the running step */
    bool urgent;           /* an event waits */
    bool waits;            /* something pushed earlier does */
    int64_t told_us;       /* monotonic: when the pipeline was woken last */
    int64_t stats_us;      /* monotonic: next hand-out of counters */
    struct clock_time now; /* of the running step */
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
