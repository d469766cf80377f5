/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/poller.h"
#include "base/result.h"
#include "fieldbus/canary.h"
#include "fieldbus/decode.h"
#include "fieldbus/frame.h"
#include "fieldbus/health.h"
#include "fieldbus/plan.h"

#include <assert.h>
#include <stdlib.h>

#define MAX_TURNS 32    /* of one step; a step never holds the thread for long */
#define SETTLE_US 20000 /* after an error: a USB adapter hands bytes on every 16 ms */
/* Probes of offline devices that stay unanswered take 1/PROBE_SHARE of the line's time, all
 * together, and with the silence behind them 2 %; what was not used lately may be used at once, up
 * to this much time's share. */
#define PROBE_SHARE       55
#define PROBE_SAVED_US    INT64_C(100000000)
#define PROBE_TURN_US     INT64_C(60000000)
#define REOPEN_FIRST_US   INT64_C(100000)
#define REOPEN_MAX_RTU_US INT64_C(1000000) /* a plugged-in adapter is back within a second */
#define REOPEN_MAX_TCP_US INT64_C(10000000)
#define RTU_REQUEST_BYTES 8
#define RTU_AROUND_BYTES  5 /* of a reply, beside its data */
#define MBAP_AROUND_BYTES 9
#define RESOLVE_LOOK_US   10000 /* opening without a descriptor: a name is being resolved */
#define LONG_AGO_US       (INT64_MIN / 4)

/* Modbus Application Protocol V1.1b3, section 7 */
enum exception {
    ILLEGAL_FUNCTION = 1,
    ILLEGAL_ADDRESS = 2,
    ILLEGAL_VALUE = 3,
    GATEWAY_NO_PATH = 10,
    GATEWAY_NO_ANSWER = 11
};

struct unit {
    const struct device_config *settings;
    uint32_t index; /* in the configuration */
    struct health health;
    struct poller_stats stats;
    bool suspect;           /* RTU: not believed before a canary came back */
    int64_t quiet_until_us; /* RTU: not asked before; a late reply may still come */
    uint32_t n_canaries;    /* sent since it became suspect */
    int64_t period_us;      /* of its most frequent poll; 0: it is not polled */
};

enum line_state { LINE_CLOSED = 0, LINE_OPENING, LINE_IDLE, LINE_ASKING };

struct poller {
    const struct bus_config *bus;
    const struct point_config *points;
    struct line *line;
    struct plan plan;
    struct unit *units;
    size_t n_units;
    float *last_good; /* [plan.n_entries] */
    struct poller_stats stats;

    enum line_state state;
    enum device_health bus_health;
    bool opened_before;
    int64_t open_since_us, open_after_us, open_wait_us;

    struct serial_config serial; /* RTU: what the line is set to */
    uint64_t random;             /* of the jitter */
    int64_t free_after_us;       /* RTU: silence between frames */
    int64_t last_traffic_us;     /* for the pauses devices want */
    int64_t babble_since_us;     /* bytes that nobody asked for keep the line busy since; 0: no */
    int64_t probe_after_us;      /* devices that are offline are left alone until then */
    struct plan_poll *asking;    /* of the running exchange; NULL: the guest's */
    struct line_request request;
    bool is_canary;
    int64_t sent_us;
    struct line_reply reply;
    struct guest guest; /* asking is NULL while its exchange runs */
    const struct line_tap *tap;

    int64_t now_us, utc_offset_us; /* of the running step */
    const struct poller_sink *sink;
};

#define COUNT(poller, unit, what) ((poller)->stats.what++, (unit)->stats.what++)

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
static int64_t random_us(struct poller *p, int64_t max_us)
{
    p->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = p->random;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return 1 + (int64_t)((z ^ z >> 31) % (uint64_t)max_us);
}

