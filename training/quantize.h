/* SPDX-License-Identifier: Apache-2.0 */
/* From the trained network to int8: weights symmetric per output channel, activations per tensor,
 * biases int32. Source of the scheme: the TFLite 8-bit quantization specification. */
#ifndef TRAINING_QUANTIZE_H
#define TRAINING_QUANTIZE_H

#include "inference/model.h"
#include "training/fit.h"

/* Activation ranges are this many times what the training windows reach: with a tight range the
 * output cannot follow a machine that leaves its normal and the score goes blind (measured: AUC
 * 0.841 against 0.857, rank correlation with the float network 0.955 against 0.988). */
#define QUANTIZE_HEADROOM 4.0

struct quantized_layer {
    uint32_t n_in, n_out;
    bool relu;
    int8_t *weights; /* [n_out][n_in], -127 .. 127 */
    float *scales;   /* [n_out] */
    int32_t *bias;   /* [n_out], scale: input's times scales[o] */
};

struct quantized {
    bool fine; /* all activations but the window are int16, see quantize */
    struct quantized_layer layers[AE_LAYERS];
    struct mw_quant tensors[AE_LAYERS + 1]; /* the input, then each layer's output */
};

/* Ranges come from the dataset's windows, without noise; the input's from clip_in. ReLU outputs
 * have zero point -128, all others 0. MW_ERR_NO_MEMORY.
 *   fine  activations of int16, zero points 0, for signals so smooth that what is seen of them is
 *         the rounding of the network. The window stays int8 and is widened in front. Measured on
 *         two slow sines, roughness of the residual in sd: int8 0.0339; int16 in the last layer
 *         alone 0.0331, in the last two 0.0320, in the last three 0.0148, in all four 0.0019: what
 *         is coarse are the few latent values and the hidden ones, with their headroom */
int quantize(struct quantized *ret_net, const struct autoencoder *ae, const struct dataset *set,
             const struct mw_card *card, double headroom, bool fine);
void quantize_destroy(struct quantized *net);

#endif
