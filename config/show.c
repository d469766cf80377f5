/* SPDX-License-Identifier: Apache-2.0 */
#include "config/show.h"

#include "base/result.h"
#include "config/build.h"
#include "config/settings.h"

#include <stdio.h>
#include <string.h>

/* Where a setting may be written, the strongest first. */
struct source {
    const struct node *node;
    enum setting_origin origin; /* ORIGIN_FILE: the node's place tells */
    const char *name;
    bool timing_only; /* the bus: for its settings that devices take over */
};

struct walk {
    const struct build *build;
    struct source sources[4];
    struct shown_setting shown; /* of the present object */
};

/* "limits.high" within the node. */
static const struct node *find(const struct node *node, const char *key)
{
    char part[64];
    for (;;) {
        const char *dot = strchr(key, '.');
        if (!dot)
            return node_get(node, key);
        snprintf(part, sizeof part, "%.*s", (int)(dot - key), key);
        node = node_get(node, part);
        if (!node)
            return NULL;
        key = dot + 1;
    }
}

static bool is_timing(const char *key)
{
    return strcmp(key, "timeout") == 0 || strcmp(key, "turnaround") == 0 ||
           strcmp(key, "retries") == 0;
}

/* A value of the file itself: of the object, of the defaults laid under it, or of a type. */
static void place(struct shown_setting *s, const struct node *node)
{
    const struct node *at = node->origin ? node->origin : node, *entry = at;
    s->origin = ORIGIN_FILE;
    while (at->up && at->up->up) {
        entry = at;
        at = at->up;
    }
    if (at->key && strcmp(at->key, "defaults") == 0)
        s->origin = ORIGIN_DEFAULTS;
    if (at->key && strcmp(at->key, "machine_types") == 0) {
        const struct node *name = node_get(entry, "name");
        s->origin = ORIGIN_TYPE;
        s->name = name ? name->text : NULL;
    }
}

static void tell(void *ctx, const char *key, const char *value)
{
    struct walk *w = ctx;
    struct shown_setting s = w->shown;
    s.key = key;
    s.value = value;
    s.origin = ORIGIN_BUILT_IN;
    for (size_t i = 0; i < sizeof w->sources / sizeof w->sources[0]; i++) {
        const struct source *source = &w->sources[i];
        const struct node *node =
            source->timing_only && !is_timing(key) ? NULL : find(source->node, key);
        if (!node)
            continue;
        if (source->origin == ORIGIN_FILE) {
            place(&s, node);
        } else {
            s.origin = source->origin;
            s.name = source->name;
        }
        s.file = node->document->file;
        s.line = node->line;
        s.column = node->column;
        break;
    }
    w->build->show(w->build->show_ctx, &s);
    w->shown.first = false;
}

static void begin(struct walk *w, const char *section, const char *object, const char *list,
                  const char *entry)
{
    w->shown = (struct shown_setting){
        .section = section, .object = object, .list = list, .entry = entry, .first = true
    };
    memset(w->sources, 0, sizeof w->sources);
}

static void show_section(struct walk *w, const char *section)
{
    begin(w, section, NULL, NULL, NULL);
    w->sources[0] = (struct source){ .node = node_get(w->build->document.root, section),
                                     .origin = ORIGIN_FILE };
}

static const struct node *first_of(const struct build *b, const char *list)
{
    const struct node *node = node_get(b->document.root, list);
    return node ? node->first : NULL;
}

static void show_buses(struct walk *w)
{
    const struct config *c = w->build->config;
    const struct node *entry = first_of(w->build, "buses");
    for (size_t i = 0; i < c->n_buses; i++, entry = entry->next) {
        begin(w, "buses", c->buses[i].name, NULL, NULL);
        w->sources[0] = (struct source){ .node = entry, .origin = ORIGIN_FILE };
        settings_bus(&c->buses[i], tell, w);
    }
}

/* ---- devices ---- */

static const struct profile *profile_of(const struct build *b, const struct node *device)
{
    const struct node *name = node_get(device, "profile");
    const struct profile *p = b->profiles;
    while (p && (!name || strcmp(p->name, name->text) != 0))
        p = p->next;
    return p;
}

