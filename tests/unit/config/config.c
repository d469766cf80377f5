/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/result.h"
#include "support/suite.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#define PROFILES MW_SOURCE_DIR "/fieldbus/profiles"
#define SECOND   INT64_C(1000000)

struct errors {
    size_t n;
    char lines[32][200];
};

static void take(void *ctx, const struct config_error *error)
{
    struct errors *errors = ctx;
    if (errors->n < 32)
        snprintf(errors->lines[errors->n], sizeof errors->lines[0], "%s:%d:%d: %s: %s", error->file,
                 error->line, error->column, error->path, error->message);
    errors->n++;
}

static struct config *load(const char *text)
{
    struct errors errors = { 0 };
    struct config *config = NULL;
    int result = config_load_bytes(&config, "t", (const uint8_t *)text, strlen(text), NULL,
                                   PROFILES, take, &errors);
    ck_assert_msg(result == MW_OK, "%s", errors.lines[0]);
    ck_assert_uint_eq(errors.n, 0);
    return config;
}

static void refuse(const char *text, const char *first, size_t n_errors)
{
    struct errors errors = { 0 };
    struct config *config = NULL;
    ck_assert_int_eq(config_load_bytes(&config, "t", (const uint8_t *)text, strlen(text), NULL,
                                       NULL, take, &errors),
                     MW_ERR_INVALID);
    ck_assert_ptr_null(config);
    ck_assert_str_eq(errors.lines[0], first);
    ck_assert_uint_eq(errors.n, n_errors);
}

#define FIELD                                                                          \
    "version: 1\n"                                                                     \
    "buses:\n"                                                                         \
    "  - {name: line, rtu: {device: /dev/ttyS1}, timeout: 400ms, retries: 0}\n"        \
    "  - {name: net, tcp: {host: 192.0.2.1}}\n"                                        \
    "devices:\n"                                                                       \
    "  - {name: a, bus: line, unit: 1, profile: banner-qm30vt2, max_gap: 0}\n"         \
    "  - {name: b, bus: net, unit: 0, retries: 3, timeout: 50ms, points: "             \
    "[{name: temp, kind: input, address: 7, unit: degC}, {name: running, kind: coil, " \
    "address: 3}]}\n"

static const struct point_config *point(const struct config *c, size_t device, const char *name)
{
    const struct device_config *d = &c->devices[device];
    for (uint32_t i = d->first_point; i < d->first_point + d->n_points; i++)
        if (strcmp(c->points[i].name, name) == 0)
            return &c->points[i];
    ck_abort_msg("no point %s", name);
    return NULL;
}

START_TEST(what_is_not_given_has_its_default)
{
    struct config *c = load("version: 1\n");
    ck_assert_str_eq(c->site, "site");
    ck_assert_str_eq(c->gateway, "gateway");
    ck_assert_str_eq(c->spool, "/var/lib/millwright/spool");
    ck_assert_str_eq(c->socket, "/run/millwright/control");
    ck_assert_str_eq(c->mqtt.uri, "");
    ck_assert_str_eq(c->mqtt.client_id, "millwright-gateway");
    ck_assert_int_eq(c->store.max_bytes, 256 << 20);
    ck_assert_uint_eq(c->n_buses + c->n_devices + c->n_points + c->n_machines, 0);
    config_free(c);
}
END_TEST

START_TEST(timing_cascades_from_bus_to_device)
{
    struct config *c = load(FIELD);
    ck_assert_int_eq(c->buses[0].kind, BUS_RTU);
    ck_assert_uint_eq(c->buses[0].baud, 19200);
    ck_assert_int_eq(c->buses[0].parity, 'E');
    ck_assert_int_eq(c->devices[0].timeout_us, 400000);
    ck_assert_uint_eq(c->devices[0].retries, 0);
    ck_assert_int_eq(c->devices[1].timeout_us, 50000);
    ck_assert_uint_eq(c->devices[1].retries, 3);
    ck_assert_uint_eq(c->devices[1].bus, 1);
    config_free(c);
}
END_TEST

