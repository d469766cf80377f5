/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/rollup_pack.h"
#include "base/crc.h"
#include "base/result.h"
#include "storage/varint.h"

#define ROLLUP_VERSION 1
#define CRC_BYTES      4

static_assert(ROLLUP_MAX_SLOTS < 64, "masks are 64 bits");

/* What each slot is told apart from. */
struct before {
    uint64_t mask;
    uint32_t n;                       /* of the slot before, also across entries */
    uint32_t means[ROLLUP_MAX_SLOTS]; /* ordered */
};

void rollup_slot_merge(struct rollup_slot *slot, const struct rollup_slot *other)
{
    if (other->n == 0)
        return;
    if (slot->n == 0) {
        *slot = *other;
        return;
    }
    uint64_t n = (uint64_t)slot->n + other->n;
    double sum = (double)slot->mean * slot->n + (double)other->mean * other->n;
    slot->min = other->min < slot->min ? other->min : slot->min;
    slot->max = other->max > slot->max ? other->max : slot->max;
    float mean = (float)(sum / (double)n);
    slot->mean = mean < slot->min ? slot->min : mean > slot->max ? slot->max : mean;
    slot->n = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* Bits whose order as unsigned numbers is the order of the values: -0 directly below 0. */
static uint32_t ordered(float v)
{
    uint32_t bits = bits_of(v);
    return bits >> 31 ? ~bits : bits | 0x80000000;
}

static float unordered(uint32_t order)
{
    return float_of(order >> 31 ? order & 0x7fffffff : ~order);
}

/* Whether it is a number: not an infinity, not a NaN. */
static bool is_finite(uint32_t order)
{
    return (bits_of(unordered(order)) & 0x7f800000) != 0x7f800000;
}

static uint64_t mask_of(const struct rollup_entry *entry, uint32_t n_slots)
{
    uint64_t mask = 0;
    for (uint32_t s = 0; s < n_slots; s++)
        mask |= (uint64_t)(entry->slots[s].n > 0) << s;
    return mask;
}

static void put_entry(struct mw_writer *w, struct before *b, const struct rollup_entry *entry,
                      uint32_t n_slots)
{
    uint64_t mask = mask_of(entry, n_slots);
    put_varint(w, mask ^ b->mask);
    b->mask = mask;
    for (uint32_t s = 0; s < n_slots; s++) {
        const struct rollup_slot *slot = &entry->slots[s];
        if (slot->n == 0)
            continue;
        uint32_t mean = ordered(slot->mean);
        put_varint(w, zigzag32(slot->n - b->n));
        put_varint(w, zigzag32(mean - b->means[s]));
        put_varint(w, mean - ordered(slot->min));
        put_varint(w, ordered(slot->max) - mean);
        b->n = slot->n;
        b->means[s] = mean;
    }
}

int rollup_pack(const struct rollup_entry *entries, uint32_t n_entries, uint32_t n_slots,
                uint8_t *bytes, size_t cap)
{
    assert(n_entries >= 1 && n_entries <= ROLLUP_MAX_ENTRIES);
    assert(n_slots >= 1 && n_slots <= ROLLUP_MAX_SLOTS);
    struct mw_writer w = { .bytes = bytes, .n_bytes = cap };
    struct before before = { 0 };
    uint32_t next = 0;
    mw_put_u8(&w, ROLLUP_VERSION);
    mw_put_u8(&w, (uint8_t)n_slots);
    mw_put_u8(&w, (uint8_t)n_entries);
    for (uint32_t e = 0; e < n_entries; e++) {
        put_varint(&w, entries[e].index - next);
        next = entries[e].index + 1;
        put_entry(&w, &before, &entries[e], n_slots);
    }
    if (!w.failed)
        mw_put_u32le(&w, mw_crc32(w.bytes, w.at));
    return w.failed ? MW_ERR_NO_SPACE : (int)w.at;
}

/* min <= mean <= max, by construction; refused where the numbers run over or are not finite. */
static bool get_slot(struct mw_reader *r, struct before *b, uint32_t s, struct rollup_slot *slot)
{
    uint32_t n = b->n + unzigzag32((uint32_t)get_varint(r, UINT32_MAX));
    uint32_t mean = b->means[s] + unzigzag32((uint32_t)get_varint(r, UINT32_MAX));
    uint32_t min = mean - (uint32_t)get_varint(r, mean);
    uint32_t max = mean + (uint32_t)get_varint(r, UINT32_MAX - mean);
    if (r->failed || n == 0 || !is_finite(mean) || !is_finite(min) || !is_finite(max))
        return false;
    *slot = (struct rollup_slot){ n, unordered(min), unordered(max), unordered(mean) };
    b->n = n;
    b->means[s] = mean;
    return true;
}

static bool get_entry(struct mw_reader *r, struct before *b, uint32_t n_slots,
                      struct rollup_entry *entry)
{
    b->mask ^= get_varint(r, (UINT64_C(1) << n_slots) - 1);
    if (r->failed || b->mask == 0)
        return false;
    for (uint32_t s = 0; s < n_slots; s++)
        if (b->mask >> s & 1 && !get_slot(r, b, s, &entry->slots[s]))
            return false;
    return true;
}

static int get_all(struct mw_reader *r, struct rollup_entry *entries, uint32_t *ret_n_slots)
{
    if (mw_get_u8(r) != ROLLUP_VERSION)
        return r->failed ? MW_ERR_FORMAT : MW_ERR_UNSUPPORTED;
    uint32_t n_slots = mw_get_u8(r), n_entries = mw_get_u8(r), next = 0;
    struct before before = { 0 };
    if (n_slots < 1 || n_slots > ROLLUP_MAX_SLOTS || n_entries < 1 ||
        n_entries > ROLLUP_MAX_ENTRIES)
        return MW_ERR_FORMAT;
    for (uint32_t e = 0; e < n_entries; e++) {
        entries[e] = (struct rollup_entry){ .index = next + (uint32_t)get_varint(
                                                                r, ROLLUP_MAX_ENTRIES - 1 - next) };
        if (!get_entry(r, &before, n_slots, &entries[e]))
            return MW_ERR_FORMAT;
        next = entries[e].index + 1;
        if (next == ROLLUP_MAX_ENTRIES && e + 1 < n_entries)
            return MW_ERR_FORMAT;
    }
    *ret_n_slots = n_slots;
    return r->at == r->n_bytes ? (int)n_entries : MW_ERR_FORMAT;
}

int rollup_unpack(const uint8_t *bytes, size_t n_bytes, struct rollup_entry *ret_entries,
                  uint32_t *ret_n_slots)
{
    if (n_bytes < CRC_BYTES || n_bytes > ROLLUP_BYTES_MAX)
        return MW_ERR_FORMAT;
    size_t n_body = n_bytes - CRC_BYTES;
    if (mw_load_u32le(bytes + n_body) != mw_crc32(bytes, n_body))
        return MW_ERR_CHECKSUM;
    struct mw_reader r = { .bytes = bytes, .n_bytes = n_body };
    return get_all(&r, ret_entries, ret_n_slots);
}
