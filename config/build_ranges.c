/* SPDX-License-Identifier: Apache-2.0 */
/* Register ranges of a device: no_read and blocks. */
#include "config/build.h"
#include "config/config.h"
#include "config/raw.h"
#include "config/value.h"

#define MAX_BLOCK_REGISTERS 125
#define MAX_BLOCK_BITS      2000

static uint32_t end_of(const struct register_range *range)
{
    return (uint32_t)range->address + range->count;
}

static bool is_bits(enum register_kind kind)
{
    return kind == REGISTER_COIL || kind == REGISTER_DISCRETE;
}

/* False after it was reported why. */
static bool build_range(const struct reader *r, const struct raw_range *raw,
                        enum address_style style, struct register_range *range)
{
    struct raw_point where = { .kind = raw->kind, .address = raw->address };
    struct point_config point = { .bit = -1 };
    build_point(r, &where, style, &point);
    range->kind = point.kind == REGISTER_NONE ? REGISTER_HOLDING : point.kind;
    range->address = point.address;
    range->count = (uint16_t)read_whole(r, "count", raw->count, 1, UINT16_MAX, 0);
    if (end_of(range) > 65536) {
        report_node(r->report, r->node, "count", "'%s' reaches beyond address 65535", raw->count);
        return false;
    }
    return range->count > 0;
}

void build_ranges(const struct reader *r, const char *key, const struct raw_range *raw,
                  uint32_t n_raw, enum address_style style, struct register_range *ranges,
                  uint8_t *ret_n)
{
    const struct node *list = node_get(r->node, key);
    if (!list || list->faulty)
        return;
    uint8_t n = 0;
    const struct node *entry = list->first;
    for (uint32_t i = 0; i < n_raw && n < DEVICE_MAX_RANGES; i++, entry = entry->next) {
        struct reader at = { r->report, entry };
        if (!entry->faulty && build_range(&at, &raw[i], style, &ranges[n]))
            n++;
    }
    *ret_n = n;
}

static bool overlap(const struct register_range *a, const struct register_range *b)
{
    return a->kind == b->kind && a->address < end_of(b) && b->address < end_of(a);
}

static void check_blocks(const struct reader *r, const struct device_config *device)
{
    for (uint8_t i = 0; i < device->n_blocks; i++) {
        const struct register_range *block = &device->blocks[i];
        uint32_t limit = is_bits(block->kind) ? MAX_BLOCK_BITS : MAX_BLOCK_REGISTERS;
        if (block->count > limit)
            report_node(r->report, r->node, "blocks",
                        "one of %u at %u is longer than one request, %u", block->count,
                        block->address, limit);
        for (uint8_t k = 0; k < i; k++)
            if (overlap(block, &device->blocks[k]))
                report_node(r->report, r->node, "blocks", "those at %u and %u overlap",
                            device->blocks[k].address, block->address);
        for (uint8_t k = 0; k < device->n_no_read; k++)
            if (overlap(block, &device->no_read[k]))
                report_node(r->report, r->node, "blocks",
                            "the one at %u holds registers of no_read", block->address);
    }
}

void build_check_ranges(const struct reader *r, const struct device_config *device,
                        const struct point_config *points)
{
    check_blocks(r, device);
    for (uint32_t i = device->first_point; i < device->first_point + device->n_points; i++) {
        const struct point_config *point = &points[i];
        struct register_range own = { point->kind, point->address, value_registers(point->type) };
        for (uint8_t k = 0; k < device->n_no_read; k++)
            if (overlap(&own, &device->no_read[k]))
                report_node(r->report, r->node, "no_read", "holds the point '%s' at %u",
                            point->name, point->address);
        for (uint8_t k = 0; k < device->n_blocks; k++) {
            const struct register_range *block = &device->blocks[k];
            if (overlap(&own, block) &&
                (own.address < block->address || end_of(&own) > end_of(block)))
                report_node(r->report, r->node, "blocks", "the one at %u holds only a part of '%s'",
                            block->address, point->name);
        }
    }
}

static bool is_in(const struct point_config *point, const struct register_range *block)
{
    return point->period_us > 0 && point->kind == block->kind && point->address >= block->address &&
           point->address < end_of(block);
}

static void share_period(struct point_config *points, const struct device_config *device,
                         const struct register_range *block)
{
    int64_t shortest_us = INT64_MAX;
    for (uint32_t i = 0; i < device->n_points; i++)
        if (is_in(&points[i], block) && points[i].period_us < shortest_us)
            shortest_us = points[i].period_us;
    for (uint32_t i = 0; i < device->n_points; i++)
        if (is_in(&points[i], block))
            points[i].period_us = shortest_us;
}

void build_block_periods(struct config *config)
{
    for (size_t d = 0; d < config->n_devices; d++)
        for (uint8_t k = 0; k < config->devices[d].n_blocks; k++)
            share_period(config->points + config->devices[d].first_point, &config->devices[d],
                         &config->devices[d].blocks[k]);
}
