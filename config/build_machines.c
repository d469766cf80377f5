/* SPDX-License-Identifier: Apache-2.0 */
/* Machine types and machines: what a machine's own section says lies over what its type says. */
#include "base/result.h"
#include "config/build.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PERIOD_US  INT64_C(1000000)
#define MIN_PERIOD_US      INT64_C(10000)
#define MAX_PERIOD_US      (3600 * INT64_C(1000000))
#define DAY_US             (86400 * INT64_C(1000000))
#define DEFAULT_LEARN_ROWS 1000
#define MIN_LEARN_ROWS     400
#define MAX_LEARN_ROWS     100000

static const struct value_word ROLES[] = {
    { "score", MW_ROLE_SCORE },
    { "context", MW_ROLE_CONTEXT },
    { "off", MW_ROLE_OFF },
};

/* ---- settings that machines and types share ---- */

/* A limit is armed by its value and disarmed by "none", so that a machine can do without a limit
 * that its type has. */
static void read_limit(const struct reader *r, const char *key, const char *text, uint8_t bit,
                       struct mw_limits_config *limits, float *ret_value)
{
    if (!read_given(r, key, text))
        return;
    limits->armed &= (uint8_t)~bit;
    if (strcmp(text, "none") == 0)
        return;
    if (bit == MW_LIMIT_RATE) {
        double per_min = 0;
        const char *rule = value_rate(text, &per_min);
        if (!rule && per_min > (double)FLT_MAX)
            rule = "is too large for a rate";
        if (rule)
            report_node(r->report, r->node, key, "'%s' %s", text, rule);
        else
            *ret_value = (float)per_min;
    } else {
        *ret_value = read_float(r, key, text, 0);
    }
    limits->armed |= bit;
}

static void read_limits(const struct reader *r, const struct raw_limits *raw,
                        struct mw_limits_config *limits)
{
    read_limit(r, "high", raw->high, MW_LIMIT_HIGH, limits, &limits->high);
    read_limit(r, "high_high", raw->high_high, MW_LIMIT_HIGH_HIGH, limits, &limits->high_high);
    read_limit(r, "low", raw->low, MW_LIMIT_LOW, limits, &limits->low);
    read_limit(r, "rate", raw->rate, MW_LIMIT_RATE, limits, &limits->rate);
    limits->rate_us =
        read_duration(r, "rate_over", raw->rate_over, ZERO_IS_REFUSED, limits->rate_us);
    limits->delay_us = read_duration(r, "delay", raw->delay, ZERO_IS_LEAST, limits->delay_us);
    if (!read_given(r, "deadband", raw->deadband))
        return;
    limits->deadband = read_float(r, "deadband", raw->deadband, 0);
    if (!(limits->deadband < 0) && !(limits->deadband > 0))
        limits->deadband = FLT_MIN; /* none; zero would mean the default */
}

static int64_t read_stuck(const struct reader *r, const char *text, int64_t fallback)
{
    if (text && strcmp(text, "never") == 0)
        return -1;
    if (text && strcmp(text, "auto") == 0)
        return 0;
    return read_duration(r, "stuck", text, ZERO_IS_REFUSED, fallback);
}

/* "point" or "role.point", both of them names. */
static bool read_ref(const struct reader *r, const char *text, char *ret_ref, size_t cap)
{
    if (!read_given(r, "point", text))
        return false;
    char parts[2 * MW_NAME_MAX + 2];
    if (strlen(text) >= sizeof parts || strlen(text) >= cap) {
        report_node(r->report, r->node, "point", "is longer than a point's name can be");
        return false;
    }
    memcpy(parts, text, strlen(text) + 1);
    char *dot = strchr(parts, '.');
    if (dot)
        *dot = '\0';
    const char *rule = value_name(parts);
    if (!rule && dot)
        rule = value_name(dot + 1);
    if (rule) {
        report_node(r->report, r->node, "point", "'%s' is neither POINT nor ROLE.POINT: a name %s",
                    text, rule);
        return false;
    }
    memcpy(ret_ref, text, strlen(text) + 1);
    return true;
}

