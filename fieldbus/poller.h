/* SPDX-License-Identifier: Apache-2.0 */
/* Polls the devices of one bus: plan, line, decode and health put together. One poller is one RTU
 * line or one TCP connection; it never blocks longer than the line's own I/O call. The daemon runs
 * RTU pollers in a thread each and spreads TCP pollers over at most 8 threads. */
#ifndef MW_FIELDBUS_POLLER_H
#define MW_FIELDBUS_POLLER_H

#include "fieldbus/device.h"
#include "fieldbus/guest.h"
#include "fieldbus/histogram.h"
#include "fieldbus/line.h"
#include "fieldbus/refusals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum device_health { DEVICE_UNKNOWN = 0, DEVICE_ONLINE, DEVICE_RETRYING, DEVICE_OFFLINE };

/* What happened to a device or the bus that people should hear of; one per change of state. */
struct poller_event {
    uint32_t device; /* index into the configuration's devices; UINT32_MAX: the whole bus */
    uint8_t health;  /* enum device_health */
    int result;      /* enum mw_result: why, for RETRYING and OFFLINE */
    int64_t at_us;   /* UTC */
};

/* Counted since start, per bus and per device; handed out by copy. */
struct poller_stats {
    /* n_requests: sent, canaries included; n_replies: answers believed, exceptions included;
     * n_mismatched: replies of the wrong shape or to another question; n_refused_stale: frames and
     * bytes that came unasked; n_slots_run: polls that ended in samples of any quality;
     * n_tried_again: requests for what the device had refused */
    uint64_t n_requests, n_replies, n_timeouts, n_exceptions, n_crc, n_mismatched, n_refused_stale,
        n_io_errors, n_reopens, n_slots_run, n_slots_missed, n_samples_good, n_samples_other,
        n_bytes_read, n_tried_again;
    struct histogram start;    /* how late polls began, after the moment they were due */
    struct histogram response; /* from request to the last byte of a believed answer */
    /* RTU: the least that an answer took beyond its and the request's time on the wire, the
     * device's thinking and the adapter's latency together; 0: not measured */
    uint64_t lag_min_us;
};

#define POLLER_MAX_REFUSALS 8

/* What a device refuses to hand over. */
struct poller_refusals {
    uint32_t n;                                /* in all */
    struct refusal items[POLLER_MAX_REFUSALS]; /* the first of them */
};

/* Where samples and events go; called from within poller_step. utc_offset_us is added to the
 * monotonic time of an exchange to give its UTC. */
struct poller_sink {
    void (*sample)(void *ctx, const struct mw_sample *sample);
    void (*event)(void *ctx, const struct poller_event *event);
    void *ctx;
};

struct poller;

/* devices: those of this bus, with their indexes in the configuration; points: the whole list.
 * epoch_us: monotonic instant of slot 0 of every grid, the same for all pollers of a gateway.
 * Borrows the settings until destroy; owns the line from now on (closes and destroys it in
 * poller_destroy). MW_ERR_NO_MEMORY, and the line is still the caller's. */
int poller_create(struct poller **ret_poller, const struct bus_config *bus,
                  const struct device_config *devices, const uint32_t *device_indexes,
                  size_t n_devices, const struct point_config *points, struct line *line,
                  int64_t epoch_us);
void poller_destroy(struct poller *poller);

/* Does what is due at now_us and returns for how many microseconds nothing more is, unless the
 * descriptor becomes ready first; 0: call again at once.
 *
 * Every slot of every point ends in one sample, GOOD or not, or is skipped and counted: a slot is
 * run also where its device is known not to answer, and then costs the wire nothing.
 *
 * RTU: after any error a unit is left alone until nothing unasked was heard for its turnaround, and
 * believed again only when a canary (canary.h) came back; the first exchange with every unit is
 * one. TCP: after any error the connection is closed and opened anew. Devices that are offline
 * are asked ever more rarely (health.h) and in turn, and all of them together take at most 2 % of
 * the line's time. A repaired one of n is back within the longer of HEALTH_MAX_WAIT_US and
 * n * (55 * timeout + period): of eight, with 300 ms and 1 s, within two and a half minutes.
 */
int64_t poller_step(struct poller *poller, int64_t now_us, int64_t utc_offset_us,
                    const struct poller_sink *sink);

/* Before the first step: no reply to a process before this one can be under way, since the line is
 * a recording; serial units are believed without a canary until their first error. */
void poller_trust(struct poller *poller);

/* A read between the polls (guest.h); it takes at most a fifth of the line's time and no poll waits
 * for more than one of them. A unit that is not the devices' may be asked too; one that does not
 * answer is left alone for its turnaround, as after a poll. TCP: after an error the connection is
 * made anew. Not counted among the requests. MW_ERR_STATE: one is under way; MW_ERR_INVALID. */
int poller_guest_ask(struct poller *poller, const struct line_request *request, int64_t now_us);
bool poller_guest_take(struct poller *poller, struct guest_answer *ret_answer);

/* Lets somebody see the bytes of the line from its next request on; NULL: nobody. Borrowed until
 * it is replaced. */
void poller_tap(struct poller *poller, const struct line_tap *tap);

/* Descriptor and poll(2) events to wait for, or -1. */
int poller_descriptor(const struct poller *poller, short *ret_events);

struct poller_stats poller_bus_stats(const struct poller *poller);
/* device: index into the configuration's devices. While the whole bus is down, which is one event
 * of the bus, all its devices are OFFLINE; afterwards each is what it was. */
struct poller_stats poller_device_stats(const struct poller *poller, uint32_t device);
struct poller_refusals poller_device_refusals(const struct poller *poller, uint32_t device);
enum device_health poller_device_health(const struct poller *poller, uint32_t device);

#endif
