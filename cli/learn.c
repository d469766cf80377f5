/* SPDX-License-Identifier: Apache-2.0 */
/* millwright learn: commissions one machine from the daemon's own history. */
#include "cli/client.h"
#include "cli/verbs.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: millwright learn MACHINE [--json] [--socket PATH]\n"
    "\n"
    "Fits a model to the machine's recent history and makes it the active one. Shows how far it\n"
    "is and ends when the model is at work; interrupting it does not stop the learning.\n"
    "  --json         one JSON object per change instead of words\n"
    "  --socket PATH  the daemon's control socket (default " CLIENT_SOCKET ")\n";

/* The learn object of one machine, as a new reference, or NULL with the exit status. */
static json_t *look(const char *socket_path, const char *machine, int *ret_status)
{
    char request[128];
    snprintf(request, sizeof request, "status %.100s", machine);
    char *text = client_ask(socket_path, request, ret_status);
    if (!text)
        return NULL;
    json_t *root = json_loads(text, 0, NULL), *m, *found = NULL;
    size_t i;
    free(text);
    json_array_foreach(json_object_get(root, "machines"), i, m)
    {
        const char *name = json_string_value(json_object_get(m, "name"));
        if (name && strcmp(name, machine) == 0)
            found = json_incref(json_object_get(m, "learn"));
    }
    json_decref(root);
    if (!found)
        *ret_status = EX_PROTOCOL;
    return found;
}

static void print(const struct client_options *options, const json_t *learn)
{
    const char *phase = json_string_value(json_object_get(learn, "phase"));
    long long percent = (long long)json_integer_value(json_object_get(learn, "percent"));
    if (!phase)
        return;
    if (options->json) {
        json_dumpf(learn, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        return;
    }
    if (strcmp(phase, "collecting") == 0)
        fprintf(stderr, "%s: collecting, %lld of %lld frames\n", options->subject,
                (long long)json_integer_value(json_object_get(learn, "rows")),
                (long long)json_integer_value(json_object_get(learn, "wanted")));
    else if (strcmp(phase, "done") == 0)
        printf("%s: the model is at work (R2 %.2f)\n", options->subject,
               json_real_value(json_object_get(learn, "r2")));
    else if (strcmp(phase, "failed") == 0)
        fprintf(stderr, "millwright: %s: learning failed: %s\n", options->subject,
                json_string_value(json_object_get(learn, "text")));
    else
        fprintf(stderr, "%s: %s %lld %%\n", options->subject, phase, percent);
}

static int follow(const struct client_options *options)
{
    const struct timespec pause = { 0, 250000000 };
    json_t *before = NULL;
    int status = EX_OK;
    for (bool over = false; !over; nanosleep(&pause, NULL)) {
        json_t *learn = look(options->socket_path, options->subject, &status);
        if (!learn)
            break;
        const char *phase = json_string_value(json_object_get(learn, "phase"));
        bool failed = phase && strcmp(phase, "failed") == 0;
        bool forgotten = phase && strcmp(phase, "idle") == 0;
        over = !phase || failed || forgotten || strcmp(phase, "done") == 0;
        if (!json_equal(before, learn))
            print(options, learn);
        json_decref(before);
        before = learn;
        if (forgotten)
            fprintf(stderr, "millwright: %s: the daemon was restarted meanwhile; ask again\n",
                    options->subject);
        if (failed || forgotten)
            status = failed ? EX_DATAERR : EX_TEMPFAIL;
    }
    json_decref(before);
    return status;
}

int verb_learn(int argc, char **argv)
{
    struct client_options options;
    int status = client_parse(argc, argv, USAGE, &options);
    if (status >= 0)
        return status;
    if (!options.subject) {
        fputs(USAGE, stderr);
        return EX_USAGE;
    }
    status = client_order(options.socket_path, "learn", options.subject);
    return status == EX_OK ? follow(&options) : status;
}
