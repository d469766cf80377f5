/* SPDX-License-Identifier: Apache-2.0 */
/* A serial line with its slaves, character by character, on time given as argument. The master
 * writes bytes and reads what it hears; everything between takes as long as it does on a wire. Pure
 * but for the memory that rs485_create takes.
 *
 * What slaves hear is cut into frames by silence alone: a request that begins less than 3.5
 * characters after the last character becomes the tail of what came before, and nobody answers. A
 * frame with a pause of more than 1.5 characters inside is no frame. A slave answers one request
 * after the other and forgets none. Where two talk at once, what is heard is garbled; the master
 * hears nothing while it talks.
 *
 * Sources: Modbus over Serial Line V1.02, 2.5.1 and 2.5.1.1 (3.5 and 1.5 characters; 1750 and
 * 750 us above 19,200 baud). */
#ifndef MW_SIMULATOR_RS485_H
#define MW_SIMULATOR_RS485_H

#include "simulator/disturbance.h"
#include "simulator/pdu.h"

struct rs485_config {
    uint32_t baud;         /* 0: characters take no time, a request ends with its last byte and
                              silence is not checked; else 300 .. 4000000 */
    char parity;           /* 'N', 'E', 'O'; 0: 'E' */
    uint8_t stop_bits;     /* 1 or 2; 0: 1 with parity, 2 without */
    int64_t turnaround_us; /* from the request's last character to the answer's first; at least
                              3.5 characters */
    int64_t spread_us;     /* up to this is added, by chance */
    uint64_t seed;
    int64_t start_us;                       /* of the disturbances' clock */
    const struct disturbance *disturbances; /* borrowed */
    size_t n_disturbances;
};

/* Counted since the start; handed out by copy. */
struct rs485_stats {
    uint64_t n_requests;    /* whole requests of the master that slaves heard */
    uint64_t n_foreign;     /* and of a second master */
    uint64_t n_answers;     /* answers and exceptions that left, duplicates not included */
    uint64_t n_unanswered;  /* requests met by silence: no such unit, or disturbed */
    uint64_t n_bad;         /* frames that are none: CRC, cut, pauses, too long */
    uint64_t n_silence;     /* the master began less than 3.5 characters after the last one */
    uint64_t n_talked_over; /* the master began while another was talking */
    uint64_t n_pauses;      /* more than 1.5 characters inside a frame of the master's */
    uint64_t n_garbled;     /* characters during which two talked */
    uint64_t n_dropped;     /* bytes for which there was no room (limits below) */
    uint64_t n_bytes_written, n_bytes_heard; /* by the master */
    int64_t shortest_us; /* silence before a frame of the master's; INT64_MAX: none yet */
    uint64_t disturbed[DISTURBANCE_KIND_COUNT];
};

#define RS485_MAX_BURSTS 64   /* frames under way at a time; more are dropped */
#define RS485_MAX_HEARD  4096 /* bytes that the master has not read; more are dropped */

struct rs485;

/* Copies the bank's port and the settings. MW_OK, MW_ERR_INVALID for settings out of range,
 * MW_ERR_NO_MEMORY. */
int rs485_create(struct rs485 **ret_line, const struct rs485_config *config,
                 const struct pdu_bank *bank);
void rs485_destroy(struct rs485 *line);

/* The master writes: the first byte begins at now_us, or follows those that it has not finished.
 * Time never goes back, here and below. MW_OK; MW_ERR_GONE while the adapter is unplugged. */
int rs485_write(struct rs485 *line, const uint8_t *bytes, size_t n_bytes, int64_t now_us);

/* What the master has heard by now_us, at most cap bytes; MW_ERR_GONE while unplugged. */
int rs485_read(struct rs485 *line, int64_t now_us, uint8_t *ret_bytes, size_t cap);

/* When the master hears the next byte, or something else happens that leads to one; INT64_MAX:
 * never, unless it writes. */
int64_t rs485_next_us(const struct rs485 *line);

/* The same by whole frames: the end of the first one that is under way. */
int64_t rs485_next_frame_us(const struct rs485 *line);

/* Times that the adapter was unplugged by now_us: a descriptor from before is dead. */
uint64_t rs485_unplugs(struct rs485 *line, int64_t now_us);
bool rs485_plugged(const struct rs485 *line, int64_t now_us);

struct rs485_stats rs485_stats(const struct rs485 *line);

/* How long n characters take, rounded up. */
int64_t rs485_characters_us(const struct rs485 *line, uint64_t n);

/* The silence around a frame: 3.5 characters rounded down, 1750 us above 19,200 baud, 0 at 0. */
int64_t rs485_silence_us(const struct rs485 *line);

#endif
