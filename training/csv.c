/* SPDX-License-Identifier: Apache-2.0 */
#include "training/csv.h"
#include "base/utf8.h"

#include "base/result.h"
#include "training/infile.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_MAX 63 /* characters of a number */

/* A stretch of the text; not terminated. */
struct span {
    const char *at;
    size_t n;
};

struct parser {
    struct csv csv;
    const char *at, *end;
    uint32_t line; /* of the text, from 1 */
    uint32_t cap;  /* rows allocated */
    struct csv_fault *why;
};

__attribute__((format(printf, 3, 4))) static int fault(struct csv_fault *why, int result,
                                                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    return result;
}

/* Foreign bytes shown to a person: at most 24 of them, none that a terminal would obey. */
struct shown {
    char text[32];
};

static struct shown show(struct span s)
{
    struct shown out = { { 0 } };
    size_t n = s.n < 24 ? s.n : 24;
    for (size_t i = 0; i < n; i++)
        out.text[i] = s.at[i] >= 0x20 && s.at[i] < 0x7f ? s.at[i] : '?';
    if (s.n > n)
        memcpy(out.text + n, "...", 4);
    return out;
}

static struct span next_line(struct parser *p)
{
    const char *stop = memchr(p->at, '\n', (size_t)(p->end - p->at));
    struct span line = { p->at, (size_t)((stop ? stop : p->end) - p->at) };
    p->at = stop ? stop + 1 : p->end;
    p->line++;
    if (line.n > 0 && line.at[line.n - 1] == '\r')
        line.n--;
    return line;
}

/* Cuts the next cell off the line; false where the line is used up. *ret_more says whether a
 * separator followed, so that a line's empty last cell counts. */
static struct span next_cell(struct span *line, char separator, bool *ret_more)
{
    const char *stop = memchr(line->at, separator, line->n);
    struct span cell = { line->at, stop ? (size_t)(stop - line->at) : line->n };
    *ret_more = stop;
    line->n -= cell.n + (stop ? 1 : 0);
    line->at += cell.n + (stop ? 1 : 0);
    while (cell.n > 0 && *cell.at == ' ') {
        cell.at++;
        cell.n--;
    }
    while (cell.n > 0 && cell.at[cell.n - 1] == ' ')
        cell.n--;
    if (cell.n >= 2 && cell.at[0] == '"' && cell.at[cell.n - 1] == '"') {
        cell.at++;
        cell.n -= 2;
    }
    return cell;
}

static int add_name(struct parser *p, struct span cell)
{
    struct csv *csv = &p->csv;
    if (csv->n_columns == CSV_MAX_COLUMNS)
        return fault(p->why, MW_ERR_TOO_BIG, "%u: more than %d columns", p->line, CSV_MAX_COLUMNS);
    if (cell.n == 0)
        return fault(p->why, MW_ERR_FORMAT, "%u: column %u has no name", p->line,
                     csv->n_columns + 2);
    if (cell.n > CSV_NAME_MAX)
        return fault(p->why, MW_ERR_TOO_BIG, "%u:%s: the name is longer than %d characters",
                     p->line, show(cell).text, CSV_NAME_MAX);
    for (size_t i = 0; i < cell.n; i++)
        if ((unsigned char)cell.at[i] < 0x20 || cell.at[i] == 0x7f)
            return fault(p->why, MW_ERR_FORMAT, "%u:%s: the name is not printable", p->line,
                         show(cell).text);
    char *name = csv->names[csv->n_columns];
    memcpy(name, cell.at, cell.n);
    name[cell.n] = '\0';
    for (size_t i = 0, n; i < cell.n; i += n) {
        n = mw_utf8_length((const unsigned char *)name + i);
        if (n == 0)
            return fault(p->why, MW_ERR_FORMAT,
                         "%u: the name of column %u is not UTF-8; is it "
                         "Latin-1?",
                         p->line, csv->n_columns + 2);
    }
    if (csv_column(csv, name) >= 0)
        return fault(p->why, MW_ERR_FORMAT, "%u:%s: the name occurs twice", p->line,
                     show(cell).text);
    csv->n_columns++;
    return MW_OK;
}

static int parse_header(struct parser *p)
{
    struct span line = next_line(p);
    if (line.n >= 3 && memcmp(line.at, "\xef\xbb\xbf", 3) == 0) {
        line.at += 3; /* a byte order mark */
        line.n -= 3;
    }
    p->csv.separator = memchr(line.at, ';', line.n) ? ';' : ',';
    bool more;
    next_cell(&line, p->csv.separator, &more);
    if (!more)
        return fault(p->why, MW_ERR_FORMAT,
                     "%u: one column only; a time and a value are the least, separated by ; or ,",
                     p->line);
    while (more) {
        int result = add_name(p, next_cell(&line, p->csv.separator, &more));
        if (result < 0)
            return result;
    }
    return MW_OK;
}

