/* SPDX-License-Identifier: Apache-2.0 */
/* millwright doctor: runs the checks and prints the report. */
#include "cli/doctor.h"
#include "base/result.h"
#include "cli/client.h"
#include "cli/verbs.h"
#include "uplink/certificate.h"
#include "uplink/secret.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

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
    "Exit status, as monitoring counts: 0 all well, 1 warnings, 2 faults; 64 usage, 66 no such\n"
    "file, 71 out of memory.\n";

/* ---- one run ---- */

struct patient {
    const char *file, *only;
    bool file_given, has_config;
    struct doctor_report report;
    struct config *config; /* NULL: none that loads */
    struct doctor_user user;
    struct doctor_daemon daemon;
    struct doctor_status *status; /* NULL: no daemon that answers */
    bool daemon_hidden;           /* there is one, and this user may not ask it */
    uint32_t n_models_wrong;
};

static void progress(const char *what)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "millwright: %s\n", what);
}

static int64_t utc_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- configuration, models ---- */

static bool is_wanted(const char *only, const char *check)
{
    size_t n = strlen(check);
    if (!only)
        return true;
    for (const char *word = only; word; word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL)
        if (strcspn(word, ",") == n && strncmp(word, check, n) == 0)
            return true;
    return false;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Warnings are of files on this computer; those of mqtt are judged closer by secrets. */
static void hear_error(void *ctx, const struct config_error *error)
{
    struct patient *p = ctx;
    if (error->warning && begins(error->path, "mqtt"))
        return;
    const char *check = error->warning ? "models" : "configuration";
    p->n_models_wrong += error->warning;
    if (!is_wanted(p->only, check))
        return;
    if (error->line > 0)
        doctor_say(&p->report, error->warning ? DOCTOR_WARNING : DOCTOR_FAULT, check, error->path,
                   "%s:%d:%d: %s", error->file, error->line, error->column, error->message);
    else
        doctor_say(&p->report, DOCTOR_FAULT, check, error->path, "%s: %s", error->file,
                   error->message);
    if (error->warning)
        doctor_remedy(&p->report, "a .tflite that is right as model.file, or without model.file: "
                                  "millwright learn MACHINE");
    else
        doctor_remedy(&p->report, "edit %s, then millwright check --here %s", error->file, p->file);
}

static void load(struct patient *p, const char *profiles)
{
    bool configuration = is_wanted(p->only, "configuration");
    if (!p->file_given && access(p->file, F_OK) != 0) {
        if (configuration)
            doctor_say(&p->report, DOCTOR_SKIPPED, "configuration", "",
                       "no %s: this tells of the computer alone", p->file);
        return;
    }
    p->has_config = true;
    config_load(&p->config, p->file, profiles, CONFIG_HERE_WARNS, hear_error, p);
    if (!p->config)
        return;
    if (configuration)
        doctor_say(&p->report, DOCTOR_OK, "configuration", "",
                   "%s: buses %zu, devices %zu, machines %zu", p->file, p->config->n_buses,
                   p->config->n_devices, p->config->n_machines);
}

static void check_models(struct patient *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->config->n_machines; i++)
        n += p->config->machines[i].model_file[0] != '\0';
    if (n > 0 && p->n_models_wrong == 0)
        doctor_say(&p->report, DOCTOR_OK, "models", "", "%zu model file%s can be used", n,
                   n == 1 ? "" : "s");
    else if (n == 0)
        doctor_say(&p->report, DOCTOR_OK, "models", "", "no machine names a model file");
}

/* ---- secrets, certificates ---- */

static void check_secret(struct patient *p, const char *setting, const char *path, bool is_public)
{
    struct doctor_secret secret = {
        .setting = setting, .path = path, .user = p->user.name, .only_public = is_public
    };
    char text[256];
    if (!path[0])
        return;
    secret.access = doctor_may(&p->user, path, R_OK);
    struct stat there;
    int result = is_public ? MW_OK : secret_check(path);
    if (result == MW_ERR_IO && stat(path, &there) == 0 && (there.st_mode & 077) != 0)
        result = MW_ERR_REFUSED; /* not ours to read, but open to some */
    secret.open_to_others = result == MW_ERR_REFUSED;
    if (result == MW_OK && strcmp(setting, "password_file") == 0) {
        secret.malformed = secret_read(text, sizeof text, path) == MW_ERR_FORMAT;
        secret_wipe(text, sizeof text);
    }
    judge_secret(&p->report, &secret);
}

