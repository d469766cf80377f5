/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/frame.h"
#include "base/bytes.h"
#include "base/crc.h"
#include "base/result.h"

#include <assert.h>
#include <string.h>

#define EXCEPTION_BIT   0x80
#define CRC_BYTES       2
#define RTU_HEAD_BYTES  3 /* unit, function, byte count or exception code */
#define MBAP_HEAD_BYTES 6 /* transaction, protocol, length */
#define MBAP_UNIT_AT    6
#define MBAP_FUNCTION   7
#define MBAP_COUNT_AT   8
#define MBAP_DATA_AT    9

static_assert(RTU_HEAD_BYTES + 2 * LINE_MAX_REGISTERS + CRC_BYTES <= RTU_MAX_BYTES, "fits");
static_assert(RTU_HEAD_BYTES + LINE_MAX_BITS / 8 + CRC_BYTES <= RTU_MAX_BYTES, "fits");

static bool is_bits(enum register_kind kind)
{
    return kind == REGISTER_COIL || kind == REGISTER_DISCRETE;
}

uint8_t frame_function(enum register_kind kind)
{
    switch (kind) {
    case REGISTER_COIL: return 1;
    case REGISTER_DISCRETE: return 2;
    case REGISTER_INPUT: return 4;
    case REGISTER_NONE:
    case REGISTER_HOLDING: break;
    }
    return 3;
}

size_t frame_data_bytes(const struct line_request *request)
{
    return is_bits(request->kind) ? (request->count + 7u) / 8u : 2u * request->count;
}

void frame_request(const struct line_request *request, uint8_t ret_bytes[FRAME_REQUEST_BYTES])
{
    ret_bytes[0] = request->unit;
    ret_bytes[1] = frame_function(request->kind);
    mw_store_u16be(ret_bytes + 2, request->address);
    mw_store_u16be(ret_bytes + 4, request->count);
}

void mbap_request(const struct line_request *request, uint16_t transaction,
                  uint8_t ret_bytes[MBAP_REQUEST_BYTES])
{
    mw_store_u16be(ret_bytes, transaction);
    mw_store_u16be(ret_bytes + 2, 0);
    mw_store_u16be(ret_bytes + 4, FRAME_REQUEST_BYTES);
    frame_request(request, ret_bytes + MBAP_HEAD_BYTES);
}

static void take_data(const uint8_t *data, const struct line_request *asked,
                      struct line_reply *ret_reply)
{
    ret_reply->exception = 0;
    for (uint16_t i = 0; i < asked->count; i++) {
        if (is_bits(asked->kind))
            ret_reply->registers[i] = data[i / 8] >> i % 8 & 1 ? 1 : 0;
        else
            ret_reply->registers[i] = mw_load_u16be(data + (size_t)2 * i);
    }
}

static bool crc_good(const uint8_t *bytes, size_t n_bytes)
{
    return mw_crc16_modbus(bytes, n_bytes - CRC_BYTES) ==
           mw_load_u16le(bytes + n_bytes - CRC_BYTES);
}

/* Bytes of the frame that begins here; 0 while that cannot be said yet. MW_ERR_FORMAT for a
 * function that nobody on this bus was asked. */
static int rtu_frame_bytes(const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes < 2)
        return 0;
    uint8_t function = bytes[1] & (uint8_t)~EXCEPTION_BIT;
    if (function < 1 || function > 4)
        return MW_ERR_FORMAT;
    if (bytes[1] & EXCEPTION_BIT)
        return RTU_HEAD_BYTES + CRC_BYTES;
    return n_bytes < RTU_HEAD_BYTES ? 0 : RTU_HEAD_BYTES + bytes[2] + CRC_BYTES;
}

/* Does the frame of the asked unit, as far as it has come, answer the question? */
static bool rtu_answers(const uint8_t *bytes, size_t n_bytes, const struct line_request *asked)
{
    uint8_t function = frame_function(asked->kind);
    if (n_bytes >= 2 && bytes[1] == (function | EXCEPTION_BIT))
        return true;
    if (n_bytes >= 2 && bytes[1] != function)
        return false;
    return n_bytes < RTU_HEAD_BYTES || bytes[2] == frame_data_bytes(asked);
}

/* An adapter that hears itself gives back the request; for one address in 65536 it even passes for
 * an answer, checksum included. */
