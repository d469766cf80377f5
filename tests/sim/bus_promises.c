/* SPDX-License-Identifier: Apache-2.0 */
/* What a bus may cost: one bad register, eight dead devices, a day with everything in it. All on
 * virtual time. */
#include "fieldbus/poller.h"

#include "base/result.h"
#include "support/fake_line.h"
#include "support/noise.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S           INT64_C(1000000)
#define MS          INT64_C(1000)
#define EPOCH_US    (1000 * S)
#define MAX_DEVICES 32
#define MAX_POINTS  128

struct hall {
    struct fake_line wire;
    struct bus_config bus;
    struct device_config devices[MAX_DEVICES];
    uint32_t indexes[MAX_DEVICES];
    struct point_config points[MAX_POINTS];
    uint32_t n_devices, n_points;
    struct poller *poller;
    int64_t now_us;
    struct noise noise;
    uint64_t n_good[MAX_POINTS], n_other[MAX_POINTS];
    bool dead[MAX_DEVICES + 1]; /* by unit */
    uint32_t bad_register;      /* UINT32_MAX: none */
    uint8_t exception;
    uint64_t n_asked_dead, n_asked;
    double silent_share; /* of all requests */
};

static uint16_t value(struct fake_line *wire, uint8_t unit, uint16_t address)
{
    (void)wire;
    return (uint16_t)(100 * unit + address);
}

static struct fake_answer slave(struct fake_line *wire, const struct line_request *asked)
{
    struct hall *h = wire->ctx;
    struct fake_answer answer = { .exception = h->exception };
    h->n_asked++;
    h->n_asked_dead += h->dead[asked->unit];
    answer.silent = h->dead[asked->unit] || noise_uniform(&h->noise) < h->silent_share;
    if (h->bad_register >= asked->address && h->bad_register - asked->address < asked->count)
        answer.exception = 2;
    return answer;
}

static void on_sample(void *ctx, const struct mw_sample *sample)
{
    struct hall *h = ctx;
    bool good = sample->quality == MW_QUALITY_GOOD;
    h->n_good[sample->point] += good;
    h->n_other[sample->point] += !good;
}

static struct hall *new_hall(enum bus_kind kind)
{
    struct hall *h = calloc(1, sizeof *h);
    ck_assert_ptr_nonnull(h);
    fake_line_init(&h->wire, kind == BUS_TCP, slave, value);
    h->wire.ctx = h;
    h->bus = (struct bus_config){ .kind = kind, .retries = UINT32_MAX };
    strcpy(kind == BUS_TCP ? h->bus.host : h->bus.device, "any");
    h->now_us = EPOCH_US;
    h->noise = (struct noise){ 1 };
    h->bad_register = UINT32_MAX;
    return h;
}

static void add_device(struct hall *h, uint32_t n_points, int64_t period_us)
{
    uint32_t d = h->n_devices++;
    h->devices[d] = (struct device_config){ .unit = (uint8_t)(d + 1),
                                            .retries = UINT32_MAX,
                                            .first_point = h->n_points,
                                            .n_points = n_points };
    h->indexes[d] = d;
    for (uint16_t i = 0; i < n_points; i++)
        h->points[h->n_points++] = (struct point_config){
            .address = i, .type = VALUE_UINT16, .bit = -1, .period_us = period_us
        };
}

static void begin(struct hall *h)
{
    ck_assert_int_eq(bus_settle(&h->bus, NULL), MW_OK);
    for (uint32_t i = 0; i < h->n_devices; i++)
        ck_assert_int_eq(device_settle(&h->devices[i], &h->bus, NULL), MW_OK);
    for (uint32_t i = 0; i < h->n_points; i++)
        ck_assert_int_eq(point_settle(&h->points[i], NULL), MW_OK);
    ck_assert_int_eq(poller_create(&h->poller, &h->bus, h->devices, h->indexes, h->n_devices,
                                   h->points, &h->wire.port, EPOCH_US),
                     MW_OK);
}

static void step(struct hall *h, int64_t until_us)
{
    struct poller_sink sink = { .sample = on_sample, .ctx = h };
    short events = 0;
    h->wire.now_us = h->now_us;
    int64_t next_us = h->now_us + poller_step(h->poller, h->now_us, 0, &sink);
    int64_t byte_us = fake_line_next_us(&h->wire);
    if (byte_us < next_us && poller_descriptor(h->poller, &events) >= 0)
        next_us = byte_us > h->now_us ? byte_us : h->now_us;
    h->now_us = next_us < until_us ? next_us : until_us;
}

static void run(struct hall *h, int64_t until_us)
{
    while (h->now_us < until_us)
        step(h, until_us);
}

static void end(struct hall *h)
{
    poller_destroy(h->poller);
    free(h);
}

START_TEST(one_bad_register_of_a_hundred_costs_one_field_from_the_first_cycle_on)
{
    for (uint32_t bad = 0; bad < 100; bad += 11) {
        for (enum bus_kind kind = BUS_RTU; kind <= BUS_TCP; kind++) {
            struct hall *h = new_hall(kind);
            add_device(h, 100, 10 * S);
            h->bad_register = bad;
            begin(h);
            run(h, EPOCH_US + 10 * S);
            for (uint64_t cycle = 1; cycle <= 5; cycle++) {
                uint64_t n_lost = 0;
                for (uint32_t p = 0; p < 100; p++) {
                    ck_assert_uint_eq(h->n_good[p] + h->n_other[p], cycle);
                    n_lost += h->n_other[p];
                }
                ck_assert_uint_eq(n_lost, cycle);
                ck_assert_uint_eq(h->n_other[bad], cycle);
                uint64_t n_before = h->n_asked;
                run(h, EPOCH_US + (int64_t)(cycle + 1) * 10 * S);
                ck_assert_uint_le(h->n_asked - n_before, 2); /* left of it, right of it */
            }
            ck_assert_uint_eq(poller_device_refusals(h->poller, 0).n, 1);
            ck_assert_uint_eq(poller_device_refusals(h->poller, 0).items[0].address, bad);
            ck_assert_uint_eq(poller_device_refusals(h->poller, 0).items[0].count, 1);
            end(h);
        }
    }
}
END_TEST

