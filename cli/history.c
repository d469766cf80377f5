/* SPDX-License-Identifier: Apache-2.0 */
/* millwright history: what the running daemon has kept of a machine. */
#define _DEFAULT_SOURCE /* strsep, timegm */
#include "cli/client.h"
#include "cli/verbs.h"
#include "config/value.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: millwright history MACHINE [--step raw|10min|1h] [--from TIME] [--to TIME]\n"
    "                          [--point NAME] [--json] [--socket PATH]\n"
    "\n"
    "What the daemon keeps of a machine, oldest first, as semicolon-separated text.\n"
    "  --step 10min   a line for each point and ten minutes: how often it was measured, least, "
    "mean\n"
    "                 and greatest value; kept for 30 days. The default\n"
    "  --step 1h      the same of each hour; kept for three years\n"
    "  --step raw     a line for each frame, as far as store.history and store.write_budget let;\n"
    "                 'millwright train' learns from it, without the column score\n"
    "  --from TIME    UTC, 2026-01-31 or 2026-01-31T12:30:00, or so long ago: 90min, 12h, 7d.\n"
    "                 Default 1h with raw, 1d with 10min, 30d with 1h\n"
    "  --to TIME      up to, not including; default now\n"
    "  --point NAME   this point alone; score is the model's\n"
    "  --json         one JSON object a line\n"
    "  --socket PATH  the daemon's control socket (default " CLIENT_SOCKET ")\n"
    "\n"
    "What was not measured has no line, or an empty cell. The newest minutes may still be "
    "missing:\n"
    "they are stored once a block or a span is over.\n";

#define PATIENCE_S  35
#define LINE_BYTES  8192
#define CELLS_MAX   40
#define MICROSECOND INT64_C(1000000)

struct options {
    const char *machine, *step, *from, *to, *point, *socket;
    bool json;
};

/* ---- times ---- */

static bool is_digits(const char *text, size_t n)
{
    return strspn(text, "0123456789") >= n;
}

/* 2026-01-31, and a time behind T; only what a calendar has. */
static bool read_calendar(const char *text, int64_t *ret_us)
{
    struct tm tm = { 0 };
    char rest[2] = "";
    int n = 0, fields = sscanf(text, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &n);
    if (fields != 3 || n != 10 || !is_digits(text, 4) || !is_digits(text + 5, 2) ||
        !is_digits(text + 8, 2))
        return false;
    text += n;
    if (*text == 'T') {
        bool long_form = strlen(text) > 7;
        n = 0;
        fields = long_form ? sscanf(text, "T%2d:%2d:%2d%n", &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &n)
                           : sscanf(text, "T%2d:%2d%n", &tm.tm_hour, &tm.tm_min, &n);
        if (n != (long_form ? 9 : 6))
            return false;
        text += n;
    }
    if (*text && sscanf(text, "%1[Z]%n", rest, &n) != 1)
        return false;
    if (*text && text[1])
        return false;
    struct tm before = tm;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t s = timegm(&tm);
    *ret_us = (int64_t)s * MICROSECOND;
    return s >= 0 && tm.tm_year == before.tm_year - 1900 && tm.tm_mon == before.tm_mon - 1 &&
           tm.tm_mday == before.tm_mday && tm.tm_hour == before.tm_hour &&
           tm.tm_min == before.tm_min && tm.tm_sec == before.tm_sec;
}

static bool read_time(const char *option, const char *text, int64_t now_us, int64_t *ret_us)
{
    int64_t ago_us = 0;
    const char *rule = value_duration(text[0] == '-' ? text + 1 : text, &ago_us);
    if (!rule) {
        *ret_us = now_us > ago_us ? now_us - ago_us : 0;
        return true;
    }
    if (read_calendar(text, ret_us))
        return true;
    fprintf(
        stderr,
        "millwright: %s '%s' is no time: 2026-01-31, 2026-01-31T12:30:00 (UTC), or so long ago as "
        "7d\n",
        option, text);
    return false;
}

/* ---- the daemon's lines ---- */

struct reader {
    const struct options *options;
    char line[LINE_BYTES], head[LINE_BYTES];
    size_t n_line;
    char *names[CELLS_MAX]; /* into head */
    int n_names;
    uint64_t n_rows;
};

static int split(char *line, char **cells)
{
    int n = 0;
    for (char *rest = line, *cell; n < CELLS_MAX && (cell = strsep(&rest, ";"));)
        cells[n++] = cell;
    return n;
}

/* A number as such, an empty cell as null, all else as text. */
static json_t *value_of(const char *cell)
{
    char *end = NULL;
    if (!*cell)
        return json_null();
    double value = strtod(cell, &end);
    if (*end)
        return json_string(cell);
    if (is_digits(cell, strlen(cell)))
        return json_integer((json_int_t)value);
    return json_real(value);
}

static void print_json(struct reader *r)
{
    char *cells[CELLS_MAX];
    int n = split(r->line, cells);
    json_t *row = json_object();
    for (int i = 0; i < n && i < r->n_names; i++)
        json_object_set_new(row, r->names[i], value_of(cells[i]));
    char *text = json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (text)
        puts(text);
    free(text);
    json_decref(row);
}

