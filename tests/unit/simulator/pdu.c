/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/pdu.h"

#include "base/bytes.h"
#include "base/result.h"
#include "support/suite.h"

/* Unit 1 has holding registers and coils 0 to 2999, each register its own address; 2 is silent. */
struct fake {
    int result; /* of read */
};

static bool fake_answers(void *ctx, uint8_t unit)
{
    (void)ctx;
    return unit == 1;
}

static bool fake_has_table(void *ctx, uint8_t unit, enum table table)
{
    (void)ctx;
    (void)unit;
    return table == TABLE_HOLDING || table == TABLE_COILS;
}

static int fake_read(void *ctx, const struct pdu_read *read, uint16_t *ret_words)
{
    const struct fake *fake = ctx;
    if (read->address + read->count > 3000)
        return MW_ERR_NOT_FOUND;
    for (uint16_t i = 0; i < read->count; i++)
        ret_words[i] = (uint16_t)(read->table == TABLE_COILS ? (read->address + i) % 3 == 0
                                                             : read->address + i);
    return fake->result;
}

static struct pdu_reply ask(struct fake *fake, uint8_t unit, const uint8_t *request, size_t n)
{
    struct pdu_bank bank = { fake_answers, fake_has_table, fake_read, NULL, fake };
    struct pdu_reply reply;
    pdu_answer(&bank, unit, request, n, &reply);
    return reply;
}

static struct pdu_reply read_of(struct fake *fake, uint8_t code, uint16_t address, uint16_t count)
{
    uint8_t request[5] = { code };
    mw_store_u16be(&request[1], address);
    mw_store_u16be(&request[3], count);
    return ask(fake, 1, request, sizeof request);
}

#define ck_assert_refused(reply, code, exception)      \
    do {                                               \
        struct pdu_reply r_ = (reply);                 \
        ck_assert_uint_eq(r_.n_bytes, 2);              \
        ck_assert_uint_eq(r_.bytes[0], (code) | 0x80); \
        ck_assert_uint_eq(r_.bytes[1], (exception));   \
        ck_assert_int_eq(r_.token, -1);                \
    } while (0)

START_TEST(registers_stand_big_endian_in_the_answer)
{
    struct fake fake = { 7 };
    struct pdu_reply reply = read_of(&fake, 3, 0x0102, 2);
    static const uint8_t golden[] = { 3, 4, 1, 2, 1, 3 };
    ck_assert_uint_eq(reply.n_bytes, sizeof golden);
    ck_assert_mem_eq(reply.bytes, golden, sizeof golden);
    ck_assert_int_eq(reply.token, 7);
    ck_assert_uint_eq(reply.read.address, 0x0102);
    ck_assert_uint_eq(read_of(&fake, 3, 0, 125).n_bytes, 252);
}
END_TEST

START_TEST(bits_are_packed_lowest_first)
{
    struct fake fake = { 0 };
    struct pdu_reply reply = read_of(&fake, 1, 0, 10); /* set: 0, 3, 6, 9 */
    static const uint8_t golden[] = { 1, 2, 0x49, 0x02 };
    ck_assert_uint_eq(reply.n_bytes, sizeof golden);
    ck_assert_mem_eq(reply.bytes, golden, sizeof golden);
    ck_assert_uint_eq(read_of(&fake, 1, 0, 2000).n_bytes, 252);
}
END_TEST

START_TEST(what_cannot_be_answered_is_refused_with_its_exception)
{
    struct fake fake = { 0 };
    static const uint8_t write[] = { 6, 0, 0, 0, 1 }, cut[] = { 3, 0, 0, 0 };
    static const uint8_t long_one[] = { 3, 0, 0, 0, 1, 0 };
    ck_assert_refused(ask(&fake, 1, write, sizeof write), 6, 1);
    ck_assert_refused(read_of(&fake, 4, 0, 1), 4, 1);
    ck_assert_refused(read_of(&fake, 3, 2999, 2), 3, 2);
    ck_assert_refused(read_of(&fake, 3, 65535, 2), 3, 2);
    ck_assert_refused(read_of(&fake, 3, 0, 0), 3, 3);
    ck_assert_refused(read_of(&fake, 3, 0, 126), 3, 3);
    ck_assert_refused(read_of(&fake, 1, 0, 2001), 1, 3);
    ck_assert_refused(ask(&fake, 1, cut, sizeof cut), 3, 3);
    ck_assert_refused(ask(&fake, 1, long_one, sizeof long_one), 3, 3);
    fake.result = MW_ERR_AGAIN;
    ck_assert_refused(read_of(&fake, 3, 0, 1), 3, 6);
}
END_TEST

START_TEST(a_silent_unit_says_nothing_to_anything)
{
    struct fake fake = { 0 };
    static const uint8_t good[] = { 3, 0, 0, 0, 1 }, odd[] = { 0x55 };
    ck_assert_uint_eq(ask(&fake, 2, good, sizeof good).n_bytes, 0);
    ck_assert_uint_eq(ask(&fake, 2, odd, sizeof odd).n_bytes, 0);
    ck_assert_uint_eq(ask(&fake, 1, good, 0).n_bytes, 0);
}
END_TEST

MW_SUITE("simulator/pdu", registers_stand_big_endian_in_the_answer, bits_are_packed_lowest_first,
         what_cannot_be_answered_is_refused_with_its_exception,
         a_silent_unit_says_nothing_to_anything)
