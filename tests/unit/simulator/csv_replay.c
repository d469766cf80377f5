/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/csv_replay.h"

#include "base/bytes.h"
#include "base/result.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char CSV[] = "datetime;a;b b;c\n"
                          "2020-03-01 15:44:06;0.5;-2;3e2\n"
                          "2020-03-01 15:44:07;1.5;-3;4e2\r\n"
                          "2020-03-01 15:44:08;2.5;-4;5e2\n";

static int load(const char *text, const struct csv_choice *choice, struct csv_replay *replay,
                struct csv_fault *why)
{
    char path[] = "/tmp/csv-replay-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
    close(fd);
    int result = csv_replay_init(replay, path, choice, why);
    unlink(path);
    return result;
}

static struct pdu_reply ask(struct csv_replay *replay, uint16_t address, uint16_t count)
{
    struct pdu_bank bank = csv_replay_bank(replay);
    struct pdu_reply reply;
    uint8_t request[5] = { 3 };
    mw_store_u16be(&request[1], address);
    mw_store_u16be(&request[3], count);
    pdu_answer(&bank, 1, request, sizeof request, &reply);
    return reply;
}

/* The answer has left: what a server reports once its last byte was written. */
static void sent(struct csv_replay *replay, const struct pdu_reply *reply)
{
    struct pdu_bank bank = csv_replay_bank(replay);
    if (reply->token >= 0)
        bank.answered(bank.ctx, &reply->read, reply->token, 0);
}

static double value(const struct pdu_reply *reply, size_t column)
{
    const uint8_t *at = &reply->bytes[2 + 4 * column];
    uint32_t bits = (uint32_t)mw_load_u16be(at) << 16 | mw_load_u16be(at + 2);
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static void note(void *ctx, uint32_t row, int64_t now_us)
{
    uint32_t **at = ctx;
    (void)now_us;
    *(*at)++ = row;
}

START_TEST(each_completed_poll_sees_the_next_row_and_the_end_is_busy)
{
    struct csv_replay replay;
    struct csv_fault why;
    uint32_t rows[8], *end = rows;
    ck_assert_int_eq(load(CSV, &(struct csv_choice){ 0 }, &replay, &why), MW_OK);
    replay.served = note;
    replay.served_ctx = &end;
    ck_assert_uint_eq(replay.n_columns, 3);
    ck_assert_str_eq(replay.names[1], "b b");
    for (int row = 0; row < 3; row++) {
        struct pdu_reply reply = ask(&replay, 0, 6);
        ck_assert_double_eq(value(&reply, 0), 0.5 + row);
        ck_assert_double_eq(value(&reply, 1), -2.0 - row);
        ck_assert_double_eq(value(&reply, 2), 300.0 + 100 * row);
        sent(&replay, &reply);
    }
    struct pdu_reply over = ask(&replay, 0, 6);
    ck_assert_uint_eq(over.bytes[0], 0x83);
    ck_assert_uint_eq(over.bytes[1], 6);
    ck_assert_int_eq((int)(end - rows), 3);
    ck_assert_uint_eq(rows[2], 2);
    ck_assert_uint_eq(ask(&replay, 0, 7).bytes[1], 2);
    csv_replay_finish(&replay);
}
END_TEST

START_TEST(a_row_moves_on_only_when_its_last_register_has_left)
{
    struct csv_replay replay;
    struct csv_fault why;
    ck_assert_int_eq(load(CSV, &(struct csv_choice){ 0 }, &replay, &why), MW_OK);
    struct pdu_reply lost = ask(&replay, 0, 6); /* the connection broke before it left */
    struct pdu_reply part = ask(&replay, 0, 4);
    sent(&replay, &part);
    ck_assert_double_eq(value(&part, 0), 0.5);
    struct pdu_reply one = ask(&replay, 0, 6), two = ask(&replay, 0, 6); /* two masters */
    sent(&replay, &one);
    sent(&replay, &two);
    sent(&replay, &lost);
    ck_assert_uint_eq(replay.row, 1);
    part = ask(&replay, 4, 2);
    ck_assert_double_eq(value(&part, 0), 400);
    sent(&replay, &part);
    ck_assert_uint_eq(replay.row, 2);
    csv_replay_finish(&replay);
}
END_TEST

START_TEST(rows_and_columns_can_be_chosen_and_repeated)
{
    struct csv_replay replay;
    struct csv_fault why;
    struct csv_choice choice = { .only = "c,a", .from_row = 1, .to_row = 3 };
    ck_assert_int_eq(load(CSV, &choice, &replay, &why), MW_OK);
    replay.loop = true;
    static const double first[] = { 1.5, 2.5, 1.5 };
    for (int i = 0; i < 3; i++) {
        struct pdu_reply reply = ask(&replay, 0, 4);
        ck_assert_double_eq(value(&reply, 0), first[i]);
        sent(&replay, &reply);
    }
    csv_replay_finish(&replay);
    ck_assert_int_eq(load(CSV, &(struct csv_choice){ .ignore = "a,c" }, &replay, &why), MW_OK);
    ck_assert_uint_eq(replay.n_columns, 1);
    ck_assert_str_eq(replay.names[0], "b b");
    csv_replay_finish(&replay);
    ck_assert_int_eq(load("time,x\n1,2\n", &(struct csv_choice){ 0 }, &replay, &why), MW_OK);
    csv_replay_finish(&replay);
}
END_TEST

START_TEST(a_file_that_is_not_what_it_should_be_is_refused_with_its_line)
{
    static const struct {
        const char *text;
        struct csv_choice choice;
        int result;
        uint32_t line;
    } cases[] = {
        { "", { 0 }, MW_ERR_FORMAT, 1 },
        { "t;a\n1;x\n", { 0 }, MW_ERR_FORMAT, 2 },
        { "t;a\n1;2\n1;\n", { 0 }, MW_ERR_FORMAT, 3 },
        { "t;a;b\n1;2\n", { 0 }, MW_ERR_FORMAT, 2 },
        { "t;a\n1;2;3\n", { 0 }, MW_ERR_FORMAT, 2 },
        { "t;a\n", { 0 }, MW_ERR_INVALID, 0 },
        { "t\n1\n", { 0 }, MW_ERR_INVALID, 1 },
        { "t;a\n1;2\n", { .only = "b" }, MW_ERR_INVALID, 0 },
        { "t;a\n1;2\n", { .ignore = "b" }, MW_ERR_INVALID, 0 },
        { "t;a\n1;2\n", { .from_row = 1, .to_row = 2 }, MW_ERR_INVALID, 0 },
        { "t;a\n1;2\n", { .to_row = 2 }, MW_ERR_INVALID, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct csv_replay replay;
        struct csv_fault why;
        ck_assert_msg(load(cases[i].text, &cases[i].choice, &replay, &why) == cases[i].result,
                      "case %zu", i);
        ck_assert_msg(why.line == cases[i].line, "case %zu: line %u", i, why.line);
    }
}
END_TEST

MW_SUITE("simulator/csv_replay", each_completed_poll_sees_the_next_row_and_the_end_is_busy,
         a_row_moves_on_only_when_its_last_register_has_left,
         rows_and_columns_can_be_chosen_and_repeated,
         a_file_that_is_not_what_it_should_be_is_refused_with_its_line)
