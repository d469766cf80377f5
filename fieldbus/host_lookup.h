/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of a host, without waiting for the resolver: a name server that is silent for half
 * a minute must not hold up the other connections of a thread. The C library asks in a helper
 * thread of its own (getaddrinfo_a). Called by tcp_socket.c. */
#ifndef MW_FIELDBUS_HOST_LOOKUP_H
#define MW_FIELDBUS_HOST_LOOKUP_H

#include <stdint.h>

struct addrinfo;
struct host_lookup;

/* An address written in numbers is known at once: MW_OK and the list, for freeaddrinfo().
 * MW_ERR_NOT_FOUND: it is a name, or nonsense. */
int host_numeric(const char *host, uint16_t port, struct addrinfo **ret_addresses);

/* Begins to ask for a name; copies it. MW_ERR_NO_MEMORY, MW_ERR_IO. */
int host_lookup_create(struct host_lookup **ret_lookup, const char *host, uint16_t port);

/* MW_OK and the list, once, for freeaddrinfo(); MW_ERR_AGAIN while under way; MW_ERR_NOT_FOUND. */
int host_lookup_result(struct host_lookup *lookup, struct addrinfo **ret_addresses);

/* Never waits: a question that cannot be taken back is left, with its memory, to the library. */
void host_lookup_destroy(struct host_lookup *lookup);

#endif
