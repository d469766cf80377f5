/* SPDX-License-Identifier: Apache-2.0 */
/* millwright repaired: a machine was repaired, or its new level is right. */
#include "cli/client.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <sysexits.h>

static const char USAGE[] =
    "usage: millwright repaired MACHINE [--socket PATH]\n"
    "\n"
    "Says that the machine was repaired or that its present level is right: the model's baseline\n"
    "becomes the present level and the trend baseline is commissioned anew. Limits are not "
    "touched.\n"
    "  --socket PATH  the daemon's control socket (default " CLIENT_SOCKET ")\n";

int verb_repaired(int argc, char **argv)
{
    struct client_options options;
    int status = client_parse(argc, argv, USAGE, &options);
    if (status >= 0)
        return status;
    if (!options.subject) {
        fputs(USAGE, stderr);
        return EX_USAGE;
    }
    return client_order(options.socket_path, "repaired", options.subject);
}
