/* SPDX-License-Identifier: Apache-2.0 */
/* Port: what the poller needs of a wire. Non-blocking: an exchange is begun, then asked for until
 * it is over; meanwhile the caller may wait for the descriptor. At most one exchange is
 * outstanding. Implemented by modbus_line.c and, in tests, by a fake on virtual time. */
#ifndef MW_FIELDBUS_LINE_H
#define MW_FIELDBUS_LINE_H

#include "fieldbus/device.h"

#include <stddef.h>
#include <stdint.h>

#define LINE_MAX_REGISTERS 125
#define LINE_MAX_BITS      2000

struct line_request {
    uint8_t unit;
    enum register_kind kind;
    uint16_t address, count; /* registers, or bits */
};

struct line_reply {
    uint16_t registers[LINE_MAX_BITS]; /* bits as 0 or 1 each */
    uint8_t exception;                 /* Modbus exception code, with MW_ERR_REFUSED */
};

/* Which way bytes went: a request; what came while an answer was awaited; what nobody had asked
 * for. */
enum line_way { LINE_SENT = 0, LINE_RECEIVED, LINE_UNASKED };

/* Sees the bytes of a line as they are on the wire, checksum or header included: each request,
 * what was made of each answer once that is decided, and what was thrown away. A frame of another
 * unit is told with MW_ERR_MISMATCH. An answer that a timeout cut short is told as it is when the
 * next request goes out or the line closes, with MW_ERR_AGAIN. For recording; must not block. */
struct line_tap {
    void (*frame)(void *ctx, enum line_way way, const uint8_t *bytes, size_t n_bytes, int64_t at_us,
                  int result);
    void *ctx;
};

struct line {
    void *ctx;
    const struct line_tap *tap; /* or NULL; borrowed; set while no exchange is under way */
    /* Opens, or goes on opening (TCP connects without blocking): MW_OK once open, MW_ERR_AGAIN
     * while under way, else why not. */
    int (*open)(void *ctx, int64_t now_us);
    /* Begins an exchange on an open line. */
    int (*send)(void *ctx, const struct line_request *request, int64_t now_us);
    /* MW_OK and the reply; MW_ERR_AGAIN while it is incomplete; MW_ERR_REFUSED with the exception;
     * MW_ERR_CHECKSUM, MW_ERR_MISMATCH, MW_ERR_FORMAT, MW_ERR_GONE, MW_ERR_IO. Every byte of the
     * answer is checked: unit, function, byte count, length; TCP: transaction, protocol, length.
     * On RTU, MW_ERR_MISMATCH is another unit's late frame: it was thrown away and the exchange
     * goes on. All other errors end it. */
    int (*receive)(void *ctx, int64_t now_us, struct line_reply *ret_reply);
    /* Throws away what came in unasked, at most one frame's worth; returns how many bytes, or an
     * error. */
    int (*drain)(void *ctx, int64_t now_us);
    /* Sets an open serial line to what the next device wants, which takes closing and opening it;
     * the caller keeps the silence afterwards. MW_OK, or why it is closed now. NULL where the wire
     * has no such settings. */
    int (*set_serial)(void *ctx, const struct serial_config *serial);
    /* Descriptor and poll(2) events, or -1 while closed. */
    int (*descriptor)(void *ctx, short *ret_events);
    void (*close)(void *ctx);
    void (*destroy)(void *ctx);
};

#endif
