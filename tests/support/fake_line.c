/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_line.h"
#include "base/crc.h"
#include "base/result.h"
#include "fieldbus/frame.h"

#include <string.h>

static bool fails(struct fake_line *wire)
{
    return ++wire->n_calls == wire->fail_at;
}

void fake_line_put(struct fake_line *wire, int64_t at_us, uint8_t byte)
{
    if (wire->n_wire == FAKE_WIRE_BYTES)
        return;
    size_t i = wire->n_wire++;
    for (; i > 0 && wire->wire[i - 1].at_us > at_us; i--)
        wire->wire[i] = wire->wire[i - 1];
    wire->wire[i].at_us = at_us;
    wire->wire[i].byte = byte;
}

int64_t fake_line_next_us(const struct fake_line *wire)
{
    return wire->n_wire ? wire->wire[0].at_us : INT64_MAX;
}

/* Moves what has arrived from the wire to bytes. */
static int arrive(struct fake_line *wire, int64_t now_us)
{
    size_t n = 0;
    while (n < wire->n_wire && wire->wire[n].at_us <= now_us && wire->n_bytes < sizeof wire->bytes)
        wire->bytes[wire->n_bytes++] = wire->wire[n++].byte;
    memmove(wire->wire, wire->wire + n, (wire->n_wire - n) * sizeof wire->wire[0]);
    wire->n_wire -= n;
    return (int)n;
}

static int fake_open(void *ctx, int64_t now_us)
{
    struct fake_line *wire = ctx;
    wire->now_us = now_us;
    if (fails(wire))
        return wire->fail_with;
    if (wire->unplugged)
        return MW_ERR_GONE;
    if (wire->open_until_us == 0)
        wire->open_until_us = now_us + wire->open_takes_us;
    if (now_us < wire->open_until_us)
        return MW_ERR_AGAIN;
    wire->is_open = true;
    wire->n_opens++;
    wire->n_bytes = 0;
    return MW_OK;
}

static size_t frame_reply(struct fake_line *wire, const struct line_request *asked,
                          uint8_t exception, uint8_t *ret)
{
    static const uint8_t functions[] = { 3, 3, 4, 1, 2 };
    bool bits = asked->kind == REGISTER_COIL || asked->kind == REGISTER_DISCRETE;
    size_t n = wire->tcp ? 6 : 0, start = n;
    ret[n++] = asked->unit;
    ret[n++] = (uint8_t)(functions[asked->kind] | (exception ? 0x80 : 0));
    if (exception) {
        ret[n++] = exception;
    } else if (bits) {
        ret[n++] = (uint8_t)((asked->count + 7) / 8);
        memset(ret + n, 0, 250);
        for (uint16_t i = 0; i < asked->count; i++)
            if (wire->value(wire, asked->unit, (uint16_t)(asked->address + i)) & 1)
                ret[n + i / 8] |= (uint8_t)(1 << i % 8);
        n += ret[n - 1];
    } else {
        ret[n++] = (uint8_t)(2 * asked->count);
        for (uint16_t i = 0; i < asked->count; i++) {
            uint16_t value = wire->value(wire, asked->unit, (uint16_t)(asked->address + i));
            ret[n++] = (uint8_t)(value >> 8);
            ret[n++] = (uint8_t)value;
        }
    }
    if (!wire->tcp) {
        uint16_t crc = mw_crc16_modbus(ret, n);
        ret[n++] = (uint8_t)crc;
        ret[n++] = (uint8_t)(crc >> 8);
        return n;
    }
    uint8_t head[6] = {
        (uint8_t)(wire->transaction >> 8), (uint8_t)wire->transaction, 0, 0, 0, (uint8_t)(n - start)
    };
    memcpy(ret, head, sizeof head);
    return n;
}

