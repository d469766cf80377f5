/* SPDX-License-Identifier: Apache-2.0 */
/* One alarm's life (ISA-18.2-2016 section 5, states; on and off delay; latch; acknowledge;
 * shelve). Pure: facts and time in, event out. The caller sums up what is wrong with the subject
 * into struct alarm_facts; the alarm decides what people hear of it. */
#ifndef MW_ALARM_ALARM_H
#define MW_ALARM_ALARM_H

#include "base/alert.h"

#include <stdbool.h>
#include <stdint.h>

struct alarm_config {
    int64_t on_delay_us;  /* active for this long before it is raised; default 0 */
    int64_t off_delay_us; /* returned for this long before it is cleared; default 0 */
    bool latch;           /* stays latched after its return until acknowledged; default false */
};

/* What is wrong with the subject now. */
struct alarm_facts {
    bool active;
    uint8_t severity;   /* of the worst active condition, enum mw_severity */
    uint32_t detectors; /* bit mw_detector_kind of each one that speaks */
};

enum alarm_request {
    ALARM_TICK = 0, /* nothing asked; facts and time only */
    ALARM_ACKNOWLEDGE,
    ALARM_SHELVE, /* until until_us */
    ALARM_UNSHELVE,
};

struct alarm {
    uint8_t state;            /* enum mw_alarm_state */
    uint8_t severity;         /* announced last */
    uint32_t detectors;       /* announced last */
    uint32_t number;          /* of this episode; given at the raise */
    int64_t since_us;         /* monotonic-independent UTC of the raise */
    int64_t pending_us;       /* monotonic: when the present on or off delay ends; 0: none runs */
    int64_t shelved_until_us; /* UTC; 0: not shelved */
};

/* One step. now_us monotonic, at_us UTC. next_number is used where the step raises. Returns an
 * enum mw_alert_event, or 0 where people need not hear anything.
 *   raised      was normal (or cleared, unacknowledged), is active for longer than on_delay
 *   escalated   severity grew, or a detector joined that had not spoken
 *   deescalated severity fell while active
 *   cleared     returned for longer than off_delay; latched ones clear at the acknowledgement */
int alarm_step(struct alarm *alarm, const struct alarm_config *config,
               const struct alarm_facts *facts, enum alarm_request request, int64_t until_us,
               uint32_t next_number, int64_t now_us, int64_t at_us);

/* For a restart: state, severity, number and times as bytes; pending delays start anew. */
int alarm_save(const struct alarm *alarm, uint8_t *ret_bytes, size_t cap);
int alarm_restore(struct alarm *alarm, const uint8_t *bytes, size_t n_bytes);

#endif
