/* SPDX-License-Identifier: Apache-2.0 */
#include "training/conv_autoencoder.h"

#include "base/result.h"
#include "training/dmath.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

static size_t n_weights(const struct conv_layer *l)
{
    return l->step.kind == CONV_UPSAMPLE ? 0 : (size_t)l->n_out * l->step.width * l->n_in;
}

/* Sizes of a layer behind n_in channels of `frames`. SAME: half of what is missing goes before. */
static struct conv_layer shape(const struct conv_step *step, uint32_t n_in, uint32_t frames)
{
    assert(step->stride >= 1);
    bool narrows = step->kind == CONV_FORWARD;
    struct conv_layer l = {
        .step = *step, .n_in = n_in, .n_out = step->n_out, .frames_in = frames
    };
    l.frames_out = narrows ? (frames + step->stride - 1) / step->stride : frames * step->stride;
    if (step->kind == CONV_UPSAMPLE) {
        l.n_out = n_in;
        return l;
    }
    uint32_t wide = narrows ? frames : l.frames_out, few = narrows ? l.frames_out : frames;
    uint32_t reached = (few - 1) * step->stride + step->width;
    l.pad = reached > wide ? (reached - wide) / 2 : 0;
    return l;
}

static int fill(struct conv_layer *l, struct rng *rng)
{
    size_t n = n_weights(l);
    if (n == 0)
        return MW_OK;
    l->weights = calloc(n, sizeof l->weights[0]);
    l->bias = calloc(l->n_out, sizeof l->bias[0]);
    l->q_weights = calloc(n, 1);
    l->q_scales = calloc(l->n_out, sizeof l->q_scales[0]);
    l->q_bias = calloc(l->n_out, sizeof l->q_bias[0]);
    if (!l->weights || !l->bias || !l->q_weights || !l->q_scales || !l->q_bias)
        return MW_ERR_NO_MEMORY;
    double limit = dmath_sqrt(6.0 / ((double)l->step.width * (l->n_in + l->n_out)));
    for (size_t i = 0; i < n; i++)
        l->weights[i] = (2.0 * rng_uniform(rng) - 1.0) * limit;
    return MW_OK;
}

int conv_autoencoder_create(struct conv_autoencoder *ret_ae, uint32_t n_frames, uint32_t n_channels,
                            const struct conv_step *steps, uint32_t n_steps, struct rng *rng)
{
    struct conv_autoencoder ae = { .n_frames = n_frames,
                                   .n_channels = n_channels,
                                   .n_layers = n_steps };
    assert(n_steps >= 1 && n_steps <= CONV_MAX_LAYERS);
    for (uint32_t i = 0; i < n_steps; i++) {
        const struct conv_layer *before = i > 0 ? &ae.layers[i - 1] : NULL;
        struct conv_layer *l = &ae.layers[i];
        *l = shape(&steps[i], before ? before->n_out : n_channels,
                   before ? before->frames_out : n_frames);
        if (fill(l, rng) < 0) {
            conv_autoencoder_destroy(&ae);
            return MW_ERR_NO_MEMORY;
        }
        ae.n_parameters += l->weights ? n_weights(l) + l->n_out : 0;
    }
    *ret_ae = ae;
    return MW_OK;
}

void conv_autoencoder_destroy(struct conv_autoencoder *ae)
{
    for (uint32_t i = 0; ae && i < ae->n_layers; i++) {
        free(ae->layers[i].weights);
        free(ae->layers[i].bias);
        free(ae->layers[i].q_weights);
        free(ae->layers[i].q_scales);
        free(ae->layers[i].q_bias);
    }
}

/* Adds input frame i times tap k to output frame o. */
static void add_products(const struct conv_layer *l, const double *x, uint32_t i, uint32_t k,
                         double *y)
{
    for (uint32_t o = 0; o < l->n_out; o++)
        for (uint32_t c = 0; c < l->n_in; c++)
            y[o] += l->weights[((size_t)o * l->step.width + k) * l->n_in + c] *
                    x[(size_t)i * l->n_in + c];
}

