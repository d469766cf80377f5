/* SPDX-License-Identifier: Apache-2.0 */
/* What the three kernels with Advanced SIMD share: four sums become four outputs. SQRDMULH is the
 * first rounding; SRSHL rounds ties upward, so that a negative sum is first made 1 smaller. */
#ifndef MW_INFERENCE_DENSE_NEON_H
#define MW_INFERENCE_DENSE_NEON_H

#include "inference/dense_finish.h"

#if defined(__aarch64__) || (defined(__arm__) && defined(__ARM_NEON))

#include <arm_neon.h>

/* What all outputs of a layer share, or, per channel, four of them. */
struct mw_neon_finish {
    int32x4_t mantissa, left, right; /* right is negative: SRSHL shifts to the left */
    int32x4_t least, most, zero;
    bool single, per_channel, plain; /* plain: neither, and nothing shifts to the left */
};

static inline void mw_neon_scales(struct mw_neon_finish *f, int32x4_t mantissa, int32x4_t shift)
{
    f->mantissa = mantissa;
    f->left = vmaxq_s32(shift, vdupq_n_s32(0));
    f->right = vminq_s32(shift, vdupq_n_s32(0));
}

static inline struct mw_neon_finish mw_neon_finish(const struct mw_dense_s8 *layer,
                                                   enum mw_rounding rounding)
{
    struct mw_neon_finish f = { .least = vdupq_n_s32(layer->out_min - layer->out_zero),
                                .most = vdupq_n_s32(layer->out_max - layer->out_zero),
                                .zero = vdupq_n_s32(layer->out_zero),
                                .single = rounding == MW_ROUNDING_SINGLE,
                                .per_channel = layer->n_multipliers > 1 };
    mw_neon_scales(&f, vdupq_n_s32(layer->multiplier[0]), vdupq_n_s32(layer->shift[0]));
    f.plain = !f.single && !f.per_channel && layer->shift[0] <= 0;
    return f;
}

static inline int32x4_t mw_neon_double(const struct mw_neon_finish *f, int32x4_t acc)
{
    int32x4_t high = vqrdmulhq_s32(vshlq_s32(acc, f->left), f->mantissa);
    int32x4_t away = vshrq_n_s32(vandq_s32(high, f->right), 31); /* -1: negative, and shifted */
    return vrshlq_s32(vqaddq_s32(high, away), f->right);
}

/* The product's 64 bits rounded once, by shift - 31 to the left. */
static inline int32x4_t mw_neon_single(const struct mw_neon_finish *f, int32x4_t acc)
{
    int32x4_t total = vsubq_s32(vaddq_s32(f->left, f->right), vdupq_n_s32(31));
    int64x2_t low = vmull_s32(vget_low_s32(acc), vget_low_s32(f->mantissa));
    int64x2_t high = vmull_s32(vget_high_s32(acc), vget_high_s32(f->mantissa));
    low = vrshlq_s64(low, vmovl_s32(vget_low_s32(total)));
    high = vrshlq_s64(high, vmovl_s32(vget_high_s32(total)));
    return vcombine_s32(vmovn_s64(low), vmovn_s64(high));
}

static inline int32x4_t mw_neon_clamped(const struct mw_neon_finish *f, int32x4_t acc)
{
    int32x4_t v = f->single ? mw_neon_single(f, acc) : mw_neon_double(f, acc);
    return vaddq_s32(vminq_s32(vmaxq_s32(v, f->least), f->most), f->zero);
}

/* Four outputs from o. */
static inline void mw_neon_put4(const struct mw_dense_s8 *layer, struct mw_neon_finish *f,
                                uint32_t o, const int32_t *sums, int8_t *y)
{
    if (f->per_channel) {
        const int8_t *s = layer->shift + o;
        const int32_t shift[4] = { s[0], s[1], s[2], s[3] };
        mw_neon_scales(f, vld1q_s32(layer->multiplier + o), vld1q_s32(shift));
    }
    int16x4_t words = vmovn_s32(mw_neon_clamped(f, vld1q_s32(sums)));
    int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
    __builtin_memcpy(y, &four, 4);
}

/* The common case, eight outputs a turn: double rounding, one multiplier below 1. Returns how many
 * of n were put. */
static inline uint32_t mw_neon_put_plain(const struct mw_neon_finish *f, uint32_t n,
                                         const int32_t *sums, int8_t *y)
{
    const int32x4_t mantissa = f->mantissa, right = f->right, zero = f->zero;
    const int32x4_t least = f->least, most = f->most;
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        int32x4_t a = vqrdmulhq_s32(vld1q_s32(sums + i), mantissa);
        int32x4_t b = vqrdmulhq_s32(vld1q_s32(sums + i + 4), mantissa);
        a = vrshlq_s32(vqaddq_s32(a, vshrq_n_s32(vandq_s32(a, right), 31)), right);
        b = vrshlq_s32(vqaddq_s32(b, vshrq_n_s32(vandq_s32(b, right), 31)), right);
        a = vaddq_s32(vminq_s32(vmaxq_s32(a, least), most), zero);
        b = vaddq_s32(vminq_s32(vmaxq_s32(b, least), most), zero);
        vst1_s8(y + i, vmovn_s16(vcombine_s16(vmovn_s32(a), vmovn_s32(b))));
    }
    return i;
}

/* n outputs from o, y[0] being output o. */
static inline void mw_neon_put(const struct mw_dense_s8 *layer, struct mw_neon_finish *f,
                               uint32_t o, uint32_t n, const int32_t *sums, int8_t *y)
{
    uint32_t i = f->plain ? mw_neon_put_plain(f, n, sums, y) : 0;
    for (; i + 4 <= n; i += 4)
        mw_neon_put4(layer, f, o + i, sums + i, y + i);
    for (; i < n; i++) {
        struct mw_dense_scale scale =
            mw_dense_scale(layer, f->single ? MW_ROUNDING_SINGLE : MW_ROUNDING_DOUBLE, o + i);
        y[i] = mw_dense_finish(&scale, sums[i]);
    }
}

#endif

#endif
