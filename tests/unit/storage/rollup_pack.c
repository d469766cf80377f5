/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/rollup_pack.h"
#include "base/crc.h"
#include "base/result.h"
#include "support/suite.h"
#include "unit/storage/temp_store.h"

#include <float.h>

static float any_float(uint64_t *seed)
{
    static const float special[] = {
        0.0f, 1.0f, -1.0f, FLT_MAX, -FLT_MAX, FLT_MIN, 1e-45f, -1e-45f
    };
    uint64_t what = temp_draw(seed);
    if (what % 4 == 0)
        return special[what / 4 % (sizeof special / sizeof special[0])];
    return (float)(int64_t)temp_draw(seed) * 1e-15f;
}

static void sort3(float v[3])
{
    for (int i = 0; i < 3; i++)
        for (int k = i + 1; k < 3; k++)
            if (v[k] < v[i]) {
                float t = v[i];
                v[i] = v[k];
                v[k] = t;
            }
}

static struct rollup_slot any_slot(uint64_t *seed)
{
    float v[3] = { any_float(seed), any_float(seed), any_float(seed) };
    sort3(v);
    uint32_t n = (uint32_t)temp_draw(seed);
    return (struct rollup_slot){ n > 0 ? n : 1, v[0], v[2], v[1] };
}

/* At least one slot of each entry has values. */
static uint32_t any_entries(uint64_t *seed, struct rollup_entry *entries, uint32_t n_slots)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ROLLUP_MAX_ENTRIES; i++) {
        if (temp_draw(seed) % 3 == 0 && !(i + 1 == ROLLUP_MAX_ENTRIES && n == 0))
            continue;
        struct rollup_entry *e = &entries[n++];
        *e = (struct rollup_entry){ .index = i };
        for (uint32_t s = 0; s < n_slots; s++)
            if (temp_draw(seed) % 4 != 0)
                e->slots[s] = any_slot(seed);
        e->slots[temp_draw(seed) % n_slots] = any_slot(seed);
    }
    return n;
}

static void expect_same(const struct rollup_entry *a, const struct rollup_entry *b,
                        uint32_t n_slots)
{
    ck_assert_uint_eq(a->index, b->index);
    for (uint32_t s = 0; s < n_slots; s++) {
        ck_assert_uint_eq(a->slots[s].n, b->slots[s].n);
        if (a->slots[s].n > 0)
            ck_assert_mem_eq(&a->slots[s], &b->slots[s], sizeof a->slots[s]);
    }
}

START_TEST(any_spans_at_all_come_back_bit_for_bit)
{
    static struct rollup_entry in[ROLLUP_MAX_ENTRIES], out[ROLLUP_MAX_ENTRIES];
    static uint8_t bytes[ROLLUP_BYTES_MAX];
    uint64_t seed = 5;
    for (int round = 0; round < 2000; round++) {
        uint32_t n_slots = (uint32_t)(temp_draw(&seed) % ROLLUP_MAX_SLOTS) + 1, n_back = 0;
        uint32_t n = any_entries(&seed, in, n_slots);
        int n_bytes = rollup_pack(in, n, n_slots, bytes, sizeof bytes);
        ck_assert_int_gt(n_bytes, 0);
        ck_assert_int_eq(rollup_unpack(bytes, (size_t)n_bytes, out, &n_back), (int)n);
        ck_assert_uint_eq(n_back, n_slots);
        for (uint32_t e = 0; e < n; e++)
            expect_same(&in[e], &out[e], n_slots);
    }
}
END_TEST

