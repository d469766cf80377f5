/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/rs485_parts.h"

#include "base/result.h"

#include <stdlib.h>
#include <string.h>

#define FAST_BAUD       19200 /* above it the pauses are fixed */
#define FAST_SILENCE_US 1750
#define FAST_PAUSE_US   750
#define PTY_GAP_US      20000 /* without character times: silence after which a frame is over */
#define BABBLE_BYTES    64    /* made at a time */
#define BABBLE_US       10000 /* and for this long where characters take no time */

int64_t rs485_characters_us(const struct rs485 *line, uint64_t n)
{
    uint32_t baud = line->config.baud;
    return baud ? (int64_t)((n * line->bits * 1000000 + baud - 1) / baud) : 0;
}

int64_t rs485_silence_us(const struct rs485 *line)
{
    return line->silence_us;
}

static bool config_good(const struct rs485_config *c)
{
    bool parity = c->parity == 0 || c->parity == 'N' || c->parity == 'E' || c->parity == 'O';
    return (c->baud == 0 || (c->baud >= 300 && c->baud <= 4000000)) && parity &&
           c->stop_bits <= 2 && c->turnaround_us >= 0 && c->spread_us >= 0 &&
           c->n_disturbances <= DISTURBANCE_MAX;
}

/* Those that act by themselves; all others wait for an occasion. */
static bool acts(enum disturbance_kind kind)
{
    return kind == DISTURBANCE_SECOND_MASTER || kind == DISTURBANCE_BABBLE ||
           kind == DISTURBANCE_STUCK_LINE || kind == DISTURBANCE_UNPLUG;
}

int rs485_create(struct rs485 **ret_line, const struct rs485_config *config,
                 const struct pdu_bank *bank)
{
    if (!config_good(config))
        return MW_ERR_INVALID;
    struct rs485 *line = calloc(1, sizeof *line);
    if (!line)
        return MW_ERR_NO_MEMORY;
    uint32_t baud = config->baud;
    bool parity = config->parity != 'N';
    uint32_t stop = config->stop_bits ? config->stop_bits : parity ? 1 : 2;
    line->config = *config;
    line->bank = *bank;
    line->bits = 1u + 8u + (parity ? 1u : 0u) + stop;
    line->stats.shortest_us = INT64_MAX;
    line->receiver.gap_us = PTY_GAP_US;
    if (baud > 0) {
        bool fast = baud > FAST_BAUD;
        line->silence_us = fast ? FAST_SILENCE_US : (int64_t)line->bits * 3500000 / baud;
        line->pause_us = fast ? FAST_PAUSE_US : (int64_t)line->bits * 1500000 / baud;
    }
    disturber_init(&line->disturber, config->disturbances, config->n_disturbances, config->seed,
                   config->start_us);
    for (size_t i = 0; i < config->n_disturbances; i++)
        line->due_us[i] =
            acts(config->disturbances[i].kind)
                ? disturbance_begin_us(&line->disturber, &config->disturbances[i], config->start_us)
                : INT64_MAX;
    *ret_line = line;
    return MW_OK;
}

void rs485_destroy(struct rs485 *line)
{
    free(line);
}

int64_t rs485_end_us(const struct rs485 *line, const struct burst *b)
{
    return b->start_us + rs485_characters_us(line, b->n_bytes);
}

static int64_t next_end_us(const struct rs485 *line, const struct burst *b)
{
    return b->start_us + rs485_characters_us(line, b->next + UINT64_C(1));
}

struct burst *rs485_add_burst(struct rs485 *line, enum talker talker, uint8_t unit,
                              int64_t start_us, const uint8_t *bytes, size_t n)
{
    if (line->n_bursts == RS485_MAX_BURSTS) {
        line->stats.n_dropped += n;
        return NULL;
    }
    struct burst *b = &line->bursts[line->n_bursts++];
    b->talker = talker;
    b->unit = unit;
    b->start_us = start_us;
    b->serial = line->n_serial++;
    b->n_bytes = (uint16_t)n;
    b->next = 0;
    b->is_answer = false;
    b->token = -1;
    memcpy(b->bytes, bytes, n);
    return b;
}

