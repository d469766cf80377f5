/* SPDX-License-Identifier: Apache-2.0 */
/* Buses, devices and their points. */
#include "base/result.h"
#include "config/build.h"
#include "config/unit.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_POINTS 64
#define NO_UNIT      254 /* reserved (Modbus over Serial Line V1.02, 2.2) */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct value_word PARITIES[] = { { "none", 'N' }, { "even", 'E' }, { "odd", 'O' } };

static const struct value_word KINDS[] = {
    { "holding", REGISTER_HOLDING },
    { "input", REGISTER_INPUT },
    { "coil", REGISTER_COIL },
    { "discrete", REGISTER_DISCRETE },
};

static const struct value_word TYPES[] = {
    { "int16", VALUE_INT16 },     { "uint16", VALUE_UINT16 },   { "int32", VALUE_INT32 },
    { "uint32", VALUE_UINT32 },   { "int64", VALUE_INT64 },     { "uint64", VALUE_UINT64 },
    { "float32", VALUE_FLOAT32 }, { "float64", VALUE_FLOAT64 }, { "bit", VALUE_BIT },
};

static const struct value_word ORDERS[] = {
    { "ABCD", ORDER_ABCD },
    { "CDAB", ORDER_CDAB },
    { "BADC", ORDER_BADC },
    { "DCBA", ORDER_DCBA },
};

static const struct value_word RTS_MODES[] = {
    { "none", RTS_NONE },
    { "up", RTS_UP },
    { "down", RTS_DOWN },
    { "kernel", RTS_KERNEL },
};

static const struct value_word FRAMINGS[] = {
    { "mbap", FRAMING_MBAP },
    { "rtu", FRAMING_RTU },
};

static const struct value_word STYLES[] = {
    { "zero_based", ADDRESS_ZERO_BASED },
    { "modicon", ADDRESS_MODICON },
};

/* ---- buses ---- */

static void read_rtu(const struct reader *r, const struct raw_rtu *raw, struct bus_config *bus)
{
    bus->kind = BUS_RTU;
    read_text(r, "device", raw->device, bus->device, sizeof bus->device);
    bus->baud = (uint32_t)read_whole(r, "baud", raw->baud, 1, UINT32_MAX, 0);
    bus->parity = (char)read_word(r, "parity", raw->parity, PARITIES, COUNT(PARITIES), 0);
    bus->data_bits = (uint8_t)read_whole(r, "data_bits", raw->data_bits, 7, 8, 0);
    bus->stop_bits = (uint8_t)read_whole(r, "stop_bits", raw->stop_bits, 1, 2, 0);
    bus->frame_gap_us = read_duration(r, "frame_gap", raw->frame_gap, ZERO_IS_REFUSED, 0);
    bus->rts = (enum rts_mode)read_word(r, "rts", raw->rts, RTS_MODES, COUNT(RTS_MODES), RTS_NONE);
    bus->rts_delay_us = read_duration(r, "rts_delay", raw->rts_delay, ZERO_IS_REFUSED, 0);
}

static void read_tcp(const struct reader *r, const struct raw_tcp *raw, struct bus_config *bus)
{
    bus->kind = BUS_TCP;
    read_text(r, "host", raw->host, bus->host, sizeof bus->host);
    bus->port = (uint16_t)read_whole(r, "port", raw->port, 1, UINT16_MAX, 0);
    bus->framing = (enum bus_framing)read_word(r, "framing", raw->framing, FRAMINGS,
                                               COUNT(FRAMINGS), FRAMING_MBAP);
    bus->connect_timeout_us =
        read_duration(r, "connect_timeout", raw->connect_timeout, ZERO_IS_REFUSED, 0);
}

