/* SPDX-License-Identifier: Apache-2.0 */
#include "config/catalogue.h"

#include "base/result.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD                                                             \
    "version: 1\nvendor: V\nmodel: M\nlevel: C\nsources: [s]\npoints:\n" \
    "  - {name: vel, address: 3, type: uint16, scale: 0.001, unit: in/s, range: [0, 2]}\n"

struct told {
    int n;
    char first[300];
};

static void tell(void *ctx, const struct config_error *error)
{
    struct told *told = ctx;
    if (!told->n++)
        (void)snprintf(told->first, sizeof told->first, "%d: %s: %.200s", error->line, error->path,
                       error->message);
}

/* Writes dir/p.yaml of HEAD and rest, loads it, removes it. */
static int load(struct profile_view *ret_view, const char *rest, const char *variant,
                struct told *told)
{
    char dir[] = "/tmp/mw-catalogue-XXXXXX", file[sizeof dir + 16];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(file, sizeof file, "%s/p.yaml", dir);
    FILE *to = fopen(file, "w");
    ck_assert_ptr_nonnull(to);
    fprintf(to, HEAD "%s", rest);
    ck_assert_int_eq(fclose(to), 0);
    *told = (struct told){ 0 };
    int result = profile_view_load(ret_view, dir, "p", variant, tell, told);
    unlink(file);
    rmdir(dir);
    return result;
}

static void refused(const char *rest, const char *want)
{
    struct profile_view view;
    struct told told;
    ck_assert_int_eq(load(&view, rest, NULL, &told), MW_ERR_INVALID);
    ck_assert_msg(strstr(told.first, want) != NULL, "%s\nnot %s", told.first, want);
}

START_TEST(the_identity_register_names_the_variant)
{
    struct profile_view view;
    struct told told;
    ck_assert_int_eq(load(&view,
                          "link: {transport: rtu, baud: 9600, parity: E, unit: 7}\n"
                          "identity: {kind: input, address: 11}\n"
                          "variants:\n"
                          "  - {name: old, note: n, identity: [1, 99]}\n"
                          "  - {name: new, note: n, identity: [100, 0xffff],\n"
                          "     points: [{name: vel, scale: 1, unit: mm/s}]}\n",
                          "new", &told),
                     MW_OK);
    ck_assert_int_eq(told.n, 0);
    ck_assert_str_eq(view.parity, "E");
    ck_assert_str_eq(view.unit, "7");
    ck_assert(view.has_identity);
    ck_assert_int_eq(view.identity.kind, REGISTER_INPUT);
    ck_assert_uint_eq(view.identity.address, 11);
    ck_assert_ptr_null(profile_variant_of(&view, 0));
    ck_assert_str_eq(profile_variant_of(&view, 99)->name, "old");
    ck_assert_str_eq(profile_variant_of(&view, 100)->name, "new");
    ck_assert_double_eq(view.points[0].scale, 1);
    profile_view_finish(&view);
}
END_TEST

START_TEST(ranges_go_with_the_unit)
{
    struct profile_view view;
    struct told told;
    ck_assert_int_eq(load(&view, "", NULL, &told), MW_OK);
    ck_assert_str_eq(view.points[0].unit, "mm/s");
    ck_assert_double_eq_tol(view.points[0].scale, 0.0254, 1e-12);
    ck_assert_double_eq_tol(view.points[0].range_max, 50.8, 1e-12);
    profile_view_finish(&view);
}
END_TEST

START_TEST(what_is_wrong_is_named_with_its_place)
{
    refused("link: {parity: X}\n", "8: link.parity");
    refused("link: {unit: 250}\n", "8: link.unit");
    refused("link: {speed: 9600}\n", "8: link.speed");
    refused("identity: {kind: holding}\n", "address");
    refused("identity: {address: 70000}\n", "8: identity.address");
    refused("variants: [{name: a, note: n, identity: [1, 2]}]\n", "needs the profile's identity");
    refused("identity: {address: 1}\nvariants: [{name: a, note: n, identity: [3, 2]}]\n",
            "[lowest, highest]");
    refused("identity: {address: 1}\nvariants: [{name: a, note: n, identity: [x, 2]}]\n", "'x'");
    refused("variants: [{name: a, note: n}, {name: a, note: n}]\n", "another variant");
    refused("variants: [{name: a, note: n, points: [{name: no}]}]\n", "no point of this profile");
    refused("variants: [{name: a, note: n, points: [{name: vel, type: uint17}]}]\n", "uint17");
    refused("variants: [{name: a, note: n, points: [{name: vel, unit: IN/S}]}]\n",
            "did you mean 'in/s'");
}
END_TEST

START_TEST(what_is_not_there_is_not_reported)
{
    struct profile_view view;
    struct told told = { 0 };
    ck_assert_int_eq(profile_view_load(&view, "/tmp", "no-such-profile", NULL, tell, &told),
                     MW_ERR_NOT_FOUND);
    ck_assert_int_eq(profile_view_load(&view, "/tmp", "../etc/x", NULL, tell, &told),
                     MW_ERR_NOT_FOUND);
    ck_assert_int_eq(told.n, 0);
    profile_view_finish(NULL);
}
END_TEST

MW_SUITE("config/catalogue", the_identity_register_names_the_variant, ranges_go_with_the_unit,
         what_is_wrong_is_named_with_its_place, what_is_not_there_is_not_reported)
