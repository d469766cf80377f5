/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/rs485.h"

#include "base/crc.h"
#include "base/result.h"
#include "support/suite.h"

#include <string.h>

#define UNITS 32 /* 1 .. 32 answer; register n of unit u reads 256 u + n */

static bool answers(void *ctx, uint8_t unit)
{
    (void)ctx;
    return unit >= 1 && unit <= UNITS;
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
        ret_words[i] = (uint16_t)(256 * read->unit + read->address + i);
    return 0;
}

static void answered(void *ctx, const struct pdu_read *read, int token, int64_t now_us)
{
    int64_t *at_us = ctx;
    (void)read;
    (void)token;
    *at_us = now_us;
}

static int64_t answered_us;
static const struct pdu_bank bank = { .answers = answers,
                                      .has_table = has_table,
                                      .read = read_words,
                                      .answered = answered,
                                      .ctx = &answered_us };

static struct rs485 *make(struct rs485_config config)
{
    struct rs485 *line;
    ck_assert_int_eq(rs485_create(&line, &config, &bank), MW_OK);
    return line;
}

static struct rs485 *make_disturbed(const struct disturbance *list, size_t n)
{
    return make((struct rs485_config){ .baud = 19200,
                                       .turnaround_us = 5000,
                                       .seed = 1,
                                       .disturbances = list,
                                       .n_disturbances = n });
}

static void ask(struct rs485 *line, uint8_t unit, uint16_t count, int64_t now_us)
{
    uint8_t bytes[8] = { unit, 3, 0, 0, (uint8_t)(count >> 8), (uint8_t)count };
    uint16_t crc = mw_crc16_modbus(bytes, 6);
    bytes[6] = (uint8_t)crc;
    bytes[7] = (uint8_t)(crc >> 8);
    ck_assert_int_eq(rs485_write(line, bytes, sizeof bytes, now_us), MW_OK);
}

/* Bytes heard from now on until until_us; when each came. */
struct hearing {
    uint8_t bytes[4096];
    int64_t at_us[4096];
    size_t n;
};

static void hear(struct rs485 *line, int64_t until_us, struct hearing *ret)
{
    ret->n = 0;
    for (int64_t at_us; (at_us = rs485_next_us(line)) <= until_us;) {
        uint8_t bytes[64];
        int n = rs485_read(line, at_us, bytes, sizeof bytes);
        for (int i = 0; i < n; i++) {
            ret->bytes[ret->n] = bytes[i];
            ret->at_us[ret->n++] = at_us;
        }
    }
    rs485_read(line, until_us, ret->bytes + ret->n, 0);
}

static bool whole(const uint8_t *bytes, size_t n)
{
    return n >= 4 && mw_crc16_modbus(bytes, n - 2) == (bytes[n - 2] | bytes[n - 1] << 8);
}

/* The answer to ask(unit, 2) */
static bool is_answer(const uint8_t *bytes, uint8_t unit)
{
    const uint8_t head[] = { unit, 3, 4, unit, 0, unit, 1 };
    return memcmp(bytes, head, sizeof head) == 0 && whole(bytes, 9);
}

/* One exchange of two registers on a fresh line; what the master heard within two seconds. */
static struct rs485_stats exchange(const struct disturbance *d, struct hearing *ret)
{
    struct rs485 *line = make_disturbed(d, d ? 1 : 0);
    ask(line, 7, 2, 1000000);
    hear(line, 3000000, ret);
    struct rs485_stats stats = rs485_stats(line);
    rs485_destroy(line);
    return stats;
}

