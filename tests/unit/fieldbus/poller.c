/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/poller.h"
#include "base/result.h"
#include "support/fake_line.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

/* Check notes every ck_assert in a file; what runs a million times must not. */
#define HOLDS(condition)              \
    do {                              \
        if (!(condition))             \
            ck_abort_msg(#condition); \
    } while (0)

#define MAX_UNITS   40
#define EPOCH_US    INT64_C(1000000000)
#define UTC_US      INT64_C(1700000000000000)
#define SECOND_US   INT64_C(1000000)
#define MS_US       INT64_C(1000)
#define FIRST_INDEX 100 /* the bus's first device is number 100 of the configuration */

/* A bus of fake slaves with one poller, and what became of the samples. */
struct world {
    struct fake_line wire;
    struct bus_config bus;
    struct device_config devices[MAX_UNITS];
    uint32_t indexes[MAX_UNITS];
    struct point_config points[MAX_UNITS * 16];
    size_t n_devices, n_points;
    struct poller *poller;
    int64_t now_us;
    uint64_t seed;
    struct mw_sample last[MAX_UNITS * 16];
    uint64_t n_good[MAX_UNITS * 16], n_other[MAX_UNITS * 16];
    struct poller_event events[64];
    size_t n_events;
    /* of the slaves */
    bool dead[MAX_UNITS + 1];
    uint16_t illegal_address; /* 0: none */
    uint8_t exception;
    int64_t turnaround_us, delay_us;
    unsigned late_percent, lost_percent, noisy_percent;
    bool check_serial;
    uint64_t n_wrong;
};

static uint64_t chance(struct world *w, uint64_t n)
{
    w->seed += 0x9e3779b97f4a7c15;
    uint64_t z = w->seed;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (z ^ z >> 31) % n;
}

/* What a register holds says who it is and for which request it was read. */
static uint16_t register_of(uint32_t serial, uint8_t unit, uint16_t address)
{
    return (uint16_t)(serial * 8191u + unit * 257u + address * 31u);
}

static uint16_t value(struct fake_line *wire, uint8_t unit, uint16_t address)
{
    return register_of(wire->n_requests, unit, address);
}

static struct fake_answer slave(struct fake_line *wire, const struct line_request *asked)
{
    struct world *w = wire->ctx;
    struct fake_answer answer = { .delay_us = w->delay_us };
    if (w->dead[asked->unit <= MAX_UNITS ? asked->unit : 0] || chance(w, 100) < w->lost_percent)
        answer.silent = true;
    if (w->illegal_address >= asked->address &&
        w->illegal_address < asked->address + asked->count && w->illegal_address)
        answer.exception = 2;
    if (w->exception)
        answer.exception = w->exception;
    if (chance(w, 100) < w->late_percent)
        answer.delay_us = 1 + (int64_t)chance(w, (uint64_t)w->turnaround_us - 150 * MS_US);
    if (chance(w, 100) < w->noisy_percent) {
        /* TCP's own checksum guards the data; a head can be wrong by the device's fault */
        if (chance(w, 2))
            answer.flip_bit = (uint32_t)chance(w, wire->tcp ? 72 : 400) + 1;
        else
            answer.n_bytes = (uint32_t)chance(w, 8) + 1;
        if (chance(w, 3) == 0)
            fake_line_put(wire, wire->now_us + (int64_t)chance(w, 3000000),
                          (uint8_t)chance(w, 256));
    }
    return answer;
}

static void on_sample(void *ctx, const struct mw_sample *sample)
{
    struct world *w = ctx;
    bool answered = sample->quality == MW_QUALITY_GOOD || sample->quality == MW_QUALITY_INVALID;
    HOLDS(sample->at_us == sample->mono_us + UTC_US);
    HOLDS(answered ? sample->mono_us < w->now_us : sample->mono_us == w->now_us);
    HOLDS(w->n_good[sample->point] + w->n_other[sample->point] == 0 ||
          sample->slot > w->last[sample->point].slot);
    w->last[sample->point] = *sample;
    if (sample->quality != MW_QUALITY_GOOD) {
        w->n_other[sample->point]++;
        return;
    }
    w->n_good[sample->point]++;
    if (!w->check_serial)
        return;
    const struct point_config *point = &w->points[sample->point];
    uint8_t unit = w->wire.asked.unit;
    uint16_t right = register_of(w->wire.n_requests, unit, point->address);
    w->n_wrong += (float)right != sample->value;
}

static void on_event(void *ctx, const struct poller_event *event)
{
    struct world *w = ctx;
    if (w->n_events < 64)
        w->events[w->n_events] = *event;
    w->n_events++;
}

static void add_device(struct world *w, uint32_t n_points, int64_t period_us)
{
    size_t d = w->n_devices++;
    w->devices[d] = (struct device_config){ .unit = (uint8_t)(d + 1),
                                            .retries = UINT32_MAX,
                                            .first_point = (uint32_t)w->n_points,
                                            .n_points = n_points };
    w->indexes[d] = FIRST_INDEX + (uint32_t)d;
    for (uint16_t i = 0; i < n_points; i++)
        w->points[w->n_points++] = (struct point_config){
            .address = i, .type = VALUE_UINT16, .bit = -1, .period_us = period_us
        };
}

static struct world *new_world(enum bus_kind kind)
{
    struct world *w = calloc(1, sizeof *w);
    ck_assert_ptr_nonnull(w);
    fake_line_init(&w->wire, kind == BUS_TCP, slave, value);
    w->wire.ctx = w;
    w->bus = (struct bus_config){ .kind = kind, .retries = UINT32_MAX };
    strcpy(kind == BUS_TCP ? w->bus.host : w->bus.device, "fake");
    w->now_us = EPOCH_US;
    w->seed = 1;
    return w;
}

static void begin(struct world *w)
{
    ck_assert_int_eq(bus_settle(&w->bus, NULL), MW_OK);
    for (size_t i = 0; i < w->n_devices; i++)
        ck_assert_int_eq(device_settle(&w->devices[i], &w->bus, NULL), MW_OK);
    for (size_t i = 0; i < w->n_points; i++)
        ck_assert_int_eq(point_settle(&w->points[i], NULL), MW_OK);
    ck_assert_int_eq(poller_create(&w->poller, &w->bus, w->devices, w->indexes, w->n_devices,
                                   w->points, &w->wire.port, EPOCH_US),
                     MW_OK);
}

/* Calls the step whenever its wait is over or a byte arrives, as poll(2) would. */
static void run(struct world *w, int64_t until_us)
{
    struct poller_sink sink = { .sample = on_sample, .event = on_event, .ctx = w };
    short events = 0;
    while (w->now_us < until_us) {
        w->wire.now_us = w->now_us;
        int64_t wait_us = poller_step(w->poller, w->now_us, UTC_US, &sink);
        HOLDS(wait_us >= 0);
        int64_t next_us = w->now_us + wait_us, byte_us = fake_line_next_us(&w->wire);
        if (byte_us < next_us && poller_descriptor(w->poller, &events) >= 0)
            next_us = byte_us > w->now_us ? byte_us : w->now_us;
        w->now_us = next_us < until_us ? next_us : until_us;
    }
}

static void end(struct world *w)
{
    poller_destroy(w->poller);
    free(w);
}

static struct poller_stats stats(const struct world *w)
{
    return poller_bus_stats(w->poller);
}

START_TEST(every_slot_of_a_healthy_bus_gives_good_samples)
{
    for (int kind = BUS_RTU; kind <= BUS_TCP; kind++) {
        struct world *w = new_world((enum bus_kind)kind);
        for (int i = 0; i < 5; i++)
            add_device(w, 3, 200 * MS_US);
        w->check_serial = true;
        begin(w);
        run(w, EPOCH_US + 60 * SECOND_US);
        for (size_t p = 0; p < w->n_points; p++) {
            ck_assert_uint_eq(w->n_good[p], 300);
            ck_assert_uint_eq(w->n_other[p], 0);
            ck_assert_int_eq(w->last[p].slot, 299);
        }
        ck_assert_uint_eq(w->n_wrong, 0);
        ck_assert_uint_eq(stats(w).n_slots_missed, 0);
        ck_assert_uint_eq(w->n_events, 6); /* the bus and five devices, once */
        /* one request for all points of a device; on RTU one canary more for each */
        ck_assert_uint_eq(stats(w).n_requests, 1500 + (kind == BUS_RTU ? 5 : 0));
        ck_assert_uint_eq(poller_device_stats(w->poller, FIRST_INDEX + 4).n_slots_run, 300);
        end(w);
    }
}
END_TEST

START_TEST(a_day_at_10_hz_loses_no_slot_from_the_count)
{
    struct world *w = new_world(BUS_RTU);
    add_device(w, 2, 100 * MS_US);
    begin(w);
    int64_t day_us = 86400 * SECOND_US;
    for (int hour = 1; hour <= 24; hour++) {
        run(w, EPOCH_US + hour * (day_us / 24) - 1);
        /* once an hour the process is held up */
        if (hour < 24)
            w->now_us += 3 * SECOND_US + 12345;
    }
    struct poller_stats s = stats(w);
    ck_assert_uint_eq(s.n_slots_run + s.n_slots_missed, 864000);
    ck_assert_uint_ge(s.n_slots_missed, 23 * 29);
    ck_assert_uint_le(s.n_slots_missed, 23 * 32);
    ck_assert_int_eq(w->last[0].slot, 863999);
    ck_assert_int_lt(w->last[0].mono_us, EPOCH_US + day_us);
    end(w);
}
END_TEST

/* Thirty devices, one of them dead, then half of them: the others keep their rate. */
START_TEST(a_dead_device_costs_its_neighbours_next_to_nothing)
{
    for (int n_dead = 0; n_dead <= 15; n_dead = n_dead ? 3 * n_dead * 5 : 1) {
        struct world *w = new_world(BUS_RTU);
        for (int i = 0; i < 30; i++)
            add_device(w, 3, SECOND_US);
        for (int i = 1; i <= n_dead; i++)
            w->dead[2 * i] = true;
        begin(w);
        run(w, EPOCH_US + 600 * SECOND_US);
        uint64_t n_good = 0, n_alive = 0;
        for (size_t d = 0; d < w->n_devices; d++) {
            if (w->dead[d + 1])
                ck_assert_int_eq(poller_device_health(w->poller, w->indexes[d]), DEVICE_OFFLINE);
            else
                n_good += w->n_good[d * 3], n_alive++;
            /* a dead device's points have a sample for nearly every slot too, none of them good */
            if (w->dead[d + 1])
                ck_assert_uint_gt(w->n_other[d * 3], 550);
        }
        double share = (double)n_good / (double)(n_alive * 600);
        ck_assert_double_gt(share, n_dead == 0 ? 0.9999 : n_dead == 1 ? 0.995 : 0.98);
        printf("%d of 30 dead: neighbours keep %.2f %% of their slots\n", n_dead, 100 * share);
        end(w);
    }
}
END_TEST

START_TEST(a_dead_device_comes_back_within_a_minute_and_says_so_once)
{
    struct world *w = new_world(BUS_RTU);
    add_device(w, 3, SECOND_US);
    add_device(w, 3, SECOND_US);
    begin(w);
    run(w, EPOCH_US + 10 * SECOND_US);
    ck_assert_int_eq(poller_device_health(w->poller, FIRST_INDEX), DEVICE_ONLINE);
    w->dead[1] = true;
    run(w, EPOCH_US + 1000 * SECOND_US);
    size_t n_events = w->n_events;
    ck_assert_int_eq(w->events[n_events - 1].health, DEVICE_OFFLINE);
    ck_assert_int_eq(w->events[n_events - 1].result, MW_ERR_TIMEOUT);
    ck_assert_uint_eq(w->events[n_events - 1].device, FIRST_INDEX);
    ck_assert_int_eq(w->events[n_events - 2].health, DEVICE_RETRYING);
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_STALE);
    w->dead[1] = false;
    run(w, EPOCH_US + 1062 * SECOND_US);
    ck_assert_uint_eq(w->n_events, n_events + 1);
    ck_assert_int_eq(w->events[n_events].health, DEVICE_ONLINE);
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_GOOD);
    ck_assert_uint_eq(w->n_events, 3 + 3);
    end(w);
}
END_TEST

