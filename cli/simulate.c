/* SPDX-License-Identifier: Apache-2.0 */
/* millwright simulate: a hall from a scenario, or a recorded CSV, behind real Modbus wires. The
 * clock, the signals and the words; what is served is decided in simulator/. */
#include "base/result.h"
#include "cli/simulate_stats.h"
#include "cli/verbs.h"
#include "simulator/csv_replay.h"
#include "simulator/draw.h"
#include "simulator/field.h"
#include "simulator/hall.h"
#include "simulator/scenario.h"
#include "simulator/service.h"
#include "simulator/story.h"
#include "simulator/world.h"
#include "training/outfile.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>

#define MAX_WAIT_US  20000 /* signals and faults are looked for this often */
#define MAX_SPEED    100000.0
#define STREAM_BUSES 900 /* of draw.h: seeds of buses that have none of their own */

static const char HELP[] =
    "usage: millwright simulate SCENARIO.yaml [OPTIONS]\n"
    "       millwright simulate --csv FILE (--tcp PORT | --rtu LINK) [OPTIONS]\n"
    "\n"
    "Serves a simulated machine hall, or the rows of a recorded CSV, over Modbus TCP and over\n"
    "Modbus RTU on pseudo-terminals. Prints one line per bus,\n"
    "  listening BUS tcp ADDRESS PORT\n"
    "  listening BUS rtu /dev/pts/N\n"
    "and serves until SIGTERM or SIGINT; then two lines of counts. SIGUSR2 prints the first.\n"
    "\n"
    "Both:\n"
    "  --duration T        stop after this real time (250ms, 10s, 5min, 2h)\n"
    "  --ready-file FILE   the listening lines, written once everything is open\n"
    "  --stats FILE        what was counted, as JSON; at the end and on SIGUSR2\n"
    "\n"
    "Scenario (docs/SPEC-scenario.md):\n"
    "  --speed N           simulated seconds per real second, 0.001 to 100000; default 1\n"
    "  --seed N            instead of the scenario's\n"
    "  --events FILE       one JSON line per begin and end of a planted fault\n"
    "  --faults-on-signal  the faults' times count from SIGUSR1, not from faults_after\n"
    "  --check             read the scenario, report its errors, serve nothing\n"
    "\n"
    "CSV (first line names, first column date and time, not served; float32 in order ABCD in\n"
    "holding registers 0, 2, 4 ... of unit 1; one row per completed poll, which is a read that\n"
    "includes the last register; after the last row exception 6):\n"
    "  --tcp PORT          on 127.0.0.1; 0 lets the system choose\n"
    "  --rtu LINK          symbolic link to the pseudo-terminal\n"
    "  --rows A:B          rows A to before B, counted from 0; either may be left out\n"
    "  --columns a,b       only these;  --ignore a,b  all but these\n"
    "  --log FILE          one line per row served: ROW;UTC in microseconds\n"
    "  --loop yes|no       begin again after the last row; default no\n";

struct options {
    const char *scenario, *csv, *tcp, *rtu, *rows, *ready_file, *stats, *events, *log;
    struct csv_choice choice;
    double speed;
    uint64_t seed;
    int64_t duration_us; /* 0: for ever */
    bool seed_given, faults_on_signal, check, loop;
};

/* One run: what both modes share. */
struct run {
    const struct options *options;
    struct service *service;
    int64_t start_mono_us, start_utc_us;
    struct world *world; /* scenario only */
    struct story story;
    FILE *file; /* events, or the log; NULL: none */
};

static int64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int usage(const char *what, const char *which)
{
    fprintf(stderr, "millwright simulate: %s%s%s\n'millwright simulate --help' says more.\n", what,
            which ? " " : "", which ? which : "");
    return EX_USAGE;
}

static bool whole(const char *text, uint64_t max, uint64_t *ret_value)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value > max)
        return false;
    *ret_value = value;
    return true;
}

/* "A:B", "A:", ":B". */
static bool parse_rows(const char *text, struct csv_choice *choice)
{
    char from[24] = "";
    uint64_t a = 0, b = 0;
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof from)
        return false;
    memcpy(from, text, (size_t)(colon - text));
    if ((from[0] && !whole(from, CSV_MAX_ROWS, &a)) ||
        (colon[1] && (!whole(colon + 1, CSV_MAX_ROWS, &b) || b <= a)))
        return false;
    choice->from_row = (uint32_t)a;
    choice->to_row = (uint32_t)b;
    return true;
}

