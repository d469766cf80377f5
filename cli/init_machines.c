/* SPDX-License-Identifier: Apache-2.0 */
/* What hangs on the bus: a machine's name, a profile or points from a manual for each unit. */
#include "cli/init.h"

#include "base/result.h"
#include "config/value.h"
#include "fieldbus/decode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define SHOWN 4 /* values of a device, so that a person recognises it */

/* One unit and whoever asks about it. */
struct subject {
    struct init *init;
    struct draft_unit *unit;
    const struct search_found *found;
    bool done; /* no more points */
};

/* What an option says of this unit: the text behind "7=" or "7 ". NULL: nothing. from: where to go
 * on looking. */
static const char *given_for(const struct init_repeated *list, uint8_t unit, char separator,
                             size_t *from)
{
    for (; *from < list->n; ++*from) {
        char *end = NULL;
        unsigned long number = strtoul(list->values[*from], &end, 10);
        if (end != list->values[*from] && *end == separator && number == unit) {
            ++*from;
            return end + 1;
        }
    }
    return NULL;
}

/* ---- values ---- */

static int read_registers(struct init *in, uint8_t unit, const struct point_config *point,
                          struct guest_answer *ret_answer)
{
    struct line_request request = { unit, point->kind, point->address,
                                    value_registers(point->type) };
    int status = reach_read(&in->reach, &request, ret_answer);
    return status == EX_OK ? ret_answer->result : MW_ERR_IO;
}

static void say_values(struct init *in, const struct draft_unit *unit)
{
    const char *separator = "  now: ";
    for (size_t i = 0, shown = 0; i < unit->n_points && shown < SHOWN; i++) {
        const struct point_config *point = &unit->points[i].point;
        struct guest_answer answer;
        float value = 0;
        if (read_registers(in, unit->unit, point, &answer) != MW_OK ||
            decode_point(point, answer.registers, &value) != MW_QUALITY_GOOD)
            continue;
        fprintf(stderr, "%s%s %.4g %s", separator, point->name, (double)value, point->unit);
        separator = ", ";
        shown++;
    }
    fputs(separator[0] == ',' ? "\n" : "", stderr);
}

/* ---- a machine's name ---- */

static bool refuse(const char *word, const char *rule)
{
    fprintf(stderr, "'%s' %s\n", word, rule);
    return false;
}

static bool is_taken(const struct init *in, const struct draft_unit *self, const char *machine,
                     const char *role)
{
    struct draft_unit wanted = { 0 };
    char name[MW_NAME_MAX + 1], other[MW_NAME_MAX + 1];
    snprintf(wanted.machine, sizeof wanted.machine, "%.32s", machine);
    snprintf(wanted.role, sizeof wanted.role, "%.32s", role);
    draft_device_name(&wanted, name);
    for (const struct draft_unit *u = in->units; u < self; u++) {
        draft_device_name(u, other);
        if (u->machine[0] && strcmp(other, name) == 0)
            return true;
    }
    return false;
}

/* NAME, NAME ROLE or NAME.ROLE; or - to leave it out. */
static bool take_machine(void *ctx, const char *answer)
{
    struct subject *s = ctx;
    char name[ASK_MAX];
    if (strcmp(answer, "-") == 0) {
        s->unit->machine[0] = s->unit->role[0] = 0;
        return true;
    }
    snprintf(name, sizeof name, "%s", answer);
    char *role = name + strcspn(name, " .");
    if (*role) {
        *role++ = 0;
        role += strspn(role, " .");
    } else {
        role = NULL;
    }
    const char *rule = value_name(name);
    if (rule)
        return refuse(name, rule);
    rule = role ? value_name(role) : NULL;
    if (rule)
        return refuse(role, rule);
    if (strlen(name) + (role ? strlen(role) + 1 : 0) > MW_NAME_MAX)
        return refuse(answer, "is longer than 32 characters, name and role together");
    if (is_taken(s->init, s->unit, name, role ? role : ""))
        return refuse(answer, "has a device already; say NAME ROLE for a further one, such as "
                              "pump-1 nde");
    snprintf(s->unit->machine, sizeof s->unit->machine, "%.32s", name);
    snprintf(s->unit->role, sizeof s->unit->role, "%.32s", role ? role : "");
    return true;
}