static void build_bus(struct build *b, const struct node *node, const struct raw_bus *raw,
                      struct bus_config *bus)
{
    struct reader r = { b->report, node };
    const struct node *rtu = node_get(node, "rtu"), *tcp = node_get(node, "tcp");
    read_name(&r, "name", raw->name, bus->name);
    bus->timeout_us = read_duration(&r, "timeout", raw->timeout, ZERO_IS_REFUSED, 0);
    bus->turnaround_us = read_duration(&r, "turnaround", raw->turnaround, ZERO_IS_REFUSED, 0);
    bus->retries = (uint32_t)read_whole(&r, "retries", raw->retries, 0, 1000000, UINT32_MAX);
    if (rtu && tcp)
        report_node(b->report, node, "tcp", "a bus has rtu or tcp, not both");
    if (!rtu && !tcp)
        report_node(b->report, node, NULL, "needs rtu or tcp");
    struct bus_config other = { 0 }; /* where there are both, both are read, and neither is used */
    if (raw->tcp)
        read_tcp(&(struct reader){ b->report, tcp }, raw->tcp, rtu ? &other : bus);
    if (raw->rtu)
        read_rtu(&(struct reader){ b->report, rtu }, raw->rtu, tcp ? &other : bus);
    if (bus->kind == BUS_NONE)
        return; /* said above, or its mapping is faulty */
    struct report_settling settling = { b->report, { node } };
    struct mw_complaints to = report_complaints(&settling);
    (void)bus_settle(bus, &to);
}

void build_buses(struct build *b)
{
    struct config *c = b->config;
    size_t n = b->raw->buses_count;
    const struct node *node = node_get(b->document.root, "buses");
    c->buses = calloc(n + 1, sizeof c->buses[0]);
    if (!c->buses) {
        b->no_memory = true;
        return;
    }
    c->n_buses = n;
    const struct node *entry = node ? node->first : NULL;
    for (size_t i = 0; i < n; i++, entry = entry->next)
        if (!entry->faulty)
            build_bus(b, entry, &b->raw->buses[i], &c->buses[i]);
}

/* ---- points ---- */

enum address_style build_address_style(const struct reader *r, const char *text)
{
    return (enum address_style)read_word(r, "address_style", text, STYLES, COUNT(STYLES),
                                         ADDRESS_ZERO_BASED);
}

/* 40001 or 400001 is holding register 0: the first digit is the kind, the rest counts from 1
 * (Modicon Modbus Protocol Reference Guide PI-MBUS-300, chapter 1). */
static void read_modicon(const struct reader *r, const char *text, struct point_config *point)
{
    static const enum register_kind KIND_OF[] = { REGISTER_COIL, REGISTER_DISCRETE, REGISTER_NONE,
                                                  REGISTER_INPUT, REGISTER_HOLDING };
    size_t n = strlen(text);
    uint32_t number = 0;
    bool digits = (n == 5 || n == 6) && strspn(text, "0123456789") == n && text[0] <= '4';
    for (size_t i = 1; digits && i < n; i++)
        number = number * 10 + (uint32_t)(text[i] - '0');
    enum register_kind kind = digits ? KIND_OF[text[0] - '0'] : REGISTER_NONE;
    if (kind == REGISTER_NONE || number < 1 || number > 65536) {
        report_node(r->report, r->node, "address",
                    "'%s' is not a Modicon number such as 40001 or 400001", text);
        return;
    }
    if (point->kind != REGISTER_NONE && point->kind != kind)
        report_node(r->report, r->node, "address", "'%s' is of another kind than the point", text);
    point->kind = kind;
    point->address = (uint16_t)(number - 1);
}

/* A negative one is meant in the width of the point's type. */
static void read_sentinel(const struct reader *r, const struct node *node, const char *text,
                          struct point_config *point)
{
    uint64_t value = 0;
    bool negative = text[0] == '-';
    const char *rule = node->faulty ? NULL : value_whole(text + negative, &value);
    if (rule) {
        report_node(r->report, node, NULL, "'%s' %s", text, rule);
        return;
    }
    uint16_t n_registers = value_registers(point->type);
    if (negative)
        value = 0 - value;
    if (negative && n_registers < 4)
        value &= (UINT64_C(1) << (16 * (n_registers ? n_registers : 1))) - 1;
    if (point->n_sentinels < POINT_MAX_SENTINELS)
        point->sentinels[point->n_sentinels++] = value;
}

static void read_range(const struct reader *r, const struct raw_point *raw,
                       struct point_config *point)
{
    const struct node *node = node_get(r->node, "range");
    if (!node || node->faulty)
        return;
    if (raw->range_count != 2) {
        report_node(r->report, node, NULL, "must be two numbers: [lowest, highest]");
        return;
    }
    double ends[2] = { 0, 0 };
    bool right = true;
    const struct node *entry = node->first;
    for (size_t i = 0; i < 2; i++, entry = entry->next) {
        const char *rule = entry->faulty ? NULL : value_number(raw->range[i], &ends[i]);
        if (rule)
            report_node(r->report, entry, NULL, "'%s' %s", raw->range[i], rule);
        right = right && !rule && !entry->faulty;
    }
    if (!right)
        return;
    point->has_range = true;
    point->range_min = ends[0];
    point->range_max = ends[1];
}

