/* SPDX-License-Identifier: Apache-2.0 */
/* From a file as written to settings as structs: reads the values, resolves the names, puts
 * profiles and machine types under what is said of one device or machine, and lets each module
 * settle its own. Private to config/. */
#ifndef MW_CONFIG_BUILD_H
#define MW_CONFIG_BUILD_H

#include "config/config.h"
#include "config/fragments.h"
#include "config/graft.h"
#include "config/raw.h"
#include "config/read.h"
#include "config/show.h"

/* Where a point's settings are written: for this device, in its profile, or both. */
struct point_origin {
    const struct node *own, *profile;
};

/* A profile that was read once, for all devices that name it. */
struct profile {
    char name[MW_NAME_MAX + 1];
    char *file;
    uint8_t *bytes;
    struct document document;
    struct raw_profile *raw; /* NULL: it cannot be used, and that was said */
    struct device_config device;
    struct point_config *points;
    size_t n_points;
    struct profile *next;
};

struct channel_plan {
    char ref[2 * MW_NAME_MAX + 2]; /* "point" or "role.point" */
    bool named;                    /* has a name of its own */
    const struct node *own, *type; /* where it is written */
};

/* A machine type, or a machine while it is being put together. */
struct watch {
    struct machine_config machine;
    struct channel_plan plans[MW_MAX_CHANNELS];
};

struct build {
    struct config *config;
    struct raw_config *raw;
    struct document document;   /* with the fragments and grafts in it */
    struct fragments fragments; /* files of conf.d */
    struct graft graft;
    struct report *report;
    bool with_fragments;     /* conf.d beside the file is read, too */
    const char *base_dir;    /* where profiles/ lies; NULL: nowhere */
    const char *profile_dir; /* NULL: none */
    struct profile *profiles;
    struct point_origin *origins; /* [n_points] */
    size_t cap_points;
    bool too_many_points;
    struct watch *types;
    size_t n_types;
    struct watch *plans; /* [n_machines] */
    enum config_here here;
    config_show_fn *show; /* NULL: it is to be loaded, not shown */
    void *show_ctx;
    bool no_memory;
};

/* In this order. Errors are reported; only a lack of memory stops it (no_memory). */
void build_gateway(struct build *b);
void build_buses(struct build *b);
void build_devices(struct build *b);
void build_machines(struct build *b);
/* What must hold between the modules; check.c. */
void build_check(struct build *b);
/* What a right configuration names must be there; here.c. */
void build_here(struct build *b);
/* Shows a right configuration; show.c. */
void build_show(const struct build *b);
void build_finish(struct build *b);

/* The points of one mapping: the given settings of raw over *point. style: enum address_style. */
enum address_style { ADDRESS_ZERO_BASED = 0, ADDRESS_MODICON };
void build_point(const struct reader *r, const struct raw_point *raw, enum address_style style,
                 struct point_config *point);
enum address_style build_address_style(const struct reader *r, const char *text);
/* The settings that a device and a profile share. */
void build_device_timing(const struct reader *r, const char *timeout, const char *turnaround,
                         const char *pause, const char *retries, const char *max_registers,
                         const char *max_gap, struct device_config *device);

/* The list under this key (no_read, blocks), where it is given; *ret_n is untouched where it is
 * not. */
void build_ranges(const struct reader *r, const char *key, const struct raw_range *raw,
                  uint32_t n_raw, enum address_style style, struct register_range *ranges,
                  uint8_t *ret_n);
/* Ranges against each other and against the device's points; r is at the device. */
void build_check_ranges(const struct reader *r, const struct device_config *device,
                        const struct point_config *points);
/* Points of one block are polled together: with the shortest period of them. */
void build_block_periods(struct config *config);

/* The profile of that name, read at its first use; NULL after it was reported that there is none.
 * The reader's key "profile" is where it is named. */
const struct profile *profile_get(struct build *b, const struct reader *r, const char *name);

/* Lays the points of the named variant over the profile's own, in points [profile->n_points]; of
 * every variant's point, only what is given. Nothing where variant is not given; an unknown name
 * is reported. r: the device. */
void profile_vary(struct build *b, const struct reader *r, const struct profile *profile,
                  const char *variant, struct point_config *points);
void profile_free_all(struct profile *profiles);

/* The whole file, at most max_bytes; the caller frees. MW_OK, MW_ERR_NOT_FOUND, MW_ERR_IO,
 * MW_ERR_TOO_BIG, MW_ERR_NO_MEMORY. */
int file_read(const char *path, size_t max_bytes, uint8_t **ret_bytes, size_t *ret_n_bytes);

#endif