int poller_create(struct poller **ret_poller, const struct bus_config *bus,
                  const struct device_config *devices, const uint32_t *device_indexes,
                  size_t n_devices, const struct point_config *points, struct line *line,
                  int64_t epoch_us)
{
    struct poller *p = calloc(1, sizeof *p);
    if (!p)
        return MW_ERR_NO_MEMORY;
    int result = plan_init(&p->plan, devices, n_devices, points, epoch_us);
    p->units = calloc(n_devices + 1, sizeof p->units[0]);
    p->last_good = calloc(p->plan.n_entries + 1, sizeof p->last_good[0]);
    if (result != MW_OK || !p->units || !p->last_good) {
        poller_destroy(p);
        return MW_ERR_NO_MEMORY;
    }
    p->bus = bus;
    p->points = points;
    p->n_units = n_devices;
    p->free_after_us = p->last_traffic_us = p->open_after_us = p->probe_after_us = LONG_AGO_US;
    for (size_t i = 0; i < n_devices; i++)
        p->units[i] = (struct unit){
            .settings = &devices[i],
            .index = device_indexes[i],
            /* the reply to a process before this one may still be under way */
            .suspect = bus_speaks_rtu(bus),
            .quiet_until_us = LONG_AGO_US,
        };
    p->serial = bus_serial(bus);
    p->random = seed_of(bus, epoch_us);
    for (size_t i = 0; i < p->plan.n_polls; i++) {
        struct unit *unit = &p->units[p->plan.polls[i].device];
        if (unit->period_us == 0 || p->plan.polls[i].period_us < unit->period_us)
            unit->period_us = p->plan.polls[i].period_us;
    }
    p->line = line;
    *ret_poller = p;
    return MW_OK;
}

void poller_destroy(struct poller *p)
{
    if (!p)
        return;
    if (p->line) {
        p->line->close(p->line->ctx);
        p->line->destroy(p->line->ctx);
    }
    plan_finish(&p->plan);
    free(p->units);
    free(p->last_good);
    free(p);
}

static int64_t later(int64_t a_us, int64_t b_us)
{
    return a_us > b_us ? a_us : b_us;
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
    struct unit *unit = &p->units[poll->device];
    int64_t at_us = registers ? p->sent_us : p->now_us;
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
    COUNT(p, &p->units[poll->device], n_slots_run);
    plan_done(&p->plan, poll);
}

/* The poll that is due, its skipped slots counted. */
static struct plan_poll *due(struct poller *p, int64_t *ret_wait_us)
{
    uint64_t n_skipped = 0;
    struct plan_poll *poll = plan_due(&p->plan, p->now_us, ret_wait_us, &n_skipped);
    if (poll) {
        p->stats.n_slots_missed += n_skipped;
        p->units[poll->device].stats.n_slots_missed += n_skipped;
    }
    return poll;
}

static void close_line(struct poller *p)
{
    p->line->close(p->line->ctx);
    p->state = LINE_CLOSED;
    p->open_after_us = p->now_us;
}

/* RTU: nobody with this address is believed until the line was quiet and a canary came back. */
static void suspect_unit(struct poller *p, uint8_t address)
{
    for (size_t i = 0; i < p->n_units; i++) {
        struct unit *unit = &p->units[i];
        if (unit->settings->unit != address)
            continue;
        unit->suspect = true;
        unit->quiet_until_us = p->now_us + unit->settings->turnaround_us;
    }
}

/* RTU: bytes that nobody asked for are a late reply, or noise; whoever may have sent them is given
 * the whole turnaround again. */
static void heard_unasked(struct poller *p)
{
    for (size_t i = 0; i < p->n_units; i++) {
        struct unit *unit = &p->units[i];
        if (unit->suspect && unit->quiet_until_us != LONG_AGO_US)
            unit->quiet_until_us =
                later(unit->quiet_until_us, p->now_us + unit->settings->turnaround_us);
    }
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
    int64_t again_us = later(p->now_us, later(unit->health.ask_us, unit->quiet_until_us));
    if (poll->n_retries < unit->settings->retries && plan_retry(&p->plan, poll, again_us))
        return;
    finish_slot(p, poll, NULL, MW_QUALITY_STALE);
}

static int64_t gap_of(const struct poller *p, const struct unit *unit)
{
    return later(p->bus->frame_gap_us, unit->settings->frame_gap_us);
}

