/* SPDX-License-Identifier: Apache-2.0 */
#include "config/locate.h"

#include "base/result.h"
#include "config/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct place {
    int line, column;
};

/* One parse: the tree so far and the mapping or list being filled. */
struct growth {
    struct document *document;
    struct report *report;
    struct node *open;      /* NULL before the root and after it */
    const char *key;        /* read, its value not yet */
    struct place key_place; /* of that key */
    unsigned depth;
    bool done; /* the document has ended */
    struct place end;
};

/* libyaml puts what is missing at the end into a line after the last one. */
static struct place place_of(const struct growth *g, yaml_mark_t mark)
{
    struct place p = { (int)mark.line + 1, (int)mark.column + 1 };
    return p.line > g->end.line ? g->end : p;
}

/* Bytes of the line break at p, or 0: those of YAML 1.1, section 5.4, as libyaml counts them. */
static size_t break_length(const uint8_t *p, size_t n)
{
    if (p[0] == '\r')
        return n > 1 && p[1] == '\n' ? 2 : 1;
    if (p[0] == '\n')
        return 1;
    if (n > 1 && p[0] == 0xc2 && p[1] == 0x85)
        return 2;
    return n > 2 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9) ? 3 : 0;
}

/* Line and column of a byte, columns in characters. */
static struct place place_of_byte(const uint8_t *bytes, size_t at)
{
    struct place p = { 1, 1 };
    for (size_t i = 0; i < at;) {
        size_t n_break = break_length(bytes + i, at - i);
        if (n_break)
            p = (struct place){ p.line + 1, 1 };
        else if ((bytes[i] & 0xc0) != 0x80)
            p.column++;
        i += n_break ? n_break : 1;
    }
    return p;
}