static void read_channel(const struct reader *r, const struct raw_channel *raw,
                         struct mw_channel_config *channel, struct channel_plan *plan)
{
    if (read_name(r, "name", raw->name, channel->name))
        plan->named = true;
    channel->role = (uint8_t)read_word(r, "role", raw->role, ROLES, sizeof ROLES / sizeof ROLES[0],
                                       channel->role);
    channel->sensor.no_data_us =
        read_duration(r, "no_data", raw->no_data, ZERO_IS_REFUSED, channel->sensor.no_data_us);
    channel->sensor.stuck_us = read_stuck(r, raw->stuck, channel->sensor.stuck_us);
    if (raw->limits)
        read_limits(&(struct reader){ r->report, node_get(r->node, "limits") }, raw->limits,
                    &channel->limits);
}

static void read_model(const struct reader *r, const struct raw_model *raw,
                       struct machine_config *machine)
{
    read_text(r, "file", raw->file, machine->model_file, sizeof machine->model_file);
    machine->detector.model_delay_us =
        read_duration(r, "delay", raw->delay, ZERO_IS_FINE, machine->detector.model_delay_us);
    machine->no_level_guard =
        !read_truth(r, "level_guard", raw->level_guard, !machine->no_level_guard);
    machine->fine = read_truth(r, "fine", raw->fine, machine->fine);
    machine->learn_rows = (uint32_t)read_whole(r, "learn_rows", raw->learn_rows, MIN_LEARN_ROWS,
                                               MAX_LEARN_ROWS, machine->learn_rows);
    if (machine->detector.model_delay_us > DAY_US)
        report_node(r->report, r->node, "delay", "is not in 0s to 1d");
}

static void read_trend(const struct reader *r, const struct raw_trend *raw,
                       struct mw_trend_config *trend)
{
    trend->off = !read_truth(r, "enabled", raw->enabled, !trend->off);
    trend->interval_us =
        read_duration(r, "interval", raw->interval, ZERO_IS_REFUSED, trend->interval_us);
    trend->n_baseline =
        (uint16_t)read_whole(r, "baseline", raw->baseline, 1, UINT16_MAX, trend->n_baseline);
    trend->threshold = read_float(r, "threshold", raw->threshold, trend->threshold);
    if (read_given(r, "threshold", raw->threshold) && !(trend->threshold > 0))
        report_node(r->report, r->node, "threshold", "must be above 0");
    trend->n_persist =
        (uint16_t)read_whole(r, "persist", raw->persist, 1, UINT16_MAX, trend->n_persist);
}

static void read_alarm(const struct reader *r, const struct raw_alarm *raw,
                       struct alarm_config *alarm)
{
    alarm->on_delay_us =
        read_duration(r, "on_delay", raw->on_delay, ZERO_IS_FINE, alarm->on_delay_us);
    alarm->off_delay_us =
        read_duration(r, "off_delay", raw->off_delay, ZERO_IS_FINE, alarm->off_delay_us);
    alarm->latch = read_truth(r, "latch", raw->latch, alarm->latch);
}

/* The channel of the type that an entry speaks of: the one of its point, or of its name where it
 * has no point of its own. -1: none. */
static int find_channel(const struct watch *watch, const char *ref, const char *name)
{
    for (int i = 0; i < watch->machine.detector.n_channels; i++) {
        const struct channel_plan *plan = &watch->plans[i];
        const char *known = plan->named ? watch->machine.detector.channels[i].name : plan->ref;
        if (plan->type && (ref[0] ? strcmp(plan->ref, ref) == 0 : strcmp(known, name) == 0))
            return i;
    }
    return -1;
}

static void read_entry(const struct reader *r, const struct raw_channel *raw, bool of_type,
                       struct watch *watch)
{
    struct mw_detector_config *detector = &watch->machine.detector;
    char ref[sizeof watch->plans[0].ref] = "";
    if (read_given(r, "point", raw->point) && !read_ref(r, raw->point, ref, sizeof ref))
        return;
    int known = of_type ? -1 : find_channel(watch, ref, raw->name ? raw->name : "");
    if (known >= 0) {
        watch->plans[known].own = r->node;
        read_channel(r, raw, &detector->channels[known], &watch->plans[known]);
        return;
    }
    if (!ref[0]) {
        if (!node_get(r->node, "point"))
            report_node(r->report, r->node, "point", "is missing");
        return;
    }
    if (detector->n_channels == MW_MAX_CHANNELS) {
        report_node(r->report, r->node, NULL, "is one channel too many; a machine has at most %d",
                    MW_MAX_CHANNELS);
        return;
    }
    uint16_t i = detector->n_channels++;
    detector->channels[i] = (struct mw_channel_config){ .role = MW_ROLE_SCORE };
    watch->plans[i] =
        (struct channel_plan){ .own = of_type ? NULL : r->node, .type = of_type ? r->node : NULL };
    memcpy(watch->plans[i].ref, ref, sizeof ref);
    read_channel(r, raw, &detector->channels[i], &watch->plans[i]);
}

