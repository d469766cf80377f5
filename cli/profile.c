/* SPDX-License-Identifier: Apache-2.0 */
/* millwright profile list|show|check: the register maps of device models. Touches no device. */
#include "base/result.h"
#include "cli/verbs.h"
#include "config/catalogue.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char USAGE[] =
    "usage: millwright profile list [--json] [--profiles DIR]\n"
    "       millwright profile show NAME [--variant V] [--json] [--profiles DIR]\n"
    "       millwright profile check FILE.yaml\n"
    "\n"
    "Register maps of device models, as 'profile: NAME' of a device takes them. Addresses count\n"
    "from zero; units are those the daemon delivers. No device is touched.\n"
    "\n"
    "  --json          JSON on standard output\n"
    "  --profiles DIR  instead of " MW_PROFILE_DIR "\n"
    "  --variant V     the points as this variant of the device has them\n"
    "\n"
    "Exit status: 0 right, 65 a profile is wrong, 66 there is none.\n";

struct asked {
    const char *dir, *variant;
    bool json;
};

static void tell(void *ctx, const struct config_error *error)
{
    (void)ctx;
    fprintf(stderr, "%s:%d:%d: %s%s%s\n", error->file, error->line, error->column, error->path,
            error->path[0] ? ": " : "", error->message);
}

static int load(struct profile_view *ret_view, const struct asked *asked, const char *name)
{
    int result = profile_view_load(ret_view, asked->dir, name, asked->variant, tell, NULL);
    if (result == MW_OK)
        return EX_OK;
    if (result == MW_ERR_NOT_FOUND)
        fprintf(stderr, "%s: there is no profile '%s'\n", asked->dir, name);
    else if (result != MW_ERR_INVALID)
        fprintf(stderr, "%s/%s.yaml: %s\n", asked->dir, name, mw_result_text(result));
    return result == MW_ERR_NOT_FOUND ? EX_NOINPUT : EX_DATAERR;
}

/* ---- JSON ---- */

static void set_text(json_t *to, const char *key, const char *text)
{
    if (text)
        json_object_set_new(to, key, json_string(text));
}

static const char *kind_word(enum register_kind kind)
{
    switch (kind) {
    case REGISTER_COIL: return "coil";
    case REGISTER_DISCRETE: return "discrete";
    case REGISTER_INPUT: return "input";
    case REGISTER_NONE:
    case REGISTER_HOLDING: break;
    }
    return "holding";
}

static const char *type_word(enum value_type type)
{
    static const char *const WORDS[] = {
        [VALUE_NONE] = "none",       [VALUE_BIT] = "bit",       [VALUE_INT16] = "int16",
        [VALUE_UINT16] = "uint16",   [VALUE_INT32] = "int32",   [VALUE_UINT32] = "uint32",
        [VALUE_INT64] = "int64",     [VALUE_UINT64] = "uint64", [VALUE_FLOAT32] = "float32",
        [VALUE_FLOAT64] = "float64",
    };
    return WORDS[type];
}

static const char *order_word(enum word_order order)
{
    static const char *const WORDS[] = { "ABCD", "ABCD", "CDAB", "BADC", "DCBA" };
    return WORDS[order];
}

static json_t *json_point(const struct point_config *p)
{
    json_t *to = json_object();
    set_text(to, "name", p->name[0] ? p->name : NULL);
    set_text(to, "kind", kind_word(p->kind));
    json_object_set_new(to, "address", json_integer(p->address));
    set_text(to, "type", type_word(p->type));
    set_text(to, "order", order_word(p->order));
    json_object_set_new(to, "scale", json_real(p->scale));
    json_object_set_new(to, "offset", json_real(p->offset));
    set_text(to, "unit", p->unit);
    return to;
}

static json_t *json_variant(const struct profile_variant *v)
{
    json_t *to = json_object();
    set_text(to, "name", v->name);
    set_text(to, "note", v->note);
    if (v->has_match)
        json_object_set_new(to, "identity",
                            json_pack("[I,I]", (json_int_t)v->low, (json_int_t)v->high));
    return to;
}

static json_t *json_view(const char *name, const struct profile_view *view)
{
    json_t *to = json_object(), *sources = json_array(), *points = json_array();
    json_t *link = json_object(), *variants = json_array();
    set_text(to, "name", name);
    set_text(to, "vendor", view->vendor);
    set_text(to, "model", view->model);
    set_text(to, "level", view->level);
    for (size_t i = 0; i < view->n_sources; i++)
        json_array_append_new(sources, json_string(view->sources[i]));
    set_text(link, "transport", view->transport);
    set_text(link, "baud", view->baud);
    set_text(link, "parity", view->parity);
    set_text(link, "stop_bits", view->stop_bits);
    set_text(link, "unit", view->unit);
    set_text(link, "port", view->port);
    for (size_t i = 0; i < view->n_points; i++)
        json_array_append_new(points, json_point(&view->points[i]));
    for (size_t i = 0; i < view->n_variants; i++)
        json_array_append_new(variants, json_variant(&view->variants[i]));
    json_object_set_new(to, "sources", sources);
    json_object_set_new(to, "link", link);
    if (view->has_identity)
        json_object_set_new(to, "identity", json_point(&view->identity));
    json_object_set_new(to, "points", points);
    json_object_set_new(to, "variants", variants);
    return to;
}

