/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/frame.h"
#include "base/crc.h"
#include "base/result.h"
#include "support/suite.h"

#include <string.h>

static const struct line_request two = { 17, REGISTER_HOLDING, 0x006b, 2 };

/* The answer of unit 17 to a read of two registers, as the standard's example has it. */
static const uint8_t rtu_good[] = { 0x11, 0x03, 0x04, 0xae, 0x41, 0x56, 0x52, 0, 0 };
static const uint8_t mbap_good[] = {
    0x12, 0x34, 0, 0, 0, 7, 0x11, 0x03, 4, 0xae, 0x41, 0x56, 0x52
};

static size_t seal(uint8_t *frame, size_t n)
{
    uint16_t crc = mw_crc16_modbus(frame, n);
    frame[n] = (uint8_t)crc;
    frame[n + 1] = (uint8_t)(crc >> 8);
    return n + 2;
}

static int rtu(const uint8_t *bytes, size_t n, struct line_reply *reply)
{
    size_t used = 0;
    return rtu_reply(bytes, n, &two, reply, &used);
}

START_TEST(requests_are_the_standards_bytes)
{
    uint8_t bytes[MBAP_REQUEST_BYTES];
    mbap_request(&two, 0x1234, bytes);
    static const uint8_t expected[] = { 0x12, 0x34, 0, 0, 0, 6, 0x11, 3, 0, 0x6b, 0, 2 };
    ck_assert_mem_eq(bytes, expected, sizeof expected);
    frame_request(&two, bytes);
    ck_assert_mem_eq(bytes, expected + 6, FRAME_REQUEST_BYTES);
    ck_assert_uint_eq(frame_function(REGISTER_COIL), 1);
    ck_assert_uint_eq(frame_function(REGISTER_DISCRETE), 2);
    ck_assert_uint_eq(frame_function(REGISTER_INPUT), 4);
    ck_assert_uint_eq(frame_data_bytes(&(struct line_request){ .kind = REGISTER_COIL, .count = 9 }),
                      2);
}
END_TEST

START_TEST(a_reply_is_complete_with_its_last_byte_and_not_before)
{
    struct line_reply reply;
    uint8_t frame[16];
    memcpy(frame, rtu_good, 7);
    size_t n = seal(frame, 7);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(rtu(frame, i, &reply), MW_ERR_AGAIN);
    ck_assert_int_eq(rtu(frame, n, &reply), MW_OK);
    ck_assert_uint_eq(reply.registers[0], 0xae41);
    ck_assert_uint_eq(reply.registers[1], 0x5652);

    for (size_t i = 0; i < sizeof mbap_good; i++)
        ck_assert_int_eq(mbap_reply(mbap_good, i, &two, 0x1234, &reply), MW_ERR_AGAIN);
    ck_assert_int_eq(mbap_reply(mbap_good, sizeof mbap_good, &two, 0x1234, &reply), MW_OK);
    ck_assert_uint_eq(reply.registers[1], 0x5652);
}
END_TEST

/* Every wrong value of every byte of an RTU reply is noticed: nothing but the right one passes. */
START_TEST(no_single_wrong_byte_passes_on_rtu)
{
    struct line_reply reply;
    uint8_t frame[16];
    memcpy(frame, rtu_good, 7);
    size_t n = seal(frame, 7);
    for (size_t i = 0; i < n; i++) {
        for (int wrong = 1; wrong < 256; wrong++) {
            frame[i] ^= (uint8_t)wrong;
            ck_assert_int_ne(rtu(frame, n, &reply), MW_OK);
            ck_assert_int_ne(rtu(frame, n, &reply), MW_ERR_REFUSED);
            frame[i] ^= (uint8_t)wrong;
        }
    }
}
END_TEST

/* TCP has no checksum of ours; every byte but the data is checked, protocol 0x0100 included. */
START_TEST(no_single_wrong_byte_of_the_head_passes_on_tcp)
{
    struct line_reply reply;
    uint8_t frame[sizeof mbap_good];
    memcpy(frame, mbap_good, sizeof frame);
    for (size_t i = 0; i < 9; i++) {
        for (int wrong = 1; wrong < 256; wrong++) {
            frame[i] ^= (uint8_t)wrong;
            ck_assert_int_ne(mbap_reply(frame, sizeof frame, &two, 0x1234, &reply), MW_OK);
            ck_assert_int_ne(mbap_reply(frame, sizeof frame, &two, 0x1234, &reply), MW_ERR_REFUSED);
            frame[i] ^= (uint8_t)wrong;
        }
    }
    ck_assert_int_eq(mbap_reply(frame, sizeof frame, &two, 0x1235, &reply), MW_ERR_MISMATCH);
}
END_TEST

