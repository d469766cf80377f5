/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with the DSP extension (Cortex-M4, M7, M33). Four rows at a time, the
 * weights where they lie, nothing packed and no scratch. SXTB16 spreads bytes 0 and 2 of a word, or
 * 1 and 3, to two halfwords; SMLAD adds two products of halfwords to a sum. SXTAB16 does so for the
 * inputs and takes off their zero point in the same instruction.
 *
 * The inner loop is assembly: it needs all fourteen registers, which no compiler gives it. */
#include "inference/dense_kernel.h"

#ifdef MW_DENSE_HAS_DSP

#include "inference/dense_finish.h"

#include <assert.h>

#define ROWS 4

/* What the loop starts from, in the order of its registers, and what it leaves. */
struct dot {
    const int8_t *w;       /* row 0 */
    uint32_t stride;       /* bytes from row to row */
    const int8_t *w3;      /* row 3 */
    const int8_t *x, *end; /* a multiple of four inputs */
    uint32_t offset;       /* -zero in both halves */
    int32_t acc[ROWS];
};

static_assert(sizeof(struct dot) == 40 && _Alignof(struct dot) == 4, "the loop's offsets");

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

/* An error of the assembler's otherwise; Clang's knows no .if of labels, GCC's warns of an empty
 * .space. */
#ifdef __clang__
#define FOUR_IS_92_BYTES ".space (2b - 1b) - 4 * 92\n.space 4 * 92 - (2b - 1b)\n"
#else
#define FOUR_IS_92_BYTES ".if 2b - 1b - 4 * 92\n.error \"FOUR is not 92 bytes\"\n.endif\n"
#endif

/* dot->acc[r] += row r times (x - zero) up to the end. Words may be unaligned. Sixteen inputs a
 * turn; the first turn begins where as many are left of it as the inputs have beyond whole turns.
 * FOUR has 23 instructions of four bytes. */
static __attribute__((naked, noinline)) void dot_rows(__attribute__((unused)) struct dot *dot)
{
    __asm__ volatile(".syntax unified\n"
                     "push {r0, r4-r11, lr}\n"
                     "ldm r0, {r0-r9}\n"
                     "subs r10, r3, r4\n"
                     "beq 3f\n"
                     "and r10, r10, #12\n"
                     "mov r11, #23\n"
                     "mul r10, r10, r11\n"
                     "add pc, r10\n"
                     "nop\n" /* the sum counts from the next word */
                     "1:\n" FOUR FOUR FOUR FOUR "2: cmp r3, r4\n"
                     "bne 1b\n"
                     "3: pop {r0}\n"
                     "adds r0, #24\n"
                     "stm r0, {r6-r9}\n"
                     "pop {r4-r11, pc}\n" FOUR_IS_92_BYTES);
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
    int32_t mantissa, right; /* right 0: the layer is not usual */
    int32_t half; /* of the second rounding, and the zero point where the shift leaves it whole */
    uint32_t least, most; /* in all four bytes */
};

#define MAX_RIGHT 20 /* 2^30 + 2^19 + 128 * 2^20 < 2^31 */

/* Output o with any requantisation. */
static __attribute__((noinline)) int32_t
finish_any(const struct mw_dense_s8 *layer, enum mw_rounding rounding, uint32_t o, int32_t acc)
{
    struct mw_dense_scale scale = mw_dense_scale(layer, rounding, o);
    return mw_dense_finish(&scale, acc);
}

/* The first rounding is SMMULR of twice the sum, where that fits into 32 bits. Within int8, but not
 * yet within least and most. */
static inline int32_t finish_usual(const struct mw_dense_s8 *layer, const struct usual *u,
                                   int32_t acc)
{
    int32_t twice, v;
    if (__builtin_add_overflow(acc, acc, &twice))
        return finish_any(layer, MW_ROUNDING_DOUBLE, 0, acc);
    int32_t high = smmulr(twice, u->mantissa);
    v = (high + (high >> 31) + u->half) >> u->right;
    __asm__("ssat %0, #8, %1" : "=r"(v) : "r"(v));
    return v;
}