enum option_code {
    OPTION_HELP = 1,
    OPTION_SPEED,
    OPTION_SEED,
    OPTION_DURATION,
    OPTION_READY_FILE,
    OPTION_STATS,
    OPTION_EVENTS,
    OPTION_FAULTS,
    OPTION_CHECK,
    OPTION_CSV,
    OPTION_ROWS,
    OPTION_COLUMNS,
    OPTION_IGNORE,
    OPTION_TCP,
    OPTION_RTU,
    OPTION_LOG,
    OPTION_LOOP,
};

static const struct option_name {
    const char *name;
    int argument;
} NAMES[] = {
    [OPTION_HELP] = { "help", no_argument },
    [OPTION_SPEED] = { "speed", required_argument },
    [OPTION_SEED] = { "seed", required_argument },
    [OPTION_DURATION] = { "duration", required_argument },
    [OPTION_READY_FILE] = { "ready-file", required_argument },
    [OPTION_STATS] = { "stats", required_argument },
    [OPTION_EVENTS] = { "events", required_argument },
    [OPTION_FAULTS] = { "faults-on-signal", no_argument },
    [OPTION_CHECK] = { "check", no_argument },
    [OPTION_CSV] = { "csv", required_argument },
    [OPTION_ROWS] = { "rows", required_argument },
    [OPTION_COLUMNS] = { "columns", required_argument },
    [OPTION_IGNORE] = { "ignore", required_argument },
    [OPTION_TCP] = { "tcp", required_argument },
    [OPTION_RTU] = { "rtu", required_argument },
    [OPTION_LOG] = { "log", required_argument },
    [OPTION_LOOP] = { "loop", required_argument },
};
#define N_NAMES (sizeof NAMES / sizeof NAMES[0])

/* False where the value is not one this option takes. */
static bool take_option(struct options *o, int option, const char *value)
{
    switch (option) {
    case OPTION_SPEED:
        return field_number(value, NULL, &o->speed) && o->speed >= 0.001 && o->speed <= MAX_SPEED;
    case OPTION_SEED: o->seed_given = true; return whole(value, UINT64_MAX, &o->seed);
    case OPTION_DURATION: return field_time(value, &o->duration_us) && o->duration_us > 0;
    case OPTION_READY_FILE: o->ready_file = value; return true;
    case OPTION_STATS: o->stats = value; return true;
    case OPTION_EVENTS: o->events = value; return true;
    case OPTION_FAULTS: o->faults_on_signal = true; return true;
    case OPTION_CHECK: o->check = true; return true;
    case OPTION_CSV: o->csv = value; return true;
    case OPTION_ROWS: return parse_rows(value, &o->choice);
    case OPTION_COLUMNS: o->choice.only = value; return true;
    case OPTION_IGNORE: o->choice.ignore = value; return true;
    case OPTION_TCP: o->tcp = value; return whole(value, 65535, &(uint64_t){ 0 });
    case OPTION_RTU: o->rtu = value; return value[0] && strlen(value) < 256;
    case OPTION_LOG: o->log = value; return true;
    case OPTION_LOOP:
        o->loop = strcmp(value, "yes") == 0;
        return o->loop || strcmp(value, "no") == 0;
    default: return false;
    }
}

/* -1 to go on, else an exit status. */
static int parse(int argc, char **argv, struct options *o)
{
    struct option long_options[N_NAMES] = { 0 }; /* the last stays empty */
    for (size_t i = 1; i < N_NAMES; i++)
        long_options[i - 1] = (struct option){ NAMES[i].name, NAMES[i].argument, NULL, (int)i };
    optind = 1;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        if (option == OPTION_HELP || option == 'h') {
            fputs(HELP, stdout);
            return EX_OK;
        }
        if (option == '?')
            return usage("not an option, or without its value:", argv[optind - 1]);
        if (!take_option(o, option, optarg))
            return usage("not a value for this option:", argv[optind - 1]);
    }
    if (optind < argc)
        o->scenario = argv[optind++];
    if (optind < argc)
        return usage("one scenario at a time, not also", argv[optind]);
    if (!o->scenario == !o->csv)
        return usage("a scenario or --csv FILE is needed, and not both", NULL);
    if (o->csv && !o->tcp && !o->rtu)
        return usage("--csv needs --tcp PORT or --rtu LINK", NULL);
    return -1;
}

static int add_wire(struct run *run, const struct wire_config *wire, const struct pdu_bank *bank)
{
    int result = service_add(run->service, wire, bank, clock_us(CLOCK_MONOTONIC));
    if (result == MW_OK)
        return EX_OK;
    const char *why = result == MW_ERR_INVALID ? "is not a numeric IPv4 address"
                      : result == MW_ERR_STATE ? "is in the way and not a pseudo-terminal's link"
                      : result == MW_ERR_IO    ? strerror(errno)
                                               : mw_result_text(result);
    if (wire->rtu[0])
        fprintf(stderr, "millwright simulate: bus %s: %s: %s\n", wire->name, wire->rtu, why);
    else
        fprintf(stderr, "millwright simulate: bus %s: %s port %u: %s\n", wire->name, wire->host,
                wire->port, why);
    return EX_UNAVAILABLE;
}

