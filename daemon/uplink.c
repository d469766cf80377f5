/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/uplink.h"
#include "base/result.h"
#include "uplink/certificate.h"
#include "uplink/paho_broker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORDER_ITEMS      256
#define REPORT_ITEMS     64
#define REPORT_US        1000000
#define CERTIFICATES_US  INT64_C(3600000000)
#define STATE_TOKEN      (UINT64_C(1) << 63) /* tokens above are no alerts */
#define GOODBYE_TOKEN    (STATE_TOKEN | UINT32_MAX)
#define GONE_TOKEN       (STATE_TOKEN | (UINT32_MAX - 1))
#define EXPIRY_S         (7 * 24 * 3600) /* a broker's queue shows no older alert as news */
#define STEP_MAX         64              /* orders in one step, so that events get their turn */
#define STATE_ACK_US     15000000
#define STATE_PAUSE_US   5000000 /* after a refusal */
#define STATE_RETRY_US   10000   /* the library's own queue is in use */
#define GOODBYE_EVENTS   32
#define PACKET_TOO_LARGE 0x95 /* MQTT 5, section 2.4 */
#define GOODBYE_MS       500

/* ---- what comes from others ---- */

static void take_outbox_news(struct uplink_stage *s)
{
    struct outbox_news news;
    while (mw_ring_pop(s->outbox_news, &news))
        feed_take(&s->feed, &news);
}

void uplink_stage_take_news(struct uplink_stage *s)
{
    struct machine_news news;
    while (mw_ring_pop(s->machine_news, &news)) {
        size_t i = news.machine < s->config->n_machines ? news.machine : s->config->n_machines;
        s->newest[i] = news;
        s->known[i] = s->dirty[i] = true;
    }
}

/* ---- orders to the store ---- */

/* The store must hear of every acknowledgement; where its ring is full, nothing else is done. */
static bool send_order(struct uplink_stage *s, const struct outbox_order *order)
{
    assert(!s->holds || order == &s->held);
    s->holds = !mw_ring_offer(&s->outbox_orders, order);
    if (s->holds)
        s->held = *order;
    worker_wake(s->store);
    return !s->holds;
}

static void ask(struct uplink_stage *s)
{
    struct outbox_order order;
    bool may = s->link.state == LINK_UP && !s->link.announce && !s->holds && s->link.n_pending == 0;
    if (!may || !feed_should_ask(&s->feed))
        return;
    feed_ask(&s->feed, &s->link, &order);
    send_order(s, &order);
}

/* ---- publishing ---- */

static int publish(struct uplink_stage *s, const char *topic, const char *json, int n,
                   bool retained, uint64_t token)
{
    struct broker_message message = { .topic = topic,
                                      .payload = json,
                                      .n_bytes = (size_t)n,
                                      .retained = retained,
                                      .expiry_s = retained ? 0 : EXPIRY_S,
                                      .token = token };
    int result = s->broker.publish(s->broker.ctx, &message);
    if (result >= 0)
        s->n_bytes += (uint64_t)n + strlen(topic);
    return result;
}

/* Bytes that nobody can word or send would block the way of all others: a dead letter, and to the
 * link as good as delivered. */
static void pass_over(struct uplink_stage *s, const struct outbox_message *message, uint8_t reason,
                      int64_t now_us)
{
    uint64_t seq = message->seq;
    struct broker_event done = { .kind = BROKER_DELIVERED, .epoch = s->link.epoch, .token = seq };
    link_published(&s->link, seq, feed_offer(&s->feed), false, now_us);
    link_event(&s->link, &done, now_us);
    feed_pass_first(&s->feed);
    s->link.stats.n_dead_letters++;
    if (!s->holds)
        send_order(s, &(struct outbox_order){ .kind = OUTBOX_DEAD, .seq = seq, .reason = reason });
}

