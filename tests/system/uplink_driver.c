/* SPDX-License-Identifier: Apache-2.0 */
/* The link thread of a daemon without the rest of it: an outbox in memory, the link, and the broker
 * on Paho. Scripts drive it: options below, "push N" and "quit" on its input; what happens it says
 * line by line on its output, the last of them the figures as JSON. */
#include "base/result.h"
#include "uplink/link.h"
#include "uplink/paho_broker.h"
#include "uplink/payload.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define N_ROWS   200000
#define N_STATES 3

struct driver {
    struct mqtt_config config;
    struct link link;
    struct broker broker;
    bool waiting[N_ROWS + 1];
    uint64_t newest, first_waiting, n_left;
    int64_t pace_us, next_us; /* at most one hand-over in this time */
    int64_t ack_timeout_us;
    int announcing; /* retained messages still to publish, or -1 */
    bool hold, quit, quiet, went_down;
    int64_t began_us, ended_us;
};

static const struct payload_gateway gateway = { "millwright/v1", "plant1", "gw-01" };
static const char *const machines[N_STATES] = { "press-07", "pump-1", "fan \xc3\xbc" };

static int64_t now_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* One of every kind in turn, so that a schema sees them all. */
static struct mw_alert make_alert(uint64_t seq)
{
    struct mw_alert a = { .seq = seq, .number = (uint32_t)(seq / 9) };
    a.event = (uint8_t)(MW_ALERT_RAISED + seq % MW_ALERT_TEST);
    a.state = (uint8_t)(seq % (MW_ALARM_OUT_OF_SERVICE + 1));
    a.class = (uint8_t)(MW_ALARM_MACHINE + seq % 3);
    a.severity = (uint8_t)(MW_SEVERITY_INFO + seq % 3);
    a.detector = (uint8_t)(a.class == MW_ALARM_MACHINE ? MW_DETECTOR_LIMIT + seq / 3 % 3
                                                       : MW_DETECTOR_SENSOR);
    a.condition = (uint8_t)(1 + seq % (MW_CONDITION_COUNT - 1));
    a.model_state = (uint8_t)(seq % (MW_MODEL_HOLD + 1));
    a.clock_synced = seq % 2 != 0;
    a.at_us = INT64_C(1767225600000000) + (int64_t)seq * 1234567;
    a.since_us = a.at_us - 5000000;
    a.score = 0.5f + (float)(seq % 100) * 0.037f;
    a.clear_below = 0.85f;
    a.model_digest[0] = (uint8_t)(seq % 7);
    a.n_contributors = a.class == MW_ALARM_MACHINE ? (uint8_t)(seq % 9) : 0;
    snprintf(a.subject, sizeof a.subject, "%s", machines[seq % N_STATES]);
    if (a.class != MW_ALARM_MACHINE)
        snprintf(a.point, sizeof a.point, "vib-3.\"vel\" %d", (int)(seq % 5));
    for (int i = 0; i < a.n_contributors; i++) {
        struct mw_contributor *c = &a.contributors[i];
        snprintf(c->name, sizeof c->name, "channel_%d", i);
        snprintf(c->unit, sizeof c->unit, "mm/s");
        c->value = 6.4f / (float)(i + 1);
        c->expected = 2.1f;
        c->share = 0.5f / (float)(i + 1);
    }
    return a;
}

static int publish_alert(struct driver *d, uint64_t seq)
{
    char topic[TOPIC_MAX], json[PAYLOAD_MAX];
    struct mw_alert a = make_alert(seq);
    int n = payload_alert(json, sizeof json, &gateway, &a, now_us(CLOCK_REALTIME), d->went_down);
    if (n < 0 || topic_format(topic, sizeof topic, &gateway, TOPIC_ALERT, a.subject) != MW_OK)
        abort();
    struct broker_message m = {
        .topic = topic, .payload = json, .n_bytes = (size_t)n, .expiry_s = 604800, .token = seq
    };
    return d->broker.publish(d->broker.ctx, &m);
}

static int format_status(char *json, size_t cap, const char *state)
{
    struct payload_status s = {
        .state = state, .version = "0.1.0", .at_us = now_us(CLOCK_REALTIME), .n_machines = N_STATES
    };
    return payload_status(json, cap, &gateway, &s);
}

static int publish_retained(struct driver *d, const char *topic, const char *json, int n)
{
    struct broker_message m = {
        .topic = topic, .payload = json, .n_bytes = (size_t)n, .retained = true
    };
    return d->broker.publish(d->broker.ctx, &m);
}

static int publish_status(struct driver *d, const char *state)
{
    char topic[TOPIC_MAX], json[PAYLOAD_MAX];
    int n = format_status(json, sizeof json, state);
    topic_format(topic, sizeof topic, &gateway, TOPIC_STATUS, NULL);
    return publish_retained(d, topic, json, n);
}

