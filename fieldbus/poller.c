/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/poller.h"
#include "base/result.h"
#include "fieldbus/canary.h"
#include "fieldbus/decode.h"
#include "fieldbus/frame.h"
#include "fieldbus/health.h"
#include "fieldbus/moment.h"
#include "fieldbus/plan.h"
#include "fieldbus/units.h"
#include "fieldbus/visit.h"
#include "fieldbus/wire.h"

#include <assert.h>
#include <stdlib.h>

#define MAX_TURNS         32 /* of one step; a step never holds the thread for long */
#define RTU_AROUND_BYTES  5  /* of a reply, beside its data */
#define MBAP_AROUND_BYTES 9

/* Modbus Application Protocol V1.1b3, section 7 */
enum exception {
    ILLEGAL_FUNCTION = 1,
    ILLEGAL_ADDRESS = 2,
    ILLEGAL_VALUE = 3,
    GATEWAY_NO_PATH = 10,
    GATEWAY_NO_ANSWER = 11
};

struct poller {
    const struct bus_config *bus;
    const struct point_config *points;
    struct plan plan;
    struct units units;
    struct wire wire;
    struct visit visit;
    float *last_good; /* [plan.n_entries] */
    struct poller_stats stats;
    enum device_health bus_health;
    struct plan_poll *asking; /* of the running exchange; NULL: the guest's */
    bool is_canary;
    const struct line_tap *tap;

    int64_t now_us, utc_offset_us; /* of the running step */
    const struct poller_sink *sink;
};

#define COUNT(poller, unit, what) ((poller)->stats.what++, (unit)->stats.what++)

int poller_create(struct poller **ret_poller, const struct bus_config *bus,
                  const struct device_config *devices, const uint32_t *device_indexes,
                  size_t n_devices, const struct point_config *points, struct line *line,
                  int64_t epoch_us)
{
    struct poller *p = calloc(1, sizeof *p);
    if (!p)
        return MW_ERR_NO_MEMORY;
    int result = plan_init(&p->plan, devices, n_devices, points, epoch_us);
    if (result == MW_OK)
        result = units_init(&p->units, bus, &p->plan, device_indexes, n_devices);
    p->last_good = calloc(p->plan.n_entries + 1, sizeof p->last_good[0]);
    if (result != MW_OK || !p->last_good) {
        poller_destroy(p);
        return MW_ERR_NO_MEMORY;
    }
    p->bus = bus;
    p->points = points;
    p->visit = (struct visit){ .wire = &p->wire, .units = &p->units };
    wire_init(&p->wire, bus, line, epoch_us);
    *ret_poller = p;
    return MW_OK;
}

void poller_destroy(struct poller *p)
{
    if (!p)
        return;
    wire_finish(&p->wire);
    plan_finish(&p->plan);
    units_finish(&p->units);
    free(p->last_good);
    free(p);
}

static struct unit *unit_of(const struct poller *p, const struct plan_poll *poll)
{
    return &p->units.items[poll->device];
}

static void tell(struct poller *p, uint32_t device, enum device_health health, int result)
{
    if (p->sink->event)
        p->sink->event(p->sink->ctx,
                       &(struct poller_event){ .device = device,
                                               .health = (uint8_t)health,
                                               .result = result,
                                               .at_us = p->now_us + p->utc_offset_us });
}

static void set_bus_health(struct poller *p, enum device_health health, int result)
{
    if (p->bus_health == health)
        return;
    p->bus_health = health;
    tell(p, UINT32_MAX, health, result);
}

/* One sample for each point of the poll: decoded from its registers, or of this quality without. */
static void publish(struct poller *p, const struct plan_poll *poll, const uint16_t *registers,
                    enum mw_quality otherwise)
{
    struct unit *unit = unit_of(p, poll);
    int64_t at_us = registers ? p->wire.sent_us : p->now_us;
    for (uint32_t i = poll->first; i < poll->first + poll->n; i++) {
        const struct plan_entry *entry = &p->plan.entries[i];
        enum mw_quality quality = otherwise;
        if (registers)
            quality = decode_point(&p->points[entry->point],
                                   registers + (entry->address - poll->address), &p->last_good[i]);
        if (quality == MW_QUALITY_GOOD)
            COUNT(p, unit, n_samples_good);
        else
            COUNT(p, unit, n_samples_other);
        if (p->sink->sample)
            p->sink->sample(p->sink->ctx, &(struct mw_sample){ .at_us = at_us + p->utc_offset_us,
                                                               .mono_us = at_us,
                                                               .slot = poll->slot,
                                                               .point = entry->point,
                                                               .value = p->last_good[i],
                                                               .quality = (uint8_t)quality });
    }
}

