/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway's day in numbered groups: alerts with their messages, acknowledgements, refusals,
 * frames, rollups, windows, retention, models and state, each group one transaction. Group g is the
 * same whoever runs it, so that the content after g groups can be told from g alone, and held
 * against a database that was cut off anywhere. */
#ifndef MW_TESTS_POWER_WORKLOAD_H
#define MW_TESTS_POWER_WORKLOAD_H

#include "storage/db.h"

#include <stdint.h>

#define WORKLOAD_WAITING_MAX    256
#define WORKLOAD_WINDOWS        2                           /* of the one operating state */
#define WORKLOAD_CONFIG_WINDOWS (WORKLOAD_WINDOWS * 4)      /* store_config.windows must be this */
#define WORKLOAD_HISTORY_US     (90 * INT64_C(86400000000)) /* store_settle's default */

/* What must be there after n_groups. */
struct workload {
    uint64_t seed;        /* may be set after workload_init: another day */
    uint64_t upgraded_at; /* may be set after it: rollups and windows begin after this group */
    uint64_t n_groups, next_seq;
    uint64_t n_frames, n_kept;    /* ever written; not pruned */
    uint64_t n_rolled, n_offered; /* frames summed up; blocks offered to the reservoir */
    uint64_t n_dead;
    uint64_t model;                         /* the group that installed the active one; 0: none */
    uint64_t waiting[WORKLOAD_WAITING_MAX]; /* sequence numbers, lowest first */
    int n_waiting;
};

void workload_init(struct workload *w);

/* Runs the next group on the database: MW_OK and *w is one group further, or the database's
 * error with the group rolled back and *w as before. */
int workload_step(struct workload *w, struct db *db);

/* The groups that the database says it holds. */
uint64_t workload_groups_in(struct db *db);

/* Brings *w, made by workload_init, to that many groups without a database. */
void workload_replay(struct workload *w, uint64_t n_groups);

/* NULL where the database holds exactly *w; otherwise what differs. */
const char *workload_compare(const struct workload *w, struct db *db);

#endif
