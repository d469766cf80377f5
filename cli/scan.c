/* SPDX-License-Identifier: Apache-2.0 */
/* millwright scan: who is on a bus, with which settings, and what it may be; ends with a piece of
 * configuration. Asks one register of each unit, slowly, and writes nothing. */
#include "base/result.h"
#include "cli/known.h"
#include "cli/reach.h"
#include "cli/search.h"
#include "cli/verbs.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: millwright scan BUS --config FILE [options]\n"
    "       millwright scan --rtu DEVICE | --tcp HOST[:PORT] [options]\n\n"
    "Asks every unit for one holding register, with the silence and pauses a bus needs, and takes\n"
    "any sound answer, an exception too, as a sign of life. Then reads what the installed "
    "profiles\n"
    "would read, and names those that fit. Ends with buses and devices for a configuration; so "
    "does\n"
    "Ctrl-C, with what was found by then. Nothing is ever written to a device.\n\n"
    "  --units LIST    such as 1-32,80 (default 1-247)\n"
    "  --all-settings  also other baud rates and parities than the given ones; serial ports only\n"
    "  --no-profiles   do not look for profiles that fit\n"
    "  --json          what was found as one JSON object\n"
    "  --profiles DIR  instead of " MW_PROFILE_DIR "\n\n" REACH_USAGE
    "\nProgress and time left go to standard error. Exit status: 0 somebody was found, 64 usage,\n"
    "66 no such file or bus, 69 nobody was found or no connection, 75 the port is another's, 77 "
    "no\n"
    "permission, 78 the configuration is wrong.\n";

struct options {
    struct reach_options reach;
    const char *units;
    bool all_settings, no_profiles, json;
};

struct scan {
    const struct options *options;
    struct reach reach;
    struct search search;
    struct known *known;
    int status;
};

/* ---- what was found ---- */

/* One bus for each setting that somebody answered to; which one this is, from 0. */
static size_t bus_number(const struct scan *s, size_t index, bool *ret_first)
{
    size_t n = 0;
    *ret_first = true;
    for (size_t i = 0; i < index; i++) {
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen = seen || serial_equal(&s->search.found[k].setting, &s->search.found[i].setting);
        if (serial_equal(&s->search.found[i].setting, &s->search.found[index].setting)) {
            *ret_first = false;
            return n;
        }
        n += !seen;
    }
    return n;
}

static void print_bus(const struct scan *s, const struct search_found *f, size_t number)
{
    const struct bus_config *bus = &s->reach.bus;
    char suffix[8] = "";
    if (number > 0)
        snprintf(suffix, sizeof suffix, "-%zu", number + 1);
    if (bus->kind == BUS_RTU)
        printf("  - {name: %s%s, rtu: {device: \"%s\", baud: %" PRIu32
               ", parity: %s, stop_bits: %u}}\n",
               bus->name, suffix, bus->device, f->setting.baud,
               f->setting.parity == 'E'   ? "even"
               : f->setting.parity == 'O' ? "odd"
                                          : "none",
               (unsigned)f->setting.stop_bits);
    else
        printf("  - {name: %s, tcp: {host: \"%s\", port: %u%s}}\n", bus->name, bus->host,
               (unsigned)bus->port, bus->framing == FRAMING_RTU ? ", framing: rtu" : "");
}

static void print_device(const struct scan *s, const struct search_found *f, size_t number)
{
    char suffix[8] = "";
    if (number > 0)
        snprintf(suffix, sizeof suffix, "-%zu", number + 1);
    printf("  - {name: unit-%u, bus: %s%s, unit: %u, ", (unsigned)f->unit, s->reach.bus.name,
           suffix, (unsigned)f->unit);
    if (f->n_matches > 0)
        printf("profile: %s%s%s}", s->known->profiles[f->matches[0].profile].name,
               f->matches[0].variant ? ", variant: " : "",
               f->matches[0].variant ? f->matches[0].variant : "");
    else
        printf("points: [{name: register-0, address: 0}]}");
    if (f->n_matches > 1) {
        printf("  # or");
        for (size_t i = 1; i < f->n_matches; i++)
            printf(" %s", s->known->profiles[f->matches[i].profile].name);
    } else if (f->n_matches == 0) {
        printf("  # no profile fits; see 'millwright probe'");
    }
    putchar('\n');
}

static void print_snippet(const struct scan *s)
{
    bool first = false;
    puts("version: 1\nbuses:");
    for (size_t i = 0; i < s->search.n_found; i++) {
        size_t number = bus_number(s, i, &first);
        if (first)
            print_bus(s, &s->search.found[i], number);
    }
    puts("devices:");
    for (size_t i = 0; i < s->search.n_found; i++)
        print_device(s, &s->search.found[i], bus_number(s, i, &first));
}

