/* SPDX-License-Identifier: Apache-2.0 */
/* The trend's state as bytes. Only what is in use is written: samples of the present interval,
 * medians until the baseline is frozen. */
#include "inference/trend.h"

#include <string.h>

enum { COMMISSIONED = 1, HAS_PREVIOUS = 2, ACTIVE = 4, JUMPED = 8 };

void mw_trend_put_clock(const struct mw_trend_clock *clock, struct mw_writer *w)
{
    /* A state that was restored and never stepped still counts from its next frame. */
    int64_t age_us = clock->resumed ? -clock->started_us : clock->last_us - clock->started_us;
    mw_put_u8(w, clock->started);
    mw_put_u64le(w, (uint64_t)age_us);
    mw_put_u32le(w, clock->n_frames);
}

void mw_trend_get_clock(struct mw_trend_clock *ret_clock, struct mw_reader *r)
{
    bool started = mw_get_u8(r) != 0;
    int64_t age_us = (int64_t)mw_get_u64le(r);
    uint32_t n_frames = mw_get_u32le(r);
    if (age_us < 0)
        r->failed = true;
    if (r->failed)
        return;
    *ret_clock = (struct mw_trend_clock){
        .started = started, .resumed = started, .started_us = -age_us, .n_frames = n_frames
    };
}

static void put_floats(struct mw_writer *w, const float *x, uint16_t n)
{
    mw_put_u16le(w, n);
    for (uint16_t i = 0; i < n; i++)
        mw_put_f32le(w, x[i]);
}

static uint16_t get_floats(struct mw_reader *r, float *ret_x, uint16_t max)
{
    uint16_t n = mw_get_u16le(r);
    if (n > max) {
        r->failed = true;
        return 0;
    }
    for (uint16_t i = 0; i < n; i++)
        ret_x[i] = mw_get_f32le(r);
    return n;
}

void mw_trend_put_series(const struct mw_trend_series *s, struct mw_writer *w)
{
    mw_put_u8(w, (uint8_t)((s->commissioned ? COMMISSIONED : 0) |
                           (s->has_previous ? HAS_PREVIOUS : 0) | (s->active ? ACTIVE : 0) |
                           (s->jumped ? JUMPED : 0)));
    put_floats(w, s->samples, s->n_samples);
    mw_put_u32le(w, s->stride);
    mw_put_u32le(w, s->n_values);
    mw_put_u32le(w, s->run);
    mw_put_u32le(w, s->longest_run);
    mw_put_f32le(w, s->last);
    put_floats(w, s->medians, s->commissioned ? 0 : s->n_medians);
    mw_put_f32le(w, s->within);
    mw_put_f32le(w, s->step);
    mw_put_u32le(w, s->baseline_run);
    mw_put_f32le(w, s->lo);
    mw_put_f32le(w, s->hi);
    mw_put_f32le(w, s->centre);
    mw_put_f32le(w, s->unit);
    mw_put_f32le(w, s->change);
    mw_put_f32le(w, s->median);
    mw_put_f32le(w, s->score);
    mw_put_u16le(w, s->n_beyond);
    mw_put_u16le(w, s->n_calm);
}

/* With the medians that have room beside the one that completes a baseline. */
static void take(struct mw_trend_series *ret_series, const struct mw_trend_series *read,
                 uint16_t n_baseline)
{
    float *medians = ret_series->medians;
    uint16_t n = read->n_medians < n_baseline ? read->n_medians : (uint16_t)(n_baseline - 1);
    memcpy(medians, read->medians + (read->n_medians - n), n * sizeof medians[0]);
    *ret_series = *read;
    ret_series->medians = medians;
    ret_series->n_medians = n;
}

void mw_trend_get_series(struct mw_trend_series *ret_series, uint16_t n_baseline,
                         struct mw_reader *r)
{
    float medians[MW_TREND_MAX_BASELINE];
    struct mw_trend_series s = { .medians = medians };
    uint8_t flags = mw_get_u8(r);
    s.commissioned = flags & COMMISSIONED;
    s.has_previous = flags & HAS_PREVIOUS;
    s.active = flags & ACTIVE;
    s.jumped = flags & JUMPED;
    s.n_samples = get_floats(r, s.samples, MW_TREND_SAMPLES);
    s.stride = mw_get_u32le(r);
    s.n_values = mw_get_u32le(r);
    s.run = mw_get_u32le(r);
    s.longest_run = mw_get_u32le(r);
    s.last = mw_get_f32le(r);
    s.n_medians = get_floats(r, s.medians, MW_TREND_MAX_BASELINE - 1);
    s.within = mw_get_f32le(r);
    s.step = mw_get_f32le(r);
    s.baseline_run = mw_get_u32le(r);
    s.lo = mw_get_f32le(r);
    s.hi = mw_get_f32le(r);
    s.centre = mw_get_f32le(r);
    s.unit = mw_get_f32le(r);
    s.change = mw_get_f32le(r);
    s.median = mw_get_f32le(r);
    s.score = mw_get_f32le(r);
    s.n_beyond = mw_get_u16le(r);
    s.n_calm = mw_get_u16le(r);
    /* A full buffer is halved before the next value, which needs the stride to fit the count. */
    if ((s.stride == 0) != (s.n_values == 0) || (s.commissioned && !(s.unit > 0.0f)))
        r->failed = true;
    if (!r->failed && ret_series)
        take(ret_series, &s, n_baseline);
}
