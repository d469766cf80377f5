/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/tcp_server.h"

#include "base/result.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG   128
#define LISTENER  0 /* slot; the connections follow */
#define MAX_ROUND 512

struct tcp_connection {
    int fd;
    unsigned watched;
    bool blocked;              /* the socket takes no more for now */
    uint8_t unread[MAX_ROUND]; /* received, not taken by the session yet */
    size_t n_unread;
    struct tcp_session session;
};

static int give_up(int fd)
{
    int why = errno;
    close(fd);
    errno = why;
    return MW_ERR_IO;
}

static bool set_flags(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

int tcp_server_open(struct tcp_server *server, const struct tcp_peer_config *config,
                    const struct pdu_bank *bank, const char *host, uint16_t port,
                    const struct watch *watch)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    socklen_t n = sizeof at;
    if (inet_pton(AF_INET, host, &at.sin_addr) != 1)
        return MW_ERR_INVALID;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return MW_ERR_IO;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) != 0 ||
        bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &n) != 0 || !set_flags(fd) ||
        !watch_add(watch, fd, LISTENER, WATCH_IN))
        return give_up(fd);
    *server = (struct tcp_server){ .watch = *watch, .listener = fd, .port = ntohs(at.sin_port) };
    tcp_peer_init(&server->peer, config, bank);
    return MW_OK;
}

static void hang_up(struct tcp_server *server, size_t slot)
{
    close(server->connections[slot]->fd);
    free(server->connections[slot]);
    server->connections[slot] = NULL;
    server->n_connections--;
}

void tcp_server_close(struct tcp_server *server)
{
    if (!server || server->port == 0)
        return;
    for (size_t i = 0; i < server->n_slots; i++)
        if (server->connections[i])
            hang_up(server, i);
    close(server->listener);
    server->port = 0;
}

static bool passing(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* False where the connection is broken. */
static bool put(struct tcp_connection *c, const uint8_t *bytes, size_t n, int64_t now_us)
{
    ssize_t sent = n > 0 ? send(c->fd, bytes, n, MSG_NOSIGNAL) : 0;
    if (sent < 0 && !passing())
        return false;
    c->blocked = sent < (ssize_t)n;
    if (sent >= 0)
        tcp_session_sent(&c->session, (size_t)sent, now_us);
    return true;
}

/* False where nothing of it is wanted. */
static bool offer_unread(struct tcp_connection *c, int64_t now_us)
{
    if (c->n_unread == 0 || !tcp_session_wants(&c->session))
        return false;
    size_t n = tcp_session_take(&c->session, c->unread, c->n_unread, now_us);
    c->n_unread -= n;
    memmove(c->unread, c->unread + n, c->n_unread);
    return n > 0;
}

/* Carries out the session's orders. False where the connection is over. */
static bool obey(struct tcp_connection *c, int64_t now_us)
{
    while (!c->blocked) {
        const uint8_t *bytes;
        size_t n;
        switch (tcp_session_next(&c->session, now_us, &bytes, &n)) {
        case TCP_WAIT:
            if (!offer_unread(c, now_us))
                return true;
            break;
        case TCP_SEND:
            if (!put(c, bytes, n, now_us))
                return false;
            break;
        case TCP_RESET:
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
                       sizeof(struct linger));
            tcp_session_ended(&c->session);
            return false;
        case TCP_CLOSE: tcp_session_ended(&c->session); return false;
        }
    }
    return true;
}

static bool take_in(struct tcp_connection *c, int64_t now_us)
{
    if (c->n_unread > 0)
        return true;
    ssize_t n = recv(c->fd, c->unread, sizeof c->unread, 0);
    if (n < 0)
        return passing();
    c->n_unread = (size_t)n;
    offer_unread(c, now_us);
    return n > 0;
}

/* After whatever was done: waits for what is wanted now, or hangs up. */
static void settle(struct tcp_server *server, size_t slot, bool alive)
{
    struct tcp_connection *c = server->connections[slot];
    bool wants = c->n_unread == 0 && tcp_session_wants(&c->session);
    unsigned what = (wants ? WATCH_IN : 0) | (c->blocked ? WATCH_OUT : 0);
    if (alive && what != c->watched)
        alive = watch_change(&server->watch, c->fd, (uint32_t)slot + 1, what);
    c->watched = what;
    if (!alive)
        hang_up(server, slot);
}

static size_t free_slot(struct tcp_server *server)
{
    size_t slot = 0;
    while (slot < server->n_slots && server->connections[slot])
        slot++;
    return slot;
}

static void admit(struct tcp_server *server, int64_t now_us)
{
    int fd = accept(server->listener, NULL, NULL);
    if (fd < 0)
        return; /* gone again before it was taken */
    size_t slot = free_slot(server);
    struct tcp_connection *c = slot < TCP_MAX_CONNECTIONS ? calloc(1, sizeof *c) : NULL;
    if (!c || !set_flags(fd) || !watch_add(&server->watch, fd, (uint32_t)slot + 1, WATCH_IN)) {
        server->n_refused++;
        free(c);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    c->fd = fd;
    c->watched = WATCH_IN;
    tcp_session_open(&c->session, &server->peer, server->n_connections, now_us);
    server->connections[slot] = c;
    server->n_slots += slot == server->n_slots ? 1 : 0;
    server->n_connections++;
    settle(server, slot, obey(c, now_us));
}

void tcp_server_event(struct tcp_server *server, const struct watch_event *event, int64_t now_us)
{
    if (event->slot == LISTENER) {
        admit(server, now_us);
        return;
    }
    size_t slot = event->slot - 1;
    struct tcp_connection *c = server->connections[slot];
    if (!c)
        return; /* closed since */
    bool alive = true;
    if (event->what & WATCH_OUT)
        c->blocked = false;
    if (event->what & WATCH_IN)
        alive = take_in(c, now_us);
    else if (event->what & WATCH_END)
        alive = false;
    settle(server, slot, alive && obey(c, now_us));
}

void tcp_server_step(struct tcp_server *server, int64_t now_us)
{
    for (size_t slot = 0; slot < server->n_slots; slot++) {
        struct tcp_connection *c = server->connections[slot];
        if (c && tcp_session_next_us(&c->session) <= now_us)
            settle(server, slot, obey(c, now_us));
    }
}

int64_t tcp_server_next_us(const struct tcp_server *server)
{
    int64_t due_us = INT64_MAX;
    for (size_t slot = 0; slot < server->n_slots; slot++) {
        const struct tcp_connection *c = server->connections[slot];
        int64_t at_us = c && !c->blocked ? tcp_session_next_us(&c->session) : INT64_MAX;
        due_us = at_us < due_us ? at_us : due_us;
    }
    return due_us;
}