static int word_alert(struct uplink_stage *s, const struct outbox_message *message, int64_t at_us,
                      bool replayed, char *ret_topic, char *ret_json)
{
    struct mw_alert alert;
    int result = mw_alert_decode(&alert, message->bytes, message->n_bytes);
    if (result < 0)
        return result;
    mw_alert_restamp(&alert, message->offset_us, message->shift_us, message->synced);
    result = topic_format(ret_topic, TOPIC_MAX, &s->gateway, TOPIC_ALERT, alert.subject);
    if (result < 0)
        return result;
    return payload_alert(ret_json, PAYLOAD_MAX, &s->gateway, &alert, at_us, replayed);
}

static int word_event(struct uplink_stage *s, const struct outbox_message *message, int64_t at_us,
                      bool replayed, char *ret_topic, char *ret_json)
{
    struct mw_event event;
    int result = mw_event_decode(&event, message->bytes, message->n_bytes);
    if (result < 0)
        return result;
    mw_event_restamp(&event, message->offset_us, message->shift_us, message->synced);
    result = topic_format(ret_topic, TOPIC_MAX, &s->gateway, TOPIC_EVENT, NULL);
    if (result < 0)
        return result;
    return payload_event(ret_json, PAYLOAD_MAX, &s->gateway, &event, at_us, replayed);
}

static void publish_message(struct uplink_stage *s, const struct outbox_message *message,
                            const struct clock_time *now)
{
    char topic[TOPIC_MAX], json[PAYLOAD_MAX];
    bool replayed = !message->this_boot || message->at_us - message->offset_us < s->up_us;
    int result = word_alert(s, message, now->utc_us, replayed, topic, json);
    if (result == MW_ERR_FORMAT) /* no alert: an event, then */
        result = word_event(s, message, now->utc_us, replayed, topic, json);
    if (result >= 0)
        result = publish(s, topic, json, result, false, message->seq);
    if (result == MW_ERR_FORMAT || result == MW_ERR_NO_SPACE || result == MW_ERR_INVALID ||
        result == MW_ERR_TOO_BIG) {
        pass_over(s, message, result == MW_ERR_TOO_BIG ? PACKET_TOO_LARGE : 0, now->mono_us);
        return;
    }
    link_published(&s->link, message->seq, feed_offer(&s->feed), result < 0, now->mono_us);
    if (result >= 0)
        feed_pass_first(&s->feed);
}

static int word_state(struct uplink_stage *s, size_t i, char *ret_topic, char *ret_json)
{
    const struct machine_news *n = &s->newest[i];
    if (i == s->config->n_machines) {
        struct payload_status status = { .state = n->n_devices_offline ? "degraded" : "online",
                                         .version = MW_VERSION,
                                         .at_us = n->at_us,
                                         .uptime_s = n->uptime_s,
                                         .n_machines = (uint32_t)s->config->n_machines,
                                         .n_machines_active = n->n_machines_active,
                                         .n_devices = (uint32_t)s->config->n_devices,
                                         .n_devices_offline = n->n_devices_offline,
                                         .n_polls = n->n_polls,
                                         .n_windows = n->n_windows,
                                         .outbox_waiting = n->outbox_waiting,
                                         .outbox_dropped = n->outbox_dropped,
                                         .clock_synced = n->clock_synced };
        topic_format(ret_topic, TOPIC_MAX, &s->gateway, TOPIC_STATUS, NULL);
        return payload_status(ret_json, PAYLOAD_MAX, &s->gateway, &status);
    }
    static const char *const qualities[] = {
        [MW_QUALITY_GOOD] = "good", [MW_QUALITY_STALE] = "stale", [MW_QUALITY_BAD] = "partial"
    };
    struct payload_state state = { .machine = s->config->machines[i].name,
                                   .at_us = n->at_us,
                                   .since_us = n->since_us,
                                   .active = n->active,
                                   .state = n->state,
                                   .severity = n->severity,
                                   .detector = n->detector,
                                   .condition = n->condition,
                                   .model_state = n->model_state,
                                   .score = n->score,
                                   .point = n->point,
                                   .last_alert_seq = n->last_alert_seq,
                                   .model = n->model,
                                   .data_quality = qualities[n->data_quality] };
    topic_format(ret_topic, TOPIC_MAX, &s->gateway, TOPIC_STATE, state.machine);
    return payload_state(ret_json, PAYLOAD_MAX, &s->gateway, &state);
}

