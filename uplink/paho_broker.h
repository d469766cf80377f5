/* SPDX-License-Identifier: Apache-2.0 */
/* The broker port on Eclipse Paho MQTT C (asynchronous client, no persistence, no offline buffer,
 * no automatic reconnect). The only file that sees <MQTTAsync.h> is its .c. */
#ifndef MW_UPLINK_PAHO_BROKER_H
#define MW_UPLINK_PAHO_BROKER_H

#include "uplink/broker.h"

/* Copies the settings; reads the password file once. Fills *ret_broker. MW_ERR_NO_MEMORY,
 * MW_ERR_IO (a file cannot be read), MW_ERR_REFUSED (the password file is readable by others). */
int paho_broker_create(struct broker *ret_broker, const struct mqtt_config *config);

#endif
