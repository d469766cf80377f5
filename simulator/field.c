/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/field.h"

#include "base/sample.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX 240

void field_complain(struct field_reader *reader, yaml_node node, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    reader->n_errors++;
    reader->report(reader->ctx, yaml_line(reader->tree, node), message);
}

bool field_number(const char *text, const char *unit, double *ret_value)
{
    char *end;
    double value = strtod(text, &end);
    /* strtod also takes blanks, names and hexadecimal: none of them is a plant's number. */
    if (end == text || !isfinite(value) || text + strspn(text, "0123456789.+-eE") < end)
        return false;
    while (*end == ' ')
        end++;
    if (strcmp(end, unit ? unit : "") != 0)
        return false;
    *ret_value = value;
    return true;
}

bool field_time(const char *text, int64_t *ret_us)
{
    static const struct {
        const char *unit;
        double us;
    } UNITS[] = { { "us", 1 },     { "ms", 1e3 },   { "s", 1e6 },
                  { "min", 60e6 }, { "h", 3600e6 }, { "d", 86400e6 } };
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        double value;
        if (!field_number(text, UNITS[i].unit, &value))
            continue;
        if (fabs(value * UNITS[i].us) > 1e15)
            return false;
        *ret_us = llround(value * UNITS[i].us);
        return true;
    }
    return false;
}

static bool integer(const char *text, uint64_t *ret_value)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, text[1] == 'x' ? 16 : 10);
    if (*end != '\0' || errno != 0)
        return false;
    *ret_value = value;
    return true;
}

static bool is_name(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    return n > 0 && n <= MW_NAME_MAX && text[n] == '\0';
}

static void read_word(struct field_reader *r, yaml_node node, const struct field *f, void *at)
{
    char allowed[MESSAGE_MAX] = "";
    const char *text = yaml_text(r->tree, node);
    for (int i = 0; f->words[i]; i++) {
        if (f->words[i][0] && strcmp(f->words[i], text) == 0) {
            memcpy(at, &i, sizeof i);
            return;
        }
        size_t n = strlen(allowed);
        if (f->words[i][0])
            snprintf(allowed + n, sizeof allowed - n, "%s%s", n ? ", " : "", f->words[i]);
    }
    field_complain(r, node, "%s: '%.40s' is none of %s", f->key, text, allowed);
}

static void read_time(struct field_reader *r, yaml_node node, const struct field *f, void *at)
{
    int64_t us;
    const char *text = yaml_text(r->tree, node);
    if (!field_time(text, &us))
        field_complain(r, node, "%s: '%.40s' is not a time such as 250ms, 10s, 5min, 24h", f->key,
                       text);
    else if ((double)us < f->min * 1e6 || (double)us > f->max * 1e6)
        field_complain(r, node, "%s: '%.40s' is not in %gs to %gs", f->key, text, f->min, f->max);
    else
        memcpy(at, &us, sizeof us);
}

static void read_number(struct field_reader *r, yaml_node node, const struct field *f, void *at)
{
    double value;
    const char *text = yaml_text(r->tree, node), *unit = f->unit ? f->unit : "";
    if (!field_number(text, f->unit, &value))
        field_complain(r, node, "%s: '%.40s' is not a number%s%s", f->key, text,
                       f->unit ? " followed by its unit, " : " without a unit", unit);
    else if (value < f->min || value > f->max)
        field_complain(r, node, "%s: '%.40s' is not in %g to %g%s", f->key, text, f->min, f->max,
                       unit);
    else
        memcpy(at, &value, sizeof value);
}

static void read_integer(struct field_reader *r, yaml_node node, const struct field *f, void *at)
{
    uint64_t value;
    const char *text = yaml_text(r->tree, node);
    if (!integer(text, &value))
        field_complain(r, node, "%s: '%.40s' is not a whole number", f->key, text);
    else if ((double)value < f->min || (double)value > f->max)
        field_complain(r, node, "%s: %.40s is not in %.0f to %.0f", f->key, text, f->min, f->max);
    else
        memcpy(at, &value, sizeof value);
}

static void read_text(struct field_reader *r, yaml_node node, const struct field *f, void *at)
{
    const char *text = yaml_text(r->tree, node);
    if (f->type == FIELD_NAME && !is_name(text))
        field_complain(r, node, "%s: '%.40s' is not 1 to %d letters, digits, '-' or '_'", f->key,
                       text, MW_NAME_MAX);
    else if (f->type == FIELD_TEXT && (text[0] == '\0' || (double)strlen(text) >= f->max))
        field_complain(r, node, "%s: is not 1 to %.0f characters", f->key, f->max - 1);
    else
        memcpy(at, text, strlen(text) + 1);
}

static void read_field(struct field_reader *r, yaml_node node, const struct field *f, void *object)
{
    void *at = (char *)object + f->offset;
    if (f->type == FIELD_NESTED)
        return;
    if (yaml_kind(r->tree, node) != YAML_TEXT) {
        field_complain(r, node, "%s: is not a single value", f->key);
        return;
    }
    switch (f->type) {
    case FIELD_NUMBER: read_number(r, node, f, at); break;
    case FIELD_INTEGER: read_integer(r, node, f, at); break;
    case FIELD_TIME: read_time(r, node, f, at); break;
    case FIELD_NAME:
    case FIELD_TEXT: read_text(r, node, f, at); break;
    case FIELD_WORD: read_word(r, node, f, at); break;
    case FIELD_NESTED: break;
    }
}

static const struct field *find(const struct field *fields, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].key, key) == 0)
            return &fields[i];
    return NULL;
}

bool fields_read(struct field_reader *r, yaml_node map, const struct field *fields, size_t n_fields,
                 void *object)
{
    uint32_t n_before = r->n_errors;
    if (yaml_kind(r->tree, map) != YAML_MAP) {
        field_complain(r, map, "a map of keys and values is needed here");
        return false;
    }
    for (size_t i = 0; i < yaml_count(r->tree, map); i++) {
        yaml_node key_node = yaml_key(r->tree, map, i), value = yaml_child(r->tree, map, i);
        const char *key = yaml_text(r->tree, key_node);
        const struct field *f = find(fields, n_fields, key);
        if (!f)
            field_complain(r, key_node, "'%.40s' is not a key known here", key);
        else if (yaml_find(r->tree, map, key) != value)
            field_complain(r, key_node, "%s: is given twice", key);
        else
            read_field(r, value, f, object);
    }
    for (size_t i = 0; i < n_fields; i++)
        if (fields[i].required && !yaml_find(r->tree, map, fields[i].key))
            field_complain(r, map, "%s: is missing", fields[i].key);
    return r->n_errors == n_before;
}
