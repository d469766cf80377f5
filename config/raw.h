/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file as written: every value still text, what is not written is NULL. Filled in
 * by libcyaml as schema.c says; read by build_*.c. The names are the keys of the file. */
#ifndef MW_CONFIG_RAW_H
#define MW_CONFIG_RAW_H

#include "config/locate.h"
#include "config/report.h"

#include <stddef.h>
#include <stdint.h>

struct raw_gateway {
    char *name, *site, *spool, *socket;
};

struct raw_rtu {
    char *device, *baud, *parity, *data_bits, *stop_bits, *frame_gap, *rts, *rts_delay;
};

struct raw_tcp {
    char *host, *port, *framing, *connect_timeout;
};

struct raw_bus {
    char *name;
    struct raw_rtu *rtu;
    struct raw_tcp *tcp;
    char *timeout, *turnaround, *retries;
};

struct raw_point {
    char *name, *kind, *address, *type, *order, *bit, *scale, *offset, *unit;
    char **invalid;
    uint32_t invalid_count;
    char **range;
    uint32_t range_count;
};

struct raw_range {
    char *kind, *address, *count;
};

struct raw_serial {
    char *baud, *parity, *stop_bits;
};

struct raw_device {
    char *name, *bus, *unit, *profile, *variant, *address_style, *address_offset;
    char *timeout, *turnaround, *pause, *retries, *max_registers, *max_gap;
    struct raw_range *no_read, *blocks;
    uint32_t no_read_count, blocks_count;
    struct raw_serial *serial;
    struct raw_point *points;
    uint32_t points_count;
};

struct raw_limits {
    char *high, *high_high, *low, *rate, *rate_over, *deadband, *delay;
};

struct raw_channel {
    char *point, *name, *role, *no_data, *stuck;
    struct raw_limits *limits;
};

struct raw_model {
    char *file, *delay, *level_guard, *fine, *learn_rows;
};

struct raw_trend {
    char *enabled, *interval, *baseline, *threshold, *persist;
};

struct raw_alarm {
    char *on_delay, *off_delay, *latch;
};

/* What a machine and a machine type have in common. */
struct raw_watch {
    char *period;
    struct raw_channel *channels;
    uint32_t channels_count;
    struct raw_model *model;
    struct raw_trend *trend;
    struct raw_alarm *alarm;
};

struct raw_type {
    char *name;
    char *bus, *profile, *variant; /* of its machines' own devices; read in graft.c */
    struct raw_watch watch;
};

struct raw_role {
    char *role, *device;
};

struct raw_machine {
    char *name, *type, *device;
    char *bus, *unit, *profile, *variant, *address_offset; /* of a device of its own; graft.c */
    struct raw_role *devices;
    uint32_t devices_count;
    struct raw_watch watch;
};

struct raw_mqtt {
    char *uri, *client_id, *version, *keepalive, *heartbeat, *will_delay, *username, *password_file, *ca_file,
        *cert_file, *key_file, *topic_prefix, *alpn;
};

struct raw_store {
    char *path, *max_size, *outbox_size, *history, *block, *ram_size, *write_budget, *checkpoint;
};

/* Laid under the entries of the lists by graft.c; here for its shape alone. */
struct raw_defaults {
    struct raw_bus *bus;
    struct raw_device *device;
    struct raw_machine *machine;
};

struct raw_config {
    char *version;
    struct raw_defaults *defaults;
    struct raw_gateway *gateway;
    struct raw_bus *buses;
    uint32_t buses_count;
    struct raw_device *devices;
    uint32_t devices_count;
    struct raw_type *machine_types;
    uint32_t machine_types_count;
    struct raw_machine *machines;
    uint32_t machines_count;
    struct raw_mqtt *mqtt;
    struct raw_store *store;
};

/* How the maker delivers the device; for people and tools, never applied to a bus by itself. */
struct raw_link {
    char *transport, *baud, *parity, *stop_bits, *unit, *port;
};

struct raw_identity {
    char *kind, *address, *type, *order;
};

struct raw_variant {
    char *name, *note;
    char **identity; /* [lowest, highest] of the identity register */
    uint32_t identity_count;
    struct raw_point *points;
    uint32_t points_count;
};

struct raw_profile {
    char *version, *vendor, *model, *level;
    char **sources;
    uint32_t sources_count;
    char *address_style, *timeout, *turnaround, *pause, *retries, *max_registers, *max_gap;
    struct raw_range *no_read, *blocks;
    uint32_t no_read_count, blocks_count;
    struct raw_link *link;
    struct raw_identity *identity;
    struct raw_point *points;
    uint32_t points_count;
    struct raw_variant *variants;
    uint32_t variants_count;
};

/* Checks the document's shape: known keys, none twice, the right kind of value, nothing missing.
 * Reports every error and marks what is not to be loaded. Then loads the rest with libcyaml, so
 * that its values can be checked in the same run. bytes: what the document was read from; NULL:
 * it is none of one file's any more, and the tree is what counts.
 * MW_OK; or MW_ERR_NO_MEMORY, MW_ERR_FORMAT (libcyaml disagrees with the shape check; reported). */
int raw_config_load(struct raw_config **ret_raw, struct document *document, const uint8_t *bytes,
                    size_t n_bytes, struct report *report);
void raw_config_free(struct raw_config *raw);
int raw_profile_load(struct raw_profile **ret_raw, struct document *document, const uint8_t *bytes,
                     size_t n_bytes, struct report *report);
void raw_profile_free(struct raw_profile *raw);

#endif
