/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed limits of one point: high, high-high, low, rate of rise; with delay and deadband. Armed
 * from the first minute, for score and context points alike. Pure; one object per point.
 *
 * A limit begins once the value has been beyond it, without a break, for delay_us. It ends with
 * the first value that is back inside by the deadband. docs/SPEC-model.md, section "Limits of
 * points". */
#ifndef MW_INFERENCE_LIMITS_H
#define MW_INFERENCE_LIMITS_H

#include "base/complaint.h"

#include <stdbool.h>
#include <stdint.h>

enum { MW_LIMIT_HIGH = 1, MW_LIMIT_HIGH_HIGH = 2, MW_LIMIT_LOW = 4, MW_LIMIT_RATE = 8 };

#define MW_LIMITS_COUNT   4
#define MW_LIMITS_ANCHORS 10 /* one per eighth of rate_us, and one to spare at either end */

struct mw_limits_config {
    uint8_t armed; /* MW_LIMIT_ bits of those that are set; 0: no limits */
    float high, high_high, low;
    float rate;       /* unit per minute, rising, over rate_us */
    int64_t rate_us;  /* 10 s .. 24 h; default 5 minutes */
    float deadband;   /* back inside by this much before it ends; default 2 % of the limit. The
                         rate is compared as a rise over rate_us, so one unit serves all four */
    int64_t delay_us; /* beyond for this long before it begins; up to 24 h; default 5 s */
};

struct mw_limits_anchor {
    int64_t at_us; /* monotonic */
    float value;
};

/* It may be copied, kept and brought back with mw_limits_resume; a copy has the same anchors. */
struct mw_limits {
    int64_t since_us[MW_LIMITS_COUNT]; /* monotonic; when the value went beyond, by limit; only
                                          meaningful where beyond */
    bool beyond[MW_LIMITS_COUNT];
    bool active[MW_LIMITS_COUNT];
    bool started, held;
    int64_t last_us; /* monotonic, of the last step */
    uint8_t n_anchors;
    struct mw_limits_anchor *anchors; /* [MW_LIMITS_ANCHORS], past values, oldest first; borrowed */
};

/* Fills in the defaults of what was not given (zero), then checks. Reports every wrong setting to
 * complaints (may be NULL) and returns MW_ERR_INVALID where there was one. */
int mw_limits_settle(struct mw_limits_config *config, const struct mw_complaints *complaints);

/* anchors: [MW_LIMITS_ANCHORS], borrowed while the limits are in use; NULL where no rate is armed.
 */
void mw_limits_init(struct mw_limits *limits, struct mw_limits_anchor *anchors);

/* Judges one valid value. Returns the MW_LIMIT_ bits now active; *ret_changed has the bits that
 * began or ended with this value.
 *   config   settled, the same for the object's life
 *   value    in the point's unit; one that is not finite is held, see below
 *   now_us   monotonic, never decreasing */
uint8_t mw_limits_step(struct mw_limits *limits, const struct mw_limits_config *config, float value,
                       int64_t now_us, uint8_t *ret_changed);

/* Instead of a step where the value is not valid: what is active stays active, and the time until
 * the next step counts towards no delay. */
void mw_limits_hold(struct mw_limits *limits);

/* After a restart, before the first step: now_us is a new monotonic clock. The pause counts
 * towards no delay; the rate of rise is measured afresh, and an active one stays until that is
 * possible. */
void mw_limits_resume(struct mw_limits *limits, int64_t now_us);

#endif
