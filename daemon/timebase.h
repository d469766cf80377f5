/* SPDX-License-Identifier: Apache-2.0 */
/* What UTC the monotonic clock's instants have. Boards without a battery boot in 1970 or in the
 * past and are set when the network answers; clocks are also set by hand, and wrongly. So nothing
 * waits or measures in UTC, everything is stamped as monotonic time plus one offset that stays the
 * same until the clock is set, and what was stamped with an offset that nobody had confirmed can be
 * moved as a whole. Pure. */
#ifndef MW_DAEMON_TIMEBASE_H
#define MW_DAEMON_TIMEBASE_H

#include "daemon/clock.h"

#define TIMEBASE_NEGLIGIBLE_US \
    10000 /* an offset is kept while it is this right: reading two clocks takes time */
#define TIMEBASE_STEP_US 500000 /* steps above this are told to people */

enum timebase_event {
    TIMEBASE_STEADY = 0,
    TIMEBASE_SET,     /* what was stamped from unconfirmed_us on is off by step_us */
    TIMEBASE_STEPPED, /* a confirmed clock has jumped by step_us; what was stamped stays */
    TIMEBASE_LOST,    /* nobody vouches for the clock any more; it goes on as it is */
};

struct timebase {
    bool started, synced;
    int64_t offset_us;      /* UTC minus monotonic */
    int64_t step_us;        /* of the newest event */
    int64_t unconfirmed_us; /* monotonic: stamps from then on were not confirmed, up to the newest
                               TIMEBASE_SET */
    uint32_t n_steps;       /* of more than TIMEBASE_STEP_US, since the start */
};

/* Takes a reading of both clocks, and whether the system says that UTC is right. */
enum timebase_event timebase_step(struct timebase *timebase, const struct clock_time *reading,
                                  bool synced);

/* Moves a stamp that was made without confirmation, after TIMEBASE_SET at now_us: others (confirmed
 * ones, and those of before this boot) stay. */
void timebase_move(const struct timebase *timebase, int64_t now_us, int64_t *at_us);

/* UTC of a monotonic instant. */
int64_t timebase_utc(const struct timebase *timebase, int64_t mono_us);

#endif
