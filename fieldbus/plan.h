/* SPDX-License-Identifier: Apache-2.0 */
/* Which request is due when. Points of one device, kind and period are read together as far as
 * max_registers and max_gap allow, never across registers that may not be read; a value is never
 * split over requests, and points within a block of the device are read by exactly that request.
 * Pure: the poller asks what is due and says what became of it.
 *
 * A request that the device refuses is halved within its slot until the refusal is down to one
 * value or to two that may not be read together. When the slot is over, what is left of the request
 * is put together again, around what was refused.
 *
 * Every poll has a grid: slot s is due at epoch + s * period + offset, with offsets spread over the
 * first half of the period so that a bus's requests do not bunch. Deadlines are absolute and never
 * drift. A slot that could not be begun before epoch + (s + 1) * period is skipped and counted,
 * never made up for in a burst. The slot number is the same for all polls of one period, on all
 * buses, whatever their offset: what bears one number was asked for within one period. */
#ifndef MW_FIELDBUS_PLAN_H
#define MW_FIELDBUS_PLAN_H

#include "fieldbus/device.h"
#include "fieldbus/refusals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_REST_US          INT64_C(60000000)  /* the wait where there is nothing to poll */
#define PLAN_REFUSED_AGAIN_US INT64_C(600000000) /* a refused register is tried this rarely */
#define PLAN_REVIEW_US        INT64_C(60000000)

/* One point in the plan. */
struct plan_entry {
    uint32_t device; /* index into the bus's devices */
    uint32_t point;  /* index into the configuration's points */
    enum register_kind kind;
    int64_t period_us;
    uint16_t address, n_registers;
    uint8_t block; /* of its device, counted from 1; 0: none */
};

/* One request that repeats. */
struct plan_poll {
    uint32_t device;
    uint32_t first, n; /* its entries */
    enum register_kind kind;
    uint16_t address, count;
    int64_t period_us, offset_us;
    int64_t slot;       /* to be run next */
    int64_t due_us;     /* when: on the grid, or later for a retry */
    int64_t lost_us;    /* skipped slots, as time */
    uint32_t n_retries; /* of this slot, so far */
    bool fixed;         /* a block: all or nothing */
    uint32_t origin;    /* polls of one number are pieces of one request */
    bool in_pieces;     /* to be put together once all pieces are done */
    bool refused;       /* the device refuses it, and it cannot be halved */
    int64_t refused_until_us;
};

struct plan {
    const struct device_config *devices; /* the bus's; borrowed */
    struct plan_entry *entries;          /* sorted by device, kind, period, address */
    struct plan_poll *polls;             /* room for one per entry, since refused ones are split */
    struct refusals refusals;
    size_t n_entries, n_polls;
    int64_t epoch_us;
    int64_t review_us; /* when refusals are looked through next */
    bool started;
};

/* Allocates the plan of a bus's points; those without a period are left out.
 *
 *   devices  settled, the bus's; borrowed until plan_finish
 *   points   settled, the whole configuration's
 *
 * A value longer than its device's max_registers is read all the same. MW_ERR_NO_MEMORY. */
int plan_init(struct plan *ret_plan, const struct device_config *devices, size_t n_devices,
              const struct point_config *points, int64_t epoch_us);
void plan_finish(struct plan *plan);

/* The poll that is due at now_us, its slot set to the one that has begun, or NULL. Where several
 * are, the one that has waited longest, the slots it lost so far included. It stays due until
 * plan_done or plan_retry. The first call begins all grids at now_us.
 *
 * ret_wait_us    how long nothing is due; 0 with a poll
 * ret_n_skipped  slots of this poll that were passed over; the caller counts them */
struct plan_poll *plan_due(struct plan *plan, int64_t now_us, int64_t *ret_wait_us,
                           uint64_t *ret_n_skipped);

/* The slot is over, well or ill: the poll is next due on its grid. Ends the life of all pointers to
 * polls, since pieces may now have been put together. */
void plan_done(struct plan *plan, struct plan_poll *poll);

/* The same slot once more, at at_us. False, and nothing changed, where the next slot is due by
 * then. */
bool plan_retry(const struct plan *plan, struct plan_poll *poll, int64_t at_us);

/* The device answered this request with an exception that will come again. True where the poll was
 * halved, as may_halve allows: both halves are due at once for the same slot. False: it is not to
 * be asked before PLAN_REFUSED_AGAIN_US are over. */
bool plan_refused(struct plan *plan, struct plan_poll *poll, uint8_t exception, bool may_halve,
                  int64_t now_us);

/* The device handed it over. */
void plan_accepted(struct plan *plan, struct plan_poll *poll);

/* No register (or bit) of this range is in a no_read range of the device, nor in one of its blocks,
 * unless the range is just that block. */
bool plan_may_read(const struct device_config *device, enum register_kind kind, uint32_t address,
                   uint32_t count);

#endif
