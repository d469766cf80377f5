/* SPDX-License-Identifier: Apache-2.0 */
/* millwright train: fits a model to a recorded table, or runs the jobs of a spool folder. */
#include "training/train.h"
#include "base/result.h"
#include "cli/verbs.h"
#include "training/job.h"
#include "training/outfile.h"
#include "training/spool.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static const char HELP[] =
    "usage: millwright train --csv FILE --rows A:B --out MODEL.tflite [OPTIONS]\n"
    "       millwright train --spool DIR\n"
    "\n"
    "Fits an int8 autoencoder to rows of a recorded table in which the machine was well, and\n"
    "writes it with its detector card. Same table, options and seed: same file.\n"
    "\n"
    "  --csv FILE           first line names, first column time; ; or , between cells\n"
    "  --rows A:B           the rows to learn, from A to before B, counted from 0\n"
    "  --out MODEL.tflite   replaced when the model is complete\n"
    "  --context COL,...    input only, not judged: temperatures and other slow quantities\n"
    "  --ignore COL,...     columns that are no sensor of the machine\n"
    "  --window N           rows in a window, 2 to 64; default 16\n"
    "  --seed N             default 1\n"
    "  --no-ae              no network: judge the window means alone\n"
    "  --level-guard on|off judge window means beside the network; off for varying load;\n"
    "                       default on\n"
    "  --fine on|off        the network computes in int16, for smooth signals; default off\n"
    "  --json               the report as JSON\n"
    "  --spool DIR          run every NAME.job in DIR, see docs/SPEC-model.md\n";

struct arguments {
    const char *csv, *out, *spool;
    const char *context[CSV_MAX_COLUMNS], *ignored[CSV_MAX_COLUMNS];
    struct train_options options;
    bool has_rows, has_seed, json, help;
};

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "millwright train: %s%s%s\n'millwright train --help' says more.\n", what,
            value ? " " : "", value ? value : "");
    return EX_USAGE;
}

static int impossible(const char *option, const char *value, const char *rule)
{
    fprintf(stderr, "millwright train: %s %s %s\n'millwright train --help' says more.\n", option,
            value, rule);
    return EX_USAGE;
}

/* A list option; cuts the argument in place. */
static bool take_list(char *text, const char **names, const char *const **ret_names,
                      uint32_t *ret_n)
{
    int n = job_split(text, names, CSV_MAX_COLUMNS);
    *ret_names = names;
    *ret_n = n > 0 ? (uint32_t)n : 0;
    return n >= 0;
}

static bool take_switch(const char *text, bool *ret_off)
{
    *ret_off = strcmp(text, "off") == 0;
    return *ret_off || strcmp(text, "on") == 0;
}

/* One option with a value; false where the value is not possible. */
static bool take(struct arguments *a, const char *option, char *value, bool *ret_known)
{
    struct train_options *o = &a->options;
    uint64_t number = 0;
    *ret_known = true;
    if (strcmp(option, "--csv") == 0)
        return *(a->csv = value) != '\0';
    if (strcmp(option, "--out") == 0)
        return *(a->out = value) != '\0';
    if (strcmp(option, "--spool") == 0)
        return *(a->spool = value) != '\0';
    if (strcmp(option, "--rows") == 0)
        return a->has_rows = job_parse_rows(value, &o->first_row, &o->end_row);
    if (strcmp(option, "--context") == 0)
        return take_list(value, a->context, &o->context, &o->n_context);
    if (strcmp(option, "--ignore") == 0)
        return take_list(value, a->ignored, &o->ignored, &o->n_ignored);
    if (strcmp(option, "--seed") == 0)
        return a->has_seed = job_parse_number(value, UINT64_MAX, &o->seed);
    if (strcmp(option, "--level-guard") == 0)
        return take_switch(value, &o->no_level_guard);
    if (strcmp(option, "--fine") == 0) {
        bool off, ok = take_switch(value, &off);
        o->fine = !off;
        return ok;
    }
    if (strcmp(option, "--window") == 0) {
        bool ok = job_parse_number(value, MW_CARD_MAX_WINDOW, &number) && number >= 2;
        o->window = (uint16_t)number;
        return ok;
    }
    *ret_known = false;
    return false;
}

