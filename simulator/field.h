/* SPDX-License-Identifier: Apache-2.0 */
/* Fills a struct from a YAML map by a table of fields: unit, range and place of every key. Unknown
 * and repeated keys, missing units and values out of range are reported with their lines. */
#ifndef MW_SIMULATOR_FIELD_H
#define MW_SIMULATOR_FIELD_H

#include "simulator/yaml_tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_NUMBER = 0, /* double, written with its unit */
    FIELD_INTEGER,    /* uint64_t, decimal or 0x.. */
    FIELD_TIME,       /* int64_t microseconds, written as 250ms, 10s, 5min, 24h */
    FIELD_NAME,       /* char [MW_NAME_MAX + 1]: letters, digits, - and _ */
    FIELD_TEXT,       /* char [max], at most max - 1 characters */
    FIELD_WORD,       /* int: index of the word in words */
    FIELD_NESTED,     /* known here, read by the caller */
};

struct field {
    const char *key;
    enum field_type type;
    bool required;
    size_t offset;            /* of the member */
    const char *unit;         /* NUMBER: must follow the number; NULL: none may */
    double min, max;          /* NUMBER; INTEGER; TIME in seconds */
    const char *const *words; /* WORD: NULL-terminated */
};

struct field_reader {
    struct yaml_tree *tree;
    void (*report)(void *ctx, int line, const char *message);
    void *ctx;
    uint32_t n_errors;
};

/* Members whose key is not given keep their value. False where anything was reported. */
bool fields_read(struct field_reader *reader, yaml_node map, const struct field *fields,
                 size_t n_fields, void *object);

/* "80%", "3mm/s": false where it is not a finite number followed by exactly this unit. */
bool field_number(const char *text, const char *unit, double *ret_value);

/* "250ms", "10s", "5min", "24h", "1d". */
bool field_time(const char *text, int64_t *ret_us);

/* Reports at this node's line; format as printf. */
void field_complain(struct field_reader *reader, yaml_node node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