/* A number of exactly n digits; -1 where there are none. Moves the span on. */
static int digits(struct span *s, size_t n)
{
    int value = 0;
    if (s->n < n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (s->at[i] < '0' || s->at[i] > '9')
            return -1;
        value = 10 * value + (s->at[i] - '0');
    }
    s->at += n;
    s->n -= n;
    return value;
}

static bool skip(struct span *s, char a, char b)
{
    if (s->n == 0 || (*s->at != a && *s->at != b))
        return false;
    s->at++;
    s->n--;
    return true;
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar; month 1 .. 12. Source: Hinnant,
 * "chrono-compatible low-level date algorithms", days_from_civil. */
static int64_t days_from_civil(int year, int month, int day)
{
    year -= month <= 2;
    int era = year / 400, year_of_era = year - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * 146097 + day_of_era - 719468;
}

static bool is_date(int year, int month, int day)
{
    static const int DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return year >= 1970 && month >= 1 && month <= 12 && day >= 1 &&
           day <= DAYS[month - 1] + (month == 2 && leap);
}

/* Up to 9 digits behind the point, as microseconds, cut off; -1 where there are none or more. */
static int32_t fraction_us(struct span *s)
{
    int32_t us = 0, unit = 100000;
    size_t n = 0;
    for (; s->n > 0 && *s->at >= '0' && *s->at <= '9'; n++, unit /= 10, s->at++, s->n--)
        us += (*s->at - '0') * unit;
    return n >= 1 && n <= 9 ? us : -1;
}

static bool parse_stamp(struct span cell, struct csv_stamp *ret)
{
    struct span s = cell;
    int year = digits(&s, 4);
    bool ok = skip(&s, '-', '-');
    int month = digits(&s, 2);
    ok = ok && skip(&s, '-', '-');
    int day = digits(&s, 2);
    ok = ok && skip(&s, ' ', 'T');
    int hour = digits(&s, 2);
    ok = ok && skip(&s, ':', ':');
    int minute = digits(&s, 2), second = 0;
    if (ok && skip(&s, ':', ':'))
        second = digits(&s, 2);
    int32_t us = ok && skip(&s, '.', '.') ? fraction_us(&s) : 0;
    ret->utc = skip(&s, 'Z', 'Z');
    if (!ok || s.n > 0 || cell.n > CSV_STAMP_MAX || !is_date(year, month, day) || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || us < 0)
        return false;
    int64_t seconds =
        days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    ret->at_us = seconds * 1000000 + us;
    memcpy(ret->text, cell.at, cell.n);
    ret->text[cell.n] = '\0';
    return true;
}

/* A decimal number; strtof alone would also take hexadecimal, infinity and leading blanks. */
static bool parse_number(struct span cell, float *ret)
{
    char text[CELL_MAX + 1];
    if (cell.n == 0 || (cell.n == 3 && memcmp(cell.at, "nan", 3) == 0) ||
        (cell.n == 3 && memcmp(cell.at, "NaN", 3) == 0)) {
        *ret = NAN;
        return true;
    }
    if (cell.n > CELL_MAX)
        return false;
    for (size_t i = 0; i < cell.n; i++)
        if (cell.at[i] == '\0' || !strchr("0123456789+-.eE", cell.at[i]))
            return false;
    memcpy(text, cell.at, cell.n);
    text[cell.n] = '\0';
    char *stop;
    *ret = strtof(text, &stop);
    return *stop == '\0' && isfinite(*ret);
}

/* Room for one more row; grows by doubling. */
static int reserve(struct parser *p)
{
    struct csv *csv = &p->csv;
    if (csv->n_rows < p->cap)
        return MW_OK;
    if (csv->n_rows == CSV_MAX_ROWS)
        return fault(p->why, MW_ERR_TOO_BIG, "%u: more than %d rows", p->line, CSV_MAX_ROWS);
    uint32_t cap = p->cap ? 2 * p->cap : 512;
    if (cap > CSV_MAX_ROWS)
        cap = CSV_MAX_ROWS;
    float *values = realloc(csv->values, (size_t)cap * csv->n_columns * sizeof values[0]);
    if (values)
        csv->values = values;
    struct csv_stamp *stamps = realloc(csv->stamps, (size_t)cap * sizeof stamps[0]);
    if (stamps)
        csv->stamps = stamps;
    if (!values || !stamps)
        return fault(p->why, MW_ERR_NO_MEMORY, "%u: not enough memory for the rows", p->line);
    p->cap = cap;
    return MW_OK;
}

static int parse_row(struct parser *p, struct span line)
{
    struct csv *csv = &p->csv;
    int result = reserve(p);
    if (result < 0)
        return result;
    bool more;
    struct span cell = next_cell(&line, csv->separator, &more);
    if (!parse_stamp(cell, &csv->stamps[csv->n_rows]))
        return fault(p->why, MW_ERR_FORMAT,
                     "%u: '%s' is not a time such as 2020-03-09 10:14:33, from 1970 on", p->line,
                     show(cell).text);
    float *values = csv->values + (size_t)csv->n_rows * csv->n_columns;
    for (uint32_t c = 0; c < csv->n_columns; c++) {
        if (!more)
            return fault(p->why, MW_ERR_FORMAT, "%u:%s: missing, the row has only %u cells",
                         p->line, csv->names[c], c + 1);
        cell = next_cell(&line, csv->separator, &more);
        if (!parse_number(cell, &values[c]))
            return fault(p->why, MW_ERR_FORMAT, "%u:%s: '%s' is not a number", p->line,
                         csv->names[c], show(cell).text);
    }
    if (more)
        return fault(p->why, MW_ERR_FORMAT, "%u: more cells than the %u columns named above",
                     p->line, csv->n_columns + 1);
    csv->n_rows++;
    return MW_OK;
}

int csv_parse(struct csv *ret_csv, const char *text, size_t n_bytes, struct csv_fault *ret_why)
{
    if (n_bytes == 0)
        return fault(ret_why, MW_ERR_FORMAT, "1: the file is empty");
    if (n_bytes > CSV_MAX_BYTES)
        return fault(ret_why, MW_ERR_TOO_BIG, "1: larger than %zu bytes", CSV_MAX_BYTES);
    struct parser p = { .at = text, .end = text + n_bytes, .why = ret_why };
    int result = parse_header(&p);
    while (result == MW_OK && p.at < p.end) {
        struct span line = next_line(&p);
        if (line.n > 0)
            result = parse_row(&p, line);
    }
    if (result == MW_OK && p.csv.n_rows == 0)
        result = fault(ret_why, MW_ERR_FORMAT, "%u: no row follows the names", p.line);
    if (result < 0) {
        csv_destroy(&p.csv);
        return result;
    }
    *ret_csv = p.csv;
    return MW_OK;
}

/* The whole of an open file into memory of its size. */
static int slurp(FILE *file, char **ret_text, size_t *ret_n)
{
    if (fseek(file, 0, SEEK_END) != 0)
        return MW_ERR_IO;
    long size = ftell(file);
    if (size < 0 || fseek(file, 0, SEEK_SET) != 0)
        return MW_ERR_IO;
    if ((size_t)size > CSV_MAX_BYTES)
        return MW_ERR_TOO_BIG;
    char *text = malloc((size_t)size + 1);
    if (!text)
        return MW_ERR_NO_MEMORY;
    size_t n = fread(text, 1, (size_t)size, file);
    if (ferror(file)) {
        free(text);
        return MW_ERR_IO;
    }
    *ret_text = text;
    *ret_n = n;
    return MW_OK;
}

int csv_load(struct csv *ret_csv, const char *path, struct csv_fault *ret_why)
{
    char *text = NULL;
    size_t n = 0;
    FILE *file;
    int result = infile_open(&file, path, true);
    if (result < 0)
        return fault(ret_why, MW_ERR_NOT_FOUND, " %s", infile_text(result));
    result = slurp(file, &text, &n);
    fclose(file);
    if (result < 0)
        return fault(ret_why, result, " cannot be read: %s", mw_result_text(result));
    result = csv_parse(ret_csv, text, n, ret_why);
    free(text);
    return result;
}

void csv_destroy(struct csv *csv)
{
    if (!csv)
        return;
    free(csv->values);
    free(csv->stamps);
    csv->values = NULL;
    csv->stamps = NULL;
}

int csv_column(const struct csv *csv, const char *name)
{
    for (uint32_t c = 0; c < csv->n_columns; c++)
        if (strcmp(csv->names[c], name) == 0)
            return (int)c;
    return MW_ERR_NOT_FOUND;
}

/* How many slots a row lies behind the one before: its distance in periods, rounded; a row whose
 * time does not advance is 0 and restarts the window. */
static int64_t slots_between(const struct csv_frames *frames)
{
    if (frames->period_us <= 0 || frames->row == 0)
        return 1;
    const struct csv_stamp *stamp = &frames->csv->stamps[frames->row];
    int64_t passed_us = stamp->at_us - stamp[-1].at_us;
    return passed_us <= 0 ? 0 : (passed_us + frames->period_us / 2) / frames->period_us;
}

static int next_frame(void *ctx, struct mw_frame *ret_frame)
{
    struct csv_frames *frames = ctx;
    if (frames->row >= frames->end || frames->row >= frames->csv->n_rows)
        return MW_ERR_NOT_FOUND;
    const float *row = frames->csv->values + (size_t)frames->row * frames->csv->n_columns;
    frames->slot += slots_between(frames);
    *ret_frame = (struct mw_frame){
        .at_us = frames->csv->stamps[frames->row].at_us,
        .mono_us = frames->csv->stamps[frames->row].at_us,
        .slot = frames->slot,
    };
    for (uint32_t c = 0; c < frames->n_channels; c++) {
        float value = row[frames->columns[c]];
        if (isnan(value))
            continue;
        ret_frame->values[c] = value;
        ret_frame->valid |= 1u << c;
    }
    ret_frame->fresh = ret_frame->valid;
    frames->row++;
    return MW_OK;
}

struct mw_frame_source csv_source(struct csv_frames *frames)
{
    return (struct mw_frame_source){ .next = next_frame, .ctx = frames };
}