static int ask_machine(struct subject *s)
{
    char text[64], usual[MW_NAME_MAX + 1];
    size_t from = 0;
    snprintf(text, sizeof text, "Machine of unit %u, or - to leave it out",
             (unsigned)s->unit->unit);
    snprintf(usual, sizeof usual, "machine-%u", (unsigned)s->unit->unit);
    const struct question q = { .text = text,
                                .option = "--machine UNIT=NAME",
                                .given = given_for(&s->init->options.machines, s->unit->unit, '=',
                                                   &from),
                                .fallback = usual,
                                .take = take_machine,
                                .ctx = s };
    return ask(&s->init->asker, &q);
}

/* ---- profiles ---- */

static void no_words(void *ctx, const struct config_error *error)
{
    (void)ctx;
    (void)error;
}

static bool use_profile(struct subject *s, const char *name, const char *variant)
{
    struct draft_unit *u = s->unit;
    struct profile_view view = { 0 };
    if (profile_view_load(&view, s->init->options.profiles, name, variant, no_words, NULL) != MW_OK)
        return false;
    snprintf(u->profile, sizeof u->profile, "%s", name);
    snprintf(u->variant, sizeof u->variant, "%s", variant ? variant : "");
    snprintf(u->title, sizeof u->title, "%s %s", view.vendor ? view.vendor : "",
             view.model ? view.model : "");
    for (u->n_points = 0; u->n_points < view.n_points && u->n_points < DRAFT_MAX_POINTS;
         u->n_points++)
        u->points[u->n_points] = (struct draft_point){ .point = view.points[u->n_points],
                                                       .high = DRAFT_NO_LIMIT,
                                                       .high_high = DRAFT_NO_LIMIT };
    profile_view_finish(&view);
    return true;
}

/* A number of those that fit, 0 for none of them, or the name of any that is installed. */
static bool take_profile(void *ctx, const char *answer)
{
    struct subject *s = ctx;
    const struct search_found *f = s->found;
    char name[ASK_MAX];
    size_t digits = strspn(answer, "0123456789");
    s->unit->profile[0] = 0;
    s->unit->n_points = 0;
    if (digits > 0 && answer[digits] == 0) {
        unsigned long at = strtoul(answer, NULL, 10);
        if (at > f->n_matches)
            return refuse(answer, "is none of the profiles listed");
        if (at == 0)
            return true;
        const struct known_match *m = &f->matches[at - 1];
        return use_profile(s, s->init->known.profiles[m->profile].name, m->variant);
    }
    snprintf(name, sizeof name, "%s", answer);
    char *variant = strchr(name, ':');
    if (variant)
        *variant++ = 0;
    if (value_name(name) || !use_profile(s, name, variant))
        return refuse(answer, "is no installed profile; 'millwright profile list' shows them");
    return true;
}

static void list_profiles(const struct subject *s)
{
    const struct known *known = &s->init->known;
    const struct search_found *f = s->found;
    fputs("What it sends would be sound for:\n", stderr);
    for (size_t i = 0; i < f->n_matches; i++) {
        const struct known_profile *p = &known->profiles[f->matches[i].profile];
        fprintf(stderr, "  %zu  %s, %s %s\n", i + 1, p->name, p->view.vendor ? p->view.vendor : "",
                p->view.model ? p->view.model : "");
    }
}

static int ask_profile(struct subject *s)
{
    size_t from = 0;
    const char *given = given_for(&s->init->options.profile, s->unit->unit, '=', &from);
    if (s->found->n_matches == 0 && !given)
        return EX_OK;
    if (!given && !s->init->asker.yes)
        list_profiles(s);
    const struct question q = { .text = "Which of them, or 0 for none",
                                .option = "--profile UNIT=NAME",
                                .given = given,
                                .fallback = "1",
                                .take = take_profile,
                                .ctx = s };
    int status = ask(&s->init->asker, &q);
    if (status == EX_OK && s->unit->profile[0]) {
        fprintf(stderr, "unit %u: %s\n", (unsigned)s->unit->unit, s->unit->profile);
        say_values(s->init, s->unit);
    }
    return status;
}

/* ---- points from a manual ---- */

/* The most plausible order of a wide value: a size that people use, else the first. */
static void choose_order(struct point_config *point, const struct guest_answer *answer)
{
    static const char *const WORDS[] = { "", "ABCD", "CDAB", "BADC", "DCBA" };
    enum word_order best = ORDER_NONE;
    for (int order = ORDER_ABCD; order <= ORDER_DCBA; order++) {
        struct point_config as = *point;
        float value = 0;
        as.order = (enum word_order)order;
        if (decode_point(&as, answer->registers, &value) != MW_QUALITY_GOOD)
            continue;
        fprintf(stderr, "  %s %.4g", WORDS[order], (double)value);
        float size = fabsf(value);
        if (best == ORDER_NONE && size >= 1e-3F && size < 1e5F &&
            known_plausible(point->unit, (double)value))
            best = as.order;
    }
    point->order = best == ORDER_NONE ? ORDER_ABCD : best;
    fprintf(
        stderr,
        "  : %s is taken. If another is right, the\n  same line again with it behind the type\n",
        WORDS[point->order]);
}

