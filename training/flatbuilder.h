/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a flatbuffer from front to back: a table first, what it refers to later, so that every
 * offset points forward as the format demands. Growing; a failed allocation is remembered and
 * asked for once, at the end. Source: FlatBuffers "Internals". */
#ifndef TRAINING_FLATBUILDER_H
#define TRAINING_FLATBUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLAT_MAX_FIELDS 16

struct flat {
    uint8_t *bytes;
    size_t n, cap;
    bool failed;
};

/* A field of a table. Width 1 or 4; a reference is width 4, its place goes to *ret_at. */
struct flat_field {
    uint16_t id;
    uint8_t width;
    uint32_t value;
    size_t *ret_at;
};

/* Appends a table, its vtable before it; returns the table's position. Fields with rising ids. */
size_t flat_table(struct flat *flat, const struct flat_field *fields, size_t n_fields);

/* Lets the reference at the place `at` point to the position `to`, which is behind it. */
void flat_link(struct flat *flat, size_t at, size_t to);

/* Vectors and strings; the position to link to. */
size_t flat_bytes(struct flat *flat, const void *bytes, size_t n, size_t alignment);
size_t flat_u32s(struct flat *flat, const uint32_t *values, size_t n);
size_t flat_i64s(struct flat *flat, const int64_t *values, size_t n);
size_t flat_string(struct flat *flat, const char *text);

/* A vector of n references; the place of the first is position + 4, the next 4 bytes on. */
size_t flat_references(struct flat *flat, size_t n);

/* Raw bytes at the end; for the root. */
void flat_put(struct flat *flat, const void *bytes, size_t n);

#endif
