/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/units.h"
#include "base/result.h"
#include "fieldbus/moment.h"

#include <stdlib.h>

/* Probes of offline devices that stay unanswered take 1/PROBE_SHARE of the line's time, all
 * together, and with the silence behind them 2 %; what was not used lately may be used at once, up
 * to this much time's share. */
#define PROBE_SHARE    55
#define PROBE_SAVED_US INT64_C(100000000)
#define PROBE_TURN_US  INT64_C(60000000)

int units_init(struct units *ret_units, const struct bus_config *bus, const struct plan *plan,
               const uint32_t *indexes, size_t n)
{
    struct units units = { .n = n, .probe_after_us = MOMENT_LONG_AGO_US };
    units.items = calloc(n + 1, sizeof units.items[0]);
    if (!units.items)
        return MW_ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        units.items[i] = (struct unit){
            .settings = &plan->devices[i],
            .index = indexes[i],
            .suspect = bus_speaks_rtu(bus),
            .quiet_until_us = MOMENT_LONG_AGO_US,
        };
    for (size_t i = 0; i < plan->n_polls; i++) {
        struct unit *unit = &units.items[plan->polls[i].device];
        if (unit->period_us == 0 || plan->polls[i].period_us < unit->period_us)
            unit->period_us = plan->polls[i].period_us;
    }
    *ret_units = units;
    return MW_OK;
}

void units_finish(struct units *units)
{
    if (!units)
        return;
    free(units->items);
    *units = (struct units){ 0 };
}

void units_begin(struct units *units, int64_t now_us)
{
    if (units->probe_after_us == MOMENT_LONG_AGO_US)
        units->probe_after_us = now_us; /* nothing is saved up yet */
}

struct unit *units_at(const struct units *units, uint8_t address)
{
    for (size_t i = 0; i < units->n; i++)
        if (units->items[i].settings->unit == address)
            return &units->items[i];
    return NULL;
}

const struct unit *units_find(const struct units *units, uint32_t index)
{
    for (size_t i = 0; i < units->n; i++)
        if (units->items[i].index == index)
            return &units->items[i];
    return NULL;
}

void units_suspect(struct units *units, uint8_t address, int64_t now_us)
{
    for (size_t i = 0; i < units->n; i++) {
        struct unit *unit = &units->items[i];
        if (unit->settings->unit != address)
            continue;
        unit->suspect = true;
        unit->quiet_until_us = now_us + unit->settings->turnaround_us;
    }
}

void units_heard_unasked(struct units *units, int64_t now_us)
{
    for (size_t i = 0; i < units->n; i++) {
        struct unit *unit = &units->items[i];
        if (unit->suspect && unit->quiet_until_us != MOMENT_LONG_AGO_US)
            unit->quiet_until_us =
                moment_later(unit->quiet_until_us, now_us + unit->settings->turnaround_us);
    }
}

void units_believe(struct unit *unit)
{
    unit->suspect = false;
    unit->n_canaries = 0;
    unit->quiet_until_us = MOMENT_LONG_AGO_US;
}

void units_trust(struct units *units)
{
    for (size_t i = 0; i < units->n; i++)
        units->items[i].suspect = false;
}

void units_probed(struct units *units, int64_t sent_us, int64_t now_us)
{
    units->probe_after_us = moment_later(units->probe_after_us, now_us - PROBE_SAVED_US) +
                            PROBE_SHARE * (now_us - sent_us);
}

/* Probes are few, so that offline devices take turns: the one that has waited longest is next, and
 * has a period of its own, though at most PROBE_TURN_US, to come due. Without this, polls that fall
 * due right after each pause would take all probes, and others would never be asked again. */
static bool is_its_turn(const struct units *units, const struct unit *unit, int64_t now_us)
{
    for (size_t i = 0; i < units->n; i++) {
        const struct unit *other = &units->items[i];
        if (other == unit || other->health.state != DEVICE_OFFLINE || other->period_us == 0 ||
            other->health.ask_us >= unit->health.ask_us)
            continue;
        int64_t turn_us = moment_earlier(other->period_us, PROBE_TURN_US);
        int64_t from_us = moment_later(moment_later(units->probe_after_us, other->health.ask_us),
                                       other->quiet_until_us);
        if (now_us < from_us + turn_us)
            return false;
    }
    return true;
}

bool units_may_ask(const struct units *units, const struct unit *unit, int64_t now_us)
{
    if (now_us < unit->health.ask_us || now_us < unit->quiet_until_us)
        return false;
    if (unit->health.state != DEVICE_OFFLINE)
        return true;
    return now_us >= units->probe_after_us && is_its_turn(units, unit, now_us);
}
