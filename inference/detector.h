/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that judges one machine: limits, sensor watch, trend and model, side by side, fed one
 * frame at a time. Daemon, replay and the node's firmware call the same steps. No heap, no clock,
 * no file: settings and memory come in, verdicts go out.
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
    uint16_t n_channels; /* 1 .. MW_MAX_CHANNELS */
    int64_t period_us;   /* of the frames */
    int64_t
        model_delay_us; /* a model alarm must last this long before it is a finding; 0: at once */
    bool reanchor;      /* the model accepts a new level by itself; benchmarks only */
    struct mw_trend_config trend;
    struct mw_channel_config channels[MW_MAX_CHANNELS];
};

struct mw_detector {
    const struct mw_detector_config *config; /* borrowed until the detector is no longer used */
    struct mw_limits limits[MW_MAX_CHANNELS];
    struct mw_sensor sensors[MW_MAX_CHANNELS];
    struct mw_trend trend;
    struct mw_score score; /* the model and its decision; absent until installed */
    uint8_t digest[8];     /* of the installed model's file, first bytes; zero: none */
    /* what is currently active, by channel (last row: the machine) and condition */
    bool active[MW_MAX_CHANNELS + 1][MW_CONDITION_COUNT];
};

void mw_detector_init(struct mw_detector *detector, const struct mw_detector_config *config);

/* Bytes of memory mw_detector_install needs for this model file; or an error with words. */
int mw_detector_measure(const uint8_t *tflite, size_t n_bytes, size_t *ret_memory_bytes,
                        struct mw_model_fault *ret_why);

/* Replaces the model; limits, sensor watch and trend go on. Borrows tflite and memory until the
 * next install. The window starts empty; an active model finding is ended by the next step.
 * MW_ERR_MISMATCH where the card's channels are not the machine's score and context channels.
 * On failure the old model stays. */
int mw_detector_install(struct mw_detector *detector, const uint8_t *tflite, size_t n_bytes,
                        void *memory, size_t memory_bytes, struct mw_model_fault *ret_why);

/* Judges one frame. Frames come in the order of slot. */
void mw_detector_step(struct mw_detector *detector, const struct mw_frame *frame,
                      struct mw_verdict *ret_verdict);

/* A person says the machine was repaired or its new level is right: the model's baseline becomes
 * the present level, the trend baseline is commissioned anew, model and trend findings end with
 * the next step. Limits are not touched. */
void mw_detector_accept(struct mw_detector *detector);

/* Running state as bytes (baseline, decision, limits, trend), so that a restart neither forgets
 * nor repeats. Returns the number of bytes or MW_ERR_NO_SPACE. */
int mw_detector_save(const struct mw_detector *detector, uint8_t *ret_bytes, size_t cap);

/* MW_ERR_FORMAT, or MW_ERR_MISMATCH where it was saved with another model or other channels: then
 * the parts that still fit (limits and trend of channels of the same name) are taken. */
int mw_detector_restore(struct mw_detector *detector, const uint8_t *bytes, size_t n_bytes);

/* Fills contributors of the model's last score, worst first; returns how many. */
uint32_t mw_detector_contributors(const struct mw_detector *detector,
                                  struct mw_contributor ret[MW_ALERT_CONTRIBUTORS]);

#endif
