/* SPDX-License-Identifier: Apache-2.0 */
/* What follows a dot product, one output at a time: requantise, add the zero point, clamp. For
 * kernels without vectors, and for the last outputs of those that have them. */
#ifndef MW_INFERENCE_DENSE_FINISH_H
#define MW_INFERENCE_DENSE_FINISH_H

#include "base/load.h"
#include "inference/dense_kernel.h"

/* A loop of constant length over an array that is to live in registers. Clang unrolls such a loop
 * by itself, GCC only at -O3. */
#if defined(__GNUC__) && !defined(__clang__)
#define MW_EACH(i, n) _Pragma("GCC unroll 16") for (uint32_t i = 0; i < (n); i++)
#else
#define MW_EACH(i, n) for (uint32_t i = 0; i < (n); i++)
#endif

/* The parts of requantisation that one multiplier shares with all its outputs. */
struct mw_dense_scale {
    int32_t mantissa;
    int32_t left, right; /* 0 .. 30, 0 .. 31; one of them is 0 */
    int32_t least, most; /* clamps before the zero point is added */
    int32_t zero;
    enum mw_rounding rounding;
};

static inline struct mw_dense_scale mw_dense_scale(const struct mw_dense_s8 *layer,
                                                   enum mw_rounding rounding, uint32_t o)
{
    uint32_t m = layer->n_multipliers > 1 ? o : 0;
    int32_t shift = layer->shift[m];
    return (struct mw_dense_scale){ .mantissa = layer->multiplier[m],
                                    .left = shift > 0 ? shift : 0,
                                    .right = shift > 0 ? 0 : -shift,
                                    .least = layer->out_min - layer->out_zero,
                                    .most = layer->out_max - layer->out_zero,
                                    .zero = layer->out_zero,
                                    .rounding = rounding };
}

static inline int32_t mw_dense_bias(const struct mw_dense_s8 *layer, uint32_t o)
{
    return layer->bias ? (int32_t)mw_load_u32le(layer->bias + 4 * (size_t)o) : 0;
}

/* The same numbers as mw_requantize_double and _single in quant.c, which say why. The double one
 * stays within 32 bits after the product: what is dropped decides whether 1 is added. */
static inline int32_t mw_dense_requantize(const struct mw_dense_scale *s, int32_t acc)
{
    if (s->rounding == MW_ROUNDING_SINGLE) {
        int32_t total = 31 - s->left + s->right;
        return (int32_t)(((int64_t)acc * s->mantissa + (INT64_C(1) << (total - 1))) >> total);
    }
    int64_t product = (int64_t)(int32_t)((uint32_t)acc << s->left) * s->mantissa;
    int32_t high = (int32_t)((product + (INT64_C(1) << 30)) >> 31);
    int32_t mask = (int32_t)((UINT32_C(1) << s->right) - 1);
    int32_t rest = high & mask, half = (mask >> 1) + (high < 0);
    return (high >> s->right) + (rest > half);
}

static inline int8_t mw_dense_finish(const struct mw_dense_scale *s, int32_t acc)
{
    int32_t v = mw_dense_requantize(s, acc);
    v = v < s->least ? s->least : v;
    v = v > s->most ? s->most : v;
    return (int8_t)(v + s->zero);
}

#endif