static int publish_state(struct driver *d, const char *machine)
{
    char topic[TOPIC_MAX], json[PAYLOAD_MAX];
    struct payload_state s = { .machine = machine,
                               .at_us = now_us(CLOCK_REALTIME),
                               .score = 0.4f,
                               .model_state = MW_MODEL_NORMAL,
                               .data_quality = "good" };
    int n = payload_state(json, sizeof json, &gateway, &s);
    topic_format(topic, sizeof topic, &gateway, TOPIC_STATE, machine);
    return publish_retained(d, topic, json, n);
}

/* Status first, then the states; what the library does not take now comes later. */
static void announce(struct driver *d)
{
    while (d->announcing >= 0) {
        int left = d->announcing;
        int result =
            left == N_STATES ? publish_status(d, "online") : publish_state(d, machines[left]);
        if (result != MW_OK)
            return;
        d->announcing--;
    }
}

static void dial(struct driver *d)
{
    char topic[TOPIC_MAX], json[PAYLOAD_MAX];
    format_status(json, sizeof json, "offline");
    topic_format(topic, sizeof topic, &gateway, TOPIC_STATUS, NULL);
    printf("dial %u\n", (unsigned)d->link.epoch);
    d->broker.connect(d->broker.ctx, topic, json);
}

static bool flies(const struct driver *d, uint64_t seq)
{
    for (uint32_t i = 0; i < d->link.n_flights; i++)
        if (d->link.flights[i].seq == seq)
            return true;
    return false;
}

/* The lowest that waits and is not in flight, or 0. */
static uint64_t first(const struct driver *d)
{
    for (uint64_t s = d->first_waiting; s <= d->newest; s++)
        if (d->waiting[s] && !flies(d, s))
            return s;
    return 0;
}

static void settle(struct driver *d, uint64_t seq)
{
    if (!d->waiting[seq]) {
        printf("twice %d\n", (int)seq);
        return;
    }
    d->waiting[seq] = false;
    while (d->first_waiting <= d->newest && !d->waiting[d->first_waiting])
        d->first_waiting++;
    if (--d->n_left == 0)
        d->ended_us = now_us(CLOCK_MONOTONIC);
}

static void hand_over(struct driver *d, uint64_t seq, int64_t at_us)
{
    int result = publish_alert(d, seq);
    link_published(&d->link, seq, LINK_OFFER_LIVE, result != MW_OK, at_us);
    d->next_us = at_us + d->pace_us;
    if (result != MW_OK)
        printf("held %d %s\n", (int)seq, mw_result_text(result));
    else if (!d->quiet)
        printf("pub %d\n", (int)seq);
}

/* Until the link rests; returns how long. */
static int64_t obey(struct driver *d)
{
    for (;;) {
        announce(d);
        int64_t at_us = now_us(CLOCK_MONOTONIC);
        bool paced = at_us < d->next_us;
        uint64_t seq = first(d);
        enum link_offer offer = seq ? LINK_OFFER_LIVE : LINK_OFFER_NONE;
        if (paced || d->announcing >= 0)
            offer = LINK_OFFER_UNKNOWN;
        struct link_order order = link_next(&d->link, offer, at_us);
        switch (order.kind) {
        case LINK_REST:
            if (paced && d->next_us - at_us < order.wait_us)
                return d->next_us - at_us;
            return order.wait_us;
        case LINK_DIAL: dial(d); break;
        case LINK_HANG_UP:
            printf("hang-up\n");
            d->broker.disconnect(d->broker.ctx);
            break;
        case LINK_ANNOUNCE: d->announcing = N_STATES; break;
        case LINK_PUBLISH: hand_over(d, seq, at_us); break;
        case LINK_ACKNOWLEDGE:
            if (!d->quiet)
                printf("ack %d\n", (int)order.seq);
            settle(d, order.seq);
            break;
        case LINK_DEAD_LETTER:
            printf("dead %d 0x%02x\n", (int)order.seq, order.reason);
            settle(d, order.seq);
            break;
        }
    }
}

static void hear(struct driver *d)
{
    struct broker_event e;
    while (d->broker.next_event(d->broker.ctx, &e)) {
        if (e.kind == BROKER_UP)
            printf("up %u %u\n", (unsigned)e.epoch, (unsigned)e.receive_maximum);
        else if (e.kind == BROKER_REFUSED)
            printf("refused %u 0x%02x %s\n", (unsigned)e.epoch, e.reason, e.text);
        else if (e.kind == BROKER_LOST)
            printf("lost %u 0x%02x %s\n", (unsigned)e.epoch, e.reason, e.text);
        else if (e.kind == BROKER_FAILED)
            printf("failed %d 0x%02x %s\n", (int)e.token, e.reason, e.text);
        if (e.kind == BROKER_LOST || e.kind == BROKER_REFUSED) {
            d->went_down = true;
            d->announcing = -1;
        }
        link_event(&d->link, &e, now_us(CLOCK_MONOTONIC));
    }
}

