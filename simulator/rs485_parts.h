/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two halves of the serial line: rs485.c is the wire and its master, rs485_slaves.c
 * those that listen and answer. Nobody else includes this. */
#ifndef MW_SIMULATOR_RS485_PARTS_H
#define MW_SIMULATOR_RS485_PARTS_H

#include "simulator/frame.h"
#include "simulator/rs485.h"

#define RS485_BURST_BYTES 512
#define RS485_BROADCAST   0
#define RS485_MAX_UNIT    247

enum talker { TALKER_NONE = 0, TALKER_MASTER, TALKER_SECOND, TALKER_SLAVE, TALKER_NOISE };

/* Characters that follow each other without a pause. */
struct burst {
    enum talker talker;
    uint8_t unit; /* that talks, or is asked */
    int64_t start_us;
    uint64_t serial; /* the older of two that begin together has the word */
    uint16_t n_bytes, next;
    uint8_t bytes[RS485_BURST_BYTES];
    bool is_answer;
    struct pdu_read read;
    int token;
};

/* What the slaves heard since the last silence. */
struct ear {
    uint8_t bytes[FRAME_RTU_MAX];
    uint16_t n_bytes;
    enum talker talker; /* NOISE where it was not one master alone */
    bool broken, of_master;
    int64_t last_us; /* end of the last character */
};

struct heard {
    int64_t at_us;
    uint8_t byte;
};

struct rs485 {
    struct rs485_config config;
    struct pdu_bank bank;
    struct disturber disturber;
    int64_t due_us[DISTURBANCE_MAX]; /* of those that act by themselves */
    uint32_t bits;                   /* of one character */
    int64_t silence_us, pause_us;
    struct burst bursts[RS485_MAX_BURSTS];
    size_t n_bursts;
    uint64_t n_serial;
    struct ear ear;
    struct rtu_receiver receiver; /* instead of the ear, without character times */
    int64_t last_us;              /* end of the last character on the line */
    bool talked;                  /* last_us is set */
    uint8_t asked_unit;           /* by the master, last */
    int64_t unit_free_us[256];
    struct heard heard[RS485_MAX_HEARD];
    size_t heard_at, n_heard;
    struct rs485_stats stats;
};

/* The end of its last character. */
int64_t rs485_end_us(const struct rs485 *line, const struct burst *burst);

/* NULL where there is no room; counted. At most RS485_BURST_BYTES bytes. */
struct burst *rs485_add_burst(struct rs485 *line, enum talker talker, uint8_t unit,
                              int64_t start_us, const uint8_t *bytes, size_t n_bytes);

/* A character from start_us to now_us that the slaves hear. Time may end a frame before the next
 * one comes: rs485_judge. */
void rs485_listen(struct rs485 *line, enum talker talker, uint8_t byte, int64_t start_us,
                  int64_t now_us);

/* The same where characters take no time: a request ends with its last byte. */
void rs485_listen_without_time(struct rs485 *line, enum talker talker, uint8_t byte,
                               int64_t now_us);

/* Silence has told the slaves that a frame is over: whoever is asked gets an answer ready. */
void rs485_judge(struct rs485 *line);

static inline int64_t later(int64_t a_us, int64_t b_us)
{
    return a_us > b_us ? a_us : b_us;
}

static inline int64_t sooner(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

#endif
