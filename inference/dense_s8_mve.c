/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with integer MVE (Cortex-M55, M85). Four rows at a time, the weights where
 * they lie: VMLADAVA adds sixteen products to a sum in a core register. The loop is DLSTP and LETP:
 * the hardware counts the inputs down and masks what is beyond the last. The zero point is folded
 * into the bias.
 *
 * Packed: int32 folded bias [n_out up to 4s]. */
#include "inference/dense_kernel.h"

#if defined(__ARM_FEATURE_MVE)

#include "inference/dense_finish.h"

#include <arm_mve.h>

#define ROWS 4

static size_t packed_bytes(const struct mw_dense_s8 *layer)
{
    return ((size_t)layer->n_out * 4 + 63) & ~(size_t)63;
}

static bool pack(const struct mw_dense_s8 *layer, void *ret_packed)
{
    int32_t *bias = ret_packed;
    for (uint32_t o = 0; o < packed_bytes(layer) / 4; o++)
        bias[o] = o < layer->n_out ? mw_dense_folded_bias(layer, o, layer->in_zero) : 0;
    return true;
}

/* sums[r] = bias[r] + row r times x, rows one after the other from w. Loads and products of
 * neighbouring rows overlap on a dual-beat core. Assembly, since the compiler keeps neither the
 * loop nor the pointers in registers. */
static __attribute__((naked, noinline)) void dot_rows(__attribute__((unused)) const int8_t *w,
                                                      __attribute__((unused)) uint32_t n_in,
                                                      __attribute__((unused)) const int8_t *x,
                                                      __attribute__((unused)) const int32_t *bias,
                                                      __attribute__((unused)) int32_t *sums)
{
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r9, lr}\n"
                     "mov r8, r2\n"
                     "mov r9, r3\n"
                     "mov r12, r1\n"
                     "mov r1, r0\n"
                     "add r3, r1, r12\n"
                     "add r5, r3, r12\n"
                     "add r7, r5, r12\n"
                     "ldrd r0, r2, [r9]\n"
                     "ldrd r4, r6, [r9, #8]\n"
                     "dlstp.8 lr, r12\n"
                     "1:\n"
                     "vldrb.u8 q0, [r8], #16\n"
                     "vldrb.u8 q1, [r1], #16\n"
                     "vmladava.s8 r0, q0, q1\n"
                     "vldrb.u8 q2, [r3], #16\n"
                     "vmladava.s8 r2, q0, q2\n"
                     "vldrb.u8 q3, [r5], #16\n"
                     "vmladava.s8 r4, q0, q3\n"
                     "vldrb.u8 q1, [r7], #16\n"
                     "vmladava.s8 r6, q0, q1\n"
                     "letp lr, 1b\n"
                     "ldr r9, [sp, #28]\n"
                     "strd r0, r2, [r9]\n"
                     "strd r4, r6, [r9, #8]\n"
                     "pop {r4-r9, pc}\n");
}

static int32_t dot1(const int8_t *w, const int8_t *x, uint32_t n)
{
    int32_t acc = 0;
    for (uint32_t i = 0; i < n; i++)
        acc += w[i] * x[i];
    return acc;
}

/* One multiplier or four of them. */
struct scales {
    int32x4_t mantissa, left, right; /* right is negative: VRSHL shifts to the left */
};

static inline struct scales scales_of(int32x4_t mantissa, int32x4_t shift)
{
    const int32x4_t none = vdupq_n_s32(0);
    return (struct scales){ mantissa, vmaxq_s32(shift, none), vminq_s32(shift, none) };
}

/* Double rounding. VQRDMULH is the first; VRSHL rounds ties upward, so that a negative sum is first
 * made 1 smaller. */
static inline void put4(const struct mw_dense_s8 *layer, const struct scales *s,
                        const int32_t *sums, int8_t *y)
{
    int32x4_t v = vqrdmulhq_s32(vshlq_s32(vldrwq_s32(sums), s->left), s->mantissa);
    v = vqaddq_s32(v, vshrq_n_s32(vandq_s32(v, s->right), 31));
    v = vrshlq_s32(v, s->right);
    const int32_t zero = layer->out_zero;
    v = vmaxq_s32(v, vdupq_n_s32(layer->out_min - zero));
    v = vminq_s32(v, vdupq_n_s32(layer->out_max - zero));
    vstrbq_s32(y, vaddq_n_s32(v, zero));
}

