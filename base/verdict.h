/* SPDX-License-Identifier: Apache-2.0 */
/* What the detectors say of one frame of one machine. A verdict is a value: it is copied between
 * threads and kept in the history. The findings list only what changed with this frame. */
#ifndef MW_BASE_VERDICT_H
#define MW_BASE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#define MW_CHANNEL_NONE 0xff /* the machine as a whole, or its score */
#define MW_MAX_FINDINGS 16   /* changes in one frame; more are reported with the next frames */

enum mw_detector_kind {
    MW_DETECTOR_LIMIT = 1, /* a point against fixed limits */
    MW_DETECTOR_TREND,     /* hourly medians against the commissioning baseline */
    MW_DETECTOR_MODEL,     /* the autoencoder */
    MW_DETECTOR_SENSOR,    /* the measurement itself cannot be trusted */
};

/* One detector can find several things at once; each is active or not, by itself. */
enum mw_condition {
    MW_CONDITION_NONE = 0,
    MW_CONDITION_HIGH,      /* limit */
    MW_CONDITION_HIGH_HIGH, /* limit */
    MW_CONDITION_LOW,       /* limit */
    MW_CONDITION_RATE,      /* limit: rises too fast */
    MW_CONDITION_TREND,     /* trend: left its baseline */
    MW_CONDITION_ANOMALY,   /* model: score above threshold */
    MW_CONDITION_NO_DATA,   /* sensor: no valid value for longer than allowed */
    MW_CONDITION_STUCK,     /* sensor: the same value for longer than is natural */
    MW_CONDITION_COUNT
};

/* Severity grows with the number, so that the worst of several is the maximum. */
enum mw_severity {
    MW_SEVERITY_NONE = 0,
    MW_SEVERITY_INFO,
    MW_SEVERITY_WARNING,
    MW_SEVERITY_CRITICAL
};

/* The model detector's state. RECOVERING exists only when new levels are accepted by itself. */
enum mw_model_state {
    MW_MODEL_ABSENT = 0, /* no model, or the window is not full yet */
    MW_MODEL_NORMAL,
    MW_MODEL_ALARM,
    MW_MODEL_RECOVERING,
    MW_MODEL_HOLD, /* the window holds an invalid value; nothing is judged or learned */
};

struct mw_finding {
    int64_t at_us;     /* UTC of the frame that brought the change */
    uint8_t detector;  /* enum mw_detector_kind */
    uint8_t condition; /* enum mw_condition */
    uint8_t channel;   /* index of the channel to blame, or MW_CHANNEL_NONE */
    uint8_t severity;  /* enum mw_severity */
    bool active;       /* began, or ended */
    float value;       /* the channel's value, in its unit; for the model the window mean */
    float expected;    /* what was normal, in its unit: limit, baseline, reconstruction */
    float score;       /* 1.0 is the condition's threshold */
    float share;       /* the blamed channel's share of the score, 0 to 1 */
};

struct mw_verdict {
    int64_t at_us;
    int64_t slot;
    uint8_t model_state; /* enum mw_model_state */
    uint8_t top_channel; /* of the model's score */
    uint8_t n_findings;
    bool reanchored; /* the model accepted a new level by itself with this frame */
    float score;     /* S/on, 1.0 is the threshold; 0 where nothing was judged */
    struct mw_finding findings[MW_MAX_FINDINGS];
};

#endif
