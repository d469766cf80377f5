/* SPDX-License-Identifier: Apache-2.0 */
/* The serial ports of this computer that a bus may hang on, by the name that is best kept in a
 * configuration. Opens none of them. */
#ifndef MW_CLI_PORT_LIST_H
#define MW_CLI_PORT_LIST_H

#include <stddef.h>

#define PORT_LIST_MAX 32

struct port_list {
    char names[PORT_LIST_MAX][256];
    size_t n; /* more are left out */
};

/* Ports below dev, which is /dev: first those in serial/by-id, then in rs485 (names by socket, from
 * our udev rules), then ttyUSB*, ttyACM*, ttyAMA*, ttySC*, ttyO* and ttymxc* that none of the names
 * before leads to. Each group in the order of names. ttyS* of PCs are left out: most are not there
 * although they have a name. */
void port_list(const char *dev, struct port_list *ret_list);

#endif
