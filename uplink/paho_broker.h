/* SPDX-License-Identifier: Apache-2.0 */
/* The broker port on Eclipse Paho MQTT C (asynchronous client, no persistence, no offline buffer,
 * no automatic reconnect). The only file that sees <MQTTAsync.h> is its .c.
 *
 * Known of the library, and left to it: name resolution may block the caller of connect for as long
 * as the resolver takes; with MQTT 5 and version 1.3.12 it reads one freed byte when a broker
 * refuses a message (fixed in 1.3.13); it does not hand on the reason "no matching subscribers",
 * which is overheard instead (paho_tap.h); it keeps its own copy of the password; what it accepted
 * and had not yet written when a connection ended it may write on the next one, where the answer
 * comes as an event of the old epoch. */
#ifndef MW_UPLINK_PAHO_BROKER_H
#define MW_UPLINK_PAHO_BROKER_H

#include "uplink/broker.h"

/* Copies the settings, which mqtt_settle has settled; reads the password file once. Fills
 * *ret_broker. MW_ERR_NO_MEMORY, MW_ERR_IO (a file cannot be read), MW_ERR_REFUSED (the password
 * or key file is readable by others and no credential of systemd), MW_ERR_FORMAT (it is empty,
 * longer than 255 bytes, or has a zero byte or line break inside), MW_ERR_INVALID (no uri). */
int paho_broker_create(struct broker *ret_broker, const struct mqtt_config *config);

/* Events that found the queue full; zero, as long as the caller drains it between two connects. */
uint64_t paho_broker_dropped(const struct broker *broker);

/* Paho's version, as linked and as it has it: Debian 12's 1.3.12 calls itself 1.3.11. */
const char *paho_broker_library_version(void);

#endif
