/* SPDX-License-Identifier: Apache-2.0 */
/* The two convolutional autoencoders that tests and benchmarks share, with random weights. */
#ifndef MW_TESTS_SUPPORT_CONV_MODELS_H
#define MW_TESTS_SUPPORT_CONV_MODELS_H

#include "base/result.h"
#include "training/conv_autoencoder.h"

#include <stdlib.h>

#define CONV_MODEL_WINDOWS 40

/* 16 frames of 8; 8 - 8 - 4 - 8 - 6 channels, width 5, stride 2: 906 parameters. */
static const struct conv_step CONV_SMALL[] = {
    { CONV_FORWARD, 8, 5, 2, true },
    { CONV_FORWARD, 4, 5, 2, false },
    { CONV_TRANSPOSED, 8, 5, 2, true },
    { CONV_TRANSPOSED, 6, 5, 2, false },
};

/* 64 frames of 16. Upsampling and convolution instead of transposed convolution, as Keras models
 * often have. */
static const struct conv_step CONV_LARGE[] = {
    { CONV_FORWARD, 32, 7, 2, true }, { CONV_FORWARD, 16, 5, 2, true },
    { CONV_FORWARD, 8, 3, 1, false }, { CONV_UPSAMPLE, 0, 0, 2, false },
    { CONV_FORWARD, 16, 5, 1, true }, { CONV_UPSAMPLE, 0, 0, 2, false },
    { CONV_FORWARD, 32, 5, 1, true }, { CONV_FORWARD, 16, 7, 1, false },
};

/* Made and quantised on windows of noise, double [CONV_MODEL_WINDOWS][frames][channels], which are
 * left in *ret_windows for the caller to free (NULL: not wanted). */
static inline int conv_model_with_windows(struct conv_autoencoder *ae, bool large,
                                          double **ret_windows)
{
    struct rng rng = { .seed = large ? 7 : 5 };
    size_t n = CONV_MODEL_WINDOWS * (size_t)(large ? 64 * 16 : 16 * 8);
    double *windows = calloc(n, sizeof windows[0]);
    if (!windows)
        return MW_ERR_NO_MEMORY;
    int result = conv_autoencoder_create(ae, large ? 64 : 16, large ? 16 : 8,
                                         large ? CONV_LARGE : CONV_SMALL, large ? 8 : 4, &rng);
    for (uint32_t l = 0; result == MW_OK && l < ae->n_layers; l++)
        for (uint32_t o = 0; ae->layers[l].bias && o < ae->layers[l].n_out; o++)
            ae->layers[l].bias[o] = rng_normal(&rng) * 0.2;
    for (size_t i = 0; i < n; i++)
        windows[i] = rng_normal(&rng);
    if (result == MW_OK)
        result = conv_autoencoder_quantize(ae, windows, CONV_MODEL_WINDOWS, 1.2);
    if (result == MW_OK && ret_windows)
        *ret_windows = windows;
    else
        free(windows);
    return result;
}

static inline int conv_model_make(struct conv_autoencoder *ae, bool large)
{
    return conv_model_with_windows(ae, large, NULL);
}

#endif
