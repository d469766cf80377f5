/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/alarms.h"
#include "daemon/handover.h"

#include <string.h>

#define SETTLE_US 1000000

static void step_own_alarm(struct pipeline *p, struct machine *m, enum alarm_request request,
                           const struct clock_time *now)
{
    struct alarm_facts facts = machine_facts(m);
    uint8_t before = m->alarm.state;
    int event = alarm_step(&m->alarm, &m->config->alarm, &facts, request, 0, p->next_number,
                           now->mono_us, now->utc_us);
    if (m->alarm.state != before) {
        m->state_since_us = now->utc_us;
        m->news = true;
    }
    if (event <= 0)
        return;
    if (event == MW_ALERT_RAISED)
        p->next_number++;
    struct mw_alert alert = machine_alert(m, MACHINE_ALARM, (enum mw_alert_event)event,
                                          p->timebase.synced, now->utc_us);
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, 'm', m->config->name, NULL);
    handover_alert(p, m, &m->alarm, &m->newest, name, &alert);
}

/* A device that does not answer has its own alarm, and for a moment after its return its points
 * have no values yet: that is not their sensors' doing. */
static bool is_silent(const struct device_watch *device, const struct machine *m, int64_t now_us)
{
    int64_t settled_us = device->online_us + 2 * m->config->detector.period_us + SETTLE_US;
    return device->health != DEVICE_ONLINE || now_us < settled_us;
}

static void step_sensor_alarm(struct pipeline *p, struct machine *m, uint32_t channel,
                              enum alarm_request request, const struct clock_time *now)
{
    uint32_t device = p->config->point_devices[m->config->points[channel]];
    bool silent = is_silent(&p->devices[device], m, now->mono_us);
    struct alarm *alarm = &m->sensor_alarms[channel];
    struct alarm_facts facts = machine_sensor_facts(m, channel, silent);
    /* Nothing is known of the sensor meanwhile: its alarm stays as it was. */
    bool was_active =
        alarm->state == MW_ALARM_ACTIVE_UNACKED || alarm->state == MW_ALARM_ACTIVE_ACKED;
    if (silent && was_active && !facts.active)
        facts = (struct alarm_facts){ true, alarm->severity, alarm->detectors };
    if (!facts.active && alarm->state == MW_ALARM_NORMAL && alarm->pending_us == 0)
        return;
    int event = alarm_step(alarm, &m->config->alarm, &facts, request, 0, p->next_number,
                           now->mono_us, now->utc_us);
    if (event <= 0)
        return;
    if (event == MW_ALERT_RAISED)
        p->next_number++;
    struct mw_alert alert =
        machine_alert(m, channel, (enum mw_alert_event)event, p->timebase.synced, now->utc_us);
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, 's', m->config->name, m->config->detector.channels[channel].name);
    handover_alert(p, m, alarm, &m->newest_of_sensor[channel], name, &alert);
}

bool alarms_step_machine(struct pipeline *p, struct machine *m, enum alarm_request request,
                         const struct clock_time *now)
{
    if (!handover_has_room(p))
        return false;
    step_own_alarm(p, m, request, now);
    for (uint32_t c = 0; c < m->config->detector.n_channels; c++) {
        if (!handover_has_room(p))
            return false;
        step_sensor_alarm(p, m, c, request, now);
    }
    m->changed = false;
    return true;
}

static void tell_device(struct pipeline *p, uint32_t device, int event, bool active,
                        const struct clock_time *now)
{
    static const struct mw_finding nobody = { .channel = MW_CHANNEL_NONE };
    const struct device_watch *d = &p->devices[device];
    struct mw_alert alert = { .number = d->alarm.number,
                              .event = (uint8_t)event,
                              .state = d->alarm.state,
                              .class = MW_ALARM_DEVICE,
                              .severity = d->alarm.severity,
                              .detector = MW_DETECTOR_SENSOR,
                              .condition = MW_CONDITION_NO_DATA,
                              .clock_synced = p->timebase.synced,
                              .at_us = now->utc_us,
                              .since_us = d->alarm.since_us,
                              .score = active ? 1.0f : 0.0f,
                              .clear_below = 1.0f };
    memcpy(alert.subject, p->config->devices[device].name, sizeof alert.subject);
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, 'd', alert.subject, NULL);
    handover_alert(p, NULL, &d->alarm, &nobody, name, &alert);
}

