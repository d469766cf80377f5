/* SPDX-License-Identifier: Apache-2.0 */
/* One alarm's life (ISA-18.2-2016 section 5, states; on and off delay; latch; acknowledge;
 * shelve). Pure: facts and time in, event out. The caller sums up what is wrong with the subject
 * into struct alarm_facts; the alarm decides what people hear of it.
 *
 *   state           leaves it by                                    to               event
 *   normal          facts active for on_delay                       active_unacked   raised
 *   active_unacked  acknowledge                                     active_acked     acknowledged
 *   active_*        facts returned for off_delay, without latch     normal           cleared
 *   active_*        facts returned for off_delay, with latch        latched          (none)
 *   active_*        a higher severity or another detector           active_unacked   escalated
 *   latched         facts active for on_delay, same number          active_unacked   as they grew
 *   latched         acknowledge, facts returned                     normal           cleared
 *   latched         acknowledge, facts active again                 active_acked     acknowledged
 *   any             shelve                                          shelved          shelved
 *   shelved         unshelve, or the end of its time                as before        unshelved */
#ifndef MW_ALARM_ALARM_H
#define MW_ALARM_ALARM_H

#include "base/alert.h"
#include "base/complaint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALARM_DELAY_MAX_US ((int64_t)24 * 3600 * 1000000)
#define ALARM_SAVED_BYTES  28

struct alarm_config {
    int64_t on_delay_us;  /* active for this long before it is raised; default 0 */
    int64_t off_delay_us; /* returned for this long before it is cleared; default 0 */
    bool latch;           /* stays latched after its return until acknowledged; default false */
};

/* Checks the ranges, 0 to 24 h each. MW_OK, or MW_ERR_INVALID after one complaint per setting. */
int alarm_settle(struct alarm_config *config, const struct mw_complaints *to);

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

/* All zeroes is a normal alarm that never spoke. */
struct alarm {
    uint8_t state;            /* enum mw_alarm_state */
    uint8_t under_shelf;      /* the state that unshelving returns to */
    uint8_t severity;         /* announced last; kept after the clear, until the next raise */
    uint32_t detectors;       /* that have spoken in this episode; kept likewise */
    uint32_t number;          /* of this episode; given at the raise */
    int64_t since_us;         /* monotonic-independent UTC of the raise */
    int64_t pending_us;       /* monotonic: when the present on or off delay ends; 0: none runs */
    int64_t shelved_until_us; /* UTC; 0: not shelved */
};

/* One step. now_us monotonic, at_us UTC. next_number is used where the step raises. Returns an
 * enum mw_alert_event, or 0 where people need not hear anything.
 *   raised      was normal, is active for on_delay
 *   escalated   severity grew, or a detector joined that had not spoken in this episode
 *   deescalated severity fell while active
 *   cleared     returned for off_delay; latched ones clear at the acknowledgement
 * A step says one thing: what else its facts would say, the next tick says. Shelved, it says
 * nothing but shelved (a new end) and unshelved; acknowledging it then changes nothing. Shelving
 * until a time that has passed changes nothing. */
int alarm_step(struct alarm *alarm, const struct alarm_config *config,
               const struct alarm_facts *facts, enum alarm_request request, int64_t until_us,
               uint32_t next_number, int64_t now_us, int64_t at_us);

/* For a restart: state, severity, detectors, number and times as bytes, little-endian and
 * versioned; pending delays start anew. Returns ALARM_SAVED_BYTES, or MW_ERR_NO_SPACE. */
int alarm_save(const struct alarm *alarm, uint8_t *ret_bytes, size_t cap);

/* MW_ERR_FORMAT where the bytes are not a saved alarm; *alarm is untouched then. */
int alarm_restore(struct alarm *alarm, const uint8_t *bytes, size_t n_bytes);

#endif