static void read_watch(const struct reader *r, const struct raw_watch *raw, bool of_type,
                       struct watch *watch)
{
    struct machine_config *machine = &watch->machine;
    machine->detector.period_us =
        read_duration(r, "period", raw->period, ZERO_IS_REFUSED, machine->detector.period_us);
    if (machine->detector.period_us < MIN_PERIOD_US ||
        machine->detector.period_us > MAX_PERIOD_US) {
        report_node(r->report, r->node, "period", "'%s' is not in 10ms to 1h", raw->period);
        machine->detector.period_us = DEFAULT_PERIOD_US;
    }
    if (raw->model)
        read_model(&(struct reader){ r->report, node_get(r->node, "model") }, raw->model, machine);
    if (raw->trend)
        read_trend(&(struct reader){ r->report, node_get(r->node, "trend") }, raw->trend,
                   &machine->detector.trend);
    if (raw->alarm)
        read_alarm(&(struct reader){ r->report, node_get(r->node, "alarm") }, raw->alarm,
                   &machine->alarm);
    const struct node *entry = node_get(r->node, "channels");
    entry = entry ? entry->first : NULL;
    for (size_t i = 0; i < raw->channels_count; i++, entry = entry->next)
        if (!entry->faulty)
            read_entry(&(struct reader){ r->report, entry }, &raw->channels[i], of_type, watch);
}

static void set_defaults(struct machine_config *machine)
{
    machine->detector.period_us = DEFAULT_PERIOD_US;
    machine->learn_rows = DEFAULT_LEARN_ROWS;
}

/* ---- machines ---- */

/* The devices that a machine's channels may name. */
struct reach {
    struct build *b;
    const struct node *node;
    const struct raw_machine *raw;
    int64_t only;                     /* the device of a point without a role; -1: none */
    int64_t devices[MW_MAX_CHANNELS]; /* by role; -1: unknown */
    bool broken;                      /* a device is unknown, and that was said */
};

static void read_devices(struct reach *reach)
{
    struct build *b = reach->b;
    struct names devices = { b->config->devices, b->config->n_devices,
                             sizeof b->config->devices[0] };
    const struct raw_machine *raw = reach->raw;
    struct reader r = { b->report, reach->node };
    const struct node *list = node_get(reach->node, "devices");
    reach->only = -1;
    if (raw->device) {
        reach->only = read_reference(&r, "device", raw->device, "device", &devices);
        reach->broken |= reach->only < 0;
    }
    const struct node *entry = list ? list->first : NULL;
    for (size_t i = 0; i < raw->devices_count; i++, entry = entry->next) {
        struct reader at = { b->report, entry };
        char role[MW_NAME_MAX + 1];
        read_name(&at, "role", raw->devices[i].role, role);
        for (size_t k = 0; k < i; k++)
            if (raw->devices[k].role[0] && strcmp(raw->devices[k].role, raw->devices[i].role) == 0)
                report_node(b->report, entry, "role", "'%s' is given twice", raw->devices[i].role);
        reach->devices[i] =
            read_reference(&at, "device", raw->devices[i].device, "device", &devices);
        reach->broken |= reach->devices[i] < 0;
        if (raw->devices_count == 1 && !raw->device)
            reach->only = reach->devices[i];
    }
}

