/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/flatbuffer.h"
#include "base/load.h"

/* n bytes at a place, or NULL. at is 64-bit so that a sum of two 32-bit offsets cannot wrap. */
static const uint8_t *view(struct mw_fb *fb, uint64_t at, uint64_t n)
{
    if (fb->failed || at > fb->n_bytes || n > fb->n_bytes - at) {
        fb->failed = true;
        return NULL;
    }
    return fb->bytes + at;
}

/* Follows the offset that lies at a place; 0 on failure. Offsets point forward. */
static uint32_t follow(struct mw_fb *fb, uint32_t at)
{
    const uint8_t *p = view(fb, at, 4);
    uint64_t target = p ? (uint64_t)at + mw_load_u32le(p) : 0;
    if (!p || target == at || target % 4 != 0 || !view(fb, target, 4)) {
        fb->failed = true;
        return 0;
    }
    return (uint32_t)target;
}

static struct mw_fb_table open_table(struct mw_fb *fb, uint32_t at)
{
    const struct mw_fb_table absent = { 0 };
    const uint8_t *p = at ? view(fb, at, 4) : NULL;
    if (!p)
        return absent;
    int64_t vtable_at = (int64_t)at - (int32_t)mw_load_u32le(p);
    const uint8_t *vtable = vtable_at >= 0 ? view(fb, (uint64_t)vtable_at, 4) : NULL;
    uint32_t n_vtable = vtable ? mw_load_u16le(vtable) : 0;
    uint32_t n_bytes = vtable ? mw_load_u16le(vtable + 2) : 0;
    if (!vtable || vtable_at % 2 != 0 || n_vtable < 4 || n_vtable % 2 != 0 || n_bytes < 4 ||
        !view(fb, (uint64_t)vtable_at, n_vtable) || !view(fb, at, n_bytes)) {
        fb->failed = true;
        return absent;
    }
    return (struct mw_fb_table){ at, n_bytes, (uint32_t)vtable_at + 4, (n_vtable - 4) / 2 };
}

/* Where a field of n bytes lies; 0 where it is absent or fb failed. */
static uint32_t field_at(struct mw_fb *fb, const struct mw_fb_table *t, uint32_t field, uint32_t n)
{
    if (fb->failed || t->at == 0 || field >= t->n_fields)
        return 0;
    uint32_t offset = mw_load_u16le(fb->bytes + t->fields_at + 2 * (size_t)field);
    if (offset == 0)
        return 0;
    if (offset < 4 || offset + n > t->n_bytes || (t->at + offset) % n != 0) {
        fb->failed = true;
        return 0;
    }
    return t->at + offset;
}

struct mw_fb_table mw_fb_root(struct mw_fb *fb, const char *id)
{
    const uint8_t *p = view(fb, 0, 8);
    if (!p || mw_load_u32le(p + 4) != mw_load_u32le((const uint8_t *)id)) {
        fb->failed = true;
        return (struct mw_fb_table){ 0 };
    }
    return open_table(fb, follow(fb, 0));
}

uint8_t mw_fb_u8(struct mw_fb *fb, const struct mw_fb_table *t, uint32_t field, uint8_t absent)
{
    uint32_t at = field_at(fb, t, field, 1);
    return at ? fb->bytes[at] : absent;
}

uint32_t mw_fb_u32(struct mw_fb *fb, const struct mw_fb_table *t, uint32_t field, uint32_t absent)
{
    uint32_t at = field_at(fb, t, field, 4);
    return at ? mw_load_u32le(fb->bytes + at) : absent;
}

uint64_t mw_fb_u64(struct mw_fb *fb, const struct mw_fb_table *t, uint32_t field, uint64_t absent)
{
    uint32_t at = field_at(fb, t, field, 8);
    return at ? mw_load_u64le(fb->bytes + at) : absent;
}

struct mw_fb_table mw_fb_table(struct mw_fb *fb, const struct mw_fb_table *t, uint32_t field)
{
    uint32_t at = field_at(fb, t, field, 4);
    return open_table(fb, at ? follow(fb, at) : 0);
}

struct mw_fb_vector mw_fb_vector(struct mw_fb *fb, const struct mw_fb_table *t, uint32_t field,
                                 uint32_t item_bytes)
{
    const struct mw_fb_vector absent = { 0 };
    uint32_t at = field_at(fb, t, field, 4);
    uint32_t vector_at = at ? follow(fb, at) : 0;
    if (vector_at == 0)
        return absent;
    uint32_t n = mw_load_u32le(fb->bytes + vector_at);
    if (!view(fb, (uint64_t)vector_at + 4, (uint64_t)n * item_bytes))
        return absent;
    if (n > 0 && (vector_at + 4) % item_bytes != 0) {
        fb->failed = true;
        return absent;
    }
    return (struct mw_fb_vector){ vector_at + 4, n, item_bytes };
}

/* Where item i lies, or 0. */
static uint32_t item_at(struct mw_fb *fb, const struct mw_fb_vector *v, uint32_t i)
{
    if (fb->failed || i >= v->n) {
        fb->failed = true;
        return 0;
    }
    return v->at + i * v->item_bytes;
}

struct mw_fb_table mw_fb_table_at(struct mw_fb *fb, const struct mw_fb_vector *v, uint32_t i)
{
    uint32_t at = item_at(fb, v, i);
    return open_table(fb, at ? follow(fb, at) : 0);
}

int32_t mw_fb_i32_at(struct mw_fb *fb, const struct mw_fb_vector *v, uint32_t i)
{
    uint32_t at = item_at(fb, v, i);
    return at ? (int32_t)mw_load_u32le(fb->bytes + at) : 0;
}

int64_t mw_fb_i64_at(struct mw_fb *fb, const struct mw_fb_vector *v, uint32_t i)
{
    uint32_t at = item_at(fb, v, i);
    return at ? (int64_t)mw_load_u64le(fb->bytes + at) : 0;
}
