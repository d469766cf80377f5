/* links: simulator base */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a master may send to a simulated line and to a simulated TCP peer, in pieces and with pauses
 * of its choice, while everything goes wrong: neither loses count, gives more than it has, or
 * stands still. The first two bytes choose the seed. */
#include "base/result.h"
#include "simulator/rs485.h"
#include "simulator/tcp_peer.h"

#include <stdlib.h>

#define MAX_PIECES 64
#define MAX_EVENTS 100000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool answers(void *ctx, uint8_t unit)
{
    (void)ctx;
    return unit != 9;
}

static bool has_table(void *ctx, uint8_t unit, enum table table)
{
    (void)ctx;
    return unit % 2 == 1 || table == TABLE_INPUT;
}

static int read_words(void *ctx, const struct pdu_read *read, uint16_t *ret_words)
{
    (void)ctx;
    for (uint16_t i = 0; i < read->count; i++)
        ret_words[i] = i;
    return read->address > 60000 ? MW_ERR_AGAIN : MW_OK;
}

static void answered(void *ctx, const struct pdu_read *read, int token, int64_t now_us)
{
    uint64_t *n_answered = ctx;
    (void)read;
    (void)token;
    (void)now_us;
    ++*n_answered;
}

static const struct disturbance trouble[] = {
    { .kind = DISTURBANCE_LATE, .rate = 0.2, .max_us = 100000 },
    { .kind = DISTURBANCE_DUPLICATE, .rate = 0.2, .max_us = 1000 },
    { .kind = DISTURBANCE_WRONG_UNIT, .rate = 0.1 },
    { .kind = DISTURBANCE_BUSY, .rate = 0.1 },
    { .kind = DISTURBANCE_BIT_FLIP, .rate = 0.01 },
    { .kind = DISTURBANCE_LOST_BYTE, .rate = 0.01 },
    { .kind = DISTURBANCE_COLLISION, .rate = 0.2 },
    { .kind = DISTURBANCE_SECOND_MASTER, .at_us = 5000, .every_us = 50000 },
    { .kind = DISTURBANCE_BABBLE, .at_us = 90000, .for_us = 20000, .every_us = 300000 },
    { .kind = DISTURBANCE_STUCK_LINE,
      .rate = 1,
      .at_us = 150000,
      .for_us = 20000,
      .every_us = 300000 },
    { .kind = DISTURBANCE_UNPLUG, .at_us = 200000, .for_us = 20000, .every_us = 300000 },
    { .kind = DISTURBANCE_TRAILING, .rate = 0.1 },
    { .kind = DISTURBANCE_WRONG_LENGTH, .rate = 0.1 },
    { .kind = DISTURBANCE_DRIP, .rate = 0.1, .min_us = 100, .max_us = 1000 },
    { .kind = DISTURBANCE_RESET, .rate = 0.02 },
    { .kind = DISTURBANCE_HALF_OPEN, .rate = 0.02 },
    { .kind = DISTURBANCE_IDLE_CLOSE, .rate = 0.5, .min_us = 1000, .max_us = 500000 },
};
#define N_TROUBLE (sizeof trouble / sizeof trouble[0])

/* A piece of the input: its length and the pause before it, by its first byte. */
static size_t piece(const uint8_t *bytes, size_t n, int64_t *now_us)
{
    size_t length = 1 + bytes[0] % 16;
    *now_us += bytes[0] / 16 * INT64_C(3000);
    return length < n ? length : n - 1;
}

static void run_line(struct rs485 *line, const uint8_t *bytes, size_t n)
{
    uint8_t heard[256];
    int64_t now_us = 0;
    for (int i = 0; i < MAX_PIECES && n > 1; i++) {
        size_t length = piece(bytes, n, &now_us);
        rs485_write(line, bytes + 1, length, now_us);
        if (rs485_read(line, now_us, heard, sizeof heard) > (int)sizeof heard)
            abort();
        bytes += 1 + length;
        n -= 1 + length;
    }
    int64_t end_us = now_us + 500000;
    for (int i = 0; rs485_next_us(line) < end_us; i++) {
        int64_t next_us = rs485_next_us(line);
        now_us = next_us > now_us ? next_us : now_us + 1;
        while (rs485_read(line, now_us, heard, sizeof heard) > 0)
            ;
        if (i == MAX_EVENTS)
            abort();
    }
}

static void fuzz_line(const uint8_t *bytes, size_t n, uint32_t baud, uint64_t seed)
{
    uint64_t n_answered = 0;
    const struct pdu_bank bank = { answers, has_table, read_words, answered, &n_answered };
    const struct rs485_config config = { .baud = baud,
                                         .turnaround_us = 1000,
                                         .spread_us = 3000,
                                         .seed = seed,
                                         .disturbances = trouble,
                                         .n_disturbances = N_TROUBLE };
    struct rs485 *line;
    if (rs485_create(&line, &config, &bank) != MW_OK)
        return;
    run_line(line, bytes, n);
    struct rs485_stats stats = rs485_stats(line);
    if (n_answered > stats.n_answers ||
        stats.n_answers + stats.n_unanswered > stats.n_requests + stats.n_foreign)
        abort();
    rs485_destroy(line);
}

static void obey(struct tcp_session *session, int64_t now_us)
{
    const uint8_t *out;
    size_t n_out;
    for (int i = 0; tcp_session_next(session, now_us, &out, &n_out) == TCP_SEND; i++) {
        if (n_out > TCP_ANSWER_MAX || i == MAX_EVENTS)
            abort();
        tcp_session_sent(session, n_out > 3 ? n_out / 2 : n_out, now_us);
    }
}

static void fuzz_peer(const uint8_t *bytes, size_t n, bool rtu_framing, uint64_t seed)
{
    uint64_t n_answered = 0;
    int64_t now_us = 0;
    const struct pdu_bank bank = { answers, has_table, read_words, answered, &n_answered };
    const struct tcp_peer_config config = { .rtu_framing = rtu_framing,
                                            .seed = seed,
                                            .disturbances = trouble,
                                            .n_disturbances = N_TROUBLE };
    struct tcp_peer peer;
    struct tcp_session session;
    tcp_peer_init(&peer, &config, &bank);
    tcp_session_open(&session, &peer, 0, 0);
    for (int i = 0; i < MAX_PIECES && n > 1; i++) {
        size_t length = piece(bytes, n, &now_us);
        size_t taken = tcp_session_take(&session, bytes + 1, length, now_us);
        if (taken > length || (taken == 0 && tcp_session_wants(&session)))
            abort();
        obey(&session, now_us);
        bytes += 1 + length;
        n -= 1 + length;
    }
    struct tcp_peer_stats stats = tcp_peer_stats(&peer);
    if (n_answered > stats.n_answers || stats.n_answers + stats.n_unanswered > stats.n_requests)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const uint32_t bauds[] = { 0, 1200, 19200, 115200 };
    if (n < 3)
        return 0;
    fuzz_line(bytes + 2, n - 2, bauds[bytes[0] % 4], bytes[1]);
    fuzz_peer(bytes + 2, n - 2, bytes[0] & 4, bytes[1]);
    return 0;
}
