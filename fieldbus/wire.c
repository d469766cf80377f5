/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/wire.h"
#include "base/result.h"
#include "fieldbus/moment.h"

#define REOPEN_FIRST_US   INT64_C(100000)
#define REOPEN_MAX_RTU_US INT64_C(1000000) /* a plugged-in adapter is back within a second */
#define REOPEN_MAX_TCP_US INT64_C(10000000)
#define RTU_REQUEST_BYTES 8
#define RESOLVE_LOOK_US   10000 /* opening without a descriptor: a name is being resolved */

/* Differs between the connections of a gateway by their names, and between gateways by the
 * microsecond of their start. FNV-1a. */
static uint64_t seed_of(const struct bus_config *bus, int64_t epoch_us)
{
    uint64_t seed = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)epoch_us;
    for (const char *c = bus->name; *c; c++)
        seed = (seed ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
    return seed;
}

/* Uniform in 1 to max_us. SplitMix64 (Steele, Lea and Flood, 2014). */
static int64_t random_us(struct wire *w, int64_t max_us)
{
    w->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = w->random;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return 1 + (int64_t)((z ^ z >> 31) % (uint64_t)max_us);
}

void wire_init(struct wire *ret_wire, const struct bus_config *bus, struct line *line,
               int64_t epoch_us)
{
    *ret_wire = (struct wire){
        .bus = bus,
        .line = line,
        .open_after_us = MOMENT_LONG_AGO_US,
        .random = seed_of(bus, epoch_us),
        .serial = bus_serial(bus),
        .free_after_us = MOMENT_LONG_AGO_US,
        .last_traffic_us = MOMENT_LONG_AGO_US,
    };
}

void wire_finish(struct wire *w)
{
    if (!w || !w->line)
        return;
    w->line->close(w->line->ctx);
    w->line->destroy(w->line->ctx);
    w->line = NULL;
}

void wire_close(struct wire *w, int64_t now_us)
{
    w->line->close(w->line->ctx);
    w->state = WIRE_CLOSED;
    w->open_after_us = now_us;
}

static void open_failed(struct wire *w, int64_t now_us)
{
    int64_t max_us = w->bus->kind == BUS_RTU ? REOPEN_MAX_RTU_US : REOPEN_MAX_TCP_US;
    w->open_wait_us = w->open_wait_us ? 2 * w->open_wait_us : REOPEN_FIRST_US;
    w->open_wait_us = moment_earlier(w->open_wait_us, max_us);
    wire_close(w, now_us);
    bool tcp = w->bus->kind == BUS_TCP;
    w->open_after_us = now_us + (tcp ? random_us(w, w->open_wait_us) : w->open_wait_us);
}

static void opened(struct wire *w, int64_t now_us)
{
    w->state = WIRE_IDLE;
    w->n_opened++;
    w->open_wait_us = 0;
    w->free_after_us = moment_later(w->free_after_us, now_us + w->bus->frame_gap_us);
}

int wire_open(struct wire *w, int64_t now_us)
{
    if (w->state == WIRE_CLOSED)
        w->open_since_us = now_us;
    int result = w->line->open(w->line->ctx, now_us);
    if (result == MW_OK)
        opened(w, now_us);
    else if (result == MW_ERR_AGAIN)
        w->state = WIRE_OPENING;
    else
        open_failed(w, now_us);
    return result;
}

int64_t wire_opening_rest_us(const struct wire *w, int64_t rest_us)
{
    short events = 0;
    bool silent = w->line->descriptor(w->line->ctx, &events) < 0;
    return silent ? moment_earlier(rest_us, RESOLVE_LOOK_US) : rest_us;
}

int wire_drain(struct wire *w, int64_t now_us)
{
    int n = w->line->drain(w->line->ctx, now_us);
    if (n == 0) {
        if (now_us >= w->free_after_us)
            w->babble_since_us = 0;
        return 0;
    }
    if (n < 0 || !bus_speaks_rtu(w->bus)) {
        wire_close(w, now_us);
        return n;
    }
    w->last_traffic_us = now_us;
    w->free_after_us =
        moment_later(w->free_after_us, now_us + w->bus->frame_gap_us + WIRE_SETTLE_US);
    if (w->babble_since_us == 0)
        w->babble_since_us = now_us;
    return n;
}

bool wire_babbles(const struct wire *w, int64_t longer_than_us, int64_t now_us)
{
    return w->babble_since_us != 0 && now_us - w->babble_since_us > longer_than_us;
}

int64_t wire_clear_us(const struct wire *w, int64_t pause_us)
{
    return moment_later(w->free_after_us, w->last_traffic_us + pause_us);
}

int64_t wire_gap_us(const struct wire *w, const struct device_config *device)
{
    return device ? moment_later(w->bus->frame_gap_us, device->frame_gap_us) : w->bus->frame_gap_us;
}

bool wire_is_set_for(const struct wire *w, const struct serial_config *serial)
{
    return !w->line->set_serial || w->bus->kind != BUS_RTU || serial_equal(&w->serial, serial);
}

int wire_set_serial(struct wire *w, const struct serial_config *serial, int64_t gap_us,
                    int64_t now_us)
{
    w->serial = (struct serial_config){ 0 }; /* unknown, should this fail */
    int result = w->line->set_serial(w->line->ctx, serial);
    if (result != MW_OK) {
        open_failed(w, now_us);
        return result;
    }
    w->serial = *serial;
    w->free_after_us = now_us + gap_us;
    return MW_OK;
}

int wire_send(struct wire *w, const struct line_request *request, int64_t now_us)
{
    w->request = *request;
    w->sent_us = now_us;
    int result = w->line->send(w->line->ctx, &w->request, now_us);
    if (result == MW_OK)
        w->state = WIRE_ASKING;
    return result;
}

int wire_receive(struct wire *w, int64_t now_us)
{
    return w->line->receive(w->line->ctx, now_us, &w->reply);
}

void wire_over(struct wire *w, int64_t character_us, int64_t silence_us, int64_t now_us)
{
    w->state = WIRE_IDLE;
    w->last_traffic_us = moment_later(now_us, w->sent_us + RTU_REQUEST_BYTES * character_us);
    w->free_after_us = w->last_traffic_us + silence_us;
}

int64_t wire_lag_us(const struct wire *w, int64_t character_us, size_t n_reply_bytes,
                    int64_t now_us)
{
    return now_us - w->sent_us - (int64_t)(RTU_REQUEST_BYTES + n_reply_bytes) * character_us;
}

int wire_descriptor(const struct wire *w, short *ret_events)
{
    return w->state == WIRE_CLOSED ? -1 : w->line->descriptor(w->line->ctx, ret_events);
}
