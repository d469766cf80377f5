/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/handover.h"
#include "daemon/journal.h"

#include <string.h>

static int take_blob(struct pipeline *p)
{
    for (int b = 0; b < PIPELINE_BLOBS; b++)
        if (p->blob_free[b])
            return b;
    return NO_BLOB;
}

int handover_free_blobs(const struct pipeline *p)
{
    int n = 0;
    for (int b = 0; b < PIPELINE_BLOBS; b++)
        n += p->blob_free[b];
    return n;
}

bool handover_has_room(struct pipeline *p)
{
    return mw_ring_count(&p->orders) < p->orders.capacity && take_blob(p) != NO_BLOB;
}

void handover_put_state(struct pipeline *p, struct machine *m, struct store_order *order)
{
    int b = take_blob(p);
    if (b == NO_BLOB)
        return;
    uint8_t *blob = p->blobs + (size_t)b * p->blob_bytes;
    int n =
        mw_detector_save(&m->detector, blob + sizeof(uint32_t), p->blob_bytes - sizeof(uint32_t));
    if (n < 0)
        return;
    memcpy(blob, &(uint32_t){ (uint32_t)n }, sizeof(uint32_t));
    p->blob_free[b] = false;
    order->blob = b;
}

void handover_order(struct pipeline *p, const struct store_order *order)
{
    if (!mw_ring_push(&p->orders, order) && order->blob != NO_BLOB)
        p->blob_free[order->blob] = true;
    p->store_news = true;
}

void handover_alert(struct pipeline *p, struct machine *m, const struct alarm *alarm,
                    const struct mw_finding *finding, const char *name,
                    const struct mw_alert *alert)
{
    struct store_order order = { .kind = STORE_ALERT,
                                 .machine = m ? m->index : UINT32_MAX,
                                 .blob = NO_BLOB,
                                 .alert = *alert,
                                 .offset_us = p->timebase.offset_us };
    memcpy(order.alarm_name, name, sizeof order.alarm_name);
    int n = machine_save_alarm(alarm, finding, order.alarm_state, sizeof order.alarm_state);
    order.n_alarm_state = n > 0 ? (uint8_t)n : 0;
    if (m) {
        handover_put_state(p, m, &order);
        m->news = true;
    }
    handover_order(p, &order);
    journal_alert(p->config, alert);
}