/* Bytes of the well-formed UTF-8 character at p, or 0 (RFC 3629, section 4). */
static size_t utf8_length(const uint8_t *p, size_t n)
{
    static const struct {
        uint8_t lead_min, lead_max, second_min, second_max, n_bytes;
    } FORMS[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++) {
        if (p[0] < FORMS[i].lead_min || p[0] > FORMS[i].lead_max)
            continue;
        size_t n_bytes = FORMS[i].n_bytes;
        if (n_bytes > n ||
            (n_bytes > 1 && (p[1] < FORMS[i].second_min || p[1] > FORMS[i].second_max)))
            return 0;
        for (size_t k = 2; k < n_bytes; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return n_bytes;
    }
    return 0;
}

/* libyaml would guess UTF-16 from the first bytes; here the file is UTF-8 or it is refused. */
static int check_bytes(const struct document *document, const uint8_t *bytes, size_t n_bytes,
                       struct report *report)
{
    for (size_t i = 0; i < n_bytes;) {
        const char *sin = NULL;
        size_t length = utf8_length(bytes + i, n_bytes - i);
        if (bytes[i] == 0)
            sin = "holds a zero byte";
        else if (length == 0)
            sin = "is not UTF-8";
        else if ((bytes[i] < 0x20 && !strchr("\t\n\r", bytes[i])) || bytes[i] == 0x7f)
            sin = "holds a control character";
        if (sin) {
            struct place p = place_of_byte(bytes, i);
            report_at(report, document->file, p.line, p.column, "", "the file %s (byte 0x%02x)",
                      sin, bytes[i]);
            return MW_ERR_INVALID;
        }
        i += length;
    }
    return MW_OK;
}

static int refuse(struct growth *g, struct place p, int result, const char *why)
{
    char path[PLACE_MAX_PATH] = "";
    if (g->open)
        node_path(g->open, g->key, path);
    report_at(g->report, g->document->file, p.line, p.column, path, "%s", why);
    return result;
}

static const char *keep_text(struct document *document, const yaml_event_t *event)
{
    size_t n = event->data.scalar.length;
    if (document->n_text + n + 1 > document->cap_text)
        return NULL;
    char *text = document->text + document->n_text;
    memcpy(text, event->data.scalar.value, n);
    text[n] = '\0';
    document->n_text += n + 1;
    return text;
}

/* A new value in the open mapping or list; NULL when there are too many. */
static struct node *add_node(struct growth *g, enum node_kind kind, struct place p)
{
    struct document *document = g->document;
    if (document->n_nodes == document->cap_nodes)
        return NULL;
    struct node *node = &document->nodes[document->n_nodes++];
    *node = (struct node){ .kind = kind,
                           .line = p.line,
                           .column = p.column,
                           .key_line = p.line,
                           .key_column = p.column,
                           .up = g->open,
                           .document = document };
    if (!g->open) {
        document->root = node;
        return node;
    }
    node->index = g->open->n_children++;
    if (g->key) {
        node->key = g->key;
        node->key_line = g->key_place.line;
        node->key_column = g->key_place.column;
        g->key = NULL;
    }
    if (g->open->last)
        g->open->last->next = node;
    else
        g->open->first = node;
    g->open->last = node;
    return node;
}

static int on_scalar(struct growth *g, const yaml_event_t *event)
{
    struct place p = place_of(g, event->start_mark);
    if (memchr(event->data.scalar.value, 0, event->data.scalar.length))
        return refuse(g, p, MW_ERR_INVALID, "holds a zero character");
    const char *text = keep_text(g->document, event);
    if (!text)
        return refuse(g, p, MW_ERR_TOO_BIG, "the file holds too much text");
    if (g->open && g->open->kind == NODE_MAPPING && !g->key) {
        if (g->open->n_children == PLACE_MAX_KEYS)
            return refuse(g, p, MW_ERR_TOO_BIG, "has more than 64 keys");
        g->key = text;
        g->key_place = p;
        return MW_OK;
    }
    bool empty = text[0] == '\0' && g->key;
    struct node *node = add_node(g, NODE_SCALAR, empty ? g->key_place : p);
    if (!node)
        return refuse(g, p, MW_ERR_TOO_BIG, "the file holds more than 65536 values");
    node->text = text;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return MW_OK;
}

static int on_start(struct growth *g, enum node_kind kind, struct place p)
{
    if (g->open && g->open->kind == NODE_MAPPING && !g->key)
        return refuse(g, p, MW_ERR_INVALID, "a key must be a single word");
    if (g->depth == PLACE_MAX_DEPTH)
        return refuse(g, p, MW_ERR_TOO_BIG, "is nested more than 12 levels deep");
    struct node *node = add_node(g, kind, p);
    if (!node)
        return refuse(g, p, MW_ERR_TOO_BIG, "the file holds more than 65536 values");
    g->open = node;
    g->depth++;
    return MW_OK;
}

static int on_document(struct growth *g, struct place p)
{
    if (g->done)
        return refuse(g, p, MW_ERR_INVALID,
                      "a second document begins here; the file must hold one");
    return MW_OK;
}

static bool has_properties(const yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        return event->data.scalar.anchor || event->data.scalar.tag;
    if (event->type == YAML_MAPPING_START_EVENT)
        return event->data.mapping_start.anchor || event->data.mapping_start.tag;
    return event->data.sequence_start.anchor || event->data.sequence_start.tag;
}

/* Takes one event; MW_OK also at the end of the stream. */
static int grow(struct growth *g, const yaml_event_t *event)
{
    struct place p = place_of(g, event->start_mark);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        if (has_properties(event))
            return refuse(g, p, MW_ERR_INVALID, "anchors (&) and tags (!) are not allowed");
        if (event->type == YAML_SCALAR_EVENT)
            return on_scalar(g, event);
        return on_start(g, event->type == YAML_MAPPING_START_EVENT ? NODE_MAPPING : NODE_SEQUENCE,
                        p);
    case YAML_ALIAS_EVENT: return refuse(g, p, MW_ERR_INVALID, "aliases (*) are not allowed");
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        g->open = g->open->up;
        g->depth--;
        return MW_OK;
    case YAML_DOCUMENT_START_EVENT: return on_document(g, p);
    case YAML_DOCUMENT_END_EVENT: g->done = true; return MW_OK;
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_NO_EVENT: return MW_OK;
    }
    return MW_OK;
}

static int refuse_syntax(struct growth *g, const yaml_parser_t *parser)
{
    struct place p = place_of(g, parser->problem_mark);
    if (parser->error == YAML_MEMORY_ERROR)
        return MW_ERR_NO_MEMORY;
    report_at(g->report, g->document->file, p.line, p.column, "", "not YAML: %s%s%s",
              parser->problem ? parser->problem : "cannot be read", parser->context ? ", " : "",
              parser->context ? parser->context : "");
    return MW_ERR_INVALID;
}

