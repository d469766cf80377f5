/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with Advanced SIMD on AArch64 (Cortex-A53, A72). Eight rows at a time, the
 * weights where they lie: SMULL and SMLAL2 add two products into 16 bits, SADALP adds two of those
 * to a sum of 32. Two products fit unless both are -128 * -128, so a layer with a weight of -128 is
 * left to another kernel (no converter makes one). The zero point is folded into the bias.
 *
 * Packed: int32 folded bias [n_out up to 8s]. */
#include "inference/dense_kernel.h"

#if defined(__aarch64__)

#include "inference/dense_neon.h"

#define ROWS 8

static size_t packed_bytes(const struct mw_dense_s8 *layer)
{
    return ((size_t)layer->n_out * 4 + 63) & ~(size_t)63;
}

static bool pack(const struct mw_dense_s8 *layer, void *ret_packed)
{
    int32_t *bias = ret_packed;
    for (size_t i = 0; i < (size_t)layer->n_in * layer->n_out; i++)
        if (layer->weights[i] == -128)
            return false;
    for (uint32_t o = 0; o < packed_bytes(layer) / 4; o++)
        bias[o] = o < layer->n_out ? mw_dense_folded_bias(layer, o, layer->in_zero) : 0;
    return true;
}

/* Two rows times the 32 inputs in v16 and v17. Each pair of instructions waits for nothing of the
 * other, which an in-order core needs. */
#define TWO_ROWS(w0, w1, acc0, acc1)                                      \
    "ldp q18, q19, [" w0 "], #32\n ldp q20, q21, [" w1 "], #32\n"         \
    "smull v22.8h, v18.8b, v16.8b\n smull v24.8h, v20.8b, v16.8b\n"       \
    "smull v23.8h, v19.8b, v17.8b\n smull v25.8h, v21.8b, v17.8b\n"       \
    "smlal2 v22.8h, v18.16b, v16.16b\n smlal2 v24.8h, v20.16b, v16.16b\n" \
    "smlal2 v23.8h, v19.16b, v17.16b\n smlal2 v25.8h, v21.16b, v17.16b\n" \
    "sadalp " acc0 ".4s, v22.8h\n sadalp " acc1 ".4s, v24.8h\n"           \
    "sadalp " acc0 ".4s, v23.8h\n sadalp " acc1 ".4s, v25.8h\n"

/* One row times 32 inputs of two windows, in v16, v17 and v26, v27. */
#define TWO_WINDOWS(w, acc0, acc1)                                        \
    "ldp q18, q19, [" w "], #32\n"                                        \
    "smull v22.8h, v18.8b, v16.8b\n smull v24.8h, v18.8b, v26.8b\n"       \
    "smull v23.8h, v19.8b, v17.8b\n smull v25.8h, v19.8b, v27.8b\n"       \
    "smlal2 v22.8h, v18.16b, v16.16b\n smlal2 v24.8h, v18.16b, v26.16b\n" \
    "smlal2 v23.8h, v19.16b, v17.16b\n smlal2 v25.8h, v19.16b, v27.16b\n" \
    "sadalp " acc0 ".4s, v22.8h\n sadalp " acc1 ".4s, v24.8h\n"           \
    "sadalp " acc0 ".4s, v23.8h\n sadalp " acc1 ".4s, v25.8h\n"

#define LOAD_ROWS                                            \
    "ldp x8, x9, [%[rows]]\n ldp x10, x11, [%[rows], #16]\n" \
    "ldp x12, x13, [%[rows], #32]\n ldp x14, x15, [%[rows], #48]\n"

/* Eight sums across their lanes, added to what lies in memory. */
#define ADD_TO(bias, sums, a, b, c, d, e, f, g, h)                            \
    "addp " a ".4s, " a ".4s, " b ".4s\n addp " c ".4s, " c ".4s, " d ".4s\n" \
    "addp " e ".4s, " e ".4s, " f ".4s\n addp " g ".4s, " g ".4s, " h ".4s\n" \
    "ldp q16, q17, [" bias "]\n"                                              \
    "addp " a ".4s, " a ".4s, " c ".4s\n addp " e ".4s, " e ".4s, " g ".4s\n" \
    "add v16.4s, v16.4s, " a ".4s\n add v17.4s, v17.4s, " e ".4s\n"           \
    "stp q16, q17, [" sums "]\n"