/* What a value must be, for those options where that is more than "not empty". */
static const char *rule_of(const char *option)
{
    static const struct {
        const char *option, *rule;
    } rules[] = {
        { "--rows", "is not A:B with A below B, each of 0 to 1000000" },
        { "--window", "is not in 2 to 64" },
        { "--seed", "is not a number of 0 to 18446744073709551615" },
        { "--level-guard", "is neither on nor off" },
        { "--fine", "is neither on nor off" },
        { "--context", "is not a list of at most 64 names with commas between them" },
        { "--ignore", "is not a list of at most 64 names with commas between them" },
    };
    static_assert(CSV_MAX_ROWS == 1000000, "the rule says so");
    static_assert(MW_CARD_MAX_WINDOW == 64, "the rule says so");
    static_assert(CSV_MAX_COLUMNS == 64, "the rules say so");
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(rules[i].option, option) == 0)
            return rules[i].rule;
    return "is empty";
}

/* Whether the options go together. */
static int judge(const struct arguments *a)
{
    const struct train_options *o = &a->options;
    if (a->help)
        return EX_OK;
    if (a->spool)
        return a->csv || a->out || a->has_rows || a->json || o->n_context || o->n_ignored ||
                       o->window || o->no_network || o->no_level_guard || o->fine || a->has_seed
                   ? usage("--spool goes with no other option: the jobs say the rest", NULL)
                   : EX_OK;
    if (!a->csv || !a->out || !a->has_rows)
        return usage("--csv, --rows and --out are needed", NULL);
    if (o->no_network && o->no_level_guard)
        return usage("--no-ae and --level-guard off leave nothing to judge with", NULL);
    if (o->no_network && o->fine)
        return usage("--no-ae leaves no network that could be fine", NULL);
    return EX_OK;
}

static int parse(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        bool known = false;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            a->help = true;
        else if (strcmp(argv[i], "--no-ae") == 0)
            a->options.no_network = true;
        else if (strcmp(argv[i], "--json") == 0)
            a->json = true;
        else if (i + 1 < argc && take(a, argv[i], argv[i + 1], &known))
            i++;
        else if (known)
            return impossible(argv[i], argv[i + 1], rule_of(argv[i]));
        else
            return usage(i + 1 < argc ? "no such option:" : "no such option, or no value after it:",
                         argv[i]);
    }
    return judge(a);
}

