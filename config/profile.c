/* SPDX-License-Identifier: Apache-2.0 */
/* Register maps of device models: profiles/<name>.yaml beside the configuration, then the
 * installed ones. */
#include "base/result.h"
#include "config/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

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

/* ---- how it is delivered, and what tells its variants apart ---- */

static void check_link(struct build *b, const struct profile *profile)
{
    static const struct value_word TRANSPORTS[] = { { "rtu", BUS_RTU }, { "tcp", BUS_TCP } };
    static const struct value_word PARITIES[] = { { "N", 'N' }, { "E", 'E' }, { "O", 'O' } };
    const struct raw_link *raw = profile->raw->link;
    struct reader r = { b->report, node_get(profile->document.root, "link") };
    if (!raw || !r.node || r.node->faulty)
        return;
    (void)read_word(&r, "transport", raw->transport, TRANSPORTS, COUNT(TRANSPORTS), BUS_RTU);
    (void)read_whole(&r, "baud", raw->baud, 300, 1000000, 0);
    (void)read_word(&r, "parity", raw->parity, PARITIES, COUNT(PARITIES), 'N');
    (void)read_whole(&r, "stop_bits", raw->stop_bits, 1, 2, 1);
    (void)read_whole(&r, "unit", raw->unit, 1, 247, 1);
    (void)read_whole(&r, "port", raw->port, 1, UINT16_MAX, 502);
}

/* The register is checked as a point is; it is not polled. */
static void check_identity(struct build *b, const struct profile *profile)
{
    const struct raw_identity *raw = profile->raw->identity;
    struct reader r = { b->report, node_get(profile->document.root, "identity") };
    if (!raw || !r.node || r.node->faulty)
        return;
    struct raw_point as_point = {
        .kind = raw->kind, .address = raw->address, .type = raw->type, .order = raw->order
    };
    struct point_config point = { .bit = -1 };
    build_point(&r, &as_point, ADDRESS_ZERO_BASED, &point);
    struct report_settling settling = { b->report, { r.node } };
    struct mw_complaints to = report_complaints(&settling);
    (void)point_settle(&point, &to);
}

static const struct point_config *find_point(const struct profile *profile, const char *name)
{
    struct names names = { profile->points, profile->n_points, sizeof profile->points[0] };
    int64_t i = name ? find_name(&names, name) : -1; /* NULL: faulty, and that was said */
    return i < 0 ? NULL : &profile->points[i];
}

/* The identity's values of a variant: [lowest, highest]. */
static void check_match(struct build *b, const struct profile *profile, const struct node *node,
                        const struct raw_variant *raw)
{
    const struct node *match = node_get(node, "identity");
    if (!match || match->faulty)
        return;
    if (!profile->raw->identity)
        report_node(b->report, match, NULL, "needs the profile's identity register");
    uint64_t ends[2] = { 0, 0 };
    const struct node *entry = match->first;
    for (uint32_t i = 0; i < raw->identity_count && i < 2; i++, entry = entry->next) {
        const char *rule = entry->faulty ? NULL : value_whole(raw->identity[i], &ends[i]);
        if (rule)
            report_node(b->report, entry, NULL, "'%s' %s", raw->identity[i], rule);
    }
    if (raw->identity_count != 2 || ends[0] > ends[1])
        report_node(b->report, match, NULL, "must be two whole numbers: [lowest, highest]");
}

static void check_variants(struct build *b, const struct profile *profile)
{
    const struct raw_profile *raw = profile->raw;
    enum address_style style = build_address_style(
        &(struct reader){ b->report, profile->document.root }, raw->address_style);
    const struct node *node = node_get(profile->document.root, "variants");
    node = node ? node->first : NULL;
    for (uint32_t v = 0; v < raw->variants_count; v++, node = node->next) {
        const struct raw_variant *variant = &raw->variants[v];
        struct reader r = { b->report, node };
        char name[MW_NAME_MAX + 1] = "";
        if (node->faulty || !read_name(&r, "name", variant->name, name))
            continue;
        for (uint32_t other = 0; other < v; other++)
            if (raw->variants[other].name && strcmp(raw->variants[other].name, name) == 0)
                report_node(b->report, node, "name", "'%s' is the name of another variant", name);
        check_match(b, profile, node, variant);
        const struct node *at = node_get(node, "points");
        at = at ? at->first : NULL;
        for (uint32_t i = 0; i < variant->points_count; i++, at = at->next) {
            if (at->faulty)
                continue;
            const struct point_config *own = find_point(profile, variant->points[i].name);
            struct point_config varied = own ? *own : (struct point_config){ .bit = -1 };
            if (!own && variant->points[i].name)
                report_node(b->report, at, "name", "'%s' is no point of this profile",
                            variant->points[i].name);
            build_point(&(struct reader){ b->report, at }, &variant->points[i], style, &varied);
        }
    }
}

void profile_vary(struct build *b, const struct reader *r, const struct profile *profile,
                  const char *variant, struct point_config *points)
{
    if (!read_given(r, "variant", variant))
        return;
    const struct raw_profile *raw = profile->raw;
    const struct node *node = node_get(profile->document.root, "variants");
    node = node ? node->first : NULL;
    uint32_t v = 0;
    while (v < raw->variants_count &&
           (!raw->variants[v].name || strcmp(raw->variants[v].name, variant) != 0)) {
        v++;
        node = node->next;
    }
    if (v == raw->variants_count) {
        report_node(b->report, r->node, "variant", "profile '%s' has no variant '%s'",
                    profile->name, variant);
        return;
    }
    enum address_style style = build_address_style(
        &(struct reader){ b->report, profile->document.root }, raw->address_style);
    const struct node *at = node_get(node, "points");
    at = at ? at->first : NULL;
    for (uint32_t i = 0; i < raw->variants[v].points_count; i++, at = at->next) {
        const struct point_config *own = find_point(profile, raw->variants[v].points[i].name);
        if (own && !at->faulty) /* what is wrong with it was said when the profile was read */
            build_point(&(struct reader){ b->report, at }, &raw->variants[v].points[i], style,
                        &points[own - profile->points]);
    }
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
    if (result == MW_OK) {
        check_link(b, profile);
        check_identity(b, profile);
        check_variants(b, profile);
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
