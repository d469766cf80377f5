/* SPDX-License-Identifier: Apache-2.0 */
/* Polls unit 7 of a foreign Modbus device and prints what it read, for the tests that serve one:
 *
 *   fieldbus_probe rtu TTY | tcp HOST PORT | rtu_tcp HOST PORT
 *
 * Ends with 0 once every point had ten good samples, with 1 after ten seconds. */
#include "base/result.h"
#include "fieldbus/modbus_line.h"
#include "fieldbus/poller.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_POINTS  11
#define N_SAMPLES 10
#define PERIOD_US 100000

struct probe {
    struct mw_sample last[N_POINTS];
    int n_good[N_POINTS];
};

/* The map of the script's device. */
static const struct point_config map[N_POINTS] = {
    { .name = "int16", .address = 0, .type = VALUE_INT16, .bit = -1, .scale = 0.1 },
    { .name = "uint16", .address = 1, .type = VALUE_UINT16, .bit = -1 },
    { .name = "float_abcd", .address = 2, .type = VALUE_FLOAT32, .bit = -1 },
    { .name = "float_cdab", .address = 4, .type = VALUE_FLOAT32, .bit = -1, .order = ORDER_CDAB },
    { .name = "float_badc", .address = 6, .type = VALUE_FLOAT32, .bit = -1, .order = ORDER_BADC },
    { .name = "float_dcba", .address = 8, .type = VALUE_FLOAT32, .bit = -1, .order = ORDER_DCBA },
    { .name = "int32", .address = 10, .type = VALUE_INT32, .bit = -1 },
    { .name = "float64", .address = 12, .type = VALUE_FLOAT64, .bit = -1 },
    { .name = "bit3", .address = 16, .type = VALUE_BIT, .bit = 3 },
    { .name = "input", .kind = REGISTER_INPUT, .address = 20, .bit = -1 },
    { .name = "coil", .kind = REGISTER_COIL, .address = 9, .bit = -1 },
};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void on_sample(void *ctx, const struct mw_sample *sample)
{
    struct probe *probe = ctx;
    probe->last[sample->point] = *sample;
    probe->n_good[sample->point] += sample->quality == MW_QUALITY_GOOD;
}

static bool is_complete(const struct probe *probe)
{
    for (int i = 0; i < N_POINTS; i++)
        if (probe->n_good[i] < N_SAMPLES)
            return false;
    return true;
}

static int run(struct poller *poller, struct probe *probe)
{
    struct poller_sink sink = { .sample = on_sample, .ctx = probe };
    int64_t until_us = now_us() + 10000000;
    while (!is_complete(probe) && now_us() < until_us) {
        int64_t wait_us = poller_step(poller, now_us(), 0, &sink);
        struct pollfd wait = { .fd = -1 };
        wait.fd = poller_descriptor(poller, &wait.events);
        poll(&wait, 1, wait_us > 100000 ? 100 : (int)((wait_us + 999) / 1000));
    }
    for (int i = 0; i < N_POINTS; i++)
        printf("%s %.9g\n", map[i].name, (double)probe->last[i].value);
    struct poller_stats s = poller_bus_stats(poller);
    printf("requests %llu\nreplies %llu\n", (unsigned long long)s.n_requests,
           (unsigned long long)s.n_replies);
    return is_complete(probe) ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const uint32_t index = 0;
    struct bus_config bus = { .retries = UINT32_MAX };
    struct device_config device = { .unit = 7, .n_points = N_POINTS, .retries = UINT32_MAX };
    struct point_config points[N_POINTS];
    struct probe probe = { 0 };
    struct line *line = NULL;
    struct poller *poller = NULL;
    if (argc == 4 && strstr("rtu_tcp", argv[1])) {
        bus.kind = BUS_TCP;
        bus.framing = strcmp(argv[1], "rtu_tcp") == 0 ? FRAMING_RTU : FRAMING_MBAP;
        snprintf(bus.host, sizeof bus.host, "%s", argv[2]);
        bus.port = (uint16_t)strtoul(argv[3], NULL, 10);
    } else if (argc == 3 && strcmp(argv[1], "rtu") == 0) {
        bus.kind = BUS_RTU;
        snprintf(bus.device, sizeof bus.device, "%s", argv[2]);
    }
    int result = bus_settle(&bus, NULL) | device_settle(&device, &bus, NULL);
    for (int i = 0; i < N_POINTS; i++) {
        points[i] = map[i];
        points[i].period_us = PERIOD_US;
        result |= point_settle(&points[i], NULL);
    }
    if (result != MW_OK || modbus_line_create(&line, &bus) != MW_OK ||
        poller_create(&poller, &bus, &device, &index, 1, points, line, now_us()) != MW_OK) {
        fprintf(stderr, "usage: fieldbus_probe rtu TTY | tcp HOST PORT | rtu_tcp HOST PORT\n");
        return 2;
    }
    result = run(poller, &probe);
    poller_destroy(poller);
    return result;
}
