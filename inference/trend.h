/* SPDX-License-Identifier: Apache-2.0 */
/* What grows over hours to months: medians of each point and of the score per interval, compared
 * with the frozen commissioning baseline in its own noise. Pure; one object per machine. */
#ifndef MW_INFERENCE_TREND_H
#define MW_INFERENCE_TREND_H

#include <stdbool.h>
#include <stdint.h>

struct mw_trend_config {
    bool off;
    int64_t interval_us; /* of one median; default 1 h */
    uint16_t n_baseline; /* intervals the baseline is commissioned from; default 24, 8 .. 168 */
    float threshold;     /* baseline noise units before it warns; default 6 */
    uint16_t n_persist;  /* intervals in a row beyond it; default 3 */
};

struct mw_trend {
    uint32_t reserved;
};

#endif