START_TEST(a_given_zero_is_not_a_missing_value)
{
    struct config *c = load(FIELD "machines:\n"
                                  "  - name: m\n"
                                  "    device: a\n"
                                  "    channels:\n"
                                  "      - {point: temp, stuck: never, limits: {high: 1, "
                                  "deadband: 0, delay: 0s}}\n"
                                  "      - {point: vel_rms_z, stuck: auto}\n"
                                  "mqtt: {heartbeat: never}\n");
    const struct mw_channel_config *ch = c->machines[0].detector.channels;
    ck_assert_uint_eq(c->devices[0].max_gap, DEVICE_NO_GAP);
    ck_assert_float_eq(ch[0].limits.deadband, FLT_MIN);
    ck_assert_int_eq(ch[0].limits.delay_us, 1);
    ck_assert_int_eq(ch[0].sensor.stuck_us, -1);
    ck_assert_int_eq(ch[1].sensor.stuck_us, 0);
    ck_assert_int_eq(ch[1].limits.armed, 0);
    ck_assert_int_eq(c->mqtt.heartbeat_us, -1);
    config_free(c);
}
END_TEST

START_TEST(a_point_is_polled_for_its_fastest_machine_and_unused_ones_not)
{
    struct config *c = load(FIELD "machines:\n"
                                  "  - {name: slow, device: a, period: 5s, channels: [{point: "
                                  "temp}, {point: freq_x}]}\n"
                                  "  - {name: fast, device: a, period: 2s, channels: [{point: "
                                  "temp}]}\n");
    ck_assert_int_eq(point(c, 0, "temp")->period_us, 2 * SECOND);
    ck_assert_int_eq(point(c, 0, "freq_x")->period_us, 5 * SECOND);
    ck_assert_int_eq(point(c, 0, "freq_z")->period_us, 0);
    ck_assert_uint_eq(c->n_points, 19);
    ck_assert_uint_eq(c->point_devices[18], 1);
    config_free(c);
}
END_TEST

START_TEST(a_machine_changes_what_its_type_says)
{
    struct config *c =
        load(FIELD "machine_types:\n"
                   "  - name: pump\n"
                   "    period: 500ms\n"
                   "    channels:\n"
                   "      - {point: vel_rms_z, limits: {high: 4.5, high_high: 7.1, delay: 10s}}\n"
                   "      - {point: temp, name: heat, role: context, limits: {high: 80}}\n"
                   "    model: {delay: 20s, learn_rows: 500}\n"
                   "    alarm: {on_delay: 3s, latch: true}\n"
                   "machines:\n"
                   "  - {name: one, type: pump, device: a}\n"
                   "  - name: two\n"
                   "    type: pump\n"
                   "    device: a\n"
                   "    period: 2s\n"
                   "    channels:\n"
                   "      - {point: vel_rms_z, limits: {high: 6, high_high: none}}\n"
                   "      - {name: heat, limits: {high: 90, rate: 2/min}}\n"
                   "      - {point: b.temp}\n"
                   "    alarm: {latch: false}\n");
    const struct machine_config *one = &c->machines[0], *two = &c->machines[1];
    ck_assert_uint_eq(one->detector.n_channels, 2);
    ck_assert_int_eq(one->detector.period_us, 500000);
    ck_assert_int_eq(one->alarm.on_delay_us, 3 * SECOND);
    ck_assert(one->alarm.latch);
    ck_assert_uint_eq(one->learn_rows, 500);

    ck_assert_uint_eq(two->detector.n_channels, 3);
    ck_assert_int_eq(two->detector.period_us, 2 * SECOND);
    ck_assert_int_eq(two->detector.model_delay_us, 20 * SECOND);
    ck_assert_int_eq(two->alarm.on_delay_us, 3 * SECOND);
    ck_assert(!two->alarm.latch);
    const struct mw_channel_config *ch = two->detector.channels;
    ck_assert_int_eq(ch[0].limits.armed, MW_LIMIT_HIGH);
    ck_assert_float_eq(ch[0].limits.high, 6.0f);
    ck_assert_int_eq(ch[0].limits.delay_us, 10 * SECOND);
    ck_assert_str_eq(ch[1].name, "heat");
    ck_assert_int_eq(ch[1].role, MW_ROLE_CONTEXT);
    ck_assert_int_eq(ch[1].limits.armed, MW_LIMIT_HIGH | MW_LIMIT_RATE);
    ck_assert_float_eq(ch[1].limits.rate, 2.0f);
    ck_assert_str_eq(ch[2].name, "temp");
    ck_assert_str_eq(ch[2].unit, "degC");
    ck_assert_uint_eq(two->points[2], c->devices[1].first_point);
    config_free(c);
}
END_TEST