static void hear(struct rs485 *line, uint8_t byte, int64_t at_us)
{
    if (!rs485_plugged(line, at_us))
        return;
    if (line->n_heard == RS485_MAX_HEARD) {
        line->stats.n_dropped++;
        return;
    }
    size_t i = (line->heard_at + line->n_heard++) % RS485_MAX_HEARD;
    line->heard[i] = (struct heard){ .at_us = at_us, .byte = byte };
}

/* Who else talks during this character: the older one is heard, garbled; the master's own driver
 * is all that the master hears. */
struct overlap {
    bool any, older, with_master;
};

static struct overlap overlap(const struct rs485 *line, const struct burst *b, int64_t start_us,
                              int64_t now_us)
{
    struct overlap ret = { .with_master = b->talker == TALKER_MASTER };
    for (size_t i = 0; i < line->n_bursts; i++) {
        const struct burst *other = &line->bursts[i];
        if (other == b || other->start_us >= now_us || rs485_end_us(line, other) <= start_us)
            continue;
        ret.any = true;
        ret.older |= other->start_us < b->start_us ||
                     (other->start_us == b->start_us && other->serial < b->serial);
        ret.with_master |= other->talker == TALKER_MASTER;
    }
    return ret;
}

/* False where nobody hears it. */
static bool travels(struct rs485 *line, uint8_t unit, int64_t now_us, uint8_t *byte)
{
    struct disturber *d = &line->disturber;
    if (d->kinds == 0)
        return true;
    if (disturb(d, DISTURBANCE_STUCK_LINE, unit, now_us) ||
        disturb(d, DISTURBANCE_LOST_BYTE, unit, now_us))
        return false;
    if (disturb(d, DISTURBANCE_BIT_FLIP, unit, now_us))
        *byte ^= (uint8_t)(1u << disturber_pick(d, 8));
    return true;
}

static void finish(struct rs485 *line, const struct burst *b, int64_t now_us)
{
    if (!b->is_answer)
        return;
    line->stats.n_answers++;
    if (b->token >= 0)
        line->bank.answered(line->bank.ctx, &b->read, b->token, now_us);
}

static void character(struct rs485 *line, size_t which, int64_t now_us)
{
    struct burst *b = &line->bursts[which];
    int64_t start_us = b->start_us + rs485_characters_us(line, b->next);
    struct overlap with = line->n_bursts > 1
                              ? overlap(line, b, start_us, now_us)
                              : (struct overlap){ .with_master = b->talker == TALKER_MASTER };
    uint8_t byte = b->bytes[b->next++];
    enum talker talker = with.any ? TALKER_NOISE : b->talker;
    bool of_master = b->talker == TALKER_MASTER, last = b->next == b->n_bytes;
    line->last_us = now_us;
    line->talked = true;
    if (with.any) {
        byte = (uint8_t)disturber_pick(&line->disturber, 256);
        line->stats.n_garbled += with.older ? 0 : 1;
    }
    if (last)
        finish(line, b, now_us);
    if (with.older || !travels(line, b->unit, now_us, &byte))
        return;
    if (!with.with_master)
        hear(line, byte, now_us);
    if (line->config.baud == 0) {
        rs485_listen_without_time(line, talker, byte, now_us);
        return;
    }
    rs485_listen(line, talker, byte, start_us, now_us);
    line->ear.of_master |= of_master;
}

/* Those that are over can still garble what ends later. */
static void forget_bursts(struct rs485 *line, int64_t now_us)
{
    int64_t character_us = rs485_characters_us(line, 1);
    for (size_t i = line->n_bursts; i-- > 0;) {
        const struct burst *b = &line->bursts[i];
        if (b->next == b->n_bytes &&
            (line->n_bursts == 1 || rs485_end_us(line, b) + character_us < now_us))
            line->bursts[i] = line->bursts[--line->n_bursts];
    }
}

static void ask_as_second(struct rs485 *line, const struct disturbance *d, int64_t now_us)
{
    struct pdu_reply ask = { .n_bytes = 5 };
    uint8_t bytes[FRAME_RTU_MAX], unit = d->unit ? d->unit : line->asked_unit;
    uint16_t count = d->count ? d->count : 1;
    const uint8_t pdu[5] = { TABLE_HOLDING, (uint8_t)(d->address >> 8), (uint8_t)d->address,
                             (uint8_t)(count >> 8), (uint8_t)count };
    if (unit == RS485_BROADCAST)
        unit = 1;
    memcpy(ask.bytes, pdu, sizeof pdu);
    rs485_add_burst(line, TALKER_SECOND, unit, now_us, bytes, rtu_frame(unit, &ask, bytes));
}

