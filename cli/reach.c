/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reach.h"
#include "base/crc.h"
#include "base/result.h"
#include "cli/client.h"
#include "cli/loaded.h"
#include "cli/port.h"
#include "fieldbus/modbus_line.h"
#include "fieldbus/trace.h"
#include "simulator/field.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>

#define ANSWER_US         100000 /* small sensors answer within 30 ms; USB adapters add 16 ms */
#define ANSWER_CHARACTERS 32     /* both frames of a small read */
#define POLITE_US         5000   /* between two exchanges, beside the silence */
#define SETTLE_US         20000  /* after an error: a USB adapter hands bytes on every 16 ms */
#define BUSY_TRIES        20
#define BUSY_US           250000
#define DAEMON_S          95

static int64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t reach_now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

void reach_pause(int64_t for_us)
{
    struct timespec t = { .tv_sec = for_us / 1000000, .tv_nsec = (long)(for_us % 1000000) * 1000 };
    if (for_us > 0)
        nanosleep(&t, NULL);
}

static void fill_signals(sigset_t *ret_signals)
{
    sigemptyset(ret_signals);
    sigaddset(ret_signals, SIGINT);
    sigaddset(ret_signals, SIGTERM);
}

bool reach_stopped(void)
{
    sigset_t signals, pending;
    fill_signals(&signals);
    sigpending(&pending); /* stays pending: asked again, it says so again */
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1;
}

/* ---- options ---- */

/* Whether it is a rate is for bus_settle() to say. */
static bool parse_baud(const char *text, uint32_t *ret_baud)
{
    char *end = NULL;
    errno = 0;
    unsigned long baud = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno != 0 || baud < 1200 || baud > 921600)
        return false;
    *ret_baud = (uint32_t)baud;
    return true;
}

bool reach_option(struct reach_options *o, const char *name, const char *value)
{
    bool good = true;
    if (strcmp(name, "config") == 0)
        o->config_file = value;
    else if (strcmp(name, "profiles") == 0)
        o->profiles = value;
    else if (strcmp(name, "rtu") == 0)
        o->rtu = value;
    else if (strcmp(name, "tcp") == 0)
        o->tcp = value;
    else if (strcmp(name, "socket") == 0)
        o->socket = value;
    else if (strcmp(name, "record") == 0)
        o->record = value;
    else if (strcmp(name, "framing") == 0)
        good = (o->framing_rtu = strcmp(value, "rtu") == 0) || strcmp(value, "mbap") == 0;
    else if (strcmp(name, "parity") == 0)
        good = strlen(value) == 1 && (o->parity = *value, strchr("NEO", *value) != NULL);
    else if (strcmp(name, "baud") == 0)
        good = parse_baud(value, &o->baud);
    else if (strcmp(name, "timeout") == 0)
        good = field_time(value, &o->timeout_us) && o->timeout_us >= 10000 &&
               o->timeout_us <= 60000000;
    else
        good = false;
    if (!good)
        fprintf(stderr, "millwright: '%s' is no value for --%s\n", value, name);
    return good;
}

/* HOST[:PORT], [V6]:PORT. */
static bool split_host(const char *text, struct bus_config *bus)
{
    const char *colon = strrchr(text, ':'), *end = strchr(text, ']');
    bool bracket = text[0] == '[' && end;
    if (bracket) {
        text++;
        colon = end[1] == ':' ? end + 1 : NULL;
    } else if (colon && strchr(text, ':') != colon) {
        colon = NULL; /* an IPv6 address without a port */
    }
    size_t n = bracket ? (size_t)(end - text) : colon ? (size_t)(colon - text) : strlen(text);
    char *rest = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &rest, 10) : 502;
    if (n == 0 || n >= sizeof bus->host || port < 1 || port > 65535 || (rest && *rest))
        return false;
    memcpy(bus->host, text, n);
    bus->host[n] = 0;
    bus->port = (uint16_t)port;
    return true;
}

