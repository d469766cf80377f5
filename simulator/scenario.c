/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the sections that stand alone, and reading the file. What refers to other
 * sections is in scenario_links.c, the buses are in scenario_wires.c. */
#include "simulator/scenario.h"

#include "base/result.h"
#include "simulator/regular.h"
#include "simulator/scenario_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US 1000000
#define HOUR_US   (3600 * (int64_t)SECOND_US)
#define DAY_S     86400.0
#define YEAR_S    (366 * DAY_S)

static const char *const KINDS[] = { "", "pump", "motor", "fan", "conveyor", "compressor", NULL };

#define AT(type, member) offsetof(struct type, member)

static const struct field AMBIENT[] = {
    { "mean", FIELD_NUMBER, false, AT(ambient, mean_degc), "degC", -40, 60, NULL },
    { "swing", FIELD_NUMBER, false, AT(ambient, swing_k), "K", 0, 40, NULL },
    { "day", FIELD_TIME, false, AT(ambient, day_us), NULL, 60, YEAR_S, NULL },
    { "warmest", FIELD_TIME, false, AT(ambient, warmest_us), NULL, 0, YEAR_S, NULL },
    { "start", FIELD_TIME, false, AT(ambient, start_us), NULL, 0, YEAR_S, NULL },
};

static const struct field STEP[] = {
    { "load", FIELD_NUMBER, true, AT(load_step, load_pct), "%", 0, 150, NULL },
    { "speed", FIELD_NUMBER, false, AT(load_step, speed_pct), "%", 0, 120, NULL },
    { "hold", FIELD_TIME, true, AT(load_step, hold_us), NULL, 1, YEAR_S, NULL },
    { "ramp", FIELD_TIME, false, AT(load_step, ramp_us), NULL, 0, YEAR_S, NULL },
};

#define PLAN(key, member, unit, min, max)                                        \
    {                                                                            \
        key, FIELD_NUMBER, false, AT(machine_plan, member), unit, min, max, NULL \
    }
#define PLAN_TIME(key, member, min, max)                                       \
    {                                                                          \
        key, FIELD_TIME, false, AT(machine_plan, member), NULL, min, max, NULL \
    }

static const struct field MACHINE[] = {
    { "name", FIELD_NAME, true, AT(machine_plan, name), NULL, 0, 0, NULL },
    { "kind", FIELD_NESTED, true, 0, NULL, 0, 0, NULL },
    { "programme", FIELD_NESTED, false, 0, NULL, 0, 0, NULL },
    PLAN("rated_speed", speed_rpm, "rpm", 1, 30000),
    PLAN("slip", slip_pct, "%", 0, 20),
    PLAN("rated_current", current_a, "A", 0.01, 10000),
    PLAN("idle_current", idle_pct, "%", 0, 100),
    PLAN("vibration_x", vel_x_mm_s, "mm/s", 0, 50),
    PLAN("vibration_y", vel_y_mm_s, "mm/s", 0, 50),
    PLAN("vibration_z", vel_z_mm_s, "mm/s", 0, 50),
    PLAN("temp_rise", temp_rise_k, "K", 0, 200),
    PLAN("winding_rise", winding_rise_k, "K", 0, 200),
    PLAN_TIME("temp_inertia", temp_inertia_us, 0, DAY_S),
    PLAN_TIME("winding_inertia", winding_inertia_us, 0, DAY_S),
    PLAN("rated_pressure", pressure_bar, "bar", 0, 1000),
    PLAN("rated_flow", flow_m3_h, "m3/h", 0, 1e6),
    PLAN("load_jitter", load_jitter_pct, "%", 0, 50),
    PLAN("time_jitter", time_jitter_pct, "%", 0, 50),
    PLAN("wander", wander_pct, "%", 0, 20),
    PLAN_TIME("wander_time", wander_us, 1, DAY_S),
};

struct top_draft {
    uint64_t version, seed;
    int64_t tick_us, faults_after_us;
};

static const struct field TOP[] = {
    { "version", FIELD_INTEGER, true, AT(top_draft, version), NULL, 1, 1, NULL },
    { "seed", FIELD_INTEGER, false, AT(top_draft, seed), NULL, 0, 1.8e19, NULL },
    { "tick", FIELD_TIME, false, AT(top_draft, tick_us), NULL, 0.001, 60, NULL },
    { "faults_after", FIELD_TIME, false, AT(top_draft, faults_after_us), NULL, 0, YEAR_S, NULL },
    { "ambient", FIELD_NESTED, false, 0, NULL, 0, 0, NULL },
    { "buses", FIELD_NESTED, true, 0, NULL, 0, 0, NULL },
    { "machines", FIELD_NESTED, true, 0, NULL, 0, 0, NULL },
    { "devices", FIELD_NESTED, true, 0, NULL, 0, 0, NULL },
    { "faults", FIELD_NESTED, false, 0, NULL, 0, 0, NULL },
};

bool parts_list(struct field_reader *r, yaml_node map, const char *key, size_t max,
                yaml_node *ret_list, size_t *ret_n)
{
    *ret_list = yaml_find(r->tree, map, key);
    *ret_n = yaml_count(r->tree, *ret_list);
    if (!*ret_list)
        return true;
    if (yaml_kind(r->tree, *ret_list) == YAML_LIST && *ret_n > 0 && *ret_n <= max)
        return true;
    field_complain(r, *ret_list, "%s: is not a list of 1 to %zu entries", key, max);
    *ret_n = 0;
    return false;
}

