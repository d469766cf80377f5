/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's read (guest.h) on the poller's wire: when it may go, and its one exchange. Called by
 * the poller while the wire is idle or asks for the guest; never opens the wire, and counts nothing
 * as a poll's. */
#ifndef MW_FIELDBUS_VISIT_H
#define MW_FIELDBUS_VISIT_H

#include "fieldbus/guest.h"
#include "fieldbus/units.h"
#include "fieldbus/wire.h"

#include <stdbool.h>
#include <stdint.h>

/* All zeroes but for the wire and the units, which are the poller's. */
struct visit {
    struct guest guest;
    struct wire *wire;
    struct units *units;
};

/* How long until the guest may be served on the idle wire: 0 now; INT64_MAX: there is none.
 * poll_due: as of guest_wait_us. */
int64_t visit_wait_us(const struct visit *visit, bool poll_due, int64_t now_us);

/* Sets the idle line for the guest's unit, or, where it is set, begins the exchange. MW_OK,
 * whatever became of the exchange; an error is wire_set_serial's, and the guest waits on. */
int visit_serve(struct visit *visit, int64_t now_us);

/* Goes on with the exchange: for how long nothing is due, 0 where it is over or more came. Adds the
 * frames that were no answer to *n_stale. After an error a unit of the poller's is suspect, and a
 * TCP connection or a line that is gone is closed. */
int64_t visit_turn(struct visit *visit, int64_t now_us, uint64_t *n_stale);

#endif
