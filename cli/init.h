/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of 'millwright init' share: what was asked for, what was found, what was answered.
 * Each part returns EX_OK or the exit status after it said why. */
#ifndef MW_CLI_INIT_H
#define MW_CLI_INIT_H

#include "cli/init_ask.h"
#include "cli/init_draft.h"
#include "cli/known.h"
#include "cli/port_list.h"
#include "cli/reach.h"
#include "cli/search.h"

#define INIT_MAX_REPEATED 256 /* --machine, --profile, --point: each at most so often */

struct init_repeated {
    const char *values[INIT_MAX_REPEATED];
    size_t n;
};

/* Options as they were given; NULL: not. Read again by the questions that they answer. */
struct init_options {
    const char *output, *profiles, *socket, *timeout;
    const char *bus, *baud, *parity, *framing, *units;
    struct init_repeated machines, profile, points;
    const char *limits, *gateway, *site;
    const char *broker, *tls, *ca_file, *user, *password_file;
    bool force, yes;
};

struct init {
    struct init_options options;
    struct asker asker;
    struct port_list ports;
    char device[256], host[256]; /* one of them: the bus chosen */
    struct reach_options wanted; /* of that bus */
    bool any_setting;            /* baud rate and parity are to be found */
    struct reach reach;          /* open once init_bus is done */
    struct search search;
    struct known known;
    struct draft_unit units[SEARCH_MAX_FOUND];
    struct draft draft;
    bool tls;
};

/* Chooses a bus, opens it and finds who is there: reach, search. */
int init_bus(struct init *init);

/* Names, profiles and points of everybody found: draft.units. */
int init_machines(struct init *init);

/* Limits, names of gateway and site, the broker: the rest of draft. */
int init_gateway(struct init *init);

/* Whether the file may be written: asked before the work. */
int init_may_write(struct init *init);

/* Finds a period that the bus has room for, loads the text with the real loader where it will lie,
 * and gives the file its name. */
int init_write(struct init *init);

#endif
