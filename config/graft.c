/* SPDX-License-Identifier: Apache-2.0 */
#include "config/graft.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_NODES 256

struct graft_chunk {
    struct graft_chunk *next;
    size_t n;
    struct node nodes[CHUNK_NODES];
};

/* What defaults may say of each entry of a list. */
static const char *const BUS_KEYS[] = { "timeout", "turnaround", "retries", NULL };
static const char *const RTU_KEYS[] = { "baud",      "parity", "data_bits", "stop_bits",
                                        "frame_gap", "rts",    "rts_delay", NULL };
static const char *const TCP_KEYS[] = { "port", "framing", "connect_timeout", NULL };
static const char *const WATCH_KEYS[] = { "period", "model", "trend", "alarm", NULL };
static const char *const TYPE_KEYS[] = { "type", NULL };
static const char *const MAP_KEYS[] = { "profile", "variant", NULL };
static const char *const WIRE_KEYS[] = { "bus", NULL };
/* What a machine says of a device of its own, and what its type may say of it. */
static const char *const OWN_KEYS[] = {
    "bus", "unit", "profile", "variant", "address_offset", NULL
};
static const char *const OWN_OF_TYPE_KEYS[] = { "bus", "profile", "variant", NULL };

/* ---- the tree ---- */

static struct node *child_of(struct node *node, const char *key)
{
    if (!node || node->kind != NODE_MAPPING)
        return NULL;
    for (struct node *child = node->first; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

static bool is_mapping(const struct node *node)
{
    return node && node->kind == NODE_MAPPING;
}

static struct node *new_node(struct graft *g)
{
    if (!g->chunks || g->chunks->n == CHUNK_NODES) {
        struct graft_chunk *chunk = calloc(1, sizeof *chunk);
        if (!chunk) {
            g->no_memory = true;
            return NULL;
        }
        chunk->next = g->chunks;
        g->chunks = chunk;
    }
    return &g->chunks->nodes[g->chunks->n++];
}

static void append(struct node *up, struct node *child)
{
    child->up = up;
    child->index = up->n_children++;
    if (up->last)
        up->last->next = child;
    else
        up->first = child;
    up->last = child;
}

/* A copy of one value, of a section also its plain settings, at the end of a mapping. What is
 * nested deeper is no setting; its being wrong is said where it is written. */
static struct node *add_copy(struct graft *g, struct node *to, const struct node *from,
                             const char *key)
{
    struct node *copy = new_node(g);
    if (!copy)
        return NULL;
    *copy = *from;
    copy->first = copy->last = copy->next = NULL;
    copy->n_children = 0;
    copy->key = key;
    copy->origin = from->origin ? from->origin : from;
    append(to, copy);
    for (const struct node *child = from->first; child; child = child->next)
        if (child->kind == NODE_SCALAR && child->key)
            (void)add_copy(g, copy, child, child->key);
    g->changed = true;
    return copy;
}

/* The keys that 'to' does not have; of mappings that both have, their keys. */
static void lay_under(struct graft *g, struct node *to, const struct node *from,
                      const char *const *keys)
{
    for (size_t i = 0; keys[i]; i++) {
        const struct node *source = node_get(from, keys[i]);
        struct node *own = child_of(to, keys[i]);
        if (source && !own)
            (void)add_copy(g, to, source, keys[i]);
        if (!is_mapping(source) || !is_mapping(own))
            continue;
        for (const struct node *c = source->first; c; c = c->next)
            if (!node_get(own, c->key))
                (void)add_copy(g, own, c, c->key);
    }
}

static struct node *first_of(struct node *root, const char *list)
{
    struct node *node = child_of(root, list);
    return node && node->kind == NODE_SEQUENCE ? node->first : NULL;
}

/* ---- defaults ---- */

static void apply_to_buses(struct graft *g, struct node *root, const struct node *defaults)
{
    const struct node *bus = node_get(defaults, "bus");
    for (struct node *entry = first_of(root, "buses"); bus && entry; entry = entry->next) {
        if (!is_mapping(entry))
            continue;
        lay_under(g, entry, bus, BUS_KEYS);
        if (is_mapping(child_of(entry, "rtu")))
            lay_under(g, child_of(entry, "rtu"), node_get(bus, "rtu"), RTU_KEYS);
        if (is_mapping(child_of(entry, "tcp")))
            lay_under(g, child_of(entry, "tcp"), node_get(bus, "tcp"), TCP_KEYS);
    }
}

/* A register map only where the device has none of its own. */
static void apply_to_devices(struct graft *g, struct node *root, const struct node *defaults)
{
    const struct node *device = node_get(defaults, "device");
    for (struct node *entry = first_of(root, "devices"); device && entry; entry = entry->next) {
        if (!is_mapping(entry))
            continue;
        lay_under(g, entry, device, WIRE_KEYS);
        if (!node_get(entry, "profile") && !node_get(entry, "points"))
            lay_under(g, entry, device, MAP_KEYS);
    }
}

/* Under the types, so that a type's word is the stronger one; machines without a type directly. */
static void apply_to_machines(struct graft *g, struct node *root, const struct node *defaults)
{
    const struct node *machine = node_get(defaults, "machine");
    if (!machine)
        return;
    for (struct node *type = first_of(root, "machine_types"); type; type = type->next)
        if (is_mapping(type))
            lay_under(g, type, machine, WATCH_KEYS);
    for (struct node *entry = first_of(root, "machines"); entry; entry = entry->next) {
        if (!is_mapping(entry))
            continue;
        if (!node_get(entry, "type") && !node_get(entry, "channels"))
            lay_under(g, entry, machine, TYPE_KEYS);
        if (!node_get(entry, "type"))
            lay_under(g, entry, machine, WATCH_KEYS);
    }
}

/* ---- devices of machines ---- */

static const struct node *type_of(struct node *root, const struct node *machine)
{
    const struct node *name = node_get(machine, "type");
    for (const struct node *type = first_of(root, "machine_types"); name && type;
         type = type->next) {
        const struct node *its = node_get(type, "name");
        if (its && its->text && name->text && strcmp(its->text, name->text) == 0)
            return type;
    }
    return NULL;
}

/* The list of devices, made where the file has none. */
static struct node *devices_of(struct graft *g, struct node *root)
{
    struct node *list = child_of(root, "devices");
    if (list && node_is_nothing(list)) {
        list->kind = NODE_SEQUENCE;
        list->text = NULL;
    }
    if (list)
        return list->kind == NODE_SEQUENCE ? list : NULL;
    list = new_node(g);
    if (!list)
        return NULL;
    *list = (struct node){ .kind = NODE_SEQUENCE,
                           .line = root->line,
                           .column = root->column,
                           .key_line = root->line,
                           .key_column = root->column,
                           .key = "devices",
                           .document = root->document };
    append(root, list);
    return list;
}

static void give_device(struct graft *g, struct node *root, struct node *machine)
{
    const struct node *name = node_get(machine, "name"), *type = type_of(root, machine);
    if (node_get(machine, "type") && !type)
        return; /* unknown, which is said of the machine */
    struct node *list = name ? devices_of(g, root) : NULL;
    struct node *device = list ? new_node(g) : NULL;
    if (!device)
        return; /* wrong, and found by the shape check */
    *device = *machine;
    device->first = device->last = device->next = NULL;
    device->n_children = 0;
    device->key = NULL;
    device->origin = machine;
    append(list, device);
    (void)add_copy(g, device, name, "name");
    lay_under(g, device, machine, OWN_KEYS);
    if (type)
        lay_under(g, device, type, OWN_OF_TYPE_KEYS);
    (void)add_copy(g, machine, name, "device");
}

static void give_devices(struct graft *g, struct node *root, struct report *report)
{
    for (struct node *machine = first_of(root, "machines"); machine; machine = machine->next) {
        if (!is_mapping(machine))
            continue;
        if (node_get(machine, "unit") && node_get(machine, "device"))
            report_node(report, machine, "device",
                        "names a device, and 'unit' gives the machine one of its own");
        else if (node_get(machine, "unit"))
            give_device(g, root, machine);
        else
            for (size_t i = 0; OWN_KEYS[i]; i++)
                if (node_get(machine, OWN_KEYS[i]))
                    report_node(report, machine, OWN_KEYS[i],
                                "is of a device of the machine's own, which needs 'unit'");
    }
}

void graft_apply(struct graft *g, struct node *root, struct report *report)
{
    const struct node *defaults = node_get(root, "defaults");
    apply_to_machines(g, root, defaults);
    give_devices(g, root, report);
    apply_to_devices(g, root, defaults);
    apply_to_buses(g, root, defaults);
}

void graft_finish(struct graft *g)
{
    while (g->chunks) {
        struct graft_chunk *next = g->chunks->next;
        free(g->chunks);
        g->chunks = next;
    }
    *g = (struct graft){ 0 };
}
