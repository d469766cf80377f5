/* SPDX-License-Identifier: Apache-2.0 */
#include "config/shape.h"

#include "config/value.h"

#include <string.h>

static const struct cyaml_schema_field *field_of(const struct cyaml_schema_value *mapping,
                                                 const char *key)
{
    for (const struct cyaml_schema_field *f = mapping->mapping.fields; f->key; f++)
        if (strcmp(f->key, key) == 0)
            return f;
    return NULL;
}

static const char *nearest_key(const struct cyaml_schema_value *mapping, const char *key)
{
    const char *nearest = NULL;
    unsigned best = ~0u, distance;
    for (const struct cyaml_schema_field *f = mapping->mapping.fields; f->key; f++) {
        if (!value_resembles(key, f->key, &distance) || distance >= best)
            continue;
        best = distance;
        nearest = f->key;
    }
    return nearest;
}

static void refuse_key(const struct node *child, const struct cyaml_schema_value *mapping,
                       struct report *report)
{
    char path[PLACE_MAX_PATH];
    node_path(child, NULL, path);
    const char *nearest = report->n < REPORT_MAX_ERRORS ? nearest_key(mapping, child->key) : NULL;
    if (nearest)
        report_at(report, child->document->file, child->key_line, child->key_column, path,
                  "unknown key; did you mean '%s'?", nearest);
    else
        report_at(report, child->document->file, child->key_line, child->key_column, path,
                  "unknown key");
}

/* The same key further up in the same mapping, which may be put together from several files; one
 * file gives it at most PLACE_MAX_KEYS. */
static const struct node *earlier(const struct node *node, const struct node *child)
{
    for (const struct node *n = node->first; n != child; n = n->next)
        if (strcmp(n->key, child->key) == 0)
            return n;
    return NULL;
}

static void refuse_twice(const struct node *child, const struct node *first, struct report *report)
{
    char path[PLACE_MAX_PATH], place[REPORT_PLACE_BYTES];
    node_path(child, NULL, path);
    report_place(place, child, first, first->key_line);
    report_at(report, child->document->file, child->key_line, child->key_column, path,
              "given twice; first in %s", place);
}

static size_t check_mapping(struct node *node, const struct cyaml_schema_value *schema,
                            struct report *report)
{
    size_t n_faults = 0;
    for (struct node *child = node->first; child; child = child->next) {
        const struct cyaml_schema_field *field = field_of(schema, child->key);
        const struct node *first = earlier(node, child);
        if (!field) {
            refuse_key(child, schema, report);
        } else if (first) {
            refuse_twice(child, first, report);
        } else {
            n_faults += shape_check(child, &field->value, report);
            continue;
        }
        child->faulty = true;
        n_faults++;
    }
    for (const struct cyaml_schema_field *f = schema->mapping.fields; f->key; f++) {
        if ((f->value.flags & CYAML_FLAG_OPTIONAL) || node_get(node, f->key))
            continue;
        report_node(report, node, f->key, "is missing");
        n_faults++;
    }
    return n_faults;
}

static size_t check_sequence(struct node *node, const struct cyaml_schema_value *schema,
                             struct report *report)
{
    size_t n_faults = 0;
    if (node->n_children > schema->sequence.max) {
        report_node(report, node, NULL, "has %u entries; at most %u are allowed",
                    (unsigned)node->n_children, (unsigned)schema->sequence.max);
        node->faulty = true;
        return 1;
    }
    for (struct node *child = node->first; child; child = child->next)
        n_faults += shape_check(child, schema->sequence.entry, report);
    return n_faults;
}

static const char *check_text(const struct node *node, const struct cyaml_schema_value *schema)
{
    if (strlen(node->text) > schema->string.max)
        return "is longer than 255 characters";
    for (const char *p = node->text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return "holds a control character";
    return NULL;
}

size_t shape_check(struct node *node, const struct cyaml_schema_value *schema,
                   struct report *report)
{
    const char *sin = NULL;
    if (node_is_nothing(node)) {
        /* A section whose settings are all commented out is one that is not there. */
        bool section = schema->type != CYAML_STRING && node->up && !node->up->up;
        sin = section ? NULL : "has no value";
        node->faulty = true;
    } else if (schema->type == CYAML_MAPPING) {
        if (node->kind == NODE_MAPPING)
            return check_mapping(node, schema, report);
        sin = "must be a mapping (key: value)";
    } else if (schema->type == CYAML_SEQUENCE) {
        if (node->kind == NODE_SEQUENCE)
            return check_sequence(node, schema, report);
        sin = "must be a list (- entry)";
    } else {
        sin = node->kind == NODE_SCALAR ? check_text(node, schema) : "must be a single value";
    }
    if (!sin)
        return node->faulty ? 1 : 0;
    report_node(report, node, NULL, "%s", sin);
    node->faulty = true;
    return 1;
}
