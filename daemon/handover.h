/* SPDX-License-Identifier: Apache-2.0 */
/* What the pipeline hands to the store: orders, and a detector's state in a blob that the store
 * gives back. Called from the main thread. */
#ifndef MW_DAEMON_HANDOVER_H
#define MW_DAEMON_HANDOVER_H

#include "daemon/pipeline.h"

/* Whether an alert could be handed over now: its order and a blob for the detector's state. */
bool handover_has_room(struct pipeline *pipeline);

int handover_free_blobs(const struct pipeline *pipeline);

/* Adds the machine's detector state to an order; order->blob stays NO_BLOB where none is free. */
void handover_put_state(struct pipeline *pipeline, struct machine *machine,
                        struct store_order *order);

/* The caller has made sure that there is room; without it the order is dropped and counted. */
void handover_order(struct pipeline *pipeline, const struct store_order *order);

/* One alert with the alarm's state and, for a machine (NULL: a device), the detector's. Worded in
 * the journal, too. finding: what the alarm speaks of; name: the key the alarm is saved under. */
void handover_alert(struct pipeline *pipeline, struct machine *machine, const struct alarm *alarm,
                    const struct mw_finding *finding, const char *name,
                    const struct mw_alert *alert);

#endif
