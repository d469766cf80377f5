/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/findings.h"

#define SCORE_MAX     1000.0f
#define SMALLEST_UNIT 1e-6f

static bool limit_active(const struct mw_detector *d, uint32_t c, uint8_t bit)
{
    const struct mw_limits *l = &d->limits[c];
    for (int i = 0; i < MW_LIMITS_COUNT; i++)
        if (bit == 1u << i)
            return l->active[i];
    return false;
}

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

/* Whether the condition holds now; row MW_MAX_CHANNELS is the machine. */
static bool holds(const struct mw_detector *d, uint32_t row, uint8_t condition)
{
    bool trend = !d->config->trend.off && series_of(d, row)->active;
    if (row == MW_MAX_CHANNELS)
        return condition == MW_CONDITION_ANOMALY ? d->alarm.confirmed
                                                 : condition == MW_CONDITION_TREND && trend;
    switch (condition) {
    case MW_CONDITION_TREND: return trend;
    case MW_CONDITION_NO_DATA: return d->sensors[row].no_data;
    case MW_CONDITION_STUCK: return d->sensors[row].stuck;
    default: return limit_bit(condition) && limit_active(d, row, limit_bit(condition));
    }
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
    d->active[row][condition] = active;
}

/* A model finding that became critical is said again. */
static bool escalates(const struct mw_detector *d, uint32_t row, uint8_t condition)
{
    return row == MW_MAX_CHANNELS && condition == MW_CONDITION_ANOMALY && d->alarm.critical &&
           !d->told_critical;
}

/* What changed of one row; false where the verdict is full. */
static bool tell_row(struct mw_detector *d, uint32_t row, int64_t at_us, struct mw_verdict *verdict)
{
    for (uint8_t k = MW_CONDITION_NONE + 1; k < MW_CONDITION_COUNT; k++) {
        bool now = holds(d, row, k), escalated = escalates(d, row, k);
        if (now == d->active[row][k] && !(now && escalated))
            continue;
        if (verdict->n_findings == MW_MAX_FINDINGS)
            return false;
        struct mw_finding *f = &verdict->findings[verdict->n_findings++];
        f->at_us = at_us;
        tell(d, row, k, now, f);
        if (k == MW_CONDITION_ANOMALY)
            d->told_critical = now && d->alarm.critical;
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