static void finish_slot(struct poller *p, struct plan_poll *poll, const uint16_t *registers,
                        enum mw_quality otherwise)
{
    publish(p, poll, registers, otherwise);
    COUNT(p, unit_of(p, poll), n_slots_run);
    plan_done(&p->plan, poll);
}

/* The poll that is due, its skipped slots counted. */
static struct plan_poll *due(struct poller *p, int64_t *ret_wait_us)
{
    uint64_t n_skipped = 0;
    struct plan_poll *poll = plan_due(&p->plan, p->now_us, ret_wait_us, &n_skipped);
    if (poll) {
        p->stats.n_slots_missed += n_skipped;
        unit_of(p, poll)->stats.n_slots_missed += n_skipped;
    }
    return poll;
}

static void count_failure(struct poller *p, struct unit *unit, int result)
{
    switch (result) {
    case MW_ERR_TIMEOUT: COUNT(p, unit, n_timeouts); break;
    case MW_ERR_CHECKSUM: COUNT(p, unit, n_crc); break;
    case MW_ERR_MISMATCH:
    case MW_ERR_FORMAT: COUNT(p, unit, n_mismatched); break;
    case MW_ERR_REFUSED: break; /* an exception, counted as such */
    default: COUNT(p, unit, n_io_errors); break;
    }
}

static void device_failed(struct poller *p, struct unit *unit, int result)
{
    if (health_failed(&unit->health, unit->settings, p->now_us))
        tell(p, unit->index, unit->health.state, result);
}

static void device_answered(struct poller *p, struct unit *unit)
{
    COUNT(p, unit, n_replies);
    if (health_answered(&unit->health))
        tell(p, unit->index, DEVICE_ONLINE, MW_OK);
}

/* The exchange failed: once more within the slot, or a sample that says so. */
static void retry_or_give_up(struct poller *p, struct unit *unit, struct plan_poll *poll)
{
    int64_t again_us =
        moment_later(p->now_us, moment_later(unit->health.ask_us, unit->quiet_until_us));
    if (poll->n_retries < unit->settings->retries && plan_retry(&p->plan, poll, again_us))
        return;
    finish_slot(p, poll, NULL, MW_QUALITY_STALE);
}

/* The exchange is over, well or ill. */
static void fall_silent(struct poller *p, const struct unit *unit, int64_t longer_us)
{
    wire_over(&p->wire, unit->settings->character_us,
              wire_gap_us(&p->wire, unit->settings) + longer_us, p->now_us);
}

static void exchange_failed(struct poller *p, int result)
{
    struct plan_poll *poll = p->asking;
    struct unit *unit = unit_of(p, poll);
    bool rtu = bus_speaks_rtu(p->bus), tcp = p->bus->kind == BUS_TCP;
    bool adapter_gone = !tcp && (result == MW_ERR_GONE || result == MW_ERR_IO);

    count_failure(p, unit, result);
    if (unit->health.state == DEVICE_OFFLINE)
        units_probed(&p->units, p->wire.sent_us, p->now_us);
    if (!adapter_gone)
        device_failed(p, unit, result);

    if (rtu)
        units_suspect(&p->units, unit->settings->unit, p->now_us);
    fall_silent(p, unit, rtu ? WIRE_SETTLE_US : 0);
    if (adapter_gone || tcp)
        wire_close(&p->wire, p->now_us);
    retry_or_give_up(p, unit, poll);
}

/* How much longer the answer took than its bytes and the request's need on the wire: the device's
 * thinking and the adapter's holding back. */
static void measure_lag(struct poller *p, struct unit *unit, size_t n_reply_bytes)
{
    int64_t lag_us = wire_lag_us(&p->wire, unit->settings->character_us, n_reply_bytes, p->now_us);
    uint64_t lag = lag_us > 1 ? (uint64_t)lag_us : 1; /* 0: not measured */
    if (p->stats.lag_min_us == 0 || lag < p->stats.lag_min_us)
        p->stats.lag_min_us = lag;
    if (unit->stats.lag_min_us == 0 || lag < unit->stats.lag_min_us)
        unit->stats.lag_min_us = lag;
}

