/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settings.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES 600 /* the longest: eight ranges in flow style */

struct teller {
    setting_fn *tell;
    void *ctx;
};

/* ---- values as the file has them ---- */

/* Words stay bare where YAML reads them as they are; anything else is quoted. */
static void say_text(const struct teller *t, const char *key, const char *text)
{
    char quoted[2 * 256 + 3];
    size_t n = 0;
    bool bare = text[0] != '\0' &&
                strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789_-/.") == strlen(text) &&
                text[0] != '-' && text[0] != '.';
    if (bare) {
        t->tell(t->ctx, key, text);
        return;
    }
    quoted[n++] = '"';
    for (const char *p = text; *p && n + 3 < sizeof quoted; p++) {
        if (*p == '"' || *p == '\\')
            quoted[n++] = '\\';
        quoted[n++] = *p;
    }
    quoted[n++] = '"';
    quoted[n] = '\0';
    t->tell(t->ctx, key, quoted);
}

static void say_whole(const struct teller *t, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    t->tell(t->ctx, key, text);
}

static void say_truth(const struct teller *t, const char *key, bool value)
{
    t->tell(t->ctx, key, value ? "true" : "false");
}

/* The fewest digits that read back as the same number. */
static void write_number(char ret_text[32], double value, bool is_float)
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(ret_text, 32, "%.*g", digits, value);
        double back = strtod(ret_text, NULL);
        bool same = is_float ? !((float)back < (float)value) && !((float)back > (float)value)
                             : !(back < value) && !(back > value);
        if (same)
            return;
    }
}

static void say_number(const struct teller *t, const char *key, double value)
{
    char text[32];
    write_number(text, value, false);
    t->tell(t->ctx, key, text);
}

static void say_float(const struct teller *t, const char *key, float value, const char *unit)
{
    char text[32], whole[48];
    write_number(text, (double)value, true);
    snprintf(whole, sizeof whole, "%s%s", text, unit);
    t->tell(t->ctx, key, whole);
}

struct scale {
    const char *unit;
    int64_t factor;
};

static void say_scaled(const struct teller *t, const char *key, int64_t value,
                       const struct scale *scales, size_t n)
{
    char text[32];
    while (n > 1 && (value == 0 || value % scales[n - 1].factor != 0))
        n--;
    snprintf(text, sizeof text, "%" PRId64 "%s", value / scales[n - 1].factor, scales[n - 1].unit);
    t->tell(t->ctx, key, text);
}

static void say_duration(const struct teller *t, const char *key, int64_t us)
{
    static const struct scale UNITS[] = {
        { "us", 1 },
        { "ms", 1000 },
        { "s", 1000000 },
        { "min", 60 * INT64_C(1000000) },
        { "h", 3600 * INT64_C(1000000) },
        { "d", 86400 * INT64_C(1000000) },
    };
    if (us == 0)
        t->tell(t->ctx, key, "0s");
    else
        say_scaled(t, key, us, UNITS, sizeof UNITS / sizeof UNITS[0]);
}

static void say_size(const struct teller *t, const char *key, int64_t bytes)
{
    static const struct scale UNITS[] = {
        { "B", 1 },
        { "KiB", INT64_C(1) << 10 },
        { "MiB", INT64_C(1) << 20 },
        { "GiB", INT64_C(1) << 30 },
    };
    say_scaled(t, key, bytes, UNITS, sizeof UNITS / sizeof UNITS[0]);
}

/* words: by the enum's value; n: how many. */
static void say_word(const struct teller *t, const char *key, size_t value,
                     const char *const *words, size_t n)
{
    if (value < n && words[value])
        t->tell(t->ctx, key, words[value]);
}

#define WORDS(array) array, sizeof(array) / sizeof(array)[0]

static void say_parity(const struct teller *t, const char *key, char parity)
{
    t->tell(t->ctx, key, parity == 'N' ? "none" : parity == 'E' ? "even" : "odd");
}

static const char *const KINDS[] = { NULL, "holding", "input", "coil", "discrete" };

/* ---- gateway, broker, store ---- */

void settings_gateway(const struct config *c, setting_fn *tell, void *ctx)
{
    struct teller t = { tell, ctx };
    say_text(&t, "name", c->gateway);
    say_text(&t, "site", c->site);
    say_text(&t, "spool", c->spool);
    say_text(&t, "socket", c->socket);
}

static void say_file(const struct teller *t, const char *key, const char *path)
{
    if (path[0])
        say_text(t, key, path);
}

void settings_mqtt(const struct mqtt_config *m, setting_fn *tell, void *ctx)
{
    struct teller t = { tell, ctx };
    say_text(&t, "uri", m->uri);
    say_text(&t, "client_id", m->client_id);
    tell(ctx, "version", m->version == MQTT_VERSION_311 ? "3.1.1" : "5");
    say_duration(&t, "keepalive", m->keepalive_us);
    if (m->heartbeat_us < 0)
        tell(ctx, "heartbeat", "never");
    else
        say_duration(&t, "heartbeat", m->heartbeat_us);
    if (m->version == MQTT_VERSION_5)
        say_duration(&t, "will_delay", m->will_delay_us < 0 ? 0 : m->will_delay_us);
    say_file(&t, "username", m->username);
    say_file(&t, "password_file", m->password_file);
    say_file(&t, "ca_file", m->ca_file);
    say_file(&t, "cert_file", m->cert_file);
    say_file(&t, "key_file", m->key_file);
    say_file(&t, "alpn", m->alpn);
    say_text(&t, "topic_prefix", m->topic_prefix);
}

