/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of the default detector and of convolutions are measured with: a detector trained
 * as `learn` trains it, from 1,000 rows of a pump with six scored and two slow points, frames of
 * the same pump for it to judge, and the larger convolutional autoencoder.
 *
 *   bench-models FOLDER
 *
 *   FOLDER/detector.tflite  frames.f32: float [N_FRAMES][8]  conv.tflite  conv_small.tflite */
#include "base/result.h"
#include "support/conv_models.h"
#include "support/noise.h"
#include "support/table.h"
#include "training/train.h"

#include <stdio.h>

#define N_CHANNELS 8
#define N_ROWS     1000
#define N_FRAMES   2000

static const char *const NAMES[N_CHANNELS] = { "vibration1", "vibration2", "current", "pressure",
                                               "flow",       "voltage",    "bearing", "housing" };
static const char *const CONTEXT[] = { "bearing", "housing" };

/* mean, what the load moves it by, noise */
static const double NATURE[N_CHANNELS][3] = { { 0.21, 0.02, 0.01 }, { 0.26, 0.03, 0.01 },
                                              { 8.4, 0.8, 0.2 },    { 2.1, 0.2, 0.1 },
                                              { 32.0, 1.5, 0.5 },   { 229.0, -1.0, 1.5 },
                                              { 61.0, 0.8, 0.1 },   { 24.0, 0.2, 0.1 } };

static void fail(const char *what)
{
    fprintf(stderr, "bench-models: %s\n", what);
    exit(1);
}

/* Load follows a slow random walk that is drawn back to zero. */
static struct mw_frame natural(struct noise *noise, double *load, int64_t slot)
{
    struct mw_frame frame = { .slot = slot, .valid = (1u << N_CHANNELS) - 1 };
    *load = 0.98 * *load + 0.2 * noise_normal(noise);
    for (int c = 0; c < N_CHANNELS; c++)
        frame.values[c] =
            (float)(NATURE[c][0] + NATURE[c][1] * *load + NATURE[c][2] * noise_normal(noise));
    return frame;
}

static void save(const char *folder, const char *name, const void *bytes, size_t n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, n, file) != n || fclose(file) != 0)
        fail(path);
}

static void write_detector(const char *folder)
{
    static struct mw_frame rows[N_ROWS];
    static float frames[N_FRAMES][N_CHANNELS];
    struct noise noise = { .state = 1 };
    double load = 0.0;
    for (int i = 0; i < N_ROWS; i++)
        rows[i] = natural(&noise, &load, i);
    for (int i = 0; i < N_FRAMES; i++) {
        struct mw_frame frame = natural(&noise, &load, i);
        memcpy(frames[i], frame.values, sizeof frames[i]);
    }
    struct csv table = table_of(rows, N_ROWS, NAMES, N_CHANNELS);
    const struct train_options options = { .context = CONTEXT, .n_context = 2, .seed = 1 };
    struct train_report report;
    struct train_fault why = { "" };
    uint8_t *tflite;
    size_t n;
    if (train_run(&options, &table, NULL, &tflite, &n, &report, &why) != MW_OK)
        fail(why.text);
    save(folder, "detector.tflite", tflite, n);
    save(folder, "frames.f32", frames, sizeof frames);
    free(tflite);
    csv_destroy(&table);
}

static void write_conv(const char *folder, const char *name, bool large)
{
    struct conv_autoencoder ae;
    uint8_t *tflite = NULL;
    size_t n = 0;
    if (conv_model_make(&ae, large) != MW_OK ||
        conv_autoencoder_write(&tflite, &n, &ae, NULL, 0) != MW_OK)
        fail(name);
    save(folder, name, tflite, n);
    free(tflite);
    conv_autoencoder_destroy(&ae);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: bench-models FOLDER\n", stderr);
        return 64;
    }
    write_detector(argv[1]);
    write_conv(argv[1], "conv.tflite", true);
    write_conv(argv[1], "conv_small.tflite", false);
    return 0;
}
