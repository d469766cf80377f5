/* SPDX-License-Identifier: Apache-2.0 */
/* What the store and link threads of the daemon do together, on virtual time and without threads:
 * the outbox, the link as it is, and a broker that can be out of reach. Acknowledgements are
 * committed in groups of 200 ms or 64. */
#ifndef MW_TESTS_POWER_COURIER_H
#define MW_TESTS_POWER_COURIER_H

#include "storage/outbox.h"
#include "uplink/link.h"

#define COURIER_GROUP_US  200000
#define COURIER_GROUP_MAX 64

struct courier {
    struct db *db; /* borrowed; may be another one after a new start */
    struct link link;
    bool reachable;     /* the broker is; set by the test */
    int64_t latency_us; /* from publish to acknowledgement */
    /* A message has arrived at the broker, maybe not for the first time. */
    void (*receive)(void *ctx, const struct outbox_message *message);
    void *ctx;
    uint64_t n_errors;  /* of the database: tried again a second later */
    uint64_t n_settled; /* messages that left the outbox because they were acknowledged */

    bool connected;
    struct {
        uint64_t seq;
        int64_t due_us;
    } flights[LINK_WINDOW_MAX];
    size_t n_flights;
    struct outbox_message next; /* what storage named, if known */
    bool known;
    uint64_t live_above;
    uint64_t acks[COURIER_GROUP_MAX];
    size_t n_acks;
    int64_t commit_us, retry_us;
};

/* As after the start of a process. */
void courier_init(struct courier *courier, struct db *db, uint64_t seed);

/* All that is due; returns the microseconds until more is. Not inside a transaction. */
int64_t courier_step(struct courier *courier, int64_t now_us);

#endif
