/* SPDX-License-Identifier: Apache-2.0 */
/* What the packed formats of storage/ share: LEB128 numbers in their shortest form, small
 * differences of either sign as small numbers, and floats as their IEEE 754 bits. */
#ifndef MW_STORAGE_VARINT_H
#define MW_STORAGE_VARINT_H

#include "base/bytes.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

static_assert(sizeof(float) == 4, "values are kept as IEEE 754 binary32");

/* Seven bits a byte, lowest first. */
static inline void put_varint(struct mw_writer *w, uint64_t v)
{
    while (v >= 0x80) {
        mw_put_u8(w, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    mw_put_u8(w, (uint8_t)v);
}

/* Only the shortest form of a number up to max is one, so that equal content is equal bytes;
 * anything else sets failed and is 0. */
static inline uint64_t get_varint(struct mw_reader *r, uint64_t max)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = mw_get_u8(r);
        uint64_t part = byte & 0x7f;
        if (shift > 0 && byte == 0)
            break;
        if (part << shift >> shift != part)
            break;
        v |= part << shift;
        if (byte < 0x80) {
            if (v > max)
                break;
            return v;
        }
    }
    r->failed = true;
    return 0;
}

static inline uint64_t zigzag(uint64_t difference)
{
    return difference << 1 ^ (0 - (difference >> 63));
}

static inline uint64_t unzigzag(uint64_t v)
{
    return v >> 1 ^ (0 - (v & 1));
}

static inline uint32_t zigzag32(uint32_t difference)
{
    return difference << 1 ^ (0 - (difference >> 31));
}

static inline uint32_t unzigzag32(uint32_t v)
{
    return v >> 1 ^ (0 - (v & 1));
}

static inline uint32_t bits_of(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

#endif