START_TEST(bytes_behind_a_tcp_reply_are_refused)
{
    struct line_reply reply;
    uint8_t frame[sizeof mbap_good + 4] = { 0 };
    memcpy(frame, mbap_good, sizeof mbap_good);
    for (size_t n = sizeof mbap_good + 1; n <= sizeof frame; n++)
        ck_assert_int_eq(mbap_reply(frame, n, &two, 0x1234, &reply), MW_ERR_FORMAT);
}
END_TEST

START_TEST(exceptions_are_told_with_their_code)
{
    struct line_reply reply;
    uint8_t frame[8] = { 0x11, 0x83, 0x02 };
    size_t n = seal(frame, 3);
    ck_assert_int_eq(rtu(frame, n, &reply), MW_ERR_REFUSED);
    ck_assert_uint_eq(reply.exception, 2);
    frame[3] ^= 1;
    ck_assert_int_eq(rtu(frame, n, &reply), MW_ERR_CHECKSUM);

    static const uint8_t busy[] = { 0x12, 0x34, 0, 0, 0, 3, 0x11, 0x83, 6 };
    ck_assert_int_eq(mbap_reply(busy, sizeof busy, &two, 0x1234, &reply), MW_ERR_REFUSED);
    ck_assert_uint_eq(reply.exception, 6);
    ck_assert_int_eq(mbap_reply(busy, sizeof busy - 1, &two, 0x1234, &reply), MW_ERR_AGAIN);
}
END_TEST

/* A late reply of unit 9 stands in front of the answer of unit 17. */
START_TEST(another_units_frame_is_dropped_whole_and_the_answer_found_behind_it)
{
    struct line_reply reply;
    uint8_t bytes[32] = { 9, 4, 2, 0x12, 0x34 };
    size_t n_late = seal(bytes, 5), used = 0;
    memcpy(bytes + n_late, rtu_good, 7);
    size_t n = n_late + seal(bytes + n_late, 7);
    ck_assert_int_eq(rtu_reply(bytes, n, &two, &reply, &used), MW_ERR_MISMATCH);
    ck_assert_uint_eq(used, n_late);
    ck_assert_int_eq(rtu_reply(bytes + used, n - used, &two, &reply, &used), MW_OK);

    /* behind the answer it does no harm either; but a second frame of the same unit does */
    memmove(bytes, bytes + n_late, n - n_late);
    bytes[n - n_late] = 9;
    ck_assert_int_eq(rtu(bytes, n - n_late + 1, &reply), MW_OK);
    bytes[n - n_late] = 17;
    ck_assert_int_eq(rtu(bytes, n - n_late + 1, &reply), MW_ERR_FORMAT);
}
END_TEST

START_TEST(the_echo_of_the_own_request_is_refused)
{
    struct line_reply reply;
    for (uint32_t address = 0; address < 65536; address++) {
        struct line_request asked = { 17, REGISTER_HOLDING, (uint16_t)address, 1 };
        uint8_t echo[8];
        size_t used = 0;
        frame_request(&asked, echo);
        size_t n = seal(echo, 6);
        int result = rtu_reply(echo, n, &asked, &reply, &used);
        if (result != MW_ERR_FORMAT && result != MW_ERR_CHECKSUM)
            ck_abort_msg("address %u: %d", (unsigned)address, result);
    }
}
END_TEST

START_TEST(bits_come_out_one_by_one)
{
    struct line_request asked = { 17, REGISTER_COIL, 19, 10 };
    uint8_t frame[8] = { 0x11, 0x01, 2, 0xcd, 0x02 };
    struct line_reply reply;
    size_t used = 0, n = seal(frame, 5);
    ck_assert_int_eq(rtu_reply(frame, n, &asked, &reply, &used), MW_OK);
    static const uint16_t expected[] = { 1, 0, 1, 1, 0, 0, 1, 1, 0, 1 };
    ck_assert_mem_eq(reply.registers, expected, sizeof expected);
}
END_TEST

MW_SUITE("fieldbus/frame", requests_are_the_standards_bytes,
         a_reply_is_complete_with_its_last_byte_and_not_before, no_single_wrong_byte_passes_on_rtu,
         no_single_wrong_byte_of_the_head_passes_on_tcp, bytes_behind_a_tcp_reply_are_refused,
         exceptions_are_told_with_their_code,
         another_units_frame_is_dropped_whole_and_the_answer_found_behind_it,
         the_echo_of_the_own_request_is_refused, bits_come_out_one_by_one)
