/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded readers and writers of little- and big-endian numbers. An overrun does not touch memory:
 * it sets failed, and everything read afterwards is zero. Check failed once, at the end. */
#ifndef MW_BASE_BYTES_H
#define MW_BASE_BYTES_H

#include "base/load.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_reader {
    const uint8_t *bytes; /* borrowed */
    size_t n_bytes, at;
    bool failed;
};

struct mw_writer {
    uint8_t *bytes; /* borrowed */
    size_t n_bytes, at;
    bool failed;
};

uint8_t mw_get_u8(struct mw_reader *r);
uint16_t mw_get_u16le(struct mw_reader *r);
uint32_t mw_get_u32le(struct mw_reader *r);
uint64_t mw_get_u64le(struct mw_reader *r);
float mw_get_f32le(struct mw_reader *r);
/* Borrowed view of the next n bytes; NULL on overrun. */
const uint8_t *mw_get_bytes(struct mw_reader *r, size_t n);
/* A string of one length byte and its characters; fails where it holds a zero or does not fit cap
 * with its terminator. */
void mw_get_str8(struct mw_reader *r, char *ret_text, size_t cap);

void mw_put_u8(struct mw_writer *w, uint8_t v);
void mw_put_u16le(struct mw_writer *w, uint16_t v);
void mw_put_u32le(struct mw_writer *w, uint32_t v);
void mw_put_u64le(struct mw_writer *w, uint64_t v);
void mw_put_f32le(struct mw_writer *w, float v);
void mw_put_bytes(struct mw_writer *w, const void *bytes, size_t n);
void mw_put_str8(struct mw_writer *w, const char *text);

#endif
