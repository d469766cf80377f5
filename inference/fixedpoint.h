/* SPDX-License-Identifier: Apache-2.0 */
/* Exponential, logistic function and hyperbolic tangent in fixed point, to the bit as TensorFlow
 * Lite Micro computes them. Called by the activation tables when a model is loaded, and by SOFTMAX.
 *
 * Qi.f is a signed number of i integer and f fraction bits; a raw value stands for raw / 2^f.
 * Source: gemmlowp fixedpoint/fixedpoint.h; kernels/internal/common.h (GetReciprocal). */
#ifndef MW_INFERENCE_FIXEDPOINT_H
#define MW_INFERENCE_FIXEDPOINT_H

#include <stdint.h>

/* floor((a * b + 2^30) / 2^31); two INT32_MIN give INT32_MAX. */
int32_t mw_fixed_multiply(int32_t a, int32_t b);

/* x / 2^n rounded half away from zero; n 0 .. 31. */
int32_t mw_fixed_divide_by_power(int32_t x, int32_t n);

/* e^a as Q0.31. a: at most 0, Q(integer_bits); integer_bits 4 or 5. */
int32_t mw_fixed_exp(int32_t a, int32_t integer_bits);

/* Of a Q4.27; Q0.31. */
int32_t mw_fixed_logistic(int32_t a);
int32_t mw_fixed_tanh(int32_t a);

/* 1 / x, x above 0 with integer_bits: Q0.31 times 2^-*ret_bits_over_unit, in (1/2, 1]. */
int32_t mw_fixed_reciprocal(int32_t x, int32_t integer_bits, int32_t *ret_bits_over_unit);

#endif
