/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/flatbuffer.h"
#include "support/suite.h"

#include <string.h>

/* A file whose root table is its very end: fields 0 (4 bytes) and 1 (4 bytes). */
static const uint8_t FILE_BYTES[] = {
    16, 0, 0,  0, 'T', 'E', 'S', 'T', /* root offset, identifier */
    8,  0, 12, 0, 4,   0,   8,   0,   /* vtable: sizes, the two fields' offsets */
    8,  0, 0,  0,                     /* 16, table: its vtable lies 8 before */
    1,  2, 3,  4, 0,   0,   0,   0,   /* fields */
};

struct copy {
    uint8_t *bytes; /* of the exact size, so that the sanitizers see the first byte too many */
    struct mw_fb fb;
};

static struct copy copy_of(const uint8_t *bytes, size_t n)
{
    struct copy c = { .bytes = malloc(n) };
    ck_assert_ptr_nonnull(c.bytes);
    memcpy(c.bytes, bytes, n);
    c.fb = (struct mw_fb){ .bytes = c.bytes, .n_bytes = (uint32_t)n };
    return c;
}

START_TEST(fields_are_read_and_absent_ones_give_their_default)
{
    struct copy c = copy_of(FILE_BYTES, sizeof FILE_BYTES);
    struct mw_fb_table root = mw_fb_root(&c.fb, "TEST");
    ck_assert_uint_eq(mw_fb_u32(&c.fb, &root, 0, 9), 0x04030201);
    ck_assert_uint_eq(mw_fb_u8(&c.fb, &root, 0, 9), 1);
    ck_assert_uint_eq(mw_fb_u32(&c.fb, &root, 1, 9), 0);
    ck_assert_uint_eq(mw_fb_u32(&c.fb, &root, 2, 9), 9);
    ck_assert(!c.fb.failed);
    free(c.bytes);
}
END_TEST

/* Field 1 moved byte by byte towards and over the end of its table, which is the end of the file.
 */
START_TEST(a_field_off_its_alignment_or_over_its_table_is_not_read)
{
    for (uint8_t offset = 5; offset < 24; offset++) {
        struct copy c = copy_of(FILE_BYTES, sizeof FILE_BYTES);
        c.bytes[14] = offset;
        struct mw_fb_table root = mw_fb_root(&c.fb, "TEST");
        mw_fb_u32(&c.fb, &root, 1, 9);
        ck_assert_int_eq(c.fb.failed, offset > 8 || offset % 4 != 0);
        free(c.bytes);
    }
}
END_TEST

START_TEST(what_lies_outside_the_file_is_not_read_and_failed_stays)
{
    static const struct {
        uint8_t at, value;
    } breaks[] = {
        { 0, 28 },    /* the root lies behind the end */
        { 0, 0 },     /* or at its own offset */
        { 3, 0xff },  /* or far away */
        { 4, 't' },   /* another identifier */
        { 8, 3 },     /* a vtable of less than its own head */
        { 8, 9 },     /* of an odd size */
        { 8, 22 },    /* over the end */
        { 10, 13 },   /* a table over the end */
        { 10, 3 },    /* of less than its own head */
        { 16, 17 },   /* a vtable before the file */
        { 19, 0x80 }, /* or far behind it */
    };
    for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
        struct copy c = copy_of(FILE_BYTES, sizeof FILE_BYTES);
        c.bytes[breaks[i].at] = breaks[i].value;
        struct mw_fb_table root = mw_fb_root(&c.fb, "TEST");
        ck_assert_msg(c.fb.failed, "byte %u = %u is believed", breaks[i].at, breaks[i].value);
        ck_assert_uint_eq(mw_fb_u32(&c.fb, &root, 0, 9), 9);
        free(c.bytes);
    }
}
END_TEST

/* Field 1 is the offset of a vector at the end of the file: n, then its items. */
START_TEST(a_vector_ends_with_the_file)
{
    uint8_t bytes[sizeof FILE_BYTES + 4 + 8] = { 0 };
    memcpy(bytes, FILE_BYTES, sizeof FILE_BYTES);
    bytes[24] = 4;
    for (uint32_t n = 0; n < 6; n++) {
        bytes[28] = (uint8_t)n;
        struct copy c = copy_of(bytes, sizeof bytes);
        struct mw_fb_table root = mw_fb_root(&c.fb, "TEST");
        struct mw_fb_vector v = mw_fb_vector(&c.fb, &root, 1, 4);
        ck_assert_int_eq(c.fb.failed, n > 2);
        ck_assert_uint_eq(v.n, n > 2 ? 0 : n);
        if (n == 2)
            ck_assert_int_eq(mw_fb_i32_at(&c.fb, &v, 1), 0);
        ck_assert_int_eq(mw_fb_i32_at(&c.fb, &v, n), 0);
        ck_assert(c.fb.failed);
        free(c.bytes);
    }
    memset(bytes + 28, 0xff, 4); /* n * 8 would wrap in 32 bits */
    struct copy c = copy_of(bytes, sizeof bytes);
    struct mw_fb_table root = mw_fb_root(&c.fb, "TEST");
    ck_assert_uint_eq(mw_fb_vector(&c.fb, &root, 1, 8).n, 0);
    ck_assert(c.fb.failed);
    free(c.bytes);
}
END_TEST

MW_SUITE("inference/flatbuffer", fields_are_read_and_absent_ones_give_their_default,
         a_field_off_its_alignment_or_over_its_table_is_not_read,
         what_lies_outside_the_file_is_not_read_and_failed_stays, a_vector_ends_with_the_file)
