/* SPDX-License-Identifier: Apache-2.0 */
/* The model detector of one machine: window, network, residual, slow baseline, decision. */
#ifndef MW_INFERENCE_SCORE_H
#define MW_INFERENCE_SCORE_H

#include "inference/card.h"
#include "inference/model.h"

struct mw_score {
    struct mw_model model;
    struct mw_card card;
};

#endif