/* The heart of it: 100000 transactions over a wire that loses, bends and delays replies up to the
 * turnaround. A register says which request it was read for, so that a late reply taken for the
 * right one shows at once. */
static void torture(enum bus_kind kind, uint32_t n_requests, int64_t turnaround_us, bool unnumbered)
{
    struct world *w = new_world(kind);
    w->wire.unnumbered = unnumbered;
    w->bus.timeout_us = 100 * MS_US;
    w->bus.turnaround_us = turnaround_us;
    w->turnaround_us = turnaround_us;
    w->late_percent = 12;
    w->lost_percent = 3;
    w->noisy_percent = 5;
    w->check_serial = true;
    for (uint32_t i = 0; i < 12; i++)
        add_device(w, 1 + i % 3, 150 * MS_US);
    begin(w);
    while (w->wire.n_requests < n_requests)
        run(w, w->now_us + 10 * SECOND_US);
    uint64_t n_good = 0;
    for (size_t p = 0; p < w->n_points; p++)
        n_good += w->n_good[p];
    struct poller_stats s = stats(w);
    printf("%s, seed 1: %u requests, %llu good samples, %llu wrong; timeouts %llu, crc %llu, "
           "mismatched %llu, stale %llu\n",
           kind == BUS_RTU ? "rtu" : "tcp", w->wire.n_requests, (unsigned long long)n_good,
           (unsigned long long)w->n_wrong, (unsigned long long)s.n_timeouts,
           (unsigned long long)s.n_crc, (unsigned long long)s.n_mismatched,
           (unsigned long long)s.n_refused_stale);
    ck_assert_uint_eq(w->n_wrong, 0);
    ck_assert_uint_gt(n_good, n_requests / 4);
    ck_assert_uint_gt(s.n_timeouts, n_requests / 100);
    end(w);
}

