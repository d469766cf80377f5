/* SPDX-License-Identifier: Apache-2.0 */
/* A slave's answer to a request, without its framing. Reads only: function codes 1 to 4. Pure.
 * Source: Modbus Application Protocol V1.1b3, sections 6.1 to 6.4 and 7. */
#ifndef MW_SIMULATOR_PDU_H
#define MW_SIMULATOR_PDU_H

#include "simulator/registers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PDU_MAX_BYTES     253
#define PDU_MAX_REGISTERS 125
#define PDU_MAX_BITS      2000
#define PDU_DEVICE_BUSY   6 /* exception code */

struct pdu_read {
    uint8_t unit;
    enum table table;
    uint16_t address, count; /* count as the table allows; address + count <= 65536 */
};

/* What is behind the slaves of one wire. */
struct pdu_bank {
    /* Whether this unit answers at all, and whether it has such a table. */
    bool (*answers)(void *ctx, uint8_t unit);
    bool (*has_table)(void *ctx, uint8_t unit, enum table table);
    /* Fills count words (bits: one word each). A token >= 0 that comes back once the answer has
     * left, MW_ERR_NOT_FOUND for an address that is not there, MW_ERR_AGAIN for "busy". */
    int (*read)(void *ctx, const struct pdu_read *read, uint16_t *ret_words);
    /* The whole answer has been written to the wire at now_us, the caller's clock. */
    void (*answered)(void *ctx, const struct pdu_read *read, int token, int64_t now_us);
    void *ctx;
};

struct pdu_reply {
    uint8_t bytes[PDU_MAX_BYTES];
    uint16_t n_bytes; /* 0: silence */
    struct pdu_read read;
    int token; /* -1: an exception, nobody is told that it left */
};

/* Exceptions: 1 for a function code other than 1 to 4 or a table the unit does not have, 2 for an
 * address that is not there, 3 for a count of 0 or above what fits one answer or a request of
 * another length than its code has, 6 while the bank is busy. A unit that does not answer gives
 * silence, whatever was asked. */
void pdu_answer(const struct pdu_bank *bank, uint8_t unit, const uint8_t *request, size_t n_bytes,
                struct pdu_reply *ret_reply);

/* Makes a reply that is not silence an exception of its function code; nobody is told that it left.
 */
void pdu_refuse(struct pdu_reply *reply, uint8_t exception);

#endif
