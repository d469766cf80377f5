/* SPDX-License-Identifier: Apache-2.0 */
/* millwright scan: who is on a bus, with which settings, and what it may be; ends with a piece of
 * configuration. Asks one register of each unit, slowly, and writes nothing. */
#include "base/result.h"
#include "cli/known.h"
#include "cli/reach.h"
#include "cli/verbs.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define MAX_UNITS   248
#define MAX_FOUND   256
#define MAX_MATCHES 3
#define LISTEN_US   300000 /* another master's pause is rarely longer */
#define PROGRESS_US 200000

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

/* What sensors and meters leave the factory with, the usual first. */
static const struct setting {
    uint32_t baud;
    char parity;
} SETTINGS[] = {
    { 19200, 'E' }, { 9600, 'N' }, { 19200, 'N' }, { 9600, 'E' },  { 115200, 'N' },
    { 38400, 'N' }, { 4800, 'N' }, { 57600, 'N' }, { 38400, 'E' }, { 115200, 'E' },
    { 2400, 'N' },  { 2400, 'E' }, { 9600, 'O' },  { 19200, 'O' }, { 1200, 'E' },
};
#define N_SETTINGS (sizeof SETTINGS / sizeof SETTINGS[0])

struct options {
    struct reach_options reach;
    const char *units;
    bool all_settings, no_profiles, json;
};

struct found {
    uint8_t unit;
    struct setting setting;
    int result; /* MW_OK, MW_ERR_REFUSED, or MW_ERR_MISMATCH: heard, though not in time */
    struct known_match matches[MAX_MATCHES];
    size_t n_matches;
};

struct scan {
    const struct options *options;
    struct reach reach;
    uint8_t units[MAX_UNITS];
    size_t n_units, n_settings, done;
    struct found found[MAX_FOUND];
    size_t n_found;
    struct known *known;
    int64_t started_us, said_us;
    bool terminal;
    int status;
};

/* ---- progress ---- */

static void clear_progress(const struct scan *s)
{
    if (s->terminal)
        fputs("\r\033[K", stderr);
}

static void say_progress(struct scan *s, uint8_t unit)
{
    int64_t now_us = reach_now_us();
    size_t total = s->n_units * s->n_settings;
    int64_t every_us = s->terminal ? PROGRESS_US : 25 * PROGRESS_US;
    if (now_us - s->said_us < every_us || s->done == 0)
        return;
    s->said_us = now_us;
    int64_t left_s =
        (now_us - s->started_us) / (int64_t)s->done * (int64_t)(total - s->done) / 1000000;
    fprintf(stderr, "%sunit %u", s->terminal ? "\r\033[K" : "", (unsigned)unit);
    if (s->reach.bus.kind == BUS_RTU)
        fprintf(stderr, " at %" PRIu32 " %c", s->reach.bus.baud, s->reach.bus.parity);
    fprintf(stderr, ", %zu of %zu, %zu found, %" PRId64 " min %" PRId64 " s left%s", s->done, total,
            s->n_found, left_s / 60, left_s % 60, s->terminal ? "" : "\n");
}

static void say_profile(void *ctx, const char *profile)
{
    struct scan *s = ctx;
    if (s->terminal)
        fprintf(stderr, "\r\033[Klooking whether it is a %s", profile);
}

/* ---- asking ---- */

static bool is_found(const struct scan *s, uint8_t unit)
{
    for (size_t i = 0; i < s->n_found; i++)
        if (s->found[i].unit == unit)
            return true;
    return false;
}

static void note(struct scan *s, uint8_t unit, int result)
{
    if (is_found(s, unit) || s->n_found == MAX_FOUND)
        return;
    s->found[s->n_found++] = (struct found){
        .unit = unit,
        .setting = { s->reach.bus.baud, s->reach.bus.parity },
        .result = result,
    };
    clear_progress(s);
    fprintf(stderr, "unit %u %s\n", (unsigned)unit,
            result == MW_OK            ? "answers"
            : result == MW_ERR_REFUSED ? "answers with an exception"
                                       : "was heard");
}

