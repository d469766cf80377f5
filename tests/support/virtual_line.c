/* SPDX-License-Identifier: Apache-2.0 */
#include "support/virtual_line.h"

#include "base/crc.h"
#include "base/result.h"

#include <string.h>

#define CRC_BYTES 2

static void close_wire(void *ctx)
{
    struct virtual_line *wire = ctx;
    wire->is_open = false;
    wire->n_bytes = 0;
}

static int rtu_open(void *ctx, int64_t now_us)
{
    struct virtual_line *wire = ctx;
    uint8_t unread[RTU_MAX_BYTES];
    wire->now_us = now_us;
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

static int rtu_send(void *ctx, const struct line_request *request, int64_t now_us)
{
    struct virtual_line *wire = ctx;
    uint8_t bytes[FRAME_REQUEST_BYTES + CRC_BYTES];
    wire->now_us = now_us;
    if (!alive(wire, now_us))
        return MW_ERR_GONE;
    frame_request(request, bytes);
    uint16_t crc = mw_crc16_modbus(bytes, FRAME_REQUEST_BYTES);
    bytes[FRAME_REQUEST_BYTES] = (uint8_t)crc;
    bytes[FRAME_REQUEST_BYTES + 1] = (uint8_t)(crc >> 8);
    wire->asked = *request;
    wire->n_bytes = 0;
    return rs485_write(wire->rtu, bytes, sizeof bytes, now_us);
}

static int rtu_receive(void *ctx, int64_t now_us, struct line_reply *ret_reply)
{
    struct virtual_line *wire = ctx;
    size_t n_used = 0;
    wire->now_us = now_us;
    if (!alive(wire, now_us))
        return MW_ERR_GONE;
    int n = rs485_read(wire->rtu, now_us, wire->bytes + wire->n_bytes,
                       sizeof wire->bytes - wire->n_bytes);
    if (n < 0)
        return n;
    wire->n_bytes += (size_t)n;
    int result = rtu_reply(wire->bytes, wire->n_bytes, &wire->asked, ret_reply, &n_used);
    if (result == MW_ERR_AGAIN && wire->n_bytes == sizeof wire->bytes)
        return MW_ERR_FORMAT;
    if (result == MW_ERR_MISMATCH) {
        wire->n_bytes -= n_used;
        memmove(wire->bytes, wire->bytes + n_used, wire->n_bytes);
    }
    return result;
}

static int rtu_drain(void *ctx)
{
    struct virtual_line *wire = ctx;
    uint8_t bytes[RTU_MAX_BYTES];
    wire->n_bytes = 0;
    if (!alive(wire, wire->now_us))
        return MW_ERR_GONE;
    return rs485_read(wire->rtu, wire->now_us, bytes, sizeof bytes);
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
                                .open = rtu_open,
                                .send = rtu_send,
                                .receive = rtu_receive,
                                .drain = rtu_drain,
                                .descriptor = descriptor,
                                .close = close_wire,
                                .destroy = close_wire };
}

int64_t virtual_line_step(struct virtual_line *wire, struct poller *poller, int64_t now_us,
                          const struct poller_sink *sink)
{
    wire->now_us = now_us; /* the port's drain is not told */
    return poller_step(poller, now_us, 0, sink);
}

int64_t virtual_line_until(const struct virtual_line *wire, int64_t now_us, int64_t wait_us)
{
    int64_t ready_us = INT64_MAX;
    if (wire->is_open)
        ready_us = wire->whole_frames ? rs485_next_frame_us(wire->rtu) : rs485_next_us(wire->rtu);
    if (wait_us < ready_us - now_us)
        return now_us + wait_us;
    return ready_us > now_us ? ready_us : now_us + 1;
}
