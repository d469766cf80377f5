/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/sensor.h"

#include "base/result.h"
#include "inference/float_bits.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US    (86400 * SECOND_US)

int mw_sensor_settle(struct mw_sensor_config *c, const struct mw_complaints *to)
{
    if (c->no_data_us == 0)
        c->no_data_us = 30 * SECOND_US;

    int result = MW_OK;
    if (c->no_data_us < SECOND_US || c->no_data_us > DAY_US)
        result = mw_complain(to, "no_data", 0, "is not in 1 s to 24 h");
    if (c->stuck_us != 0 && c->stuck_us != -1 &&
        (c->stuck_us < SECOND_US || c->stuck_us > 7 * DAY_US))
        result = mw_complain(to, "stuck", 0, "is not in 1 s to 7 days, auto or never");
    return result;
}

void mw_sensor_init(struct mw_sensor *sensor)
{
    *sensor = (struct mw_sensor){ 0 };
}

bool mw_sensor_judges_runs(const struct mw_sensor_config *config,
                           const struct mw_sensor_habit *habit)
{
    return config->stuck_us >= 0 && habit->longest_run > 0 &&
           habit->longest_run < MW_SENSOR_STANDSTILL_FRAMES;
}

/* The longest run that is not suspect, and the longest that is not stuck; frames. */
static uint32_t suspect_after(const struct mw_sensor_habit *habit)
{
    uint32_t times = MW_SENSOR_SUSPECT_TIMES * (habit->slow ? MW_SENSOR_SLOW_TIMES : 1);
    return times * habit->longest_run + MW_SENSOR_SUSPECT_PLUS;
}

static uint32_t stuck_after(const struct mw_sensor_habit *habit)
{
    uint32_t times = MW_SENSOR_STUCK_TIMES * (habit->slow ? MW_SENSOR_SLOW_TIMES : 1);
    uint32_t frames = times * habit->longest_run;
    return frames > MW_SENSOR_STUCK_FRAMES ? frames : MW_SENSOR_STUCK_FRAMES;
}

static void count_run(struct mw_sensor *s, float value, int64_t now_us)
{
    if (s->run > 0 && mw_float_same(value, s->last)) {
        if (s->run < UINT32_MAX)
            s->run++;
        return;
    }
    if (s->run > 0 && s->changes < UINT8_MAX)
        s->changes++;
    s->last = value;
    s->run = 1;
    s->run_since_us = now_us;
}

static void judge_run(struct mw_sensor *s, const struct mw_sensor_config *config,
                      const struct mw_sensor_habit *habit, int64_t now_us)
{
    bool judged = mw_sensor_judges_runs(config, habit);
    s->dead = config->stuck_us >= 0 && habit->zero_is_foreign && mw_float_zero(s->last);
    /* Short runs first: they are what happens. */
    s->suspect =
        s->dead || (judged && s->run > MW_SENSOR_SUSPECT_PLUS && s->run > suspect_after(habit));

    bool stuck = false;
    if (config->stuck_us > 0)
        stuck = s->run > 1 && now_us - s->run_since_us >= config->stuck_us;
    else if (s->dead)
        stuck = s->run > MW_SENSOR_STUCK_FRAMES;
    else if (judged && s->run > MW_SENSOR_STUCK_FRAMES)
        stuck = s->run > stuck_after(habit);

    if (stuck) {
        s->stuck = true;
        s->changes = 0;
    } else if (s->changes >= MW_SENSOR_TRUST_CHANGES) {
        s->stuck = false;
    }
}

void mw_sensor_step(struct mw_sensor *s, const struct mw_sensor_config *config,
                    const struct mw_sensor_habit *habit, float value, bool valid, int64_t now_us)
{
    if (!s->started) {
        s->started = true;
        s->good_us = now_us;
    }
    s->valid = valid && mw_float_finite(value);
    if (!s->valid) {
        s->no_data = s->no_data || now_us - s->good_us >= config->no_data_us;
        return;
    }
    s->good_us = now_us;
    s->no_data = false;
    count_run(s, value, now_us);
    judge_run(s, config, habit, now_us);
}

bool mw_sensor_trusted(const struct mw_sensor *sensor)
{
    return sensor->valid && !sensor->suspect && !sensor->stuck;
}

bool mw_sensor_doubtful(const struct mw_sensor *sensor, const struct mw_sensor_habit *habit)
{
    return sensor->run > habit->longest_run;
}
