/* SPDX-License-Identifier: Apache-2.0 */
/* What was found on a bus and what a person answered, as the text of a configuration with a comment
 * wherever a person will want to change something. Pure: no file, no device, no question. */
#ifndef MW_CLI_INIT_DRAFT_H
#define MW_CLI_INIT_DRAFT_H

#include "fieldbus/device.h"
#include "uplink/broker.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define DRAFT_MAX_POINTS 64
#define DRAFT_NO_LIMIT   ((double)NAN)
#define DRAFT_POINT_FORM                                                                        \
    "NAME KIND ADDRESS TYPE [ORDER] [unit=U] [scale=X] [offset=X] [high=X] [high_high=X]\n"     \
    "  KIND holding, input, coil, discrete; ADDRESS on the wire, from 0: 30101 of a manual is " \
    "input 100;\n"                                                                              \
    "  TYPE int16 uint16 int32 uint32 int64 uint64 float32 float64 bit; ORDER ABCD CDAB BADC DCBA"

/* One value of a device. Limits are in the unit inside, or DRAFT_NO_LIMIT. */
struct draft_point {
    struct point_config point;
    double high, high_high; /* in the unit inside (config/unit.h); DRAFT_NO_LIMIT */
};

/* One unit that answered. */
struct draft_unit {
    uint8_t unit;
    char machine[MW_NAME_MAX + 1]; /* empty: it is left out */
    char role[MW_NAME_MAX + 1];    /* of a further device of its machine; empty: its first */
    char profile[MW_NAME_MAX + 1], variant[MW_NAME_MAX + 1]; /* empty: none */
    char title[80];                              /* vendor and model, for a comment; may be empty */
    struct draft_point points[DRAFT_MAX_POINTS]; /* the profile's as delivered, or its own */
    size_t n_points;                             /* 0: a commented block says how */
};

struct draft {
    char site[MW_NAME_MAX + 1], gateway[MW_NAME_MAX + 1];
    struct bus_config bus; /* settled */
    const struct draft_unit *units;
    size_t n_units;
    int64_t period_us;       /* whole seconds */
    double high, high_high;  /* of vibration velocity, mm/s RMS, or DRAFT_NO_LIMIT */
    struct mqtt_config mqtt; /* uri empty: no broker */
};

/* Reads "NAME KIND ADDRESS TYPE ..." into *ret_point, settled. NULL; or the broken rule, naming
 * what it is broken by, in rule, and *ret_point is untouched. A wide value without an order has
 * ABCD and *ret_ordered false. */
const char *draft_point_parse(const char *text, struct draft_point *ret_point, bool *ret_ordered,
                              char rule[160]);

/* Whether the point is a vibration velocity that zones of ISO 20816 speak of: mm/s, no peak. */
bool draft_is_velocity(const struct point_config *point);

/* A name from any text: what is no letter, digit, '-' or '_' becomes '-'; fallback where nothing
 * is left. */
void draft_name(const char *text, const char *fallback, char ret_name[MW_NAME_MAX + 1]);

/* The device's name: its machine's, and its role behind it. Cut at MW_NAME_MAX. */
void draft_device_name(const struct draft_unit *unit, char ret_name[MW_NAME_MAX + 1]);

/* The whole text. Errors of the stream are the caller's to ask for. */
void draft_write(const struct draft *draft, FILE *to);

#endif
