/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with the DSP extension and weights packed as halfwords: twice their bytes,
 * in RAM or flash, for half the instructions. SMLAD takes two weights out of one register, and LDM
 * brings four registers of them; nothing is widened but the inputs.
 *
 * Packed are, for each four outputs: their biases; for each four inputs the pairs (0, 2) of four
 * rows, then the pairs (1, 3), as SXTB16 spreads the inputs; for each output what the usual
 * requantisation in double rounding needs. Weights and biases are doubled,
 * because the first rounding is SMMULR of twice the sum, and carry a shift to the left. Rows and
 * inputs beyond the last are 0. */
#include "inference/dense_kernel.h"

#if defined(MW_DENSE_HAS_DSP) && !defined(MW_ENGINE_DENSE_ONLY)

#include "inference/dense_finish.h"

#include <assert.h>

#define ROWS      4
#define MAX_RIGHT 23 /* a sum below 2^30, half of 2^23 and 127 * 2^23 are below 2^31 */
#define MAX_LEFT  6  /* 128 * 2 * 2^6 < 2^15 */

struct finish {
    int32_t mantissa, right;
    int32_t half; /* of the second rounding, and the zero point where the shift leaves it whole */
    int32_t sign; /* -1: one less below 0, so that halves are rounded away from it; 0: no shift */
};

/* What the assembly reads, in its order. */
struct job {
    const int8_t *x, *end16; /* sixteen inputs a turn up to here */
    uint32_t offset;         /* -zero in both halves */
    const int8_t *end4;      /* then four a turn up to here; NULL: nothing is left */
    uint32_t n_rest;         /* then, if any, */
    uint32_t rest;           /* these */
    int8_t *y, *y_end;
};

static_assert(sizeof(struct job) == 32 && sizeof(struct finish) == 16, "the assembly's offsets");

/* Four inputs of four rows, 13 instructions for 16 products. */
#define WIDEN              \
    "sxtab16 r9, r3, r8\n" \
    "sxtab16 r8, r3, r8, ror #8\n"
#define PRODUCTS                     \
    "ldm r0!, {r10, r11, r12, lr}\n" \
    "smlad r4, r10, r9, r4\n"        \
    "smlad r5, r11, r9, r5\n"        \
    "smlad r6, r12, r9, r6\n"        \
    "smlad r7, lr, r9, r7\n"         \
    "ldm r0!, {r10, r11, r12, lr}\n" \
    "smlad r4, r10, r8, r4\n"        \
    "smlad r5, r11, r8, r5\n"        \
    "smlad r6, r12, r8, r6\n"        \
    "smlad r7, lr, r8, r7\n"
#define FOUR "ldr r8, [r1], #4\n" WIDEN PRODUCTS

#define FINISH(acc)                    \
    "ldm r0!, {r8, r9, r10, r11}\n"    \
    "smmulr " acc ", " acc ", r8\n"    \
    "and r11, r11, " acc ", asr #31\n" \
    "add r10, r10, r11\n"              \
    "add " acc ", " acc ", r10\n"      \
    "asr " acc ", " acc ", r9\n"       \
    "ssat " acc ", #8, " acc "\n"

/* Groups of four outputs from y to y_end. Returns where the packed form goes on. Words may be
 * unaligned at x, not at packed. */
static __attribute__((naked, noinline)) const uint32_t *
groups(__attribute__((unused)) const uint32_t *packed, __attribute__((unused)) struct job *job)
{
    __asm__ volatile(".syntax unified\n"
                     "push {r1, r4-r11, lr}\n"
                     "mov lr, r1\n"
                     "1: ldm lr, {r1, r2, r3}\n"
                     "ldm r0!, {r4-r7}\n"
                     "cmp r1, r2\n"
                     "beq 3f\n"
                     "2:\n" FOUR FOUR FOUR FOUR "cmp r1, r2\n"
                     "bne 2b\n"
                     "3: ldr lr, [sp]\n"
                     "ldr r2, [lr, #12]\n"
                     "cbz r2, 6f\n"
                     "b 5f\n"
                     "4:\n" FOUR "5: cmp r1, r2\n"
                     "bne 4b\n"
                     "ldr lr, [sp]\n"
                     "ldrd r2, r8, [lr, #16]\n"
                     "cbz r2, 6f\n" WIDEN PRODUCTS "6:\n" FINISH("r4") FINISH("r5") FINISH("r6")
                         FINISH("r7") "ldr lr, [sp]\n"
                                      "ldrd r1, r2, [lr, #24]\n"
                                      "strb r4, [r1], #1\n"
                                      "strb r5, [r1], #1\n"
                                      "strb r6, [r1], #1\n"
                                      "strb r7, [r1], #1\n"
                                      "str r1, [lr, #24]\n"
                                      "cmp r1, r2\n"
                                      "bne 1b\n"
                                      "pop {r1, r4-r11, pc}\n");
}

static uint32_t n_groups(const struct mw_dense_s8 *layer)
{
    return (layer->n_out + ROWS - 1) / ROWS;
}

static uint32_t n_fours(const struct mw_dense_s8 *layer)
{
    return (layer->n_in + 3) / 4;
}

static size_t packed_bytes(const struct mw_dense_s8 *layer)
{
    size_t group = ROWS * 4 + n_fours(layer) * (size_t)32 + ROWS * sizeof(struct finish);
    return (n_groups(layer) * group + MW_DENSE_PACKED_ALIGN - 1) / MW_DENSE_PACKED_ALIGN *
           MW_DENSE_PACKED_ALIGN;
}

