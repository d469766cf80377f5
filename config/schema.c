/* SPDX-License-Identifier: Apache-2.0 */
/* Every value is text here: libcyaml's own numbers take "12abc" for 12, "maybe" for true and nan
 * for a number, and cannot tell 0 from nothing given. value.c reads them strictly. */
#include "config/schema.h"

#include "base/sample.h"
#include "config/config.h"
#include "config/raw.h"

#define MAX_TEXT     255
#define MAX_TYPES    200
#define MAX_ON_UNIT  500 /* points of one device */
#define MAX_SOURCES  16
#define MAX_VARIANTS 16 /* of one profile */

#define TEXT(structure, member) \
    CYAML_FIELD_STRING_PTR(#member, CYAML_FLAG_OPTIONAL, structure, member, 0, MAX_TEXT)
#define NEED(structure, member) \
    CYAML_FIELD_STRING_PTR(#member, CYAML_FLAG_DEFAULT, structure, member, 0, MAX_TEXT)
#define MAP(structure, member, fields) \
    CYAML_FIELD_MAPPING_PTR(#member, CYAML_FLAG_OPTIONAL, structure, member, fields)
#define LIST(structure, member, entry, max)                                                    \
    CYAML_FIELD_SEQUENCE(#member, CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, structure, member, \
                         entry, 0, max)
#define NEED_LIST(structure, member, entry, max) \
    CYAML_FIELD_SEQUENCE(#member, CYAML_FLAG_POINTER, structure, member, entry, 0, max)

static const struct cyaml_schema_value TEXT_ENTRY = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, MAX_TEXT),
};

static const struct cyaml_schema_field GATEWAY[] = {
    TEXT(struct raw_gateway, name),
    TEXT(struct raw_gateway, site),
    TEXT(struct raw_gateway, spool),
    TEXT(struct raw_gateway, socket),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field RTU[] = {
    NEED(struct raw_rtu, device),
    TEXT(struct raw_rtu, baud),
    TEXT(struct raw_rtu, parity),
    TEXT(struct raw_rtu, data_bits),
    TEXT(struct raw_rtu, stop_bits),
    TEXT(struct raw_rtu, frame_gap),
    TEXT(struct raw_rtu, rts),
    TEXT(struct raw_rtu, rts_delay),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field TCP[] = {
    NEED(struct raw_tcp, host),
    TEXT(struct raw_tcp, port),
    TEXT(struct raw_tcp, framing),
    TEXT(struct raw_tcp, connect_timeout),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field BUS[] = {
    NEED(struct raw_bus, name),
    MAP(struct raw_bus, rtu, RTU),
    MAP(struct raw_bus, tcp, TCP),
    TEXT(struct raw_bus, timeout),
    TEXT(struct raw_bus, turnaround),
    TEXT(struct raw_bus, retries),
    CYAML_FIELD_END,
};
static const struct cyaml_schema_value BUS_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_bus, BUS),
};

static const struct cyaml_schema_field POINT[] = {
    NEED(struct raw_point, name),
    TEXT(struct raw_point, kind),
    TEXT(struct raw_point, address),
    TEXT(struct raw_point, type),
    TEXT(struct raw_point, order),
    TEXT(struct raw_point, bit),
    TEXT(struct raw_point, scale),
    TEXT(struct raw_point, offset),
    TEXT(struct raw_point, unit),
    LIST(struct raw_point, invalid, &TEXT_ENTRY, POINT_MAX_SENTINELS),
    LIST(struct raw_point, range, &TEXT_ENTRY, 2),
    CYAML_FIELD_END,
};
static const struct cyaml_schema_value POINT_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_point, POINT),
};

static const struct cyaml_schema_field RANGE[] = {
    TEXT(struct raw_range, kind),
    NEED(struct raw_range, address),
    NEED(struct raw_range, count),
    CYAML_FIELD_END,
};
static const struct cyaml_schema_value RANGE_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_range, RANGE),
};

