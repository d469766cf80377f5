/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define ANSWER_MAX (64u << 20)
#define PATIENCE_S 5 /* the daemon answers from memory, within milliseconds */

static int connect_to(const char *path, int patience_s)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    const struct timeval patience = { .tv_sec = patience_s };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

char *client_read_all(int fd)
{
    size_t n = 0, cap = 65536;
    char *text = malloc(cap);
    for (ssize_t got = 1; text && got > 0;) {
        got = read(fd, text + n, cap - 1 - n);
        if (got < 0 && (n == 0 || errno == EAGAIN)) {
            int error = errno;
            free(text);
            errno = error;
            return NULL;
        }
        n += got > 0 ? (size_t)got : 0;
        if (n == cap - 1 && cap < ANSWER_MAX) {
            char *more = realloc(text, cap *= 2);
            if (!more)
                free(text);
            text = more;
        }
    }
    if (text)
        text[n] = 0;
    return text;
}

static char *no_answer(const char *socket_path, bool late, int *ret_status)
{
    fprintf(stderr, "millwright: the daemon at %s gave no answer", socket_path);
    if (late)
        fprintf(stderr, " within %d s", PATIENCE_S);
    fputc('\n', stderr);
    *ret_status = EX_UNAVAILABLE;
    return NULL;
}

int client_connect(const char *socket_path, const char *request, int patience_s)
{
    char line[256];
    int n = snprintf(line, sizeof line, "%s\n", request);
    int fd = n > 0 && (size_t)n < sizeof line ? connect_to(socket_path, patience_s) : -1;
    if (fd < 0)
        return -1;
    if (send(fd, line, (size_t)n, MSG_NOSIGNAL) == n)
        return fd;
    close(fd);
    return -1;
}

char *client_try(const char *socket_path, const char *request, int patience_s)
{
    int fd = client_connect(socket_path, request, patience_s);
    char *text = fd >= 0 ? client_read_all(fd) : NULL;
    if (fd >= 0)
        close(fd);
    if (text && !text[0]) {
        free(text);
        return NULL;
    }
    return text;
}

char *client_ask(const char *socket_path, const char *request, int *ret_status)
{
    int fd = connect_to(socket_path, PATIENCE_S);
    if (fd < 0 && errno == EAGAIN)
        return no_answer(socket_path, true, ret_status);
    if (fd < 0) {
        *ret_status = errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
        fprintf(stderr, "millwright: no daemon at %s: %s\n", socket_path, strerror(errno));
        return NULL;
    }
    char line[256];
    int n = snprintf(line, sizeof line, "%s\n", request);
    char *text = NULL;
    errno = 0;
    if (n > 0 && (size_t)n < sizeof line && send(fd, line, (size_t)n, MSG_NOSIGNAL) == n)
        text = client_read_all(fd);
    bool late = !text && errno == EAGAIN;
    close(fd);
    if (!text || !text[0]) {
        free(text);
        return no_answer(socket_path, late, ret_status);
    }
    return text;
}

int client_order(const char *socket_path, const char *verb, const char *subject)
{
    char request[200];
    int status = EX_OK;
    snprintf(request, sizeof request, "%s %.100s", verb, subject);
    char *text = client_ask(socket_path, request, &status);
    if (!text)
        return status;
    json_t *root = json_loads(text, 0, NULL);
    const char *error = json_string_value(json_object_get(root, "error"));
    if (error) {
        fprintf(stderr, "millwright: %s: %s\n", subject, error);
        json_int_t code = json_integer_value(json_object_get(root, "code"));
        status = code >= EX__BASE && code <= EX__MAX ? (int)code : EX_PROTOCOL;
    } else if (!json_is_true(json_object_get(root, "ok"))) {
        fprintf(stderr, "millwright: the daemon's answer is not understood\n");
        status = EX_PROTOCOL;
    }
    json_decref(root);
    free(text);
    return status;
}

int client_parse(int argc, char **argv, const char *usage, struct client_options *ret_options)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' },
                                             { "socket", required_argument, NULL, 's' },
                                             { "watch", no_argument, NULL, 'w' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    *ret_options = (struct client_options){ .socket_path = CLIENT_SOCKET };
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (o) {
        case 'j': ret_options->json = 1; break;
        case 's': ret_options->socket_path = optarg; break;
        case 'w': ret_options->watch = 1; break;
        case 'h': fputs(usage, stdout); return EX_OK;
        default: fputs(usage, stderr); return EX_USAGE;
        }
    }
    if (argc - optind > 1) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    ret_options->subject = optind < argc ? argv[optind] : NULL;
    return -1;
}