/* A whole frame of the asked unit came. */
static void exchange_over(struct poller *p, struct unit *unit, size_t n_reply_bytes)
{
    fall_silent(p, unit, 0);
    if (p->bus->kind == BUS_RTU)
        measure_lag(p, unit, n_reply_bytes);
}

static void count_bytes(struct poller *p, struct unit *unit, size_t n_bytes)
{
    p->stats.n_bytes_read += n_bytes;
    if (unit)
        unit->stats.n_bytes_read += n_bytes;
}

static size_t around_bytes(const struct poller *p)
{
    return bus_speaks_rtu(p->bus) ? RTU_AROUND_BYTES : MBAP_AROUND_BYTES;
}

static void on_reply(struct poller *p)
{
    struct plan_poll *poll = p->asking;
    struct unit *unit = unit_of(p, poll);
    size_t n_bytes = around_bytes(p) + frame_data_bytes(&p->wire.request);
    exchange_over(p, unit, n_bytes);
    count_bytes(p, unit, n_bytes);
    device_answered(p, unit);
    histogram_add(&p->stats.response, p->now_us - p->wire.sent_us);
    histogram_add(&unit->stats.response, p->now_us - p->wire.sent_us);
    if (p->is_canary) {
        units_believe(unit);
        return;
    }
    plan_accepted(&p->plan, poll);
    finish_slot(p, poll, p->wire.reply.registers, MW_QUALITY_NONE);
}

/* A refused address range is halved until only the wrong register is lost. Everything else the
 * device says instead of data (busy, failure) is a bad value, never a zero. */
static void on_exception(struct poller *p)
{
    struct plan_poll *poll = p->asking;
    struct unit *unit = unit_of(p, poll);
    uint8_t code = p->wire.reply.exception;
    exchange_over(p, unit, around_bytes(p));
    COUNT(p, unit, n_exceptions);
    count_bytes(p, unit, around_bytes(p));
    if (code == GATEWAY_NO_PATH || code == GATEWAY_NO_ANSWER) {
        device_failed(p, unit, MW_ERR_REFUSED);
        retry_or_give_up(p, unit, poll);
        return;
    }
    device_answered(p, unit);
    if (p->is_canary) {
        units_believe(unit);
        return;
    }
    bool illegal = code == ILLEGAL_ADDRESS || code == ILLEGAL_VALUE;
    if ((illegal || code == ILLEGAL_FUNCTION) &&
        plan_refused(&p->plan, poll, code, illegal, p->now_us))
        return;
    finish_slot(p, poll, NULL, MW_QUALITY_BAD);
}

static int64_t asking_turn(struct poller *p)
{
    if (!p->asking)
        return visit_turn(&p->visit, p->now_us, &p->stats.n_refused_stale);
    struct unit *unit = unit_of(p, p->asking);
    int64_t timeout_us = unit->settings->timeout_us;
    int64_t waited_us = p->now_us - p->wire.sent_us;
    int result = wire_receive(&p->wire, p->now_us);

    /* An answer that was read too late, whoever's fault it is, carries a wrong time. */
    if ((result == MW_OK || result == MW_ERR_REFUSED) && waited_us > timeout_us + timeout_us / 10)
        result = MW_ERR_TIMEOUT;
    switch (result) {
    case MW_OK: on_reply(p); return 0;
    case MW_ERR_REFUSED: on_exception(p); return 0;
    case MW_ERR_AGAIN:
        if (waited_us < timeout_us)
            return timeout_us - waited_us;
        exchange_failed(p, MW_ERR_TIMEOUT);
        return 0;
    case MW_ERR_MISMATCH:
        COUNT(p, unit, n_refused_stale);
        if (!bus_speaks_rtu(p->bus)) {
            exchange_failed(p, result);
            return 0;
        }
        units_heard_unasked(&p->units, p->now_us);
        if (waited_us >= timeout_us)
            exchange_failed(p, MW_ERR_TIMEOUT);
        return 0;
    default: exchange_failed(p, result); return 0;
    }
}

