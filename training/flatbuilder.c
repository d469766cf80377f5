/* SPDX-License-Identifier: Apache-2.0 */
#include "training/flatbuilder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void flat_put(struct flat *flat, const void *bytes, size_t n)
{
    if (flat->n + n > flat->cap) {
        size_t cap = 2 * (flat->n + n) + 256;
        uint8_t *grown = realloc(flat->bytes, cap);
        if (!grown) {
            flat->failed = true;
            return;
        }
        flat->bytes = grown;
        flat->cap = cap;
    }
    if (n > 0)
        memcpy(flat->bytes + flat->n, bytes, n);
    flat->n += n;
}

static void put_le(struct flat *flat, uint64_t value, size_t n)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    flat_put(flat, bytes, n);
}

/* Zeroes until the position after `ahead` further bytes is a multiple of alignment. */
static void pad(struct flat *flat, size_t ahead, size_t alignment)
{
    while (!flat->failed && (flat->n + ahead) % alignment != 0)
        put_le(flat, 0, 1);
}

static void store_u32(struct flat *flat, size_t at, uint32_t value)
{
    for (size_t i = 0; i < 4 && !flat->failed; i++)
        flat->bytes[at + i] = (uint8_t)(value >> 8 * i);
}

void flat_link(struct flat *flat, size_t at, size_t to)
{
    assert(flat->failed || to > at);
    store_u32(flat, at, (uint32_t)(to - at));
}

/* Offsets of the fields within the table: the wide ones first, so that all are aligned. Returns
 * the table's size. */
static uint16_t place(const struct flat_field *fields, size_t n_fields, uint16_t *ret_offsets)
{
    uint16_t size = 4;
    for (uint8_t width = 4; width > 0; width = width == 4 ? 1 : 0)
        for (size_t i = 0; i < n_fields; i++)
            if (fields[i].width == width) {
                ret_offsets[i] = size;
                size = (uint16_t)(size + width);
            }
    return size;
}

/* The fields themselves, in the order of place. */
static void put_fields(struct flat *flat, const struct flat_field *fields, size_t n_fields)
{
    for (uint8_t width = 4; width > 0; width = width == 4 ? 1 : 0)
        for (size_t i = 0; i < n_fields; i++) {
            if (fields[i].width != width)
                continue;
            if (fields[i].ret_at)
                *fields[i].ret_at = flat->n;
            put_le(flat, fields[i].value, width);
        }
}

size_t flat_table(struct flat *flat, const struct flat_field *fields, size_t n_fields)
{
    uint16_t offsets[FLAT_MAX_FIELDS], n_slots = 0, size = place(fields, n_fields, offsets);
    assert(n_fields <= FLAT_MAX_FIELDS);
    if (n_fields > 0)
        n_slots = (uint16_t)(fields[n_fields - 1].id + 1);
    uint16_t vtable_size = (uint16_t)(4 + 2 * n_slots);
    pad(flat, vtable_size, 4); /* the table follows its vtable at once */
    size_t vtable = flat->n;
    put_le(flat, vtable_size, 2);
    put_le(flat, size, 2);
    for (uint16_t slot = 0, i = 0; slot < n_slots; slot++)
        put_le(flat, fields[i].id == slot ? offsets[i++] : 0, 2);

    size_t table = flat->n;
    put_le(flat, table - vtable, 4);
    put_fields(flat, fields, n_fields);
    return table;
}

size_t flat_bytes(struct flat *flat, const void *bytes, size_t n, size_t alignment)
{
    pad(flat, 4, alignment < 4 ? 4 : alignment);
    size_t at = flat->n;
    put_le(flat, n, 4);
    flat_put(flat, bytes, n);
    return at;
}

size_t flat_u32s(struct flat *flat, const uint32_t *values, size_t n)
{
    pad(flat, 0, 4);
    size_t at = flat->n;
    put_le(flat, n, 4);
    for (size_t i = 0; i < n; i++)
        put_le(flat, values[i], 4);
    return at;
}

size_t flat_i64s(struct flat *flat, const int64_t *values, size_t n)
{
    pad(flat, 4, 8);
    size_t at = flat->n;
    put_le(flat, n, 4);
    for (size_t i = 0; i < n; i++)
        put_le(flat, (uint64_t)values[i], 8);
    return at;
}

size_t flat_string(struct flat *flat, const char *text)
{
    size_t at = flat_bytes(flat, text, strlen(text), 4);
    put_le(flat, 0, 1); /* the terminator is not counted */
    return at;
}

size_t flat_references(struct flat *flat, size_t n)
{
    pad(flat, 0, 4);
    size_t at = flat->n;
    put_le(flat, n, 4);
    for (size_t i = 0; i < n; i++)
        put_le(flat, 0, 4);
    return at;
}
