/* SPDX-License-Identifier: Apache-2.0 */
/* millwright model show: what a model file holds, for people or as JSON. */
#include "base/result.h"
#include "base/sha256.h"
#include "cli/file.h"
#include "cli/graph.h"
#include "cli/verbs.h"
#include "inference/card.h"
#include "inference/tflite.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

static const char USAGE[] =
    "usage: millwright model show FILE.tflite [--json]\n"
    "\n"
    "Shows the model's operators, tensors and where they lie in memory, quantisation, size, its\n"
    "SHA-256, and the detector card it carries.\n"
    "\n"
    "  --json  one JSON object\n";

/* All that is shown; verified. */
struct facts {
    const char *path;
    size_t n_bytes, n_memory;
    char digest[2 * MW_SHA256_BYTES + 1];
    struct mw_tflite file;
    struct graph_facts graph;
};

static void digest_text(const uint8_t *bytes, size_t n, char ret_text[2 * MW_SHA256_BYTES + 1])
{
    uint8_t digest[MW_SHA256_BYTES];
    mw_sha256(bytes, n, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(ret_text + 2 * i, 3, "%02x", digest[i]);
}

/* Verifies the file and gathers. */
static int gather(struct facts *f, const uint8_t *bytes, struct mw_model_fault *ret_why)
{
    int result = mw_model_measure(bytes, f->n_bytes, &f->n_memory, ret_why);
    if (result == MW_OK)
        result = mw_tflite_open(&f->file, bytes, f->n_bytes, ret_why);
    if (result < 0)
        return result;
    digest_text(bytes, f->n_bytes, f->digest);
    return graph_gather(&f->graph, &f->file, bytes, f->n_bytes, f->n_memory, ret_why);
}

static void print_text(const struct facts *f)
{
    printf("%-11s%s\n%-11s%zu bytes, and %zu bytes of memory to run it\n%-11s%s\n", "file", f->path,
           "size", f->n_bytes, f->n_memory, "sha256", f->digest);
    graph_print(&f->graph, &f->file);
}

static void print_json(const struct facts *f)
{
    printf("{\"bytes\":%zu,\"memory_bytes\":%zu,\"sha256\":\"%s\",", f->n_bytes, f->n_memory,
           f->digest);
    graph_print_json(&f->graph, &f->file);
}

static const char *role_text(uint8_t role)
{
    return role == MW_ROLE_SCORE ? "score" : "context";
}

/* The instant as people and JSON write it, UTC; whole seconds. */
static void utc_text(int64_t at_us, char ret_text[32])
{
    time_t seconds = (time_t)(at_us / 1000000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || strftime(ret_text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(ret_text, 32, "?");
}

static void print_card(const struct mw_card *c, size_t n_bytes)
{
    printf("%-11s%zu bytes: window %u frames, %s%s\n", "card", n_bytes, c->window,
           c->has_network ? "network" : "levels alone", c->level_guard ? " and levels" : "");
    printf("  decision  on %.6g, off ratio %.6g, rho %.6g, cap %.6g; frames on %u, off %u, recover "
           "%u\n",
           (double)c->on, (double)c->off_ratio, (double)c->rho, (double)c->cap, c->k_on, c->k_off,
           c->k_recover);
    printf("  baseline  time constant %.6g frames, bound %.6g sigma; gaps up to %u polls\n",
           (double)c->tau, (double)c->baseline_bound, c->max_gap);
    printf("  clips     %.6g for the network, %.6g for the residual\n", (double)c->clip_in,
           (double)c->clip_wide);
    printf("  training  %u rows, seed %llu, best R2 %.4f", c->n_rows, (unsigned long long)c->seed,
           (double)c->r2);
    if (c->period_us > 0)
        printf(", one every %.6g s", (double)c->period_us / 1e6);
    if (c->to_us > 0) {
        char from[32], to[32];
        utc_text(c->from_us, from);
        utc_text(c->to_us, to);
        printf(", %s to %s", from, to);
    }
    putchar('\n');
    for (uint16_t i = 0; i < c->n_channels; i++) {
        const struct mw_card_channel *ch = &c->channels[i];
        printf("  %2u  %-7s  %s%s%s%s, mean %.6g, deviation %.6g, longest run %u\n", i,
               role_text(ch->role), ch->name, ch->unit[0] ? " [" : "", ch->unit,
               ch->unit[0] ? "]" : "", (double)ch->mu, (double)ch->sd, ch->longest_run);
    }
}

/* The card's texts hold no control characters: mw_card_read has refused them. */
static void print_json_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

static void print_json_floats(const char *name, const float *values, uint16_t n)
{
    printf(",\"%s\":[", name);
    for (uint16_t i = 0; i < n; i++)
        printf("%s%.9g", i ? "," : "", (double)values[i]);
    putchar(']');
}

static void print_card_json(const struct mw_card *c)
{
    printf(",\"card\":{\"window\":%u,\"has_network\":%s,\"level_guard\":%s,\"clip_in\":%.9g,"
           "\"clip_wide\":%.9g,\"on\":%.9g,\"off_ratio\":%.9g,\"rho\":%.9g,\"cap\":%.9g,"
           "\"k_on\":%u,\"k_off\":%u,\"k_recover\":%u,\"max_gap\":%u,\"tau\":%.9g,"
           "\"baseline_bound\":%.9g,\"period_us\":%lld,\"from_us\":%lld,\"to_us\":%lld,"
           "\"n_rows\":%u,\"seed\":%llu,\"r2\":%.9g",
           c->window, c->has_network ? "true" : "false", c->level_guard ? "true" : "false",
           (double)c->clip_in, (double)c->clip_wide, (double)c->on, (double)c->off_ratio,
           (double)c->rho, (double)c->cap, c->k_on, c->k_off, c->k_recover, c->max_gap,
           (double)c->tau, (double)c->baseline_bound, (long long)c->period_us,
           (long long)c->from_us, (long long)c->to_us, c->n_rows, (unsigned long long)c->seed,
           (double)c->r2);
    print_json_floats("sigma", c->sigma, c->n_signals);
    print_json_floats("baseline", c->baseline, c->n_signals);
    fputs(",\"pipeline\":\"", stdout);
    for (size_t i = 0; i < sizeof c->pipeline; i++)
        printf("%02x", c->pipeline[i]);
    fputs("\",\"channels\":[", stdout);
    for (uint16_t i = 0; i < c->n_channels; i++) {
        const struct mw_card_channel *ch = &c->channels[i];
        fputs(i ? ",{\"name\":" : "{\"name\":", stdout);
        print_json_text(ch->name);
        fputs(",\"unit\":", stdout);
        print_json_text(ch->unit);
        printf(",\"role\":\"%s\",\"mu\":%.9g,\"sd\":%.9g,\"longest_run\":%u}", role_text(ch->role),
               (double)ch->mu, (double)ch->sd, ch->longest_run);
    }
    fputs("]}", stdout);
}

/* The card, or why it cannot be read: EX_DATAERR, after all else has been shown. */
static int show_card(const struct facts *f, bool json)
{
    struct mw_card card;
    struct mw_model_fault why;
    int result = MW_ERR_NOT_FOUND;
    if (f->file.card)
        result = mw_card_read(&card, f->file.card, f->file.n_card_bytes, &why);
    if (json) {
        printf(",\"card_bytes\":%zu", f->file.n_card_bytes);
        if (result == MW_OK)
            print_card_json(&card);
        puts("}");
    } else if (result == MW_OK) {
        print_card(&card, f->file.n_card_bytes);
    } else if (!f->file.card) {
        printf("%-11snone\n", "card");
    }
    if (result == MW_OK || !f->file.card)
        return EX_OK;
    fprintf(stderr, "%s: %s\n", f->path, why.text);
    return EX_DATAERR;
}

static int show(const char *path, bool json)
{
    uint8_t *bytes;
    struct mw_model_fault why;
    struct facts f = { .path = path };
    int status = file_load(path, MW_MODEL_MAX_BYTES, &bytes, &f.n_bytes);
    if (status != EX_OK)
        return status;
    if (gather(&f, bytes, &why) != MW_OK) {
        fprintf(stderr, "%s: %s\n", path, why.text);
        status = EX_DATAERR;
    } else {
        (json ? print_json : print_text)(&f);
        status = show_card(&f, json);
    }
    free(bytes);
    return status;
}

int verb_model(int argc, char **argv)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    bool json = false;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the program has one thread. */
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'j': json = true; break;
        case 'h': fputs(USAGE, stdout); return EX_OK;
        default: return EX_USAGE;
        }
    }
    bool known = argc > optind && strcmp(argv[optind], "show") == 0;
    if (argc - optind != 2 || !known) {
        fprintf(stderr, "model: %s\n\n%s",
                argc == optind       ? "what to do is missing: show"
                : !known             ? "there is `show` and nothing else"
                : argc - optind == 1 ? "FILE.tflite is missing"
                                     : "one FILE.tflite only",
                USAGE);
        return EX_USAGE;
    }
    return show(argv[optind + 1], json);
}
