/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/device.h"
#include "base/result.h"
#include "support/suite.h"

#include <math.h>
#include <string.h>

/* The settings complained of, in order: "unit retries". */
struct heard {
    char settings[256];
    struct mw_complaints to;
};

static void hear(void *ctx, const struct mw_complaint *complaint)
{
    struct heard *heard = ctx;
    if (heard->settings[0])
        strcat(heard->settings, " ");
    strcat(heard->settings, complaint->setting);
    ck_assert_ptr_nonnull(complaint->rule);
}

static struct heard *listen(struct heard *heard)
{
    *heard = (struct heard){ .to = { .add = hear, .ctx = heard } };
    return heard;
}

static struct bus_config rtu(void)
{
    return (struct bus_config){ .kind = BUS_RTU, .device = "/dev/ttyUSB0", .retries = UINT32_MAX };
}

static struct bus_config tcp(void)
{
    return (struct bus_config){ .kind = BUS_TCP, .host = "192.0.2.1", .retries = UINT32_MAX };
}

START_TEST(an_rtu_bus_gets_the_standards_defaults)
{
    struct bus_config bus = rtu();
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    ck_assert_uint_eq(bus.baud, 19200);
    ck_assert_int_eq(bus.parity, 'E');
    ck_assert_uint_eq(bus.data_bits, 8);
    ck_assert_uint_eq(bus.stop_bits, 1);
    ck_assert_int_eq(bus.timeout_us, 300000);
    ck_assert_int_eq(bus.turnaround_us, 2000000);
    ck_assert_uint_eq(bus.retries, 1);
    /* 3.5 characters of 11 bits at 19200 baud are 2.005 ms */
    ck_assert_int_ge(bus.frame_gap_us, 2005);
    ck_assert_int_le(bus.frame_gap_us, 2010);

    struct bus_config quiet = rtu();
    quiet.parity = 'N';
    quiet.baud = 115200;
    ck_assert_int_eq(bus_settle(&quiet, NULL), MW_OK);
    ck_assert_uint_eq(quiet.stop_bits, 2);
    ck_assert_int_eq(quiet.frame_gap_us, 1750);
}
END_TEST

/* 263 characters at 1200 baud take 2.4 s: a timeout of 300 ms would cut every long reply. */
START_TEST(a_slow_line_gets_the_time_its_frames_take)
{
    struct bus_config bus = rtu();
    bus.baud = 1200;
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    ck_assert_int_gt(bus.timeout_us, INT64_C(263) * 11 * 1000000 / 1200);
    ck_assert_int_lt(bus.timeout_us, 3000000);
}
END_TEST

START_TEST(a_tcp_bus_gets_port_502_and_no_serial_settings)
{
    struct bus_config bus = tcp();
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    ck_assert_uint_eq(bus.port, 502);
    ck_assert_int_eq(bus.connect_timeout_us, 3000000);
    ck_assert_int_eq(bus.frame_gap_us, 0);
}
END_TEST

