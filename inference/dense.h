/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED as an operator: int8, and int16 activations with int8 weights ("int16x8"). The
 * int8 arithmetic itself is in dense_s8.h.
 *
 * int16x8: sums in int64, bias int64; requantised by mw_requantize_wide in both rounding families;
 * zero points 0; clamped to int16. Source: TensorFlow Lite reference/integer_ops/fully_connected.h
 * and kernels/internal/common.cc (the int64 MultiplyByQuantizedMultiplier). */
#ifndef MW_INFERENCE_DENSE_H
#define MW_INFERENCE_DENSE_H

#include "inference/model.h"

/* The layer within an int8 FULLY_CONNECTED, or NULL. */
struct mw_dense_s8 *mw_dense_layer(const struct mw_op *op);

#endif
