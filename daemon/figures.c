/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/pipeline.h"

uint32_t pipeline_devices_offline(const struct pipeline *p)
{
    uint32_t n = 0;
    for (size_t d = 0; d < p->config->n_devices; d++)
        n += p->devices[d].health == DEVICE_OFFLINE;
    return n;
}

uint32_t pipeline_machines_active(const struct pipeline *p)
{
    uint32_t n = 0;
    for (size_t m = 0; m < p->config->n_machines; m++)
        n += p->machines[m]->alarm.state == MW_ALARM_ACTIVE_UNACKED ||
             p->machines[m]->alarm.state == MW_ALARM_ACTIVE_ACKED;
    return n;
}

uint64_t pipeline_polls(const struct pipeline *p)
{
    uint64_t n = 0;
    for (size_t b = 0; b < p->config->n_buses; b++)
        n += p->watched_buses[b].stats.n_replies;
    return n;
}

uint64_t pipeline_windows(const struct pipeline *p)
{
    uint64_t n = 0;
    for (size_t m = 0; m < p->config->n_machines; m++)
        n += p->machines[m]->n_judged;
    return n;
}

uint64_t pipeline_bytes_polled(const struct pipeline *p)
{
    uint64_t n = 0;
    for (size_t b = 0; b < p->config->n_buses; b++)
        n += p->watched_buses[b].stats.n_bytes_read;
    return n;
}
