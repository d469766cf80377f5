/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with the DSP extension (Cortex-M4, M7, M33). Four rows at a time, the
 * weights where they lie, nothing packed and no scratch. SXTB16 spreads bytes 0 and 2 of a word, or
 * 1 and 3, to two halfwords; SMLAD adds two products of halfwords to a sum. SXTAB16 does so for the
 * inputs and takes off their zero point in the same instruction.
 *
 * The inner loop is assembly: it needs all fourteen registers, which no compiler gives it. */
#include "inference/dense_kernel.h"

#if defined(__arm__) && defined(__ARM_FEATURE_DSP) && __ARM_ARCH_PROFILE == 'M'

#include "inference/dense_finish.h"

#include <assert.h>

#define ROWS 4

/* What the loop starts from, in the order of its registers, and what it leaves. */
struct dot {
    const int8_t *w;         /* row 0 */
    uint32_t stride;         /* bytes from row to row */
    const int8_t *w3;        /* row 3 */
    const int8_t *x, *end16; /* sixteen inputs a turn up to here */
    uint32_t offset;         /* -zero in both halves */
    int32_t acc[ROWS];
    const int8_t *end4; /* then four a turn up to here */
};

static_assert(sizeof(struct dot) == 44 && _Alignof(struct dot) == 4, "the loop's offsets");

#define WEIGHTS(address, acc)            \
    "ldr lr, " address "\n"              \
    "sxtb16 r12, lr\n"                   \
    "smlad " acc ", r12, r10, " acc "\n" \
    "sxtb16 lr, lr, ror #8\n"            \
    "smlad " acc ", lr, r11, " acc "\n"

/* Four inputs of four rows: 23 instructions for 16 products. */
#define FOUR                                                                                     \
    "ldr r11, [r3], #4\n"                                                                        \
    "sxtab16 r10, r5, r11\n"                                                                     \
    "sxtab16 r11, r5, r11, ror #8\n" WEIGHTS("[r0, r1]", "r7") WEIGHTS("[r0, r1, lsl #1]", "r8") \
        WEIGHTS("[r0], #4", "r6") WEIGHTS("[r2], #4", "r9")

/* dot->acc[r] += row r times (x - zero) up to end4. Words may be unaligned. */
static __attribute__((naked, noinline)) void dot_rows(__attribute__((unused)) struct dot *dot)
{
    __asm__ volatile(".syntax unified\n"
                     "push {r0, r4-r11, lr}\n"
                     "ldm r0, {r0-r9}\n"
                     "b 2f\n"
                     "1:\n" FOUR FOUR FOUR FOUR "2: cmp r3, r4\n"
                     "bne 1b\n"
                     "ldr r10, [sp]\n"
                     "ldr r4, [r10, #40]\n"
                     "b 4f\n"
                     "3:\n" FOUR "4: cmp r3, r4\n"
                     "bne 3b\n"
                     "pop {r0}\n"
                     "adds r0, #24\n"
                     "stm r0, {r6-r9}\n"
                     "pop {r4-r11, pc}\n");
}

static int32_t dot1(const int8_t *w, const int8_t *x, uint32_t n, int32_t zero)
{
    int32_t acc = 0;
    for (uint32_t i = 0; i < n; i++)
        acc += w[i] * (x[i] - zero);
    return acc;
}

/* (a * b + 2^31) >> 32 */
static inline int32_t smmulr(int32_t a, int32_t b)
{
    int32_t high;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
    return high;
}

/* The usual requantisation, half as long as the general one: double rounding, and a shift to the
 * right by 1 .. MAX_RIGHT. */
struct usual {
    int32_t mantissa, right;
    int32_t half; /* of the second rounding, and the zero point where the shift leaves it whole */
    int32_t least, most;
};

#define MAX_RIGHT 20 /* 2^30 + 2^19 + 128 * 2^20 < 2^31 */

static __attribute__((noinline)) int32_t finish_large(const struct mw_dense_s8 *layer, int32_t acc)
{
    struct mw_dense_scale scale = mw_dense_scale(layer, MW_ROUNDING_DOUBLE, 0);
    return mw_dense_finish(&scale, acc);
}

/* The first rounding is SMMULR of twice the sum, where that fits into 32 bits. */
static inline int32_t finish_usual(const struct mw_dense_s8 *layer, const struct usual *u,
                                   int32_t acc)
{
    int32_t twice;
    if (__builtin_add_overflow(acc, acc, &twice))
        return finish_large(layer, acc);
    int32_t high = smmulr(twice, u->mantissa);
    int32_t v = (high + (high >> 31) + u->half) >> u->right;
    v = v < u->least ? u->least : v;
    return v > u->most ? u->most : v;
}

static inline void load_bias(const struct mw_dense_s8 *layer, uint32_t o, int32_t acc[ROWS])
{
    if (layer->bias)
        __builtin_memcpy(acc, layer->bias + 4 * (size_t)o,
                         4 * ROWS); /* a Cortex-M is little-endian */
    else
        acc[0] = acc[1] = acc[2] = acc[3] = 0;
}

/* Outputs from o, fewer than ROWS. */
static void last_rows(const struct mw_dense_s8 *layer, enum mw_rounding rounding, uint32_t o,
                      const int8_t *x, int8_t *y)
{
    for (; o < layer->n_out; o++) {
        const int8_t *w = layer->weights + (size_t)o * layer->n_in;
        struct mw_dense_scale scale = mw_dense_scale(layer, rounding, o);
        int32_t acc = mw_dense_bias(layer, o) + dot1(w, x, layer->n_in, layer->in_zero);
        y[o] = mw_dense_finish(&scale, acc);
    }
}

