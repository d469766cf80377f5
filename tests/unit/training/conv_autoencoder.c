/* SPDX-License-Identifier: Apache-2.0 */
/* The two convolutional autoencoders: written, read back, run; byte for byte what slow loops over
 * the quantised numbers give, and close to the float network. */
#include "training/conv_autoencoder.h"
#include "inference/plan.h"
#include "support/conv_models.h"
#include "unit/inference/graphs.h"

#define N_WINDOWS CONV_MODEL_WINDOWS
#define MAX_ITEMS 8192

static double *windows; /* the newest model's, [N_WINDOWS][frames][channels] */

static void make(struct conv_autoencoder *ae, bool large)
{
    free(windows);
    windows = NULL;
    ck_assert_int_eq(conv_model_with_windows(ae, large, &windows), MW_OK);
}

/* One layer from its definition: TRANSPOSED scatters, FORWARD gathers, halves of padding before. */
static void slow_layer(const struct conv_autoencoder *ae, uint32_t index, const int8_t *x,
                       int8_t *y, enum mw_rounding rounding)
{
    const struct conv_layer *l = &ae->layers[index];
    const struct mw_quant *in = &ae->tensors[index], *out = &ae->tensors[index + 1];
    int32_t stride = (int32_t)l->step.stride, width = (int32_t)l->step.width;
    int32_t n_in = (int32_t)l->frames_in, n_out = (int32_t)l->frames_out;
    if (l->step.kind == CONV_UPSAMPLE) {
        for (int32_t o = 0; o < n_out * (int32_t)l->n_out; o++)
            y[o] = x[o / (int32_t)l->n_out / stride * (int32_t)l->n_in + o % (int32_t)l->n_out];
        return;
    }
    bool forward = l->step.kind == CONV_FORWARD;
    int32_t total = ((forward ? n_out : n_in) - 1) * stride + width - (forward ? n_in : n_out);
    int32_t before = total > 0 ? total / 2 : 0;
    for (int32_t t = 0; t < n_out; t++)
        for (uint32_t o = 0; o < l->n_out; o++) {
            int64_t acc = l->q_bias[o];
            for (int32_t s = 0; s < n_in; s++) {
                int32_t k = forward ? s - t * stride + before : t - s * stride + before;
                for (uint32_t c = 0; c < l->n_in && k >= 0 && k < width; c++)
                    acc += l->q_weights[(o * l->step.width + (uint32_t)k) * l->n_in + c] *
                           (x[(uint32_t)s * l->n_in + c] - in->zero);
            }
            double real = (double)in->scale * (double)l->q_scales[o] / (double)out->scale;
            y[(uint32_t)t * l->n_out + o] =
                slow_fuse(slow_requantize(acc, slow_pair(real), rounding), l->step.relu, out->scale,
                          out->zero);
        }
}

static const int8_t *slow_run(const struct conv_autoencoder *ae, const int8_t *x,
                              enum mw_rounding rounding)
{
    static int8_t halves[2][MAX_ITEMS];
    for (uint32_t i = 0; i < ae->n_layers; i++) {
        slow_layer(ae, i, x, halves[i % 2], rounding);
        x = halves[i % 2];
    }
    return x;
}

struct loaded {
    uint8_t *bytes;
    size_t n_bytes, n_memory;
    void *memory;
    struct mw_model model;
};

static void load(struct loaded *l, const struct conv_autoencoder *ae, enum mw_rounding rounding)
{
    struct mw_model_fault why = { "" };
    ck_assert_int_eq(conv_autoencoder_write(&l->bytes, &l->n_bytes, ae, NULL, 0), MW_OK);
    ck_assert_msg(mw_model_measure(l->bytes, l->n_bytes, &l->n_memory, &why) == MW_OK, "%s",
                  why.text);
    l->memory = malloc(l->n_memory);
    ck_assert_msg(mw_model_init(&l->model, l->bytes, l->n_bytes, rounding, l->memory, l->n_memory,
                                &why) == MW_OK,
                  "%s", why.text);
}

static void unload(struct loaded *l)
{
    free(l->memory);
    free(l->bytes);
}

/* Bytes equal; and how far the dequantised answer is from the float network's, root mean square
 * over root mean square. */
