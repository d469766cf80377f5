/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/init_draft.h"
#include "base/result.h"
#include "config/config.h"
#include "support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROFILES  MW_SOURCE_DIR "/fieldbus/profiles"
#define MAX_UNITS 4

/* A draft on the heap of tests, and what the real loader makes of it. */
struct bench {
    struct draft draft;
    struct draft_unit *units;
    char *text;
    size_t n;
    struct config *config;
    char errors[1024];
};

static void note_error(void *ctx, const struct config_error *error)
{
    struct bench *b = ctx;
    size_t n = strlen(b->errors);
    snprintf(b->errors + n, sizeof b->errors - n, "%d: %s: %s\n", error->line, error->path,
             error->message);
}

static void setup(struct bench *b)
{
    *b = (struct bench){ .draft = { .site = "works",
                                    .gateway = "gw",
                                    .period_us = 1000000,
                                    .high = 4.5,
                                    .high_high = 7.1 } };
    b->units = calloc(MAX_UNITS, sizeof *b->units);
    ck_assert_ptr_nonnull(b->units);
    b->draft.units = b->units;
    b->draft.bus = (struct bus_config){ .name = "bus-1",
                                        .kind = BUS_RTU,
                                        .baud = 9600,
                                        .parity = 'N',
                                        .stop_bits = 1,
                                        .device = "/dev/serial/by-id/usb-x" };
}

static void teardown(struct bench *b)
{
    config_free(b->config);
    free(b->text);
    free(b->units);
}

static struct draft_unit *add(struct bench *b, uint8_t address, const char *machine,
                              const char *role, const char *profile)
{
    struct draft_unit *u = &b->units[b->draft.n_units++];
    u->unit = address;
    snprintf(u->machine, sizeof u->machine, "%s", machine);
    snprintf(u->role, sizeof u->role, "%s", role);
    snprintf(u->profile, sizeof u->profile, "%s", profile);
    return u;
}

static void add_point(struct draft_unit *u, const char *line)
{
    char rule[160];
    bool ordered;
    const char *broken = draft_point_parse(line, &u->points[u->n_points++], &ordered, rule);
    ck_assert_msg(!broken, "%s: %s", line, broken);
}

static void load(struct bench *b)
{
    FILE *to = open_memstream(&b->text, &b->n);
    ck_assert_ptr_nonnull(to);
    draft_write(&b->draft, to);
    ck_assert_int_eq(fclose(to), 0);
    int result = config_load_bytes(&b->config, "", (const uint8_t *)b->text, b->n, NULL, PROFILES,
                                   note_error, b);
    ck_assert_msg(result == MW_OK, "%s%s", b->errors, b->text);
}

static const struct machine_config *machine(const struct bench *b, const char *name)
{
    for (size_t i = 0; i < b->config->n_machines; i++)
        if (strcmp(b->config->machines[i].name, name) == 0)
            return &b->config->machines[i];
    ck_abort_msg("no machine %s in %s", name, b->text);
    return NULL;
}