/* The last inputs of four rows, fewer than four. */
static __attribute__((noinline)) void add_rest(const struct mw_dense_s8 *layer, const int8_t *w,
                                               const int8_t *x, int32_t acc[ROWS])
{
    uint32_t n_in = layer->n_in, rest = n_in & 3;
    for (uint32_t r = 0; r < ROWS; r++)
        acc[r] += dot1(w + r * (size_t)n_in + n_in - rest, x + n_in - rest, rest, layer->in_zero);
}

static inline __attribute__((always_inline)) void sum_rows(const struct mw_dense_s8 *layer,
                                                           struct dot *dot, uint32_t o,
                                                           const int8_t *w, const int8_t *x)
{
    dot->w = w;
    dot->w3 = w + 3 * (size_t)layer->n_in;
    dot->x = x;
    load_bias(layer, o, dot->acc);
    dot_rows(dot);
    if (layer->n_in & 3)
        add_rest(layer, w, x, dot->acc);
}

/* Whole groups of rows with the usual requantisation. Returns the first output not computed. */
static __attribute__((noinline)) uint32_t usual_rows(const struct mw_dense_s8 *layer,
                                                     struct dot *dot, const int8_t *x, int8_t *y)
{
    const int32_t right = -layer->shift[0];
    const struct usual u = { .mantissa = layer->multiplier[0],
                             .right = right,
                             .half = (1 << (right - 1)) + layer->out_zero * (1 << right),
                             .least = layer->out_min,
                             .most = layer->out_max };
    const uint32_t n = layer->n_out & ~UINT32_C(3);
    const int8_t *w = layer->weights;
    for (uint32_t o = 0; o < n; o += ROWS, w += (size_t)ROWS * layer->n_in, y += ROWS) {
        sum_rows(layer, dot, o, w, x);
        MW_EACH (r, ROWS)
            y[r] = (int8_t)finish_usual(layer, &u, dot->acc[r]);
    }
    return n;
}

#ifndef MW_ENGINE_DENSE_ONLY
/* Output o, which has a multiplier of its own; any sum and shift. */
static inline int8_t finish_channel(const struct mw_dense_s8 *layer, uint32_t o, int32_t acc)
{
    int32_t twice, right = -layer->shift[o];
    if (right < 1 || right > MAX_RIGHT || __builtin_add_overflow(acc, acc, &twice)) {
        struct mw_dense_scale scale = mw_dense_scale(layer, MW_ROUNDING_DOUBLE, o);
        return mw_dense_finish(&scale, acc);
    }
    int32_t high = smmulr(twice, layer->multiplier[o]);
    int32_t v = ((high + (high >> 31) + (1 << (right - 1))) >> right) + layer->out_zero;
    v = v < layer->out_min ? layer->out_min : v;
    return (int8_t)(v > layer->out_max ? layer->out_max : v);
}

/* Whole groups of rows with a multiplier each, double rounding. */
static __attribute__((noinline)) uint32_t channel_rows(const struct mw_dense_s8 *layer,
                                                       struct dot *dot, const int8_t *x, int8_t *y)
{
    const uint32_t n = layer->n_out & ~UINT32_C(3);
    const int8_t *w = layer->weights;
    for (uint32_t o = 0; o < n; o += ROWS, w += (size_t)ROWS * layer->n_in) {
        sum_rows(layer, dot, o, w, x);
        for (uint32_t r = 0; r < ROWS; r++)
            y[o + r] = finish_channel(layer, o + r, dot->acc[r]);
    }
    return n;
}
#endif

/* The same with any requantisation. */
static uint32_t other_rows(const struct mw_dense_s8 *layer, struct dot *dot,
                           enum mw_rounding rounding, const int8_t *x, int8_t *y)
{
    const uint32_t n = layer->n_out & ~UINT32_C(3);
    const int8_t *w = layer->weights;
    for (uint32_t o = 0; o < n; o += ROWS, w += (size_t)ROWS * layer->n_in) {
        sum_rows(layer, dot, o, w, x);
        for (uint32_t r = 0; r < ROWS; r++) {
            struct mw_dense_scale scale = mw_dense_scale(layer, rounding, o + r);
            y[o + r] = mw_dense_finish(&scale, dot->acc[r]);
        }
    }
    return n;
}

static void run_window(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                       int8_t *y)
{
    const uint32_t n_in = layer->n_in;
    const uint16_t minus_zero = (uint16_t)-layer->in_zero;
    struct dot dot;
    dot.stride = n_in;
    dot.end16 = x + (n_in & ~UINT32_C(15));
    dot.end4 = x + (n_in & ~UINT32_C(3));
    dot.offset = minus_zero * UINT32_C(0x10001);
    bool usual = rounding == MW_ROUNDING_DOUBLE && layer->n_multipliers == 1 &&
                 layer->shift[0] < 0 && layer->shift[0] >= -MAX_RIGHT;
    uint32_t o;
    if (usual)
        o = usual_rows(layer, &dot, x, y);
#ifndef MW_ENGINE_DENSE_ONLY
    else if (rounding == MW_ROUNDING_DOUBLE && layer->n_multipliers > 1)
        o = channel_rows(layer, &dot, x, y);
#endif
    else
        o = other_rows(layer, &dot, rounding, x, y);
    last_rows(layer, rounding, o, x, y);
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    for (uint32_t w = 0; w < n_windows; w++)
        run_window(layer, rounding, x + (size_t)w * layer->n_in, y + (size_t)w * layer->n_out);
}

const struct mw_dense_kernel mw_dense_dsp = { .name = "dsp", .cpu = MW_CPU_DSP, .run = run };

#endif