static void write_lines(const struct service *service, FILE *to)
{
    const char *line;
    for (size_t i = 0; (line = service_line(service, i)); i++)
        fprintf(to, "%s\n", line);
    fflush(to);
}

static int cannot_create(const char *path, const char *why)
{
    fprintf(stderr, "millwright simulate: %s: %s\n", path, why);
    return EX_CANTCREAT;
}

/* Appears whole or not at all: whoever waits for it may read it at once. */
static int write_ready(const struct run *run)
{
    const char *path = run->options->ready_file;
    struct outfile file;
    if (!path)
        return EX_OK;
    int result = outfile_begin(&file, path);
    if (result == MW_OK) {
        write_lines(run->service, file.stream);
        result = outfile_commit(&file);
    }
    return result < 0 ? cannot_create(path, outfile_text(result)) : EX_OK;
}

static int open_file(struct run *run, const char *path)
{
    if (!path)
        return EX_OK;
    run->file = fopen(path, "w");
    return run->file ? EX_OK : cannot_create(path, strerror(errno));
}

static void tell_story(struct run *run)
{
    char line[STORY_LINE_MAX];
    while (story_next(&run->story, run->world, run->start_utc_us, run->options->speed, line)) {
        if (!run->file)
            continue;
        fprintf(run->file, "%s\n", line);
        fflush(run->file);
    }
}

/* The signals are blocked; taken here, so that no handler shares anything with the loop. */
static int pending_signal(const sigset_t *signals)
{
    return sigtimedwait(signals, NULL, &(struct timespec){ 0 });
}

static int tell_stats(const struct run *run)
{
    const char *path = run->options->stats;
    simulate_stats_say(run->service, stdout);
    int result = path ? simulate_stats_write(run->service, path) : MW_OK;
    return result < 0 ? cannot_create(path, outfile_text(result)) : EX_OK;
}

static int serve(struct run *run, const sigset_t *signals)
{
    int64_t now_us = clock_us(CLOCK_MONOTONIC);
    for (;;) {
        int signal = pending_signal(signals);
        if (signal == SIGTERM || signal == SIGINT)
            return EX_OK;
        if (signal == SIGUSR1 && run->world)
            world_arm(run->world);
        if (signal == SIGUSR2 && tell_stats(run) != EX_OK)
            return EX_CANTCREAT;
        if (service_wait(run->service, now_us, MAX_WAIT_US) != MW_OK)
            return EX_OSERR;
        now_us = clock_us(CLOCK_MONOTONIC);
        int64_t age_us = now_us - run->start_mono_us;
        if (run->options->duration_us && age_us >= run->options->duration_us)
            return EX_OK;
        if (run->world) {
            world_advance(run->world, (int64_t)((double)age_us * run->options->speed));
            tell_story(run);
        }
        service_step(run->service, now_us);
    }
}

static int start_and_serve(struct run *run)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGUSR2);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    run->start_mono_us = clock_us(CLOCK_MONOTONIC);
    run->start_utc_us = clock_us(CLOCK_REALTIME);
    write_lines(run->service, stdout);
    int status = write_ready(run);
    if (status == EX_OK)
        status = serve(run, &signals);
    return status == EX_OK ? tell_stats(run) : status;
}

static void say_counts(const struct run *run)
{
    struct service_counts n = service_counts(run->service);
    printf("served requests=%" PRIu64 " answers=%" PRIu64 " bad=%" PRIu64, n.n_requests,
           n.n_answers, n.n_bad);
}

struct complaint_place {
    const char *file;
};

static void say_error(void *ctx, int line, const char *message)
{
    const struct complaint_place *place = ctx;
    if (line > 0)
        fprintf(stderr, "%s:%d: %s\n", place->file, line, message);
    else
        fprintf(stderr, "%s: %s\n", place->file, message);
}

static int add_hall(struct run *run, struct hall *hall, struct wire_config *wire, uint64_t seed)
{
    struct pdu_bank bank = hall_bank(hall);
    if (!wire->has_seed)
        wire->seed = draw_bits(seed, STREAM_BUSES, hall->wire);
    return add_wire(run, wire, &bank);
}

