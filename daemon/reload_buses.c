/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/reload_parts.h"

#include <stdlib.h>
#include <string.h>

#define NO_STAGE SIZE_MAX

/* The stage that serves the old configuration's bus. */
static size_t stage_of(const struct gateway *g, uint32_t bus)
{
    for (size_t s = 0; bus != DIFF_NONE && s < g->n_bus_stages; s++)
        if (bus_stage_entry(g->bus_stages[s], bus))
            return s;
    return NO_STAGE;
}

static bool is_tcp(const struct stage_plan *stage)
{
    return stage->n > 0 && stage->entries[0]->config.kind == BUS_TCP;
}

static int add_entry(struct stage_plan *stage, struct bus_entry *entry)
{
    struct bus_entry **grown = realloc(stage->entries, (stage->n + 1) * sizeof(struct bus_entry *));
    if (!grown)
        return MW_ERR_NO_MEMORY;
    stage->entries = grown;
    stage->entries[stage->n++] = entry;
    return MW_OK;
}

/* Entries whose bus is untouched stay; the others end. */
static int keep_untouched(struct bus_plan *plan, const struct gateway *g,
                          const struct config *fresh, const struct config_diff *diff)
{
    int result = MW_OK;
    bool *stays = calloc(g->config->n_buses + 1, sizeof *stays);
    if (!stays)
        return MW_ERR_NO_MEMORY;
    for (size_t b = 0; b < fresh->n_buses; b++)
        if (diff->same_bus[b])
            stays[diff->buses[b]] = true;
    for (size_t s = 0; s < g->n_bus_stages; s++) {
        const struct bus_parts *parts = &g->bus_stages[s]->parts;
        for (size_t i = 0; result >= 0 && i < parts->n_entries; i++) {
            if (stays[parts->entries[i]->bus]) {
                result = add_entry(&plan->stages[s], parts->entries[i]);
            } else {
                plan->dropped[plan->n_dropped++] = parts->entries[i];
                plan->stages[s].touched = true;
            }
        }
    }
    free(stays);
    return result;
}

/* TCP connections share at most GATEWAY_TCP_THREADS stages. */
static struct stage_plan *stage_for(struct bus_plan *plan, const struct gateway *g,
                                    const struct config *fresh, const struct config_diff *diff,
                                    uint32_t bus)
{
    uint32_t old = diff->buses[bus];
    bool same_kind = old != DIFF_NONE && g->config->buses[old].kind == fresh->buses[bus].kind;
    size_t own = same_kind ? stage_of(g, old) : NO_STAGE;
    if (own != NO_STAGE)
        return &plan->stages[own];
    size_t n_tcp = 0;
    struct stage_plan *smallest = NULL;
    for (size_t s = 0; s < plan->n; s++) {
        struct stage_plan *stage = &plan->stages[s];
        if (!is_tcp(stage))
            continue;
        n_tcp++;
        if (!smallest || stage->n < smallest->n)
            smallest = stage;
    }
    if (fresh->buses[bus].kind == BUS_TCP && n_tcp >= GATEWAY_TCP_THREADS)
        return smallest;
    return &plan->stages[plan->n++];
}

static int add_fresh(struct bus_plan *plan, const struct gateway *g, const struct config *fresh,
                     const struct config_diff *diff)
{
    int result = MW_OK;
    for (uint32_t b = 0; result >= 0 && b < fresh->n_buses; b++) {
        if (diff->same_bus[b])
            continue;
        struct bus_entry *entry = NULL;
        result = bus_entry_create(&entry, fresh, b, g->epoch_us);
        if (result < 0)
            break;
        plan->fresh[plan->n_fresh++] = entry;
        struct stage_plan *stage = stage_for(plan, g, fresh, diff, b);
        stage->touched = true;
        result = add_entry(stage, entry);
    }
    return result;
}

static int make_parts(struct bus_plan *plan, struct gateway *g)
{
    int result = MW_OK;
    for (size_t s = 0; result >= 0 && s < plan->n; s++) {
        struct stage_plan *stage = &plan->stages[s];
        if (stage->touched && stage->n > 0)
            result = bus_parts_create(&stage->parts, stage->entries, stage->n);
        if (result >= 0 && s >= plan->n_present)
            result = gateway_make_stage(g, &stage->parts, &stage->stage, &stage->worker);
        plan->n_touched += stage->touched && s < plan->n_present;
    }
    return result;
}

