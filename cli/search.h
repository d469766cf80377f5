/* SPDX-License-Identifier: Apache-2.0 */
/* Who is on a bus: asks one register of each unit, politely, takes any sound answer as a sign of
 * life, and looks which profiles fit whoever was found. Progress and time left go to stderr; a
 * SIGINT ends it early with what was found by then. Never writes to a device. */
#ifndef MW_CLI_SEARCH_H
#define MW_CLI_SEARCH_H

#include "cli/known.h"
#include "cli/reach.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEARCH_MAX_UNITS   249 /* 0 to 247, and 255 of Modbus TCP */
#define SEARCH_MAX_FOUND   256
#define SEARCH_MAX_MATCHES 3

struct search_found {
    uint8_t unit;
    struct serial_config setting; /* that it answered to */
    int result; /* MW_OK, MW_ERR_REFUSED, or MW_ERR_MISMATCH: heard, though not in time */
    struct known_match matches[SEARCH_MAX_MATCHES];
    size_t n_matches;
};

/* Which baud rates and parities are tried: the bus's own; those that sensors and meters leave the
 * factory with, too; or these only until somebody answers. */
enum search_width { SEARCH_ONE = 0, SEARCH_ALL, SEARCH_UNTIL_FOUND };

struct search {
    struct reach *reach;       /* borrowed; open */
    const struct known *known; /* borrowed; NULL: profiles are not looked for */
    enum search_width width;   /* not SEARCH_ONE: serial ports alone, not through the daemon */
    uint8_t units[SEARCH_MAX_UNITS];
    size_t n_units, n_settings, done; /* done: of n_units * n_settings */
    struct search_found found[SEARCH_MAX_FOUND];
    size_t n_found;
    int64_t started_us, said_us;
    bool terminal; /* stderr is one */
    int status;    /* EX_OK, or why the bus could not be used to the end */
};

/* Fills in the units from a list such as 1-32,80; false where it is none, which was said. Bounds
 * are 1 or, where units can be 0, 0 to 247. */
bool search_units(struct search *search, const char *text);

/* Searches. After SEARCH_UNTIL_FOUND the bus is left with the setting that somebody answered to. */
void search_run(struct search *search);

/* "2 found; 32 of 32 asked within 4.1 s", and what disturbed. */
void search_say_end(const struct search *search);

/* Whether a Modbus TCP device answers for whatever unit it is asked: it need not look at the unit
 * (Messaging on TCP/IP V1.0b, 4.4.2.1). Asks one that was not found. False with nobody found. */
bool search_any_unit(struct search *search);

#endif
