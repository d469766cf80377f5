/* SPDX-License-Identifier: Apache-2.0 */
/* The local socket the command line talks to: one line in, one line of JSON out, then closed. Who
 * may connect is the socket file's mode: owner and group. Served by the main thread, never
 * blocking: at most CONTROL_CLIENTS at once, each bounded in bytes and time.
 *
 *   status [MACHINE]   the whole gateway, or it with this machine alone
 *   learn MACHINE      begins; progress is in status
 *   ack SUBJECT        acknowledges the alarms of a machine or device
 *   repaired MACHINE   the present level is right
 *   read BUS UNIT KIND ADDRESS COUNT
 *                      one read between the polls; KIND holding, input, coil, discrete
 *   reload             reads the configuration again; the answer comes once that is done
 *   history MACHINE SPAN FROM TO [POINT]
 *                      SPAN raw, 10min, 1h; FROM and TO UTC microseconds: semicolon-separated text,
 *                      a head first; one reader at a time. POINT a channel's name
 *   record BUS|* [names]
 *                      a trace (docs/SPEC-trace.md), until the client hangs up; one at a time
 */
#ifndef MW_DAEMON_CONTROL_H
#define MW_DAEMON_CONTROL_H

#include "daemon/pipeline.h"
#include "daemon/recorder.h"
#include "daemon/reload.h"

#include <poll.h>

#define CONTROL_CLIENTS 8

struct control_client {
    int fd; /* -1: free */
    int64_t until_us;
    char request[256];
    size_t n_request;
    char *reply; /* owned */
    size_t n_reply, sent;
    uint64_t read_id;     /* waits for this answer of a bus; 0: no */
    uint64_t reload;      /* waits for the reload of this ticket; 0: no */
    bool records;         /* what is sent is the recorder's text */
    uint64_t history_id;  /* waits for the store's next piece of history; 0: no */
    bool history_goes_on; /* the reply in hand is not the last piece */
};

struct control {
    int listener; /* -1: none */
    char path[108];
    struct pipeline *pipeline;
    struct control_client clients[CONTROL_CLIENTS];
    struct recorder recorder;
    struct reload *reload; /* borrowed; may be NULL */
    uint64_t next_read_id, next_history_id;
};

/* MW_ERR_IO with the reason in *ret_why. An old socket file of a dead daemon is replaced; a live
 * one is MW_ERR_STATE. */
int control_open(struct control *control, const char *path, struct pipeline *pipeline,
                 char *ret_why, size_t cap);
void control_close(struct control *control);
size_t control_descriptors(const struct control *control, struct pollfd *ret_fds, size_t cap);
/* Another configuration is about to be put into force. Where wires are touched, a recording ends,
 * and whoever waits for a read is told to ask again. */
void control_reloaded(struct control *control, const struct config *fresh,
                      const struct config_diff *diff, bool wires_touched);
void control_step(struct control *control, const struct clock_time *now);

#endif