START_TEST(no_late_reply_is_taken_for_the_right_one_on_rtu)
{
    torture(BUS_RTU, 100000, SECOND_US, false);
}
END_TEST

START_TEST(no_late_reply_is_taken_for_the_right_one_on_tcp)
{
    torture(BUS_TCP, 100000, SECOND_US, false);
}
END_TEST

/* As libmodbus 3.1.6 sends: closing the connection is all that tells answers apart. */
START_TEST(no_late_reply_is_taken_for_the_right_one_where_transactions_have_no_number)
{
    torture(BUS_TCP, 100000, SECOND_US, true);
}
END_TEST

START_TEST(after_an_error_the_unit_is_left_alone_for_its_turnaround_and_the_others_are_not)
{
    struct world *w = new_world(BUS_RTU);
    add_device(w, 3, 100 * MS_US);
    add_device(w, 3, 100 * MS_US);
    begin(w);
    run(w, EPOCH_US + 10 * SECOND_US);
    ck_assert_uint_eq(w->n_other[0], 0);
    w->dead[1] = true;
    run(w, w->now_us + 150 * MS_US);
    w->dead[1] = false;
    uint64_t before = poller_device_stats(w->poller, FIRST_INDEX).n_requests;
    uint64_t others = w->n_good[3];
    run(w, w->now_us + 2 * SECOND_US); /* not yet over: the timeout came 300 ms after the request */
    ck_assert_uint_eq(poller_device_stats(w->poller, FIRST_INDEX).n_requests, before);
    ck_assert_uint_ge(w->n_good[3], others + 17);
    run(w, w->now_us + 2 * SECOND_US);
    ck_assert_uint_gt(poller_device_stats(w->poller, FIRST_INDEX).n_requests, before);
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_GOOD);
    end(w);
}
END_TEST

