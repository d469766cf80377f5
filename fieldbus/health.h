/* SPDX-License-Identifier: Apache-2.0 */
/* Is a device online, and when may it be asked again? Pure. A device that does not answer is asked
 * ever more rarely, so that it costs its neighbours on the bus next to nothing; the first answer
 * brings it back. */
#ifndef MW_FIELDBUS_HEALTH_H
#define MW_FIELDBUS_HEALTH_H

#include "fieldbus/device.h"
#include "fieldbus/poller.h"

#include <stdbool.h>
#include <stdint.h>

#define HEALTH_MAX_WAIT_US INT64_C(60000000) /* a repaired device is back within a minute */
#define HEALTH_FIRST_WAIT  4                 /* timeouts: one hit of noise is soon over */

struct health {
    enum device_health state;
    uint32_t n_failures; /* in a row */
    int64_t ask_us;      /* not before; monotonic */
};

/* The device answered (exceptions are answers too). True where that changed its state. */
bool health_answered(struct health *health);

/* The device was asked and did not answer. It is RETRYING for its settings' retries, then
 * OFFLINE; offline, the wait until it may be asked again doubles from HEALTH_FIRST_WAIT timeouts to
 * HEALTH_MAX_WAIT_US (or stays at HEALTH_FIRST_WAIT timeouts where that is longer). True where the
 * state changed. */
bool health_failed(struct health *health, const struct device_config *device, int64_t now_us);

#endif