static int64_t babble(struct rs485 *line, int64_t now_us)
{
    uint8_t bytes[BABBLE_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)disturber_pick(&line->disturber, 256);
    struct burst *b = rs485_add_burst(line, TALKER_NOISE, 0, now_us, bytes, sizeof bytes);
    return b && line->config.baud ? rs485_end_us(line, b) : now_us + BABBLE_US;
}

static void unplug(struct rs485 *line)
{
    line->n_heard = 0;
    for (size_t i = line->n_bursts; i-- > 0;)
        if (line->bursts[i].talker == TALKER_MASTER)
            line->bursts[i] = line->bursts[--line->n_bursts];
}

static void act(struct rs485 *line, size_t i, int64_t now_us)
{
    const struct disturbance *d = &line->disturber.list[i];
    uint64_t *count = &line->disturber.counts[d->kind];
    int64_t again_us = now_us + 1;
    switch ((int)d->kind) {
    case DISTURBANCE_SECOND_MASTER: ask_as_second(line, d, now_us); break;
    case DISTURBANCE_STUCK_LINE: hear(line, 0, now_us); break;
    case DISTURBANCE_UNPLUG: unplug(line); break;
    default: again_us = babble(line, now_us); break;
    }
    ++*count;
    if (d->kind == DISTURBANCE_BABBLE && disturbance_active(&line->disturber, d, again_us))
        line->due_us[i] = again_us;
    else
        line->due_us[i] = disturbance_begin_us(&line->disturber, d, again_us);
}

/* When the slaves know that what they heard is a frame; INT64_MAX: a character that began before is
 * still to end, or they heard nothing. */
static int64_t judge_us(const struct rs485 *line)
{
    int64_t at_us = line->ear.last_us + line->silence_us;
    if (line->ear.n_bytes == 0)
        return INT64_MAX;
    for (size_t i = 0; i < line->n_bursts; i++) {
        const struct burst *b = &line->bursts[i];
        if (b->next < b->n_bytes && b->start_us + rs485_characters_us(line, b->next) < at_us)
            return INT64_MAX;
    }
    return at_us;
}

enum event { EVENT_NONE = 0, EVENT_CHARACTER, EVENT_JUDGE, EVENT_ACT };

/* The first thing to happen at or before now_us. */
static enum event first(const struct rs485 *line, int64_t now_us, size_t *ret_which,
                        int64_t *ret_at_us)
{
    enum event event = EVENT_NONE;
    int64_t at_us = now_us;
    size_t which = 0;
    for (size_t i = line->config.n_disturbances; i-- > 0;)
        if (line->due_us[i] <= at_us) {
            event = EVENT_ACT;
            at_us = line->due_us[i];
            which = i;
        }
    int64_t over_us = judge_us(line);
    if (over_us <= at_us) {
        event = EVENT_JUDGE;
        at_us = over_us;
    }
    for (size_t i = 0; i < line->n_bursts; i++) {
        const struct burst *b = &line->bursts[i];
        int64_t end = b->next < b->n_bytes ? next_end_us(line, b) : INT64_MAX;
        if (end > at_us)
            continue;
        /* of what ends together the older one comes first, and before all else */
        if (event == EVENT_CHARACTER && end == at_us && b->serial > line->bursts[which].serial)
            continue;
        event = EVENT_CHARACTER;
        at_us = end;
        which = i;
    }
    *ret_which = which;
    *ret_at_us = at_us;
    return event;
}

static void advance(struct rs485 *line, int64_t now_us)
{
    size_t which;
    int64_t at_us;
    for (;;) {
        switch (first(line, now_us, &which, &at_us)) {
        case EVENT_NONE: return;
        case EVENT_CHARACTER: character(line, which, at_us); break;
        case EVENT_JUDGE: rs485_judge(line); break;
        case EVENT_ACT: act(line, which, at_us); break;
        }
        forget_bursts(line, at_us);
    }
}

bool rs485_plugged(const struct rs485 *line, int64_t now_us)
{
    const struct disturber *by = &line->disturber;
    if (!(by->kinds >> DISTURBANCE_UNPLUG & 1))
        return true;
    for (size_t i = 0; i < by->n; i++)
        if (by->list[i].kind == DISTURBANCE_UNPLUG && disturbance_active(by, &by->list[i], now_us))
            return false;
    return true;
}

