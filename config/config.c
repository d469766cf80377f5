/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/result.h"
#include "config/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    const uint8_t *bytes;
    size_t n;
};

static void build_all(struct build *b)
{
    build_gateway(b);
    build_buses(b);
    if (!b->no_memory)
        build_devices(b);
    if (!b->no_memory)
        build_machines(b);
    if (!b->no_memory)
        build_check(b);
    if (!b->no_memory && b->here != CONFIG_ANYWHERE && b->report->n == 0)
        build_here(b);
}

/* Fragments and defaults into the tree. A fragment that cannot be read is an error, and what the
 * others hold is checked all the same. */
static int put_together(struct build *b)
{
    int result = MW_OK;
    if (b->with_fragments)
        result = fragments_read(&b->fragments, strcmp(b->base_dir, ".") == 0 ? NULL : b->base_dir,
                                b->report);
    if (result == MW_ERR_NO_MEMORY)
        return result;
    fragments_merge(&b->fragments, b->document.root, b->report);
    graft_apply(&b->graft, b->document.root, b->report);
    return b->graft.no_memory ? MW_ERR_NO_MEMORY : MW_OK;
}

static int load(struct build *b, const char *name, const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes > CONFIG_MAX_FILE_BYTES) {
        report_at(b->report, name, 0, 0, "", "the file is larger than 256 KiB");
        return MW_ERR_TOO_BIG;
    }
    int result = document_read(&b->document, name, bytes, n_bytes, b->report);
    if (result == MW_OK)
        result = put_together(b);
    bool of_one_file = b->fragments.n == 0 && !b->graft.changed;
    if (result == MW_OK)
        result =
            raw_config_load(&b->raw, &b->document, of_one_file ? bytes : NULL, n_bytes, b->report);
    if (result == MW_OK)
        build_all(b);
    return b->no_memory ? MW_ERR_NO_MEMORY : result;
}

/* What was found in the end: an error that was reported outweighs a load that went through. */
static int conclude(struct report *report, const char *name, int result, config_error_fn *tell,
                    void *ctx)
{
    if (result == MW_ERR_NO_MEMORY || report->no_memory) {
        report_at(report, name, 0, 0, "", "not enough memory to read it");
        result = MW_ERR_NO_MEMORY;
    }
    size_t n_errors = report_flush(report, name, tell, ctx);
    if (result == MW_ERR_FORMAT || (result == MW_OK && n_errors))
        result = MW_ERR_INVALID;
    report_finish(report);
    return result;
}

/* build says where from; it is finished. */
static int load_into(struct config **ret_config, struct build *build, const char *name,
                     const struct bytes *bytes, config_error_fn *tell, void *ctx)
{
    struct report errors = { 0 };
    build->report = &errors;
    build->config = calloc(1, sizeof *build->config);
    int result = build->config ? load(build, name, bytes->bytes, bytes->n) : (int)MW_ERR_NO_MEMORY;
    result = conclude(&errors, name, result, tell, ctx);
    if (result == MW_OK && build->show)
        build_show(build);
    build_finish(build);
    if (result == MW_OK && ret_config)
        *ret_config = build->config;
    else
        config_free(build->config);
    return result;
}

int config_load_bytes(struct config **ret_config, const char *name, const uint8_t *bytes,
                      size_t n_bytes, const char *base_dir, const char *profile_dir,
                      config_error_fn *report, void *ctx)
{
    struct build build = { .base_dir = base_dir, .profile_dir = profile_dir };
    return load_into(ret_config, &build, name, &(struct bytes){ bytes, n_bytes }, report, ctx);
}

/* The folder that the file lies in. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *from = slash ? path : ".";
    size_t n = slash ? (size_t)(slash - path) : 1;
    if (slash == path)
        n = 1;
    char *folder = malloc(n + 1);
    if (!folder)
        return NULL;
    memcpy(folder, from, n);
    folder[n] = '\0';
    return folder;
}

static const char *words_of(int result)
{
    switch (result) {
    case MW_ERR_NOT_FOUND: return "there is no such file";
    case MW_ERR_TOO_BIG: return "the file is larger than 256 KiB";
    case MW_ERR_IO: return "cannot be read, or is no regular file";
    default: return mw_result_text(result);
    }
}

/* build says what for; ret_config may be NULL. */
static int load_file(struct config **ret_config, struct build *build, const char *path,
                     config_error_fn *report, void *ctx)
{
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    int result = file_read(path, CONFIG_MAX_FILE_BYTES, &bytes, &n_bytes);
    char *folder = result == MW_OK ? folder_of(path) : NULL;
    if (result == MW_OK && !folder)
        result = MW_ERR_NO_MEMORY;
    if (result < 0) {
        struct config_error error = { .file = path, .path = "", .message = words_of(result) };
        if (report)
            report(ctx, &error);
    } else {
        build->base_dir = folder;
        build->with_fragments = true;
        result = load_into(ret_config, build, path, &(struct bytes){ bytes, n_bytes }, report, ctx);
    }
    free(folder);
    free(bytes);
    return result;
}

int config_load(struct config **ret_config, const char *path, const char *profile_dir,
                enum config_here here, config_error_fn *report, void *ctx)
{
    struct build build = { .profile_dir = profile_dir, .here = here };
    return load_file(ret_config, &build, path, report, ctx);
}

int config_show(const char *path, const char *profile_dir, config_error_fn *report,
                config_show_fn *show, void *ctx)
{
    struct build build = { .profile_dir = profile_dir, .show = show, .show_ctx = ctx };
    return load_file(NULL, &build, path, report, ctx);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    free(config->buses);
    free(config->devices);
    free(config->points);
    free(config->point_devices);
    free(config->machines);
    free(config);
}