void build_point(const struct reader *r, const struct raw_point *raw, enum address_style style,
                 struct point_config *point)
{
    point->kind =
        (enum register_kind)read_word(r, "kind", raw->kind, KINDS, COUNT(KINDS), (int)point->kind);
    if (style == ADDRESS_MODICON && read_given(r, "address", raw->address))
        read_modicon(r, raw->address, point);
    else
        point->address =
            (uint16_t)read_whole(r, "address", raw->address, 0, UINT16_MAX, point->address);
    point->type =
        (enum value_type)read_word(r, "type", raw->type, TYPES, COUNT(TYPES), (int)point->type);
    point->order = (enum word_order)read_word(r, "order", raw->order, ORDERS, COUNT(ORDERS),
                                              (int)point->order);
    if (read_given(r, "bit", raw->bit))
        point->bit = (int8_t)read_whole(r, "bit", raw->bit, 0, 15, 0);
    point->scale = read_number(r, "scale", raw->scale, point->scale);
    if (read_given(r, "scale", raw->scale) && !(point->scale < 0) && !(point->scale > 0))
        report_node(r->report, r->node, "scale", "must not be 0");
    point->offset = read_number(r, "offset", raw->offset, point->offset);
    read_text(r, "unit", raw->unit, point->unit, sizeof point->unit);
    const char *meant = read_given(r, "unit", raw->unit) ? unit_meant(raw->unit) : NULL;
    if (meant)
        report_node(r->report, r->node, "unit", "'%s' is not a unit; did you mean '%s'?", raw->unit,
                    meant);
    const struct node *invalid = node_get(r->node, "invalid");
    if (invalid && !invalid->faulty) {
        point->n_sentinels = 0;
        const struct node *entry = invalid->first;
        for (size_t i = 0; i < raw->invalid_count; i++, entry = entry->next)
            read_sentinel(r, entry, raw->invalid[i], point);
    }
    read_range(r, raw, point);
}

/* ---- devices ---- */

void build_device_timing(const struct reader *r, const char *timeout, const char *turnaround,
                         const char *pause, const char *retries, const char *max_registers,
                         const char *max_gap, struct device_config *device)
{
    device->timeout_us = read_duration(r, "timeout", timeout, ZERO_IS_REFUSED, device->timeout_us);
    device->turnaround_us =
        read_duration(r, "turnaround", turnaround, ZERO_IS_REFUSED, device->turnaround_us);
    device->pause_us = read_duration(r, "pause", pause, ZERO_IS_FINE, device->pause_us);
    device->retries = (uint32_t)read_whole(r, "retries", retries, 0, 1000000, device->retries);
    device->max_registers = (uint16_t)read_whole(r, "max_registers", max_registers, 1, UINT16_MAX,
                                                 device->max_registers);
    uint64_t gap = read_whole(r, "max_gap", max_gap, 0, UINT16_MAX - 1, DEVICE_NO_GAP);
    if (read_given(r, "max_gap", max_gap))
        device->max_gap = gap ? (uint16_t)gap : DEVICE_NO_GAP; /* zero would mean the default */
}

static bool reserve_points(struct build *b, size_t cap)
{
    struct config *c = b->config;
    struct point_config *points = realloc(c->points, cap * sizeof *points);
    c->points = points ? points : c->points;
    uint32_t *devices = realloc(c->point_devices, cap * sizeof *devices);
    c->point_devices = devices ? devices : c->point_devices;
    struct point_origin *origins = realloc(b->origins, cap * sizeof *origins);
    b->origins = origins ? origins : b->origins;
    b->no_memory = b->no_memory || !points || !devices || !origins;
    if (!b->no_memory)
        b->cap_points = cap;
    return !b->no_memory;
}

