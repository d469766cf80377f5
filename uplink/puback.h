/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the PUBACKs in what an MQTT 5 broker sends, and the reason in each. Fed by paho_tap with
 * the bytes as they were read, in pieces of any size. It only looks: it keeps nothing of other
 * packets, has no heap, and complains of nothing. */
#ifndef MW_UPLINK_PUBACK_H
#define MW_UPLINK_PUBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum puback_state {
    PUBACK_REST = 0, /* not begun, or lost: what comes means nothing */
    PUBACK_TYPE,     /* the first byte of a packet comes next */
    PUBACK_LENGTH,   /* a byte of its remaining length */
    PUBACK_BODY,     /* n_left bytes of it, one at least */
};

/* All zeroes: at rest. */
struct puback_scanner {
    enum puback_state state;
    uint8_t type;     /* of the packet under way, MQTT 5.0 section 2.1.2 */
    uint8_t n_length; /* bytes of its remaining length so far, 0 .. 3 */
    uint32_t n_left;  /* bytes of its body to come, at most 268,435,455 */
    uint32_t n_begun; /* bytes of its body kept in begun */
    uint8_t begun[3]; /* packet identifier, big endian, and reason */
    bool any;         /* a PUBACK was seen, and this is the last one: */
    uint16_t packet_id;
    uint8_t reason;
};

/* Forgets all; the first byte of a packet comes next. */
void puback_begin(struct puback_scanner *scanner);

/* The next n bytes of the stream. A remaining length of more than four bytes (section 1.5.5) is no
 * MQTT: the scanner rests until it is begun again. A PUBACK too short for its packet identifier
 * is passed over. */
void puback_scan(struct puback_scanner *scanner, const uint8_t *bytes, size_t n);

/* The reason of the last PUBACK, where it was of this packet: 0 .. 255, and 0 where it had none
 * (section 3.4.2.1). MW_ERR_NOT_FOUND: it was of another packet, there was none yet, or the scanner
 * rests. */
int puback_reason(const struct puback_scanner *scanner, uint16_t packet_id);

#endif