/* A gateway's word for "nobody there" (Application Protocol V1.1b3, section 7). */
static bool is_absence(const struct guest_answer *a)
{
    return a->result == MW_ERR_REFUSED && (a->exception == 10 || a->exception == 11);
}

static void ask(struct scan *s, uint8_t unit)
{
    struct line_request request = { unit, REGISTER_HOLDING, 0, 1 };
    struct guest_answer answer;
    s->status = reach_read(&s->reach, &request, &answer);
    if (s->status != EX_OK)
        return;
    bool lives = answer.result == MW_OK || answer.result == MW_ERR_REFUSED;
    if (lives && !is_absence(&answer))
        note(s, unit, answer.result);
    for (unsigned other = 1; other < MAX_UNITS; other++)
        if (s->reach.heard[other])
            note(s, (uint8_t)other, MW_ERR_MISMATCH);
}

static void ask_all(struct scan *s)
{
    for (size_t i = 0; i < s->n_units && s->status == EX_OK && !reach_stopped(); i++) {
        say_progress(s, s->units[i]);
        if (!is_found(s, s->units[i]))
            ask(s, s->units[i]);
        s->done++;
    }
}

static void look_for_profiles(struct scan *s, size_t from)
{
    for (size_t i = from; i < s->n_found && s->known && !reach_stopped(); i++) {
        struct found *f = &s->found[i];
        f->n_matches = known_match(s->known, &s->reach, f->unit, say_profile, s, f->matches,
                                   MAX_MATCHES, &s->status);
        clear_progress(s);
    }
}

static void listen_first(struct scan *s)
{
    uint32_t n = reach_listen(&s->reach, LISTEN_US);
    if (n > 0)
        fprintf(stderr,
                "millwright: warning: %" PRIu32
                " bytes came by themselves: is there another master "
                "on this bus? Two masters disturb each other\n",
                n);
}

static void scan_settings(struct scan *s)
{
    struct setting first = { s->reach.bus.baud, s->reach.bus.parity };
    listen_first(s);
    size_t from = s->n_found;
    ask_all(s);
    look_for_profiles(s, from);
    if (s->n_settings == 1)
        return;
    for (size_t i = 0; i < N_SETTINGS && s->status == EX_OK && !reach_stopped(); i++) {
        if (SETTINGS[i].baud == first.baud && SETTINGS[i].parity == first.parity)
            continue;
        from = s->n_found;
        s->status = reach_settings(&s->reach, SETTINGS[i].baud, SETTINGS[i].parity);
        if (s->status == EX_OK)
            ask_all(s);
        if (s->status == EX_OK)
            look_for_profiles(s, from);
    }
}

/* ---- what was found ---- */

static bool same_setting(const struct found *a, const struct found *b)
{
    return a->setting.baud == b->setting.baud && a->setting.parity == b->setting.parity;
}

/* One bus for each setting that somebody answered to; which one this is, from 0. */
static size_t bus_number(const struct scan *s, size_t index, bool *ret_first)
{
    size_t n = 0;
    *ret_first = true;
    for (size_t i = 0; i < index; i++) {
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen = seen || same_setting(&s->found[k], &s->found[i]);
        if (same_setting(&s->found[i], &s->found[index])) {
            *ret_first = false;
            return n;
        }
        n += !seen;
    }
    return n;
}

static void print_bus(const struct scan *s, const struct found *f, size_t number)
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
               (unsigned)bus->stop_bits);
    else
        printf("  - {name: %s, tcp: {host: \"%s\", port: %u%s}}\n", bus->name, bus->host,
               (unsigned)bus->port, bus->framing == FRAMING_RTU ? ", framing: rtu" : "");
}

static void print_device(const struct scan *s, const struct found *f, size_t number)
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
    for (size_t i = 0; i < s->n_found; i++) {
        size_t number = bus_number(s, i, &first);
        if (first)
            print_bus(s, &s->found[i], number);
    }
    puts("devices:");
    for (size_t i = 0; i < s->n_found; i++)
        print_device(s, &s->found[i], bus_number(s, i, &first));
}

