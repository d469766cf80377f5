/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/store_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PIECE_BYTES 65536
#define ROOM_BYTES  8192 /* for the longest row: 33 lines of a rollup, or one of 33 values */
#define LOOKS       2000 /* rows looked at in one step */

struct history_text {
    struct history_query query;
    struct history_reader *raw;
    struct rollup_reader *rollups;
    const char *names[MW_MAX_CHANNELS]; /* raw: the columns, borrowed of the configuration */
    uint32_t n_names;
    bool waits; /* for main to want more */
    bool headed;
    char *text; /* the piece under way */
    size_t n_text;
};

__attribute__((format(printf, 2, 3))) static void add(struct history_text *t, const char *form, ...)
{
    va_list args;
    va_start(args, form);
    int n = vsnprintf(t->text + t->n_text, PIECE_BYTES - t->n_text, form, args);
    va_end(args);
    if (n > 0 && (size_t)n < PIECE_BYTES - t->n_text) /* ROOM_BYTES sees to that */
        t->n_text += (size_t)n;
}

static void add_time(struct history_text *t, int64_t at_us, bool with_us)
{
    char text[32];
    time_t s = (time_t)(at_us / 1000000);
    struct tm tm;
    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (with_us)
        add(t, "%s.%06dZ", text, (int)(at_us % 1000000));
    else
        add(t, "%sZ", text);
}

static bool is_wanted(const struct history_text *t, const char *name)
{
    return t->query.point[0] == 0 || strcmp(t->query.point, name) == 0;
}

static void add_head(struct history_text *t)
{
    t->headed = true;
    if (t->rollups) {
        add(t, "datetime;span_s;point;n;min;mean;max\n");
        return;
    }
    add(t, "datetime");
    for (uint32_t c = 0; c < t->n_names; c++)
        if (is_wanted(t, t->names[c]))
            add(t, ";%s", t->names[c]);
    add(t, is_wanted(t, "score") ? ";score\n" : "\n");
}

static void add_rollup(struct history_text *t, const struct rollup_row *row)
{
    for (uint32_t s = 0; s <= row->n_channels; s++) {
        const struct rollup_slot *slot = &row->slots[s];
        const char *name = s < row->n_channels ? row->channels[s] : "score";
        if (slot->n == 0 || !is_wanted(t, name)) /* nothing is made up where nothing was measured */
            continue;
        add_time(t, row->at_us, false);
        add(t, ";%d;%s;%u;%.9g;%.9g;%.9g\n", (int)(row->span_us / 1000000), name, (unsigned)slot->n,
            (double)slot->min, (double)slot->mean, (double)slot->max);
    }
}

static void add_frame(struct history_text *t, const struct mw_frame *frame, float score)
{
    add_time(t, frame->at_us, true);
    for (uint32_t c = 0; c < t->n_names; c++) {
        if (!is_wanted(t, t->names[c]))
            continue;
        if (frame->valid >> c & 1)
            add(t, ";%.9g", (double)frame->values[c]);
        else
            add(t, ";");
    }
    if (is_wanted(t, "score") && score >= 0)
        add(t, ";%.9g", (double)score);
    else if (is_wanted(t, "score"))
        add(t, ";");
    add(t, "\n");
}

static int add_next(struct history_text *t)
{
    struct rollup_row row;
    struct mw_frame frame;
    float score;
    int result = t->rollups ? rollup_reader_next(t->rollups, &row)
                            : history_reader_next(t->raw, &frame, &score);
    if (result == MW_OK && t->rollups)
        add_rollup(t, &row);
    else if (result == MW_OK)
        add_frame(t, &frame, score);
    /* A damaged row is passed over: the reader goes on behind it. */
    return result == MW_ERR_CORRUPT ? MW_OK : result;
}

void text_end(struct store_stage *s)
{
    struct history_text *t = s->reading;
    if (!t)
        return;
    history_reader_close(t->raw);
    rollup_reader_close(t->rollups);
    free(t->text);
    free(t);
    s->reading = NULL;
}

static void answer(struct store_stage *s, const struct history_answer *item)
{
    if (!mw_ring_push(&s->query_answers, item))
        free(item->text);
    worker_wake(s->main);
}

static int open_reader(struct store_stage *s, struct history_text *t)
{
    const struct history_query *q = &t->query;
    const struct mw_detector_config *d = &s->config->machines[q->machine].detector;
    uint32_t number = s->history_machines[q->machine];
    if (q->span_us > 0)
        return rollup_reader_open(&t->rollups, s->history, number, q->span_us, q->from_us,
                                  q->to_us);
    t->n_names = d->n_channels;
    for (uint16_t c = 0; c < d->n_channels; c++)
        t->names[c] = d->channels[c].name;
    return history_reader_open(&t->raw, s->history, number, t->names, t->n_names, q->from_us,
                               q->to_us);
}

static void begin(struct store_stage *s, const struct history_query *query)
{
    int result = s->reading ? MW_ERR_STATE : MW_OK;
    struct history_text *t = result == MW_OK ? calloc(1, sizeof *t) : NULL;
    if (result == MW_OK && !t)
        result = MW_ERR_NO_MEMORY;
    if (t) {
        s->reading = t;
        t->query = *query;
        result = open_reader(s, t);
        if (result < 0)
            text_end(s);
    }
    if (result < 0)
        answer(s, &(struct history_answer){ .id = query->id, .result = result, .last = true });
}

static void take_queries(struct store_stage *s)
{
    struct history_query query;
    while (mw_ring_pop(&s->pipeline->queries, &query)) {
        bool ours = s->reading && s->reading->query.id == query.id;
        if (query.kind == HISTORY_OPEN)
            begin(s, &query);
        else if (ours && query.kind == HISTORY_END)
            text_end(s);
        else if (ours)
            s->reading->waits = false;
    }
}

/* What waits in memory is not among it: at most a block and a span under way. */
bool text_serve(struct store_stage *s)
{
    take_queries(s);
    struct history_text *t = s->reading;
    if (!t || t->waits)
        return false;
    if (!t->text)
        t->text = malloc(PIECE_BYTES);
    int result = t->text ? MW_OK : MW_ERR_NO_MEMORY;
    if (result == MW_OK && !t->headed)
        add_head(t);
    for (int n = 0; result == MW_OK && n < LOOKS && PIECE_BYTES - t->n_text > ROOM_BYTES; n++)
        result = add_next(t);
    if (result == MW_ERR_AGAIN || (result == MW_OK && PIECE_BYTES - t->n_text > ROOM_BYTES))
        return true; /* the piece is not full yet; alarms come in between */
    bool over = result == MW_ERR_NOT_FOUND;
    struct history_answer piece = { .id = t->query.id, .last = over || result < 0 };
    if (result < 0 && !over) {
        piece.result = result;
    } else {
        piece.text = t->text;
        piece.n_text = t->n_text;
        t->text = NULL;
        t->n_text = 0;
    }
    t->waits = true;
    if (piece.last)
        text_end(s);
    answer(s, &piece);
    return false;
}
