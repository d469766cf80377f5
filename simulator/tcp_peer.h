/* SPDX-License-Identifier: Apache-2.0 */
/* What the slaves behind one TCP port do with bytes and connections, sockets aside: bytes and times
 * in, orders out. Carries out the disturbances of TCP. Pure.
 *
 * Requests of one connection are answered in their order, none is forgotten: an answer that is late
 * holds up those behind it. A header that is not Modbus closes the connection. A peer that vanished
 * (black_hole, half_open) is imitated by silence: as long as the socket lives, the system goes on
 * acknowledging what it is sent. */
#ifndef MW_SIMULATOR_TCP_PEER_H
#define MW_SIMULATOR_TCP_PEER_H

#include "simulator/disturbance.h"
#include "simulator/frame.h"

#define TCP_ANSWER_MAX  (FRAME_TCP_MAX + 4) /* with what trails */
#define TCP_MAX_ANSWERS 4                   /* that wait; more requests stay unread */
#define TCP_RTU_GAP_US  20000               /* RTU over TCP: silence that ends a broken request */

struct tcp_peer_config {
    bool rtu_framing;      /* RTU frames on the stream, without header */
    int64_t turnaround_us; /* before each answer */
    int64_t spread_us;     /* up to this is added, by chance */
    uint64_t seed;
    int64_t start_us;                       /* of the disturbances' clock */
    const struct disturbance *disturbances; /* borrowed */
    size_t n_disturbances;
};

struct tcp_peer_stats {
    uint64_t n_requests, n_answers; /* exceptions are answers, duplicates are not */
    uint64_t n_unanswered;
    uint64_t n_malformed; /* headers that are none; RTU: frames that are none */
    uint64_t n_connections;
    uint64_t disturbed[DISTURBANCE_KIND_COUNT];
};

/* One port. */
struct tcp_peer {
    struct tcp_peer_config config;
    struct pdu_bank bank;
    struct disturber disturber;
    struct tcp_peer_stats stats;
};

struct tcp_answer {
    int64_t due_us;
    int64_t drip_us; /* between two bytes; 0: all at once */
    uint16_t n_bytes, n_sent;
    uint8_t bytes[TCP_ANSWER_MAX];
    bool counts; /* is not a duplicate */
    struct pdu_read read;
    int token;
};

enum tcp_order { TCP_WAIT = 0, TCP_SEND, TCP_CLOSE, TCP_RESET };

/* One connection. */
struct tcp_session {
    struct tcp_peer *peer;
    uint8_t in[FRAME_TCP_MAX];
    size_t n_in;
    struct rtu_receiver receiver;
    struct tcp_answer answers[TCP_MAX_ANSWERS]; /* in order */
    size_t n_answers;
    uint64_t n_requests;
    int64_t free_us; /* no answer is due before */
    int64_t idle_us; /* closed then; INT64_MAX: not */
    enum tcp_order end;
    bool deaf, vanished;
};

void tcp_peer_init(struct tcp_peer *peer, const struct tcp_peer_config *config,
                   const struct pdu_bank *bank);
struct tcp_peer_stats tcp_peer_stats(const struct tcp_peer *peer);

/* A connection is made while there are n_others. Borrows the peer. */
void tcp_session_open(struct tcp_session *session, struct tcp_peer *peer, size_t n_others,
                      int64_t now_us);

/* True while bytes can be taken; a deaf one takes all and forgets them. */
bool tcp_session_wants(const struct tcp_session *session);

/* Bytes that arrived; returns how many of them were taken. */
size_t tcp_session_take(struct tcp_session *session, const uint8_t *bytes, size_t n_bytes,
                        int64_t now_us);

/* What is to be done at now_us: TCP_SEND with bytes that stay where they are until tcp_session_sent
 * tells how many of them the wire took. */
enum tcp_order tcp_session_next(const struct tcp_session *session, int64_t now_us,
                                const uint8_t **ret_bytes, size_t *ret_n_bytes);
void tcp_session_sent(struct tcp_session *session, size_t n_bytes, int64_t now_us);

/* When there is something to be done; INT64_MAX: when bytes arrive. */
int64_t tcp_session_next_us(const struct tcp_session *session);

/* What an order of TCP_CLOSE or TCP_RESET was for is counted. */
void tcp_session_ended(struct tcp_session *session);

#endif
