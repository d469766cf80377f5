/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that judges one machine: limits, sensor watch, trend and model, side by side, fed one
 * frame at a time. Daemon, replay and the node's firmware call the same steps. No heap, no clock,
 * no file: settings and memory come in, verdicts go out.
 *
 * Findings are edges: one when a condition begins, one when it ends; a model finding whose score
 * reaches 3 (critical) is said once more with that severity. What does not fit one verdict comes
 * with the next. Severity is warning, but critical for high-high and such a model finding.
 *   limit   value, expected the limit, score 1 + excess / |limit|; rate: score 1
 *   trend   the interval's median, expected the baseline's, channel NONE for the model's score
 *   model   channel to blame, its window mean, expected by network and baseline
 *   sensor  the last good value, twice; score 1
 *
 * A dying sensor is not a sick machine. A point that is not trusted (sensor.h) is kept from model
 * and trend; its low and rate limits wait, while high and high-high go on, for a reading beyond
 * them is dangerous whoever causes it (a foreign zero aside). A model alarm becomes a finding after
 * model_delay_us, and not while the channel to blame has not moved since the alarm began or any
 * channel of the model has stood still unnaturally long since before. It is dropped, and the
 * decision is normal again, when one of these turns out suspect or stuck, or the channel to blame
 * turns invalid meanwhile. Once it is a finding, it ends when its channel is found stuck, or
 * another that stood still since before the alarm is.
 *
 * Life: mw_detector_init, then mw_detector_install (a model, at any time, again and again),
 * mw_detector_restore (once, after install), mw_detector_step for each frame, mw_detector_save. */
#ifndef MW_INFERENCE_DETECTOR_H
#define MW_INFERENCE_DETECTOR_H

#include "base/sample.h"
#include "base/verdict.h"
#include "inference/card.h"
#include "inference/limits.h"
#include "inference/model.h"
#include "inference/score.h"
#include "inference/sensor.h"
#include "inference/trend.h"

#define MW_DETECTOR_STATE_MAX 65536 /* bytes of a saved state */

struct mw_channel_config {
    char name[MW_NAME_MAX + 1]; /* unique within the machine; a card is matched by it */
    char unit[MW_UNIT_MAX + 1];
    uint8_t role; /* enum mw_role */
    struct mw_limits_config limits;
    struct mw_sensor_config sensor;
};

struct mw_detector_config {
    uint16_t n_channels;    /* 1 .. MW_MAX_CHANNELS */
    int64_t period_us;      /* of the frames */
    int64_t model_delay_us; /* a model alarm must last this long before it is a finding; 0: as soon
                               as the channel to blame has shown that it is alive, see below */
    bool reanchor;          /* the model accepts a new level by itself; benchmarks only */
    struct mw_trend_config trend;
    struct mw_channel_config channels[MW_MAX_CHANNELS];
};

/* The model's alarm on its way to a finding. */
struct mw_detector_alarm {
    bool running;     /* the decision says ALARM */
    bool confirmed;   /* and it is a finding */
    bool critical;    /* and its score was 3 or more */
    uint8_t channel;  /* to blame; the finding's, once confirmed */
    int64_t since_us; /* monotonic, of the first frame in ALARM */
    float value, expected, score, share;
};

struct mw_detector {
    const struct mw_detector_config *config; /* borrowed until the detector is no longer used */
    /* by channel, in the memory given to init */
    struct mw_limits *limits;
    struct mw_sensor *sensors;
    struct mw_sensor_habit *habits; /* from the model's card */
    struct mw_trend trend;
    struct mw_score *score; /* the model and its decision, in its memory; NULL until installed */
    struct mw_detector_alarm alarm;
    uint8_t card_channels[MW_MAX_CHANNELS]; /* of the card's channel, the machine's */
    uint8_t digest[8]; /* of the installed model's file, first bytes; zero: none */
    int64_t last_us;   /* monotonic, of the newest frame */
    bool resumed;      /* times are relative to the next frame */
    bool told_critical;
    /* what is currently active, by channel and condition. The last row is the machine: the model's
     * anomaly, whatever channel its finding blames, and the trend of the score. */
    uint16_t active[MW_MAX_CHANNELS + 1]; /* bit k: enum mw_condition k */
};

static inline bool mw_detector_is_active(const struct mw_detector *detector, size_t row,
                                         enum mw_condition condition)
{
    return detector->active[row] >> condition & 1;
}

/* Bytes of memory that the channels' state needs. config: settled; its channels, their rate limits
 * and the baseline's length may not change any more. */
size_t mw_detector_bytes(const struct mw_detector_config *config);

/* memory: mw_detector_bytes, aligned to 8; borrowed, as config is, until the detector is no longer
 * used. A detector may not be copied. */
void mw_detector_init(struct mw_detector *detector, const struct mw_detector_config *config,
                      void *memory);

/* Bytes of memory mw_detector_install needs for this model file; or an error with words. */
int mw_detector_measure(const uint8_t *tflite, size_t n_bytes, size_t *ret_memory_bytes,
                        struct mw_model_fault *ret_why);

/* Replaces the model; limits, sensor watch and the points' trends go on, the score's trend is
 * commissioned anew for another model. Borrows tflite and memory (aligned
 * to 8, another than the present model's) until the next install. The window
 * starts empty; an active model finding is ended by the next step. MW_ERR_MISMATCH where the card's
 * channels are not the machine's score and context channels, by name; which of the two each is, the
 * card says. MW_ERR_UNSUPPORTED where there is no card. On failure the old model stays. */
int mw_detector_install(struct mw_detector *detector, const uint8_t *tflite, size_t n_bytes,
                        void *memory, size_t memory_bytes, struct mw_model_fault *ret_why);

/* Judges one frame. Frames come in the order of slot. */
void mw_detector_step(struct mw_detector *detector, const struct mw_frame *frame,
                      struct mw_verdict *ret_verdict);

/* A person says the machine was repaired or its new level is right: the model's baseline becomes
 * the present level, the trend baseline is commissioned anew, model and trend findings end with
 * the next step. Limits are not touched. */
void mw_detector_accept(struct mw_detector *detector);

/* Running state as bytes (baseline, decision, limits, trend, sensors, what is active), so that a
 * restart neither forgets nor repeats; monotonic times as ages, so that the pause counts as no
 * time. The window is not kept, the model holds until it is full again. Returns the number of
 * bytes or MW_ERR_NO_SPACE; MW_DETECTOR_STATE_MAX always fits. */
int mw_detector_save(const struct mw_detector *detector, uint8_t *ret_bytes, size_t cap);

/* Into a detector that was initialised and given its model, before the first step.
 * MW_ERR_CHECKSUM, MW_ERR_FORMAT: nothing is taken. MW_ERR_MISMATCH where it was saved with another
 * model or other channels: then the parts that still fit (limits, sensor and trend of channels of
 * the same name; the model's decision where the model is the same) are taken, and what was active
 * and no longer is ends with the next step. */
int mw_detector_restore(struct mw_detector *detector, const uint8_t *bytes, size_t n_bytes);

/* Fills contributors of the model's last score, worst first; returns how many. */
uint32_t mw_detector_contributors(const struct mw_detector *detector,
                                  struct mw_contributor ret[MW_ALERT_CONTRIBUTORS]);

#endif
