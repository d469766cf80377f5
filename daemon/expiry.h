/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates that end: told once for each threshold, in the journal and as an event, also over a
 * new start. Called from the main thread. */
#ifndef MW_DAEMON_EXPIRY_H
#define MW_DAEMON_EXPIRY_H

#include "base/event.h"
#include "daemon/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct pipeline;

/* What was told last of a certificate; as stored (kind "certificate"). */
struct expiry_told {
    int64_t not_after_us; /* UTC; 0: nothing was told */
    int64_t days;         /* the threshold */
};

/* The key it is stored under: client, authority. */
const char *expiry_name(enum mw_certificate certificate);

/* Whether a certificate of that end is to be told of now, and then the threshold. Only with a
 * confirmed clock. Pure. */
bool expiry_is_due(const struct expiry_told *told, int64_t not_after_us, int64_t at_us,
                   int64_t *ret_days);

/* Hands over what is due, as far as there is room. */
void expiry_step(struct pipeline *pipeline, const struct clock_time *now);

#endif
