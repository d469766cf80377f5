/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/search.h"
#include "base/result.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define LAST_ADDRESS 247 /* Modbus over Serial Line V1.02, 2.2 */

#define LISTEN_US   300000 /* another master's pause is rarely longer */
#define PROGRESS_US 200000

/* What sensors and meters leave the factory with, the usual first. */
static const struct serial_config SETTINGS[] = {
    { 19200, 'E', 1 }, { 9600, 'N', 1 }, { 19200, 'N', 1 }, { 9600, 'E', 1 },  { 115200, 'N', 1 },
    { 38400, 'N', 1 }, { 4800, 'N', 1 }, { 57600, 'N', 1 }, { 38400, 'E', 1 }, { 115200, 'E', 1 },
    { 2400, 'N', 1 },  { 2400, 'E', 1 }, { 9600, 'O', 1 },  { 19200, 'O', 1 }, { 1200, 'E', 1 },
};
#define N_SETTINGS (sizeof SETTINGS / sizeof SETTINGS[0])

/* ---- progress ---- */

static void clear_progress(const struct search *s)
{
    if (s->terminal)
        fputs("\r\033[K", stderr);
}

static void say_progress(struct search *s, uint8_t unit)
{
    int64_t now_us = reach_now_us();
    size_t total = s->n_units * s->n_settings;
    int64_t every_us = s->terminal ? PROGRESS_US : 25 * PROGRESS_US;
    if (now_us - s->said_us < every_us || s->done == 0)
        return;
    s->said_us = now_us;
    int64_t left_s =
        (now_us - s->started_us) / (int64_t)s->done * (int64_t)(total - s->done) / 1000000;
    fprintf(stderr, "%sunit %u", s->terminal ? "\r\033[K" : "", (unsigned)unit);
    if (s->reach->bus.kind == BUS_RTU)
        fprintf(stderr, " at %" PRIu32 " %c", s->reach->bus.baud, s->reach->bus.parity);
    fprintf(stderr, ", %zu of %zu, %zu found, %" PRId64 " min %" PRId64 " s left%s", s->done, total,
            s->n_found, left_s / 60, left_s % 60, s->terminal ? "" : "\n");
}

static void say_profile(void *ctx, const char *profile)
{
    struct search *s = ctx;
    if (s->terminal)
        fprintf(stderr, "\r\033[Klooking whether it is a %s", profile);
}

/* ---- asking ---- */

static bool is_found(const struct search *s, uint8_t unit)
{
    for (size_t i = 0; i < s->n_found; i++)
        if (s->found[i].unit == unit)
            return true;
    return false;
}

static void note(struct search *s, uint8_t unit, int result)
{
    if (is_found(s, unit) || s->n_found == SEARCH_MAX_FOUND)
        return;
    s->found[s->n_found++] = (struct search_found){
        .unit = unit,
        .setting = bus_serial(&s->reach->bus),
        .result = result,
    };
    clear_progress(s);
    fprintf(stderr, "unit %u %s\n", (unsigned)unit,
            result == MW_OK            ? "answers"
            : result == MW_ERR_REFUSED ? "answers with an exception"
                                       : "was heard");
}

/* A gateway's word for "nobody there" (Application Protocol V1.1b3, section 7). */
static bool is_absence(const struct guest_answer *a)
{
    return a->result == MW_ERR_REFUSED && (a->exception == 10 || a->exception == 11);
}

static void ask(struct search *s, uint8_t unit)
{
    struct line_request request = { unit, REGISTER_HOLDING, 0, 1 };
    struct guest_answer answer;
    s->status = reach_read(s->reach, &request, &answer);
    if (s->status != EX_OK)
        return;
    bool lives = answer.result == MW_OK || answer.result == MW_ERR_REFUSED;
    if (lives && !is_absence(&answer))
        note(s, unit, answer.result);
    for (unsigned other = 1; other <= LAST_ADDRESS; other++)
        if (s->reach->heard[other])
            note(s, (uint8_t)other, MW_ERR_MISMATCH);
}

static void ask_all(struct search *s)
{
    for (size_t i = 0; i < s->n_units && s->status == EX_OK && !reach_stopped(); i++) {
        say_progress(s, s->units[i]);
        if (!is_found(s, s->units[i]))
            ask(s, s->units[i]);
        s->done++;
    }
}

static void look_for_profiles(struct search *s, size_t from)
{
    for (size_t i = from; i < s->n_found && s->known && !reach_stopped(); i++) {
        struct search_found *f = &s->found[i];
        f->n_matches = known_match(s->known, s->reach, f->unit, say_profile, s, f->matches,
                                   SEARCH_MAX_MATCHES, &s->status);
        clear_progress(s);
    }
}