static int64_t now_us(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void show_percent(void *ctx, unsigned percent)
{
    (void)ctx;
    fprintf(stderr, "\rtraining %3u %%%s", percent, percent == 100 ? "\n" : "");
}

static int exit_status(int result)
{
    switch (result) {
    case MW_ERR_NOT_FOUND: return EX_NOINPUT;
    case MW_ERR_IO: return EX_IOERR;
    case MW_ERR_NO_MEMORY: return EX_OSERR;
    default: return EX_DATAERR;
    }
}

static void print_digest(const uint8_t *digest)
{
    for (int i = 0; i < 32; i++)
        printf("%02x", digest[i]);
}

/* A column's name as a JSON string; names hold no control characters. */
static void print_quoted(const char *name)
{
    putchar('"');
    for (; *name; name++) {
        if (*name == '"' || *name == '\\')
            putchar('\\');
        putchar(*name);
    }
    putchar('"');
}

static void print_json(const struct train_report *report, double seconds)
{
    uint32_t k = 0;
    printf("{\"n_rows\":%u,\"n_windows\":%u,\"r2\":%.4f,\"r2_by_channel\":{", report->n_rows,
           report->n_windows, (double)report->r2_best);
    for (uint32_t c = 0; c < report->card.n_channels; c++) {
        if (report->card.channels[c].role != MW_ROLE_SCORE)
            continue;
        printf("%s", k ? "," : "");
        print_quoted(report->card.channels[c].name);
        printf(":%.4f", (double)report->r2[k++]);
    }
    printf("},\"train_mse\":%.6f,\"digest\":\"", report->train_mse);
    print_digest(report->digest);
    printf("\",\"seconds\":%.1f}\n", seconds);
}

static void print_words(const struct train_report *report, const char *out, double seconds)
{
    uint32_t k = 0;
    printf("%s: %u rows, %u windows, %.1f s\n", out, report->n_rows, report->n_windows, seconds);
    if (report->card.has_network) {
        printf("mean squared error %.4f; R2 of window means:\n", report->train_mse);
        for (uint32_t c = 0; c < report->card.n_channels; c++)
            if (report->card.channels[c].role == MW_ROLE_SCORE)
                printf("  %-32s %6.3f\n", report->card.channels[c].name, (double)report->r2[k++]);
    }
    printf("SHA-256 ");
    print_digest(report->digest);
    putchar('\n');
}

static int save(const struct arguments *a, const uint8_t *tflite, size_t n,
                const struct train_report *report, double seconds)
{
    int result = outfile_write(a->out, tflite, n);
    if (result < 0) {
        fprintf(stderr, "millwright train: %s: %s\n", a->out, outfile_text(result));
        return EX_IOERR;
    }
    if (a->json)
        print_json(report, seconds);
    else
        print_words(report, a->out, seconds);
    if (train_is_hollow(report))
        fprintf(stderr,
                "millwright train: warning: the autoencoder carries no information (R2 of window "
                "means at most %.2f, %.1f is wanted)\n",
                (double)report->r2_best, (double)TRAIN_R2_LEAST);
    return EX_OK;
}

static int train_table(const struct arguments *a)
{
    struct csv table;
    struct csv_fault csv_why;
    struct train_fault why;
    struct train_report report;
    uint8_t *tflite = NULL;
    size_t n = 0;
    const struct progress progress = { .at = show_percent };
    if (outfile_is_input(a->out, a->csv)) {
        fprintf(stderr, "millwright train: %s: is also read; the model would replace it\n", a->out);
        return EX_USAGE;
    }
    int result = outfile_check(a->out);
    if (result < 0) {
        fprintf(stderr, "millwright train: %s: %s\n", a->out, outfile_text(result));
        return EX_CANTCREAT;
    }
    result = csv_load(&table, a->csv, &csv_why);
    if (result < 0) {
        fprintf(stderr, "millwright train: %s:%s\n", a->csv, csv_why.text);
        return exit_status(result);
    }
    int64_t began_us = now_us(NULL);
    result = train_run(&a->options, &table, isatty(STDERR_FILENO) ? &progress : NULL, &tflite, &n,
                       &report, &why);
    csv_destroy(&table);
    if (result < 0) {
        fprintf(stderr, "millwright train: %s: %s\n", a->csv, why.text);
        return exit_status(result);
    }
    int status = save(a, tflite, n, &report, (double)(now_us(NULL) - began_us) / 1e6);
    free(tflite);
    return status;
}

static void say_done(void *ctx, const char *name, const char *error)
{
    (void)ctx;
    if (error)
        fprintf(stderr, "millwright train: %s: %s\n", name, error);
    else
        printf("%s: trained\n", name);
}

/* The entry's name is foreign: nothing of it that a terminal would obey. */
static void say_refused(void *ctx, const char *entry, const char *as, const char *why)
{
    unsigned *n_refused = ctx;
    const char *trouble = as ? "" : strerror(errno);
    ++*n_refused;
    fputs("millwright train: '", stderr);
    for (; *entry; entry++)
        fputc(*entry >= 0x20 && *entry < 0x7f ? *entry : '?', stderr);
    fprintf(stderr, "' is refused: %s; %s %s\n", why,
            as ? "moved to" : "it cannot be moved aside:", as ? as : trouble);
}

static int run_spool(const char *folder)
{
    unsigned n_refused = 0;
    const struct spool_world world = {
        .now_us = now_us, .done = say_done, .refused = say_refused, .ctx = &n_refused
    };
    int result = spool_run(folder, &world);
    if (result >= 0)
        return n_refused ? EX_DATAERR : EX_OK;
    fprintf(stderr, "millwright train: %s: %s\n", folder, strerror(errno));
    return exit_status(result);
}

int verb_train(int argc, char **argv)
{
    struct arguments arguments = { .options = { .seed = 1 } };
    int status = parse(argc, argv, &arguments);
    if (status != EX_OK)
        return status;
    if (arguments.help) {
        fputs(HELP, stdout);
        return EX_OK;
    }
    return arguments.spool ? run_spool(arguments.spool) : train_table(&arguments);
}
