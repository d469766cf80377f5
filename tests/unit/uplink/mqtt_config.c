/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "support/suite.h"
#include "uplink/broker.h"

#include <stdio.h>
#include <string.h>

#define S INT64_C(1000000)

struct heard {
    char settings[256];
    char values[512];
};

static void hear(void *ctx, const struct mw_complaint *c)
{
    struct heard *heard = ctx;
    size_t n = strlen(heard->settings), v = strlen(heard->values);
    snprintf(heard->settings + n, sizeof heard->settings - n, "%s%s", n ? " " : "", c->setting);
    snprintf(heard->values + v, sizeof heard->values - v, "%s ", c->value ? c->value : "-");
}

static int settle(struct mqtt_config *mqtt, struct heard *ret_heard)
{
    *ret_heard = (struct heard){ 0 };
    struct mw_complaints to = { hear, ret_heard };
    return mqtt_settle(mqtt, "gw-01", &to);
}

START_TEST(what_is_not_given_becomes_the_default)
{
    struct mqtt_config mqtt = { .uri = "mqtt://broker.plant" };
    struct heard heard;
    ck_assert_int_eq(settle(&mqtt, &heard), MW_OK);
    ck_assert_str_eq(mqtt.client_id, "millwright-gw-01");
    ck_assert_str_eq(mqtt.topic_prefix, "millwright/v1");
    ck_assert_int_eq(mqtt.version, MQTT_VERSION_5);
    ck_assert_int_eq(mqtt.keepalive_us, 10 * S);
    ck_assert_int_eq(mqtt.heartbeat_us, 900 * S);
    ck_assert_int_eq(mqtt.will_delay_us, 10 * S);
}
END_TEST

START_TEST(without_a_uri_nothing_leaves_and_nothing_is_wrong)
{
    struct mqtt_config mqtt = { .ca_file = "/ca.pem" };
    struct heard heard;
    ck_assert_int_eq(settle(&mqtt, &heard), MW_OK);
}
END_TEST

START_TEST(never_a_heartbeat_stays_never)
{
    struct mqtt_config mqtt = { .uri = "mqtt://b", .heartbeat_us = -1 };
    struct heard heard;
    ck_assert_int_eq(settle(&mqtt, &heard), MW_OK);
    ck_assert_int_eq(mqtt.heartbeat_us, -1);
}
END_TEST

START_TEST(a_will_delay_is_of_mqtt_5)
{
    struct mqtt_config mqtt = { .uri = "mqtt://b", .will_delay_us = -1 };
    struct heard heard;
    ck_assert_int_eq(settle(&mqtt, &heard), MW_OK);
    ck_assert_int_eq(mqtt.will_delay_us, -1);
    mqtt = (struct mqtt_config){ .uri = "mqtt://b", .version = MQTT_VERSION_311 };
    ck_assert_int_eq(settle(&mqtt, &heard), MW_OK);
    ck_assert_int_eq(mqtt.will_delay_us, -1);
    mqtt = (struct mqtt_config){ .uri = "mqtt://b",
                                 .version = MQTT_VERSION_311,
                                 .will_delay_us = 5 * S };
    ck_assert_int_eq(settle(&mqtt, &heard), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "will_delay");
}
END_TEST

START_TEST(every_broken_rule_is_complained_of)
{
    struct mqtt_config mqtt = { .uri = "http://broker",
                                .client_id = "a b",
                                .version = (enum mqtt_version)3,
                                .keepalive_us = 1,
                                .heartbeat_us = 90000 * S,
                                .will_delay_us = 3601 * S,
                                .password_file = "/p",
                                .cert_file = "/c",
                                .topic_prefix = "a/#" };
    struct heard heard;
    ck_assert_int_eq(settle(&mqtt, &heard), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "uri client_id version keepalive heartbeat will_delay "
                                     "username cert_file key_file topic_prefix");
}
END_TEST

START_TEST(a_uri_is_scheme_host_and_port)
{
    static const struct {
        const char *uri, *host;
        uint16_t port;
        bool tls;
    } good[] = {
        { "mqtt://broker", "broker", 1883, false },
        { "mqtts://broker.plant.example", "broker.plant.example", 8883, true },
        { "mqtt://10.0.0.7:1", "10.0.0.7", 1, false },
        { "mqtts://[fe80::1]:65535", "[fe80::1]", 65535, true },
    };
    static const char *const bad[] = {
        "",
        "broker",
        "mqtt:/b",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://b:",
        "mqtt://b:0",
        "mqtt://b:65536",
        "mqtt://b:1x",
        "mqtt://b/path",
        "tcp://b",
        "MQTT://b",
        "mqtt://a b",
        "mqtt://[::1",
        "mqtt://[]:1",
        "mqtt://u@b",
        "mqtt://u:p@b:1883",
        "mqtt://b:-1",
        "mqtt://[::1]x",
        "mqtt://b?x=1",
    };
    struct mqtt_endpoint e;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_int_eq(mqtt_parse_uri(good[i].uri, &e), MW_OK);
        ck_assert_str_eq(e.host, good[i].host);
        ck_assert_uint_eq(e.port, good[i].port);
        ck_assert_int_eq(e.tls, good[i].tls);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(mqtt_parse_uri(bad[i], &e) == MW_ERR_FORMAT, "%s", bad[i]);
}
END_TEST

