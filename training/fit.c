/* SPDX-License-Identifier: Apache-2.0 */
#include "training/fit.h"

#include "base/result.h"
#include "training/adam.h"
#include "training/dmath.h"

#include <stdlib.h>
#include <string.h>

const struct fit_config FIT_DEFAULTS = {
    .n_hidden = 16,
    .n_latent = 4,
    .n_epochs = 60,
    .n_batch = 64,
    .step = 0.005,
    .last_step = 1e-5,
    .noise = 0.5,
    .decay = 0.001,
};

static uint32_t n_scored(const struct mw_card *card)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < card->n_channels; c++)
        n += card->channels[c].role == MW_ROLE_SCORE;
    return n;
}

/* First row of a whole window: missing slots are bridged, so rows are what counts. */
static const float *first_row(const struct dataset *set, const struct mw_card *card,
                              uint32_t window)
{
    uint32_t row = set->ends[window] - card->window + 1;
    return set->inputs + (size_t)row * set->n_channels;
}

void fit_input(const struct dataset *set, const struct mw_card *card, uint32_t window, double *ret)
{
    const float *z = first_row(set, card, window);
    for (size_t i = 0; i < (size_t)card->window * set->n_channels; i++)
        ret[i] = (double)z[i];
}

void fit_target(const struct dataset *set, const struct mw_card *card, uint32_t window, double *ret)
{
    const float *z = first_row(set, card, window);
    for (uint32_t i = 0; i < card->window; i++, z += set->n_channels)
        for (uint32_t c = 0; c < set->n_channels; c++)
            if (card->channels[c].role == MW_ROLE_SCORE)
                *ret++ = (double)z[c];
}

/* All that one batch needs, allocated once. */
struct bench {
    struct adam adam;
    struct ae_trace trace;
    uint32_t *order; /* [n_windows] */
    double *draws;   /* [n_windows] */
    double *inputs;  /* [n_batch][n_in] */
    double *target, *error, *scratch, *gradient;
};

static void bench_destroy(struct bench *b)
{
    adam_destroy(&b->adam);
    ae_trace_destroy(&b->trace);
    free(b->order);
    free(b->draws);
    free(b->inputs);
    free(b->target);
    free(b->error);
    free(b->scratch);
    free(b->gradient);
}

static int bench_create(struct bench *ret, const struct autoencoder *ae, uint32_t n_windows,
                        uint32_t n_batch)
{
    size_t width = autoencoder_width(ae);
    struct bench b = {
        .order = calloc(n_windows, sizeof b.order[0]),
        .draws = calloc(n_windows, sizeof(double)),
        .inputs = calloc((size_t)n_batch * ae->layers[0].n_in, sizeof(double)),
        .target = calloc(width, sizeof(double)),
        .error = calloc(width, sizeof(double)),
        .scratch = calloc(width, sizeof(double)),
        .gradient = calloc(ae->n_parameters, sizeof(double)),
    };
    if (!b.order || !b.draws || !b.inputs || !b.target || !b.error || !b.scratch || !b.gradient ||
        adam_create(&b.adam, ae->n_parameters) < 0 || ae_trace_create(&b.trace, ae) < 0) {
        bench_destroy(&b);
        return MW_ERR_NO_MEMORY;
    }
    *ret = b;
    return MW_OK;
}

/* One batch's gradient, and the noise drawn for it row by row. */
static void gather(struct bench *b, const struct autoencoder *ae, const struct dataset *set,
                   const struct mw_card *card, const struct fit_config *config,
                   const uint32_t *windows, struct rng *rng)
{
    uint32_t n_in = ae->layers[0].n_in, n_out = ae->layers[AE_LAYERS - 1].n_out;
    for (uint32_t k = 0; k < config->n_batch; k++) {
        double *x = b->inputs + (size_t)k * n_in;
        fit_input(set, card, windows[k], x);
        for (uint32_t i = 0; i < n_in; i++)
            x[i] += config->noise * rng_normal(rng);
    }
    memset(b->gradient, 0, ae->n_parameters * sizeof b->gradient[0]);
    double scale = 2.0 / ((double)config->n_batch * n_out);
    for (uint32_t k = 0; k < config->n_batch; k++) {
        autoencoder_forward(ae, b->inputs + (size_t)k * n_in, &b->trace);
        fit_target(set, card, windows[k], b->target);
        const double *out = b->trace.activations[AE_LAYERS - 1];
        for (uint32_t o = 0; o < n_out; o++)
            b->error[o] = scale * (out[o] - b->target[o]);
        autoencoder_backward(ae, &b->trace, b->error, b->scratch, b->gradient);
    }
}

static void add_decay(struct bench *b, const struct autoencoder *ae, double decay)
{
    size_t n_weights = (size_t)(ae->layers[0].bias - ae->parameters);
    for (size_t i = 0; i < n_weights; i++)
        b->gradient[i] += 2.0 * decay * ae->parameters[i];
}

static void train(struct autoencoder *ae, struct bench *b, const struct dataset *set,
                  const struct mw_card *card, const struct fit_config *config, struct rng *rng,
                  const struct progress *progress)
{
    uint32_t n_steps = config->n_epochs * (set->n_windows / config->n_batch), step = 0;
    for (uint32_t epoch = 0; epoch < config->n_epochs; epoch++) {
        rng_permutation(rng, b->order, b->draws, set->n_windows);
        for (uint32_t at = 0; at + config->n_batch <= set->n_windows; at += config->n_batch) {
            gather(b, ae, set, card, config, b->order + at, rng);
            add_decay(b, ae, config->decay);
            double cosine = dmath_cos_turns((double)step / (2.0 * n_steps));
            adam_step(&b->adam, ae->parameters, b->gradient,
                      config->step * 0.5 * (1.0 + cosine) + config->last_step);
            step++;
        }
        if (progress)
            progress->at(progress->ctx, 100 * (epoch + 1) / config->n_epochs);
    }
}

int fit(struct autoencoder *ret_ae, const struct dataset *set, const struct mw_card *card,
        const struct fit_config *config, struct rng *rng, const struct progress *progress)
{
    struct autoencoder ae;
    struct bench bench;
    if (set->n_windows < config->n_batch)
        return MW_ERR_INVALID;
    int result =
        autoencoder_create(&ae, (uint32_t)card->window * card->n_channels, config->n_hidden,
                           config->n_latent, (uint32_t)card->window * n_scored(card), rng);
    if (result < 0)
        return result;
    result = bench_create(&bench, &ae, set->n_windows, config->n_batch);
    if (result < 0) {
        autoencoder_destroy(&ae);
        return result;
    }
    train(&ae, &bench, set, card, config, rng, progress);
    bench_destroy(&bench);
    *ret_ae = ae;
    return MW_OK;
}

int fit_error(const struct autoencoder *ae, const struct dataset *set, const struct mw_card *card,
              double *ret_mse)
{
    struct bench b;
    int result = bench_create(&b, ae, 1, 1);
    if (result < 0)
        return result;
    uint32_t n_out = ae->layers[AE_LAYERS - 1].n_out;
    double sum = 0.0;
    for (uint32_t w = 0; w < set->n_windows; w++) {
        fit_input(set, card, w, b.inputs);
        fit_target(set, card, w, b.target);
        autoencoder_forward(ae, b.inputs, &b.trace);
        for (uint32_t o = 0; o < n_out; o++) {
            double off = b.trace.activations[AE_LAYERS - 1][o] - b.target[o];
            sum += off * off;
        }
    }
    *ret_mse = set->n_windows ? sum / ((double)set->n_windows * n_out) : 0.0;
    bench_destroy(&b);
    return MW_OK;
}
