/* SPDX-License-Identifier: Apache-2.0 */
/* What an alarm says to people: one change of one alarm's state, with all that the message needs,
 * as a value. The daemon makes it, storage keeps it as bytes, uplink words it as JSON. */
#ifndef MW_BASE_ALERT_H
#define MW_BASE_ALERT_H

#include "base/sample.h"
#include "base/verdict.h"

#include <stddef.h>
#include <stdint.h>

#define MW_ALERT_CONTRIBUTORS 8
#define MW_UNIT_MAX           11   /* a unit's characters without the terminator */
#define MW_ALERT_BYTES_MAX    1024 /* of an encoded alert */

/* Each word is also the word in the message, ISA-18.2 where it has one. */
enum mw_alert_event {
    MW_ALERT_RAISED = 1,
    MW_ALERT_ESCALATED,
    MW_ALERT_DEESCALATED,
    MW_ALERT_ACKNOWLEDGED,
    MW_ALERT_CLEARED,
    MW_ALERT_SHELVED,
    MW_ALERT_UNSHELVED,
    MW_ALERT_SUPPRESSED,
    MW_ALERT_TEST,
};

enum mw_alarm_state {
    MW_ALARM_NORMAL = 0,
    MW_ALARM_ACTIVE_UNACKED,
    MW_ALARM_ACTIVE_ACKED,
    MW_ALARM_CLEARED_UNACKED,
    MW_ALARM_LATCHED,
    MW_ALARM_SHELVED,
    MW_ALARM_SUPPRESSED,
    MW_ALARM_OUT_OF_SERVICE,
};

/* What an alarm is about: its class is part of alarm_id, and each has its own life. */
enum mw_alarm_class {
    MW_ALARM_MACHINE = 1, /* limit, trend or model: the machine is not itself */
    MW_ALARM_SENSOR,      /* one point's measurement cannot be trusted */
    MW_ALARM_DEVICE,      /* a device does not answer */
};

struct mw_contributor {
    uint8_t channel;
    char name[MW_NAME_MAX + 1];
    char unit[MW_UNIT_MAX + 1];
    float value, expected, share;
};

struct mw_alert {
    uint64_t seq;      /* counts every alert of this gateway, survives restarts; id = gateway/seq */
    uint32_t number;   /* of the alarm's episode; the last part of alarm_id */
    uint8_t event;     /* enum mw_alert_event */
    uint8_t state;     /* enum mw_alarm_state */
    uint8_t class;     /* enum mw_alarm_class */
    uint8_t severity;  /* enum mw_severity */
    uint8_t detector;  /* enum mw_detector_kind: the one that spoke */
    uint8_t condition; /* enum mw_condition */
    uint8_t n_contributors;
    uint8_t model_state;
    bool clock_synced;
    int64_t at_us;    /* UTC of the measurement */
    int64_t since_us; /* UTC of the raise */
    float score;      /* 1.0 is the threshold */
    float clear_below;
    uint8_t model_digest[8];         /* first bytes of the model's SHA-256; zero: no model */
    char subject[MW_NAME_MAX + 1];   /* machine, or device for MW_ALARM_DEVICE */
    char point[2 * MW_NAME_MAX + 2]; /* device.point to blame, or empty */
    struct mw_contributor contributors[MW_ALERT_CONTRIBUTORS]; /* worst first */
};

/* The alert as bytes, little-endian, versioned. Returns their number, or MW_ERR_NO_SPACE where
 * cap is too small (MW_ALERT_BYTES_MAX always fits). */
int mw_alert_encode(const struct mw_alert *alert, uint8_t *ret_bytes, size_t cap);

/* MW_ERR_FORMAT where the bytes are not an alert of a version this program knows. */
int mw_alert_decode(struct mw_alert *ret_alert, const uint8_t *bytes, size_t n_bytes);

/* The clock was set after the alert had been stamped: everything that was stamped with this offset
 * between UTC and monotonic time, that is since this boot, moves by shift_us. synced: the clock is
 * confirmed. */
void mw_alert_restamp(struct mw_alert *alert, int64_t offset_us, int64_t shift_us, bool synced);

/* The words of the messages, "raised", "active_unacked", "warning", "model", "anomaly", "machine";
 * "unknown" outside the enum. */
const char *mw_alert_event_text(uint8_t event);
const char *mw_alarm_state_text(uint8_t state);
const char *mw_alarm_class_text(uint8_t class);
const char *mw_severity_text(uint8_t severity);
const char *mw_detector_text(uint8_t detector);
const char *mw_condition_text(uint8_t condition);
const char *mw_model_state_text(uint8_t state);

#endif
