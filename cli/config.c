/* SPDX-License-Identifier: Apache-2.0 */
/* millwright config show|diff: every setting in force and who says so; what is different between
 * two files. No secret is in a configuration, only the names of files that hold them. */
#include "base/result.h"
#include "cli/loaded.h"
#include "cli/verbs.h"
#include "config/diff.h"
#include "config/show.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define COMMENT_COLUMN 44

static const char USAGE[] =
    "usage: millwright config show [--origin] [--all] [--json] [--profiles DIR] FILE\n"
    "       millwright config diff [--json] [--profiles DIR] OLD NEW\n"
    "\n"
    "show: every setting in force, as a configuration file of its own, with FILE's conf.d, types,\n"
    "defaults and profiles worked in. Names of secret files, never what is in them.\n"
    "diff: what 'millwright reload' would change, and what needs a restart.\n"
    "\n"
    "  --origin        behind each value: file and line, type, profile, bus, defaults or built-in\n"
    "  --all           also points that no machine uses\n"
    "  --json          as JSON on standard output, with the origins\n"
    "  --profiles DIR  instead of " MW_PROFILE_DIR "\n"
    "\n"
    "Exit status: 0 shown, or without a difference that needs a restart; 1 some need one;\n"
    "78 a file is wrong, 66 there is none, 74 it cannot be read.\n";

struct view {
    bool origin, all, json;
    size_t n;
    char section[32], object[64], list[32], group[32];
};

static void print_error(void *ctx, const struct config_error *error)
{
    (void)ctx;
    fprintf(stderr, "%s:", error->file);
    if (error->line > 0)
        fprintf(stderr, "%d:%d:", error->line, error->column);
    fprintf(stderr, " %s%s%s\n", error->path, error->path[0] ? ": " : "", error->message);
}

/* "type pump", "built-in". */
static void word_origin(const struct shown_setting *s, char *ret_text, size_t cap)
{
    static const char *const WORDS[] = { "built-in", "file", "defaults", "type", "profile", "bus" };
    if (s->origin == ORIGIN_FILE || s->origin == ORIGIN_BUILT_IN || !s->name)
        snprintf(ret_text, cap, "%s", WORDS[s->origin]);
    else
        snprintf(ret_text, cap, "%s %s", WORDS[s->origin], s->name);
}

/* ---- as YAML ---- */

static void print_comment(const struct view *v, const struct shown_setting *s, int n_printed)
{
    char origin[80];
    if (!v->origin)
        return;
    word_origin(s, origin, sizeof origin);
    printf("%*s  # ", n_printed < COMMENT_COLUMN ? COMMENT_COLUMN - n_printed : 0, "");
    if (!s->file)
        fputs(origin, stdout);
    else if (s->origin == ORIGIN_FILE)
        printf("%s:%d", s->file, s->line);
    else
        printf("%s, %s:%d", origin, s->file, s->line);
}

static void remember(char *to, size_t cap, const char *text)
{
    snprintf(to, cap, "%s", text ? text : "");
}

/* The lines above the setting: its section, its list. Returns its indent. */
static int print_heads(struct view *v, const struct shown_setting *s)
{
    if (strcmp(v->section, s->section) != 0)
        printf("\n%s:\n", s->section);
    bool new_object =
        s->object && (strcmp(v->object, s->object) != 0 || strcmp(v->section, s->section) != 0);
    if (new_object)
        v->list[0] = '\0';
    if (s->list && strcmp(v->list, s->list) != 0)
        printf("    %s:\n", s->list);
    remember(v->section, sizeof v->section, s->section);
    remember(v->object, sizeof v->object, s->object);
    if (s->list || new_object)
        remember(v->list, sizeof v->list, s->list);
    if (s->first)
        v->group[0] = '\0';
    return s->list ? 8 : s->object ? 4 : 2;
}

static void show_yaml(void *ctx, const struct shown_setting *s)
{
    struct view *v = ctx;
    if (s->list && strcmp(s->list, "points") == 0 && !s->polled && !v->all)
        return;
    int indent = print_heads(v, s);
    const char *key = s->key, *dot = strchr(key, '.');
    bool dash = s->first && s->object;
    char group[32] = "";
    if (dot)
        snprintf(group, sizeof group, "%.*s", (int)(dot - key), key);
    if (dot && strcmp(group, v->group) != 0)
        printf("%*s%s:\n", indent, "", group);
    remember(v->group, sizeof v->group, group);
    if (dot) {
        indent += 2;
        key = dot + 1;
    }
    int n = printf("%*s%s%s: %s", dash ? indent - 2 : indent, "", dash ? "- " : "", key, s->value);
    print_comment(v, s, n);
    putchar('\n');
}

/* ---- as JSON ---- */

