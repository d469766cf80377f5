/* SPDX-License-Identifier: Apache-2.0 */
#include "support/virtual_line.h"

#include "base/crc.h"
#include "base/result.h"

#include <string.h>

#define RTU_REQUEST_BYTES (FRAME_REQUEST_BYTES + 2)
#define CONNECT_US        1000

static void close_wire(void *ctx)
{
    struct virtual_line *wire = ctx;
    wire->is_open = false;
    wire->open_until_us = 0;
    wire->n_bytes = 0;
}

static int open_rtu(void *ctx, int64_t now_us)
{
    struct virtual_line *wire = ctx;
    uint8_t unread[RTU_MAX_BYTES];
    wire->n_bytes = 0;
    if (!rs485_plugged(wire->rtu, now_us))
        return MW_ERR_GONE;
    while (rs485_read(wire->rtu, now_us, unread, sizeof unread) > 0)
        ; /* a closed descriptor collects nothing */
    wire->n_unplugs = rs485_unplugs(wire->rtu, now_us);
    wire->is_open = true;
    wire->n_opens++;
    return MW_OK;
}

/* A descriptor from before the adapter was unplugged stays dead. */
static bool alive(struct virtual_line *wire, int64_t now_us)
{
    return wire->is_open && wire->n_unplugs == rs485_unplugs(wire->rtu, now_us);
}

/* Fresh for this request; its frame. */
static void begin_exchange(struct virtual_line *wire, const struct line_request *request,
                           uint8_t ret_bytes[RTU_REQUEST_BYTES])
{
    frame_request(request, ret_bytes);
    uint16_t crc = mw_crc16_modbus(ret_bytes, FRAME_REQUEST_BYTES);
    ret_bytes[FRAME_REQUEST_BYTES] = (uint8_t)crc;
    ret_bytes[FRAME_REQUEST_BYTES + 1] = (uint8_t)(crc >> 8);
    wire->asked = *request;
    wire->n_bytes = 0;
}

static int send_rtu(void *ctx, const struct line_request *request, int64_t now_us)
{
    struct virtual_line *wire = ctx;
    uint8_t bytes[RTU_REQUEST_BYTES];
    if (!alive(wire, now_us))
        return MW_ERR_GONE;
    begin_exchange(wire, request, bytes);
    return rs485_write(wire->rtu, bytes, sizeof bytes, now_us);
}

/* What RTU bytes make of the exchange, whichever wire they came over. */
static int judge_rtu(struct virtual_line *wire, struct line_reply *ret_reply)
{
    size_t n_used = 0;
    int result = rtu_reply(wire->bytes, wire->n_bytes, &wire->asked, ret_reply, &n_used);
    if (result == MW_ERR_AGAIN && wire->n_bytes == sizeof wire->bytes)
        return MW_ERR_FORMAT;
    if (result == MW_ERR_MISMATCH) {
        wire->n_bytes -= n_used;
        memmove(wire->bytes, wire->bytes + n_used, wire->n_bytes);
    }
    return result;
}

static int receive_rtu(void *ctx, int64_t now_us, struct line_reply *ret_reply)
{
    struct virtual_line *wire = ctx;
    if (!alive(wire, now_us))
        return MW_ERR_GONE;
    int n = rs485_read(wire->rtu, now_us, wire->bytes + wire->n_bytes,
                       sizeof wire->bytes - wire->n_bytes);
    if (n < 0)
        return n;
    wire->n_bytes += (size_t)n;
    return judge_rtu(wire, ret_reply);
}

static int drain_rtu(void *ctx, int64_t now_us)
{
    struct virtual_line *wire = ctx;
    uint8_t bytes[RTU_MAX_BYTES];
    wire->n_bytes = 0;
    if (!alive(wire, now_us))
        return MW_ERR_GONE;
    return rs485_read(wire->rtu, now_us, bytes, sizeof bytes);
}

/* Nobody waits for it; but the poller is told that there is one. */
static int descriptor(void *ctx, short *ret_events)
{
    const struct virtual_line *wire = ctx;
    *ret_events = 0;
    return wire->is_open ? 1000000 : -1;
}

void virtual_line_rtu(struct virtual_line *wire, struct rs485 *line)
{
    *wire = (struct virtual_line){ .rtu = line };
    wire->port = (struct line){ .ctx = wire,
                                .open = open_rtu,
                                .send = send_rtu,
                                .receive = receive_rtu,
                                .drain = drain_rtu,
                                .descriptor = descriptor,
                                .close = close_wire,
                                .destroy = close_wire };
}

