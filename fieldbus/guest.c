/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/guest.h"
#include "base/result.h"

#include <assert.h>
#include <string.h>

static_assert(GUEST_MAX_COUNT <= LINE_MAX_REGISTERS, "one request");

int guest_ask(struct guest *guest, const struct line_request *request, int64_t now_us)
{
    if (guest->state != GUEST_NONE)
        return MW_ERR_STATE;
    if (request->count == 0 || request->count > GUEST_MAX_COUNT ||
        request->address + request->count > 0x10000)
        return MW_ERR_INVALID;
    guest->request = *request;
    guest->asked_us = now_us;
    guest->state = GUEST_WAITING;
    return MW_OK;
}

int64_t guest_wait_us(const struct guest *guest, bool poll_due, int64_t now_us)
{
    if (guest->state != GUEST_WAITING)
        return INT64_MAX;
    int64_t at_us = guest->rest_us;
    if (guest->request.unit == guest->quiet_unit && guest->quiet_us > at_us)
        at_us = guest->quiet_us;
    if (poll_due && guest->asked_us + GUEST_PATIENCE_US > at_us)
        at_us = guest->asked_us + GUEST_PATIENCE_US;
    return at_us > now_us ? at_us - now_us : 0;
}

static void finish(struct guest *guest, int result)
{
    guest->answer.result = result;
    guest->state = GUEST_DONE;
}

void guest_over(struct guest *guest, int result, const struct line_reply *reply, int64_t sent_us,
                int64_t now_us, int64_t turnaround_us)
{
    guest->answer = (struct guest_answer){ .took_us = now_us - sent_us };
    guest->rest_us = now_us + GUEST_REST * (now_us - sent_us);
    if (result == MW_OK) {
        guest->answer.count = guest->request.count;
        memcpy(guest->answer.registers, reply->registers,
               guest->request.count * sizeof reply->registers[0]);
    } else if (result == MW_ERR_REFUSED) {
        guest->answer.exception = reply->exception;
    } else if (turnaround_us > 0) {
        guest->quiet_unit = guest->request.unit;
        guest->quiet_us = now_us + turnaround_us;
    }
    finish(guest, result);
}

void guest_tire(struct guest *guest, int64_t now_us, int result)
{
    if (guest->state != GUEST_WAITING || now_us - guest->asked_us < GUEST_GIVE_UP_US)
        return;
    guest->answer = (struct guest_answer){ 0 };
    finish(guest, result);
}

bool guest_take(struct guest *guest, struct guest_answer *ret_answer)
{
    if (guest->state != GUEST_DONE)
        return false;
    *ret_answer = guest->answer;
    guest->state = GUEST_NONE;
    return true;
}
