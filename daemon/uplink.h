/* SPDX-License-Identifier: Apache-2.0 */
/* Stage: outbox to broker. The only caller of the broker port. What waits goes in the order that
 * storage names (outbox_next) under the link's window; the retained states one at a time beside it,
 * newest only. */
#ifndef MW_DAEMON_UPLINK_H
#define MW_DAEMON_UPLINK_H

#include "base/ring.h"
#include "config/config.h"
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
/* At the end of the daemon's life: a retained "offline" and an orderly disconnect. */
void uplink_stage_say_goodbye(struct uplink_stage *stage, int64_t at_us);

#endif
