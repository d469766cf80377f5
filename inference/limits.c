/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/limits.h"
#include "base/result.h"

#include <assert.h>
#include <float.h>
#include <stddef.h>

enum { HIGH, HIGH_HIGH, LOW, RATE };

static_assert(MW_LIMIT_HIGH == 1 << HIGH && MW_LIMIT_HIGH_HIGH == 1 << HIGH_HIGH &&
                  MW_LIMIT_LOW == 1 << LOW && MW_LIMIT_RATE == 1 << RATE,
              "a limit's bit is its place in the arrays");
static_assert(RATE + 1 == MW_LIMITS_COUNT, "every limit has its place");

#define SECOND_US    INT64_C(1000000)
#define DAY_US       (INT64_C(86400) * SECOND_US)
#define RATE_US      (300 * SECOND_US)
#define RATE_MIN_US  (10 * SECOND_US)
#define DELAY_US     (5 * SECOND_US)
#define DEADBAND_PCT 2
#define RATE_PARTS   8 /* anchors lie at least rate_us / RATE_PARTS apart */

static_assert(MW_LIMITS_ANCHORS >= RATE_PARTS + 2, "the anchors reach back over rate_us");

static bool is_finite(float v)
{
    return v >= -FLT_MAX && v <= FLT_MAX;
}

static bool armed(const struct mw_limits_config *c, int limit)
{
    return (c->armed >> limit & 1) != 0;
}

static int settle_values(const struct mw_limits_config *c, const struct mw_complaints *to)
{
    int result = MW_OK;
    const float values[] = { c->high, c->high_high, c->low };
    const char *const names[] = { "high", "high_high", "low" };
    for (int i = HIGH; i <= LOW; i++)
        if (armed(c, i) && !is_finite(values[i]))
            result = mw_complain(to, names[i], NULL, "is not a finite number");

    if (armed(c, HIGH) && armed(c, HIGH_HIGH) && !(c->high_high > c->high))
        result = mw_complain(to, "high_high", NULL, "is not above high");
    if (armed(c, HIGH) && armed(c, LOW) && !(c->low < c->high))
        result = mw_complain(to, "low", NULL, "is not below high");
    if (armed(c, HIGH_HIGH) && armed(c, LOW) && !(c->low < c->high_high))
        result = mw_complain(to, "low", NULL, "is not below high_high");
    return result;
}

int mw_limits_settle(struct mw_limits_config *config, const struct mw_complaints *complaints)
{
    if (config->rate_us == 0)
        config->rate_us = RATE_US;
    if (config->delay_us == 0)
        config->delay_us = DELAY_US;

    int result = settle_values(config, complaints);
    if (armed(config, RATE) && (!is_finite(config->rate) || !(config->rate > 0)))
        result = mw_complain(complaints, "rate", NULL, "is not above 0");
    if (config->rate_us < RATE_MIN_US || config->rate_us > DAY_US)
        result = mw_complain(complaints, "rate_over", NULL, "is not in 10s to 24h");
    if (config->delay_us < 0 || config->delay_us > DAY_US)
        result = mw_complain(complaints, "delay", NULL, "is not in 0s to 24h");
    if (!is_finite(config->deadband) || config->deadband < 0)
        result = mw_complain(complaints, "deadband", NULL, "is not 0 or above");
    return result;
}

void mw_limits_init(struct mw_limits *limits, struct mw_limits_anchor *anchors)
{
    *limits = (struct mw_limits){ .anchors = anchors };
}

/* Drops anchors that are no longer needed: the reference is the newest one at least rate_us old.
 * One more than twice as old tells of another time (the point was silent), so it goes, too. */
static void forget_anchors(struct mw_limits *l, int64_t rate_us, int64_t now_us)
{
    uint8_t n_gone = 0;
    while (n_gone + 1 < l->n_anchors && now_us - l->anchors[n_gone + 1].at_us >= rate_us)
        n_gone++;
    if (n_gone < l->n_anchors && now_us - l->anchors[n_gone].at_us > 2 * rate_us)
        n_gone++;
    if (n_gone == 0)
        return;
    l->n_anchors = (uint8_t)(l->n_anchors - n_gone);
    for (uint8_t i = 0; i < l->n_anchors; i++)
        l->anchors[i] = l->anchors[i + n_gone];
}