void settings_store(const struct store_config *s, setting_fn *tell, void *ctx)
{
    struct teller t = { tell, ctx };
    say_text(&t, "path", s->path);
    say_size(&t, "max_size", s->max_bytes);
    say_size(&t, "outbox_size", s->outbox_bytes);
    if (s->no_history)
        tell(ctx, "history", "off");
    else if (s->history_in_ram)
        tell(ctx, "history", "ram");
    else
        say_duration(&t, "history", s->history_us);
    say_size(&t, "ram_size", s->ram_bytes);
    say_duration(&t, "block", s->block_us);
    if (s->day_bytes < 0)
        tell(ctx, "write_budget", "none");
    else
        say_size(&t, "write_budget", s->day_bytes);
    say_duration(&t, "checkpoint", s->checkpoint_us);
}

/* ---- wires ---- */

static void say_rtu(const struct teller *t, const struct bus_config *b)
{
    static const char *const MODES[] = { "none", "up", "down", "kernel" };
    say_text(t, "rtu.device", b->device);
    say_whole(t, "rtu.baud", b->baud);
    say_parity(t, "rtu.parity", b->parity);
    say_whole(t, "rtu.data_bits", b->data_bits);
    say_whole(t, "rtu.stop_bits", b->stop_bits);
    if (b->frame_gap_us > 0)
        say_duration(t, "rtu.frame_gap", b->frame_gap_us);
    say_word(t, "rtu.rts", (size_t)b->rts, WORDS(MODES));
    if (b->rts_delay_us > 0)
        say_duration(t, "rtu.rts_delay", b->rts_delay_us);
}

static void say_tcp(const struct teller *t, const struct bus_config *b)
{
    say_text(t, "tcp.host", b->host);
    say_whole(t, "tcp.port", b->port);
    t->tell(t->ctx, "tcp.framing", b->framing == FRAMING_RTU ? "rtu" : "mbap");
    say_duration(t, "tcp.connect_timeout", b->connect_timeout_us);
}

void settings_bus(const struct bus_config *b, setting_fn *tell, void *ctx)
{
    struct teller t = { tell, ctx };
    say_text(&t, "name", b->name);
    if (b->kind == BUS_RTU)
        say_rtu(&t, b);
    else
        say_tcp(&t, b);
    say_duration(&t, "timeout", b->timeout_us);
    say_duration(&t, "turnaround", b->turnaround_us);
    say_whole(&t, "retries", b->retries);
}

static void say_ranges(const struct teller *t, const char *key, const struct register_range *ranges,
                       uint8_t n)
{
    char text[VALUE_BYTES];
    size_t at = 0;
    if (n == 0)
        return;
    for (uint8_t i = 0; i < n && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s{kind: %s, address: %u, count: %u}",
                               i ? ", " : "[", KINDS[ranges[i].kind], ranges[i].address,
                               ranges[i].count);
    if (at + 1 < sizeof text)
        memcpy(text + at, "]", 2);
    t->tell(t->ctx, key, text);
}

static void say_serial(const struct teller *t, const struct serial_config *own,
                       const struct bus_config *bus)
{
    bool same =
        own->baud == bus->baud && own->parity == bus->parity && own->stop_bits == bus->stop_bits;
    if (bus->kind != BUS_RTU || own->baud == 0 || same)
        return;
    say_whole(t, "serial.baud", own->baud);
    say_parity(t, "serial.parity", own->parity);
    say_whole(t, "serial.stop_bits", own->stop_bits);
}

void settings_device(const struct config *c, size_t device, setting_fn *tell, void *ctx)
{
    struct teller t = { tell, ctx };
    const struct device_config *d = &c->devices[device];
    say_text(&t, "name", d->name);
    say_text(&t, "bus", c->buses[d->bus].name);
    say_whole(&t, "unit", d->unit);
    say_duration(&t, "timeout", d->timeout_us);
    say_duration(&t, "turnaround", d->turnaround_us);
    say_whole(&t, "retries", d->retries);
    say_duration(&t, "pause", d->pause_us);
    say_serial(&t, &d->serial, &c->buses[d->bus]);
    say_whole(&t, "max_registers", d->max_registers);
    say_whole(&t, "max_gap", d->max_gap == DEVICE_NO_GAP ? 0 : d->max_gap);
    say_ranges(&t, "no_read", d->no_read, d->n_no_read);
    say_ranges(&t, "blocks", d->blocks, d->n_blocks);
}

