/* SPDX-License-Identifier: Apache-2.0 */
/* millwright doctor: runs the checks and prints the report. */
#include "cli/client.h"
#include "cli/doctor_checks.h"
#include "cli/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

static const char USAGE[] =
    "usage: millwright doctor [--config FILE] [--profiles DIR] [--only NAME,...] [--user NAME]\n"
    "                         [--json]\n"
    "\n"
    "What is wrong with this gateway, a line for each thing looked at: ok, warning, fault or\n"
    "skipped, and below a warning or fault the remedy.\n"
    "\n"
    "  --config FILE    the configuration (default " MW_CONFIG_FILE ")\n"
    "  --profiles DIR   instead of " MW_PROFILE_DIR "\n"
    "  --only NAME,...  these checks alone: configuration, models, secrets, certificates, serial,\n"
    "                   tcp, clock, disk, database, broker, daemon, engine, versions\n"
    "  --user NAME      whose rights count (default: the running daemon's user, else millwright)\n"
    "  --json           the report as one JSON object (millwright-doctor-1.schema.json)\n"
    "\n"
    "Nothing is changed: no device is written to, the broker is asked under another client id, a\n"
    "nameless file in the data folder times the disk. A running daemon is asked, not disturbed.\n"
    "Without a configuration it tells of the computer alone; what needs root is skipped without "
    "it.\n"
    "\n"
    "Exit status, as monitoring counts: 0 all well, 1 warnings, 2 faults; 64 usage, 71 out of\n"
    "memory.\n";

/* ---- all of them ---- */

struct check {
    const char *name;
    void (*run)(struct patient *patient); /* NULL: load */
    bool needs_config;
};

/* In the order of the report: what is wrong first is most often why the rest is. */
static const struct check CHECKS[] = {
    { "configuration", NULL, false },      { "models", check_models, true },
    { "secrets", check_secrets, true },    { "certificates", check_certificates, true },
    { "serial", check_serial, false },     { "tcp", check_tcp, true },
    { "clock", check_clock, false },       { "disk", check_disk, true },
    { "database", check_database, true },  { "broker", check_broker, true },
    { "daemon", check_daemon, false },     { "engine", check_engine, false },
    { "versions", check_versions, false },
};
#define N_CHECKS (sizeof CHECKS / sizeof CHECKS[0])

static bool are_checks(const char *only)
{
    for (const char *word = only; word; word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL) {
        bool known = false;
        for (size_t i = 0; i < N_CHECKS; i++)
            known |= strlen(CHECKS[i].name) == strcspn(word, ",") &&
                     strncmp(word, CHECKS[i].name, strcspn(word, ",")) == 0;
        if (!known) {
            fprintf(stderr, "millwright: no check '%.*s'; there are:", (int)strcspn(word, ","),
                    word);
            for (size_t i = 0; i < N_CHECKS; i++)
                fprintf(stderr, " %s", CHECKS[i].name);
            fputc('\n', stderr);
            return false;
        }
    }
    return true;
}

/* Without a configuration nobody knows that there should be a daemon. */
static bool is_left_out(const struct patient *p, const struct check *check)
{
    bool daemon = strcmp(check->name, "daemon") == 0;
    return !p->config && (check->needs_config || (daemon && !p->status && !p->has_config));
}

static void run(struct patient *p)
{
    for (size_t i = 0; i < N_CHECKS; i++) {
        const struct check *check = &CHECKS[i];
        if (!check->run || !doctor_is_wanted(p->only, check->name))
            continue;
        if (!is_left_out(p, check))
            check->run(p);
        else if (p->has_config || p->only)
            doctor_say(&p->report, DOCTOR_SKIPPED, check->name, "", "needs a configuration%s",
                       p->has_config ? " that loads" : "");
    }
}

/* Two names of one file are one file. */
static bool is_another_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && (x.st_dev != y.st_dev || x.st_ino != y.st_ino);
}

/* ---- printing ---- */

static void print_finding(const struct doctor_finding *f)
{
    printf("%-8s %s%s%s: %s\n", doctor_word(f->verdict), f->check, f->subject[0] ? " " : "",
           f->subject, f->text);
    if (f->remedy[0])
        printf("%-8s -> %s\n", "", f->remedy);
}

static void print_report(const struct doctor_report *report)
{
    for (size_t i = 0; i < report->n; i++)
        print_finding(&report->findings[i]);
    printf("%zu ok, %zu warnings, %zu faults, %zu skipped\n", doctor_count(report, DOCTOR_OK),
           doctor_count(report, DOCTOR_WARNING), doctor_count(report, DOCTOR_FAULT),
           doctor_count(report, DOCTOR_SKIPPED));
}

