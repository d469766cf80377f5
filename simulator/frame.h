/* SPDX-License-Identifier: Apache-2.0 */
/* Requests out of bytes and answers into bytes, for both wires. Foreign bytes end here. Pure.
 * Sources: Modbus over Serial Line V1.02, 2.5.1; Modbus Messaging on TCP/IP V1.0b, 3.1.3. */
#ifndef MW_SIMULATOR_FRAME_H
#define MW_SIMULATOR_FRAME_H

#include "simulator/pdu.h"

#define FRAME_RTU_MAX  256 /* unit, PDU, CRC */
#define FRAME_TCP_MAX  260 /* header of 7, PDU */
#define FRAME_TCP_HEAD 7

struct frame_request {
    uint16_t transaction; /* TCP only */
    uint8_t unit;
    uint8_t pdu[PDU_MAX_BYTES];
    uint16_t n_pdu;
};

/* Bytes of one serial line, gathered until they are a request. */
struct rtu_receiver {
    int64_t gap_us; /* silence after which what came before is no frame */
    int64_t last_us;
    uint8_t bytes[FRAME_RTU_MAX];
    uint16_t n_bytes;
    uint64_t n_bad; /* frames dropped: CRC, cut short or too long */
};

/* Takes one byte that arrived at now_us. True where it completes a request with a right CRC. A
 * request of codes 1 to 6 is 8 bytes long; of 15 and 16 as long as it says; of any other code it
 * ends with the first byte at which the CRC is right. */
bool rtu_receive(struct rtu_receiver *receiver, uint8_t byte, int64_t now_us,
                 struct frame_request *ret_request);

/* A frame that silence has ended: true where its CRC is right. At most FRAME_RTU_MAX bytes. */
bool rtu_whole_request(const uint8_t *bytes, size_t n_bytes, struct frame_request *ret_request);

/* Bytes of the frame in ret_bytes uint8 [FRAME_RTU_MAX]. */
size_t rtu_frame(uint8_t unit, const struct pdu_reply *reply, uint8_t *ret_bytes);

/* The first request in these bytes: its length, 0 where more bytes are needed, MW_ERR_FORMAT where
 * the header is not one of Modbus (protocol other than 0, length not in 2 to 254). */
int tcp_request(const uint8_t *bytes, size_t n_bytes, struct frame_request *ret_request);

/* Bytes of the frame in ret_bytes uint8 [FRAME_TCP_MAX]. */
size_t tcp_frame(const struct frame_request *request, const struct pdu_reply *reply,
                 uint8_t *ret_bytes);

#endif