START_TEST(what_was_found_and_answered_is_what_the_loader_reads)
{
    struct bench b;
    setup(&b);
    add_point(add(&b, 7, "pump-1", "", ""), "vel_rms input 100 float32 CDAB unit=mm/s");
    add_point(&b.units[0], "temp holding 12 int16 scale=0.1 offset=-5 unit=degC high=80");
    snprintf(b.draft.mqtt.uri, sizeof b.draft.mqtt.uri, "mqtt://broker:1883");
    load(&b);
    const struct config *c = b.config;
    ck_assert_str_eq(c->gateway, "gw");
    ck_assert_str_eq(c->site, "works");
    ck_assert_int_eq(c->buses[0].baud, 9600);
    ck_assert_int_eq(c->buses[0].parity, 'N');
    ck_assert_int_eq(c->buses[0].stop_bits, 1);
    ck_assert_int_eq(c->devices[0].unit, 7);
    ck_assert_int_eq(c->points[0].kind, REGISTER_INPUT);
    ck_assert_int_eq(c->points[0].address, 100);
    ck_assert_int_eq(c->points[0].order, ORDER_CDAB);
    ck_assert_double_eq(c->points[1].scale, 0.1);
    ck_assert_double_eq(c->points[1].offset, -5);
    ck_assert_int_eq(c->points[1].period_us, 1000000);
    ck_assert_str_eq(c->mqtt.uri, "mqtt://broker:1883");
    const struct mw_detector_config *d = &machine(&b, "pump-1")->detector;
    ck_assert_uint_eq(d->n_channels, 2);
    ck_assert_float_eq(d->channels[0].limits.high, 4.5F);
    ck_assert_float_eq(d->channels[0].limits.high_high, 7.1F);
    ck_assert_float_eq(d->channels[1].limits.high, 80);
    ck_assert_uint_eq(d->channels[1].limits.armed, MW_LIMIT_HIGH);
    ck_assert_int_eq(d->channels[0].role, MW_ROLE_SCORE);
    ck_assert_int_eq(d->channels[1].role, MW_ROLE_CONTEXT);
    teardown(&b);
}
END_TEST

START_TEST(units_of_one_machine_are_told_apart_by_their_roles)
{
    struct bench b;
    setup(&b);
    add_point(add(&b, 1, "pump-1", "de", ""), "vel input 0 uint16 unit=mm/s");
    add_point(add(&b, 2, "pump-1", "nde", ""), "vel input 0 uint16 unit=mm/s");
    add_point(add(&b, 3, "pump-1", "", ""), "current input 0 uint16 unit=A");
    add_point(add(&b, 4, "fan", "", ""), "vel input 0 uint16 unit=mm/s");
    load(&b);
    ck_assert_uint_eq(b.config->n_machines, 2);
    const struct mw_detector_config *d = &machine(&b, "pump-1")->detector;
    ck_assert_uint_eq(d->n_channels, 3);
    ck_assert_str_eq(d->channels[0].name, "de.vel");
    ck_assert_str_eq(d->channels[1].name, "nde.vel");
    ck_assert_str_eq(d->channels[2].name, "current");
    ck_assert_int_eq(d->channels[2].role, MW_ROLE_CONTEXT);
    teardown(&b);
}
END_TEST

START_TEST(whoever_nothing_is_known_of_becomes_a_comment)
{
    struct bench b;
    setup(&b);
    add(&b, 7, "pump-1", "", "");
    add(&b, 200, "", "", "xy-md02");
    b.draft.bus = (struct bus_config){
        .name = "bus-1", .kind = BUS_TCP, .host = "fe80::1", .port = 1502, .framing = FRAMING_RTU
    };
    load(&b);
    ck_assert_uint_eq(b.config->n_devices, 0);
    ck_assert_uint_eq(b.config->n_machines, 0);
    ck_assert_str_eq(b.config->buses[0].host, "fe80::1");
    ck_assert_int_eq(b.config->buses[0].framing, FRAMING_RTU);
    ck_assert_ptr_nonnull(strstr(b.text, "#  - name: unit-7\n"));
    ck_assert_ptr_nonnull(strstr(b.text, "#  - name: unit-200\n"));
    teardown(&b);
}
END_TEST

START_TEST(a_commented_block_is_right_once_its_marks_are_taken_away)
{
    struct bench b;
    setup(&b);
    add(&b, 7, "pump-1", "", "");
    load(&b);
    char *at = strstr(b.text, "devices: []");
    ck_assert_ptr_nonnull(at);
    memset(at + strlen("devices:"), ' ', 3);
    for (at = strstr(at, "#  - name"); *at == '#' && at[1] == ' '; at = strchr(at, '\n') + 1)
        *at = ' ';
    config_free(b.config);
    int result = config_load_bytes(&b.config, "", (const uint8_t *)b.text, b.n, NULL, PROFILES,
                                   note_error, &b);
    ck_assert_msg(result == MW_OK, "%s%s", b.errors, b.text);
    ck_assert_uint_eq(b.config->n_points, 1);
    teardown(&b);
}
END_TEST

