/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML document as a tree that remembers where each value stands, so that every complaint can
 * name its line. Also the border at which foreign bytes are refused: other encodings, control
 * characters, a second document, anchors, aliases and tags, deep nesting, too many values. */
#ifndef MW_CONFIG_LOCATE_H
#define MW_CONFIG_LOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACE_MAX_DEPTH 12    /* mappings and lists within each other */
#define PLACE_MAX_NODES 65536 /* values in one document */
#define PLACE_MAX_KEYS  64    /* keys of one mapping */
#define PLACE_MAX_PATH  200   /* characters of a path and its terminator; longer ones are cut */

struct report;
struct document;

enum node_kind { NODE_SCALAR = 1, NODE_SEQUENCE, NODE_MAPPING };

struct node {
    enum node_kind kind;
    bool plain;       /* a scalar without quotes */
    bool faulty;      /* set by the shape check: not to be loaded */
    int line, column; /* 1-based, of the value; of the key where the value is empty */
    int key_line, key_column;
    const char *key;  /* within a mapping, else NULL */
    const char *text; /* of a scalar */
    uint32_t index;   /* among its siblings */
    uint32_t n_children;
    struct node *up, *first, *last, *next;
    const struct document *document;
    const struct node *origin; /* of a copy (graft.h): where it is written; else NULL */
};

struct document {
    const char *file; /* borrowed */
    struct node *root;
    struct node *nodes;
    size_t n_nodes, cap_nodes;
    char *text;
    size_t n_text, cap_text;
};

/* Parses bytes into a tree. MW_OK, or an error after it was reported: MW_ERR_INVALID,
 * MW_ERR_TOO_BIG, MW_ERR_NO_MEMORY. The root is a mapping. file is borrowed until
 * document_finish. */
int document_read(struct document *ret_document, const char *file, const uint8_t *bytes,
                  size_t n_bytes, struct report *report);
void document_finish(struct document *document);

/* The value of a key of a mapping, or NULL. node may be NULL. */
const struct node *node_get(const struct node *node, const char *key);
/* Element i of a list, or NULL. */
const struct node *node_item(const struct node *node, size_t i);
/* A scalar that says nothing: empty, ~ or null. */
bool node_is_nothing(const struct node *node);
/* devices[2].unit, and the key behind it where one is given; of a copy, where it is written. */
void node_path(const struct node *node, const char *key, char ret_path[PLACE_MAX_PATH]);

#endif