static void say_complaint(void *ctx, const struct mw_complaint *c)
{
    (void)ctx;
    fprintf(stderr, "millwright: %s: %s %s\n", c->setting, c->value ? c->value : "", c->rule);
}

static int bus_from_words(struct reach *r, const struct reach_options *o)
{
    struct bus_config *bus = &r->bus;
    *bus = (struct bus_config){ .name = "bus", .kind = o->rtu ? BUS_RTU : BUS_TCP };
    bus->retries = UINT32_MAX;
    bus->baud = o->rtu ? o->baud : 0;
    bus->parity = o->rtu ? o->parity : 0;
    bus->stop_bits = o->rtu ? o->stop_bits : 0;
    bus->framing = o->framing_rtu ? FRAMING_RTU : FRAMING_MBAP;
    if (o->rtu && strlen(o->rtu) < sizeof bus->device)
        memcpy(bus->device, o->rtu, strlen(o->rtu) + 1);
    if (o->tcp && !split_host(o->tcp, bus)) {
        fprintf(stderr, "millwright: '%s' is not HOST[:PORT] with a port from 1 to 65535\n",
                o->tcp);
        return EX_USAGE;
    }
    const struct mw_complaints to = { say_complaint, NULL };
    return bus_settle(bus, &to) == MW_OK ? EX_OK : EX_USAGE;
}

static int bus_from_config(struct reach *r, const struct reach_options *o)
{
    int status = loaded_config(o->config_file, o->profiles, &r->config);
    if (status != EX_OK)
        return status;
    int bus = loaded_bus(r->config, o->config_file, o->bus);
    if (bus < 0)
        return EX_NOINPUT;
    r->bus = r->config->buses[bus];
    snprintf(r->socket, sizeof r->socket, "%s", r->config->socket);
    return EX_OK;
}

/* ---- the daemon ---- */

static bool same_port(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISCHR(x.st_mode) && S_ISCHR(y.st_mode) &&
           x.st_rdev == y.st_rdev;
}

static bool is_this_bus(const struct reach *r, const char *where)
{
    char ours[300];
    if (r->bus.kind == BUS_RTU)
        return strcmp(where, r->bus.device) == 0 || same_port(where, r->bus.device);
    snprintf(ours, sizeof ours, "%s:%u", r->bus.host, (unsigned)r->bus.port);
    return strcmp(where, ours) == 0;
}

/* Whether a daemon polls this bus; its name for it becomes ours. */
static bool daemon_has_it(struct reach *r)
{
    char *text = client_try(r->socket, "status", 5);
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    json_t *bus;
    size_t i;
    bool found = false;
    json_array_foreach(json_object_get(root, "buses"), i, bus)
    {
        const char *name = json_string_value(json_object_get(bus, "name"));
        const char *where = json_string_value(json_object_get(bus, "where"));
        if (found || !name || !where || !is_this_bus(r, where))
            continue;
        found = true;
        snprintf(r->bus.name, sizeof r->bus.name, "%s", name);
    }
    json_decref(root);
    free(text);
    return found;
}

static int result_of(const char *word)
{
    for (int result = MW_OK; word && result >= MW_ERR_STATE; result--)
        if (strcmp(trace_result_word(result), word) == 0)
            return result;
    return MW_ERR_IO;
}

static void take_answer(const json_t *root, struct guest_answer *ret)
{
    const json_t *list = json_object_get(root, "registers");
    *ret = (struct guest_answer){
        .result = result_of(json_string_value(json_object_get(root, "result"))),
        .exception = (uint8_t)json_integer_value(json_object_get(root, "exception")),
        .took_us = json_integer_value(json_object_get(root, "took_us")),
    };
    for (size_t i = 0; i < json_array_size(list) && i < GUEST_MAX_COUNT; i++)
        ret->registers[ret->count++] = (uint16_t)json_integer_value(json_array_get(list, i));
}

