/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/tcp_peer.h"

#include "base/bytes.h"
#include "base/result.h"
#include "simulator/draw.h"

#include <string.h>

#define STREAM_SPREAD  1000 /* of draw.h; the disturber's streams are the kinds */
#define WRONG_PROTOCOL 0x0100
#define N_TRAILING     4
#define PROTOCOL_AT    2
#define LENGTH_AT      4
#define MAX_UNIT       247

void tcp_peer_init(struct tcp_peer *peer, const struct tcp_peer_config *config,
                   const struct pdu_bank *bank)
{
    *peer = (struct tcp_peer){ .config = *config, .bank = *bank };
    disturber_init(&peer->disturber, config->disturbances, config->n_disturbances, config->seed,
                   config->start_us);
}

struct tcp_peer_stats tcp_peer_stats(const struct tcp_peer *peer)
{
    struct tcp_peer_stats stats = peer->stats;
    memcpy(stats.disturbed, peer->disturber.counts, sizeof stats.disturbed);
    return stats;
}

/* The time at which the connection is closed for want of requests; counted once it is. */
static void watch_idle(struct tcp_session *s, int64_t now_us)
{
    struct disturber *by = &s->peer->disturber;
    const struct disturbance *d = disturb(by, DISTURBANCE_IDLE_CLOSE, 0, now_us);
    s->idle_us = INT64_MAX;
    if (!d)
        return;
    by->counts[DISTURBANCE_IDLE_CLOSE]--;
    s->idle_us = now_us + disturbance_delay_us(by, d);
}

void tcp_session_open(struct tcp_session *s, struct tcp_peer *peer, size_t n_others, int64_t now_us)
{
    *s = (struct tcp_session){ .peer = peer, .receiver = { .gap_us = TCP_RTU_GAP_US } };
    peer->stats.n_connections++;
    watch_idle(s, now_us);
    if (n_others > 0 && disturb(&peer->disturber, DISTURBANCE_ONE_CLIENT, 0, now_us))
        s->end = TCP_CLOSE;
}

bool tcp_session_wants(const struct tcp_session *s)
{
    return s->deaf || s->n_answers < TCP_MAX_ANSWERS;
}

/* What happens to the connection instead of an answer. True where there is none. */
static bool ends_request(struct tcp_session *s, uint8_t unit, int64_t now_us)
{
    struct disturber *by = &s->peer->disturber;
    bool first = s->n_requests == 1;
    if (s->vanished || disturb(by, DISTURBANCE_RESET, unit, now_us))
        s->end = TCP_RESET;
    else if (first && disturb(by, DISTURBANCE_REFUSE_FIRST, unit, now_us))
        s->end = TCP_CLOSE;
    else if (disturb(by, DISTURBANCE_BLACK_HOLE, unit, now_us))
        s->deaf = true;
    else if (disturb(by, DISTURBANCE_HALF_OPEN, unit, now_us))
        s->vanished = true;
    else
        return first && disturb(by, DISTURBANCE_IGNORE_FIRST, unit, now_us);
    return true;
}

static void spoil_header(struct disturber *by, struct tcp_answer *a, uint8_t unit, int64_t now_us)
{
    uint8_t *b = a->bytes;
    if (disturb(by, DISTURBANCE_WRONG_TRANSACTION, unit, now_us))
        mw_store_u16be(b, (uint16_t)(mw_load_u16be(b) - 1));
    if (disturb(by, DISTURBANCE_WRONG_PROTOCOL, unit, now_us))
        mw_store_u16be(b + PROTOCOL_AT, WRONG_PROTOCOL);
    if (disturb(by, DISTURBANCE_WRONG_LENGTH, unit, now_us))
        mw_store_u16be(b + LENGTH_AT, (uint16_t)(mw_load_u16be(b + LENGTH_AT) + 1));
}

