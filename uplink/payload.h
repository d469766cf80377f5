/* SPDX-License-Identifier: Apache-2.0 */
/* What leaves as JSON, bounded, with fixed field order and no heap; docs/SPEC-mqtt.md and
 * docs/millwright-alert-1.schema.json say the same for readers. And the topics, in one table. */
#ifndef MW_UPLINK_PAYLOAD_H
#define MW_UPLINK_PAYLOAD_H

#include "base/alert.h"
#include "base/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_MAX 4096
#define TOPIC_MAX   320

struct payload_gateway {
    const char *topic_prefix; /* millwright/v1 */
    const char *site;
    const char *gateway;
};

enum topic_kind { TOPIC_STATUS, TOPIC_EVENT, TOPIC_ALERT, TOPIC_STATE };

/* prefix/site/gateway[/subject]/word. MW_ERR_NO_SPACE. subject only for ALERT and STATE. */
int topic_format(char *ret_topic, size_t cap, const struct payload_gateway *gateway,
                 enum topic_kind kind, const char *subject);

/* One alert. published_us: UTC now. replayed: it waited for the broker. Returns the number of
 * bytes without the terminator, or MW_ERR_NO_SPACE. */
int payload_alert(char *ret_json, size_t cap, const struct payload_gateway *gateway,
                  const struct mw_alert *alert, int64_t published_us, bool replayed);

/* One event of the gateway itself; as payload_alert. */
int payload_event(char *ret_json, size_t cap, const struct payload_gateway *gateway,
                  const struct mw_event *event, int64_t published_us, bool replayed);

/* One machine's retained state: flat. */
struct payload_state {
    const char *machine;
    int64_t at_us, since_us;
    bool active;
    uint8_t state, severity, detector, condition, model_state;
    float score;
    const char *point;
    uint64_t last_alert_seq;
    const char *model;        /* digest's first 8 bytes in hex, or "" */
    const char *data_quality; /* good, partial, stale */
};
int payload_state(char *ret_json, size_t cap, const struct payload_gateway *gateway,
                  const struct payload_state *state);

/* The gateway's retained status; also the Will, with state "offline". */
struct payload_status {
    const char *state; /* online, degraded, offline */
    const char *version;
    int64_t at_us;
    int64_t uptime_s;
    uint32_t n_machines, n_machines_active, n_devices, n_devices_offline;
    uint64_t n_polls, n_windows, outbox_waiting, outbox_dropped;
    bool clock_synced;
};
int payload_status(char *ret_json, size_t cap, const struct payload_gateway *gateway,
                   const struct payload_status *status);

#endif
