/* SPDX-License-Identifier: Apache-2.0 */
/* What threads say to each other, through rings: values only, no shared state. The one exception
 * is memory handed over whole: a model's bytes, and a blob that the store gives back. */
#ifndef MW_DAEMON_MESSAGES_H
#define MW_DAEMON_MESSAGES_H

#include "alarm/alarm.h"
#include "base/alert.h"
#include "base/event.h"
#include "base/sample.h"
#include "base/sha256.h"
#include "fieldbus/poller.h"
#include "storage/db.h"
#include "storage/outbox.h"
#include "uplink/link.h"

#define ALARM_STATE_MAX 64 /* bytes of an alarm's own state */
#define ALARM_SAVED_MAX 96 /* with the finding it speaks of */
#define ALARM_NAME_MAX  80 /* key of a saved alarm: class letter, subject, point */
#define NO_BLOB         (-1)
#define OUTBOX_BATCH    48 /* messages in one answer to the link */

/* bus → main: a change of health, or counters. On its way bus is the slot in the stage and device a
 * number there; bus_stage_report gives those of the configuration in force. */
struct bus_report {
    enum { BUS_EVENT = 1, BUS_STATS } kind;
    uint32_t bus;
    uint32_t device; /* index; UINT32_MAX: the bus itself */
    uint8_t health;  /* enum device_health */
    struct poller_event event;
    struct poller_stats stats;
    struct poller_refusals refusals; /* of a device */
};

enum bus_order_kind {
    BUS_READ = 1,   /* a person's read, between the polls */
    BUS_RECORD,     /* its frames are to be told from now on */
    BUS_RECORD_END, /* no longer */
};

/* main → bus. */
struct bus_order {
    enum bus_order_kind kind;
    uint32_t bus; /* slot in the stage */
    uint64_t id;  /* READ: comes back with the answer */
    struct line_request request;
};

/* bus → main: what became of a BUS_READ. */
struct bus_answer {
    uint64_t id;
    struct guest_answer answer;
};

/* main → store: one frame and its score for the history. */
struct frame_record {
    uint32_t machine;
    float score; /* negative: not judged */
    struct mw_frame frame;
};

/* main → store: what must become durable, or be done with the database. */
struct store_order {
    enum {
        STORE_ALERT = 1, /* alert, alarm state and detector state in one transaction */
        STORE_STATE,     /* detector state alone */
        STORE_LEARN,     /* export a data set and watch over its training */
        STORE_ACTIVATE,  /* the model with this digest is installed */
        STORE_REJECT,    /* it could not be installed */
        STORE_EVENT,     /* of the gateway; a certificate's is remembered, too */
        STORE_CLOCK,     /* offset_us is the best one known of this boot */
    } kind;
    int64_t offset_us; /* STORE_ALERT, STORE_EVENT, STORE_CLOCK: UTC minus monotonic time */
    bool synced;       /* STORE_CLOCK: confirmed */
    uint32_t machine;  /* UINT32_MAX: none (a device's alarm) */
    int blob;          /* detector state, or NO_BLOB */
    char alarm_name[ALARM_NAME_MAX + 1];
    bool urgent; /* STORE_STATE: a person waits for it */
    uint8_t alarm_state[ALARM_SAVED_MAX];
    uint8_t n_alarm_state;
    uint8_t digest[MW_SHA256_BYTES];
    union {
        struct mw_alert alert; /* STORE_ALERT */
        struct mw_event event; /* STORE_EVENT */
    };
};

enum learn_phase {
    LEARN_IDLE = 0,
    LEARN_COLLECTING,
    LEARN_TRAINING,
    LEARN_INSTALLING,
    LEARN_DONE,
    LEARN_FAILED
};

struct learn_progress {
    uint8_t phase; /* enum learn_phase */
    uint8_t percent;
    uint32_t n_rows, n_wanted;
    float r2;
    char text[120];
};

/* What the store stage knows of its writing, since the start. */
struct store_figures {
    uint64_t n_syncs_alarms;    /* of the WAL: for alarms and for what people ordered */
    uint64_t n_syncs_acks;      /* for acknowledgements of the broker */
    uint64_t n_syncs_history;   /* for blocks and rollups */
    uint64_t n_syncs_states;    /* for detectors' states and all else */
    uint64_t n_frames_left_out; /* for want of write budget */
    uint64_t n_frames_pushed_out, n_spans_lost; /* for want of a working disk */
};

/* store → main. */
struct store_report {
    enum {
        STORE_BLOB_FREE = 1,
        STORE_ALERTED,
        STORE_STATS,
        STORE_LEARNING,
        STORE_MODEL,
        STORE_TROUBLE,
        STORE_WELL
    } kind;
    uint32_t machine;
    int blob;
    uint64_t seq; /* STORE_ALERTED: the number the alert got */
    struct db_stats stats;
    struct store_figures figures;
    struct learn_progress learn;
    uint8_t *model; /* STORE_MODEL: the receiver frees it */
    size_t n_model;
    uint8_t digest[MW_SHA256_BYTES];
    char text[160];
};

/* store → link. */
struct outbox_news {
    enum { OUTBOX_HIGHEST = 1, OUTBOX_MESSAGE, OUTBOX_SERVED } kind;
    uint64_t highest; /* seq of the newest committed message */
    uint64_t request; /* MESSAGE, SERVED: which request it answers */
    bool more;        /* SERVED: others wait besides */
    struct outbox_message message;
};

/* link → store. */
struct outbox_order {
    enum { OUTBOX_WANT = 1, OUTBOX_ACK, OUTBOX_DEAD } kind;
    uint64_t seq;
    uint8_t reason;
    uint64_t request;      /* WANT: counts up */
    struct outbox_ask ask; /* WANT */
};

/* main → store: history for a person, a piece at a time. */
struct history_query {
    enum { HISTORY_OPEN = 1, HISTORY_MORE, HISTORY_END } kind;
    uint64_t id;
    uint32_t machine;
    int64_t span_us; /* OPEN: of a rollup, or 0: raw frames */
    int64_t from_us, to_us;
    char point[MW_NAME_MAX + 1]; /* one channel's name, or empty: all */
};

/* store → main: one piece; after one that is not the last the store waits for MORE or END. */
struct history_answer {
    uint64_t id;
    int result; /* < 0: there is no text, and it is the last */
    bool last;
    char *text; /* the receiver frees it */
    size_t n_text;
};

/* main → link: what is retained at the broker. */
struct machine_news {
    uint32_t machine; /* UINT32_MAX: the gateway's own figures */
    int64_t at_us, since_us;
    bool active, clock_synced;
    uint8_t state, severity, detector, condition, model_state, data_quality;
    float score;
    uint64_t last_alert_seq;
    char point[2 * MW_NAME_MAX + 2];
    char model[17];
    uint32_t n_machines_active, n_devices_offline;
    uint64_t n_polls, n_windows, outbox_waiting, outbox_dropped;
    int64_t uptime_s;
};

/* link → main. */
struct link_report {
    uint8_t state; /* enum link_state */
    bool changed;  /* of state, for the journal */
    struct link_stats stats;
    uint64_t n_bytes, n_states;
    int64_t not_after_us[MW_CERTIFICATES]; /* UTC: end of each certificate in use; 0: none */
    char text[96];
};

#endif
