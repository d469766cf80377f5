/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/puback.h"
#include "base/result.h"
#include "support/suite.h"

/* A broker's packets, MQTT 5.0 section 3. */
#define PUBACK_SHORT   0x40, 2, 0x12, 0x34
#define PUBACK_REASON  0x40, 3, 0x12, 0x35, 0x10
#define PUBACK_NO_MORE 0x40, 4, 0x12, 0x36, 0x97, 0
/* With the reason string "no" (section 3.4.2.2.2). */
#define PUBACK_STRING 0x40, 9, 0x12, 0x37, 0x10, 5, 0x1f, 0, 2, 'n', 'o'
#define PINGRESP      0xd0, 0
#define DISCONNECT    0xe0, 2, 0x8b, 0
/* To the topic "t", no properties; its payload looks like a PUBACK of 0x9999. */
#define PUBLISH 0x30, 9, 0, 1, 't', 0, 0x40, 3, 0x99, 0x99, 0x10

static struct puback_scanner begun(void)
{
    struct puback_scanner s = { 0 };
    puback_begin(&s);
    return s;
}

static struct puback_scanner scan(const uint8_t *bytes, size_t n)
{
    struct puback_scanner s = begun();
    puback_scan(&s, bytes, n);
    return s;
}

static bool same(const struct puback_scanner *a, const struct puback_scanner *b)
{
    return a->state == b->state && a->type == b->type && a->n_length == b->n_length &&
           a->n_left == b->n_left && a->n_begun == b->n_begun && a->any == b->any &&
           a->packet_id == b->packet_id && a->reason == b->reason;
}

START_TEST(a_puback_of_any_length_tells_its_reason)
{
    static const uint8_t none[] = { PUBACK_SHORT }, reason[] = { PUBACK_REASON },
                         no_more[] = { PUBACK_NO_MORE }, string[] = { PUBACK_STRING };
    struct puback_scanner s = scan(none, sizeof none);
    ck_assert_int_eq(puback_reason(&s, 0x1234), 0);
    s = scan(reason, sizeof reason);
    ck_assert_int_eq(puback_reason(&s, 0x1235), 0x10);
    s = scan(no_more, sizeof no_more);
    ck_assert_int_eq(puback_reason(&s, 0x1236), 0x97);
    s = scan(string, sizeof string);
    ck_assert_int_eq(puback_reason(&s, 0x1237), 0x10);
    ck_assert_int_eq(s.state, PUBACK_TYPE);
}
END_TEST

START_TEST(only_the_last_puback_is_remembered)
{
    static const uint8_t bytes[] = { PUBACK_REASON, PUBACK_SHORT };
    struct puback_scanner s = begun();
    ck_assert_int_eq(puback_reason(&s, 0), MW_ERR_NOT_FOUND);
    puback_scan(&s, bytes, 5);
    ck_assert_int_eq(puback_reason(&s, 0x1235), 0x10);
    ck_assert_int_eq(puback_reason(&s, 0x1234), MW_ERR_NOT_FOUND);
    puback_scan(&s, bytes + 5, sizeof bytes - 5);
    ck_assert_int_eq(puback_reason(&s, 0x1235), MW_ERR_NOT_FOUND);
    ck_assert_int_eq(puback_reason(&s, 0x1234), 0);
}
END_TEST

START_TEST(a_puback_is_told_only_when_it_is_whole)
{
    static const uint8_t bytes[] = { PUBACK_STRING };
    struct puback_scanner s = begun();
    for (size_t i = 0; i + 1 < sizeof bytes; i++) {
        puback_scan(&s, &bytes[i], 1);
        ck_assert_int_eq(puback_reason(&s, 0x1237), MW_ERR_NOT_FOUND);
    }
    puback_scan(&s, &bytes[sizeof bytes - 1], 1);
    ck_assert_int_eq(puback_reason(&s, 0x1237), 0x10);
}
END_TEST

START_TEST(other_packets_are_passed_over_whatever_they_contain)
{
    static const uint8_t bytes[] = { PUBACK_REASON, PUBLISH, PINGRESP, DISCONNECT };
    struct puback_scanner s = scan(bytes, sizeof bytes);
    ck_assert_int_eq(puback_reason(&s, 0x9999), MW_ERR_NOT_FOUND);
    ck_assert_int_eq(puback_reason(&s, 0x1235), 0x10);
    ck_assert_int_eq(s.state, PUBACK_TYPE);
}
END_TEST

