/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/pdu.h"

#include "base/bytes.h"
#include "base/result.h"

#define EXCEPTION_FLAG   0x80
#define ILLEGAL_FUNCTION 1
#define ILLEGAL_ADDRESS  2
#define ILLEGAL_VALUE    3
#define READ_BYTES       5 /* code, address, count */

static void refuse(struct pdu_reply *reply, uint8_t code, uint8_t exception)
{
    reply->bytes[0] = code | EXCEPTION_FLAG;
    reply->bytes[1] = exception;
    reply->n_bytes = 2;
}

void pdu_refuse(struct pdu_reply *reply, uint8_t exception)
{
    refuse(reply, reply->bytes[0] & (uint8_t)~EXCEPTION_FLAG, exception);
    reply->token = -1;
}

static bool is_bits(enum table table)
{
    return table == TABLE_COILS || table == TABLE_DISCRETE;
}

static void pack_registers(struct pdu_reply *reply, const uint16_t *words)
{
    uint16_t count = reply->read.count;
    reply->bytes[1] = (uint8_t)(2 * count);
    for (uint16_t i = 0; i < count; i++)
        mw_store_u16be(&reply->bytes[2 + 2 * i], words[i]);
    reply->n_bytes = (uint16_t)(2 + 2 * count);
}

static void pack_bits(struct pdu_reply *reply, const uint16_t *words)
{
    uint16_t n_bytes = (uint16_t)((reply->read.count + 7) / 8);
    reply->bytes[1] = (uint8_t)n_bytes;
    for (uint16_t i = 0; i < reply->read.count; i++)
        if (words[i])
            reply->bytes[2 + i / 8] |= (uint8_t)(1u << i % 8);
    reply->n_bytes = (uint16_t)(2 + n_bytes);
}

static void read_bank(const struct pdu_bank *bank, struct pdu_reply *reply)
{
    uint16_t words[PDU_MAX_BITS];
    uint8_t code = (uint8_t)reply->read.table;
    int token = bank->read(bank->ctx, &reply->read, words);
    if (token < 0) {
        refuse(reply, code, token == MW_ERR_AGAIN ? PDU_DEVICE_BUSY : ILLEGAL_ADDRESS);
        return;
    }
    reply->token = token;
    reply->bytes[0] = code;
    if (is_bits(reply->read.table))
        pack_bits(reply, words);
    else
        pack_registers(reply, words);
}

void pdu_answer(const struct pdu_bank *bank, uint8_t unit, const uint8_t *request, size_t n_bytes,
                struct pdu_reply *ret_reply)
{
    struct pdu_reply reply = { .token = -1, .read = { .unit = unit } };
    uint8_t code = n_bytes > 0 ? request[0] : 0;
    if (n_bytes == 0 || !bank->answers(bank->ctx, unit)) {
        *ret_reply = reply;
        return;
    }
    bool known = code >= TABLE_COILS && code <= TABLE_INPUT &&
                 bank->has_table(bank->ctx, unit, (enum table)code);
    if (known && n_bytes == READ_BYTES) {
        reply.read.table = (enum table)code;
        reply.read.address = mw_load_u16be(&request[1]);
        reply.read.count = mw_load_u16be(&request[3]);
    }
    uint16_t most = is_bits(reply.read.table) ? PDU_MAX_BITS : PDU_MAX_REGISTERS;

    if (!known)
        refuse(&reply, code, ILLEGAL_FUNCTION);
    else if (reply.read.count == 0 || reply.read.count > most)
        refuse(&reply, code, ILLEGAL_VALUE);
    else if (reply.read.address + reply.read.count > 65536)
        refuse(&reply, code, ILLEGAL_ADDRESS);
    else
        read_bank(bank, &reply);
    *ret_reply = reply;
}
