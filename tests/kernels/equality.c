/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of this target against the reference on random layers: the same bytes, or the layer
 * is printed and the status is 1. The same program runs on the build machine, under qemu-user and
 * on bare metal with semihosting.
 *
 *   equality N_LAYERS SEED CPU_BITS    CPU_BITS: enum mw_cpu, what this processor has; or `host`
 *
 * Shapes are mostly small, odd ones as likely as even ones, now and then as long as the engine
 * allows; weights, inputs, biases, multipliers and clamps visit their corners. */
#include "base/result.h"
#include "inference/dense_kernel.h"
#include "inference/dense_s8.h"
#include "kernels/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WEIGHTS 32768
#define MAX_OUT     512
#define MAX_WINDOWS 9
#define MAX_X       (3 * MW_MODEL_MAX_WIDTH)
#define GUARD       0x5a

struct lab {
    uint64_t state; /* of the generator */
    struct mw_dense_s8 layer;
    enum mw_rounding rounding;
    uint32_t n_windows;
    int8_t weights[MAX_WEIGHTS], x[MAX_X];
    int8_t expected[MAX_WINDOWS * MAX_OUT + 64], y[MAX_WINDOWS * MAX_OUT + 64];
    uint8_t bias[4 * MAX_OUT];
    int32_t multiplier[MAX_OUT];
    int8_t shift[MAX_OUT];
    _Alignas(64) uint8_t packed[8 * MAX_WEIGHTS + 64 * MAX_OUT];
};

/* splitmix64 */
static uint32_t next(struct lab *lab)
{
    uint64_t z = lab->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ z >> 31) >> 16);
}

static int32_t between(struct lab *lab, int32_t least, int32_t most)
{
    return least + (int32_t)(next(lab) % ((uint32_t)(most - least) + 1));
}

static uint32_t length(struct lab *lab, uint32_t most)
{
    uint32_t r = next(lab) % 256;
    uint32_t n = r == 0 ? most : r < 8 ? most / 4 : r < 128 ? 64 : 20;
    return (uint32_t)between(lab, 1, (int32_t)(n < most ? n : most));
}

/* Random bytes, or all at one end, or only the two ends. */
static void fill(struct lab *lab, int8_t *bytes, size_t n)
{
    int how = between(lab, 0, 9);
    int8_t end = how == 0 ? -128 : how == 1 ? 127 : -127;
    for (size_t i = 0; i < n; i++) {
        uint32_t r = next(lab);
        uint32_t sum = (r & 63) + (r >> 8 & 63) + (r >> 16 & 63) + (r >> 24 & 63);
        int8_t bell = (int8_t)((int32_t)sum - 126);
        bytes[i] = how > 7    ? bell /* the shape of trained weights */
                   : how > 3  ? (int8_t)(r & 0xff)
                   : how == 3 ? (int8_t)(r & 1 ? 127 : -128)
                              : end;
    }
    if (how < 8) /* the usual range of weights */
        for (size_t i = 0; i < n; i++)
            bytes[i] = bytes[i] == -128 && how > 3 ? -127 : bytes[i];
}

static void draw_bias(struct lab *lab)
{
    struct mw_dense_s8 *layer = &lab->layer;
    int how = between(lab, 0, 7);
    layer->bias = how == 0 ? NULL : lab->bias;
    int32_t most = how == 1 ? mw_dense_s8_max_bias(layer->n_in) : how < 5 ? 100000 : 2000;
    for (uint32_t o = 0; o < layer->n_out; o++) {
        int32_t bias = between(lab, -(most / 2), most / 2);
        bias = how == 1 ? 2 * bias : bias;
        for (int b = 0; b < 4; b++)
            lab->bias[4 * o + (uint32_t)b] = (uint8_t)((uint32_t)bias >> 8 * b);
    }
}

static void draw_scales(struct lab *lab)
{
    struct mw_dense_s8 *layer = &lab->layer;
    layer->n_multipliers = between(lab, 0, 1) ? layer->n_out : 1;
    for (uint32_t m = 0; m < layer->n_multipliers; m++) {
        int how = between(lab, 0, 15);
        lab->multiplier[m] = how == 0   ? 0
                             : how == 1 ? INT32_MAX
                             : how == 2 ? 1 << 30
                                        : (int32_t)(1U << 30 | next(lab) >> 2);
        lab->shift[m] = (int8_t)(how < 12 ? between(lab, -14, 0) : between(lab, -31, 30));
    }
}

