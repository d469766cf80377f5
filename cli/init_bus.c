/* SPDX-License-Identifier: Apache-2.0 */
/* Which bus, with which settings, and who is on it. */
#include "cli/init.h"

#include "base/result.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define UNITS_KNOWN_SETTING "1-247"   /* half a minute */
#define UNITS_ANY_SETTING   "1-32,80" /* fifteen times; 80 is a common factory address */
#define UNITS_TCP           "1-32"

/* ---- the bus ---- */

static void list_ports(struct init *in)
{
    port_list("/dev", &in->ports);
    fputs("\nThe bus: a serial port, or HOST[:PORT] of a Modbus TCP device or gateway.\n", stderr);
    for (size_t i = 0; i < in->ports.n; i++)
        fprintf(stderr, "  %zu  %s\n", i + 1, in->ports.names[i]);
    if (in->ports.n == 0)
        fputs("  (no RS-485 adapter is plugged in)\n", stderr);
}

/* A number of the list, an absolute path, or a host. */
static bool take_bus(void *ctx, const char *answer)
{
    struct init *in = ctx;
    const char *device = answer[0] == '/' ? answer : NULL;
    size_t digits = strspn(answer, "0123456789");
    in->device[0] = in->host[0] = 0;
    if (digits > 0 && answer[digits] == 0) {
        unsigned long at = strtoul(answer, NULL, 10);
        if (at < 1 || at > in->ports.n) {
            fprintf(stderr, "%s is none of the ports listed; a path begins with /\n", answer);
            return false;
        }
        device = in->ports.names[at - 1];
    }
    if (device && access(device, F_OK) != 0) {
        fprintf(stderr, "%s: %s\n", device, strerror(errno));
        return false;
    }
    char *to = device ? in->device : in->host;
    const char *from = device ? device : answer;
    if (strlen(from) >= sizeof in->device || strpbrk(from, " \t\"\\'")) {
        fprintf(stderr, "'%s' is neither a path nor HOST[:PORT]\n", from);
        return false;
    }
    memcpy(to, from, strlen(from) + 1);
    return true;
}

static int ask_bus(struct init *in)
{
    if (!in->options.bus && !in->asker.yes)
        list_ports(in);
    const struct question q = { .text = "Which bus",
                                .option = "--bus",
                                .given = in->options.bus,
                                .fallback = in->ports.n ? "1" : NULL,
                                .take = take_bus,
                                .ctx = in };
    int status = ask(&in->asker, &q);
    in->wanted.rtu = in->device[0] ? in->device : NULL;
    in->wanted.tcp = in->device[0] ? NULL : in->host;
    return status;
}

/* auto, 19200, 19200 E, 9600 8N1. */
static bool take_setting(void *ctx, const char *answer)
{
    struct init *in = ctx;
    struct reach_options wanted = in->wanted;
    char baud[16] = "", form[8] = "";
    const char *parity = form;
    wanted.baud = 0;
    wanted.parity = 0;
    wanted.stop_bits = 0;
    in->any_setting = strcmp(answer, "auto") == 0;
    if (in->any_setting) {
        in->wanted = wanted;
        return true;
    }
    int n = sscanf(answer, "%15s %7s", baud, form);
    if (form[0] == '8' && form[1]) {
        wanted.stop_bits = form[2] == '1' || form[2] == '2' ? (uint8_t)(form[2] - '0') : 9;
        parity = form[3] ? "x" : (form[2] = 0, form + 1);
    }
    if (n < 1 || wanted.stop_bits > 2 || !reach_option(&wanted, "baud", baud) ||
        (n == 2 && !reach_option(&wanted, "parity", parity))) {
        fputs("that is auto, or a baud rate and a form such as 19200 8E1 or 9600 8N1\n", stderr);
        return false;
    }
    in->wanted = wanted;
    return true;
}

static int ask_setting(struct init *in)
{
    char given[32];
    const char *baud = in->options.baud;
    if (!in->wanted.rtu)
        return EX_OK;
    snprintf(given, sizeof given, "%.15s%s%.7s", baud ? baud : "19200",
             in->options.parity ? " " : "", in->options.parity ? in->options.parity : "");
    const struct question q = { .text = "Baud rate and form, or auto to find them",
                                .option = "--baud",
                                .given = baud || in->options.parity ? given : NULL,
                                .fallback = "auto",
                                .take = take_setting,
                                .ctx = in };
    return ask(&in->asker, &q);
}

/* ---- who is there ---- */

