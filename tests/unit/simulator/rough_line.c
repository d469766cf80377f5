/* SPDX-License-Identifier: Apache-2.0 */
/* The real poller on a simulated line: what it is told is what its units have, whatever the line
 * does to it. Register n of unit u counts the requests the unit heard, n added. */
#include "base/result.h"
#include "fieldbus/poller.h"
#include "support/suite.h"
#include "support/virtual_line.h"

#define N_UNITS   4
#define PERIOD_US 200000
#define HOUR_US   INT64_C(3600000000)

struct plant {
    struct rs485 *line; /* or the peer */
    struct tcp_peer peer;
    struct virtual_line wire;
    struct poller *poller;
    struct bus_config bus;
    struct device_config devices[N_UNITS];
    struct point_config points[2 * N_UNITS];
    uint64_t n_good, n_other, n_wrong;
};

static bool answers(void *ctx, uint8_t unit)
{
    (void)ctx;
    return unit >= 1 && unit <= N_UNITS;
}

static bool has_table(void *ctx, uint8_t unit, enum table table)
{
    (void)ctx;
    (void)unit;
    return table == TABLE_HOLDING;
}

static int read_words(void *ctx, const struct pdu_read *read, uint16_t *ret_words)
{
    (void)ctx;
    for (uint16_t i = 0; i < read->count; i++)
        ret_words[i] = (uint16_t)(1000 * read->unit + read->address + i);
    return 0;
}

static void answered(void *ctx, const struct pdu_read *read, int token, int64_t now_us)
{
    (void)ctx;
    (void)read;
    (void)token;
    (void)now_us;
}

static void on_sample(void *ctx, const struct mw_sample *sample)
{
    struct plant *plant = ctx;
    if (sample->quality != MW_QUALITY_GOOD) {
        plant->n_other++;
        return;
    }
    plant->n_good++;
    uint32_t unit = sample->point / 2 + 1, address = sample->point % 2;
    plant->n_wrong += sample->value != (float)(1000 * unit + address);
}

static const struct pdu_bank bank = {
    .answers = answers, .has_table = has_table, .read = read_words, .answered = answered
};

static void begin_poller(struct plant *plant)
{
    static const uint32_t indexes[N_UNITS] = { 0, 1, 2, 3 };
    ck_assert_int_eq(bus_settle(&plant->bus, NULL), MW_OK);
    for (uint32_t i = 0; i < N_UNITS; i++) {
        plant->devices[i] = (struct device_config){
            .unit = (uint8_t)(i + 1), .first_point = 2 * i, .n_points = 2, .retries = UINT32_MAX
        };
        ck_assert_int_eq(device_settle(&plant->devices[i], &plant->bus, NULL), MW_OK);
        for (uint16_t k = 0; k < 2; k++) {
            plant->points[2 * i + k] = (struct point_config){
                .address = k, .type = VALUE_UINT16, .bit = -1, .period_us = PERIOD_US
            };
            ck_assert_int_eq(point_settle(&plant->points[2 * i + k], NULL), MW_OK);
        }
    }
    ck_assert_int_eq(poller_create(&plant->poller, &plant->bus, plant->devices, indexes, N_UNITS,
                                   plant->points, &plant->wire.port, 0),
                     MW_OK);
}

static void begin(struct plant *plant, uint32_t baud, const struct disturbance *list, size_t n)
{
    struct rs485_config config = { .baud = baud,
                                   .turnaround_us = 3000,
                                   .spread_us = 4000,
                                   .seed = 7,
                                   .disturbances = list,
                                   .n_disturbances = n };
    *plant = (struct plant){ .bus = { .kind = BUS_RTU,
                                      .device = "/dev/null",
                                      .baud = baud,
                                      .timeout_us = 300000,
                                      .retries = UINT32_MAX } };
    ck_assert_int_eq(rs485_create(&plant->line, &config, &bank), MW_OK);
    virtual_line_rtu(&plant->wire, plant->line);
    begin_poller(plant);
}

static void begin_tcp(struct plant *plant, bool rtu_framing, const struct disturbance *list,
                      size_t n)
{
    struct tcp_peer_config config = { .rtu_framing = rtu_framing,
                                      .turnaround_us = 3000,
                                      .spread_us = 4000,
                                      .seed = 7,
                                      .disturbances = list,
                                      .n_disturbances = n };
    *plant = (struct plant){ .bus = { .kind = BUS_TCP,
                                      .host = "127.0.0.1",
                                      .framing = rtu_framing ? FRAMING_RTU : FRAMING_MBAP,
                                      .timeout_us = 300000,
                                      .retries = UINT32_MAX } };
    tcp_peer_init(&plant->peer, &config, &bank);
    virtual_line_tcp(&plant->wire, &plant->peer);
    begin_poller(plant);
}

