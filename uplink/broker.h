/* SPDX-License-Identifier: Apache-2.0 */
/* The port to a broker: what the link thread needs of a client library. One adapter implements it
 * on Eclipse Paho C; tests implement it as a fake. All calls come from one thread; the library's
 * own threads only push events. */
#ifndef MW_UPLINK_BROKER_H
#define MW_UPLINK_BROKER_H

#include "base/complaint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mqtt_version { MQTT_VERSION_DEFAULT = 0, MQTT_VERSION_311 = 4, MQTT_VERSION_5 = 5 };

struct mqtt_config {
    char uri[256]; /* mqtt://host:port or mqtts://host:port; empty: no broker, nothing leaves */
    char client_id[65];        /* default millwright-<gateway> */
    enum mqtt_version version; /* default 5 */
    int64_t keepalive_us;      /* default 10 s; 1 s .. 18 h */
    int64_t heartbeat_us;      /* of the retained states; default 15 min, 0 given as -1: never */
    int64_t will_delay_us;     /* MQTT 5; default 10 s, 0 given as -1; to 1 h */
    char username[128];
    char password_file[256]; /* mode 0600 or a systemd credential; never inline */
    char ca_file[256], cert_file[256], key_file[256]; /* TLS; ca_file required with mqtts */
    char alpn[64]; /* TLS application protocols, the preferred first, "a,b"; empty: none is named */
    char topic_prefix[128]; /* default millwright/v1 */
};

/* Fills in defaults (zero means not given), then checks every rule and complains of each that is
 * broken: MW_OK or MW_ERR_INVALID. gateway: for the default client_id. to may be NULL. Reads no
 * file. Without a uri the settings are checked all the same, but no file is missed. */
int mqtt_settle(struct mqtt_config *mqtt, const char *gateway, const struct mw_complaints *to);

/* The protocols of alpn as RFC 7301 has them: each a length and its name. Returns the bytes, at
 * most as many as alpn has with its terminator; 0 without any; MW_ERR_FORMAT where a name is empty.
 */
int mqtt_alpn_wire(const char *alpn, uint8_t *ret_wire, size_t cap);

/* What a uri says. */
struct mqtt_endpoint {
    bool tls;
    char host[240]; /* name, IPv4, or IPv6 in brackets */
    uint16_t port;  /* default 1883, with TLS 8883 */
};

/* mqtt://host[:port] or mqtts://host[:port], nothing behind it and no user before it.
 * MW_ERR_FORMAT. */
int mqtt_parse_uri(const char *uri, struct mqtt_endpoint *ret_endpoint);

struct broker_message {
    const char *topic;
    const char *payload; /* JSON */
    size_t n_bytes;
    bool retained;
    uint32_t expiry_s; /* MQTT 5 message expiry; 0: none */
    uint64_t token;    /* comes back with the event; 0: no event wanted */
};

enum broker_event_kind {
    BROKER_UP = 1,    /* connected; receive_maximum as the broker says, 0: it said nothing */
    BROKER_REFUSED,   /* the connection attempt failed; reason */
    BROKER_LOST,      /* the connection ended; reason where the broker gave one */
    BROKER_DELIVERED, /* token: acknowledged with a reason below 0x80 */
    BROKER_FAILED,    /* token: refused (reason >= 0x80) or given up (reason 0) */
};

struct broker_event {
    enum broker_event_kind kind;
    uint32_t epoch; /* of the connection it belongs to; counts connect calls */
    uint64_t token;
    uint8_t reason; /* MQTT 5 reason code; 0x10: no matching subscribers */
    uint16_t receive_maximum;
    char text[96];
};

struct broker {
    void *ctx;
    /* Starts connecting with clean start; the outcome comes as an event, also where the attempt
     * could not even start. The Will is retained and not sent by disconnect or destroy: who
     * leaves on purpose publishes its last status first. With MQTT 5 the broker holds the Will, and
     * the session for as long, back by will_delay. Every call begins a new epoch.
     * will_topic NULL: without a Will. */
    int (*connect)(void *ctx, const char *will_topic, const char *will_payload);
    /* Hands one QoS 1 message over; copies it. MW_ERR_AGAIN where the library's own queue would
     * be in use: as many unacknowledged as the broker allows. MW_ERR_GONE without a connection,
     * MW_ERR_INVALID where the library refuses topic or payload, MW_ERR_TOO_BIG where the packet is
     * beyond the broker's maximum packet size. No event follows an error. */
    int (*publish)(void *ctx, const struct broker_message *message);
    void (*disconnect)(void *ctx);
    /* The oldest event; false where there is none. */
    bool (*next_event)(void *ctx, struct broker_event *ret_event);
    /* Becomes readable when an event waits; next_event drains it. */
    int (*descriptor)(void *ctx);
    void (*destroy)(void *ctx);
};

/* The MQTT 5 reason in words: "not authorized"; 3.1.1 codes alike. */
const char *broker_reason_text(uint8_t reason);

#endif
