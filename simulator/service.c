/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/service.h"

#include "base/result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_FDS (SCENARIO_MAX_BUSES * (1 + TCP_MAX_CONNECTIONS))

struct wire {
    struct pdu_bank bank;
    struct tcp_server *tcp; /* one of the two */
    struct rtu_server *rtu;
    char line[MW_NAME_MAX + 128];
    size_t first_fd;
};

struct service {
    struct wire wires[SCENARIO_MAX_BUSES];
    size_t n_wires;
    struct pollfd fds[MAX_FDS];
};

int service_create(struct service **ret_service)
{
    struct service *service = calloc(1, sizeof *service);
    if (!service)
        return MW_ERR_NO_MEMORY;
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
    free(service);
}

static int open_tcp(struct wire *wire, const struct wire_config *config)
{
    wire->tcp = calloc(1, sizeof *wire->tcp);
    if (!wire->tcp)
        return MW_ERR_NO_MEMORY;
    int result = tcp_server_open(wire->tcp, &wire->bank, config->host, config->port);
    if (result == MW_OK)
        snprintf(wire->line, sizeof wire->line, "listening %s tcp %s %u", config->name,
                 config->host, wire->tcp->port);
    return result;
}

static int open_rtu(struct wire *wire, const struct wire_config *config)
{
    wire->rtu = calloc(1, sizeof *wire->rtu);
    if (!wire->rtu)
        return MW_ERR_NO_MEMORY;
    int result = rtu_server_open(wire->rtu, &wire->bank, config->rtu, config->turnaround_us);
    if (result == MW_OK)
        snprintf(wire->line, sizeof wire->line, "listening %s rtu %s", config->name,
                 wire->rtu->path);
    return result;
}

int service_add(struct service *service, const struct wire_config *config,
                const struct pdu_bank *bank)
{
    if (service->n_wires == SCENARIO_MAX_BUSES)
        return MW_ERR_TOO_BIG;
    struct wire *wire = &service->wires[service->n_wires];
    *wire = (struct wire){ .bank = *bank };
    int result = config->rtu[0] ? open_rtu(wire, config) : open_tcp(wire, config);
    if (result == MW_OK) {
        service->n_wires++;
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

int service_wait(struct service *service, int64_t now_us, int64_t max_wait_us)
{
    size_t n = 0;
    int64_t wait_us = max_wait_us;
    for (size_t i = 0; i < service->n_wires; i++) {
        struct wire *wire = &service->wires[i];
        int64_t due_us = -1;
        wire->first_fd = n;
        n += wire->tcp ? tcp_server_want(wire->tcp, &service->fds[n])
                       : rtu_server_want(wire->rtu, now_us, &service->fds[n], &due_us);
        if (due_us >= 0 && due_us < wait_us)
            wait_us = due_us;
    }
    int ready = poll(service->fds, (nfds_t)n, (int)((wait_us + 999) / 1000));
    if (ready >= 0)
        return MW_OK;
    for (size_t i = 0; i < n; i++)
        service->fds[i].revents = 0;
    return errno == EINTR ? MW_OK : MW_ERR_IO;
}

void service_step(struct service *service, int64_t now_us)
{
    for (size_t i = 0; i < service->n_wires; i++) {
        struct wire *wire = &service->wires[i];
        if (wire->tcp)
            tcp_server_step(wire->tcp, &service->fds[wire->first_fd], now_us);
        else
            rtu_server_step(wire->rtu, &service->fds[wire->first_fd], now_us);
    }
}

struct service_counts service_counts(const struct service *service)
{
    struct service_counts sum = { 0 };
    for (size_t i = 0; i < service->n_wires; i++) {
        const struct tcp_server *tcp = service->wires[i].tcp;
        const struct rtu_server *rtu = service->wires[i].rtu;
        sum.n_requests += tcp ? tcp->n_requests : rtu->n_requests;
        sum.n_answers += tcp ? tcp->n_answers : rtu->n_answers;
        sum.n_bad += tcp ? tcp->n_malformed : rtu->receiver.n_bad;
    }
    return sum;
}
