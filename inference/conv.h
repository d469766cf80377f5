/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV on int8, NHWC; a 1-D convolution has height 1.
 *
 * CONV_2D: y[b][oy][ox][o] = clamp(requantize[o](sum over ky, kx, i of
 *            w[o][ky][kx][i] * (x[b][oy * s + ky * d - pad][ox * s + kx * d - pad][g + i] -
 * in_zero)
 *            + bias[o]) + out_zero)
 * Taps outside of the image count nothing. Groups where the weights are shallower than the input.
 * DEPTHWISE_CONV_2D is the same with one input channel to a group and weights [1][ky][kx][o].
 * TRANSPOSE_CONV: every input position adds its products at oy = iy * s - pad + ky, here gathered
 * by output position, so that it needs no memory of its own; the sums are the same integers.
 *
 * Source: TensorFlow Lite reference/integer_ops/conv.h, depthwise_conv.h, transpose_conv.h and
 * kernels/padding.h. */
#ifndef MW_INFERENCE_CONV_H
#define MW_INFERENCE_CONV_H

#include "inference/operator.h"

enum { MW_IMAGE_H = 1, MW_IMAGE_W, MW_IMAGE_C }; /* dimensions; 0 is the batch */

/* Along one axis: output size of a forward convolution and the padding before the image. */
struct mw_padding {
    int32_t n_out, before;
};

/* padding 0: SAME, 1: VALID; all sizes and steps at least 1. n_out 0 or less: it does not fit. */
struct mw_padding mw_pad_axis(uint8_t padding, int32_t n_in, int32_t filter, int32_t stride,
                              int32_t dilation);

/* What a kernel of FULLY_CONNECTED may do of a CONV_2D: the filter's taps are its window. NULL
 * where the operator is none, or in groups, or wider than a FULLY_CONNECTED. */
struct mw_dense_s8 *mw_conv_layer(const struct mw_op *op);

/* Strides and dilations from the options, 1 .. 65536. */
int mw_read_step(struct mw_build *build, uint32_t field, int32_t *ret_step);

#endif
