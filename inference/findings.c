/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/findings.h"

#include <assert.h>

#define SCORE_MAX     1000.0f
#define SMALLEST_UNIT 1e-6f

static uint8_t limit_bit(uint8_t condition)
{
    switch (condition) {
    case MW_CONDITION_HIGH: return MW_LIMIT_HIGH;
    case MW_CONDITION_HIGH_HIGH: return MW_LIMIT_HIGH_HIGH;
    case MW_CONDITION_LOW: return MW_LIMIT_LOW;
    case MW_CONDITION_RATE: return MW_LIMIT_RATE;
    default: return 0;
    }
}

static const struct mw_trend_series *series_of(const struct mw_detector *d, uint32_t row)
{
    return row == MW_MAX_CHANNELS ? &d->trend.score : &d->trend.series[row];
}

static_assert(MW_CONDITION_HIGH == 1 && MW_CONDITION_HIGH_HIGH == 2 && MW_CONDITION_LOW == 3 &&
                  MW_CONDITION_RATE == 4 && MW_LIMITS_COUNT == 4,
              "a limit's condition is its place in the arrays, plus 1");

/* The conditions of a row that hold now, a bit each; row MW_MAX_CHANNELS is the machine. */
static uint32_t holding(const struct mw_detector *d, uint32_t row)
{
    bool trend = !d->config->trend.off && series_of(d, row)->active;
    uint32_t bits = (uint32_t)trend << MW_CONDITION_TREND;
    if (row == MW_MAX_CHANNELS)
        return bits | (uint32_t)d->alarm.confirmed << MW_CONDITION_ANOMALY;
    const struct mw_sensor *sensor = &d->sensors[row];
    bits |= (uint32_t)sensor->no_data << MW_CONDITION_NO_DATA;
    bits |= (uint32_t)sensor->stuck << MW_CONDITION_STUCK;
    if (d->config->channels[row].limits.armed == 0)
        return bits;
    const bool *limits = d->limits[row].active;
    for (uint32_t i = 0; i < MW_LIMITS_COUNT; i++)
        bits |= (uint32_t)limits[i] << (MW_CONDITION_HIGH + i);
    return bits;
}

static float limit_value(const struct mw_limits_config *config, uint8_t condition)
{
    switch (condition) {
    case MW_CONDITION_HIGH: return config->high;
    case MW_CONDITION_HIGH_HIGH: return config->high_high;
    case MW_CONDITION_LOW: return config->low;
    default: return config->rate;
    }
}

static float limit_score(uint8_t condition, float value, float limit)
{
    if (condition == MW_CONDITION_RATE)
        return 1.0f;
    float excess = condition == MW_CONDITION_LOW ? limit - value : value - limit;
    float unit = limit < 0.0f ? -limit : limit;
    float score = 1.0f + excess / (unit > SMALLEST_UNIT ? unit : SMALLEST_UNIT);
    return score > SCORE_MAX ? SCORE_MAX : score > 0.0f ? score : 0.0f;
}

static void describe_limit(const struct mw_detector *d, uint32_t c, struct mw_finding *f)
{
    f->detector = MW_DETECTOR_LIMIT;
    f->severity =
        f->condition == MW_CONDITION_HIGH_HIGH ? MW_SEVERITY_CRITICAL : MW_SEVERITY_WARNING;
    f->value = d->sensors[c].last;
    f->expected = limit_value(&d->config->channels[c].limits, f->condition);
    f->score = limit_score(f->condition, f->value, f->expected);
}

static void describe_trend(const struct mw_detector *d, uint32_t row, struct mw_finding *f)
{
    f->detector = MW_DETECTOR_TREND;
    const struct mw_trend_series *series = series_of(d, row);
    f->value = series->median;
    f->expected = series->centre;
    f->score = series->score;
}

static void describe_model(const struct mw_detector *d, struct mw_finding *f)
{
    f->detector = MW_DETECTOR_MODEL;
    f->channel = d->alarm.channel;
    f->severity = d->alarm.critical ? MW_SEVERITY_CRITICAL : MW_SEVERITY_WARNING;
    f->value = d->alarm.value;
    f->expected = d->alarm.expected;
    f->score = d->alarm.score;
    f->share = d->alarm.share;
}

static void describe_sensor(const struct mw_detector *d, uint32_t c, struct mw_finding *f)
{
    f->detector = MW_DETECTOR_SENSOR;
    f->value = f->expected = d->sensors[c].last;
    f->score = 1.0f;
}

static void tell(struct mw_detector *d, uint32_t row, uint8_t condition, bool active,
                 struct mw_finding *f)
{
    *f = (struct mw_finding){
        .at_us = f->at_us,
        .condition = condition,
        .channel = row == MW_MAX_CHANNELS ? MW_CHANNEL_NONE : (uint8_t)row,
        .severity = MW_SEVERITY_WARNING,
        .active = active,
        .share = 1.0f,
    };
    if (condition == MW_CONDITION_ANOMALY)
        describe_model(d, f);
    else if (condition == MW_CONDITION_TREND)
        describe_trend(d, row, f);
    else if (limit_bit(condition))
        describe_limit(d, row, f);
    else
        describe_sensor(d, row, f);
    uint32_t bit = 1u << condition, others = d->active[row] & ~bit;
    d->active[row] = (uint16_t)(active ? others | bit : others);
}

/* A model finding that became critical is said again. */
static uint32_t escalated(const struct mw_detector *d, uint32_t row)
{
    bool again = row == MW_MAX_CHANNELS && d->alarm.critical && !d->told_critical;
    return (uint32_t)again << MW_CONDITION_ANOMALY;
}

/* What changed of one row; false where the verdict is full. */
static bool tell_row(struct mw_detector *d, uint32_t row, int64_t at_us, struct mw_verdict *verdict)
{
    uint32_t now = holding(d, row), news = (now ^ d->active[row]) | (now & escalated(d, row));
    for (uint8_t k = MW_CONDITION_NONE + 1; news >> k != 0; k++) {
        if (!(news >> k & 1))
            continue;
        if (verdict->n_findings == MW_MAX_FINDINGS)
            return false;
        struct mw_finding *f = &verdict->findings[verdict->n_findings++];
        f->at_us = at_us;
        tell(d, row, k, now >> k & 1, f);
        if (k == MW_CONDITION_ANOMALY)
            d->told_critical = (now >> k & 1) && d->alarm.critical;
    }
    return true;
}

void mw_findings_tell(struct mw_detector *d, int64_t at_us, struct mw_verdict *verdict)
{
    bool room = true;
    for (uint32_t row = 0; room && row < d->config->n_channels; row++)
        room = tell_row(d, row, at_us, verdict);
    if (room)
        tell_row(d, MW_MAX_CHANNELS, at_us, verdict);
}
