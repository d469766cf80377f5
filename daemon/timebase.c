/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/timebase.h"

static int64_t size_of(int64_t us)
{
    return us < 0 ? -us : us;
}

/* The offset follows; an unconfirmed one only where somebody has plainly set the clock. */
static enum timebase_event follow(struct timebase *t, int64_t off_us, bool synced, int64_t now_us)
{
    bool was_synced = t->synced;
    t->synced = synced;
    if (was_synced)
        t->unconfirmed_us = now_us;
    if (size_of(off_us) <= (synced ? TIMEBASE_NEGLIGIBLE_US : TIMEBASE_STEP_US)) {
        t->step_us = 0;
        if (was_synced == synced)
            return TIMEBASE_STEADY;
        return synced ? TIMEBASE_SET : TIMEBASE_LOST;
    }
    t->offset_us += off_us;
    t->step_us = off_us;
    t->n_steps += size_of(off_us) > TIMEBASE_STEP_US;
    if (!was_synced)
        return TIMEBASE_SET;
    return size_of(off_us) > TIMEBASE_STEP_US ? TIMEBASE_STEPPED : TIMEBASE_STEADY;
}

enum timebase_event timebase_step(struct timebase *timebase, const struct clock_time *reading,
                                  bool synced)
{
    int64_t offset_us = reading->utc_us - reading->mono_us;
    if (timebase->started)
        return follow(timebase, offset_us - timebase->offset_us, synced, reading->mono_us);
    *timebase = (struct timebase){ .started = true, .synced = synced, .offset_us = offset_us };
    return TIMEBASE_SET;
}

void timebase_move(const struct timebase *timebase, int64_t now_us, int64_t *at_us)
{
    int64_t old_us = timebase->offset_us - timebase->step_us;
    if (*at_us >= old_us + timebase->unconfirmed_us && *at_us <= old_us + now_us)
        *at_us += timebase->step_us;
}

int64_t timebase_utc(const struct timebase *timebase, int64_t mono_us)
{
    return mono_us + timebase->offset_us;
}