static void run(struct plant *plant, int64_t from_us, int64_t until_us)
{
    struct poller_sink sink = { .sample = on_sample, .ctx = plant };
    int64_t wait_us;
    for (int64_t now_us = from_us; now_us < until_us;
         now_us = virtual_line_until(&plant->wire, now_us, wait_us))
        wait_us = poller_step(plant->poller, now_us, 0, &sink);
}

static void end(struct plant *plant)
{
    poller_destroy(plant->poller);
    rs485_destroy(plant->line);
}

START_TEST(a_clean_line_gives_every_sample)
{
    static const uint32_t bauds[] = { 9600, 19200, 38400, 115200 };
    for (size_t i = 0; i < sizeof bauds / sizeof bauds[0]; i++) {
        struct plant plant;
        begin(&plant, bauds[i], NULL, 0);
        run(&plant, 0, HOUR_US / 60);
        struct rs485_stats stats = rs485_stats(plant.line);
        ck_assert_uint_eq(plant.n_other + plant.n_wrong, 0);
        ck_assert_uint_ge(plant.n_good, 2 * N_UNITS * 299);
        ck_assert_uint_eq(stats.n_silence + stats.n_talked_over + stats.n_pauses, 0);
        ck_assert_uint_eq(stats.n_answers, stats.n_requests);
        ck_assert_int_ge(stats.shortest_us, rs485_silence_us(plant.line));
        end(&plant);
    }
}
END_TEST

START_TEST(a_rough_line_never_gives_a_wrong_value)
{
    const struct disturbance rough[] = {
        { .kind = DISTURBANCE_BIT_FLIP, .rate = 0.001 },
        { .kind = DISTURBANCE_LOST_BYTE, .rate = 0.0005 },
        { .kind = DISTURBANCE_LATE, .rate = 0.01, .min_us = 100000, .max_us = 1900000 },
        { .kind = DISTURBANCE_SILENCE, .rate = 0.01 },
        { .kind = DISTURBANCE_BUSY, .rate = 0.01 },
        { .kind = DISTURBANCE_WRONG_UNIT, .rate = 0.005 },
        { .kind = DISTURBANCE_COLLISION, .unit = 4, .rate = 0.002 },
        { .kind = DISTURBANCE_UNPLUG,
          .rate = 1,
          .at_us = 60000000,
          .for_us = 2000000,
          .every_us = 600000000 },
        { .kind = DISTURBANCE_STUCK_LINE,
          .rate = 1,
          .at_us = 120000000,
          .for_us = 1000000,
          .every_us = 600000000 },
    };
    struct plant plant;
    begin(&plant, 19200, rough, sizeof rough / sizeof rough[0]);
    run(&plant, 0, HOUR_US);
    struct rs485_stats stats = rs485_stats(plant.line);
    ck_assert_uint_eq(plant.n_wrong, 0);
    ck_assert_uint_eq(stats.n_silence, 0);
    ck_assert_uint_ge(plant.n_good, plant.n_other); /* it goes on, error after error */
    for (size_t i = 0; i < sizeof rough / sizeof rough[0]; i++)
        ck_assert_uint_ge(stats.disturbed[rough[i].kind], 1);
    ck_assert_uint_eq(stats.n_dropped, 0);
    end(&plant);
}
END_TEST

START_TEST(a_million_frames_keep_the_silence)
{
    struct plant plant;
    begin(&plant, 19200, NULL, 0);
    plant.wire.whole_frames = true;
    run(&plant, 0, 7 * HOUR_US);
    struct rs485_stats stats = rs485_stats(plant.line);
    ck_assert_uint_ge(stats.n_requests + stats.n_answers, 1000000);
    ck_assert_uint_eq(stats.n_silence + stats.n_talked_over + stats.n_pauses, 0);
    ck_assert_uint_eq(plant.n_wrong + plant.n_other, 0);
    end(&plant);
}
END_TEST

START_TEST(a_wrong_value_would_be_seen)
{
    struct plant plant;
    begin(&plant, 19200, NULL, 0);
    plant.points[1].scale = 2;
    run(&plant, 0, HOUR_US / 60);
    ck_assert_uint_ge(plant.n_wrong, 299);
    end(&plant);
}
END_TEST

START_TEST(a_gap_that_is_too_short_would_be_seen)
{
    struct plant plant;
    begin(&plant, 9600, NULL, 0);
    plant.bus.frame_gap_us = 2000; /* 9600 baud want 4010 */
    for (size_t i = 0; i < N_UNITS; i++)
        plant.devices[i].frame_gap_us = 2000;
    run(&plant, 0, HOUR_US / 60);
    ck_assert_uint_ge(rs485_stats(plant.line).n_silence, 10);
    end(&plant);
}
END_TEST