START_TEST(every_character_ends_when_it_does_on_a_wire)
{
    static const struct {
        uint32_t baud;
        char parity;
        uint8_t stop_bits, bits;
    } rows[] = { { 1200, 'N', 1, 10 },  { 9600, 'E', 0, 11 },  { 9600, 'N', 0, 11 },
                 { 19200, 'O', 1, 11 }, { 38400, 'N', 1, 10 }, { 115200, 'E', 2, 12 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hearing heard;
        struct rs485 *line = make((struct rs485_config){ .baud = rows[i].baud,
                                                         .parity = rows[i].parity,
                                                         .stop_bits = rows[i].stop_bits,
                                                         .turnaround_us = 50000 });
        ask(line, 7, 2, 1000);
        hear(line, 1000000, &heard);
        ck_assert_uint_eq(heard.n, 9);
        ck_assert(is_answer(heard.bytes, 7));
        double character_us = 1e6 * rows[i].bits / rows[i].baud;
        double start_us = 1000 + 8 * character_us + 50000;
        for (size_t k = 0; k < heard.n; k++) {
            double late_us = (double)heard.at_us[k] - (start_us + (double)(k + 1) * character_us);
            ck_assert(late_us >= 0 && late_us < 2); /* both frames' ends are rounded up */
        }
        ck_assert_int_eq(answered_us, heard.at_us[8]);
        rs485_destroy(line);
    }
}
END_TEST

START_TEST(an_answer_never_comes_before_the_silence)
{
    struct hearing heard;
    struct rs485 *line = make((struct rs485_config){ .baud = 9600 });
    ask(line, 7, 2, 0);
    hear(line, 1000000, &heard);
    ck_assert_int_eq(rs485_silence_us(line), 4010); /* 3.5 * 11 / 9600 */
    ck_assert_int_eq(heard.at_us[0], 9167 + 4010 + 1146);
    rs485_destroy(line);
    line = make((struct rs485_config){ .baud = 115200 });
    ck_assert_int_eq(rs485_silence_us(line), 1750);
    rs485_destroy(line);
}
END_TEST

START_TEST(turnaround_spreads_within_its_bounds_and_by_the_seed)
{
    struct hearing heard;
    int64_t first_us[2][50], min_us = INT64_MAX, max_us = 0;
    for (int run = 0; run < 2; run++) {
        struct rs485 *line = make((struct rs485_config){
            .baud = 19200, .turnaround_us = 5000, .spread_us = 10000, .seed = 42 });
        int64_t request_us = rs485_characters_us(line, 8), one_us = rs485_characters_us(line, 1);
        for (int i = 0; i < 50; i++) {
            ask(line, 7, 2, i * 100000);
            hear(line, (i + 1) * 100000 - 1, &heard);
            first_us[run][i] = heard.at_us[0] - i * 100000 - request_us - one_us;
            min_us = first_us[run][i] < min_us ? first_us[run][i] : min_us;
            max_us = first_us[run][i] > max_us ? first_us[run][i] : max_us;
        }
        rs485_destroy(line);
    }
    ck_assert_mem_eq(first_us[0], first_us[1], sizeof first_us[0]);
    ck_assert_int_ge(min_us, 5000);
    ck_assert_int_le(min_us, 6500);
    ck_assert_int_le(max_us, 15000);
    ck_assert_int_ge(max_us, 13500);
}
END_TEST

/* The second request begins this long after the first answer's last character. */
static struct rs485_stats ask_again_after(uint32_t baud, int64_t gap_us, size_t *ret_n_heard)
{
    struct hearing heard;
    struct rs485 *line = make((struct rs485_config){ .baud = baud, .turnaround_us = 5000 });
    ask(line, 7, 2, 0);
    hear(line, 500000, &heard);
    rs485_destroy(line);
    int64_t last_us = heard.at_us[heard.n - 1];
    line = make((struct rs485_config){ .baud = baud, .turnaround_us = 5000 });
    ask(line, 7, 2, 0);
    hear(line, last_us, &heard);
    ask(line, 8, 2, last_us + gap_us);
    hear(line, 1000000, &heard);
    *ret_n_heard = heard.n;
    struct rs485_stats stats = rs485_stats(line);
    rs485_destroy(line);
    return stats;
}

START_TEST(a_request_without_silence_before_it_is_counted_and_swallowed)
{
    static const struct {
        uint32_t baud;
        int64_t silence_us;
    } rows[] = { { 9600, 4010 }, { 19200, 2005 }, { 38400, 1750 }, { 115200, 1750 } };
    size_t n_heard;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rs485_stats kept = ask_again_after(rows[i].baud, rows[i].silence_us, &n_heard);
        ck_assert_uint_eq(kept.n_silence, 0);
        ck_assert_uint_eq(n_heard, 9);
        ck_assert_int_eq(kept.shortest_us, rows[i].silence_us);
        struct rs485_stats broken = ask_again_after(rows[i].baud, rows[i].silence_us - 1, &n_heard);
        ck_assert_uint_eq(broken.n_silence, 1);
        ck_assert_uint_eq(broken.n_requests, 1);
        ck_assert_uint_eq(broken.n_bad, 1);
        ck_assert_uint_eq(n_heard, 0);
    }
}
END_TEST

