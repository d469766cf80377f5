/* SPDX-License-Identifier: Apache-2.0 */
/* millwright check FILE: says everything that is wrong with a configuration, or what it holds.
 * Touches no device, no broker and no file but the one named and its profiles. */
#include "base/result.h"
#include "cli/verbs.h"
#include "config/config.h"
#include "fieldbus/tty_latency.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define HIGH_LOAD 0.8 /* of a bus; above, retries have little room */

struct output {
    bool json;
    FILE *warnings; /* with json: they follow the errors */
    size_t n_errors, n_warnings;
};

static void print_json_text(FILE *to, const char *text)
{
    putc('"', to);
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(to, "\\u%04x", c);
        else
            putc(c, to);
    }
    putc('"', to);
}

static void print_error_json(FILE *to, bool first, const struct config_error *error)
{
    fputs(first ? "\n    {\"file\": " : ",\n    {\"file\": ", to);
    print_json_text(to, error->file);
    fprintf(to, ", \"line\": %d, \"column\": %d, \"path\": ", error->line, error->column);
    print_json_text(to, error->path);
    fputs(", \"message\": ", to);
    print_json_text(to, error->message);
    putc('}', to);
}

static void print_error(void *ctx, const struct config_error *error)
{
    struct output *output = ctx;
    size_t *n = error->warning ? &output->n_warnings : &output->n_errors;
    if (output->json) {
        print_error_json(error->warning ? output->warnings : stdout, *n == 0, error);
    } else {
        fprintf(stderr, "%s:", error->file);
        if (error->line > 0)
            fprintf(stderr, "%d:%d:", error->line, error->column);
        fprintf(stderr, " %s%s%s%s\n", error->path, error->path[0] ? ": " : "",
                error->warning ? "warning: " : "", error->message);
    }
    ++*n;
}

static size_t count_polled(const struct config *config)
{
    size_t n = 0;
    for (size_t i = 0; i < config->n_points; i++)
        n += config->points[i].period_us > 0;
    return n;
}

/* A hint alone: the adapter may be another one in the cabinet. */
static void print_latency(const struct bus_config *bus)
{
    char path[TTY_LATENCY_PATH_BYTES];
    int ms = tty_latency_ms(bus->device, "/sys", path);
    if (ms > 1)
        printf("  bus %s: its adapter may hold every reply back for %d ms; 1 in %s is quicker\n",
               bus->name, ms, path);
}

static void print_summary(const char *file, const struct config *config)
{
    printf("%s: ok\n", file);
    printf("  buses %zu, devices %zu, points %zu (%zu polled), machines %zu\n", config->n_buses,
           config->n_devices, config->n_points, count_polled(config), config->n_machines);
    if (config->n_buses == 0)
        puts("  no bus: nothing is polled");
    for (size_t i = 0; i < config->n_buses; i++) {
        if (config->buses[i].kind != BUS_RTU)
            continue;
        double load = config_bus_load(config, i);
        printf("  bus %s: predicted load %.0f %%%s\n", config->buses[i].name, load * 100,
               load > HIGH_LOAD ? " (warning: retries have little room)" : "");
        print_latency(&config->buses[i]);
    }
    if (config->mqtt.uri[0])
        printf("  broker %s, topics %s\n", config->mqtt.uri, config->mqtt.topic_prefix);
    else
        puts("  no broker: nothing leaves");
}

static void print_summary_json(const struct config *config)
{
    printf(",\n  \"buses\": %zu,\n  \"devices\": %zu,\n  \"points\": %zu,\n  \"polled\": %zu,\n"
           "  \"machines\": %zu,\n  \"load\": {",
           config->n_buses, config->n_devices, config->n_points, count_polled(config),
           config->n_machines);
    const char *separator = "";
    for (size_t i = 0; i < config->n_buses; i++) {
        if (config->buses[i].kind != BUS_RTU)
            continue;
        printf("%s", separator);
        print_json_text(stdout, config->buses[i].name);
        printf(": %.4f", config_bus_load(config, i));
        separator = ", ";
    }
    putchar('}');
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

static int check_plainly(const char *file, const char *profiles, enum config_here here)
{
    struct output output = { 0 };
    struct config *config = NULL;
    int result = config_load(&config, file, profiles, here, print_error, &output);
    if (result == MW_OK)
        print_summary(file, config);
    else
        fprintf(stderr, "%s: %zu error%s\n", file, output.n_errors,
                output.n_errors == 1 ? "" : "s");
    config_free(config);
    return status_of(result);
}

static int check_json(const char *file, const char *profiles, enum config_here here)
{
    char *warnings = NULL;
    size_t n_bytes = 0;
    struct output output = { .json = true, .warnings = open_memstream(&warnings, &n_bytes) };
    struct config *config = NULL;
    if (!output.warnings)
        return EX_OSERR;
    fputs("{\n  \"file\": ", stdout);
    print_json_text(stdout, file);
    fputs(",\n  \"errors\": [", stdout);
    int result = config_load(&config, file, profiles, here, print_error, &output);
    bool whole = fclose(output.warnings) == 0;
    printf("%s],\n  \"warnings\": [%s%s]", output.n_errors ? "\n  " : "", whole ? warnings : "",
           output.n_warnings ? "\n  " : "");
    if (result == MW_OK)
        print_summary_json(config);
    puts("\n}");
    config_free(config);
    free(warnings);
    return whole ? status_of(result) : EX_OSERR;
}

static void usage(FILE *to)
{
    fputs("usage: millwright check FILE [--here] [--json] [--profiles DIR]\n\n"
          "Reports every error of a configuration as file:line:column: path: message.\n"
          "Password, certificate and model files that are missing or wrong on this computer are\n"
          "warnings. Nothing is touched but the files it reads.\n\n"
          "  --here          this is the computer: they are errors, as millwrightd has it\n"
          "  --json          errors, warnings and summary as one JSON object on standard output\n"
          "  --profiles DIR  instead of " MW_PROFILE_DIR "\n\n"
          "Exit status: 0 right, 78 wrong, 66 no such file, 74 it cannot be read.\n",
          to);
}

int verb_check(int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "here", no_argument, NULL, 'H' },
        { "json", no_argument, NULL, 'j' },
        { "profiles", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    const char *profiles = MW_PROFILE_DIR;
    enum config_here here = CONFIG_HERE_WARNS;
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1) {
        if (option == 'h') {
            usage(stdout);
            return EX_OK;
        }
        if (option == 'H')
            here = CONFIG_HERE;
        else if (option == 'j')
            json = true;
        else if (option == 'p')
            profiles = optarg;
        else
            return EX_USAGE;
    }
    if (optind + 1 != argc) {
        usage(stderr);
        return EX_USAGE;
    }
    int status = json ? check_json(argv[optind], profiles, here)
                      : check_plainly(argv[optind], profiles, here);
    return fflush(stdout) == 0 ? status : EX_IOERR;
}
