/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/frame.h"

#include "base/result.h"
#include "support/suite.h"

#include <string.h>

#define GAP_US 20000

static bool feed(struct rtu_receiver *r, const uint8_t *bytes, size_t n, int64_t now_us,
                 struct frame_request *ret)
{
    bool got = false;
    for (size_t i = 0; i < n; i++)
        got = rtu_receive(r, bytes[i], now_us, ret);
    return got;
}

/* Request frames published with these devices, CRCs included. */
START_TEST(published_requests_are_taken)
{
    static const uint8_t frames[][8] = {
        { 0x50, 0x03, 0x00, 0x34, 0x00, 0x03, 0x49, 0x84 },
        { 0x50, 0x03, 0x00, 0x3a, 0x00, 0x03, 0x28, 0x47 },
        { 0x50, 0x03, 0x00, 0x40, 0x00, 0x01, 0x88, 0x5f },
        { 0x01, 0x03, 0x14, 0x50, 0x00, 0x06, 0xc0, 0x29 },
        { 0x01, 0x03, 0x00, 0x10, 0x00, 0x06, 0xc4, 0x0d },
        { 0x01, 0x04, 0x00, 0x01, 0x00, 0x02, 0x20, 0x0b },
    };
    struct rtu_receiver r = { .gap_us = GAP_US };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct frame_request request;
        ck_assert(feed(&r, frames[i], 8, 0, &request));
        ck_assert_uint_eq(request.unit, frames[i][0]);
        ck_assert_uint_eq(request.n_pdu, 5);
        ck_assert_mem_eq(request.pdu, &frames[i][1], 5);
    }
    ck_assert_uint_eq(r.n_bad, 0);
}
END_TEST

/* A published answer of a vibration sensor: registers in, frame out. */
START_TEST(an_answer_carries_the_published_crc)
{
    static const uint8_t golden[] = { 0x01, 0x03, 0x0c, 0x00, 0x2e, 0x00, 0x6c, 0x06, 0x25,
                                      0x02, 0x06, 0x00, 0x47, 0x00, 0xb6, 0xbd, 0xf3 };
    struct pdu_reply reply = { .n_bytes = 14 };
    uint8_t frame[FRAME_RTU_MAX];
    memcpy(reply.bytes, &golden[1], 14);
    ck_assert_uint_eq(rtu_frame(1, &reply, frame), sizeof golden);
    ck_assert_mem_eq(frame, golden, sizeof golden);
}
END_TEST

START_TEST(a_frame_with_a_wrong_crc_is_ignored_and_counted)
{
    uint8_t frame[8] = { 0x50, 0x03, 0x00, 0x34, 0x00, 0x03, 0x49, 0x84 };
    for (int bit = 0; bit < 64; bit++) {
        struct rtu_receiver r = { .gap_us = GAP_US };
        struct frame_request request;
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_msg(!feed(&r, frame, 8, 0, &request), "bit %d", bit);
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_msg(feed(&r, frame, 8, 2 * GAP_US, &request), "after bit %d", bit);
        ck_assert_uint_ge(r.n_bad, 1);
    }
}
END_TEST

START_TEST(a_silence_ends_what_was_cut_short)
{
    static const uint8_t frame[8] = { 0x50, 0x03, 0x00, 0x34, 0x00, 0x03, 0x49, 0x84 };
    struct rtu_receiver r = { .gap_us = GAP_US };
    struct frame_request request;
    ck_assert(!feed(&r, frame, 5, 0, &request));
    ck_assert(feed(&r, frame, 8, GAP_US + 1, &request));
    ck_assert_uint_eq(r.n_bad, 1);
    /* Within the gap a frame may come in pieces. */
    ck_assert(!feed(&r, frame, 3, 0, &request));
    ck_assert(feed(&r, &frame[3], 5, GAP_US, &request));
}
END_TEST

START_TEST(a_code_of_unknown_length_ends_where_its_crc_is_right)
{
    /* Report server id, code 17; CRC by an independent implementation. */
    static const uint8_t frame[] = { 0x01, 0x11, 0xc0, 0x2c };
    struct rtu_receiver r = { .gap_us = GAP_US };
    struct frame_request request;
    ck_assert(feed(&r, frame, sizeof frame, 0, &request));
    ck_assert_uint_eq(request.pdu[0], 0x11);
    ck_assert_uint_eq(request.n_pdu, 1);
}
END_TEST

START_TEST(an_endless_frame_is_dropped)
{
    struct rtu_receiver r = { .gap_us = GAP_US };
    struct frame_request request;
    for (int i = 0; i < 4 * FRAME_RTU_MAX; i++)
        if (rtu_receive(&r, i % 2 ? 0x77 : 0x66, 0, &request))
            ck_assert_uint_le(request.n_pdu, PDU_MAX_BYTES);
    ck_assert_uint_ge(r.n_bad, 1);
}
END_TEST

START_TEST(a_tcp_request_is_taken_when_whole_and_answered_with_its_transaction)
{
    static const uint8_t bytes[] = { 0x12, 0x34, 0, 0, 0, 6, 0x11, 3, 0, 0x6b, 0, 3, 0xee };
    struct frame_request request = { 0 };
    for (size_t n = 0; n < 12; n++)
        ck_assert_int_eq(tcp_request(bytes, n, &request), 0);
    ck_assert_int_eq(tcp_request(bytes, sizeof bytes, &request), 12);
    ck_assert_uint_eq(request.unit, 0x11);
    ck_assert_uint_eq(request.n_pdu, 5);

    static const uint8_t golden[] = { 0x12, 0x34, 0, 0, 0, 3, 0x11, 0x83, 2 };
    struct pdu_reply refusal = { .bytes = { 0x83, 2 }, .n_bytes = 2 };
    uint8_t frame[FRAME_TCP_MAX];
    ck_assert_uint_eq(tcp_frame(&request, &refusal, frame), sizeof golden);
    ck_assert_mem_eq(frame, golden, sizeof golden);
}
END_TEST

START_TEST(a_header_that_is_not_modbus_is_refused)
{
    struct frame_request request;
    uint8_t bytes[300] = { 0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1 };
    bytes[3] = 1;
    ck_assert_int_eq(tcp_request(bytes, 12, &request), MW_ERR_FORMAT);
    bytes[3] = 0;
    bytes[5] = 1;
    ck_assert_int_eq(tcp_request(bytes, 12, &request), MW_ERR_FORMAT);
    bytes[5] = 255;
    ck_assert_int_eq(tcp_request(bytes, 300, &request), MW_ERR_FORMAT);
    bytes[5] = 254;
    ck_assert_int_eq(tcp_request(bytes, 300, &request), 260);
}
END_TEST

MW_SUITE("simulator/frame", published_requests_are_taken, an_answer_carries_the_published_crc,
         a_frame_with_a_wrong_crc_is_ignored_and_counted, a_silence_ends_what_was_cut_short,
         a_code_of_unknown_length_ends_where_its_crc_is_right, an_endless_frame_is_dropped,
         a_tcp_request_is_taken_when_whole_and_answered_with_its_transaction,
         a_header_that_is_not_modbus_is_refused)