START_TEST(one_illegal_register_costs_exactly_itself)
{
    for (uint16_t bad = 1; bad < 16; bad++) {
        struct world *w = new_world(BUS_TCP);
        add_device(w, 16, SECOND_US);
        w->illegal_address = bad;
        begin(w);
        run(w, EPOCH_US + 20 * SECOND_US);
        for (uint16_t p = 0; p < 16; p++) {
            ck_assert_uint_eq(w->n_good[p], p == bad ? 0 : 20);
            ck_assert_uint_eq(w->n_other[p], p == bad ? 20 : 0);
        }
        ck_assert_int_eq(w->last[bad].quality, MW_QUALITY_BAD);
        uint64_t n_exceptions = stats(w).n_exceptions;
        ck_assert_uint_le(n_exceptions, 5); /* halved four times, then remembered */
        ck_assert_int_eq(poller_device_health(w->poller, FIRST_INDEX), DEVICE_ONLINE);

        /* tried again rarely, and back once the device knows the register */
        w->illegal_address = 0;
        run(w, EPOCH_US + 700 * SECOND_US);
        ck_assert_uint_eq(stats(w).n_exceptions, n_exceptions);
        ck_assert_int_eq(w->last[bad].quality, MW_QUALITY_GOOD);
        end(w);
    }
}
END_TEST

START_TEST(a_busy_device_gives_bad_samples_and_stays_online)
{
    struct world *w = new_world(BUS_RTU);
    add_device(w, 3, SECOND_US);
    w->exception = 6;
    begin(w);
    run(w, EPOCH_US + 10 * SECOND_US);
    ck_assert_uint_eq(w->n_good[0], 0);
    ck_assert_uint_eq(w->n_other[0], 10);
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_BAD);
    ck_assert_int_eq(poller_device_health(w->poller, FIRST_INDEX), DEVICE_ONLINE);
    end(w);
}
END_TEST

/* Exception 11: the gateway answers for a device that does not. */
START_TEST(a_device_behind_a_gateway_that_gets_no_answer_is_offline)
{
    struct world *w = new_world(BUS_TCP);
    add_device(w, 3, SECOND_US);
    w->exception = 11;
    begin(w);
    run(w, EPOCH_US + 10 * SECOND_US);
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_STALE);
    ck_assert_int_eq(poller_device_health(w->poller, FIRST_INDEX), DEVICE_OFFLINE);
    ck_assert_uint_eq(w->wire.n_opens, 1); /* the connection is fine */
    end(w);
}
END_TEST