/* Device that the reference means: its role's, the only one, or the one of that name. */
static int64_t device_of(const struct reach *reach, const char *ref, const char **ret_point)
{
    const char *dot = strchr(ref, '.');
    *ret_point = dot ? dot + 1 : ref;
    if (!dot)
        return reach->only;
    char prefix[MW_NAME_MAX + 1] = "";
    memcpy(prefix, ref, (size_t)(dot - ref));
    for (size_t i = 0; i < reach->raw->devices_count; i++)
        if (strcmp(reach->raw->devices[i].role, prefix) == 0)
            return reach->devices[i];
    struct names devices = { reach->b->config->devices, reach->b->config->n_devices,
                             sizeof reach->b->config->devices[0] };
    return find_name(&devices, prefix);
}

/* Says that a channel finds no point. A type's channel is not to blame; the machine is. */
static void refuse_point(const struct reach *reach, const struct channel_plan *plan,
                         const char *why)
{
    struct build *b = reach->b;
    if (plan->own && node_get(plan->own, "point"))
        report_node(b->report, plan->own, "point", "'%s' %s", plan->ref, why);
    else
        report_node(b->report, reach->node, node_get(reach->node, "device") ? "device" : "devices",
                    "channel '%s' of machine type '%s' %s", plan->ref, reach->raw->type, why);
}

static void refuse_device(const struct reach *reach, const struct channel_plan *plan)
{
    if (strchr(plan->ref, '.'))
        refuse_point(reach, plan, "names no role of this machine and no device");
    else
        refuse_point(reach, plan, "needs a device: give the machine one, or write ROLE.POINT");
}