/* Names of files and words of peers are bytes; JSON is UTF-8. */
static json_t *text_of(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    char plain[sizeof((struct doctor_finding *)0)->remedy];
    (void)snprintf(plain, sizeof plain, "%s", text);
    for (char *p = plain; *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    return json_string(plain);
}

static json_t *finding(const struct doctor_finding *f)
{
    return json_pack("{ss so ss so so}", "check", f->check, "subject", text_of(f->subject),
                     "verdict", doctor_word(f->verdict), "text", text_of(f->text), "remedy",
                     text_of(f->remedy));
}

static int print_json(const struct patient *p)
{
    const struct doctor_report *r = &p->report;
    json_t *findings = json_array();
    for (size_t i = 0; i < r->n; i++)
        json_array_append_new(findings, finding(&r->findings[i]));
    json_t *counts = json_pack("{sI sI sI sI}", "ok", (json_int_t)doctor_count(r, DOCTOR_OK),
                               "warning", (json_int_t)doctor_count(r, DOCTOR_WARNING), "fault",
                               (json_int_t)doctor_count(r, DOCTOR_FAULT), "skipped",
                               (json_int_t)doctor_count(r, DOCTOR_SKIPPED));
    json_t *root =
        json_pack("{ss ss sI so so ss so so}", "schema", "millwright-doctor/1", "version",
                  MW_VERSION, "ts_ms", (json_int_t)(doctor_utc_us() / 1000), "config",
                  p->has_config ? text_of(p->file) : json_null(), "user", text_of(p->user.name),
                  "verdict", doctor_word(doctor_worst(r)), "counts", counts, "findings", findings);
    bool printed = root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0;
    if (printed)
        putchar('\n');
    json_decref(root);
    return printed ? EX_OK : EX_OSERR;
}

static int status_of(const struct doctor_report *report)
{
    switch (doctor_worst(report)) {
    case DOCTOR_FAULT: return 2;
    case DOCTOR_WARNING: return 1;
    case DOCTOR_OK:
    case DOCTOR_SKIPPED: break;
    }
    return EX_OK;
}

static int examine(struct patient *p, const char *profiles, const char *user, bool json)
{
    doctor_load(p, profiles);
    p->status = doctor_ask_daemon(p->config ? p->config->socket : CLIENT_SOCKET, &p->daemon);
    int status = EX_OK;
    struct stat socket_file;
    p->daemon_hidden = p->daemon.connect_errno == EACCES;
    if (p->daemon_hidden && stat(p->daemon.socket, &socket_file) == 0)
        p->daemon.uid = socket_file.st_uid;
    if (p->has_config && is_another_file(p->file, p->daemon.config_file))
        p->daemon.other_config = p->daemon.config_file;
    if (!doctor_find_user(user, p->daemon.uid, &p->user)) {
        fprintf(stderr, "millwright: no user '%s'\n", user);
        status = EX_USAGE;
    } else {
        run(p);
        if (json)
            status = print_json(p);
        else
            print_report(&p->report);
        status = status != EX_OK ? status : p->report.no_memory ? EX_OSERR : status_of(&p->report);
    }
    doctor_status_free(p->status);
    config_free(p->config);
    doctor_finish(&p->report);
    return status;
}

int verb_doctor(int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "config", required_argument, NULL, 'c' },
        { "profiles", required_argument, NULL, 'p' },
        { "only", required_argument, NULL, 'o' },
        { "user", required_argument, NULL, 'u' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct patient patient = { .file = MW_CONFIG_FILE };
    const char *profiles = MW_PROFILE_DIR, *user = NULL;
    bool json = false;
    for (int o; (o = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1;) {
        switch (o) {
        case 'c':
            patient.file = optarg;
            patient.file_given = true;
            break;
        case 'p': profiles = optarg; break;
        case 'o': patient.only = optarg; break;
        case 'u': user = optarg; break;
        case 'j': json = true; break;
        case 'h': fputs(USAGE, stdout); return EX_OK;
        default: fputs(USAGE, stderr); return EX_USAGE;
        }
    }
    if (optind != argc || !are_checks(patient.only)) {
        if (optind != argc)
            fputs(USAGE, stderr);
        return EX_USAGE;
    }
    signal(SIGPIPE, SIG_IGN); /* a broker that hangs up is a finding */
    unsetenv("http_proxy");   /* Paho takes them, and millwrightd does without */
    unsetenv("https_proxy");
    return examine(&patient, profiles, user, json);
}
