/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/tcp_socket.h"
#include "base/result.h"

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

void tcp_socket_close(struct tcp_socket *tcp)
{
    if (tcp->fd >= 0)
        close(tcp->fd);
    tcp->fd = -1;
    tcp->connecting = false;
}

static int look_up(struct tcp_socket *tcp)
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

static int begin_connect(struct tcp_socket *tcp, int64_t now_us)
{
    if (!tcp->addresses && look_up(tcp) != MW_OK)
        return MW_ERR_NOT_FOUND;
    const struct addrinfo *to = tcp->next ? tcp->next : tcp->addresses;
    tcp->next = to->ai_next; /* for the next time, should this one fail */
    tcp->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (tcp->fd < 0)
        return MW_ERR_IO;
    if (!set_options(tcp->fd)) {
        tcp_socket_close(tcp);
        return MW_ERR_IO;
    }
    if (connect(tcp->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS) {
        tcp_socket_close(tcp);
        return MW_ERR_GONE;
    }
    tcp->connecting = true;
    tcp->connect_until_us = now_us + tcp->bus->connect_timeout_us;
    return MW_ERR_AGAIN;
}

int tcp_socket_open(struct tcp_socket *tcp, int64_t now_us)
{
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
        tcp_socket_close(tcp);
        return MW_ERR_TIMEOUT;
    }
    int error = 0;
    socklen_t n = sizeof error;
    if (getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0) {
        tcp_socket_close(tcp);
        return error == ETIMEDOUT ? MW_ERR_TIMEOUT : MW_ERR_GONE;
    }
    tcp->connecting = false;
    return MW_OK;
}

void tcp_socket_init(struct tcp_socket *tcp, const struct bus_config *bus)
{
    *tcp = (struct tcp_socket){ .bus = bus, .fd = -1 };
    (void)look_up(tcp); /* the resolver may come up later than we do */
}

void tcp_socket_finish(struct tcp_socket *tcp)
{
    tcp_socket_close(tcp);
    if (tcp->addresses)
        freeaddrinfo(tcp->addresses);
    tcp->addresses = NULL;
}
