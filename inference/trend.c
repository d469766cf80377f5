/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/trend.h"

#include "base/result.h"
#include "inference/float_bits.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US    (86400 * SECOND_US)

#define MIN_VALUES  3
#define IQR_OF_SD   1.349f /* of the normal distribution, q75 - q25 in standard deviations */
#define TRIM_PART   24     /* one in so many medians is ignored on either side */
#define WIDTH_PARTS 6.0f   /* see the header, unit */
#define NOISE_PARTS 3.0f
#define STEP_PARTS  2.0f
#define RELATIVE    1e-3f
#define SMALLEST    1e-6f
#define SCORE_UNIT  (1.0f / 12.0f)
#define CALM        0.8f
#define FROZEN_PART 4 /* a run of more than one in so many frames of the interval */

int mw_trend_settle(struct mw_trend_config *c, const struct mw_complaints *to)
{
    if (c->interval_us == 0)
        c->interval_us = 3600 * SECOND_US;
    if (c->n_baseline == 0)
        c->n_baseline = 24;
    if (c->threshold == 0.0f)
        c->threshold = 6.0f;
    if (c->n_persist == 0)
        c->n_persist = 3;

    int result = MW_OK;
    if (c->interval_us < SECOND_US || c->interval_us > 7 * DAY_US)
        result = mw_complain(to, "interval", 0, "is not in 1 s to 7 days");
    if (c->n_baseline < 8 || c->n_baseline > MW_TREND_MAX_BASELINE)
        result = mw_complain(to, "baseline", 0, "is not in 8 to 168 intervals");
    if (!(c->threshold >= 1.0f && c->threshold <= 1000.0f))
        result = mw_complain(to, "threshold", 0, "is not in 1 to 1000");
    if (c->n_persist < 1 || c->n_persist > MW_TREND_MAX_BASELINE)
        result = mw_complain(to, "persist", 0, "is not in 1 to 168 intervals");
    return result;
}

/* Series first, which need the stricter alignment; the score's medians come last. */
size_t mw_trend_bytes(const struct mw_trend_config *config, uint16_t n_channels)
{
    size_t n_medians = (size_t)(n_channels + 1) * config->n_baseline;
    size_t n_bytes = n_channels * sizeof(struct mw_trend_series) + n_medians * sizeof(float);
    return (n_bytes + 7) / 8 * 8;
}

static void restart(struct mw_trend_series *s)
{
    *s = (struct mw_trend_series){ .medians = s->medians };
}

void mw_trend_init(struct mw_trend *trend, const struct mw_trend_config *config,
                   uint16_t n_channels, void *memory)
{
    *trend = (struct mw_trend){ .n_channels = n_channels, .series = memory };
    float *medians = (float *)(void *)(trend->series + n_channels);
    for (uint16_t c = 0; c < n_channels; c++, medians += config->n_baseline)
        trend->series[c] = (struct mw_trend_series){ .medians = medians };
    trend->score.medians = medians;
}

static float distance(float a, float b)
{
    return mw_float_abs(a - b);
}

static float larger(float a, float b)
{
    return a > b ? a : b;
}

/* Insertion sort: at most 168 values, once in an interval. */
static void sort(float *x, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        float v = x[i];
        uint32_t j = i;
        for (; j > 0 && x[j - 1] > v; j--)
            x[j] = x[j - 1];
        x[j] = v;
    }
}

static float middle(const float *sorted, uint32_t n)
{
    return n % 2 ? sorted[n / 2] : 0.5f * sorted[n / 2 - 1] + 0.5f * sorted[n / 2];
}

static void keep_every_second(struct mw_trend_series *s)
{
    for (uint16_t i = 0; i < MW_TREND_SAMPLES / 2; i++)
        s->samples[i] = s->samples[2 * i];
    s->n_samples = MW_TREND_SAMPLES / 2;
    s->stride *= 2;
}

static void see_step(struct mw_trend_series *s, float step)
{
    if (mw_float_zero(s->step) || mw_float_less(step, s->step))
        s->step = step;
}

static void collect(struct mw_trend_series *s, float value)
{
    if (s->n_values == 0)
        s->stride = 1;
    bool same = s->n_values > 0 && mw_float_same(value, s->last);
    if (s->n_values > 0 && !s->commissioned && !same)
        see_step(s, distance(value, s->last));

    s->run = same ? s->run + 1 : 1;
    if (s->run > s->longest_run)
        s->longest_run = s->run;
    s->last = value;

    if (s->n_values % s->stride == 0) {
        if (s->n_samples == MW_TREND_SAMPLES)
            keep_every_second(s); /* n_values is 64 strides, so a multiple of the new one too */
        s->samples[s->n_samples++] = value;
    }
    s->n_values++;
}

static void start_interval(struct mw_trend_series *s)
{
    s->n_samples = 0;
    s->n_values = 0;
    s->stride = 0;
    s->run = 0;
    s->longest_run = 0;
}

static bool is_frozen(const struct mw_trend_series *s)
{
    return s->longest_run > 2 * s->baseline_run + MIN_VALUES &&
           s->longest_run > s->n_values / FROZEN_PART;
}