static uint32_t magnitude(int32_t v)
{
    return v < 0 ? 0 - (uint32_t)v : (uint32_t)v;
}

/* Of output o: rows beyond the last are as the first. */
static int32_t shift_of(const struct mw_dense_s8 *layer, uint32_t o)
{
    return layer->shift[layer->n_multipliers > 1 && o < layer->n_out ? o : 0];
}

/* How weights and bias are multiplied: twice, and what the multiplier's shift to the left adds. */
static uint32_t scale_of(const struct mw_dense_s8 *layer, uint32_t o)
{
    int32_t shift = shift_of(layer, o);
    return UINT32_C(2) << (shift > 0 ? shift : 0);
}

/* Whether output o's sum, multiplied, cannot leave 32 bits, nor its weights 16. */
static bool is_usual(const struct mw_dense_s8 *layer, uint32_t o)
{
    int32_t shift = shift_of(layer, o);
    if (shift < -MAX_RIGHT || shift > MAX_LEFT)
        return false;
    uint32_t most = magnitude(mw_dense_bias(layer, o));
    const int8_t *w = layer->weights + (size_t)o * layer->n_in;
    uint32_t reach =
        layer->in_zero > 0 ? 128u + (uint32_t)layer->in_zero : 127u + (uint32_t)-layer->in_zero;
    for (uint32_t i = 0; i < layer->n_in; i++)
        most += magnitude(w[i]) * reach; /* together below 2^31, as the reader has checked */
    return most < (UINT32_C(1) << 31) / scale_of(layer, o);
}

/* Weight (o, i), multiplied, as a halfword; 0 beyond the layer. */
static uint32_t half(const struct mw_dense_s8 *layer, uint32_t o, uint32_t i)
{
    if (o >= layer->n_out || i >= layer->n_in)
        return 0;
    return (uint16_t)(layer->weights[(size_t)o * layer->n_in + i] * (int32_t)scale_of(layer, o));
}

static uint32_t *pack_group(const struct mw_dense_s8 *layer, uint32_t first, uint32_t *to)
{
    for (uint32_t o = first; o < first + ROWS; o++)
        *to++ = o < layer->n_out ? scale_of(layer, o) * (uint32_t)mw_dense_bias(layer, o) : 0;
    for (uint32_t i = 0; i < layer->n_in; i += 4)
        for (uint32_t odd = 0; odd < 2; odd++)
            for (uint32_t o = first; o < first + ROWS; o++)
                *to++ = half(layer, o, i + odd) | half(layer, o, i + odd + 2) << 16;
    for (uint32_t o = first; o < first + ROWS; o++) {
        uint32_t m = layer->n_multipliers > 1 && o < layer->n_out ? o : 0;
        int32_t shift = shift_of(layer, o), right = shift < 0 ? -shift : 0;
        *to++ = (uint32_t)layer->multiplier[m];
        *to++ = (uint32_t)right;
        *to++ = (uint32_t)((1 << right >> 1) + layer->out_zero * (1 << right));
        *to++ = right > 0 ? UINT32_MAX : 0;
    }
    return to;
}

static bool pack(const struct mw_dense_s8 *layer, void *ret_packed)
{
    for (uint32_t o = 0; o < layer->n_out; o++)
        if (!is_usual(layer, o))
            return false;
    uint32_t *to = ret_packed;
    for (uint32_t g = 0; g < n_groups(layer); g++)
        to = pack_group(layer, g * ROWS, to);
    return true;
}

/* Where the fused activation leaves less than all bytes. */
static void clamp(const struct mw_dense_s8 *layer, int8_t *y)
{
    for (uint32_t o = 0; o < layer->n_out; o++)
        y[o] = (int8_t)(y[o] < layer->out_min   ? layer->out_min
                        : y[o] > layer->out_max ? layer->out_max
                                                : y[o]);
}

static void run_window(const struct mw_dense_s8 *layer, const int8_t *x, int8_t *y)
{
    const uint32_t n_in = layer->n_in, whole = layer->n_out & ~UINT32_C(3);
    const uint16_t minus_zero = (uint16_t)-layer->in_zero;
    struct job job = { .x = x,
                       .end16 = x + (n_in & ~UINT32_C(15)),
                       .offset = minus_zero * UINT32_C(0x10001),
                       .end4 = n_in % 16 ? x + (n_in & ~UINT32_C(3)) : NULL,
                       .n_rest = n_in & 3,
                       .y = y,
                       .y_end = y + whole };
    for (uint32_t i = 0; i < job.n_rest; i++)
        job.rest |= (uint32_t)(uint8_t)job.end4[i] << 8 * i;
    const uint32_t *packed = layer->packed;
    if (whole > 0)
        packed = groups(packed, &job);
    if (whole < layer->n_out) {
        int8_t last[ROWS];
        job.y = last;
        job.y_end = last + ROWS;
        groups(packed, &job);
        for (uint32_t o = whole; o < layer->n_out; o++)
            y[o] = last[o - whole];
    }
    if (layer->out_min > INT8_MIN || layer->out_max < INT8_MAX)
        clamp(layer, y);
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    if (rounding != MW_ROUNDING_DOUBLE) {
        mw_dense_dsp.run(layer, rounding, x, y, n_windows);
        return;
    }
    for (uint32_t w = 0; w < n_windows; w++)
        run_window(layer, x + (size_t)w * layer->n_in, y + (size_t)w * layer->n_out);
}

const struct mw_dense_kernel mw_dense_dsp_packed = {
    .name = "dsp-packed", .cpu = MW_CPU_DSP, .packed_bytes = packed_bytes, .pack = pack, .run = run
};

#endif
