/* SPDX-License-Identifier: Apache-2.0 */
#include "training/autoencoder.h"

#include "base/result.h"
#include "training/dmath.h"

#include <stdlib.h>
#include <string.h>

/* Points the layers into the parameters and returns how many there are. */
static size_t lay_out(struct autoencoder *ae)
{
    size_t at = 0;
    for (int l = 0; l < AE_LAYERS; l++) {
        struct ae_layer *layer = &ae->layers[l];
        layer->weights = ae->parameters ? ae->parameters + at : NULL;
        at += (size_t)layer->n_in * layer->n_out;
    }
    for (int l = 0; l < AE_LAYERS; l++) {
        ae->layers[l].bias = ae->parameters ? ae->parameters + at : NULL;
        at += ae->layers[l].n_out;
    }
    return at;
}

int autoencoder_create(struct autoencoder *ret_ae, uint32_t n_in, uint32_t n_hidden,
                       uint32_t n_latent, uint32_t n_out, struct rng *rng)
{
    struct autoencoder ae = { .layers = {
                                  { .n_in = n_in, .n_out = n_hidden, .relu = true },
                                  { .n_in = n_hidden, .n_out = n_latent },
                                  { .n_in = n_latent, .n_out = n_hidden, .relu = true },
                                  { .n_in = n_hidden, .n_out = n_out },
                              } };
    ae.n_parameters = lay_out(&ae);
    ae.parameters = calloc(ae.n_parameters, sizeof ae.parameters[0]);
    if (!ae.parameters)
        return MW_ERR_NO_MEMORY;
    lay_out(&ae);
    for (int l = 0; l < AE_LAYERS; l++) {
        struct ae_layer *layer = &ae.layers[l];
        double limit = dmath_sqrt(6.0 / (layer->n_in + layer->n_out));
        for (size_t i = 0; i < (size_t)layer->n_in * layer->n_out; i++)
            layer->weights[i] = (2.0 * rng_uniform(rng) - 1.0) * limit;
    }
    *ret_ae = ae;
    return MW_OK;
}

void autoencoder_destroy(struct autoencoder *ae)
{
    if (ae)
        free(ae->parameters);
}

int ae_trace_create(struct ae_trace *ret_trace, const struct autoencoder *ae)
{
    struct ae_trace trace = { 0 };
    for (int l = 0; l < AE_LAYERS; l++) {
        trace.activations[l] = calloc(ae->layers[l].n_out, sizeof(double));
        if (!trace.activations[l]) {
            ae_trace_destroy(&trace);
            return MW_ERR_NO_MEMORY;
        }
    }
    *ret_trace = trace;
    return MW_OK;
}

void ae_trace_destroy(struct ae_trace *trace)
{
    for (int l = 0; trace && l < AE_LAYERS; l++)
        free(trace->activations[l]);
}

static void dense(const struct ae_layer *layer, const double *x, double *y)
{
    memcpy(y, layer->bias, layer->n_out * sizeof y[0]);
    for (uint32_t i = 0; i < layer->n_in; i++) {
        const double *row = layer->weights + (size_t)i * layer->n_out;
        for (uint32_t o = 0; o < layer->n_out; o++)
            y[o] += x[i] * row[o];
    }
    for (uint32_t o = 0; layer->relu && o < layer->n_out; o++)
        if (y[o] < 0.0)
            y[o] = 0.0;
}

void autoencoder_forward(const struct autoencoder *ae, const double *x, struct ae_trace *trace)
{
    trace->input = x;
    for (int l = 0; l < AE_LAYERS; l++) {
        dense(&ae->layers[l], x, trace->activations[l]);
        x = trace->activations[l];
    }
}

/* d loss / d input of a layer from d loss / d output. */
static void pull_back(const struct ae_layer *layer, const double *error, double *ret_error)
{
    for (uint32_t i = 0; i < layer->n_in; i++) {
        const double *row = layer->weights + (size_t)i * layer->n_out;
        double sum = 0.0;
        for (uint32_t o = 0; o < layer->n_out; o++)
            sum += error[o] * row[o];
        ret_error[i] = sum;
    }
}

void autoencoder_backward(const struct autoencoder *ae, const struct ae_trace *trace, double *error,
                          double *scratch, double *gradient)
{
    for (int l = AE_LAYERS - 1; l >= 0; l--) {
        const struct ae_layer *layer = &ae->layers[l];
        const double *x = l > 0 ? trace->activations[l - 1] : trace->input;
        double *weights = gradient + (layer->weights - ae->parameters);
        double *bias = gradient + (layer->bias - ae->parameters);
        for (uint32_t o = 0; o < layer->n_out; o++) {
            if (layer->relu && trace->activations[l][o] <= 0.0)
                error[o] = 0.0;
            bias[o] += error[o];
        }
        for (uint32_t i = 0; i < layer->n_in; i++) {
            double *row = weights + (size_t)i * layer->n_out;
            for (uint32_t o = 0; o < layer->n_out; o++)
                row[o] += x[i] * error[o];
        }
        if (l == 0)
            break;
        pull_back(layer, error, scratch);
        double *held = error;
        error = scratch;
        scratch = held;
    }
}

uint32_t autoencoder_width(const struct autoencoder *ae)
{
    uint32_t width = ae->layers[0].n_in;
    for (int l = 0; l < AE_LAYERS; l++)
        if (ae->layers[l].n_out > width)
            width = ae->layers[l].n_out;
    return width;
}