START_TEST(a_pause_inside_a_frame_is_counted_and_makes_it_none)
{
    const uint8_t frame[8] = { 0x50, 0x03, 0x00, 0x34, 0x00, 0x03, 0x49, 0x84 };
    for (int tooth = 0; tooth < 2; tooth++) {
        struct rs485 *line = make((struct rs485_config){ .baud = 9600 });
        int64_t half_us = rs485_characters_us(line, 4);
        int64_t pause_us = 1718 + tooth; /* 1.5 * 11 / 9600 */
        rs485_write(line, frame, 4, 0);
        rs485_write(line, frame + 4, 4, half_us + pause_us);
        rs485_read(line, 1000000, NULL, 0);
        struct rs485_stats stats = rs485_stats(line);
        ck_assert_uint_eq(stats.n_pauses, (uint64_t)tooth);
        ck_assert_uint_eq(stats.n_requests, tooth ? 0 : 1);
        ck_assert_uint_eq(stats.n_bad, (uint64_t)tooth);
        ck_assert_uint_eq(stats.n_silence, 0);
        rs485_destroy(line);
    }
}
END_TEST

START_TEST(talking_into_an_answer_is_counted_and_garbles_it)
{
    struct hearing heard;
    struct rs485 *line = make((struct rs485_config){ .baud = 9600, .turnaround_us = 5000 });
    ask(line, 7, 2, 0);
    ask(line, 8, 2, 9167 + 5000 + 3000); /* into the third character */
    hear(line, 1000000, &heard);
    struct rs485_stats stats = rs485_stats(line);
    ck_assert_uint_eq(stats.n_talked_over, 1);
    ck_assert_uint_ge(stats.n_garbled, 6);
    ck_assert_uint_eq(stats.n_requests, 1);
    ck_assert_uint_eq(heard.n, 2); /* the master hears nothing while it talks */
    rs485_destroy(line);
}
END_TEST

START_TEST(without_a_baud_rate_answers_come_at_once)
{
    struct hearing heard;
    struct rs485 *line = make((struct rs485_config){ .turnaround_us = 2000 });
    ask(line, 7, 2, 100);
    hear(line, 3000, &heard);
    ck_assert_uint_eq(heard.n, 9);
    ck_assert_int_eq(heard.at_us[0], 2100);
    ck_assert_int_eq(heard.at_us[8], 2100);
    ask(line, 8, 2, 3001);
    ck_assert_uint_eq(rs485_stats(line).n_silence, 0);
    rs485_destroy(line);
}
END_TEST

START_TEST(silence_gives_no_answer)
{
    struct hearing heard;
    struct disturbance d = { .kind = DISTURBANCE_SILENCE, .rate = 1 };
    struct rs485_stats stats = exchange(&d, &heard);
    ck_assert_uint_eq(heard.n, 0);
    ck_assert_uint_eq(stats.disturbed[DISTURBANCE_SILENCE], 1);
    ck_assert_uint_eq(stats.n_unanswered, 1);
    d.unit = 8; /* somebody else's */
    stats = exchange(&d, &heard);
    ck_assert_uint_eq(heard.n, 9);
    ck_assert_uint_eq(stats.disturbed[DISTURBANCE_SILENCE], 0);
}
END_TEST

START_TEST(late_answers_come_late_and_none_is_forgotten)
{
    struct hearing heard;
    struct disturbance d = {
        .kind = DISTURBANCE_LATE, .rate = 1, .min_us = 300000, .max_us = 600000
    };
    struct rs485_stats stats = exchange(&d, &heard);
    ck_assert_uint_eq(stats.disturbed[DISTURBANCE_LATE], 1);
    ck_assert(is_answer(heard.bytes, 7));
    ck_assert_int_ge(heard.at_us[0], 1305000);
    ck_assert_int_le(heard.at_us[0], 1612000);

    d.for_us = 50000; /* the first answer only */
    struct rs485 *line = make_disturbed(&d, 1);
    ask(line, 7, 2, 0);
    ask(line, 7, 1, 100000);
    hear(line, 2000000, &heard);
    ck_assert_uint_eq(heard.n, 9 + 7);
    ck_assert(is_answer(heard.bytes, 7) && whole(heard.bytes + 9, 7));
    ck_assert_int_ge(heard.at_us[9] - heard.at_us[8], rs485_silence_us(line));
    rs485_destroy(line);
}
END_TEST

