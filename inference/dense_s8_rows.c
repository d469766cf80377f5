/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 in plain C for cores without vectors (RV32IMC, Cortex-M0+ and M3): several
 * rows of weights at a time, so that an input is loaded and freed of its zero point once for all of
 * them. As many rows as the registers hold: a sum and a pointer each. The weights stay where they
 * are. */
#include "inference/dense_finish.h"

#if defined(__riscv)
#define ROWS 8 /* of 31 registers: 8 sums, 8 pointers, 6 more */
#else
#define ROWS 4
#endif
#define STEPS 8 /* inputs a turn: the pointers are moved once for all of them */

/* No load moves across it: the compiler would begin a whole turn's loads at once and then have to
 * keep them in memory. */
#define IN_ORDER() __asm__ volatile("" ::: "memory")

/* acc[r] += sum over i of w[r][i] * (x[i] - zero). A function of its own, so that its caller's
 * variables do not take registers from it. */
static __attribute__((noinline)) void dot_rows(const int8_t *w, const int8_t *x, uint32_t n_in,
                                               int32_t zero, int32_t acc[ROWS])
{
    const int8_t *row[ROWS], *end = x + n_in, *turns_end = x + (n_in & ~(uint32_t)(STEPS - 1));
    int32_t a[ROWS];
    MW_EACH (r, ROWS) {
        row[r] = w + r * (size_t)n_in;
        a[r] = acc[r];
    }
    for (; x != turns_end; x += STEPS) {
        MW_EACH (i, STEPS) {
            int32_t v = x[i] - zero;
            MW_EACH (r, ROWS) {
                a[r] += row[r][i] * v;
                if (r % 2)
                    IN_ORDER();
            }
        }
        MW_EACH (r, ROWS)
            row[r] += STEPS;
    }
    for (; x != end; x++) {
        int32_t v = *x - zero;
        MW_EACH (r, ROWS)
            a[r] += *row[r]++ * v;
    }
    MW_EACH (r, ROWS)
        acc[r] = a[r];
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
        dot_rows(w, x, n_in, layer->in_zero, acc);
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
