/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay_trace.h"
#include "base/result.h"
#include "cli/file.h"
#include "cli/loaded.h"
#include "fieldbus/poller.h"
#include "fieldbus/trace.h"
#include "fieldbus/trace_line.h"
#include "training/outfile.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define MAX_TRACE_BYTES (64u << 20)

static const char USAGE[] =
    "usage: millwright replay --trace FILE --config FILE [--out FILE] [--profiles DIR]\n\n"
    "Polls the configuration's devices on virtual time, with a recording (docs/SPEC-trace.md) for\n"
    "an answer: what was heard then is heard again, with the same delays; what was not recorded "
    "is\n"
    "silence. Writes one line per sample: time_us;point;slot;quality;value. The same trace and\n"
    "configuration give the same lines, so that a recording from a plant becomes a test.\n\n"
    "Exit status: 0 replayed, 64 usage, 65 no trace, 66 no such file, 73 the output cannot be "
    "made,\n"
    "74 I/O, 78 the configuration is wrong.\n";

struct trace {
    struct trace_frame *frames;
    size_t n, cap;
    bool in_trace[TRACE_MAX_BUSES], speaks_rtu[TRACE_MAX_BUSES];
    uint64_t n_lost;
};

struct replay {
    const struct config *config;
    int64_t start_us, now_us;
    FILE *out;
    uint64_t n_samples;
};

/* ---- reading ---- */

static bool add_frame(struct trace *t, const struct trace_frame *frame)
{
    if (t->n == t->cap) {
        size_t cap = 2 * t->cap + 1024;
        struct trace_frame *grown = realloc(t->frames, cap * sizeof *grown);
        if (!grown)
            return false;
        t->frames = grown;
        t->cap = cap;
    }
    t->frames[t->n++] = *frame;
    return true;
}

/* What a line means after those before it; NULL: fine. */
static const char *take_record(struct trace *t, const struct trace_record *record, bool *headed)
{
    if (record->kind == TRACE_NOTHING)
        return NULL;
    if (!*headed && record->kind != TRACE_HEAD)
        return "the first line is not '" TRACE_FIRST_LINE "'";
    *headed = true;
    if (record->kind == TRACE_BUS) {
        t->in_trace[record->bus] = true;
        t->speaks_rtu[record->bus] = record->speaks_rtu;
    } else if (record->kind == TRACE_LOST) {
        t->n_lost += record->n_lost;
    } else if (record->kind == TRACE_FRAME) {
        const struct trace_frame *f = &record->frame;
        if (!t->in_trace[f->bus])
            return "no line 'bus' before has this bus's number";
        if (!add_frame(t, f))
            return "there is not enough memory";
    }
    return NULL;
}

static int parse_trace(struct trace *t, const char *file, const char *text, size_t n)
{
    bool headed = false;
    unsigned long number = 1;
    for (size_t at = 0; at < n; number++) {
        const char *line = text + at, *end = memchr(line, '\n', n - at);
        size_t length = end ? (size_t)(end - line) : n - at;
        struct trace_record record;
        const char *why = NULL;
        if (trace_read(line, length, &record, &why) == MW_OK)
            why = take_record(t, &record, &headed);
        if (why) {
            fprintf(stderr, "%s:%lu: %s\n", file, number, why);
            return EX_DATAERR;
        }
        at += length + 1;
    }
    if (t->n == 0) {
        fprintf(stderr, "%s: there is no frame in it\n", file);
        return EX_DATAERR;
    }
    return EX_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct trace_frame *x = a, *y = b;
    return (x->mono_us > y->mono_us) - (x->mono_us < y->mono_us);
}

/* Frames of several buses come in the order in which threads told them. */
static void sort_frames(struct trace *t)
{
    for (size_t i = 1; i < t->n; i++)
        if (t->frames[i].mono_us < t->frames[i - 1].mono_us) {
            qsort(t->frames, t->n, sizeof t->frames[0], by_time);
            return;
        }
}

/* ---- replaying ---- */

static const char *quality_word(uint8_t quality)
{
    static const char *const WORDS[] = { "none", "good", "stale", "bad", "invalid" };
    return quality < 5 ? WORDS[quality] : "none";
}

static void take_sample(void *ctx, const struct mw_sample *sample)
{
    struct replay *r = ctx;
    const struct point_config *point = &r->config->points[sample->point];
    const char *device = r->config->devices[r->config->point_devices[sample->point]].name;
    fprintf(r->out, "%" PRId64 ";%s.%s;%" PRId64 ";%s;", sample->mono_us - r->start_us, device,
            point->name, sample->slot, quality_word(sample->quality));
    if (sample->quality == MW_QUALITY_GOOD)
        fprintf(r->out, "%.9g", (double)sample->value);
    fputc('\n', r->out);
    r->n_samples++;
}

