/* SPDX-License-Identifier: Apache-2.0 */
/* The read that proves a serial device answers the question it was asked. RTU replies carry no
 * number: a reply that comes too late looks like the answer to the next request. After any error a
 * device's data counts again only when a read with a reply length of its own, the canary, has come
 * back with that length. Pure; called by the poller. */
#ifndef MW_FIELDBUS_CANARY_H
#define MW_FIELDBUS_CANARY_H

#include "fieldbus/line.h"
#include "fieldbus/plan.h"

/* A read from the device's largest poll (a block only where there is nothing else) whose reply is
 * of another length than that of all its polls: up to a value's end where possible, else a part of
 * a value, else one register more.
 *
 * turn  0 for the first canary after an error, then counting; every turn has another length than
 *       the last. A device that answers to nothing but its own polls is asked one of them in the
 *       last turn, so that it can come back at all.
 *
 * No canary touches registers that the device's settings say must not be read, nor a part of a
 * block: a device with blocks alone is asked one of them in every turn.
 *
 * The plan has a poll of this device. */
struct line_request canary_request(const struct plan *plan, uint32_t device, uint8_t unit,
                                   uint32_t turn);

#endif