static struct hall *hall_of_32(int64_t period_us)
{
    struct hall *h = new_hall(BUS_RTU);
    for (int i = 0; i < 32; i++)
        add_device(h, 2, period_us);
    for (int i = 1; i <= 8; i++)
        h->dead[4 * i - 1] = true;
    begin(h);
    return h;
}

START_TEST(eight_dead_of_32_cost_2_percent_of_the_time_and_their_neighbours_nothing)
{
    static const int64_t PERIODS[] = { S, 2 * S, 10 * S };
    for (size_t i = 0; i < 3; i++) {
        struct hall *h = hall_of_32(PERIODS[i]);
        run(h, EPOCH_US + 3 * PERIODS[i]);
        uint64_t good_before = 0, good = 0, asked_before = h->n_asked_dead;
        for (uint32_t p = 0; p < h->n_points; p += 2)
            good_before += h->n_good[p];
        int64_t from_us = h->now_us, for_us = 3600 * S;
        run(h, from_us + for_us);
        for (uint32_t p = 0; p < h->n_points; p += 2)
            good += h->n_good[p];
        double kept = (double)(good - good_before) / (24.0 * (double)(for_us / PERIODS[i]));
        double probing = (double)(h->n_asked_dead - asked_before) *
                         (double)h->devices[0].timeout_us / (double)for_us;
        printf("period %lld s: healthy_polls_pct %.2f, probe_bus_pct %.2f\n",
               (long long)(PERIODS[i] / S), 100 * kept, 100 * probing);
        ck_assert_double_ge(kept, 0.98);
        ck_assert_double_le(kept, 1.01); /* a poll begun in the third cycle may end in the fourth */
        ck_assert_double_le(probing, 0.02);
        ck_assert_double_gt(probing, 0.001); /* they are asked */
        end(h);
    }
}
END_TEST

/* None of them is forgotten, whichever of the eight it is. */
START_TEST(each_of_eight_repaired_devices_is_back_within_two_and_a_half_minutes)
{
    int64_t worst_us = 0;
    for (int i = 1; i <= 8; i++) {
        for (int64_t after_s = 1000; after_s < 1060; after_s += 17) {
            struct hall *h = hall_of_32(S);
            run(h, EPOCH_US + after_s * S);
            uint32_t device = (uint32_t)(4 * i - 2);
            h->dead[device + 1] = false;
            int64_t from_us = h->now_us;
            while (poller_device_health(h->poller, device) != DEVICE_ONLINE &&
                   h->now_us < from_us + 600 * S)
                step(h, from_us + 600 * S);
            worst_us = h->now_us - from_us > worst_us ? h->now_us - from_us : worst_us;
            end(h);
        }
    }
    printf("a repaired one of eight is back after %.1f s at most\n", (double)worst_us / 1e6);
    ck_assert_int_le(worst_us, 150 * S);
}
END_TEST

/* Late steps, an adapter unplugged, a device that falls silent, one that is busy, lost answers. */
START_TEST(a_rough_day_at_10_hz_accounts_for_every_slot)
{
    for (enum bus_kind kind = BUS_RTU; kind <= BUS_TCP; kind++) {
        struct hall *h = new_hall(kind);
        add_device(h, 2, 100 * MS);
        begin(h);
        int64_t end_us = EPOCH_US + 86400 * S - 1;
        for (int64_t hour = 0; hour < 24; hour++) {
            int64_t from_us = EPOCH_US + hour * 3600 * S;
            h->silent_share = hour % 4 == 1 ? 0.01 : 0;
            run(h, from_us + 600 * S);
            h->wire.unplugged = hour % 3 == 0;
            h->dead[1] = hour % 3 == 1;
            h->exception = hour % 3 == 2 ? 6 : 0;
            run(h, from_us + 660 * S);
            h->wire.unplugged = h->dead[1] = false;
            h->exception = 0;
            for (int i = 0; i < 100; i++) { /* a busy processor calls late */
                run(h, h->now_us + 5 * S);
                h->now_us += (int64_t)(noise_uniform(&h->noise) * 400) * MS;
            }
            run(h, from_us + 3600 * S < end_us ? from_us + 3600 * S : end_us);
        }
        struct poller_stats s = poller_bus_stats(h->poller);
        printf("slots_24h: %llu run + %llu missed\n", (unsigned long long)s.n_slots_run,
               (unsigned long long)s.n_slots_missed);
        ck_assert_uint_eq(s.n_slots_run + s.n_slots_missed, 864000);
        ck_assert_uint_gt(s.n_slots_missed, 1000);
        ck_assert_uint_eq(h->n_good[0] + h->n_other[0], s.n_slots_run);
        ck_assert_uint_gt(h->n_good[0], 750000);
        end(h);
    }
}
END_TEST

MW_SUITE("sim/bus_promises", one_bad_register_of_a_hundred_costs_one_field_from_the_first_cycle_on,
         eight_dead_of_32_cost_2_percent_of_the_time_and_their_neighbours_nothing,
         each_of_eight_repaired_devices_is_back_within_two_and_a_half_minutes,
         a_rough_day_at_10_hz_accounts_for_every_slot)
