/* SPDX-License-Identifier: Apache-2.0 */
/* How busy a bus will be: the very requests that its poller will plan, by their time on the wire.
 */
#include "base/result.h"
#include "config/config.h"
#include "fieldbus/plan.h"

#include <stdlib.h>

/* A sensor's time from the end of a request to the beginning of its reply. Makers state 1 to 30 ms;
 * most small RS-485 sensors answer within 5 ms. */
#define REPLY_US 5000.0

/* Modbus over Serial Line V1.02, 2.3 and Application Protocol V1.1b3, 6.1 to 6.4: unit, function,
 * address, count, CRC out; unit, function, byte count, data, CRC back. */
#define REQUEST_BYTES 8
#define REPLY_BYTES   5

static double poll_us(const struct device_config *device, const struct plan_poll *poll)
{
    bool bits = poll->kind == REGISTER_COIL || poll->kind == REGISTER_DISCRETE;
    double n_data = bits ? (poll->count + 7) / 8 : 2 * poll->count;
    return (REQUEST_BYTES + REPLY_BYTES + n_data) * (double)device->character_us +
           2.0 * (double)device->frame_gap_us + (double)device->pause_us + REPLY_US;
}

static struct device_config *devices_of(const struct config *config, size_t bus, size_t *ret_n)
{
    struct device_config *devices = malloc((config->n_devices + 1) * sizeof *devices);
    size_t n = 0;
    for (size_t i = 0; devices && i < config->n_devices; i++)
        if (config->devices[i].bus == bus)
            devices[n++] = config->devices[i];
    *ret_n = n;
    return devices;
}

double config_bus_load(const struct config *config, size_t bus)
{
    const struct bus_config *b = &config->buses[bus];
    if (b->kind != BUS_RTU)
        return 0;
    size_t n_devices = 0;
    struct device_config *devices = devices_of(config, bus, &n_devices);
    struct plan plan = { 0 };
    double load = 0;
    if (devices && plan_init(&plan, devices, n_devices, config->points, 0) == MW_OK)
        for (size_t i = 0; i < plan.n_polls; i++)
            load += poll_us(&devices[plan.polls[i].device], &plan.polls[i]) /
                    (double)plan.polls[i].period_us;
    plan_finish(&plan);
    free(devices);
    return load;
}
