/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* accept4 */
#include "daemon/control.h"
#include "base/result.h"
#include "daemon/control_parts.h"
#include "daemon/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_US        5000000
#define RELOAD_PATIENCE_US 90000000

static int address_of(const char *path, struct sockaddr_un *ret_address)
{
    *ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof ret_address->sun_path)
        return MW_ERR_TOO_BIG;
    memcpy(ret_address->sun_path, path, strlen(path) + 1);
    return MW_OK;
}

/* Whether somebody answers at the path; a dead daemon's file does not. */
static bool is_live(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool live = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0)
        close(fd);
    return live;
}

static int listen_at(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    mode_t before = umask(0117);
    int failed = bind(fd, (const struct sockaddr *)address, sizeof *address);
    umask(before);
    if (failed || listen(fd, CONTROL_CLIENTS) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int control_open(struct control *control, const char *path, struct pipeline *pipeline,
                 char *ret_why, size_t cap)
{
    struct sockaddr_un address;
    *control = (struct control){ .listener = -1, .pipeline = pipeline };
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        control->clients[i].fd = -1;
    if (address_of(path, &address) < 0) {
        snprintf(ret_why, cap, "%s: the path is too long for a socket", path);
        return MW_ERR_TOO_BIG;
    }
    if (is_live(&address)) {
        snprintf(ret_why, cap, "%s: another millwrightd answers there", path);
        return MW_ERR_STATE;
    }
    struct stat there;
    if (lstat(path, &there) == 0 && !S_ISSOCK(there.st_mode)) {
        snprintf(ret_why, cap, "%s: there is a file that is no socket", path);
        return MW_ERR_IO;
    }
    unlink(path);
    control->listener = listen_at(&address);
    if (control->listener < 0) {
        snprintf(ret_why, cap, "%s: %s", path, strerror(errno));
        return MW_ERR_IO;
    }
    snprintf(control->path, sizeof control->path, "%s", path);
    return MW_OK;
}

static void drop(struct control_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    free(client->reply);
    *client = (struct control_client){ .fd = -1 };
}

void control_close(struct control *control)
{
    if (control->listener < 0 || !control->pipeline)
        return;
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        drop(&control->clients[i]);
    recorder_end(&control->recorder);
    close(control->listener);
    unlink(control->path);
    control->listener = -1;
}

size_t control_descriptors(const struct control *control, struct pollfd *ret_fds, size_t cap)
{
    size_t n = 0;
    bool room = false; /* a full house does not listen: it would be woken for nothing */
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        room = room || control->clients[i].fd < 0;
    if (control->listener >= 0 && room && n < cap)
        ret_fds[n++] = (struct pollfd){ .fd = control->listener, .events = POLLIN };
    for (int i = 0; i < CONTROL_CLIENTS && n < cap; i++) {
        const struct control_client *client = &control->clients[i];
        bool full = client->reply || (client->records && control->recorder.n_text > 0);
        if (client->fd >= 0)
            ret_fds[n++] = (struct pollfd){ .fd = client->fd, .events = full ? POLLOUT : POLLIN };
    }
    return n;
}

/* ---- requests ---- */

static const char *answer(struct pipeline *p, const char *verb, const char *subject,
                          const struct clock_time *now)
{
    int result = MW_ERR_UNSUPPORTED;
    if (strcmp(verb, "learn") == 0)
        result = pipeline_learn(p, subject);
    else if (strcmp(verb, "ack") == 0)
        result = pipeline_acknowledge(p, subject, now);
    else if (strcmp(verb, "repaired") == 0)
        result = pipeline_accept(p, subject, now);
    switch (result) {
    case MW_OK: return "{\"ok\":true}\n";
    case MW_ERR_NOT_FOUND: return "{\"error\":\"no such machine or device\",\"code\":66}\n";
    case MW_ERR_STATE: return "{\"error\":\"it is learning already\",\"code\":75}\n";
    case MW_ERR_REFUSED:
        return "{\"error\":\"it is in alarm: a fault must not be learned; repair it, or say "
               "'repaired'\","
               "\"code\":75}\n";
    case MW_ERR_INVALID:
        return "{\"error\":\"there is no history to learn from: store.history is off\","
               "\"code\":78}\n";
    case MW_ERR_AGAIN: return "{\"error\":\"busy; ask again\",\"code\":75}\n";
    case MW_ERR_UNSUPPORTED: return "{\"error\":\"no such request\",\"code\":64}\n";
    default: return "{\"error\":\"failed\",\"code\":70}\n";
    }
}

/* A listener that hung up, or takes nothing, is dropped; what it had is thrown away. */
static void send_trace(struct control *control, struct control_client *client, int64_t now_us)
{
    struct recorder *r = &control->recorder;
    char byte;
    ssize_t n = recv(client->fd, &byte, 1, MSG_DONTWAIT);
    bool gone = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    n = r->n_text > 0 && !gone ? send(client->fd, r->text, r->n_text, MSG_NOSIGNAL) : 0;
    gone = gone || (n < 0 && errno != EAGAIN && errno != EINTR);
    if (n > 0)
        recorder_taken(r, (size_t)n);
    if (n > 0 || r->n_text == 0)
        client->until_us = now_us + CONTROL_DEAF_US;
    if (gone)
        drop(client);
}

static void begin_reload(struct control *control, struct control_client *client, int64_t now_us)
{
    client->reload = reload_ask(control->reload);
    client->until_us = now_us + RELOAD_PATIENCE_US;
}

static void answer_reloads(struct control *control)
{
    for (int i = 0; control->reload && i < CONTROL_CLIENTS; i++) {
        struct control_client *client = &control->clients[i];
        if (client->fd < 0 || client->reload == 0 ||
            client->reload > reload_served(control->reload))
            continue;
        client->reload = 0;
        client->reply = reload_answer(control->reload);
        client->n_reply = client->reply ? strlen(client->reply) : 0;
        if (!client->reply)
            drop(client);
    }
}

static void serve(struct control *control, struct control_client *client,
                  const struct clock_time *now)
{
    char *rest = client->request;
    char *verb = strsep(&rest, " ");
    if (strcmp(verb, "status") == 0)
        client->reply = status_json(control->pipeline, rest, now);
    else if (strcmp(verb, "read") == 0)
        control_begin_read(control, client, rest, now);
    else if (strcmp(verb, "reload") == 0 && control->reload)
        begin_reload(control, client, now->mono_us);
    else if (strcmp(verb, "history") == 0)
        control_begin_history(control, client, rest, now);
    else if (strcmp(verb, "record") == 0)
        control_begin_record(control, client, rest, now);
    else
        client->reply = strdup(answer(control->pipeline, verb, rest ? rest : "", now));
    client->n_reply = client->reply ? strlen(client->reply) : 0;
    if (!client->reply && client->read_id == 0 && client->reload == 0 && !client->records &&
        client->history_id == 0)
        drop(client);
}

static void receive(struct control *control, struct control_client *client,
                    const struct clock_time *now)
{
    bool waits = client->read_id != 0 || client->reload != 0 || client->history_id != 0;
    if (waits)
        client->n_request = 0;
    size_t room = sizeof client->request - 1 - client->n_request;
    ssize_t n = recv(client->fd, client->request + client->n_request, room, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        drop(client);
        return;
    }
    if (n < 0)
        return;
    if (waits) /* what comes while it waits is thrown away */
        return;
    client->n_request += (size_t)n;
    char *end = memchr(client->request, '\n', client->n_request);
    if (end) {
        *end = 0;
        serve(control, client, now);
    } else if (client->n_request == sizeof client->request - 1) {
        drop(client);
    }
}

static void send_on(struct control *control, struct control_client *client,
                    const struct clock_time *now)
{
    ssize_t n = send(client->fd, client->reply + client->sent, client->n_reply - client->sent,
                     MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        client->sent += (size_t)n;
    if (n > 0 && client->sent == client->n_reply && client->history_goes_on)
        control_next_history(control, client, now);
    else if (n <= 0 || client->sent == client->n_reply)
        drop(client);
}

static void admit(struct control *control, int64_t now_us)
{
    for (int i = 0; i < CONTROL_CLIENTS; i++) {
        struct control_client *client = &control->clients[i];
        if (client->fd >= 0)
            continue;
        client->fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client->fd < 0)
            return;
        client->until_us = now_us + PATIENCE_US;
    }
}

void control_step(struct control *control, const struct clock_time *now)
{
    if (control->listener < 0)
        return;
    admit(control, now->mono_us);
    control_take_answers(control);
    answer_reloads(control);
    control_take_history(control, now);
    recorder_step(&control->recorder, control->pipeline->buses, control->pipeline->n_buses, now);
    bool listener = false;
    for (int i = 0; i < CONTROL_CLIENTS; i++) {
        struct control_client *client = &control->clients[i];
        if (client->fd >= 0 && client->records && !client->reply)
            send_trace(control, client, now->mono_us);
        else if (client->fd >= 0 && !client->reply)
            receive(control, client, now);
        if (client->fd >= 0 && client->reply)
            send_on(control, client, now);
        if (client->fd >= 0 && now->mono_us > client->until_us)
            drop(client);
        listener = listener || (client->fd >= 0 && client->records);
    }
    if (!listener)
        recorder_end(&control->recorder);
}

/* The store ends every reading; what had been asked is forgotten. */
static void control_end_history(struct control *control)
{
    struct history_query query;
    struct history_answer answer;
    while (mw_ring_pop(&control->pipeline->queries, &query))
        ;
    while (control->pipeline->query_answers &&
           mw_ring_pop(control->pipeline->query_answers, &answer))
        free(answer.text);
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        if (control->clients[i].fd >= 0 && control->clients[i].history_id != 0)
            drop(&control->clients[i]);
}

void control_reloaded(struct control *control, const struct config *fresh,
                      const struct config_diff *diff, bool wires_touched)
{
    bool goes_on = !wires_touched && control->pipeline->config->n_buses == fresh->n_buses;
    for (uint32_t b = 0; goes_on && b < fresh->n_buses; b++)
        goes_on = diff->buses[b] == b;
    control_end_history(control);
    if (wires_touched)
        control_end_reads(control);
    if (control->recorder.on && goes_on) {
        control->recorder.config = fresh;
        return;
    }
    recorder_end(&control->recorder);
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        if (control->clients[i].fd >= 0 && control->clients[i].records)
            drop(&control->clients[i]);
}
