/* SPDX-License-Identifier: Apache-2.0 */
/* Single numbers at any address, little- or big-endian. Nothing is checked: the caller knows that
 * the bytes are there. Inline, for they are one instruction where the processor agrees. */
#ifndef MW_BASE_LOAD_H
#define MW_BASE_LOAD_H

#include <stdint.h>

static inline uint16_t mw_load_u16be(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint16_t mw_load_u16le(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t mw_load_u32le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t mw_load_u64le(const uint8_t *p)
{
    return mw_load_u32le(p) | (uint64_t)mw_load_u32le(p + 4) << 32;
}

static inline void mw_store_u16be(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

#endif
