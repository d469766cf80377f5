/* SPDX-License-Identifier: Apache-2.0 */
/* The poller's port on a simulated wire and virtual time: requests leave as bytes, the bytes that
 * come back are judged by fieldbus/frame as they are on a real line.
 *
 *   struct virtual_line wire;
 *   virtual_line_rtu(&wire, line);       the rs485 line is the caller's; or
 *   virtual_line_tcp(&wire, peer);       the tcp_peer is
 *   poller_create(&poller, ..., &wire.port, epoch_us);
 *   for (int64_t now_us = 0; now_us < end_us; now_us = virtual_line_until(&wire, now_us, wait_us))
 *       wait_us = virtual_line_step(&wire, poller, now_us, &sink);
 */
#ifndef MW_TESTS_SUPPORT_VIRTUAL_LINE_H
#define MW_TESTS_SUPPORT_VIRTUAL_LINE_H

#include "fieldbus/frame.h"
#include "fieldbus/line.h"
#include "simulator/rs485.h"
#include "simulator/tcp_peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct virtual_line {
    struct line port;
    struct rs485 *rtu; /* one of the two */
    struct tcp_peer *tcp;
    struct tcp_session session;
    uint16_t transaction;
    bool ended;         /* by the peer; what it sent before can still be read */
    int64_t connect_us; /* how long a connection takes to be made; default 1 ms */
    int64_t open_until_us;
    size_t n_others; /* connections that other masters hold */
    bool is_open;
    /* The descriptor is ready byte by byte, as a real one may be; set: only once a whole frame is
     * there, as with an adapter that hands bytes on late. Saves steps in long runs. */
    bool whole_frames;
    uint64_t n_unplugs; /* when it was opened */
    struct line_request asked;
    uint8_t bytes[2 * RTU_MAX_BYTES];
    size_t n_bytes;
    uint64_t n_opens;
};

/* Borrows the line until the end; the port's destroy does not touch it. */
void virtual_line_rtu(struct virtual_line *wire, struct rs485 *line);

/* The same with a peer, whose framing the line takes on; bytes arrive the moment they are sent. */
void virtual_line_tcp(struct virtual_line *wire, struct tcp_peer *peer);

/* When the poller is to be stepped next: after wait_us, or earlier because the descriptor is ready;
 * always after now_us unless wait_us is 0. */
int64_t virtual_line_until(const struct virtual_line *wire, int64_t now_us, int64_t wait_us);

#endif
