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

/* One bus within a stage. It has copies of all settings it needs and counts its devices and polled
 * points from zero: a new configuration does not touch it, whatever numbers its objects get there.
 */
struct bus_entry {
    /* The main thread's: the numbers in the configuration in force. */
    uint32_t bus;
    uint32_t *devices; /* [n_devices] */
    uint32_t *points;  /* [n_points] */
    /* Constant while the stage runs. */
    uint32_t slot; /* among the stage's entries */
    struct bus_stage *stage;
    struct bus_config config;
    struct device_config *configs;
    struct point_config *polled;
    uint32_t *own_numbers; /* [n_devices] 0, 1, ... */
    size_t n_devices, n_points;
    /* The stage's thread's. */
    struct poller *poller;
    struct line_tap tap;
    bool reading;                   /* a guest is under way */
    uint64_t read_id;               /* which */
    _Atomic uint64_t n_frames_lost; /* of the recording, since start; counted here, read by main */
};

/* A stage's entries and the rings that are as large as they need. */
struct bus_parts {
    struct bus_entry **entries;
    size_t n_entries;
    struct mw_sample *sample_items;
    struct bus_report *report_items;
    uint32_t n_sample_items, n_report_items;
};

struct bus_stage {
    struct bus_parts parts;
    struct mw_ring samples, reports; /* to the pipeline; read with bus_stage_sample, _report */
    uint64_t n_dropped;              /* samples, of rings that were replaced */
    struct mw_ring orders;           /* from the main thread */
    struct mw_ring answers, frames;  /* to it: bus_answer, trace_frame */
    struct bus_order order_items[BUS_ORDERS];
    struct bus_answer *answer_items;
    struct trace_frame *frame_items;
    struct worker *worker;     /* its own, woken when there are orders; NULL: it is called anyway */
    struct worker *pipeline;   /* woken when samples came */
    struct bus_entry *current; /* being stepped */
    bool pushed;               /* samples, in the running step */
    bool urgent;               /* an event waits */
    bool waits;                /* something pushed earlier does */
    int64_t told_us;           /* monotonic: when the pipeline was woken last */
    int64_t stats_us;          /* monotonic: next hand-out of counters */
    struct clock_time now;     /* of the running step */
};

/* A line or connection of its own, not opened yet. Copies what it needs of config. */
int bus_entry_create(struct bus_entry **ret_entry, const struct config *config, uint32_t bus,
                     int64_t epoch_us);
void bus_entry_destroy(struct bus_entry *entry);
/* Main thread: what the entry serves is this bus of config, with the same devices and points in the
 * same order. */
void bus_entry_number(struct bus_entry *entry, const struct config *config, uint32_t bus);

/* Rings for these entries; copies the list, not the entries. */
int bus_parts_create(struct bus_parts *ret_parts, struct bus_entry *const *entries, size_t n);
/* Without the entries. */
void bus_parts_destroy(struct bus_parts *parts);

/* Takes parts over, entries included, until destroyed. Borrows pipeline. */
int bus_stage_create(struct bus_stage **ret_stage, struct bus_parts *parts,
                     struct worker *pipeline);
void bus_stage_destroy(struct bus_stage *stage);
struct stage bus_stage(struct bus_stage *stage);

/* While it does not run and its rings are empty: other entries and rings, which are taken over.
 * What it had is freed, but for the entries. */
void bus_stage_adopt(struct bus_stage *stage, struct bus_parts *parts);

/* Main thread: the oldest of what the stage has handed over, in the numbers of the configuration in
 * force; false: nothing waits. */
bool bus_stage_sample(struct bus_stage *stage, struct mw_sample *ret_sample);
bool bus_stage_report(struct bus_stage *stage, struct bus_report *ret_report);
bool bus_stage_frame(struct bus_stage *stage, struct trace_frame *ret_frame);
uint64_t bus_stage_samples_lost(struct bus_stage *stage);

/* Main thread: the entry that serves this bus, or NULL. An order is for its slot. */
struct bus_entry *bus_stage_entry(struct bus_stage *stage, uint32_t bus);

#endif