static void expect(bool large, double most_error)
{
    struct conv_autoencoder ae;
    make(&ae, large);
    double error = 0, power_ = 0;
    for (int rounding = 0; rounding < 2; rounding++) {
        struct loaded l;
        struct tally tally = { 0 };
        load(&l, &ae, (enum mw_rounding)rounding);
        for (int w = 0; w < N_WINDOWS; w++) {
            static int8_t x[MAX_ITEMS], y[MAX_ITEMS];
            static double real[MAX_ITEMS];
            const double *window = windows + (size_t)w * l.model.n_in;
            for (uint32_t i = 0; i < l.model.n_in; i++)
                x[i] = slow_clamp(llround(window[i] / (double)l.model.in.scale), -128, 127);
            mw_model_run(&l.model, x, y);
            compare(&tally, y, slow_run(&ae, x, (enum mw_rounding)rounding), l.model.n_out,
                    "window", w);
            ck_assert_int_eq(conv_autoencoder_forward(&ae, window, real), MW_OK);
            for (uint32_t i = 0; i < l.model.n_out; i++) {
                double q = (double)l.model.out.scale * (y[i] - l.model.out.zero);
                error += (q - real[i]) * (q - real[i]);
                power_ += real[i] * real[i];
            }
        }
        judge(&tally, large ? "the larger one" : "906 parameters");
        printf("%zu bytes, %zu of memory, %llu multiply-accumulates\n", l.n_bytes, l.n_memory,
               (unsigned long long)l.model.n_macs);
        unload(&l);
    }
    free(windows);
    windows = NULL;
    printf("relative error of int8 against float %.4f\n", sqrt(error / power_));
    ck_assert_double_lt(sqrt(error / power_), most_error);
    conv_autoencoder_destroy(&ae);
}

START_TEST(the_small_one_runs_to_the_byte)
{
    struct conv_autoencoder ae;
    make(&ae, false);
    ck_assert_uint_eq(ae.n_parameters, 906);
    conv_autoencoder_destroy(&ae);
    expect(false, 0.04);
}
END_TEST

START_TEST(the_larger_one_runs_to_the_byte)
{
    expect(true, 0.04);
}
END_TEST

/* Tensors whose lives do not meet share bytes: the arena is at most the two widest neighbours. */
START_TEST(the_arena_holds_two_neighbours_and_no_copy)
{
    struct conv_autoencoder ae;
    struct loaded l;
    struct mw_tflite file;
    static struct mw_plan plan;
    make(&ae, true);
    load(&l, &ae, MW_ROUNDING_DOUBLE);
    ck_assert_int_eq(mw_tflite_open(&file, l.bytes, l.n_bytes, NULL), MW_OK);
    ck_assert_int_eq(mw_plan_make(&plan, &file, NULL), MW_OK);
    uint32_t most = 0;
    for (uint32_t i = 0; i + 1 < ae.n_layers - 1; i++) {
        uint32_t both = ae.layers[i].frames_out * ae.layers[i].n_out +
                        ae.layers[i + 1].frames_out * ae.layers[i + 1].n_out;
        most = both > most ? both : most;
    }
    ck_assert_uint_eq(plan.n_arena_bytes, most);
    for (uint32_t i = 0; i < plan.n_tensors; i++)
        for (uint32_t k = 0; k < i; k++) {
            const struct mw_planned *a = &plan.tensors[i], *b = &plan.tensors[k];
            bool meet = a->first <= b->last && b->first <= a->last;
            bool overlap = a->offset < b->offset + b->n_bytes && b->offset < a->offset + a->n_bytes;
            ck_assert(a->place != MW_PLACE_ARENA || b->place != MW_PLACE_ARENA || !meet ||
                      !overlap || a->home == b->home);
        }
    /* EXPAND_DIMS stays in the caller's input, RESHAPE and what feeds it in the output. */
    ck_assert_int_eq(plan.tensors[1].place, MW_PLACE_X);
    ck_assert_int_eq(plan.tensors[plan.n_tensors - 2].place, MW_PLACE_Y);
    unload(&l);
    free(windows);
    windows = NULL;
    conv_autoencoder_destroy(&ae);
}
END_TEST

MW_SUITE("training/conv_autoencoder", the_small_one_runs_to_the_byte,
         the_larger_one_runs_to_the_byte, the_arena_holds_two_neighbours_and_no_copy)
