/* SPDX-License-Identifier: Apache-2.0 */
/* millwright reload: has the daemon read its configuration again and says what became of it. */
#include "cli/client.h"
#include "cli/verbs.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define PATIENCE_S 100 /* above what the daemon allows itself */

static const char USAGE[] =
    "usage: millwright reload [--json] [--socket PATH]\n"
    "\n"
    "Has the daemon read its configuration again, and waits until that is done. What changed is "
    "put\n"
    "into force without a restart; buses that are not touched go on polling, alarms stay as they "
    "are.\n"
    "A wrong file changes nothing.\n"
    "  --json         the daemon's answer as JSON\n"
    "  --socket PATH  the daemon's control socket (default " CLIENT_SOCKET ")\n"
    "\n"
    "Exit status: 0 in force, or nothing has changed; 78 the file is wrong, or needs a restart;\n"
    "66 there is none, 69 no daemon, 74 it cannot be read, 75 not now.\n";

static void print_lines(FILE *to, const json_t *root, const char *key)
{
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(root, key), i, line)
        fprintf(to, "  %s\n", json_string_value(line));
    json_int_t n_more = json_integer_value(json_object_get(root, "more"));
    if (n_more > 0)
        fprintf(to, "  and %lld more\n", (long long)n_more);
}

/* Words for people; the exit status. */
static int tell(const char *answer)
{
    json_t *root = json_loads(answer, 0, NULL);
    const char *error = json_string_value(json_object_get(root, "error"));
    const char *text = json_string_value(json_object_get(root, "text"));
    int status = root ? EX_OK : EX_PROTOCOL;
    if (error) {
        status = (int)json_integer_value(json_object_get(root, "code"));
        fprintf(stderr, "millwright: %s\n", error);
        print_lines(stderr, root, "errors");
    } else if (text) {
        puts(text);
        print_lines(stdout, root, "changes");
    } else {
        fputs("millwright: the daemon's answer is not understood\n", stderr);
        status = EX_PROTOCOL;
    }
    json_decref(root);
    return status;
}

static int status_of(const char *answer)
{
    json_t *root = json_loads(answer, 0, NULL);
    int status = root ? (int)json_integer_value(json_object_get(root, "code")) : EX_PROTOCOL;
    json_decref(root);
    return status;
}

int verb_reload(int argc, char **argv)
{
    struct client_options options;
    int status = client_parse(argc, argv, USAGE, &options);
    if (status >= 0)
        return status;
    if (options.subject) {
        fputs(USAGE, stderr);
        return EX_USAGE;
    }
    errno = 0;
    char *answer = client_try(options.socket_path, "reload", PATIENCE_S);
    if (!answer) {
        fprintf(stderr, "millwright: no answer of a daemon at %s%s%s\n", options.socket_path,
                errno ? ": " : "", errno ? strerror(errno) : "");
        return errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
    }
    if (options.json) {
        fputs(answer, stdout);
        status = status_of(answer);
    } else {
        status = tell(answer);
    }
    free(answer);
    return status;
}
