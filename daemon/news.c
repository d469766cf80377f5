/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/news.h"

#define GATEWAY_US 60000000 /* the gateway's retained status, also when nothing changes */

static uint8_t quality_of(const struct pipeline *p, const struct machine *m)
{
    for (uint32_t c = 0; c < m->config->detector.n_channels; c++) {
        uint32_t device = p->config->point_devices[m->config->points[c]];
        if (m->sensor_alarms[c].state != MW_ALARM_NORMAL ||
            p->devices[device].health == DEVICE_OFFLINE)
            return MW_QUALITY_BAD;
    }
    return m->verdict.model_state == MW_MODEL_HOLD ? MW_QUALITY_STALE : MW_QUALITY_GOOD;
}

static struct machine_news news_of(const struct pipeline *p, const struct machine *m,
                                   const struct clock_time *now)
{
    bool active =
        m->alarm.state == MW_ALARM_ACTIVE_UNACKED || m->alarm.state == MW_ALARM_ACTIVE_ACKED;
    bool calm = m->alarm.state == MW_ALARM_NORMAL;
    struct machine_news news = { .machine = m->index,
                                 .at_us = m->verdict.at_us ? m->verdict.at_us : now->utc_us,
                                 .since_us = m->state_since_us,
                                 .active = active,
                                 .state = m->alarm.state,
                                 .severity = calm ? MW_SEVERITY_NONE : m->alarm.severity,
                                 .detector = calm ? 0 : m->newest.detector,
                                 .condition = calm ? 0 : m->newest.condition,
                                 .model_state = m->verdict.model_state,
                                 .data_quality = quality_of(p, m),
                                 .score = m->verdict.score,
                                 .last_alert_seq = m->last_alert_seq };
    if (!calm)
        machine_point(m, m->newest.channel, news.point, sizeof news.point);
    machine_model(m, news.model);
    return news;
}

static void send_gateway_news(struct pipeline *p, const struct clock_time *now)
{
    struct machine_news news = { .machine = UINT32_MAX,
                                 .at_us = now->utc_us,
                                 .clock_synced = p->timebase.synced,
                                 .n_machines_active = pipeline_machines_active(p),
                                 .n_devices_offline = pipeline_devices_offline(p),
                                 .n_polls = pipeline_polls(p),
                                 .n_windows = pipeline_windows(p),
                                 .outbox_waiting = p->db.outbox_waiting,
                                 .outbox_dropped = p->db.outbox_dropped,
                                 .uptime_s = (now->mono_us - p->started_us) / 1000000 };
    mw_ring_offer(&p->link_news, &news);
}

void news_send(struct pipeline *p, const struct clock_time *now)
{
    bool sent = false;
    for (size_t i = 0; i < p->config->n_machines; i++) {
        struct machine *m = p->machines[i];
        if (!m->news)
            continue;
        struct machine_news news = news_of(p, m, now);
        if (!mw_ring_offer(&p->link_news, &news))
            break;
        m->news = false;
        sent = true;
    }
    if (sent || now->mono_us >= p->news_us) {
        send_gateway_news(p, now);
        p->news_us = now->mono_us + GATEWAY_US;
        worker_wake(p->link);
    }
}
