/* SPDX-License-Identifier: Apache-2.0 */
/* One line over its life: closed, opening, idle, asking. Keeps the silences that a serial line
 * needs between frames, the settings it has now, and the waits before it is opened again. Used by
 * the poller; knows nothing of polls, devices' health or samples. */
#ifndef MW_FIELDBUS_WIRE_H
#define MW_FIELDBUS_WIRE_H

#include "fieldbus/device.h"
#include "fieldbus/line.h"

#include <stdbool.h>
#include <stdint.h>

#define WIRE_SETTLE_US                                                         \
    INT64_C(20000) /* after an error: a USB adapter hands bytes on every 16 ms \
                    */

enum wire_state { WIRE_CLOSED = 0, WIRE_OPENING, WIRE_IDLE, WIRE_ASKING };

/* Read by its user, changed by the functions below alone. All times are monotonic. */
struct wire {
    const struct bus_config *bus;
    struct line *line;
    enum wire_state state;
    uint64_t n_opened; /* times it came to be open */

    int64_t open_since_us; /* OPENING: since when */
    int64_t open_after_us; /* CLOSED: not to be opened before */
    int64_t open_wait_us;  /* the longest wait after the last failure; 0: it was good */
    uint64_t random;       /* of the jitter */

    struct serial_config serial; /* RTU: what the line is set to */
    int64_t free_after_us;       /* RTU: silence between frames */
    int64_t last_traffic_us;     /* for the pauses devices want */
    int64_t babble_since_us;     /* bytes that nobody asked for keep it busy since; 0: no */

    struct line_request request; /* of the running exchange, or the last */
    struct line_reply reply;
    int64_t sent_us; /* when the request was */
};

/* A closed wire. bus: settled; borrowed until finish. line: owned from now on; closed and destroyed
 * by finish. epoch_us: as of the poller; it seeds the jitter, together with the bus's name. */
void wire_init(struct wire *ret_wire, const struct bus_config *bus, struct line *line,
               int64_t epoch_us);
void wire_finish(struct wire *wire);

/* Opens a CLOSED wire, or goes on with an OPENING one: MW_OK, and it is IDLE; MW_ERR_AGAIN, and it
 * is OPENING; else why not, and it is CLOSED until open_after_us: 100 ms after the first failure,
 * twice as long after each further one, at most 1 s for RTU and 10 s for TCP. A TCP wire waits a
 * random part of that, so that connections which a power cut ended together are not all made again
 * together (full jitter). */
int wire_open(struct wire *wire, int64_t now_us);

/* For how much of rest_us an OPENING wire may be left to itself. */
int64_t wire_opening_rest_us(const struct wire *wire, int64_t rest_us);

/* May be opened again at once. */
void wire_close(struct wire *wire, int64_t now_us);

/* Throws away what nobody asked for of an IDLE wire: how many bytes, or why the line is broken.
 * The wire is CLOSED after an error, and where one stray byte makes a TCP stream worthless; on RTU
 * it is silent for a frame gap and WIRE_SETTLE_US longer. */
int wire_drain(struct wire *wire, int64_t now_us);

/* Bytes that nobody asked for have kept the line busy for longer than this. */
bool wire_babbles(const struct wire *wire, int64_t longer_than_us, int64_t now_us);

/* When the next request may go out, to a device that wants this pause before it. */
int64_t wire_clear_us(const struct wire *wire, int64_t pause_us);

/* The silence between frames that the bus and this device want; NULL: the bus alone. */
int64_t wire_gap_us(const struct wire *wire, const struct device_config *device);

/* True where the line has these settings, or none at all. */
bool wire_is_set_for(const struct wire *wire, const struct serial_config *serial);

/* Sets an IDLE line between two silences, since devices of different rates share it: it is silent
 * for gap_us. An error is one of opening, as wire_open's. */
int wire_set_serial(struct wire *wire, const struct serial_config *serial, int64_t gap_us,
                    int64_t now_us);

/* Sends a request over an IDLE wire: MW_OK, and it is ASKING. An error ends the exchange at once;
 * wire_over is told of every exchange's end, of this one too. */
int wire_send(struct wire *wire, const struct line_request *request, int64_t now_us);

/* What became of the exchange so far, as of struct line; the answer is in wire->reply. */
int wire_receive(struct wire *wire, int64_t now_us);

/* The exchange is over, well or ill, and the wire IDLE: it is silent for silence_us from now on, or
 * from the end of a request that has not left us yet. character_us: how long a character of the
 * request takes; 0 on TCP. */
void wire_over(struct wire *wire, int64_t character_us, int64_t silence_us, int64_t now_us);

/* How long the running exchange takes without its answer's bytes and its request's being on the
 * wire; n_reply_bytes: of the whole frame. */
int64_t wire_lag_us(const struct wire *wire, int64_t character_us, size_t n_reply_bytes,
                    int64_t now_us);

/* Descriptor and poll(2) events, or -1. */
int wire_descriptor(const struct wire *wire, short *ret_events);

#endif