/* Four outputs. SSUB8 says of each byte which is greater, SEL takes it. */
static inline void finish_four(const struct mw_dense_s8 *layer, const struct usual *u,
                               const int32_t acc[ROWS], int8_t *y)
{
    int32_t v[ROWS];
    MW_EACH (r, ROWS)
        v[r] = finish_usual(layer, u, acc[r]);
    uint32_t four = (uint32_t)v[0], clamped;
    __asm__("bfi %0, %1, #8, #8\n"
            "bfi %0, %2, #16, #8\n"
            "bfi %0, %3, #24, #8\n"
            : "+&r"(four)
            : "r"(v[1]), "r"(v[2]), "r"(v[3]));
    __asm__("ssub8 %0, %1, %2\n"
            "sel %0, %1, %2\n"
            "ssub8 %1, %3, %0\n"
            "sel %0, %0, %3\n"
            : "=&r"(clamped), "+&r"(four)
            : "r"(u->least), "r"(u->most));
    __builtin_memcpy(y, &clamped, ROWS); /* a Cortex-M is little-endian */
}

static inline void load_bias(const struct mw_dense_s8 *layer, uint32_t o, int32_t acc[ROWS])
{
    if (layer->bias)
        __builtin_memcpy(acc, layer->bias + 4 * (size_t)o, 4 * ROWS);
    else
        acc[0] = acc[1] = acc[2] = acc[3] = 0;
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

static struct usual find_usual(const struct mw_dense_s8 *layer, enum mw_rounding rounding)
{
    const int32_t right = -layer->shift[0];
    if (rounding != MW_ROUNDING_DOUBLE || layer->n_multipliers != 1 || right < 1 ||
        right > MAX_RIGHT)
        return (struct usual){ .right = 0 };
    return (struct usual){ .mantissa = layer->multiplier[0],
                           .right = right,
                           .half = (1 << (right - 1)) + layer->out_zero * (1 << right),
                           .least = (uint8_t)layer->out_min * UINT32_C(0x01010101),
                           .most = (uint8_t)layer->out_max * UINT32_C(0x01010101) };
}

#ifndef MW_ENGINE_DENSE_ONLY
/* Output o, which has a multiplier of its own, with double rounding; any sum and shift. */
static inline int32_t finish_channel(const struct mw_dense_s8 *layer, uint32_t o, int32_t acc)
{
    int32_t twice, right = -layer->shift[o];
    if (right < 1 || right > MAX_RIGHT || __builtin_add_overflow(acc, acc, &twice))
        return finish_any(layer, MW_ROUNDING_DOUBLE, o, acc);
    int32_t high = smmulr(twice, layer->multiplier[o]);
    int32_t v = ((high + (high >> 31) + (1 << (right - 1))) >> right) + layer->out_zero;
    v = v < layer->out_min ? layer->out_min : v;
    return v > layer->out_max ? layer->out_max : v;
}
#endif

/* Four outputs that are not the usual ones. */
static inline void finish_others(const struct mw_dense_s8 *layer, enum mw_rounding rounding,
                                 uint32_t o, const int32_t acc[ROWS], int8_t *y)
{
#ifndef MW_ENGINE_DENSE_ONLY
    if (rounding == MW_ROUNDING_DOUBLE && layer->n_multipliers > 1) {
        for (uint32_t r = 0; r < ROWS; r++)
            y[r] = (int8_t)finish_channel(layer, o + r, acc[r]);
        return;
    }
#endif
    for (uint32_t r = 0; r < ROWS; r++)
        y[r] = (int8_t)finish_any(layer, rounding, o + r, acc[r]);
}

static void run_window(const struct mw_dense_s8 *layer, const struct usual *u,
                       enum mw_rounding rounding, const int8_t *x, int8_t *y)
{
    const uint32_t n_in = layer->n_in, whole = layer->n_out & ~(uint32_t)(ROWS - 1);
    const uint16_t minus_zero = (uint16_t)-layer->in_zero;
    const int8_t *w = layer->weights;
    struct dot dot;
    dot.stride = n_in;
    dot.end = x + (n_in & ~UINT32_C(3));
    dot.offset = minus_zero * UINT32_C(0x10001);
    for (uint32_t o = 0; o < whole; o += ROWS, w += (size_t)ROWS * n_in) {
        sum_rows(layer, &dot, o, w, x);
        if (u->right)
            finish_four(layer, u, dot.acc, y + o);
        else
            finish_others(layer, rounding, o, dot.acc, y + o);
    }
    for (uint32_t o = whole; o < layer->n_out; o++, w += n_in)
        y[o] = (int8_t)finish_any(layer, rounding, o,
                                  mw_dense_bias(layer, o) + dot1(w, x, n_in, layer->in_zero));
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    const struct usual u = find_usual(layer, rounding);
    for (uint32_t w = 0; w < n_windows; w++)
        run_window(layer, &u, rounding, x + (size_t)w * layer->n_in, y + (size_t)w * layer->n_out);
}

const struct mw_dense_kernel mw_dense_dsp = { .name = "dsp", .cpu = MW_CPU_DSP, .run = run };

#endif