START_TEST(a_duplicate_is_the_same_frame_again)
{
    struct hearing heard;
    struct disturbance d = {
        .kind = DISTURBANCE_DUPLICATE, .rate = 1, .min_us = 20000, .max_us = 20000
    };
    struct rs485_stats stats = exchange(&d, &heard);
    ck_assert_uint_eq(heard.n, 18);
    ck_assert_mem_eq(heard.bytes, heard.bytes + 9, 9);
    int64_t gap_us = heard.at_us[9] - heard.at_us[8];
    ck_assert(gap_us >= 20572 && gap_us <= 20574); /* and one character */
    ck_assert_uint_eq(stats.disturbed[DISTURBANCE_DUPLICATE], 1);
    ck_assert_uint_eq(stats.n_answers, 1);
}
END_TEST

START_TEST(a_wrong_unit_wears_the_next_ones_address_and_a_right_crc)
{
    struct hearing heard;
    struct disturbance d = { .kind = DISTURBANCE_WRONG_UNIT, .rate = 1 };
    struct rs485_stats stats = exchange(&d, &heard);
    ck_assert_uint_eq(heard.bytes[0], 8);
    ck_assert(whole(heard.bytes, 9));
    ck_assert_uint_eq(heard.bytes[3], 7); /* the asked one's values */
    ck_assert_uint_eq(stats.disturbed[DISTURBANCE_WRONG_UNIT], 1);
}
END_TEST

START_TEST(busy_and_other_exceptions_come_instead_of_values)
{
    struct hearing heard;
    struct disturbance d = { .kind = DISTURBANCE_BUSY, .rate = 1 };
    struct rs485_stats stats = exchange(&d, &heard);
    ck_assert_uint_eq(heard.n, 5);
    ck_assert_uint_eq(heard.bytes[1], 0x83);
    ck_assert_uint_eq(heard.bytes[2], 6);
    ck_assert_uint_eq(stats.disturbed[DISTURBANCE_BUSY], 1);
    d = (struct disturbance){ .kind = DISTURBANCE_EXCEPTION, .rate = 1, .exception = 4 };
    stats = exchange(&d, &heard);
    ck_assert_uint_eq(heard.bytes[2], 4);
    ck_assert(whole(heard.bytes, 5));
    ck_assert_uint_eq(stats.disturbed[DISTURBANCE_EXCEPTION], 1);
}
END_TEST

static int differing_bits(const uint8_t *a, const uint8_t *b, size_t n)
{
    int differing = 0;
    for (size_t i = 0; i < n; i++)
        differing += __builtin_popcount((unsigned)(a[i] ^ b[i]));
    return differing;
}

START_TEST(flipped_bits_are_as_many_as_counted)
{
    struct hearing clean, heard;
    exchange(NULL, &clean);
    /* from after the request on, so that the slave hears it */
    struct disturbance d = { .kind = DISTURBANCE_BIT_FLIP, .rate = 0.8, .at_us = 1006000 };
    struct rs485_stats stats = exchange(&d, &heard);
    ck_assert_uint_eq(heard.n, 9);
    ck_assert_uint_ge(stats.disturbed[DISTURBANCE_BIT_FLIP], 1);
    ck_assert_int_eq(differing_bits(clean.bytes, heard.bytes, 9),
                     (int)stats.disturbed[DISTURBANCE_BIT_FLIP]);
    /* in the request: nobody answers */
    d = (struct disturbance){ .kind = DISTURBANCE_BIT_FLIP, .rate = 1, .for_us = 1001000 };
    stats = exchange(&d, &heard);
    ck_assert_uint_eq(heard.n, 0);
    ck_assert_uint_eq(stats.n_bad, 1);
}
END_TEST

