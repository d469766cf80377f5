/* SPDX-License-Identifier: Apache-2.0 */
/* A serial line with its slaves behind a pseudo-terminal: the terminal is made here, and a symbolic
 * link leads the master to it. Only carries bytes, rs485 decides; never blocks. While the adapter
 * is unplugged, terminal and link are gone; they come back under the same link. Bytes that the
 * master does not fetch are dropped and counted. */
#ifndef MW_SIMULATOR_RTU_SERVER_H
#define MW_SIMULATOR_RTU_SERVER_H

#include "simulator/rs485.h"
#include "simulator/watch.h"

struct rtu_server {
    struct rs485 *line;
    struct watch watch;
    int master, slave; /* the slave's side is held open, so that a leaving master does no harm; -1:
                          unplugged */
    char link[256], path[64];
    int64_t look_us; /* while unplugged: when to look again */
    uint64_t n_dropped;
};

/* Makes the line, its terminal and its link; a link of the same name that leads nowhere or to a
 * pseudo-terminal is replaced. MW_OK; MW_ERR_STATE where something else stands at this path;
 * MW_ERR_INVALID, MW_ERR_NO_MEMORY as rs485_create; MW_ERR_IO with errno set. server->path is the
 * terminal's own name. */
int rtu_server_open(struct rtu_server *server, const struct rs485_config *config,
                    const struct pdu_bank *bank, const char *link, const struct watch *watch);

/* Removes the link where it is still ours. */
void rtu_server_close(struct rtu_server *server);

/* The master has written, or hung up. */
void rtu_server_event(struct rtu_server *server, const struct watch_event *event, int64_t now_us);

/* Hands on what the master hears by now_us; unplugs and plugs in. */
void rtu_server_step(struct rtu_server *server, int64_t now_us);

/* When it is to be stepped next; INT64_MAX: once the master has written. */
int64_t rtu_server_next_us(const struct rtu_server *server);

#endif