/* An empty retained message takes the state of a machine that is no longer there away (MQTT 5.0,
 * section 3.3.1.3). */
static int64_t take_away(struct uplink_stage *s, int64_t now_us)
{
    char topic[TOPIC_MAX];
    int result =
        topic_format(topic, sizeof topic, &s->gateway, TOPIC_STATE, s->gone[s->n_gone - 1]);
    if (result >= 0 && publish(s, topic, "", 0, true, GONE_TOKEN) < 0)
        return STATE_RETRY_US;
    s->n_gone--;
    s->state_in_flight = result >= 0;
    s->state_sent_us = now_us;
    return STATE_ACK_US;
}

/* One retained state at a time, so that the window stays the alerts'. Returns the microseconds
 * until it should be tried again. */
static int64_t publish_states(struct uplink_stage *s, const struct clock_time *now)
{
    char topic[TOPIC_MAX], json[PAYLOAD_MAX];
    if (s->state_in_flight && now->mono_us - s->state_sent_us < STATE_ACK_US)
        return STATE_ACK_US;
    if (now->mono_us < s->state_pause_us)
        return s->state_pause_us - now->mono_us;
    if (s->n_gone > 0)
        return take_away(s, now->mono_us);
    for (size_t k = 0; k <= s->config->n_machines; k++) {
        /* In turn, so that a busy machine does not starve the others. */
        size_t i = (s->next_state + k) % (s->config->n_machines + 1);
        if (!s->dirty[i])
            continue;
        s->next_state = i + 1;
        int n = word_state(s, i, topic, json);
        int sent = n < 0 ? n : publish(s, topic, json, n, true, STATE_TOKEN | i);
        s->dirty[i] = n >= 0 && sent < 0 && sent != MW_ERR_TOO_BIG;
        s->state_in_flight = sent >= 0;
        s->state_sent_us = now->mono_us;
        s->n_states += s->state_in_flight;
        return s->dirty[i] ? STATE_RETRY_US : STATE_ACK_US;
    }
    return STATE_ACK_US;
}

static void mark_all(struct uplink_stage *s)
{
    for (size_t i = 0; i <= s->config->n_machines; i++)
        s->dirty[i] = s->known[i];
}

/* ---- the connection ---- */

static int word_will(const struct uplink_stage *s, int64_t at_us, char *ret_topic, char *ret_json)
{
    struct payload_status offline = { .state = "offline",
                                      .version = MW_VERSION,
                                      .at_us = at_us,
                                      .n_machines = (uint32_t)s->config->n_machines,
                                      .n_devices = (uint32_t)s->config->n_devices };
    topic_format(ret_topic, TOPIC_MAX, &s->gateway, TOPIC_STATUS, NULL);
    return payload_status(ret_json, PAYLOAD_MAX, &s->gateway, &offline);
}

static void dial(struct uplink_stage *s, const struct clock_time *now)
{
    char topic[TOPIC_MAX], json[PAYLOAD_MAX];
    word_will(s, now->utc_us, topic, json);
    /* A failure to begin comes as an event, like one of the broker. */
    (void)s->broker.connect(s->broker.ctx, topic, json);
}

static void take_events(struct uplink_stage *s, const struct clock_time *now)
{
    struct broker_event event;
    while (s->broker.next_event(s->broker.ctx, &event)) {
        bool is_state = (event.kind == BROKER_DELIVERED || event.kind == BROKER_FAILED) &&
                        event.token & STATE_TOKEN;
        if (is_state) {
            size_t i = (size_t)(event.token & ~STATE_TOKEN);
            s->state_in_flight = false;
            if (event.kind == BROKER_FAILED && i <= s->config->n_machines) {
                s->dirty[i] = true;
                s->state_pause_us = now->mono_us + STATE_PAUSE_US;
            }
            continue;
        }
        if (event.kind == BROKER_REFUSED || event.kind == BROKER_LOST) {
            memcpy(s->last_text, event.text, sizeof s->last_text);
            s->state_in_flight = false;
        }
        link_event(&s->link, &event, now->mono_us);
        if (event.kind == BROKER_FAILED)
            feed_forget(&s->feed);
    }
}

