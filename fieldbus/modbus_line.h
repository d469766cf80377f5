/* SPDX-License-Identifier: Apache-2.0 */
/* The line port on real wires, by libmodbus: RTU on a tty, Modbus TCP, RTU over TCP. The only file
 * that sees <modbus.h> is this one's .c.
 *
 * libmodbus opens and sets up the tty, frames and sends; over TCP it writes to a connection of ours
 * (tcp_socket.h). Replies are read from the descriptor without blocking and checked byte by byte
 * (frame.h), so none of its waiting, its recovery modes and its select(2), which aborts for
 * descriptors above 1023, is ever used.
 *
 * A tty is locked (flock(2)) from before it is set up until it is closed, changes of its rate
 * included; another's lock makes open say MW_ERR_STATE, and nothing of the tty is touched.
 *
 * RTU over TCP is written with write(2), which raises SIGPIPE where the peer has gone: the program
 * ignores that signal. */
#ifndef MW_FIELDBUS_MODBUS_LINE_H
#define MW_FIELDBUS_MODBUS_LINE_H

#include "fieldbus/device.h"
#include "fieldbus/line.h"

#include <stddef.h>

/* Allocates a closed line for this settled bus. Borrows the settings until destroy. Begins
 * to look up a TCP host's name, and never waits for that.
 * MW_ERR_NO_MEMORY, MW_ERR_INVALID. */
int modbus_line_create(struct line **ret_line, const struct bus_config *bus);

/* libmodbus's version, as linked: "3.1.6". */
void modbus_line_library_version(char *ret_text, size_t cap);

#endif