/* Throws away what nobody asked for. True where the turn is over. */
static bool drained(struct poller *p)
{
    int n = wire_drain(&p->wire, p->now_us);
    if (n < 0 && p->bus->kind == BUS_RTU) /* a TCP device that hangs up while idle is no fault */
        p->stats.n_io_errors++;
    if (n > 0) {
        count_bytes(p, NULL, (size_t)n);
        p->stats.n_refused_stale++;
        if (bus_speaks_rtu(p->bus))
            units_heard_unasked(&p->units, p->now_us);
    }
    return p->wire.state == WIRE_CLOSED;
}

static void ask(struct poller *p, struct unit *unit, struct plan_poll *poll)
{
    p->asking = poll;
    p->is_canary = unit->suspect;
    struct line_request request =
        (struct line_request){ unit->settings->unit, poll->kind, poll->address, poll->count };
    if (unit->suspect)
        request = canary_request(&p->plan, poll->device, unit->settings->unit, unit->n_canaries++);
    COUNT(p, unit, n_requests);
    if (poll->refused)
        COUNT(p, unit, n_tried_again);
    if (poll->n_retries == 0 && !poll->in_pieces && !p->is_canary) {
        histogram_add(&p->stats.start, p->now_us - poll->due_us);
        histogram_add(&unit->stats.start, p->now_us - poll->due_us);
    }
    int result = wire_send(&p->wire, &request, p->now_us);
    if (result != MW_OK)
        exchange_failed(p, result);
}

static void open_failed(struct poller *p, int result)
{
    p->stats.n_io_errors++;
    set_bus_health(p, DEVICE_OFFLINE, result);
}

static void serve_guest(struct poller *p)
{
    p->asking = NULL;
    int result = visit_serve(&p->visit, p->now_us);
    if (result != MW_OK)
        open_failed(p, result);
}

/* Asks for the poll, once the line is set for its unit. */
static void serve(struct poller *p, struct unit *unit, struct plan_poll *poll)
{
    const struct serial_config *serial = &unit->settings->serial;
    if (wire_is_set_for(&p->wire, serial)) {
        ask(p, unit, poll);
        return;
    }
    int64_t gap_us = wire_gap_us(&p->wire, unit->settings);
    int result = wire_set_serial(&p->wire, serial, gap_us, p->now_us);
    if (result != MW_OK)
        open_failed(p, result);
}

/* What becomes of a poll that is due on an idle line. */
static int64_t poll_turn(struct poller *p, struct plan_poll *poll)
{
    struct unit *unit = unit_of(p, poll);
    if (poll->refused && p->now_us < poll->refused_until_us) {
        finish_slot(p, poll, NULL, MW_QUALITY_BAD);
        return 0;
    }
    bool babbling = wire_babbles(&p->wire, unit->settings->timeout_us, p->now_us);
    if (babbling && p->now_us >= unit->health.ask_us)
        device_failed(p, unit, MW_ERR_FORMAT);
    if (babbling || !units_may_ask(&p->units, unit, p->now_us)) {
        finish_slot(p, poll, NULL, MW_QUALITY_STALE);
        return 0;
    }
    int64_t clear_us = wire_clear_us(&p->wire, unit->settings->pause_us);
    if (p->now_us < clear_us)
        return clear_us - p->now_us;
    serve(p, unit, poll);
    return 0;
}

static int64_t idle_turn(struct poller *p)
{
    if (drained(p))
        return 0;
    int64_t wait_us = 0;
    struct plan_poll *poll = due(p, &wait_us);
    int64_t guest_us = visit_wait_us(&p->visit, poll != NULL, p->now_us);
    if (guest_us == 0) {
        serve_guest(p);
        return 0;
    }
    return poll ? poll_turn(p, poll) : moment_earlier(wait_us, guest_us);
}

static void opened(struct poller *p)
{
    p->stats.n_reopens += p->wire.n_opened > 1;
    set_bus_health(p, DEVICE_ONLINE, MW_OK);
}

/* Polls that fall due while the line is down have failed; a line that was good a moment ago gets a
 * timeout's time to come back for them. */