START_TEST(channels_of_equal_points_are_named_by_their_roles)
{
    struct config *c = load(FIELD "machines:\n"
                                  "  - name: m\n"
                                  "    devices: [{role: motor, device: a}, {role: room, device: "
                                  "b}]\n"
                                  "    channels: [{point: motor.temp}, {point: room.temp}, {point: "
                                  "room.running, role: context}]\n");
    const struct mw_channel_config *ch = c->machines[0].detector.channels;
    ck_assert_str_eq(ch[0].name, "motor.temp");
    ck_assert_str_eq(ch[1].name, "room.temp");
    ck_assert_str_eq(ch[2].name, "running");
    ck_assert_int_eq(point(c, 1, "running")->type, VALUE_BIT);
    config_free(c);
}
END_TEST

START_TEST(a_device_changes_points_of_its_profile)
{
    struct config *c = load("version: 1\n"
                            "buses: [{name: line, rtu: {device: /dev/ttyS1}}]\n"
                            "devices:\n"
                            "  - name: d\n"
                            "    bus: line\n"
                            "    unit: 80\n"
                            "    profile: witmotion-wtvb01-485\n"
                            "    points:\n"
                            "      - {name: vel_x, scale: 1, range: [0, 100]}\n"
                            "      - {name: extra, address: 0x50, type: uint16}\n");
    ck_assert_uint_eq(c->n_points, 14);
    const struct point_config *p = point(c, 0, "vel_x");
    ck_assert_uint_eq(p->address, 58);
    ck_assert_int_eq(p->type, VALUE_UINT16);
    ck_assert_double_eq(p->scale, 1);
    ck_assert_double_eq(p->range_max, 100);
    ck_assert_str_eq(p->unit, "mm/s");
    ck_assert_double_eq(point(c, 0, "vel_y")->scale, 0.01);
    ck_assert_uint_eq(point(c, 0, "extra")->address, 80);
    config_free(c);
}
END_TEST

START_TEST(addresses_are_the_wires_unless_they_are_said_to_be_modicons)
{
    struct config *c =
        load("version: 1\n"
             "buses: [{name: net, tcp: {host: h}}]\n"
             "devices:\n"
             "  - name: d\n"
             "    bus: net\n"
             "    unit: 1\n"
             "    address_style: modicon\n"
             "    address_offset: 100\n"
             "    points:\n"
             "      - {name: h, address: 40001}\n"
             "      - {name: i, address: 365436, invalid: [0x8000, -1]}\n"
             "      - {name: c, address: 00017}\n"
             "      - {name: d, address: 10001}\n"
             "  - {name: e, bus: net, unit: 2, points: [{name: h, address: 40001, type: int32, "
             "invalid: [-1]}]}\n");
    ck_assert_int_eq(point(c, 0, "h")->kind, REGISTER_HOLDING);
    ck_assert_uint_eq(point(c, 0, "h")->address, 100);
    ck_assert_int_eq(point(c, 0, "i")->kind, REGISTER_INPUT);
    ck_assert_uint_eq(point(c, 0, "i")->address, 65535);
    ck_assert_uint_eq(point(c, 0, "i")->n_sentinels, 2);
    ck_assert(point(c, 0, "i")->sentinels[1] == 0xffff);
    ck_assert_int_eq(point(c, 0, "c")->kind, REGISTER_COIL);
    ck_assert_uint_eq(point(c, 0, "c")->address, 116);
    ck_assert_int_eq(point(c, 0, "d")->kind, REGISTER_DISCRETE);
    ck_assert_uint_eq(point(c, 1, "h")->address, 40001);
    ck_assert(point(c, 1, "h")->sentinels[0] == 0xffffffff);
    config_free(c);
}
END_TEST

START_TEST(the_load_of_a_line_is_its_frames_gaps_and_answers)
{
    /* Two registers apart enough to be two requests, each twice a second. One exchange: request 8
     * and reply 5 + 2 characters of 11 bits at 9600 baud, rounded up to 1146 us each; two silences
     * of 3.5 characters, 4011 us each; 5 ms for the answer. */
    struct config *c = load("version: 1\n"
                            "buses: [{name: line, rtu: {device: /dev/ttyS1, baud: 9600}}]\n"
                            "devices:\n"
                            "  - {name: d, bus: line, unit: 1, pause: 2ms, points: [{name: x, "
                            "address: 0}, {name: y, address: 100}]}\n"
                            "machines:\n"
                            "  - {name: m, device: d, period: 500ms, channels: [{point: x}, "
                            "{point: y}]}\n");
    double exchange_us = 15 * 1146 + 2 * 4011 + 5000 + 2000;
    ck_assert_double_eq_tol(config_bus_load(c, 0), 2 * exchange_us / 500000, 1e-4);
    config_free(c);
}
END_TEST

