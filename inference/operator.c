/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/operator.h"
#include "base/load.h"
#include "base/result.h"
#include "inference/fault.h"

#include <string.h>

/* Parameters hold pointers and 32-bit numbers, nothing wider. */
#define TAKE_ALIGNMENT sizeof(void *)

/* max_version: not above those of TensorFlow Lite's core/kernels/register.cc; each attribute that a
 * newer version brought is checked by itself. */
static const struct mw_operator OPERATORS[] = {
    { 9, 8, 12, 2, 3, 1, 1, false, mw_prepare_dense },
#ifndef MW_ENGINE_DENSE_ONLY
    { 0, 11, 5, 2, 2, 1, 1, false, mw_prepare_add },
    { 1, 5, 3, 1, 1, 1, 1, false, mw_prepare_pool },
    { 2, 10, 4, 1, 10, 1, 1, false, mw_prepare_concatenation },
    { 3, 1, 8, 2, 3, 1, 1, false, mw_prepare_conv },
    { 4, 2, 7, 2, 3, 1, 1, false, mw_prepare_depthwise },
    { 6, 38, 6, 1, 1, 1, 1, false, mw_prepare_dequantize },
    { 14, 0, 3, 1, 1, 1, 1, false, mw_prepare_logistic },
    { 17, 5, 3, 1, 1, 1, 1, false, mw_prepare_pool },
    { 18, 21, 7, 2, 2, 1, 1, false, mw_prepare_mul },
    { 19, 0, 3, 1, 1, 1, 1, false, mw_prepare_relu },
    { 21, 0, 3, 1, 1, 1, 1, false, mw_prepare_relu6 },
    { 22, 17, 1, 1, 2, 1, 1, true, mw_prepare_reshape },
    { 25, 9, 3, 1, 1, 1, 1, false, mw_prepare_softmax },
    { 28, 0, 3, 1, 1, 1, 1, false, mw_prepare_logistic },
    { 34, 22, 4, 2, 2, 1, 1, false, mw_prepare_pad },
    { 39, 26, 6, 2, 2, 1, 1, false, mw_prepare_transpose },
    { 40, 27, 3, 2, 2, 1, 1, false, mw_prepare_mean },
    { 41, 28, 5, 2, 2, 1, 1, false, mw_prepare_add },
    { 43, 30, 2, 1, 1, 1, 1, true, mw_prepare_reshape },
    { 45, 32, 8, 4, 4, 1, 1, false, mw_prepare_strided_slice },
    { 49, 35, 4, 2, 2, 1, 10, false, mw_prepare_split },
    { 60, 43, 4, 3, 3, 1, 1, false, mw_prepare_pad },
    { 67, 49, 5, 3, 4, 1, 1, false, mw_prepare_transpose_conv },
    { 70, 52, 1, 1, 2, 1, 1, true, mw_prepare_reshape },
    { 97, 74, 4, 2, 2, 1, 1, false, mw_prepare_resize_nearest },
    { 98, 75, 2, 1, 1, 1, 1, false, mw_prepare_leaky_relu },
    { 114, 89, 3, 1, 1, 1, 1, false, mw_prepare_quantize },
#endif
};

const struct mw_operator *mw_operator_find(uint32_t code)
{
    for (size_t i = 0; i < sizeof OPERATORS / sizeof OPERATORS[0]; i++)
        if (OPERATORS[i].code == code)
            return &OPERATORS[i];
    return NULL;
}

#ifndef MW_ENGINE_NO_WORDS
int mw_refuse(struct mw_build *build, const char *words, int64_t a, int64_t b)
{
    return mw_fault(build->why, MW_ERR_UNSUPPORTED, words, a, b);
}
#endif

void *mw_take(struct mw_build *build, size_t n)
{
    uint8_t *at = build->memory ? build->memory + build->n_used : NULL;
    build->n_used += (n + TAKE_ALIGNMENT - 1) / TAKE_ALIGNMENT * TAKE_ALIGNMENT;
    return at;
}

const void *mw_keep(struct mw_build *build, const void *bytes, size_t n)
{
    void *at = mw_take(build, n);
    if (at)
        memcpy(at, bytes, n);
    return at;
}

static int read_checked(struct mw_build *build, uint32_t tensor, struct mw_tensor *ret_tensor)
{
    int result = mw_tflite_read_tensor(build->file, tensor, ret_tensor, build->why);
    if (result == MW_OK && !ret_tensor->data && ret_tensor->n_items > MW_MODEL_MAX_ITEMS)
        return mw_fault(build->why, MW_ERR_TOO_BIG, "tensor # has # items", tensor,
                        ret_tensor->n_items);
    return result;
}

bool mw_has_input(struct mw_build *build, uint32_t i)
{
    return mw_node_in(build->file, &build->node, i) != UINT32_MAX;
}

int mw_input(struct mw_build *build, uint32_t i, struct mw_tensor *ret_tensor)
{
    return read_checked(build, mw_node_in(build->file, &build->node, i), ret_tensor);
}