static json_t *value_of(const char *text)
{
    size_t n = strlen(text);
    if (n >= 2 && text[0] == '"') { /* quoted for YAML, which for these texts is JSON as well */
        json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
        return value ? value : json_string(text);
    }
    return json_string(text);
}

static void show_json(void *ctx, const struct shown_setting *s)
{
    struct view *v = ctx;
    if (s->list && strcmp(s->list, "points") == 0 && !s->polled && !v->all)
        return;
    char path[200], origin[80];
    snprintf(path, sizeof path, "%s%s%s%s%s%s%s.%s", s->section, s->object ? "." : "",
             s->object ? s->object : "", s->list ? "." : "", s->list ? s->list : "",
             s->list ? "." : "", s->list ? s->entry : "", s->key);
    word_origin(s, origin, sizeof origin);
    json_t *item =
        json_pack("{ss so ss}", "path", path, "value", value_of(s->value), "origin", origin);
    if (item && s->file) {
        json_object_set_new(item, "file", json_string(s->file));
        json_object_set_new(item, "line", json_integer(s->line));
    }
    fputs(v->n++ ? ",\n  " : "\n  ", stdout);
    json_dumpf(item, stdout, JSON_COMPACT);
    json_decref(item);
}

static int status_of(int result)
{
    switch (result) {
    case MW_ERR_NOT_FOUND: return EX_NOINPUT;
    case MW_ERR_IO: return EX_IOERR;
    case MW_ERR_NO_MEMORY: return EX_OSERR;
    default: return result < 0 ? EX_CONFIG : EX_OK;
    }
}

static int show(const char *file, const char *profiles, struct view *view)
{
    if (!view->json)
        puts("version: 1");
    else
        fputs("{\"settings\": [", stdout);
    int result = config_show(file, profiles, print_error, view->json ? show_json : show_yaml, view);
    if (view->json)
        puts(view->n ? "\n]}" : "]}");
    return status_of(result);
}

/* ---- two files ---- */

static const char *kind_of(enum config_change_kind kind)
{
    switch (kind) {
    case CHANGE_ADDED: return "added";
    case CHANGE_REMOVED: return "removed";
    case CHANGE_CHANGED: return "changed";
    case CHANGE_NEEDS_RESTART: return "needs a restart";
    }
    return "";
}

static void print_difference(const struct config_diff *diff, bool json)
{
    if (json)
        printf("{\"needs_restart\": %s, \"changes\": [", diff->n_restart ? "true" : "false");
    for (size_t i = 0; i < diff->n_changes; i++) {
        const struct config_change *c = &diff->changes[i];
        if (!json) {
            printf("%s: %s\n", kind_of(c->kind), c->text);
            continue;
        }
        json_t *item = json_pack("{ss ss}", "kind", kind_of(c->kind), "text", c->text);
        fputs(i ? ",\n  " : "\n  ", stdout);
        json_dumpf(item, stdout, JSON_COMPACT);
        json_decref(item);
    }
    if (json)
        puts("]}");
    else if (diff->n_changes == 0)
        puts("nothing is different");
}

static int compare(const char *old_file, const char *new_file, const char *profiles, bool json)
{
    struct config *a = NULL, *b = NULL;
    struct config_diff diff = { 0 };
    int status = loaded_config(old_file, profiles, &a);
    if (status == EX_OK)
        status = loaded_config(new_file, profiles, &b);
    if (status == EX_OK) {
        config_diff(&diff, a, b);
        if (diff.no_memory)
            status = EX_OSERR;
        else
            print_difference(&diff, json);
    }
    if (status == EX_OK && diff.n_restart > 0)
        status = 1;
    config_diff_finish(&diff);
    config_free(a);
    config_free(b);
    return status;
}

int verb_config(int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "origin", no_argument, NULL, 'o' }, { "all", no_argument, NULL, 'a' },
        { "json", no_argument, NULL, 'j' },   { "profiles", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },   { 0 },
    };
    const char *profiles = MW_PROFILE_DIR;
    struct view view = { 0 };
    for (int o; (o = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1;) {
        switch (o) {
        case 'o': view.origin = true; break;
        case 'a': view.all = true; break;
        case 'j': view.json = true; break;
        case 'p': profiles = optarg; break;
        case 'h': fputs(USAGE, stdout); return EX_OK;
        default: fputs(USAGE, stderr); return EX_USAGE;
        }
    }
    int n = argc - optind;
    char **words = argv + optind;
    if (n == 2 && strcmp(words[0], "show") == 0)
        return show(words[1], profiles, &view);
    if (n == 3 && strcmp(words[0], "diff") == 0)
        return compare(words[1], words[2], profiles, view.json);
    fputs(USAGE, stderr);
    return EX_USAGE;
}
