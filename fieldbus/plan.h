/* SPDX-License-Identifier: Apache-2.0 */
/* Which request is due when. Points of one device, kind and period are read together as far as
 * max_registers and max_gap allow; a value is never split over requests. Pure: the poller asks what
 * is due and says what became of it.
 *
 * Every poll has a grid: slot s is due at epoch + s * period + offset, with offsets spread over the
 * period so that a bus's requests do not bunch. Deadlines are absolute and never drift. A slot that
 * could not be run before the next one was due is skipped and counted, never made up for in a
 * burst. The slot number is the same for all polls of one period, whatever their offset. */
#ifndef MW_FIELDBUS_PLAN_H
#define MW_FIELDBUS_PLAN_H

#include "fieldbus/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_REST_US          INT64_C(60000000)  /* the wait where there is nothing to poll */
#define PLAN_REFUSED_AGAIN_US INT64_C(600000000) /* a refused register is tried this rarely */

/* One point in the plan. */
struct plan_entry {
    uint32_t device; /* index into the bus's devices */
    uint32_t point;  /* index into the configuration's points */
    enum register_kind kind;
    int64_t period_us;
    uint16_t address, n_registers;
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
    uint32_t n_retries; /* of this slot, so far */
    bool refused;       /* its only value is refused by the device */
    int64_t refused_until_us;
};

struct plan {
    struct plan_entry *entries; /* sorted by device, kind, period, address */
    struct plan_poll *polls;    /* room for one per entry, since refused ones are split */
    size_t n_entries, n_polls;
    int64_t epoch_us;
    bool started;
};

/* Allocates the plan of a bus's points; those without a period are left out.
 *
 *   devices  settled, the bus's
 *   points   settled, the whole configuration's
 *
 * A value longer than its device's max_registers is read all the same. MW_ERR_NO_MEMORY. */
int plan_init(struct plan *ret_plan, const struct device_config *devices, size_t n_devices,
              const struct point_config *points, int64_t epoch_us);
void plan_finish(struct plan *plan);

/* The poll that has been due longest at now_us, its slot set to the newest one that is due, or
 * NULL. It stays due until plan_done or plan_retry. The first call begins all grids at now_us.
 *
 * ret_wait_us    how long nothing is due; 0 with a poll
 * ret_n_skipped  slots of this poll that were passed over; the caller counts them */
struct plan_poll *plan_due(struct plan *plan, int64_t now_us, int64_t *ret_wait_us,
                           uint64_t *ret_n_skipped);

/* The slot is over, well or ill: the poll is next due on its grid. */
void plan_done(const struct plan *plan, struct plan_poll *poll);

/* The same slot once more, at at_us. False, and nothing changed, where the next slot is due by
 * then. */
bool plan_retry(const struct plan *plan, struct plan_poll *poll, int64_t at_us);

/* Halves a poll whose address range the device refuses; both halves are due at once for the same
 * slot. False where it is one value only. */
bool plan_split(struct plan *plan, struct plan_poll *poll);

/* One value is refused: do not ask for it before PLAN_REFUSED_AGAIN_US are over. */
void plan_refuse(struct plan_poll *poll, int64_t now_us);

#endif
