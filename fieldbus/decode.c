/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/decode.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

static_assert(sizeof(float) == 4 && sizeof(double) == 8, "registers hold IEEE 754 numbers");

uint64_t decode_bits(const struct point_config *point, const uint16_t *registers)
{
    uint16_t n = value_registers(point->type);
    bool words_reversed = point->order == ORDER_CDAB || point->order == ORDER_DCBA;
    bool bytes_reversed = point->order == ORDER_BADC || point->order == ORDER_DCBA;
    uint64_t bits = 0;
    for (uint16_t i = 0; i < n; i++) {
        uint16_t word = registers[words_reversed ? n - 1 - i : i];
        if (bytes_reversed)
            word = (uint16_t)(word << 8 | word >> 8);
        bits = bits << 16 | word;
    }
    return bits;
}

static bool is_sentinel(const struct point_config *point, uint64_t bits)
{
    uint64_t mask = UINT64_MAX >> (64 - 16 * value_registers(point->type));
    for (uint8_t i = 0; i < point->n_sentinels; i++)
        if ((point->sentinels[i] & mask) == bits)
            return true;
    return false;
}

static double from_float32(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value = 0.0f;
    memcpy(&value, &low, sizeof value);
    return (double)value;
}

static double from_float64(uint64_t bits)
{
    double value = 0.0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Two's complement of n_bits, without a conversion the standard leaves open. */
static double from_signed(uint64_t bits, unsigned n_bits)
{
    uint64_t sign = UINT64_C(1) << (n_bits - 1);
    if (bits & sign)
        return -(double)((~bits & (sign - 1)) + 1);
    return (double)bits;
}

static double to_number(const struct point_config *point, uint64_t bits)
{
    switch (point->type) {
    case VALUE_BIT:
    case VALUE_NONE:
    case VALUE_UINT16:
    case VALUE_UINT32:
    case VALUE_UINT64: break;
    case VALUE_INT16: return from_signed(bits, 16);
    case VALUE_INT32: return from_signed(bits, 32);
    case VALUE_INT64: return from_signed(bits, 64);
    case VALUE_FLOAT32: return from_float32(bits);
    case VALUE_FLOAT64: return from_float64(bits);
    }
    return (double)bits;
}

enum mw_quality decode_point(const struct point_config *point, const uint16_t *registers,
                             float *ret_value)
{
    uint64_t bits = decode_bits(point, registers);
    if (is_sentinel(point, bits))
        return MW_QUALITY_INVALID;

    bool one_bit = point->bit >= 0 && value_registers(point->type) == 1;
    double raw = one_bit ? (double)(bits >> point->bit & 1) : to_number(point, bits);
    double value = raw * point->scale + point->offset;
    if (!isfinite(value) || fabs(value) > (double)FLT_MAX)
        return MW_QUALITY_INVALID;
    if (point->has_range && (value < point->range_min || value > point->range_max))
        return MW_QUALITY_INVALID;
    *ret_value = (float)value;
    return MW_QUALITY_GOOD;
}
