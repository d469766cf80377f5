/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/trace.h"
#include "base/result.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char WAYS[] = { [LINE_SENT] = '>', [LINE_RECEIVED] = '<', [LINE_UNASKED] = '?' };

static const struct result_word {
    int result;
    const char *word;
} WORDS[] = {
    { MW_OK, "ok" },
    { MW_ERR_REFUSED, "exception" },
    { MW_ERR_AGAIN, "incomplete" },
    { MW_ERR_CHECKSUM, "checksum" },
    { MW_ERR_MISMATCH, "mismatch" },
    { MW_ERR_FORMAT, "format" },
    { MW_ERR_TIMEOUT, "timeout" },
    { MW_ERR_GONE, "gone" },
    { MW_ERR_IO, "error" },
};
#define N_WORDS (sizeof WORDS / sizeof WORDS[0])

const char *trace_result_word(int result)
{
    for (size_t i = 0; i < N_WORDS; i++)
        if (WORDS[i].result == result)
            return WORDS[i].word;
    return "error";
}

/* ---- writing ---- */

static int written(int n, size_t cap)
{
    return n < 0 || (size_t)n >= cap ? MW_ERR_NO_SPACE : n;
}

int trace_write_frame(const struct trace_frame *frame, char *ret_text, size_t cap)
{
    static const char HEX[] = "0123456789abcdef";
    int head = written(snprintf(ret_text, cap, "%" PRId64 " %" PRId64 " %" PRIu32 " %c %s ",
                                frame->mono_us, frame->utc_us, frame->bus, WAYS[frame->way],
                                trace_result_word(frame->result)),
                       cap);
    if (head < 0)
        return head;
    size_t n = (size_t)head;
    if (n + 2 * (size_t)frame->n_bytes + 2 > cap)
        return MW_ERR_NO_SPACE;
    for (uint16_t i = 0; i < frame->n_bytes; i++) {
        ret_text[n++] = HEX[frame->bytes[i] >> 4];
        ret_text[n++] = HEX[frame->bytes[i] & 15];
    }
    ret_text[n++] = '\n';
    ret_text[n] = 0;
    return (int)n;
}

int trace_write_bus(const struct bus_config *bus, uint32_t index, bool with_name, char *ret_text,
                    size_t cap)
{
    const char *kind = bus->kind == BUS_TCP && !bus_speaks_rtu(bus) ? "mbap"
                       : bus->kind == BUS_TCP                       ? "rtu-over-tcp"
                                                                    : "rtu";
    char line[48] = "";
    if (bus->kind == BUS_RTU)
        snprintf(line, sizeof line, " %" PRIu32 " %u%c%u", bus->baud, (unsigned)bus->data_bits,
                 bus->parity, (unsigned)bus->stop_bits);
    return written(snprintf(ret_text, cap, "bus %" PRIu32 " %s%s%s%s\n", index, kind, line,
                            with_name ? " # " : "", with_name ? bus->name : ""),
                   cap);
}

int trace_write_lost(uint32_t bus, uint64_t n_lost, int64_t mono_us, int64_t utc_us, char *ret_text,
                     size_t cap)
{
    return written(snprintf(ret_text, cap,
                            "%" PRId64 " %" PRId64 " %" PRIu32 " ! lost %" PRIu64 "\n", mono_us,
                            utc_us, bus, n_lost),
                   cap);
}

/* ---- reading ---- */

struct words {
    const char *at, *end;
};

/* The next word, ended by a space; its length is 0 at the end of the line. */
static size_t next(struct words *w, const char **ret_word)
{
    while (w->at < w->end && *w->at == ' ')
        w->at++;
    *ret_word = w->at;
    while (w->at < w->end && *w->at != ' ')
        w->at++;
    return (size_t)(w->at - *ret_word);
}

static bool is_word(const char *word, size_t n, const char *text)
{
    return n == strlen(text) && memcmp(word, text, n) == 0;
}