START_TEST(errors_come_in_the_order_of_lines_and_all_in_one_run)
{
    struct errors errors = { 0 };
    struct config *config = NULL;
    const char *text = "version: 1\n"
                       "machines:\n"
                       "  - {name: m/1, device: nowhere, channels: [{point: x, rloe: score}]}\n"
                       "devices:\n"
                       "  - {name: d, bus: nowhere, unit: 1x, points: [{name: p}]}\n"
                       "store: {block: 5}\n"
                       "gateway: {nmae: x}\n";
    static const char *const EXPECTED[] = {
        "t:3:12: machines[0].name: ",
        "t:3:25: machines[0].device: ",
        "t:3:56: machines[0].channels[0].rloe: ",
        "t:5:20: devices[0].bus: ",
        "t:5:35: devices[0].unit: ",
        "t:5:48: devices[0].points[0].address: ",
        "t:6:16: store.block: ",
        "t:7:11: gateway.nmae: ",
    };
    ck_assert_int_eq(config_load_bytes(&config, "t", (const uint8_t *)text, strlen(text), NULL,
                                       NULL, take, &errors),
                     MW_ERR_INVALID);
    for (size_t i = 0; i < sizeof EXPECTED / sizeof EXPECTED[0]; i++)
        ck_assert_msg(strncmp(errors.lines[i], EXPECTED[i], strlen(EXPECTED[i])) == 0, "%s",
                      errors.lines[i]);
    ck_assert_uint_eq(errors.n, sizeof EXPECTED / sizeof EXPECTED[0]);
}
END_TEST

START_TEST(without_folders_no_profile_is_found)
{
    refuse("version: 1\n"
           "buses: [{name: net, tcp: {host: h}}]\n"
           "devices: [{name: d, bus: net, unit: 1, profile: banner-qm30vt2}]\n",
           "t:3:49: devices[0].profile: there is no profile 'banner-qm30vt2'", 1);
}
END_TEST

START_TEST(too_many_bytes_are_refused_before_they_are_parsed)
{
    static uint8_t bytes[CONFIG_MAX_FILE_BYTES + 1];
    struct errors errors = { 0 };
    struct config *config = NULL;
    ck_assert_int_eq(
        config_load_bytes(&config, "t", bytes, sizeof bytes, NULL, NULL, take, &errors),
        MW_ERR_TOO_BIG);
    ck_assert_str_eq(errors.lines[0], "t:0:0: : the file is larger than 256 KiB");
}
END_TEST

START_TEST(a_byte_order_mark_is_skipped)
{
    config_free(load("\xef\xbb\xbfversion: 1\ngateway: {name: hall}\n"));
    refuse("\xef\xbb\xbf", "t:1:1: : the file is empty", 1);
    refuse("\xef\xbb\xbfversion: 2\n",
           "t:1:10: version: '2' is not a version this program knows; it is 1", 1);
}
END_TEST

START_TEST(a_file_that_is_none_is_refused)
{
    struct errors errors = { 0 };
    struct config *config = NULL;
    ck_assert_int_eq(
        config_load(&config, MW_SOURCE_DIR "/nowhere.yaml", NULL, CONFIG_HERE, take, &errors),
        MW_ERR_NOT_FOUND);
    ck_assert_int_eq(config_load(&config, MW_SOURCE_DIR, NULL, CONFIG_HERE, take, &errors),
                     MW_ERR_IO);
    ck_assert_int_eq(config_load(&config, "/dev/zero", NULL, CONFIG_HERE, take, &errors),
                     MW_ERR_IO);
    ck_assert_uint_eq(errors.n, 3);
}
END_TEST

MW_SUITE("config/config", what_is_not_given_has_its_default, timing_cascades_from_bus_to_device,
         a_given_zero_is_not_a_missing_value,
         a_point_is_polled_for_its_fastest_machine_and_unused_ones_not,
         a_machine_changes_what_its_type_says, channels_of_equal_points_are_named_by_their_roles,
         a_device_changes_points_of_its_profile,
         addresses_are_the_wires_unless_they_are_said_to_be_modicons,
         the_load_of_a_line_is_its_frames_gaps_and_answers,
         errors_come_in_the_order_of_lines_and_all_in_one_run, without_folders_no_profile_is_found,
         a_byte_order_mark_is_skipped, too_many_bytes_are_refused_before_they_are_parsed,
         a_file_that_is_none_is_refused)