/* Returns false where there is nothing more to do now. */
static bool obey(struct uplink_stage *s, const struct link_order *order,
                 const struct clock_time *now)
{
    switch (order->kind) {
    case LINK_REST: return false;
    case LINK_DIAL: dial(s, now); return true;
    case LINK_HANG_UP: s->broker.disconnect(s->broker.ctx); return true;
    case LINK_ANNOUNCE:
        s->up_us = now->mono_us;
        feed_connected(&s->feed);
        mark_all(s);
        return true;
    case LINK_PUBLISH: publish_message(s, feed_first(&s->feed), now); return true;
    case LINK_ACKNOWLEDGE:
        feed_drop(&s->feed, order->seq);
        return send_order(s, &(struct outbox_order){ .kind = OUTBOX_ACK, .seq = order->seq });
    case LINK_DEAD_LETTER:
        return send_order(s, &(struct outbox_order){
                                 .kind = OUTBOX_DEAD, .seq = order->seq, .reason = order->reason });
    }
    return false;
}

static int64_t work(struct uplink_stage *s, const struct clock_time *now)
{
    for (int i = 0; i < STEP_MAX; i++) {
        if (s->holds && !send_order(s, &s->held))
            return REPORT_US / 100;
        ask(s);
        if (s->holds)
            return REPORT_US / 100;
        struct link_order order = link_next(&s->link, feed_offer(&s->feed), now->mono_us);
        if (!obey(s, &order, now))
            return order.kind == LINK_REST ? order.wait_us : 0;
    }
    return 0;
}

/* Renewed ones are seen within the hour; what cannot be read has no end here, and its own words
 * when it is used. */
static void look_at_certificates(struct uplink_stage *s, int64_t now_us)
{
    const struct mqtt_config *mqtt = &s->config->mqtt;
    const char *const files[MW_CERTIFICATES] = {
        [MW_CERTIFICATE_CLIENT] = mqtt->cert_file, [MW_CERTIFICATE_AUTHORITY] = mqtt->ca_file
    };
    if (now_us < s->certificates_us)
        return;
    s->certificates_us = now_us + CERTIFICATES_US;
    for (int i = 0; i < MW_CERTIFICATES; i++)
        if (!files[i][0] || certificate_not_after(files[i], &s->not_after_us[i]) < 0)
            s->not_after_us[i] = 0;
}

static void report(struct uplink_stage *s, int64_t now_us)
{
    /* The first failure is news, too: until then "down" only means "not tried yet". */
    bool first = !s->tried && s->last_text[0];
    bool changed = first || (s->link.state != s->reported_state && s->link.state != LINK_DIALLING &&
                             (s->tried || s->link.state == LINK_UP));
    if (!changed && now_us < s->report_us)
        return;
    struct link_report item = { .state = (uint8_t)(first ? LINK_DOWN : s->link.state),
                                .changed = changed,
                                .stats = s->link.stats,
                                .n_bytes = s->n_bytes,
                                .n_states = s->n_states };
    memcpy(item.text, s->last_text, sizeof item.text);
    memcpy(item.not_after_us, s->not_after_us, sizeof item.not_after_us);
    if (!mw_ring_offer(&s->reports, &item))
        return;
    if (changed) {
        s->reported_state = s->link.state == LINK_UP ? LINK_UP : LINK_DOWN;
        s->tried = true;
    }
    s->report_us = now_us + REPORT_US;
    worker_wake(s->main);
}

static int64_t step(void *ctx, const struct clock_time *now)
{
    struct uplink_stage *s = ctx;
    take_outbox_news(s);
    uplink_stage_take_news(s);
    if (!s->has_broker)
        return REPORT_US;
    take_events(s, now);
    look_at_certificates(s, now->mono_us);
    if (s->config->mqtt.heartbeat_us > 0 && now->mono_us >= s->heartbeat_us) {
        mark_all(s);
        s->heartbeat_us = now->mono_us + s->config->mqtt.heartbeat_us;
    }
    int64_t wait_us = work(s, now);
    if (s->link.state == LINK_UP) {
        int64_t state_us = publish_states(s, now);
        wait_us = state_us < wait_us ? state_us : wait_us;
    }
    report(s, now->mono_us);
    return wait_us < REPORT_US ? wait_us : REPORT_US;
}

