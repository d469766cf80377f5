/* SPDX-License-Identifier: Apache-2.0 */
/* One machine, its points on two buses: a quick TCP device and the last of many devices on a slow,
 * busy serial line with a dead one among them. What stands in one frame was measured within one
 * period. */
#include "fieldbus/poller.h"

#include "base/result.h"
#include "inference/framer.h"
#include "support/fake_line.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#define S         INT64_C(1000000)
#define MS        INT64_C(1000)
#define N_SERIAL  20 /* of 31 ms each: 62 % of the line */
#define DEAD_UNIT 7
#define N_FRAMES  3600

struct wires {
    struct fake_line line[2]; /* TCP, RTU */
    struct poller *poller[2];
    struct point_config points[1 + N_SERIAL];
    struct mw_framer framer;
    int64_t now_us;
    int64_t taken_us[2][8]; /* by channel and slot modulo 8: when this slot's sample was taken */
    uint64_t n_frames, n_whole;
    int64_t worst_us;
};

static uint16_t value(struct fake_line *wire, uint8_t unit, uint16_t address)
{
    (void)wire;
    return (uint16_t)(unit + address);
}

static struct fake_answer quick(struct fake_line *wire, const struct line_request *asked)
{
    (void)wire, (void)asked;
    return (struct fake_answer){ 0 };
}

static struct fake_answer slow(struct fake_line *wire, const struct line_request *asked)
{
    (void)wire;
    return (struct fake_answer){ .delay_us = 25 * MS, .silent = asked->unit == DEAD_UNIT };
}

static void on_frame(void *ctx, const struct mw_frame *frame)
{
    struct wires *w = ctx;
    w->n_frames++;
    if (frame->fresh != 3)
        return;
    w->n_whole++;
    int64_t skew_us = w->taken_us[0][frame->slot % 8] - w->taken_us[1][frame->slot % 8];
    skew_us = skew_us < 0 ? -skew_us : skew_us;
    w->worst_us = skew_us > w->worst_us ? skew_us : w->worst_us;
}

static void on_sample(void *ctx, const struct mw_sample *sample)
{
    struct wires *w = ctx;
    if (sample->point != 0 && sample->point != N_SERIAL)
        return; /* another machine's */
    uint16_t channel = sample->point != 0;
    w->taken_us[channel][sample->slot % 8] = sample->mono_us;
    mw_framer_feed(&w->framer, channel, sample->slot, sample, on_frame, w);
}

static void begin(struct wires *w, int64_t period_us)
{
    static struct bus_config buses[2];
    static struct device_config devices[1 + N_SERIAL];
    static uint32_t indexes[1 + N_SERIAL];
    buses[0] = (struct bus_config){ .kind = BUS_TCP, .host = "any", .retries = UINT32_MAX };
    buses[1] = (struct bus_config){ .kind = BUS_RTU, .device = "any", .retries = UINT32_MAX };
    for (int b = 0; b < 2; b++)
        ck_assert_int_eq(bus_settle(&buses[b], NULL), MW_OK);
    for (uint32_t d = 0; d <= N_SERIAL; d++) {
        indexes[d] = d;
        devices[d] = (struct device_config){
            .unit = (uint8_t)(d ? d : 1), .first_point = d, .n_points = 1, .retries = UINT32_MAX
        };
        ck_assert_int_eq(device_settle(&devices[d], &buses[d > 0], NULL), MW_OK);
        w->points[d] = (struct point_config){ .bit = -1, .period_us = period_us };
        ck_assert_int_eq(point_settle(&w->points[d], NULL), MW_OK);
    }
    fake_line_init(&w->line[0], true, quick, value);
    fake_line_init(&w->line[1], false, slow, value);
    for (int b = 0; b < 2; b++)
        ck_assert_int_eq(poller_create(&w->poller[b], &buses[b], devices + b, indexes + b,
                                       b ? N_SERIAL : 1, w->points, &w->line[b].port, 0),
                         MW_OK);
    mw_framer_init(&w->framer, 2);
}

static void run(struct wires *w, int64_t until_us)
{
    struct poller_sink sink = { .sample = on_sample, .ctx = w };
    while (w->now_us < until_us) {
        int64_t next_us = until_us;
        for (int b = 0; b < 2; b++) {
            w->line[b].now_us = w->now_us;
            int64_t at_us = w->now_us + poller_step(w->poller[b], w->now_us, 0, &sink);
            int64_t byte_us = fake_line_next_us(&w->line[b]);
            if (byte_us > w->now_us && byte_us < at_us)
                at_us = byte_us;
            next_us = at_us < next_us ? at_us : next_us;
        }
        w->now_us = next_us;
    }
}

START_TEST(what_is_in_one_frame_was_measured_within_one_period)
{
    static struct wires w;
    w = (struct wires){ .now_us = S };
    begin(&w, S);
    run(&w, (N_FRAMES + 1) * S);
    printf("channel_skew_periods %.3f over %llu frames, %llu whole\n",
           (double)w.worst_us / (double)S, (unsigned long long)w.n_frames,
           (unsigned long long)w.n_whole);
    ck_assert_uint_ge(w.n_frames, N_FRAMES - MW_FRAMER_OPEN);
    ck_assert_uint_ge(w.n_whole, N_FRAMES * 98 / 100);
    ck_assert_int_gt(w.worst_us, S / 2); /* the last of the line: it is a real difference */
    ck_assert_int_le(w.worst_us, S);
    poller_destroy(w.poller[0]);
    poller_destroy(w.poller[1]);
}
END_TEST

MW_SUITE("sim/channel_skew", what_is_in_one_frame_was_measured_within_one_period)
