/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of this target against the reference on random CONV_2D operators, each a model of
 * its own: the same bytes, or the operator is printed and the status is 1. As equality.c, which
 * does so for FULLY_CONNECTED; here it is what lies around a kernel that is tried: taps in place,
 * edges, dilation, strides.
 *
 *   convs N_OPERATORS SEED CPU_BITS */
#include "base/result.h"
#include "inference/accelerate.h"
#include "inference/dense_kernel.h"
#include "kernels/cpu.h"
#include "training/tflite_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_CONV_2D 3
#define OPTIONS_CONV 1
#define MAX_ITEMS    16384
#define MAX_OUT      40
#define GUARD        0x5a

struct lab {
    uint64_t state; /* of the generator */
    uint32_t in[4], out[4], w[4];
    uint32_t stride[2], dilation[2], same, fused;
    float in_scale, out_scale, scales[MAX_OUT];
    int32_t in_zero, out_zero, bias[MAX_OUT];
    bool per_channel, has_bias;
    int8_t weights[MAX_ITEMS], x[MAX_ITEMS], expected[MAX_ITEMS + 64], y[MAX_ITEMS + 64];
    _Alignas(64) uint8_t packed[24 * MAX_ITEMS];
    _Alignas(8) uint8_t memory[48 * 1024];
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

static uint32_t count(const uint32_t dims[4])
{
    return dims[0] * dims[1] * dims[2] * dims[3];
}

/* Output positions along an axis, 0 where the filter does not fit. */
static uint32_t positions(const struct lab *lab, uint32_t axis)
{
    uint32_t span = (lab->w[1 + axis] - 1) * lab->dilation[axis] + 1, n = lab->in[1 + axis];
    uint32_t room = lab->same ? n : n + 1 > span ? n + 1 - span : 0;
    return (room + lab->stride[axis] - 1) / lab->stride[axis];
}

/* False where the draw is too large or does not fit. Two of three are 1-D. */
static bool draw_shapes(struct lab *lab)
{
    bool flat = between(lab, 0, 2) > 0;
    uint32_t depth = (uint32_t)between(lab, 1, between(lab, 0, 2) ? 8 : 40);
    lab->in[0] = (uint32_t)between(lab, 1, 2);
    lab->in[1] = flat ? 1 : (uint32_t)between(lab, 1, 6);
    lab->in[2] = (uint32_t)between(lab, 1, flat ? 24 : 8);
    lab->in[3] = depth;
    lab->w[0] = (uint32_t)between(lab, 1, MAX_OUT);
    lab->w[1] = flat ? 1 : (uint32_t)between(lab, 1, 4);
    lab->w[2] = (uint32_t)between(lab, 1, 7);
    lab->w[3] = depth;
    lab->same = next(lab) & 1;
    for (uint32_t axis = 0; axis < 2; axis++) {
        lab->stride[axis] = (uint32_t)between(lab, 1, 3);
        lab->dilation[axis] = next(lab) & 1 ? 1 : (uint32_t)between(lab, 1, 3);
    }
    lab->out[0] = lab->in[0];
    lab->out[1] = positions(lab, 0);
    lab->out[2] = positions(lab, 1);
    lab->out[3] = lab->w[0];
    return count(lab->out) > 0 && count(lab->out) <= MAX_ITEMS && count(lab->w) <= MAX_ITEMS;
}

static void draw_numbers(struct lab *lab)
{
    uint32_t n_terms = count(lab->w) / lab->w[0];
    int32_t size = between(lab, 0, 3) ? 127 : between(lab, 1, 60);
    lab->fused = (uint32_t)between(lab, 0, 3);
    lab->per_channel = next(lab) & 1;
    lab->has_bias = between(lab, 0, 3) > 0;
    lab->in_scale = 0.01f + (float)between(lab, 0, 1000) * 1e-4f;
    lab->in_zero = between(lab, -128, 127);
    lab->out_zero = between(lab, -128, 127);
    for (uint32_t o = 0; o < lab->w[0]; o++) {
        lab->scales[o] = 0.001f + (float)between(lab, 0, 1000) * 1e-6f;
        lab->bias[o] = between(lab, -150 * size, 150 * size);
    }
    lab->out_scale = lab->in_scale * 0.0015f * (float)(size * between(lab, 1, 12));
    for (uint32_t n = 1; n < n_terms; n *= 4)
        lab->out_scale *= 2.0f;
    if (between(lab, 0, 7) == 0)
        lab->out_scale = lab->in_scale * 0.0003f; /* multipliers above 1 */
    for (uint32_t i = 0; i < count(lab->w); i++)
        lab->weights[i] = (int8_t)between(lab, -size, size);
    if (between(lab, 0, 9) == 0)
        lab->weights[0] = -128;
    for (uint32_t i = 0; i < count(lab->in); i++)
        lab->x[i] = (int8_t)(next(lab) & 0xff);
}

static struct graph_tensor tensor(const uint32_t *dims, uint32_t n_dims, uint8_t type,
                                  const void *data, size_t n_bytes)
{
    struct graph_tensor t = { .n_dims = n_dims, .type = type, .data = data, .n_bytes = n_bytes };
    memcpy(t.dims, dims, n_dims * sizeof dims[0]);
    return t;
}

static int write_model(const struct lab *lab, uint8_t **ret_bytes, size_t *ret_n)
{
    const uint32_t n = lab->w[0], steps[] = { !lab->same, lab->stride[1],   lab->stride[0],
                                              lab->fused, lab->dilation[1], lab->dilation[0] };
    struct graph_tensor t[] = {
        tensor(lab->in, 4, GRAPH_INT8, NULL, 0),
        tensor(lab->w, 4, GRAPH_INT8, lab->weights, count(lab->w)),
        tensor(&n, 1, GRAPH_INT32, lab->bias, n * sizeof lab->bias[0]),
        tensor(lab->out, 4, GRAPH_INT8, NULL, 0),
    };
    t[0].scales = &lab->in_scale;
    t[0].zero = lab->in_zero;
    t[1].scales = lab->scales;
    t[3].scales = &lab->out_scale;
    t[3].zero = lab->out_zero;
    t[0].n_scales = t[3].n_scales = 1;
    t[1].n_scales = lab->per_channel ? n : 1;
    struct graph_operator op = { .code = CODE_CONV_2D,
                                 .version = 1,
                                 .ins = { 0, 1, lab->has_bias ? 2 : -1 },
                                 .n_ins = 3,
                                 .outs = { 3 },
                                 .n_outs = 1,
                                 .options_type = OPTIONS_CONV };
    for (uint16_t i = 0; i < 6; i++)
        op.options[op.n_options++] =
            (struct flat_field){ .id = i, .width = i == 0 || i == 3 ? 1 : 4, .value = steps[i] };
    const struct graph graph = { .tensors = t,
                                 .n_tensors = 4,
                                 .operators = &op,
                                 .n_operators = 1,
                                 .output = 3,
                                 .name = "conv",
                                 .description = "one operator" };
    return tflite_graph_write(ret_bytes, ret_n, &graph);
}

static void fail(const struct lab *lab, const char *what, uint32_t number)
{
    printf("%s: operator %lu, %lu x %lu x %lu, filter %lu of %lu x %lu\n", what,
           (unsigned long)number, (unsigned long)lab->in[1], (unsigned long)lab->in[2],
           (unsigned long)lab->in[3], (unsigned long)lab->w[0], (unsigned long)lab->w[1],
           (unsigned long)lab->w[2]);
    exit(1);
}

/* Runs with the kernels of cpu; whether the operator got the kernel. */
static bool run(struct lab *lab, struct mw_model *model, const struct mw_dense_kernel *kernel,
                uint32_t number)
{
    size_t n = count(lab->out);
    if (mw_model_packed_bytes(model, kernel->cpu) > sizeof lab->packed)
        fail(lab, "packed memory", number);
    mw_model_accelerate(model, kernel->cpu, lab->packed, sizeof lab->packed);
    if (!kernel->pack) /* else one that packs would be chosen before it */
        mw_model_accelerate(model, kernel->cpu, NULL, 0);
    memset(lab->y, GUARD, n + 64);
    mw_model_run(model, lab->x, lab->y);
    for (size_t i = 0; i < n + 64; i++)
        if (lab->y[i] != (i < n ? lab->expected[i] : GUARD))
            fail(lab, kernel->name, number);
    return mw_model_layer(model, 0)->kernel == kernel;
}

static void try_one(struct lab *lab, uint32_t number, uint32_t cpu, uint32_t *n_taken)
{
    struct mw_model model;
    struct mw_model_fault why = { "cannot be written" };
    const struct mw_dense_kernel *kernel;
    uint8_t *bytes = NULL;
    size_t n = 0;
    enum mw_rounding rounding = next(lab) & 1 ? MW_ROUNDING_SINGLE : MW_ROUNDING_DOUBLE;
    if (write_model(lab, &bytes, &n) != MW_OK ||
        mw_model_init(&model, bytes, n, rounding, lab->memory, sizeof lab->memory, &why) != MW_OK)
        fail(lab, why.text, number);
    mw_model_run(&model, lab->x, lab->expected);
    for (uint32_t k = 0; (kernel = mw_dense_kernel_at(k)); k++)
        if ((kernel->cpu & ~cpu) == 0)
            n_taken[k] += run(lab, &model, kernel, number);
    free(bytes);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        puts("usage: convs N_OPERATORS SEED CPU_BITS");
        return 64;
    }
    static struct lab lab;
    uint32_t n = (uint32_t)strtoul(argv[1], NULL, 0), cpu = cpu_bits(argv[3]), n_taken[8] = { 0 };
    const struct mw_dense_kernel *kernel;
    lab.state = strtoul(argv[2], NULL, 0);
    for (uint32_t i = 0; i < n;) {
        if (!draw_shapes(&lab))
            continue;
        draw_numbers(&lab);
        try_one(&lab, i++, cpu, n_taken);
    }
    for (uint32_t k = 0; (kernel = mw_dense_kernel_at(k)); k++)
        if ((kernel->cpu & ~cpu) == 0)
            printf("CONV_2D, %s: %lu of %lu operators, the same bytes\n", kernel->name,
                   (unsigned long)n_taken[k], (unsigned long)n);
    return 0;
}
