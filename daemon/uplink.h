/* SPDX-License-Identifier: Apache-2.0 */
/* Stage: outbox to broker. The only caller of the broker port. What waits goes in the order that
 * storage names (outbox_next) under the link's window; the retained states one at a time beside it,
 * newest only. */
#ifndef MW_DAEMON_UPLINK_H
#define MW_DAEMON_UPLINK_H

#include "base/ring.h"
#include "config/config.h"
#include "config/diff.h"
#include "daemon/feed.h"
#include "daemon/messages.h"
#include "daemon/worker.h"
#include "uplink/broker.h"
#include "uplink/link.h"
#include "uplink/payload.h"

struct uplink_stage {
    const struct config *config;
    struct payload_gateway gateway;
    struct broker broker;
    bool has_broker;
    struct link link;
    struct worker *main, *store;
    struct feed feed;
    int64_t up_us;            /* monotonic, of the connection: older alerts are replayed */
    struct outbox_order held; /* an order the store's ring had no room for */
    bool holds;
    /* newest retained news of each machine; last entry: the gateway */
    struct machine_news *newest;
    bool *known, *dirty;
    char (*gone)[MW_NAME_MAX + 1]; /* machines whose retained state is to be taken away */
    size_t n_gone;
    bool state_in_flight;
    size_t next_state;
    int64_t state_sent_us, state_pause_us, heartbeat_us;
    uint64_t n_bytes, n_states;
    int64_t certificates_us; /* monotonic: when to look at their dates again */
    int64_t not_after_us[MW_CERTIFICATES];
    uint8_t reported_state;
    bool tried; /* an outcome of dialling was reported */
    char last_text[96];
    int64_t report_us;
    /* to the store and to main */
    struct mw_ring outbox_orders, reports;
    struct outbox_order *order_items;
    struct link_report *report_items;
    /* from the store and from main; read here */
    struct mw_ring *outbox_news, *machine_news;
};

/* Without a broker in the configuration the stage only takes the news. */
int uplink_stage_create(struct uplink_stage **ret_stage, const struct config *config,
                        struct worker *main, struct worker *store, uint64_t seed);
void uplink_stage_destroy(struct uplink_stage *stage);
struct stage uplink_stage(struct uplink_stage *stage);
/* Takes in what the pipeline has handed over. */
void uplink_stage_take_news(struct uplink_stage *stage);

/* What has the numbers of one configuration's machines, and the broker where it is another. */
struct uplink_parts {
    struct machine_news *newest;
    bool *known, *dirty;
    char (*gone)[MW_NAME_MAX + 1];
    size_t n_gone;
    bool renewed; /* the broker, or that there is none */
    struct broker broker;
    bool has_broker;
};

/* The way of a new configuration (uplink_reload.c), while the stage rests; in the main thread:
 * uplink_prepare makes what can fail, as uplink_stage_create does; uplink_put_into_force cannot and
 * takes parts over. Another broker is told goodbye, which takes at most some half a second; where
 * it is the same, the connection is made anew. */
int uplink_prepare(const struct uplink_stage *stage, struct uplink_parts *ret_parts,
                   const struct config *fresh, const struct config_diff *diff);
void uplink_parts_destroy(struct uplink_parts *parts);
void uplink_put_into_force(struct uplink_stage *stage, struct uplink_parts *parts,
                           const struct config *fresh, const struct config_diff *diff,
                           int64_t at_us);
/* At the end of the daemon's life: a retained "offline" and an orderly disconnect. */
void uplink_stage_say_goodbye(struct uplink_stage *stage, int64_t at_us);

#endif