static int open_tcp(void *ctx, int64_t now_us)
{
    struct virtual_line *wire = ctx;
    if (wire->is_open)
        return MW_OK;
    if (wire->open_until_us == 0)
        wire->open_until_us = now_us + wire->connect_us;
    if (now_us < wire->open_until_us)
        return MW_ERR_AGAIN;
    tcp_session_open(&wire->session, wire->tcp, wire->n_others, now_us);
    wire->n_bytes = 0;
    wire->is_open = true;
    wire->ended = false;
    wire->n_opens++;
    return MW_OK;
}

static int send_tcp(void *ctx, const struct line_request *request, int64_t now_us)
{
    struct virtual_line *wire = ctx;
    uint8_t bytes[MBAP_REQUEST_BYTES];
    size_t n_bytes = RTU_REQUEST_BYTES;
    if (!wire->is_open || wire->ended)
        return MW_ERR_GONE;
    begin_exchange(wire, request, bytes);
    if (!wire->tcp->config.rtu_framing) {
        mbap_request(request, ++wire->transaction, bytes);
        n_bytes = sizeof bytes;
    }
    size_t n = tcp_session_take(&wire->session, bytes, n_bytes, now_us);
    return n == n_bytes ? MW_OK : MW_ERR_IO;
}

static void take_bytes(struct virtual_line *wire, const uint8_t *bytes, size_t n, int64_t now_us)
{
    size_t room = sizeof wire->bytes - wire->n_bytes;
    n = n < room ? n : room;
    memcpy(wire->bytes + wire->n_bytes, bytes, n);
    wire->n_bytes += n;
    tcp_session_sent(&wire->session, n, now_us);
}

/* Reads what the peer has sent by now_us. A reset throws away what was not read before. */
static void arrive(struct virtual_line *wire, int64_t now_us)
{
    const uint8_t *bytes = NULL;
    size_t n = 0;
    while (!wire->ended && wire->n_bytes < sizeof wire->bytes) {
        enum tcp_order order = tcp_session_next(&wire->session, now_us, &bytes, &n);
        if (order == TCP_WAIT)
            return;
        if (order == TCP_SEND) {
            take_bytes(wire, bytes, n, now_us);
            continue;
        }
        if (order == TCP_RESET)
            wire->n_bytes = 0;
        tcp_session_ended(&wire->session);
        wire->ended = true;
    }
}

static int receive_tcp(void *ctx, int64_t now_us, struct line_reply *ret_reply)
{
    struct virtual_line *wire = ctx;
    if (!wire->is_open)
        return MW_ERR_GONE;
    arrive(wire, now_us);
    if (wire->n_bytes == 0)
        return wire->ended ? MW_ERR_GONE : MW_ERR_AGAIN;
    int result =
        wire->tcp->config.rtu_framing
            ? judge_rtu(wire, ret_reply)
            : mbap_reply(wire->bytes, wire->n_bytes, &wire->asked, wire->transaction, ret_reply);
    return result == MW_ERR_AGAIN && wire->ended ? MW_ERR_GONE : result;
}

static int drain_tcp(void *ctx, int64_t now_us)
{
    struct virtual_line *wire = ctx;
    wire->n_bytes = 0;
    if (!wire->is_open)
        return MW_ERR_GONE;
    arrive(wire, now_us);
    int n = (int)wire->n_bytes;
    wire->n_bytes = 0;
    return n == 0 && wire->ended ? MW_ERR_GONE : n;
}

void virtual_line_tcp(struct virtual_line *wire, struct tcp_peer *peer)
{
    *wire = (struct virtual_line){ .tcp = peer, .connect_us = CONNECT_US };
    wire->port = (struct line){ .ctx = wire,
                                .open = open_tcp,
                                .send = send_tcp,
                                .receive = receive_tcp,
                                .drain = drain_tcp,
                                .descriptor = descriptor,
                                .close = close_wire,
                                .destroy = close_wire };
}

int64_t virtual_line_until(const struct virtual_line *wire, int64_t now_us, int64_t wait_us)
{
    int64_t ready_us = INT64_MAX;
    if (wire->tcp) {
        if (wire->open_until_us > now_us)
            ready_us = wire->open_until_us;
        else if (wire->is_open && !wire->ended)
            ready_us = tcp_session_next_us(&wire->session);
    } else if (wire->is_open)
        ready_us = wire->whole_frames ? rs485_next_frame_us(wire->rtu) : rs485_next_us(wire->rtu);
    if (ready_us > now_us && wait_us < ready_us - now_us)
        return now_us + wait_us;
    return ready_us > now_us ? ready_us : now_us + 1;
}
