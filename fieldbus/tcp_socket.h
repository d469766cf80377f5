/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP connection that is made without blocking and notices a peer that is gone. Knows no Modbus.
 * Called by modbus_line.c, which gives the descriptor to libmodbus: the library's own connect would
 * hold up the other connections of the thread. */
#ifndef MW_FIELDBUS_TCP_SOCKET_H
#define MW_FIELDBUS_TCP_SOCKET_H

#include "fieldbus/device.h"

#include <stdbool.h>
#include <stdint.h>

struct addrinfo;
struct host_lookup;

struct tcp_socket {
    const struct bus_config *bus;
    struct host_lookup *lookup; /* the running question for its name; NULL: none */
    struct addrinfo *addresses; /* of the host; NULL while unknown */
    struct addrinfo *trying;    /* the connection's */
    struct addrinfo *next;      /* to be tried next; NULL: the name is asked for again */
    bool is_numeric;
    int fd; /* -1 while closed */
    bool resolving, connecting;
    int64_t connect_until_us; /* the asking included */
};

/* Closed as yet. Borrows the settings until finish. Begins to ask for the host's name; nothing here
 * ever waits for the resolver. A name whose addresses have all failed is asked for again; where
 * there is no answer the last one holds. */
void tcp_socket_init(struct tcp_socket *tcp, const struct bus_config *bus);
void tcp_socket_finish(struct tcp_socket *tcp);

/* MW_OK once connected; MW_ERR_AGAIN while under way, without a descriptor while a name is being
 * resolved; MW_ERR_TIMEOUT after the bus's connect_timeout, the asking included; MW_ERR_NOT_FOUND:
 * no such name; MW_ERR_GONE; MW_ERR_IO. Each attempt goes to the name's next address. */
int tcp_socket_open(struct tcp_socket *tcp, int64_t now_us);
void tcp_socket_close(struct tcp_socket *tcp);

#endif
