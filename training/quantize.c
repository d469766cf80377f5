/* SPDX-License-Identifier: Apache-2.0 */
#include "training/quantize.h"

#include "base/result.h"

#include <stdlib.h>

static double magnitude(double x)
{
    return x < 0.0 ? -x : x;
}

/* Nearest integer, halves away from zero, limited to -limit .. limit. */
static int32_t nearest(double x, int32_t limit)
{
    if (x >= limit)
        return limit;
    if (x <= -limit)
        return -limit;
    return (int32_t)(x + (x < 0.0 ? -0.5 : 0.5));
}

/* Largest magnitude in each layer's output over all windows. */
static int measure(const struct autoencoder *ae, const struct dataset *set,
                   const struct mw_card *card, double ret_most[AE_LAYERS])
{
    struct ae_trace trace;
    double *input = calloc(ae->layers[0].n_in, sizeof input[0]);
    if (!input)
        return MW_ERR_NO_MEMORY;
    if (ae_trace_create(&trace, ae) < 0) {
        free(input);
        return MW_ERR_NO_MEMORY;
    }
    for (int l = 0; l < AE_LAYERS; l++)
        ret_most[l] = 1e-6;
    for (uint32_t w = 0; w < set->n_windows; w++) {
        fit_input(set, card, w, input);
        autoencoder_forward(ae, input, &trace);
        for (int l = 0; l < AE_LAYERS; l++)
            for (uint32_t o = 0; o < ae->layers[l].n_out; o++)
                if (magnitude(trace.activations[l][o]) > ret_most[l])
                    ret_most[l] = magnitude(trace.activations[l][o]);
    }
    ae_trace_destroy(&trace);
    free(input);
    return MW_OK;
}

static void quantize_layer(struct quantized_layer *q, const struct ae_layer *layer, float in_scale)
{
    for (uint32_t o = 0; o < layer->n_out; o++) {
        double most = 1e-9;
        for (uint32_t i = 0; i < layer->n_in; i++) {
            double w = magnitude(layer->weights[(size_t)i * layer->n_out + o]);
            most = w > most ? w : most;
        }
        q->scales[o] = (float)(most / 127.0);
        for (uint32_t i = 0; i < layer->n_in; i++)
            q->weights[(size_t)o * layer->n_in + i] = (int8_t)nearest(
                layer->weights[(size_t)i * layer->n_out + o] / (double)q->scales[o], 127);
        q->bias[o] = nearest(layer->bias[o] / ((double)in_scale * (double)q->scales[o]), 1 << 30);
    }
}

int quantize(struct quantized *ret_net, const struct autoencoder *ae, const struct dataset *set,
             const struct mw_card *card, double headroom, bool fine)
{
    double most[AE_LAYERS];
    struct quantized net = { .fine = fine };
    int result = measure(ae, set, card, most);
    if (result < 0)
        return result;
    net.tensors[0] = (struct mw_quant){ .scale = (float)((double)card->clip_in / 127.0) };
    for (int l = 0; l < AE_LAYERS; l++) {
        const struct ae_layer *layer = &ae->layers[l];
        struct quantized_layer *q = &net.layers[l];
        *q = (struct quantized_layer){
            .n_in = layer->n_in,
            .n_out = layer->n_out,
            .relu = layer->relu,
            .weights = calloc((size_t)layer->n_in * layer->n_out, 1),
            .scales = calloc(layer->n_out, sizeof(float)),
            .bias = calloc(layer->n_out, sizeof(int32_t)),
        };
        if (!q->weights || !q->scales || !q->bias) {
            quantize_destroy(&net);
            return MW_ERR_NO_MEMORY;
        }
        quantize_layer(q, layer, net.tensors[l].scale);
        double steps = fine ? 32767.0 : layer->relu ? 255.0 : 127.0;
        net.tensors[l + 1] = (struct mw_quant){
            .scale = (float)(most[l] * headroom / steps),
            .zero = layer->relu && !fine ? -128 : 0,
        };
    }
    *ret_net = net;
    return MW_OK;
}

void quantize_destroy(struct quantized *net)
{
    for (int l = 0; net && l < AE_LAYERS; l++) {
        free(net->layers[l].weights);
        free(net->layers[l].scales);
        free(net->layers[l].bias);
    }
}
