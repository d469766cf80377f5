/* SPDX-License-Identifier: Apache-2.0 */
#include "config/report.h"

#include "base/result.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE 400

struct report_entry {
    const char *file; /* borrowed from the document, or the caller's own file name */
    int line, column;
    size_t order;
    bool warning;
    char path[PLACE_MAX_PATH];
    char message[MAX_MESSAGE];
};

static bool is_known(const struct report *report, const struct report_entry *entry)
{
    for (size_t i = 0; i < report->n; i++) {
        const struct report_entry *e = &report->entries[i];
        if (e->line == entry->line && strcmp(e->path, entry->path) == 0 &&
            strcmp(e->message, entry->message) == 0 && strcmp(e->file, entry->file) == 0)
            return true;
    }
    return false;
}

static void keep(struct report *report, struct report_entry *entry)
{
    if (is_known(report, entry))
        return;
    if (report->n == REPORT_MAX_ERRORS) {
        report->n_more++;
        return;
    }
    if (report->n == report->cap) {
        size_t cap = report->cap ? 2 * report->cap : 16;
        struct report_entry *grown = realloc(report->entries, cap * sizeof *grown);
        if (!grown) {
            report->no_memory = true;
            return;
        }
        report->entries = grown;
        report->cap = cap;
    }
    entry->order = report->n;
    entry->warning = report->warning;
    report->entries[report->n++] = *entry;
}

void report_at(struct report *report, const char *file, int line, int column, const char *path,
               const char *format, ...)
{
    struct report_entry entry = { .file = file, .line = line, .column = column };
    snprintf(entry.path, sizeof entry.path, "%s", path);
    va_list args;
    va_start(args, format);
    vsnprintf(entry.message, sizeof entry.message, format, args);
    va_end(args);
    keep(report, &entry);
}

/* Where the setting is written, else the object; and its path. */
static const struct node *find_place(const struct node *node, const char *key,
                                     char ret_path[PLACE_MAX_PATH])
{
    const struct node *place = key ? node_get(node, key) : NULL;
    if (place && place->origin)
        node_path(place, NULL, ret_path);
    else
        node_path(node, key, ret_path);
    return place ? place : node;
}

void report_place(char ret_place[REPORT_PLACE_BYTES], const struct node *node,
                  const struct node *other, int line)
{
    bool same = strcmp(node->document->file, other->document->file) == 0;
    if (same)
        snprintf(ret_place, REPORT_PLACE_BYTES, "line %d", line);
    else
        snprintf(ret_place, REPORT_PLACE_BYTES, "%.180s:%d", other->document->file, line);
}

void report_node(struct report *report, const struct node *node, const char *key,
                 const char *format, ...)
{
    struct report_entry entry = { 0 };
    const struct node *place = find_place(node, key, entry.path);
    entry.file = place->document->file;
    entry.line = place->line;
    entry.column = place->column;
    va_list args;
    va_start(args, format);
    vsnprintf(entry.message, sizeof entry.message, format, args);
    va_end(args);
    keep(report, &entry);
}

bool report_has(const struct report *report, const char *file, const char *path)
{
    for (size_t i = 0; i < report->n; i++)
        if (strcmp(report->entries[i].path, path) == 0 &&
            strcmp(report->entries[i].file, file) == 0)
            return true;
    return false;
}

/* The node that holds the setting, directly or in one of its mappings; NULL: none does. */
static const struct node *holder(const struct node *node, const char *setting)
{
    if (!node)
        return NULL;
    if (node_get(node, setting))
        return node;
    for (const struct node *child = node->first; child; child = child->next)
        if (child->kind == NODE_MAPPING && node_get(child, setting))
            return child;
    return NULL;
}

static void add_complaint(void *ctx, const struct mw_complaint *complaint)
{
    const struct report_settling *settling = ctx;
    const struct node *own = settling->nodes[0], *below = settling->nodes[1];
    const struct node *node = holder(own, complaint->setting);
    bool inherited = !node && holder(below, complaint->setting);
    if (inherited)
        node = holder(below, complaint->setting);
    bool written = node != NULL;
    if (!node)
        node = own ? own : below;

    char path[PLACE_MAX_PATH];
    const struct node *place = find_place(node, complaint->setting, path);
    if (report_has(settling->report, place->document->file, path))
        return;
    if (inherited && own) {
        /* Right where it is written, wrong together with what is written here. */
        const char *text = node_get(node, complaint->setting)->text;
        const struct node *same = node->key ? node_get(own, node->key) : NULL;
        own = same && same->kind == NODE_MAPPING ? same : own;
        report_node(settling->report, own, complaint->setting, "inherited%s%s%s %s",
                    text ? " '" : " value", text ? text : "", text ? "'" : "", complaint->rule);
        return;
    }
    const struct node *value = written ? node_get(node, complaint->setting) : NULL;
    const char *text = value && value->kind == NODE_SCALAR ? value->text : complaint->value;
    if (text && text[0])
        report_node(settling->report, node, complaint->setting, "'%s' %s", text, complaint->rule);
    else
        report_node(settling->report, node, complaint->setting, "%s", complaint->rule);
}

struct mw_complaints report_complaints(struct report_settling *settling)
{
    return (struct mw_complaints){ .add = add_complaint, .ctx = settling };
}

static int by_place(const void *a, const void *b)
{
    const struct report_entry *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* The configuration itself comes first, then the profiles by name. */
static int by_file(const void *a, const void *b)
{
    const struct report_entry *x = a, *y = b;
    int files = strcmp(x->file, y->file);
    return files ? files : by_place(a, b);
}

size_t report_flush(struct report *report, const char *first_file, config_error_fn *tell, void *ctx)
{
    if (report->n)
        qsort(report->entries, report->n, sizeof report->entries[0], by_file);
    size_t n_errors = 0;
    for (int first = 1; first >= 0; first--) {
        for (size_t i = 0; i < report->n; i++) {
            const struct report_entry *e = &report->entries[i];
            if ((strcmp(e->file, first_file) == 0) != (first == 1))
                continue;
            struct config_error error = { e->file, e->line,    e->column,
                                          e->path, e->message, e->warning };
            n_errors += !e->warning;
            if (tell)
                tell(ctx, &error);
        }
    }
    if (report->n_more && tell) {
        char text[80];
        snprintf(text, sizeof text, "%zu more errors are not shown", report->n_more);
        struct config_error error = { .file = first_file, .path = "", .message = text };
        tell(ctx, &error);
    }
    return n_errors + report->n_more;
}

void report_finish(struct report *report)
{
    free(report->entries);
    *report = (struct report){ 0 };
}
