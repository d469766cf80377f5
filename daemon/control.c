/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* accept4 */
#include "daemon/control.h"
#include "base/result.h"
#include "daemon/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_US      5000000
#define READ_PATIENCE_US 90000000 /* the longest timeout of a bus is a minute */
#define DEAF_US          30000000 /* a recorder that takes nothing for so long is dropped */

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

/* ---- people on the buses ---- */

static void say(struct control_client *client, const char *text)
{
    client->reply = strdup(text);
}

static uint32_t bus_of(const struct config *config, const char *name)
{
    uint32_t b = 0;
    while (b < config->n_buses && strcmp(config->buses[b].name, name) != 0)
        b++;
    return b;
}

static enum register_kind kind_of(const char *word)
{
    static const char *const WORDS[] = { "", "holding", "input", "coil", "discrete" };
    for (int kind = REGISTER_HOLDING; word && kind <= REGISTER_DISCRETE; kind++)
        if (strcmp(word, WORDS[kind]) == 0)
            return (enum register_kind)kind;
    return REGISTER_NONE;
}

static bool whole(const char *text, unsigned long max, unsigned long *ret_value)
{
    char *end = NULL;
    if (!text || *text < '0' || *text > '9' || strlen(text) > 6)
        return false;
    *ret_value = strtoul(text, &end, 10);
    return *end == 0 && *ret_value <= max;
}

/* What stands behind the bus: UNIT KIND ADDRESS COUNT. */
static bool parse_read(char *rest, struct line_request *ret_request)
{
    unsigned long unit, address, count;
    if (!whole(strsep(&rest, " "), 255, &unit))
        return false;
    enum register_kind kind = kind_of(strsep(&rest, " "));
    if (kind == REGISTER_NONE || !whole(strsep(&rest, " "), UINT16_MAX, &address) ||
        !whole(strsep(&rest, " "), GUEST_MAX_COUNT, &count) || rest)
        return false;
    *ret_request = (struct line_request){ (uint8_t)unit, kind, (uint16_t)address, (uint16_t)count };
    return true;
}

/* Who serves the bus; NULL: nobody, yet. */
static struct bus_stage *stage_of(const struct pipeline *p, uint32_t bus)
{
    for (size_t i = 0; i < p->n_buses; i++)
        if (bus_stage_entry(p->buses[i], bus))
            return p->buses[i];
    return NULL;
}

static const char NO_BUS[] = "{\"error\":\"no such bus\",\"code\":66}\n";
static const char BUSY[] = "{\"error\":\"busy; ask again\",\"code\":75}\n";

static void begin_read(struct control *control, struct control_client *client, char *rest,
                       const struct clock_time *now)
{
    struct bus_order order = { .kind = BUS_READ, .id = ++control->next_read_id };
    const char *name = strsep(&rest, " ");
    order.bus = bus_of(control->pipeline->config, name ? name : "");
    struct bus_stage *stage = stage_of(control->pipeline, order.bus);
    if (!stage) {
        say(client, NO_BUS);
    } else if (!parse_read(rest, &order.request)) {
        say(client, "{\"error\":\"read BUS UNIT KIND ADDRESS COUNT\",\"code\":64}\n");
    } else if (control->pipeline->config->buses[order.bus].kind == BUS_RTU &&
               (order.request.unit < 1 || order.request.unit > 247)) {
        say(client, "{\"error\":\"a serial line's units are 1 to 247\",\"code\":64}\n");
    } else if (!mw_ring_offer(&stage->orders, &order)) {
        say(client, BUSY);
    } else {
        client->read_id = order.id;
        client->until_us = now->mono_us + READ_PATIENCE_US;
        if (stage->worker)
            worker_wake(stage->worker);
    }
}

