/* SPDX-License-Identifier: Apache-2.0 */
/* millwright ack: acknowledges the alarms of a machine or device. */
#include "cli/client.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <sysexits.h>

static const char USAGE[] =
    "usage: millwright ack SUBJECT [--socket PATH]\n"
    "\n"
    "Acknowledges the alarms of a machine and its sensors, or of a device.\n"
    "  --socket PATH  the daemon's control socket (default " CLIENT_SOCKET ")\n";

int verb_ack(int argc, char **argv)
{
    struct client_options options;
    int status = client_parse(argc, argv, USAGE, &options);
    if (status >= 0)
        return status;
    if (!options.subject) {
        fputs(USAGE, stderr);
        return EX_USAGE;
    }
    return client_order(options.socket_path, "ack", options.subject);
}