static void refuse_name(const struct reach *reach, const struct channel_plan *plan,
                        const struct device_config *device, const char *nearest)
{
    char why[3 * MW_NAME_MAX];
    snprintf(why, sizeof why, "is no point of device '%s'%s%s%s", device->name,
             nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    refuse_point(reach, plan, why);
}

static void resolve_channel(const struct reach *reach, struct watch *watch, uint16_t c)
{
    struct config *config = reach->b->config;
    const struct channel_plan *plan = &watch->plans[c];
    const char *name = NULL;
    int64_t device = device_of(reach, plan->ref, &name);
    watch->machine.points[c] = UINT32_MAX;
    if (device < 0) {
        if (!reach->broken)
            refuse_device(reach, plan);
        return;
    }
    const struct device_config *d = &config->devices[device];
    struct names points = { config->points + d->first_point, d->n_points,
                            sizeof config->points[0] };
    if (!d->n_points)
        return; /* the device itself is wrong, and that was said */
    int64_t i = find_name(&points, name);
    if (i < 0) {
        refuse_name(reach, plan, d, nearest_name(&points, name));
        return;
    }
    watch->machine.points[c] = d->first_point + (uint32_t)i;
    memcpy(watch->machine.detector.channels[c].unit,
           config->points[d->first_point + (uint32_t)i].unit, MW_UNIT_MAX + 1);
}

static const char *short_name(const struct channel_plan *plan)
{
    const char *dot = strchr(plan->ref, '.');
    return dot ? dot + 1 : plan->ref;
}

/* The point's name; with its role or device where that would not tell two channels apart. */
static void name_channel(struct build *b, const struct node *machine, struct watch *watch,
                         uint16_t c)
{
    struct mw_detector_config *detector = &watch->machine.detector;
    const struct channel_plan *plan = &watch->plans[c];
    if (plan->named)
        return;
    const char *name = short_name(plan);
    for (uint16_t i = 0; i < detector->n_channels; i++)
        if (i != c && !watch->plans[i].named && strcmp(short_name(&watch->plans[i]), name) == 0)
            name = plan->ref;
    if (strlen(name) <= MW_NAME_MAX)
        memcpy(detector->channels[c].name, name, strlen(name) + 1);
    else
        report_node(b->report, plan->own ? plan->own : machine, plan->own ? "name" : NULL,
                    "channel '%s' needs a name of at most %d characters", plan->ref, MW_NAME_MAX);
}

static void settle_channel(struct build *b, struct watch *watch, uint16_t c)
{
    struct mw_channel_config *channel = &watch->machine.detector.channels[c];
    const struct channel_plan *plan = &watch->plans[c];
    struct report_settling settling = { b->report, { plan->own, plan->type } };
    struct mw_complaints to = report_complaints(&settling);
    (void)mw_limits_settle(&channel->limits, &to);
    (void)mw_sensor_settle(&channel->sensor, &to);
}

/* Where the settings of trend or alarm are written: by the machine, its type or neither. */
static struct report_settling section(struct build *b, const struct node *node,
                                      const struct node *type, const char *key)
{
    const struct node *own = node_get(node, key), *of_type = node_get(type, key);
    if (!own && !of_type)
        own = node ? node : type;
    return (struct report_settling){ b->report, { own, of_type } };
}

static void settle_watch(struct build *b, const struct node *node, const struct node *type,
                         struct watch *watch)
{
    struct mw_detector_config *detector = &watch->machine.detector;
    for (uint16_t c = 0; c < detector->n_channels; c++)
        settle_channel(b, watch, c);
    struct report_settling settling = section(b, node, type, "trend");
    struct mw_complaints to = report_complaints(&settling);
    (void)mw_trend_settle(&detector->trend, &to);
    settling = section(b, node, type, "alarm");
    (void)alarm_settle(&watch->machine.alarm, &to);
}

static void build_types(struct build *b)
{
    b->types = calloc(b->raw->machine_types_count + 1u, sizeof b->types[0]);
    if (!b->types) {
        b->no_memory = true;
        return;
    }
    b->n_types = b->raw->machine_types_count;
    const struct node *node = node_get(b->document.root, "machine_types");
    node = node ? node->first : NULL;
    for (size_t i = 0; i < b->n_types; i++, node = node->next) {
        if (node->faulty)
            continue;
        struct reader r = { b->report, node };
        set_defaults(&b->types[i].machine);
        read_name(&r, "name", b->raw->machine_types[i].name, b->types[i].machine.name);
        read_watch(&r, &b->raw->machine_types[i].watch, true, &b->types[i]);
        /* A copy: its machines settle what they make of it, and zero must still mean not given. */
        struct watch alone = b->types[i];
        settle_watch(b, NULL, node, &alone);
    }
}

static void build_machine(struct build *b, const struct node *node, const struct raw_machine *raw,
                          struct watch *watch)
{
    struct reader r = { b->report, node };
    const struct node *type = NULL;
    set_defaults(&watch->machine);
    if (read_given(&r, "type", raw->type)) {
        struct names types = { b->types[0].machine.name, b->n_types, sizeof b->types[0] };
        int64_t i = read_reference(&r, "type", raw->type, "machine type", &types);
        if (i >= 0) {
            *watch = b->types[i];
            type = node_item(node_get(b->document.root, "machine_types"), (size_t)i);
        } else {
            type = node; /* unknown; its channels are not missed */
        }
    }
    watch->machine.name[0] = '\0';
    read_name(&r, "name", raw->name, watch->machine.name);
    read_watch(&r, &raw->watch, false, watch);

    struct reach reach = { .b = b, .node = node, .raw = raw };
    read_devices(&reach);
    for (uint16_t c = 0; c < watch->machine.detector.n_channels; c++) {
        resolve_channel(&reach, watch, c);
        name_channel(b, node, watch, c);
    }
    if (!watch->machine.detector.n_channels && !type && !node_get(node, "channels"))
        report_node(b->report, node, "channels", "is missing: the machine needs at least one");
    settle_watch(b, node, type == node ? NULL : type, watch);
}

void build_machines(struct build *b)
{
    struct config *c = b->config;
    size_t n = b->raw->machines_count;
    build_types(b);
    c->machines = calloc(n + 1, sizeof c->machines[0]);
    b->plans = calloc(n + 1, sizeof b->plans[0]);
    if (!c->machines || !b->plans || b->no_memory) {
        b->no_memory = true;
        return;
    }
    c->n_machines = n;
    const struct node *node = node_get(b->document.root, "machines");
    node = node ? node->first : NULL;
    for (size_t i = 0; i < n; i++, node = node->next) {
        if (node->faulty)
            continue;
        build_machine(b, node, &b->raw->machines[i], &b->plans[i]);
        c->machines[i] = b->plans[i].machine;
    }
}

void build_finish(struct build *b)
{
    profile_free_all(b->profiles);
    free(b->origins);
    free(b->types);
    free(b->plans);
    raw_config_free(b->raw);
    document_finish(&b->document);
    fragments_finish(&b->fragments);
    graft_finish(&b->graft);
}
