/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/guest.h"
#include "base/result.h"
#include "fieldbus/poller.h"
#include "support/fake_line.h"
#include "support/suite.h"

#include <string.h>

#define SECOND_US INT64_C(1000000)
#define MS_US     INT64_C(1000)
#define N_UNITS   4

/* A bus of four slaves that are polled, and whatever else a guest asks. */
struct world {
    struct fake_line wire;
    struct bus_config bus;
    struct device_config devices[N_UNITS];
    uint32_t indexes[N_UNITS];
    struct point_config points[N_UNITS];
    struct poller *poller;
    int64_t now_us;
    int64_t last_good_us[N_UNITS], longest_us; /* between two good samples of a point */
    uint64_t n_good, n_other;
    uint8_t dead, exception;
    int64_t answer_us;
};

static struct fake_answer slave(struct fake_line *wire, const struct line_request *asked)
{
    const struct world *w = wire->ctx;
    return (struct fake_answer){ .silent = asked->unit == w->dead,
                                 .delay_us = w->answer_us,
                                 .exception = asked->unit == 77 ? w->exception : 0 };
}

static uint16_t value(struct fake_line *wire, uint8_t unit, uint16_t address)
{
    (void)wire;
    return (uint16_t)(1000 * unit + address);
}

static void on_sample(void *ctx, const struct mw_sample *sample)
{
    struct world *w = ctx;
    if (sample->quality != MW_QUALITY_GOOD) {
        w->n_other++;
        return;
    }
    int64_t *last_us = &w->last_good_us[sample->point];
    if (*last_us && sample->mono_us - *last_us > w->longest_us)
        w->longest_us = sample->mono_us - *last_us;
    *last_us = sample->mono_us;
    w->n_good++;
}

static void begin(struct world *w, enum bus_kind kind, int64_t period_us)
{
    *w = (struct world){ .bus = { .kind = kind, .retries = UINT32_MAX }, .now_us = SECOND_US };
    fake_line_init(&w->wire, kind == BUS_TCP, slave, value);
    w->wire.ctx = w;
    strcpy(kind == BUS_TCP ? w->bus.host : w->bus.device, "fake");
    ck_assert_int_eq(bus_settle(&w->bus, NULL), MW_OK);
    for (uint32_t i = 0; i < N_UNITS; i++) {
        w->devices[i] = (struct device_config){
            .unit = (uint8_t)(i + 1), .retries = UINT32_MAX, .first_point = i, .n_points = 1
        };
        w->indexes[i] = i;
        w->points[i] = (struct point_config){ .type = VALUE_UINT16, .bit = -1 };
        w->points[i].period_us = period_us;
        ck_assert_int_eq(device_settle(&w->devices[i], &w->bus, NULL), MW_OK);
        ck_assert_int_eq(point_settle(&w->points[i], NULL), MW_OK);
    }
    ck_assert_int_eq(poller_create(&w->poller, &w->bus, w->devices, w->indexes, N_UNITS, w->points,
                                   &w->wire.port, SECOND_US),
                     MW_OK);
}

static void run(struct world *w, int64_t for_us)
{
    const struct poller_sink sink = { .sample = on_sample, .ctx = w };
    short events = 0;
    for (int64_t until_us = w->now_us + for_us; w->now_us < until_us;) {
        w->wire.now_us = w->now_us;
        int64_t next_us = w->now_us + poller_step(w->poller, w->now_us, 0, &sink);
        int64_t byte_us = fake_line_next_us(&w->wire);
        if (byte_us < next_us && poller_descriptor(w->poller, &events) >= 0)
            next_us = byte_us > w->now_us ? byte_us : w->now_us;
        w->now_us = next_us < until_us ? next_us : until_us;
    }
}

/* Runs until the guest has its answer, at most for_us; how long that took. */
static int64_t wait_for(struct world *w, struct guest_answer *ret, int64_t for_us)
{
    int64_t from_us = w->now_us;
    while (!poller_guest_take(w->poller, ret)) {
        ck_assert_int_lt(w->now_us - from_us, for_us);
        run(w, MS_US);
    }
    return w->now_us - from_us;
}

START_TEST(a_guest_reads_polled_and_other_units)
{
    for (int kind = BUS_RTU; kind <= BUS_TCP; kind++) {
        struct world w;
        struct guest_answer a;
        const struct line_request polled = { 2, REGISTER_HOLDING, 10, 3 };
        const struct line_request other = { 77, REGISTER_INPUT, 5, 125 };
        begin(&w, (enum bus_kind)kind, 200 * MS_US);
        run(&w, 2 * SECOND_US);
        ck_assert_int_eq(poller_guest_ask(w.poller, &polled, w.now_us), MW_OK);
        ck_assert_int_eq(poller_guest_ask(w.poller, &polled, w.now_us), MW_ERR_STATE);
        wait_for(&w, &a, SECOND_US);
        ck_assert_int_eq(a.result, MW_OK);
        ck_assert_uint_eq(a.count, 3);
        ck_assert_uint_eq(a.registers[2], 2012);
        ck_assert_int_eq(poller_guest_ask(w.poller, &other, w.now_us), MW_OK);
        wait_for(&w, &a, 2 * SECOND_US);
        ck_assert_int_eq(a.result, MW_OK);
        ck_assert_uint_eq(a.registers[124], (uint16_t)(77000 + 5 + 124));
        ck_assert_uint_eq(w.n_other, 0);
        poller_destroy(w.poller);
    }
}
END_TEST

