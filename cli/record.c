/* SPDX-License-Identifier: Apache-2.0 */
/* millwright record: keeps the frames of buses that the daemon polls as a trace, which replay and
 * the tests read (docs/SPEC-trace.md). */
#include "cli/client.h"
#include "cli/loaded.h"
#include "cli/reach.h"
#include "cli/verbs.h"
#include "fieldbus/trace.h"
#include "simulator/field.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define DEFAULT_FOR_US    INT64_C(600000000)
#define DEFAULT_MAX_BYTES (UINT64_C(16) << 20)
#define LARGEST_BYTES     (UINT64_C(1) << 30)
#define LOOK_US           INT64_C(200000) /* for a signal and the end of time */

static const char USAGE[] =
    "usage: millwright record BUS|--all --out FILE [options]\n\n"
    "Keeps every frame of a bus that the running daemon polls, both ways, with its times and what\n"
    "was made of it, as a trace: a text file that 'millwright replay --trace' reads. Buses are\n"
    "numbers in it; there are no names and no host addresses. Ctrl-C ends it well.\n\n"
    "  --for TIME      default 10min\n"
    "  --max SIZE      at most so much, such as 16MiB (the default), 4KiB to 1GiB\n"
    "  --names         the buses' names as comments\n"
    "  --config FILE   whose control socket (default " CLIENT_SOCKET ")\n"
    "  --socket PATH   the daemon's control socket\n"
    "  --profiles DIR  instead of " MW_PROFILE_DIR "\n\n"
    "Without a daemon, scan and probe have --record FILE.\n"
    "Exit status: 0 recorded, 64 usage, 66 no such bus or file, 69 no daemon, 73 FILE exists or\n"
    "cannot be made, 74 it cannot be written, 75 somebody records already, 77 no permission.\n";

struct options {
    const char *bus, *out, *socket, *config_file, *profiles;
    bool all, names;
    int64_t for_us;
    uint64_t max_bytes;
};

struct tally {
    uint64_t n_bytes, n_frames, n_lost;
    char line[TRACE_LINE_MAX];
    size_t n_line;
};

static void count_line(struct tally *t)
{
    struct trace_record record;
    const char *why;
    if (trace_read(t->line, t->n_line, &record, &why) < 0)
        return;
    t->n_frames += record.kind == TRACE_FRAME;
    t->n_lost += record.kind == TRACE_LOST ? record.n_lost : 0;
}

/* Whole lines only are kept, and only while they fit. False: the file is full. */
static bool keep(struct tally *t, const struct options *o, const char *text, size_t n, FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        if (t->n_line == sizeof t->line)
            t->n_line = 0; /* no line of a trace is so long */
        t->line[t->n_line++] = text[i];
        if (text[i] != '\n')
            continue;
        if (t->n_bytes + t->n_line > o->max_bytes)
            return false;
        fwrite(t->line, 1, t->n_line, out);
        t->n_bytes += t->n_line--;
        count_line(t);
        t->n_line = 0;
    }
    return true;
}

/* The daemon's refusal instead of a trace. */
static int refused(const char *text, size_t n)
{
    json_t *root = json_loadb(text, n, JSON_DISABLE_EOF_CHECK, NULL);
    const char *error = json_string_value(json_object_get(root, "error"));
    json_int_t code = json_integer_value(json_object_get(root, "code"));
    fprintf(stderr, "millwright: %s\n", error ? error : "the daemon's answer is not understood");
    json_decref(root);
    return code >= EX__BASE && code <= EX__MAX ? (int)code : EX_PROTOCOL;
}

static int follow(const struct options *o, int fd, FILE *out, struct tally *t)
{
    char text[16384];
    int64_t until_us = reach_now_us() + o->for_us;
    bool first = true;
    while (reach_now_us() < until_us && !reach_stopped()) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        int64_t left_us = until_us - reach_now_us();
        if (poll(&wait, 1, (int)((left_us < LOOK_US ? left_us : LOOK_US) / 1000) + 1) <= 0)
            continue;
        ssize_t n = read(fd, text, sizeof text);
        if (n <= 0) {
            fputs("millwright: the daemon hung up\n", stderr);
            return first ? EX_UNAVAILABLE : EX_OK;
        }
        if (first && text[0] == '{')
            return refused(text, (size_t)n);
        first = false;
        if (!keep(t, o, text, (size_t)n, out)) {
            fputs("the file is as large as it may be\n", stderr);
            return EX_OK;
        }
    }
    return EX_OK;
}

