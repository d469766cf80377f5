/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with NEON on ARMv7-A (Cortex-A7, A8, A9). Eight rows at a time, the weights
 * where they lie: VMULL and VMLAL add two products into 16 bits, VPADAL adds two of those to a sum
 * of 32. Two products fit unless both are -128 * -128, so a layer with a weight of -128 is
 * left to another kernel (no converter makes one). The zero point is folded into the bias.
 *
 * Packed: int32 folded bias [n_out up to 8s]. */
#include "inference/dense_kernel.h"

/* Without optimisation GCC keeps a frame pointer, and the loop has one register too few. */
#if defined(__arm__) && defined(__ARM_NEON) && defined(__OPTIMIZE__)

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

/* One row, at w, times the 32 inputs in q0 and q1; weights and products in registers that the row
 * before it did not use. */
#define ONE_ROW(w, d0, d1, d2, d3, acc)                   \
    "vld1.8 {" d0 "-" d3 "}, [" w "]!\n"                  \
    "vmull.s8 q4, " d0 ", d0\n vmull.s8 q5, " d2 ", d2\n" \
    "vmlal.s8 q4, " d1 ", d1\n vmlal.s8 q5, " d3 ", d3\n" \
    "vpadal.s16 " acc ", q4\n vpadal.s16 " acc ", q5\n"
#define EVEN_ROW(w, acc) ONE_ROW(w, "d4", "d5", "d6", "d7", acc)
#define ODD_ROW(w, acc)  ONE_ROW(w, "d12", "d13", "d14", "d15", acc)

/* sums[r] = bias[r] + row r times x; n32 inputs, a multiple of 32 and not 0. */
static void dot_rows(const int8_t *const rows[ROWS], const int8_t *x, uint32_t n32,
                     const int32_t bias[ROWS], int32_t sums[ROWS])
{
    __asm__ volatile(
        "ldm %[rows], {r4, r5, r6, r8, r9, r10, r12, lr}\n"
        "vmov.i32 q8, #0\n vmov.i32 q9, #0\n vmov.i32 q10, #0\n vmov.i32 q11, #0\n"
        "vmov.i32 q12, #0\n vmov.i32 q13, #0\n vmov.i32 q14, #0\n vmov.i32 q15, #0\n"
        "1: vld1.8 {d0-d3}, [%[x]]!\n" EVEN_ROW("r4", "q8") ODD_ROW("r5", "q9")
            EVEN_ROW("r6", "q10") ODD_ROW("r8", "q11") EVEN_ROW("r9", "q12") ODD_ROW("r10", "q13")
                EVEN_ROW("r12", "q14")
                    ODD_ROW("lr", "q15") "subs %[n], %[n], #32\n bne 1b\n"
                                         "vld1.32 {d0-d3}, [%[bias]]\n"
                                         "vpadd.i32 d16, d16, d17\n vpadd.i32 d18, d18, d19\n"
                                         "vpadd.i32 d20, d20, d21\n vpadd.i32 d22, d22, d23\n"
                                         "vpadd.i32 d24, d24, d25\n vpadd.i32 d26, d26, d27\n"
                                         "vpadd.i32 d28, d28, d29\n vpadd.i32 d30, d30, d31\n"
                                         "vpadd.i32 d16, d16, d18\n vpadd.i32 d17, d20, d22\n"
                                         "vpadd.i32 d18, d24, d26\n vpadd.i32 d19, d28, d30\n"
                                         "vadd.i32 q8, q8, q0\n vadd.i32 q9, q9, q1\n"
                                         "vst1.32 {d16-d19}, [%[sums]]\n"
        : [x] "+r"(x), [n] "+r"(n32)
        : [rows] "r"(rows), [bias] "r"(bias), [sums] "r"(sums)
        : "cc", "memory", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "q0", "q1", "q2", "q3",
          "q4", "q5", "q6", "q7", "q8", "q9", "q10", "q11", "q12", "q13", "q14", "q15");
}

/* Fewer than 32 inputs, added to sums. */
static void dot_rest(const int8_t *const rows[ROWS], uint32_t from, const int8_t *x, uint32_t n,
                     int32_t sums[ROWS])
{
    for (uint32_t r = 0; r < ROWS; r++) {
        const int8_t *w = rows[r] + from;
        int32x4_t acc = vdupq_n_s32(0);
        uint32_t i = 0;
        for (; i + 8 <= n; i += 8)
            acc = vpadalq_s16(acc, vmull_s8(vld1_s8(w + i), vld1_s8(x + i)));
        int32x2_t two = vadd_s32(vget_low_s32(acc), vget_high_s32(acc));
        int32_t sum = vget_lane_s32(two, 0) + vget_lane_s32(two, 1);
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

/* Outputs from o, at most ROWS, of one window. */
static void group(const struct mw_dense_s8 *layer, uint32_t o, const int8_t *x, int32_t sums[ROWS])
{
    const int32_t *bias = (const int32_t *)layer->packed + o;
    const uint32_t n_in = layer->n_in, n32 = n_in & ~UINT32_C(31);
    const int8_t *rows[ROWS];
    point(layer, o, rows);
    vst1q_s32(sums, vld1q_s32(bias));
    vst1q_s32(sums + 4, vld1q_s32(bias + 4));
    if (n_in > n32)
        dot_rest(rows, n32, x + n32, n_in - n32, sums);
    if (n32 > 0)
        dot_rows(rows, x, n32, sums, sums);
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

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    struct mw_neon_finish f = mw_neon_finish(layer, rounding);
    for (uint32_t w = 0; w < n_windows; w++, x += layer->n_in, y += layer->n_out)
        for (uint32_t o = whole_groups(layer, &f, x, y); o < layer->n_out; o += ROWS) {
            int32_t sums[ROWS];
            group(layer, o, x, sums);
            mw_neon_put(layer, &f, o, layer->n_out - o < ROWS ? layer->n_out - o : ROWS, sums,
                        y + o);
        }
}

const struct mw_dense_kernel mw_dense_neon32 = {
    .name = "neon", .cpu = MW_CPU_NEON, .packed_bytes = packed_bytes, .pack = pack, .run = run
};

#endif
