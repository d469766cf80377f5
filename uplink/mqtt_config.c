/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "uplink/broker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)

/* Gathers what the single rules say, so that every broken one is told. */
struct judge {
    const struct mw_complaints *to;
    int result;
};

static void complain(struct judge *judge, const char *setting, const char *value, const char *rule)
{
    judge->result = mw_complain(judge->to, setting, value, rule);
}

static bool is_given(const char *text)
{
    return text[0] != '\0';
}

/* Printable ASCII without blanks: what every broker takes. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static bool parse_port(const char *digits, uint16_t *ret_port)
{
    uint32_t port = 0;
    if (!is_given(digits) || strlen(digits) > 5)
        return false;
    for (; *digits; digits++) {
        if (*digits < '0' || *digits > '9')
            return false;
        port = port * 10 + (uint32_t)(*digits - '0');
    }
    if (port < 1 || port > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* Characters of the host at the start of text: up to a colon, or a bracketed IPv6 address whole. */
static size_t host_length(const char *text)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    if (text[0] != '[')
        return strspn(text, name);
    size_t n = strspn(text + 1, "0123456789abcdefABCDEF:.");
    return n > 0 && text[n + 1] == ']' ? n + 2 : 0;
}

int mqtt_parse_uri(const char *uri, struct mqtt_endpoint *ret_endpoint)
{
    static const char plain[] = "mqtt://", secure[] = "mqtts://";
    struct mqtt_endpoint e = { .port = 1883 };
    if (strncmp(uri, plain, sizeof plain - 1) == 0) {
        uri += sizeof plain - 1;
    } else if (strncmp(uri, secure, sizeof secure - 1) == 0) {
        uri += sizeof secure - 1;
        e.tls = true;
        e.port = 8883;
    } else {
        return MW_ERR_FORMAT;
    }
    size_t n = host_length(uri);
    if (n == 0 || n >= sizeof e.host)
        return MW_ERR_FORMAT;
    memcpy(e.host, uri, n);
    if (uri[n] == ':' ? !parse_port(uri + n + 1, &e.port) : uri[n] != '\0')
        return MW_ERR_FORMAT;
    *ret_endpoint = e;
    return MW_OK;
}

int mqtt_alpn_wire(const char *alpn, uint8_t *ret_wire, size_t cap)
{
    size_t n = 0;
    while (*alpn) {
        size_t n_name = strcspn(alpn, ",");
        if (n_name == 0 || n_name > UINT8_MAX || n + 1 + n_name > cap)
            return MW_ERR_FORMAT;
        ret_wire[n++] = (uint8_t)n_name;
        memcpy(ret_wire + n, alpn, n_name);
        n += n_name;
        alpn += n_name;
        if (*alpn == ',' && *++alpn == '\0')
            return MW_ERR_FORMAT;
    }
    return (int)n;
}

static void fill_in(struct mqtt_config *mqtt, const char *gateway)
{
    if (!is_given(mqtt->client_id))
        (void)snprintf(mqtt->client_id, sizeof mqtt->client_id, "millwright-%s", gateway);
    if (!is_given(mqtt->topic_prefix))
        (void)snprintf(mqtt->topic_prefix, sizeof mqtt->topic_prefix, "millwright/v1");
    if (mqtt->version == MQTT_VERSION_DEFAULT)
        mqtt->version = MQTT_VERSION_5;
    if (mqtt->keepalive_us == 0)
        mqtt->keepalive_us = 10 * SECOND_US;
    if (mqtt->heartbeat_us == 0)
        mqtt->heartbeat_us = 15 * 60 * SECOND_US;
    if (mqtt->will_delay_us == 0)
        mqtt->will_delay_us = mqtt->version == MQTT_VERSION_311 ? -1 : 10 * SECOND_US;
}

static void check_duration(struct judge *judge, const char *setting, int64_t value_us,
                           int64_t least_s, int64_t most_s, const char *rule)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64 "us", value_us);
    if (value_us < least_s * SECOND_US || value_us > most_s * SECOND_US)
        complain(judge, setting, text, rule);
    else if (value_us % SECOND_US != 0)
        complain(judge, setting, text, "is not a whole number of seconds");
}

static void check_version(struct judge *judge, enum mqtt_version version)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%d", (int)version);
    if (version != MQTT_VERSION_311 && version != MQTT_VERSION_5)
        complain(judge, "version", text, "is neither 3.1.1 nor 5");
}

