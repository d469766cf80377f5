/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold between the modules: names are unique, no two devices answer to one number, each
 * machine is watched by something, and every bus can carry what is asked of it. */
#include "config/build.h"

#include <stdio.h>
#include <string.h>

static void refuse_twin(struct build *b, const struct node *entry, const char *name,
                        const struct node *first)
{
    char path[PLACE_MAX_PATH], place[REPORT_PLACE_BYTES];
    node_path(first, NULL, path);
    report_place(place, entry, first, first->line);
    report_node(b->report, entry, "name", "'%s' is also the name of %s in %s", name, path, place);
}

/* Every name of a list is there once; node: the list in the file. */
static void check_names(struct build *b, const struct node *node, const struct names *names)
{
    const struct node *entry = node ? node->first : NULL;
    for (size_t i = 0; i < names->n; i++, entry = entry->next) {
        const char *name = (const char *)names->first + i * names->stride;
        struct names before = { names->first, i, names->stride };
        int64_t first = name[0] ? find_name(&before, name) : -1;
        if (first >= 0)
            refuse_twin(b, entry, name, node_item(node, (size_t)first));
    }
}

static void check_units(struct build *b)
{
    const struct config *c = b->config;
    const struct node *node = node_get(b->document.root, "devices");
    const struct node *entry = node ? node->first : NULL;
    for (size_t i = 0; i < c->n_devices; i++, entry = entry->next) {
        const struct device_config *d = &c->devices[i];
        if (d->bus >= c->n_buses || c->buses[d->bus].kind != BUS_RTU || d->unit == 0)
            continue;
        for (size_t k = 0; k < i; k++) {
            if (c->devices[k].bus != d->bus || c->devices[k].unit != d->unit)
                continue;
            report_node(b->report, entry, "unit",
                        "'%u' is also the unit of device '%s' on bus '%s'", d->unit,
                        c->devices[k].name, c->buses[d->bus].name);
            break;
        }
    }
}

/* Two buses on one adapter would talk into each other. */
static void check_adapters(struct build *b)
{
    const struct config *c = b->config;
    const struct node *node = node_get(b->document.root, "buses");
    const struct node *entry = node ? node->first : NULL;
    for (size_t i = 0; i < c->n_buses; i++, entry = entry->next) {
        for (size_t k = 0; k < i && c->buses[i].device[0]; k++)
            if (strcmp(c->buses[i].device, c->buses[k].device) == 0)
                report_node(b->report, node_get(entry, "rtu"), "device",
                            "'%s' is also the device of bus '%s'", c->buses[i].device,
                            c->buses[k].name);
    }
}

static void check_channels(struct build *b, const struct node *node, const struct watch *watch)
{
    const struct mw_detector_config *d = &watch->machine.detector;
    bool watched = d->n_channels == 0; /* that was said already */
    for (uint16_t c = 0; c < d->n_channels; c++) {
        const struct mw_channel_config *channel = &d->channels[c];
        struct names before = { d->channels, c, sizeof d->channels[0] };
        watched |= channel->role == MW_ROLE_SCORE || channel->limits.armed != 0;
        int64_t first = channel->name[0] ? find_name(&before, channel->name) : -1;
        const struct node *own = watch->plans[c].own;
        if (first >= 0)
            report_node(b->report, own ? own : node, own ? "name" : NULL,
                        "two channels are named '%s': of %s and of %s", channel->name,
                        watch->plans[first].ref, watch->plans[c].ref);
    }
    if (!watched)
        report_node(b->report, node, "channels",
                    "watch nothing: one needs the role score, or limits");
}

/* A point is polled as often as the fastest machine that uses it wants; others not at all. */
static void set_periods(struct config *c)
{
    for (size_t m = 0; m < c->n_machines; m++) {
        const struct machine_config *machine = &c->machines[m];
        for (uint16_t i = 0; i < machine->detector.n_channels; i++) {
            if (machine->points[i] >= c->n_points)
                continue;
            struct point_config *point = &c->points[machine->points[i]];
            if (point->period_us == 0 || machine->detector.period_us < point->period_us)
                point->period_us = machine->detector.period_us;
        }
    }
}

static void check_load(struct build *b)
{
    const struct config *c = b->config;
    const struct node *node = node_get(b->document.root, "buses");
    const struct node *entry = node ? node->first : NULL;
    for (size_t i = 0; i < c->n_buses; i++, entry = entry->next) {
        double load = config_bus_load(c, i);
        if (load > 1)
            report_node(b->report, entry, NULL,
                        "is asked for more than it can carry: %.0f %% of its time; poll slower, "
                        "raise the baud rate or split it",
                        load * 100);
    }
}

void build_check(struct build *b)
{
    const struct config *c = b->config;
    const struct node *root = b->document.root;
    check_names(b, node_get(root, "buses"),
                &(struct names){ c->buses, c->n_buses, sizeof c->buses[0] });
    check_names(b, node_get(root, "devices"),
                &(struct names){ c->devices, c->n_devices, sizeof c->devices[0] });
    check_names(b, node_get(root, "machine_types"),
                &(struct names){ b->types[0].machine.name, b->n_types, sizeof b->types[0] });
    check_names(b, node_get(root, "machines"),
                &(struct names){ c->machines, c->n_machines, sizeof c->machines[0] });
    check_units(b);
    check_adapters(b);
    const struct node *machines = node_get(root, "machines");
    const struct node *entry = machines ? machines->first : NULL;
    for (size_t i = 0; i < c->n_machines; i++, entry = entry->next)
        if (!entry->faulty)
            check_channels(b, entry, &b->plans[i]);
    set_periods(b->config);
    build_block_periods(b->config);
    check_load(b);
}