START_TEST(an_unplugged_adapter_is_one_event_and_is_reopened_within_a_second)
{
    struct world *w = new_world(BUS_RTU);
    for (int i = 0; i < 4; i++)
        add_device(w, 2, 100 * MS_US);
    begin(w);
    run(w, EPOCH_US + 10 * SECOND_US);
    size_t n_events = w->n_events;
    w->wire.unplugged = true;
    run(w, EPOCH_US + 30 * SECOND_US);
    ck_assert(!w->wire.is_open);
    ck_assert_uint_eq(w->n_events, n_events + 1);
    ck_assert_uint_eq(w->events[n_events].device, UINT32_MAX);
    ck_assert_int_eq(w->events[n_events].health, DEVICE_OFFLINE);
    ck_assert_int_eq(w->events[n_events].result, MW_ERR_GONE);
    ck_assert_int_eq(poller_device_health(w->poller, FIRST_INDEX), DEVICE_OFFLINE);
    ck_assert_int_ge(w->last[0].slot, 298); /* samples go on, stale */
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_STALE);

    w->wire.unplugged = false;
    run(w, EPOCH_US + 31 * SECOND_US + 10 * MS_US);
    ck_assert(w->wire.is_open);
    ck_assert_int_eq(w->events[w->n_events - 1].health, DEVICE_ONLINE);
    run(w, EPOCH_US + 35 * SECOND_US);
    for (size_t p = 0; p < w->n_points; p++)
        ck_assert_int_eq(w->last[p].quality, MW_QUALITY_GOOD);
    ck_assert_uint_eq(stats(w).n_reopens, 1);
    end(w);
}
END_TEST

/* Whichever call of the port fails, with whatever: the poller goes on and comes back. */
START_TEST(every_failing_port_call_in_turn_is_survived)
{
    static const int results[] = { MW_ERR_GONE, MW_ERR_IO, MW_ERR_TIMEOUT };
    for (int kind = BUS_RTU; kind <= BUS_TCP; kind++) {
        for (size_t r = 0; r < sizeof results / sizeof results[0]; r++) {
            for (long n = 1; n < 120; n++) {
                struct world *w = new_world((enum bus_kind)kind);
                add_device(w, 3, 500 * MS_US);
                add_device(w, 3, 500 * MS_US);
                w->wire.fail_at = n;
                w->wire.fail_with = results[r];
                w->check_serial = true;
                begin(w);
                run(w, EPOCH_US + 20 * SECOND_US);
                ck_assert_int_gt(w->wire.n_calls, n);
                ck_assert_uint_eq(w->n_wrong, 0);
                for (size_t p = 0; p < w->n_points; p++) {
                    ck_assert_int_eq(w->last[p].quality, MW_QUALITY_GOOD);
                    ck_assert_uint_ge(w->n_good[p], 30);
                }
                end(w);
            }
        }
    }
}
END_TEST

/* Eleven bytes dripping in, one every 90 ms, do not stretch a timeout of 300 ms. */
START_TEST(a_dripping_reply_does_not_stretch_the_timeout)
{
    struct world *w = new_world(BUS_TCP);
    add_device(w, 1, 10 * SECOND_US);
    w->devices[0].retries = 0;
    w->dead[1] = true;
    begin(w);
    run(w, EPOCH_US + 1);
    for (int i = 0; i < 11; i++) {
        static const uint8_t reply[] = { 0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 0 };
        fake_line_put(&w->wire, EPOCH_US + (i + 1) * 90 * MS_US, reply[i]);
    }
    run(w, EPOCH_US + 5 * SECOND_US);
    ck_assert_uint_eq(stats(w).n_timeouts, 1);
    ck_assert_int_ge(w->last[0].mono_us, EPOCH_US + 300 * MS_US);
    ck_assert_int_le(w->last[0].mono_us, EPOCH_US + 330 * MS_US);
    end(w);
}
END_TEST

