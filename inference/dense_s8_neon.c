/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with Advanced SIMD on AArch64 (Cortex-A53, A72). Four rows at a time, the
 * weights where they lie: SMULL and SMLAL2 add two products into 16 bits, SADALP adds two of those
 * to a sum of 32. Two products fit unless both are -128 * -128, so a layer with a weight of -128 is
 * left to another kernel (no converter makes one). The zero point is folded into the bias.
 *
 * Packed: int32 folded bias [n_out up to 4s]. */
#include "inference/dense_neon.h"

#define ROWS 4

static size_t packed_bytes(const struct mw_dense_s8 *layer)
{
    return ((size_t)layer->n_out * 4 + 63) & ~(size_t)63;
}

static bool pack(const struct mw_dense_s8 *layer, void *ret_packed)
{
    int32_t *bias = ret_packed;
    uint32_t n = (layer->n_out + ROWS - 1) & ~UINT32_C(3);
    for (size_t i = 0; i < (size_t)layer->n_in * layer->n_out; i++)
        if (layer->weights[i] == -128)
            return false;
    for (uint32_t o = 0; o < n; o++)
        bias[o] = o < layer->n_out ? mw_dense_folded_bias(layer, o, layer->in_zero) : 0;
    return true;
}

static inline int32x4_t dot16(int32x4_t acc, int8x16_t w, int8x16_t x)
{
    int16x8_t pairs = vmull_s8(vget_low_s8(w), vget_low_s8(x));
    return vpadalq_s16(acc, vmlal_high_s8(pairs, w, x));
}

static inline int32x4_t dot8(int32x4_t acc, const int8_t *w, const int8_t *x)
{
    return vpadalq_s16(acc, vmull_s8(vld1_s8(w), vld1_s8(x)));
}

/* Sums of n_rows rows for n_high windows, both known when this is compiled; row r of window h is
 * sum of ret[h]'s lane r. */
static inline __attribute__((always_inline)) void dot_rows(const struct mw_dense_s8 *layer,
                                                           const int8_t *w, const int8_t *x,
                                                           const uint32_t n_rows,
                                                           const uint32_t n_high, int32x4_t *ret)
{
    const uint32_t n = layer->n_in;
    int32x4_t acc[2 * ROWS] = { 0 };
    uint32_t i = 0;
    for (; i + 32 <= n; i += 32) {
        int8x16x2_t in[2];
        MW_EACH (h, n_high)
            in[h] = vld1q_s8_x2(x + (size_t)h * n + i);
        MW_EACH (r, n_rows) {
            int8x16x2_t weights = vld1q_s8_x2(w + (size_t)r * n + i);
            MW_EACH (h, n_high) {
                acc[h * ROWS + r] = dot16(acc[h * ROWS + r], weights.val[0], in[h].val[0]);
                acc[h * ROWS + r] = dot16(acc[h * ROWS + r], weights.val[1], in[h].val[1]);
            }
        }
    }
    for (; i + 8 <= n; i += 8)
        MW_EACH (r, n_rows)
            MW_EACH (h, n_high)
                acc[h * ROWS + r] =
                    dot8(acc[h * ROWS + r], w + (size_t)r * n + i, x + (size_t)h * n + i);
    MW_EACH (h, n_high)
        ret[h] = vpaddq_s32(vpaddq_s32(acc[h * ROWS], acc[h * ROWS + 1]),
                            vpaddq_s32(acc[h * ROWS + 2], acc[h * ROWS + 3]));
    for (; i < n; i++)
        MW_EACH (h, n_high) {
            int32_t rest[ROWS] = { 0 };
            for (uint32_t r = 0; r < n_rows; r++)
                rest[r] = w[(size_t)r * n + i] * x[(size_t)h * n + i];
            ret[h] = vaddq_s32(ret[h], vld1q_s32(rest));
        }
}

/* All rows for n_high windows. */
static inline __attribute__((always_inline)) void
run_windows(const struct mw_dense_s8 *layer, enum mw_rounding rounding, struct mw_neon_finish *f,
            const int8_t *x, int8_t *y, const uint32_t n_high)
{
    const int32_t *bias = layer->packed;
    const int8_t *w = layer->weights;
    int32x4_t acc[2];
    uint32_t o = 0;
    for (; o + ROWS <= layer->n_out; o += ROWS, w += (size_t)ROWS * layer->n_in) {
        dot_rows(layer, w, x, ROWS, n_high, acc);
        MW_EACH (h, n_high)
            mw_neon_put(layer, f, o, vaddq_s32(acc[h], vld1q_s32(bias + o)),
                        y + (size_t)h * layer->n_out);
    }
    for (; o < layer->n_out; o++, w += layer->n_in) {
        dot_rows(layer, w, x, 1, n_high, acc);
        struct mw_dense_scale scale = mw_dense_scale(layer, rounding, o);
        MW_EACH (h, n_high)
            y[(size_t)h * layer->n_out + o] = mw_dense_finish(
                &scale, (int32_t)((uint32_t)vgetq_lane_s32(acc[h], 0) + (uint32_t)bias[o]));
    }
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    struct mw_neon_finish f = mw_neon_finish(layer, rounding);
    for (; n_windows >= 2; n_windows -= 2, x += 2 * layer->n_in, y += 2 * layer->n_out)
        run_windows(layer, rounding, &f, x, y, 2);
    if (n_windows > 0)
        run_windows(layer, rounding, &f, x, y, 1);
}

const struct mw_dense_kernel mw_dense_neon = {
    .name = "neon", .cpu = MW_CPU_NEON, .packed_bytes = packed_bytes, .pack = pack, .run = run
};
