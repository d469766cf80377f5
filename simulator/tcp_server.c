/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/tcp_server.h"

#include "base/result.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16

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

int tcp_server_open(struct tcp_server *server, const struct pdu_bank *bank, const char *host,
                    uint16_t port)
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
        getsockname(fd, (struct sockaddr *)&at, &n) != 0 || !set_flags(fd))
        return give_up(fd);
    *server = (struct tcp_server){ .bank = bank, .listener = fd, .port = ntohs(at.sin_port) };
    return MW_OK;
}

void tcp_server_close(struct tcp_server *server)
{
    if (!server || server->port == 0)
        return;
    for (size_t i = 0; i < server->n_connections; i++)
        close(server->connections[i].fd);
    close(server->listener);
    server->n_connections = 0;
    server->port = 0;
}

size_t tcp_server_want(const struct tcp_server *server, struct pollfd *ret_fds)
{
    ret_fds[0] = (struct pollfd){ .fd = server->listener, .events = POLLIN };
    for (size_t i = 0; i < server->n_connections; i++) {
        const struct tcp_connection *c = &server->connections[i];
        ret_fds[1 + i] = (struct pollfd){ .fd = c->fd, .events = c->n_out > 0 ? POLLOUT : POLLIN };
    }
    return 1 + server->n_connections;
}

static bool passing(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* False where the connection is over. */
static bool flush(struct tcp_server *server, struct tcp_connection *c, int64_t now_us)
{
    while (c->out_at < c->n_out) {
        ssize_t n = send(c->fd, &c->out[c->out_at], c->n_out - c->out_at, MSG_NOSIGNAL);
        if (n < 0)
            return passing();
        c->out_at += (size_t)n;
    }
    if (c->n_out > 0) {
        server->n_answers++;
        if (c->reply.token >= 0)
            server->bank->answered(server->bank->ctx, &c->reply.read, c->reply.token, now_us);
    }
    c->n_out = c->out_at = 0;
    return true;
}

/* Answers what has been received; stops at an answer that the socket does not take yet. */
static bool answer(struct tcp_server *server, struct tcp_connection *c, int64_t now_us)
{
    struct frame_request request;
    while (c->n_out == 0) {
        int used = tcp_request(c->in, c->n_in, &request);
        if (used == 0)
            return true;
        if (used < 0) {
            server->n_malformed++;
            return false;
        }
        c->n_in -= (size_t)used;
        memmove(c->in, &c->in[used], c->n_in);
        server->n_requests++;
        pdu_answer(server->bank, request.unit, request.pdu, request.n_pdu, &c->reply);
        if (c->reply.n_bytes > 0)
            c->n_out = tcp_frame(&request, &c->reply, c->out);
        if (!flush(server, c, now_us))
            return false;
    }
    return true;
}

static bool serve(struct tcp_server *server, struct tcp_connection *c, int64_t now_us)
{
    if (c->n_out > 0)
        return flush(server, c, now_us) && answer(server, c, now_us);
    ssize_t n = recv(c->fd, &c->in[c->n_in], sizeof c->in - c->n_in, 0);
    if (n < 0)
        return passing();
    c->n_in += (size_t)n;
    return n > 0 && answer(server, c, now_us);
}

static void admit(struct tcp_server *server)
{
    int fd = accept(server->listener, NULL, NULL);
    if (fd < 0)
        return; /* gone again before it was taken */
    if (server->n_connections == TCP_MAX_CONNECTIONS || !set_flags(fd)) {
        server->n_refused++;
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    struct tcp_connection *c = &server->connections[server->n_connections++];
    *c = (struct tcp_connection){ .fd = fd };
}

void tcp_server_step(struct tcp_server *server, const struct pollfd *fds, int64_t now_us)
{
    size_t n_asked = server->n_connections;
    for (size_t i = n_asked; i-- > 0;) {
        struct tcp_connection *c = &server->connections[i];
        if (fds[1 + i].revents == 0 || serve(server, c, now_us))
            continue;
        close(c->fd);
        *c = server->connections[--server->n_connections]; /* a later one, served already */
    }
    if (fds[0].revents & POLLIN)
        admit(server);
}
