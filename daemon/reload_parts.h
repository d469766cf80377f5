/* SPDX-License-Identifier: Apache-2.0 */
/* Private to reload*.c: what a new configuration needs, made before anything is changed. */
#ifndef MW_DAEMON_RELOAD_PARTS_H
#define MW_DAEMON_RELOAD_PARTS_H

#include "config/diff.h"
#include "daemon/gateway.h"

/* What becomes of one bus stage. */
struct stage_plan {
    struct bus_entry **entries; /* those that stay and new ones; [n] */
    size_t n;
    bool touched;           /* it must come to rest */
    struct bus_parts parts; /* of entries, where touched */
    /* of a new one */
    struct bus_stage *stage;
    struct worker *worker;
};

struct bus_plan {
    struct stage_plan *stages; /* of the present stages, then of new ones; [n] */
    size_t n, n_present;
    struct bus_entry **untouched; /* [new n_buses]; filled in at the end */
    struct bus_entry **fresh;     /* [n_fresh] entries made for this */
    struct bus_entry **dropped;   /* [n_dropped] entries that end */
    size_t n_fresh, n_dropped;
    size_t n_touched; /* present stages */
};

/* Deals the buses of the new configuration out: untouched ones stay where they are, changed ones
 * come back to their stage, new ones get a stage or join the smallest. Makes entries and rings. */
int bus_plan_make(struct bus_plan *ret_plan, struct gateway *gateway, const struct config *fresh,
                  const struct config_diff *diff);
/* What was made and not put into force. */
void bus_plan_destroy(struct bus_plan *plan);
/* Touched stages are at rest: swaps their entries, numbers all of them anew, ends empty stages,
 * adds new ones. Those that rest are to be started then. Cannot fail. */
void bus_plan_put_into_force(struct bus_plan *plan, struct gateway *gateway,
                             const struct config *fresh, const struct config_diff *diff);

#endif