static void push(struct driver *d, uint64_t n)
{
    d->began_us = now_us(CLOCK_MONOTONIC);
    for (; n > 0 && d->newest < N_ROWS; n--, d->n_left++)
        d->waiting[++d->newest] = true;
}

static void take_command(struct driver *d)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof line - 1);
    line[n > 0 ? n : 0] = '\0';
    if (n <= 0 || strncmp(line, "quit", 4) == 0)
        d->quit = true;
    else if (strncmp(line, "push ", 5) == 0)
        push(d, strtoull(line + 5, NULL, 10));
}

static void run(struct driver *d)
{
    for (;;) {
        int64_t wait_us = obey(d);
        if (d->quit || (!d->hold && d->n_left == 0))
            return;
        if (d->announcing >= 0 && wait_us > 10000)
            wait_us = 10000;
        struct pollfd fds[] = { { d->broker.descriptor(d->broker.ctx), POLLIN, 0 },
                                { STDIN_FILENO, POLLIN, 0 } };
        if (poll(fds, 2, (int)((wait_us + 999) / 1000)) < 0)
            continue;
        hear(d);
        if (fds[1].revents)
            take_command(d);
    }
}

static void report(struct driver *d)
{
    const struct link_stats *s = &d->link.stats;
    double seconds = (double)(d->ended_us - d->began_us) / 1e6;
    printf("{\"left\":%d,\"connects\":%d,\"refused\":%d,\"lost\":%d,\"published\":%d,"
           "\"delivered\":%d,\"unheard\":%d,\"failed\":%d,\"dead_letters\":%d,\"hang_ups\":%d,"
           "\"late\":%d,\"stray\":%d,\"held\":%d,\"dropped_events\":%d,\"seconds\":%.3f}\n",
           (int)d->n_left, (int)s->n_connects, (int)s->n_refused, (int)s->n_lost,
           (int)s->n_published, (int)s->n_delivered, (int)s->n_unheard, (int)s->n_failed,
           (int)s->n_dead_letters, (int)s->n_hang_ups, (int)s->n_late, (int)s->n_stray,
           (int)s->n_held, (int)paho_broker_dropped(&d->broker), seconds);
}

static void complain(void *ctx, const struct mw_complaint *c)
{
    (void)ctx;
    printf("complaint %s %s %s\n", c->setting, c->value ? c->value : "-", c->rule);
}

#define TEXT_OPTION(name, field)                                        \
    if (strcmp(option, name) == 0) {                                    \
        snprintf(d->config.field, sizeof d->config.field, "%s", value); \
        return true;                                                    \
    }

static bool take_option(struct driver *d, const char *option, const char *value)
{
    TEXT_OPTION("--uri", uri)
    TEXT_OPTION("--client-id", client_id)
    TEXT_OPTION("--username", username)
    TEXT_OPTION("--password-file", password_file)
    TEXT_OPTION("--ca", ca_file)
    TEXT_OPTION("--cert", cert_file)
    TEXT_OPTION("--key", key_file)
    TEXT_OPTION("--alpn", alpn)
    int64_t number = strtoll(value, NULL, 10);
    if (strcmp(option, "--version") == 0)
        d->config.version = (enum mqtt_version)number;
    else if (strcmp(option, "--keepalive-s") == 0)
        d->config.keepalive_us = number * 1000000;
    else if (strcmp(option, "--will-delay-s") == 0)
        d->config.will_delay_us = number ? number * 1000000 : -1;
    else if (strcmp(option, "--ack-timeout-ms") == 0)
        d->ack_timeout_us = number * 1000;
    else if (strcmp(option, "--pace-us") == 0)
        d->pace_us = number;
    else if (strcmp(option, "--push") == 0)
        push(d, (uint64_t)number);
    else if (strcmp(option, "--hold") == 0)
        d->hold = number != 0;
    else if (strcmp(option, "--quiet") == 0)
        d->quiet = number != 0;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    struct driver *d = calloc(1, sizeof *d);
    struct mw_complaints to = { complain, NULL };
    setvbuf(stdout, NULL, _IOLBF, 0);
    d->announcing = -1;
    d->first_waiting = 1;
    for (int i = 1; i + 1 < argc; i += 2)
        if (!take_option(d, argv[i], argv[i + 1]))
            return 64;
    if (mqtt_settle(&d->config, "gw-01", &to) != MW_OK)
        return 78;
    int result = paho_broker_create(&d->broker, &d->config);
    if (result != MW_OK) {
        printf("create %s\n", mw_result_text(result));
        return 1;
    }
    link_init(&d->link, (uint64_t)now_us(CLOCK_MONOTONIC));
    if (d->ack_timeout_us > 0)
        d->link.ack_timeout_us = d->ack_timeout_us;
    run(d);
    report(d);
    d->broker.destroy(d->broker.ctx);
    free(d);
    return 0;
}
