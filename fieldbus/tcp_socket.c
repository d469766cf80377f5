/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/tcp_socket.h"
#include "base/result.h"
#include "fieldbus/host_lookup.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
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
    tcp->connecting = tcp->resolving = false;
}

/* What the resolver says now; where it fails, what it last said. */
static int look_up(struct tcp_socket *tcp)
{
    if (!tcp->lookup) {
        int result = host_lookup_create(&tcp->lookup, tcp->bus->host, tcp->bus->port);
        if (result != MW_OK)
            return result;
    }
    struct addrinfo *found = NULL;
    int result = host_lookup_result(tcp->lookup, &found);
    if (result == MW_ERR_AGAIN)
        return result;
    host_lookup_destroy(tcp->lookup);
    tcp->lookup = NULL;
    if (result == MW_OK) {
        if (tcp->addresses)
            freeaddrinfo(tcp->addresses);
        tcp->addresses = found;
    }
    tcp->next = tcp->addresses;
    return tcp->addresses ? MW_OK : result;
}

/* Makes tcp->next an address. A name whose every address has failed is asked for again, since it
 * may have moved. */
static int choose_address(struct tcp_socket *tcp, int64_t now_us)
{
    if (tcp->next)
        return MW_OK;
    if (tcp->is_numeric) {
        tcp->next = tcp->addresses;
        return MW_OK;
    }
    if (!tcp->resolving) {
        tcp->resolving = true;
        tcp->connect_until_us = now_us + tcp->bus->connect_timeout_us;
    }
    int result = look_up(tcp);
    if (result != MW_ERR_AGAIN || now_us < tcp->connect_until_us)
        return result;
    tcp->resolving = false;
    tcp->next = tcp->addresses; /* for the next time; the resolver goes on */
    return MW_ERR_TIMEOUT;
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
    int result = choose_address(tcp, now_us);
    if (result != MW_OK)
        return result;
    struct addrinfo *to = tcp->next;
    tcp->trying = to;
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
    if (!tcp->resolving)
        tcp->connect_until_us = now_us + tcp->bus->connect_timeout_us;
    tcp->resolving = false;
    tcp->connecting = true;
    return MW_ERR_AGAIN;
}

int tcp_socket_open(struct tcp_socket *tcp, int64_t now_us)
{
    if (tcp->fd < 0) {
        int result = begin_connect(tcp, now_us);
        if (result != MW_ERR_AGAIN)
            return result;
    }
    if (tcp->fd < 0)
        return MW_ERR_AGAIN;
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
    tcp->next = tcp->trying;
    return MW_OK;
}

void tcp_socket_init(struct tcp_socket *tcp, const struct bus_config *bus)
{
    *tcp = (struct tcp_socket){ .bus = bus, .fd = -1 };
    tcp->is_numeric = host_numeric(bus->host, bus->port, &tcp->addresses) == MW_OK;
    if (!tcp->is_numeric)
        (void)look_up(tcp); /* asks, for when the connection is wanted */
}

void tcp_socket_finish(struct tcp_socket *tcp)
{
    tcp_socket_close(tcp);
    host_lookup_destroy(tcp->lookup);
    if (tcp->addresses)
        freeaddrinfo(tcp->addresses);
    tcp->lookup = NULL;
    tcp->addresses = NULL;
}
