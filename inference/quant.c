/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/quant.h"

#include <assert.h>
#include <float.h>
#include <string.h>

static_assert((-1 >> 1) == -1, "rounding needs an arithmetic right shift");
static_assert(sizeof(double) == 8 && DBL_MANT_DIG == 53, "double is IEEE 754 binary64");
static_assert(sizeof(float) == 4 && FLT_MANT_DIG == 24, "float is IEEE 754 binary32");
/* 16: _Float16 operations too are rounded to their type, which changes nothing for float. */
static_assert(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 16,
              "a float operation is rounded to float");

struct mw_multiplier mw_quantize_multiplier(double real, enum mw_rounding rounding)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    int32_t exponent = (int32_t)(bits >> 52 & 0x7ff);
    assert(bits >> 63 == 0 && exponent != 0x7ff);
    if (exponent == 0) /* zero, or subnormal and far below 2^-32 */
        return (struct mw_multiplier){ 0, 0 };

    /* real = significand / 2^53 * 2^shift with 2^52 <= significand < 2^53. */
    uint64_t significand = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    int32_t shift = exponent - 1022;
    uint64_t mantissa = (significand + (UINT64_C(1) << 21)) >> 22;
    if (mantissa == UINT64_C(1) << 31) {
        mantissa >>= 1;
        shift++;
    }
    if (shift < -31)
        return (struct mw_multiplier){ 0, 0 };
    if (rounding == MW_ROUNDING_SINGLE && shift > MW_QUANT_MAX_SHIFT)
        return (struct mw_multiplier){ INT32_MAX, MW_QUANT_MAX_SHIFT };
    return (struct mw_multiplier){ (int32_t)mantissa, shift };
}

/* Of what follows nothing is called often; inlined, 64-bit shifts are long on a 32-bit core. */
#define SMALL __attribute__((noinline))

/* bits * 2^exponent; 0 where bits is 0. */
struct exact {
    uint64_t bits;
    int32_t exponent;
};

static SMALL int32_t width(uint64_t bits)
{
    return bits == 0 ? 0 : 64 - __builtin_clzll(bits);
}

/* A float that is finite and not negative. */
static SMALL struct exact take_apart(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    int32_t exponent = (int32_t)(bits >> 23);
    uint64_t fraction = bits & 0x7fffff;
    return exponent == 0 ? (struct exact){ fraction, -149 }
                         : (struct exact){ fraction | 0x800000, exponent - 150 };
}

/* To n bits, half to even, as IEEE 754 rounds. */
static SMALL struct exact round_to(struct exact v, int32_t n)
{
    int32_t cut = width(v.bits) - n;
    if (cut <= 0)
        return v;
    if (n < 0)
        return (struct exact){ 0, 0 };
    uint64_t rest = v.bits & ((UINT64_C(1) << cut) - 1), half = UINT64_C(1) << (cut - 1);
    uint64_t kept = v.bits >> cut;
    kept += rest > half || (rest == half && (kept & 1));
    return (struct exact){ kept, v.exponent + cut };
}

/* Of two floats: at most 48 bits, exact. */
static SMALL struct exact product(float a, float b)
{
    struct exact x = take_apart(a), y = take_apart(b);
    return (struct exact){ x.bits * y.bits, x.exponent + y.exponent };
}

/* As the multiplication of floats rounds it: 24 bits, fewer below 2^-126. */
static SMALL struct exact float_product(float a, float b)
{
    struct exact p = product(a, b);
    int32_t n = width(p.bits) + p.exponent + 149;
    return round_to(p, n < 24 ? n : 24);
}

/* a / b to n bits, half to even. a: 1 .. 48 bits; b above 0. By hand, bit after bit: a processor
 * without a divider would need a library for it, at the price of kilobytes. */
static SMALL struct exact quotient(struct exact a, float b, int32_t n)
{
    struct exact d = take_apart(b), q = { 0, a.exponent - d.exponent };
    uint64_t rest = 0;
    for (int32_t i = 47; i >= 0 || q.bits >> (n + 1) == 0; i--) {
        rest = rest << 1 | (i >= 0 ? a.bits >> i & 1 : 0);
        q.bits <<= 1;
        if (rest >= d.bits) {
            rest -= d.bits;
            q.bits |= 1;
        }
        q.exponent -= i < 0;
    }
    q.bits = q.bits << 1 | (rest > 0); /* what is left decides between below and at a half */
    q.exponent--;
    return round_to(q, n);
}

