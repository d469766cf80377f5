/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/tcp_peer.h"

#include "base/crc.h"
#include "base/result.h"
#include "support/suite.h"

#include <string.h>

#define UNIT 7

static bool answers(void *ctx, uint8_t unit)
{
    (void)ctx;
    return unit == UNIT;
}

static bool has_table(void *ctx, uint8_t unit, enum table table)
{
    (void)ctx;
    (void)unit;
    return table == TABLE_HOLDING;
}

static int read_words(void *ctx, const struct pdu_read *read, uint16_t *ret_words)
{
    (void)ctx;
    for (uint16_t i = 0; i < read->count; i++)
        ret_words[i] = (uint16_t)(0x1100 + read->address + i);
    return 0;
}

static void answered(void *ctx, const struct pdu_read *read, int token, int64_t now_us)
{
    int *n_answered = ctx;
    (void)read;
    (void)token;
    (void)now_us;
    ++*n_answered;
}

struct fixture {
    int n_answered;
    struct tcp_peer peer;
    struct tcp_session session;
    uint8_t heard[1024];
    int64_t at_us[1024];
    size_t n_heard;
    enum tcp_order end;
    int64_t end_us;
};

static void set_up(struct fixture *f, const struct tcp_peer_config *config)
{
    memset(f, 0, sizeof *f);
    const struct pdu_bank bank = { .answers = answers,
                                   .has_table = has_table,
                                   .read = read_words,
                                   .answered = answered,
                                   .ctx = &f->n_answered };
    tcp_peer_init(&f->peer, config, &bank);
    tcp_session_open(&f->session, &f->peer, 0, 0);
}

/* One kind of disturbance, borrowed. */
static void set_up_with(struct fixture *f, const struct disturbance *d)
{
    set_up(f, &(struct tcp_peer_config){ .seed = 1, .disturbances = d, .n_disturbances = 1 });
}

static void ask(struct fixture *f, uint16_t transaction, int64_t now_us)
{
    const uint8_t bytes[12] = {
        (uint8_t)(transaction >> 8), (uint8_t)transaction, 0, 0, 0, 6, UNIT, 3, 0, 0, 0, 2
    };
    ck_assert_uint_eq(tcp_session_take(&f->session, bytes, sizeof bytes, now_us), sizeof bytes);
}

/* Carries out the orders that fall due until until_us. */
static void run(struct fixture *f, int64_t until_us)
{
    const uint8_t *bytes;
    size_t n;
    while (f->end == TCP_WAIT && tcp_session_next_us(&f->session) <= until_us) {
        int64_t next_us = tcp_session_next_us(&f->session);
        int64_t now_us = next_us > 0 ? next_us : 0;
        enum tcp_order order = tcp_session_next(&f->session, now_us, &bytes, &n);
        if (order == TCP_CLOSE || order == TCP_RESET) {
            tcp_session_ended(&f->session);
            f->end = order;
            f->end_us = now_us;
        }
        if (order != TCP_SEND)
            return;
        for (size_t i = 0; i < n; i++)
            f->at_us[f->n_heard + i] = now_us;
        memcpy(f->heard + f->n_heard, bytes, n);
        f->n_heard += n;
        tcp_session_sent(&f->session, n, now_us);
    }
}

static const uint8_t good[13] = { 0, 5, 0, 0, 0, 7, UNIT, 3, 4, 0x11, 0, 0x11, 1 };

/* Asks with transaction 5 at 1 s, and says what came within 5 s. */
static void exchange(struct fixture *f, const struct disturbance *d)
{
    set_up_with(f, d);
    ask(f, 5, 1000000);
    run(f, 6000000);
}

static uint64_t count(const struct fixture *f, enum disturbance_kind kind)
{
    return tcp_peer_stats(&f->peer).disturbed[kind];
}

START_TEST(an_undisturbed_peer_answers_at_once_and_in_order)
{
    struct fixture f;
    set_up(&f, &(struct tcp_peer_config){ 0 });
    ask(&f, 5, 1000);
    run(&f, 1000);
    ck_assert_uint_eq(f.n_heard, 13);
    ck_assert_mem_eq(f.heard, good, 13);
    for (uint16_t i = 0; i < 3; i++)
        ask(&f, i, 2000);
    run(&f, 2000);
    ck_assert_uint_eq(f.n_heard, 4 * 13);
    ck_assert_uint_eq(f.heard[13 * 3 + 1], 2);
    ck_assert_int_eq(f.n_answered, 4);
    ck_assert_uint_eq(tcp_peer_stats(&f.peer).n_answers, 4);
}
END_TEST