/* MQTT 5.0 section 4.7: wildcards are for subscribers, a leading $ is the broker's own. */
static void check_prefix(struct judge *judge, const char *prefix)
{
    size_t n = strlen(prefix);
    if (!is_plain(prefix) || strpbrk(prefix, "+#"))
        complain(judge, "topic_prefix", prefix, "holds a blank, a wildcard or no plain ASCII");
    else if (prefix[0] == '$')
        complain(judge, "topic_prefix", prefix, "begins with $, which is the broker's own");
    else if (prefix[0] == '/' || prefix[n - 1] == '/' || strstr(prefix, "//"))
        complain(judge, "topic_prefix", prefix, "has an empty level");
}

/* Whether the uri asks for TLS; a complaint where it says nothing at all. */
static bool check_uri(struct judge *judge, const char *uri)
{
    struct mqtt_endpoint endpoint = { 0 };
    if (!is_given(uri) || mqtt_parse_uri(uri, &endpoint) == MW_OK)
        return endpoint.tls;
    if (strchr(uri, '@')) /* not repeated in the complaint: it may hold a password */
        complain(judge, "uri", NULL, "holds a user; give username and password_file instead");
    else
        complain(judge, "uri", uri, "is not mqtt://host:port or mqtts://host:port");
    return strncmp(uri, "mqtts", 5) == 0;
}

static void check_tls(struct judge *judge, const struct mqtt_config *mqtt, bool tls)
{
    const char *given = is_given(mqtt->ca_file)     ? "ca_file"
                        : is_given(mqtt->cert_file) ? "cert_file"
                                                    : "key_file";
    bool any = is_given(mqtt->ca_file) || is_given(mqtt->cert_file) || is_given(mqtt->key_file);
    if (tls && !is_given(mqtt->ca_file))
        complain(judge, "ca_file", NULL, "is required with mqtts");
    if (!tls && any && is_given(mqtt->uri))
        complain(judge, given, NULL, "is only used with mqtts");
    if (is_given(mqtt->cert_file) && !is_given(mqtt->key_file))
        complain(judge, "key_file", NULL, "is required with cert_file");
    if (is_given(mqtt->key_file) && !is_given(mqtt->cert_file))
        complain(judge, "cert_file", NULL, "is required with key_file");
}

static void check_alpn(struct judge *judge, const struct mqtt_config *mqtt, bool tls)
{
    uint8_t wire[sizeof mqtt->alpn];
    if (!tls && is_given(mqtt->alpn) && is_given(mqtt->uri))
        complain(judge, "alpn", NULL, "is only used with mqtts");
    if (!is_plain(mqtt->alpn) || mqtt_alpn_wire(mqtt->alpn, wire, sizeof wire) < 0)
        complain(judge, "alpn", mqtt->alpn, "is no list of names with commas between them");
}

int mqtt_settle(struct mqtt_config *mqtt, const char *gateway, const struct mw_complaints *to)
{
    assert(gateway);
    struct judge judge = { .to = to, .result = MW_OK };
    fill_in(mqtt, gateway);
    bool tls = check_uri(&judge, mqtt->uri);
    if (!is_plain(mqtt->client_id))
        complain(&judge, "client_id", mqtt->client_id, "holds a blank or no plain ASCII");
    check_version(&judge, mqtt->version);
    check_duration(&judge, "keepalive", mqtt->keepalive_us, 1, 64800, "is not in 1s to 18h");
    if (mqtt->heartbeat_us != -1)
        check_duration(&judge, "heartbeat", mqtt->heartbeat_us, 10, 86400,
                       "is neither 0 (never) nor in 10s to 24h");
    if (mqtt->will_delay_us != -1)
        check_duration(&judge, "will_delay", mqtt->will_delay_us, 1, 3600, "is not in 0s to 1h");
    if (mqtt->will_delay_us != -1 && mqtt->version == MQTT_VERSION_311)
        complain(&judge, "will_delay", NULL, "is of MQTT 5 only");
    /* MQTT 3.1.1 section 3.1.2.9 forbids a password without a user name; a file nobody reads in
     * version 5 is as likely a slip. */
    if (is_given(mqtt->password_file) && !is_given(mqtt->username))
        complain(&judge, "username", NULL, "is required with password_file");
    check_tls(&judge, mqtt, tls);
    check_alpn(&judge, mqtt, tls);
    check_prefix(&judge, mqtt->topic_prefix);
    return judge.result;
}
