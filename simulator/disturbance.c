/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/disturbance.h"

#include "simulator/draw.h"

static const char *const NAMES[DISTURBANCE_KIND_COUNT] = {
    [DISTURBANCE_NONE] = "",
    [DISTURBANCE_SILENCE] = "silence",
    [DISTURBANCE_LATE] = "late",
    [DISTURBANCE_DUPLICATE] = "duplicate",
    [DISTURBANCE_WRONG_UNIT] = "wrong_unit",
    [DISTURBANCE_BUSY] = "busy",
    [DISTURBANCE_EXCEPTION] = "exception",
    [DISTURBANCE_BIT_FLIP] = "bit_flip",
    [DISTURBANCE_LOST_BYTE] = "lost_byte",
    [DISTURBANCE_COLLISION] = "collision",
    [DISTURBANCE_SECOND_MASTER] = "second_master",
    [DISTURBANCE_BABBLE] = "babble",
    [DISTURBANCE_STUCK_LINE] = "stuck_line",
    [DISTURBANCE_UNPLUG] = "unplug",
    [DISTURBANCE_RESET] = "reset",
    [DISTURBANCE_BLACK_HOLE] = "black_hole",
    [DISTURBANCE_HALF_OPEN] = "half_open",
    [DISTURBANCE_IDLE_CLOSE] = "idle_close",
    [DISTURBANCE_WRONG_TRANSACTION] = "wrong_transaction",
    [DISTURBANCE_WRONG_PROTOCOL] = "wrong_protocol",
    [DISTURBANCE_WRONG_LENGTH] = "wrong_length",
    [DISTURBANCE_TRAILING] = "trailing",
    [DISTURBANCE_DRIP] = "drip",
    [DISTURBANCE_ONE_CLIENT] = "one_client",
    [DISTURBANCE_REFUSE_FIRST] = "refuse_first",
    [DISTURBANCE_IGNORE_FIRST] = "ignore_first",
};

const char *disturbance_name(enum disturbance_kind kind)
{
    return kind < DISTURBANCE_KIND_COUNT ? NAMES[kind] : "";
}

void disturber_init(struct disturber *disturber, const struct disturbance *list, size_t n,
                    uint64_t seed, int64_t start_us)
{
    assert(n <= DISTURBANCE_MAX);
    *disturber = (struct disturber){ .list = list, .n = n, .seed = seed, .start_us = start_us };
    for (size_t i = 0; i < n; i++)
        disturber->kinds |= UINT32_C(1) << list[i].kind;
}

bool disturbance_active(const struct disturber *disturber, const struct disturbance *d,
                        int64_t now_us)
{
    int64_t age_us = now_us - disturber->start_us - d->at_us;
    if (age_us < 0)
        return false;
    if (d->every_us > 0)
        age_us %= d->every_us;
    return d->for_us == 0 || age_us < d->for_us;
}

int64_t disturbance_begin_us(const struct disturber *disturber, const struct disturbance *d,
                             int64_t now_us)
{
    int64_t first_us = disturber->start_us + d->at_us;
    if (now_us <= first_us)
        return first_us;
    if (d->every_us == 0)
        return INT64_MAX;
    return first_us + (now_us - first_us + d->every_us - 1) / d->every_us * d->every_us;
}

static double draw(struct disturber *disturber, uint64_t stream)
{
    return draw_uniform(disturber->seed, stream, disturber->n_draws++);
}

const struct disturbance *disturb(struct disturber *disturber, enum disturbance_kind kind,
                                  uint8_t unit, int64_t now_us)
{
    if (!(disturber->kinds >> kind & 1))
        return NULL;
    for (size_t i = 0; i < disturber->n; i++) {
        const struct disturbance *d = &disturber->list[i];
        if (d->kind != kind || (d->unit != 0 && d->unit != unit) ||
            !disturbance_active(disturber, d, now_us))
            continue;
        if (d->rate < 1 && draw(disturber, kind) >= d->rate)
            continue;
        disturber->counts[kind]++;
        return d;
    }
    return NULL;
}

int64_t disturbance_delay_us(struct disturber *disturber, const struct disturbance *d)
{
    if (d->max_us <= d->min_us)
        return d->min_us;
    return d->min_us +
           (int64_t)(draw(disturber, DISTURBANCE_KIND_COUNT) * (double)(d->max_us - d->min_us + 1));
}

uint32_t disturber_pick(struct disturber *disturber, uint32_t below)
{
    return (uint32_t)(draw(disturber, DISTURBANCE_KIND_COUNT + 1) * below);
}
