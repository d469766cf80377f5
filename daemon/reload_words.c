/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/reload_words.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *new_line(struct reload_words *w)
{
    if (!w->lines)
        w->lines = calloc(RELOAD_LINES_MAX, sizeof *w->lines);
    if (!w->lines || w->n_lines == RELOAD_LINES_MAX) {
        w->n_more++;
        return NULL;
    }
    return w->lines[w->n_lines++];
}

void reload_words_error(struct reload_words *w, const struct config_error *error)
{
    char *line = error->warning ? NULL : new_line(w);
    if (!line)
        return;
    w->are_errors = true;
    if (error->line > 0)
        snprintf(line, sizeof w->lines[0], "%.120s:%d:%d: %s%s%.180s", error->file, error->line,
                 error->column, error->path, error->path[0] ? ": " : "", error->message);
    else
        snprintf(line, sizeof w->lines[0], "%.120s: %.250s", error->file, error->message);
}

/* Where some need a restart, those are told and the rest is not at stake. */
void reload_words_changes(struct reload_words *w, const struct config_diff *diff)
{
    static const char *const SIGNS[] = { [CHANGE_ADDED] = "added ",
                                         [CHANGE_REMOVED] = "removed ",
                                         [CHANGE_CHANGED] = "",
                                         [CHANGE_NEEDS_RESTART] = "needs a restart: " };
    w->are_errors = diff->n_restart > 0;
    for (size_t i = 0; i < diff->n_changes; i++) {
        const struct config_change *change = &diff->changes[i];
        if (w->are_errors != (change->kind == CHANGE_NEEDS_RESTART))
            continue;
        char *line = new_line(w);
        if (line)
            snprintf(line, sizeof w->lines[0], "%s%s", SIGNS[change->kind], change->text);
    }
}

void reload_words_refuse(struct reload_words *w, int code, const char *why)
{
    w->code = code;
    snprintf(w->text, sizeof w->text, "%s", why);
}

void reload_words_done(struct reload_words *w, const char *text)
{
    w->code = 0;
    size_t n = w->n_lines + w->n_more;
    if (n > 0)
        snprintf(w->text, sizeof w->text, "%s: %zu change%s", text, n, n == 1 ? "" : "s");
    else
        snprintf(w->text, sizeof w->text, "%s", text);
}

const char *reload_words_first(const struct reload_words *w)
{
    return w->code && w->n_lines > 0 ? w->lines[0] : w->text;
}

char *reload_words_json(const struct reload_words *w)
{
    json_t *lines = json_array();
    for (size_t i = 0; i < w->n_lines; i++)
        json_array_append_new(lines, json_string(w->lines[i]));
    json_t *root = w->code ? json_pack("{ss si so sI}", "error", w->text, "code", w->code, "errors",
                                       lines, "more", (json_int_t)w->n_more)
                           : json_pack("{sb ss so sI}", "ok", 1, "text", w->text, "changes", lines,
                                       "more", (json_int_t)w->n_more);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    size_t n = text ? strlen(text) : 0;
    char *line = text ? realloc(text, n + 2) : NULL;
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + n, "\n", 2);
    return line;
}

void reload_words_clear(struct reload_words *w)
{
    free(w->lines);
    *w = (struct reload_words){ 0 };
}
