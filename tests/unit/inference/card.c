/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/card.h"
#include "base/result.h"
#include "base/sha256.h"
#include "support/suite.h"

#include <math.h>
#include <string.h>

static struct mw_card two_channels(void)
{
    return (struct mw_card){
        .window = 16,
        .n_channels = 2,
        .n_signals = 2,
        .has_network = true,
        .level_guard = true,
        .clip_in = 4.0f,
        .clip_wide = 100.0f,
        .on = 8.0f,
        .off_ratio = 0.6f,
        .rho = 0.2f,
        .cap = 1000.0f,
        .k_on = 1,
        .k_off = 5,
        .k_recover = 32,
        .max_gap = 4,
        .tau = 1000.0f,
        .baseline_bound = 4.0f,
        .sigma = { 0.25f, 0.5f },
        .baseline = { -0.125f, 2.0f },
        .period_us = 1000000,
        .from_us = 1600000000000000,
        .to_us = 1600000400000000,
        .n_rows = 400,
        .seed = 0xfedcba9876543210u,
        .r2 = 0.75f,
        .pipeline = MW_CARD_PIPELINE,
        .channels = { { "vibration", "mm/s", MW_ROLE_SCORE, 1.5f, 0.25f, 3 },
                      { "oil",
                        "\xc2\xb0"
                        "C",
                        MW_ROLE_CONTEXT, 60.0f, 2.0f, 17 } },
    };
}

/* Writes the card and reads it back. */
static int again(const struct mw_card *card, struct mw_card *ret)
{
    uint8_t bytes[MW_CARD_MAX_BYTES];
    struct mw_model_fault why;
    int n = mw_card_write(card, bytes, sizeof bytes);
    ck_assert_int_gt(n, 0);
    return mw_card_read(ret, bytes, (size_t)n, &why);
}

START_TEST(a_card_survives_its_bytes)
{
    struct mw_card card = two_channels(), read;
    ck_assert_int_eq(again(&card, &read), MW_OK);
    uint8_t first[MW_CARD_MAX_BYTES], second[MW_CARD_MAX_BYTES];
    int n = mw_card_write(&card, first, sizeof first);
    ck_assert_int_eq(mw_card_write(&read, second, sizeof second), n);
    ck_assert_mem_eq(first, second, (size_t)n);
    ck_assert_uint_eq(read.seed, card.seed);
    ck_assert_int_eq(read.to_us, card.to_us);
    ck_assert_float_eq(read.sigma[1], 0.5f);
    ck_assert_str_eq(read.channels[1].unit, card.channels[1].unit);
    ck_assert_uint_eq(read.channels[1].longest_run, 17);
}
END_TEST

START_TEST(the_bytes_are_those_of_the_specification)
{
    struct mw_card card = two_channels();
    uint8_t bytes[MW_CARD_MAX_BYTES];
    mw_card_write(&card, bytes, sizeof bytes);
    static const uint8_t pipeline[8] = MW_CARD_PIPELINE;
    ck_assert_mem_eq(bytes, "MWCD\x01\x00", 6);
    ck_assert_mem_eq(bytes + 8, "\x01\x00\x08\x00", 4);
    ck_assert_mem_eq(bytes + 12, pipeline, 8);
    ck_assert_mem_eq(bytes + 20, "\x02\x00\x04\x00\x10\x00\x04\x00", 8);
    ck_assert_mem_eq(bytes + 28, "\x03\x00\x02\x00\x01\x01", 6);
    ck_assert_mem_eq(bytes + 34, "\x04\x00\x08\x00\x00\x00\x80\x40\x00\x00\xc8\x42", 12);
}
END_TEST

