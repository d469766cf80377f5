/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/trace.h"
#include "base/crc.h"
#include "base/result.h"
#include "fieldbus/trace_line.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

static struct trace_frame frame_of(int64_t mono_us, enum line_way way, int result,
                                   const char *bytes, size_t n, bool with_crc)
{
    struct trace_frame f = { .mono_us = mono_us, .utc_us = mono_us, .way = way, .result = result };
    memcpy(f.bytes, bytes, n);
    f.n_bytes = (uint16_t)n;
    if (with_crc) {
        uint16_t crc = mw_crc16_modbus(f.bytes, n);
        f.bytes[f.n_bytes++] = (uint8_t)(crc & 0xff);
        f.bytes[f.n_bytes++] = (uint8_t)(crc >> 8);
    }
    return f;
}

static int read_line(const char *line, struct trace_record *ret)
{
    const char *why = NULL;
    int result = trace_read(line, strlen(line), ret, &why);
    ck_assert(result == MW_OK || why != NULL);
    return result;
}

START_TEST(what_is_written_is_read_again)
{
    char line[TRACE_LINE_MAX];
    struct trace_record r;
    struct trace_frame f =
        frame_of(123, LINE_RECEIVED, MW_ERR_CHECKSUM, "\x01\x83\x02\xc0\xf1", 5, false);
    f.bus = 7;
    f.utc_us = 1700000000000000;
    ck_assert_int_gt(trace_write_frame(&f, line, sizeof line), 0);
    ck_assert_str_eq(line, "123 1700000000000000 7 < checksum 018302c0f1\n");
    line[strlen(line) - 1] = 0;
    ck_assert_int_eq(read_line(line, &r), MW_OK);
    ck_assert_int_eq(r.kind, TRACE_FRAME);
    ck_assert_int_eq(r.frame.result, MW_ERR_CHECKSUM);
    ck_assert_mem_eq(r.frame.bytes, f.bytes, 5);
}
END_TEST

START_TEST(the_longest_frame_fits_its_line)
{
    char line[TRACE_LINE_MAX];
    struct trace_frame f = { .mono_us = INT64_MAX,
                             .utc_us = INT64_MAX,
                             .bus = TRACE_MAX_BUSES - 1,
                             .way = LINE_UNASKED,
                             .result = MW_ERR_AGAIN,
                             .n_bytes = TRACE_MAX_BYTES };
    ck_assert_int_gt(trace_write_frame(&f, line, sizeof line), 2 * TRACE_MAX_BYTES);
    ck_assert_int_eq(trace_write_frame(&f, line, 600), MW_ERR_NO_SPACE);
}
END_TEST

START_TEST(a_bus_has_no_name_unless_it_is_wanted)
{
    char line[TRACE_LINE_MAX];
    struct trace_record r;
    struct bus_config bus = { .name = "hall-7", .kind = BUS_RTU, .baud = 9600 };
    bus.data_bits = 8;
    bus.parity = 'E';
    bus.stop_bits = 1;
    trace_write_bus(&bus, 3, false, line, sizeof line);
    ck_assert_str_eq(line, "bus 3 rtu 9600 8E1\n");
    trace_write_bus(&bus, 3, true, line, sizeof line);
    ck_assert_str_eq(line, "bus 3 rtu 9600 8E1 # hall-7\n");
    line[strlen(line) - 1] = 0;
    ck_assert_int_eq(read_line(line, &r), MW_OK);
    ck_assert(r.kind == TRACE_BUS && r.bus == 3 && r.speaks_rtu);
    struct bus_config tcp = { .name = "plc", .kind = BUS_TCP, .host = "10.1.2.3" };
    trace_write_bus(&tcp, 0, false, line, sizeof line);
    ck_assert_str_eq(line, "bus 0 mbap\n");
}
END_TEST

