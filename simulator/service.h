/* SPDX-License-Identifier: Apache-2.0 */
/* All wires of one simulation: opened together, waited for with one epoll(7), served together.
 * The caller owns the clock: it waits with service_wait, reads its clock, then calls service_step.
 */
#ifndef MW_SIMULATOR_SERVICE_H
#define MW_SIMULATOR_SERVICE_H

#include "simulator/rtu_server.h"
#include "simulator/scenario.h"
#include "simulator/tcp_server.h"

struct service;

/* Of one wire, or of all; what a kind of wire does not have stays 0. */
struct service_counts {
    uint64_t n_requests, n_answers, n_unanswered, n_bad;
    uint64_t n_silence, n_talked_over, n_pauses; /* rs485.h: what the master did wrong */
    uint64_t n_foreign, n_garbled, n_dropped;
    uint64_t n_connections, n_refused;
    uint64_t disturbed[DISTURBANCE_KIND_COUNT];
};

/* MW_OK, MW_ERR_NO_MEMORY or MW_ERR_IO; no wire yet. */
int service_create(struct service **ret_service);

/* Closes all wires. */
void service_destroy(struct service *service);

/* Opens one more wire, at most SCENARIO_MAX_BUSES of them (MW_ERR_TOO_BIG); the results are those
 * of tcp_server_open and rtu_server_open. Copies the bank, borrows the settings. The disturbances'
 * clock starts at now_us. */
int service_add(struct service *service, const struct wire_config *config,
                const struct pdu_bank *bank, int64_t now_us);

/* "listening BUS tcp HOST PORT" or "listening BUS rtu /dev/pts/N" of the i-th wire, without end of
 * line; NULL after the last. */
const char *service_line(const struct service *service, size_t i);

/* Name of the i-th wire; NULL after the last. */
const char *service_name(const struct service *service, size_t i);

/* Blocks until there is something to do, at most max_wait_us. MW_OK, also when interrupted by a
 * signal; MW_ERR_IO. */
int service_wait(struct service *service, int64_t now_us, int64_t max_wait_us);

/* Serves what the last wait found and what is due. Time of now_us is passed on to the banks. */
void service_step(struct service *service, int64_t now_us);

struct service_counts service_counts(const struct service *service);
struct service_counts service_wire_counts(const struct service *service, size_t i);

#endif