/* A double of at most 53 bits; beyond the range of float products, infinity. */
static SMALL double put_together(struct exact v)
{
    int32_t n = width(v.bits);
    uint64_t bits = v.bits << (53 - n) & ((UINT64_C(1) << 52) - 1);
    bits |= (uint64_t)(v.exponent + n + 1022) << 52; /* far from the ends of double's range */
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double constant_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double mw_real_multiplier_per_tensor(float in, float weights, float out)
{
    struct exact p = float_product(in, weights);
    if (width(p.bits) + p.exponent > 128)
        return constant_double(UINT64_C(0x7ff) << 52); /* infinity, as the float product is */
    return p.bits == 0 ? constant_double(0) : put_together(quotient(p, out, 53));
}

double mw_real_multiplier_per_channel(float in, float weights, float out)
{
    return put_together(quotient(product(in, weights), out, 53));
}

/* a <= b */
static bool at_most(struct exact a, struct exact b)
{
    if (a.bits == 0 || b.bits == 0)
        return a.bits == 0;
    int32_t n = width(a.bits), m = width(b.bits);
    if (n + a.exponent != m + b.exponent)
        return n + a.exponent < m + b.exponent;
    return a.bits << (64 - n) <= b.bits << (64 - m);
}

bool mw_bias_scale_fits(float in, float weights, float bias, float out)
{
    struct exact p = float_product(in, weights), b = take_apart(bias);
    const struct exact *far = p.exponent > b.exponent ? &p : &b, *near = far == &p ? &b : &p;
    int32_t apart = far->exponent - near->exponent;
    uint64_t x = far->bits << 30, y = apart < 64 ? near->bits << 30 >> apart : 0;
    struct exact fifty = { (x > y ? x - y : y - x) * 50, far->exponent - 30 };
    return at_most(fifty, take_apart(out));
}

int32_t mw_quantize_whole(const struct mw_quant *q, int32_t value)
{
    uint32_t magnitude = value < 0 ? 0 - (uint32_t)value : (uint32_t)value;
    if (magnitude == 0)
        return q->zero;
    struct exact v = quotient((struct exact){ magnitude, 0 }, q->scale, 24);
    int32_t n = width(v.bits) + v.exponent;
    if (n > 30) /* as mw_quantize */
        return value < 0 ? -(1 << 30) : 1 << 30;
    uint32_t bits = (uint32_t)v.bits; /* at most 2^24 */
    uint32_t whole = v.exponent >= 0 ? bits << v.exponent
                     : n < 0         ? 0
                                     : (bits + (UINT32_C(1) << (-v.exponent - 1))) >> -v.exponent;
    return value < 0 ? q->zero - (int32_t)whole : q->zero + (int32_t)whole;
}

int32_t mw_requantize_double(int32_t x, int32_t mantissa, int32_t shift)
{
    int32_t left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
    int32_t shifted = (int32_t)((uint32_t)x << left);
    if (shifted == INT32_MIN && mantissa == INT32_MIN)
        return INT32_MAX; /* the one product that does not fit; no checked layer has it */

    /* |product| <= 2^62, so adding half cannot overflow. */
    int64_t high = ((int64_t)shifted * mantissa + (INT64_C(1) << 30)) >> 31;

    int64_t mask = (INT64_C(1) << right) - 1;
    int64_t rest = high & mask, half = (mask >> 1) + (high < 0);
    return (int32_t)((high >> right) + (rest > half));
}

int32_t mw_requantize_single(int32_t x, int32_t mantissa, int32_t shift)
{
    int32_t total = 31 - shift; /* 1 .. 62 */
    int64_t product = (int64_t)x * mantissa;
    return (int32_t)((product + (INT64_C(1) << (total - 1))) >> total);
}

int32_t mw_requantize(int32_t x, struct mw_multiplier m, enum mw_rounding rounding)
{
    return rounding == MW_ROUNDING_DOUBLE ? mw_requantize_double(x, m.mantissa, m.shift)
                                          : mw_requantize_single(x, m.mantissa, m.shift);
}

int32_t mw_requantize_wide(int64_t x, struct mw_multiplier m)
{
    int32_t mantissa = m.mantissa < 0x7fff0000 ? (m.mantissa + (1 << 15)) >> 16 : 0x7fff;
    int32_t total = 15 - m.shift; /* 8 .. 46 */
    return (int32_t)((x * mantissa + (INT64_C(1) << (total - 1))) >> total);
}

int32_t mw_quantize(const struct mw_quant *q, float value)
{
    const int32_t far = 1 << 30;
    float real = value / q->scale;
    if (real != real)
        return q->zero;
    if (real >= (float)far)
        return far;
    if (real <= (float)-far)
        return -far;
    int32_t whole = (int32_t)real;
    float rest = real - (float)whole; /* exact: above 2^24 it is 0 */
    if (rest >= 0.5f)
        whole++;
    if (rest <= -0.5f)
        whole--;
    return whole + q->zero;
}

void mw_quantize_s8(const struct mw_quant *q, const float *x, int8_t *ret_y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t v = mw_quantize(q, x[i]);
        ret_y[i] = (int8_t)(v < INT8_MIN ? INT8_MIN : v > INT8_MAX ? INT8_MAX : v);
    }
}

void mw_dequantize_s8(const struct mw_quant *q, const int8_t *x, float *ret_y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ret_y[i] = (float)((double)q->scale * (x[i] - q->zero));
}
