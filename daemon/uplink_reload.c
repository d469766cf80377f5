/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/uplink.h"
#include "uplink/paho_broker.h"

#include <stdlib.h>
#include <string.h>

static int find_gone(const struct uplink_stage *s, struct uplink_parts *parts,
                     const struct config *fresh, const struct config_diff *diff)
{
    bool *kept = calloc(s->config->n_machines + 1, sizeof *kept);
    parts->gone = calloc(s->n_gone + s->config->n_machines + 1, sizeof *parts->gone);
    if (!kept || !parts->gone) {
        free(kept);
        return MW_ERR_NO_MEMORY;
    }
    for (size_t m = 0; m < fresh->n_machines; m++)
        if (diff->machines[m] != DIFF_NONE)
            kept[diff->machines[m]] = true;
    for (size_t i = 0; i < s->n_gone; i++)
        memcpy(parts->gone[parts->n_gone++], s->gone[i], sizeof s->gone[i]);
    for (size_t m = 0; m < s->config->n_machines; m++)
        if (!kept[m] && s->known[m])
            memcpy(parts->gone[parts->n_gone++], s->config->machines[m].name, sizeof s->gone[0]);
    free(kept);
    return MW_OK;
}

/* One that came back must not be wiped out. */
static void spare_returned(struct uplink_parts *parts, const struct config *fresh)
{
    size_t n = 0;
    for (size_t i = 0; i < parts->n_gone; i++) {
        bool back = false;
        for (size_t m = 0; m < fresh->n_machines; m++)
            back = back || strcmp(fresh->machines[m].name, parts->gone[i]) == 0;
        if (!back)
            memmove(parts->gone[n++], parts->gone[i], sizeof parts->gone[i]);
    }
    parts->n_gone = n;
}

int uplink_prepare(const struct uplink_stage *s, struct uplink_parts *ret_parts,
                   const struct config *fresh, const struct config_diff *diff)
{
    size_t n = fresh->n_machines + 1;
    struct uplink_parts parts = { .renewed = diff->mqtt };
    parts.newest = calloc(n, sizeof *parts.newest);
    parts.known = calloc(n, sizeof *parts.known);
    parts.dirty = calloc(n, sizeof *parts.dirty);
    bool all = parts.newest && parts.known && parts.dirty;
    int result = all ? find_gone(s, &parts, fresh, diff) : MW_ERR_NO_MEMORY;
    if (result >= 0 && diff->mqtt && fresh->mqtt.uri[0]) {
        result = paho_broker_create(&parts.broker, &fresh->mqtt);
        parts.has_broker = result >= 0;
    }
    if (result < 0) {
        uplink_parts_destroy(&parts);
        return result;
    }
    spare_returned(&parts, fresh);
    *ret_parts = parts;
    return MW_OK;
}

void uplink_parts_destroy(struct uplink_parts *parts)
{
    if (parts->has_broker)
        parts->broker.destroy(parts->broker.ctx);
    free(parts->newest);
    free(parts->known);
    free(parts->dirty);
    free(parts->gone);
    *parts = (struct uplink_parts){ 0 };
}

/* What flew is sent again over the new connection, which is begun at once: acknowledged messages
 * are out of the outbox already, or their acknowledgement is on its way there. */
static void renew_broker(struct uplink_stage *s, struct uplink_parts *parts,
                         const struct config *fresh, int64_t at_us)
{
    bool moved = strcmp(s->config->mqtt.uri, fresh->mqtt.uri) != 0;
    if (moved)
        uplink_stage_say_goodbye(s, at_us);
    else if (s->has_broker)
        s->broker.disconnect(s->broker.ctx);
    if (s->has_broker)
        s->broker.destroy(s->broker.ctx);
    struct link_stats stats = s->link.stats;
    uint64_t seed = s->link.seed;
    link_init(&s->link, seed);
    s->link.stats = stats;
    s->broker = parts->broker;
    s->has_broker = parts->has_broker;
    s->last_text[0] = '\0';
    s->certificates_us = 0; /* their dates are looked at anew */
    parts->has_broker = false;
}

void uplink_put_into_force(struct uplink_stage *s, struct uplink_parts *parts,
                           const struct config *fresh, const struct config_diff *diff,
                           int64_t at_us)
{
    uint32_t before = (uint32_t)s->config->n_machines, after = (uint32_t)fresh->n_machines;
    uplink_stage_take_news(s);
    if (s->state_in_flight && s->next_state > 0) /* its number means another now */
        s->dirty[s->next_state - 1] = s->known[s->next_state - 1];
    s->state_in_flight = false;
    for (uint32_t m = 0; m <= after; m++) {
        uint32_t old = m == after ? before : diff->machines[m];
        if (old == DIFF_NONE)
            continue;
        parts->newest[m] = s->newest[old];
        parts->newest[m].machine = m == after ? UINT32_MAX : m;
        parts->known[m] = s->known[old];
        parts->dirty[m] = s->dirty[old];
    }
    if (parts->renewed)
        renew_broker(s, parts, fresh, at_us);
    struct uplink_parts old = {
        .newest = s->newest, .known = s->known, .dirty = s->dirty, .gone = s->gone
    };
    s->newest = parts->newest;
    s->known = parts->known;
    s->dirty = parts->dirty;
    s->gone = parts->gone;
    s->n_gone = parts->n_gone;
    s->next_state = 0;
    s->config = fresh;
    s->gateway = (struct payload_gateway){ fresh->mqtt.topic_prefix, fresh->site, fresh->gateway };
    *parts = (struct uplink_parts){ 0 };
    uplink_parts_destroy(&old);
}
