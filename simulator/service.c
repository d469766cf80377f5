/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/service.h"

#include "base/result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct wire {
    const struct wire_config *config;
    struct tcp_server *tcp; /* one of the two */
    struct rtu_server *rtu;
    char line[MW_NAME_MAX + 128];
};

struct service {
    int epoll;
    struct wire wires[SCENARIO_MAX_BUSES];
    int64_t
        due_us[SCENARIO_MAX_BUSES]; /* of each wire, side by side: looked through at each wait */
    size_t n_wires;
    struct watch_event events[WATCH_MAX_EVENTS];
    int n_events;
};

int service_create(struct service **ret_service)
{
    struct service *service = calloc(1, sizeof *service);
    if (!service)
        return MW_ERR_NO_MEMORY;
    int result = watch_open(&service->epoll);
    if (result != MW_OK) {
        free(service);
        return result;
    }
    *ret_service = service;
    return MW_OK;
}

void service_destroy(struct service *service)
{
    if (!service)
        return;
    for (size_t i = 0; i < service->n_wires; i++) {
        tcp_server_close(service->wires[i].tcp);
        rtu_server_close(service->wires[i].rtu);
        free(service->wires[i].tcp);
        free(service->wires[i].rtu);
    }
    close(service->epoll);
    free(service);
}

static int open_tcp(struct wire *wire, const struct pdu_bank *bank, const struct watch *watch,
                    int64_t now_us)
{
    const struct wire_config *c = wire->config;
    const struct tcp_peer_config config = { .rtu_framing = c->rtu_over_tcp,
                                            .turnaround_us = c->turnaround_us,
                                            .spread_us = c->spread_us,
                                            .seed = c->seed,
                                            .start_us = now_us,
                                            .disturbances = c->disturbances,
                                            .n_disturbances = c->n_disturbances };
    wire->tcp = calloc(1, sizeof *wire->tcp);
    if (!wire->tcp)
        return MW_ERR_NO_MEMORY;
    int result = tcp_server_open(wire->tcp, &config, bank, c->host, c->port, watch);
    if (result == MW_OK)
        snprintf(wire->line, sizeof wire->line, "listening %s tcp %s %u", c->name, c->host,
                 wire->tcp->port);
    return result;
}

static int open_rtu(struct wire *wire, const struct pdu_bank *bank, const struct watch *watch,
                    int64_t now_us)
{
    const struct wire_config *c = wire->config;
    const struct rs485_config config = { .baud = c->baud,
                                         .parity = c->parity,
                                         .stop_bits = c->stop_bits,
                                         .turnaround_us = c->turnaround_us,
                                         .spread_us = c->spread_us,
                                         .seed = c->seed,
                                         .start_us = now_us,
                                         .disturbances = c->disturbances,
                                         .n_disturbances = c->n_disturbances };
    wire->rtu = calloc(1, sizeof *wire->rtu);
    if (!wire->rtu)
        return MW_ERR_NO_MEMORY;
    int result = rtu_server_open(wire->rtu, &config, bank, c->rtu, watch);
    if (result == MW_OK)
        snprintf(wire->line, sizeof wire->line, "listening %s rtu %s", c->name, wire->rtu->path);
    return result;
}

/* After whatever happened on this wire. */
static void note_due(struct service *service, size_t i)
{
    const struct wire *wire = &service->wires[i];
    service->due_us[i] = wire->tcp ? tcp_server_next_us(wire->tcp) : rtu_server_next_us(wire->rtu);
}

int service_add(struct service *service, const struct wire_config *config,
                const struct pdu_bank *bank, int64_t now_us)
{
    if (service->n_wires == SCENARIO_MAX_BUSES)
        return MW_ERR_TOO_BIG;
    struct wire *wire = &service->wires[service->n_wires];
    const struct watch watch = { .epoll = service->epoll, .wire = (uint32_t)service->n_wires };
    *wire = (struct wire){ .config = config };
    int result = config->rtu[0] ? open_rtu(wire, bank, &watch, now_us)
                                : open_tcp(wire, bank, &watch, now_us);
    if (result == MW_OK) {
        note_due(service, service->n_wires++);
        return MW_OK;
    }
    int why = errno;
    free(wire->tcp);
    free(wire->rtu);
    errno = why;
    return result;
}

