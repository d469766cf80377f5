/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/model.h"
#include "base/bytes.h"
#include "base/result.h"
#include "inference/dense_kernel.h"
#include "inference/dense_s8.h"
#include "inference/fault.h"
#include "inference/quant.h"
#include "inference/tflite.h"

#include <assert.h>
#include <stdbool.h>

/* What lies where in the caller's memory: multipliers, shifts, then the activation halves. */
struct plan {
    size_t n_multipliers;
    uint32_t n_half; /* bytes of one half: the widest tensor between two layers */
    uint32_t n_halves;
    size_t memory_bytes;
};

static double real_multiplier(const struct mw_tflite_dense *d, uint32_t i)
{
    float scale = mw_tflite_scale(d, i);
    return d->n_scales == 1 ? mw_real_multiplier_per_tensor(d->in.scale, scale, d->out.scale)
                            : mw_real_multiplier_per_channel(d->in.scale, scale, d->out.scale);
}

/* Within the range of requantisation, in both rounding families. */
static bool is_runnable(double real)
{
    return real <= (double)(UINT32_C(1) << MW_QUANT_MAX_SHIFT) &&
           mw_quantize_multiplier(real, MW_ROUNDING_DOUBLE).shift <= MW_QUANT_MAX_SHIFT;
}

/* What the file's form allows and the arithmetic does not. */
static int check_numbers(const struct mw_tflite_dense *d, uint32_t op, struct mw_model_fault *why)
{
    for (uint32_t i = 0; i < d->n_scales; i++)
        if (!is_runnable(real_multiplier(d, i)))
            return mw_fault(why, MW_ERR_UNSUPPORTED,
                            "operator #: output # is scaled up by 2^30 or more", op, i);
    int32_t max = mw_dense_s8_max_bias(d->n_in);
    for (uint32_t o = 0; d->bias && o < d->n_out; o++) {
        int32_t bias = (int32_t)mw_load_u32le(d->bias + 4 * (size_t)o);
        if (bias > max || bias < -max)
            return mw_fault(why, MW_ERR_UNSUPPORTED,
                            "operator #: the bias of output # could overflow its sum", op, o);
    }
    return MW_OK;
}

/* Verifies every operator and that they form one chain; makes the plan. */
static int verify(const struct mw_tflite *file, struct plan *ret_plan, struct mw_model_fault *why)
{
    struct plan plan = { 0 };
    uint32_t n = file->operators.n, tensor = file->input;
    for (uint32_t i = 0; i < n; i++) {
        struct mw_tflite_dense d;
        int result = mw_tflite_read_dense(file, i, &d, why);
        if (result == MW_OK)
            result = check_numbers(&d, i, why);
        if (result < 0)
            return result;
        if (d.in_tensor != tensor)
            return mw_fault(why, MW_ERR_UNSUPPORTED,
                            "operator #: does not continue the chain at tensor #", i, tensor);
        tensor = d.out_tensor;
        plan.n_multipliers += d.n_scales;
        if (i + 1 < n && d.n_out > plan.n_half)
            plan.n_half = d.n_out;
    }
    if (n > 0 && tensor != file->output)
        return mw_fault(why, MW_ERR_UNSUPPORTED,
                        "the chain ends at tensor #, the graph's output is #", tensor,
                        (int32_t)file->output);
    plan.n_halves = n > 2 ? 2 : n > 1 ? 1 : 0;
    plan.memory_bytes = plan.n_multipliers * (sizeof(int32_t) + sizeof(int8_t)) +
                        (size_t)plan.n_halves * plan.n_half;
    *ret_plan = plan;
    return MW_OK;
}

int mw_model_measure(const uint8_t *bytes, size_t n_bytes, size_t *ret_memory_bytes,
                     struct mw_model_fault *ret_why)
{
    struct mw_tflite file = { 0 };
    struct plan plan = { 0 };
    int result = mw_tflite_open(&file, bytes, n_bytes, ret_why);
    if (result == MW_OK)
        result = verify(&file, &plan, ret_why);
    if (result == MW_OK)
        *ret_memory_bytes = plan.memory_bytes;
    return result;
}

