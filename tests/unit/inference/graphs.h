/* SPDX-License-Identifier: Apache-2.0 */
/* One random operator at a time: a graph around it, the engine's answer in memory of the exact
 * size, and the arithmetic that the slow references share. Nothing of inference/ is used but what
 * a caller of the engine uses. */
#ifndef MW_TESTS_UNIT_INFERENCE_GRAPHS_H
#define MW_TESTS_UNIT_INFERENCE_GRAPHS_H

#include "base/result.h"
#include "inference/model.h"
#include "support/suite.h"
#include "training/tflite_graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define GRAPH_TENSORS 16

#ifdef __SIZEOF_INT128__
__extension__ typedef __int128 wide;
#else /* cmake/tests.cmake has an overflow trapped there */
typedef int64_t wide;
#endif

struct trial {
    uint64_t seed;
    struct graph_tensor tensors[GRAPH_TENSORS];
    float scales[GRAPH_TENSORS]; /* of computed tensors */
    uint32_t n_tensors;
    struct graph_operator op;
};

static inline uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Uniform in low .. high. */
static inline int32_t pick(uint64_t *seed, int32_t low, int32_t high)
{
    return low + (int32_t)(next(seed) % (uint64_t)(high - low + 1));
}

/* 2^-10 .. 2^0, all bits of the mantissa in use. */
static inline float pick_scale(uint64_t *seed)
{
    return ldexpf((float)pick(seed, 1 << 23, (1 << 24) - 1), -pick(seed, 24, 34));
}

static inline uint32_t count(const struct graph_tensor *t)
{
    uint32_t n = 1;
    for (uint32_t d = 0; d < t->n_dims; d++)
        n *= t->dims[d];
    return n;
}

/* A computed int8 tensor; its number. */
static inline int32_t activation(struct trial *t, uint32_t n_dims, const uint32_t *dims,
                                 float scale, int32_t zero)
{
    struct graph_tensor *g = &t->tensors[t->n_tensors];
    *g = (struct graph_tensor){ .type = GRAPH_INT8, .n_dims = n_dims, .n_scales = 1, .zero = zero };
    for (uint32_t d = 0; d < n_dims; d++)
        g->dims[d] = dims[d];
    t->scales[t->n_tensors] = scale;
    g->scales = &t->scales[t->n_tensors];
    return (int32_t)t->n_tensors++;
}

/* A constant without scales; bytes as the little-endian host has them. */
static inline int32_t constant(struct trial *t, uint8_t type, uint32_t n_dims, const uint32_t *dims,
                               const void *data, size_t item_bytes)
{
    struct graph_tensor *g = &t->tensors[t->n_tensors];
    *g = (struct graph_tensor){ .type = type, .n_dims = n_dims, .data = data };
    memcpy(g->dims, dims, n_dims * sizeof dims[0]);
    g->n_bytes = count(g) * item_bytes;
    return (int32_t)t->n_tensors++;
}

static inline int32_t shape_constant(struct trial *t, const int32_t *values, uint32_t n)
{
    return constant(t, GRAPH_INT32, 1, &n, values, 4);
}

static inline void connect(struct trial *t, uint8_t code, uint32_t n_ins, const int32_t *ins,
                           int32_t out, uint8_t options_type)
{
    t->op = (struct graph_operator){
        .code = code, .version = 1, .n_ins = n_ins, .n_outs = 1, .options_type = options_type
    };
    memcpy(t->op.ins, ins, n_ins * sizeof ins[0]);
    t->op.outs[0] = out;
}

static inline void option(struct trial *t, uint16_t id, uint8_t width, uint32_t value)
{
    t->op.options[t->op.n_options++] =
        (struct flat_field){ .id = id, .width = width, .value = value };
}

static inline struct graph graph_of(const struct trial *t)
{
    return (struct graph){
        .tensors = t->tensors,
        .n_tensors = t->n_tensors,
        .operators = &t->op,
        .n_operators = 1,
        .output = (uint32_t)t->op.outs[0],
        .name = "trial",
        .description = "one operator",
    };
}

