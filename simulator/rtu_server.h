/* SPDX-License-Identifier: Apache-2.0 */
/* Modbus RTU slaves on a pseudo-terminal: the serial line is made here, and a symbolic link leads
 * the master to it. Decides nothing, never blocks. One answer is due at a time, after the line's
 * turnaround; a new request while one is due takes its place, as talking over each other does on a
 * real bus. An answer that the master does not fetch is dropped and counted. */
#ifndef MW_SIMULATOR_RTU_SERVER_H
#define MW_SIMULATOR_RTU_SERVER_H

#include "simulator/frame.h"

#include <poll.h>

struct rtu_server {
    const struct pdu_bank *bank; /* borrowed until close */
    int64_t turnaround_us;
    int master, slave; /* the slave's side is held open, so that a leaving master does no harm */
    char link[256], path[64];
    struct rtu_receiver receiver;
    struct pdu_reply reply; /* due at due_us where due is set */
    uint8_t unit;
    bool due;
    int64_t due_us;
    uint64_t n_requests, n_answers, n_superseded, n_dropped;
};

/* Makes the line and its link; a link of the same name that leads nowhere or to a pseudo-terminal
 * is replaced. MW_OK; MW_ERR_STATE where something else stands at this path; MW_ERR_IO with errno
 * set. server->path is the terminal's own name. */
int rtu_server_open(struct rtu_server *server, const struct pdu_bank *bank, const char *link,
                    int64_t turnaround_us);

/* Removes the link where it is still ours. */
void rtu_server_close(struct rtu_server *server);

/* One entry; and in *ret_wait_us how long until an answer is due, -1 where none is. */
size_t rtu_server_want(const struct rtu_server *server, int64_t now_us, struct pollfd *ret_fds,
                       int64_t *ret_wait_us);

void rtu_server_step(struct rtu_server *server, const struct pollfd *fds, int64_t now_us);

#endif