/* RTU over TCP: what the serial line behind the converter does to the bytes. */
static void spoil_bytes(struct disturber *by, struct tcp_answer *a, uint8_t unit, int64_t now_us)
{
    uint16_t n = 0;
    for (uint16_t i = 0; i < a->n_bytes; i++) {
        uint8_t byte = a->bytes[i];
        if (disturb(by, DISTURBANCE_LOST_BYTE, unit, now_us))
            continue;
        if (disturb(by, DISTURBANCE_BIT_FLIP, unit, now_us))
            byte ^= (uint8_t)(1u << disturber_pick(by, 8));
        a->bytes[n++] = byte;
    }
    a->n_bytes = n;
}

static void frame_answer(struct tcp_session *s, const struct frame_request *request,
                         const struct pdu_reply *reply, int64_t now_us, struct tcp_answer *a)
{
    struct disturber *by = &s->peer->disturber;
    struct frame_request worn = *request;
    if (disturb(by, DISTURBANCE_WRONG_UNIT, request->unit, now_us))
        worn.unit = (uint8_t)(request->unit % MAX_UNIT + 1);
    if (s->peer->config.rtu_framing) {
        a->n_bytes = (uint16_t)rtu_frame(worn.unit, reply, a->bytes);
        spoil_bytes(by, a, request->unit, now_us);
    } else {
        a->n_bytes = (uint16_t)tcp_frame(&worn, reply, a->bytes);
        spoil_header(by, a, request->unit, now_us);
    }
    if (disturb(by, DISTURBANCE_TRAILING, request->unit, now_us)) {
        memset(a->bytes + a->n_bytes, 0, N_TRAILING);
        a->n_bytes += N_TRAILING;
    }
    const struct disturbance *drip = disturb(by, DISTURBANCE_DRIP, request->unit, now_us);
    if (drip)
        a->drip_us = disturbance_delay_us(by, drip);
}

static int64_t answer_due_us(struct tcp_session *s, uint8_t unit, int64_t now_us)
{
    const struct tcp_peer_config *c = &s->peer->config;
    struct disturber *by = &s->peer->disturber;
    int64_t due_us = now_us + c->turnaround_us;
    if (c->spread_us > 0)
        due_us += (int64_t)(draw_uniform(c->seed, STREAM_SPREAD, s->peer->stats.n_requests) *
                            (double)(c->spread_us + 1));
    const struct disturbance *late = disturb(by, DISTURBANCE_LATE, unit, now_us);
    if (late)
        due_us += disturbance_delay_us(by, late);
    return due_us > s->free_us ? due_us : s->free_us;
}

static void refuse(struct disturber *by, struct pdu_reply *reply, uint8_t unit, int64_t now_us)
{
    const struct disturbance *d = disturb(by, DISTURBANCE_EXCEPTION, unit, now_us);
    if (d)
        pdu_refuse(reply, d->exception);
    else if (disturb(by, DISTURBANCE_BUSY, unit, now_us))
        pdu_refuse(reply, PDU_DEVICE_BUSY);
}

static void answer(struct tcp_session *s, const struct frame_request *request,
                   struct pdu_reply *reply, int64_t now_us)
{
    struct disturber *by = &s->peer->disturber;
    struct tcp_answer *a = &s->answers[s->n_answers++];
    refuse(by, reply, request->unit, now_us);
    *a = (struct tcp_answer){ .counts = true, .read = reply->read, .token = reply->token };
    a->due_us = s->free_us = answer_due_us(s, request->unit, now_us);
    frame_answer(s, request, reply, now_us, a);
    if (s->n_answers == TCP_MAX_ANSWERS)
        return; /* no room for it twice */
    const struct disturbance *d = disturb(by, DISTURBANCE_DUPLICATE, request->unit, now_us);
    if (!d)
        return;
    struct tcp_answer *again = &s->answers[s->n_answers++];
    *again = *a;
    again->counts = false;
    again->token = -1;
    again->due_us = s->free_us = a->due_us + disturbance_delay_us(by, d);
}

static void take_request(struct tcp_session *s, const struct frame_request *request, int64_t now_us)
{
    struct pdu_reply reply;
    struct tcp_peer *peer = s->peer;
    peer->stats.n_requests++;
    s->n_requests++;
    watch_idle(s, now_us);
    if (!ends_request(s, request->unit, now_us)) {
        pdu_answer(&peer->bank, request->unit, request->pdu, request->n_pdu, &reply);
        bool silent = reply.n_bytes == 0 ||
                      disturb(&peer->disturber, DISTURBANCE_SILENCE, request->unit, now_us);
        if (!silent) {
            answer(s, request, &reply, now_us);
            return;
        }
    }
    peer->stats.n_unanswered++;
}

