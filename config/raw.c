/* SPDX-License-Identifier: Apache-2.0 */
/* The way through libcyaml. A document without faults is loaded from the file's own bytes. From
 * one with faults what is sound is written out anew, on one line and with every text in quotes,
 * list entries keeping their places; so that its values can be checked too. */
#include "config/raw.h"

#include "base/result.h"
#include "config/shape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LOG 160

struct text {
    char *bytes;
    size_t n, cap;
    bool no_memory;
};

static void put(struct text *text, const char *bytes, size_t n)
{
    if (text->n + n > text->cap) {
        size_t cap = 2 * (text->n + n) + 1024;
        char *grown = realloc(text->bytes, cap);
        if (!grown) {
            text->no_memory = true;
            return;
        }
        text->bytes = grown;
        text->cap = cap;
    }
    memcpy(text->bytes + text->n, bytes, n);
    text->n += n;
}

static void put_word(struct text *text, const char *word)
{
    put(text, word, strlen(word));
}

/* Texts that hold control characters are faulty and do not come here. */
static void put_quoted(struct text *text, const char *word)
{
    put_word(text, "\"");
    for (const char *p = word; *p; p++) {
        if (*p == '"' || *p == '\\')
            put_word(text, "\\");
        put(text, p, 1);
    }
    put_word(text, "\"");
}

static void put_sound(struct text *text, const struct node *node,
                      const struct cyaml_schema_value *schema);

static void put_mapping(struct text *text, const struct node *node,
                        const struct cyaml_schema_value *schema)
{
    put_word(text, "{");
    for (const struct cyaml_schema_field *f = schema->mapping.fields; f->key; f++) {
        const struct node *child = node ? node_get(node, f->key) : NULL;
        bool sound = child && !child->faulty;
        if (!sound && (f->value.flags & CYAML_FLAG_OPTIONAL))
            continue;
        put_word(text, f->key);
        put_word(text, ": ");
        put_sound(text, sound ? child : NULL, &f->value);
        put_word(text, ", ");
    }
    put_word(text, "}");
}

static void put_sequence(struct text *text, const struct node *node,
                         const struct cyaml_schema_value *schema)
{
    put_word(text, "[");
    for (const struct node *child = node ? node->first : NULL; child; child = child->next) {
        put_sound(text, child->faulty ? NULL : child, schema->sequence.entry);
        put_word(text, ", ");
    }
    put_word(text, "]");
}

/* node NULL: an empty one of the kind. */
static void put_sound(struct text *text, const struct node *node,
                      const struct cyaml_schema_value *schema)
{
    if (schema->type == CYAML_MAPPING)
        put_mapping(text, node, schema);
    else if (schema->type == CYAML_SEQUENCE)
        put_sequence(text, node, schema);
    else
        put_quoted(text, node ? node->text : "");
}

/* The first line that libcyaml says about an error. */
static void hear(cyaml_log_t level, void *ctx, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void hear(cyaml_log_t level, void *ctx, const char *format, va_list args)
{
    char *log = ctx;
    if (level < CYAML_LOG_ERROR || log[0])
        return;
    vsnprintf(log, MAX_LOG, format, args);
    log[strcspn(log, "\n")] = '\0';
}

static const cyaml_config_t FREEING = { .mem_fn = cyaml_mem, .flags = CYAML_CFG_NO_ALIAS };

static int load(void **ret_raw, struct document *document, const uint8_t *bytes, size_t n_bytes,
                const struct cyaml_schema_value *schema, struct report *report)
{
    struct text sound = { 0 };
    if (shape_check(document->root, schema, report) > 0 || !bytes) {
        put_sound(&sound, document->root, schema);
        if (sound.no_memory) {
            free(sound.bytes);
            return MW_ERR_NO_MEMORY;
        }
        bytes = (const uint8_t *)sound.bytes;
        n_bytes = sound.n;
    }
    char log[MAX_LOG] = "";
    const cyaml_config_t config = { .log_fn = hear,
                                    .log_ctx = log,
                                    .mem_fn = cyaml_mem,
                                    .log_level = CYAML_LOG_ERROR,
                                    .flags = CYAML_CFG_NO_ALIAS };
    cyaml_data_t *raw = NULL;
    cyaml_err_t error = cyaml_load_data(bytes, n_bytes, &config, schema, &raw, NULL);
    free(sound.bytes);
    if (error == CYAML_ERR_OOM)
        return MW_ERR_NO_MEMORY;
    if (error != CYAML_OK || !raw) {
        report_at(report, document->file, 1, 1, "", "cannot be loaded: %s",
                  log[0] ? log : cyaml_strerror(error));
        return MW_ERR_FORMAT;
    }
    *ret_raw = raw;
    return MW_OK;
}

int raw_config_load(struct raw_config **ret_raw, struct document *document, const uint8_t *bytes,
                    size_t n_bytes, struct report *report)
{
    void *raw;
    int result = load(&raw, document, bytes, n_bytes, &CONFIG_SCHEMA, report);
    if (result == MW_OK)
        *ret_raw = raw;
    return result;
}

void raw_config_free(struct raw_config *raw)
{
    if (raw)
        cyaml_free(&FREEING, &CONFIG_SCHEMA, raw, 0);
}

int raw_profile_load(struct raw_profile **ret_raw, struct document *document, const uint8_t *bytes,
                     size_t n_bytes, struct report *report)
{
    void *raw;
    int result = load(&raw, document, bytes, n_bytes, &PROFILE_SCHEMA, report);
    if (result == MW_OK)
        *ret_raw = raw;
    return result;
}

void raw_profile_free(struct raw_profile *raw)
{
    if (raw)
        cyaml_free(&FREEING, &PROFILE_SCHEMA, raw, 0);
}

const char *config_library_version(void)
{
    return cyaml_version_str;
}