static void run_layer(const struct conv_layer *l, const double *x, double *y)
{
    bool narrows = l->step.kind == CONV_FORWARD;
    if (l->step.kind == CONV_UPSAMPLE) {
        for (size_t o = 0; o < l->frames_out; o++)
            memcpy(y + o * l->n_out, x + o / l->step.stride * l->n_in, l->n_in * sizeof y[0]);
        return;
    }
    for (size_t o = 0; o < (size_t)l->frames_out * l->n_out; o++)
        y[o] = l->bias[o % l->n_out];
    /* `few` frames are stride apart among the others, on whichever side they are. */
    uint32_t n_few = narrows ? l->frames_out : l->frames_in;
    int64_t n_wide = narrows ? l->frames_in : l->frames_out;
    for (uint32_t few = 0; few < n_few; few++)
        for (uint32_t k = 0; k < l->step.width; k++) {
            int64_t wide = (int64_t)few * l->step.stride + k - l->pad;
            if (wide < 0 || wide >= n_wide)
                continue;
            uint32_t in = narrows ? (uint32_t)wide : few, out = narrows ? few : (uint32_t)wide;
            add_products(l, x, in, k, y + (size_t)out * l->n_out);
        }
    for (size_t o = 0; l->step.relu && o < (size_t)l->frames_out * l->n_out; o++)
        y[o] = y[o] > 0.0 ? y[o] : 0.0;
}

static size_t widest(const struct conv_autoencoder *ae)
{
    size_t n = (size_t)ae->n_frames * ae->n_channels;
    for (uint32_t i = 0; i < ae->n_layers; i++) {
        size_t out = (size_t)ae->layers[i].frames_out * ae->layers[i].n_out;
        n = out > n ? out : n;
    }
    return n;
}

/* Forward in two halves of scratch; raises ret_most [n_layers + 1] where given. Returns y. */
static const double *run(const struct conv_autoencoder *ae, const double *x, double *scratch,
                         double *ret_most)
{
    size_t half = widest(ae), n = (size_t)ae->n_frames * ae->n_channels;
    for (uint32_t i = 0; i <= ae->n_layers; i++) {
        for (size_t k = 0; ret_most && k < n; k++)
            ret_most[i] = magnitude(x[k]) > ret_most[i] ? magnitude(x[k]) : ret_most[i];
        if (i == ae->n_layers)
            break;
        double *y = scratch + i % 2 * half;
        run_layer(&ae->layers[i], x, y);
        x = y;
        n = (size_t)ae->layers[i].frames_out * ae->layers[i].n_out;
    }
    return x;
}

int conv_autoencoder_forward(const struct conv_autoencoder *ae, const double *x, double *ret_y)
{
    const struct conv_layer *last = &ae->layers[ae->n_layers - 1];
    double *scratch = calloc(2 * widest(ae), sizeof scratch[0]);
    if (!scratch)
        return MW_ERR_NO_MEMORY;
    memcpy(ret_y, run(ae, x, scratch, NULL),
           (size_t)last->frames_out * last->n_out * sizeof ret_y[0]);
    free(scratch);
    return MW_OK;
}

static void quantize_layer(struct conv_layer *l, float in_scale)
{
    size_t per_channel = (size_t)l->step.width * l->n_in;
    for (uint32_t o = 0; l->weights && o < l->n_out; o++) {
        const double *w = l->weights + o * per_channel;
        double most = 1e-9;
        for (size_t i = 0; i < per_channel; i++)
            most = magnitude(w[i]) > most ? magnitude(w[i]) : most;
        l->q_scales[o] = (float)(most / 127.0);
        for (size_t i = 0; i < per_channel; i++)
            l->q_weights[o * per_channel + i] = (int8_t)nearest(w[i] / (double)l->q_scales[o], 127);
        l->q_bias[o] = nearest(l->bias[o] / ((double)in_scale * (double)l->q_scales[o]), 1 << 30);
    }
}

int conv_autoencoder_quantize(struct conv_autoencoder *ae, const double *x, uint32_t n,
                              double headroom)
{
    double most[CONV_MAX_LAYERS + 1], *scratch = calloc(2 * widest(ae), sizeof scratch[0]);
    if (!scratch)
        return MW_ERR_NO_MEMORY;
    for (uint32_t i = 0; i <= ae->n_layers; i++)
        most[i] = 1e-6;
    for (uint32_t w = 0; w < n; w++)
        run(ae, x + (size_t)w * ae->n_frames * ae->n_channels, scratch, most);
    free(scratch);
    ae->tensors[0] = (struct mw_quant){ .scale = (float)(most[0] / 127.0) };
    for (uint32_t i = 0; i < ae->n_layers; i++) {
        const struct conv_step *step = &ae->layers[i].step;
        ae->tensors[i + 1] = (struct mw_quant){
            .scale = (float)(most[i + 1] * headroom / (step->relu ? 255.0 : 127.0)),
            .zero = step->relu ? -128 : 0,
        };
        if (step->kind == CONV_UPSAMPLE) /* copies bytes */
            ae->tensors[i + 1] = ae->tensors[i];
        quantize_layer(&ae->layers[i], ae->tensors[i].scale);
    }
    return MW_OK;
}
