/* SPDX-License-Identifier: Apache-2.0 */
/* Modbus TCP slaves on one listening port: sockets only, decides nothing. Never blocks; the caller
 * waits with poll(2). A header that is not Modbus closes its connection; a silent unit costs its
 * master the timeout. Requests of one connection are answered in their order, one at a time. */
#ifndef MW_SIMULATOR_TCP_SERVER_H
#define MW_SIMULATOR_TCP_SERVER_H

#include "simulator/frame.h"

#include <poll.h>

#define TCP_MAX_CONNECTIONS 64 /* the next one is closed at once, and counted */

struct tcp_connection {
    int fd;
    uint8_t in[FRAME_TCP_MAX], out[FRAME_TCP_MAX];
    size_t n_in, n_out, out_at;
    struct pdu_reply reply; /* what out holds */
};

struct tcp_server {
    const struct pdu_bank *bank; /* borrowed until close */
    int listener;
    uint16_t port;
    size_t n_connections;
    struct tcp_connection connections[TCP_MAX_CONNECTIONS];
    uint64_t n_requests, n_answers, n_refused, n_malformed;
};

/* Listens on a numeric address; port 0 lets the system choose, server->port says which. MW_OK, or
 * MW_ERR_INVALID for an address that is none, or MW_ERR_IO with errno set. */
int tcp_server_open(struct tcp_server *server, const struct pdu_bank *bank, const char *host,
                    uint16_t port);
void tcp_server_close(struct tcp_server *server);

/* Fills at most 1 + TCP_MAX_CONNECTIONS entries; returns how many. */
size_t tcp_server_want(const struct tcp_server *server, struct pollfd *ret_fds);

/* Serves what the entries of the last want say. */
void tcp_server_step(struct tcp_server *server, const struct pollfd *fds, int64_t now_us);

#endif
