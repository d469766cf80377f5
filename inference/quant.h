/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of int8 networks, to the bit: real multipliers as integers, requantisation in both
 * rounding families, activation ranges. Floating point is used for single correctly rounded
 * operations and picked apart by bits; no library function is called.
 *
 * Sources: TensorFlow Lite kernels/internal/quantization_util.cc, kernels/internal/common.cc,
 * kernels/kernel_util.cc; gemmlowp fixedpoint/fixedpoint.h. docs/SPEC-model.md, "Arithmetic". */
#ifndef MW_INFERENCE_QUANT_H
#define MW_INFERENCE_QUANT_H

#include "inference/model.h"

#include <stdbool.h>
#include <stdint.h>

#define MW_QUANT_MAX_SHIFT 30 /* of a layer's multiplier, to the left */

/* real is about mantissa * 2^(shift - 31), with mantissa 0 or 2^30 .. 2^31 - 1. */
struct mw_multiplier {
    int32_t mantissa;
    int32_t shift; /* positive is left; -31 .. 1024 */
};

/* QuantizeMultiplier. real: finite and >= 0; below about 2^-32 it becomes zero. */
struct mw_multiplier mw_quantize_multiplier(double real, enum mw_rounding rounding);

/* The two formulas of FULLY_CONNECTED: (float)(in * weights) / out and (double)in * weights / out,
 * both divided in double; infinite where the float product is. Bit by bit in integers, so that
 * firmware without floating-point hardware needs no library for it. Scales finite and above 0. */
double mw_real_multiplier_per_tensor(float in, float weights, float out);
double mw_real_multiplier_per_channel(float in, float weights, float out);

/* abs((float)(in * weights) - bias) / out is at most 0.02, to about 2^-50 of the greater one. bias
 * finite, not negative. */
bool mw_bias_scale_fits(float in, float weights, float bias, float out);

/* x * mantissa * 2^(shift - 31), rounded twice (first to the left-shifted product's upper half with
 * ties upward, then by the right shift with ties away from zero) or once (ties upward).
 *   shift  -31 .. 30; a left shift keeps the low 32 bits of x */
int32_t mw_requantize_double(int32_t x, int32_t mantissa, int32_t shift);
int32_t mw_requantize_single(int32_t x, int32_t mantissa, int32_t shift);

/* The same with a pair; the family is chosen. A shift below -31 does not occur: the pair is zero.
 */
int32_t mw_requantize(int32_t x, struct mw_multiplier m, enum mw_rounding rounding);

/* The accumulator of 64 bits that int16 activations have, in both families: the mantissa is cut to
 * 16 bits first. |x| < 2^47, shift -31 .. 7. */
int32_t mw_requantize_wide(int64_t x, struct mw_multiplier m);

/* The int8 value of a real one, not clamped to int8 but to +-2^30: zero + value / scale, rounded
 * half away from zero in float32. Not a number gives zero. */
int32_t mw_quantize(const struct mw_quant *q, float value);

/* The same of a whole number, |value| below 2^24, in integers. */
int32_t mw_quantize_whole(const struct mw_quant *q, int32_t value);

#endif