START_TEST(lost_bytes_leave_the_others_in_their_time)
{
    struct hearing clean, heard;
    exchange(NULL, &clean);
    struct disturbance d = { .kind = DISTURBANCE_LOST_BYTE, .rate = 0.4, .at_us = 1006000 };
    struct rs485_stats stats = exchange(&d, &heard);
    ck_assert_uint_ge(stats.disturbed[DISTURBANCE_LOST_BYTE], 1);
    ck_assert_uint_eq(heard.n, 9 - stats.disturbed[DISTURBANCE_LOST_BYTE]);
    for (size_t i = 0, k = 0; i < heard.n; i++, k++) {
        while (clean.at_us[k] != heard.at_us[i])
            ck_assert_uint_lt(++k, 9);
        ck_assert_uint_eq(clean.bytes[k], heard.bytes[i]);
    }
}
END_TEST

START_TEST(a_slave_that_answers_with_another_garbles_both)
{
    struct hearing clean, heard;
    exchange(NULL, &clean);
    struct disturbance d = { .kind = DISTURBANCE_COLLISION, .unit = 9, .rate = 1 };
    struct rs485_stats stats = exchange(&d, &heard);
    ck_assert_uint_eq(stats.disturbed[DISTURBANCE_COLLISION], 1);
    ck_assert_uint_ge(stats.n_garbled, 1);
    ck_assert_uint_ge(heard.n, 9);
    ck_assert(!whole(heard.bytes, 9));
    d.unit = 7; /* the asked one does not disturb itself */
    stats = exchange(&d, &heard);
    ck_assert_uint_eq(stats.disturbed[DISTURBANCE_COLLISION], 0);
}
END_TEST

START_TEST(a_second_master_is_heard_and_answered)
{
    struct hearing heard;
    struct disturbance d = { .kind = DISTURBANCE_SECOND_MASTER,
                             .unit = 5,
                             .rate = 1,
                             .at_us = 10000,
                             .every_us = 100000,
                             .for_us = 1,
                             .count = 2 };
    struct rs485 *line = make_disturbed(&d, 1);
    hear(line, 999999, &heard);
    struct rs485_stats stats = rs485_stats(line);
    ck_assert_uint_eq(stats.disturbed[DISTURBANCE_SECOND_MASTER], 10);
    ck_assert_uint_eq(stats.n_foreign, 10);
    ck_assert_uint_eq(stats.n_requests, 0);
    ck_assert_uint_eq(heard.n, 10 * (8 + 9));
    ck_assert_uint_eq(heard.bytes[0], 5);
    ck_assert(is_answer(heard.bytes + 8, 5));
    ask(line, 7, 2, 1009000); /* both masters at a time: nobody understands either */
    hear(line, 1099999, &heard);
    ck_assert_uint_eq(rs485_stats(line).n_requests, 0);
    ck_assert_uint_eq(rs485_stats(line).n_foreign, 10);
    rs485_destroy(line);
}
END_TEST

START_TEST(babble_fills_the_line_without_a_pause)
{
    struct hearing heard;
    struct disturbance d = {
        .kind = DISTURBANCE_BABBLE, .rate = 1, .at_us = 100000, .for_us = 200000
    };
    struct rs485 *line = make_disturbed(&d, 1);
    hear(line, 1000000, &heard);
    ck_assert_uint_eq(heard.n % 64, 0);
    ck_assert_uint_ge(heard.n, 349); /* 200 ms at 19,200 baud */
    ck_assert_int_ge(heard.at_us[0], 100000);
    for (size_t i = 1; i < heard.n; i++)
        ck_assert_int_le(heard.at_us[i] - heard.at_us[i - 1], 575);
    ck_assert_int_le(heard.at_us[heard.n - 1], 300000 + 64 * 574);
    ask(line, 7, 2, 1000000);
    hear(line, 1100000, &heard);
    ck_assert(is_answer(heard.bytes, 7));
    rs485_destroy(line);
}
END_TEST

