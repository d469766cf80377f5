/* SPDX-License-Identifier: Apache-2.0 */
/* The autoencoder as it is trained, in double: dense n_in -> hidden ReLU -> latent -> hidden ReLU
 * -> n_out. Batches are processed row by row in a fixed order of additions, so that the bits do
 * not depend on compiler or processor. */
#ifndef TRAINING_AUTOENCODER_H
#define TRAINING_AUTOENCODER_H

#include "training/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AE_LAYERS 4

struct ae_layer {
    uint32_t n_in, n_out;
    bool relu;
    double *weights; /* [n_in][n_out] */
    double *bias;    /* [n_out] */
};

struct autoencoder {
    struct ae_layer layers[AE_LAYERS];
    size_t n_parameters;
    double *parameters; /* all weights, then all biases: layers point into it */
};

/* What one row leaves behind in each layer: activations[0] is the input, borrowed. */
struct ae_trace {
    const double *input;
    double *activations[AE_LAYERS]; /* [n_out] of each layer */
};

/* Draws Glorot-uniform weights, limit sqrt(6 / (n_in + n_out)), layer by layer; biases are zero.
 * MW_ERR_NO_MEMORY. */
int autoencoder_create(struct autoencoder *ret_ae, uint32_t n_in, uint32_t n_hidden,
                       uint32_t n_latent, uint32_t n_out, struct rng *rng);
void autoencoder_destroy(struct autoencoder *ae);

int ae_trace_create(struct ae_trace *ret_trace, const struct autoencoder *ae);
void ae_trace_destroy(struct ae_trace *trace);

/* One row forward. x  double [n_in], borrowed by the trace until the next call. */
void autoencoder_forward(const struct autoencoder *ae, const double *x, struct ae_trace *trace);

/* Adds one row's part to the gradient (laid out as parameters; zeroed by the caller). error
 * double [n_out]: d loss / d output; overwritten, as is scratch [widest layer]. */
void autoencoder_backward(const struct autoencoder *ae, const struct ae_trace *trace, double *error,
                          double *scratch, double *gradient);

/* Elements of the widest layer, input and output included. */
uint32_t autoencoder_width(const struct autoencoder *ae);

#endif
