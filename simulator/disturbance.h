/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on a wire, when and how often: seeded, counted. Shared by the serial line
 * (rs485.h) and the TCP peer (tcp_peer.h), which carry the disturbances out. Pure.
 *
 * A disturbance is active from at_us, for for_us, and again every every_us. While it is active,
 * each occasion is hit with the probability rate.
 *
 * kind               occasion                what happens
 * silence            answer                  none is given
 * late               answer                  given min_us to max_us later; requests to the slave
 *                                            meanwhile are answered after it, none is forgotten
 * duplicate          answer                  given again, min_us to max_us after its end
 * wrong_unit         answer                  wears the address of the next unit
 * busy               answer                  exception 6 instead
 * exception          answer                  this exception instead
 * bit_flip           character, both ways    one bit of it is turned
 * lost_byte          character, both ways    nobody hears it
 * collision          answer of another unit  this unit (or a chance one) talks into it
 * second_master      each begin              another master asks this unit (or the one asked last)
 * babble             while active            chance characters without a pause
 * stuck_line         character               the line is held low: one 0x00, then nobody hears a
 *                                            thing
 * unplug             while active            the adapter is gone
 * reset              request                 the connection is reset instead of an answer
 * black_hole         request                 from here on the connection swallows all it gets
 * half_open          request                 the peer is gone without a word; the next request is
 *                                            met by a reset, as by a peer that has started again
 * idle_close         connection              closed min_us to max_us after its last request
 * wrong_transaction  answer                  with the transaction of the request before
 * wrong_protocol     answer                  protocol 0x0100
 * wrong_length       answer                  the header's length is one too many
 * trailing           answer                  followed by four bytes that belong to nothing
 * drip               answer                  one byte every min_us to max_us
 * one_client         connection              closed while there is another one
 * refuse_first       connection              closed at its first request
 * ignore_first       connection              its first request is not answered */
#ifndef MW_SIMULATOR_DISTURBANCE_H
#define MW_SIMULATOR_DISTURBANCE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISTURBANCE_MAX 32 /* of one wire */

enum disturbance_kind {
    DISTURBANCE_NONE = 0,
    DISTURBANCE_SILENCE,
    DISTURBANCE_LATE,
    DISTURBANCE_DUPLICATE,
    DISTURBANCE_WRONG_UNIT,
    DISTURBANCE_BUSY,
    DISTURBANCE_EXCEPTION,
    DISTURBANCE_BIT_FLIP, /* from here on: of a serial line; the first two also of RTU over TCP */
    DISTURBANCE_LOST_BYTE,
    DISTURBANCE_COLLISION,
    DISTURBANCE_SECOND_MASTER,
    DISTURBANCE_BABBLE,
    DISTURBANCE_STUCK_LINE,
    DISTURBANCE_UNPLUG,
    DISTURBANCE_RESET, /* from here on: of TCP */
    DISTURBANCE_BLACK_HOLE,
    DISTURBANCE_HALF_OPEN,
    DISTURBANCE_IDLE_CLOSE,
    DISTURBANCE_WRONG_TRANSACTION,
    DISTURBANCE_WRONG_PROTOCOL,
    DISTURBANCE_WRONG_LENGTH,
    DISTURBANCE_TRAILING,
    DISTURBANCE_DRIP,
    DISTURBANCE_ONE_CLIENT,
    DISTURBANCE_REFUSE_FIRST,
    DISTURBANCE_IGNORE_FIRST,
    DISTURBANCE_KIND_COUNT
};

struct disturbance {
    enum disturbance_kind kind;
    uint8_t unit;                    /* whose answers; 0: everybody's */
    double rate;                     /* 0 .. 1 of the occasions; 0: never */
    int64_t at_us, for_us, every_us; /* since the wire's start; for_us 0: without end; every_us 0:
                                        once, else more than for_us */
    int64_t min_us, max_us;          /* of late, duplicate, drip, idle_close */
    uint8_t exception;               /* of exception: 1 .. 11 */
    uint16_t address, count;         /* second_master: holding registers it asks for; count 0: 1 */
};

/* The disturbances of one wire and what they have done. */
struct disturber {
    const struct disturbance *list; /* borrowed */
    size_t n;                       /* at most DISTURBANCE_MAX */
    uint64_t seed, n_draws;
    int64_t start_us;
    uint32_t kinds; /* bit set of what the list has */
    uint64_t counts[DISTURBANCE_KIND_COUNT];
};

static_assert(DISTURBANCE_KIND_COUNT <= 32, "a set of kinds is 32 bits");

/* "late"; "" outside the enum. */
const char *disturbance_name(enum disturbance_kind kind);

/* Times are counted from start_us of the wire's clock. Borrows the list. */
void disturber_init(struct disturber *disturber, const struct disturbance *list, size_t n,
                    uint64_t seed, int64_t start_us);

/* Is it active at now_us of the wire's clock? */
bool disturbance_active(const struct disturber *disturber, const struct disturbance *d,
                        int64_t now_us);

/* The first begin of an active time at or after now_us; INT64_MAX: none. */
int64_t disturbance_begin_us(const struct disturber *disturber, const struct disturbance *d,
                             int64_t now_us);

/* The first disturbance of this kind that hits this occasion of this unit, counted; NULL: none. */
const struct disturbance *disturb(struct disturber *disturber, enum disturbance_kind kind,
                                  uint8_t unit, int64_t now_us);

/* A duration of it, min_us to max_us. */
int64_t disturbance_delay_us(struct disturber *disturber, const struct disturbance *d);

/* 0 .. below - 1 by chance. */
uint32_t disturber_pick(struct disturber *disturber, uint32_t below);

#endif
