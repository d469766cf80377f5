/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/history_block.h"
#include "base/crc.h"
#include "base/result.h"
#include "support/suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void name_channels(char (*names)[MW_NAME_MAX + 1], const char **list, uint32_t n)
{
    for (uint32_t c = 0; c < n; c++) {
        memset(names[c], 'c', MW_NAME_MAX);
        names[c][MW_NAME_MAX] = 0;
        snprintf(names[c], MW_NAME_MAX + 1, "%02u", c);
        names[c][2] = 'c';
        list[c] = names[c];
    }
}

static uint8_t bytes[HISTORY_BLOCK_BYTES_MAX];

START_TEST(any_frames_at_all_come_back_bit_for_bit)
{
    static struct mw_frame frames[HISTORY_BLOCK_MAX_FRAMES];
    static uint32_t scores[HISTORY_BLOCK_MAX_FRAMES];
    char names[MW_MAX_CHANNELS][MW_NAME_MAX + 1];
    const char *list[MW_MAX_CHANNELS];
    uint64_t seed = 11;
    name_channels(names, list, MW_MAX_CHANNELS);
    for (int round = 0; round < 60; round++) {
        uint32_t n_channels = (uint32_t)(draw(&seed) % MW_MAX_CHANNELS + 1);
        uint32_t n = (uint32_t)(draw(&seed) % HISTORY_BLOCK_MAX_FRAMES + 1);
        if (round == 0) /* the largest there is: every number at random */
            n_channels = MW_MAX_CHANNELS;
        if (round == 0)
            n = HISTORY_BLOCK_MAX_FRAMES;
        uint32_t mask = n_channels == 32 ? UINT32_MAX : (1u << n_channels) - 1;
        struct history_block_writer w;
        uint8_t none[MW_MAX_CHANNELS + 1];
        memset(none, HISTORY_DECIMALS_NONE, sizeof none);
        history_block_begin(&w, bytes, sizeof bytes, list, n_channels, n, round % 2 ? NULL : none);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t values[MW_MAX_CHANNELS];
            for (int c = 0; c < MW_MAX_CHANNELS; c++)
                values[c] = (uint32_t)draw(&seed);
            frames[i] = (struct mw_frame){ (int64_t)draw(&seed),  (int64_t)draw(&seed),
                                           (int64_t)draw(&seed),  (uint32_t)draw(&seed),
                                           (uint32_t)draw(&seed), { 0 } };
            if (round == 0)
                frames[i].valid = UINT32_MAX;
            memcpy(frames[i].values, values, sizeof values);
            float score;
            scores[i] = (uint32_t)draw(&seed);
            memcpy(&score, &scores[i], sizeof score);
            history_block_add(&w, &frames[i], score);
        }
        int n_bytes = history_block_finish(&w);
        ck_assert_int_gt(n_bytes, 0);
        struct history_block b;
        ck_assert_int_eq(history_block_open(&b, bytes, (size_t)n_bytes), MW_OK);
        ck_assert_uint_eq(b.n_channels, n_channels);
        for (uint32_t c = 0; c < n_channels; c++)
            ck_assert_str_eq(b.channels[c], list[c]);
        for (uint32_t i = 0; i < n; i++) {
            struct mw_frame f;
            float score;
            ck_assert_int_eq(history_block_next(&b, &f, &score), MW_OK);
            ck_assert(f.at_us == frames[i].at_us && f.mono_us == frames[i].mono_us);
            ck_assert(f.slot == frames[i].slot && f.valid == (frames[i].valid & mask));
            ck_assert_uint_eq(f.fresh, frames[i].fresh & mask);
            ck_assert_mem_eq(&score, &scores[i], sizeof score);
            for (uint32_t c = 0; c < n_channels; c++)
                if (f.valid >> c & 1)
                    ck_assert_mem_eq(&f.values[c], &frames[i].values[c], sizeof(float));
        }
        struct mw_frame f;
        float score;
        ck_assert_int_eq(history_block_next(&b, &f, &score), MW_ERR_NOT_FOUND);
    }
}
END_TEST