static int fake_send(void *ctx, const struct line_request *request, int64_t now_us)
{
    struct fake_line *wire = ctx;
    uint8_t frame[300];
    wire->now_us = now_us;
    if (fails(wire))
        return wire->fail_with;
    if (wire->unplugged || !wire->is_open)
        return MW_ERR_GONE;
    wire->asked = *request;
    wire->transaction = wire->unnumbered ? 0 : (uint16_t)(wire->transaction + 1);
    wire->n_requests++;
    wire->n_bytes = 0;

    struct fake_answer answer = wire->slave(wire, request);
    size_t n = frame_reply(wire, request, answer.exception, frame);
    if (answer.flip_bit)
        frame[(answer.flip_bit - 1) / 8 % n] ^= (uint8_t)(1 << (answer.flip_bit - 1) % 8);
    if (answer.n_bytes && answer.n_bytes < n)
        n = answer.n_bytes;
    int64_t at_us = now_us + (answer.delay_us ? answer.delay_us : 2000);
    int64_t byte_us = wire->byte_us ? wire->byte_us : FAKE_BYTE_US;
    for (size_t i = 0; i < n && !answer.silent; i++)
        fake_line_put(wire, at_us + (int64_t)i * byte_us, frame[i]);
    return MW_OK;
}

static int fake_receive(void *ctx, int64_t now_us, struct line_reply *ret_reply)
{
    struct fake_line *wire = ctx;
    wire->now_us = now_us;
    if (fails(wire))
        return wire->fail_with;
    if (wire->unplugged)
        return MW_ERR_GONE;
    arrive(wire, now_us);
    if (wire->tcp)
        return mbap_reply(wire->bytes, wire->n_bytes, &wire->asked, wire->transaction, ret_reply);
    size_t n_used = 0;
    int result = rtu_reply(wire->bytes, wire->n_bytes, &wire->asked, ret_reply, &n_used);
    if (result == MW_ERR_MISMATCH) {
        wire->n_bytes -= n_used;
        memmove(wire->bytes, wire->bytes + n_used, wire->n_bytes);
    }
    return result;
}

static int fake_drain(void *ctx, int64_t now_us)
{
    struct fake_line *wire = ctx;
    (void)now_us;
    if (fails(wire))
        return wire->fail_with;
    if (wire->unplugged)
        return MW_ERR_GONE;
    wire->n_bytes = 0;
    int n = arrive(wire, wire->now_us);
    wire->n_bytes = 0;
    return n;
}

/* The test waits on virtual time, not on a descriptor; but it is told what it would wait for. */
static int fake_descriptor(void *ctx, short *ret_events)
{
    const struct fake_line *wire = ctx;
    *ret_events = 0;
    return wire->is_open ? 1000000 : -1;
}

static int fake_set_serial(void *ctx, const struct serial_config *serial)
{
    struct fake_line *wire = ctx;
    if (fails(wire))
        return wire->fail_with;
    if (wire->unplugged)
        return MW_ERR_GONE;
    wire->serial = *serial;
    wire->n_set++;
    wire->n_bytes = 0;
    return MW_OK;
}

static void fake_close(void *ctx)
{
    struct fake_line *wire = ctx;
    wire->is_open = false;
    wire->open_until_us = 0;
    wire->n_bytes = 0;
    if (wire->tcp)
        wire->n_wire = 0; /* a new connection has nothing of the old one */
}

static void fake_destroy(void *ctx)
{
    fake_close(ctx);
}

void fake_line_init(struct fake_line *wire, bool tcp, fake_slave_fn *slave, fake_register_fn *value)
{
    *wire = (struct fake_line){ .tcp = tcp, .slave = slave, .value = value };
    wire->port = (struct line){ .ctx = wire,
                                .open = fake_open,
                                .send = fake_send,
                                .receive = fake_receive,
                                .drain = fake_drain,
                                .set_serial = fake_set_serial,
                                .descriptor = fake_descriptor,
                                .close = fake_close,
                                .destroy = fake_destroy };
}
