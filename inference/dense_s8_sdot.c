/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with SDOT (Cortex-A55, A75 and later). SDOT by element adds four products to
 * each of four sums: lane l is output o + l, and the four inputs are one element of a vector of
 * sixteen, so that no sum is added across lanes. The zero point is folded into the bias.
 *
 * Packed: int32 folded bias [n_out up to 4s], then blocks of up to 32 outputs; a block is, for each
 * four inputs, its vectors one after the other. */
#include "inference/dense_kernel.h"

#if defined(__ARM_FEATURE_DOTPROD)

#include "inference/dense_neon.h"

#define LANES 4 /* outputs of a vector */
#define BLOCK                                                                                   \
    8          /* vectors of a block: as many sums in flight as two pipes of latency 4 can hold \
                */
#define TILE 4 /* vectors and windows of a tile, where there are several windows */

static uint32_t n_vectors_of(const struct mw_dense_s8 *layer)
{
    return (layer->n_out + LANES - 1) / LANES;
}

static uint32_t n_steps_of(const struct mw_dense_s8 *layer)
{
    return (layer->n_in + 3) / 4;
}

static size_t packed_bytes(const struct mw_dense_s8 *layer)
{
    size_t n = (size_t)n_vectors_of(layer) * 16 * (n_steps_of(layer) + 1);
    return (n + 63) & ~(size_t)63;
}

static bool pack(const struct mw_dense_s8 *layer, void *ret_packed)
{
    uint32_t n_vectors = n_vectors_of(layer), n_steps = n_steps_of(layer);
    int32_t *bias = ret_packed;
    for (uint32_t o = 0; o < n_vectors * LANES; o++)
        bias[o] = o < layer->n_out ? mw_dense_folded_bias(layer, o, layer->in_zero) : 0;

    int8_t *to = (int8_t *)(bias + (size_t)n_vectors * LANES);
    for (uint32_t first = 0; first < n_vectors; first += BLOCK) {
        uint32_t width = (n_vectors - first < BLOCK ? n_vectors - first : BLOCK) * LANES;
        for (uint32_t s = 0; s < n_steps; s++)
            for (uint32_t l = 0; l < width; l++)
                for (uint32_t i = 4 * s; i < 4 * s + 4; i++) {
                    uint32_t o = first * LANES + l;
                    bool there = o < layer->n_out && i < layer->n_in;
                    *to++ = there ? layer->weights[(size_t)o * layer->n_in + i] : (int8_t)0;
                }
    }
    return true;
}

/* One step: n_wide vectors of weights times element `lane` of each window's inputs. */
#define STEP(lane)                                                                \
    do {                                                                          \
        MW_EACH (v, n_wide) {                                                     \
            int8x16_t weights = vld1q_s8(w + (lane)*stride + v * 16);             \
            MW_EACH (h, n_high)                                                   \
                acc[h * n_wide + v] =                                             \
                    vdotq_laneq_s32(acc[h * n_wide + v], weights, in[h], (lane)); \
        }                                                                         \
    } while (0)

/* The last inputs, fewer than sixteen, and zeroes. */
static inline int8x16_t load_rest(const int8_t *x, uint32_t n)
{
    int8_t rest[16] = { 0 };
    for (uint32_t i = 0; i < n; i++)
        rest[i] = x[i];
    return vld1q_s8(rest);
}

/* One tile: n_wide vectors of outputs for n_high windows, both known when this is compiled. w: the
 * tile's first vector; stride: bytes from step to step; sums: of window h at sums + h * BLOCK *
 * LANES, with the biases at first. */
static inline __attribute__((always_inline)) void tile(const int8_t *w, const size_t stride,
                                                       const int8_t *x, uint32_t n_in,
                                                       size_t x_stride, int32_t *sums,
                                                       const uint32_t n_wide, const uint32_t n_high)
{
    int32x4_t acc[TILE * TILE];
    int8x16_t in[TILE];
    MW_EACH (h, n_high)
        MW_EACH (v, n_wide)
            acc[h * n_wide + v] = vld1q_s32(sums + h * BLOCK * LANES + v * LANES);
    for (; n_in >= 16; n_in -= 16, w += 4 * stride, x += 16) {
        MW_EACH (h, n_high)
            in[h] = vld1q_s8(x + h * x_stride);
        STEP(0);
        STEP(1);
        STEP(2);
        STEP(3);
    }
    if (n_in > 0) {
        MW_EACH (h, n_high)
            in[h] = load_rest(x + h * x_stride, n_in);
        STEP(0);
        if (n_in > 4)
            STEP(1);
        if (n_in > 8)
            STEP(2);
        if (n_in > 12)
            STEP(3);
    }
    MW_EACH (h, n_high)
        MW_EACH (v, n_wide)
            vst1q_s32(sums + h * BLOCK * LANES + v * LANES, acc[h * n_wide + v]);
}

/* A whole block for one window, sums = bias + weights times inputs; n16 inputs, a multiple of 16
 * and not 0: the loop that nearly all time goes into, without the moves that the compiler puts
 * between. */
