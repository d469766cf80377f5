/* SPDX-License-Identifier: Apache-2.0 */
#include "config/catalogue.h"

#include "base/result.h"
#include "config/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct profile_source {
    char *file;
    uint8_t *bytes;
    size_t n_bytes;
    struct report report; /* stays empty: the file was checked before */
    struct document document;
    struct raw_profile *raw;
    struct config *config;
};

static void source_free(struct profile_source *source)
{
    if (!source)
        return;
    raw_profile_free(source->raw);
    document_finish(&source->document);
    report_finish(&source->report);
    config_free(source->config);
    free(source->bytes);
    free(source->file);
    free(source);
}

static int read_source(struct profile_source *source, const char *dir, const char *name)
{
    size_t cap = strlen(dir) + strlen(name) + sizeof "/.yaml";
    source->file = malloc(cap);
    if (!source->file)
        return MW_ERR_NO_MEMORY;
    (void)snprintf(source->file, cap, "%s/%s.yaml", dir, name);
    return file_read(source->file, CONFIG_MAX_FILE_BYTES, &source->bytes, &source->n_bytes);
}

/* A configuration of one device with this profile, so that all rules of a configuration hold. */
static int check(struct profile_source *source, const char *dir, const char *name,
                 const char *variant, config_error_fn *tell, void *ctx)
{
    char text[400];
    int n = snprintf(text, sizeof text,
                     "version: 1\nbuses: [{name: bus, tcp: {host: any}}]\n"
                     "devices: [{name: device, bus: bus, unit: 1, profile: %s%s%s}]\n",
                     name, variant ? ", variant: " : "", variant ? variant : "");
    return config_load_bytes(&source->config, source->file, (const uint8_t *)text, (size_t)n, NULL,
                             dir, tell, ctx);
}

/* The text of a checked file. */
static int load_texts(struct profile_source *source)
{
    int result = document_read(&source->document, source->file, source->bytes, source->n_bytes,
                               &source->report);
    if (result == MW_OK)
        result = raw_profile_load(&source->raw, &source->document, source->bytes, source->n_bytes,
                                  &source->report);
    return result;
}

static void view_identity(struct profile_view *view, struct profile_source *source)
{
    const struct raw_identity *raw = source->raw->identity;
    if (!raw)
        return;
    struct reader r = { &source->report, node_get(source->document.root, "identity") };
    struct raw_point as_point = {
        .kind = raw->kind, .address = raw->address, .type = raw->type, .order = raw->order
    };
    view->identity.bit = -1;
    build_point(&r, &as_point, ADDRESS_ZERO_BASED, &view->identity);
    (void)point_settle(&view->identity, NULL);
    view->has_identity = true;
}

static void view_variants(struct profile_view *view, const struct raw_profile *raw)
{
    for (uint32_t i = 0; i < raw->variants_count && i < PROFILE_MAX_VARIANTS; i++) {
        const struct raw_variant *from = &raw->variants[i];
        struct profile_variant *to = &view->variants[view->n_variants++];
        *to = (struct profile_variant){ .name = from->name, .note = from->note };
        to->has_match = from->identity_count == 2 && !value_whole(from->identity[0], &to->low) &&
                        !value_whole(from->identity[1], &to->high);
    }
}

static void view_texts(struct profile_view *view, const struct raw_profile *raw)
{
    view->vendor = raw->vendor;
    view->model = raw->model;
    view->level = raw->level;
    view->sources = (const char *const *)raw->sources;
    view->n_sources = raw->sources_count;
    if (!raw->link)
        return;
    view->transport = raw->link->transport;
    view->baud = raw->link->baud;
    view->parity = raw->link->parity;
    view->stop_bits = raw->link->stop_bits;
    view->unit = raw->link->unit;
    view->port = raw->link->port;
}

static bool is_name(const char *text)
{
    return value_name(text) == NULL;
}

int profile_view_load(struct profile_view *ret_view, const char *dir, const char *name,
                      const char *variant, config_error_fn *report, void *ctx)
{
    if (!is_name(name) || (variant && !is_name(variant)))
        return MW_ERR_NOT_FOUND;
    struct profile_source *source = calloc(1, sizeof *source);
    int result = source ? read_source(source, dir, name) : (int)MW_ERR_NO_MEMORY;
    if (result == MW_OK)
        result = check(source, dir, name, variant, report, ctx);
    if (result == MW_OK)
        result = load_texts(source);
    if (result < 0) {
        source_free(source);
        return result;
    }
    *ret_view = (struct profile_view){ .points = source->config->points,
                                       .n_points = source->config->n_points,
                                       .source = source };
    view_texts(ret_view, source->raw);
    view_identity(ret_view, source);
    view_variants(ret_view, source->raw);
    return MW_OK;
}

void profile_view_finish(struct profile_view *view)
{
    if (view)
        source_free(view->source);
}

const struct profile_variant *profile_variant_of(const struct profile_view *view, uint64_t value)
{
    for (size_t i = 0; i < view->n_variants; i++)
        if (view->variants[i].has_match && view->variants[i].low <= value &&
            value <= view->variants[i].high)
            return &view->variants[i];
    return NULL;
}