static void read_programme(struct field_reader *r, yaml_node machine, struct machine_plan *plan)
{
    yaml_node list;
    size_t n;
    if (!parts_list(r, machine, "programme", MACHINE_MAX_STEPS, &list, &n) || !list)
        return;
    for (size_t i = 0; i < n; i++) {
        yaml_node node = yaml_child(r->tree, list, i);
        struct load_step step = { .speed_pct = 100 };
        if (fields_read(r, node, STEP, FIELDS(STEP), &step) && step.ramp_us > step.hold_us / 2)
            field_complain(r, node, "ramp: is longer than half of hold");
        plan->steps[i] = step;
    }
    plan->n_steps = (uint32_t)n;
}

static void read_machine(struct field_reader *r, yaml_node node, struct scenario *s)
{
    struct machine_plan plan = { 0 };
    const char *text = yaml_text(r->tree, yaml_find(r->tree, node, "kind"));
    int kind = 0;
    for (int k = 1; KINDS[k]; k++)
        if (strcmp(KINDS[k], text) == 0)
            kind = k;
    machine_defaults(&plan, kind ? (enum machine_kind)kind : MACHINE_MOTOR);
    if (kind == 0 && yaml_find(r->tree, node, "kind"))
        field_complain(r, node, "kind: '%.40s' is none of pump, motor, fan, conveyor, compressor",
                       text);
    fields_read(r, node, MACHINE, FIELDS(MACHINE), &plan);
    read_programme(r, node, &plan);
    for (uint32_t i = 0; i < s->n_machines; i++)
        if (strcmp(s->machines[i].name, plan.name) == 0)
            field_complain(r, node, "name: there is another machine '%s'", plan.name);
    s->machines[s->n_machines++] = plan;
}

static void read_each(struct field_reader *r, yaml_node top, const char *key, size_t max,
                      struct scenario *s,
                      void (*read)(struct field_reader *, yaml_node, struct scenario *))
{
    yaml_node list;
    size_t n;
    if (!parts_list(r, top, key, max, &list, &n))
        return;
    for (size_t i = 0; i < n; i++)
        read(r, yaml_child(r->tree, list, i), s);
}

static void read_top(struct field_reader *r, yaml_node top, struct scenario *s)
{
    struct top_draft draft = { .seed = 1, .tick_us = SECOND_US / 10 };
    fields_read(r, top, TOP, FIELDS(TOP), &draft);
    s->seed = draft.seed;
    s->tick_us = draft.tick_us;
    s->faults_after_us = draft.faults_after_us;
    s->ambient = (struct ambient){ 20, 3, 24 * HOUR_US, 15 * HOUR_US, 8 * HOUR_US };
    yaml_node ambient = yaml_find(r->tree, top, "ambient");
    if (ambient)
        fields_read(r, ambient, AMBIENT, FIELDS(AMBIENT), &s->ambient);
    read_each(r, top, "buses", SCENARIO_MAX_BUSES, s, parts_read_wire);
    read_each(r, top, "machines", SCENARIO_MAX_MACHINES, s, read_machine);
    read_each(r, top, "devices", SCENARIO_MAX_SLAVES, s, parts_read_slave);
    read_each(r, top, "faults", SCENARIO_MAX_FAULTS, s, parts_read_fault);
}

int scenario_parse(struct scenario **ret_scenario, const char *text, size_t n_bytes,
                   scenario_error_fn *report, void *ctx)
{
    struct yaml_fault why;
    struct field_reader r = { .report = report, .ctx = ctx };
    int result = yaml_tree_parse(&r.tree, text, n_bytes, &why);
    if (result != MW_OK) {
        report(ctx, why.line, why.text);
        return result;
    }
    struct scenario *s = calloc(1, sizeof *s);
    if (!s) {
        report(ctx, 0, "not enough memory");
        yaml_tree_free(r.tree);
        return MW_ERR_NO_MEMORY;
    }
    read_top(&r, yaml_root(r.tree), s);
    yaml_tree_free(r.tree);
    if (r.n_errors > 0) {
        scenario_free(s);
        return MW_ERR_INVALID;
    }
    *ret_scenario = s;
    return MW_OK;
}

int scenario_load(struct scenario **ret_scenario, const char *path, scenario_error_fn *report,
                  void *ctx)
{
    FILE *file = regular_open(path);
    if (!file) {
        report(ctx, 0, "cannot be opened, or is no regular file");
        return MW_ERR_NOT_FOUND;
    }
    int result = MW_ERR_NO_MEMORY;
    char *text = malloc(YAML_TREE_MAX_BYTES + 1);
    size_t n = text ? fread(text, 1, YAML_TREE_MAX_BYTES + 1, file) : 0;
    if (!text)
        report(ctx, 0, "not enough memory");
    else if (ferror(file)) {
        report(ctx, 0, "cannot be read");
        result = MW_ERR_IO;
    } else
        result = scenario_parse(ret_scenario, text, n, report, ctx);
    free(text);
    fclose(file);
    return result;
}

void scenario_free(struct scenario *scenario)
{
    free(scenario);
}
