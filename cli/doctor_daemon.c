/* SPDX-License-Identifier: Apache-2.0 */
/* What the running daemon says of itself, over its control socket. */
#define _GNU_SOURCE /* SO_PEERCRED's struct ucred */
#include "cli/client.h"
#include "cli/doctor.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 5
#define LOOK_US    INT64_C(100000)
#define LOOKING_US INT64_C(3000000)
#define SHORT_US   INT64_C(1000000) /* a bus that is polled this often is waited for */

struct doctor_status {
    json_t *root;
    int64_t at_us; /* monotonic */
};

static void take_text(char *ret_text, size_t cap, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    (void)snprintf(ret_text, cap, "%s", text ? text : "");
}

static int64_t number_of(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

static void take_status(const json_t *root, struct doctor_daemon *daemon)
{
    const json_t *store = json_object_get(root, "store"), *broker = json_object_get(root, "broker");
    const json_t *machines = json_object_get(root, "machines");
    size_t i;
    json_t *machine;
    take_text(daemon->version, sizeof daemon->version, root, "version");
    take_text(daemon->config_file, sizeof daemon->config_file, json_object_get(root, "config"),
              "file");
    take_text(daemon->store_text, sizeof daemon->store_text, store, "text");
    take_text(daemon->broker_state, sizeof daemon->broker_state, broker, "state");
    take_text(daemon->broker_text, sizeof daemon->broker_text, broker, "text");
    daemon->store_well = json_is_true(json_object_get(store, "well"));
    daemon->uptime_s = number_of(root, "uptime_s");
    daemon->outbox_waiting = number_of(store, "outbox_waiting");
    json_array_foreach(machines, i, machine)
    {
        const char *state = json_string_value(json_object_get(machine, "model_state"));
        daemon->n_machines++;
        daemon->n_without_model += state && strcmp(state, "absent") == 0;
    }
    daemon->answered = json_is_string(json_object_get(root, "version")) && store && broker;
}

static void take_peer(int fd, struct doctor_daemon *daemon)
{
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
        return;
    daemon->uid = peer.uid;
    daemon->pid = (long)peer.pid;
}

struct doctor_status *doctor_ask_daemon(const char *socket, struct doctor_daemon *ret_daemon)
{
    struct doctor_daemon daemon = { .socket = socket, .own_version = MW_VERSION, .uid = (uid_t)-1 };
    struct doctor_status *status = calloc(1, sizeof *status);
    int fd = client_connect(socket, "status", PATIENCE_S);
    daemon.connect_errno = fd < 0 ? errno : 0;
    if (fd >= 0)
        take_peer(fd, &daemon);
    char *text = fd >= 0 ? client_read_all(fd) : NULL;
    if (fd >= 0)
        close(fd);
    if (status && text) {
        status->root = json_loads(text, 0, NULL);
        status->at_us = doctor_mono_us();
        take_status(status->root, &daemon);
    }
    free(text);
    *ret_daemon = daemon;
    if (!daemon.answered) {
        doctor_status_free(status);
        status = NULL;
    }
    return status;
}

void doctor_status_free(struct doctor_status *status)
{
    if (status)
        json_decref(status->root);
    free(status);
}

/* ---- polls ---- */

static const json_t *find(const struct doctor_status *status, const char *list, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(status->root, list), i, item)
    {
        const char *text = json_string_value(json_object_get(item, "name"));
        if (text && strcmp(text, name) == 0)
            return item;
    }
    return NULL;
}

static void take_bus(const struct config *config, const struct doctor_status *status, size_t bus,
                     struct doctor_polling *polling)
{
    const json_t *found = find(status, "buses", polling->bus);
    polling->polls_after = (uint64_t)number_of(found, "slots_run");
    polling->overloaded = json_is_true(json_object_get(found, "overloaded"));
    polling->n_devices = polling->n_offline = 0;
    for (size_t d = 0; d < config->n_devices; d++) {
        const char *name = config->devices[d].name;
        const json_t *device = config->devices[d].bus == bus ? find(status, "devices", name) : NULL;
        const char *health = json_string_value(json_object_get(device, "health"));
        bool offline = health && strcmp(health, "offline") == 0;
        polling->n_devices += device != NULL;
        if (offline && polling->n_offline++ == 0)
            (void)snprintf(polling->offline, sizeof polling->offline, "%s", name);
    }
}

static void begin(const struct config *config, const struct doctor_status *before,
                  struct doctor_polling *polls)
{
    for (size_t b = 0; b < config->n_buses; b++) {
        polls[b] = (struct doctor_polling){ .bus = config->buses[b].name };
        take_bus(config, before, b, &polls[b]);
        polls[b].polls_before = polls[b].polls_after;
    }
    for (size_t p = 0; p < config->n_points; p++) {
        size_t bus = config->devices[config->point_devices[p]].bus;
        int64_t period_us = config->points[p].period_us;
        bool known = find(before, "buses", polls[bus].bus) != NULL; /* else: not reloaded yet */
        if (known && period_us > 0 &&
            (polls[bus].period_us == 0 || period_us < polls[bus].period_us))
            polls[bus].period_us = period_us;
    }
}

static bool is_waited_for(const struct doctor_polling *polls, size_t n)
{
    for (size_t b = 0; b < n; b++)
        if (polls[b].period_us > 0 && polls[b].period_us <= SHORT_US &&
            polls[b].n_devices > polls[b].n_offline &&
            polls[b].polls_after == polls[b].polls_before)
            return true;
    return false;
}

void doctor_look_at_polls(const struct config *config, const char *socket,
                          const struct doctor_status *before, struct doctor_polling *ret_polls)
{
    bool again = true;
    begin(config, before, ret_polls);
    while (again) {
        struct doctor_daemon daemon;
        struct doctor_status *now = doctor_ask_daemon(socket, &daemon);
        for (size_t b = 0; now && b < config->n_buses; b++) {
            take_bus(config, now, b, &ret_polls[b]);
            ret_polls[b].waited_us = now->at_us - before->at_us;
        }
        again = now && now->at_us - before->at_us < LOOKING_US &&
                is_waited_for(ret_polls, config->n_buses);
        doctor_status_free(now);
        if (again)
            doctor_pause(LOOK_US);
    }
}
