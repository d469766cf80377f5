/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed limits of one point: high, high-high, low, rate of rise; with delay and deadband. Armed
 * from the first minute, for score and context points alike. Pure; one object per point. */
#ifndef MW_INFERENCE_LIMITS_H
#define MW_INFERENCE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

enum { MW_LIMIT_HIGH = 1, MW_LIMIT_HIGH_HIGH = 2, MW_LIMIT_LOW = 4, MW_LIMIT_RATE = 8 };

struct mw_limits_config {
    uint8_t armed; /* MW_LIMIT_ bits of those that are set; 0: no limits */
    float high, high_high, low;
    float rate;       /* unit per minute, rising, over rate_us */
    int64_t rate_us;  /* default 5 minutes */
    float deadband;   /* back inside by this much before it ends; default 2 % of the limit */
    int64_t delay_us; /* beyond for this long before it begins; default 5 s */
};

struct mw_limits {
    int64_t since_us[4]; /* monotonic; when the value went beyond, by limit; 0: it is not */
    bool active[4];
};

#endif