/* EX_TEMPFAIL: busy, without a word. */
static int ask_daemon(const struct reach *r, const char *line, struct guest_answer *ret_answer)
{
    char *text = client_try(r->socket, line, DAEMON_S);
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    const char *error = json_string_value(json_object_get(root, "error"));
    json_int_t code = json_integer_value(json_object_get(root, "code"));
    int status = EX_OK;
    if (!root) {
        fprintf(stderr, "millwright: the daemon at %s gave no answer\n", r->socket);
        status = EX_UNAVAILABLE;
    } else if (error) {
        status = code >= EX__BASE && code <= EX__MAX ? (int)code : EX_PROTOCOL;
        if (status != EX_TEMPFAIL)
            fprintf(stderr, "millwright: %s\n", error);
    } else {
        take_answer(root, ret_answer);
    }
    json_decref(root);
    free(text);
    return status;
}

static int read_by_daemon(struct reach *r, const struct line_request *request,
                          struct guest_answer *ret_answer)
{
    static const char *const KINDS[] = { "", "holding", "input", "coil", "discrete" };
    char line[128];
    int status = EX_TEMPFAIL;
    snprintf(line, sizeof line, "read %s %u %s %u %u", r->bus.name, request->unit,
             KINDS[request->kind], request->address, request->count);
    for (int i = 0; i < BUSY_TRIES && status == EX_TEMPFAIL && !reach_stopped(); i++) {
        if (i > 0)
            reach_pause(BUSY_US);
        status = ask_daemon(r, line, ret_answer);
    }
    if (status == EX_TEMPFAIL && !reach_stopped())
        fprintf(stderr, "millwright: bus %s has no room for a read between its polls\n",
                r->bus.name);
    return status;
}

/* ---- by ourselves ---- */

static void hear(void *ctx, enum line_way way, const uint8_t *bytes, size_t n_bytes, int64_t at_us,
                 int result)
{
    struct reach *r = ctx;
    char line[TRACE_LINE_MAX];
    struct trace_frame frame = { .mono_us = at_us, .way = way, .result = result };
    frame.utc_us = at_us + clock_us(CLOCK_REALTIME) - clock_us(CLOCK_MONOTONIC);
    frame.n_bytes = (uint16_t)(n_bytes < TRACE_MAX_BYTES ? n_bytes : TRACE_MAX_BYTES);
    memcpy(frame.bytes, bytes, frame.n_bytes);
    if (way != LINE_SENT && bus_speaks_rtu(&r->bus)) {
        if (n_bytes >= 5 && mw_crc16_modbus(bytes, n_bytes) == 0)
            r->heard[bytes[0]] = true;
        else
            r->n_noise++;
    }
    if (r->record && trace_write_frame(&frame, line, sizeof line) > 0)
        fputs(line, r->record);
}

static int open_line(struct reach *r)
{
    int64_t until_us = reach_now_us() + r->bus.connect_timeout_us + SETTLE_US;
    int result = MW_ERR_AGAIN;
    while (result == MW_ERR_AGAIN && reach_now_us() < until_us && !reach_stopped()) {
        short events = 0;
        result = r->line->open(r->line->ctx, reach_now_us());
        struct pollfd wait = { .fd = r->line->descriptor(r->line->ctx, &events) };
        wait.events = events;
        if (result == MW_ERR_AGAIN)
            poll(&wait, 1, 50);
    }
    r->is_open = result == MW_OK;
    return result;
}

/* In words of a network, where the result's own say little. */
static const char *closed_text(int result)
{
    return result == MW_ERR_GONE    ? "refused, or no route: wrong port or network"
           : result == MW_ERR_AGAIN ? "no answer"
                                    : mw_result_text(result);
}

static int say_closed(const struct reach *r, int result)
{
    if (reach_stopped())
        return EX_UNAVAILABLE;
    if (r->bus.kind == BUS_RTU)
        fprintf(stderr, "millwright: %s: cannot be opened with %u baud %u%c%u: %s\n", r->bus.device,
                r->bus.baud, r->bus.data_bits, r->bus.parity, r->bus.stop_bits,
                mw_result_text(result));
    else
        fprintf(stderr, "millwright: %s port %u: no connection: %s\n", r->bus.host,
                (unsigned)r->bus.port, closed_text(result));
    return EX_UNAVAILABLE;
}