/* The rise over rate_us up to now, in the point's unit; false where no past value is old enough. */
static bool rise(struct mw_limits *l, const struct mw_limits_config *c, float value, int64_t now_us,
                 float *ret_rise)
{
    forget_anchors(l, c->rate_us, now_us);
    bool known = l->n_anchors > 0 && now_us - l->anchors[0].at_us >= c->rate_us;
    if (known)
        *ret_rise = (value - l->anchors[0].value) * (float)c->rate_us /
                    (float)(now_us - l->anchors[0].at_us);

    int64_t spacing_us = c->rate_us / RATE_PARTS;
    if (l->n_anchors == 0 || now_us - l->anchors[l->n_anchors - 1].at_us >= spacing_us) {
        assert(l->n_anchors < MW_LIMITS_ANCHORS);
        l->anchors[l->n_anchors++] = (struct mw_limits_anchor){ now_us, value };
    }
    return known;
}

/* One limit with its delay. excess is how far the value is beyond, negative inside. */
static void judge(struct mw_limits *l, int limit, float excess, float deadband, int64_t delay_us,
                  int64_t now_us)
{
    if (l->active[limit]) {
        l->active[limit] = excess > -deadband;
        l->beyond[limit] = l->active[limit];
        return;
    }
    if (!(excess > 0)) {
        l->beyond[limit] = false;
        return;
    }
    if (!l->beyond[limit])
        l->since_us[limit] = now_us;
    l->beyond[limit] = true;
    l->active[limit] = now_us - l->since_us[limit] >= delay_us;
}

static float deadband(const struct mw_limits_config *c, float limit)
{
    if (c->deadband > 0)
        return c->deadband;
    return (limit < 0 ? -limit : limit) * (float)DEADBAND_PCT / 100.0f;
}

static uint8_t mask(const struct mw_limits *l)
{
    uint8_t bits = 0;
    for (int i = 0; i < MW_LIMITS_COUNT; i++)
        bits = (uint8_t)(bits | (l->active[i] ? 1u << i : 0u));
    return bits;
}

/* Takes the time since the last step out of every running delay. */
static void skip_time(struct mw_limits *l, int64_t now_us)
{
    for (int i = 0; i < MW_LIMITS_COUNT; i++)
        l->since_us[i] += now_us - l->last_us;
}

uint8_t mw_limits_step(struct mw_limits *l, const struct mw_limits_config *c, float value,
                       int64_t now_us, uint8_t *ret_changed)
{
    uint8_t before = mask(l);
    *ret_changed = 0;
    if (!is_finite(value)) {
        mw_limits_hold(l);
        return before;
    }
    assert(!l->started || now_us >= l->last_us);
    assert(l->anchors || !armed(c, RATE));
    if (l->held && l->started)
        skip_time(l, now_us);
    l->held = false;
    l->started = true;
    l->last_us = now_us;

    if (armed(c, HIGH))
        judge(l, HIGH, value - c->high, deadband(c, c->high), c->delay_us, now_us);
    if (armed(c, HIGH_HIGH))
        judge(l, HIGH_HIGH, value - c->high_high, deadband(c, c->high_high), c->delay_us, now_us);
    if (armed(c, LOW))
        judge(l, LOW, c->low - value, deadband(c, c->low), c->delay_us, now_us);
    if (armed(c, RATE)) {
        float rose, limit = c->rate * ((float)c->rate_us / (float)(60 * SECOND_US));
        if (rise(l, c, value, now_us, &rose))
            judge(l, RATE, rose - limit, deadband(c, limit), c->delay_us, now_us);
        else
            l->beyond[RATE] = l->active[RATE];
    }
    *ret_changed = (uint8_t)(before ^ mask(l));
    return mask(l);
}

void mw_limits_hold(struct mw_limits *l)
{
    l->held = true;
}

void mw_limits_resume(struct mw_limits *l, int64_t now_us)
{
    if (!l->started)
        return;
    skip_time(l, now_us);
    l->last_us = now_us;
    l->n_anchors = 0;
}
