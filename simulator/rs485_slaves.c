/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/rs485_parts.h"

#include "simulator/draw.h"

#include <string.h>

#define STREAM_SPREAD   1000 /* of draw.h; the disturber's streams are the kinds */
#define CLASH_MIN_BYTES 5
#define CLASH_MAX_BYTES 20

/* Bytes of a chance frame of this unit, or of chance bytes alone where it is 0. */
static void clash(struct rs485 *line, uint8_t unit, int64_t from_us, int64_t until_us)
{
    uint8_t bytes[CLASH_MAX_BYTES];
    struct disturber *d = &line->disturber;
    size_t n = CLASH_MIN_BYTES + disturber_pick(d, CLASH_MAX_BYTES - CLASH_MIN_BYTES + 1);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)disturber_pick(d, 256);
    bytes[0] = unit ? unit : (uint8_t)(1 + disturber_pick(d, RS485_MAX_UNIT));
    int64_t room_us = until_us - from_us;
    int64_t at_us = from_us + (int64_t)disturber_pick(d, (uint32_t)room_us + 1);
    rs485_add_burst(line, TALKER_NOISE, bytes[0], at_us, bytes, n);
}

/* What the disturbances make of an answer that is about to be given. */
static void refuse(struct rs485 *line, struct pdu_reply *reply, uint8_t unit, int64_t now_us)
{
    const struct disturbance *d = disturb(&line->disturber, DISTURBANCE_EXCEPTION, unit, now_us);
    uint8_t code = d ? d->exception : 0;
    if (!d && disturb(&line->disturber, DISTURBANCE_BUSY, unit, now_us))
        code = PDU_DEVICE_BUSY;
    if (code != 0)
        pdu_refuse(reply, code);
}

static int64_t answer_start_us(struct rs485 *line, uint8_t unit, int64_t end_of_request_us)
{
    const struct rs485_config *c = &line->config;
    uint64_t n = line->stats.n_requests + line->stats.n_foreign;
    int64_t wait_us = c->turnaround_us;
    if (c->spread_us > 0)
        wait_us += (int64_t)(draw_uniform(c->seed, STREAM_SPREAD, n) * (double)(c->spread_us + 1));
    const struct disturbance *late =
        disturb(&line->disturber, DISTURBANCE_LATE, unit, end_of_request_us);
    if (late)
        wait_us += disturbance_delay_us(&line->disturber, late);
    int64_t at_us = end_of_request_us + later(wait_us, line->silence_us);
    return later(at_us, line->unit_free_us[unit] + line->silence_us);
}

static void answer(struct rs485 *line, uint8_t unit, struct pdu_reply *reply, int64_t now_us)
{
    uint8_t bytes[FRAME_RTU_MAX];
    struct disturber *by = &line->disturber;
    refuse(line, reply, unit, now_us);
    int64_t start_us = answer_start_us(line, unit, now_us);
    uint8_t worn = unit;
    if (disturb(by, DISTURBANCE_WRONG_UNIT, unit, now_us))
        worn = (uint8_t)(unit % RS485_MAX_UNIT + 1);
    size_t n = rtu_frame(worn, reply, bytes);
    struct burst *b = rs485_add_burst(line, TALKER_SLAVE, unit, start_us, bytes, n);
    if (!b)
        return;
    b->is_answer = true;
    b->read = reply->read;
    b->token = reply->token;
    int64_t over_us = rs485_end_us(line, b);

    const struct disturbance *d = disturb(by, DISTURBANCE_DUPLICATE, unit, now_us);
    line->unit_free_us[unit] = over_us;
    if (d) {
        int64_t again_us = over_us + later(disturbance_delay_us(by, d), line->silence_us);
        b = rs485_add_burst(line, TALKER_SLAVE, unit, again_us, bytes, n);
        line->unit_free_us[unit] = b ? rs485_end_us(line, b) : over_us;
    }
    for (size_t i = 0; i < by->n;
         i++) { /* the one that talks is the disturbance's, not the asked */
        d = &by->list[i];
        if (d->kind == DISTURBANCE_COLLISION && d->unit != unit &&
            disturb(by, DISTURBANCE_COLLISION, d->unit, now_us)) {
            clash(line, d->unit, start_us, over_us);
            break;
        }
    }
}

static void take_request(struct rs485 *line, const struct frame_request *request, bool foreign,
                         int64_t end_of_request_us)
{
    struct pdu_reply reply;
    if (foreign)
        line->stats.n_foreign++;
    else
        line->stats.n_requests++;
    if (!foreign)
        line->asked_unit = request->unit;
    if (request->unit == RS485_BROADCAST)
        return;
    pdu_answer(&line->bank, request->unit, request->pdu, request->n_pdu, &reply);
    if (reply.n_bytes == 0 ||
        disturb(&line->disturber, DISTURBANCE_SILENCE, request->unit, end_of_request_us)) {
        line->stats.n_unanswered++;
        return;
    }
    answer(line, request->unit, &reply, end_of_request_us);
}

void rs485_judge(struct rs485 *line)
{
    struct frame_request request;
    struct ear *ear = &line->ear;
    bool by_master = ear->talker == TALKER_MASTER || ear->talker == TALKER_SECOND;
    bool good = by_master && !ear->broken && rtu_whole_request(ear->bytes, ear->n_bytes, &request);
    bool foreign = ear->talker == TALKER_SECOND;
    if (!good && ear->of_master)
        line->stats.n_bad++;
    ear->n_bytes = 0;
    if (good)
        take_request(line, &request, foreign, ear->last_us);
}

void rs485_listen(struct rs485 *line, enum talker talker, uint8_t byte, int64_t start_us,
                  int64_t now_us)
{
    struct ear *ear = &line->ear;
    bool fresh = ear->n_bytes == 0;
    if (fresh)
        *ear = (struct ear){ .talker = talker };
    else if (start_us - ear->last_us > line->pause_us)
        ear->broken = true;
    if (talker != ear->talker)
        ear->talker = TALKER_NOISE;
    ear->of_master |= talker == TALKER_MASTER;
    if (ear->n_bytes < FRAME_RTU_MAX)
        ear->bytes[ear->n_bytes++] = byte;
    else
        ear->broken = true;
    ear->last_us = now_us;
}

void rs485_listen_without_time(struct rs485 *line, enum talker talker, uint8_t byte, int64_t now_us)
{
    struct frame_request request;
    if (talker != TALKER_MASTER && talker != TALKER_SECOND)
        return;
    if (rtu_receive(&line->receiver, byte, now_us, &request))
        take_request(line, &request, talker == TALKER_SECOND, now_us);
}