/* The entry of a list that has this name. */
static const struct node *named(const struct node *list, const char *name)
{
    for (const struct node *entry = list ? list->first : NULL; entry; entry = entry->next) {
        const struct node *its = node_get(entry, "name");
        if (its && its->text && strcmp(its->text, name) == 0)
            return entry;
    }
    return NULL;
}

/* The point in the device's variant of the profile. */
static const struct node *varied(const struct profile *profile, const struct node *device,
                                 const char *point)
{
    const struct node *variant = node_get(device, "variant");
    if (!profile || !variant)
        return NULL;
    const struct node *its = named(node_get(profile->document.root, "variants"), variant->text);
    return named(node_get(its, "points"), point);
}

static void show_points(struct walk *w, const struct node *device, const struct profile *profile,
                        const struct device_config *d)
{
    const struct build *b = w->build;
    for (uint32_t i = d->first_point; i < d->first_point + d->n_points; i++) {
        const struct point_config *point = &b->config->points[i];
        const char *name = profile ? profile->name : NULL;
        begin(w, "devices", d->name, "points", point->name);
        w->shown.polled = point->period_us > 0;
        w->sources[0] = (struct source){ .node = b->origins[i].own, .origin = ORIGIN_FILE };
        w->sources[1] = (struct source){ .node = varied(profile, device, point->name),
                                         .origin = ORIGIN_PROFILE,
                                         .name = name };
        w->sources[2] = (struct source){ .node = b->origins[i].profile,
                                         .origin = ORIGIN_PROFILE,
                                         .name = name };
        settings_point(point, tell, w);
    }
}

static void show_devices(struct walk *w)
{
    const struct build *b = w->build;
    const struct config *c = b->config;
    const struct node *entry = first_of(b, "devices");
    for (size_t i = 0; i < c->n_devices; i++, entry = entry->next) {
        const struct profile *profile = profile_of(b, entry);
        const struct bus_config *bus = &c->buses[c->devices[i].bus];
        begin(w, "devices", c->devices[i].name, NULL, NULL);
        w->sources[0] = (struct source){ .node = entry, .origin = ORIGIN_FILE };
        if (profile)
            w->sources[1] = (struct source){ .node = profile->document.root,
                                             .origin = ORIGIN_PROFILE,
                                             .name = profile->name };
        w->sources[2] =
            (struct source){ .node = named(node_get(b->document.root, "buses"), bus->name),
                             .origin = ORIGIN_BUS,
                             .name = bus->name,
                             .timing_only = true };
        settings_device(c, i, tell, w);
        show_points(w, entry, profile, &c->devices[i]);
    }
}

/* ---- machines ---- */

static void show_machines(struct walk *w)
{
    const struct build *b = w->build;
    const struct config *c = b->config;
    const struct node *types = node_get(b->document.root, "machine_types");
    const struct node *entry = first_of(b, "machines");
    for (size_t i = 0; i < c->n_machines; i++, entry = entry->next) {
        const struct machine_config *m = &c->machines[i];
        const struct node *type = node_get(entry, "type");
        begin(w, "machines", m->name, NULL, NULL);
        w->sources[0] = (struct source){ .node = entry, .origin = ORIGIN_FILE };
        w->sources[1] = (struct source){ .node = type ? named(types, type->text) : NULL,
                                         .origin = ORIGIN_FILE };
        settings_machine(m, tell, w);
        for (uint16_t ch = 0; ch < m->detector.n_channels; ch++) {
            const struct channel_plan *plan = &b->plans[i].plans[ch];
            begin(w, "machines", m->name, "channels", m->detector.channels[ch].name);
            w->sources[0] = (struct source){ .node = plan->own, .origin = ORIGIN_FILE };
            w->sources[1] = (struct source){ .node = plan->type, .origin = ORIGIN_FILE };
            settings_channel(c, m, ch, tell, w);
        }
    }
}

void build_show(const struct build *build)
{
    struct walk w = { .build = build };
    const struct config *c = build->config;
    show_section(&w, "gateway");
    settings_gateway(c, tell, &w);
    show_buses(&w);
    show_devices(&w);
    show_machines(&w);
    show_section(&w, "mqtt");
    settings_mqtt(&c->mqtt, tell, &w);
    show_section(&w, "store");
    settings_store(&c->store, tell, &w);
}