/* sums[r] = bias[r] + row r times x; n32 inputs, a multiple of 32 and not 0. */
static void dot_rows(const int8_t *const rows[ROWS], const int8_t *x, uint32_t n32,
                     const int32_t bias[ROWS], int32_t sums[ROWS])
{
    __asm__ volatile(
        LOAD_ROWS
        "movi v0.4s, #0\n movi v1.4s, #0\n movi v2.4s, #0\n movi v3.4s, #0\n"
        "movi v4.4s, #0\n movi v5.4s, #0\n movi v6.4s, #0\n movi v7.4s, #0\n"
        "1: ldp q16, q17, [%[x]], #32\n" TWO_ROWS("x8", "x9", "v0", "v1")
            TWO_ROWS("x10", "x11", "v2", "v3") TWO_ROWS("x12", "x13", "v4", "v5")
                TWO_ROWS("x14", "x15", "v6", "v7") "subs %w[n], %w[n], #32\n b.ne 1b\n" ADD_TO(
                    "%[bias]", "%[sums]", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7")
        : [x] "+r"(x), [n] "+r"(n32)
        : [rows] "r"(rows), [bias] "r"(bias), [sums] "r"(sums)
        : "cc", "memory", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "v0", "v1", "v2",
          "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",
          "v24", "v25");
}

/* The same for two windows, x and x2, added to sums[0 .. 7] and sums[8 .. 15]. */
static void dot_rows_two(const int8_t *const rows[ROWS], const int8_t *x, const int8_t *x2,
                         uint32_t n32, int32_t sums[2 * ROWS])
{
    __asm__ volatile(
        LOAD_ROWS
        "movi v0.4s, #0\n movi v1.4s, #0\n movi v2.4s, #0\n movi v3.4s, #0\n"
        "movi v4.4s, #0\n movi v5.4s, #0\n movi v6.4s, #0\n movi v7.4s, #0\n"
        "movi v8.4s, #0\n movi v9.4s, #0\n movi v10.4s, #0\n movi v11.4s, #0\n"
        "movi v12.4s, #0\n movi v13.4s, #0\n movi v14.4s, #0\n movi v15.4s, #0\n"
        "1: ldp q16, q17, [%[x]], #32\n ldp q26, q27, [%[x2]], #32\n" TWO_WINDOWS("x8", "v0", "v8")
            TWO_WINDOWS("x9", "v1", "v9") TWO_WINDOWS("x10", "v2", "v10")
                TWO_WINDOWS("x11", "v3", "v11") TWO_WINDOWS("x12", "v4", "v12")
                    TWO_WINDOWS("x13", "v5", "v13") TWO_WINDOWS("x14", "v6", "v14")
                        TWO_WINDOWS("x15", "v7", "v15") "subs %w[n], %w[n], #32\n b.ne 1b\n" ADD_TO(
                            "%[sums]", "%[sums]", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7")
                            ADD_TO("%[sums2]", "%[sums2]", "v8", "v9", "v10", "v11", "v12", "v13",
                                   "v14", "v15")
        : [x] "+r"(x), [x2] "+r"(x2), [n] "+r"(n32)
        : [rows] "r"(rows), [sums] "r"(sums), [sums2] "r"(sums + ROWS)
        : "cc", "memory", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "v0", "v1", "v2",
          "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16",
          "v17", "v18", "v19", "v22", "v23", "v24", "v25", "v26", "v27");
}

static inline int32x4_t dot8(int32x4_t acc, const int8_t *w, const int8_t *x)
{
    return vpadalq_s16(acc, vmull_s8(vld1_s8(w), vld1_s8(x)));
}

/* As dot_rows for fewer than 32 inputs, added to sums. */
static void dot_rest(const int8_t *const rows[ROWS], uint32_t from, const int8_t *x, uint32_t n,
                     int32_t sums[ROWS])
{
    for (uint32_t r = 0; r < ROWS; r++) {
        const int8_t *w = rows[r] + from;
        int32x4_t acc = vdupq_n_s32(0);
        uint32_t i = 0;
        for (; i + 8 <= n; i += 8)
            acc = dot8(acc, w + i, x + i);
        int32_t sum = vaddvq_s32(acc);
        for (; i < n; i++)
            sum += w[i] * x[i];
        sums[r] = (int32_t)((uint32_t)sums[r] + (uint32_t)sum);
    }
}

/* Eight rows, of which the last ones may be the same. */
static void point(const struct mw_dense_s8 *layer, uint32_t o, const int8_t *rows[ROWS])
{
    uint32_t last = layer->n_out - 1;
    for (uint32_t r = 0; r < ROWS; r++)
        rows[r] = layer->weights + (size_t)(o + r < last ? o + r : last) * layer->n_in;
}

/* Outputs from o, at most ROWS, of n_high windows, 1 or 2: sums from the biases on. */
static void group(const struct mw_dense_s8 *layer, uint32_t o, const int8_t *x, uint32_t n_high,
                  int32_t sums[2 * ROWS])
{
    const int32_t *bias = (const int32_t *)layer->packed + o;
    const uint32_t n_in = layer->n_in, n32 = n_in & ~UINT32_C(31);
    const int8_t *rows[ROWS];
    point(layer, o, rows);
    for (uint32_t h = 0; h < n_high; h++) {
        vst1q_s32(sums + h * ROWS, vld1q_s32(bias));
        vst1q_s32(sums + h * ROWS + 4, vld1q_s32(bias + 4));
        if (n_in > n32)
            dot_rest(rows, n32, x + (size_t)h * n_in + n32, n_in - n32, sums + (size_t)h * ROWS);
    }
    if (n32 > 0 && n_high == 1)
        dot_rows(rows, x, n32, sums, sums);
    else if (n32 > 0)
        dot_rows_two(rows, x, x + n_in, n32, sums);
}

/* Whole groups for one window, several to each requantisation. Returns how many outputs. */
static uint32_t whole_groups(const struct mw_dense_s8 *layer, struct mw_neon_finish *f,
                             const int8_t *x, int8_t *y)
{
    const uint32_t n_in = layer->n_in, n = layer->n_out & ~(uint32_t)(ROWS - 1);
    if (n_in % 32 != 0)
        return 0;
    const int8_t *rows[ROWS];
    point(layer, 0, rows);
    for (uint32_t o = 0; o < n;) {
        int32_t sums[8 * ROWS];
        uint32_t end = n - o < 8 * ROWS ? n - o : 8 * ROWS;
        for (uint32_t i = 0; i < end; i += ROWS) {
            dot_rows(rows, x, n_in, (const int32_t *)layer->packed + o + i, sums + i);
            for (uint32_t r = 0; r < ROWS; r++)
                rows[r] += (size_t)ROWS * n_in;
        }
        mw_neon_put(layer, f, o, end, sums, y + o);
        o += end;
    }
    return n;
}

/* All outputs of n_high windows, 1 or 2. */
static void windows(const struct mw_dense_s8 *layer, struct mw_neon_finish *f, const int8_t *x,
                    int8_t *y, uint32_t n_high)
{
    uint32_t o = n_high == 1 ? whole_groups(layer, f, x, y) : 0;
    for (; o < layer->n_out; o += ROWS) {
        int32_t sums[2 * ROWS];
        group(layer, o, x, n_high, sums);
        uint32_t n = layer->n_out - o < ROWS ? layer->n_out - o : ROWS;
        for (uint32_t h = 0; h < n_high; h++)
            mw_neon_put(layer, f, o, n, sums + (size_t)h * ROWS, y + (size_t)h * layer->n_out + o);
    }
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    struct mw_neon_finish f = mw_neon_finish(layer, rounding);
    for (; n_windows >= 2;
         n_windows -= 2, x += 2 * (size_t)layer->n_in, y += 2 * (size_t)layer->n_out)
        windows(layer, &f, x, y, 2);
    if (n_windows > 0)
        windows(layer, &f, x, y, 1);
}

const struct mw_dense_kernel mw_dense_neon = {
    .name = "neon", .cpu = MW_CPU_NEON, .packed_bytes = packed_bytes, .pack = pack, .run = run
};

#endif