/* The line is silent from now on, or from the end of a request that has not left us yet. */
static void silence_from_now(struct poller *p, const struct unit *unit, int64_t longer_us)
{
    int64_t left_us = p->sent_us + RTU_REQUEST_BYTES * unit->settings->character_us;
    p->last_traffic_us = later(p->now_us, left_us);
    p->free_after_us = p->last_traffic_us + gap_of(p, unit) + longer_us;
}

static void exchange_failed(struct poller *p, int result)
{
    struct plan_poll *poll = p->asking;
    struct unit *unit = &p->units[poll->device];
    bool rtu = bus_speaks_rtu(p->bus), tcp = p->bus->kind == BUS_TCP;
    bool adapter_gone = !tcp && (result == MW_ERR_GONE || result == MW_ERR_IO);

    count_failure(p, unit, result);
    if (unit->health.state == DEVICE_OFFLINE)
        p->probe_after_us = later(p->probe_after_us, p->now_us - PROBE_SAVED_US) +
                            PROBE_SHARE * (p->now_us - p->sent_us);
    if (!adapter_gone)
        device_failed(p, unit, result);

    p->state = LINE_IDLE;
    if (rtu)
        suspect_unit(p, unit->settings->unit);
    if (adapter_gone || tcp)
        close_line(p);
    silence_from_now(p, unit, rtu ? SETTLE_US : 0);
    retry_or_give_up(p, unit, poll);
}

/* How much longer the answer took than its bytes and the request's need on the wire: the device's
 * thinking and the adapter's holding back. */
static void measure_lag(struct poller *p, struct unit *unit, size_t n_reply_bytes)
{
    int64_t wire_us = (int64_t)(RTU_REQUEST_BYTES + n_reply_bytes) * unit->settings->character_us;
    int64_t lag_us = p->now_us - p->sent_us - wire_us;
    uint64_t lag = lag_us > 1 ? (uint64_t)lag_us : 1; /* 0: not measured */
    if (p->stats.lag_min_us == 0 || lag < p->stats.lag_min_us)
        p->stats.lag_min_us = lag;
    if (unit->stats.lag_min_us == 0 || lag < unit->stats.lag_min_us)
        unit->stats.lag_min_us = lag;
}

/* A whole frame of the asked unit came. */
static void exchange_over(struct poller *p, struct unit *unit, size_t n_reply_bytes)
{
    p->state = LINE_IDLE;
    silence_from_now(p, unit, 0);
    if (p->bus->kind == BUS_RTU)
        measure_lag(p, unit, n_reply_bytes);
}

static void count_bytes(struct poller *p, struct unit *unit, size_t n_bytes)
{
    p->stats.n_bytes_read += n_bytes;
    if (unit)
        unit->stats.n_bytes_read += n_bytes;
}

/* The canary is back: the poll it was sent for is still due, and now believed. */
static void canary_back(struct unit *unit)
{
    unit->suspect = false;
    unit->n_canaries = 0;
    unit->quiet_until_us = LONG_AGO_US;
}

static size_t around_bytes(const struct poller *p)
{
    return bus_speaks_rtu(p->bus) ? RTU_AROUND_BYTES : MBAP_AROUND_BYTES;
}

static void on_reply(struct poller *p)
{
    struct plan_poll *poll = p->asking;
    struct unit *unit = &p->units[poll->device];
    size_t n_bytes = around_bytes(p) + frame_data_bytes(&p->request);
    exchange_over(p, unit, n_bytes);
    count_bytes(p, unit, n_bytes);
    device_answered(p, unit);
    histogram_add(&p->stats.response, p->now_us - p->sent_us);
    histogram_add(&unit->stats.response, p->now_us - p->sent_us);
    if (p->is_canary) {
        canary_back(unit);
        return;
    }
    plan_accepted(&p->plan, poll);
    finish_slot(p, poll, p->reply.registers, MW_QUALITY_NONE);
}

/* A refused address range is halved until only the wrong register is lost. Everything else the
 * device says instead of data (busy, failure) is a bad value, never a zero. */
