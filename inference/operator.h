/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator's file sees when a model is loaded. An operator is two functions: prepare checks
 * its tensors and options and fills struct mw_op; run computes and cannot fail. Prepare is called
 * twice, first to measure (nothing is written), then to fill the caller's memory.
 *
 * Adding one: docs/ENGINE.md, "A new operator". */
#ifndef MW_INFERENCE_OPERATOR_H
#define MW_INFERENCE_OPERATOR_H

#include "inference/fault.h"
#include "inference/profile.h"
#include "inference/quant.h"
#include "inference/tflite.h"

#include <stdbool.h>

struct mw_build {
    const struct mw_tflite *file;
    struct mw_fb fb; /* the file's, for options: failed where one is malformed */
    struct mw_node node;
    enum mw_rounding rounding;
    uint8_t *memory; /* aligned to 8; NULL while measuring */
    size_t n_used;
    uint64_t n_macs; /* so far */
    struct mw_model_fault *why;
};

/* What the engine knows of one builtin operator. */
struct mw_operator {
    uint8_t code;         /* BuiltinOperator */
    uint8_t options_type; /* BuiltinOptions: which table its options are; 0: it has none */
    uint8_t max_version;  /* the newest that is understood */
    uint8_t least_in, most_in, least_out, most_out;
    bool copies; /* its output is the first input's bytes: they may share memory */
    int (*prepare)(struct mw_build *build, struct mw_op *op);
};

/* NULL: not supported. */
const struct mw_operator *mw_operator_find(uint32_t code);

/* A refusal of the present operator, MW_ERR_UNSUPPORTED; words as mw_fault. */
#ifdef MW_ENGINE_NO_WORDS
#define mw_refuse(build, words, a, b) mw_fault((build)->why, MW_ERR_UNSUPPORTED, words, a, b)
#else
int mw_refuse(struct mw_build *build, const char *words, int64_t a, int64_t b);
#endif

/* n bytes of the caller's memory, aligned for pointers; NULL while measuring. */
void *mw_take(struct mw_build *build, size_t n);

/* A copy of n bytes there, or NULL. */
const void *mw_keep(struct mw_build *build, const void *bytes, size_t n);

/* The tensor behind input or output i. A computed one has at most MW_MODEL_MAX_ITEMS items and no
 * data; a constant has data. */
int mw_input(struct mw_build *build, uint32_t i, struct mw_tensor *ret_tensor);
int mw_output(struct mw_build *build, uint32_t i, struct mw_tensor *ret_tensor);
bool mw_has_input(struct mw_build *build, uint32_t i);

/* As mw_input and mw_output, for int8 with one scale and zero point. */
int mw_input_s8(struct mw_build *build, uint32_t i, struct mw_tensor *ret_tensor);
int mw_output_s8(struct mw_build *build, uint32_t i, struct mw_tensor *ret_tensor);

/* Input i: an int32 constant of at most max items. */
int mw_constant_s32(struct mw_build *build, uint32_t i, uint32_t max, int32_t *ret_values,
                    uint32_t *ret_n);

/* Fields of the present operator's options. */
uint8_t mw_option_u8(struct mw_build *build, uint32_t field, uint8_t absent);
int32_t mw_option_s32(struct mw_build *build, uint32_t field, int32_t absent);
float mw_option_f32(struct mw_build *build, uint32_t field, float absent);

/* The range of a fused activation on an int8 output: kernels/kernel_util.cc,
 * CalculateActivationRangeQuantized. */
int mw_fused_range(struct mw_build *build, uint8_t activation, const struct mw_quant *out,
                   int32_t *ret_min, int32_t *ret_max);

/* A multiplier that requantisation can run: 2^30 or less. */
int mw_make_multiplier(struct mw_build *build, double real, struct mw_multiplier *ret);

bool mw_same_quant(const struct mw_tensor *a, const struct mw_tensor *b);
bool mw_same_shape(const struct mw_tensor *a, const struct mw_tensor *b);

/* An axis as the file may give it, from the end where negative; -1 where there is none. */
int32_t mw_axis(const struct mw_tensor *tensor, int32_t axis);

static inline int8_t mw_clamp_s8(int64_t v, int32_t min, int32_t max)
{
    return (int8_t)(v < min ? min : v > max ? max : v);
}

int mw_prepare_dense(struct mw_build *build, struct mw_op *op);
int mw_prepare_conv(struct mw_build *build, struct mw_op *op);
int mw_prepare_depthwise(struct mw_build *build, struct mw_op *op);
int mw_prepare_transpose_conv(struct mw_build *build, struct mw_op *op);
int mw_prepare_pool(struct mw_build *build, struct mw_op *op);
int mw_prepare_add(struct mw_build *build, struct mw_op *op); /* and SUB */
int mw_prepare_mul(struct mw_build *build, struct mw_op *op);
int mw_prepare_mean(struct mw_build *build, struct mw_op *op);
int mw_prepare_relu(struct mw_build *build, struct mw_op *op);
int mw_prepare_relu6(struct mw_build *build, struct mw_op *op);
int mw_prepare_leaky_relu(struct mw_build *build, struct mw_op *op);
int mw_prepare_logistic(struct mw_build *build, struct mw_op *op); /* and TANH */
int mw_prepare_softmax(struct mw_build *build, struct mw_op *op);
int mw_prepare_quantize(struct mw_build *build, struct mw_op *op);
int mw_prepare_dequantize(struct mw_build *build, struct mw_op *op);
int mw_prepare_reshape(struct mw_build *build, struct mw_op *op); /* EXPAND_DIMS, SQUEEZE */
int mw_prepare_pad(struct mw_build *build, struct mw_op *op);     /* and PADV2 */
int mw_prepare_concatenation(struct mw_build *build, struct mw_op *op);
int mw_prepare_split(struct mw_build *build, struct mw_op *op);
int mw_prepare_strided_slice(struct mw_build *build, struct mw_op *op);
int mw_prepare_transpose(struct mw_build *build, struct mw_op *op);
int mw_prepare_resize_nearest(struct mw_build *build, struct mw_op *op);

#endif