static size_t descriptors(void *ctx, struct pollfd *ret_fds, size_t cap)
{
    struct uplink_stage *s = ctx;
    if (!s->has_broker || cap == 0)
        return 0;
    ret_fds[0] = (struct pollfd){ .fd = s->broker.descriptor(s->broker.ctx), .events = POLLIN };
    return 1;
}

struct stage uplink_stage(struct uplink_stage *stage)
{
    /* Name look-ups and TLS happen in the library's threads; handing over is quick. */
    return (struct stage){
        .name = "link", .bound_us = 20000000, .step = step, .descriptors = descriptors, .ctx = stage
    };
}

/* ---- life ---- */

int uplink_stage_create(struct uplink_stage **ret_stage, const struct config *config,
                        struct worker *main_worker, struct worker *store, uint64_t seed)
{
    struct uplink_stage *s = calloc(1, sizeof *s);
    if (!s)
        return MW_ERR_NO_MEMORY;
    s->config = config;
    s->main = main_worker;
    s->store = store;
    s->gateway =
        (struct payload_gateway){ config->mqtt.topic_prefix, config->site, config->gateway };
    s->newest = calloc(config->n_machines + 1, sizeof *s->newest);
    s->known = calloc(config->n_machines + 1, sizeof *s->known);
    s->dirty = calloc(config->n_machines + 1, sizeof *s->dirty);
    s->order_items = calloc(ORDER_ITEMS, sizeof *s->order_items);
    s->report_items = calloc(REPORT_ITEMS, sizeof *s->report_items);
    int result = MW_ERR_NO_MEMORY;
    if (!s->newest || !s->known || !s->dirty || !s->order_items || !s->report_items)
        goto fail;
    mw_ring_init(&s->outbox_orders, s->order_items, sizeof *s->order_items, ORDER_ITEMS);
    mw_ring_init(&s->reports, s->report_items, sizeof *s->report_items, REPORT_ITEMS);
    link_init(&s->link, seed);
    if (config->mqtt.uri[0]) {
        result = paho_broker_create(&s->broker, &config->mqtt);
        if (result < 0)
            goto fail;
        s->has_broker = true;
    }
    *ret_stage = s;
    return MW_OK;
fail:
    uplink_stage_destroy(s);
    return result;
}

void uplink_stage_destroy(struct uplink_stage *s)
{
    if (!s)
        return;
    if (s->has_broker)
        s->broker.destroy(s->broker.ctx);
    free(s->newest);
    free(s->known);
    free(s->dirty);
    free(s->gone);
    free(s->order_items);
    free(s->report_items);
    free(s);
}

void uplink_stage_say_goodbye(struct uplink_stage *s, int64_t at_us)
{
    char topic[TOPIC_MAX], json[PAYLOAD_MAX];
    if (!s->has_broker || s->link.state != LINK_UP)
        return;
    int n = word_will(s, at_us, topic, json);
    struct pollfd fd = { .fd = s->broker.descriptor(s->broker.ctx), .events = POLLIN };
    struct broker_event event;
    bool sent = false, waits = n >= 0;
    /* An orderly end does not trigger the Will, so the word must have arrived before it. */
    for (int i = 0; waits && i < GOODBYE_EVENTS; i++) {
        sent = sent || publish(s, topic, json, n, true, GOODBYE_TOKEN) >= 0;
        if (poll(&fd, 1, GOODBYE_MS) <= 0 && sent)
            break;
        while (s->broker.next_event(s->broker.ctx, &event))
            waits = waits && event.token != GOODBYE_TOKEN && event.kind != BROKER_LOST;
    }
    s->broker.disconnect(s->broker.ctx);
}