static int write_trace(const struct options *o, int fd)
{
    FILE *out = fopen(o->out, "wx");
    struct tally tally = { 0 };
    if (!out) {
        fprintf(stderr, "millwright: %s: %s\n", o->out, strerror(errno));
        return EX_CANTCREAT;
    }
    int status = follow(o, fd, out, &tally);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        fprintf(stderr, "millwright: %s: it could not be written whole\n", o->out);
        return EX_IOERR;
    }
    if (status != EX_OK && tally.n_bytes == 0)
        unlink(o->out);
    else
        fprintf(stderr, "%s: %" PRIu64 " frames, %" PRIu64 " bytes, %" PRIu64 " frames lost\n",
                o->out, tally.n_frames, tally.n_bytes, tally.n_lost);
    return status;
}

static int record(const struct options *o)
{
    char request[128];
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    snprintf(request, sizeof request, "record %.60s%s", o->all ? "*" : o->bus,
             o->names ? " names" : "");
    int fd = client_connect(o->socket, request, 5);
    if (fd < 0) {
        fprintf(stderr, "millwright: no daemon at %s: %s\n", o->socket, strerror(errno));
        return errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
    }
    int status = write_trace(o, fd);
    close(fd);
    return status;
}

static bool parse_size(const char *text, uint64_t *ret_bytes)
{
    static const struct {
        const char *unit;
        uint64_t bytes;
    } UNITS[] = { { "KiB", 1024 }, { "MiB", 1024 * 1024 }, { "GiB", 1024 * 1024 * 1024 } };
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    for (size_t i = 0; i < 3 && *text >= '0' && *text <= '9' && errno == 0; i++)
        if (strcmp(end, UNITS[i].unit) == 0 && n <= LARGEST_BYTES / UNITS[i].bytes) {
            *ret_bytes = n * UNITS[i].bytes;
            return *ret_bytes >= 4096;
        }
    return false;
}

static bool take(struct options *o, int option, const char *value)
{
    switch (option) {
    case 'a': o->all = true; return true;
    case 'n': o->names = true; return true;
    case 'o': o->out = value; return true;
    case 's': o->socket = value; return true;
    case 'c': o->config_file = value; return true;
    case 'p': o->profiles = value; return true;
    case 'f': return field_time(value, &o->for_us) && o->for_us > 0;
    case 'm': return parse_size(value, &o->max_bytes);
    default: return false;
    }
}

/* The socket that the configuration names. */
static int read_config(struct options *o, struct config **ret_config)
{
    if (!o->config_file)
        return EX_OK;
    int status = loaded_config(o->config_file, o->profiles, ret_config);
    if (status != EX_OK)
        return status;
    if (!o->all && loaded_bus(*ret_config, o->config_file, o->bus) < 0)
        return EX_NOINPUT;
    if (!o->socket)
        o->socket = (*ret_config)->socket;
    return EX_OK;
}

int verb_record(int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "all", no_argument, NULL, 'a' },          { "names", no_argument, NULL, 'n' },
        { "out", required_argument, NULL, 'o' },    { "for", required_argument, NULL, 'f' },
        { "max", required_argument, NULL, 'm' },    { "socket", required_argument, NULL, 's' },
        { "config", required_argument, NULL, 'c' }, { "profiles", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },         { 0 }
    };
    struct options o = { .profiles = MW_PROFILE_DIR,
                         .for_us = DEFAULT_FOR_US,
                         .max_bytes = DEFAULT_MAX_BYTES };
    int index = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "h", OPTIONS, &index)) != -1;) {
        if (c == 'h') {
            fputs(USAGE, stdout);
            return EX_OK;
        }
        if (c == '?' || !take(&o, c, optarg)) {
            if (c != '?')
                fprintf(stderr, "millwright: '%s' is no value for --%s\n", optarg,
                        OPTIONS[index].name);
            return EX_USAGE;
        }
    }
    if (optind < argc)
        o.bus = argv[optind++];
    if (optind < argc || !o.out || (o.bus != NULL) == o.all) {
        fputs(USAGE, stderr);
        return EX_USAGE;
    }
    struct config *config = NULL;
    int status = read_config(&o, &config);
    if (!o.socket)
        o.socket = CLIENT_SOCKET;
    if (status == EX_OK)
        status = record(&o);
    config_free(config);
    return status;
}
