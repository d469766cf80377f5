/* SPDX-License-Identifier: Apache-2.0 */
/* Reader and verifier of .tflite files (flatbuffer, identifier TFL3, schema version 3). The border
 * at which foreign model bytes are checked; nothing else parses them. Called by model.c, and by the
 * command line to show a model.
 *
 * What is supported is in model.h. All views point into the file's bytes, which stay borrowed.
 * Source: TensorFlow Lite schema.fbs, version 3. */
#ifndef MW_INFERENCE_TFLITE_H
#define MW_INFERENCE_TFLITE_H

#include "inference/flatbuffer.h"
#include "inference/model.h"

#include <stdint.h>

/* ActivationFunctionType of the schema. */
enum mw_tflite_activation {
    MW_TFLITE_NONE = 0,
    MW_TFLITE_RELU = 1,
    MW_TFLITE_RELU6 = 3,
};

struct mw_tflite {
    struct mw_fb fb;
    struct mw_fb_vector codes, buffers, tensors, operators;
    uint32_t input, output; /* tensors; meaningful only with operators */
    const uint8_t *card;    /* or NULL */
    size_t n_card_bytes;
};

/* One FULLY_CONNECTED operator, checked. */
struct mw_tflite_dense {
    uint32_t in_tensor, out_tensor;
    uint32_t n_in, n_out;    /* 1 .. MW_MODEL_MAX_WIDTH */
    struct mw_quant in, out; /* scale finite and above 0, zero -128 .. 127 */
    const int8_t *weights;   /* [n_out][n_in] */
    const uint8_t *scales;   /* float32 little-endian [n_scales], finite and above 0, of weights */
    uint32_t n_scales;       /* 1 or n_out */
    const uint8_t *bias;     /* int32 little-endian [n_out], or NULL */
    enum mw_tflite_activation activation;
};

/* Opens the file's skeleton: model, the one subgraph with its tensors and operators, buffers,
 * metadata. Results and words as mw_model_measure. */
int mw_tflite_open(struct mw_tflite *ret_file, const uint8_t *bytes, size_t n_bytes,
                   struct mw_model_fault *ret_why);

/* Reads and checks operator op (below operators.n) with its tensors. */
int mw_tflite_read_dense(const struct mw_tflite *file, uint32_t op,
                         struct mw_tflite_dense *ret_dense, struct mw_model_fault *ret_why);

/* Scale i of an operator's weights; i below n_scales. */
float mw_tflite_scale(const struct mw_tflite_dense *dense, uint32_t i);

/* The schema's name of a builtin operator, "CONV_2D"; NULL where it is not known here. */
const char *mw_tflite_operator_name(uint32_t code);

#endif
