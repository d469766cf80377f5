/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/visit.h"
#include "base/result.h"
#include "fieldbus/moment.h"

/* Settings of the unit that the guest asks; NULL: it is none of the poller's. */
static const struct device_config *settings_of(const struct visit *v)
{
    const struct unit *unit = units_at(v->units, v->guest.request.unit);
    return unit ? unit->settings : NULL;
}

int64_t visit_wait_us(const struct visit *v, bool poll_due, int64_t now_us)
{
    int64_t wait_us = guest_wait_us(&v->guest, poll_due, now_us);
    if (wait_us == INT64_MAX)
        return wait_us;
    const struct unit *unit = units_at(v->units, v->guest.request.unit);
    int64_t clear_us = wire_clear_us(v->wire, unit ? unit->settings->pause_us : 0);
    if (unit)
        clear_us = moment_later(clear_us, unit->quiet_until_us);
    return moment_later(clear_us, now_us + wait_us) - now_us;
}

static void finish(struct visit *v, int result, int64_t now_us)
{
    const struct bus_config *bus = v->wire->bus;
    bool heard = result == MW_OK || result == MW_ERR_REFUSED;
    bool rtu = bus_speaks_rtu(bus), tcp = bus->kind == BUS_TCP;
    bool gone = result == MW_ERR_GONE || result == MW_ERR_IO;
    int64_t silence_us =
        wire_gap_us(v->wire, settings_of(v)) + (rtu && !heard ? WIRE_SETTLE_US : 0);
    wire_over(v->wire, bus_character_us(bus), silence_us, now_us);
    if (rtu && !heard)
        units_suspect(v->units, v->guest.request.unit, now_us);
    if (!heard && (tcp || gone))
        wire_close(v->wire, now_us);
    guest_over(&v->guest, result, &v->wire->reply, v->wire->sent_us, now_us,
               rtu ? bus->turnaround_us : 0);
}

static void ask(struct visit *v, int64_t now_us)
{
    v->guest.state = GUEST_ASKING;
    int result = wire_send(v->wire, &v->guest.request, now_us);
    if (result != MW_OK)
        finish(v, result, now_us);
}

int visit_serve(struct visit *v, int64_t now_us)
{
    const struct device_config *settings = settings_of(v);
    /* Nobody knows the rate of a unit that is not polled: it is asked at the bus's. */
    struct serial_config serial = settings ? settings->serial : bus_serial(v->wire->bus);
    if (!wire_is_set_for(v->wire, &serial))
        return wire_set_serial(v->wire, &serial, wire_gap_us(v->wire, settings), now_us);
    ask(v, now_us);
    return MW_OK;
}

int64_t visit_turn(struct visit *v, int64_t now_us, uint64_t *n_stale)
{
    const struct device_config *settings = settings_of(v);
    int64_t timeout_us = settings ? settings->timeout_us : v->wire->bus->timeout_us;
    int64_t waited_us = now_us - v->wire->sent_us;
    int result = wire_receive(v->wire, now_us);
    bool goes_on = result == MW_ERR_AGAIN ||
                   (result == MW_ERR_MISMATCH && bus_speaks_rtu(v->wire->bus)); /* another unit's */
    if (result == MW_ERR_MISMATCH) {
        ++*n_stale;
        if (bus_speaks_rtu(v->wire->bus))
            units_heard_unasked(v->units, now_us); /* a late answer to somebody else */
    }
    if (!goes_on)
        finish(v, result, now_us);
    else if (waited_us >= timeout_us)
        finish(v, MW_ERR_TIMEOUT, now_us);
    else
        return result == MW_ERR_AGAIN ? timeout_us - waited_us : 0;
    return 0;
}
