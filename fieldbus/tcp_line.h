/* SPDX-License-Identifier: Apache-2.0 */
/* The line port on Modbus TCP, over a socket of our own. libmodbus 3.1.6 is not used here: it
 * connects blockingly, its only call that sends without waiting for the answer
 * (modbus_send_raw_request) gives every request transaction 0, and its reader checks neither unit
 * nor length. Called by modbus_line.c. */
#ifndef MW_FIELDBUS_TCP_LINE_H
#define MW_FIELDBUS_TCP_LINE_H

#include "fieldbus/device.h"
#include "fieldbus/line.h"

/* As modbus_line_create, for a settled TCP bus. The name is looked up once, here; where that
 * fails, again with every open, and only then may open wait for the resolver. */
int tcp_line_create(struct line **ret_line, const struct bus_config *bus);

#endif
