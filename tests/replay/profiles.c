/* SPDX-License-Identifier: Apache-2.0 */
/* Every installed profile against replies of its device: tests/replay/profiles/frames.txt, whole
 * RTU frames with their checksums, judged, taken apart and compared to the last bit of the float.
 * The file is written by frames.py beside it, which shares nothing with the profiles. */
#include "base/result.h"
#include "base/sample.h"
#include "config/config.h"
#include "fieldbus/decode.h"
#include "fieldbus/frame.h"
#include "support/suite.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROFILES MW_SOURCE_DIR "/fieldbus/profiles"
#define FRAMES   MW_SOURCE_DIR "/tests/replay/profiles/frames.txt"
#define MAX_LINE 1024
#define MAX_SEEN 2000

static void say(void *ctx, const struct config_error *error)
{
    (void)ctx;
    printf("%s:%d:%d: %s: %s\n", error->file, error->line, error->column, error->path,
           error->message);
}

static int load(struct config **ret_config, const char *profile, const char *variant,
                unsigned offset)
{
    char text[400];
    int n = snprintf(text, sizeof text,
                     "version: 1\nbuses: [{name: b, tcp: {host: h}}]\ndevices: [{name: d, bus: b, "
                     "unit: 1, profile: %s, address_offset: %u%s%s}]\n",
                     profile, offset, variant ? ", variant: " : "", variant ? variant : "");
    return config_load_bytes(ret_config, "t", (const uint8_t *)text, (size_t)n, NULL, PROFILES, say,
                             NULL);
}

static const struct point_config *find(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_points; i++)
        if (strcmp(c->points[i].name, name) == 0)
            return &c->points[i];
    ck_abort_msg("no point '%s'", name);
    return NULL;
}

/* What a line "frame ..." says, and its reply taken apart. */
struct frame {
    char profile[64];
    struct config *config;
    unsigned address, count;
    struct line_reply reply;
};

