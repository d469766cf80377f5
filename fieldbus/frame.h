/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of requests and replies on the wire, RTU and TCP. Pure: bytes and what was asked in, a
 * result out. Every byte of a reply is checked, as libmodbus 3.1.6 does not: it ignores a TCP
 * reply's unit and length and takes protocol 0x0100 for 0.
 *
 * Sources: Modbus Application Protocol V1.1b3, sections 6.1 to 6.4 and 7; Modbus over Serial Line
 * V1.02, section 2.5.1; Modbus Messaging on TCP/IP V1.0b, section 3.1.3. */
#ifndef MW_FIELDBUS_FRAME_H
#define MW_FIELDBUS_FRAME_H

#include "fieldbus/line.h"

#include <stddef.h>
#include <stdint.h>

#define FRAME_REQUEST_BYTES 6  /* unit, function, address, count */
#define MBAP_REQUEST_BYTES  12 /* and the TCP header in front */
#define RTU_MAX_BYTES       256
#define MBAP_MAX_BYTES      260

/* Function code that reads this kind of register: 1 to 4. */
uint8_t frame_function(enum register_kind kind);

/* Bytes of data in a good reply to this request: 2 per register, or the bits rounded up. */
size_t frame_data_bytes(const struct line_request *request);

/* A request without checksum and header, as modbus_send_raw_request() takes it. */
void frame_request(const struct line_request *request, uint8_t ret_bytes[FRAME_REQUEST_BYTES]);

/* A whole TCP request. */
void mbap_request(const struct line_request *request, uint16_t transaction,
                  uint8_t ret_bytes[MBAP_REQUEST_BYTES]);

/* Judges the bytes that came in since the request was sent, from the first one on.
 *
 *   MW_OK            the answer; in *ret_reply
 *   MW_ERR_REFUSED   the device's exception; in ret_reply->exception
 *   MW_ERR_AGAIN     fine so far, not complete
 *   MW_ERR_MISMATCH  a whole frame of another unit, CRC good: drop *ret_used bytes and look again
 *   MW_ERR_CHECKSUM  a whole frame with a wrong CRC
 *   MW_ERR_FORMAT    the right unit with another function or byte count; nonsense; the request's
 *                    own echo; or a second frame of this unit behind the first
 *
 * ret_used  bytes of the frame, with MW_OK, MW_ERR_REFUSED and MW_ERR_MISMATCH
 *
 * Noise of other first bytes behind a good frame, as drivers make it when they let go of the line,
 * is not held against the frame. */
int rtu_reply(const uint8_t *bytes, size_t n_bytes, const struct line_request *asked,
              struct line_reply *ret_reply, size_t *ret_used);

/* The same for TCP, where one reply is all there may be: MW_OK, MW_ERR_REFUSED, MW_ERR_AGAIN,
 * MW_ERR_MISMATCH (transaction, protocol or unit of something else) or MW_ERR_FORMAT (length,
 * function, byte count, bytes behind the end). */
int mbap_reply(const uint8_t *bytes, size_t n_bytes, const struct line_request *asked,
               uint16_t transaction, struct line_reply *ret_reply);

#endif