START_TEST(a_password_in_the_uri_is_refused_and_not_repeated)
{
    struct mqtt_config mqtt = { .uri = "mqtt://maria:geheim@broker" };
    struct heard heard;
    ck_assert_int_eq(settle(&mqtt, &heard), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "uri");
    ck_assert_ptr_null(strstr(heard.values, "geheim"));
}
END_TEST

START_TEST(tls_needs_its_own_authority_and_both_halves_of_a_certificate)
{
    struct heard heard;
    struct mqtt_config bare = { .uri = "mqtts://b" };
    ck_assert_int_eq(settle(&bare, &heard), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "ca_file");
    struct mqtt_config half = { .uri = "mqtts://b", .ca_file = "/ca", .key_file = "/key" };
    ck_assert_int_eq(settle(&half, &heard), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "cert_file");
    struct mqtt_config plain = { .uri = "mqtt://b", .ca_file = "/ca" };
    ck_assert_int_eq(settle(&plain, &heard), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "ca_file");
    struct mqtt_config whole = {
        .uri = "mqtts://b", .ca_file = "/ca", .cert_file = "/crt", .key_file = "/key"
    };
    ck_assert_int_eq(settle(&whole, &heard), MW_OK);
}
END_TEST

START_TEST(application_protocols_are_names_with_commas_between_them)
{
    static const char *const bad[] = { ",", "a,", ",a", "a,,b", "a b" };
    static const uint8_t two[] = { 4, 'm', 'q', 't', 't', 1, 'x' };
    struct heard heard;
    uint8_t wire[64];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mqtt_config mqtt = { .uri = "mqtts://b", .ca_file = "/ca" };
        snprintf(mqtt.alpn, sizeof mqtt.alpn, "%s", bad[i]);
        ck_assert_msg(settle(&mqtt, &heard) == MW_ERR_INVALID, "%s", bad[i]);
        ck_assert_str_eq(heard.settings, "alpn");
    }
    struct mqtt_config plain = { .uri = "mqtt://b", .alpn = "mqtt" };
    ck_assert_int_eq(settle(&plain, &heard), MW_ERR_INVALID);
    ck_assert_str_eq(heard.settings, "alpn");
    struct mqtt_config good = { .uri = "mqtts://b", .ca_file = "/ca", .alpn = "mqtt,x" };
    ck_assert_int_eq(settle(&good, &heard), MW_OK);
    ck_assert_int_eq(mqtt_alpn_wire(good.alpn, wire, sizeof wire), (int)sizeof two);
    ck_assert_mem_eq(wire, two, sizeof two);
    ck_assert_int_eq(mqtt_alpn_wire("", wire, sizeof wire), 0);
    ck_assert_int_eq(mqtt_alpn_wire("mqtt,x", wire, 6), MW_ERR_FORMAT);
}
END_TEST

START_TEST(durations_are_whole_seconds_within_their_range)
{
    static const int64_t bad_us[] = { -1, 1, 999999, 1500000, 64801 * S };
    struct heard heard;
    for (size_t i = 0; i < sizeof bad_us / sizeof bad_us[0]; i++) {
        struct mqtt_config mqtt = { .uri = "mqtt://b", .keepalive_us = bad_us[i] };
        ck_assert_int_eq(settle(&mqtt, &heard), MW_ERR_INVALID);
        ck_assert_str_eq(heard.settings, "keepalive");
    }
    struct mqtt_config edges = { .uri = "mqtt://b", .keepalive_us = 1 * S, .heartbeat_us = 10 * S };
    ck_assert_int_eq(settle(&edges, &heard), MW_OK);
    edges.keepalive_us = 64800 * S;
    edges.heartbeat_us = 86400 * S;
    ck_assert_int_eq(settle(&edges, &heard), MW_OK);
}
END_TEST

START_TEST(a_prefix_has_no_wildcard_and_no_empty_level)
{
    static const char *const bad[] = { "/a", "a/", "a//b", "+", "a/#", "$SYS", "a b", "\xc3\xa4" };
    struct heard heard;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mqtt_config mqtt = { .uri = "mqtt://b" };
        snprintf(mqtt.topic_prefix, sizeof mqtt.topic_prefix, "%s", bad[i]);
        ck_assert_msg(settle(&mqtt, &heard) == MW_ERR_INVALID, "%s", bad[i]);
        ck_assert_str_eq(heard.settings, "topic_prefix");
    }
}
END_TEST

START_TEST(every_reason_has_words)
{
    ck_assert_str_eq(broker_reason_text(0x87), "not authorized");
    ck_assert_str_eq(broker_reason_text(5), "not authorized");
    ck_assert_str_eq(broker_reason_text(0x97), "quota exceeded");
    for (int reason = 0; reason < 256; reason++)
        ck_assert_ptr_nonnull(broker_reason_text((uint8_t)reason));
}
END_TEST

MW_SUITE("uplink/mqtt_config", what_is_not_given_becomes_the_default,
         without_a_uri_nothing_leaves_and_nothing_is_wrong, never_a_heartbeat_stays_never,
         a_will_delay_is_of_mqtt_5, every_broken_rule_is_complained_of,
         a_uri_is_scheme_host_and_port, a_password_in_the_uri_is_refused_and_not_repeated,
         tls_needs_its_own_authority_and_both_halves_of_a_certificate,
         application_protocols_are_names_with_commas_between_them,
         durations_are_whole_seconds_within_their_range,
         a_prefix_has_no_wildcard_and_no_empty_level, every_reason_has_words)
