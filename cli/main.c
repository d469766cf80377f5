/* SPDX-License-Identifier: Apache-2.0 */
/* millwright, the operator's hand: finds the verb and hands over. */
#include "cli/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct verb VERBS[] = {
    { "ack", verb_ack, "acknowledge the alarms of a machine or device" },
    { "check", verb_check, "check a configuration file; report every error" },
    { "config", verb_config, "show every setting in force and its origin; compare two files" },
    { "doctor", verb_doctor, "what is wrong with this gateway, and the remedy" },
    { "history", verb_history, "what is kept of a machine: raw, by ten minutes, by hours" },
    { "infer", verb_infer, "run raw int8 rows through a .tflite model" },
    { "init", verb_init, "search a bus, ask, and write a first configuration" },
    { "learn", verb_learn, "commission a machine from the daemon's history" },
    { "model", verb_model, "show what a model file holds" },
    { "plan", verb_plan, "list every request and predict how busy each bus will be" },
    { "probe", verb_probe, "read registers once and decode them in every way" },
    { "profile", verb_profile, "list, show and check register maps of devices" },
    { "record", verb_record, "keep the frames of a bus as a trace" },
    { "reload", verb_reload, "have the daemon read its configuration again" },
    { "repaired", verb_repaired, "accept a machine's present level" },
    { "replay", verb_replay, "judge a recorded CSV with a model" },
    { "scan", verb_scan, "find who is on a bus; ends with a configuration" },
    { "simulate", verb_simulate, "serve a simulated machine hall over Modbus" },
    { "status", verb_status, "show what the running daemon knows" },
    { "train", verb_train, "fit a model to a recorded CSV" },
};
#define N_VERBS (sizeof VERBS / sizeof VERBS[0])

static void usage(FILE *to)
{
    fputs("usage: millwright VERB [ARGUMENTS]\n\nVerbs:\n", to);
    for (size_t i = 0; i < N_VERBS; i++)
        fprintf(to, "  %-10s %s\n", VERBS[i].name, VERBS[i].summary);
    fputs("\n'millwright VERB --help' says more. 'millwright --version' names the release.\n", to);
}

/* What could not be said is no success: a full disk behind a redirection, a closed output. */
static int close_output(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "millwright: the standard output cannot be written%s%s\n", errno ? ": " : "",
            errno ? strerror(errno) : "");
    return status == EX_OK ? EX_IOERR : status;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return EX_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return EX_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("millwright " MW_VERSION);
        return EX_OK;
    }
    for (size_t i = 0; i < N_VERBS; i++)
        if (strcmp(argv[1], VERBS[i].name) == 0)
            return VERBS[i].run(argc - 1, argv + 1);
    fprintf(stderr, "millwright: no verb '%s'\n\n", argv[1]);
    usage(stderr);
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    return close_output(run(argc, argv));
}