static int parse(struct growth *g, yaml_parser_t *parser)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return refuse_syntax(g, parser);
        int result = grow(g, &event);
        bool end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (result < 0 || end)
            return result;
    }
}

static int allocate(struct document *document, size_t n_bytes)
{
    /* Each value takes at least a byte of the file, and an escape of two bytes makes at most three;
     * each scalar of one byte is followed by another and gets a terminator. */
    document->cap_nodes = n_bytes + 2 < PLACE_MAX_NODES ? n_bytes + 2 : PLACE_MAX_NODES;
    document->cap_text = 2 * n_bytes + 16;
    document->nodes = calloc(document->cap_nodes, sizeof document->nodes[0]);
    document->text = malloc(document->cap_text);
    return document->nodes && document->text ? MW_OK : MW_ERR_NO_MEMORY;
}

static int check_root(const struct document *document, struct report *report)
{
    const struct node *root = document->root;
    if (!root || (root->kind == NODE_SCALAR && root->text[0] == '\0')) {
        report_at(report, document->file, 1, 1, "", "the file is empty");
        return MW_ERR_INVALID;
    }
    if (root->kind != NODE_MAPPING) {
        report_at(report, document->file, root->line, root->column, "",
                  "the file must hold a mapping (key: value)");
        return MW_ERR_INVALID;
    }
    return MW_OK;
}

/* The mark that some editors put before UTF-8; libyaml, told the encoding, would count it. */
static size_t mark_length(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 3 && bytes[0] == 0xef && bytes[1] == 0xbb && bytes[2] == 0xbf ? 3 : 0;
}

int document_read(struct document *ret_document, const char *file, const uint8_t *bytes,
                  size_t n_bytes, struct report *report)
{
    yaml_parser_t parser;
    struct document *document = ret_document;
    *document = (struct document){ .file = file };
    size_t n_mark = mark_length(bytes, n_bytes);
    bytes += n_mark;
    n_bytes -= n_mark;
    int result = check_bytes(document, bytes, n_bytes, report);
    if (result == MW_OK)
        result = allocate(document, n_bytes);
    if (result == MW_OK && !yaml_parser_initialize(&parser))
        result = MW_ERR_NO_MEMORY;
    if (result == MW_OK) {
        struct growth g = { .document = document,
                            .report = report,
                            .end = place_of_byte(bytes, n_bytes) };
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser, bytes, n_bytes);
        result = parse(&g, &parser);
        yaml_parser_delete(&parser);
    }
    if (result == MW_OK)
        result = check_root(document, report);
    if (result < 0)
        document_finish(document);
    return result;
}

void document_finish(struct document *document)
{
    free(document->nodes);
    free(document->text);
    *document = (struct document){ .file = document->file };
}

const struct node *node_get(const struct node *node, const char *key)
{
    if (!node || node->kind != NODE_MAPPING)
        return NULL;
    for (const struct node *child = node->first; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

const struct node *node_item(const struct node *node, size_t i)
{
    if (!node || node->kind != NODE_SEQUENCE)
        return NULL;
    const struct node *child = node->first;
    while (child && i-- > 0)
        child = child->next;
    return child;
}

bool node_is_nothing(const struct node *node)
{
    return node->kind == NODE_SCALAR && node->plain &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
            strcmp(node->text, "null") == 0);
}

void node_path(const struct node *node, const char *key, char ret_path[PLACE_MAX_PATH])
{
    const struct node *chain[PLACE_MAX_DEPTH + 1];
    size_t n_chain = 0, at = 0;
    const struct node *n = node->origin ? node->origin : node;
    for (; n->up && n_chain <= PLACE_MAX_DEPTH; n = n->up)
        chain[n_chain++] = n;
    ret_path[0] = '\0';
    while (n_chain-- > 0 && at < PLACE_MAX_PATH) {
        n = chain[n_chain];
        int n_written =
            n->key ? snprintf(ret_path + at, PLACE_MAX_PATH - at, "%s%s", at ? "." : "", n->key)
                   : snprintf(ret_path + at, PLACE_MAX_PATH - at, "[%u]", (unsigned)n->index);
        at += n_written > 0 ? (size_t)n_written : 0;
    }
    if (key && at < PLACE_MAX_PATH)
        snprintf(ret_path + at, PLACE_MAX_PATH - at, "%s%s", at ? "." : "", key);
}