static const struct cyaml_schema_field SERIAL[] = {
    TEXT(struct raw_serial, baud),
    TEXT(struct raw_serial, parity),
    TEXT(struct raw_serial, stop_bits),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field DEVICE[] = {
    NEED(struct raw_device, name),
    NEED(struct raw_device, bus),
    NEED(struct raw_device, unit),
    TEXT(struct raw_device, profile),
    TEXT(struct raw_device, variant),
    TEXT(struct raw_device, address_style),
    TEXT(struct raw_device, address_offset),
    TEXT(struct raw_device, timeout),
    TEXT(struct raw_device, turnaround),
    TEXT(struct raw_device, pause),
    TEXT(struct raw_device, retries),
    TEXT(struct raw_device, max_registers),
    TEXT(struct raw_device, max_gap),
    LIST(struct raw_device, no_read, &RANGE_ENTRY, DEVICE_MAX_RANGES),
    LIST(struct raw_device, blocks, &RANGE_ENTRY, DEVICE_MAX_RANGES),
    MAP(struct raw_device, serial, SERIAL),
    LIST(struct raw_device, points, &POINT_ENTRY, MAX_ON_UNIT),
    CYAML_FIELD_END,
};
static const struct cyaml_schema_value DEVICE_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_device, DEVICE),
};

static const struct cyaml_schema_field LIMITS[] = {
    TEXT(struct raw_limits, high),      TEXT(struct raw_limits, high_high),
    TEXT(struct raw_limits, low),       TEXT(struct raw_limits, rate),
    TEXT(struct raw_limits, rate_over), TEXT(struct raw_limits, deadband),
    TEXT(struct raw_limits, delay),     CYAML_FIELD_END,
};

static const struct cyaml_schema_field CHANNEL[] = {
    TEXT(struct raw_channel, point),
    TEXT(struct raw_channel, name),
    TEXT(struct raw_channel, role),
    TEXT(struct raw_channel, no_data),
    TEXT(struct raw_channel, stuck),
    MAP(struct raw_channel, limits, LIMITS),
    CYAML_FIELD_END,
};
static const struct cyaml_schema_value CHANNEL_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_channel, CHANNEL),
};

static const struct cyaml_schema_field MODEL[] = {
    TEXT(struct raw_model, file),        TEXT(struct raw_model, delay),
    TEXT(struct raw_model, level_guard), TEXT(struct raw_model, fine),
    TEXT(struct raw_model, learn_rows),  CYAML_FIELD_END,
};

static const struct cyaml_schema_field TREND[] = {
    TEXT(struct raw_trend, enabled),  TEXT(struct raw_trend, interval),
    TEXT(struct raw_trend, baseline), TEXT(struct raw_trend, threshold),
    TEXT(struct raw_trend, persist),  CYAML_FIELD_END,
};

static const struct cyaml_schema_field ALARM[] = {
    TEXT(struct raw_alarm, on_delay),
    TEXT(struct raw_alarm, off_delay),
    TEXT(struct raw_alarm, latch),
    CYAML_FIELD_END,
};

/* The fields of struct raw_watch, at the top level of those that have it. */
#define WATCH_TEXT(structure, member)                                                         \
    {                                                                                         \
        .key = #member, .data_offset = offsetof(structure, watch.member), .value = {          \
            CYAML_VALUE_STRING(CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, char *, 0, MAX_TEXT) \
        }                                                                                     \
    }
#define WATCH_MAP(structure, member, type, fields)                                      \
    {                                                                                   \
        .key = #member, .data_offset = offsetof(structure, watch.member), .value = {    \
            CYAML_VALUE_MAPPING(CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, type, fields) \
        }                                                                               \
    }
#define WATCH_SETTINGS(structure)                                                        \
    WATCH_TEXT(structure, period), WATCH_MAP(structure, model, struct raw_model, MODEL), \
        WATCH_MAP(structure, trend, struct raw_trend, TREND),                            \
        WATCH_MAP(structure, alarm, struct raw_alarm, ALARM)
