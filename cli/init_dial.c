/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/init_dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 3000
#define MAX_HOST    256

/* 0, or errno. */
static int connect_to(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
    int error = errno;
    if (fd < 0)
        return error;
    socklen_t size = sizeof error;
    struct pollfd wait = { .fd = fd, .events = POLLOUT };
    bool begun = fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
                 (connect(fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS);
    error = begun ? ETIMEDOUT : errno;
    if (begun && poll(&wait, 1, PATIENCE_MS) == 1 &&
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    close(fd);
    return error;
}

static const char *reason(int error)
{
    switch (error) {
    case ECONNREFUSED: return "refused: nothing listens there";
    case ETIMEDOUT: return "no answer";
    case ENETUNREACH:
    case EHOSTUNREACH: return "no route to it";
    default: return "not possible";
    }
}

const char *init_dial(const char *host, uint16_t port)
{
    char name[MAX_HOST], service[8];
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    size_t n = strlen(host);
    bool bracket = n > 2 && n - 2 < sizeof name && host[0] == '[' && host[n - 1] == ']';
    snprintf(name, sizeof name, "%.*s", bracket ? (int)(n - 2) : MAX_HOST - 1, host + bracket);
    snprintf(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(name, service, &hints, &list) != 0)
        return "no such host";
    int error = ECONNREFUSED;
    for (const struct addrinfo *at = list; at && error != 0; at = at->ai_next)
        error = connect_to(at);
    freeaddrinfo(list);
    return error == 0 ? NULL : reason(error);
}