static void on_exception(struct poller *p)
{
    struct plan_poll *poll = p->asking;
    struct unit *unit = &p->units[poll->device];
    uint8_t code = p->reply.exception;
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
        canary_back(unit);
        return;
    }
    bool illegal = code == ILLEGAL_ADDRESS || code == ILLEGAL_VALUE;
    if ((illegal || code == ILLEGAL_FUNCTION) &&
        plan_refused(&p->plan, poll, code, illegal, p->now_us))
        return;
    finish_slot(p, poll, NULL, MW_QUALITY_BAD);
}

/* ---- a guest's read, between the polls ---- */

static struct unit *unit_of(struct poller *p, uint8_t address)
{
    for (size_t i = 0; i < p->n_units; i++)
        if (p->units[i].settings->unit == address)
            return &p->units[i];
    return NULL;
}

static void guest_finished(struct poller *p, int result)
{
    bool heard = result == MW_OK || result == MW_ERR_REFUSED;
    bool rtu = bus_speaks_rtu(p->bus), tcp = p->bus->kind == BUS_TCP;
    bool gone = result == MW_ERR_GONE || result == MW_ERR_IO;
    p->state = LINE_IDLE;
    p->last_traffic_us =
        later(p->now_us, p->sent_us + RTU_REQUEST_BYTES * bus_character_us(p->bus));
    const struct unit *unit = unit_of(p, p->request.unit);
    int64_t gap_us = unit ? gap_of(p, unit) : p->bus->frame_gap_us;
    p->free_after_us = p->last_traffic_us + gap_us + (rtu && !heard ? SETTLE_US : 0);
    if (rtu && !heard)
        suspect_unit(p, p->request.unit);
    if (!heard && (tcp || gone))
        close_line(p);
    guest_over(&p->guest, result, &p->reply, p->sent_us, p->now_us,
               rtu ? p->bus->turnaround_us : 0);
}

static void ask_guest(struct poller *p)
{
    p->asking = NULL;
    p->is_canary = false;
    p->sent_us = p->now_us;
    p->request = p->guest.request;
    p->guest.state = GUEST_ASKING;
    int result = p->line->send(p->line->ctx, &p->request, p->now_us);
    if (result == MW_OK)
        p->state = LINE_ASKING;
    else
        guest_finished(p, result);
}

static int64_t guest_timeout_us(struct poller *p)
{
    const struct unit *unit = unit_of(p, p->request.unit);
    return unit ? unit->settings->timeout_us : p->bus->timeout_us;
}

static int64_t guest_turn(struct poller *p)
{
    int64_t timeout_us = guest_timeout_us(p), waited_us = p->now_us - p->sent_us;
    int result = p->line->receive(p->line->ctx, p->now_us, &p->reply);
    bool goes_on = result == MW_ERR_AGAIN ||
                   (result == MW_ERR_MISMATCH && bus_speaks_rtu(p->bus)); /* another unit's */
    if (result == MW_ERR_MISMATCH)
        p->stats.n_refused_stale++;
    if (!goes_on)
        guest_finished(p, result);
    else if (waited_us >= timeout_us)
        guest_finished(p, MW_ERR_TIMEOUT);
    else
        return result == MW_ERR_AGAIN ? timeout_us - waited_us : 0;
    return 0;
}

/* How long until a guest may be served on the idle line; INT64_MAX: there is none. */
static int64_t guest_clear_us(struct poller *p, bool poll_due)
{
    int64_t wait_us = guest_wait_us(&p->guest, poll_due, p->now_us);
    if (wait_us == INT64_MAX)
        return wait_us;
    const struct unit *unit = unit_of(p, p->guest.request.unit);
    int64_t clear_us = later(p->free_after_us, p->now_us + wait_us);
    if (unit)
        clear_us = later(
            clear_us, later(unit->quiet_until_us, p->last_traffic_us + unit->settings->pause_us));
    return clear_us - p->now_us;
}

static int64_t asking_turn(struct poller *p)
{
    if (!p->asking)
        return guest_turn(p);
    struct unit *unit = &p->units[p->asking->device];
    int64_t timeout_us = unit->settings->timeout_us;
    int64_t waited_us = p->now_us - p->sent_us;
    int result = p->line->receive(p->line->ctx, p->now_us, &p->reply);

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
        heard_unasked(p);
        if (waited_us >= timeout_us)
            exchange_failed(p, MW_ERR_TIMEOUT);
        return 0;
    default: exchange_failed(p, result); return 0;
    }
}

