/* SPDX-License-Identifier: Apache-2.0 */
/* Each check: gathers its facts, has them judged. */
#include "cli/doctor_checks.h"
#include "base/result.h"
#include "uplink/certificate.h"
#include "uplink/secret.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void doctor_progress(const char *what)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "millwright: %s\n", what);
}

int64_t doctor_utc_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- configuration, models ---- */

bool doctor_is_wanted(const char *only, const char *check)
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
    if (!doctor_is_wanted(p->only, check))
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

void doctor_load(struct patient *p, const char *profiles)
{
    bool configuration = doctor_is_wanted(p->only, "configuration");
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

void check_models(struct patient *p)
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

/* ProtectHome= and PrivateTmp= of the unit. */
static bool is_hidden(const char *path)
{
    return begins(path, "/home/") || begins(path, "/root/") || begins(path, "/tmp/") ||
           begins(path, "/var/tmp/");
}

static void check_secret(struct patient *p, const char *setting, const char *path, bool is_public)
{
    struct doctor_secret secret = {
        .setting = setting, .path = path, .user = p->user.name, .only_public = is_public
    };
    char text[256];
    if (!path[0])
        return;
    secret.access = doctor_may(&p->user, path, R_OK);
    secret.credential = doctor_is_credential(path);
    if (secret.credential && secret.access == ACCESS_NO) /* an access list lets the daemon in */
        secret.access = ACCESS_YES;
    secret.hidden = is_hidden(path) && doctor_is_of_unit(&p->user);
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

void check_secrets(struct patient *p)
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
    struct doctor_certificate certificate = { .setting = setting,
                                              .path = path,
                                              .at_us = doctor_utc_us() };
    if (!path[0])
        return;
    certificate.result = certificate_not_after(path, &certificate.not_after_us);
    certificate.unseen = certificate.result == MW_ERR_IO && access(path, R_OK) != 0 &&
                         (errno == EACCES || doctor_is_credential(path));
    judge_certificate(&p->report, &certificate);
}

void check_certificates(struct patient *p)
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
    bool polls = p->config && (p->status || p->daemon_hidden);
    doctor_look_at_port(bus, &p->user, polls ? &p->daemon : NULL, &port);
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

void check_serial(struct patient *p)
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

void check_tcp(struct patient *p)
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
        doctor_progress("connecting to the devices, up to 3 s for 64 of them");
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

void check_clock(struct patient *p)
{
    struct doctor_clock clock;
    doctor_read_clock(&clock);
    judge_clock(&p->report, &clock);
}

void check_disk(struct patient *p)
{
    struct doctor_disk disk;
    char folder[PATH_MAX];
    if (p->config->store.in_memory) {
        doctor_say(&p->report, DOCTOR_OK, "disk", "", "the store is kept in memory");
        return;
    }
    doctor_progress("timing the disk, up to 5 s");
    doctor_look_at_disk(&p->config->store, &p->user, folder, &disk);
    judge_disk(&p->report, &disk);
}

void check_database(struct patient *p)
{
    struct doctor_database database;
    if (p->config->store.in_memory) {
        doctor_say(&p->report, DOCTOR_OK, "database", "", "the store is kept in memory");
        return;
    }
    doctor_progress("checking the database, up to 10 s");
    doctor_look_at_database(&p->config->store, &p->daemon, &database);
    judge_database(&p->report, &database);
}

void check_broker(struct patient *p)
{
    struct doctor_broker broker;
    char host[256] = "";
    if (!p->config->mqtt.uri[0]) {
        doctor_say(&p->report, DOCTOR_OK, "broker", "", "none is configured: nothing leaves");
        return;
    }
    doctor_ask_broker(&p->config->mqtt, host, doctor_progress, &broker);
    broker.daemon_up = p->status && strcmp(p->daemon.broker_state, "up") == 0;
    judge_broker(&p->report, &broker);
}

void check_daemon(struct patient *p)
{
    judge_daemon(&p->report, &p->daemon);
    if (!p->status || !p->config)
        return;
    struct doctor_polling *polls = calloc(p->config->n_buses + 1, sizeof *polls);
    doctor_progress("watching the daemon poll, up to 3 s");
    if (polls)
        doctor_look_at_polls(p->config, p->daemon.socket, p->status, polls);
    for (size_t b = 0; polls && b < p->config->n_buses; b++)
        judge_polling(&p->report, &polls[b]);
    free(polls);
}

void check_engine(struct patient *p)
{
    char words[160];
    doctor_processor(words, sizeof words);
    doctor_say(&p->report, DOCTOR_OK, "engine", "", "%s", words);
}

void check_versions(struct patient *p)
{
    struct doctor_version versions[8];
    size_t n = doctor_versions(versions, sizeof versions / sizeof versions[0]);
    doctor_say(&p->report, DOCTOR_OK, "versions", "millwright", MW_VERSION);
    for (size_t i = 0; i < n; i++)
        judge_version(&p->report, &versions[i]);
}
