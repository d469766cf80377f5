/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/health.h"

bool health_answered(struct health *health)
{
    bool changed = health->state != DEVICE_ONLINE;
    *health = (struct health){ .state = DEVICE_ONLINE };
    return changed;
}

static int64_t offline_wait_us(const struct device_config *device, uint32_t n_probes)
{
    int64_t wait_us = device->timeout_us * HEALTH_FIRST_WAIT;
    if (wait_us >= HEALTH_MAX_WAIT_US)
        return wait_us;
    for (uint32_t i = 0; i < n_probes && wait_us < HEALTH_MAX_WAIT_US; i++)
        wait_us *= 2;
    return wait_us < HEALTH_MAX_WAIT_US ? wait_us : HEALTH_MAX_WAIT_US;
}

bool health_failed(struct health *health, const struct device_config *device, int64_t now_us)
{
    enum device_health before = health->state;
    if (health->n_failures < UINT32_MAX)
        health->n_failures++;
    if (health->n_failures <= device->retries) {
        health->state = DEVICE_RETRYING;
        health->ask_us = now_us;
    } else {
        health->state = DEVICE_OFFLINE;
        health->ask_us = now_us + offline_wait_us(device, health->n_failures - device->retries - 1);
    }
    return health->state != before;
}