/* A manual's number typed as it stands is the likeliest mistake. */
static void say_refused(const struct point_config *point, uint8_t exception)
{
    unsigned first = point->kind == REGISTER_INPUT ? 30001 : 40001;
    fprintf(stderr, " (exception %u%s)", (unsigned)exception,
            exception == 2 ? ": no such address" : "");
    if (point->address >= first && point->address < first + 9999)
        fprintf(stderr, "; %u of a manual is %u on the wire", (unsigned)point->address,
                (unsigned)point->address - first);
}

/* Reads it at once: a wrong address, type or order is seen here and not next week. */
static bool try_point(struct subject *s, struct draft_point *line, bool ordered)
{
    struct point_config *point = &line->point;
    struct guest_answer answer;
    float value = 0;
    int result = read_registers(s->init, s->unit->unit, point, &answer);
    if (result != MW_OK) {
        fprintf(stderr, "unit %u, %s: %s", (unsigned)s->unit->unit, point->name,
                mw_result_text(result));
        if (result == MW_ERR_REFUSED)
            say_refused(point, answer.exception);
        fputc('\n', stderr);
        return false;
    }
    if (!ordered)
        choose_order(point, &answer);
    if (decode_point(point, answer.registers, &value) == MW_QUALITY_GOOD)
        fprintf(stderr, "  %s is now %.6g %s\n", point->name, (double)value, point->unit);
    else
        fprintf(stderr, "  %s has no value now\n", point->name);
    return true;
}

static bool take_point(void *ctx, const char *answer)
{
    struct subject *s = ctx;
    struct draft_unit *u = s->unit;
    struct draft_point line;
    char rule[160];
    bool ordered = true;
    if (answer[0] == 0) {
        s->done = true;
        return true;
    }
    const char *broken = draft_point_parse(answer, &line, &ordered, rule);
    size_t at = 0;
    while (!broken && at < u->n_points && strcmp(u->points[at].point.name, line.point.name) != 0)
        at++;
    if (!broken && at == MW_MAX_CHANNELS)
        broken = "a machine has at most 32 points";
    if (broken) {
        fprintf(stderr, "%s\n", broken);
        return false;
    }
    if (!try_point(s, &line, ordered))
        return false;
    u->points[at] = line; /* said again, it is corrected */
    u->n_points += at == u->n_points;
    return true;
}

static int given_points(struct subject *s)
{
    size_t from = 0;
    for (const char *given;
         (given = given_for(&s->init->options.points, s->unit->unit, ' ', &from));)
        if (!take_point(s, given))
            return EX_USAGE;
    return EX_OK;
}

static int ask_points(struct subject *s)
{
    int status = given_points(s);
    if (status != EX_OK || s->unit->n_points > 0)
        return status;
    if (!s->init->asker.yes)
        fprintf(stderr,
                "No profile. Its points, one a line, from its manual; an empty line ends them:\n"
                "  " DRAFT_POINT_FORM "\n");
    while (status == EX_OK && !s->done) {
        const struct question q = {
            .text = "Point", .fallback = "", .shown = "done", .take = take_point, .ctx = s
        };
        status = ask(&s->init->asker, &q);
    }
    return status;
}

/* ---- one after the other ---- */

static int ask_unit(struct subject *s)
{
    if (!s->init->asker.yes)
        fprintf(stderr, "\nUnit %u\n", (unsigned)s->unit->unit);
    int status = ask_machine(s);
    if (status != EX_OK || !s->unit->machine[0])
        return status;
    status = ask_profile(s);
    if (status == EX_OK && !s->unit->profile[0])
        status = ask_points(s);
    return status;
}

int init_machines(struct init *in)
{
    in->draft.units = in->units;
    for (size_t i = 0; i < in->search.n_found; i++) {
        struct subject s = { .init = in, .unit = &in->units[i], .found = &in->search.found[i] };
        s.unit->unit = s.found->unit;
        in->draft.n_units = i + 1;
        int status = ask_unit(&s);
        if (status != EX_OK)
            return status;
    }
    return EX_OK;
}
