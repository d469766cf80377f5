/* SPDX-License-Identifier: Apache-2.0 */
#include "config/diff.h"

#include "base/result.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROFILES MW_SOURCE_DIR "/fieldbus/profiles"

#define BUSES                                    \
    "version: 1\n"                               \
    "buses:\n"                                   \
    "  - {name: a, rtu: {device: /dev/ttyS1}}\n" \
    "  - {name: b, tcp: {host: 192.0.2.1}, retries: 2}\n"
#define TYPE                                                                    \
    "machine_types: [{name: pump, profile: banner-qm30vt2, channels: [{point: " \
    "vel_rms_z, limits: {high: 4}}, {point: temp}]}]\n"
#define M(name, bus, unit, more) \
    "  - {name: " name ", type: pump, bus: " bus ", unit: " unit more "}\n"
#define PLANT \
    BUSES TYPE "machines:\n" M("m1", "a", "1", "") M("m2", "b", "1", "") M("m3", "b", "2", "")

static void take(void *ctx, const struct config_error *error)
{
    snprintf(ctx, 200, "%d:%d: %s: %s", error->line, error->column, error->path, error->message);
}

static struct config *load(const char *text)
{
    char error[200] = "";
    struct config *config = NULL;
    int result = config_load_bytes(&config, "t", (const uint8_t *)text, strlen(text), NULL,
                                   PROFILES, take, error);
    ck_assert_msg(result == MW_OK, "%s", error);
    return config;
}

struct pair {
    struct config *old, *new;
    struct config_diff diff;
};

static struct pair compare(const char *old, const char *new)
{
    struct pair p = { load(old), load(new), { 0 } };
    config_diff(&p.diff, p.old, p.new);
    ck_assert(!p.diff.no_memory);
    return p;
}

static void finish(struct pair *p)
{
    config_diff_finish(&p->diff);
    config_free(p->old);
    config_free(p->new);
}

static void expect(const struct config_diff *d, size_t i, enum config_change_kind kind,
                   const char *text)
{
    ck_assert_uint_lt(i, d->n_changes);
    ck_assert_str_eq(d->changes[i].text, text);
    ck_assert_int_eq(d->changes[i].kind, kind);
}

START_TEST(the_same_file_changes_nothing)
{
    struct pair p = compare(PLANT, PLANT);
    ck_assert_uint_eq(p.diff.n_changes, 0);
    ck_assert(!p.diff.mqtt);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(p.diff.machines[i], i);
        ck_assert(p.diff.same_machine[i]);
    }
    ck_assert(p.diff.same_bus[0] && p.diff.same_bus[1]);
    finish(&p);
}
END_TEST

START_TEST(another_order_changes_numbers_and_touches_only_wires_whose_devices_change_places)
{
    struct pair p = compare(PLANT, BUSES TYPE "machines:\n" M("m3", "b", "2", "")
                                       M("m2", "b", "1", "") M("m1", "a", "1", ""));
    ck_assert_uint_eq(p.diff.n_changes, 0);
    ck_assert_uint_eq(p.diff.machines[0], 2);
    ck_assert_uint_eq(p.diff.machines[2], 0);
    ck_assert_uint_eq(p.diff.devices[0], 2);
    ck_assert(p.diff.same_machine[0] && p.diff.same_machine[2]);
    ck_assert(p.diff.same_bus[0]);
    ck_assert(!p.diff.same_bus[1]); /* it is asked in another order */
    finish(&p);
}
END_TEST

START_TEST(a_limit_touches_no_wire)
{
    struct pair p = compare(PLANT, BUSES TYPE "machines:\n" M("m1", "a", "1", "")
                                       M("m2", "b", "1",
                                         ", channels: [{point: vel_rms_z, "
                                         "limits: {high: 5, low: 1}}]") M("m3", "b", "2", ""));
    ck_assert_uint_eq(p.diff.n_changes, 2);
    expect(&p.diff, 0, CHANGE_CHANGED, "machine m2: vel_rms_z.limits.high: 4 -> 5");
    expect(&p.diff, 1, CHANGE_CHANGED, "machine m2: vel_rms_z.limits.low: none -> 1");
    ck_assert(p.diff.same_machine[0] && !p.diff.same_machine[1] && p.diff.same_machine[2]);
    ck_assert(p.diff.same_bus[0] && p.diff.same_bus[1]);
    finish(&p);
}
END_TEST

START_TEST(a_faster_machine_touches_its_wire_alone)
{
    struct pair p = compare(PLANT, BUSES TYPE "machines:\n" M("m1", "a", "1", ", period: 500ms")
                                       M("m2", "b", "1", "") M("m3", "b", "2", ""));
    expect(&p.diff, 0, CHANGE_CHANGED, "machine m1: period: 1s -> 500ms");
    ck_assert(!p.diff.same_bus[0] && p.diff.same_bus[1]);
    finish(&p);
}
END_TEST

