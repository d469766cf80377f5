/* SPDX-License-Identifier: Apache-2.0 */
/* Stage: what must become durable, in one transaction per group; the outbox towards the link and
 * back; data sets for training and the models that return. The only user of the database, and it
 * never waits for the network. Alarms are committed at once, history and acknowledgements in
 * groups of STORE_GROUP_US. */
#ifndef MW_DAEMON_STORE_H
#define MW_DAEMON_STORE_H

#include "base/ring.h"
#include "config/config.h"
#include "daemon/messages.h"
#include "daemon/pipeline.h"
#include "daemon/worker.h"
#include "storage/history.h"

#define STORE_GROUP_US  200000
#define STORE_GROUP_MAX 64  /* orders in one transaction */
#define STORE_ACKS_MAX  128 /* acknowledgements: what a crash makes the link send again */

struct learner {
    struct learn_progress progress;
    int64_t look_us; /* monotonic: when to look again */
    int64_t from_us; /* UTC: oldest history looked at */
    bool looked;     /* for a job left over from before the start */
    bool counted;    /* progress.n_rows is right and grows with the frames */
    enum { LEARNER_OPEN = 0, LEARNER_ACCEPTED, LEARNER_REFUSED } settled; /* in the open group */
    int64_t since_us; /* monotonic: training began */
};

struct store_stage {
    const struct config *config;
    struct pipeline *pipeline; /* its rings only */
    struct worker *main, *link;
    struct db *db;
    uint32_t *machines; /* numbers in the database */
    struct history_writer **writers;
    bool *due; /* a machine's block waits to be written */
    struct learner *learners;
    bool in_group; /* a transaction is open */
    bool urgent;   /* it holds what must not wait */
    bool failing;
    bool correcting;    /* history of a clock that was set later waits to be moved */
    int64_t correct_us; /* monotonic: not tried before */
    int64_t offset_us;  /* UTC minus monotonic time, where synced */
    bool synced;
    int64_t commit_us; /* monotonic: when the open group must be committed */
    int64_t retry_us;  /* monotonic: after a failure nothing is tried before */
    int64_t stats_us, prune_us;
    /* Orders stay in their rings until the group that holds them is committed, so that a failed
     * commit loses nothing: it is rolled back and they are applied again. */
    uint32_t n_orders, n_outbox_orders;             /* applied in the open group */
    struct store_report committed[STORE_GROUP_MAX]; /* told to main after the commit */
    size_t n_committed;
    /* to main */
    struct mw_ring reports;
    struct store_report *report_items;
    /* to the link */
    struct mw_ring news;
    struct outbox_news *news_items;
    uint64_t highest, told; /* newest committed seq; the one the link knows of */
    struct outbox_ask ask;  /* the link's newest question, if wanted */
    uint64_t request;
    bool wanted, want_waits;       /* its order is still in the ring, behind acknowledgements */
    struct outbox_message *served; /* room for an answer */
    /* from the link; owned by it, read here */
    struct mw_ring *outbox_orders;
};

/* Opens the database (*ret_report for the journal) and restores the pipeline's machines: active
 * models, detector states, alarms. In the main thread, before the stage starts. */
int store_stage_create(struct store_stage **ret_stage, const struct config *config,
                       struct pipeline *pipeline, struct worker *main, struct worker *link,
                       const struct clock_time *now, struct db_report *ret_report);
/* Commits what is open, writes the history's rest, closes. */
void store_stage_destroy(struct store_stage *stage);
struct stage store_stage(struct store_stage *stage);

/* Brings the pipeline's machines and devices back to where the database says they were: active
 * models, detector states, alarms; models named in the configuration are taken where there is no
 * other. Used at start (daemon/restore.c). */
int restore_all(struct db *db, const uint32_t *machines, struct pipeline *pipeline,
                const struct clock_time *now);

#endif