static int print_json(const struct scan *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->search.n_found; i++) {
        const struct search_found *f = &s->search.found[i];
        json_t *profiles = json_array();
        char parity[2] = { f->setting.parity, 0 };
        for (size_t m = 0; m < f->n_matches; m++)
            json_array_append_new(profiles,
                                  json_string(s->known->profiles[f->matches[m].profile].name));
        json_t *one = json_pack("{si ss so}", "unit", (int)f->unit, "answer",
                                f->result == MW_OK            ? "data"
                                : f->result == MW_ERR_REFUSED ? "exception"
                                                              : "heard",
                                "profiles", profiles);
        if (s->reach.bus.kind == BUS_RTU) {
            json_object_set_new(one, "baud", json_integer(f->setting.baud));
            json_object_set_new(one, "parity", json_string(parity));
            json_object_set_new(one, "stop_bits", json_integer(f->setting.stop_bits));
        }
        json_array_append_new(list, one);
    }
    json_t *root =
        json_pack("{ss sI sI sb sb so}", "bus", s->reach.bus.name, "asked",
                  (json_int_t)s->search.done, "noise", (json_int_t)s->reach.n_noise, "by_daemon",
                  (int)s->reach.by_daemon, "stopped", (int)reach_stopped(), "units", list);
    if (!root)
        return EX_OSERR;
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
    return EX_OK;
}

static int report(struct scan *s)
{
    search_say_end(&s->search);
    if (s->options->json)
        s->status = print_json(s) == EX_OK ? s->status : EX_OSERR;
    else if (s->search.n_found > 0)
        print_snippet(s);
    if (s->status == EX_OK && s->search.n_found == 0)
        return EX_UNAVAILABLE;
    return s->search.n_found > 0 && reach_stopped() ? EX_OK : s->status;
}

/* ---- the verb ---- */

static int scan(struct scan *s)
{
    const struct options *o = s->options;
    bool serial = s->reach.bus.kind == BUS_RTU;
    if (!search_units(&s->search, o->units ? o->units : "1-247"))
        return EX_USAGE;
    if (o->all_settings && (!serial || s->reach.by_daemon)) {
        fprintf(stderr, "millwright: --all-settings is for a serial port that %s\n",
                serial ? "the daemon does not poll" : "is one");
        return EX_USAGE;
    }
    s->search.width = o->all_settings ? SEARCH_ALL : SEARCH_ONE;
    search_run(&s->search);
    s->status = s->search.status;
    return report(s);
}

static int open_and_scan(const struct options *o)
{
    struct scan *s = calloc(1, sizeof *s);
    if (!s)
        return EX_OSERR;
    s->options = o;
    int status = reach_open(&s->reach, &o->reach);
    if (status == EX_OK && !o->no_profiles && (s->known = calloc(1, sizeof *s->known)))
        known_load(s->known, o->reach.profiles);
    s->search.reach = &s->reach;
    s->search.known = s->known;
    if (status == EX_OK) {
        status = scan(s);
        reach_close(&s->reach);
    }
    if (s->known)
        known_free(s->known);
    free(s->known);
    free(s);
    return status;
}

int verb_scan(int argc, char **argv)
{
    static const struct option OPTIONS[] = { REACH_LONG_OPTIONS,
                                             { "units", required_argument, NULL, 'u' },
                                             { "all-settings", no_argument, NULL, 'a' },
                                             { "no-profiles", no_argument, NULL, 'n' },
                                             { "json", no_argument, NULL, 'j' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    struct options options = { .reach.profiles = MW_PROFILE_DIR };
    int index = 0;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "h", OPTIONS, &index)) != -1;) {
        switch (o) {
        case 'h': fputs(USAGE, stdout); return EX_OK;
        case 'j': options.json = true; break;
        case 'a': options.all_settings = true; break;
        case 'n': options.no_profiles = true; break;
        case 'u': options.units = optarg; break;
        case REACH_OPTION:
            if (!reach_option(&options.reach, OPTIONS[index].name, optarg))
                return EX_USAGE;
            break;
        default: fputs(USAGE, stderr); return EX_USAGE;
        }
    }
    if (optind < argc && options.reach.config_file)
        options.reach.bus = argv[optind++];
    if (optind < argc) {
        fputs(USAGE, stderr);
        return EX_USAGE;
    }
    return open_and_scan(&options);
}
