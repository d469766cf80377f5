/* SPDX-License-Identifier: Apache-2.0 */
#include "support/real_bus.h"
#include "base/result.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int64_t real_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void on_sample(void *ctx, const struct mw_sample *sample)
{
    struct real_bus *real = ctx;
    real->last[sample->point] = *sample;
    if (sample->quality != MW_QUALITY_GOOD)
        real->failed_us = sample->mono_us;
    if (sample->point == 0) {
        real->n_good += sample->quality == MW_QUALITY_GOOD;
        real->n_other += sample->quality != MW_QUALITY_GOOD;
    }
    if (sample->quality == MW_QUALITY_GOOD && real->check_serial) {
        uint64_t serial = poller_bus_stats(real->poller).n_requests - real->serial_from;
        real->n_wrong += sample->value != (float)(uint16_t)(serial * 8 + sample->point);
    }
}

static void on_event(void *ctx, const struct poller_event *event)
{
    struct real_bus *real = ctx;
    real->n_events++;
    if (event->device == UINT32_MAX)
        real->bus_health = (enum device_health)event->health;
}

static void must(int result, const char *what)
{
    if (result == MW_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, mw_result_text(result));
    abort();
}

void real_bus_begin(struct real_bus *real, int64_t period_us)
{
    static const uint32_t index = 0;
    struct line *line = NULL;
    must(bus_settle(&real->bus, NULL), "bus");
    real->device.unit = REAL_UNIT;
    real->device.n_points = REAL_POINTS;
    real->device.retries = UINT32_MAX;
    must(device_settle(&real->device, &real->bus, NULL), "device");
    for (uint16_t i = 0; i < REAL_POINTS; i++) {
        real->points[i] = (struct point_config){
            .address = i, .type = VALUE_UINT16, .bit = -1, .period_us = period_us
        };
        must(point_settle(&real->points[i], NULL), "point");
    }
    real->epoch_us = real_now_us();
    must(modbus_line_create(&line, &real->bus), "line");
    must(poller_create(&real->poller, &real->bus, &real->device, &index, 1, real->points, line,
                       real->epoch_us),
         "poller");
}

void real_bus_end(struct real_bus *real)
{
    poller_destroy(real->poller);
}

bool real_bus_run(struct real_bus *real, bool (*done)(const struct real_bus *), int64_t max_us)
{
    struct poller_sink sink = { .sample = on_sample, .event = on_event, .ctx = real };
    int64_t until_us = real_now_us() + max_us;
    for (int64_t now_us = real_now_us(); now_us < until_us; now_us = real_now_us()) {
        int64_t wait_us = poller_step(real->poller, now_us, 0, &sink);
        int64_t took_us = real_now_us() - now_us;
        real->longest_us = took_us > real->longest_us ? took_us : real->longest_us;
        if (done && done(real))
            return true;
        if (wait_us > until_us - now_us)
            wait_us = until_us - now_us;
        struct pollfd wait = { .fd = -1 };
        wait.fd = poller_descriptor(real->poller, &wait.events);
        poll(&wait, 1, (int)((wait_us + 999) / 1000));
    }
    return false;
}

int real_count_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return -1;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}
