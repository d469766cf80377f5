/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/frame.h"

#include "base/bytes.h"
#include "base/crc.h"
#include "base/result.h"

#include <string.h>

#define CRC_BYTES       2
#define SHORTEST        4 /* unit, code, CRC */
#define FIXED_BYTES     8 /* unit, code, two words, CRC: codes 1 to 6 */
#define COUNTED_BYTES   9 /* unit, code, address, count, byte count, CRC: codes 15 and 16 */
#define BYTE_COUNT_AT   6
#define WRITE_REGISTER  6
#define WRITE_COILS     15
#define WRITE_REGISTERS 16

/* The length that the bytes so far promise; 0: not known yet, or not by this code. */
static size_t promised(const uint8_t *bytes, size_t n)
{
    if (n < 2)
        return 0;
    if (bytes[1] >= 1 && bytes[1] <= WRITE_REGISTER)
        return FIXED_BYTES;
    if ((bytes[1] == WRITE_COILS || bytes[1] == WRITE_REGISTERS) && n > BYTE_COUNT_AT)
        return COUNTED_BYTES + (size_t)bytes[BYTE_COUNT_AT];
    return 0;
}

static bool counted(const uint8_t *bytes, size_t n)
{
    return n >= 2 && (bytes[1] == WRITE_COILS || bytes[1] == WRITE_REGISTERS);
}

static bool crc_is_right(const uint8_t *bytes, size_t n)
{
    return n >= SHORTEST &&
           mw_crc16_modbus(bytes, n - CRC_BYTES) == mw_load_u16le(&bytes[n - CRC_BYTES]);
}

bool rtu_receive(struct rtu_receiver *r, uint8_t byte, int64_t now_us,
                 struct frame_request *ret_request)
{
    if (r->n_bytes > 0 && (now_us - r->last_us > r->gap_us || r->n_bytes == FRAME_RTU_MAX)) {
        r->n_bytes = 0;
        r->n_bad++;
    }
    r->last_us = now_us;
    r->bytes[r->n_bytes++] = byte;

    size_t length = promised(r->bytes, r->n_bytes);
    bool right = crc_is_right(r->bytes, r->n_bytes);
    bool ends = length > 0 ? r->n_bytes >= length : right && !counted(r->bytes, r->n_bytes);
    if (!ends)
        return false;
    size_t n_bytes = r->n_bytes;
    r->n_bytes = 0;
    r->n_bad += right ? 0 : 1;
    return rtu_whole_request(r->bytes, n_bytes, ret_request);
}

bool rtu_whole_request(const uint8_t *bytes, size_t n_bytes, struct frame_request *ret_request)
{
    if (!crc_is_right(bytes, n_bytes))
        return false;
    size_t n_pdu = n_bytes - 1 - CRC_BYTES;
    *ret_request = (struct frame_request){ .unit = bytes[0], .n_pdu = (uint16_t)n_pdu };
    memcpy(ret_request->pdu, &bytes[1], n_pdu);
    return true;
}

size_t rtu_frame(uint8_t unit, const struct pdu_reply *reply, uint8_t *ret_bytes)
{
    size_t n = 1 + (size_t)reply->n_bytes;
    ret_bytes[0] = unit;
    memcpy(&ret_bytes[1], reply->bytes, reply->n_bytes);
    uint16_t crc = mw_crc16_modbus(ret_bytes, n);
    ret_bytes[n] = (uint8_t)crc;
    ret_bytes[n + 1] = (uint8_t)(crc >> 8);
    return n + CRC_BYTES;
}

int tcp_request(const uint8_t *bytes, size_t n_bytes, struct frame_request *ret_request)
{
    if (n_bytes < FRAME_TCP_HEAD)
        return 0;
    size_t length = mw_load_u16be(&bytes[4]); /* of unit and PDU */
    if (mw_load_u16be(&bytes[2]) != 0 || length < 2 || length > PDU_MAX_BYTES + 1)
        return MW_ERR_FORMAT;
    size_t whole = FRAME_TCP_HEAD - 1 + length;
    if (n_bytes < whole)
        return 0;
    *ret_request = (struct frame_request){ .transaction = mw_load_u16be(bytes),
                                           .unit = bytes[6],
                                           .n_pdu = (uint16_t)(length - 1) };
    memcpy(ret_request->pdu, &bytes[FRAME_TCP_HEAD], length - 1);
    return (int)whole;
}

size_t tcp_frame(const struct frame_request *request, const struct pdu_reply *reply,
                 uint8_t *ret_bytes)
{
    mw_store_u16be(&ret_bytes[0], request->transaction);
    mw_store_u16be(&ret_bytes[2], 0);
    mw_store_u16be(&ret_bytes[4], (uint16_t)(reply->n_bytes + 1));
    ret_bytes[6] = request->unit;
    memcpy(&ret_bytes[FRAME_TCP_HEAD], reply->bytes, reply->n_bytes);
    return FRAME_TCP_HEAD + (size_t)reply->n_bytes;
}