static void dot_block(const int8_t *w, const int8_t *x, uint32_t n16, const int32_t *bias,
                      int32_t *sums)
{
#define ASM_STEP(lane)                                                                \
    "ldp q17, q18, [%[w]], #128\n ldp q19, q20, [%[w], #-96]\n"                       \
    "ldp q21, q22, [%[w], #-64]\n ldp q23, q24, [%[w], #-32]\n"                       \
    "sdot v0.4s, v17.16b, v16.4b[" lane "]\n sdot v1.4s, v18.16b, v16.4b[" lane "]\n" \
    "sdot v2.4s, v19.16b, v16.4b[" lane "]\n sdot v3.4s, v20.16b, v16.4b[" lane "]\n" \
    "sdot v4.4s, v21.16b, v16.4b[" lane "]\n sdot v5.4s, v22.16b, v16.4b[" lane "]\n" \
    "sdot v6.4s, v23.16b, v16.4b[" lane "]\n sdot v7.4s, v24.16b, v16.4b[" lane "]\n"
    __asm__ volatile("ldp q0, q1, [%[bias]]\n ldp q2, q3, [%[bias], #32]\n"
                     "ldp q4, q5, [%[bias], #64]\n ldp q6, q7, [%[bias], #96]\n"
                     "1: ldr q16, [%[x]], #16\n" ASM_STEP("0") ASM_STEP("1") ASM_STEP("2")
                         ASM_STEP("3") "subs %w[n], %w[n], #16\n b.ne 1b\n"
                                       "stp q0, q1, [%[sums]]\n stp q2, q3, [%[sums], #32]\n"
                                       "stp q4, q5, [%[sums], #64]\n stp q6, q7, [%[sums], #96]\n"
                     : [w] "+r"(w), [x] "+r"(x), [n] "+r"(n16)
                     : [bias] "r"(bias), [sums] "r"(sums)
                     : "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17",
                       "v18", "v19", "v20", "v21", "v22", "v23", "v24");
#undef ASM_STEP
}

static void set(int32_t *sums, const int32_t *bias, uint32_t width)
{
    for (uint32_t v = 0; v < width; v++)
        vst1q_s32(sums + v * LANES, vld1q_s32(bias + v * LANES));
}

/* Whole blocks for one window. Returns how many outputs that were. */
static uint32_t whole_blocks(const struct mw_dense_s8 *layer, struct mw_neon_finish *f,
                             const int8_t *w, const int8_t *x, int8_t *y)
{
    const int32_t *bias = layer->packed;
    const uint32_t n_in = layer->n_in, n16 = n_in & ~UINT32_C(15), width = BLOCK * LANES;
    uint32_t o = 0;
    for (; n16 > 0 && o + width <= layer->n_out; o += width, bias += width) {
        int32_t sums[BLOCK * LANES];
        dot_block(w, x, n16, bias, sums);
        w += (size_t)n16 * width;
        if (n_in > n16) {
            for (uint32_t v = 0; v < BLOCK; v++)
                tile(w + v * 16, (size_t)BLOCK * 16, x + n16, n_in - n16, 0, sums + v * LANES, 1,
                     1);
            w += (size_t)(n_steps_of(layer) * 4 - n16) * width;
        }
        mw_neon_put(layer, f, o, width, sums, y + o);
    }
    return o;
}

/* The sums of one block for one window. */
static void one_window(const int8_t *w, uint32_t width, const int8_t *x, uint32_t n_in,
                       const int32_t *bias, int32_t *sums)
{
    set(sums, bias, width);
    for (uint32_t v = 0; v < width; v++)
        tile(w + v * 16, (size_t)width * 16, x, n_in, 0, sums + v * LANES, 1, 1);
}

/* The sums of one block for TILE windows. */
static void many_windows(const int8_t *w, uint32_t width, const int8_t *x, uint32_t n_in,
                         const int32_t *bias, int32_t *sums)
{
    size_t stride = (size_t)width * 16;
    uint32_t v = 0;
    for (uint32_t h = 0; h < TILE; h++)
        set(sums + (size_t)h * BLOCK * LANES, bias, width);
    for (; v + TILE <= width; v += TILE)
        tile(w + v * 16, stride, x, n_in, n_in, sums + v * LANES, TILE, TILE);
    for (; v < width; v++)
        tile(w + v * 16, stride, x, n_in, n_in, sums + v * LANES, 1, TILE);
}

/* One block of outputs from o for n_high windows, 1 or TILE. */
static __attribute__((noinline)) void block(const struct mw_dense_s8 *layer,
                                            struct mw_neon_finish *f, uint32_t o, uint32_t width,
                                            const int8_t *w, const int8_t *x, int8_t *y,
                                            uint32_t n_high)
{
    int32_t sums[TILE * BLOCK * LANES];
    const int32_t *bias = (const int32_t *)layer->packed + o;
    if (n_high == 1)
        one_window(w, width, x, layer->n_in, bias, sums);
    else
        many_windows(w, width, x, layer->n_in, bias, sums);
    uint32_t n = layer->n_out - o < width * LANES ? layer->n_out - o : width * LANES;
    for (uint32_t h = 0; h < n_high; h++)
        mw_neon_put(layer, f, o, n, sums + (size_t)h * BLOCK * LANES,
                    y + (size_t)h * layer->n_out + o);
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    uint32_t n_vectors = n_vectors_of(layer), n_steps = n_steps_of(layer);
    struct mw_neon_finish f = mw_neon_finish(layer, rounding);
    const int8_t *first = (const int8_t *)layer->packed + (size_t)n_vectors * 16;
    for (uint32_t n; n_windows > 0; n_windows -= n) {
        n = n_windows >= TILE ? TILE : 1;
        uint32_t o = n == 1 ? whole_blocks(layer, &f, first, x, y) : 0;
        for (uint32_t width; o < layer->n_out; o += width * LANES) {
            width = n_vectors - o / LANES < BLOCK ? n_vectors - o / LANES : BLOCK;
            block(layer, &f, o, width, first + (size_t)o * 4 * n_steps, x, y, n);
        }
        x += (size_t)n * layer->n_in;
        y += (size_t)n * layer->n_out;
    }
}

const struct mw_dense_kernel mw_dense_sdot = { .name = "sdot",
                                               .cpu = MW_CPU_NEON | MW_CPU_DOTPROD,
                                               .packed_bytes = packed_bytes,
                                               .pack = pack,
                                               .run = run };

#endif
