/* SPDX-License-Identifier: Apache-2.0 */
#include "config/traffic.h"

#include <stdlib.h>

/* A sensor's time from the end of a request to the beginning of its reply. Makers state 1 to 30 ms;
 * most small RS-485 sensors answer within 5 ms. */
#define REPLY_US          5000.0
#define REQUEST_BYTES     8 /* unit, function, address, count, CRC (Modbus over Serial Line, 2.5.1) */
#define REPLY_FRAME_BYTES 5 /* unit, function, byte count, CRC */

double traffic_exchange_us(const struct bus_config *bus, const struct device_config *device,
                           uint32_t n_bytes)
{
    double bits = 1.0 + bus->data_bits + (bus->parity == 'N' ? 0 : 1) + bus->stop_bits;
    double character_us = bits * 1e6 / bus->baud;
    double characters = REQUEST_BYTES + REPLY_FRAME_BYTES + n_bytes;
    return characters * character_us + 2.0 * (double)bus->frame_gap_us + (double)device->pause_us +
           REPLY_US;
}

static bool is_bits(const struct point_config *p)
{
    return p->kind == REGISTER_COIL || p->kind == REGISTER_DISCRETE;
}

static uint32_t length(const struct point_config *p)
{
    uint16_t n = is_bits(p) ? 1 : value_registers(p->type);
    return n ? n : 1;
}

static int by_request(const void *a, const void *b)
{
    const struct point_config *x = *(const struct point_config *const *)a;
    const struct point_config *y = *(const struct point_config *const *)b;
    if (x->period_us != y->period_us)
        return x->period_us < y->period_us ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return (x->address > y->address) - (x->address < y->address);
}

/* Share of the time that one device takes: its polled points in as few requests as its settings
 * allow, those of one period and kind together. */
static double device_load(const struct bus_config *bus, const struct device_config *d,
                          const struct point_config **points, size_t n)
{
    double load = 0;
    if (n)
        qsort(points, n, sizeof points[0], by_request);
    for (size_t i = 0; i < n;) {
        const struct point_config *first = points[i];
        uint32_t end = first->address + length(first);
        uint32_t most = is_bits(first) && d->max_registers >= 125 ? 2000 : d->max_registers;
        for (i++; i < n; i++) {
            const struct point_config *p = points[i];
            uint32_t p_end = p->address + length(p);
            if (p->period_us != first->period_us || p->kind != first->kind ||
                p->address > end + d->max_gap || p_end - first->address > most)
                break;
            end = p_end > end ? p_end : end;
        }
        uint32_t n_items = end - first->address;
        uint32_t n_bytes = is_bits(first) ? (n_items + 7) / 8 : 2 * n_items;
        load += traffic_exchange_us(bus, d, n_bytes) / (double)first->period_us;
    }
    return load;
}

double config_bus_load(const struct config *config, size_t bus)
{
    const struct bus_config *b = &config->buses[bus];
    if (b->kind != BUS_RTU || b->baud == 0)
        return 0;
    const struct point_config **points = malloc((config->n_points + 1) * sizeof *points);
    if (!points)
        return 0;
    double load = 0;
    for (size_t i = 0; i < config->n_devices; i++) {
        const struct device_config *d = &config->devices[i];
        size_t n = 0;
        for (uint32_t p = d->first_point; d->bus == bus && p < d->first_point + d->n_points; p++)
            if (config->points[p].period_us > 0)
                points[n++] = &config->points[p];
        load += device_load(b, d, points, n);
    }
    free(points);
    return load;
}
