/* SPDX-License-Identifier: Apache-2.0 */
/* The units of one bus: which of them is believed, and which may be asked when. Pure; belongs to a
 * poller.
 *
 * RTU: after any error a unit is suspect. It is left alone until nothing unasked was heard for its
 * turnaround, and believed again only when a canary (canary.h) came back; the first exchange with
 * every unit is one, since a reply to a process before this one may still be under way.
 *
 * Units that are offline are asked ever more rarely (health.h) and in turn, and all of them
 * together take at most 2 % of the line's time. */
#ifndef MW_FIELDBUS_UNITS_H
#define MW_FIELDBUS_UNITS_H

#include "fieldbus/device.h"
#include "fieldbus/health.h"
#include "fieldbus/plan.h"
#include "fieldbus/poller.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unit {
    const struct device_config *settings;
    uint32_t index; /* in the configuration */
    struct health health;
    struct poller_stats stats; /* counted by the poller */
    bool suspect;              /* RTU: not believed before a canary came back */
    int64_t quiet_until_us;    /* RTU: not asked before; a late reply may still come */
    uint32_t n_canaries;       /* sent since it became suspect */
    int64_t period_us;         /* of its most frequent poll; 0: it is not polled */
};

struct units {
    struct unit *items; /* one for each of the plan's devices, in their order */
    size_t n;
    int64_t probe_after_us; /* those that are offline are left alone until then */
};

/* One unit for each device of the plan; borrows their settings until finish. indexes: theirs in the
 * configuration. MW_ERR_NO_MEMORY. */
int units_init(struct units *ret_units, const struct bus_config *bus, const struct plan *plan,
               const uint32_t *indexes, size_t n);
void units_finish(struct units *units);

/* Before each step: time for probes is saved up from the first one on. */
void units_begin(struct units *units, int64_t now_us);

/* The first unit with this address on the bus, or NULL. */
struct unit *units_at(const struct units *units, uint8_t address);

/* The one with this index into the configuration's devices, or NULL. */
const struct unit *units_find(const struct units *units, uint32_t index);

/* RTU: nobody with this address is believed until the line was quiet and a canary came back. */
void units_suspect(struct units *units, uint8_t address, int64_t now_us);

/* RTU: bytes that nobody asked for are a late reply, or noise; whoever may have sent them is given
 * the whole turnaround again. */
void units_heard_unasked(struct units *units, int64_t now_us);

/* The unit's canary is back. */
void units_believe(struct unit *unit);

/* All are believed without one, until their first error. */
void units_trust(struct units *units);

/* An exchange with an offline unit, begun at sent_us, went unanswered. Probes like it take 1/55 of
 * the line's time, all together; what was not used of the last 100 s may be used at once. */
void units_probed(struct units *units, int64_t sent_us, int64_t now_us);

/* May this unit be asked now, for all that is known of it? */
bool units_may_ask(const struct units *units, const struct unit *unit, int64_t now_us);

#endif