START_TEST(any_split_of_the_stream_gives_the_same)
{
    static const uint8_t bytes[] = { PINGRESP,       PUBACK_SHORT, PUBLISH,       PUBACK_STRING,
                                     PUBACK_NO_MORE, DISCONNECT,   PUBACK_REASON, PINGRESP };
    for (size_t end = 0; end <= sizeof bytes; end++) {
        struct puback_scanner whole = scan(bytes, end);
        for (size_t first = 0; first <= end; first++) {
            for (size_t second = first; second <= end; second++) {
                struct puback_scanner s = scan(bytes, first);
                puback_scan(&s, bytes + first, second - first);
                puback_scan(&s, bytes + second, end - second);
                ck_assert(same(&s, &whole));
            }
        }
    }
}
END_TEST

/* Section 1.5.5, table 1-1: the smallest and the largest of each number of bytes. */
START_TEST(a_length_has_one_to_four_bytes)
{
    static const struct {
        uint8_t bytes[4];
        size_t n;
        uint32_t length;
    } cases[] = { { { 0x01 }, 1, 1 },
                  { { 0x7f }, 1, 127 },
                  { { 0x80, 0x01 }, 2, 128 },
                  { { 0xff, 0x7f }, 2, 16383 },
                  { { 0x80, 0x80, 0x01 }, 3, 16384 },
                  { { 0xff, 0xff, 0x7f }, 3, 2097151 },
                  { { 0x80, 0x80, 0x80, 0x01 }, 4, 2097152 },
                  { { 0xff, 0xff, 0xff, 0x7f }, 4, 268435455 } };
    static const uint8_t publish = 0x30, after[] = { PUBACK_REASON };
    static uint8_t body[1 << 16];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct puback_scanner s = scan(&publish, 1);
        puback_scan(&s, cases[i].bytes, cases[i].n);
        ck_assert_uint_eq(s.n_left, cases[i].length);
        for (uint32_t left = cases[i].length; left > 0;) {
            size_t n = left < sizeof body ? left : sizeof body;
            puback_scan(&s, body, n);
            left -= (uint32_t)n;
        }
        puback_scan(&s, after, sizeof after);
        ck_assert_int_eq(puback_reason(&s, 0x1235), 0x10);
    }
}
END_TEST

START_TEST(a_fifth_byte_of_length_is_rest_until_begun_again)
{
    static const uint8_t bytes[] = { PUBACK_REASON, 0x30, 0x80, 0x80, 0x80, 0x80 };
    static const uint8_t more[] = { 0x01, PUBACK_REASON, PUBACK_REASON };
    struct puback_scanner s = scan(bytes, sizeof bytes);
    ck_assert_int_eq(s.state, PUBACK_REST);
    ck_assert_int_eq(puback_reason(&s, 0x1235), MW_ERR_NOT_FOUND);
    puback_scan(&s, more, sizeof more);
    ck_assert_int_eq(puback_reason(&s, 0x1235), MW_ERR_NOT_FOUND);
    puback_begin(&s);
    puback_scan(&s, more + 1, sizeof more - 1);
    ck_assert_int_eq(puback_reason(&s, 0x1235), 0x10);
}
END_TEST

START_TEST(a_scanner_that_was_never_begun_rests)
{
    static const uint8_t bytes[] = { PUBACK_REASON };
    struct puback_scanner s = { 0 };
    puback_scan(&s, bytes, sizeof bytes);
    ck_assert_int_eq(puback_reason(&s, 0x1235), MW_ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_puback_too_short_for_its_packet_is_passed_over)
{
    static const uint8_t bytes[] = { PUBACK_REASON, 0x40, 0, 0x40, 1, 0x12 },
                         good[] = { PUBACK_SHORT };
    struct puback_scanner s = scan(bytes, sizeof bytes);
    ck_assert_int_eq(puback_reason(&s, 0x1235), 0x10);
    puback_scan(&s, good, sizeof good);
    ck_assert_int_eq(puback_reason(&s, 0x1234), 0);
}
END_TEST

MW_SUITE("uplink/puback", a_puback_of_any_length_tells_its_reason,
         only_the_last_puback_is_remembered, a_puback_is_told_only_when_it_is_whole,
         other_packets_are_passed_over_whatever_they_contain,
         any_split_of_the_stream_gives_the_same, a_length_has_one_to_four_bytes,
         a_fifth_byte_of_length_is_rest_until_begun_again, a_scanner_that_was_never_begun_rests,
         a_puback_too_short_for_its_packet_is_passed_over)