/* Ctrl-C has ended the search alone: from here on it ends the program again. */
static void end_interruption(void)
{
    sigset_t interrupts, held;
    const struct timespec at_once = { 0 };
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigtimedwait(&interrupts, NULL, &at_once);
    held = interrupts;
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &held, NULL);
}

static bool take_units(void *ctx, const char *answer)
{
    struct init *in = ctx;
    return search_units(&in->search, answer);
}

static int ask_units(struct init *in)
{
    const char *usual = in->wanted.tcp    ? UNITS_TCP
                        : in->any_setting ? UNITS_ANY_SETTING
                                          : UNITS_KNOWN_SETTING;
    const struct question q = { .text = "Which unit addresses",
                                .option = "--units",
                                .given = in->options.units,
                                .fallback = usual,
                                .take = take_units,
                                .ctx = in };
    return ask(&in->asker, &q);
}

static int open_bus(struct init *in)
{
    in->wanted.socket = in->options.socket;
    in->wanted.profiles = in->options.profiles;
    if (in->options.framing && in->wanted.tcp &&
        !reach_option(&in->wanted, "framing", in->options.framing))
        return EX_USAGE;
    if (in->options.timeout && !reach_option(&in->wanted, "timeout", in->options.timeout))
        return EX_USAGE;
    int status = reach_open(&in->reach, &in->wanted);
    if (status == EX_OK && in->reach.by_daemon && in->wanted.rtu) {
        fprintf(stderr,
                "millwright: the daemon polls this port, as bus %s: stop it first, "
                "'systemctl stop millwrightd'\n",
                in->reach.bus.name);
        reach_close(&in->reach);
        status = EX_TEMPFAIL;
    }
    end_interruption();
    return status;
}

static void say_nobody(const struct init *in)
{
    fputs("Nobody answered. ", stderr);
    if (in->wanted.rtu)
        fputs("Swap A and B; look at supply, termination and the sensor's own address;\n"
              "'auto' tries other baud rates.\n",
              stderr);
    else
        fputs("Look at the device's unit address; some want 255 or 0, some one client at a time.\n",
              stderr);
}

/* One device under all addresses is one device. */
static void keep_one(struct init *in)
{
    struct search *s = &in->search;
    if (s->n_found < 2 || !search_any_unit(s))
        return;
    fprintf(stderr,
            "It answers to every address, as one device does that does not look at them: "
            "unit %u is taken.\n",
            (unsigned)s->found[0].unit);
    s->n_found = 1;
}

static int search_bus(struct init *in)
{
    sigset_t held;
    struct search *s = &in->search;
    int status = ask_units(in);
    if (status != EX_OK)
        return status;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, NULL);
    fputs("\nSearching; Ctrl-C goes on with what was found by then. Nothing is written to a "
          "device.\n",
          stderr);
    s->width = in->any_setting ? SEARCH_UNTIL_FOUND : SEARCH_ONE;
    search_run(s);
    search_say_end(s);
    if (s->status == EX_OK && !reach_stopped())
        keep_one(in);
    end_interruption();
    if (s->status == EX_OK && s->n_found == 0) {
        say_nobody(in);
        return EX_UNAVAILABLE;
    }
    return s->status;
}

static int one_try(struct init *in)
{
    int status = ask_bus(in);
    if (status == EX_OK)
        status = ask_setting(in);
    if (status != EX_OK)
        return status;
    status = open_bus(in);
    if (status != EX_OK)
        return status;
    in->search = (struct search){ .reach = &in->reach, .known = &in->known };
    status = search_bus(in);
    if (status != EX_OK)
        reach_close(&in->reach);
    return status;
}

/* What a person can do something about at the cabinet, or mistyped: then the questions are asked
 * again. */
static bool is_mendable(const struct init *in, int status)
{
    const struct init_options *o = &in->options;
    bool typed = !o->bus && !o->baud && !o->parity && !o->units && !o->framing && !o->timeout;
    return !in->asker.yes &&
           (status == EX_UNAVAILABLE || status == EX_TEMPFAIL || status == EX_IOERR ||
            status == EX_DATAERR || status == EX_NOPERM || (status == EX_USAGE && typed));
}

int init_bus(struct init *in)
{
    int status = one_try(in);
    while (is_mendable(in, status)) {
        fputs("Once more, or Ctrl-C.\n", stderr);
        in->options.bus = in->options.baud = in->options.parity = in->options.units = NULL;
        status = one_try(in);
    }
    if (status != EX_OK)
        return status;
    in->draft.bus = in->reach.bus;
    snprintf(in->draft.bus.name, sizeof in->draft.bus.name, "bus-1");
    return EX_OK;
}
