/* SPDX-License-Identifier: Apache-2.0 */
#include "config/diff.h"

#include "config/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The settings of one object as "key\0value\0" one behind the other. */
struct words {
    char *bytes;
    size_t n, cap;
    const char *before; /* put in front of each key */
    bool nameless;      /* the setting name is left out */
    bool no_memory;
};

static void put(struct words *w, const char *text, size_t n)
{
    if (w->n + n > w->cap) {
        size_t cap = 2 * (w->n + n) + 1024;
        char *grown = realloc(w->bytes, cap);
        if (!grown) {
            w->no_memory = true;
            return;
        }
        w->bytes = grown;
        w->cap = cap;
    }
    memcpy(w->bytes + w->n, text, n);
    w->n += n;
}

static void take(void *ctx, const char *key, const char *value)
{
    struct words *w = ctx;
    if (w->nameless && strcmp(key, "name") == 0)
        return;
    if (w->before)
        put(w, w->before, strlen(w->before));
    put(w, key, strlen(key) + 1);
    put(w, value, strlen(value) + 1);
}

static void clear(struct words *w)
{
    w->n = 0;
    w->before = NULL;
    w->nameless = false;
}

static bool equal(const struct words *a, const struct words *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->bytes, b->bytes, a->n) == 0);
}

struct comparison {
    struct config_diff *diff;
    const struct config *old, *new;
    struct words a, b; /* of the object being compared: old, new */
    size_t cap_changes;
};

