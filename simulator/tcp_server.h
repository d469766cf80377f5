/* SPDX-License-Identifier: Apache-2.0 */
/* Modbus TCP slaves on one listening port: sockets only, tcp_peer decides. Never blocks; the caller
 * waits with watch_wait. Memory for a connection is taken when it comes. */
#ifndef MW_SIMULATOR_TCP_SERVER_H
#define MW_SIMULATOR_TCP_SERVER_H

#include "simulator/tcp_peer.h"
#include "simulator/watch.h"

#define TCP_MAX_CONNECTIONS 1024 /* of one port; the next one is closed at once, and counted */

struct tcp_connection;

struct tcp_server {
    struct tcp_peer peer;
    struct watch watch;
    int listener;
    uint16_t port;
    struct tcp_connection *connections[TCP_MAX_CONNECTIONS]; /* NULL: free */
    size_t n_slots;                                          /* in use or free again */
    size_t n_connections;
    uint64_t n_refused;
};

/* Listens on a numeric address; port 0 lets the system choose, server->port says which. Copies
 * bank and settings. MW_OK, or MW_ERR_INVALID for an address that is none, or MW_ERR_IO with errno
 * set. */
int tcp_server_open(struct tcp_server *server, const struct tcp_peer_config *config,
                    const struct pdu_bank *bank, const char *host, uint16_t port,
                    const struct watch *watch);
void tcp_server_close(struct tcp_server *server);

/* Something happened to the descriptor of this slot. */
void tcp_server_event(struct tcp_server *server, const struct watch_event *event, int64_t now_us);

/* Does what is due at now_us. */
void tcp_server_step(struct tcp_server *server, int64_t now_us);

/* When something is due; INT64_MAX: nothing is. */
int64_t tcp_server_next_us(const struct tcp_server *server);

#endif
