/* SPDX-License-Identifier: Apache-2.0 */
/* A Modbus wire on virtual time for the poller's tests. Slaves answer in bytes; the bytes wait in a
 * queue until their time comes, whether or not anybody still wants them, as on a real wire. Frames
 * are made here, not by the code under test, which only parses them. */
#ifndef MW_TESTS_SUPPORT_FAKE_LINE_H
#define MW_TESTS_SUPPORT_FAKE_LINE_H

#include "fieldbus/line.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_WIRE_BYTES 8192
#define FAKE_BYTE_US    500 /* between two bytes of a frame */

/* What a slave does with one request; zero: answers well after 2 ms. */
struct fake_answer {
    bool silent;
    int64_t delay_us;  /* until the first byte; 0: 2 ms */
    uint8_t exception; /* instead of data */
    uint32_t flip_bit; /* of the frame, counted from 1; 0: none */
    uint32_t n_bytes;  /* of the frame that are sent; 0: all */
};

struct fake_line;
typedef struct fake_answer fake_slave_fn(struct fake_line *wire, const struct line_request *asked);
typedef uint16_t fake_register_fn(struct fake_line *wire, uint8_t unit, uint16_t address);

struct fake_line {
    struct line port;
    bool tcp;
    fake_slave_fn *slave;
    fake_register_fn *value;
    void *ctx; /* the test's */
    int64_t now_us, open_takes_us;
    int64_t byte_us;             /* between two bytes of a frame; 0: FAKE_BYTE_US */
    struct serial_config serial; /* as last set */
    uint32_t n_set;
    bool is_open, unplugged;
    long n_calls, fail_at; /* port calls; the fail_at-th fails with fail_with */
    int fail_with;
    uint32_t n_requests, n_opens; /* n_requests also serves values as a serial number */
    struct line_request asked;
    uint16_t transaction;
    bool unnumbered; /* every transaction is 0, as with libmodbus 3.1.6 */
    struct {
        int64_t at_us;
        uint8_t byte;
    } wire[FAKE_WIRE_BYTES]; /* by time; those that come too late for the queue are lost */
    size_t n_wire;
    uint8_t bytes[512];
    size_t n_bytes;
    int64_t open_until_us;
};

void fake_line_init(struct fake_line *wire, bool tcp, fake_slave_fn *slave,
                    fake_register_fn *value);

/* Puts one byte on the wire. */
void fake_line_put(struct fake_line *wire, int64_t at_us, uint8_t byte);

/* When the next byte arrives; INT64_MAX: none is under way. */
int64_t fake_line_next_us(const struct fake_line *wire);

#endif
