/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of buses as the text of a trace (docs/SPEC-trace.md), for one listener at a time. The bus
 * stages tell frames through their rings; here they wait as text until the listener has taken them.
 * What finds no room is counted and told as lost. Lives in the main thread. */
#ifndef MW_DAEMON_RECORDER_H
#define MW_DAEMON_RECORDER_H

#include "daemon/bus.h"

#include <stdbool.h>

#define RECORDER_BYTES (256u * 1024) /* of text that waits */
#define RECORDER_ALL   UINT32_MAX

struct recorder_loss {
    uint64_t seen; /* of the stage's count */
    uint64_t here; /* for want of room in the text */
};

struct recorder {
    bool on;
    const struct config *config;
    struct bus_stage **stages; /* borrowed while on */
    size_t n_stages;
    uint32_t bus;                 /* index, or RECORDER_ALL */
    struct recorder_loss *losses; /* [n_buses] */
    char *text;                   /* [RECORDER_BYTES] */
    size_t n_text;
};

/* MW_ERR_STATE: somebody records already; MW_ERR_AGAIN: a bus takes no order now;
 * MW_ERR_NO_MEMORY. */
int recorder_begin(struct recorder *recorder, const struct config *config,
                   struct bus_stage **stages, size_t n_stages, uint32_t bus, bool with_names);
/* Takes in what the buses told. Without a listener it is thrown away. */
void recorder_step(struct recorder *recorder, struct bus_stage **stages, size_t n_stages,
                   const struct clock_time *now);
/* The listener has taken this many bytes of the text. */
void recorder_taken(struct recorder *recorder, size_t n_bytes);
void recorder_end(struct recorder *recorder);

#endif