/* Throws away what nobody asked for. True where the turn is over. */
static bool drained(struct poller *p)
{
    int n = p->line->drain(p->line->ctx, p->now_us);
    if (n == 0) {
        if (p->now_us >= p->free_after_us)
            p->babble_since_us = 0;
        return false;
    }
    if (n < 0) { /* a TCP device that hangs up while idle is no fault */
        if (p->bus->kind == BUS_RTU)
            p->stats.n_io_errors++;
        close_line(p);
        return true;
    }
    count_bytes(p, NULL, (size_t)n);
    p->stats.n_refused_stale++;
    if (!bus_speaks_rtu(p->bus)) {
        close_line(p);
        return true;
    }
    heard_unasked(p);
    p->last_traffic_us = p->now_us;
    p->free_after_us = later(p->free_after_us, p->now_us + p->bus->frame_gap_us + SETTLE_US);
    if (p->babble_since_us == 0)
        p->babble_since_us = p->now_us;
    return false;
}

/* Probes are few, so that offline devices take turns: the one that has waited longest is next, and
 * has a period of its own, though at most PROBE_TURN_US, to come due. Without this, polls that fall
 * due right after each pause would take all probes, and others would never be asked again. */
static bool is_its_turn(const struct poller *p, const struct unit *unit)
{
    for (size_t i = 0; i < p->n_units; i++) {
        const struct unit *other = &p->units[i];
        if (other == unit || other->health.state != DEVICE_OFFLINE || other->period_us == 0 ||
            other->health.ask_us >= unit->health.ask_us)
            continue;
        int64_t turn_us = other->period_us < PROBE_TURN_US ? other->period_us : PROBE_TURN_US;
        int64_t from_us =
            later(later(p->probe_after_us, other->health.ask_us), other->quiet_until_us);
        if (p->now_us < from_us + turn_us)
            return false;
    }
    return true;
}

/* May this device be asked now, for all that is known of it? */
static bool may_ask(const struct poller *p, const struct unit *unit)
{
    if (p->now_us < unit->health.ask_us || p->now_us < unit->quiet_until_us)
        return false;
    if (unit->health.state != DEVICE_OFFLINE)
        return true;
    return p->now_us >= p->probe_after_us && is_its_turn(p, unit);
}

static void ask(struct poller *p, struct unit *unit, struct plan_poll *poll)
{
    p->asking = poll;
    p->is_canary = unit->suspect;
    p->sent_us = p->now_us;
    p->request =
        (struct line_request){ unit->settings->unit, poll->kind, poll->address, poll->count };
    if (unit->suspect)
        p->request =
            canary_request(&p->plan, poll->device, unit->settings->unit, unit->n_canaries++);
    COUNT(p, unit, n_requests);
    if (poll->refused)
        COUNT(p, unit, n_tried_again);
    if (poll->n_retries == 0 && !poll->in_pieces && !p->is_canary) {
        histogram_add(&p->stats.start, p->now_us - poll->due_us);
        histogram_add(&unit->stats.start, p->now_us - poll->due_us);
    }
    int result = p->line->send(p->line->ctx, &p->request, p->now_us);
    if (result == MW_OK)
        p->state = LINE_ASKING;
    else
        exchange_failed(p, result);
}

static void open_failed(struct poller *p, int result)
{
    int64_t max_us = p->bus->kind == BUS_RTU ? REOPEN_MAX_RTU_US : REOPEN_MAX_TCP_US;
    p->open_wait_us = p->open_wait_us ? 2 * p->open_wait_us : REOPEN_FIRST_US;
    if (p->open_wait_us > max_us)
        p->open_wait_us = max_us;
    close_line(p);
    /* Full jitter: connections that a power cut ended together are not all made again together. */
    bool tcp = p->bus->kind == BUS_TCP;
    p->open_after_us = p->now_us + (tcp ? random_us(p, p->open_wait_us) : p->open_wait_us);
    p->stats.n_io_errors++;
    set_bus_health(p, DEVICE_OFFLINE, result);
}