static bool number(struct words *w, uint64_t max, uint64_t *ret_value)
{
    const char *word;
    size_t n = next(w, &word);
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        if (word[i] < '0' || word[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(word[i] - '0');
        if (value > (max - digit) / 10)
            return false;
        value = 10 * value + digit;
    }
    *ret_value = value;
    return n > 0;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool hex(struct words *w, struct trace_frame *frame)
{
    const char *word;
    size_t n = next(w, &word);
    if (n == 0 || n % 2 || n / 2 > TRACE_MAX_BYTES)
        return false;
    for (size_t i = 0; i < n; i += 2) {
        int high = nibble(word[i]), low = nibble(word[i + 1]);
        if (high < 0 || low < 0)
            return false;
        frame->bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    frame->n_bytes = (uint16_t)(n / 2);
    return true;
}

static bool result_of(struct words *w, int *ret_result)
{
    const char *word;
    size_t n = next(w, &word);
    for (size_t i = 0; i < N_WORDS; i++)
        if (is_word(word, n, WORDS[i].word)) {
            *ret_result = WORDS[i].result;
            return true;
        }
    return false;
}

static bool at_end(struct words *w)
{
    const char *word;
    return next(w, &word) == 0;
}

static const char *read_bus(struct words *w, struct trace_record *record)
{
    uint64_t index;
    const char *kind;
    record->kind = TRACE_BUS;
    if (!number(w, TRACE_MAX_BUSES - 1, &index))
        return "a bus has a number from 0 to 1023";
    size_t n = next(w, &kind);
    record->bus = (uint32_t)index;
    record->speaks_rtu = is_word(kind, n, "rtu") || is_word(kind, n, "rtu-over-tcp");
    if (!record->speaks_rtu && !is_word(kind, n, "mbap"))
        return "the kind of a bus is rtu, rtu-over-tcp or mbap";
    return NULL; /* what follows is for people */
}

static const char *read_lost(struct words *w, struct trace_record *record)
{
    const char *word;
    size_t n = next(w, &word);
    record->kind = TRACE_LOST;
    record->bus = record->frame.bus;
    if (!is_word(word, n, "lost") || !number(w, UINT64_MAX, &record->n_lost) || !at_end(w))
        return "after ! comes: lost COUNT";
    return NULL;
}

static const char *read_frame(struct words *w, struct trace_record *record)
{
    struct trace_frame *frame = &record->frame;
    uint64_t mono, utc, bus;
    const char *way;
    record->kind = TRACE_FRAME;
    if (!number(w, INT64_MAX, &mono) || !number(w, INT64_MAX, &utc))
        return "a frame begins with its monotonic and its UTC time in microseconds";
    if (!number(w, TRACE_MAX_BUSES - 1, &bus))
        return "the third word is the bus's number, 0 to 1023";
    frame->mono_us = (int64_t)mono;
    frame->utc_us = (int64_t)utc;
    frame->bus = (uint32_t)bus;
    size_t n = next(w, &way);
    if (n == 1 && *way == '!')
        return read_lost(w, record);
    const char *found = n == 1 ? memchr(WAYS, *way, sizeof WAYS) : NULL;
    if (!found)
        return "the fourth word is >, <, ? or !";
    frame->way = (enum line_way)(found - WAYS);
    if (!result_of(w, &frame->result))
        return "the fifth word is no result that is known";
    if (!hex(w, frame))
        return "the bytes are 1 to 520 pairs of 0-9 and a-f";
    return at_end(w) ? NULL : "nothing may stand behind the bytes";
}

int trace_read(const char *line, size_t n, struct trace_record *ret_record, const char **ret_why)
{
    const char *comment = memchr(line, '#', n);
    struct words w = { line, comment ? comment : line + n }, ahead = w;
    const char *word, *why = NULL;
    struct trace_record record = { 0 };
    size_t n_word = next(&ahead, &word);
    if (n_word == 0) {
        record.kind = TRACE_NOTHING;
    } else if (is_word(word, n_word, "millwright-trace")) {
        uint64_t version;
        record.kind = TRACE_HEAD;
        if (!number(&ahead, 1, &version) || version != 1 || !at_end(&ahead))
            why = "the version is not 1, the only one known here";
    } else if (is_word(word, n_word, "bus")) {
        why = read_bus(&ahead, &record);
    } else {
        why = read_frame(&w, &record);
    }
    if (why) {
        *ret_why = why;
        return MW_ERR_FORMAT;
    }
    *ret_record = record;
    return MW_OK;
}