static void print_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(json);
}

/* ---- text ---- */

static void print_fact(const char *key, const char *text)
{
    if (text)
        printf("%-10s %s\n", key, text);
}

static void print_view(const struct profile_view *view)
{
    print_fact("vendor", view->vendor);
    print_fact("model", view->model);
    print_fact("level", view->level);
    for (size_t i = 0; i < view->n_sources; i++)
        print_fact("source", view->sources[i]);
    print_fact("transport", view->transport);
    print_fact("baud", view->baud);
    print_fact("parity", view->parity);
    print_fact("stop_bits", view->stop_bits);
    print_fact("unit", view->unit);
    print_fact("port", view->port);
    if (view->has_identity)
        printf("%-10s %s register %u, %s\n", "identity", kind_word(view->identity.kind),
               view->identity.address, type_word(view->identity.type));
    for (size_t i = 0; i < view->n_variants; i++)
        printf("%-10s %s: %s\n", "variant", view->variants[i].name, view->variants[i].note);
    printf("\n%-16s %-8s %7s %-8s %-5s %-12s %-9s %s\n", "point", "kind", "address", "type",
           "order", "scale", "offset", "unit");
    for (size_t i = 0; i < view->n_points; i++) {
        const struct point_config *p = &view->points[i];
        printf("%-16s %-8s %7u %-8s %-5s %-12.6g %-9.6g %s\n", p->name, kind_word(p->kind),
               p->address, type_word(p->type), order_word(p->order), p->scale, p->offset, p->unit);
    }
}

/* ---- verbs ---- */

static int show(const struct asked *asked, const char *name)
{
    struct profile_view view;
    int status = load(&view, asked, name);
    if (status != EX_OK)
        return status;
    if (asked->json)
        print_json(json_view(name, &view));
    else
        print_view(&view);
    profile_view_finish(&view);
    return EX_OK;
}

static int is_profile(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && strcmp(entry->d_name + n - 5, ".yaml") == 0;
}

static int list_one(const struct asked *asked, char *file, json_t *all)
{
    struct profile_view view;
    file[strlen(file) - strlen(".yaml")] = '\0';
    int status = load(&view, asked, file);
    if (status != EX_OK)
        return EX_DATAERR;
    if (all)
        json_array_append_new(all, json_view(file, &view));
    else
        printf("%-28s %s  %s %s\n", file, view.level, view.vendor, view.model);
    profile_view_finish(&view);
    return EX_OK;
}

static int list(const struct asked *asked)
{
    struct dirent **entries = NULL;
    int n = scandir(asked->dir, &entries, is_profile, alphasort);
    if (n < 0) {
        fprintf(stderr, "%s: %s\n", asked->dir, strerror(errno));
        return EX_NOINPUT;
    }
    json_t *all = asked->json ? json_array() : NULL;
    int status = EX_OK;
    for (int i = 0; i < n; i++) {
        if (list_one(asked, entries[i]->d_name, all) != EX_OK)
            status = EX_DATAERR;
        free(entries[i]);
    }
    free(entries);
    if (all)
        print_json(all);
    return status;
}

/* The folder and the name that a path is made of; the rules are those of the installed ones. */
static int check(const char *path)
{
    char dir[4096] = ".", name[256];
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    size_t n = strlen(file), n_dir = slash ? (size_t)(slash - path) + (slash == path) : 0;
    if (n <= 5 || n >= sizeof name || n_dir >= sizeof dir || strcmp(file + n - 5, ".yaml") != 0) {
        fprintf(stderr, "%s: a profile is a file NAME.yaml\n", path);
        return EX_USAGE;
    }
    if (slash) {
        memcpy(dir, path, n_dir);
        dir[n_dir] = '\0';
    }
    memcpy(name, file, n - 5);
    name[n - 5] = '\0';
    struct profile_view view;
    struct asked asked = { .dir = dir };
    int status = load(&view, &asked, name);
    if (status != EX_OK)
        return status;
    printf("%s: ok, level %s, points %zu, variants %zu\n", path, view.level, view.n_points,
           view.n_variants);
    profile_view_finish(&view);
    return EX_OK;
}

static int dispatch(const struct asked *asked, int n, char **words)
{
    if (n == 1 && strcmp(words[0], "list") == 0)
        return list(asked);
    if (n == 2 && strcmp(words[0], "show") == 0)
        return show(asked, words[1]);
    if (n == 2 && strcmp(words[0], "check") == 0)
        return check(words[1]);
    fputs(USAGE, stderr);
    return EX_USAGE;
}

int verb_profile(int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "json", no_argument, NULL, 'j' },
        { "profiles", required_argument, NULL, 'p' },
        { "variant", required_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct asked asked = { .dir = MW_PROFILE_DIR };
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the program has one thread. */
    for (int c; (c = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1;) {
        switch (c) {
        case 'j': asked.json = true; break;
        case 'p': asked.dir = optarg; break;
        case 'v': asked.variant = optarg; break;
        case 'h': fputs(USAGE, stdout); return EX_OK;
        default: return EX_USAGE;
        }
    }
    return dispatch(&asked, argc - optind, argv + optind);
}
