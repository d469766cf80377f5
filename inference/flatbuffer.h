/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded reader of flatbuffers: tables, fields, vectors. Called by tflite.c for bytes that
 * nobody has checked. Every access is bounded; a broken one touches no memory, sets failed, and
 * reads as absent. Check failed before what was read is believed. Tables, fields and items lie at
 * multiples of their size counted from the file's first byte, else failed; where that byte lies in
 * memory does not matter.
 * Nothing here follows an offset by itself, so that a file cannot make it loop.
 *
 * Source: FlatBuffers internals, https://flatbuffers.dev/internals/. */
#ifndef MW_INFERENCE_FLATBUFFER_H
#define MW_INFERENCE_FLATBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_fb {
    const uint8_t *bytes; /* borrowed */
    uint32_t n_bytes;
    bool failed;
};

struct mw_fb_table {
    uint32_t at, n_bytes;         /* of the table; at 0: absent */
    uint32_t fields_at, n_fields; /* of its vtable's entries */
};

struct mw_fb_vector {
    uint32_t at; /* of the first item; 0: absent */
    uint32_t n, item_bytes;
};

/* The root table; failed where the file identifier is not the four characters of id. */
struct mw_fb_table mw_fb_root(struct mw_fb *fb, const char *id);

/* Fields by number, in the order of the schema; absent where the table does not hold them. */
uint8_t mw_fb_u8(struct mw_fb *fb, const struct mw_fb_table *table, uint32_t field, uint8_t absent);
uint32_t mw_fb_u32(struct mw_fb *fb, const struct mw_fb_table *table, uint32_t field,
                   uint32_t absent);
uint64_t mw_fb_u64(struct mw_fb *fb, const struct mw_fb_table *table, uint32_t field,
                   uint64_t absent);
struct mw_fb_table mw_fb_table(struct mw_fb *fb, const struct mw_fb_table *table, uint32_t field);

/* A vector, or a string with item_bytes 1; every item lies within the file. */
struct mw_fb_vector mw_fb_vector(struct mw_fb *fb, const struct mw_fb_table *table, uint32_t field,
                                 uint32_t item_bytes);

/* Items; an index that is not below n sets failed. */
struct mw_fb_table mw_fb_table_at(struct mw_fb *fb, const struct mw_fb_vector *vector, uint32_t i);
int32_t mw_fb_i32_at(struct mw_fb *fb, const struct mw_fb_vector *vector, uint32_t i);
int64_t mw_fb_i64_at(struct mw_fb *fb, const struct mw_fb_vector *vector, uint32_t i);

#endif
