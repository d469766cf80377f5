/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's kernels against XNNPACK on this machine: CPU time of one inference of a chain of
 * FULLY_CONNECTED layers, batch 1, one thread, single rounding (which is XNNPACK's), the rivals
 * taking turns so that a noisy machine is noisy for all. Rows: `key value unit`. */
#include "base/bytes.h"
#include "base/result.h"
#include "config/host_cpu.h"
#include "inference/accelerate.h"
#include "inference/dense_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef MW_XNNPACK
#include <xnnpack.h>
#endif

#define N_ROUNDS 400
#define N_RUNS   25
#define BATCH    16
#define N_RIVALS 4

static int8_t x[BATCH * MW_MODEL_MAX_WIDTH], y[BATCH * MW_MODEL_MAX_WIDTH];

struct rival {
    const char *name;
    void (*run)(const void *ctx);
    const void *ctx;
    double us[N_ROUNDS];
};

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static uint8_t *load(const char *path, size_t *ret_n)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(MW_MODEL_MAX_BYTES);
    if (!file || !bytes)
        fail(path);
    *ret_n = fread(bytes, 1, MW_MODEL_MAX_BYTES, file);
    fclose(file);
    return bytes;
}

static struct mw_model *prepare(const uint8_t *bytes, size_t n, uint32_t cpu)
{
    struct mw_model *model = malloc(sizeof *model);
    struct mw_model_fault why;
    size_t n_memory = 0;
    if (!model || mw_model_measure(bytes, n, &n_memory, &why) != MW_OK)
        fail(why.text);
    void *memory = malloc(n_memory + 1);
    if (!memory ||
        mw_model_init(model, bytes, n, MW_ROUNDING_SINGLE, memory, n_memory, &why) != MW_OK)
        fail(why.text);
    size_t n_packed = mw_model_packed_bytes(model, cpu) + 64;
    mw_model_accelerate(model, cpu, aligned_alloc(64, n_packed & ~(size_t)63),
                        n_packed & ~(size_t)63);
    return model;
}

static void run_model(const void *model)
{
    mw_model_run(model, x, y);
}

/* A layer after the other for BATCH windows: weights are read once for several windows. */
static void run_batch(const void *ctx)
{
    static int8_t halves[2][BATCH * MW_MODEL_MAX_WIDTH];
    const struct mw_model *model = ctx;
    const int8_t *in = x;
    for (uint32_t i = 0; i < model->n_layers; i++) {
        int8_t *out = i + 1 < model->n_layers ? halves[i % 2] : y;
        mw_dense_run(mw_model_dense(model, i), model->rounding, in, out, BATCH);
        in = out;
    }
}

#ifdef MW_XNNPACK
struct xnn_chain {
    xnn_operator_t ops[MW_MODEL_MAX_LAYERS];
    uint32_t n;
};

static void run_xnnpack(const void *ctx)
{
    const struct xnn_chain *chain = ctx;
    for (uint32_t i = 0; i < chain->n; i++)
        xnn_run_operator(chain->ops[i], NULL);
}

static int8_t xnn_y[MW_MODEL_MAX_WIDTH];

/* XNNPACK only uses the ratio of the three scales, which is the layer's multiplier. */
static xnn_operator_t make_operator(const struct mw_dense_s8 *l, const int8_t *in, int8_t *out)
{
    xnn_operator_t op = NULL;
    double scale = (double)l->multiplier[0] / 2147483648.0;
    for (int32_t s = l->shift[0]; s < 0; s++)
        scale /= 2;
    for (int32_t s = l->shift[0]; s > 0; s--)
        scale *= 2;
    int32_t *bias = calloc(l->n_out, sizeof *bias);
    for (uint32_t o = 0; bias && l->bias && o < l->n_out; o++)
        bias[o] = (int32_t)mw_load_u32le(l->bias + 4 * (size_t)o);
    if (l->n_multipliers != 1 ||
        xnn_create_fully_connected_nc_qs8(l->n_in, l->n_out, l->n_in, l->n_out, (int8_t)l->in_zero,
                                          1.0f, (float)scale, l->weights, bias, (int8_t)l->out_zero,
                                          1.0f, (int8_t)l->out_min, (int8_t)l->out_max, 0,
                                          &op) != xnn_status_success ||
        xnn_setup_fully_connected_nc_qs8(op, 1, in, out, NULL) != xnn_status_success)
        fail("XNNPACK refuses a layer");
    free(bias);
    return op;
}