uint64_t rs485_unplugs(struct rs485 *line, int64_t now_us)
{
    advance(line, now_us);
    return line->disturber.counts[DISTURBANCE_UNPLUG];
}

/* Did the master wait as long as it must before the first character of a frame? */
static void check_silence(struct rs485 *line, int64_t now_us)
{
    struct frame_request request;
    const struct ear *ear = &line->ear;
    for (size_t i = 0; i < line->n_bursts; i++)
        if (line->bursts[i].start_us < now_us && rs485_end_us(line, &line->bursts[i]) > now_us) {
            line->stats.n_talked_over++;
            return;
        }
    if (!line->talked)
        return;
    int64_t gap_us = now_us - line->last_us;
    bool inside = ear->n_bytes > 0 && ear->talker == TALKER_MASTER &&
                  !rtu_whole_request(ear->bytes, ear->n_bytes, &request);
    if (gap_us < line->silence_us && inside) {
        line->stats.n_pauses += gap_us > line->pause_us ? 1 : 0;
        return;
    }
    line->stats.n_silence += gap_us < line->silence_us ? 1 : 0;
    line->stats.shortest_us = sooner(line->stats.shortest_us, gap_us);
}

static struct burst *of_master(struct rs485 *line, int64_t now_us)
{
    for (size_t i = 0; i < line->n_bursts; i++) {
        struct burst *b = &line->bursts[i];
        if (b->talker == TALKER_MASTER && rs485_end_us(line, b) >= now_us && b->next < b->n_bytes)
            return b;
    }
    return NULL;
}

int rs485_write(struct rs485 *line, const uint8_t *bytes, size_t n_bytes, int64_t now_us)
{
    advance(line, now_us);
    if (!rs485_plugged(line, now_us))
        return MW_ERR_GONE;
    line->stats.n_bytes_written += n_bytes;
    struct burst *b = of_master(line, now_us);
    if (!b && n_bytes > 0) {
        if (line->config.baud > 0)
            check_silence(line, now_us);
        b = rs485_add_burst(line, TALKER_MASTER, bytes[0], now_us, bytes, 0);
    }
    size_t room = b ? RS485_BURST_BYTES - (size_t)b->n_bytes : 0;
    size_t n = n_bytes < room ? n_bytes : room;
    if (b) {
        memcpy(&b->bytes[b->n_bytes], bytes, n);
        b->n_bytes = (uint16_t)(b->n_bytes + n);
    }
    line->stats.n_dropped += n_bytes - n;
    advance(line, now_us);
    return MW_OK;
}

int rs485_read(struct rs485 *line, int64_t now_us, uint8_t *ret_bytes, size_t cap)
{
    size_t n = 0;
    advance(line, now_us);
    if (!rs485_plugged(line, now_us))
        return MW_ERR_GONE;
    while (n < cap && line->n_heard > 0) {
        ret_bytes[n++] = line->heard[line->heard_at].byte;
        line->heard_at = (line->heard_at + 1) % RS485_MAX_HEARD;
        line->n_heard--;
    }
    line->stats.n_bytes_heard += n;
    return (int)n;
}

static int64_t next(const struct rs485 *line, bool whole_frames)
{
    int64_t at_us = line->n_heard > 0 ? line->heard[line->heard_at].at_us : INT64_MAX;
    for (size_t i = 0; i < line->config.n_disturbances; i++)
        at_us = sooner(at_us, line->due_us[i]);
    at_us = sooner(at_us, judge_us(line));
    for (size_t i = 0; i < line->n_bursts; i++) {
        const struct burst *b = &line->bursts[i];
        bool whole = whole_frames || b->talker == TALKER_MASTER;
        if (b->next < b->n_bytes)
            at_us = sooner(at_us, whole ? rs485_end_us(line, b) : next_end_us(line, b));
    }
    return at_us;
}

int64_t rs485_next_us(const struct rs485 *line)
{
    return next(line, false);
}

int64_t rs485_next_frame_us(const struct rs485 *line)
{
    return next(line, true);
}

struct rs485_stats rs485_stats(const struct rs485 *line)
{
    struct rs485_stats stats = line->stats;
    stats.n_bad += line->receiver.n_bad;
    memcpy(stats.disturbed, line->disturber.counts, sizeof stats.disturbed);
    return stats;
}
