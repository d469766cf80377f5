/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/stamps.h"
#include "daemon/handover.h"
#include "daemon/journal.h"

#define LOOK_US 1000000

static void move_machine(const struct timebase *t, struct machine *m, int64_t now_us)
{
    timebase_move(t, now_us, &m->verdict.at_us);
    timebase_move(t, now_us, &m->state_since_us);
    timebase_move(t, now_us, &m->alarm.since_us);
    timebase_move(t, now_us, &m->newest.at_us);
    timebase_move(t, now_us, &m->returned.at_us);
    for (uint32_t c = 0; c < m->config->detector.n_channels; c++) {
        timebase_move(t, now_us, &m->sensor_alarms[c].since_us);
        timebase_move(t, now_us, &m->newest_of_sensor[c].at_us);
    }
    m->news = true;
}

static void move_all(struct pipeline *p, int64_t now_us)
{
    for (size_t i = 0; i < p->config->n_machines; i++)
        move_machine(&p->timebase, p->machines[i], now_us);
    for (size_t d = 0; d < p->config->n_devices; d++)
        timebase_move(&p->timebase, now_us, &p->devices[d].alarm.since_us);
}

static void look(struct pipeline *p, const struct clock_time *reading)
{
    bool started = p->timebase.started;
    int64_t before_us = p->timebase.offset_us;
    enum timebase_event event = timebase_step(&p->timebase, reading, clock_is_synced());
    if (event == TIMEBASE_SET && started)
        move_all(p, reading->mono_us);
    if (event == TIMEBASE_SET || p->timebase.offset_us != before_us)
        p->clock_untold = true;
    if (event != TIMEBASE_STEADY && started)
        journal_clock(&p->timebase, event);
}

/* The store must hear of it before it gets what is stamped anew; orders keep their order. */
static void tell_store(struct pipeline *p)
{
    if (!p->clock_untold || mw_ring_count(&p->orders) >= p->orders.capacity)
        return;
    handover_order(p, &(struct store_order){ .kind = STORE_CLOCK,
                                             .machine = UINT32_MAX,
                                             .blob = NO_BLOB,
                                             .offset_us = p->timebase.offset_us,
                                             .synced = p->timebase.synced });
    p->clock_untold = false;
}

struct clock_time stamps_now(struct pipeline *p, const struct clock_time *reading)
{
    if (reading->mono_us >= p->look_us) {
        look(p, reading);
        p->look_us = reading->mono_us + LOOK_US;
    }
    tell_store(p);
    return (struct clock_time){ reading->mono_us, timebase_utc(&p->timebase, reading->mono_us) };
}
