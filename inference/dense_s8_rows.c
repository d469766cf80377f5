/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 in plain C for cores without vectors (RV32IMC, Cortex-M0+ and M3): four
 * rows of weights at a time, so that an input is loaded and freed of its zero point once for four
 * products. The weights stay where they are. */
#include "inference/dense_finish.h"

#define ROWS 4

/* acc[r] += sum over i of w[r][i] * (x[i] - zero). Two inputs a turn hide the loads' latency and
 * halve the cost of the loop. */
static void dot4(const int8_t *w, const int8_t *x, uint32_t n_in, int32_t zero, int32_t acc[ROWS])
{
    const int8_t *w0 = w, *w1 = w0 + n_in, *w2 = w1 + n_in, *w3 = w2 + n_in;
    const int8_t *end = x + (n_in & ~UINT32_C(3));
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
#define STEP(i)                  \
    do {                         \
        int32_t v = x[i] - zero; \
        a0 += w0[i] * v;         \
        a1 += w1[i] * v;         \
        a2 += w2[i] * v;         \
        a3 += w3[i] * v;         \
    } while (0)
    for (; x != end; x += 4, w0 += 4, w1 += 4, w2 += 4, w3 += 4) {
        STEP(0);
        STEP(1);
        STEP(2);
        STEP(3);
    }
    for (uint32_t i = 0; i < (n_in & 3); i++)
        STEP(i);
#undef STEP
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
}

static int32_t dot1(const int8_t *w, const int8_t *x, uint32_t n_in, int32_t zero)
{
    int32_t acc = 0;
    for (uint32_t i = 0; i < n_in; i++)
        acc += w[i] * (x[i] - zero);
    return acc;
}

static void run_window(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                       int8_t *y)
{
    struct mw_dense_scale scale = mw_dense_scale(layer, rounding, 0);
    const int8_t *w = layer->weights;
    uint32_t o = 0, n_in = layer->n_in;
    for (; o + ROWS <= layer->n_out; o += ROWS, w += (size_t)ROWS * n_in) {
        int32_t acc[ROWS];
        for (uint32_t r = 0; r < ROWS; r++)
            acc[r] = mw_dense_bias(layer, o + r);
        dot4(w, x, n_in, layer->in_zero, acc);
        for (uint32_t r = 0; r < ROWS; r++) {
            if (layer->n_multipliers > 1)
                scale = mw_dense_scale(layer, rounding, o + r);
            y[o + r] = mw_dense_finish(&scale, acc[r]);
        }
    }
    for (; o < layer->n_out; o++, w += n_in) {
        scale = mw_dense_scale(layer, rounding, o);
        int32_t acc = mw_dense_bias(layer, o) + dot1(w, x, n_in, layer->in_zero);
        y[o] = mw_dense_finish(&scale, acc);
    }
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    for (uint32_t w = 0; w < n_windows; w++)
        run_window(layer, rounding, x + (size_t)w * layer->n_in, y + (size_t)w * layer->n_out);
}

const struct mw_dense_kernel mw_dense_rows = { .name = "rows", .cpu = MW_CPU_ROWS, .run = run };
