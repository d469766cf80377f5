/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway says of itself, beside the alarms of its machines: as a value. Storage makes gap
 * records and keeps all events as bytes beside the alerts, uplink words them as JSON. */
#ifndef MW_BASE_EVENT_H
#define MW_BASE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_EVENT_FILE_MAX  255
#define MW_EVENT_BYTES_MAX 384 /* of an encoded event */

/* Each word is also the word in the message. */
enum mw_event_kind {
    MW_EVENT_OUTBOX_GAP = 1,      /* messages were given up */
    MW_EVENT_STORE_QUARANTINED,   /* a corrupt database was put aside, a new one begun */
    MW_EVENT_CERTIFICATE_EXPIRES, /* within days, or it has */
    MW_EVENT_CONFIG_REFUSED,      /* a new configuration; the one in force stays */
    MW_EVENT_STORE_REWOUND,       /* the database is older than what had been committed to it */
};

/* Why messages were given up. */
enum mw_gap_reason {
    MW_GAP_OUTBOX_LIMIT = 1, /* the outbox had reached its limit */
    MW_GAP_STORE_FULL = 2,   /* the database had, and all history was gone */
};

struct mw_gap {
    uint64_t n;                   /* messages given up */
    uint64_t n_ever;              /* by this gateway's database, these included */
    uint32_t n_of_severity[4];    /* by enum mw_severity */
    uint64_t first_seq, last_seq; /* of those given up; others between them were delivered */
    int64_t from_us, to_us;       /* UTC: their oldest and newest stamp */
    uint8_t reasons;              /* enum mw_gap_reason, added up */
};

enum mw_certificate { MW_CERTIFICATE_CLIENT = 0, MW_CERTIFICATE_AUTHORITY, MW_CERTIFICATES };

struct mw_event {
    uint64_t seq;
    uint8_t kind;     /* enum mw_event_kind */
    uint8_t severity; /* enum mw_severity */
    bool clock_synced;
    int64_t at_us;                    /* UTC */
    struct mw_gap gap;                /* OUTBOX_GAP */
    uint64_t n_bytes, n_wal_bytes;    /* STORE_QUARANTINED: sizes of what was put aside;
                                         STORE_REWOUND: of what was found */
    uint64_t first_seq, last_seq;     /* STORE_REWOUND: numbers that are missing */
    uint8_t certificate;              /* CERTIFICATE_EXPIRES: enum mw_certificate */
    uint16_t days;                    /* CERTIFICATE_EXPIRES: 30, 7, 1; 0: it has expired */
    int64_t not_after_us;             /* CERTIFICATE_EXPIRES: UTC */
    char file[MW_EVENT_FILE_MAX + 1]; /* STORE_QUARANTINED, CERTIFICATE_EXPIRES; CONFIG_REFUSED:
                                         the first thing that is wrong, in words */
};

/* The event as bytes, little-endian, versioned, unlike any alert's. Returns their number, or
 * MW_ERR_NO_SPACE where cap is too small (MW_EVENT_BYTES_MAX always fits). */
int mw_event_encode(const struct mw_event *event, uint8_t *ret_bytes, size_t cap);

/* MW_ERR_FORMAT where the bytes are not an event of a version this program knows. */
int mw_event_decode(struct mw_event *ret_event, const uint8_t *bytes, size_t n_bytes);

/* As mw_alert_restamp. */
void mw_event_restamp(struct mw_event *event, int64_t offset_us, int64_t shift_us, bool synced);

/* Takes more into a gap; n_ever is the higher one. */
void mw_gap_merge(struct mw_gap *gap, const struct mw_gap *more);

/* "outbox_gap"; "unknown" outside the enum. */
const char *mw_event_kind_text(uint8_t kind);

#endif
