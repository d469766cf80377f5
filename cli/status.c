/* SPDX-License-Identifier: Apache-2.0 */
/* millwright status: what the running daemon knows of itself. */
#include "cli/client.h"
#include "cli/verbs.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: millwright status [MACHINE] [--json] [--watch] [--socket PATH]\n"
    "\n"
    "What the running daemon knows: broker, store, devices, machines and their alarms.\n"
    "  --json         the daemon's whole answer as one JSON object\n"
    "  --watch        again every second until interrupted\n"
    "  --socket PATH  the daemon's control socket (default " CLIENT_SOCKET ")\n";

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_head(const json_t *root)
{
    const json_t *broker = json_object_get(root, "broker");
    const json_t *store = json_object_get(root, "store");
    printf("%s/%s  millwright %s  up %lld s  clock %s\n", text_of(root, "site"),
           text_of(root, "gateway"), text_of(root, "version"), number_of(root, "uptime_s"),
           json_is_true(json_object_get(root, "clock_synced")) ? "synchronised"
                                                               : "not synchronised");
    printf("polls %lld   windows judged %lld   read %lld bytes   published %lld bytes\n",
           number_of(root, "polls"), number_of(root, "windows"), number_of(root, "bytes_polled"),
           number_of(broker, "bytes_published"));
    const char *state = text_of(broker, "state");
    const char *reason = strcmp(state, "up") == 0 ? "" : text_of(broker, "text");
    long long n_dead = number_of(broker, "dead_letters");
    printf("broker %s%s%s   delivered %lld   waiting %lld   dropped %lld", state,
           reason[0] ? ": " : "", reason, number_of(broker, "delivered"),
           number_of(store, "outbox_waiting"), number_of(store, "outbox_dropped"));
    if (n_dead > 0)
        printf("   dead letters %lld", n_dead);
    if (number_of(broker, "unheard") > 0)
        printf("   unheard %lld (nobody subscribed)", number_of(broker, "unheard"));
    printf("   store %s\n",
           json_is_true(json_object_get(store, "well")) ? "well" : text_of(store, "text"));
}

/* What the database costs the disk, since the start. */
static void print_writing(const json_t *root)
{
    const json_t *store = json_object_get(root, "store"), *syncs = json_object_get(store, "syncs");
    const json_t *history = json_object_get(store, "history");
    double mib = (double)number_of(store, "bytes_written") / 1048576;
    long long up_s = number_of(root, "uptime_s"), n_out = number_of(history, "frames_left_out");
    if (!syncs || !history)
        return;
    printf("written %.1f MiB", mib);
    if (up_s >= 3600)
        printf(" (%.0f a day)", mib * 86400 / (double)up_s);
    printf("   syncs: alarms %lld, acknowledgements %lld, history %lld, states %lld, checkpoints "
           "%lld\n",
           number_of(syncs, "alarms"), number_of(syncs, "acknowledgements"),
           number_of(syncs, "history"), number_of(syncs, "states"),
           number_of(syncs, "checkpoints"));
    printf("history %s   file %.1f MiB", text_of(history, "kept_in"),
           (double)number_of(store, "file_bytes") / 1048576);
    if (n_out > 0)
        printf("   raw frames left out for the write budget %lld", n_out);
    putchar('\n');
}

static void print_buses(const json_t *buses)
{
    size_t i;
    json_t *b;
    printf("\n%-24s %10s %10s %14s %14s\n", "BUS", "POLLS", "LEFT OUT", "LATE p99 ms",
           "ANSWER p99 ms");
    json_array_foreach(buses, i, b)
        printf("%-24s %10lld %10lld %14.3f %14.3f%s\n", text_of(b, "name"),
               number_of(b, "slots_run"), number_of(b, "slots_missed"),
               (double)number_of(json_object_get(b, "start_jitter"), "p99_us") / 1000,
               (double)number_of(json_object_get(b, "response"), "p99_us") / 1000,
               json_is_true(json_object_get(b, "overloaded")) ? "  cannot keep up" : "");
}

static void print_refused(const json_t *device)
{
    size_t i;
    json_t *r;
    json_array_foreach(json_object_get(device, "refused"), i, r) printf(
        "  refuses %s %lld to %lld (exception %lld)\n", text_of(r, "kind"), number_of(r, "address"),
        number_of(r, "address") + number_of(r, "count") - 1, number_of(r, "exception"));
}