static void say_sentinels(const struct teller *t, const struct point_config *p)
{
    char text[VALUE_BYTES];
    size_t at = 0;
    if (p->n_sentinels == 0)
        return;
    for (uint8_t i = 0; i < p->n_sentinels; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s0x%" PRIx64, i ? ", " : "[",
                               p->sentinels[i]);
    memcpy(text + at, "]", 2);
    t->tell(t->ctx, "invalid", text);
}

static void say_range(const struct teller *t, const struct point_config *p)
{
    char low[32], high[32], text[80];
    if (!p->has_range)
        return;
    write_number(low, p->range_min, false);
    write_number(high, p->range_max, false);
    snprintf(text, sizeof text, "[%s, %s]", low, high);
    t->tell(t->ctx, "range", text);
}

void settings_point(const struct point_config *p, setting_fn *tell, void *ctx)
{
    static const char *const TYPES[] = { NULL,     "bit",   "int16",  "uint16",  "int32",
                                         "uint32", "int64", "uint64", "float32", "float64" };
    static const char *const ORDERS[] = { NULL, "ABCD", "CDAB", "BADC", "DCBA" };
    struct teller t = { tell, ctx };
    say_text(&t, "name", p->name);
    say_word(&t, "kind", (size_t)p->kind, WORDS(KINDS));
    say_whole(&t, "address", p->address);
    say_word(&t, "type", (size_t)p->type, WORDS(TYPES));
    say_word(&t, "order", (size_t)p->order, WORDS(ORDERS));
    if (p->bit >= 0)
        say_whole(&t, "bit", (uint64_t)p->bit);
    say_number(&t, "scale", p->scale);
    say_number(&t, "offset", p->offset);
    if (p->unit[0])
        say_text(&t, "unit", p->unit);
    say_sentinels(&t, p);
    say_range(&t, p);
}

/* ---- machines ---- */

void settings_machine(const struct machine_config *m, setting_fn *tell, void *ctx)
{
    struct teller t = { tell, ctx };
    const struct mw_trend_config *trend = &m->detector.trend;
    say_text(&t, "name", m->name);
    say_duration(&t, "period", m->detector.period_us);
    say_file(&t, "model.file", m->model_file);
    say_duration(&t, "model.delay", m->detector.model_delay_us);
    say_truth(&t, "model.level_guard", !m->no_level_guard);
    say_truth(&t, "model.fine", m->fine);
    say_whole(&t, "model.learn_rows", m->learn_rows);
    say_truth(&t, "trend.enabled", !trend->off);
    say_duration(&t, "trend.interval", trend->interval_us);
    say_whole(&t, "trend.baseline", trend->n_baseline);
    say_float(&t, "trend.threshold", trend->threshold, "");
    say_whole(&t, "trend.persist", trend->n_persist);
    say_duration(&t, "alarm.on_delay", m->alarm.on_delay_us);
    say_duration(&t, "alarm.off_delay", m->alarm.off_delay_us);
    say_truth(&t, "alarm.latch", m->alarm.latch);
}

static void say_limit(const struct teller *t, const char *key, const struct mw_limits_config *l,
                      uint8_t bit, float value)
{
    if (l->armed & bit)
        say_float(t, key, value, bit == MW_LIMIT_RATE ? "/min" : "");
    else
        t->tell(t->ctx, key, "none");
}

static void say_limits(const struct teller *t, const struct mw_limits_config *l)
{
    say_limit(t, "limits.high", l, MW_LIMIT_HIGH, l->high);
    say_limit(t, "limits.high_high", l, MW_LIMIT_HIGH_HIGH, l->high_high);
    say_limit(t, "limits.low", l, MW_LIMIT_LOW, l->low);
    say_limit(t, "limits.rate", l, MW_LIMIT_RATE, l->rate);
    say_duration(t, "limits.rate_over", l->rate_us);
    if (l->deadband > FLT_MIN)
        say_float(t, "limits.deadband", l->deadband, "");
    else if (l->deadband > 0)
        t->tell(t->ctx, "limits.deadband", "0");
    say_duration(t, "limits.delay", l->delay_us);
}

void settings_channel(const struct config *c, const struct machine_config *m, uint16_t channel,
                      setting_fn *tell, void *ctx)
{
    static const char *const ROLES[] = {
        [MW_ROLE_SCORE] = "score", [MW_ROLE_CONTEXT] = "context", [MW_ROLE_OFF] = "off"
    };
    struct teller t = { tell, ctx };
    const struct mw_channel_config *ch = &m->detector.channels[channel];
    const struct point_config *point = &c->points[m->points[channel]];
    char text[2 * MW_NAME_MAX + 2];
    snprintf(text, sizeof text, "%s.%s", c->devices[c->point_devices[m->points[channel]]].name,
             point->name);
    say_text(&t, "point", text);
    say_text(&t, "name", ch->name);
    say_word(&t, "role", ch->role, WORDS(ROLES));
    say_limits(&t, &ch->limits);
    say_duration(&t, "no_data", ch->sensor.no_data_us);
    if (ch->sensor.stuck_us > 0)
        say_duration(&t, "stuck", ch->sensor.stuck_us);
    else
        tell(ctx, "stuck", ch->sensor.stuck_us < 0 ? "never" : "auto");
}
