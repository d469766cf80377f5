/* SPDX-License-Identifier: Apache-2.0 */
/* Fits the autoencoder to a dataset's whole windows. The target is the scored channels of the same
 * window; the input carries noise. Same seed and same data give the same bits everywhere. */
#ifndef TRAINING_FIT_H
#define TRAINING_FIT_H

#include "training/autoencoder.h"
#include "training/dataset.h"

/* The recipe; defaults were chosen on SKAB's files of even index and hardly matter but for decay:
 * with ten times as much the network collapses to a constant. */
struct fit_config {
    uint32_t n_hidden, n_latent; /* 16, 4 */
    uint32_t n_epochs, n_batch;  /* 60, 64; an incomplete last batch is dropped */
    double step, last_step;      /* Adam: 0.005 falls along a cosine to 0.00001 */
    double noise;                /* standard deviation of the noise on inputs, in z: 0.5 */
    double decay;                /* of the weights' squares in the loss: 0.001 */
};

extern const struct fit_config FIT_DEFAULTS;

/* How far something has come; called now and then with 0 .. 100. */
struct progress {
    void (*at)(void *ctx, unsigned percent);
    void *ctx;
};

/* One window as the network sees it: ret float z widened to double, [W][n_channels], time-major. */
void fit_input(const struct dataset *set, const struct mw_card *card, uint32_t window, double *ret);

/* The window's target: double [W][n_scored]. */
void fit_target(const struct dataset *set, const struct mw_card *card, uint32_t window,
                double *ret);

/* Draws the weights from rng and trains. Loss: mean over batch and outputs of the squared error,
 * plus decay times the sum of squared weights. Needs n_batch windows at least: MW_ERR_INVALID;
 * MW_ERR_NO_MEMORY. progress may be NULL. The caller destroys *ret_ae. */
int fit(struct autoencoder *ret_ae, const struct dataset *set, const struct mw_card *card,
        const struct fit_config *config, struct rng *rng, const struct progress *progress);

/* Mean squared error over all windows and outputs, without noise. MW_ERR_NO_MEMORY. */
int fit_error(const struct autoencoder *ae, const struct dataset *set, const struct mw_card *card,
              double *ret_mse);

#endif
