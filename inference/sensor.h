/* SPDX-License-Identifier: Apache-2.0 */
/* Whether one point's measurement can be trusted: no data, stuck. A machine's anomaly is never
 * read out of a sensor that is under suspicion. Pure; one object per point.
 *
 * A healthy measurement is alive: noise moves it even where the machine is steady. How long it may
 * stand still is known from training, as the longest run L of equal values. In white noise whose
 * commonest value has probability p, a run of k has probability p^k and the longest of n frames is
 * about L = ln n / ln 1/p; so
 *   2 L + 3  happens by chance once in n^2 frames or more (n = 1000: 11 days at 1 Hz). From there
 *            on the point is suspect: the model gets no value and holds. A wrong suspicion costs
 *            one window of blindness and no alarm.
 *   10 L     happens by chance once in n^10 frames, that is never; from there on it is stuck, an
 *            alarm. Not below 60 frames: a short standstill of the whole chain, such as a device's
 *            internal average or a restart, is nobody's alarm.
 * Slow quantities (role context) stand still the longer the slower they move, at night ten times
 * as long as by day; theirs are 20 L + 3 and 100 L.
 * L of 60 frames or more means that the point does stand still, as a stopped machine's or a
 * setpoint's: no run proves anything then, and only stuck_us counts.
 * An exact zero further than 4 sd from the mean of training is what dead wires, unpowered
 * converters and unwritten registers read: suspect from its first frame on and stuck after 60,
 * whatever L is.
 *
 * A stuck point is trusted again after three changes of its value; one change can be a flickering
 * last bit. no_data ends with the first valid value. */
#ifndef MW_INFERENCE_SENSOR_H
#define MW_INFERENCE_SENSOR_H

#include "base/complaint.h"

#include <stdbool.h>
#include <stdint.h>

#define MW_SENSOR_SUSPECT_TIMES     2
#define MW_SENSOR_SUSPECT_PLUS      3 /* frames, so that L = 1 is not judged by two equal values */
#define MW_SENSOR_STUCK_TIMES       10
#define MW_SENSOR_STUCK_FRAMES      60
#define MW_SENSOR_SLOW_TIMES        10
#define MW_SENSOR_STANDSTILL_FRAMES 60
#define MW_SENSOR_FOREIGN_SD        4.0f
#define MW_SENSOR_TRUST_CHANGES     3

struct mw_sensor_config {
    int64_t no_data_us; /* without a valid value for this long: a sensor alarm; 1 s .. 24 h,
                           default 30 s */
    int64_t stuck_us;   /* the same value for this long: a sensor alarm, 1 s .. 7 days; 0: judged by
                           the card's longest run, and not at all without a model; -1: never, nor
                           is a run ever suspect */
};

/* What training saw of this point; all zeroes where there is no model. */
struct mw_sensor_habit {
    uint32_t longest_run; /* L; 0: unknown */
    bool slow;            /* role context */
    bool zero_is_foreign; /* 0 is further than MW_SENSOR_FOREIGN_SD from the mean */
};

struct mw_sensor {
    float last;                    /* newest valid value */
    uint32_t run;                  /* valid frames in a row with this value; 0: none yet */
    int64_t run_since_us, good_us; /* monotonic: first frame of the run; newest valid value */
    bool no_data, stuck;
    bool started;
    bool valid;      /* the newest frame had a finite value */
    bool suspect;    /* nothing may be concluded from the value, and it is no alarm yet */
    bool dead;       /* the value is a foreign zero */
    uint8_t changes; /* of the value since it was found stuck */
};

/* Fills in the defaults of what was not given (zero), then checks. Reports every wrong setting to
 * complaints (may be NULL) and returns MW_ERR_INVALID where there was one. */
int mw_sensor_settle(struct mw_sensor_config *config, const struct mw_complaints *complaints);

void mw_sensor_init(struct mw_sensor *sensor);

/* Judges one frame's value. Frames without a new measurement count as training counted them.
 *   valid   the value is good; one that is not finite is never good
 *   now_us  monotonic, never decreasing */
void mw_sensor_step(struct mw_sensor *sensor, const struct mw_sensor_config *config,
                    const struct mw_sensor_habit *habit, float value, bool valid, int64_t now_us);

/* Whether the newest value may be given to model and trend. */
bool mw_sensor_trusted(const struct mw_sensor *sensor);

/* Whether the present run, though not suspect yet, is already such that it could become so: it has
 * stood still for longer than training ever saw. */
bool mw_sensor_doubtful(const struct mw_sensor *sensor, const struct mw_sensor_habit *habit);

/* Whether runs of this point are judged at all. */
bool mw_sensor_judges_runs(const struct mw_sensor_config *config,
                           const struct mw_sensor_habit *habit);

#endif