static void add(struct comparison *c, enum config_change_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(struct comparison *c, enum config_change_kind kind, const char *format, ...)
{
    struct config_diff *d = c->diff;
    if (d->n_changes == c->cap_changes) {
        size_t cap = 2 * c->cap_changes + 16;
        struct config_change *grown = realloc(d->changes, cap * sizeof *grown);
        if (!grown) {
            d->no_memory = true;
            return;
        }
        d->changes = grown;
        c->cap_changes = cap;
    }
    struct config_change *change = &d->changes[d->n_changes++];
    change->kind = kind;
    d->n_restart += kind == CHANGE_NEEDS_RESTART;
    va_list args;
    va_start(args, format);
    vsnprintf(change->text, sizeof change->text, format, args);
    va_end(args);
}

/* Of the words at *at the key and value, and on to the next; false at the end. */
static bool next(const struct words *w, size_t *at, const char **ret_key, const char **ret_value)
{
    if (*at >= w->n)
        return false;
    *ret_key = w->bytes + *at;
    *ret_value = *ret_key + strlen(*ret_key) + 1;
    *at = (size_t)(*ret_value - w->bytes) + strlen(*ret_value) + 1;
    return true;
}

static const char *find(const struct words *w, const char *key)
{
    const char *its_key, *value;
    for (size_t at = 0; next(w, &at, &its_key, &value);)
        if (strcmp(its_key, key) == 0)
            return value;
    return NULL;
}

/* One change for each setting that is different; says them with 'what' in front. */
static void tell_differences(struct comparison *c, enum config_change_kind kind, const char *what)
{
    const char *key, *value;
    for (size_t at = 0; next(&c->a, &at, &key, &value);) {
        const char *now = find(&c->b, key);
        if (!now || strcmp(now, value) != 0)
            add(c, kind, "%s%s: %.60s -> %.60s", what, key, value, now ? now : "not given");
    }
    for (size_t at = 0; next(&c->b, &at, &key, &value);)
        if (!find(&c->a, key))
            add(c, kind, "%s%s: not given -> %.60s", what, key, value);
}

/* ---- gateway, broker, store ---- */

/* What names rows, topics and files cannot change under their readers. */
static void compare_gateway(struct comparison *c)
{
    clear(&c->a);
    clear(&c->b);
    settings_gateway(c->old, take, &c->a);
    settings_gateway(c->new, take, &c->b);
    tell_differences(c, CHANGE_NEEDS_RESTART, "gateway.");
    clear(&c->a);
    clear(&c->b);
    settings_store(&c->old->store, take, &c->a);
    settings_store(&c->new->store, take, &c->b);
    tell_differences(c, CHANGE_NEEDS_RESTART, "store.");
}

static void compare_mqtt(struct comparison *c)
{
    const struct mqtt_config *a = &c->old->mqtt, *b = &c->new->mqtt;
    struct mqtt_config moved = *b;
    if (strcmp(a->topic_prefix, b->topic_prefix) != 0)
        add(c, CHANGE_NEEDS_RESTART, "mqtt.topic_prefix: %.60s -> %.60s", a->topic_prefix,
            b->topic_prefix);
    memcpy(moved.topic_prefix, a->topic_prefix, sizeof moved.topic_prefix);
    clear(&c->a);
    clear(&c->b);
    settings_mqtt(a, take, &c->a);
    settings_mqtt(&moved, take, &c->b);
    c->diff->mqtt = !equal(&c->a, &c->b);
    tell_differences(c, CHANGE_CHANGED, "mqtt.");
    if (memcmp(c->old->mqtt_files, c->new->mqtt_files, sizeof c->old->mqtt_files) != 0 &&
        !c->diff->mqtt) {
        c->diff->mqtt = true;
        add(c, CHANGE_CHANGED, "mqtt: a password or certificate file holds something else");
    }
}

/* ---- lists of named objects ---- */

struct list {
    const char *what; /* "machine" */
    const void *old, *new;
    size_t n_old, n_new, stride;
};

static const char *name_at(const void *first, size_t stride, size_t i)
{
    return (const char *)first + i * stride;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the old objects, sorted; NULL: no memory. */
static const char **sorted_names(const struct list *l)
{
    const char **names = calloc(l->n_old + 1, sizeof(const char *));
    for (size_t i = 0; names && i < l->n_old; i++)
        names[i] = name_at(l->old, l->stride, i);
    if (names && l->n_old > 0)
        qsort(names, l->n_old, sizeof(const char *), by_name);
    return names;
}

/* Fills in map; says what was added and removed. */
static void match(struct comparison *c, const struct list *l, uint32_t *map)
{
    const char **names = sorted_names(l);
    bool *kept = calloc(l->n_old + 1, sizeof *kept);
    c->diff->no_memory = c->diff->no_memory || !names || !kept;
    for (size_t i = 0; names && kept && i < l->n_new; i++) {
        const char *name = name_at(l->new, l->stride, i);
        const char *const *found =
            l->n_old ? bsearch(&name, names, l->n_old, sizeof(const char *), by_name) : NULL;
        map[i] =
            found ? (uint32_t)((size_t)(*found - (const char *)l->old) / l->stride) : DIFF_NONE;
        if (found)
            kept[map[i]] = true;
        else
            add(c, CHANGE_ADDED, "%s %s", l->what, name);
    }
    for (size_t i = 0; names && kept && i < l->n_old; i++)
        if (!kept[i])
            add(c, CHANGE_REMOVED, "%s %s", l->what, name_at(l->old, l->stride, i));
    free(kept);
    free(names);
}

static void put_machine(struct words *w, const struct config *config, size_t i)
{
    const struct machine_config *m = &config->machines[i];
    char before[MW_NAME_MAX + 12];
    settings_machine(m, take, w);
    for (uint16_t ch = 0; ch < m->detector.n_channels; ch++) {
        snprintf(before, sizeof before, "%s.", m->detector.channels[ch].name);
        w->before = before;
        settings_channel(config, m, ch, take, w);
    }
    w->before = NULL;
}

static void compare_machines(struct comparison *c)
{
    struct config_diff *d = c->diff;
    char what[MW_NAME_MAX + 16];
    match(c,
          &(struct list){ "machine", c->old->machines, c->new->machines, c->old->n_machines,
                          c->new->n_machines, sizeof c->new->machines[0] },
          d->machines);
    for (size_t i = 0; !d->no_memory && i < c->new->n_machines; i++) {
        if (d->machines[i] == DIFF_NONE)
            continue;
        clear(&c->a);
        clear(&c->b);
        put_machine(&c->a, c->old, d->machines[i]);
        put_machine(&c->b, c->new, i);
        d->same_machine[i] = equal(&c->a, &c->b);
        snprintf(what, sizeof what, "machine %s: ", c->new->machines[i].name);
        if (!d->same_machine[i])
            tell_differences(c, CHANGE_CHANGED, what);
    }
}

/* ---- wires ---- */

static bool same_numbers(const struct device_config *a, const struct device_config *b)
{
    return a->frame_gap_us == b->frame_gap_us && a->character_us == b->character_us &&
           a->n_points == b->n_points;
}

/* What a bus is asked for: its devices in their order, with their points and periods. */
static void put_wire(struct words *w, const struct config *config, uint32_t bus)
{
    w->nameless = true;
    settings_bus(&config->buses[bus], take, w);
    for (size_t d = 0; d < config->n_devices; d++) {
        const struct device_config *device = &config->devices[d];
        if (device->bus != bus)
            continue;
        settings_device(config, d, take, w);
        for (uint32_t p = device->first_point; p < device->first_point + device->n_points; p++) {
            const struct point_config *point = &config->points[p];
            settings_point(point, take, w);
            put(w, (const char *)&point->period_us, sizeof point->period_us);
        }
    }
}

static bool same_timing(const struct comparison *c, uint32_t old, uint32_t new)
{
    size_t o = 0, n = 0;
    for (;;) {
        while (o < c->old->n_devices && c->old->devices[o].bus != old)
            o++;
        while (n < c->new->n_devices && c->new->devices[n].bus != new)
            n++;
        if (o == c->old->n_devices || n == c->new->n_devices)
            return o == c->old->n_devices && n == c->new->n_devices;
        if (!same_numbers(&c->old->devices[o++], &c->new->devices[n++]))
            return false;
    }
}

static void compare_bus_settings(struct comparison *c, size_t i)
{
    char what[MW_NAME_MAX + 16];
    clear(&c->a);
    clear(&c->b);
    settings_bus(&c->old->buses[c->diff->buses[i]], take, &c->a);
    settings_bus(&c->new->buses[i], take, &c->b);
    snprintf(what, sizeof what, "bus %s: ", c->new->buses[i].name);
    tell_differences(c, CHANGE_CHANGED, what);
}

static void compare_buses(struct comparison *c)
{
    struct config_diff *d = c->diff;
    match(c,
          &(struct list){ "bus", c->old->buses, c->new->buses, c->old->n_buses, c->new->n_buses,
                          sizeof c->new->buses[0] },
          d->buses);
    for (uint32_t i = 0; !d->no_memory && i < c->new->n_buses; i++) {
        if (d->buses[i] == DIFF_NONE)
            continue;
        compare_bus_settings(c, i);
        clear(&c->a);
        clear(&c->b);
        put_wire(&c->a, c->old, d->buses[i]);
        put_wire(&c->b, c->new, i);
        d->same_bus[i] = equal(&c->a, &c->b) && same_timing(c, d->buses[i], i);
    }
}

static void put_device(struct words *w, const struct config *config, size_t i)
{
    const struct device_config *device = &config->devices[i];
    char before[MW_NAME_MAX + 2];
    settings_device(config, i, take, w);
    for (uint32_t p = device->first_point; p < device->first_point + device->n_points; p++) {
        snprintf(before, sizeof before, "%s.", config->points[p].name);
        w->before = before;
        settings_point(&config->points[p], take, w);
    }
    w->before = NULL;
}

static void compare_devices(struct comparison *c)
{
    struct config_diff *d = c->diff;
    char what[MW_NAME_MAX + 16];
    match(c,
          &(struct list){ "device", c->old->devices, c->new->devices, c->old->n_devices,
                          c->new->n_devices, sizeof c->new->devices[0] },
          d->devices);
    for (size_t i = 0; !d->no_memory && i < c->new->n_devices; i++) {
        if (d->devices[i] == DIFF_NONE)
            continue;
        clear(&c->a);
        clear(&c->b);
        put_device(&c->a, c->old, d->devices[i]);
        put_device(&c->b, c->new, i);
        snprintf(what, sizeof what, "device %s: ", c->new->devices[i].name);
        if (!equal(&c->a, &c->b))
            tell_differences(c, CHANGE_CHANGED, what);
    }
}

void config_diff(struct config_diff *d, const struct config *old, const struct config *new)
{
    struct comparison c = { .diff = d, .old = old, .new = new };
    *d = (struct config_diff){ 0 };
    d->machines = calloc(new->n_machines + 1, sizeof *d->machines);
    d->devices = calloc(new->n_devices + 1, sizeof *d->devices);
    d->buses = calloc(new->n_buses + 1, sizeof *d->buses);
    d->same_machine = calloc(new->n_machines + 1, sizeof *d->same_machine);
    d->same_bus = calloc(new->n_buses + 1, sizeof *d->same_bus);
    d->no_memory = !d->machines || !d->devices || !d->buses || !d->same_machine || !d->same_bus;
    if (d->no_memory)
        return;
    compare_gateway(&c);
    compare_buses(&c);
    compare_devices(&c);
    compare_machines(&c);
    compare_mqtt(&c);
    d->no_memory = d->no_memory || c.a.no_memory || c.b.no_memory;
    free(c.a.bytes);
    free(c.b.bytes);
}

void config_diff_finish(struct config_diff *d)
{
    free(d->changes);
    free(d->machines);
    free(d->devices);
    free(d->buses);
    free(d->same_machine);
    free(d->same_bus);
    *d = (struct config_diff){ 0 };
}
