/* SPDX-License-Identifier: Apache-2.0 */
/* Stage of the main thread: samples in, verdicts and alarms out. Steps every machine's detector
 * and every alarm; hands what must become durable to the store and what dashboards show to the
 * link. An alarm is stepped only while there is room for its alert, so that none is lost to a full
 * ring: the facts stay, the step comes later. */
#ifndef MW_DAEMON_PIPELINE_H
#define MW_DAEMON_PIPELINE_H

#include "base/ring.h"
#include "config/diff.h"
#include "daemon/bus.h"
#include "daemon/expiry.h"
#include "daemon/machine.h"
#include "daemon/timebase.h"
#include "daemon/worker.h"

#define PIPELINE_BLOBS   64 /* detector states on their way to the store */
#define PIPELINE_QUERIES 16
#define PIPELINE_SPARE   48 /* of them kept free for alerts */

struct channel_of_point {
    uint32_t machine;
    uint16_t channel;
};

struct device_watch {
    struct alarm alarm;
    uint8_t health;    /* enum device_health */
    int64_t online_us; /* monotonic: since when it is online */
    struct poller_stats stats;
    struct poller_refusals refusals;
    int result; /* why it is offline */
};

struct bus_watch {
    struct poller_stats stats, minute_stats; /* now, and when the running minute began */
    int64_t minute_us;                       /* monotonic */
    bool overloaded;                         /* in the last whole minute */
};

/* What has the size and the numbers of one configuration. */
struct pipeline_parts {
    const struct config *config; /* borrowed */
    struct machine **machines;   /* [n_machines], each owned */
    struct device_watch *devices;
    struct bus_watch *watched_buses;
    uint32_t *first_channel; /* [n_points + 1] into channels */
    struct channel_of_point *channels;
    struct frame_record *frame_items;
    uint32_t n_frame_items;
};

/* What became of the last wish for another configuration. */
struct reload_outcome {
    uint64_t n_done, n_refused; /* since the start; nothing to change counts as done */
    int64_t at_us;              /* UTC; 0: none was asked for */
    bool refused;
    char text[200];
};

struct pipeline {
    const struct config *config;
    struct machine **machines; /* [n_machines], each owned */
    struct device_watch *devices;
    struct bus_watch *watched_buses;
    struct bus_stage **buses; /* borrowed: where samples come from */
    size_t n_buses;
    uint32_t *first_channel; /* [n_points + 1] into channels */
    struct channel_of_point *channels;
    const char *config_file;
    struct reload_outcome reload;
    uint32_t next_number; /* of alarm episodes */
    struct timebase timebase;
    bool clock_untold; /* the store does not know the present offset yet */
    int64_t tick_us, look_us, state_us, news_us; /* monotonic: when each is due next */
    int64_t started_us;
    /* to the store */
    struct mw_ring frames, orders;
    uint64_t n_frames_lost; /* for want of room, in rings that were replaced */
    struct frame_record *frame_items;
    struct store_order *order_items;
    uint8_t *blobs; /* [PIPELINE_BLOBS][blob_bytes] */
    size_t blob_bytes;
    bool blob_free[PIPELINE_BLOBS];
    struct mw_ring queries; /* of people, for history */
    struct history_query query_items[PIPELINE_QUERIES];
    struct mw_ring *query_answers; /* the store's */
    struct worker *store;
    bool store_news;
    /* to the link */
    struct mw_ring link_news;
    struct machine_news *news_items;
    struct worker *link;
    /* newest figures of the other stages */
    struct db_stats db;
    struct store_figures store_figures;
    struct link_report link_report;
    bool unheard_told; /* that nobody is subscribed, once for each connection */
    char trouble[160]; /* of the store; empty: well */
    bool gives_up;     /* the outbox has overflowed since the figures before */
    struct expiry_told expiry_told[MW_CERTIFICATES];
};

/* buses may be empty. Borrows everything given until destroyed. */
int pipeline_create(struct pipeline **ret_pipeline, const struct config *config,
                    struct worker *store, struct worker *link);
void pipeline_destroy(struct pipeline *pipeline);

/* For another configuration: parts without machines; MW_ERR_NO_MEMORY. */
int pipeline_parts_create(struct pipeline_parts *ret_parts, const struct config *config);
/* With its machines, where there are any. */
void pipeline_parts_destroy(struct pipeline_parts *parts);
/* Puts parts into force, while store and link rest and the ring of frames is empty; *parts has what
 * was in force before. */
void pipeline_swap(struct pipeline *pipeline, struct pipeline_parts *parts);
/* The way of a new configuration (pipeline_reload.c), store and link at rest:
 * pipeline_retire ends the alarms of machines and devices that are not in it, as alerts that are
 * handed over; MW_ERR_AGAIN: there was no room for all, ask again.
 * pipeline_prepare makes all that can fail; those machines that are new have no state yet.
 * pipeline_put_into_force cannot fail: takes parts over; scratch is of blob_bytes. */
int pipeline_retire(struct pipeline *pipeline, const struct config *fresh,
                    const struct config_diff *diff, const struct clock_time *now);
int pipeline_prepare(struct pipeline *pipeline, struct pipeline_parts *ret_parts,
                     const struct config *fresh, const struct config_diff *diff);
void pipeline_put_into_force(struct pipeline *pipeline, struct pipeline_parts *parts,
                             const struct config_diff *diff, uint8_t *scratch);
/* Takes in all that the stage has handed over. */
void pipeline_take_stage(struct pipeline *pipeline, struct bus_stage *stage,
                         const struct clock_time *now);

/* Takes samples and reports from the buses, steps detectors and alarms, hands on. Returns the
 * microseconds until it wants to be called again. */
int64_t pipeline_step(struct pipeline *pipeline, const struct clock_time *now);

/* A report of the store or the link. The model of STORE_MODEL is installed or rejected. */
void pipeline_store_report(struct pipeline *pipeline, struct store_report *report,
                           const struct clock_time *now);
void pipeline_link_report(struct pipeline *pipeline, const struct link_report *report);

/* Requests of people. MW_ERR_NOT_FOUND: no such machine; MW_ERR_STATE: it learns already;
 * MW_ERR_REFUSED: it is in alarm; MW_ERR_AGAIN: no room, ask again; MW_ERR_INVALID: history is off,
 * and there is nothing to learn from. */
int pipeline_acknowledge(struct pipeline *pipeline, const char *subject,
                         const struct clock_time *now);
int pipeline_accept(struct pipeline *pipeline, const char *machine, const struct clock_time *now);
int pipeline_learn(struct pipeline *pipeline, const char *machine);
struct machine *pipeline_machine(struct pipeline *pipeline, const char *name);

/* Before the end: marks every detector's state as to be saved; then hands over as many as there is
 * room for, again and again, until it returns true. */
void pipeline_begin_saving(struct pipeline *pipeline);
bool pipeline_save_some(struct pipeline *pipeline, int64_t now_us);

uint32_t pipeline_devices_offline(const struct pipeline *pipeline);
uint32_t pipeline_machines_active(const struct pipeline *pipeline);
uint64_t pipeline_polls(const struct pipeline *pipeline);
uint64_t pipeline_windows(const struct pipeline *pipeline);
uint64_t pipeline_bytes_polled(const struct pipeline *pipeline);

#endif