static struct xnn_chain *prepare_xnnpack(const struct mw_model *model)
{
    static int8_t halves[2][MW_MODEL_MAX_WIDTH + 64];
    static struct xnn_chain chain;
    if (xnn_initialize(NULL) != xnn_status_success)
        fail("XNNPACK does not start");
    chain.n = model->n_layers;
    const int8_t *in = x;
    for (uint32_t i = 0; i < chain.n; i++) {
        int8_t *out = i + 1 < chain.n ? halves[i % 2] : xnn_y;
        chain.ops[i] = make_operator(mw_model_dense(model, i), in, out);
        in = out;
    }
    return &chain;
}
#endif

static int by_value(const void *a, const void *b)
{
    double l = *(const double *)a, r = *(const double *)b;
    return (l > r) - (l < r);
}

static double median(struct rival *r)
{
    qsort(r->us, N_ROUNDS, sizeof r->us[0], by_value);
    return r->us[N_ROUNDS / 2];
}

static void measure(struct rival *rivals, size_t n)
{
    for (size_t round = 0; round < N_ROUNDS; round++)
        for (size_t i = 0; i < n; i++) {
            double from = cpu_us();
            for (int k = 0; k < N_RUNS; k++)
                rivals[i].run(rivals[i].ctx);
            rivals[i].us[round] = (cpu_us() - from) / N_RUNS;
        }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: inference_host MODEL.tflite\n", stderr);
        return 64;
    }
    size_t n, n_rivals = 0;
    uint8_t *bytes = load(argv[1], &n);
    uint32_t cpu = host_cpu();
    for (size_t i = 0; i < sizeof x; i++)
        x[i] = (int8_t)(i * 7 % 160 - 80);
    struct mw_model *best = prepare(bytes, n, cpu);
    static struct rival rivals[N_RIVALS];
    rivals[n_rivals++] = (struct rival){ .name = "best", .run = run_model, .ctx = best };
    rivals[n_rivals++] = (struct rival){ .name = "batch", .run = run_batch, .ctx = best };
    if (cpu & MW_CPU_AVX2)
        rivals[n_rivals++] = (struct rival){ .name = "avx2",
                                             .run = run_model,
                                             .ctx = prepare(bytes, n, MW_CPU_AVX2) };
    double xnnpack = 0;
#ifdef MW_XNNPACK
    rivals[n_rivals++] =
        (struct rival){ .name = "xnnpack", .run = run_xnnpack, .ctx = prepare_xnnpack(best) };
    run_model(best);
    run_xnnpack(rivals[n_rivals - 1].ctx);
    if (memcmp(y, xnn_y, best->n_out) != 0)
        fail("XNNPACK computes other bytes");
#endif
    measure(rivals, n_rivals);
    for (size_t i = 0; i < n_rivals; i++) {
        struct rival *r = &rivals[i];
        double us = median(r) / (r->run == run_batch ? BATCH : 1);
        if (strcmp(r->name, "xnnpack") == 0)
            xnnpack = us;
        printf("x86_%s_us %.3f us\n", r->name, us);
        printf("x86_%s_least_us %.3f us\n", r->name, r->us[0] / (r->run == run_batch ? BATCH : 1));
    }
    printf("# best: %s\n", mw_dense_kernel_best(cpu)->name);
    if (xnnpack > 0 && (cpu & MW_CPU_AVX512_VNNI))
        printf("x86_vnni_ratio_xnnpack %.3f 1\n", rivals[0].us[N_ROUNDS / 2] / xnnpack);
    free(bytes);
    return 0;
}
