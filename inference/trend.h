/* SPDX-License-Identifier: Apache-2.0 */
/* What grows over hours to months: medians of each point and of the score per interval, compared
 * with the frozen commissioning baseline in its own noise. Pure; one object per machine.
 *
 * Interval: every second, fourth, … value is kept so that 32 to 64 of them, evenly spread, stand
 * for the interval; their median has a standard error below 0.25 of the value's own noise. An
 * interval is judged where the point was valid in at least half of its frames (and three), and
 * where no more than a quarter of it was one run of equal values unknown to the baseline: a frozen
 * sensor is not a trend.
 *
 * Baseline: the first n_baseline judged intervals. Frozen then; only mw_trend_recommission starts
 * it anew. It keeps
 *   lo, hi   what the medians went through, day and night and all loads, without the most extreme
 *            on either side (1 in 24, at least 1: the hour somebody worked on the machine)
 *   unit     the noise unit, the largest of
 *              (hi - lo) / 6     so that a baseline of one day allows for warmer and colder days:
 *                                with threshold 6 as much again on either side
 *              within / 3        short-term noise in the intervals, mean of (q75 - q25) / 1.349
 *              step / 2          the smallest change ever seen: the resolution
 *              0.001 |centre|    as the floor of the model's scaling
 *   change   what neighbouring medians differed by, without the most extreme
 *
 * Beyond: score = (distance outside lo .. hi) / (threshold * unit). A score above 1 for n_persist
 * intervals in a row begins a finding, above 2 for two, above 4 for one. A jump begins it at once:
 * outside lo .. hi, and further from the previous median than threshold times the larger of change
 * and unit. That is what a failing cooler does to a temperature whose day and night are wide.
 * Ends: score below 0.8 for n_persist intervals in a row; after a jump, back within lo .. hi.
 *
 * The score of the model is one more series, judged upwards only, without jumps, and with a unit
 * of at least 1/12: with threshold 6 it has to have grown by half of the model's own threshold. */
#ifndef MW_INFERENCE_TREND_H
#define MW_INFERENCE_TREND_H

#include "base/bytes.h"
#include "base/complaint.h"
#include "base/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_TREND_SAMPLES      64
#define MW_TREND_MAX_BASELINE 168 /* intervals: a week of hours */

struct mw_trend_config {
    bool off;
    int64_t interval_us; /* of one median; 1 s .. 7 days, default 1 h */
    uint16_t n_baseline; /* intervals the baseline is commissioned from; default 24, 8 .. 168 */
    float threshold;     /* baseline noise units before it warns; 1 .. 1000, default 6 */
    uint16_t n_persist;  /* intervals in a row beyond it; 1 .. 168, default 3 */
};

struct mw_trend_series {
    /* the present interval */
    float samples[MW_TREND_SAMPLES];
    uint16_t n_samples;
    uint32_t stride;           /* every stride-th value is in samples; 0 before the first */
    uint32_t n_values;         /* valid ones seen */
    uint32_t run, longest_run; /* of equal values, frames */
    float last;

    /* the baseline */
    float *medians; /* [n_baseline], until commissioned; borrowed */
    uint16_t n_medians;
    bool commissioned;
    float within;          /* mean short-term noise */
    float step;            /* smallest change seen while commissioning; 0: none */
    uint32_t baseline_run; /* longest run of equal values while commissioning */
    float lo, hi, centre, unit, change;

    /* the judgement */
    float median;      /* of the last judged interval */
    float score;       /* of the last judged interval, 1.0 is the threshold */
    bool has_previous; /* median is the neighbouring interval's */
    bool active, jumped;
    uint16_t n_beyond, n_calm;
};

struct mw_trend_clock {
    bool started;
    bool resumed;                /* started_us is relative to the next frame */
    int64_t started_us, last_us; /* monotonic: of the present interval; of the newest frame */
    uint32_t n_frames;           /* of the present interval */
};

struct mw_trend {
    struct mw_trend_clock clock;
    uint16_t n_channels;
    struct mw_trend_series *series; /* [n_channels]; borrowed */
    struct mw_trend_series score;   /* of the model */
};

/* Fills in the defaults of what was not given (zero), then checks. Reports every wrong setting to
 * complaints (may be NULL) and returns MW_ERR_INVALID where there was one. */
int mw_trend_settle(struct mw_trend_config *config, const struct mw_complaints *complaints);

/* Bytes of memory that the series of so many channels need, a multiple of 8. config: settled. */
size_t mw_trend_bytes(const struct mw_trend_config *config, uint16_t n_channels);

/* memory: mw_trend_bytes, aligned to 8; borrowed while the trend is in use. */
void mw_trend_init(struct mw_trend *trend, const struct mw_trend_config *config,
                   uint16_t n_channels, void *memory);

/* Takes one frame; where it is the first of a new interval, the old one is judged first.
 *   config   settled, the one given to init
 *   values   float [n_channels], the points' units
 *   trusted  bit c set: values[c] is good
 *   score    of the model, 1.0 is its threshold; or NULL where it judged nothing
 *   now_us   monotonic, never decreasing
 * Returns whether an interval was judged, so that series[].active may have changed. */
bool mw_trend_step(struct mw_trend *trend, const struct mw_trend_config *config,
                   const float *values, uint32_t trusted, const float *score, int64_t now_us);

/* The present behaviour is right: every series is commissioned anew from the next interval on. */
void mw_trend_recommission(struct mw_trend *trend);

/* The same for the score alone: another model has another score. */
void mw_trend_recommission_score(struct mw_trend *trend);

/* State as bytes, so that a restart neither forgets nor repeats: the interval's clock, then series
 * one by one, since a point may have moved to another channel. The pause of a restart counts as
 * no time. A reader that failed leaves what it should have filled untouched. Of a baseline that was
 * being commissioned over more than n_baseline intervals the newest medians are kept. NULL: the
 * bytes are only passed over. */
void mw_trend_put_clock(const struct mw_trend_clock *clock, struct mw_writer *w);
void mw_trend_get_clock(struct mw_trend_clock *ret_clock, struct mw_reader *r);
void mw_trend_put_series(const struct mw_trend_series *series, struct mw_writer *w);
void mw_trend_get_series(struct mw_trend_series *ret_series, uint16_t n_baseline,
                         struct mw_reader *r);

#endif