static void activation_range(const struct mw_tflite_dense *d, int32_t *ret_min, int32_t *ret_max)
{
    *ret_min = INT8_MIN;
    *ret_max = INT8_MAX;
    if (d->activation == MW_TFLITE_NONE)
        return;
    *ret_min = d->out.zero; /* where 0 lies */
    int32_t six = mw_quantize(&d->out, 6.0f);
    if (d->activation == MW_TFLITE_RELU6 && six < *ret_max)
        *ret_max = six;
}

static struct mw_dense_s8 prepare(const struct mw_tflite_dense *d, enum mw_rounding rounding,
                                  int32_t *multipliers, int8_t *shifts)
{
    struct mw_dense_s8 layer = {
        .n_in = d->n_in,
        .n_out = d->n_out,
        .weights = d->weights,
        .bias = d->bias,
        .multiplier = multipliers,
        .shift = shifts,
        .n_multipliers = d->n_scales,
        .in_zero = d->in.zero,
        .out_zero = d->out.zero,
    };
    activation_range(d, &layer.out_min, &layer.out_max);
    for (uint32_t i = 0; i < d->n_scales; i++) {
        struct mw_multiplier m = mw_quantize_multiplier(real_multiplier(d, i), rounding);
        multipliers[i] = m.mantissa;
        shifts[i] = (int8_t)m.shift;
    }
    return layer;
}

int mw_model_init(struct mw_model *ret_model, const uint8_t *bytes, size_t n_bytes,
                  enum mw_rounding rounding, void *memory, size_t memory_bytes,
                  struct mw_model_fault *ret_why)
{
    struct mw_tflite file = { 0 };
    struct plan plan = { 0 };
    int result = mw_tflite_open(&file, bytes, n_bytes, ret_why);
    if (result == MW_OK)
        result = verify(&file, &plan, ret_why);
    if (result < 0)
        return result;
    if (memory_bytes < plan.memory_bytes)
        return mw_fault(ret_why, MW_ERR_NO_MEMORY,
                        "the model needs # bytes of memory, # were given",
                        (int64_t)plan.memory_bytes, (int64_t)memory_bytes);
    assert((uintptr_t)memory % 8 == 0);

    *ret_model = (struct mw_model){ .n_layers = file.operators.n,
                                    .rounding = rounding,
                                    .card = file.card,
                                    .n_card_bytes = file.n_card_bytes };
    int32_t *multipliers = memory;
    int8_t *shifts = (int8_t *)(multipliers + plan.n_multipliers);
    int8_t *halves = shifts + plan.n_multipliers;
    for (uint32_t i = 0; i < plan.n_halves; i++)
        ret_model->activations[i] = halves + (size_t)i * plan.n_half;

    for (uint32_t i = 0; i < file.operators.n; i++) {
        struct mw_tflite_dense d;
        result = mw_tflite_read_dense(&file, i, &d, NULL);
        assert(result == MW_OK); /* verified above, and the bytes are borrowed */
        ret_model->layers[i] = prepare(&d, rounding, multipliers, shifts);
        multipliers += d.n_scales;
        shifts += d.n_scales;
        ret_model->out = d.out;
        ret_model->n_out = d.n_out;
        if (i == 0) {
            ret_model->in = d.in;
            ret_model->n_in = d.n_in;
        }
    }
    return MW_OK;
}

struct mw_dense_s8 *mw_model_dense(const struct mw_model *model, uint32_t layer)
{
    return (struct mw_dense_s8 *)(uintptr_t)&model->layers[layer]; /* the caller's, not const */
}

void mw_model_run_traced(const struct mw_model *model, const int8_t *x, int8_t *y,
                         void (*after_layer)(void *ctx, uint32_t layer, const int8_t *out,
                                             uint32_t n),
                         void *ctx)
{
    for (uint32_t i = 0; i < model->n_layers; i++) {
        int8_t *out = i + 1 < model->n_layers ? model->activations[i % 2] : y;
        mw_dense_run(&model->layers[i], model->rounding, x, out, 1);
        if (after_layer)
            after_layer(ctx, i, out, model->layers[i].n_out);
        x = out;
    }
}

void mw_model_run(const struct mw_model *model, const int8_t *x, int8_t *y)
{
    mw_model_run_traced(model, x, y, NULL, NULL);
}
