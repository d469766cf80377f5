/* SPDX-License-Identifier: Apache-2.0 */
/* A model on one target: its bytes against golden ones, and the instructions of an inference. The
 * same program under qemu-user (counted from outside) and on bare metal with semihosting.
 *
 *   engine loop TURNS
 *   engine digest CPU_BITS MODEL
 *   engine run CPU_BITS N_RUNS MODEL [ROUNDING INPUT OUTPUT N_WINDOWS]
 *
 * CPU_BITS: enum mw_cpu; with bit 31 no memory for packed weights is given. With golden files every
 * window is run once and compared, all bytes. Without them window 0 is zero. Then N_RUNS inferences
 * of the first window are counted. digest: of the answers to random windows in both roundings, the
 * same on every target and with every kernel. */
#ifdef MW_AMALGAMATION
#include "millwright_engine.h"
#else
#include "base/result.h"
#include "inference/accelerate.h"
#include "inference/dense_kernel.h"
#endif
#include "kernels/counter.h"
#include "kernels/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_PACKED  (UINT32_C(1) << 31)
#define N_DIGESTED 200

static uint8_t file[300 * 1024];
static _Alignas(64) uint8_t packed[600 * 1024];
static _Alignas(64) uint8_t memory[24 * 1024];
static _Alignas(8) int8_t x[MW_MODEL_MAX_WIDTH + 4], y[MW_MODEL_MAX_WIDTH];
static int8_t expected[MW_MODEL_MAX_WIDTH];
static struct mw_model model;

static int loop(uint32_t turns)
{
    counter_start();
    uint32_t from = counter_read();
    counter_loop(turns);
    printf("loop %lu turns %lu instructions\n", (unsigned long)turns,
           (unsigned long)counter_instructions(from, counter_read()));
    return 0;
}

static int load(const char *path, uint32_t bits, enum mw_rounding rounding)
{
    uint32_t cpu = bits & ~NO_PACKED;
    uint8_t *memory_of_packed = bits & NO_PACKED ? NULL : packed;
    FILE *in = fopen(path, "rb");
    size_t n = in ? fread(file, 1, sizeof file, in) : 0, n_memory;
    struct mw_model_fault why = { "" };
    int result =
        n == 0 || n == sizeof file ? MW_ERR_IO : mw_model_measure(file, n, &n_memory, &why);
    if (result == MW_OK)
        result = mw_model_init(&model, file, n, rounding, memory, sizeof memory, &why);
    if (result == MW_OK)
        result = mw_model_accelerate(&model, cpu, memory_of_packed, sizeof packed);
    if (in)
        fclose(in);
    if (result != MW_OK) {
        printf("%s: %s: %s\n", path, mw_result_text(result), why.text);
        return 1;
    }
    printf("memory %lu packed %lu model %lu\n", (unsigned long)n_memory,
           (unsigned long)mw_model_packed_bytes(&model, cpu), (unsigned long)sizeof model);
#ifndef MW_AMALGAMATION
    for (uint32_t i = 0; i < model.n_layers; i++) {
        const struct mw_dense_s8 *layer = mw_model_layer(&model, i);
        printf("%s%s", i ? " " : "kernels ", layer ? layer->kernel->name : "-");
    }
    printf("\n");
#endif
    return 0;
}

/* Random bytes, or real numbers of -8 .. 8 where the input is float. */
static void draw(uint64_t *state)
{
    for (uint32_t i = 0; i < model.n_in_bytes; i += 4) {
        uint32_t word = (uint32_t)((*state = *state * UINT64_C(6364136223846793005) + 1) >> 32);
        float real = (float)(int32_t)word / 268435456.0f;
        memcpy(x + i, model.in_type == MW_FLOAT32 ? (const void *)&real : &word, 4);
    }
}

static int digest(const char *path, uint32_t bits)
{
    uint32_t sum = 2166136261U; /* FNV-1a */
    for (int rounding = 0; rounding < 2; rounding++) {
        uint64_t state = 1;
        if (load(path, bits, (enum mw_rounding)rounding) != 0)
            return 1;
        if (model.n_in_bytes + 4 > sizeof x || model.n_out_bytes > sizeof y)
            return 1;
        for (int w = 0; w < N_DIGESTED; w++) {
            draw(&state);
            mw_model_run(&model, x, y);
            for (uint32_t i = 0; i < model.n_out_bytes; i++)
                sum = (sum ^ (uint8_t)y[i]) * 16777619U;
        }
    }
    printf("digest %08lx\n", (unsigned long)sum);
    return 0;
}

static int compare(const char *input, const char *output, uint32_t n_windows)
{
    FILE *in = fopen(input, "rb"), *out = fopen(output, "rb");
    uint32_t n_wrong = 0, w = 0;
    for (; in && out && w < n_windows; w++) {
        if (fread(x, 1, model.n_in, in) != model.n_in ||
            fread(expected, 1, model.n_out, out) != model.n_out)
            break;
        mw_model_run(&model, x, y);
        for (uint32_t i = 0; i < model.n_out; i++)
            n_wrong += y[i] != expected[i];
    }
    if (in && out)
        rewind(in);
    if (in && fread(x, 1, model.n_in, in) != model.n_in)
        w = 0;
    printf("golden %lu windows %lu wrong\n", (unsigned long)w, (unsigned long)n_wrong);
    return w == n_windows && n_wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "loop") == 0)
        return loop((uint32_t)strtoul(argv[2], NULL, 0));
    if (argc == 4 && strcmp(argv[1], "digest") == 0)
        return digest(argv[3], cpu_bits(argv[2]));
    if ((argc != 5 && argc != 9) || strcmp(argv[1], "run") != 0) {
        puts("usage: engine run CPU_BITS N_RUNS MODEL [ROUNDING INPUT OUTPUT N_WINDOWS]");
        return 64;
    }
    bool single = argc == 9 && strcmp(argv[5], "single") == 0;
    if (load(argv[4], cpu_bits(argv[2]), single ? MW_ROUNDING_SINGLE : MW_ROUNDING_DOUBLE) != 0)
        return 1;
    if (argc == 9 && compare(argv[6], argv[7], (uint32_t)strtoul(argv[8], NULL, 0)) != 0)
        return 1;
    uint32_t n_runs = (uint32_t)strtoul(argv[3], NULL, 0);
    counter_start();
    uint32_t from = counter_read();
    for (uint32_t i = 0; i < n_runs; i++)
        mw_model_run(&model, x, y);
    uint64_t n = counter_instructions(from, counter_read());
    if (n_runs)
        printf("run %lu times %lu instructions\n", (unsigned long)n_runs, (unsigned long)n);
    return 0;
}
