/* SPDX-License-Identifier: Apache-2.0 */
/* Weights, biases and multipliers, which FULLY_CONNECTED and the convolutions check alike. */
#ifndef MW_INFERENCE_WEIGHTS_H
#define MW_INFERENCE_WEIGHTS_H

#include "inference/operator.h"

/* Input i as weights: int8 constant, n_dims dimensions, zero points 0, one scale or one for each
 * index along channel_dimension. */
int mw_weights(struct mw_build *build, uint32_t i, uint8_t n_dims, uint32_t channel_dimension,
               struct mw_tensor *ret_tensor);

/* Input i as bias of n_channels items, int32 or int64 as said by wide; *ret_data NULL where it is
 * left out. With n_terms products of int8 each int32 sum must fit. ret_tensor: for its scale. */
int mw_bias(struct mw_build *build, uint32_t i, uint32_t n_channels, uint32_t n_terms, bool wide,
            const uint8_t **ret_data, struct mw_tensor *ret_tensor);

/* Fills mantissas and shifts [n_scales of weights] in the caller's memory (NULL while measuring)
 * and checks each multiplier against max_shift.
 *   per_tensor  one scale, and its product is float32: FULLY_CONNECTED */
int mw_channel_multipliers(struct mw_build *build, float in_scale, const struct mw_tensor *weights,
                           float out_scale, bool per_tensor, int32_t max_shift,
                           const int32_t **ret_mantissas, const int8_t **ret_shifts);

#endif