START_TEST(turnaround_and_spread_are_kept)
{
    struct fixture f;
    set_up(&f, &(struct tcp_peer_config){ .turnaround_us = 5000, .spread_us = 1000, .seed = 3 });
    for (int i = 0; i < 20; i++) {
        ask(&f, 5, i * 10000);
        run(&f, i * 10000 + 9999);
        int64_t took_us = f.at_us[13 * i] - i * 10000;
        ck_assert(took_us >= 5000 && took_us <= 6000);
    }
    ck_assert_uint_eq(f.n_heard, 20 * 13);
}
END_TEST

START_TEST(more_requests_than_are_kept_wait_and_none_is_lost)
{
    struct fixture f;
    struct disturbance d = { .kind = DISTURBANCE_LATE, .rate = 1, .min_us = 100, .max_us = 100 };
    uint8_t burst[20 * 12];
    set_up_with(&f, &d);
    for (int i = 0; i < 20; i++) {
        const uint8_t bytes[12] = { 0, (uint8_t)i, 0, 0, 0, 6, UNIT, 3, 0, 0, 0, 2 };
        memcpy(burst + (size_t)12 * (size_t)i, bytes, 12);
    }
    ck_assert_uint_eq(tcp_session_take(&f.session, burst, sizeof burst, 0), sizeof burst);
    ck_assert(!tcp_session_wants(&f.session));
    run(&f, 1000000);
    ck_assert_uint_eq(f.n_heard, 20 * 13);
    for (size_t i = 0; i < 20; i++)
        ck_assert_uint_eq(f.heard[13 * i + 1], i);
}
END_TEST

START_TEST(an_answer_can_be_missing_late_or_twice)
{
    struct fixture f;
    exchange(&f, &(struct disturbance){ .kind = DISTURBANCE_SILENCE, .rate = 1 });
    ck_assert_uint_eq(f.n_heard, 0);
    ck_assert_uint_eq(count(&f, DISTURBANCE_SILENCE), 1);
    ck_assert_uint_eq(tcp_peer_stats(&f.peer).n_unanswered, 1);

    exchange(&f, &(struct disturbance){
                     .kind = DISTURBANCE_LATE, .rate = 1, .min_us = 500000, .max_us = 500000 });
    ck_assert_int_eq(f.at_us[0], 1500000);
    ck_assert_mem_eq(f.heard, good, 13);
    ck_assert_uint_eq(count(&f, DISTURBANCE_LATE), 1);

    exchange(&f, &(struct disturbance){
                     .kind = DISTURBANCE_DUPLICATE, .rate = 1, .min_us = 2000, .max_us = 2000 });
    ck_assert_uint_eq(f.n_heard, 26);
    ck_assert_mem_eq(f.heard, f.heard + 13, 13);
    ck_assert_int_eq(f.at_us[13], 1002000);
    ck_assert_uint_eq(tcp_peer_stats(&f.peer).n_answers, 1);
    ck_assert_uint_eq(count(&f, DISTURBANCE_DUPLICATE), 1);
}
END_TEST

START_TEST(exceptions_come_instead_of_values)
{
    struct fixture f;
    exchange(&f, &(struct disturbance){ .kind = DISTURBANCE_BUSY, .rate = 1 });
    const uint8_t busy[9] = { 0, 5, 0, 0, 0, 3, UNIT, 0x83, 6 };
    ck_assert_mem_eq(f.heard, busy, 9);
    ck_assert_uint_eq(f.n_heard, 9);
    exchange(&f,
             &(struct disturbance){ .kind = DISTURBANCE_EXCEPTION, .rate = 1, .exception = 11 });
    ck_assert_uint_eq(f.heard[8], 11);
    ck_assert_uint_eq(count(&f, DISTURBANCE_EXCEPTION), 1);
}
END_TEST

