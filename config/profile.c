/* SPDX-License-Identifier: Apache-2.0 */
/* Register maps of device models: profiles/<name>.yaml beside the configuration, then the
 * installed ones. */
#include "base/result.h"
#include "config/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct value_word LEVELS[] = { { "A", 'A' }, { "B", 'B' }, { "C", 'C' } };

/* Reads dir/name.yaml; on success and on other errors than "not found" profile->file is set. */
static int read_file(struct profile *profile, const char *dir, const char *below, size_t *ret_n)
{
    size_t cap = strlen(dir) + strlen(below) + strlen(profile->name) + sizeof "/.yaml";
    char *file = malloc(cap);
    if (!file)
        return MW_ERR_NO_MEMORY;
    snprintf(file, cap, "%s%s/%s.yaml", dir, below, profile->name);
    int result = file_read(file, CONFIG_MAX_FILE_BYTES, &profile->bytes, ret_n);
    if (result == MW_ERR_NOT_FOUND)
        free(file);
    else
        profile->file = file;
    return result;
}

static int find_file(const struct build *b, struct profile *profile, size_t *ret_n)
{
    int result = MW_ERR_NOT_FOUND;
    if (b->base_dir)
        result = read_file(profile, b->base_dir, "/profiles", ret_n);
    if (result == MW_ERR_NOT_FOUND && b->profile_dir)
        result = read_file(profile, b->profile_dir, "", ret_n);
    return result;
}

/* Returns how addresses are written in it. */
static enum address_style build_header(struct build *b, struct profile *profile)
{
    const struct raw_profile *raw = profile->raw;
    struct reader r = { b->report, profile->document.root };
    if (read_given(&r, "version", raw->version) && strcmp(raw->version, "1") != 0)
        report_node(b->report, r.node, "version",
                    "'%s' is not a version this program knows; it is 1", raw->version);
    if (node_get(r.node, "sources") && raw->sources_count == 0)
        report_node(b->report, r.node, "sources", "must name at least one");
    read_word(&r, "level", raw->level, LEVELS, sizeof LEVELS / sizeof LEVELS[0], 'A');
    profile->device.retries = UINT32_MAX;
    build_device_timing(&r, raw->timeout, raw->turnaround, raw->pause, raw->retries,
                        raw->max_registers, raw->max_gap, &profile->device);
    enum address_style style = build_address_style(&r, raw->address_style);
    build_ranges(&r, "no_read", raw->no_read, raw->no_read_count, style, profile->device.no_read,
                 &profile->device.n_no_read);
    build_ranges(&r, "blocks", raw->blocks, raw->blocks_count, style, profile->device.blocks,
                 &profile->device.n_blocks);
    return style;
}

static int build_points(struct build *b, struct profile *profile, enum address_style style)
{
    const struct raw_profile *raw = profile->raw;
    profile->points = calloc(raw->points_count + 1u, sizeof profile->points[0]);
    if (!profile->points)
        return MW_ERR_NO_MEMORY;
    profile->n_points = raw->points_count;
    const struct node *node = node_get(profile->document.root, "points");
    node = node ? node->first : NULL;
    for (size_t i = 0; i < profile->n_points; i++, node = node->next) {
        struct point_config *point = &profile->points[i];
        struct reader r = { b->report, node };
        point->bit = -1;
        if (node->faulty || !read_name(&r, "name", raw->points[i].name, point->name))
            continue;
        struct names before = { profile->points, i, sizeof profile->points[0] };
        if (find_name(&before, point->name) >= 0)
            report_node(b->report, node, "name", "'%s' is the name of another point", point->name);
        if (!node_get(node, "address"))
            report_node(b->report, node, "address", "is missing");
        build_point(&r, &raw->points[i], style, point);
    }
    return MW_OK;
}

static int load_profile(struct build *b, struct profile *profile, const struct reader *r)
{
    size_t n_bytes = 0;
    int result = find_file(b, profile, &n_bytes);
    if (result == MW_ERR_NOT_FOUND) {
        report_node(b->report, r->node, "profile", "there is no profile '%s'%s%s%s", profile->name,
                    b->base_dir ? " in profiles/ beside this file" : "",
                    b->profile_dir ? " or in " : "", b->profile_dir ? b->profile_dir : "");
        return result;
    }
    if (result < 0) {
        report_node(b->report, r->node, "profile", "%s cannot be read: %s",
                    profile->file ? profile->file : profile->name, mw_result_text(result));
        return result;
    }
    result = document_read(&profile->document, profile->file, profile->bytes, n_bytes, b->report);
    if (result == MW_OK)
        result =
            raw_profile_load(&profile->raw, &profile->document, profile->bytes, n_bytes, b->report);
    if (result == MW_OK) {
        enum address_style style = build_header(b, profile);
        result = build_points(b, profile, style);
    }
    return result;
}

const struct profile *profile_get(struct build *b, const struct reader *r, const char *name)
{
    char checked[MW_NAME_MAX + 1];
    if (!read_name(r, "profile", name, checked))
        return NULL;
    struct profile *profile = b->profiles;
    while (profile && strcmp(profile->name, checked) != 0)
        profile = profile->next;
    if (!profile) {
        profile = calloc(1, sizeof *profile);
        if (!profile) {
            b->no_memory = true;
            return NULL;
        }
        memcpy(profile->name, checked, strlen(checked) + 1);
        profile->next = b->profiles;
        b->profiles = profile;
        if (load_profile(b, profile, r) == MW_ERR_NO_MEMORY)
            b->no_memory = true;
    } else if (!profile->file) {
        report_node(b->report, r->node, "profile", "there is no profile '%s'", checked);
    }
    return profile->points ? profile : NULL;
}

void profile_free_all(struct profile *profiles)
{
    while (profiles) {
        struct profile *next = profiles->next;
        raw_profile_free(profiles->raw);
        document_finish(&profiles->document);
        free(profiles->points);
        free(profiles->bytes);
        free(profiles->file);
        free(profiles);
        profiles = next;
    }
}
