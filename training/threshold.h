/* SPDX-License-Identifier: Apache-2.0 */
/* Measures, over the training frames and with the finished int8 network, what is normal: each
 * signal's noise and baseline, and how much the network rebuilds. Uses the score's own code, so
 * that training and operation see the same signals. */
#ifndef TRAINING_THRESHOLD_H
#define TRAINING_THRESHOLD_H

#include "inference/card.h"
#include "inference/model.h"
#include "training/dataset.h"

#define THRESHOLD_SIGMA_LEAST     0.15f /* z of a window mean: smooth machines do not alarm at dust */
#define THRESHOLD_SIGMA_LEAST_LSB 2.0f /* output steps of the int8 network */

/* Fills sigma and baseline of card.n_signals signals.
 *   sigma     root of half the mean square of s(t) - s(t - W), adjacent windows: short-term noise,
 *             drift left out; not below the least values above (LSB: residuals only)
 *   baseline  running mean with a gain of at least 1 / tau
 *   ret_r2    float [scored channels], card order: 1 - sum r^2 / sum (l - mean l)^2 over the
 *             windows, r the residual, l the level; at most 1, 0 without a network
 * MW_ERR_INVALID where no two adjacent windows are whole; MW_ERR_NO_MEMORY; MW_ERR_MISMATCH where
 * model and card do not fit. */
int threshold_measure(const struct dataset *set, const struct mw_model *model, struct mw_card *card,
                      float *ret_r2);

#endif