static void put_one_by_one(const struct mw_dense_s8 *layer, enum mw_rounding rounding, uint32_t o,
                           uint32_t n, const int32_t *sums, int8_t *y)
{
    for (uint32_t r = 0; r < n; r++) {
        struct mw_dense_scale scale = mw_dense_scale(layer, rounding, o + r);
        y[r] = mw_dense_finish(&scale, sums[r]);
    }
}

/* Whole groups of rows, double rounding and one multiplier. */
static __attribute__((noinline)) uint32_t usual_rows(const struct mw_dense_s8 *layer,
                                                     const int8_t *x, int8_t *y)
{
    const int32x4_t mantissa = vdupq_n_s32(layer->multiplier[0]);
    const int32_t left = layer->shift[0] > 0 ? layer->shift[0] : 0;
    const int32_t right = layer->shift[0] > 0 ? 0 : layer->shift[0];
    const int32_t zero = layer->out_zero;
    const int32x4_t least = vdupq_n_s32(layer->out_min - zero);
    const int32x4_t most = vdupq_n_s32(layer->out_max - zero);
    const int32x4_t shifts = vdupq_n_s32(right);
    const uint32_t n = layer->n_out & ~UINT32_C(3), n_in = layer->n_in;
    const int32_t *bias = layer->packed;
    const int8_t *w = layer->weights;
    for (uint32_t o = 0; o < n; o += ROWS, w += (size_t)ROWS * n_in, bias += ROWS, y += ROWS) {
        int32_t sums[ROWS];
        dot_rows(w, n_in, x, bias, sums);
        int32x4_t v = vqrdmulhq_s32(vshlq_r_s32(vldrwq_s32(sums), left), mantissa);
        v = vqaddq_s32(v, vshrq_n_s32(vandq_s32(v, shifts), 31));
        v = vminq_s32(vmaxq_s32(vrshlq_n_s32(v, right), least), most);
        vstrbq_s32(y, vaddq_n_s32(v, zero));
    }
    return n;
}

/* Whole groups of rows with any requantisation. */
static uint32_t other_rows(const struct mw_dense_s8 *layer, enum mw_rounding rounding,
                           const int8_t *x, int8_t *y)
{
    const uint32_t n = layer->n_out & ~UINT32_C(3), n_in = layer->n_in;
    for (uint32_t o = 0; o < n; o += ROWS) {
        int32_t sums[ROWS];
        dot_rows(layer->weights + (size_t)o * n_in, n_in, x, (const int32_t *)layer->packed + o,
                 sums);
        if (rounding == MW_ROUNDING_DOUBLE && layer->n_multipliers > 1) {
            struct scales s =
                scales_of(vldrwq_s32(layer->multiplier + o), vldrbq_s32(layer->shift + o));
            put4(layer, &s, sums, y + o);
        } else {
            put_one_by_one(layer, rounding, o, ROWS, sums, y + o);
        }
    }
    return n;
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    bool usual = rounding == MW_ROUNDING_DOUBLE && layer->n_multipliers == 1;
    for (uint32_t k = 0; k < n_windows; k++, x += layer->n_in, y += layer->n_out) {
        uint32_t o = usual ? usual_rows(layer, x, y) : other_rows(layer, rounding, x, y);
        for (; o < layer->n_out; o++) {
            int32_t dot = dot1(layer->weights + (size_t)o * layer->n_in, x, layer->n_in);
            int32_t sum = (int32_t)((uint32_t)((const int32_t *)layer->packed)[o] + (uint32_t)dot);
            put_one_by_one(layer, rounding, o, 1, &sum, y + o);
        }
    }
}

const struct mw_dense_kernel mw_dense_mve = {
    .name = "mve", .cpu = MW_CPU_MVE, .packed_bytes = packed_bytes, .pack = pack, .run = run
};

#endif
