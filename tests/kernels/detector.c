/* SPDX-License-Identifier: Apache-2.0 */
/* The whole detector on one target: frames in, verdicts out, as the daemon steps it with default
 * settings. Instructions where the target counts them, else CPU time.
 *
 *   detector CPU_BITS N_FRAMES MODEL FRAMES
 *
 * FRAMES: float [][n_channels], in the order of the model's card; the first two windows fill the
 * window and are not counted. Prints a digest of all verdicts, which is the same everywhere. */
#include "inference/detector.h"
#include "base/bytes.h"
#include "base/result.h"
#include "inference/accelerate.h"
#include "inference/dense_kernel.h"
#include "kernels/counter.h"
#include "kernels/cpu.h"

#include <stdio.h>
#include <string.h>
#ifdef __linux__
#include <time.h>
#endif

#define NO_PACKED  (UINT32_C(1) << 31) /* in CPU_BITS: no memory for packed weights is given */
#define SECOND_US  INT64_C(1000000)
#define N_WARM     32
#define MAX_FRAMES 2000
#define TURNS      200 /* of the whole record, for time */

static uint8_t file[64 * 1024];
static _Alignas(64) uint8_t packed[64 * 1024];
static _Alignas(8) uint8_t memory[24 * 1024], state[64 * 1024];
static float values[MAX_FRAMES * MW_MAX_CHANNELS];
static struct mw_detector_config config;
static struct mw_detector detector;
static struct mw_verdict verdict;
static uint32_t digest = 2166136261u; /* FNV-1a */

static size_t load(const char *path, void *bytes, size_t cap)
{
    FILE *in = fopen(path, "rb");
    size_t n = in ? fread(bytes, 1, cap, in) : 0;
    if (in)
        fclose(in);
    return n;
}

static void mix(const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        digest = (digest ^ ((const uint8_t *)bytes)[i]) * 16777619u;
}

/* The machine that the card was trained on, everything else as it is by default. */
static int settle(const struct mw_card *card)
{
    int result = mw_trend_settle(&config.trend, NULL);
    config.n_channels = card->n_channels;
    config.period_us = SECOND_US;
    for (uint16_t c = 0; c < card->n_channels; c++) {
        struct mw_channel_config *channel = &config.channels[c];
        memcpy(channel->name, card->channels[c].name, sizeof channel->name);
        memcpy(channel->unit, card->channels[c].unit, sizeof channel->unit);
        channel->role = card->channels[c].role;
        if (mw_limits_settle(&channel->limits, NULL) != MW_OK ||
            mw_sensor_settle(&channel->sensor, NULL) != MW_OK)
            result = MW_ERR_INVALID;
    }
    return result;
}

static int install(size_t n_file, uint32_t bits)
{
    static struct mw_model model;
    static struct mw_card card;
    struct mw_model_fault why = { "cannot be read" };
    if (mw_model_init(&model, file, n_file, MW_ROUNDING_DOUBLE, memory, sizeof memory, &why) !=
            MW_OK ||
        !model.card || mw_card_read(&card, model.card, model.n_card_bytes, &why) != MW_OK ||
        settle(&card) != MW_OK || mw_detector_bytes(&config) > sizeof state) {
        printf("model: %s\n", why.text);
        return 1;
    }
    mw_detector_init(&detector, &config, state);
    if (mw_detector_install(&detector, file, n_file, memory, sizeof memory, &why) != MW_OK) {
        printf("detector: %s\n", why.text);
        return 1;
    }
    uint8_t *room = bits & NO_PACKED ? NULL : packed;
    return mw_model_accelerate(&detector.score->model, bits & ~NO_PACKED, room, sizeof packed) !=
           MW_OK;
}

static void step(int64_t slot, const float *x)
{
    struct mw_frame frame = { .slot = slot,
                              .at_us = slot * SECOND_US,
                              .mono_us = slot * SECOND_US,
                              .valid = UINT32_MAX,
                              .fresh = UINT32_MAX };
    for (uint16_t c = 0; c < config.n_channels; c++)
        frame.values[c] = x[c];
    mw_detector_step(&detector, &frame, &verdict);
}

static void tell(void)
{
    mix(&verdict.model_state, 1);
    mix(&verdict.top_channel, 1);
    mix(&verdict.n_findings, 1);
    mix(&verdict.score, sizeof verdict.score);
}

#ifdef __linux__
static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* The least of many turns: what others on this machine take is not the detector's. */
static void measure(uint32_t n)
{
    double least = 1e9;
    for (uint32_t turn = 1; turn <= TURNS; turn++) {
        double from = cpu_us();
        for (uint32_t i = 0; i < n; i++)
            step((int64_t)turn * n + i, values + (size_t)i * config.n_channels);
        double us = (cpu_us() - from) / n;
        least = us < least ? us : least;
    }
    printf("us %.4f\n", least);
}
#else
static void measure(uint32_t n)
{
    uint64_t sum = 0, most = 0;
    counter_start();
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = counter_read();
        step((int64_t)n + i, values + (size_t)i * config.n_channels);
        uint64_t instructions = counter_instructions(from, counter_read());
        sum += instructions;
        most = instructions > most ? instructions : most;
    }
    printf("mean %lu most %lu instructions\n", (unsigned long)(sum / n), (unsigned long)most);
}
#endif

int main(int argc, char **argv)
{
    if (argc != 5) {
        puts("usage: detector CPU_BITS N_FRAMES MODEL FRAMES");
        return 64;
    }
    size_t n_file = load(argv[3], file, sizeof file);
    if (install(n_file, cpu_bits(argv[1])) != 0)
        return 1;
    uint32_t n = (uint32_t)strtoul(argv[2], NULL, 0);
    size_t n_values = load(argv[4], values, sizeof values) / sizeof values[0];
    if (n < N_WARM || n > n_values / config.n_channels) {
        puts("not as many frames");
        return 1;
    }
    for (uint32_t i = 0; i < n; i++) {
        step(i, values + (size_t)i * config.n_channels);
        tell();
    }
    printf("state %u score %.6f digest %08lx kernel %s\n", verdict.model_state,
           (double)verdict.score, (unsigned long)digest,
           mw_model_layer(&detector.score->model, 0)->kernel->name);
    measure(n);
    return 0;
}