/* Runs a graph from x to y; where words is given, expects it to be refused with them. */
static inline void run_graph(const struct graph *graph, enum mw_rounding rounding, const void *x,
                             void *y, const char *words)
{
    uint8_t *bytes;
    size_t n_bytes, n_memory = 0;
    struct mw_model model;
    struct mw_model_fault why = { "" };
    ck_assert_int_eq(tflite_graph_write(&bytes, &n_bytes, graph), MW_OK);
    int result = mw_model_measure(bytes, n_bytes, &n_memory, &why);
    if (words) {
        ck_assert_int_lt(result, 0);
        ck_assert_msg(strstr(why.text, words) != NULL, "%s", why.text);
    } else {
        ck_assert_msg(result == MW_OK, "%s", why.text);
        void *memory = malloc(n_memory);
        ck_assert_ptr_nonnull(memory);
        result = mw_model_init(&model, bytes, n_bytes, rounding, memory, n_memory, &why);
        ck_assert_msg(result == MW_OK, "%s", why.text);
        mw_model_run(&model, x, y);
        free(memory);
    }
    free(bytes);
}

static inline void run_trial(const struct trial *t, enum mw_rounding rounding, const void *x,
                             void *y)
{
    struct graph graph = graph_of(t);
    run_graph(&graph, rounding, x, y, NULL);
}

static inline void random_bytes(uint64_t *seed, int8_t *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        x[i] = (int8_t)pick(seed, -128, 127);
}

/* --- section 5 of the arithmetic, slowly --- */

static inline wide floor_div(wide a, wide b)
{
    wide q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static inline wide power(int n)
{
    return (wide)1 << n;
}

struct pair {
    int64_t m;
    int e;
};

static inline struct pair slow_pair(double real)
{
    struct pair p = { 0, 0 };
    if (real == 0)
        return p;
    p.m = llround(ldexp(frexp(real, &p.e), 31));
    if (p.m == (int64_t)1 << 31) {
        p.m /= 2;
        p.e++;
    }
    return p.e < -31 ? (struct pair){ 0, 0 } : p;
}

static inline int64_t slow_requantize(int64_t x, struct pair p, enum mw_rounding rounding)
{
    if (rounding == MW_ROUNDING_SINGLE)
        return (int64_t)floor_div(x * (wide)p.m + power(30 - p.e), power(31 - p.e));
    wide y = floor_div(x * power(p.e > 0 ? p.e : 0) * p.m + power(30), power(31));
    wide right = power(p.e < 0 ? -p.e : 0), magnitude = y < 0 ? -y : y;
    magnitude = (2 * magnitude + right) / (2 * right);
    return (int64_t)(y < 0 ? -magnitude : magnitude);
}

static inline int8_t slow_clamp(int64_t v, int64_t min, int64_t max)
{
    return (int8_t)(v < min ? min : v > max ? max : v);
}

/* Range of a fused activation: 0 NONE, 1 RELU, 2 RELU_N1_TO_1, 3 RELU6. */
static inline int8_t slow_fuse(int64_t v, uint8_t fused, float scale, int32_t zero)
{
    int64_t min = -128, max = 127;
    int64_t one = llroundf(1.0f / scale), six = llroundf(6.0f / scale);
    if (fused == 1 || fused == 3)
        min = zero;
    if (fused == 2)
        min = zero - one < -128 ? -128 : zero - one;
    if (fused == 2)
        max = zero + one > 127 ? 127 : zero + one;
    if (fused == 3)
        max = zero + six > 127 ? 127 : zero + six;
    return slow_clamp(v + zero, min, max);
}

/* Counts what a comparison was worth. */
struct tally {
    uint32_t n, n_inside, n_differ;
};

static inline void compare(struct tally *tally, const int8_t *y, const int8_t *expected, uint32_t n,
                           const char *what, int trial)
{
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_msg(y[i] == expected[i], "%s %d: byte %u is %d, not %d", what, trial, i, y[i],
                      expected[i]);
        tally->n_inside += expected[i] > -128 && expected[i] < 127;
    }
    tally->n += n;
}

/* The comparison means little where nearly everything is clamped. */
static inline void judge(const struct tally *tally, const char *what)
{
    printf("%s: %u bytes, %u not at the ends of int8\n", what, tally->n, tally->n_inside);
    ck_assert_uint_gt(tally->n_inside, tally->n / 4);
}

#endif