START_TEST(machines_come_and_go_with_their_devices)
{
    struct pair p = compare(PLANT, BUSES TYPE "machines:\n" M("m1", "a", "1", "")
                                       M("m2", "b", "1", "") M("m4", "a", "2", ""));
    ck_assert_uint_eq(p.diff.n_changes, 4);
    expect(&p.diff, 0, CHANGE_ADDED, "device m4");
    expect(&p.diff, 1, CHANGE_REMOVED, "device m3");
    expect(&p.diff, 2, CHANGE_ADDED, "machine m4");
    expect(&p.diff, 3, CHANGE_REMOVED, "machine m3");
    ck_assert_uint_eq(p.diff.machines[2], DIFF_NONE);
    ck_assert_uint_eq(p.diff.devices[2], DIFF_NONE);
    ck_assert(!p.diff.same_bus[0] && !p.diff.same_bus[1]);
    finish(&p);
}
END_TEST

START_TEST(a_bus_that_is_called_otherwise_is_another_bus)
{
    struct pair p = compare(BUSES, "version: 1\nbuses:\n  - {name: a, rtu: {device: /dev/ttyS1}}\n"
                                   "  - {name: c, tcp: {host: 192.0.2.1}, retries: 2}\n");
    ck_assert_uint_eq(p.diff.n_changes, 2);
    expect(&p.diff, 0, CHANGE_ADDED, "bus c");
    expect(&p.diff, 1, CHANGE_REMOVED, "bus b");
    ck_assert(p.diff.same_bus[0] && !p.diff.same_bus[1]);
    ck_assert_uint_eq(p.diff.buses[1], DIFF_NONE);
    finish(&p);
}
END_TEST

START_TEST(a_bus_setting_that_devices_take_over_is_told_of_both)
{
    struct pair p = compare(PLANT, "version: 1\nbuses:\n  - {name: a, rtu: {device: /dev/ttyS1}}\n"
                                   "  - {name: b, tcp: {host: 192.0.2.1}, retries: 1}\n" TYPE
                                   "machines:\n" M("m1", "a", "1", "") M("m2", "b", "1", "")
                                       M("m3", "b", "2", ""));
    expect(&p.diff, 0, CHANGE_CHANGED, "bus b: retries: 2 -> 1");
    expect(&p.diff, 1, CHANGE_CHANGED, "device m2: retries: 2 -> 1");
    ck_assert(p.diff.same_bus[0] && !p.diff.same_bus[1]);
    ck_assert(p.diff.same_machine[1]);
    finish(&p);
}
END_TEST

START_TEST(a_point_called_otherwise_leaves_the_wire_alone)
{
#define POINT(name)                                                                         \
    BUSES "devices: [{name: d, bus: a, unit: 1, points: [{name: " name ", address: 3}]}]\n" \
          "machines: [{name: m, device: d, channels: [{point: " name ", name: x}]}]\n"
    struct pair p = compare(POINT("p"), POINT("q"));
    ck_assert(p.diff.same_bus[0]);
    ck_assert(!p.diff.same_machine[0]);
    ck_assert_uint_gt(p.diff.n_changes, 0);
    finish(&p);
}
END_TEST

START_TEST(the_broker_is_a_connection_and_names_of_topics_need_a_restart)
{
    struct pair p = compare("version: 1\nmqtt: {uri: \"mqtt://b\"}\n",
                            "version: 1\nmqtt: {uri: \"mqtt://c\", keepalive: 20s}\n");
    ck_assert_uint_eq(p.diff.n_changes, 2);
    expect(&p.diff, 0, CHANGE_CHANGED, "mqtt.uri: \"mqtt://b\" -> \"mqtt://c\"");
    expect(&p.diff, 1, CHANGE_CHANGED, "mqtt.keepalive: 10s -> 20s");
    ck_assert(p.diff.mqtt);
    ck_assert_uint_eq(p.diff.n_restart, 0);
    finish(&p);
    p = compare("version: 1\n", "version: 1\nmqtt: {topic_prefix: t}\n"
                                "gateway: {socket: /run/s}\nstore: {history: off}\n");
    ck_assert_uint_eq(p.diff.n_restart, 3);
    expect(&p.diff, 0, CHANGE_NEEDS_RESTART, "gateway.socket: /run/millwright/control -> /run/s");
    expect(&p.diff, 1, CHANGE_NEEDS_RESTART, "store.history: 90d -> off");
    expect(&p.diff, 2, CHANGE_NEEDS_RESTART, "mqtt.topic_prefix: millwright/v1 -> t");
    ck_assert(!p.diff.mqtt);
    finish(&p);
}
END_TEST

START_TEST(a_renewed_certificate_is_a_change_of_the_broker)
{
    struct pair p = { load("version: 1\n"), load("version: 1\n"), { 0 } };
    p.new->mqtt_files[5] ^= 1;
    config_diff(&p.diff, p.old, p.new);
    ck_assert(p.diff.mqtt);
    ck_assert_uint_eq(p.diff.n_changes, 1);
    finish(&p);
}
END_TEST

MW_SUITE("config/diff", the_same_file_changes_nothing,
         another_order_changes_numbers_and_touches_only_wires_whose_devices_change_places,
         a_limit_touches_no_wire, a_faster_machine_touches_its_wire_alone,
         machines_come_and_go_with_their_devices, a_bus_that_is_called_otherwise_is_another_bus,
         a_bus_setting_that_devices_take_over_is_told_of_both,
         a_point_called_otherwise_leaves_the_wire_alone,
         the_broker_is_a_connection_and_names_of_topics_need_a_restart,
         a_renewed_certificate_is_a_change_of_the_broker)
