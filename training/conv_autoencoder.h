/* SPDX-License-Identifier: Apache-2.0 */
/* One-dimensional convolutional autoencoders: float, quantised, and as a .tflite file. A window of
 * frames goes through convolutions, transposed convolutions and nearest-neighbour upsampling along
 * time, all with SAME padding. They are not trained yet; what is here makes files whose operators a
 * real one has. In the file the window is [1][frames][channels], as Keras has it, with EXPAND_DIMS
 * before the first and RESHAPE after the last two-dimensional operator.
 *
 * Weights symmetric per output channel, activations per tensor, biases int32: the TFLite 8-bit
 * quantization specification. */
#ifndef TRAINING_CONV_AUTOENCODER_H
#define TRAINING_CONV_AUTOENCODER_H

#include "inference/model.h"
#include "training/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONV_MAX_LAYERS 8

enum conv_kind { CONV_FORWARD, CONV_TRANSPOSED, CONV_UPSAMPLE };

/* What a layer is to be. UPSAMPLE repeats every frame `stride` times and has no weights. */
struct conv_step {
    enum conv_kind kind;
    uint32_t n_out, width, stride; /* each at least 1; n_out and width not for UPSAMPLE */
    bool relu;
};

struct conv_layer {
    struct conv_step step;
    uint32_t n_in, n_out;           /* channels */
    uint32_t frames_in, frames_out; /* frames_in / stride rounded up, or times stride */
    uint32_t pad;                   /* frames before the window that the first tap reaches */
    double *weights;                /* [n_out][width][n_in] */
    double *bias;                   /* [n_out] */
    int8_t *q_weights;              /* as weights, -127 .. 127 */
    float *q_scales;                /* [n_out] */
    int32_t *q_bias;                /* [n_out] */
};

struct conv_autoencoder {
    uint32_t n_frames, n_channels, n_layers;
    size_t n_parameters;
    struct conv_layer layers[CONV_MAX_LAYERS];
    struct mw_quant tensors[CONV_MAX_LAYERS + 1]; /* the window, then each layer's output */
};

/* Weights by Glorot from rng, biases 0. n_steps 1 .. CONV_MAX_LAYERS. MW_ERR_NO_MEMORY. */
int conv_autoencoder_create(struct conv_autoencoder *ret_ae, uint32_t n_frames, uint32_t n_channels,
                            const struct conv_step *steps, uint32_t n_steps, struct rng *rng);
void conv_autoencoder_destroy(struct conv_autoencoder *ae);

/* x double [n_frames][n_channels]; y double of the last layer's size. MW_ERR_NO_MEMORY. */
int conv_autoencoder_forward(const struct conv_autoencoder *ae, const double *x, double *ret_y);

/* Fills the q_ members and tensors from the ranges that n windows reach; x double
 * [n][n_frames][n_channels]. headroom: activation ranges are this many times what was reached.
 * MW_ERR_NO_MEMORY. */
int conv_autoencoder_quantize(struct conv_autoencoder *ae, const double *x, uint32_t n,
                              double headroom);

/* The quantised network as a file with the card; the caller frees *ret_bytes. MW_ERR_NO_MEMORY. */
int conv_autoencoder_write(uint8_t **ret_bytes, size_t *ret_n_bytes,
                           const struct conv_autoencoder *ae, const uint8_t *card, size_t n_card);

#endif