static bool is_echo(const uint8_t *bytes, size_t n_frame, const struct line_request *asked)
{
    uint8_t echo[FRAME_REQUEST_BYTES + CRC_BYTES];
    frame_request(asked, echo);
    uint16_t crc = mw_crc16_modbus(echo, FRAME_REQUEST_BYTES);
    echo[FRAME_REQUEST_BYTES] = (uint8_t)crc;
    echo[FRAME_REQUEST_BYTES + 1] = (uint8_t)(crc >> 8);
    return memcmp(bytes, echo, n_frame < sizeof echo ? n_frame : sizeof echo) == 0;
}

int rtu_reply(const uint8_t *bytes, size_t n_bytes, const struct line_request *asked,
              struct line_reply *ret_reply, size_t *ret_used)
{
    if (n_bytes == 0)
        return MW_ERR_AGAIN;
    bool ours = bytes[0] == asked->unit;
    if (ours && !rtu_answers(bytes, n_bytes, asked))
        return MW_ERR_FORMAT;

    int size = rtu_frame_bytes(bytes, n_bytes);
    if (size < 0)
        return size;
    size_t n_frame = (size_t)size;
    if (n_frame == 0 || n_bytes < n_frame)
        return MW_ERR_AGAIN;
    if (!crc_good(bytes, n_frame))
        return MW_ERR_CHECKSUM;
    bool followed = n_bytes > n_frame && bytes[n_frame] == asked->unit;
    if (ours && (followed || is_echo(bytes, n_frame, asked)))
        return MW_ERR_FORMAT;

    *ret_used = n_frame;
    if (!ours)
        return MW_ERR_MISMATCH;
    if (bytes[1] & EXCEPTION_BIT) {
        ret_reply->exception = bytes[2];
        return MW_ERR_REFUSED;
    }
    take_data(bytes + RTU_HEAD_BYTES, asked, ret_reply);
    return MW_OK;
}

/* Checks each field of the TCP reply as soon as it is there. */
static int mbap_head(const uint8_t *bytes, size_t n_bytes, const struct line_request *asked,
                     uint16_t transaction)
{
    uint8_t function = frame_function(asked->kind);
    if (n_bytes >= 2 && mw_load_u16be(bytes) != transaction)
        return MW_ERR_MISMATCH;
    if (n_bytes >= 4 && mw_load_u16be(bytes + 2) != 0)
        return MW_ERR_MISMATCH;
    if (n_bytes > MBAP_UNIT_AT && bytes[MBAP_UNIT_AT] != asked->unit)
        return MW_ERR_MISMATCH;
    if (n_bytes > MBAP_FUNCTION && (bytes[MBAP_FUNCTION] & ~EXCEPTION_BIT) != function)
        return MW_ERR_FORMAT;
    return MW_OK;
}

int mbap_reply(const uint8_t *bytes, size_t n_bytes, const struct line_request *asked,
               uint16_t transaction, struct line_reply *ret_reply)
{
    int result = mbap_head(bytes, n_bytes, asked, transaction);
    if (result != MW_OK)
        return result;

    /* unit, function and byte count stand before the data; an exception has its code instead */
    size_t n_good = 3 + frame_data_bytes(asked);
    size_t length = n_bytes >= MBAP_HEAD_BYTES ? mw_load_u16be(bytes + 4) : n_good;
    if (length != 3 && length != n_good)
        return MW_ERR_FORMAT;
    if (n_bytes > MBAP_HEAD_BYTES + length)
        return MW_ERR_FORMAT;
    if (n_bytes <= MBAP_COUNT_AT)
        return MW_ERR_AGAIN;

    bool refused = bytes[MBAP_FUNCTION] & EXCEPTION_BIT;
    if (length != (refused ? 3 : n_good))
        return MW_ERR_FORMAT;
    if (refused) {
        ret_reply->exception = bytes[MBAP_COUNT_AT];
        return MW_ERR_REFUSED;
    }
    if (bytes[MBAP_COUNT_AT] != frame_data_bytes(asked))
        return MW_ERR_FORMAT;
    if (n_bytes < MBAP_HEAD_BYTES + length)
        return MW_ERR_AGAIN;
    take_data(bytes + MBAP_DATA_AT, asked, ret_reply);
    return MW_OK;
}