int bus_plan_make(struct bus_plan *ret_plan, struct gateway *g, const struct config *fresh,
                  const struct config_diff *diff)
{
    struct bus_plan plan = { .n = g->n_bus_stages, .n_present = g->n_bus_stages };
    plan.stages = calloc(g->n_bus_stages + fresh->n_buses + 1, sizeof *plan.stages);
    plan.fresh = calloc(fresh->n_buses + 1, sizeof(struct bus_entry *));
    plan.dropped = calloc(g->config->n_buses + 1, sizeof(struct bus_entry *));
    plan.untouched = calloc(fresh->n_buses + 1, sizeof(struct bus_entry *));
    int result =
        plan.stages && plan.fresh && plan.dropped && plan.untouched ? MW_OK : MW_ERR_NO_MEMORY;
    if (result >= 0)
        result = keep_untouched(&plan, g, fresh, diff);
    if (result >= 0)
        result = add_fresh(&plan, g, fresh, diff);
    if (result >= 0)
        result = make_parts(&plan, g);
    if (result < 0) {
        bus_plan_destroy(&plan);
        return result;
    }
    *ret_plan = plan;
    return MW_OK;
}

static void destroy_stage(struct stage_plan *plan)
{
    if (plan->stage)
        plan->stage->parts.n_entries = 0; /* they are the plan's still */
    if (plan->worker)
        worker_finish(plan->worker);
    bus_stage_destroy(plan->stage);
    free(plan->worker);
    bus_parts_destroy(&plan->parts);
    free(plan->entries);
}

void bus_plan_destroy(struct bus_plan *plan)
{
    for (size_t s = 0; plan->stages && s < plan->n; s++)
        destroy_stage(&plan->stages[s]);
    for (size_t i = 0; i < plan->n_fresh; i++)
        bus_entry_destroy(plan->fresh[i]);
    free(plan->stages);
    free(plan->untouched);
    free(plan->fresh);
    free(plan->dropped);
    *plan = (struct bus_plan){ 0 };
}

/* All are found by their old numbers before the first gets a new one. */
static void number_all(struct bus_plan *plan, struct gateway *g, const struct config *fresh,
                       const struct config_diff *diff)
{
    for (uint32_t b = 0; b < fresh->n_buses; b++) {
        size_t s = diff->same_bus[b] ? stage_of(g, diff->buses[b]) : NO_STAGE;
        plan->untouched[b] =
            s == NO_STAGE ? NULL : bus_stage_entry(g->bus_stages[s], diff->buses[b]);
    }
    for (uint32_t b = 0; b < fresh->n_buses; b++)
        if (plan->untouched[b])
            bus_entry_number(plan->untouched[b], fresh, b);
}

/* Stages without a bus end; the others close ranks. */
static void end_empty(struct bus_plan *plan, struct gateway *g)
{
    size_t n = 0;
    for (size_t s = 0; s < plan->n_present; s++) {
        if (plan->stages[s].touched && plan->stages[s].n == 0) {
            worker_finish(g->buses[s]);
            bus_stage_destroy(g->bus_stages[s]);
            free(g->buses[s]);
            continue;
        }
        g->buses[n] = g->buses[s];
        g->bus_stages[n++] = g->bus_stages[s];
    }
    g->n_bus_stages = n;
    g->pipeline->n_buses = n;
}

void bus_plan_put_into_force(struct bus_plan *plan, struct gateway *g, const struct config *fresh,
                             const struct config_diff *diff)
{
    number_all(plan, g, fresh, diff);
    for (size_t s = 0; s < plan->n_present; s++)
        if (plan->stages[s].touched && plan->stages[s].n > 0) {
            bus_stage_adopt(g->bus_stages[s], &plan->stages[s].parts);
            g->buses[s]->stage = bus_stage(g->bus_stages[s]);
        } else if (plan->stages[s].touched) {
            g->bus_stages[s]->parts.n_entries = 0;
        }
    for (size_t i = 0; i < plan->n_dropped; i++)
        bus_entry_destroy(plan->dropped[i]);
    end_empty(plan, g);
    plan->n_fresh = 0; /* they belong to their stages now */
    for (size_t s = plan->n_present; s < plan->n; s++) {
        gateway_append_stage(g, plan->stages[s].stage, plan->stages[s].worker);
        plan->stages[s].stage = NULL;
        plan->stages[s].worker = NULL;
    }
}
