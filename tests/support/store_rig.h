/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's store stage as it is, with its database in a temporary folder, on virtual time and
 * without threads: frames go into its ring as the pipeline would put them there, its step is
 * called as its worker would. */
#ifndef MW_TESTS_SUPPORT_STORE_RIG_H
#define MW_TESTS_SUPPORT_STORE_RIG_H

#include "daemon/store.h"

#include <stdint.h>

#define RIG_CHANNELS 8
#define RIG_UTC_US   (INT64_C(1767225600) * 1000000) /* 2026-01-01, when the virtual time is 0 */

struct store_rig {
    char folder[64];
    struct config *config;
    struct pipeline *pipeline;
    struct worker main, store, link;
    struct store_stage *stage;
    struct mw_ring outbox_orders;
    struct outbox_order outbox_items[64];
    struct store_figures figures; /* as main was told last */
    struct db_stats stats;
    int64_t now_us, step_us, frame_us, first_us; /* virtual, monotonic */
    int64_t slot, period_us;
    uint64_t seed;
};

/* n_machines (1 to 500) with RIG_CHANNELS points at period_us; settings: lines of "store:" in
 * YAML's flow form without braces, say "history: off, block: 10s". folder: where the database goes,
 * NULL for memory's file system. The clock is confirmed. Ends the program with a word on trouble.
 */
void rig_begin(struct store_rig *rig, size_t n_machines, int64_t period_us, const char *settings,
               const char *folder);
/* Lives for so long: each machine has a frame each period, noise in steps of 0.01 on a slow wave;
 * the stage is stepped when it wants to be, and twice a second at least. Without frames where
 * silent. */
void rig_live(struct store_rig *rig, int64_t us, bool silent);
/* Ends it as the daemon does, opens it again on the same database. */
void rig_restart(struct store_rig *rig);
void rig_end(struct store_rig *rig);
struct clock_time rig_now(const struct store_rig *rig);
/* An alarm of the machine is raised. */
void rig_alarm(struct store_rig *rig, uint32_t machine);

#endif
