/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/alarms.h"
#include "daemon/handover.h"

#include <string.h>

static void step_own_alarm(struct pipeline *p, struct machine *m, enum alarm_request request,
                           const struct clock_time *now)
{
    struct alarm_facts facts = machine_facts(m);
    uint8_t before = m->alarm.state;
    int event = alarm_step(&m->alarm, &m->config->alarm, &facts, request, 0, p->next_number,
                           now->mono_us, now->utc_us);
    if (m->alarm.state != before)
        m->news = true;
    if (event <= 0)
        return;
    if (event == MW_ALERT_RAISED)
        p->next_number++;
    struct mw_alert alert =
        machine_alert(m, MACHINE_ALARM, (enum mw_alert_event)event, p->clock_synced, now->utc_us);
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, 'm', m->config->name, NULL);
    handover_alert(p, m, &m->alarm, name, &alert);
}

static void step_sensor_alarm(struct pipeline *p, struct machine *m, uint32_t channel,
                              enum alarm_request request, const struct clock_time *now)
{
    uint32_t device = p->config->point_devices[m->config->points[channel]];
    bool offline = p->devices[device].health == DEVICE_OFFLINE;
    struct alarm *alarm = &m->sensor_alarms[channel];
    struct alarm_facts facts = machine_sensor_facts(m, channel, offline);
    if (!facts.active && alarm->state == MW_ALARM_NORMAL && alarm->pending_us == 0)
        return;
    int event = alarm_step(alarm, &m->config->alarm, &facts, request, 0, p->next_number,
                           now->mono_us, now->utc_us);
    if (event <= 0)
        return;
    if (event == MW_ALERT_RAISED)
        p->next_number++;
    struct mw_alert alert =
        machine_alert(m, channel, (enum mw_alert_event)event, p->clock_synced, now->utc_us);
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, 's', m->config->name, m->config->detector.channels[channel].name);
    handover_alert(p, m, alarm, name, &alert);
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

void alarms_step_device(struct pipeline *p, uint32_t device, enum alarm_request request,
                        const struct clock_time *now)
{
    static const struct alarm_config at_once = { 0 };
    struct device_watch *d = &p->devices[device];
    bool was_active = d->alarm.state != MW_ALARM_NORMAL;
    struct alarm_facts facts = {
        /* Until the first answer or time-out after a start the alarm stays as it was. */
        .active = d->health == DEVICE_OFFLINE || (d->health == DEVICE_UNKNOWN && was_active),
        .severity = MW_SEVERITY_WARNING,
        .detectors = 1u << MW_DETECTOR_SENSOR,
    };
    if (!handover_has_room(p) || (!facts.active && !was_active))
        return;
    int event = alarm_step(&d->alarm, &at_once, &facts, request, 0, p->next_number, now->mono_us,
                           now->utc_us);
    if (event <= 0)
        return;
    if (event == MW_ALERT_RAISED)
        p->next_number++;
    struct mw_alert alert = { .number = d->alarm.number,
                              .event = (uint8_t)event,
                              .state = d->alarm.state,
                              .class = MW_ALARM_DEVICE,
                              .severity = d->alarm.severity,
                              .detector = MW_DETECTOR_SENSOR,
                              .condition = MW_CONDITION_NO_DATA,
                              .clock_synced = p->clock_synced,
                              .at_us = now->utc_us,
                              .since_us = d->alarm.since_us,
                              .score = facts.active ? 1.0f : 0.0f,
                              .clear_below = 1.0f };
    memcpy(alert.subject, p->config->devices[device].name, sizeof alert.subject);
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, 'd', alert.subject, NULL);
    handover_alert(p, NULL, &d->alarm, name, &alert);
}