#define WATCH(structure)                                                                           \
    WATCH_SETTINGS(structure),                                                                     \
    {                                                                                              \
        .key = "channels", .data_offset = offsetof(structure, watch.channels),                     \
        .count_offset = offsetof(structure, watch.channels_count), .count_size = sizeof(uint32_t), \
        .value = {                                                                                 \
            CYAML_VALUE_SEQUENCE(CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, struct raw_channel,     \
                                 &CHANNEL_ENTRY, 0, MW_MAX_CHANNELS)                               \
        }                                                                                          \
    }

static const struct cyaml_schema_field TYPE[] = {
    NEED(struct raw_type, name),    TEXT(struct raw_type, bus), TEXT(struct raw_type, profile),
    TEXT(struct raw_type, variant), WATCH(struct raw_type),     CYAML_FIELD_END,
};
static const struct cyaml_schema_value TYPE_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_type, TYPE),
};

static const struct cyaml_schema_field ROLE[] = {
    NEED(struct raw_role, role),
    NEED(struct raw_role, device),
    CYAML_FIELD_END,
};
static const struct cyaml_schema_value ROLE_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_role, ROLE),
};

static const struct cyaml_schema_field MACHINE[] = {
    NEED(struct raw_machine, name),
    TEXT(struct raw_machine, type),
    TEXT(struct raw_machine, device),
    TEXT(struct raw_machine, bus),
    TEXT(struct raw_machine, unit),
    TEXT(struct raw_machine, profile),
    TEXT(struct raw_machine, variant),
    TEXT(struct raw_machine, address_offset),
    LIST(struct raw_machine, devices, &ROLE_ENTRY, MW_MAX_CHANNELS),
    WATCH(struct raw_machine),
    CYAML_FIELD_END,
};
static const struct cyaml_schema_value MACHINE_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_machine, MACHINE),
};

