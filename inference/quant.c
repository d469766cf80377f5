/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/quant.h"

#include <assert.h>
#include <float.h>
#include <string.h>

static_assert((-1 >> 1) == -1, "rounding needs an arithmetic right shift");
static_assert(sizeof(double) == 8 && DBL_MANT_DIG == 53, "double is IEEE 754 binary64");
static_assert(sizeof(float) == 4 && FLT_MANT_DIG == 24, "float is IEEE 754 binary32");
static_assert(FLT_EVAL_METHOD == 0, "a float operation is rounded to float");

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

double mw_real_multiplier_per_tensor(float in, float weights, float out)
{
    float product = in * weights; /* rounded to float, as GetQuantizedConvolutionMultipler does */
    return (double)product / (double)out;
}

double mw_real_multiplier_per_channel(float in, float weights, float out)
{
    return (double)in * (double)weights / (double)out;
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