START_TEST(an_exception_is_an_answer)
{
    struct world w;
    struct guest_answer a;
    const struct line_request asked = { 77, REGISTER_HOLDING, 0, 1 };
    begin(&w, BUS_RTU, 200 * MS_US);
    w.exception = 2;
    ck_assert_int_eq(poller_guest_ask(w.poller, &asked, w.now_us), MW_OK);
    wait_for(&w, &a, 2 * SECOND_US);
    ck_assert_int_eq(a.result, MW_ERR_REFUSED);
    ck_assert_uint_eq(a.exception, 2);
    poller_destroy(w.poller);
}
END_TEST

START_TEST(no_poll_waits_for_more_than_one_of_its_exchanges)
{
    struct world w;
    struct guest_answer a;
    const struct line_request nobody = { 99, REGISTER_HOLDING, 0, 1 };
    begin(&w, BUS_RTU, SECOND_US);
    run(&w, 3 * SECOND_US);
    uint64_t n_missed = poller_bus_stats(w.poller).n_slots_missed;
    w.dead = 99;
    w.longest_us = 0;
    int64_t from_us = w.now_us;
    uint32_t n = 0;
    for (; w.now_us < from_us + 120 * SECOND_US; n++) {
        ck_assert_int_eq(poller_guest_ask(w.poller, &nobody, w.now_us), MW_OK);
        wait_for(&w, &a, 10 * SECOND_US);
        ck_assert_int_eq(a.result, MW_ERR_TIMEOUT);
    }
    ck_assert_int_gt(n, 20); /* the unit's turnaround of 2 s lies between */
    ck_assert_int_le(w.longest_us, SECOND_US + w.bus.timeout_us + 100 * MS_US);
    ck_assert_uint_eq(w.n_other, 0);
    ck_assert_uint_eq(poller_bus_stats(w.poller).n_slots_missed, n_missed);
    poller_destroy(w.poller);
}
END_TEST

START_TEST(guests_take_at_most_a_fifth_of_the_time)
{
    struct world w;
    struct guest_answer a;
    int64_t used_us = 0, from_us;
    begin(&w, BUS_RTU, SECOND_US);
    run(&w, 3 * SECOND_US);
    from_us = w.now_us;
    for (uint8_t unit = 10; w.now_us < from_us + 60 * SECOND_US; unit = unit % 200 + 10) {
        const struct line_request next = { unit, REGISTER_HOLDING, 0, 1 };
        w.dead = unit;
        ck_assert_int_eq(poller_guest_ask(w.poller, &next, w.now_us), MW_OK);
        wait_for(&w, &a, 10 * SECOND_US);
        used_us += a.took_us;
    }
    ck_assert_int_gt(used_us, 5 * SECOND_US);
    ck_assert_int_le(used_us, (w.now_us - from_us) / 5 + w.bus.timeout_us);
    poller_destroy(w.poller);
}
END_TEST

START_TEST(a_bus_without_a_pause_serves_it_after_its_patience)
{
    struct world w;
    struct guest_answer a;
    const struct line_request asked = { 3, REGISTER_HOLDING, 7, 1 };
    begin(&w, BUS_RTU, 10 * MS_US); /* far more than the line can do */
    run(&w, 3 * SECOND_US);
    ck_assert_int_eq(poller_guest_ask(w.poller, &asked, w.now_us), MW_OK);
    int64_t took_us = wait_for(&w, &a, 3 * SECOND_US);
    ck_assert_int_eq(a.result, MW_OK);
    ck_assert_uint_eq(a.registers[0], 3007);
    ck_assert_int_ge(took_us, GUEST_PATIENCE_US);
    poller_destroy(w.poller);
}
END_TEST

START_TEST(without_a_line_it_is_told_so_in_time)
{
    struct world w;
    struct guest_answer a;
    const struct line_request asked = { 3, REGISTER_HOLDING, 7, 1 };
    begin(&w, BUS_RTU, SECOND_US);
    w.wire.unplugged = true;
    run(&w, SECOND_US);
    ck_assert_int_eq(poller_guest_ask(w.poller, &asked, w.now_us), MW_OK);
    int64_t took_us = wait_for(&w, &a, GUEST_GIVE_UP_US + 2 * SECOND_US);
    ck_assert_int_eq(a.result, MW_ERR_GONE);
    ck_assert_int_ge(took_us, GUEST_GIVE_UP_US);
    poller_destroy(w.poller);
}
END_TEST

START_TEST(what_is_no_range_is_refused)
{
    struct guest guest = { .state = GUEST_NONE };
    const struct line_request none = { 1, REGISTER_HOLDING, 0, 0 };
    const struct line_request many = { 1, REGISTER_HOLDING, 0, GUEST_MAX_COUNT + 1 };
    const struct line_request beyond = { 1, REGISTER_HOLDING, 65535, 2 };
    const struct line_request last = { 1, REGISTER_HOLDING, 65535, 1 };
    ck_assert_int_eq(guest_ask(&guest, &none, 0), MW_ERR_INVALID);
    ck_assert_int_eq(guest_ask(&guest, &many, 0), MW_ERR_INVALID);
    ck_assert_int_eq(guest_ask(&guest, &beyond, 0), MW_ERR_INVALID);
    ck_assert_int_eq(guest_ask(&guest, &last, 0), MW_OK);
}
END_TEST

MW_SUITE("fieldbus/guest", a_guest_reads_polled_and_other_units, an_exception_is_an_answer,
         no_poll_waits_for_more_than_one_of_its_exchanges, guests_take_at_most_a_fifth_of_the_time,
         a_bus_without_a_pause_serves_it_after_its_patience, without_a_line_it_is_told_so_in_time,
         what_is_no_range_is_refused)