START_TEST(broken_lines_are_refused)
{
    static const char *const LINES[] = { "millwright-trace 2",
                                         "millwright-trace 1 x",
                                         "bus 1024 rtu",
                                         "bus 0 can",
                                         "1",
                                         "1 2 0 > ok",
                                         "1 2 0 > ok 0",
                                         "1 2 0 > ok 0g",
                                         "1 2 0 > fine 00",
                                         "1 2 0 = ok 00",
                                         "1 2 0 > ok 00 00",
                                         "1 2 0 ! lost",
                                         "1 2 1024 > ok 00",
                                         "9223372036854775808 0 0 > ok 00",
                                         "-1 2 0 > ok 00",
                                         "1 2 0 > ok AA" };
    struct trace_record r;
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++)
        ck_assert_msg(read_line(LINES[i], &r) == MW_ERR_FORMAT, "%s", LINES[i]);
    ck_assert_int_eq(read_line("", &r), MW_OK);
    ck_assert_int_eq(read_line("   # 1 2 3", &r), MW_OK);
    ck_assert_int_eq(r.kind, TRACE_NOTHING);
}
END_TEST

START_TEST(the_line_answers_as_it_did)
{
    struct trace_frame frames[] = {
        frame_of(1000, LINE_SENT, MW_OK, "\x01\x03\x00\x00\x00\x01", 6, true),
        frame_of(1300, LINE_RECEIVED, MW_OK, "\x01\x03\x02\x12\x34", 5, true),
        frame_of(2000, LINE_SENT, MW_OK, "\x01\x03\x00\x05\x00\x01", 6, true),
        frame_of(3000, LINE_SENT, MW_OK, "\x01\x03\x00\x00\x00\x01", 6, true),
        frame_of(3200, LINE_RECEIVED, MW_ERR_REFUSED, "\x01\x83\x06", 3, true),
    };
    struct line *line;
    struct line_reply reply;
    struct line_request asked = { 1, REGISTER_HOLDING, 0, 1 };
    ck_assert_int_eq(trace_line_create(&line, frames, 5, 0, true), MW_OK);
    ck_assert_int_eq(line->open(line->ctx, 0), MW_OK);
    ck_assert_int_eq(line->send(line->ctx, &asked, 500000), MW_OK);
    ck_assert_int_eq(trace_line_next_us(line, 500000), 500300);
    ck_assert_int_eq(line->receive(line->ctx, 500299, &reply), MW_ERR_AGAIN);
    ck_assert_int_eq(line->receive(line->ctx, 500300, &reply), MW_OK);
    ck_assert_uint_eq(reply.registers[0], 0x1234);
    asked.address = 5; /* was silent */
    ck_assert_int_eq(line->send(line->ctx, &asked, 600000), MW_OK);
    ck_assert_int_eq(line->receive(line->ctx, 900000, &reply), MW_ERR_AGAIN);
    ck_assert(trace_line_next_us(line, 600000) == INT64_MAX);
    asked.address = 0;
    ck_assert_int_eq(line->send(line->ctx, &asked, 1000000), MW_OK);
    ck_assert_int_eq(line->receive(line->ctx, 1000200, &reply), MW_ERR_REFUSED);
    ck_assert_uint_eq(reply.exception, 6);
    ck_assert_int_eq(line->send(line->ctx, &asked, 1100000), MW_OK);
    ck_assert_int_eq(line->receive(line->ctx, 1200000, &reply), MW_ERR_AGAIN);
    ck_assert_uint_eq(trace_line_stats(line).n_requests, 4);
    ck_assert_uint_eq(trace_line_stats(line).n_unknown, 1);
    line->close(line->ctx);
    line->destroy(line->ctx);
}
END_TEST

MW_SUITE("fieldbus/trace", what_is_written_is_read_again, the_longest_frame_fits_its_line,
         a_bus_has_no_name_unless_it_is_wanted, broken_lines_are_refused,
         the_line_answers_as_it_did)
