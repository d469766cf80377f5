/* SPDX-License-Identifier: Apache-2.0 */
/* How busy a bus will be. */
#ifndef MW_CONFIG_TRAFFIC_H
#define MW_CONFIG_TRAFFIC_H

#include "config/config.h"

/* Declared for users of the configuration in config/config.h: config_bus_load(). */

/* Time on the wire of one exchange, microseconds: request, reply, the silence before each, and
 * what a device usually takes to answer.
 *   n_bytes  of data in the reply: two for each register, one for eight bits */
double traffic_exchange_us(const struct bus_config *bus, const struct device_config *device,
                           uint32_t n_bytes);

#endif
