/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of a bus for a person, one at a time: by ourselves on a port that nobody has, or through
 * the running daemon where it polls this bus. Never writes to a device. */
#ifndef MW_CLI_REACH_H
#define MW_CLI_REACH_H

#include "config/config.h"
#include "fieldbus/guest.h"
#include "fieldbus/line.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define REACH_USAGE                                                                        \
    "Which bus:\n"                                                                         \
    "  BUS --config FILE    a bus of this configuration\n"                                 \
    "  --rtu DEVICE         a serial port; --baud N (default 19200), --parity N|E|O (E)\n" \
    "  --tcp HOST[:PORT]    default port 502; --framing rtu for RTU over TCP\n"            \
    "  --timeout TIME       wait so long for an answer, 10ms to 60s\n"                     \
    "  --socket PATH        the daemon's control socket (default: the configuration's)\n"  \
    "  --record FILE        keep the frames as a trace (not through the daemon)\n"         \
    "Where the daemon polls this bus, it is asked to read between its polls.\n"

#define REACH_OPTION 1000
#define REACH_LONG_OPTIONS                                     \
    { "config", required_argument, NULL, REACH_OPTION },       \
        { "profiles", required_argument, NULL, REACH_OPTION }, \
        { "rtu", required_argument, NULL, REACH_OPTION },      \
        { "tcp", required_argument, NULL, REACH_OPTION },      \
        { "framing", required_argument, NULL, REACH_OPTION },  \
        { "baud", required_argument, NULL, REACH_OPTION },     \
        { "parity", required_argument, NULL, REACH_OPTION },   \
        { "timeout", required_argument, NULL, REACH_OPTION },  \
        { "socket", required_argument, NULL, REACH_OPTION },   \
    {                                                          \
        "record", required_argument, NULL, REACH_OPTION        \
    }

/* What was asked for on the command line. */
struct reach_options {
    const char *config_file, *profiles, *rtu, *tcp, *socket, *record;
    const char *bus;   /* its name, with config_file */
    uint32_t baud;     /* 0: not given */
    char parity;       /* 0: not given */
    uint8_t stop_bits; /* 0: not given */
    bool framing_rtu;
    int64_t timeout_us; /* 0: not given */
};

struct reach {
    struct bus_config bus;
    struct config *config; /* owned; NULL: none was named */
    bool by_daemon;
    char socket[108];
    struct line *line; /* NULL: through the daemon, or closed */
    struct line_tap tap;
    bool is_open;
    int64_t given_us; /* the timeout asked for; 0: none */
    int64_t timeout_us, free_us;
    int64_t quiet_us; /* a silent unit is not asked again before */
    uint8_t quiet_unit;
    FILE *record;
    bool heard[256];  /* a frame with a good checksum came from this unit */
    uint32_t n_noise; /* frames with a wrong one */
};

/* One long option with its value; false where it is not one of REACH_USAGE's or no value for it,
 * which was said. name: without the dashes. */
bool reach_option(struct reach_options *options, const char *name, const char *value);

/* Finds the bus and who serves it, and takes the port where nobody does. An exit status; after
 * EX_OK reach_close. */
int reach_open(struct reach *reach, const struct reach_options *options);
void reach_close(struct reach *reach);

/* Other serial settings from now on; only where !by_daemon. An exit status. */
int reach_settings(struct reach *reach, uint32_t baud, char parity);

/* One read. EX_OK, and what came of it in *ret_answer, a timeout too; EX_UNAVAILABLE, EX_TEMPFAIL,
 * EX_IOERR after it was said what is wrong with bus, port or daemon. */
int reach_read(struct reach *reach, const struct line_request *request,
               struct guest_answer *ret_answer);

/* Bytes that come by themselves within this time: another master. Not through the daemon. */
uint32_t reach_listen(struct reach *reach, int64_t for_us);

/* SIGINT and SIGTERM are held back from reach_open on; whether one has come. */
bool reach_stopped(void);
int64_t reach_now_us(void);
void reach_pause(int64_t for_us);

#endif