START_TEST(the_pipeline_is_the_hash_of_its_text)
{
    static const uint8_t pipeline[8] = MW_CARD_PIPELINE;
    uint8_t digest[MW_SHA256_BYTES];
    mw_sha256(MW_CARD_PIPELINE_TEXT, strlen(MW_CARD_PIPELINE_TEXT), digest);
    ck_assert_mem_eq(digest, pipeline, sizeof pipeline);

    struct mw_card card = two_channels(), read;
    card.pipeline[0] ^= 1;
    ck_assert_int_eq(again(&card, &read), MW_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(every_shorter_or_longer_card_is_refused_and_touches_nothing)
{
    struct mw_card card = two_channels(), read = { .window = 77 };
    uint8_t bytes[MW_CARD_MAX_BYTES];
    struct mw_model_fault why;
    int n = mw_card_write(&card, bytes, sizeof bytes);
    for (int cut = 0; cut < n; cut++)
        ck_assert_int_lt(mw_card_read(&read, bytes, (size_t)cut, &why), 0);
    bytes[n] = 0;
    ck_assert_int_eq(mw_card_read(&read, bytes, (size_t)n + 1, NULL), MW_ERR_FORMAT);
    ck_assert_uint_eq(read.window, 77);
    for (int cap = 0; cap < n; cap++)
        ck_assert_int_eq(mw_card_write(&card, bytes, (size_t)cap), MW_ERR_NO_SPACE);
}
END_TEST

#define SPOIL(statement)                                                 \
    do {                                                                 \
        struct mw_card card = two_channels(), read;                      \
        statement;                                                       \
        ck_assert_msg(again(&card, &read) == MW_ERR_FORMAT, #statement); \
    } while (0)

START_TEST(every_range_is_checked)
{
    SPOIL(card.window = 1);
    SPOIL(card.window = MW_CARD_MAX_WINDOW + 1);
    SPOIL(card.n_channels = 0);
    SPOIL(card.n_channels = 1; card.channels[0].role = MW_ROLE_CONTEXT);
    SPOIL(card.n_signals = 1);
    SPOIL(card.n_signals = 3);
    SPOIL(card.level_guard = false);
    SPOIL(card.has_network = false);
    SPOIL(card.clip_in = 0.0f);
    SPOIL(card.clip_in = NAN);
    SPOIL(card.clip_wide = 3.0f);
    SPOIL(card.on = 0.0f);
    SPOIL(card.off_ratio = 1.5f);
    SPOIL(card.rho = -0.1f);
    SPOIL(card.cap = 7.0f);
    SPOIL(card.cap = INFINITY);
    SPOIL(card.k_on = 0);
    SPOIL(card.k_off = 0);
    SPOIL(card.k_recover = 0);
    SPOIL(card.tau = 0.5f);
    SPOIL(card.baseline_bound = -1.0f);
    SPOIL(card.sigma[1] = 0.0f);
    SPOIL(card.sigma[0] = NAN);
    SPOIL(card.baseline[1] = INFINITY);
    SPOIL(card.period_us = -1);
    SPOIL(card.from_us = card.to_us + 1);
    SPOIL(card.r2 = NAN);
    SPOIL(card.channels[0].role = MW_ROLE_OFF);
    SPOIL(card.channels[0].mu = NAN);
    SPOIL(card.channels[0].sd = 0.0f);
    SPOIL(card.channels[0].sd = -1.0f);
    SPOIL(card.channels[0].longest_run = 0);
    SPOIL(card.channels[0].name[0] = '\0');
    SPOIL(card.channels[0].name[0] = '\n');
    SPOIL(card.channels[0].name[0] = '\xe9');
    SPOIL(strcpy(card.channels[1].name, "vibration"));
}
END_TEST

/* Inserts a record of two bytes behind the header. */
static int with_record(uint16_t tag)
{
    struct mw_card card = two_channels(), read;
    struct mw_model_fault why;
    uint8_t bytes[MW_CARD_MAX_BYTES];
    int n = mw_card_write(&card, bytes, sizeof bytes - 6);
    memmove(bytes + 14, bytes + 8, (size_t)n - 8);
    bytes[8] = (uint8_t)tag;
    bytes[9] = (uint8_t)(tag >> 8);
    memcpy(bytes + 10, "\x02\x00zz", 4);
    unsigned length = bytes[6] + 256u * bytes[7] + 6;
    bytes[6] = (uint8_t)length;
    bytes[7] = (uint8_t)(length >> 8);
    return mw_card_read(&read, bytes, (size_t)n + 6, &why);
}

START_TEST(an_unknown_record_is_skipped_unless_it_is_critical)
{
    ck_assert_int_eq(with_record(0x0123), MW_OK);
    ck_assert_int_eq(with_record(0x8123), MW_ERR_UNSUPPORTED);
    ck_assert_int_eq(with_record(0), MW_ERR_UNSUPPORTED);
    ck_assert_int_eq(with_record(8), MW_ERR_FORMAT);
}
END_TEST

START_TEST(the_largest_card_fits_the_stated_bound)
{
    struct mw_card card = two_channels(), read;
    card.n_channels = MW_MAX_CHANNELS;
    card.n_signals = MW_CARD_MAX_SIGNALS;
    for (int c = 0; c < MW_MAX_CHANNELS; c++) {
        card.channels[c] = card.channels[0];
        memset(card.channels[c].name, 'a' + c % 26, MW_NAME_MAX);
        card.channels[c].name[0] = (char)('A' + c / 26);
        card.channels[c].name[MW_NAME_MAX] = '\0';
        memset(card.channels[c].unit, 'u', MW_UNIT_MAX);
        card.channels[c].unit[MW_UNIT_MAX] = '\0';
    }
    for (int j = 0; j < MW_CARD_MAX_SIGNALS; j++)
        card.sigma[j] = 1.0f;
    ck_assert_int_eq(again(&card, &read), MW_OK);
    ck_assert_str_eq(read.channels[31].name, card.channels[31].name);
}
END_TEST

MW_SUITE("inference/card", a_card_survives_its_bytes, the_bytes_are_those_of_the_specification,
         the_pipeline_is_the_hash_of_its_text,
         every_shorter_or_longer_card_is_refused_and_touches_nothing, every_range_is_checked,
         an_unknown_record_is_skipped_unless_it_is_critical, the_largest_card_fits_the_stated_bound)