static int serve_world(struct run *run, struct scenario *scenario, uint64_t seed,
                       struct hall *halls)
{
    int status = open_file(run, run->options->events);
    story_init(&run->story, scenario);
    for (uint32_t i = 0; i < scenario->n_wires && status == EX_OK; i++) {
        halls[i] = (struct hall){ .scenario = scenario, .world = run->world, .wire = i };
        status = add_hall(run, &halls[i], &scenario->wires[i], seed);
    }
    if (status == EX_OK)
        status = start_and_serve(run);
    if (status == EX_OK) {
        say_counts(run);
        printf(" simulated_s=%.1f\n", (double)world_now_us(run->world) / 1e6);
    }
    return status;
}

static int simulate_world(struct run *run, struct scenario *scenario)
{
    const struct options *o = run->options;
    uint64_t seed = o->seed_given ? o->seed : scenario->seed;
    struct hall *halls = calloc(scenario->n_wires, sizeof *halls);
    int status = EX_OSERR;
    if (halls && world_create(&run->world, scenario, seed, o->faults_on_signal) == MW_OK)
        status = serve_world(run, scenario, seed, halls);
    world_destroy(run->world);
    free(halls);
    return status;
}

static int simulate_scenario(struct run *run)
{
    struct scenario *scenario;
    struct complaint_place place = { run->options->scenario };
    int result = scenario_load(&scenario, place.file, say_error, &place);
    if (result != MW_OK)
        return result == MW_ERR_NOT_FOUND ? EX_NOINPUT : EX_CONFIG;
    int status = run->options->check ? EX_OK : simulate_world(run, scenario);
    scenario_free(scenario);
    return status;
}

static void log_row(void *ctx, uint32_t row, int64_t now_us)
{
    const struct run *run = ctx;
    if (!run->file)
        return;
    /* The row was read at now_us, before its reply left: whoever stamps the reply stamps later. */
    int64_t utc_us = now_us + clock_us(CLOCK_REALTIME) - clock_us(CLOCK_MONOTONIC);
    fprintf(run->file, "%" PRIu32 ";%" PRId64 "\n", row, utc_us);
    fflush(run->file); /* followed while it grows */
}

static int serve_rows(struct run *run, struct csv_replay *replay)
{
    const struct options *o = run->options;
    struct pdu_bank bank = csv_replay_bank(replay);
    struct wire_config tcp = { .name = "csv", .host = "127.0.0.1" };
    struct wire_config rtu = { .name = "csv-rtu", .turnaround_us = 2000 };
    replay->loop = o->loop;
    replay->served = log_row;
    replay->served_ctx = run;
    int status = open_file(run, o->log);
    if (status == EX_OK && o->tcp) {
        tcp.port = (uint16_t)strtoul(o->tcp, NULL, 10);
        status = add_wire(run, &tcp, &bank);
    }
    if (status == EX_OK && o->rtu) {
        memcpy(rtu.rtu, o->rtu, strlen(o->rtu) + 1);
        status = add_wire(run, &rtu, &bank);
    }
    if (status == EX_OK)
        status = start_and_serve(run);
    if (status == EX_OK) {
        say_counts(run);
        printf(" rows=%" PRIu64 "\n", replay->n_served);
    }
    return status;
}

static int simulate_csv(struct run *run)
{
    const struct options *o = run->options;
    struct csv_replay replay;
    struct csv_fault why;
    int result = csv_replay_init(&replay, o->csv, &o->choice, &why);
    if (result != MW_OK) {
        say_error(&(struct complaint_place){ o->csv }, (int)why.line, why.text);
        return result == MW_ERR_NOT_FOUND ? EX_NOINPUT : EX_DATAERR;
    }
    int status = serve_rows(run, &replay);
    csv_replay_finish(&replay);
    return status;
}

/* One descriptor per bus and per connection: as many as the system lets us have. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int verb_simulate(int argc, char **argv)
{
    struct options options = { .speed = 1 };
    struct run run = { .options = &options };
    int status = parse(argc, argv, &options);
    if (status >= 0)
        return status;
    int result = options.ready_file ? outfile_check(options.ready_file) : MW_OK;
    if (result < 0)
        return cannot_create(options.ready_file, outfile_text(result));
    if (options.stats && (result = outfile_check(options.stats)) < 0)
        return cannot_create(options.stats, outfile_text(result));
    raise_limit();
    if (service_create(&run.service) != MW_OK)
        return EX_OSERR;
    status = options.csv ? simulate_csv(&run) : simulate_scenario(&run);
    service_destroy(run.service);
    if (run.file && fclose(run.file) != 0 && status == EX_OK)
        status = EX_IOERR;
    return status;
}