START_TEST(every_broken_rule_of_a_bus_is_reported)
{
    struct heard heard;
    struct bus_config none = { .retries = 11, .timeout_us = 1, .turnaround_us = -1 };
    ck_assert_int_eq(bus_settle(&none, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "kind timeout turnaround retries");

    struct bus_config serial = { .kind = BUS_RTU, .host = "x", .port = 1, .baud = 9601 };
    serial.parity = 'X';
    serial.data_bits = 9;
    serial.stop_bits = 3;
    serial.frame_gap_us = 2000000;
    ck_assert_int_eq(bus_settle(&serial, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "device host port baud parity data_bits stop_bits frame_gap");

    struct bus_config net = { .kind = BUS_TCP, .device = "x", .baud = 9600 };
    net.connect_timeout_us = 1;
    ck_assert_int_eq(bus_settle(&net, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "host device baud connect_timeout");
}
END_TEST

START_TEST(a_device_takes_from_its_bus_what_it_does_not_say)
{
    struct bus_config bus = rtu();
    bus.timeout_us = 250000;
    bus.retries = 3;
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    struct device_config device = { .unit = 7, .retries = UINT32_MAX };
    ck_assert_int_eq(device_settle(&device, &bus, NULL), MW_OK);
    ck_assert_int_eq(device.timeout_us, 250000);
    ck_assert_int_eq(device.turnaround_us, 2000000);
    ck_assert_uint_eq(device.retries, 3);
    ck_assert_uint_eq(device.max_registers, 125);
    ck_assert_uint_eq(device.max_gap, 8);

    struct device_config own = { .unit = 7, .timeout_us = 50000, .max_gap = DEVICE_NO_GAP };
    ck_assert_int_eq(device_settle(&own, &bus, NULL), MW_OK);
    ck_assert_int_eq(own.timeout_us, 50000);
    ck_assert_uint_eq(own.retries, 0);
    ck_assert_uint_eq(own.max_gap, DEVICE_NO_GAP);
}
END_TEST

START_TEST(a_device_may_have_a_rate_and_parity_of_its_own)
{
    struct bus_config bus = rtu(); /* 19200 8E1 */
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    struct device_config same = { .unit = 7 }, slow = { .unit = 8, .serial = { .baud = 1200 } };
    struct device_config bare = { .unit = 9, .serial = { .parity = 'N' } };
    struct device_config fast = { .unit = 9, .serial = { .baud = 115200 } };
    ck_assert_int_eq(device_settle(&same, &bus, NULL), MW_OK);
    struct serial_config of_bus = bus_serial(&bus);
    ck_assert(serial_equal(&same.serial, &of_bus));
    ck_assert_int_eq(same.frame_gap_us, bus.frame_gap_us);
    ck_assert_int_eq(same.character_us, 573); /* 11 bits */

    ck_assert_int_eq(device_settle(&slow, &bus, NULL), MW_OK);
    ck_assert_int_eq(slow.serial.parity, 'E');
    ck_assert_int_eq(slow.character_us, 9167);
    ck_assert_int_ge(slow.frame_gap_us, INT64_C(35) * 11 * 1000000 / 12000);
    ck_assert_int_gt(slow.timeout_us, INT64_C(263) * slow.character_us);

    ck_assert_int_eq(device_settle(&bare, &bus, NULL), MW_OK);
    ck_assert_uint_eq(bare.serial.baud, 19200);
    ck_assert_uint_eq(bare.serial.stop_bits, 2);
    /* the others hear it too, and need their own silence */
    ck_assert_int_eq(device_settle(&fast, &bus, NULL), MW_OK);
    ck_assert_int_eq(fast.frame_gap_us, bus.frame_gap_us);
    ck_assert_int_eq(fast.timeout_us, bus.timeout_us);

    struct heard heard;
    struct bus_config net = tcp();
    ck_assert_int_eq(bus_settle(&net, NULL), MW_OK);
    struct device_config wrong = { .unit = 1, .serial = { .baud = 9600 } };
    ck_assert_int_eq(device_settle(&wrong, &net, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "serial");
    wrong = (struct device_config){ .unit = 1, .serial = { .baud = 9601 } };
    ck_assert_int_eq(device_settle(&wrong, &bus, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "serial");
}
END_TEST

START_TEST(rts_has_a_delay_only_where_we_switch_it)
{
    struct heard heard;
    struct bus_config bus = rtu();
    bus.rts = RTS_UP;
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    ck_assert_int_eq(bus.rts_delay_us, bus_character_us(&bus));
    struct bus_config kernel = rtu();
    kernel.rts = RTS_KERNEL;
    kernel.rts_delay_us = 1000;
    ck_assert_int_eq(bus_settle(&kernel, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "rts_delay");
    bus.rts_delay_us = 100001;
    ck_assert_int_eq(bus_settle(&bus, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "rts_delay");
}
END_TEST

START_TEST(a_timeout_holds_the_delays_of_rts)
{
    struct heard heard;
    struct bus_config plain = rtu(), bus = rtu();
    bus.rts = RTS_UP;
    bus.rts_delay_us = 100000;
    ck_assert_int_eq(bus_settle(&plain, NULL) | bus_settle(&bus, NULL), MW_OK);
    ck_assert_int_eq(bus.timeout_us, plain.timeout_us + 200000);
    struct device_config slow = { .unit = 1, .serial = { .baud = 1200 } }, slow_plain = slow;
    ck_assert_int_eq(device_settle(&slow, &bus, NULL), MW_OK);
    ck_assert_int_eq(device_settle(&slow_plain, &plain, NULL), MW_OK);
    ck_assert_int_eq(slow.timeout_us, slow_plain.timeout_us + 200000);

    int64_t sending_us = 200000 + 8 * bus_character_us(&bus);
    bus.timeout_us = sending_us + 1;
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    bus.timeout_us = sending_us;
    ck_assert_int_eq(bus_settle(&bus, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "timeout");
    bus.timeout_us = 1000000;
    struct device_config hasty = { .unit = 1, .timeout_us = sending_us };
    ck_assert_int_eq(device_settle(&hasty, &bus, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "timeout");
    hasty.timeout_us++;
    ck_assert_int_eq(device_settle(&hasty, &bus, NULL), MW_OK);
}
END_TEST

START_TEST(units_are_those_of_the_wire)
{
    struct bus_config serial = rtu(), net = tcp(), server = tcp();
    server.framing = FRAMING_RTU;
    ck_assert_int_eq(bus_settle(&serial, NULL) | bus_settle(&net, NULL), MW_OK);
    ck_assert_int_eq(bus_settle(&server, NULL), MW_OK);
    for (int unit = 0; unit < 256; unit++) {
        struct device_config on_rtu = { .unit = (uint8_t)unit }, on_tcp = on_rtu;
        struct device_config behind = on_rtu;
        ck_assert_int_eq(device_settle(&behind, &server, NULL) == MW_OK, unit >= 1 && unit <= 247);
        bool individual = unit >= 1 && unit <= 247;
        ck_assert_int_eq(device_settle(&on_rtu, &serial, NULL) == MW_OK, individual);
        ck_assert_int_eq(device_settle(&on_tcp, &net, NULL) == MW_OK,
                         individual || unit == 0 || unit == 255);
    }
}
END_TEST

START_TEST(every_broken_rule_of_a_device_is_reported)
{
    struct heard heard;
    struct bus_config bus = rtu();
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    struct device_config device = { .unit = 248,
                                    .max_registers = 126,
                                    .max_gap = 125,
                                    .timeout_us = 1,
                                    .turnaround_us = -1,
                                    .pause_us = -1,
                                    .retries = 11 };
    ck_assert_int_eq(device_settle(&device, &bus, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "unit max_registers max_gap timeout turnaround pause retries");
}
END_TEST

START_TEST(a_point_is_a_signed_holding_register_unless_it_says_so)
{
    struct point_config point = { .bit = -1 };
    ck_assert_int_eq(point_settle(&point, NULL), MW_OK);
    ck_assert_int_eq(point.kind, REGISTER_HOLDING);
    ck_assert_int_eq(point.type, VALUE_INT16);
    ck_assert_int_eq(point.order, ORDER_ABCD);
    ck_assert_double_eq(point.scale, 1.0);

    struct point_config coil = { .kind = REGISTER_COIL, .bit = -1 };
    ck_assert_int_eq(point_settle(&coil, NULL), MW_OK);
    ck_assert_int_eq(coil.type, VALUE_BIT);
    struct point_config bit = { .bit = 4 };
    ck_assert_int_eq(point_settle(&bit, NULL), MW_OK);
    ck_assert_int_eq(bit.type, VALUE_BIT);
}
END_TEST

START_TEST(every_broken_rule_of_a_point_is_reported)
{
    struct heard heard;
    struct point_config point = { .kind = REGISTER_COIL,
                                  .type = VALUE_FLOAT64,
                                  .bit = -1,
                                  .address = 65533,
                                  .scale = (double)NAN,
                                  .offset = (double)INFINITY,
                                  .n_sentinels = 9,
                                  .has_range = true,
                                  .range_min = 1.0,
                                  .range_max = 1.0 };
    ck_assert_int_eq(point_settle(&point, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "type address scale offset invalid range");

    struct point_config bit = { .type = VALUE_BIT, .bit = -1 };
    ck_assert_int_eq(point_settle(&bit, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "bit");
    struct point_config wide = { .type = VALUE_UINT32, .bit = 2 };
    ck_assert_int_eq(point_settle(&wide, &listen(&heard)->to), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "bit");
    struct point_config last = { .type = VALUE_INT32, .bit = -1, .address = 65534 };
    ck_assert_int_eq(point_settle(&last, NULL), MW_OK);
    last.address++;
    ck_assert_int_eq(point_settle(&last, NULL), MW_ERR_INVALID);
}
END_TEST

MW_SUITE("fieldbus/device", an_rtu_bus_gets_the_standards_defaults,
         a_slow_line_gets_the_time_its_frames_take, a_tcp_bus_gets_port_502_and_no_serial_settings,
         every_broken_rule_of_a_bus_is_reported, a_device_takes_from_its_bus_what_it_does_not_say,
         a_device_may_have_a_rate_and_parity_of_its_own, rts_has_a_delay_only_where_we_switch_it,
         a_timeout_holds_the_delays_of_rts, units_are_those_of_the_wire,
         every_broken_rule_of_a_device_is_reported,
         a_point_is_a_signed_holding_register_unless_it_says_so,
         every_broken_rule_of_a_point_is_reported)