const char *service_line(const struct service *service, size_t i)
{
    return i < service->n_wires ? service->wires[i].line : NULL;
}

const char *service_name(const struct service *service, size_t i)
{
    return i < service->n_wires ? service->wires[i].config->name : NULL;
}

int service_wait(struct service *service, int64_t now_us, int64_t max_wait_us)
{
    int64_t due_us = now_us + max_wait_us;
    for (size_t i = 0; i < service->n_wires; i++)
        due_us = service->due_us[i] < due_us ? service->due_us[i] : due_us;
    int n = watch_wait(service->epoll, due_us > now_us ? due_us - now_us : 0, service->events);
    service->n_events = n < 0 ? 0 : n;
    return n < 0 ? n : MW_OK;
}

static void take_events(struct service *service, int64_t now_us)
{
    for (int i = 0; i < service->n_events; i++) {
        const struct watch_event *event = &service->events[i];
        struct wire *wire = &service->wires[event->wire];
        if (wire->tcp)
            tcp_server_event(wire->tcp, event, now_us);
        else
            rtu_server_event(wire->rtu, event, now_us);
        note_due(service, event->wire);
    }
    service->n_events = 0;
}

void service_step(struct service *service, int64_t now_us)
{
    take_events(service, now_us);
    for (size_t i = 0; i < service->n_wires; i++) {
        struct wire *wire = &service->wires[i];
        if (service->due_us[i] > now_us)
            continue;
        if (wire->tcp)
            tcp_server_step(wire->tcp, now_us);
        else
            rtu_server_step(wire->rtu, now_us);
        note_due(service, i);
    }
}

static struct service_counts tcp_counts(const struct tcp_server *tcp)
{
    struct tcp_peer_stats s = tcp_peer_stats(&tcp->peer);
    struct service_counts counts = { .n_requests = s.n_requests,
                                     .n_answers = s.n_answers,
                                     .n_unanswered = s.n_unanswered,
                                     .n_bad = s.n_malformed,
                                     .n_connections = s.n_connections,
                                     .n_refused = tcp->n_refused };
    for (int k = 0; k < DISTURBANCE_KIND_COUNT; k++)
        counts.disturbed[k] = s.disturbed[k];
    return counts;
}

static struct service_counts rtu_counts(const struct rtu_server *rtu)
{
    struct rs485_stats s = rs485_stats(rtu->line);
    struct service_counts counts = { .n_requests = s.n_requests,
                                     .n_answers = s.n_answers,
                                     .n_unanswered = s.n_unanswered,
                                     .n_bad = s.n_bad,
                                     .n_silence = s.n_silence,
                                     .n_talked_over = s.n_talked_over,
                                     .n_pauses = s.n_pauses,
                                     .n_foreign = s.n_foreign,
                                     .n_garbled = s.n_garbled,
                                     .n_dropped = s.n_dropped + rtu->n_dropped };
    for (int k = 0; k < DISTURBANCE_KIND_COUNT; k++)
        counts.disturbed[k] = s.disturbed[k];
    return counts;
}

struct service_counts service_wire_counts(const struct service *service, size_t i)
{
    const struct wire *wire = &service->wires[i];
    return wire->tcp ? tcp_counts(wire->tcp) : rtu_counts(wire->rtu);
}

static void add(struct service_counts *sum, const struct service_counts *n)
{
    sum->n_requests += n->n_requests;
    sum->n_answers += n->n_answers;
    sum->n_unanswered += n->n_unanswered;
    sum->n_bad += n->n_bad;
    sum->n_silence += n->n_silence;
    sum->n_talked_over += n->n_talked_over;
    sum->n_pauses += n->n_pauses;
    sum->n_foreign += n->n_foreign;
    sum->n_garbled += n->n_garbled;
    sum->n_dropped += n->n_dropped;
    sum->n_connections += n->n_connections;
    sum->n_refused += n->n_refused;
    for (int k = 0; k < DISTURBANCE_KIND_COUNT; k++)
        sum->disturbed[k] += n->disturbed[k];
}

struct service_counts service_counts(const struct service *service)
{
    struct service_counts sum = { 0 };
    for (size_t i = 0; i < service->n_wires; i++) {
        struct service_counts n = service_wire_counts(service, i);
        add(&sum, &n);
    }
    return sum;
}