static void close_line(struct reach *r)
{
    if (r->line)
        r->line->close(r->line->ctx);
    r->is_open = false;
}

static int make_line(struct reach *r)
{
    if (modbus_line_create(&r->line, &r->bus) != MW_OK) {
        fprintf(stderr, "millwright: these settings cannot be had\n");
        return EX_UNAVAILABLE;
    }
    r->tap = (struct line_tap){ hear, r };
    r->line->tap = &r->tap;
    int result = open_line(r);
    return result == MW_OK ? EX_OK : say_closed(r, result);
}

static void end_line(struct reach *r)
{
    if (!r->line)
        return;
    close_line(r);
    r->line->destroy(r->line->ctx);
    r->line = NULL;
}

static int exchange(struct reach *r, const struct line_request *request,
                    struct line_reply *ret_reply)
{
    int64_t sent_us = reach_now_us(), now_us = sent_us;
    int result = r->line->send(r->line->ctx, request, sent_us);
    if (result == MW_OK)
        result = MW_ERR_AGAIN;
    while (result == MW_ERR_AGAIN && now_us - sent_us < r->timeout_us) {
        short events = 0;
        struct pollfd wait = { .fd = r->line->descriptor(r->line->ctx, &events) };
        wait.events = events;
        poll(&wait, 1, (int)((r->timeout_us - (now_us - sent_us)) / 1000) + 1);
        now_us = reach_now_us();
        result = r->line->receive(r->line->ctx, now_us, ret_reply);
        if (result == MW_ERR_MISMATCH && bus_speaks_rtu(&r->bus))
            result = MW_ERR_AGAIN; /* another unit's, late; it was heard */
    }
    return result == MW_ERR_AGAIN ? MW_ERR_TIMEOUT : result;
}

/* The line is silent for as long as it must be, and nothing waits on it. */
static void make_way(struct reach *r, uint8_t unit)
{
    int64_t now_us = reach_now_us(), until_us = r->free_us;
    if (unit == r->quiet_unit && r->quiet_us > until_us)
        until_us = r->quiet_us;
    while (now_us < until_us && !reach_stopped()) {
        reach_pause(until_us - now_us < SETTLE_US ? until_us - now_us : SETTLE_US);
        now_us = reach_now_us();
    }
    if (r->line->drain(r->line->ctx, reach_now_us()) < 0)
        close_line(r);
}

static int read_alone(struct reach *r, const struct line_request *request,
                      struct guest_answer *ret_answer)
{
    struct line_reply reply = { .exception = 0 };
    if (r->is_open)
        make_way(r, request->unit);
    if (!r->is_open) {
        int result = open_line(r);
        if (result != MW_OK)
            return say_closed(r, result);
    }
    int64_t sent_us = reach_now_us();
    int result = exchange(r, request, &reply);
    int64_t now_us = reach_now_us();
    bool heard = result == MW_OK || result == MW_ERR_REFUSED;
    *ret_answer = (struct guest_answer){ .result = result, .took_us = now_us - sent_us };
    r->free_us = now_us + r->bus.frame_gap_us + (heard ? POLITE_US : SETTLE_US);
    if (result == MW_OK) {
        ret_answer->count = request->count;
        memcpy(ret_answer->registers, reply.registers, request->count * sizeof reply.registers[0]);
    } else if (result == MW_ERR_REFUSED) {
        ret_answer->exception = reply.exception;
    } else if (bus_speaks_rtu(&r->bus)) {
        r->quiet_unit = request->unit;
        r->quiet_us = now_us + r->bus.turnaround_us;
    }
    if (!heard && (r->bus.kind == BUS_TCP || result == MW_ERR_GONE || result == MW_ERR_IO))
        close_line(r);
    return EX_OK;
}

