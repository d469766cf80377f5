/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/trace_line.h"
#include "base/bytes.h"
#include "base/crc.h"
#include "base/result.h"

#include <stdlib.h>
#include <string.h>

#define TRANSACTION_BYTES 2
#define HEARD_BYTES       (4 * TRACE_MAX_BYTES)

struct trace_line {
    struct line port;
    const struct trace_frame *frames;
    size_t n;
    uint32_t bus;
    bool speaks_rtu, is_open;
    size_t at;        /* where the next request is looked for */
    size_t coming;    /* the next frame to be heard; n: none */
    int64_t shift_us; /* from recorded to virtual time, of the running exchange */
    struct line_request asked;
    uint16_t transaction; /* of the recorded request */
    uint8_t heard[HEARD_BYTES];
    size_t n_heard;
    struct trace_line_stats stats;
};

static size_t request_bytes(const struct trace_line *t, const struct line_request *request,
                            uint8_t ret_bytes[MBAP_REQUEST_BYTES])
{
    if (!t->speaks_rtu) {
        mbap_request(request, 0, ret_bytes);
        return MBAP_REQUEST_BYTES;
    }
    frame_request(request, ret_bytes);
    uint16_t crc = mw_crc16_modbus(ret_bytes, FRAME_REQUEST_BYTES);
    ret_bytes[FRAME_REQUEST_BYTES] = (uint8_t)(crc & 0xff);
    ret_bytes[FRAME_REQUEST_BYTES + 1] = (uint8_t)(crc >> 8);
    return FRAME_REQUEST_BYTES + 2;
}

static bool is_request(const struct trace_line *t, const struct trace_frame *frame,
                       const uint8_t *bytes, size_t n_bytes)
{
    size_t skip = t->speaks_rtu ? 0 : TRANSACTION_BYTES;
    return frame->bus == t->bus && frame->way == LINE_SENT && frame->n_bytes == n_bytes &&
           memcmp(frame->bytes + skip, bytes + skip, n_bytes - skip) == 0;
}

/* The next frame of this bus that was heard before the bus's next request. */
static size_t next_heard(const struct trace_line *t, size_t from)
{
    for (size_t i = from; i < t->n; i++) {
        if (t->frames[i].bus != t->bus)
            continue;
        return t->frames[i].way == LINE_SENT ? t->n : i;
    }
    return t->n;
}

static int trace_open(void *ctx, int64_t now_us)
{
    struct trace_line *t = ctx;
    (void)now_us;
    t->is_open = true;
    return MW_OK;
}

static int trace_send(void *ctx, const struct line_request *request, int64_t now_us)
{
    struct trace_line *t = ctx;
    uint8_t bytes[MBAP_REQUEST_BYTES];
    size_t n_bytes = request_bytes(t, request, bytes);
    t->asked = *request;
    t->n_heard = 0;
    t->coming = t->n;
    t->stats.n_requests++;
    for (size_t i = t->at; i < t->n; i++) {
        if (!is_request(t, &t->frames[i], bytes, n_bytes))
            continue;
        t->transaction = mw_load_u16be(t->frames[i].bytes);
        t->shift_us = now_us - t->frames[i].mono_us;
        t->at = i + 1;
        t->coming = next_heard(t, i + 1);
        return MW_OK;
    }
    t->stats.n_unknown++;
    return MW_OK;
}

/* Takes in what has come by now_us; true where anything has. */
static bool listen(struct trace_line *t, int64_t now_us)
{
    bool any = false;
    while (t->coming < t->n) {
        const struct trace_frame *frame = &t->frames[t->coming];
        if (frame->mono_us + t->shift_us > now_us || t->n_heard + frame->n_bytes > HEARD_BYTES)
            break;
        memcpy(t->heard + t->n_heard, frame->bytes, frame->n_bytes);
        t->n_heard += frame->n_bytes;
        t->coming = next_heard(t, t->coming + 1);
        any = true;
    }
    return any;
}

static int trace_receive(void *ctx, int64_t now_us, struct line_reply *ret_reply)
{
    struct trace_line *t = ctx;
    size_t n_used = t->n_heard;
    if (!t->is_open)
        return MW_ERR_GONE;
    listen(t, now_us);
    n_used = t->n_heard;
    int result = t->speaks_rtu
                     ? rtu_reply(t->heard, t->n_heard, &t->asked, ret_reply, &n_used)
                     : mbap_reply(t->heard, t->n_heard, &t->asked, t->transaction, ret_reply);
    if (result == MW_ERR_AGAIN)
        return t->n_heard == HEARD_BYTES ? MW_ERR_FORMAT : result;
    if (result == MW_ERR_MISMATCH && t->speaks_rtu) {
        t->n_heard -= n_used;
        memmove(t->heard, t->heard + n_used, t->n_heard);
    } else {
        t->n_heard = 0;
    }
    return result;
}

static int trace_drain(void *ctx, int64_t now_us)
{
    struct trace_line *t = ctx;
    t->n_heard = 0;
    listen(t, now_us);
    int n = (int)t->n_heard;
    t->n_heard = 0;
    return n;
}

static int trace_descriptor(void *ctx, short *ret_events)
{
    (void)ctx;
    (void)ret_events;
    return -1;
}

/* A connection that is closed hears nothing of what was under way; a serial line does. */
static void trace_close(void *ctx)
{
    struct trace_line *t = ctx;
    t->is_open = false;
    t->n_heard = 0;
    if (!t->speaks_rtu)
        t->coming = t->n;
}

static void trace_destroy(void *ctx)
{
    free(ctx);
}

int trace_line_create(struct line **ret_line, const struct trace_frame *frames, size_t n,
                      uint32_t bus, bool speaks_rtu)
{
    struct trace_line *t = calloc(1, sizeof *t);
    if (!t)
        return MW_ERR_NO_MEMORY;
    t->frames = frames;
    t->n = t->coming = n;
    t->bus = bus;
    t->speaks_rtu = speaks_rtu;
    t->port = (struct line){ .ctx = t,
                             .open = trace_open,
                             .send = trace_send,
                             .receive = trace_receive,
                             .drain = trace_drain,
                             .descriptor = trace_descriptor,
                             .close = trace_close,
                             .destroy = trace_destroy };
    *ret_line = &t->port;
    return MW_OK;
}

struct trace_line_stats trace_line_stats(const struct line *line)
{
    return ((const struct trace_line *)line->ctx)->stats;
}

int64_t trace_line_next_us(const struct line *line, int64_t now_us)
{
    const struct trace_line *t = line->ctx;
    if (t->coming >= t->n)
        return INT64_MAX;
    int64_t at_us = t->frames[t->coming].mono_us + t->shift_us;
    return at_us > now_us ? at_us : now_us;
}