static void freeze_baseline(struct mw_trend_series *s, bool is_score)
{
    float *m = s->medians;
    float changes[MW_TREND_MAX_BASELINE];
    uint32_t n = s->n_medians, trim = n < 2 * TRIM_PART ? 1 : n / TRIM_PART;
    for (uint32_t i = 1; i < n; i++)
        changes[i - 1] = distance(m[i], m[i - 1]);
    sort(changes, n - 1);
    sort(m, n);

    s->lo = m[trim];
    s->hi = m[n - 1 - trim];
    s->centre = middle(m, n);
    s->change = changes[n - 2 - trim];
    s->unit = larger((s->hi - s->lo) / WIDTH_PARTS, s->within / NOISE_PARTS);
    s->unit = larger(s->unit, s->step / STEP_PARTS);
    s->unit = larger(s->unit, RELATIVE * distance(s->centre, 0.0f));
    s->unit = larger(s->unit, is_score ? SCORE_UNIT : SMALLEST);
    s->commissioned = true;
}

static void commission(struct mw_trend_series *s, const struct mw_trend_config *config,
                       float median, float within, bool is_score)
{
    s->medians[s->n_medians++] = median;
    s->within += (within - s->within) / (float)s->n_medians;
    if (s->longest_run > s->baseline_run)
        s->baseline_run = s->longest_run;
    if (s->n_medians >= config->n_baseline)
        freeze_baseline(s, is_score);
}

static uint16_t intervals_needed(float score, uint16_t n_persist)
{
    uint16_t n = score > 4.0f ? 1 : score > 2.0f ? 2 : n_persist;
    return n < n_persist ? n : n_persist;
}

static void judge(struct mw_trend_series *s, const struct mw_trend_config *config, float median,
                  bool is_score)
{
    float outside = median > s->hi ? median - s->hi : 0.0f;
    if (median < s->lo && !is_score)
        outside = s->lo - median;
    float score = outside / (config->threshold * s->unit);
    float jump = 0.0f;
    if (s->has_previous && outside > 0.0f && !is_score)
        jump = distance(median, s->median) / (config->threshold * larger(s->change, s->unit));

    s->score = jump > 1.0f ? larger(score, jump) : score;
    s->n_beyond = score > 1.0f ? (uint16_t)(s->n_beyond + (s->n_beyond < UINT16_MAX)) : 0;
    if (!s->active && (jump > 1.0f || s->n_beyond >= intervals_needed(score, config->n_persist))) {
        s->active = true;
        s->jumped = score <= 1.0f;
        s->n_calm = 0;
    }
    bool calm = s->jumped ? outside == 0.0f : score < CALM;
    s->n_calm = s->active && calm ? (uint16_t)(s->n_calm + 1) : 0;
    if (s->n_calm >= config->n_persist) {
        s->active = false;
        s->jumped = false;
        s->n_calm = 0;
    }
}

static void finish_interval(struct mw_trend_series *s, const struct mw_trend_config *config,
                            uint32_t n_frames, bool is_score)
{
    bool enough = s->n_values >= MIN_VALUES && s->n_values >= n_frames - n_frames / 2;
    if (!enough || (s->commissioned && is_frozen(s))) {
        s->has_previous = false;
        start_interval(s);
        return;
    }
    uint32_t n = s->n_samples;
    sort(s->samples, n);
    float median = middle(s->samples, n);
    float within = (s->samples[3 * n / 4] - s->samples[n / 4]) / IQR_OF_SD;
    if (s->commissioned)
        judge(s, config, median, is_score);
    else
        commission(s, config, median, within, is_score);
    s->median = median;
    s->has_previous = true;
    start_interval(s);
}

/* Whether now_us begins a new interval; the old one is finished then. A pause longer than an
 * interval belongs to none. */
static bool turn(struct mw_trend *trend, const struct mw_trend_config *config, int64_t now_us)
{
    int64_t since_us = now_us - trend->clock.started_us;
    if (since_us < config->interval_us)
        return false;
    for (uint16_t c = 0; c < trend->n_channels; c++)
        finish_interval(&trend->series[c], config, trend->clock.n_frames, false);
    finish_interval(&trend->score, config, trend->clock.n_frames, true);
    trend->clock.n_frames = 0;
    trend->clock.started_us =
        since_us < 2 * config->interval_us ? trend->clock.started_us + config->interval_us : now_us;
    return true;
}

bool mw_trend_step(struct mw_trend *trend, const struct mw_trend_config *config,
                   const float *values, uint32_t trusted, const float *score, int64_t now_us)
{
    if (config->off)
        return false;
    if (!trend->clock.started)
        trend->clock.started_us = now_us;
    else if (trend->clock.resumed)
        trend->clock.started_us += now_us;
    trend->clock.started = true;
    trend->clock.resumed = false;
    trend->clock.last_us = now_us;

    bool turned = turn(trend, config, now_us);
    trend->clock.n_frames++;
    for (uint16_t c = 0; c < trend->n_channels; c++)
        if (trusted & (1u << c))
            collect(&trend->series[c], values[c]);
    if (score)
        collect(&trend->score, *score);
    return turned;
}

void mw_trend_recommission(struct mw_trend *trend)
{
    for (uint16_t c = 0; c < trend->n_channels; c++)
        restart(&trend->series[c]);
    restart(&trend->score);
    trend->clock = (struct mw_trend_clock){ 0 }; /* the interval begins anew, too */
}

void mw_trend_recommission_score(struct mw_trend *trend)
{
    restart(&trend->score);
}
