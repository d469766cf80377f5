/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/tcp_line.h"
#include "base/result.h"
#include "fieldbus/frame.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A peer that went without a word is noticed within 25 s while idle, and while something is unsent
 * or unacknowledged within USER_TIMEOUT_MS; a running exchange has its own, shorter timeout. */
#define KEEP_IDLE_S     10
#define KEEP_INTERVAL_S 5
#define KEEP_PROBES     3
#define USER_TIMEOUT_MS 15000

struct tcp_line {
    struct line port;
    const struct bus_config *bus;
    struct addrinfo *addresses; /* of the host; NULL while unknown */
    struct addrinfo *next;      /* to be tried next */
    int fd;                     /* -1 while closed */
    bool connecting;
    int64_t connect_until_us;
    uint16_t transaction;
    struct line_request asked;
    uint8_t bytes[MBAP_MAX_BYTES + 1]; /* one more than a reply may have, to see that it has */
    size_t n_bytes;
};

static void tcp_close(void *ctx)
{
    struct tcp_line *tcp = ctx;
    if (tcp->fd >= 0)
        close(tcp->fd);
    tcp->fd = -1;
    tcp->connecting = false;
    tcp->n_bytes = 0;
}

static int look_up(struct tcp_line *tcp)
{
    char port[8];
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    snprintf(port, sizeof port, "%u", (unsigned)tcp->bus->port);
    if (getaddrinfo(tcp->bus->host, port, &hints, &tcp->addresses) != 0)
        tcp->addresses = NULL;
    tcp->next = tcp->addresses;
    return tcp->addresses ? MW_OK : MW_ERR_NOT_FOUND;
}

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static bool set_options(int fd)
{
    return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
           set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES) &&
           set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
}

static int begin_connect(struct tcp_line *tcp, int64_t now_us)
{
    if (!tcp->addresses && look_up(tcp) != MW_OK)
        return MW_ERR_NOT_FOUND;
    const struct addrinfo *to = tcp->next ? tcp->next : tcp->addresses;
    tcp->next = to->ai_next; /* for the next time, should this one fail */
    tcp->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (tcp->fd < 0)
        return MW_ERR_IO;
    if (!set_options(tcp->fd)) {
        tcp_close(tcp);
        return MW_ERR_IO;
    }
    if (connect(tcp->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS) {
        tcp_close(tcp);
        return MW_ERR_GONE;
    }
    tcp->connecting = true;
    tcp->connect_until_us = now_us + tcp->bus->connect_timeout_us;
    return MW_ERR_AGAIN;
}

static int tcp_open(void *ctx, int64_t now_us)
{
    struct tcp_line *tcp = ctx;
    if (tcp->fd < 0) {
        int result = begin_connect(tcp, now_us);
        if (result != MW_ERR_AGAIN)
            return result;
    }
    if (!tcp->connecting)
        return MW_OK;

    struct pollfd wait = { .fd = tcp->fd, .events = POLLOUT };
    if (poll(&wait, 1, 0) <= 0) {
        if (now_us < tcp->connect_until_us)
            return MW_ERR_AGAIN;
        tcp_close(tcp);
        return MW_ERR_TIMEOUT;
    }
    int error = 0;
    socklen_t n = sizeof error;
    if (getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0) {
        tcp_close(tcp);
        return error == ETIMEDOUT ? MW_ERR_TIMEOUT : MW_ERR_GONE;
    }
    tcp->connecting = false;
    return MW_OK;
}

static int tcp_send(void *ctx, const struct line_request *request, int64_t now_us)
{
    struct tcp_line *tcp = ctx;
    (void)now_us;
    uint8_t bytes[MBAP_REQUEST_BYTES];
    if (tcp->fd < 0)
        return MW_ERR_GONE;
    tcp->transaction++;
    tcp->asked = *request;
    tcp->n_bytes = 0;
    mbap_request(request, tcp->transaction, bytes);
    ssize_t n = send(tcp->fd, bytes, sizeof bytes, MSG_NOSIGNAL);
    return n == (ssize_t)sizeof bytes ? MW_OK : MW_ERR_GONE;
}

/* Bytes read, or why none. */
static int tcp_read(int fd, uint8_t *ret_bytes, size_t cap)
{
    if (fd < 0)
        return MW_ERR_GONE;
    ssize_t n = recv(fd, ret_bytes, cap, 0);
    if (n > 0)
        return (int)n;
    bool nothing = n < 0 && (errno == EAGAIN || errno == EINTR);
    return nothing ? MW_ERR_AGAIN : MW_ERR_GONE;
}

static int tcp_receive(void *ctx, int64_t now_us, struct line_reply *ret_reply)
{
    struct tcp_line *tcp = ctx;
    (void)now_us;
    int n = 0;
    if (tcp->n_bytes < sizeof tcp->bytes)
        n = tcp_read(tcp->fd, tcp->bytes + tcp->n_bytes, sizeof tcp->bytes - tcp->n_bytes);
    if (n < 0)
        return n;
    tcp->n_bytes += (size_t)n;
    return mbap_reply(tcp->bytes, tcp->n_bytes, &tcp->asked, tcp->transaction, ret_reply);
}

static int tcp_drain(void *ctx)
{
    struct tcp_line *tcp = ctx;
    uint8_t bytes[MBAP_MAX_BYTES];
    int n = tcp_read(tcp->fd, bytes, sizeof bytes);
    tcp->n_bytes = 0;
    return n == MW_ERR_AGAIN ? 0 : n;
}

static int tcp_descriptor(void *ctx, short *ret_events)
{
    const struct tcp_line *tcp = ctx;
    if (tcp->fd >= 0)
        *ret_events = tcp->connecting ? POLLOUT : POLLIN;
    return tcp->fd;
}

static void tcp_destroy(void *ctx)
{
    struct tcp_line *tcp = ctx;
    if (!tcp)
        return;
    tcp_close(tcp);
    if (tcp->addresses)
        freeaddrinfo(tcp->addresses);
    free(tcp);
}

int tcp_line_create(struct line **ret_line, const struct bus_config *bus)
{
    struct tcp_line *tcp = calloc(1, sizeof *tcp);
    if (!tcp)
        return MW_ERR_NO_MEMORY;
    tcp->bus = bus;
    tcp->fd = -1;
    (void)look_up(tcp); /* the resolver may come up later than we do */
    tcp->port = (struct line){ .ctx = tcp,
                               .open = tcp_open,
                               .send = tcp_send,
                               .receive = tcp_receive,
                               .drain = tcp_drain,
                               .descriptor = tcp_descriptor,
                               .close = tcp_close,
                               .destroy = tcp_destroy };
    *ret_line = &tcp->port;
    return MW_OK;
}