START_TEST(a_stuck_line_gives_one_zero_and_then_nothing)
{
    struct hearing heard;
    struct disturbance d = {
        .kind = DISTURBANCE_STUCK_LINE, .rate = 1, .at_us = 500000, .for_us = 1000000
    };
    struct rs485_stats stats = exchange(&d, &heard); /* asks at 1 s, until 3 s */
    ck_assert_uint_eq(heard.n, 1);
    ck_assert_uint_eq(heard.bytes[0], 0);
    ck_assert_uint_eq(stats.n_requests, 0);
    ck_assert_uint_eq(stats.disturbed[DISTURBANCE_STUCK_LINE], 1 + 8);
}
END_TEST

START_TEST(an_unplugged_adapter_is_gone_and_comes_back)
{
    struct hearing heard;
    uint8_t byte = 1;
    struct disturbance d = {
        .kind = DISTURBANCE_UNPLUG, .rate = 1, .at_us = 10000, .for_us = 100000, .every_us = 1000000
    };
    struct rs485 *line = make_disturbed(&d, 1);
    ask(line, 7, 2, 1000);
    ck_assert_int_eq(rs485_read(line, 20000, &byte, 1), MW_ERR_GONE);
    ck_assert_int_eq(rs485_write(line, &byte, 1, 30000), MW_ERR_GONE);
    ck_assert(!rs485_plugged(line, 109999));
    ck_assert_uint_eq(rs485_unplugs(line, 109999), 1);
    ck_assert_int_eq(rs485_read(line, 110000, &byte, 1), 0); /* what came meanwhile is lost */
    ask(line, 7, 2, 200000);
    hear(line, 900000, &heard);
    ck_assert(is_answer(heard.bytes, 7));
    ck_assert_uint_eq(rs485_unplugs(line, 1010000), 2);
    ck_assert_uint_eq(rs485_stats(line).disturbed[DISTURBANCE_UNPLUG], 2);
    rs485_destroy(line);
}
END_TEST

START_TEST(rates_hold_and_the_seed_repeats_them)
{
    uint64_t counts[2];
    for (int run = 0; run < 2; run++) {
        struct hearing heard;
        struct disturbance d = { .kind = DISTURBANCE_SILENCE, .rate = 0.1 };
        struct rs485 *line = make_disturbed(&d, 1);
        for (int i = 0; i < 2000; i++) {
            ask(line, (uint8_t)(1 + i % UNITS), 2, i * 50000);
            hear(line, i * 50000 + 49000, &heard);
        }
        counts[run] = rs485_stats(line).disturbed[DISTURBANCE_SILENCE];
        rs485_destroy(line);
    }
    ck_assert_uint_eq(counts[0], counts[1]);
    ck_assert_uint_ge(counts[0], 160); /* three deviations around 200 */
    ck_assert_uint_le(counts[0], 240);
}
END_TEST

START_TEST(settings_out_of_range_are_refused)
{
    struct rs485 *line;
    const struct rs485_config bad[] = { { .baud = 299 },
                                        { .baud = 4000001 },
                                        { .parity = 'X' },
                                        { .stop_bits = 3 },
                                        { .turnaround_us = -1 } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(rs485_create(&line, &bad[i], &bank), MW_ERR_INVALID);
    rs485_destroy(NULL);
}
END_TEST

MW_SUITE("simulator/rs485", every_character_ends_when_it_does_on_a_wire,
         an_answer_never_comes_before_the_silence,
         turnaround_spreads_within_its_bounds_and_by_the_seed,
         a_request_without_silence_before_it_is_counted_and_swallowed,
         a_pause_inside_a_frame_is_counted_and_makes_it_none,
         talking_into_an_answer_is_counted_and_garbles_it, without_a_baud_rate_answers_come_at_once,
         silence_gives_no_answer, late_answers_come_late_and_none_is_forgotten,
         a_duplicate_is_the_same_frame_again,
         a_wrong_unit_wears_the_next_ones_address_and_a_right_crc,
         busy_and_other_exceptions_come_instead_of_values, flipped_bits_are_as_many_as_counted,
         lost_bytes_leave_the_others_in_their_time, a_slave_that_answers_with_another_garbles_both,
         a_second_master_is_heard_and_answered, babble_fills_the_line_without_a_pause,
         a_stuck_line_gives_one_zero_and_then_nothing, an_unplugged_adapter_is_gone_and_comes_back,
         rates_hold_and_the_seed_repeats_them, settings_out_of_range_are_refused)