static void print_devices(const json_t *devices)
{
    size_t i;
    json_t *d;
    printf("\n%-24s %-12s %4s %-9s %10s %10s\n", "DEVICE", "BUS", "UNIT", "HEALTH", "REPLIES",
           "ERRORS");
    json_array_foreach(devices, i, d)
    {
        printf("%-24s %-12s %4lld %-9s %10lld %10lld\n", text_of(d, "name"), text_of(d, "bus"),
               number_of(d, "unit"), text_of(d, "health"), number_of(d, "replies"),
               number_of(d, "timeouts") + number_of(d, "crc") + number_of(d, "mismatched") +
                   number_of(d, "exceptions") + number_of(d, "io_errors"));
        print_refused(d);
    }
}

static void print_machine(const json_t *m)
{
    const json_t *learn = json_object_get(m, "learn");
    const char *phase = text_of(learn, "phase");
    printf("%-24s %-16s %-9s %6.2f  %-10s %-17s %s", text_of(m, "name"), text_of(m, "alarm"),
           text_of(m, "severity"), json_real_value(json_object_get(m, "score")),
           text_of(m, "model_state"), text_of(m, "model"), text_of(m, "point"));
    if (strcmp(phase, "collecting") == 0 || strcmp(phase, "training") == 0)
        printf(" [%s %lld %%]", phase, number_of(learn, "percent"));
    putchar('\n');
}

static void print_channels(const json_t *m)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(m, "channels"), i, c)
    {
        const json_t *value = json_object_get(c, "value");
        printf("  %-22s %-32s ", text_of(c, "name"), text_of(c, "point"));
        if (json_is_number(value))
            printf("%12.4g %s", json_number_value(value), text_of(c, "unit"));
        else
            printf("%12s", "no value");
        if (strcmp(text_of(c, "sensor_alarm"), "normal") != 0)
            printf("  sensor alarm: %s", text_of(c, "sensor_alarm"));
        putchar('\n');
    }
}

static void print_machines(const json_t *machines, const char *only)
{
    size_t i;
    json_t *m;
    printf("\n%-24s %-16s %-9s %6s  %-10s %-17s %s\n", "MACHINE", "ALARM", "SEVERITY", "SCORE",
           "MODEL", "DIGEST", "POINT TO BLAME");
    json_array_foreach(machines, i, m)
    {
        if (only && strcmp(only, text_of(m, "name")) != 0)
            continue;
        print_machine(m);
        if (only)
            print_channels(m);
    }
}

/* Whether all that the printing takes for granted is there. */
static bool is_status(const json_t *root)
{
    static const char *const lists[] = { "devices", "machines" };
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        const json_t *list = json_object_get(root, lists[k]);
        size_t i;
        json_t *item;
        if (!json_is_array(list))
            return false;
        json_array_foreach(list, i, item)
        {
            if (!json_is_string(json_object_get(item, "name")))
                return false;
        }
    }
    return json_is_string(json_object_get(root, "site")) &&
           json_is_string(json_object_get(root, "gateway")) &&
           json_is_object(json_object_get(root, "broker")) &&
           json_is_object(json_object_get(root, "store"));
}

static bool has_machine(const json_t *root, const char *name)
{
    size_t i;
    json_t *m;
    json_array_foreach(json_object_get(root, "machines"), i, m)
    {
        if (strcmp(text_of(m, "name"), name) == 0)
            return true;
    }
    return false;
}

/* The screen is cleared when there is something new to put there. */
static void print_all(const json_t *root, const struct client_options *options)
{
    if (options->watch && isatty(STDOUT_FILENO))
        fputs("\033[H\033[2J", stdout);
    print_head(root);
    if (!options->subject) {
        print_writing(root);
        print_buses(json_object_get(root, "buses"));
        print_devices(json_object_get(root, "devices"));
    }
    print_machines(json_object_get(root, "machines"), options->subject);
}

static int show(const struct client_options *options)
{
    int status = EX_OK;
    char *text = client_ask(options->socket_path, "status", &status);
    if (!text)
        return status;
    json_t *root = json_loads(text, 0, NULL);
    if (!is_status(root)) {
        fputs("millwright: the daemon's answer is not understood\n", stderr);
        status = EX_PROTOCOL;
    } else if (options->subject && !has_machine(root, options->subject)) {
        fprintf(stderr, "millwright: no machine '%s'\n", options->subject);
        status = EX_NOINPUT;
    } else if (options->json) {
        fputs(text, stdout);
    } else {
        print_all(root, options);
    }
    json_decref(root);
    free(text);
    fflush(stdout);
    return status;
}

int verb_status(int argc, char **argv)
{
    struct client_options options;
    int status = client_parse(argc, argv, USAGE, &options);
    if (status >= 0)
        return status;
    do {
        status = show(&options);
    } while (options.watch && status == EX_OK && !ferror(stdout) && sleep(1) == 0);
    return status;
}