/* Room for one more point; NULL when there is none. */
static struct point_config *add_point(struct build *b, uint32_t device, struct point_origin origin)
{
    struct config *c = b->config;
    if (c->n_points == CONFIG_MAX_POINTS) {
        b->too_many_points = true;
        return NULL;
    }
    if (c->n_points == b->cap_points && !reserve_points(b, 2 * b->cap_points))
        return NULL;
    size_t i = c->n_points++;
    c->point_devices[i] = device;
    b->origins[i] = origin;
    c->points[i] = (struct point_config){ .bit = -1 };
    return &c->points[i];
}

static void build_own_point(struct build *b, struct device_config *device, uint32_t index,
                            const struct node *node, const struct raw_point *raw,
                            enum address_style style)
{
    struct config *c = b->config;
    struct reader r = { b->report, node };
    char name[MW_NAME_MAX + 1] = "";
    read_name(&r, "name", raw->name, name);
    struct names names = { c->points + device->first_point, c->n_points - device->first_point,
                           sizeof c->points[0] };
    int64_t known = name[0] ? find_name(&names, name) : -1;
    size_t i = device->first_point + (size_t)known;
    if (known >= 0 && b->origins[i].own) {
        report_node(b->report, node, "name", "'%s' is also the name of the point in line %d", name,
                    b->origins[i].own->line);
        return;
    }
    struct point_config *point = NULL;
    if (known >= 0) {
        b->origins[i].own = node;
        point = &c->points[i];
    } else {
        const char *nearest = nearest_name(&names, name); /* adding one may move them all */
        if (!node_get(node, "address"))
            report_node(b->report, node, "address", "is missing%s%s%s",
                        nearest ? "; or did you mean the profile's point '" : "",
                        nearest ? nearest : "", nearest ? "'?" : "");
        point = add_point(b, index, (struct point_origin){ .own = node });
        if (!point)
            return;
        memcpy(point->name, name, sizeof name);
    }
    build_point(&r, raw, style, point);
}

static void shift_ranges(const struct reader *r, uint64_t shift, struct register_range *ranges,
                         uint8_t n)
{
    for (uint8_t i = 0; i < n; i++) {
        if (ranges[i].address + ranges[i].count + shift > UINT16_MAX + 1u)
            report_node(r->report, r->node, "address_offset", "moves a range beyond address 65535");
        else
            ranges[i].address = (uint16_t)(ranges[i].address + shift);
    }
}

/* Every address moves by the same number of registers, as with nodes behind a radio gateway. */
static void shift_addresses(struct build *b, const struct reader *r, const char *text,
                            struct device_config *device)
{
    uint64_t shift = read_whole(r, "address_offset", text, 0, UINT16_MAX, 0);
    struct config *c = b->config;
    for (size_t i = device->first_point; shift && i < c->n_points; i++) {
        if (c->points[i].address + shift > UINT16_MAX)
            report_node(b->report, r->node, "address_offset",
                        "'%s' moves the point '%s' beyond address 65535", text, c->points[i].name);
        else
            c->points[i].address = (uint16_t)(c->points[i].address + shift);
    }
    shift_ranges(r, shift, device->no_read, device->n_no_read);
    shift_ranges(r, shift, device->blocks, device->n_blocks);
}

static void build_points(struct build *b, const struct node *node, const struct raw_device *raw,
                         const struct profile *profile, struct device_config *device,
                         uint32_t index)
{
    struct reader r = { b->report, node };
    struct config *c = b->config;
    device->first_point = (uint32_t)c->n_points;
    const struct node *at = profile ? node_get(profile->document.root, "points") : NULL;
    at = at ? at->first : NULL;
    for (size_t i = 0; profile && i < profile->n_points; i++, at = at->next) {
        struct point_config *point = add_point(b, index, (struct point_origin){ .profile = at });
        if (point)
            *point = profile->points[i];
    }
    if (profile)
        profile_vary(b, &r, profile, raw->variant, c->points + device->first_point);
    else if (read_given(&r, "variant", raw->variant) && !node_get(node, "profile"))
        report_node(b->report, node, "variant", "is a profile's; this device names none");
    enum address_style style = build_address_style(&r, raw->address_style);
    build_ranges(&r, "no_read", raw->no_read, raw->no_read_count, style, device->no_read,
                 &device->n_no_read);
    build_ranges(&r, "blocks", raw->blocks, raw->blocks_count, style, device->blocks,
                 &device->n_blocks);
    const struct node *own = node_get(node, "points");
    own = own ? own->first : NULL;
    for (size_t i = 0; i < raw->points_count; i++, own = own->next)
        if (!own->faulty)
            build_own_point(b, device, index, own, &raw->points[i], style);
    shift_addresses(b, &r, raw->address_offset, device);
    device->n_points = (uint32_t)(c->n_points - device->first_point);
    if (!device->n_points && !node_get(node, "profile") && !node_get(node, "points"))
        report_node(b->report, node, NULL, "has no points: give it a profile or points");
}