static void take_requests(struct tcp_session *s, int64_t now_us)
{
    struct frame_request request;
    while (s->end == TCP_WAIT && !s->deaf && s->n_answers < TCP_MAX_ANSWERS) {
        int used = tcp_request(s->in, s->n_in, &request);
        if (used == 0)
            return;
        if (used < 0) {
            s->peer->stats.n_malformed++;
            s->end = TCP_CLOSE;
            return;
        }
        s->n_in -= (size_t)used;
        memmove(s->in, &s->in[used], s->n_in);
        take_request(s, &request, now_us);
    }
}

static size_t take_rtu(struct tcp_session *s, const uint8_t *bytes, size_t n, int64_t now_us)
{
    struct frame_request request;
    size_t i = 0;
    uint64_t n_bad = s->receiver.n_bad;
    for (; i < n && s->end == TCP_WAIT && !s->deaf && s->n_answers < TCP_MAX_ANSWERS; i++)
        if (rtu_receive(&s->receiver, bytes[i], now_us, &request))
            take_request(s, &request, now_us);
    s->peer->stats.n_malformed += s->receiver.n_bad - n_bad;
    return i;
}

size_t tcp_session_take(struct tcp_session *s, const uint8_t *bytes, size_t n, int64_t now_us)
{
    if (s->deaf || s->end != TCP_WAIT)
        return n;
    if (s->peer->config.rtu_framing)
        return take_rtu(s, bytes, n, now_us);
    size_t taken = 0;
    while (taken < n && s->end == TCP_WAIT) {
        size_t room = sizeof s->in - s->n_in;
        size_t part = n - taken < room ? n - taken : room;
        if (part == 0)
            break;
        memcpy(s->in + s->n_in, bytes + taken, part);
        s->n_in += part;
        taken += part;
        take_requests(s, now_us);
    }
    return taken;
}

enum tcp_order tcp_session_next(const struct tcp_session *s, int64_t now_us,
                                const uint8_t **ret_bytes, size_t *ret_n_bytes)
{
    const struct tcp_answer *a = &s->answers[0];
    if (s->end != TCP_WAIT)
        return s->end;
    if (now_us >= s->idle_us)
        return TCP_CLOSE;
    if (s->n_answers == 0 || now_us < a->due_us || s->deaf || s->vanished)
        return TCP_WAIT;
    *ret_bytes = a->bytes + a->n_sent;
    *ret_n_bytes = a->drip_us ? 1u : (size_t)a->n_bytes - a->n_sent;
    return TCP_SEND;
}

void tcp_session_sent(struct tcp_session *s, size_t n_bytes, int64_t now_us)
{
    struct tcp_answer *a = &s->answers[0];
    a->n_sent = (uint16_t)(a->n_sent + n_bytes);
    a->due_us = a->drip_us ? now_us + a->drip_us : a->due_us;
    if (a->n_sent < a->n_bytes)
        return;
    s->peer->stats.n_answers += a->counts ? 1 : 0;
    if (a->token >= 0)
        s->peer->bank.answered(s->peer->bank.ctx, &a->read, a->token, now_us);
    s->n_answers--;
    memmove(a, a + 1, s->n_answers * sizeof *a);
    if (!s->peer->config.rtu_framing)
        take_requests(s, now_us);
}

int64_t tcp_session_next_us(const struct tcp_session *s)
{
    if (s->end != TCP_WAIT)
        return INT64_MIN;
    bool answers = s->n_answers > 0 && !s->deaf && !s->vanished;
    int64_t due_us = answers ? s->answers[0].due_us : INT64_MAX;
    return due_us < s->idle_us ? due_us : s->idle_us;
}

void tcp_session_ended(struct tcp_session *s)
{
    if (s->end == TCP_WAIT)
        s->peer->disturber.counts[DISTURBANCE_IDLE_CLOSE]++;
}
