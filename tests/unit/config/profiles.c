/* SPDX-License-Identifier: Apache-2.0 */
/* Installed register maps against published frames and readings of the sensors. */
#include "base/result.h"
#include "base/sample.h"
#include "config/config.h"
#include "fieldbus/decode.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#define PROFILES MW_SOURCE_DIR "/fieldbus/profiles"

static void say(void *ctx, const struct config_error *error)
{
    (void)ctx;
    printf("%s:%d:%d: %s: %s\n", error->file, error->line, error->column, error->path,
           error->message);
}

/* A configuration of one device with this profile. */
static struct config *with_profile(const char *profile, unsigned address_offset)
{
    char text[400];
    int n = snprintf(text, sizeof text,
                     "version: 1\nbuses: [{name: b, tcp: {host: h}}]\ndevices: [{name: d, bus: b, "
                     "unit: 1, profile: %s, address_offset: %u}]\n",
                     profile, address_offset);
    struct config *config = NULL;
    ck_assert_int_eq(config_load_bytes(&config, "t", (const uint8_t *)text, (size_t)n, NULL,
                                       PROFILES, say, NULL),
                     MW_OK);
    return config;
}

/* One value as the wire carried it. */
struct reading {
    const char *point;
    enum register_kind kind;
    uint16_t address;
    uint16_t registers[2];
    float value;
};

static void compare(const struct config *c, const struct reading *readings, size_t n)
{
    for (size_t r = 0; r < n; r++) {
        const struct reading *want = &readings[r];
        const struct point_config *p = NULL;
        for (size_t i = 0; i < c->n_points; i++)
            if (strcmp(c->points[i].name, want->point) == 0)
                p = &c->points[i];
        ck_assert_msg(p != NULL, "%s", want->point);
        ck_assert_int_eq(p->kind, want->kind);
        ck_assert_uint_eq(p->address, want->address);
        float value = -1;
        ck_assert_int_eq(decode_point(p, want->registers, &value), MW_QUALITY_GOOD);
        ck_assert_msg(value >= want->value - 1e-5f * (1 + want->value) &&
                          value <= want->value + 1e-5f * (1 + want->value),
                      "%s: %g, not %g", want->point, (double)value, (double)want->value);
    }
}

#define COMPARE(config, readings) compare(config, readings, sizeof(readings) / sizeof(readings)[0])

START_TEST(a_qm42vt1_behind_a_dx80_reads_as_its_published_frame)
{
    /* Request 01 03 00 10 00 06, reply 01 03 0C 00 2E 00 6C 06 25 02 06 00 47 00 B6: node 1. */
    static const struct reading FRAME[] = {
        { "vel_rms_z", REGISTER_HOLDING, 17, { 0x006c }, 0.108f },
        { "temp", REGISTER_HOLDING, 19, { 0x0206 }, 25.9f },
        { "vel_rms_x", REGISTER_HOLDING, 21, { 0x00b6 }, 0.182f },
    };
    struct config *c = with_profile("banner-qm42vt1-via-dx80", 16);
    COMPARE(c, FRAME);
    config_free(c);
}
END_TEST

START_TEST(a_wtvb01_reads_as_in_its_manual)
{
    static const struct reading MANUAL[] = {
        { "acc_z", REGISTER_HOLDING, 0x36, { 1988 }, 0.970703125f },
        { "vel_x", REGISTER_HOLDING, 0x3a, { 2010 }, 20.10f },
        { "vel_y", REGISTER_HOLDING, 0x3b, { 0x8001 }, 327.69f }, /* unsigned */
        { "temp", REGISTER_HOLDING, 0x40, { 2417 }, 24.17f },
        { "freq_x", REGISTER_HOLDING, 0x44, { 619 }, 61.9f },
    };
    struct config *c = with_profile("witmotion-wtvb01-485", 0);
    COMPARE(c, MANUAL);
    config_free(c);
}
END_TEST

START_TEST(a_qm30vt2_has_its_block_at_5200)
{
    static const struct reading BLOCK[] = {
        { "vel_rms_z", REGISTER_HOLDING, 5201, { 0xffff }, 65.535f }, /* unsigned */
        { "temp", REGISTER_HOLDING, 5203, { 0xffff }, -0.01f },       /* signed */
        { "acc_hf_rms_x", REGISTER_HOLDING, 5221, { 1500 }, 1.5f },
    };
    struct config *c = with_profile("banner-qm30vt2", 0);
    COMPARE(c, BLOCK);
    ck_assert_uint_eq(c->n_points, 17);
    config_free(c);
}
END_TEST

START_TEST(an_xy_md02_is_asked_as_in_its_published_request)
{
    /* 01 04 00 01 00 02: input registers 1 and 2. */
    static const struct reading REQUEST[] = {
        { "temp", REGISTER_INPUT, 1, { 0x0101 }, 25.7f },
        { "humidity", REGISTER_INPUT, 2, { 0x0220 }, 54.4f },
    };
    struct config *c = with_profile("xy-md02", 0);
    COMPARE(c, REQUEST);
    config_free(c);
}
END_TEST

START_TEST(meters_have_their_word_orders)
{
    static const struct reading HIGH_FIRST[] = {
        { "voltage_l1", REGISTER_INPUT, 0, { 0x4366, 0x8000 }, 230.5f },
        { "power", REGISTER_INPUT, 52, { 0x44fa, 0x0000 }, 2000.0f },
    };
    static const struct reading LOW_FIRST[] = {
        { "voltage_l1", REGISTER_HOLDING, 0, { 0x08fd, 0x0000 }, 230.1f },
        { "power", REGISTER_HOLDING, 4, { 0x86a0, 0x0001 }, 10000.0f },
    };
    struct config *c = with_profile("eastron-sdm630", 0);
    COMPARE(c, HIGH_FIRST);
    ck_assert_uint_eq(c->devices[0].max_registers, 80);
    config_free(c);
    c = with_profile("carlogavazzi-em111", 0);
    COMPARE(c, LOW_FIRST);
    config_free(c);
}
END_TEST

START_TEST(a_missing_probe_is_no_temperature)
{
    struct config *c = with_profile("eletechsup-r4dcb08", 0);
    float value = 7;
    ck_assert_int_eq(decode_point(&c->points[0], (uint16_t[]){ 0x8000 }, &value),
                     MW_QUALITY_INVALID);
    ck_assert_float_eq(value, 7);
    ck_assert_int_eq(decode_point(&c->points[7], (uint16_t[]){ 0xff9c }, &value), MW_QUALITY_GOOD);
    ck_assert_float_eq_tol(value, -10.0f, 1e-4f);
    config_free(c);
}
END_TEST

MW_SUITE("config/profiles", a_qm42vt1_behind_a_dx80_reads_as_its_published_frame,
         a_wtvb01_reads_as_in_its_manual, a_qm30vt2_has_its_block_at_5200,
         an_xy_md02_is_asked_as_in_its_published_request, meters_have_their_word_orders,
         a_missing_probe_is_no_temperature)