START_TEST(silence_of_a_frame_gap_and_the_devices_pause_are_kept)
{
    struct world *w = new_world(BUS_RTU);
    add_device(w, 1, 100 * MS_US);
    add_device(w, 1, 100 * MS_US);
    w->bus.frame_gap_us = 4 * MS_US;
    w->devices[1].pause_us = 20 * MS_US;
    begin(w);
    struct poller_sink sink = { .ctx = w };
    int64_t reply_over_us = 0;
    uint32_t n_requests = 0, n_checked = 0;
    while (w->now_us < EPOCH_US + 5 * SECOND_US) {
        w->wire.now_us = w->now_us;
        int64_t wait_us = poller_step(w->poller, w->now_us, UTC_US, &sink);
        if (w->wire.n_requests > n_requests) {
            n_requests = w->wire.n_requests;
            int64_t silent_us = w->now_us - reply_over_us;
            ck_assert_int_ge(silent_us, 4 * MS_US);
            if (w->wire.asked.unit == 2)
                ck_assert_int_ge(silent_us, 20 * MS_US);
            n_checked++;
        }
        int64_t byte_us = fake_line_next_us(&w->wire);
        if (byte_us != INT64_MAX)
            reply_over_us = byte_us;
        w->now_us = byte_us < w->now_us + wait_us ? byte_us : w->now_us + wait_us;
    }
    ck_assert_uint_gt(n_checked, 90);
    end(w);
}
END_TEST

/* The whole bus is asked without a pause; what is not wire time, silence or the slave's own time is
 * ours. The silences of canaries and start-up are within the rest. */
START_TEST(a_saturated_line_is_used_to_99_percent_at_every_rate)
{
    static const uint32_t rates[] = { 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200 };
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct world *w = new_world(BUS_RTU);
        w->bus.baud = rates[i];
        w->devices[0].max_registers = 10;
        add_device(w, 10, MS_US);
        begin(w);
        int64_t character_us = bus_character_us(&w->bus), thinking_us = 3 * MS_US;
        w->wire.byte_us = character_us;
        w->delay_us = 9 * character_us + thinking_us; /* the first byte is over */
        run(w, EPOCH_US + 60 * SECOND_US);
        int64_t exchange_us = (8 + 25) * character_us + w->bus.frame_gap_us + thinking_us;
        double used = (double)stats(w).n_replies * (double)exchange_us / (60.0 * SECOND_US);
        printf("%u baud: %.2f %%, lag %llu us\n", rates[i], 100 * used,
               (unsigned long long)stats(w).lag_min_us);
        ck_assert_double_ge(used, 0.99);
        ck_assert_double_le(used, 1.003); /* one canary is shorter */
        ck_assert_uint_eq(stats(w).lag_min_us, (uint64_t)thinking_us);
        ck_assert_uint_eq(poller_device_stats(w->poller, FIRST_INDEX).lag_min_us,
                          (uint64_t)thinking_us);
        end(w);
    }
}
END_TEST

/* An error reported while the request is still leaving us, at 300 baud for 0.3 s: the silence is
 * counted from the request's end. */
START_TEST(silence_begins_with_the_last_byte_of_our_own_request)
{
    struct world *w = new_world(BUS_RTU);
    add_device(w, 1, SECOND_US);
    add_device(w, 1, SECOND_US);
    w->bus.baud = 300;
    begin(w);
    int64_t request_us = 8 * bus_character_us(&w->bus);
    while (w->wire.n_requests == 0)
        run(w, w->now_us + 100);
    int64_t sent_us = w->now_us - 100;
    w->wire.n_wire = 0; /* instead of the answer, noise that is no frame */
    fake_line_put(&w->wire, w->now_us + MS_US, 1);
    fake_line_put(&w->wire, w->now_us + MS_US, 0x7f);
    while (w->wire.n_requests == 1)
        run(w, w->now_us + 100);
    ck_assert_uint_eq(stats(w).n_mismatched, 1);
    ck_assert_int_ge(w->now_us, sent_us + request_us + w->bus.frame_gap_us);
    ck_assert_int_le(w->now_us, sent_us + request_us + 2 * w->bus.frame_gap_us);
    end(w);
}
END_TEST

