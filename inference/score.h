/* SPDX-License-Identifier: Apache-2.0 */
/* The model detector of one machine: window, network, residual, slow baseline, decision. Called
 * once for each frame by detector.c, by replay and, to calibrate, by training, so that all three
 * agree to the bit. No heap, no clock; it never finds out by itself that a machine was repaired.
 *
 * Signals, over the scored channels c in the card's order, W frames to the present one:
 *   residual  r_c = mean(wide z_c) - mean(network's output for c)   where the card has a network
 *   level     l_c = mean(wide z_c)          with the level guard, or where there is no network
 * first all residuals, then all levels. The score is S = max_j |s_j - b_j| / sigma_j, b_j a slow
 * baseline that learns in NORMAL only and stays within baseline_bound sigmas of its centre: the
 * value commissioned by training, accepted by a person, or (reanchor) accepted by itself.
 *
 * A frame is judged in integers, so that it is exact, the same everywhere and cheap without a
 * floating-point unit: z in 2^-z_bits sd, signals and baselines in 2^-40 sd, scores in 2^-24. Only
 * z itself is made in float, and the outward score. */
#ifndef MW_INFERENCE_SCORE_H
#define MW_INFERENCE_SCORE_H

#include "base/alert.h"
#include "base/verdict.h"
#include "inference/card.h"
#include "inference/factor.h"
#include "inference/model.h"
#include "inference/window.h"

#define MW_SCORE_STATE_MAX   1152 /* bytes of a saved state */
#define MW_SCORE_SIGNAL_BITS 40   /* a signal of 1 sd is 2^40 */
#define MW_SCORE_BITS        24   /* a deviation of 1 sigma is 2^24 */

/* One signal, in 2^-40 sd; magnitudes up to 2^61. */
struct mw_score_signal {
    int64_t now;                /* in the present window */
    int64_t baseline, centre;   /* the slow baseline, and what it stays near */
    int64_t reach;              /* how near */
    struct mw_factor per_sigma; /* makes a score of a signal: 2^24 / (2^40 sigma) */
};

struct mw_score {
    struct mw_model model;
    struct mw_card card;
    bool present;  /* false: no model was given, all zeroes */
    bool reanchor; /* a new level is accepted by itself after k_recover frames */
    bool judged;   /* the present window was judged; signals are valid */
    bool judged_once;
    bool accept_pending; /* accepted while there was no window to accept */
    uint8_t state;       /* enum mw_model_state: NORMAL, ALARM or RECOVERING */
    uint16_t n_on, n_off, n_hold;
    int64_t peak;                    /* highest S of this alarm, in 2^-24 */
    int64_t on, off, cap;            /* of S, in 2^-24 */
    struct mw_factor per_tau, rho;   /* 1 / tau; rho */
    struct mw_factor per_window;     /* makes a window's mean in 2^-40 sd of a sum of z */
    struct mw_factor rebuilt_unit;   /* the same of a sum of the network's output */
    struct mw_factor in_unit;        /* makes the network's input of z */
    float score_unit;                /* 1 / on, of 2^-24 */
    float gain[MW_MAX_CHANNELS];     /* 1 / sd */
    int32_t z_bits;                  /* z of 1 sd is 2^z_bits */
    int32_t clip_in, clip_wide;      /* in 2^-z_bits sd */
    uint8_t n_scored;                /* scored channels */
    uint8_t scored[MW_MAX_CHANNELS]; /* their indices into the card's channels */
    int64_t mean[MW_MAX_CHANNELS];   /* of the wide z of scored channels, in 2^-40 sd */
    struct mw_score_signal signals[MW_CARD_MAX_SIGNALS];
    struct mw_window window;
    union { /* the network's output, [W][n_scored] */
        int8_t s8[MW_WINDOW_MAX_VALUES];
        int16_t s16[MW_WINDOW_MAX_VALUES];
    } rebuilt;
};

