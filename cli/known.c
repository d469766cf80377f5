/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/known.h"
#include "base/result.h"
#include "fieldbus/decode.h"
#include "fieldbus/plan.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define PERIOD_US 1000000

static void no_words(void *ctx, const struct config_error *error)
{
    (void)ctx;
    (void)error;
}

static int is_profile(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && n - 5 <= MW_NAME_MAX && strcmp(entry->d_name + n - 5, ".yaml") == 0;
}

/* A configuration of one device that has the profile: only config/ knows how profiles are read. */
static struct config *load_one(const char *name, const char *folder, const char *variant)
{
    char text[256];
    struct config *config = NULL;
    int n = snprintf(text, sizeof text,
                     "version: 1\nbuses: [{name: b, tcp: {host: 127.0.0.1}}]\n"
                     "devices: [{name: d, bus: b, unit: 1, profile: %s%s%s}]\n",
                     name, variant ? ", variant: " : "", variant ? variant : "");
    if (n < 0 || (size_t)n >= sizeof text)
        return NULL;
    if (config_load_bytes(&config, "", (const uint8_t *)text, (size_t)n, NULL, folder, no_words,
                          NULL) != MW_OK)
        return NULL;
    for (size_t i = 0; i < config->n_points; i++)
        config->points[i].period_us = PERIOD_US;
    return config;
}

static bool load_profile(struct known_profile *profile, const char *folder)
{
    if (profile_view_load(&profile->view, folder, profile->name, NULL, no_words, NULL) != MW_OK)
        return false;
    profile->config = load_one(profile->name, folder, NULL);
    if (!profile->config)
        profile_view_finish(&profile->view);
    return profile->config != NULL;
}

void known_load(struct known *known, const char *folder)
{
    struct dirent **names = NULL;
    known->n = 0;
    known->folder = folder;
    int n = scandir(folder, &names, is_profile, alphasort);
    for (int i = 0; i < n; i++) {
        struct known_profile *profile = &known->profiles[known->n];
        if (known->n < KNOWN_MAX) {
            snprintf(profile->name, sizeof profile->name, "%.*s",
                     (int)(strlen(names[i]->d_name) - 5), names[i]->d_name);
            known->n += load_profile(profile, folder);
        }
        free(names[i]);
    }
    free(names);
}

void known_free(struct known *known)
{
    for (size_t i = 0; i < known->n; i++) {
        config_free(known->profiles[i].config);
        profile_view_finish(&known->profiles[i].view);
    }
    known->n = 0;
}

bool known_plausible(const char *unit, double value)
{
    /* what industrial sensors of the unit measure, generously */
    static const struct {
        const char *unit;
        double min, max;
    } UNITS[] = { { "degC", -60, 500 },  { "mm/s", 0, 200 },     { "g", -50, 50 },
                  { "m/s2", -500, 500 }, { "Hz", 0, 20000 },     { "%", 0, 110 },
                  { "V", -1000, 1000 },  { "A", -5000, 5000 },   { "rpm", -30000, 30000 },
                  { "bar", -1, 1000 },   { "um", -10000, 10000 } };
    if (!isfinite(value) || (value != 0 && fabs(value) < 1e-12))
        return false;
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++)
        if (strcmp(unit, UNITS[i].unit) == 0)
            return value >= UNITS[i].min && value <= UNITS[i].max;
    return fabs(value) < 1e9;
}

/* One request of a profile; false where the answer does not fit it. */
static bool poll_fits(const struct config *config, const struct plan *plan,
                      const struct plan_poll *poll, const struct guest_answer *answer,
                      struct known_match *match)
{
    for (uint32_t i = poll->first; i < poll->first + poll->n; i++) {
        const struct plan_entry *entry = &plan->entries[i];
        const struct point_config *point = &config->points[entry->point];
        float value = 0;
        if (decode_point(point, answer->registers + (entry->address - poll->address), &value) !=
                MW_QUALITY_GOOD ||
            !known_plausible(point->unit, (double)value))
            return false;
        match->n_points++;
        match->n_lively += fpclassify(value) != FP_ZERO;
    }
    return true;
}

static bool profile_fits(const struct config *config, struct reach *reach, uint8_t unit,
                         struct known_match *match, int *ret_status)
{
    struct plan plan = { 0 };
    bool fits = plan_init(&plan, config->devices, 1, config->points, 0) == MW_OK;
    for (size_t i = 0; fits && i < plan.n_polls; i++) {
        const struct plan_poll *poll = &plan.polls[i];
        struct line_request request = { unit, poll->kind, poll->address, poll->count };
        struct guest_answer answer;
        fits = poll->count <= GUEST_MAX_COUNT && !reach_stopped();
        if (fits)
            *ret_status = reach_read(reach, &request, &answer);
        fits = fits && *ret_status == EX_OK && answer.result == MW_OK &&
               poll_fits(config, &plan, poll, &answer, match);
    }
    plan_finish(&plan);
    return fits && match->n_lively > 0;
}

static bool is_told(const struct profile_view *view)
{
    bool told = false;
    for (size_t i = 0; i < view->n_variants; i++)
        told = told || view->variants[i].has_match;
    return told && view->has_identity;
}

/* Which variant the identity register tells; false where it tells none. */
static bool tell_variant(const struct profile_view *view, struct reach *reach, uint8_t unit,
                         const char **ret_variant, int *ret_status)
{
    const struct point_config *id = &view->identity;
    struct line_request request = { unit, id->kind, id->address, value_registers(id->type) };
    struct guest_answer answer;
    *ret_status = reach_read(reach, &request, &answer);
    if (*ret_status != EX_OK || answer.result != MW_OK)
        return false;
    const struct profile_variant *variant =
        profile_variant_of(view, decode_bits(id, answer.registers));
    if (variant)
        *ret_variant = variant->name;
    return variant != NULL;
}

/* With a variant the points may be others. */
static bool fits(const struct known *known, size_t index, struct reach *reach, uint8_t unit,
                 struct known_match *match, int *ret_status)
{
    const struct known_profile *profile = &known->profiles[index];
    struct config *varied = NULL;
    if (is_told(&profile->view)) {
        if (!tell_variant(&profile->view, reach, unit, &match->variant, ret_status))
            return false;
        varied = load_one(profile->name, known->folder, match->variant);
    }
    bool fit = profile_fits(varied ? varied : profile->config, reach, unit, match, ret_status);
    config_free(varied);
    return fit;
}

static bool is_better(const struct known_match *a, const struct known_match *b)
{
    if ((a->variant != NULL) != (b->variant != NULL))
        return a->variant != NULL;
    return a->n_lively > b->n_lively;
}

static void insert(struct known_match *list, size_t *n, size_t cap, struct known_match match)
{
    size_t i = *n;
    if (*n == cap && !is_better(&match, &list[cap - 1]))
        return;
    if (*n == cap)
        i = cap - 1;
    else
        ++*n;
    for (; i > 0 && is_better(&match, &list[i - 1]); i--)
        list[i] = list[i - 1];
    list[i] = match;
}

size_t known_match(const struct known *known, struct reach *reach, uint8_t unit,
                   void (*progress)(void *ctx, const char *profile), void *ctx,
                   struct known_match *ret_matches, size_t cap, int *ret_status)
{
    size_t n = 0;
    *ret_status = EX_OK;
    for (size_t i = 0; i < known->n && *ret_status == EX_OK && !reach_stopped(); i++) {
        struct known_match match = { .profile = i };
        if (progress)
            progress(ctx, known->profiles[i].name);
        if (fits(known, i, reach, unit, &match, ret_status))
            insert(ret_matches, &n, cap, match);
    }
    return n;
}