static int print_json(const struct scan *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_found; i++) {
        const struct found *f = &s->found[i];
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
        }
        json_array_append_new(list, one);
    }
    json_t *root =
        json_pack("{ss sI sI sb sb so}", "bus", s->reach.bus.name, "asked", (json_int_t)s->done,
                  "noise", (json_int_t)s->reach.n_noise, "by_daemon", (int)s->reach.by_daemon,
                  "stopped", (int)reach_stopped(), "units", list);
    if (!root)
        return EX_OSERR;
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
    return EX_OK;
}

static int report(struct scan *s)
{
    int64_t took_ms = (reach_now_us() - s->started_us) / 1000;
    clear_progress(s);
    fprintf(stderr, "%s%zu found; %zu of %zu asked within %" PRId64 ".%" PRId64 " s\n",
            reach_stopped() ? "stopped: " : "", s->n_found, s->done, s->n_units * s->n_settings,
            took_ms / 1000, took_ms % 1000 / 100);
    if (s->reach.n_noise > 0)
        fprintf(stderr,
                "%" PRIu32 " answers had a wrong checksum: wrong settings, two devices with one "
                "address, or a bad line\n",
                s->reach.n_noise);
    if (s->options->json)
        s->status = print_json(s) == EX_OK ? s->status : EX_OSERR;
    else if (s->n_found > 0)
        print_snippet(s);
    if (s->status == EX_OK && s->n_found == 0)
        return EX_UNAVAILABLE;
    return s->n_found > 0 && reach_stopped() ? EX_OK : s->status;
}

/* ---- the verb ---- */

static bool number(const char **text, unsigned long max, unsigned long *ret_value)
{
    char *end = NULL;
    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    *ret_value = strtoul(*text, &end, 10);
    *text = end;
    return errno == 0 && *ret_value <= max;
}

/* 1-32,80 */
static bool parse_units(struct scan *s, const char *text, unsigned long min)
{
    for (const char *at = text;;) {
        unsigned long from, to;
        bool good = number(&at, MAX_UNITS - 1, &from);
        to = from;
        if (good && *at == '-') {
            at++;
            good = number(&at, MAX_UNITS - 1, &to);
        }
        if (!good || from < min || to < from || (*at && *at != ',')) {
            fprintf(stderr,
                    "millwright: '%s' is no list of units such as 1-32,80, each %lu to 247\n", text,
                    min);
            return false;
        }
        for (unsigned long unit = from; unit <= to && s->n_units < MAX_UNITS; unit++)
            s->units[s->n_units++] = (uint8_t)unit;
        if (!*at++)
            return true;
    }
}

static int scan(struct scan *s)
{
    const struct options *o = s->options;
    bool serial = s->reach.bus.kind == BUS_RTU;
    if (!parse_units(s, o->units ? o->units : "1-247", serial ? 1 : 0))
        return EX_USAGE;
    if (o->all_settings && (!serial || s->reach.by_daemon)) {
        fprintf(stderr, "millwright: --all-settings is for a serial port that %s\n",
                serial ? "the daemon does not poll" : "is one");
        return EX_USAGE;
    }
    s->n_settings = o->all_settings ? N_SETTINGS : 1;
    if (s->reach.by_daemon)
        fprintf(stderr, "the daemon reads for us, between its polls of bus %s\n",
                s->reach.bus.name);
    s->started_us = s->said_us = reach_now_us();
    scan_settings(s);
    return report(s);
}

static int open_and_scan(const struct options *o)
{
    struct scan *s = calloc(1, sizeof *s);
    if (!s)
        return EX_OSERR;
    s->options = o;
    s->terminal = isatty(STDERR_FILENO) == 1;
    int status = reach_open(&s->reach, &o->reach);
    if (status == EX_OK && !o->no_profiles && (s->known = calloc(1, sizeof *s->known)))
        known_load(s->known, o->reach.profiles);
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