static int small_block(const uint8_t *decimals)
{
    static const char *const names[] = { "a", "b" };
    struct history_block_writer w;
    history_block_begin(&w, bytes, sizeof bytes, names, 2, 3, decimals);
    for (int i = 0; i < 3; i++) {
        struct mw_frame f = { 1000 + i, i, i, 3, 1, { (float)i, 2.5f } };
        history_block_add(&w, &f, -1.0f);
    }
    return history_block_finish(&w);
}

START_TEST(every_flipped_bit_and_every_cut_is_refused)
{
    struct history_block b = { 0 };
    int n = small_block(NULL);
    ck_assert_int_gt(n, 0);
    for (int bit = 0; bit < n * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_lt(history_block_open(&b, bytes, (size_t)n), 0);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (int cut = 0; cut < n; cut++)
        ck_assert_int_lt(history_block_open(&b, bytes, (size_t)cut), 0);
    ck_assert_int_eq(history_block_open(&b, bytes, (size_t)n), MW_OK);
}
END_TEST

static void sign(int n)
{
    uint32_t crc = mw_crc32(bytes, (size_t)n - 4);
    struct mw_writer w = { .bytes = bytes + n - 4, .n_bytes = 4 };
    mw_put_u32le(&w, crc);
}

START_TEST(a_newer_version_is_unsupported)
{
    struct history_block b = { 0 };
    int n = small_block(NULL);
    bytes[3] = 3;
    sign(n);
    ck_assert_int_eq(history_block_open(&b, bytes, (size_t)n), MW_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(more_or_fewer_frames_than_stated_are_malformed)
{
    struct history_block b;
    struct mw_frame f;
    float score;
    int n = small_block(NULL);
    for (int stated = 2; stated <= 4; stated += 2) {
        bytes[4] = (uint8_t)stated;
        sign(n);
        ck_assert_int_eq(history_block_open(&b, bytes, (size_t)n), MW_OK);
        int result;
        while ((result = history_block_next(&b, &f, &score)) == MW_OK)
            ;
        ck_assert_int_eq(result, MW_ERR_FORMAT);
    }
}
END_TEST

START_TEST(a_buffer_too_small_is_told_at_the_end)
{
    static const char *const names[] = { "a" };
    uint8_t small[40];
    for (size_t cap = 0; cap < 30; cap++) {
        struct history_block_writer w;
        struct mw_frame f = { INT64_MAX, INT64_MIN, -1, 1, 1, { 1e30f } };
        history_block_begin(&w, small, cap, names, 1, 1, NULL);
        history_block_add(&w, &f, 1.0f);
        ck_assert_int_eq(history_block_finish(&w), MW_ERR_NO_SPACE);
    }
}
END_TEST

START_TEST(decimals_are_found_and_no_value_is_taken_for_another)
{
    ck_assert_uint_eq(history_decimals(0, 3.0f), 0);
    ck_assert_uint_eq(history_decimals(0, -0.25f), 2);
    ck_assert_uint_eq(history_decimals(0, (float)(327 * 0.01)), 2);
    ck_assert_uint_eq(history_decimals(4, 3.0f), 4);
    ck_assert_uint_eq(history_decimals(5, 100.0f), HISTORY_DECIMALS_NONE); /* 10^7 is too large */
    ck_assert_uint_eq(history_decimals(0, 1.0f / 3), HISTORY_DECIMALS_NONE);
    ck_assert_uint_eq(history_decimals(0, NAN), HISTORY_DECIMALS_NONE);
    ck_assert_uint_eq(history_decimals(0, INFINITY), HISTORY_DECIMALS_NONE);
    ck_assert_uint_eq(history_decimals(0, -0.0f), HISTORY_DECIMALS_NONE);
    ck_assert_uint_eq(history_decimals(HISTORY_DECIMALS_NONE, 1.0f), HISTORY_DECIMALS_NONE);
}
END_TEST

/* Every register of a sensor at the usual scales, through blocks of 500 frames. */
START_TEST(values_with_decimals_come_back_bit_for_bit)
{
    static const double scales[] = { 1, 0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6 };
    static const char *const names[] = { "a" };
    for (uint8_t e = 0; e <= HISTORY_DECIMALS_MAX; e++)
        for (int first = -32768; first < 32768; first += 512) {
            const uint8_t decimals[] = { e, 1 };
            struct history_block_writer w;
            struct history_block b;
            struct mw_frame f = { 0 };
            float score;
            history_block_begin(&w, bytes, sizeof bytes, names, 1, 512, decimals);
            for (int i = 0; i < 512; i++) {
                f.valid = i % 5 != 0;
                f.values[0] = (float)((first + i) * scales[e]);
                ck_assert_uint_eq(history_decimals(e, f.values[0]), e);
                history_block_add(&w, &f, 0.5f);
            }
            int n = history_block_finish(&w);
            ck_assert_int_gt(n, 0);
            ck_assert_int_lt(n, 512 * 4); /* version 1 needs 512 * 9 and more */
            ck_assert_int_eq(history_block_open(&b, bytes, (size_t)n), MW_OK);
            for (int i = 0; i < 512; i++) {
                float expected = (float)((first + i) * scales[e]);
                ck_assert_int_eq(history_block_next(&b, &f, &score), MW_OK);
                ck_assert_uint_eq(f.valid, i % 5 != 0);
                if (f.valid)
                    ck_assert_mem_eq(&f.values[0], &expected, sizeof expected);
                ck_assert_float_eq(score, 0.5f);
            }
        }
}
END_TEST

START_TEST(the_layout_of_version_2_is_the_one_of_the_specification)
{
    static const uint8_t decimals[] = { 0, 1, HISTORY_DECIMALS_NONE };
    static const uint8_t expected[] = { 'M',  'H',  'B',  2,    3,    0,    2,    1,    'a',
                                        1,    'b',  0,    1,    255,  0x37, 0xd0, 0x0f, 0xcf,
                                        0x0f, 0x01, 0x02, 0xff, 0xff, 0xff, 0x87, 0x08, 0x00,
                                        0x32, 0x01, 0xcd, 0x0f, 0x02, 0x00, 0x00, 0x02, 0x00 };
    int n = small_block(decimals);
    ck_assert_int_eq(n, (int)sizeof expected + 4);
    ck_assert_mem_eq(bytes, expected, sizeof expected);
}
END_TEST

/* A pinned block: what this program writes, the next one must read. */
START_TEST(the_layout_is_the_one_of_the_specification)
{
    static const uint8_t expected[] = { 'M',  'H',  'B',  1,    3,    0,    2,    1,    'a',
                                        1,    'b',  0xd0, 0x0f, 0xcf, 0x0f, 0x01, 0x00, 0x02,
                                        0xff, 0xff, 0xff, 0x87, 0x08, 0x00, 0x80, 0x80, 0x80,
                                        0x82, 0x08, 0xcd, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00,
                                        0x80, 0x80, 0x80, 0xf8, 0x07, 0x00, 0x00, 0x00, 0x00,
                                        0x00, 0x00, 0x00, 0x80, 0x80, 0x80, 0x08, 0x00 };
    int n = small_block(NULL);
    ck_assert_int_eq(n, (int)sizeof expected + 4);
    ck_assert_mem_eq(bytes, expected, sizeof expected);
}
END_TEST

MW_SUITE("storage/history_block", any_frames_at_all_come_back_bit_for_bit,
         every_flipped_bit_and_every_cut_is_refused, a_newer_version_is_unsupported,
         decimals_are_found_and_no_value_is_taken_for_another,
         values_with_decimals_come_back_bit_for_bit,
         the_layout_of_version_2_is_the_one_of_the_specification,
         more_or_fewer_frames_than_stated_are_malformed, a_buffer_too_small_is_told_at_the_end,
         the_layout_is_the_one_of_the_specification)