static void check_secrets(struct patient *p)
{
    const struct mqtt_config *m = &p->config->mqtt;
    check_secret(p, "password_file", m->password_file, false);
    check_secret(p, "key_file", m->key_file, false);
    check_secret(p, "cert_file", m->cert_file, true);
    check_secret(p, "ca_file", m->ca_file, true);
    if (!m->password_file[0] && !m->ca_file[0])
        doctor_say(&p->report, DOCTOR_OK, "secrets", "", "none is configured");
}

static void check_certificate(struct patient *p, const char *setting, const char *path)
{
    struct doctor_certificate certificate = { .setting = setting, .path = path, .at_us = utc_us() };
    if (!path[0])
        return;
    certificate.result = certificate_not_after(path, &certificate.not_after_us);
    certificate.unseen =
        certificate.result == MW_ERR_IO && access(path, R_OK) != 0 && errno == EACCES;
    judge_certificate(&p->report, &certificate);
}

static void check_certificates(struct patient *p)
{
    const struct mqtt_config *m = &p->config->mqtt;
    check_certificate(p, "ca_file", m->ca_file);
    check_certificate(p, "cert_file", m->cert_file);
    if (m->cert_file[0] && m->key_file[0])
        judge_key(&p->report, m->cert_file, m->key_file,
                  certificate_fits_key(m->cert_file, m->key_file));
    if (!m->ca_file[0])
        doctor_say(&p->report, DOCTOR_OK, "certificates", "", "none is configured");
}

/* ---- buses ---- */

static void check_port(struct patient *p, const struct bus_config *bus)
{
    struct doctor_port port;
    doctor_look_at_port(bus, &p->user, p->config && (p->status || p->daemon_hidden), &port);
    judge_port(&p->report, &port);
}

/* Without a configuration, what could become a bus. */
static void check_adapters(struct patient *p)
{
    struct bus_config buses[16];
    size_t n = doctor_adapters(buses, sizeof buses / sizeof buses[0]);
    for (size_t i = 0; i < n; i++)
        check_port(p, &buses[i]);
    if (n == 0)
        doctor_say(&p->report, DOCTOR_OK, "serial", "", "no USB adapter is plugged in");
}

static void check_serial(struct patient *p)
{
    size_t n = 0;
    if (!p->config) {
        check_adapters(p);
        return;
    }
    for (size_t i = 0; i < p->config->n_buses; i++) {
        if (p->config->buses[i].kind != BUS_RTU)
            continue;
        n++;
        check_port(p, &p->config->buses[i]);
    }
    if (n == 0)
        doctor_say(&p->report, DOCTOR_OK, "serial", "", "no serial bus is configured");
}

/* A device that takes one master would throw the daemon off: where that polls, it is asked. */
static void ask_for_peers(struct patient *p, struct doctor_peer *peers, size_t n)
{
    struct doctor_polling *polls = calloc(p->config->n_buses + 1, sizeof *polls);
    if (polls && p->status)
        doctor_look_at_polls(p->config, p->daemon.socket, p->status, polls);
    for (size_t i = 0; polls && p->status && i < n; i++)
        for (size_t b = 0; b < p->config->n_buses; b++) {
            if (polls[b].bus != peers[i].bus || polls[b].n_devices == 0)
                continue;
            peers[i].by_daemon = true;
            peers[i].n_devices = polls[b].n_devices;
            peers[i].n_offline = polls[b].n_offline;
        }
    free(polls);
}

