/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <string.h>

const uint8_t *mw_get_bytes(struct mw_reader *r, size_t n)
{
    if (r->failed || n > r->n_bytes - r->at) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->bytes + r->at;
    r->at += n;
    return p;
}

uint8_t mw_get_u8(struct mw_reader *r)
{
    const uint8_t *p = mw_get_bytes(r, 1);
    return p ? p[0] : 0;
}

uint16_t mw_get_u16le(struct mw_reader *r)
{
    const uint8_t *p = mw_get_bytes(r, 2);
    return p ? mw_load_u16le(p) : 0;
}

uint32_t mw_get_u32le(struct mw_reader *r)
{
    const uint8_t *p = mw_get_bytes(r, 4);
    return p ? mw_load_u32le(p) : 0;
}

uint64_t mw_get_u64le(struct mw_reader *r)
{
    const uint8_t *p = mw_get_bytes(r, 8);
    return p ? mw_load_u64le(p) : 0;
}

float mw_get_f32le(struct mw_reader *r)
{
    uint32_t bits = mw_get_u32le(r);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

void mw_get_str8(struct mw_reader *r, char *ret_text, size_t cap)
{
    size_t n = mw_get_u8(r);
    const uint8_t *p = mw_get_bytes(r, n);
    if (!p || n >= cap || memchr(p, 0, n)) {
        r->failed = true;
        if (cap > 0)
            ret_text[0] = 0;
        return;
    }
    memcpy(ret_text, p, n);
    ret_text[n] = 0;
}

void mw_put_bytes(struct mw_writer *w, const void *bytes, size_t n)
{
    if (w->failed || n > w->n_bytes - w->at) {
        w->failed = true;
        return;
    }
    if (n > 0)
        memcpy(w->bytes + w->at, bytes, n);
    w->at += n;
}

void mw_put_u8(struct mw_writer *w, uint8_t v)
{
    mw_put_bytes(w, &v, 1);
}

void mw_put_u16le(struct mw_writer *w, uint16_t v)
{
    mw_put_bytes(w, (uint8_t[]){ (uint8_t)v, (uint8_t)(v >> 8) }, 2);
}

void mw_put_u32le(struct mw_writer *w, uint32_t v)
{
    mw_put_u16le(w, (uint16_t)v);
    mw_put_u16le(w, (uint16_t)(v >> 16));
}

void mw_put_u64le(struct mw_writer *w, uint64_t v)
{
    mw_put_u32le(w, (uint32_t)v);
    mw_put_u32le(w, (uint32_t)(v >> 32));
}

void mw_put_f32le(struct mw_writer *w, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    mw_put_u32le(w, bits);
}

void mw_put_str8(struct mw_writer *w, const char *text)
{
    size_t n = strlen(text);
    if (n > UINT8_MAX) {
        w->failed = true;
        return;
    }
    mw_put_u8(w, (uint8_t)n);
    mw_put_bytes(w, text, n);
}