START_TEST(each_field_of_the_header_can_be_wrong)
{
    static const struct {
        enum disturbance_kind kind;
        size_t at;
        uint8_t byte;
    } rows[] = { { DISTURBANCE_WRONG_TRANSACTION, 1, 4 },
                 { DISTURBANCE_WRONG_PROTOCOL, 2, 1 },
                 { DISTURBANCE_WRONG_LENGTH, 5, 8 },
                 { DISTURBANCE_WRONG_UNIT, 6, UNIT + 1 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;
        uint8_t expected[13];
        memcpy(expected, good, sizeof expected);
        expected[rows[i].at] = rows[i].byte;
        exchange(&f, &(struct disturbance){ .kind = rows[i].kind, .rate = 1 });
        ck_assert_uint_eq(f.n_heard, 13);
        ck_assert_mem_eq(f.heard, expected, 13);
        ck_assert_uint_eq(count(&f, rows[i].kind), 1);
    }
}
END_TEST

START_TEST(bytes_can_trail_and_drip)
{
    struct fixture f;
    exchange(&f, &(struct disturbance){ .kind = DISTURBANCE_TRAILING, .rate = 1 });
    ck_assert_uint_eq(f.n_heard, 17);
    ck_assert_mem_eq(f.heard, good, 13);
    exchange(&f, &(struct disturbance){
                     .kind = DISTURBANCE_DRIP, .rate = 1, .min_us = 200000, .max_us = 200000 });
    ck_assert_uint_eq(f.n_heard, 13);
    for (size_t i = 0; i < 13; i++)
        ck_assert_int_eq(f.at_us[i], 1000000 + (int64_t)i * 200000);
    ck_assert_uint_eq(count(&f, DISTURBANCE_DRIP), 1);
}
END_TEST

START_TEST(a_reset_comes_instead_of_an_answer)
{
    struct fixture f;
    exchange(&f, &(struct disturbance){ .kind = DISTURBANCE_RESET, .rate = 1 });
    ck_assert_int_eq(f.end, TCP_RESET);
    ck_assert_uint_eq(f.n_heard, 0);
    ck_assert_uint_eq(count(&f, DISTURBANCE_RESET), 1);
}
END_TEST

START_TEST(a_black_hole_swallows_until_another_connection)
{
    struct fixture f;
    struct disturbance d = { .kind = DISTURBANCE_BLACK_HOLE, .rate = 1, .for_us = 1500000 };
    exchange(&f, &d);
    for (uint16_t i = 0; i < 100; i++)
        ask(&f, i, 2000000);
    run(&f, 9000000);
    ck_assert_uint_eq(f.n_heard, 0);
    ck_assert_int_eq(f.end, TCP_WAIT);
    ck_assert_uint_eq(count(&f, DISTURBANCE_BLACK_HOLE), 1);
    tcp_session_open(&f.session, &f.peer, 0, 9000000);
    ask(&f, 5, 9000000);
    run(&f, 9000000);
    ck_assert_uint_eq(f.n_heard, 13);
}
END_TEST

START_TEST(a_vanished_peer_is_silent_and_its_successor_resets)
{
    struct fixture f;
    struct disturbance d = { .kind = DISTURBANCE_HALF_OPEN, .rate = 1, .for_us = 1500000 };
    exchange(&f, &d);
    ck_assert_uint_eq(f.n_heard, 0);
    ck_assert_int_eq(f.end, TCP_WAIT);
    ask(&f, 6, 7000000);
    run(&f, 8000000);
    ck_assert_int_eq(f.end, TCP_RESET);
    ck_assert_uint_eq(count(&f, DISTURBANCE_HALF_OPEN), 1);
}
END_TEST

START_TEST(an_idle_connection_is_closed_after_its_last_request)
{
    struct fixture f;
    struct disturbance d = {
        .kind = DISTURBANCE_IDLE_CLOSE, .rate = 1, .min_us = 2000000, .max_us = 2000000
    };
    exchange(&f, &d);
    ck_assert_uint_eq(f.n_heard, 13);
    ck_assert_int_eq(f.end, TCP_CLOSE);
    ck_assert_int_eq(f.end_us, 3000000);
    ck_assert_uint_eq(count(&f, DISTURBANCE_IDLE_CLOSE), 1);
}
END_TEST

START_TEST(only_one_client_is_served)
{
    struct fixture f;
    struct disturbance d = { .kind = DISTURBANCE_ONE_CLIENT, .rate = 1 };
    set_up_with(&f, &d);
    run(&f, 100);
    ck_assert_int_eq(f.end, TCP_WAIT);
    tcp_session_open(&f.session, &f.peer, 1, 200);
    run(&f, 200);
    ck_assert_int_eq(f.end, TCP_CLOSE);
    ck_assert_uint_eq(count(&f, DISTURBANCE_ONE_CLIENT), 1);
}
END_TEST

START_TEST(the_first_request_can_be_refused_or_ignored)
{
    struct fixture f;
    struct disturbance d = { .kind = DISTURBANCE_REFUSE_FIRST, .rate = 1 };
    exchange(&f, &d);
    ck_assert_int_eq(f.end, TCP_CLOSE);
    ck_assert_uint_eq(f.n_heard, 0);
    d.kind = DISTURBANCE_IGNORE_FIRST;
    exchange(&f, &d);
    ck_assert_uint_eq(f.n_heard, 0);
    ask(&f, 5, 7000000);
    run(&f, 7000000);
    ck_assert_mem_eq(f.heard, good, 13);
    ck_assert_uint_eq(count(&f, DISTURBANCE_IGNORE_FIRST), 1);
}
END_TEST

START_TEST(rtu_frames_travel_without_a_header)
{
    struct fixture f;
    struct disturbance flip = { .kind = DISTURBANCE_BIT_FLIP, .rate = 0.3, .at_us = 1000 };
    uint8_t bytes[8] = { UNIT, 3, 0, 0, 0, 2 };
    uint16_t crc = mw_crc16_modbus(bytes, 6);
    bytes[6] = (uint8_t)crc;
    bytes[7] = (uint8_t)(crc >> 8);
    set_up(&f, &(struct tcp_peer_config){
                   .rtu_framing = true, .seed = 1, .disturbances = &flip, .n_disturbances = 1 });
    ck_assert_uint_eq(tcp_session_take(&f.session, bytes, 8, 0), 8);
    run(&f, 0);
    ck_assert_uint_eq(f.n_heard, 9);
    ck_assert_mem_eq(f.heard, good + 6, 7);
    ck_assert_uint_eq(mw_crc16_modbus(f.heard, 9), 0);
    int n_wrong = 0;
    for (int i = 1; i <= 20; i++) {
        tcp_session_take(&f.session, bytes, 8, i * 100000);
        run(&f, i * 100000);
        n_wrong += mw_crc16_modbus(f.heard + (size_t)9 * (size_t)i, 9) != 0;
    }
    ck_assert_int_ge(n_wrong, 10); /* 1 - 0.7^9 of them */
    ck_assert_uint_ge(count(&f, DISTURBANCE_BIT_FLIP), 20);
}
END_TEST

START_TEST(a_header_that_is_not_modbus_closes)
{
    struct fixture f;
    const uint8_t bytes[12] = { 0, 1, 9, 9, 0, 6, UNIT, 3, 0, 0, 0, 1 };
    set_up(&f, &(struct tcp_peer_config){ 0 });
    tcp_session_take(&f.session, bytes, sizeof bytes, 0);
    run(&f, 0);
    ck_assert_int_eq(f.end, TCP_CLOSE);
    ck_assert_uint_eq(tcp_peer_stats(&f.peer).n_malformed, 1);
}
END_TEST

MW_SUITE("simulator/tcp_peer", an_undisturbed_peer_answers_at_once_and_in_order,
         turnaround_and_spread_are_kept, more_requests_than_are_kept_wait_and_none_is_lost,
         an_answer_can_be_missing_late_or_twice, exceptions_come_instead_of_values,
         each_field_of_the_header_can_be_wrong, bytes_can_trail_and_drip,
         a_reset_comes_instead_of_an_answer, a_black_hole_swallows_until_another_connection,
         a_vanished_peer_is_silent_and_its_successor_resets,
         an_idle_connection_is_closed_after_its_last_request, only_one_client_is_served,
         the_first_request_can_be_refused_or_ignored, rtu_frames_travel_without_a_header,
         a_header_that_is_not_modbus_closes)