struct mw_score_result {
    uint8_t state;       /* enum mw_model_state, never ABSENT once a window was judged */
    bool judged;         /* false: ABSENT or HOLD, and everything below is zero */
    bool reanchored;     /* with this frame the present level was accepted by itself */
    uint8_t top_channel; /* the card's channel with the largest part in S, or MW_CHANNEL_NONE */
    float score;         /* S / on, 1.0 is the threshold; at most cap / on */
};

/* What was measured of the channel to blame, for people. */
struct mw_score_reason {
    float value;    /* its window mean, in its unit */
    float expected; /* what it should have been, in its unit: network and baseline */
    float share;    /* its deviation over the sum of all scored channels', 0 .. 1 */
};

/* Copies card and model; the model's own bytes and memory stay borrowed. Baselines start as
 * commissioned in the card, the state is NORMAL, the window empty.
 *   model     NULL where the card has no network
 *   reanchor  see above; without it an alarm ends only when S stays below off for k_off frames, or
 *             by mw_score_accept
 * MW_ERR_MISMATCH where the network's input is not int8 [W][n_channels], its output not int8 or
 * int16 [W][scored], or the output's range above 2^20 sd; *score is untouched then. */
int mw_score_init(struct mw_score *score, const struct mw_card *card, const struct mw_model *model,
                  bool reanchor);

/* Judges one frame.
 *   x      float [card.n_channels], the card's order and the channels' units
 *   valid  bit c set: x[c] is good; a NaN or infinity is never good
 *   slot   number of the frame; rising. Up to card.max_gap missing ones are bridged, a larger hole
 *          or a slot that does not rise restarts the window
 * State ABSENT until the first full window without an invalid value; from then on HOLD wherever
 * the window is not full or holds an invalid value: nothing is judged or learned, the decision
 * waits as it is. Returns whether the window was judged. */
bool mw_score_step(struct mw_score *score, const float *x, uint32_t valid, int64_t slot,
                   struct mw_score_result *ret);

/* Why the last judged window's channel to blame is that; all zeroes where nothing was judged. Apart
 * from the step, because only alarms ask. */
struct mw_score_reason mw_score_reason(const struct mw_score *score);

/* Feeds the window as step does, and neither judges nor learns. */
void mw_score_prime(struct mw_score *score, const float *x, uint32_t valid, int64_t slot);

/* The signals of the present window, double [card.n_signals], before any baseline. False, and
 * nothing written, where the window is not full or holds an invalid value. Runs the network. */
bool mw_score_signals(struct mw_score *score, double *ret_signals);

/* A person says that the present level is right: it becomes baseline and centre, an alarm ends. In
 * HOLD or ABSENT the alarm ends at once and the next window that can be judged is the level. */
void mw_score_accept(struct mw_score *score);

/* What raised the alarm was no statement about the machine (a sensor died): the decision is NORMAL
 * again, and nothing is learned from it. */
void mw_score_dismiss(struct mw_score *score);

/* The scored channels of the last judged window by deviation, worst first, at most
 * MW_ALERT_CONTRIBUTORS; value and expected are in the channel's unit. contributor.channel is the
 * card's index. Returns how many, 0 where the present window was not judged. */
uint32_t mw_score_contributors(const struct mw_score *score,
                               struct mw_contributor ret[MW_ALERT_CONTRIBUTORS]);

/* The running state as bytes: baselines, centres, decision; not the window, which refills. It says
 * nothing of which model it belongs to: the caller keeps the digest beside it. Returns the number
 * of bytes, or MW_ERR_NO_SPACE; MW_SCORE_STATE_MAX always fits. */
int mw_score_save(const struct mw_score *score, uint8_t *ret_bytes, size_t cap);

/* Takes a saved state up again, after init with the same card. MW_ERR_FORMAT for bytes that are no
 * such state, MW_ERR_MISMATCH where it has another number of signals; *score is untouched then. */
int mw_score_restore(struct mw_score *score, const uint8_t *bytes, size_t n_bytes);

#endif
