/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/alarms.h"
#include "daemon/pipeline.h"

#include <stdlib.h>

int pipeline_prepare(struct pipeline *p, struct pipeline_parts *ret_parts,
                     const struct config *fresh, const struct config_diff *diff)
{
    struct pipeline_parts parts = { 0 };
    int result = pipeline_parts_create(&parts, fresh);
    for (uint32_t m = 0; result >= 0 && m < fresh->n_machines; m++) {
        uint32_t old = diff->machines[m];
        if (diff->same_machine[m])
            continue;
        result = machine_create(&parts.machines[m], fresh, m);
        if (result >= 0 && old != DIFF_NONE)
            result = machine_inherit_model(parts.machines[m], p->machines[old]);
    }
    if (result < 0) {
        if (parts.config)
            pipeline_parts_destroy(&parts);
        return result;
    }
    *ret_parts = parts;
    return MW_OK;
}

static void carry_machines(struct pipeline *p, struct pipeline_parts *parts,
                           const struct config_diff *diff, uint8_t *scratch)
{
    for (uint32_t m = 0; m < parts->config->n_machines; m++) {
        uint32_t old = diff->machines[m];
        if (diff->same_machine[m]) {
            parts->machines[m] = p->machines[old];
            p->machines[old] = NULL;
            machine_rebind(parts->machines[m], parts->config, m);
        } else if (old != DIFF_NONE) {
            machine_inherit(parts->machines[m], p->machines[old], scratch, p->blob_bytes);
        }
    }
}

void pipeline_put_into_force(struct pipeline *p, struct pipeline_parts *parts,
                             const struct config_diff *diff, uint8_t *scratch)
{
    carry_machines(p, parts, diff, scratch);
    for (size_t d = 0; d < parts->config->n_devices; d++)
        if (diff->devices[d] != DIFF_NONE)
            parts->devices[d] = p->devices[diff->devices[d]];
    for (size_t b = 0; b < parts->config->n_buses; b++)
        if (diff->same_bus[b])
            parts->watched_buses[b] = p->watched_buses[diff->buses[b]];
    pipeline_swap(p, parts);
    pipeline_parts_destroy(parts);
    p->news_us = 0; /* how many there are is news */
}

/* Which of the old configuration's objects have no namesake in the new one. */
static bool *find_removed(const uint32_t *map, size_t n_new, size_t n_old)
{
    bool *removed = malloc((n_old + 1) * sizeof *removed);
    for (size_t i = 0; removed && i < n_old; i++)
        removed[i] = true;
    for (size_t i = 0; removed && i < n_new; i++)
        if (map[i] != DIFF_NONE)
            removed[map[i]] = false;
    return removed;
}

int pipeline_retire(struct pipeline *p, const struct config *fresh, const struct config_diff *diff,
                    const struct clock_time *now)
{
    bool all = true;
    bool *machines = find_removed(diff->machines, fresh->n_machines, p->config->n_machines);
    bool *devices = find_removed(diff->devices, fresh->n_devices, p->config->n_devices);
    int result = machines && devices ? MW_OK : MW_ERR_NO_MEMORY;
    for (size_t m = 0; result >= 0 && all && m < p->config->n_machines; m++)
        all = !machines[m] || alarms_retire_machine(p, p->machines[m], now);
    for (uint32_t d = 0; result >= 0 && all && d < p->config->n_devices; d++)
        all = !devices[d] || alarms_retire_device(p, d, now);
    free(machines);
    free(devices);
    return result < 0 ? result : all ? MW_OK : MW_ERR_AGAIN;
}
