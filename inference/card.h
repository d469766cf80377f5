/* SPDX-License-Identifier: Apache-2.0 */
/* The detector card: what the network does not say of itself. It rides in the model's metadata
 * buffer "millwright.card" as a versioned little-endian TLV; docs/SPEC-model.md gives it byte by
 * byte. Written by training, read once when a model is loaded. */
#ifndef MW_INFERENCE_CARD_H
#define MW_INFERENCE_CARD_H

#include "base/alert.h"
#include "base/sample.h"
#include "inference/model.h"

#include <stdbool.h>
#include <stdint.h>

#define MW_CARD_MAX_SIGNALS (2 * MW_MAX_CHANNELS) /* residuals, then levels */
#define MW_CARD_MAX_WINDOW  64
#define MW_CARD_MAX_BYTES   8192

/* How this version turns frames into network input and signals: the first 8 bytes of the SHA-256
 * of MW_CARD_PIPELINE_TEXT. A card made for another pipeline is refused. */
#define MW_CARD_PIPELINE_TEXT "millwright pipeline 1: z-score, clip, time-major window, window mean"
#define MW_CARD_PIPELINE                               \
    {                                                  \
        0xdc, 0x3d, 0xb0, 0xa3, 0x73, 0x81, 0xc4, 0x8e \
    }

enum mw_role {
    MW_ROLE_SCORE = 0, /* network input, and its residual is judged */
    MW_ROLE_CONTEXT,   /* network input only: slow or ambient quantities */
    MW_ROLE_OFF,       /* recorded and watched by limits and trend, unknown to the model */
};

struct mw_card_channel {
    char name[MW_NAME_MAX + 1];
    char unit[MW_UNIT_MAX + 1];
    uint8_t role;         /* SCORE or CONTEXT */
    float mu, sd;         /* z = (x - mu) / sd */
    uint32_t longest_run; /* most equal values in a row while training, at least 1 */
};

struct mw_card {
    uint16_t window;          /* W, frames in one window, 2 .. MW_CARD_MAX_WINDOW */
    uint16_t n_channels;      /* d */
    uint16_t n_signals;       /* scored channels, twice with a network and level guard */
    bool has_network;         /* false: the graph is empty, levels alone are judged */
    bool level_guard;         /* window means are judged beside the residuals; needs a network */
    float clip_in, clip_wide; /* of z, for the network and for the residual */
    float on, off_ratio, rho, cap; /* decision: threshold, clear, peak-relative clear, score cap */
    uint16_t k_on, k_off, k_recover; /* frames */
    uint16_t max_gap;                /* skipped polls bridged within a window; more restart it */
    float tau;                       /* frames; the slow baseline's time constant */
    float baseline_bound;            /* sigmas the baseline may leave its commissioned value; 4 */
    float sigma[MW_CARD_MAX_SIGNALS];
    float baseline[MW_CARD_MAX_SIGNALS]; /* as commissioned */
    int64_t period_us;                   /* of the training frames; 0 where unknown (CSV) */
    int64_t from_us, to_us;              /* training interval, UTC; 0 where unknown */
    uint32_t n_rows;                     /* training frames */
    uint64_t seed;
    float r2;            /* best R2 of window means over score channels */
    uint8_t pipeline[8]; /* MW_CARD_PIPELINE, else the card is refused */
    struct mw_card_channel channels[MW_MAX_CHANNELS];
};

/* Reads and checks every range. MW_ERR_FORMAT or MW_ERR_UNSUPPORTED with words in *ret_why (may be
 * NULL); *ret_card is untouched on failure. */
int mw_card_read(struct mw_card *ret_card, const uint8_t *bytes, size_t n_bytes,
                 struct mw_model_fault *ret_why);

/* Number of bytes written, or MW_ERR_NO_SPACE; MW_CARD_MAX_BYTES always fits. The card's ranges
 * are the caller's promise: what breaks them is written, and refused when read. */
int mw_card_write(const struct mw_card *card, uint8_t *ret_bytes, size_t cap);

#endif