static void check_tcp(struct patient *p)
{
    struct doctor_peer *peers = calloc(p->config->n_buses + 1, sizeof *peers);
    size_t n = 0;
    for (size_t i = 0; peers && i < p->config->n_buses; i++) {
        const struct bus_config *bus = &p->config->buses[i];
        if (bus->kind == BUS_TCP)
            peers[n++] = (struct doctor_peer){
                .bus = bus->name, .host = bus->host, .port = bus->port, .hidden = p->daemon_hidden
            };
    }
    if (n > 0) {
        progress("connecting to the devices, up to 3 s for 64 of them");
        ask_for_peers(p, peers, n);
        doctor_reach_peers(peers, n);
    } else {
        doctor_say(&p->report, DOCTOR_OK, "tcp", "", "no TCP bus is configured");
    }
    for (size_t i = 0; i < n; i++)
        judge_peer(&p->report, &peers[i]);
    free(peers);
}

/* ---- clock, disk, database, broker, daemon, engine, versions ---- */

static void check_clock(struct patient *p)
{
    struct doctor_clock clock;
    doctor_read_clock(&clock);
    judge_clock(&p->report, &clock);
}

static void check_disk(struct patient *p)
{
    struct doctor_disk disk;
    char folder[PATH_MAX];
    if (p->config->store.in_memory) {
        doctor_say(&p->report, DOCTOR_OK, "disk", "", "the store is kept in memory");
        return;
    }
    progress("timing the disk, up to 5 s");
    doctor_look_at_disk(&p->config->store, &p->user, folder, &disk);
    judge_disk(&p->report, &disk);
}

static void check_database(struct patient *p)
{
    struct doctor_database database;
    if (p->config->store.in_memory) {
        doctor_say(&p->report, DOCTOR_OK, "database", "", "the store is kept in memory");
        return;
    }
    progress("checking the database, up to 10 s");
    doctor_look_at_database(&p->config->store, &p->daemon, &database);
    judge_database(&p->report, &database);
}

static void check_broker(struct patient *p)
{
    struct doctor_broker broker;
    char host[256] = "";
    if (!p->config->mqtt.uri[0]) {
        doctor_say(&p->report, DOCTOR_OK, "broker", "", "none is configured: nothing leaves");
        return;
    }
    doctor_ask_broker(&p->config->mqtt, host, progress, &broker);
    judge_broker(&p->report, &broker);
}

static void check_daemon(struct patient *p)
{
    judge_daemon(&p->report, &p->daemon);
    if (!p->status || !p->config)
        return;
    struct doctor_polling *polls = calloc(p->config->n_buses + 1, sizeof *polls);
    progress("watching the daemon poll, up to 3 s");
    if (polls)
        doctor_look_at_polls(p->config, p->daemon.socket, p->status, polls);
    for (size_t b = 0; polls && b < p->config->n_buses; b++)
        judge_polling(&p->report, &polls[b]);
    free(polls);
}

static void check_engine(struct patient *p)
{
    char words[160];
    doctor_processor(words, sizeof words);
    doctor_say(&p->report, DOCTOR_OK, "engine", "", "%s", words);
}

static void check_versions(struct patient *p)
{
    struct doctor_version versions[8];
    size_t n = doctor_versions(versions, sizeof versions / sizeof versions[0]);
    doctor_say(&p->report, DOCTOR_OK, "versions", "millwright", MW_VERSION);
    for (size_t i = 0; i < n; i++)
        judge_version(&p->report, &versions[i]);
}

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
            known |= strlen(CHECKS[i].name) == strcspn(word, ",") && begins(word, CHECKS[i].name);
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
        if (!check->run || !is_wanted(p->only, check->name))
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
                  MW_VERSION, "ts_ms", (json_int_t)(utc_us() / 1000), "config",
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
    uid_t daemon_uid = (uid_t)-1;
    load(p, profiles);
    p->status =
        doctor_ask_daemon(p->config ? p->config->socket : CLIENT_SOCKET, &p->daemon, &daemon_uid);
    int status = EX_OK;
    struct stat socket_file;
    p->daemon_hidden = p->daemon.connect_errno == EACCES;
    if (p->daemon_hidden && stat(p->daemon.socket, &socket_file) == 0)
        daemon_uid = socket_file.st_uid;
    if (p->has_config && is_another_file(p->file, p->daemon.config_file))
        p->daemon.other_config = p->daemon.config_file;
    if (!doctor_find_user(user, daemon_uid, &p->user)) {
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