static const struct cyaml_schema_field MQTT[] = {
    TEXT(struct raw_mqtt, uri),
    TEXT(struct raw_mqtt, client_id),
    TEXT(struct raw_mqtt, version),
    TEXT(struct raw_mqtt, keepalive),
    TEXT(struct raw_mqtt, heartbeat),
    TEXT(struct raw_mqtt, will_delay),
    TEXT(struct raw_mqtt, username),
    TEXT(struct raw_mqtt, password_file),
    TEXT(struct raw_mqtt, ca_file),
    TEXT(struct raw_mqtt, cert_file),
    TEXT(struct raw_mqtt, key_file),
    TEXT(struct raw_mqtt, topic_prefix),
    TEXT(struct raw_mqtt, alpn),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field STORE[] = {
    TEXT(struct raw_store, path),
    TEXT(struct raw_store, max_size),
    TEXT(struct raw_store, outbox_size),
    TEXT(struct raw_store, history),
    TEXT(struct raw_store, block),
    TEXT(struct raw_store, ram_size),
    TEXT(struct raw_store, write_budget),
    TEXT(struct raw_store, checkpoint),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field DEFAULT_RTU[] = {
    TEXT(struct raw_rtu, baud),      TEXT(struct raw_rtu, parity),
    TEXT(struct raw_rtu, data_bits), TEXT(struct raw_rtu, stop_bits),
    TEXT(struct raw_rtu, frame_gap), TEXT(struct raw_rtu, rts),
    TEXT(struct raw_rtu, rts_delay), CYAML_FIELD_END,
};

static const struct cyaml_schema_field DEFAULT_TCP[] = {
    TEXT(struct raw_tcp, port),
    TEXT(struct raw_tcp, framing),
    TEXT(struct raw_tcp, connect_timeout),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field DEFAULT_BUS[] = {
    MAP(struct raw_bus, rtu, DEFAULT_RTU), MAP(struct raw_bus, tcp, DEFAULT_TCP),
    TEXT(struct raw_bus, timeout),         TEXT(struct raw_bus, turnaround),
    TEXT(struct raw_bus, retries),         CYAML_FIELD_END,
};

static const struct cyaml_schema_field DEFAULT_DEVICE[] = {
    TEXT(struct raw_device, bus),
    TEXT(struct raw_device, profile),
    TEXT(struct raw_device, variant),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field DEFAULT_MACHINE[] = {
    TEXT(struct raw_machine, type),
    WATCH_SETTINGS(struct raw_machine),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field DEFAULTS[] = {
    MAP(struct raw_defaults, bus, DEFAULT_BUS),
    MAP(struct raw_defaults, device, DEFAULT_DEVICE),
    MAP(struct raw_defaults, machine, DEFAULT_MACHINE),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field CONFIG[] = {
    NEED(struct raw_config, version),
    MAP(struct raw_config, defaults, DEFAULTS),
    MAP(struct raw_config, gateway, GATEWAY),
    LIST(struct raw_config, buses, &BUS_ENTRY, CONFIG_MAX_DEVICES),
    LIST(struct raw_config, devices, &DEVICE_ENTRY, CONFIG_MAX_DEVICES),
    LIST(struct raw_config, machine_types, &TYPE_ENTRY, MAX_TYPES),
    LIST(struct raw_config, machines, &MACHINE_ENTRY, CONFIG_MAX_MACHINES),
    MAP(struct raw_config, mqtt, MQTT),
    MAP(struct raw_config, store, STORE),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field LINK[] = {
    TEXT(struct raw_link, transport),
    TEXT(struct raw_link, baud),
    TEXT(struct raw_link, parity),
    TEXT(struct raw_link, stop_bits),
    TEXT(struct raw_link, unit),
    TEXT(struct raw_link, port),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field IDENTITY[] = {
    TEXT(struct raw_identity, kind),
    NEED(struct raw_identity, address),
    TEXT(struct raw_identity, type),
    TEXT(struct raw_identity, order),
    CYAML_FIELD_END,
};

static const struct cyaml_schema_field VARIANT[] = {
    NEED(struct raw_variant, name),
    NEED(struct raw_variant, note),
    LIST(struct raw_variant, identity, &TEXT_ENTRY, 2),
    LIST(struct raw_variant, points, &POINT_ENTRY, MAX_ON_UNIT),
    CYAML_FIELD_END,
};
static const struct cyaml_schema_value VARIANT_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_variant, VARIANT),
};

static const struct cyaml_schema_field PROFILE[] = {
    NEED(struct raw_profile, version),
    NEED(struct raw_profile, vendor),
    NEED(struct raw_profile, model),
    NEED(struct raw_profile, level),
    NEED_LIST(struct raw_profile, sources, &TEXT_ENTRY, MAX_SOURCES),
    TEXT(struct raw_profile, address_style),
    TEXT(struct raw_profile, timeout),
    TEXT(struct raw_profile, turnaround),
    TEXT(struct raw_profile, pause),
    TEXT(struct raw_profile, retries),
    TEXT(struct raw_profile, max_registers),
    TEXT(struct raw_profile, max_gap),
    LIST(struct raw_profile, no_read, &RANGE_ENTRY, DEVICE_MAX_RANGES),
    LIST(struct raw_profile, blocks, &RANGE_ENTRY, DEVICE_MAX_RANGES),
    MAP(struct raw_profile, link, LINK),
    MAP(struct raw_profile, identity, IDENTITY),
    NEED_LIST(struct raw_profile, points, &POINT_ENTRY, MAX_ON_UNIT),
    LIST(struct raw_profile, variants, &VARIANT_ENTRY, MAX_VARIANTS),
    CYAML_FIELD_END,
};

const struct cyaml_schema_value CONFIG_SCHEMA = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, CONFIG),
};
const struct cyaml_schema_value PROFILE_SCHEMA = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_profile, PROFILE),
};
