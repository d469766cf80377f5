/* SPDX-License-Identifier: Apache-2.0 */
/* ADD, SUB and MUL on int8 with broadcasting.
 *
 * ADD and SUB: with t = 2 max(s1, s2), each (x - zero) * 2^20 is requantised by s1 / t or s2 / t,
 * their sum or difference by t / (2^20 s_out), plus zero_out, clamped. MUL: the product of
 * (x - zero) by s1 s2 / s_out. All in double. Source: TensorFlow Lite reference/integer_ops/add.h,
 * mul.h; SUB: reference/sub.h and micro/kernels/sub_common.cc, which is ADD with the second operand
 * subtracted after its scaling. Broadcast as NumPy: from the last dimension, 1 repeats. */
#include "base/result.h"
#include "inference/operator.h"
#include "inference/walk.h"

enum { BINARY_ACTIVATION = 0, BINARY_POT_SCALE };
enum { CODE_SUB = 41 };

#define LEFT_SHIFT 20

struct binary {
    struct mw_walk walk; /* a: first operand, b: second; the output is row-major */
    struct mw_multiplier first, second, result;
    enum mw_rounding rounding;
    int32_t zero_1, zero_2, out_zero, out_min, out_max, sign;
};

static int8_t add_pair(const struct binary *p, int32_t x1, int32_t x2)
{
    int32_t one = (x1 - p->zero_1) * (1 << LEFT_SHIFT), two = (x2 - p->zero_2) * (1 << LEFT_SHIFT);
    int32_t sum = mw_requantize(one, p->first, p->rounding) +
                  p->sign * mw_requantize(two, p->second, p->rounding);
    return mw_clamp_s8((int64_t)mw_requantize(sum, p->result, p->rounding) + p->out_zero,
                       p->out_min, p->out_max);
}

static int8_t multiply(const struct binary *p, int32_t x1, int32_t x2)
{
    int32_t product = (x1 - p->zero_1) * (x2 - p->zero_2);
    return mw_clamp_s8((int64_t)mw_requantize(product, p->result, p->rounding) + p->out_zero,
                       p->out_min, p->out_max);
}

static void run_pairs(const struct binary *p, const void *const *in, void *const *out,
                      int8_t (*one)(const struct binary *p, int32_t x1, int32_t x2))
{
    const int8_t *x1 = in[0], *x2 = in[1];
    int8_t *y = out[0];
    int32_t inner = p->walk.n_dims - 1;
    struct mw_walker w = { 0 };
    do
        for (int32_t i = 0; i < p->walk.dims[inner]; i++)
            *y++ = one(p, x1[w.a + i * p->walk.a[inner]], x2[w.b + i * p->walk.b[inner]]);
    while (mw_walk_next(&p->walk, &w));
}

static void run_add(const void *params, const void *const *in, void *const *out)
{
    run_pairs(params, in, out, add_pair);
}

static void run_mul(const void *params, const void *const *in, void *const *out)
{
    run_pairs(params, in, out, multiply);
}

/* Size of dimension d of the output in an operand, 1 where the operand has fewer; and its step. */
static int32_t operand_dim(const struct mw_tensor *t, const struct mw_tensor *out, int32_t d,
                           const int32_t *steps, int32_t *ret_step)
{
    int32_t own = d - (out->n_dims - t->n_dims);
    int32_t n = own < 0 ? 1 : t->dims[own];
    *ret_step = n == 1 ? 0 : steps[own];
    return n;
}

static int make_walk(struct mw_build *b, struct mw_walk *walk, const struct mw_tensor *t1,
                     const struct mw_tensor *t2, const struct mw_tensor *out)
{
    int32_t steps_1[MW_TENSOR_MAX_DIMS], steps_2[MW_TENSOR_MAX_DIMS];
    mw_row_major(t1, steps_1);
    mw_row_major(t2, steps_2);
    if (t1->n_dims > out->n_dims || t2->n_dims > out->n_dims)
        return mw_refuse(b, "tensor # has fewer dimensions than an operand", out->index, 0);
    for (int32_t d = 0; d < out->n_dims; d++) {
        int32_t a, c, n1 = operand_dim(t1, out, d, steps_1, &a);
        int32_t n2 = operand_dim(t2, out, d, steps_2, &c);
        if ((n1 != 1 && n2 != 1 && n1 != n2) || (n1 > n2 ? n1 : n2) != out->dims[d])
            return mw_refuse(b, "tensors # and # cannot be broadcast together", t1->index,
                             t2->index);
        mw_walk_add(walk, out->dims[d], a, c);
    }
    if (walk->n_dims == 0)
        mw_walk_add(walk, 1, 0, 0);
    return MW_OK;
}

static int read_operands(struct mw_build *b, struct binary *p, struct mw_tensor *t1,
                         struct mw_tensor *t2, struct mw_tensor *out)
{
    int result = mw_input_s8(b, 0, t1);
    if (result == MW_OK)
        result = mw_input_s8(b, 1, t2);
    if (result == MW_OK)
        result = mw_output_s8(b, 0, out);
    if (result == MW_OK)
        result = make_walk(b, &p->walk, t1, t2, out);
    if (result == MW_OK)
        result = mw_fused_range(b, mw_option_u8(b, BINARY_ACTIVATION, 0), &out->quant, &p->out_min,
                                &p->out_max);
    if (result < 0)
        return result;
    p->rounding = b->rounding;
    p->zero_1 = t1->quant.zero;
    p->zero_2 = t2->quant.zero;
    p->out_zero = out->quant.zero;
    return MW_OK;
}

int mw_prepare_add(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor t1, t2, out;
    struct binary p = { .sign = b->node.code == CODE_SUB ? -1 : 1 };
    int result = read_operands(b, &p, &t1, &t2, &out);
    if (result < 0)
        return result;
    double s1 = (double)t1.quant.scale, s2 = (double)t2.quant.scale;
    double twice_max = 2 * (s1 > s2 ? s1 : s2);
    double real = twice_max / ((1 << LEFT_SHIFT) * (double)out.quant.scale);
    if (real >= 1)
        return mw_refuse(b, "the output's scale is too small for its operands'", 0, 0);
    result = mw_make_multiplier(b, s1 / twice_max, &p.first);
    if (result == MW_OK)
        result = mw_make_multiplier(b, s2 / twice_max, &p.second);
    if (result == MW_OK)
        result = mw_make_multiplier(b, real, &p.result);
    op->run = run_add;
    op->params = mw_keep(b, &p, sizeof p);
    return result;
}

int mw_prepare_mul(struct mw_build *b, struct mw_op *op)
{
    struct mw_tensor t1, t2, out;
    struct binary p = { 0 };
    int result = read_operands(b, &p, &t1, &t2, &out);
    if (result < 0)
        return result;
    double real = (double)t1.quant.scale * (double)t2.quant.scale / (double)out.quant.scale;
    op->run = run_mul;
    result = mw_make_multiplier(b, real, &p.result);
    op->params = mw_keep(b, &p, sizeof p);
    return result;
}