static void draw(struct lab *lab)
{
    struct mw_dense_s8 *layer = &lab->layer;
    uint32_t n_in = length(lab, MW_MODEL_MAX_WIDTH);
    uint32_t most = MAX_WEIGHTS / n_in;
    uint32_t n_out = length(lab, most < MAX_OUT ? most : MAX_OUT);
    *layer = (struct mw_dense_s8){ .n_in = n_in,
                                   .n_out = n_out,
                                   .weights = lab->weights,
                                   .multiplier = lab->multiplier,
                                   .shift = lab->shift };
    layer->in_zero = between(lab, -128, 127);
    layer->out_zero = between(lab, -128, 127);
    layer->out_min = between(lab, 0, 3) ? -128 : between(lab, -128, 127);
    layer->out_max = between(lab, 0, 3) ? 127 : between(lab, layer->out_min, 127);
    lab->rounding = between(lab, 0, 1) ? MW_ROUNDING_DOUBLE : MW_ROUNDING_SINGLE;
    lab->n_windows = between(lab, 0, 3) ? 1 : (uint32_t)between(lab, 1, MAX_WINDOWS);
    if (lab->n_windows * n_in > MAX_X)
        lab->n_windows = 1;
    fill(lab, lab->weights, (size_t)n_in * n_out);
    fill(lab, lab->x, (size_t)lab->n_windows * n_in);
    draw_bias(lab);
    draw_scales(lab);
}

/* Whether the kernel took the layer; exits where its bytes are others. */
static bool run(struct lab *lab, const struct mw_dense_kernel *kernel, uint32_t number)
{
    struct mw_dense_s8 layer = lab->layer;
    size_t n = kernel->packed_bytes ? kernel->packed_bytes(&layer) : 0;
    if (n + 64 > sizeof lab->packed) {
        printf("%s: layer %lu: wants %lu bytes\n", kernel->name, (unsigned long)number,
               (unsigned long)n);
        exit(1);
    }
    memset(lab->packed, GUARD, n + 64);
    if (kernel->pack && !kernel->pack(&layer, lab->packed))
        return false;
    layer.packed = lab->packed;
    layer.kernel = kernel;
    size_t n_y = (size_t)lab->n_windows * layer.n_out;
    memset(lab->y, GUARD, n_y + 64);
    mw_dense_run(&layer, lab->rounding, lab->x, lab->y, lab->n_windows);
    size_t at = 0;
    while (at < n_y + 64 && lab->y[at] == (at < n_y ? lab->expected[at] : GUARD))
        at++;
    for (size_t i = 0; i < 64; i++)
        at = lab->packed[n + i] == GUARD ? at : 0;
    if (at < n_y + 64) {
        printf("%s: layer %lu, %lu -> %lu, %lu windows, %s rounding: byte %lu is %d, not %d\n",
               kernel->name, (unsigned long)number, (unsigned long)layer.n_in,
               (unsigned long)layer.n_out, (unsigned long)lab->n_windows,
               lab->rounding == MW_ROUNDING_DOUBLE ? "double" : "single", (unsigned long)at,
               lab->y[at], lab->expected[at]);
        exit(1);
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        puts("usage: equality N_LAYERS SEED CPU_BITS");
        return 64;
    }
    uint32_t n_layers = (uint32_t)strtoul(argv[1], NULL, 0);
    static struct lab lab;
    lab.state = strtoul(argv[2], NULL, 0);
    uint32_t cpu = cpu_bits(argv[3]), n_taken[8] = { 0 };
    const struct mw_dense_kernel *kernel;
    for (uint32_t i = 0; i < n_layers; i++) {
        draw(&lab);
        memset(lab.expected, GUARD, sizeof lab.expected);
        for (uint32_t w = 0; w < lab.n_windows; w++)
            mw_dense_s8(&lab.layer, lab.rounding, lab.x + w * lab.layer.n_in,
                        lab.expected + w * lab.layer.n_out);
        for (uint32_t k = 0; (kernel = mw_dense_kernel_at(k)); k++)
            if ((kernel->cpu & ~cpu) == 0)
                n_taken[k] += run(&lab, kernel, i);
    }
    for (uint32_t k = 0; (kernel = mw_dense_kernel_at(k)); k++)
        if ((kernel->cpu & ~cpu) == 0)
            printf("%s: %lu of %lu layers, the same bytes\n", kernel->name,
                   (unsigned long)n_taken[k], (unsigned long)n_layers);
    return 0;
}