START_TEST(where_nothing_moves_all_is_judged)
{
    struct bench b;
    setup(&b);
    add_point(add(&b, 1, "room", "", ""), "temp input 0 uint16 unit=degC");
    add_point(&b.units[0], "humidity input 1 uint16 unit=%RH");
    b.draft.high = b.draft.high_high = DRAFT_NO_LIMIT;
    load(&b);
    const struct mw_detector_config *d = &machine(&b, "room")->detector;
    ck_assert_int_eq(d->channels[0].role, MW_ROLE_SCORE);
    ck_assert_int_eq(d->channels[1].role, MW_ROLE_SCORE);
    ck_assert_uint_eq(d->channels[0].limits.armed, 0);
    ck_assert_ptr_null(strstr(b.text, "20816"));
    teardown(&b);
}
END_TEST

START_TEST(a_machine_has_at_most_32_channels_the_others_are_comments)
{
    struct bench b;
    char line[64];
    setup(&b);
    struct draft_unit *u = add(&b, 1, "press", "", "");
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof line, "v%d input %d uint16 unit=mm/s", i, i);
        add_point(u, line);
    }
    load(&b);
    ck_assert_uint_eq(machine(&b, "press")->detector.n_channels, MW_MAX_CHANNELS);
    teardown(&b);
}
END_TEST

START_TEST(what_only_repeats_a_profile_is_a_comment_of_its_own_points_all_are_taken)
{
    struct bench b;
    setup(&b);
    struct draft_unit *u = add(&b, 1, "a", "", "banner-qm30vt2");
    add_point(u, "vel_rms_z input 0 uint16 unit=mm/s");
    add_point(u, "vel_peak_z input 0 uint16 unit=mm/s");
    add_point(u, "kurtosis_z input 0 uint16");
    u = add(&b, 2, "b", "", "");
    add_point(u, "vel_peak_z input 0 uint16 unit=mm/s");
    add_point(u, "kurtosis_z input 1 uint16");
    load(&b);
    ck_assert_uint_eq(machine(&b, "a")->detector.n_channels, 1);
    ck_assert_ptr_nonnull(strstr(b.text, "    #  - {point: kurtosis_z}"));
    ck_assert_uint_eq(machine(&b, "b")->detector.n_channels, 2);
    ck_assert_uint_eq(machine(&b, "b")->detector.channels[0].limits.armed,
                      0); /* a peak has no zone */
    teardown(&b);
}
END_TEST

START_TEST(a_password_is_never_in_it_only_its_file)
{
    struct bench b;
    setup(&b);
    b.draft.mqtt = (struct mqtt_config){ .uri = "mqtts://broker:8883",
                                         .username = "a \"b\" \\",
                                         .password_file = "/etc/millwright/password",
                                         .ca_file = "/etc/millwright/ca.pem" };
    load(&b);
    ck_assert_str_eq(b.config->mqtt.username, "a \"b\" \\");
    ck_assert_str_eq(b.config->mqtt.password_file, "/etc/millwright/password");
    ck_assert_ptr_null(strstr(b.text, "  password:"));
    teardown(&b);
}
END_TEST

START_TEST(small_scales_are_numbers_that_the_loader_reads)
{
    struct bench b;
    setup(&b);
    add_point(add(&b, 1, "m", "", ""), "a input 0 int32 scale=0.00001 offset=-1e6");
    load(&b);
    ck_assert_double_eq(b.config->points[0].scale, 1e-5);
    ck_assert_double_eq(b.config->points[0].offset, -1e6);
    teardown(&b);
}
END_TEST