static size_t from_hex(const char *hex, uint8_t bytes[RTU_MAX_BYTES])
{
    size_t n = strlen(hex) / 2;
    ck_assert_uint_le(n, RTU_MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        char pair[3] = { hex[2 * i], hex[2 * i + 1], 0 };
        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

static void take_frame(struct frame *frame, const char *line)
{
    char origin[16], hex[2 * RTU_MAX_BYTES + 1];
    unsigned offset = 0;
    ck_assert_int_eq(sscanf(line, "frame %63s %u %15s %u %u %512s", frame->profile, &offset, origin,
                            &frame->address, &frame->count, hex),
                     6);
    config_free(frame->config);
    frame->config = NULL;
    ck_assert_int_eq(load(&frame->config, frame->profile, NULL, offset), MW_OK);
    uint8_t bytes[RTU_MAX_BYTES];
    size_t n = from_hex(hex, bytes), used = 0;
    struct line_request asked = { .unit = bytes[0],
                                  .kind = frame->config->points[0].kind,
                                  .address = (uint16_t)frame->address,
                                  .count = (uint16_t)frame->count };
    ck_assert_int_eq(rtu_reply(bytes, n, &asked, &frame->reply, &used), MW_OK);
    ck_assert_uint_eq(used, n);
}

static void take_value(const struct frame *frame, const char *line)
{
    char name[64], text[64];
    ck_assert_int_eq(sscanf(line, "value %63s %63s", name, text), 2);
    const struct point_config *point = find(frame->config, name);
    ck_assert_msg(point != NULL, "%s has no point %s", frame->profile, name);
    ck_assert_uint_ge(point->address, frame->address);
    ck_assert_uint_le(point->address + value_registers(point->type), frame->address + frame->count);
    float value = 0;
    enum mw_quality quality =
        decode_point(point, &frame->reply.registers[point->address - frame->address], &value);
    if (strcmp(text, "invalid") == 0) {
        ck_assert_msg(quality == MW_QUALITY_INVALID, "%s %s", frame->profile, name);
        return;
    }
    float want = strtof(text, NULL);
    ck_assert_msg(quality == MW_QUALITY_GOOD && memcmp(&value, &want, sizeof value) == 0,
                  "%s %s: %.9g, not %s", frame->profile, name, (double)value, text);
}

/* "profile point" of each value that was compared. */
struct seen {
    char names[MAX_SEEN][130];
    size_t n;
};

static void read_frames(struct seen *seen)
{
    FILE *file = fopen(FRAMES, "r");
    ck_assert_ptr_nonnull(file);
    char line[MAX_LINE], name[64];
    struct frame frame = { .config = NULL };
    while (fgets(line, sizeof line, file)) {
        if (line[0] == 'f') {
            take_frame(&frame, line);
        } else if (line[0] == 'v') {
            take_value(&frame, line);
            ck_assert_int_eq(sscanf(line, "value %63s", name), 1);
            ck_assert_uint_lt(seen->n, MAX_SEEN);
            (void)snprintf(seen->names[seen->n++], sizeof seen->names[0], "%s %s", frame.profile,
                           name);
        }
    }
    config_free(frame.config);
    fclose(file);
}

static bool was_seen(const struct seen *seen, const char *profile, const char *point)
{
    char name[130];
    (void)snprintf(name, sizeof name, "%.60s %s", profile, point);
    for (size_t i = 0; i < seen->n; i++)
        if (strcmp(seen->names[i], name) == 0)
            return true;
    return false;
}

START_TEST(every_point_of_every_profile_reads_its_golden_frame)
{
    static struct seen seen;
    seen.n = 0;
    read_frames(&seen);
    DIR *dir = opendir(PROFILES);
    ck_assert_ptr_nonnull(dir);
    size_t n_profiles = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char profile[64];
        const char *end = strstr(entry->d_name, ".yaml");
        if (!end || end - entry->d_name >= (ptrdiff_t)sizeof profile)
            continue;
        size_t n = (size_t)(end - entry->d_name);
        memcpy(profile, entry->d_name, n);
        profile[n] = '\0';
        struct config *c = NULL;
        ck_assert_int_eq(load(&c, profile, NULL, 0), MW_OK);
        ck_assert_uint_gt(c->n_points, 0);
        for (size_t i = 0; i < c->n_points; i++)
            ck_assert_msg(was_seen(&seen, profile, c->points[i].name), "%s %s has no frame",
                          profile, c->points[i].name);
        config_free(c);
        n_profiles++;
    }
    closedir(dir);
    ck_assert_uint_eq(n_profiles, 18);
}
END_TEST

START_TEST(a_variant_changes_what_it_names_and_nothing_else)
{
    struct config *usual = NULL, *varied = NULL;
    ck_assert_int_eq(load(&usual, "witmotion-wtvb01-485", NULL, 0), MW_OK);
    ck_assert_int_eq(load(&varied, "witmotion-wtvb01-485", "velocity-1", 0), MW_OK);
    ck_assert_double_eq(find(usual, "vel_x")->scale, 0.01);
    ck_assert_double_eq(find(varied, "vel_x")->scale, 1);
    ck_assert_double_eq(find(varied, "freq_x")->scale, 0.1);
    ck_assert_int_eq(find(varied, "vel_x")->type, VALUE_UINT16);
    config_free(usual);
    config_free(varied);
}
END_TEST

START_TEST(an_unknown_variant_is_refused)
{
    struct config *c = NULL;
    ck_assert_int_eq(load(&c, "witmotion-wtvb01-485", "velocity-2", 0), MW_ERR_INVALID);
    ck_assert_int_eq(load(&c, "xy-md02", "velocity-1", 0), MW_ERR_INVALID);
}
END_TEST

MW_SUITE("replay/profiles", every_point_of_every_profile_reads_its_golden_frame,
         a_variant_changes_what_it_names_and_nothing_else, an_unknown_variant_is_refused)