/* As JSON: result is a word of docs/SPEC-trace.md, or "busy". */
static void end_read(struct control_client *client, const struct guest_answer *answer)
{
    char text[1280];
    if (answer->result == MW_ERR_STATE || answer->result == MW_ERR_INVALID) {
        say(client, answer->result == MW_ERR_STATE
                        ? BUSY
                        : "{\"error\":\"not a range of registers\",\"code\":64}\n");
        return;
    }
    int n = snprintf(
        text, sizeof text, "{\"result\":\"%s\",\"exception\":%u,\"took_us\":%lld,\"registers\":[",
        trace_result_word(answer->result), answer->exception, (long long)answer->took_us);
    for (uint16_t i = 0; i < answer->count; i++)
        n +=
            snprintf(text + n, sizeof text - (size_t)n, "%s%u", i ? "," : "", answer->registers[i]);
    snprintf(text + n, sizeof text - (size_t)n, "]}\n");
    say(client, text);
}

static void begin_record(struct control *control, struct control_client *client, char *rest,
                         const struct clock_time *now)
{
    struct pipeline *p = control->pipeline;
    const char *name = strsep(&rest, " ");
    bool all = name && strcmp(name, "*") == 0;
    uint32_t bus = all ? RECORDER_ALL : bus_of(p->config, name ? name : "");
    if (!all && !stage_of(p, bus)) {
        say(client, NO_BUS);
        return;
    }
    int result = recorder_begin(&control->recorder, p->config, p->buses, p->n_buses, bus,
                                rest && strcmp(rest, "names") == 0);
    client->records = result == MW_OK;
    client->until_us = now->mono_us + DEAF_US;
    if (result == MW_ERR_STATE)
        say(client, "{\"error\":\"somebody records already\",\"code\":75}\n");
    else if (result < 0)
        say(client, BUSY);
}

static void take_answers(struct control *control)
{
    struct pipeline *p = control->pipeline;
    struct bus_answer answer;
    for (size_t s = 0; s < p->n_buses; s++)
        while (mw_ring_pop(&p->buses[s]->answers, &answer))
            for (int i = 0; i < CONTROL_CLIENTS; i++) {
                struct control_client *client = &control->clients[i];
                if (client->fd < 0 || client->read_id != answer.id)
                    continue;
                client->read_id = 0;
                end_read(client, &answer.answer);
                client->n_reply = client->reply ? strlen(client->reply) : 0;
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
        client->until_us = now_us + DEAF_US;
    if (gone)
        drop(client);
}

static void serve(struct control *control, struct control_client *client,
                  const struct clock_time *now)
{
    char *rest = client->request;
    char *verb = strsep(&rest, " ");
    if (strcmp(verb, "status") == 0)
        client->reply = status_json(control->pipeline, rest, now);
    else if (strcmp(verb, "read") == 0)
        begin_read(control, client, rest, now);
    else if (strcmp(verb, "record") == 0)
        begin_record(control, client, rest, now);
    else
        client->reply = strdup(answer(control->pipeline, verb, rest ? rest : "", now));
    client->n_reply = client->reply ? strlen(client->reply) : 0;
    if (!client->reply && client->read_id == 0 && !client->records)
        drop(client);
}

static void receive(struct control *control, struct control_client *client,
                    const struct clock_time *now)
{
    if (client->read_id != 0)
        client->n_request = 0;
    size_t room = sizeof client->request - 1 - client->n_request;
    ssize_t n = recv(client->fd, client->request + client->n_request, room, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        drop(client);
        return;
    }
    if (n < 0)
        return;
    if (client->read_id != 0) /* what comes while it waits is thrown away */
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

static void send_on(struct control_client *client)
{
    ssize_t n = send(client->fd, client->reply + client->sent, client->n_reply - client->sent,
                     MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        client->sent += (size_t)n;
    if (n <= 0 || client->sent == client->n_reply)
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
    take_answers(control);
    recorder_step(&control->recorder, control->pipeline->buses, control->pipeline->n_buses, now);
    bool listener = false;
    for (int i = 0; i < CONTROL_CLIENTS; i++) {
        struct control_client *client = &control->clients[i];
        if (client->fd >= 0 && client->records && !client->reply)
            send_trace(control, client, now->mono_us);
        else if (client->fd >= 0 && !client->reply)
            receive(control, client, now);
        if (client->fd >= 0 && client->reply)
            send_on(client);
        if (client->fd >= 0 && now->mono_us > client->until_us)
            drop(client);
        listener = listener || (client->fd >= 0 && client->records);
    }
    if (!listener)
        recorder_end(&control->recorder);
}
