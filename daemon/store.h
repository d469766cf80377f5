/* SPDX-License-Identifier: Apache-2.0 */
/* Stage: what must become durable, in one transaction per group; the outbox towards the link and
 * back; data sets for training and the models that return. The only user of the database, and it
 * never waits for the network. Alarms are committed at once, acknowledgements in groups of
 * STORE_GROUP_US, history at most once a second. */
#ifndef MW_DAEMON_STORE_H
#define MW_DAEMON_STORE_H

#include "base/ring.h"
#include "config/config.h"
#include "daemon/messages.h"
#include "daemon/pipeline.h"
#include "daemon/worker.h"
#include "storage/history.h"
#include "storage/rollup.h"

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

/* What a day may be written, and what raw history may still take of it. */
struct write_budget {
    int64_t at_us;           /* monotonic: when it was looked at last */
    uint64_t seen_bytes;     /* of the database's meter then */
    double left, charged;    /* bytes; charged: guessed for blocks since then */
    double block_bytes;      /* what a block costs, going by those before */
    uint32_t n_blocks, next; /* since then; the machine whose turn it is */
};

struct history_text;

#define STORE_QUERY_ANSWERS 4

struct store_stage {
    const struct config *config;
    struct pipeline *pipeline; /* its rings only */
    struct worker *main, *link;
    struct db *db;
    uint32_t *machines; /* numbers in the database */
    /* Where history is kept: in the database itself, or in one of memory alone. */
    struct db *history;
    uint32_t *history_machines; /* numbers in that one */
    struct history_writer **writers;
    struct rollup_writer **rollups;
    bool *due;      /* a machine's block waits to be written */
    uint8_t *keeps; /* blocks to come that are written whatever the budget says: after an alarm */
    bool rollups_due, summing;
    bool hurry;                    /* a writer is full */
    int64_t history_us, rollup_us; /* monotonic: history is not written, rollups not ended before */
    struct write_budget budget;
    struct store_figures figures;
    struct learner *learners;
    bool in_group; /* a transaction is open */
    bool urgent;   /* it holds what must not wait */
    bool holds_acks, holds_history;
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
    /* to main, for people who read history; one at a time */
    struct mw_ring query_answers;
    struct history_answer query_answer_items[STORE_QUERY_ANSWERS];
    struct history_text *reading; /* NULL: nobody reads */
    uint64_t highest, told;       /* newest committed seq; the one the link knows of */
    struct outbox_ask ask;        /* the link's newest question, if wanted */
    uint64_t request;
    bool wanted, want_waits;       /* its order is still in the ring, behind acknowledgements */
    struct outbox_message *served; /* room for an answer */
    struct db_rewound rewound;     /* last_seq 0: nothing to tell, or it is told */
    bool tells_rewound;            /* the open group holds its event */
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
 * models, detector states, alarms. report: of its opening, for numbers of alarms that it has lost.
 * Models named in the configuration are taken where there is no
 * other. Used at start (daemon/restore.c). */
int restore_all(struct db *db, const struct db_report *report, const uint32_t *machines,
                struct pipeline *pipeline, const struct clock_time *now);
/* One of them. number: in the database; scratch: for a detector's state. */
void restore_machine(struct db *db, uint32_t number, struct machine *machine, uint8_t *scratch,
                     size_t n_scratch, const struct clock_time *now);
void restore_device(struct db *db, const char *device, struct alarm *alarm);

/* What has the numbers of one configuration's machines. */
struct store_parts {
    uint32_t *machines, *history_machines;
    struct history_writer **writers; /* [n] owned; those that go on are moved in at the end */
    struct rollup_writer **rollups;  /* likewise */
    struct learner *learners;
    bool *due;
    uint8_t *keeps;
    size_t n;
};

/* The way of a new configuration (store_reload.c), while the stage rests; in the main thread:
 * store_settle stores orders and frames that wait; *ret_more: call again, once the reports were
 * taken. Errors: nothing is lost, the stage is as after any failure.
 * store_prepare makes what can fail: numbers for new machines, their writers; what writers that do
 * not go on hold is stored.
 * store_put_into_force cannot fail: takes parts over. */
int store_settle_some(struct store_stage *stage, const struct clock_time *now, bool *ret_more);
int store_prepare(struct store_stage *stage, struct store_parts *ret_parts,
                  const struct config *fresh, const struct config_diff *diff,
                  const struct clock_time *now);
void store_parts_destroy(struct store_parts *parts);
void store_put_into_force(struct store_stage *stage, struct store_parts *parts,
                          const struct config *fresh, const struct config_diff *diff);

#endif