/* Two of three devices differ from the bus and from each other. */
START_TEST(the_line_is_set_for_each_device_between_two_silences)
{
    struct world *w = new_world(BUS_RTU);
    for (int i = 0; i < 3; i++)
        add_device(w, 1, 200 * MS_US);
    w->devices[1].serial = (struct serial_config){ .baud = 9600, .parity = 'N' };
    w->devices[2].serial = (struct serial_config){ .baud = 4800 };
    begin(w);
    w->wire.serial = bus_serial(&w->bus);
    struct poller_sink sink = { .ctx = w };
    uint32_t n_requests = 0, n_set = 0;
    int64_t set_us = 0, heard_us = 0;
    while (w->now_us < EPOCH_US + 10 * SECOND_US) {
        w->wire.now_us = w->now_us;
        int64_t wait_us = poller_step(w->poller, w->now_us, UTC_US, &sink);
        if (w->wire.n_set > n_set) {
            n_set = w->wire.n_set;
            set_us = w->now_us;
            HOLDS(heard_us == 0 || set_us - heard_us >= w->bus.frame_gap_us);
        }
        if (w->wire.n_requests > n_requests) {
            n_requests = w->wire.n_requests;
            const struct device_config *asked = &w->devices[w->wire.asked.unit - 1];
            HOLDS(serial_equal(&asked->serial, &w->wire.serial));
            HOLDS(w->now_us - set_us >= asked->frame_gap_us || asked == &w->devices[0]);
        }
        int64_t byte_us = fake_line_next_us(&w->wire);
        heard_us = byte_us != INT64_MAX ? byte_us : heard_us;
        w->now_us = byte_us < w->now_us + wait_us ? byte_us : w->now_us + wait_us;
    }
    ck_assert_uint_ge(w->wire.n_set, 100);
    for (size_t d = 0; d < 3; d++)
        ck_assert_uint_ge(poller_device_stats(w->poller, w->indexes[d]).n_samples_good, 48);
    ck_assert_uint_eq(stats(w).n_slots_missed, 0);
    end(w);
}
END_TEST

START_TEST(an_adapter_that_goes_while_the_line_is_set_is_one_event)
{
    struct world *w = new_world(BUS_RTU);
    add_device(w, 1, 200 * MS_US);
    add_device(w, 1, 200 * MS_US);
    w->devices[1].serial.baud = 9600;
    begin(w);
    run(w, EPOCH_US + 5 * SECOND_US);
    size_t n_events = w->n_events;
    uint32_t n_set = w->wire.n_set;
    while (w->wire.n_set == n_set) { /* the next call of the port is the one that fails */
        w->wire.fail_at = w->wire.n_calls + 1;
        w->wire.fail_with = MW_OK;
        run(w, w->now_us + 50);
        ck_assert_int_lt(w->now_us, EPOCH_US + 10 * SECOND_US);
    }
    w->wire.fail_at = 0;
    w->wire.unplugged = true;
    run(w, w->now_us + 2 * SECOND_US);
    ck_assert_uint_eq(w->n_events, n_events + 1);
    ck_assert_int_eq(w->events[n_events].health, DEVICE_OFFLINE);
    w->wire.unplugged = false;
    run(w, w->now_us + 10 * SECOND_US);
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_GOOD);
    ck_assert_int_eq(w->last[1].quality, MW_QUALITY_GOOD);
    end(w);
}
END_TEST

/* A hundred connections that end in the same instant, to hosts that are down: their next attempts
 * are spread, and the same start gives the same waits. */
START_TEST(reconnects_are_spread_by_full_jitter)
{
    int64_t second_us[2][20] = { { 0 } };
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20; i++) {
            struct world *w = new_world(BUS_TCP);
            add_device(w, 1, SECOND_US);
            snprintf(w->bus.name, sizeof w->bus.name, "skid-%d", i);
            w->wire.unplugged = true;
            begin(w);
            run(w, EPOCH_US + 1);
            for (long n = w->wire.n_calls; w->wire.n_calls == n;)
                run(w, w->now_us + 100);
            second_us[round][i] = w->now_us;
            end(w);
        }
    }
    ck_assert_mem_eq(second_us[0], second_us[1], sizeof second_us[0]);
    int n_early = 0, n_late = 0;
    for (int i = 0; i < 20; i++) {
        ck_assert_int_le(second_us[0][i], EPOCH_US + 101 * MS_US);
        n_early += second_us[0][i] < EPOCH_US + 50 * MS_US;
        n_late += second_us[0][i] >= EPOCH_US + 50 * MS_US;
    }
    ck_assert_int_ge(n_early, 3);
    ck_assert_int_ge(n_late, 3);
}
END_TEST

START_TEST(a_babbling_line_fails_its_devices_instead_of_hanging)
{
    struct world *w = new_world(BUS_RTU);
    add_device(w, 2, SECOND_US);
    begin(w);
    run(w, EPOCH_US + 5 * SECOND_US);
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_GOOD);
    for (int i = 0; i < 10000; i++) {
        fake_line_put(&w->wire, w->now_us + 2 * MS_US, 0x55);
        run(w, w->now_us + 2 * MS_US);
    }
    ck_assert_int_eq(poller_device_health(w->poller, FIRST_INDEX), DEVICE_OFFLINE);
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_STALE);
    run(w, w->now_us + 62 * SECOND_US);
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_GOOD);
    end(w);
}
END_TEST

