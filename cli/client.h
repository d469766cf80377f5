/* SPDX-License-Identifier: Apache-2.0 */
/* Talks to a running millwrightd over its control socket. */
#ifndef MW_CLI_CLIENT_H
#define MW_CLI_CLIENT_H

#include <stddef.h>

#define CLIENT_SOCKET "/run/millwright/control"

/* Sends one request line and returns the whole answer as text, allocated; or NULL after an error
 * was printed, with the exit status in *ret_status: EX_UNAVAILABLE also for silence of 5 s. */
char *client_ask(const char *socket_path, const char *request, int *ret_status);

/* The same without a word; NULL where there is no daemon or no answer within patience_s. */
char *client_try(const char *socket_path, const char *request, int patience_s);

/* Sends one request line and returns the socket, from which the answer is to be read as it comes;
 * -1, and errno, where there is no daemon. The caller closes it. */
int client_connect(const char *socket_path, const char *request, int patience_s);

/* To the end of the answer, allocated; NULL where it does not come, with errno EAGAIN if it was
 * waited for. */
char *client_read_all(int fd);

/* For answers that are {"ok":true} or {"error":...,"code":...}: prints the error and returns the
 * exit status. */
int client_order(const char *socket_path, const char *verb, const char *subject);

/* The common options of the verbs that talk to the daemon. */
struct client_options {
    const char *socket_path;
    int json, watch;
    const char *subject; /* the one positional argument, or NULL */
};

/* Parses [--json] [--socket PATH] [SUBJECT]; prints usage on --help or error. Returns -1 to go on,
 * else an exit status. */
int client_parse(int argc, char **argv, const char *usage, struct client_options *ret_options);

#endif