START_TEST(every_flipped_bit_and_every_cut_is_refused)
{
    struct rollup_entry in[3], out[ROLLUP_MAX_ENTRIES];
    uint8_t bytes[1000];
    uint32_t n_slots;
    uint64_t seed = 9;
    for (uint32_t e = 0; e < 3; e++) {
        in[e] = (struct rollup_entry){ .index = 7 * e };
        in[e].slots[0] = any_slot(&seed);
        in[e].slots[1] = any_slot(&seed);
    }
    int n = rollup_pack(in, 3, 2, bytes, sizeof bytes);
    ck_assert_int_gt(n, 0);
    for (int bit = 0; bit < 8 * n; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_lt(rollup_unpack(bytes, (size_t)n, out, &n_slots), 0);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (int cut = 0; cut < n; cut++)
        ck_assert_int_lt(rollup_unpack(bytes, (size_t)cut, out, &n_slots), 0);
    ck_assert_int_eq(rollup_unpack(bytes, (size_t)n, out, &n_slots), 3);
}
END_TEST

START_TEST(the_layout_is_the_one_of_the_specification)
{
    static const uint8_t body[] = { 1,    2,    1,                /* version, slots, entries */
                                    5,                            /* index */
                                    2,                            /* the second slot */
                                    0xb0, 0x09,                   /* zigzag of 600 */
                                    0xff, 0xff, 0xff, 0xff, 0x07, /* zigzag32 of 0xc0000000 */
                                    0x80, 0x80, 0x80, 0x04,       /* 2.0 - 1.0 */
                                    0x80, 0x80, 0x80, 0x04 };     /* 4.0 - 2.0 */
    struct rollup_entry in = { .index = 5 };
    uint8_t bytes[100];
    in.slots[1] = (struct rollup_slot){ 600, 1.0f, 4.0f, 2.0f };
    int n = rollup_pack(&in, 1, 2, bytes, sizeof bytes);
    ck_assert_int_eq(n, (int)sizeof body + 4);
    ck_assert_mem_eq(bytes, body, sizeof body);
    uint32_t crc = mw_crc32(body, sizeof body);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(bytes[sizeof body + (size_t)i], (crc >> 8 * i) & 0xff);
}
END_TEST

START_TEST(a_newer_version_is_unsupported_and_a_small_buffer_is_told)
{
    struct rollup_entry in = { .index = 0 }, out[ROLLUP_MAX_ENTRIES];
    uint8_t bytes[100];
    uint32_t n_slots;
    in.slots[0] = (struct rollup_slot){ 1, 1, 1, 1 };
    int n = rollup_pack(&in, 1, 1, bytes, sizeof bytes);
    for (size_t cap = 0; cap < (size_t)n; cap++)
        ck_assert_int_eq(rollup_pack(&in, 1, 1, bytes, cap), MW_ERR_NO_SPACE);
    rollup_pack(&in, 1, 1, bytes, sizeof bytes);
    bytes[0] = 2;
    uint32_t crc = mw_crc32(bytes, (size_t)n - 4);
    for (int i = 0; i < 4; i++)
        bytes[n - 4 + i] = (uint8_t)(crc >> 8 * i);
    ck_assert_int_eq(rollup_unpack(bytes, (size_t)n, out, &n_slots), MW_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(merging_weighs_by_the_number_of_values)
{
    struct rollup_slot a = { 3, 1.0f, 3.0f, 2.0f }, none = { 0 };
    rollup_slot_merge(&a, &(struct rollup_slot){ 1, 6.0f, 6.0f, 6.0f });
    ck_assert_uint_eq(a.n, 4);
    ck_assert_float_eq(a.min, 1.0f);
    ck_assert_float_eq(a.max, 6.0f);
    ck_assert_float_eq(a.mean, 3.0f);
    rollup_slot_merge(&a, &none);
    ck_assert_uint_eq(a.n, 4);
    rollup_slot_merge(&none, &a);
    ck_assert_mem_eq(&none, &a, sizeof a);
    a.n = UINT32_MAX;
    rollup_slot_merge(&a, &none);
    ck_assert_uint_eq(a.n, UINT32_MAX);
}
END_TEST

MW_SUITE("storage/rollup_pack", any_spans_at_all_come_back_bit_for_bit,
         every_flipped_bit_and_every_cut_is_refused, the_layout_is_the_one_of_the_specification,
         a_newer_version_is_unsupported_and_a_small_buffer_is_told,
         merging_weighs_by_the_number_of_values)
