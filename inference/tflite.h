/* SPDX-License-Identifier: Apache-2.0 */
/* Reader and verifier of .tflite files (flatbuffer, identifier TFL3, schema version 3). The border
 * at which foreign model bytes are checked; nothing else parses them. Called by model.c and the
 * operators, and by the command line to show a model.
 *
 * mw_tflite_open walks over the whole file once: every table, vector, offset and alignment. What a
 * tensor or an operator means is checked where it is used. All views point into the file's bytes,
 * which stay borrowed. Source: TensorFlow Lite schema.fbs, version 3. */
#ifndef MW_INFERENCE_TFLITE_H
#define MW_INFERENCE_TFLITE_H

#include "inference/flatbuffer.h"
#include "inference/model.h"

#include <stdint.h>

#define MW_TENSOR_MAX_DIMS    8
#define MW_NODE_MAX_ENDS      10 /* inputs, and outputs, of one operator */
#define MW_TFLITE_MAX_TENSORS 1024
#define MW_TFLITE_MAX_BUFFERS 1024

/* ActivationFunctionType of the schema. */
enum mw_tflite_activation {
    MW_TFLITE_NONE = 0,
    MW_TFLITE_RELU = 1,
    MW_TFLITE_RELU_N1_TO_1 = 2,
    MW_TFLITE_RELU6 = 3,
};

struct mw_tflite {
    struct mw_fb fb;
    struct mw_fb_vector codes, buffers, tensors, operators;
    uint32_t input, output; /* tensors; meaningful only with operators */
    const uint8_t *card;    /* or NULL */
    size_t n_card_bytes;
};

/* A tensor, its form checked; not yet whether it suits its operator. */
struct mw_tensor {
    uint32_t index;
    uint8_t type;                     /* enum mw_type */
    uint8_t n_dims;                   /* 0: a scalar */
    int32_t dims[MW_TENSOR_MAX_DIMS]; /* each at least 1 */
    uint32_t n_items, n_bytes;        /* n_items at most MW_MODEL_MAX_BYTES */
    const uint8_t *data;   /* constant: n_bytes, little-endian, row-major; NULL: computed */
    const uint8_t *scales; /* float32 little-endian [n_scales], finite and above 0 */
    uint32_t n_scales;
    struct mw_fb_vector zeros; /* int64, n_scales of them */
    uint32_t channel_dimension;
    struct mw_quant quant; /* scale and zero point 0; scale 0: not quantised */
};

/* An operator as it stands in the file. */
struct mw_node {
    uint32_t index, code, version;
    const char *name;              /* of its code, never NULL */
    struct mw_fb_vector ins, outs; /* int32 tensor numbers, -1: left out */
    uint8_t options_type;
    struct mw_fb_table options;
};

/* Opens and verifies the file: model, the one subgraph with its tensors and operators, buffers,
 * metadata. Results and words as mw_model_measure. After a refusal *ret_file is not to be used, nor
 * what the readers below return. */
int mw_tflite_open(struct mw_tflite *ret_file, const uint8_t *bytes, size_t n_bytes,
                   struct mw_model_fault *ret_why);

/* Reads tensor index, which may be out of range. */
int mw_tflite_read_tensor(const struct mw_tflite *file, uint32_t index,
                          struct mw_tensor *ret_tensor, struct mw_model_fault *ret_why);

/* Reads operator op, below operators.n. */
int mw_tflite_read_node(const struct mw_tflite *file, uint32_t op, struct mw_node *ret_node,
                        struct mw_model_fault *ret_why);

/* Tensor number of input or output i; UINT32_MAX where it is left out or there is none. */
uint32_t mw_node_in(const struct mw_tflite *file, const struct mw_node *node, uint32_t i);
uint32_t mw_node_out(const struct mw_tflite *file, const struct mw_node *node, uint32_t i);

/* Scale i of a tensor, below n_scales. */
float mw_tensor_scale(const struct mw_tensor *tensor, uint32_t i);

/* The schema's name of a builtin operator, "CONV_2D"; NULL where it is not known here. */
const char *mw_tflite_operator_name(uint32_t code);

/* The name of a tensor's type, "int8"; "another type" where it is not known here. */
const char *mw_tflite_type_name(uint32_t type);

#endif