START_TEST(an_overloaded_bus_skips_slots_counts_them_and_is_fair)
{
    struct world *w = new_world(BUS_RTU);
    for (int i = 0; i < 20; i++)
        add_device(w, 3, 100 * MS_US);
    w->delay_us = 15 * MS_US; /* 20 ms for each: 400 ms for a round of 100 ms */
    begin(w);
    run(w, EPOCH_US + 60 * SECOND_US);
    struct poller_stats s = stats(w);
    uint64_t fewest = UINT64_MAX, most = 0;
    for (size_t d = 0; d < w->n_devices; d++) {
        uint64_t n = w->n_good[3 * d];
        fewest = n < fewest ? n : fewest;
        most = n > most ? n : most;
        struct poller_stats own = poller_device_stats(w->poller, w->indexes[d]);
        ck_assert_uint_ge(own.n_slots_run + own.n_slots_missed, 590);
        ck_assert_uint_le(own.n_slots_run + own.n_slots_missed, 600);
    }
    ck_assert_uint_gt(s.n_slots_missed, 1000);
    ck_assert_uint_ge(fewest, most * 2 / 3);
    end(w);
}
END_TEST

/* Half-open: the device is unreachable for 6 s. One request at a time, and no burst afterwards. */
START_TEST(a_blackhole_heals_without_a_burst)
{
    struct world *w = new_world(BUS_TCP);
    add_device(w, 2, 200 * MS_US);
    begin(w);
    run(w, EPOCH_US + 10 * SECOND_US);
    w->dead[1] = true;
    run(w, EPOCH_US + 16 * SECOND_US);
    w->dead[1] = false;
    uint32_t n_requests = w->wire.n_requests;
    run(w, EPOCH_US + 16 * SECOND_US + 200 * MS_US);
    ck_assert_uint_le(w->wire.n_requests, n_requests + 2);
    run(w, EPOCH_US + 80 * SECOND_US);
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_GOOD);
    ck_assert_int_eq(poller_device_health(w->poller, FIRST_INDEX), DEVICE_ONLINE);
    end(w);
}
END_TEST

START_TEST(a_host_that_does_not_connect_gives_stale_samples_and_one_event)
{
    struct world *w = new_world(BUS_TCP);
    add_device(w, 2, 200 * MS_US);
    w->wire.unplugged = true;
    begin(w);
    run(w, EPOCH_US + 60 * SECOND_US);
    ck_assert_uint_eq(w->n_events, 1);
    ck_assert_int_eq(w->events[0].health, DEVICE_OFFLINE);
    ck_assert_uint_ge(w->n_other[0], 295);
    ck_assert_int_le(w->wire.n_calls, 30); /* backed off */
    w->wire.unplugged = false;
    w->wire.open_takes_us = 50 * MS_US;
    run(w, EPOCH_US + 75 * SECOND_US);
    ck_assert_int_eq(w->last[0].quality, MW_QUALITY_GOOD);
    end(w);
}
END_TEST

MW_SUITE("fieldbus/poller", every_slot_of_a_healthy_bus_gives_good_samples,
         a_day_at_10_hz_loses_no_slot_from_the_count,
         a_dead_device_costs_its_neighbours_next_to_nothing,
         a_dead_device_comes_back_within_a_minute_and_says_so_once,
         no_late_reply_is_taken_for_the_right_one_on_rtu,
         no_late_reply_is_taken_for_the_right_one_on_tcp,
         no_late_reply_is_taken_for_the_right_one_where_transactions_have_no_number,
         after_an_error_the_unit_is_left_alone_for_its_turnaround_and_the_others_are_not,
         one_illegal_register_costs_exactly_itself,
         a_busy_device_gives_bad_samples_and_stays_online,
         a_device_behind_a_gateway_that_gets_no_answer_is_offline,
         an_unplugged_adapter_is_one_event_and_is_reopened_within_a_second,
         every_failing_port_call_in_turn_is_survived, a_dripping_reply_does_not_stretch_the_timeout,
         silence_of_a_frame_gap_and_the_devices_pause_are_kept,
         a_saturated_line_is_used_to_99_percent_at_every_rate,
         silence_begins_with_the_last_byte_of_our_own_request,
         the_line_is_set_for_each_device_between_two_silences,
         an_adapter_that_goes_while_the_line_is_set_is_one_event,
         reconnects_are_spread_by_full_jitter, a_babbling_line_fails_its_devices_instead_of_hanging,
         an_overloaded_bus_skips_slots_counts_them_and_is_fair, a_blackhole_heals_without_a_burst,
         a_host_that_does_not_connect_gives_stale_samples_and_one_event)
