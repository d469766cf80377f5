/* SPDX-License-Identifier: Apache-2.0 */
/* Whether one point's measurement can be trusted: no data, stuck. A machine's anomaly is never
 * read out of a sensor that is under suspicion. Pure; one object per point. */
#ifndef MW_INFERENCE_SENSOR_H
#define MW_INFERENCE_SENSOR_H

#include <stdbool.h>
#include <stdint.h>

struct mw_sensor_config {
    int64_t no_data_us; /* without a valid value for this long: a sensor alarm; default 30 s */
    int64_t stuck_us;   /* the same value for this long: a sensor alarm; 0: judged by the card's
                           longest run, and not at all without a model; -1: never */
};

struct mw_sensor {
    float last;
    uint32_t run;
    int64_t run_since_us, good_us;
    bool no_data, stuck;
};

#endif