static bool is_set_for(const struct poller *p, const struct serial_config *serial)
{
    return !p->line->set_serial || p->bus->kind != BUS_RTU || serial_equal(&p->serial, serial);
}

/* Devices of different rates share the line: it is set between two silences. */
static void set_serial(struct poller *p, const struct serial_config *serial, int64_t gap_us)
{
    p->serial = (struct serial_config){ 0 }; /* unknown, should this fail */
    int result = p->line->set_serial(p->line->ctx, serial);
    if (result != MW_OK) {
        open_failed(p, result);
        return;
    }
    p->serial = *serial;
    p->free_after_us = p->now_us + gap_us;
}

/* Nobody knows the rate of a unit that is not polled: it is asked at the bus's. */
static void serve_guest(struct poller *p)
{
    const struct unit *unit = unit_of(p, p->guest.request.unit);
    struct serial_config serial = unit ? unit->settings->serial : bus_serial(p->bus);
    if (is_set_for(p, &serial))
        ask_guest(p);
    else
        set_serial(p, &serial, unit ? gap_of(p, unit) : p->bus->frame_gap_us);
}

static int64_t idle_turn(struct poller *p)
{
    if (drained(p))
        return 0;
    int64_t wait_us = 0;
    struct plan_poll *poll = due(p, &wait_us);
    int64_t guest_us = guest_clear_us(p, poll != NULL);
    if (guest_us == 0) {
        serve_guest(p);
        return 0;
    }
    if (!poll)
        return wait_us < guest_us ? wait_us : guest_us;

    struct unit *unit = &p->units[poll->device];
    if (poll->refused && p->now_us < poll->refused_until_us) {
        finish_slot(p, poll, NULL, MW_QUALITY_BAD);
        return 0;
    }
    bool babbling =
        p->babble_since_us != 0 && p->now_us - p->babble_since_us > unit->settings->timeout_us;
    int64_t clear_us = later(p->free_after_us, p->last_traffic_us + unit->settings->pause_us);
    if (babbling && p->now_us >= unit->health.ask_us)
        device_failed(p, unit, MW_ERR_FORMAT);
    if (babbling || !may_ask(p, unit)) {
        finish_slot(p, poll, NULL, MW_QUALITY_STALE);
        return 0;
    }
    if (p->now_us < clear_us)
        return clear_us - p->now_us;
    if (!is_set_for(p, &unit->settings->serial))
        set_serial(p, &unit->settings->serial, gap_of(p, unit));
    else
        ask(p, unit, poll);
    return 0;
}

static void opened(struct poller *p)
{
    p->state = LINE_IDLE;
    p->stats.n_reopens += p->opened_before;
    p->opened_before = true;
    p->open_wait_us = 0;
    p->free_after_us = later(p->free_after_us, p->now_us + p->bus->frame_gap_us);
    set_bus_health(p, DEVICE_ONLINE, MW_OK);
}