static void listen_first(struct search *s)
{
    uint32_t n = reach_listen(s->reach, LISTEN_US);
    if (n > 0)
        fprintf(stderr,
                "millwright: warning: %" PRIu32
                " bytes came by themselves: is there another master "
                "on this bus? Two masters disturb each other\n",
                n);
}

static bool is_over(const struct search *s)
{
    return s->n_settings == 1 || (s->width == SEARCH_UNTIL_FOUND && s->n_found > 0);
}

static void search_settings(struct search *s)
{
    struct serial_config first = bus_serial(&s->reach->bus);
    listen_first(s);
    ask_all(s);
    look_for_profiles(s, 0);
    for (size_t i = 0; i < N_SETTINGS && s->status == EX_OK && !reach_stopped() && !is_over(s);
         i++) {
        if (SETTINGS[i].baud == first.baud && SETTINGS[i].parity == first.parity)
            continue;
        size_t from = s->n_found;
        s->status = reach_settings(s->reach, SETTINGS[i].baud, SETTINGS[i].parity);
        if (s->status == EX_OK)
            ask_all(s);
        if (s->status == EX_OK)
            look_for_profiles(s, from);
    }
}

void search_run(struct search *s)
{
    s->terminal = isatty(STDERR_FILENO) == 1;
    s->n_settings = s->width == SEARCH_ONE ? 1 : N_SETTINGS;
    if (s->reach->by_daemon)
        fprintf(stderr, "the daemon reads for us, between its polls of bus %s\n",
                s->reach->bus.name);
    s->started_us = s->said_us = reach_now_us();
    search_settings(s);
    clear_progress(s);
}

void search_say_end(const struct search *s)
{
    int64_t took_ms = (reach_now_us() - s->started_us) / 1000;
    fprintf(stderr, "%s%zu found; %zu of %zu asked within %" PRId64 ".%" PRId64 " s\n",
            reach_stopped() ? "stopped: " : "", s->n_found, s->done, s->n_units * s->n_settings,
            took_ms / 1000, took_ms % 1000 / 100);
    if (s->reach->n_noise > 0)
        fprintf(stderr,
                "%" PRIu32 " answers had a wrong checksum: wrong settings, two devices with one "
                "address, or a bad line\n",
                s->reach->n_noise);
}

bool search_any_unit(struct search *s)
{
    unsigned unit = LAST_ADDRESS;
    if (s->n_found == 0 || bus_speaks_rtu(&s->reach->bus))
        return false;
    while (unit > 0 && is_found(s, (uint8_t)unit))
        unit--;
    struct line_request request = { (uint8_t)unit, REGISTER_HOLDING, 0, 1 };
    struct guest_answer answer;
    if (unit == 0)
        return true;
    if (reach_read(s->reach, &request, &answer) != EX_OK || is_absence(&answer))
        return false;
    return answer.result == MW_OK || answer.result == MW_ERR_REFUSED;
}

/* ---- units ---- */

static bool number(const char **text, unsigned long max, unsigned long *ret_value)
{
    char *end = NULL;
    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    *ret_value = strtoul(*text, &end, 10);
    *text = end;
    return errno == 0 && *ret_value <= max;
}

/* Modbus TCP has 0 and 255 besides, for the device itself. */
static bool is_range(const struct search *s, unsigned long from, unsigned long to)
{
    bool rtu = bus_speaks_rtu(&s->reach->bus);
    return from >= (rtu ? 1U : 0U) && from <= to && (to <= LAST_ADDRESS || (!rtu && from == 255));
}

bool search_units(struct search *s, const char *text)
{
    s->n_units = 0;
    for (const char *at = text;;) {
        unsigned long from = 0, to;
        bool good = number(&at, UINT8_MAX, &from);
        to = from;
        if (good && *at == '-') {
            at++;
            good = number(&at, UINT8_MAX, &to);
        }
        if (!good || !is_range(s, from, to) || (*at && *at != ',')) {
            fprintf(stderr, "millwright: '%s' is no list of units such as 1-32,80, each %s\n", text,
                    bus_speaks_rtu(&s->reach->bus) ? "1 to 247" : "0 to 247, or 255");
            return false;
        }
        for (unsigned long unit = from; unit <= to && s->n_units < SEARCH_MAX_UNITS; unit++)
            s->units[s->n_units++] = (uint8_t)unit;
        if (!*at++)
            return true;
    }
}
