/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED on int8: the reference kernel. Called by dense_kernel.c for layers that prepare
 * has checked. */
#ifndef MW_INFERENCE_DENSE_S8_H
#define MW_INFERENCE_DENSE_S8_H

#include "inference/model.h"

/* y[o] = clamp(requantize(sum over i of w[o][i] * (x[i] - in_zero) + bias[o]) + out_zero)
 *
 *   x  int8 [n_in]
 *   y  int8 [n_out], must not overlap x
 *
 * Cannot fail. Source: TensorFlow Lite reference/integer_ops/fully_connected.h. */
void mw_dense_s8(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                 int8_t *y);

/* The largest bias, either sign, with which no accumulator can overflow. */
int32_t mw_dense_s8_max_bias(uint32_t n_in);

#endif