static int64_t earlier(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

/* How long the line may be left to itself while it opens. */
static int64_t opening_rest(const struct poller *p, int64_t rest_us)
{
    short events = 0;
    bool silent = p->line->descriptor(p->line->ctx, &events) < 0;
    return silent ? earlier(rest_us, RESOLVE_LOOK_US) : rest_us;
}

/* Polls that fall due while the line is down have failed; a line that was good a moment ago gets a
 * timeout's time to come back for them. */
static int64_t opening_turn(struct poller *p)
{
    int result = p->line->open(p->line->ctx, p->now_us);
    if (result == MW_OK) {
        opened(p);
        return 0;
    }
    if (result != MW_ERR_AGAIN) {
        open_failed(p, result);
        return 0;
    }
    p->state = LINE_OPENING;
    int64_t patient_us = p->open_since_us + p->bus->timeout_us;
    int64_t over_us = p->open_since_us + p->bus->connect_timeout_us;
    if (p->bus_health != DEVICE_OFFLINE && p->now_us < patient_us)
        return opening_rest(p, earlier(patient_us, later(over_us, p->now_us + 1)) - p->now_us);

    int64_t wait_us = 0;
    struct plan_poll *poll = due(p, &wait_us);
    if (poll) {
        finish_slot(p, poll, NULL, MW_QUALITY_STALE);
        return 0;
    }
    return opening_rest(p, earlier(wait_us, later(over_us - p->now_us, 1)));
}

static int64_t closed_turn(struct poller *p)
{
    int64_t wait_us = 0;
    struct plan_poll *poll = due(p, &wait_us);
    if (poll && p->now_us < p->open_after_us) {
        finish_slot(p, poll, NULL, MW_QUALITY_STALE);
        return 0;
    }
    /* Opened when needed; but a line that is down is tried also between the polls. */
    if (!poll && p->guest.state != GUEST_WAITING && p->bus_health != DEVICE_OFFLINE)
        return wait_us;
    if (p->now_us < p->open_after_us)
        return wait_us < p->open_after_us - p->now_us ? wait_us : p->open_after_us - p->now_us;
    p->open_since_us = p->now_us;
    return opening_turn(p);
}

static int64_t turn(struct poller *p)
{
    switch (p->state) {
    case LINE_CLOSED: return closed_turn(p);
    case LINE_OPENING: return opening_turn(p);
    case LINE_IDLE: return idle_turn(p);
    case LINE_ASKING: break;
    }
    return asking_turn(p);
}

int64_t poller_step(struct poller *p, int64_t now_us, int64_t utc_offset_us,
                    const struct poller_sink *sink)
{
    p->now_us = now_us;
    p->utc_offset_us = utc_offset_us;
    if (p->probe_after_us == LONG_AGO_US)
        p->probe_after_us = now_us; /* nothing is saved up yet */
    p->sink = sink;
    int64_t wait_us = 0;
    if (p->state != LINE_ASKING)
        p->line->tap = p->tap;
    guest_tire(&p->guest, now_us, p->bus_health == DEVICE_OFFLINE ? MW_ERR_GONE : MW_ERR_STATE);
    for (int i = 0; i < MAX_TURNS && wait_us == 0; i++)
        wait_us = turn(p);
    p->sink = NULL;
    return wait_us;
}

void poller_trust(struct poller *p)
{
    for (size_t i = 0; i < p->n_units; i++)
        p->units[i].suspect = false;
}

int poller_guest_ask(struct poller *p, const struct line_request *request, int64_t now_us)
{
    return guest_ask(&p->guest, request, now_us);
}

bool poller_guest_take(struct poller *p, struct guest_answer *ret_answer)
{
    return guest_take(&p->guest, ret_answer);
}

void poller_tap(struct poller *p, const struct line_tap *tap)
{
    p->tap = tap;
}

int poller_descriptor(const struct poller *p, short *ret_events)
{
    return p->state == LINE_CLOSED ? -1 : p->line->descriptor(p->line->ctx, ret_events);
}

static const struct unit *find_unit(const struct poller *p, uint32_t device)
{
    for (size_t i = 0; i < p->n_units; i++)
        if (p->units[i].index == device)
            return &p->units[i];
    return NULL;
}

struct poller_stats poller_bus_stats(const struct poller *p)
{
    return p->stats;
}

struct poller_stats poller_device_stats(const struct poller *p, uint32_t device)
{
    const struct unit *unit = find_unit(p, device);
    return unit ? unit->stats : (struct poller_stats){ 0 };
}

struct poller_refusals poller_device_refusals(const struct poller *p, uint32_t device)
{
    struct poller_refusals refusals = { 0 };
    for (size_t i = 0; i < p->plan.refusals.n; i++) {
        const struct refusal *refusal = &p->plan.refusals.items[i];
        if (p->units[refusal->device].index != device)
            continue;
        if (refusals.n < POLLER_MAX_REFUSALS)
            refusals.items[refusals.n] = *refusal;
        refusals.n++;
    }
    return refusals;
}

enum device_health poller_device_health(const struct poller *p, uint32_t device)
{
    const struct unit *unit = find_unit(p, device);
    if (unit && p->bus_health == DEVICE_OFFLINE)
        return DEVICE_OFFLINE;
    return unit ? unit->health.state : DEVICE_UNKNOWN;
}