static void run_poller(struct replay *r, struct poller *poller, const struct line *line,
                       int64_t end_us, int64_t utc_offset_us)
{
    const struct poller_sink sink = { .sample = take_sample, .ctx = r };
    r->now_us = r->start_us;
    while (r->now_us <= end_us) {
        int64_t wait_us = poller_step(poller, r->now_us, utc_offset_us, &sink);
        int64_t next_us = trace_line_next_us(line, r->now_us + 1);
        r->now_us += wait_us > 0 ? wait_us : 0;
        if (wait_us > 0 && next_us < r->now_us)
            r->now_us = next_us;
    }
}

static int replay_bus(struct replay *r, const struct trace *t, uint32_t bus)
{
    size_t n = 0;
    struct poller *poller = NULL;
    struct line *line = NULL;
    struct device_config *devices = loaded_devices(r->config, bus, &n);
    uint32_t *indexes = calloc(n + 1, sizeof *indexes);
    int result = MW_ERR_NO_MEMORY;
    if (devices && indexes)
        result = trace_line_create(&line, t->frames, t->n, bus, t->speaks_rtu[bus]);
    for (uint32_t d = 0, i = 0; result == MW_OK && d < r->config->n_devices; d++)
        if (r->config->devices[d].bus == bus)
            indexes[i++] = d;
    if (result == MW_OK)
        result = poller_create(&poller, &r->config->buses[bus], devices, indexes, n,
                               r->config->points, line, r->start_us);
    if (result == MW_OK) {
        poller_trust(poller); /* the recording may have begun in the middle */
        run_poller(r, poller, line, t->frames[t->n - 1].mono_us,
                   t->frames[0].utc_us - t->frames[0].mono_us);
        struct trace_line_stats stats = trace_line_stats(line);
        fprintf(stderr, "bus %" PRIu32 ": %" PRIu64 " requests, %" PRIu64 " not in the trace\n",
                bus, stats.n_requests, stats.n_unknown);
    } else if (line) {
        line->destroy(line->ctx);
    }
    poller_destroy(poller);
    free(devices);
    free(indexes);
    return result == MW_OK ? EX_OK : EX_OSERR;
}

static int replay_all(const struct config *config, const struct trace *t, FILE *out,
                      const char *file)
{
    struct replay r = { .config = config, .start_us = t->frames[0].mono_us, .out = out };
    int status = EX_OK;
    fputs("time_us;point;slot;quality;value\n", out);
    for (uint32_t b = 0; b < TRACE_MAX_BUSES && status == EX_OK; b++) {
        if (!t->in_trace[b])
            continue;
        if (b >= config->n_buses || bus_speaks_rtu(&config->buses[b]) != t->speaks_rtu[b]) {
            fprintf(stderr, "%s: bus %" PRIu32 " is not a bus of that kind in the configuration\n",
                    file, b);
            return EX_DATAERR;
        }
        status = replay_bus(&r, t, b);
    }
    if (t->n_lost > 0)
        fprintf(stderr, "%s: warning: %" PRIu64 " frames were lost while it was recorded\n", file,
                t->n_lost);
    return status;
}

static int replay_to(const struct config *config, const struct trace *t, const char *file,
                     const char *out)
{
    struct outfile to;
    if (!out)
        return replay_all(config, t, stdout, file);
    int result = outfile_begin(&to, out), status = EX_OK;
    if (result == MW_OK) {
        status = replay_all(config, t, to.stream, file);
        if (status != EX_OK)
            outfile_abandon(&to);
        else
            result = outfile_commit(&to);
    }
    if (result < 0) {
        fprintf(stderr, "millwright replay: %s: %s\n", out, outfile_text(result));
        return EX_CANTCREAT;
    }
    return status;
}

static int run(const char *file, const char *config_file, const char *profiles, const char *out)
{
    struct trace trace = { 0 };
    struct config *config = NULL;
    uint8_t *bytes = NULL;
    size_t n = 0;
    int status = loaded_config(config_file, profiles, &config);
    if (status == EX_OK)
        status = file_load(file, MAX_TRACE_BYTES, &bytes, &n);
    if (status == EX_OK)
        status = parse_trace(&trace, file, (const char *)bytes, n);
    if (status == EX_OK) {
        sort_frames(&trace);
        status = replay_to(config, &trace, file, out);
    }
    free(trace.frames);
    free(bytes);
    config_free(config);
    return status;
}

int replay_trace(int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "trace", required_argument, NULL, 't' },    { "config", required_argument, NULL, 'c' },
        { "profiles", required_argument, NULL, 'p' }, { "out", required_argument, NULL, 'o' },
        { "help", no_argument, NULL, 'h' },           { 0 }
    };
    const char *trace = NULL, *config = NULL, *profiles = MW_PROFILE_DIR, *out = NULL;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1;) {
        switch (o) {
        case 'h': fputs(USAGE, stdout); return EX_OK;
        case 't': trace = optarg; break;
        case 'c': config = optarg; break;
        case 'p': profiles = optarg; break;
        case 'o': out = optarg; break;
        default: fputs(USAGE, stderr); return EX_USAGE;
        }
    }
    if (optind < argc || !trace || !config) {
        fputs(USAGE, stderr);
        return EX_USAGE;
    }
    return run(trace, config, profiles, out);
}
