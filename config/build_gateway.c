/* SPDX-License-Identifier: Apache-2.0 */
/* What there is once per gateway: itself, its store, its broker. */
#include "base/result.h"
#include "config/build.h"

#include <string.h>

#define DEFAULT_SPOOL  "/var/lib/millwright/spool"
#define DEFAULT_SOCKET "/run/millwright/control"

static const struct value_word MQTT_VERSIONS[] = {
    { "5", MQTT_VERSION_5 },
    { "3.1.1", MQTT_VERSION_311 },
};

static void build_itself(struct build *b, const struct node *node)
{
    struct config *c = b->config;
    strcpy(c->site, "site");
    strcpy(c->gateway, "gateway");
    strcpy(c->spool, DEFAULT_SPOOL);
    strcpy(c->socket, DEFAULT_SOCKET);
    const struct raw_gateway *raw = b->raw->gateway;
    if (!raw)
        return;
    struct reader r = { b->report, node };
    read_name(&r, "name", raw->name, c->gateway);
    read_name(&r, "site", raw->site, c->site);
    read_text(&r, "spool", raw->spool, c->spool, sizeof c->spool);
    read_text(&r, "socket", raw->socket, c->socket, sizeof c->socket);
    if (c->spool[0] != '/')
        report_node(b->report, node, "spool", "must be an absolute path");
    if (c->socket[0] != '/')
        report_node(b->report, node, "socket", "must be an absolute path");
}

/* "never" is -1, as the module has it. */
static int64_t heartbeat(const struct reader *r, const char *text)
{
    if (text && strcmp(text, "never") == 0)
        return -1;
    return read_duration(r, "heartbeat", text, ZERO_IS_REFUSED, 0);
}

/* "0s" is -1, as the module has it. */
static int64_t will_delay(const struct reader *r, const char *text)
{
    int64_t delay_us = read_duration(r, "will_delay", text, ZERO_IS_FINE, 0);
    return text && delay_us == 0 ? -1 : delay_us;
}

static void read_mqtt(const struct reader *r, const struct raw_mqtt *raw, struct mqtt_config *m)
{
    read_text(r, "uri", raw->uri, m->uri, sizeof m->uri);
    read_text(r, "client_id", raw->client_id, m->client_id, sizeof m->client_id);
    m->version = (enum mqtt_version)read_word(r, "version", raw->version, MQTT_VERSIONS,
                                              sizeof MQTT_VERSIONS / sizeof MQTT_VERSIONS[0],
                                              MQTT_VERSION_DEFAULT);
    m->keepalive_us = read_duration(r, "keepalive", raw->keepalive, ZERO_IS_REFUSED, 0);
    m->heartbeat_us = heartbeat(r, raw->heartbeat);
    m->will_delay_us = will_delay(r, raw->will_delay);
    read_text(r, "username", raw->username, m->username, sizeof m->username);
    read_text(r, "password_file", raw->password_file, m->password_file, sizeof m->password_file);
    read_text(r, "ca_file", raw->ca_file, m->ca_file, sizeof m->ca_file);
    read_text(r, "cert_file", raw->cert_file, m->cert_file, sizeof m->cert_file);
    read_text(r, "key_file", raw->key_file, m->key_file, sizeof m->key_file);
    read_text(r, "alpn", raw->alpn, m->alpn, sizeof m->alpn);
    read_text(r, "topic_prefix", raw->topic_prefix, m->topic_prefix, sizeof m->topic_prefix);
}

static void build_mqtt(struct build *b, const struct node *node)
{
    if (b->raw->mqtt)
        read_mqtt(&(struct reader){ b->report, node }, b->raw->mqtt, &b->config->mqtt);
    struct report_settling settling = { b->report, { node ? node : b->document.root } };
    struct mw_complaints to = report_complaints(&settling);
    (void)mqtt_settle(&b->config->mqtt, b->config->gateway, &to);
}

/* The store speaks of bytes, the file of sizes. */
static void add_store_complaint(void *ctx, const struct mw_complaint *complaint)
{
    const struct mw_complaints *to = ctx;
    const char *setting = complaint->setting;
    if (strcmp(setting, "max_bytes") == 0)
        setting = "max_size";
    else if (strcmp(setting, "outbox_bytes") == 0)
        setting = "outbox_size";
    else if (strcmp(setting, "ram_bytes") == 0)
        setting = "ram_size";
    else if (strcmp(setting, "day_bytes") == 0)
        setting = "write_budget";
    (void)mw_complain(to, setting, complaint->value, complaint->rule);
}

/* Words beside a duration: off and ram. */
static void read_history(const struct reader *r, const char *text, struct store_config *s)
{
    s->no_history = text && strcmp(text, "off") == 0;
    s->history_in_ram = text && strcmp(text, "ram") == 0;
    if (!s->no_history && !s->history_in_ram)
        s->history_us = read_duration(r, "history", text, ZERO_IS_REFUSED, 0);
}

/* "none" is -1, as the module has it. */
static int64_t write_budget(const struct reader *r, const char *text)
{
    if (text && strcmp(text, "none") == 0)
        return -1;
    return read_size(r, "write_budget", text, 0);
}

static void build_store(struct build *b, const struct node *node)
{
    struct store_config *s = &b->config->store;
    const struct raw_store *raw = b->raw->store;
    if (raw) {
        struct reader r = { b->report, node };
        read_text(&r, "path", raw->path, s->path, sizeof s->path);
        s->max_bytes = read_size(&r, "max_size", raw->max_size, 0);
        s->outbox_bytes = read_size(&r, "outbox_size", raw->outbox_size, 0);
        read_history(&r, raw->history, s);
        s->block_us = read_duration(&r, "block", raw->block, ZERO_IS_REFUSED, 0);
        s->ram_bytes = read_size(&r, "ram_size", raw->ram_size, 0);
        s->day_bytes = write_budget(&r, raw->write_budget);
        s->checkpoint_us = read_duration(&r, "checkpoint", raw->checkpoint, ZERO_IS_REFUSED, 0);
    }
    struct report_settling settling = { b->report, { node ? node : b->document.root } };
    struct mw_complaints to = report_complaints(&settling);
    struct mw_complaints renamed = { add_store_complaint, &to };
    (void)store_settle(s, &renamed);
    if (s->path[0] != '/')
        report_node(b->report, node, "path", "must be an absolute path");
}

void build_gateway(struct build *b)
{
    const struct node *root = b->document.root;
    struct reader r = { b->report, root };
    if (read_given(&r, "version", b->raw->version) && strcmp(b->raw->version, "1") != 0)
        report_node(b->report, root, "version", "'%s' is not a version this program knows; it is 1",
                    b->raw->version);
    build_itself(b, node_get(root, "gateway"));
    build_mqtt(b, node_get(root, "mqtt"));
    build_store(b, node_get(root, "store"));
}