static void settle_points(struct build *b, const struct device_config *device)
{
    for (uint32_t i = device->first_point; i < device->first_point + device->n_points; i++) {
        struct point_origin origin = b->origins[i];
        struct report_settling settling = { b->report, { origin.own, origin.profile } };
        struct mw_complaints to = report_complaints(&settling);
        (void)point_settle(&b->config->points[i], &to);
        unit_settle(&b->config->points[i]);
    }
}

static void read_serial(const struct reader *r, const struct raw_serial *raw,
                        struct serial_config *serial)
{
    serial->baud = (uint32_t)read_whole(r, "baud", raw->baud, 1, UINT32_MAX, 0);
    serial->parity = (char)read_word(r, "parity", raw->parity, PARITIES, COUNT(PARITIES), 0);
    serial->stop_bits = (uint8_t)read_whole(r, "stop_bits", raw->stop_bits, 1, 2, 0);
}

static void build_device(struct build *b, const struct node *node, const struct raw_device *raw,
                         struct device_config *device, uint32_t index)
{
    struct reader r = { b->report, node };
    struct config *c = b->config;
    const struct profile *profile = NULL;
    if (read_given(&r, "profile", raw->profile))
        profile = profile_get(b, &r, raw->profile);
    if (profile)
        *device = profile->device;
    else
        device->retries = UINT32_MAX;
    read_name(&r, "name", raw->name, device->name);
    /* What no bus allows becomes one such number, so that the rule of this bus is what is said. */
    uint64_t unit = read_whole(&r, "unit", raw->unit, 0, UINT64_MAX, 0);
    device->unit = unit <= 255 ? (uint8_t)unit : NO_UNIT;
    build_device_timing(&r, raw->timeout, raw->turnaround, raw->pause, raw->retries,
                        raw->max_registers, raw->max_gap, device);
    build_points(b, node, raw, profile, device, index);

    struct names buses = { c->buses, c->n_buses, sizeof c->buses[0] };
    int64_t bus = read_reference(&r, "bus", raw->bus, "bus", &buses);
    /* Without a known bus the device's own settings are still worth checking. */
    struct bus_config any = { .kind = BUS_TCP, .host = "any", .retries = UINT32_MAX };
    (void)bus_settle(&any, NULL);
    bool known = bus >= 0 && c->buses[bus].kind != BUS_NONE;
    if (known && raw->serial)
        read_serial(&(struct reader){ b->report, node_get(node, "serial") }, raw->serial,
                    &device->serial);
    device->bus = bus >= 0 ? (uint32_t)bus : UINT32_MAX;
    struct report_settling settling = { b->report,
                                        { node, profile ? profile->document.root : NULL } };
    struct mw_complaints to = report_complaints(&settling);
    (void)device_settle(device, known ? &c->buses[bus] : &any, &to);
    settle_points(b, device);
    build_check_ranges(&r, device, c->points);
}

void build_devices(struct build *b)
{
    struct config *c = b->config;
    size_t n = b->raw->devices_count;
    const struct node *node = node_get(b->document.root, "devices");
    c->devices = calloc(n + 1, sizeof c->devices[0]);
    if (!c->devices || !reserve_points(b, FIRST_POINTS)) {
        b->no_memory = true;
        return;
    }
    c->n_devices = n;
    const struct node *entry = node ? node->first : NULL;
    for (size_t i = 0; i < n && !b->no_memory; i++, entry = entry->next)
        if (!entry->faulty)
            build_device(b, entry, &b->raw->devices[i], &c->devices[i], (uint32_t)i);
    if (b->too_many_points)
        report_node(b->report, b->document.root, "devices", "have more than %d points",
                    CONFIG_MAX_POINTS);
}