START_TEST(a_point_is_read_whole_or_refused_by_its_broken_rule)
{
    static const struct {
        const char *line, *rule;
    } BAD[] = {
        { "", "NAME KIND ADDRESS TYPE" },
        { "vel input 100", "NAME KIND ADDRESS TYPE" },
        { "a/b input 100 int16", "'a/b'" },
        { "vel inputs 100 int16", "'inputs' is no kind" },
        { "vel input 30101x int16", "'30101x'" },
        { "vel input 65536 int16", "'65536' is no address" },
        { "vel input 100 float", "'float' is no type" },
        { "vel input 100 float32 ABDC", "'ABDC'" },
        { "vel input 100 float32 scale=x", "'x'" },
        { "vel input 100 float32 scale=0", "makes every value the same" },
        { "vel input 100 float32 unit=IN/S", "capitals" },
        { "vel input 100 float32 unit=", "1 to 11" },
        { "vel input 100 float32 high=5 high_high=5", "is not above high" },
        { "vel coil 100 float32", "type" },
        { "vel input 100 float32 colour=red", "'colour=red'" },
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct draft_point point = { .high = 42 };
        char rule[160];
        bool ordered;
        const char *broken = draft_point_parse(BAD[i].line, &point, &ordered, rule);
        ck_assert_msg(broken && strstr(broken, BAD[i].rule), "'%s' gave %s", BAD[i].line,
                      broken ? broken : "no rule");
        ck_assert_double_eq(point.high, 42);
    }
}
END_TEST

START_TEST(an_order_that_is_not_given_is_told)
{
    struct draft_point point;
    char rule[160];
    bool ordered = true;
    ck_assert_ptr_null(draft_point_parse(" vel\tinput 100 float32 ", &point, &ordered, rule));
    ck_assert(!ordered);
    ck_assert_ptr_null(draft_point_parse("vel input 100 float32 DCBA", &point, &ordered, rule));
    ck_assert(ordered);
    ck_assert_int_eq(point.point.order, ORDER_DCBA);
    ck_assert_ptr_null(draft_point_parse("run coil 3 bit", &point, &ordered, rule));
    ck_assert(ordered);
}
END_TEST

START_TEST(limits_are_in_the_unit_inside)
{
    struct draft_point p;
    bool ordered;
    char rule[160];
    ck_assert_ptr_null(draft_point_parse(
        "temp holding 2 int16 scale=0.1 unit=degF high=50 high_high=59", &p, &ordered, rule));
    ck_assert_double_eq_tol(p.high, 10, 1e-9);
    ck_assert_double_eq_tol(p.high_high, 15, 1e-9);
    ck_assert_str_eq(p.point.unit, "degF");
    ck_assert_ptr_null(
        draft_point_parse("vel holding 2 float32 unit=in/s high=0.3", &p, &ordered, rule));
    ck_assert_double_eq_tol(p.high, 7.62, 1e-9);
    ck_assert_double_nan(p.high_high);
    ck_assert_ptr_null(
        draft_point_parse("load holding 2 uint16 unit=rpm high=1500", &p, &ordered, rule));
    ck_assert_double_eq(p.high, 1500);
}
END_TEST

START_TEST(any_text_becomes_a_name)
{
    char name[MW_NAME_MAX + 1];
    draft_name("gw 7/hall.example.org", "gateway", name);
    ck_assert_str_eq(name, "gw-7-hall");
    draft_name("..", "gateway", name);
    ck_assert_str_eq(name, "gateway");
    draft_name("a234567890123456789012345678901234567890", "gateway", name);
    ck_assert_uint_eq(strlen(name), MW_NAME_MAX);
}
END_TEST

MW_SUITE("cli/init_draft", what_was_found_and_answered_is_what_the_loader_reads,
         units_of_one_machine_are_told_apart_by_their_roles,
         whoever_nothing_is_known_of_becomes_a_comment,
         a_commented_block_is_right_once_its_marks_are_taken_away,
         where_nothing_moves_all_is_judged,
         a_machine_has_at_most_32_channels_the_others_are_comments,
         what_only_repeats_a_profile_is_a_comment_of_its_own_points_all_are_taken,
         a_password_is_never_in_it_only_its_file, small_scales_are_numbers_that_the_loader_reads,
         a_point_is_read_whole_or_refused_by_its_broken_rule, an_order_that_is_not_given_is_told,
         limits_are_in_the_unit_inside, any_text_becomes_a_name)
