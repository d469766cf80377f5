/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alert.h"
#include "base/bytes.h"
#include "base/crc.h"
#include "base/event.h"
#include "base/result.h"
#include "base/ring.h"
#include "base/sha256.h"
#include "support/suite.h"

#include <string.h>

START_TEST(crc_and_sha_give_the_published_check_values)
{
    const uint8_t *digits = (const uint8_t *)"123456789";
    ck_assert_uint_eq(mw_crc16_modbus(digits, 9), 0x4b37);
    ck_assert_uint_eq(mw_crc32(digits, 9), 0xcbf43926);

    static const uint8_t abc[MW_SHA256_BYTES] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                                  0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                                  0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                                  0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
    uint8_t digest[MW_SHA256_BYTES];
    mw_sha256("abc", 3, digest);
    ck_assert_mem_eq(digest, abc, sizeof abc);
}
END_TEST

START_TEST(an_overrun_reads_zero_and_is_remembered)
{
    struct mw_reader r = { .bytes = (const uint8_t[]){ 1, 2, 3 }, .n_bytes = 3 };
    ck_assert_uint_eq(mw_get_u16le(&r), 0x0201);
    ck_assert_uint_eq(mw_get_u32le(&r), 0);
    ck_assert(r.failed);
    ck_assert_uint_eq(mw_get_u8(&r), 0);
}
END_TEST

START_TEST(a_full_ring_refuses_and_counts)
{
    int items[2], out;
    struct mw_ring ring;
    mw_ring_init(&ring, items, sizeof items[0], 2);
    for (int i = 0; i < 3; i++)
        mw_ring_push(&ring, &i);
    ck_assert_uint_eq(mw_ring_dropped(&ring), 1);
    ck_assert(mw_ring_pop(&ring, &out) && out == 0);
    ck_assert(mw_ring_pop(&ring, &out) && out == 1);
    ck_assert(!mw_ring_pop(&ring, &out));
}
END_TEST

START_TEST(an_alert_survives_its_bytes_and_fits_the_stated_bound)
{
    struct mw_alert a = { .seq = 7, .event = MW_ALERT_RAISED, .at_us = -5, .score = 1.25f }, b;
    memset(a.subject, 's', MW_NAME_MAX);
    memset(a.point, 'p', sizeof a.point - 1);
    a.n_contributors = MW_ALERT_CONTRIBUTORS;
    for (int i = 0; i < MW_ALERT_CONTRIBUTORS; i++) {
        memset(a.contributors[i].name, 'n', MW_NAME_MAX);
        memset(a.contributors[i].unit, 'u', MW_UNIT_MAX);
        a.contributors[i].value = (float)i;
    }
    uint8_t bytes[MW_ALERT_BYTES_MAX];
    int n = mw_alert_encode(&a, bytes, sizeof bytes);
    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(mw_alert_decode(&b, bytes, (size_t)n), MW_OK);
    ck_assert_int_eq(b.at_us, -5);
    ck_assert_str_eq(b.point, a.point);
    ck_assert_float_eq(b.contributors[7].value, 7.0f);
    for (int cut = 0; cut < n; cut++)
        ck_assert_int_eq(mw_alert_decode(&b, bytes, (size_t)cut), MW_ERR_FORMAT);
}
END_TEST

START_TEST(an_event_of_each_kind_survives_its_bytes_and_is_no_alert)
{
    uint8_t bytes[MW_EVENT_BYTES_MAX];
    struct mw_alert alert;
    for (uint8_t kind = MW_EVENT_OUTBOX_GAP; kind <= MW_EVENT_STORE_REWOUND; kind++) {
        struct mw_event a = { .seq = 7, .kind = kind, .severity = 2, .at_us = -5 }, b;
        if (kind == MW_EVENT_OUTBOX_GAP)
            a.gap = (struct mw_gap){ 9, 11, { 0, 4, 5, 0 }, 3, 44, -7, 8, MW_GAP_STORE_FULL };
        if (kind == MW_EVENT_STORE_QUARANTINED || kind == MW_EVENT_STORE_REWOUND)
            a.n_bytes = 4096;
        if (kind == MW_EVENT_STORE_REWOUND)
            a.last_seq = 5;
        a.days = kind == MW_EVENT_CERTIFICATE_EXPIRES ? 30 : 0;
        if (kind != MW_EVENT_OUTBOX_GAP)
            memset(a.file, 'f', MW_EVENT_FILE_MAX);
        int n = mw_event_encode(&a, bytes, sizeof bytes);
        ck_assert_int_gt(n, 0);
        ck_assert_int_eq(mw_event_decode(&b, bytes, (size_t)n), MW_OK);
        ck_assert_mem_eq(&a.gap.n, &b.gap.n, sizeof a.gap.n);
        ck_assert_int_eq(b.gap.to_us, a.gap.to_us);
        ck_assert_uint_eq(b.n_bytes, a.n_bytes);
        ck_assert_uint_eq(b.last_seq, a.last_seq);
        ck_assert_uint_eq(b.days, a.days);
        ck_assert_str_eq(b.file, a.file);
        ck_assert_int_eq(mw_alert_decode(&alert, bytes, (size_t)n), MW_ERR_FORMAT);
        for (int cut = 0; cut < n; cut++)
            ck_assert_int_eq(mw_event_decode(&b, bytes, (size_t)cut), MW_ERR_FORMAT);
    }
}
END_TEST

MW_SUITE("base", crc_and_sha_give_the_published_check_values,
         an_overrun_reads_zero_and_is_remembered, a_full_ring_refuses_and_counts,
         an_alert_survives_its_bytes_and_fits_the_stated_bound,
         an_event_of_each_kind_survives_its_bytes_and_is_no_alert)