static void take_line(struct reader *r)
{
    r->line[r->n_line] = 0;
    bool is_head = r->n_names == 0;
    if (is_head) {
        memcpy(r->head, r->line, r->n_line + 1);
        r->n_names = split(r->head, r->names);
    }
    r->n_rows += !is_head;
    if (!r->options->json)
        puts(r->line);
    else if (!is_head)
        print_json(r);
    r->n_line = 0;
}

static int refused(const char *text, const struct options *o)
{
    json_t *root = json_loads(text, 0, NULL);
    const char *error = json_string_value(json_object_get(root, "error"));
    json_int_t code = json_integer_value(json_object_get(root, "code"));
    fprintf(stderr, "millwright: %s%s%s: %s\n", o->machine, o->point ? "." : "",
            o->point ? o->point : "", error ? error : "the daemon's answer is not understood");
    json_decref(root);
    return code >= EX__BASE && code <= EX__MAX ? (int)code : EX_PROTOCOL;
}

static int follow(struct reader *r, int fd)
{
    char bytes[4096];
    for (bool first = true;; first = false) {
        ssize_t n = read(fd, bytes, sizeof bytes - 1);
        if (n == 0 && r->n_line == 0 && !first)
            return EX_OK;
        if (n <= 0) {
            fputs("millwright: the daemon hung up in the middle\n", stderr);
            return EX_UNAVAILABLE;
        }
        bytes[n] = 0;
        if (first && bytes[0] == '{')
            return refused(bytes, r->options);
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] == '\n')
                take_line(r);
            else if (r->n_line < LINE_BYTES - 1)
                r->line[r->n_line++] = bytes[i];
        }
        if (ferror(stdout))
            return EX_IOERR;
    }
}

static int show(const struct options *o, int64_t from_us, int64_t to_us)
{
    char request[256];
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return EX_OSERR;
    r->options = o;
    snprintf(request, sizeof request, "history %.60s %.10s %" PRId64 " %" PRId64 "%s%.60s",
             o->machine, o->step, from_us, to_us, o->point ? " " : "", o->point ? o->point : "");
    int status = EX_UNAVAILABLE, fd = client_connect(o->socket, request, PATIENCE_S);
    if (fd < 0) {
        fprintf(stderr, "millwright: no daemon at %s: %s\n", o->socket, strerror(errno));
        status = errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
    } else {
        status = follow(r, fd);
        close(fd);
    }
    if (status == EX_OK && r->n_rows == 0)
        fputs("millwright: nothing is kept of that time\n", stderr);
    free(r);
    return status;
}

/* ---- arguments ---- */

static bool take(struct options *o, int option, const char *value)
{
    switch (option) {
    case 't': o->step = value; break;
    case 'f': o->from = value; break;
    case 'u': o->to = value; break;
    case 'p': o->point = value; break;
    case 's': o->socket = value; break;
    case 'j': o->json = true; break;
    default: return false;
    }
    return true;
}

static bool parse(int argc, char **argv, struct options *o, bool *ret_help)
{
    static const struct option OPTIONS[] = {
        { "step", required_argument, NULL, 't' },   { "from", required_argument, NULL, 'f' },
        { "to", required_argument, NULL, 'u' },     { "point", required_argument, NULL, 'p' },
        { "socket", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },         { 0 }
    };
    *o = (struct options){ .step = "10min", .socket = CLIENT_SOCKET };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1;) {
        *ret_help = *ret_help || c == 'h';
        if (c != 'h' && !take(o, c, optarg))
            return false;
    }
    if (*ret_help)
        return true;
    o->machine = optind < argc ? argv[optind] : NULL;
    return argc - optind == 1;
}

/* How far back, where nobody says. */
static const char *usual(const char *step)
{
    return strcmp(step, "raw") == 0 ? "1h" : strcmp(step, "1h") == 0 ? "30d" : "1d";
}

int verb_history(int argc, char **argv)
{
    struct options o;
    struct timespec now;
    int64_t from_us, to_us;
    bool help = false;
    if (!parse(argc, argv, &o, &help)) {
        fputs(USAGE, stderr);
        return EX_USAGE;
    }
    if (help) {
        fputs(USAGE, stdout);
        return EX_OK;
    }
    if (strcmp(o.step, "raw") != 0 && strcmp(o.step, "10min") != 0 && strcmp(o.step, "1h") != 0) {
        fprintf(stderr, "millwright: --step '%s' is none of raw, 10min and 1h\n", o.step);
        return EX_USAGE;
    }
    if (value_name(o.machine) || (o.point && value_name(o.point))) {
        fprintf(stderr, "millwright: '%s' is no name\n",
                value_name(o.machine) ? o.machine : o.point);
        return EX_USAGE;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_us = now.tv_sec * MICROSECOND + now.tv_nsec / 1000;
    to_us = now_us;
    if (!read_time("--from", o.from ? o.from : usual(o.step), now_us, &from_us) ||
        (o.to && !read_time("--to", o.to, now_us, &to_us)))
        return EX_USAGE;
    if (from_us >= to_us) {
        fputs("millwright: --from is not before --to\n", stderr);
        return EX_USAGE;
    }
    return show(&o, from_us, to_us);
}
