/* SPDX-License-Identifier: Apache-2.0 */
/* A read that somebody else wants of a bus while it is polled: who commissions a sensor, a scan.
 * One at a time, between the polls. Pure: the poller asks when it may go. */
#ifndef MW_FIELDBUS_GUEST_H
#define MW_FIELDBUS_GUEST_H

#include "fieldbus/line.h"

#include <stdbool.h>
#include <stdint.h>

#define GUEST_MAX_COUNT   125 /* registers or bits */
#define GUEST_REST        4   /* an exchange is followed by 4 times its length without */
#define GUEST_PATIENCE_US INT64_C(1000000) /* then it goes before one poll that is due */
#define GUEST_GIVE_UP_US  INT64_C(5000000) /* then the bus has no room for it */

enum guest_state { GUEST_NONE = 0, GUEST_WAITING, GUEST_ASKING, GUEST_DONE };

struct guest_answer {
    int result; /* MW_OK; MW_ERR_REFUSED: the exception; MW_ERR_STATE: no room within
                   GUEST_GIVE_UP_US; or as of struct line */
    uint8_t exception;
    uint16_t count;
    uint16_t registers[GUEST_MAX_COUNT]; /* with MW_OK */
    int64_t took_us;                     /* from request to answer */
};

struct guest {
    enum guest_state state;
    struct line_request request;
    int64_t asked_us; /* when somebody wanted it */
    int64_t rest_us;  /* not before; monotonic */
    int64_t quiet_us; /* RTU: the unit that failed last is not asked before */
    uint8_t quiet_unit;
    struct guest_answer answer;
};

/* MW_ERR_STATE where one is under way; MW_ERR_INVALID for a count of 0 or above GUEST_MAX_COUNT. */
int guest_ask(struct guest *guest, const struct line_request *request, int64_t now_us);

/* How long until it may go: 0 now; INT64_MAX: nothing waits. poll_due: a poll is due, and goes
 * first while the guest is patient. */
int64_t guest_wait_us(const struct guest *guest, bool poll_due, int64_t now_us);

/* Its exchange is over, well or ill. turnaround_us: how long its late answer may still come; 0
 * where it cannot pass for another's. */
void guest_over(struct guest *guest, int result, const struct line_reply *reply, int64_t sent_us,
                int64_t now_us, int64_t turnaround_us);

/* Gives up what has waited for too long, with this result. */
void guest_tire(struct guest *guest, int64_t now_us, int result);

/* The answer, once; false while there is none. */
bool guest_take(struct guest *guest, struct guest_answer *ret_answer);

#endif