static int64_t still_opening(struct poller *p)
{
    const struct wire *wire = &p->wire;
    int64_t patient_us = wire->open_since_us + p->bus->timeout_us;
    int64_t over_us = wire->open_since_us + p->bus->connect_timeout_us;
    if (p->bus_health != DEVICE_OFFLINE && p->now_us < patient_us) {
        over_us = moment_later(over_us, p->now_us + 1);
        return wire_opening_rest_us(wire, moment_earlier(patient_us, over_us) - p->now_us);
    }
    int64_t wait_us = 0;
    struct plan_poll *poll = due(p, &wait_us);
    if (poll) {
        finish_slot(p, poll, NULL, MW_QUALITY_STALE);
        return 0;
    }
    over_us = moment_later(over_us - p->now_us, 1);
    return wire_opening_rest_us(wire, moment_earlier(wait_us, over_us));
}

static int64_t opening_turn(struct poller *p)
{
    int result = wire_open(&p->wire, p->now_us);
    if (result == MW_ERR_AGAIN)
        return still_opening(p);
    if (result == MW_OK)
        opened(p);
    else
        open_failed(p, result);
    return 0;
}

static int64_t closed_turn(struct poller *p)
{
    int64_t wait_us = 0, open_after_us = p->wire.open_after_us;
    struct plan_poll *poll = due(p, &wait_us);
    if (poll && p->now_us < open_after_us) {
        finish_slot(p, poll, NULL, MW_QUALITY_STALE);
        return 0;
    }
    /* Opened when needed; but a line that is down is tried also between the polls. */
    bool guest = p->visit.guest.state == GUEST_WAITING;
    if (!poll && !guest && p->bus_health != DEVICE_OFFLINE)
        return wait_us;
    if (p->now_us < open_after_us)
        return moment_earlier(wait_us, open_after_us - p->now_us);
    return opening_turn(p);
}

static int64_t turn(struct poller *p)
{
    switch (p->wire.state) {
    case WIRE_CLOSED: return closed_turn(p);
    case WIRE_OPENING: return opening_turn(p);
    case WIRE_IDLE: return idle_turn(p);
    case WIRE_ASKING: break;
    }
    return asking_turn(p);
}

int64_t poller_step(struct poller *p, int64_t now_us, int64_t utc_offset_us,
                    const struct poller_sink *sink)
{
    p->now_us = now_us;
    p->utc_offset_us = utc_offset_us;
    units_begin(&p->units, now_us);
    p->sink = sink;
    int64_t wait_us = 0;
    if (p->wire.state != WIRE_ASKING)
        p->wire.line->tap = p->tap;
    guest_tire(&p->visit.guest, now_us,
               p->bus_health == DEVICE_OFFLINE ? MW_ERR_GONE : MW_ERR_STATE);
    for (int i = 0; i < MAX_TURNS && wait_us == 0; i++)
        wait_us = turn(p);
    p->sink = NULL;
    return wait_us;
}

void poller_trust(struct poller *p)
{
    units_trust(&p->units);
}

int poller_guest_ask(struct poller *p, const struct line_request *request, int64_t now_us)
{
    return guest_ask(&p->visit.guest, request, now_us);
}

bool poller_guest_take(struct poller *p, struct guest_answer *ret_answer)
{
    return guest_take(&p->visit.guest, ret_answer);
}

void poller_tap(struct poller *p, const struct line_tap *tap)
{
    p->tap = tap;
}

int poller_descriptor(const struct poller *p, short *ret_events)
{
    return wire_descriptor(&p->wire, ret_events);
}

struct poller_stats poller_bus_stats(const struct poller *p)
{
    return p->stats;
}

struct poller_stats poller_device_stats(const struct poller *p, uint32_t device)
{
    const struct unit *unit = units_find(&p->units, device);
    return unit ? unit->stats : (struct poller_stats){ 0 };
}

struct poller_refusals poller_device_refusals(const struct poller *p, uint32_t device)
{
    struct poller_refusals refusals = { 0 };
    for (size_t i = 0; i < p->plan.refusals.n; i++) {
        const struct refusal *refusal = &p->plan.refusals.items[i];
        if (p->units.items[refusal->device].index != device)
            continue;
        if (refusals.n < POLLER_MAX_REFUSALS)
            refusals.items[refusals.n] = *refusal;
        refusals.n++;
    }
    return refusals;
}

enum device_health poller_device_health(const struct poller *p, uint32_t device)
{
    const struct unit *unit = units_find(&p->units, device);
    if (unit && p->bus_health == DEVICE_OFFLINE)
        return DEVICE_OFFLINE;
    return unit ? unit->health.state : DEVICE_UNKNOWN;
}