bool alarms_step_device(struct pipeline *p, uint32_t device, enum alarm_request request,
                        const struct clock_time *now)
{
    static const struct alarm_config at_once = { 0 };
    struct device_watch *d = &p->devices[device];
    bool was_active = d->alarm.state != MW_ALARM_NORMAL;
    struct alarm_facts facts = {
        /* Until it answers again the alarm stays as it was: also after a start, when nothing is
         * known of it yet. */
        .active = d->health == DEVICE_OFFLINE || (was_active && d->health != DEVICE_ONLINE),
        .severity = MW_SEVERITY_WARNING,
        .detectors = 1u << MW_DETECTOR_SENSOR,
    };
    if (!facts.active && !was_active)
        return true;
    if (!handover_has_room(p))
        return false;
    int event = alarm_step(&d->alarm, &at_once, &facts, request, 0, p->next_number, now->mono_us,
                           now->utc_us);
    if (event <= 0)
        return true;
    if (event == MW_ALERT_RAISED)
        p->next_number++;
    tell_device(p, device, event, facts.active, now);
    return true;
}

/* ---- what is no longer watched ---- */

/* Leaves the alarm normal, whatever it was; the event, or 0 where nobody need hear of it. */
static int end_alarm(struct alarm *alarm, const struct clock_time *now)
{
    static const struct alarm_config at_once = { 0 };
    static const struct alarm_facts none = { 0 };
    static const enum alarm_request REQUESTS[] = { ALARM_UNSHELVE, ALARM_TICK, ALARM_ACKNOWLEDGE };
    int event = 0;
    for (size_t i = 0; i < sizeof REQUESTS / sizeof REQUESTS[0]; i++)
        if (alarm->state != MW_ALARM_NORMAL)
            event =
                alarm_step(alarm, &at_once, &none, REQUESTS[i], 0, 0, now->mono_us, now->utc_us);
    return event;
}

static bool retire(struct pipeline *p, struct machine *m, uint32_t channel,
                   const struct clock_time *now)
{
    bool own = channel == MACHINE_ALARM;
    struct alarm *alarm = own ? &m->alarm : &m->sensor_alarms[channel];
    if (alarm->state == MW_ALARM_NORMAL)
        return true;
    if (!handover_has_room(p))
        return false;
    int event = end_alarm(alarm, now);
    if (event <= 0)
        return true;
    struct mw_alert alert =
        machine_alert(m, channel, (enum mw_alert_event)event, p->timebase.synced, now->utc_us);
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, own ? 'm' : 's', m->config->name,
               own ? NULL : m->config->detector.channels[channel].name);
    handover_alert(p, m, alarm, own ? &m->newest : &m->newest_of_sensor[channel], name, &alert);
    return true;
}

bool alarms_retire_machine(struct pipeline *p, struct machine *m, const struct clock_time *now)
{
    bool all = retire(p, m, MACHINE_ALARM, now);
    for (uint32_t c = 0; all && c < m->config->detector.n_channels; c++)
        all = retire(p, m, c, now);
    return all;
}

bool alarms_retire_device(struct pipeline *p, uint32_t device, const struct clock_time *now)
{
    struct alarm *alarm = &p->devices[device].alarm;
    if (alarm->state == MW_ALARM_NORMAL)
        return true;
    if (!handover_has_room(p))
        return false;
    int event = end_alarm(alarm, now);
    if (event > 0)
        tell_device(p, device, event, false, now);
    return true;
}
