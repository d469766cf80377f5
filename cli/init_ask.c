/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/init_ask.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* Without blanks at both ends. */
static void trim(char *text)
{
    size_t n = strlen(text), from = 0;
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    text[n] = 0;
    while (isspace((unsigned char)text[from]))
        from++;
    memmove(text, text + from, n - (from < n ? from : n) + 1);
}

/* false: the input ended. Of a line that is too long the rest is read over; it is left empty. */
static bool read_line(char *ret_line)
{
    if (!fgets(ret_line, ASK_MAX, stdin))
        return false;
    if (strchr(ret_line, '\n') || feof(stdin))
        return true;
    for (int c = getchar(); c != '\n' && c != EOF; c = getchar())
        ;
    fprintf(stderr, "millwright: an answer is at most %d bytes\n", ASK_MAX - 2);
    ret_line[0] = 0;
    return true;
}

/* What a configuration can hold: UTF-8 without control characters. */
static bool is_text(const char *answer)
{
    const unsigned char *at = (const unsigned char *)answer;
    for (size_t n = 1; *at && n > 0; at += n)
        n = *at < 0x20 || *at == 0x7f ? 0 : mw_utf8_length(at);
    if (*at)
        fputs("millwright: an answer is UTF-8 text without control characters\n", stderr);
    return !*at;
}

static int by_itself(const struct question *q)
{
    if (q->given && !is_text(q->given))
        return EX_USAGE;
    if (q->given)
        return q->take(q->ctx, q->given) ? EX_OK : EX_USAGE;
    if (!q->fallback) {
        fprintf(stderr, "millwright: %s: with --yes this needs %s\n", q->text, q->option);
        return EX_USAGE;
    }
    return q->take(q->ctx, q->fallback) ? EX_OK : EX_USAGE;
}

int ask(const struct asker *asker, const struct question *q)
{
    char line[ASK_MAX];
    if (q->given || asker->yes)
        return by_itself(q);
    for (;;) {
        fprintf(stderr, "%s", q->text);
        if (q->fallback)
            fprintf(stderr, " [%s]", q->shown ? q->shown : q->fallback);
        fputs(" > ", stderr);
        if (!read_line(line)) {
            fputs("\nmillwright: the input ended; nothing was written\n", stderr);
            return EX_NOINPUT;
        }
        trim(line);
        if (!asker->terminal)
            fprintf(stderr, "%s\n", line);
        if ((line[0] == 0 && !q->fallback) || !is_text(line))
            continue;
        if (q->take(q->ctx, line[0] ? line : q->fallback))
            return EX_OK;
    }
}

static bool take_yes(void *ctx, const char *answer)
{
    bool *yes = ctx;
    bool is_yes = strcmp(answer, "yes") == 0 || strcmp(answer, "y") == 0;
    if (!is_yes && strcmp(answer, "no") != 0 && strcmp(answer, "n") != 0) {
        fprintf(stderr, "'%s' is neither yes nor no\n", answer);
        return false;
    }
    *yes = is_yes;
    return true;
}

int ask_yes(const struct asker *asker, const char *text, const char *option, const char *given,
            bool fallback,
            /* NOLINTNEXTLINE(readability-non-const-parameter): written by take_yes */
            bool *ret_yes)
{
    const struct question q = { .text = text,
                                .option = option,
                                .given = given,
                                .fallback = fallback ? "yes" : "no",
                                .take = take_yes,
                                .ctx = ret_yes };
    return ask(asker, &q);
}