uint32_t reach_listen(struct reach *r, int64_t for_us)
{
    int64_t until_us = reach_now_us() + for_us;
    uint32_t n_bytes = 0;
    while (r->line && r->is_open && reach_now_us() < until_us && !reach_stopped()) {
        int n = r->line->drain(r->line->ctx, reach_now_us());
        n_bytes += n > 0 ? (uint32_t)n : 0;
        if (n < 0)
            close_line(r);
        reach_pause(SETTLE_US);
    }
    return n_bytes;
}

/* ---- all in all ---- */

static int begin_record(struct reach *r, const char *file)
{
    char line[TRACE_LINE_MAX];
    if (!file)
        return EX_OK;
    if (r->by_daemon) {
        fprintf(stderr, "millwright: the daemon has this bus: 'millwright record' records it\n");
        return EX_USAGE;
    }
    r->record = fopen(file, "wx");
    if (!r->record) {
        fprintf(stderr, "millwright: %s: %s\n", file, strerror(errno));
        return EX_CANTCREAT;
    }
    fputs(TRACE_FIRST_LINE "\n", r->record);
    if (trace_write_bus(&r->bus, 0, false, line, sizeof line) > 0)
        fputs(line, r->record);
    return EX_OK;
}

static int find_bus(struct reach *r, const struct reach_options *o)
{
    if ((o->config_file != NULL) + (o->rtu != NULL) + (o->tcp != NULL) != 1 ||
        (o->bus != NULL) != (o->config_file != NULL)) {
        fputs("millwright: which bus? BUS --config FILE, --rtu DEVICE or --tcp HOST[:PORT]\n",
              stderr);
        return EX_USAGE;
    }
    snprintf(r->socket, sizeof r->socket, "%s", CLIENT_SOCKET);
    int status = o->config_file ? bus_from_config(r, o) : bus_from_words(r, o);
    if (o->socket)
        snprintf(r->socket, sizeof r->socket, "%s", o->socket);
    return status;
}

static void set_timeout(struct reach *r)
{
    r->timeout_us = r->given_us;
    if (r->given_us == 0)
        r->timeout_us = ANSWER_US + ANSWER_CHARACTERS * bus_character_us(&r->bus);
    if (r->given_us == 0 && (r->config || r->bus.kind == BUS_TCP))
        r->timeout_us = r->bus.timeout_us;
}

int reach_open(struct reach *r, const struct reach_options *o)
{
    sigset_t signals;
    *r = (struct reach){ .bus = { .kind = BUS_NONE } };
    int status = find_bus(r, o);
    if (status == EX_OK) {
        fill_signals(&signals);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        if (r->bus.framing == FRAMING_RTU)
            signal(SIGPIPE, SIG_IGN); /* modbus_line.h */
        r->given_us = o->timeout_us;
        set_timeout(r);
        r->by_daemon = daemon_has_it(r);
        status = begin_record(r, o->record);
    }
    if (status == EX_OK && !r->by_daemon && r->bus.kind == BUS_RTU)
        status = port_check(r->bus.device);
    if (status == EX_OK && !r->by_daemon)
        status = make_line(r);
    if (status != EX_OK)
        reach_close(r);
    return status;
}

void reach_close(struct reach *r)
{
    end_line(r);
    config_free(r->config);
    r->config = NULL;
    if (r->record && fclose(r->record) != 0)
        fputs("millwright: the trace could not be written whole\n", stderr);
    r->record = NULL;
}

int reach_settings(struct reach *r, uint32_t baud, char parity)
{
    end_line(r);
    r->bus.baud = baud;
    r->bus.parity = parity;
    r->bus.stop_bits = 1; /* what sensors ship with, 8N1 included */
    r->bus.frame_gap_us = 0;
    r->bus.timeout_us = 0;
    if (bus_settle(&r->bus, NULL) != MW_OK)
        return EX_USAGE;
    set_timeout(r);
    return make_line(r);
}

int reach_read(struct reach *r, const struct line_request *request, struct guest_answer *ret_answer)
{
    return r->by_daemon ? read_by_daemon(r, request, ret_answer)
                        : read_alone(r, request, ret_answer);
}