int mw_output(struct mw_build *build, uint32_t i, struct mw_tensor *ret_tensor)
{
    return read_checked(build, mw_node_out(build->file, &build->node, i), ret_tensor);
}

static int check_s8(struct mw_build *build, const struct mw_tensor *t)
{
    if (t->type != MW_INT8)
        return mw_refuse(build, "tensor # is of type #, only int8 (9) is supported", t->index,
                         t->type);
    if (t->n_scales != 1)
        return mw_refuse(build, "tensor # has # scales, one is supported", t->index, t->n_scales);
    return MW_OK;
}

int mw_input_s8(struct mw_build *build, uint32_t i, struct mw_tensor *ret_tensor)
{
    int result = mw_input(build, i, ret_tensor);
    return result < 0 ? result : check_s8(build, ret_tensor);
}

int mw_output_s8(struct mw_build *build, uint32_t i, struct mw_tensor *ret_tensor)
{
    int result = mw_output(build, i, ret_tensor);
    return result < 0 ? result : check_s8(build, ret_tensor);
}

int mw_constant_s32(struct mw_build *build, uint32_t i, uint32_t max, int32_t *ret_values,
                    uint32_t *ret_n)
{
    struct mw_tensor t;
    int result = mw_input(build, i, &t);
    if (result < 0)
        return result;
    if (t.type != MW_INT32 || !t.data)
        return mw_refuse(build, "tensor # is not an int32 constant", t.index, 0);
    if (t.n_items > max)
        return mw_refuse(build, "tensor # has more than # items", t.index, max);
    for (uint32_t k = 0; k < t.n_items; k++)
        ret_values[k] = (int32_t)mw_load_u32le(t.data + 4 * (size_t)k);
    *ret_n = t.n_items;
    return MW_OK;
}

uint8_t mw_option_u8(struct mw_build *build, uint32_t field, uint8_t absent)
{
    return mw_fb_u8(&build->fb, &build->node.options, field, absent);
}

int32_t mw_option_s32(struct mw_build *build, uint32_t field, int32_t absent)
{
    return (int32_t)mw_fb_u32(&build->fb, &build->node.options, field, (uint32_t)absent);
}

float mw_option_f32(struct mw_build *build, uint32_t field, float absent)
{
    uint32_t bits;
    float value;
    memcpy(&bits, &absent, sizeof bits);
    bits = (uint32_t)mw_option_s32(build, field, (int32_t)bits);
    memcpy(&value, &bits, sizeof value);
    return value;
}

int mw_fused_range(struct mw_build *build, uint8_t activation, const struct mw_quant *out,
                   int32_t *ret_min, int32_t *ret_max)
{
    int32_t min = INT8_MIN, max = INT8_MAX;
    switch (activation) {
    case MW_TFLITE_NONE: break;
    case MW_TFLITE_RELU: min = mw_quantize_whole(out, 0); break;
    case MW_TFLITE_RELU6:
        min = mw_quantize_whole(out, 0);
        max = mw_quantize_whole(out, 6);
        break;
    case MW_TFLITE_RELU_N1_TO_1:
        min = mw_quantize_whole(out, -1);
        max = mw_quantize_whole(out, 1);
        break;
    default: return mw_refuse(build, "fused activation # is not supported", activation, 0);
    }
    *ret_min = min < INT8_MIN ? INT8_MIN : min;
    *ret_max = max > INT8_MAX ? INT8_MAX : max;
    return MW_OK;
}

int mw_make_multiplier(struct mw_build *build, double real, struct mw_multiplier *ret)
{
    uint64_t bits; /* compared as such, not as a number: firmware may have no floating point */
    memcpy(&bits, &real, sizeof bits);
    if (bits >> 52 >= 0x7ff) /* infinite, no number, or negative */
        return mw_refuse(build, "values are scaled up by 2^30 or more", 0, 0);
    /* Up to the greatest shift that is accepted the pair is the same in both families. */
    *ret = mw_quantize_multiplier(real, MW_ROUNDING_DOUBLE);
    if (ret->shift > MW_QUANT_MAX_SHIFT)
        return mw_refuse(build, "values are scaled up by 2^30 or more", 0, 0);
    return MW_OK;
}

bool mw_same_quant(const struct mw_tensor *a, const struct mw_tensor *b)
{
    return a->quant.scale == b->quant.scale && a->quant.zero == b->quant.zero;
}

bool mw_same_shape(const struct mw_tensor *a, const struct mw_tensor *b)
{
    return a->n_dims == b->n_dims && memcmp(a->dims, b->dims, a->n_dims * sizeof a->dims[0]) == 0;
}

int32_t mw_axis(const struct mw_tensor *tensor, int32_t axis)
{
    int32_t n = tensor->n_dims, from_start = axis < 0 ? axis + n : axis;
    return axis >= -n && axis < n ? from_start : -1;
}