START_TEST(a_clean_connection_gives_every_sample)
{
    for (int rtu_framing = 0; rtu_framing < 2; rtu_framing++) {
        struct plant plant;
        begin_tcp(&plant, rtu_framing, NULL, 0);
        run(&plant, 0, HOUR_US / 60);
        ck_assert_uint_eq(plant.n_other + plant.n_wrong, 0);
        ck_assert_uint_ge(plant.n_good, 2 * N_UNITS * 299);
        ck_assert_uint_eq(plant.wire.n_opens, 1);
        end(&plant);
    }
}
END_TEST

/* RTU over TCP carries no transaction: the connection is all that tells answers apart. */
START_TEST(a_rough_converter_never_gives_a_wrong_value)
{
    static const struct disturbance rough[] = {
        { .kind = DISTURBANCE_BIT_FLIP, .rate = 0.001 },
        { .kind = DISTURBANCE_LOST_BYTE, .rate = 0.0005 },
        { .kind = DISTURBANCE_LATE, .rate = 0.005, .min_us = 100000, .max_us = 1900000 },
        { .kind = DISTURBANCE_SILENCE, .rate = 0.005 },
        { .kind = DISTURBANCE_WRONG_UNIT, .rate = 0.005 },
        { .kind = DISTURBANCE_RESET, .rate = 0.005 },
    };
    struct plant plant;
    begin_tcp(&plant, true, rough, sizeof rough / sizeof rough[0]);
    run(&plant, 0, HOUR_US);
    struct tcp_peer_stats stats = tcp_peer_stats(&plant.peer);
    ck_assert_uint_eq(plant.n_wrong, 0);
    ck_assert_uint_ge(plant.n_good, plant.n_other); /* it goes on, error after error */
    for (size_t i = 0; i < sizeof rough / sizeof rough[0]; i++)
        ck_assert_msg(stats.disturbed[rough[i].kind] > 0, "%s", disturbance_name(rough[i].kind));
    end(&plant);
}
END_TEST

START_TEST(a_rough_peer_never_gives_a_wrong_value)
{
    static const struct disturbance rough[] = {
        { .kind = DISTURBANCE_LATE, .rate = 0.005, .min_us = 100000, .max_us = 1900000 },
        { .kind = DISTURBANCE_DUPLICATE, .rate = 0.005, .max_us = 500000 },
        { .kind = DISTURBANCE_SILENCE, .rate = 0.005 },
        { .kind = DISTURBANCE_WRONG_TRANSACTION, .rate = 0.005 },
        { .kind = DISTURBANCE_WRONG_PROTOCOL, .rate = 0.005 },
        { .kind = DISTURBANCE_WRONG_LENGTH, .rate = 0.005 },
        { .kind = DISTURBANCE_WRONG_UNIT, .rate = 0.005 },
        { .kind = DISTURBANCE_TRAILING, .rate = 0.005 },
        { .kind = DISTURBANCE_DRIP, .rate = 0.005, .min_us = 200000, .max_us = 200000 },
        { .kind = DISTURBANCE_RESET, .rate = 0.005 },
        { .kind = DISTURBANCE_HALF_OPEN, .rate = 0.001 },
        { .kind = DISTURBANCE_BLACK_HOLE, .rate = 0.001 },
        { .kind = DISTURBANCE_REFUSE_FIRST, .rate = 0.1 },
        { .kind = DISTURBANCE_IGNORE_FIRST, .rate = 0.1 },
    };
    struct plant plant;
    begin_tcp(&plant, false, rough, sizeof rough / sizeof rough[0]);
    run(&plant, 0, HOUR_US);
    struct tcp_peer_stats stats = tcp_peer_stats(&plant.peer);
    ck_assert_uint_eq(plant.n_wrong, 0);
    ck_assert_uint_ge(plant.n_good, plant.n_other); /* it goes on, error after error */
    for (size_t i = 0; i < sizeof rough / sizeof rough[0]; i++)
        ck_assert_msg(stats.disturbed[rough[i].kind] > 0, "%s", disturbance_name(rough[i].kind));
    end(&plant);
}
END_TEST

MW_SUITE("simulator/rough_line", a_clean_line_gives_every_sample,
         a_rough_line_never_gives_a_wrong_value, a_million_frames_keep_the_silence,
         a_wrong_value_would_be_seen, a_gap_that_is_too_short_would_be_seen,
         a_clean_connection_gives_every_sample, a_rough_peer_never_gives_a_wrong_value,
         a_rough_converter_never_gives_a_wrong_value)
