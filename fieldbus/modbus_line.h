/* SPDX-License-Identifier: Apache-2.0 */
/* The line port on libmodbus: RTU and TCP. The only file that sees <modbus.h> is its .c. */
#ifndef MW_FIELDBUS_MODBUS_LINE_H
#define MW_FIELDBUS_MODBUS_LINE_H

#include "fieldbus/device.h"
#include "fieldbus/line.h"

/* Allocates a closed line for this bus. Borrows the settings. MW_ERR_NO_MEMORY. */
int modbus_line_create(struct line **ret_line, const struct bus_config *bus);

#endif
