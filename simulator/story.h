/* SPDX-License-Identifier: Apache-2.0 */
/* What was planted, told as it happens: one JSON object per begin and end of a fault, so that
 * alarms can be judged by the truth. Pure. */
#ifndef MW_SIMULATOR_STORY_H
#define MW_SIMULATOR_STORY_H

#include "simulator/world.h"

#define STORY_LINE_MAX 8192 /* with the terminator; more points than fit are left out whole */

struct story {
    const struct scenario *scenario; /* borrowed */
    bool active[SCENARIO_MAX_FAULTS];
};

/* All faults are inactive at the start. */
void story_init(struct story *story, const struct scenario *scenario);

/* The next change up to the world's present, oldest fault number first:
 *   {"event":"begin","fault":0,"kind":"imbalance","machine":"pump-1",
 *    "points":["pump-1-vib.vel_rms_x"],"size":3,"unit":"mm/s","at":"2026-01-31T12:00:00.000000Z",
 *    "at_us":1769860800000000,"simulated_s":4200.000}
 * machine is null where the device measures several; size is 0 for faults without.
 *   start_us  UTC of the world's time 0
 *   speed     simulated per real time
 *   ret_line  char [STORY_LINE_MAX]
 * False where nothing changed. */
bool story_next(struct story *story, const struct world *world, int64_t start_us, double speed,
                char *ret_line);

#endif
