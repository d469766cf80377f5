/* SPDX-License-Identifier: Apache-2.0 */
/* One mutex guards the queue of events and the last words of the TLS library, because Paho calls
 * back from two threads of its own; it is never held while Paho is called, so it can take part in
 * no deadlock with Paho's. All else belongs to the caller's thread. */
#include "uplink/paho_broker.h"
#include "base/result.h"
#include "uplink/paho_tap.h"
#include "uplink/secret.h"

#include <MQTTAsync.h>
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define N_SLOTS           64  /* messages handed over and not answered: the window, and states */
#define N_EVENTS          128 /* every slot's answer, and as many connection events */
#define N_ATTEMPTS        8 /* connects whose callbacks may still come; one lasts a second or more */
#define CONNECT_TIMEOUT_S 20
#define CONTENT_TYPE      "application/json"
/* Of a PUBLISH beside topic and payload: type and length, two lengths and a packet identifier, and
 * the properties of this file. */
#define PUBLISH_BYTES (5 + 2 + 2 + 4 + (3 + sizeof CONTENT_TYPE - 1) + 2 + 5)

static_assert((N_EVENTS & (N_EVENTS - 1)) == 0 && N_EVENTS > N_SLOTS, "no answer is ever dropped");

struct paho;

/* What a callback gets back: whose message of which connection. A slot is free again when its event
 * has been read, or at once where none is wanted; then and only then it is used anew, since the
 * library answers each accepted message exactly once. */
struct slot {
    struct paho *paho;
    uint64_t token;
    uint32_t epoch;
    _Atomic bool busy;
};

struct attempt {
    struct paho *paho;
    uint32_t epoch;
};

struct paho {
    struct mqtt_config config;
    MQTTAsync client;
    int event_fd;
    uint32_t epoch;
    char password[256];
    uint8_t alpn[sizeof((struct mqtt_config *)0)->alpn];
    int n_alpn;
    char content_type[sizeof CONTENT_TYPE]; /* the library wants it not const; it copies it */
    MQTTProperty properties[3]; /* content type, payload format, expiry: the last one varies */
    MQTTProperty delay[2];      /* of the Will; of the session's end, which would publish it */
    struct attempt attempts[N_ATTEMPTS];
    struct slot slots[N_SLOTS];
    _Atomic uint32_t up_epoch; /* of the connection that stands or stood last */
    _Atomic uint32_t receive_maximum;
    _Atomic uint32_t packet_bytes_max; /* 0: the broker sets no limit */
    _Atomic uint32_t keepalive_s;      /* what the broker is asked for */
    _Atomic bool stale;                /* the client is connected with another one */

    pthread_mutex_t mutex; /* of all that follows */
    struct broker_event events[N_EVENTS];
    struct slot *answered[N_EVENTS]; /* the slot an event gives back, or NULL */
    uint32_t head, n_events;
    uint64_t n_dropped;
    char tls_words[64];
};

static void copy_text(char *ret_text, size_t cap, const char *text)
{
    (void)snprintf(ret_text, cap, "%s", text);
}

/* Any thread. */
static void push(struct paho *paho, const struct broker_event *event, struct slot *slot)
{
    const uint64_t one = 1;
    pthread_mutex_lock(&paho->mutex);
    if (paho->n_events < N_EVENTS) {
        uint32_t at = (paho->head + paho->n_events++) % N_EVENTS;
        paho->events[at] = *event;
        paho->answered[at] = slot;
        /* Cannot fail: the counter of an eventfd is far from full. */
        ssize_t n = write(paho->event_fd, &one, sizeof one);
        (void)n;
    } else {
        paho->n_dropped++;
    }
    pthread_mutex_unlock(&paho->mutex);
}

/* An answer to one message; text is only worth its bytes where something went wrong. */
static void answer(struct slot *slot, enum broker_event_kind kind, int reason)
{
    if (slot->token == 0) {
        atomic_store(&slot->busy, false);
        return;
    }
    struct broker_event event = { .kind = kind, .epoch = slot->epoch, .token = slot->token };
    event.reason = reason > 0 && reason <= UINT8_MAX ? (uint8_t)reason : 0;
    if (kind == BROKER_FAILED)
        copy_text(event.text, sizeof event.text, broker_reason_text(event.reason));
    push(slot->paho, &event, slot);
}

static void on_sent(void *context, MQTTAsync_successData *data)
{
    (void)data;
    answer(context, BROKER_DELIVERED, 0);
}

/* Paho has read the PUBACK in this thread, and leaves the reason of what was accepted out. */
static void on_sent5(void *context, MQTTAsync_successData5 *data)
{
    int overheard = data ? paho_tap_reason(data->token) : MW_ERR_NOT_FOUND;
    int told = data ? (int)data->reasonCode : 0;
    answer(context, BROKER_DELIVERED, overheard >= 0 ? overheard : told);
}

static void on_send_failed(void *context, MQTTAsync_failureData *data)
{
    (void)data; /* 3.1.1 has no reasons: the connection ended */
    answer(context, BROKER_FAILED, 0);
}

static void on_send_failed5(void *context, MQTTAsync_failureData5 *data)
{
    answer(context, BROKER_FAILED, data ? (int)data->reasonCode : 0);
}

static void on_up(struct attempt *attempt, uint16_t receive_maximum, uint32_t packet_bytes_max)
{
    struct paho *paho = attempt->paho;
    atomic_store(&paho->packet_bytes_max, packet_bytes_max);
    atomic_store(&paho->up_epoch, attempt->epoch);
    atomic_store(&paho->receive_maximum, receive_maximum ? receive_maximum : UINT16_MAX);
    struct broker_event event = { .kind = BROKER_UP,
                                  .epoch = attempt->epoch,
                                  .receive_maximum = receive_maximum };
    push(paho, &event, NULL);
}

static void on_connected(void *context, MQTTAsync_successData *data)
{
    (void)data;
    paho_tap_end(); /* 3.1.1 has no reasons */
    on_up(context, 0, 0);
}

/* 0 where the broker does not say. */
static uint32_t number_of(MQTTProperties *properties, enum MQTTPropertyCodes which)
{
    if (!MQTTProperties_hasProperty(properties, which))
        return 0;
    /* Four bytes come as a negative number where the first bit is set. */
    return (uint32_t)MQTTProperties_getNumericValue(properties, which);
}

/* Up to 1.3.13 the library pings at the pace it has asked for, whatever the broker answers (MQTT 5,
 * section 3.2.2.3.14), which then hangs up on a quiet gateway again and again. So the broker is
 * asked for its own pace on a new connection. A slower one is no reason: pings may come sooner. */
static bool asks_for_faster_pings(struct attempt *attempt, uint32_t server_s)
{
    struct paho *paho = attempt->paho;
    struct broker_event event = { .kind = BROKER_REFUSED, .epoch = attempt->epoch };
    if (server_s == 0 || server_s >= atomic_load(&paho->keepalive_s))
        return false;
    atomic_store(&paho->keepalive_s, server_s);
    atomic_store(&paho->stale, true);
    (void)snprintf(event.text, sizeof event.text,
                   "the broker wants a keep-alive of %u s, connecting again with it", server_s);
    push(paho, &event, NULL);
    return true;
}

static void on_connected5(void *context, MQTTAsync_successData5 *data)
{
    uint32_t server_s = number_of(&data->properties, MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE);
    paho_tap_begin();
    if (!asks_for_faster_pings(context, server_s))
        on_up(context, (uint16_t)number_of(&data->properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM),
              number_of(&data->properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE));
}

/* code: the CONNACK's where positive, else the library's; message: the library's, or NULL. */
static void on_refused(struct attempt *attempt, int code, const char *message)
{
    struct paho *paho = attempt->paho;
    struct broker_event event = { .kind = BROKER_REFUSED, .epoch = attempt->epoch };
    bool secure = paho->config.ca_file[0] != '\0';
    if (code > 0 && code <= UINT8_MAX) {
        event.reason = (uint8_t)code;
        copy_text(event.text, sizeof event.text, broker_reason_text(event.reason));
    } else if (message && strstr(message, "timeout")) {
        copy_text(event.text, sizeof event.text, "no answer from the broker in time");
    } else {
        pthread_mutex_lock(&paho->mutex);
        if (paho->tls_words[0])
            (void)snprintf(event.text, sizeof event.text, "TLS: %s", paho->tls_words);
        else
            copy_text(event.text, sizeof event.text,
                      secure ? "cannot connect, or the certificate names another host"
                             : "cannot connect");
        pthread_mutex_unlock(&paho->mutex);
    }
    push(paho, &event, NULL);
}

static void on_connect_failed(void *context, MQTTAsync_failureData *data)
{
    on_refused(context, data ? data->code : 0, data ? data->message : NULL);
}

static void on_connect_failed5(void *context, MQTTAsync_failureData5 *data)
{
    on_refused(context, data ? data->code : 0, data ? data->message : NULL);
}

static void on_lost(void *context, char *cause)
{
    struct paho *paho = context;
    struct broker_event event = { .kind = BROKER_LOST, .epoch = atomic_load(&paho->up_epoch) };
    copy_text(event.text, sizeof event.text, cause ? cause : "connection lost");
    push(paho, &event, NULL);
}

/* MQTT 5: the broker said good-bye. The library calls nothing else then. */
static void on_disconnected(void *context, MQTTProperties *properties, enum MQTTReasonCodes reason)
{
    struct paho *paho = context;
    struct broker_event event = { .kind = BROKER_LOST, .epoch = atomic_load(&paho->up_epoch) };
    (void)properties;
    event.reason = (uint8_t)reason;
    copy_text(event.text, sizeof event.text, broker_reason_text(event.reason));
    push(paho, &event, NULL);
}

/* Required by the library; nothing is subscribed. 1: taken. */
static int on_message(void *context, char *topic, int n_topic, MQTTAsync_message *message)
{
    (void)context;
    (void)n_topic;
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

/* "0:error:0A000086:SSL routines:function:certificate verify failed:file:line": the sixth word. */
static int on_tls_error(const char *text, size_t n_text, void *context)
{
    struct paho *paho = context;
    char line[256], *word = line;
    (void)snprintf(line, sizeof line, "%.*s", (int)(n_text < sizeof line ? n_text : 255), text);
    for (int i = 0; i < 5 && word; i++) {
        word = strchr(word, ':');
        word = word ? word + 1 : NULL;
    }
    if (word) {
        word[strcspn(word, ":\n")] = '\0';
        pthread_mutex_lock(&paho->mutex);
        copy_text(paho->tls_words, sizeof paho->tls_words, word);
        pthread_mutex_unlock(&paho->mutex);
    }
    return 1;
}

static MQTTAsync_SSLOptions tls_options(struct paho *paho)
{
    const struct mqtt_config *c = &paho->config;
    MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
    tls.enableServerCertAuth = 1;
    tls.verify = 1;                            /* the initializer leaves the host name unchecked */
    tls.sslVersion = MQTT_SSL_VERSION_TLS_1_2; /* and above */
    tls.disableDefaultTrustStore = 1;
    tls.trustStore = c->ca_file;
    tls.keyStore = c->cert_file[0] ? c->cert_file : NULL;
    tls.privateKey = c->key_file[0] ? c->key_file : NULL;
    if (paho->n_alpn > 0) {
        tls.protos = paho->alpn;
        tls.protos_len = (unsigned)paho->n_alpn;
    }
    tls.ssl_error_cb = on_tls_error;
    tls.ssl_error_context = paho;
    return tls;
}

static struct attempt *begin_attempt(struct paho *paho)
{
    struct attempt *attempt = &paho->attempts[++paho->epoch % N_ATTEMPTS];
    *attempt = (struct attempt){ paho, paho->epoch };
    pthread_mutex_lock(&paho->mutex);
    paho->tls_words[0] = '\0';
    pthread_mutex_unlock(&paho->mutex);
    return attempt;
}

static int start_connect(struct paho *paho, MQTTAsync_connectOptions *options,
                         struct attempt *attempt)
{
    const struct mqtt_config *c = &paho->config;
    options->context = attempt;
    options->MQTTVersion = (int)c->version; /* else a reconnect falls back to MQTT 3.1 */
    options->keepAliveInterval = (int)atomic_load(&paho->keepalive_s);
    options->connectTimeout = CONNECT_TIMEOUT_S;
    options->maxInflight = N_SLOTS + 1; /* the library's own window never fills: it is slow */
    options->username = c->username[0] ? c->username : NULL;
    options->password = paho->password[0] ? paho->password : NULL;
    if (paho->client && MQTTAsync_connect(paho->client, options) == MQTTASYNC_SUCCESS)
        return MW_OK;
    on_refused(attempt, 0, NULL);
    return MW_ERR_IO;
}

static int create_client(struct paho *paho)
{
    MQTTAsync_createOptions v311_options = MQTTAsync_createOptions_initializer;
    MQTTAsync_createOptions v5_options = MQTTAsync_createOptions_initializer5;
    bool v5 = paho->config.version == MQTT_VERSION_5;
    MQTTAsync_createOptions options = v5 ? v5_options : v311_options;
    struct mqtt_endpoint endpoint;
    char uri[sizeof endpoint.host + 16];
    if (mqtt_parse_uri(paho->config.uri, &endpoint) != MW_OK)
        return MW_ERR_INVALID;
    (void)snprintf(uri, sizeof uri, "%s://%s:%u", endpoint.tls ? "ssl" : "tcp", endpoint.host,
                   (unsigned)endpoint.port);
    options.MQTTVersion = (int)paho->config.version;
    options.sendWhileDisconnected = 0;
    options.maxBufferedMessages = N_SLOTS * 2;
    options.restoreMessages = 0;
    if (MQTTAsync_createWithOptions(&paho->client, uri, paho->config.client_id,
                                    MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                    &options) != MQTTASYNC_SUCCESS)
        return MW_ERR_NO_MEMORY;
    /* Never deliveryComplete: it comes for refused messages too. */
    if (MQTTAsync_setCallbacks(paho->client, paho, on_lost, on_message, NULL) !=
            MQTTASYNC_SUCCESS ||
        MQTTAsync_setDisconnected(paho->client, paho, on_disconnected) != MQTTASYNC_SUCCESS)
        return MW_ERR_INVALID;
    return MW_OK;
}

static bool any_unanswered(struct paho *paho)
{
    for (int i = 0; i < N_SLOTS; i++)
        if (atomic_load(&paho->slots[i].busy))
            return true;
    return false;
}

/* The library writes what it still holds of a lost connection on the next one, ahead of older
 * messages that are sent again. A new client holds nothing: the old one's messages fail while it is
 * destroyed, and order is kept. One that is connected says good-bye. */
static int forget_leftovers(struct paho *paho)
{
    bool stale = atomic_exchange(&paho->stale, false);
    if (!stale && !any_unanswered(paho))
        return MW_OK;
    MQTTAsync_destroy(&paho->client);
    paho->client = NULL;
    return create_client(paho);
}

static int paho_connect(void *ctx, const char *will_topic, const char *will_payload)
{
    struct paho *paho = ctx;
    int result = forget_leftovers(paho);
    struct attempt *attempt = begin_attempt(paho);
    bool v5 = paho->config.version == MQTT_VERSION_5;
    MQTTAsync_connectOptions v311_options = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions v5_options = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_connectOptions options = v5 ? v5_options : v311_options;
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    MQTTAsync_SSLOptions tls = tls_options(paho);
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperties connect_properties = MQTTProperties_initializer;

    will.topicName = will_topic;
    will.message = will_payload;
    will.retained = 1;
    will.qos = 1;
    options.will = will_topic ? &will : NULL;
    options.ssl = paho->config.ca_file[0] ? &tls : NULL;
    options.cleansession = !v5;
    options.cleanstart = v5;
    if (v5) {
        options.onSuccess5 = on_connected5;
        options.onFailure5 = on_connect_failed5;
        MQTTProperties_add(&properties, &paho->properties[0]);
        MQTTProperties_add(&properties, &paho->properties[1]);
        MQTTProperties_add(&properties, &paho->delay[0]);
        MQTTProperties_add(&connect_properties, &paho->delay[1]);
        options.willProperties = will_topic ? &properties : NULL;
        options.connectProperties = &connect_properties;
    } else {
        options.onSuccess = on_connected;
        options.onFailure = on_connect_failed;
    }
    if (result == MW_OK)
        result = start_connect(paho, &options, attempt);
    else
        on_refused(attempt, 0, NULL);
    MQTTProperties_free(&properties);
    MQTTProperties_free(&connect_properties);
    return result;
}

/* NULL where as many are under way as the broker allows. */
static struct slot *take_slot(struct paho *paho)
{
    struct slot *free_slot = NULL;
    uint32_t n_busy = 0;
    for (int i = 0; i < N_SLOTS; i++) {
        if (atomic_load(&paho->slots[i].busy))
            n_busy++;
        else if (!free_slot)
            free_slot = &paho->slots[i];
    }
    return n_busy < atomic_load(&paho->receive_maximum) ? free_slot : NULL;
}

static int send_result(int rc)
{
    switch (rc) {
    case MQTTASYNC_SUCCESS: return MW_OK;
    case MQTTASYNC_DISCONNECTED: return MW_ERR_GONE;
    case MQTTASYNC_MAX_BUFFERED_MESSAGES:
    case MQTTASYNC_NO_MORE_MSGIDS: return MW_ERR_AGAIN;
    case MQTTASYNC_BAD_UTF8_STRING:
    case MQTTASYNC_BAD_STRUCTURE:
    case MQTTASYNC_BAD_QOS:
    case MQTTASYNC_NULL_PARAMETER: return MW_ERR_INVALID;
    default: return MW_ERR_IO;
    }
}

static int send_slot(struct paho *paho, const struct broker_message *message, struct slot *slot)
{
    MQTTAsync_message paho_message = MQTTAsync_message_initializer;
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    MQTTProperties properties = MQTTProperties_initializer;
    bool v5 = paho->config.version == MQTT_VERSION_5;

    /* The library copies the payload, but takes it as not const. */
    memcpy(&paho_message.payload, &message->payload, sizeof paho_message.payload);
    paho_message.payloadlen = (int)message->n_bytes;
    paho_message.qos = 1;
    paho_message.retained = message->retained;
    response.context = slot;
    if (v5) {
        response.onSuccess5 = on_sent5;
        response.onFailure5 = on_send_failed5;
        paho->properties[2].value.integer4 = message->expiry_s;
        for (int i = 0; i < (message->expiry_s ? 3 : 2); i++)
            MQTTProperties_add(&properties, &paho->properties[i]);
        paho_message.properties = properties;
    } else {
        response.onSuccess = on_sent;
        response.onFailure = on_send_failed;
    }
    int rc = MQTTAsync_sendMessage(paho->client, message->topic, &paho_message, &response);
    MQTTProperties_free(&properties);
    return send_result(rc);
}

/* A broker hangs up on a packet beyond its limit (MQTT 5, section 3.2.2.3.6), and would again. */
static bool is_too_big(const struct paho *paho, const struct broker_message *message)
{
    uint32_t max = atomic_load(&paho->packet_bytes_max);
    return max > 0 && PUBLISH_BYTES + strlen(message->topic) + message->n_bytes > max;
}

static int paho_publish(void *ctx, const struct broker_message *message)
{
    struct paho *paho = ctx;
    if (is_too_big(paho, message))
        return MW_ERR_TOO_BIG;
    struct slot *slot = take_slot(paho);
    if (!slot)
        return MW_ERR_AGAIN;
    slot->paho = paho;
    slot->token = message->token;
    slot->epoch = paho->epoch;
    atomic_store(&slot->busy, true);
    int result = send_slot(paho, message, slot);
    if (result != MW_OK) /* what is not accepted is not answered */
        atomic_store(&slot->busy, false);
    return result;
}

static void paho_disconnect(void *ctx)
{
    struct paho *paho = ctx;
    MQTTAsync_disconnectOptions v311_options = MQTTAsync_disconnectOptions_initializer;
    MQTTAsync_disconnectOptions v5_options = MQTTAsync_disconnectOptions_initializer5;
    bool v5 = paho->config.version == MQTT_VERSION_5;
    /* Timeout 0: what is in flight is not waited for. Fails only where nothing is connected. */
    (void)MQTTAsync_disconnect(paho->client, v5 ? &v5_options : &v311_options);
}

static bool paho_next_event(void *ctx, struct broker_event *ret_event)
{
    struct paho *paho = ctx;
    struct slot *slot = NULL;
    pthread_mutex_lock(&paho->mutex);
    bool any = paho->n_events > 0;
    if (any) {
        *ret_event = paho->events[paho->head];
        slot = paho->answered[paho->head];
        paho->head = (paho->head + 1) % N_EVENTS;
        paho->n_events--;
    }
    if (paho->n_events == 0) {
        uint64_t count;
        ssize_t n = read(paho->event_fd, &count, sizeof count); /* non-blocking; back to silent */
        (void)n;
    }
    pthread_mutex_unlock(&paho->mutex);
    if (slot)
        atomic_store(&slot->busy, false);
    return any;
}

static int paho_descriptor(void *ctx)
{
    struct paho *paho = ctx;
    return paho->event_fd;
}

static void paho_destroy(void *ctx)
{
    struct paho *paho = ctx;
    if (!paho)
        return;
    /* Says good-bye where connected; its last callbacks come before it returns. */
    if (paho->client)
        MQTTAsync_destroy(&paho->client);
    if (paho->event_fd >= 0)
        close(paho->event_fd);
    pthread_mutex_destroy(&paho->mutex);
    secret_wipe(paho->password, sizeof paho->password);
    free(paho);
}

static void prepare_properties(struct paho *paho)
{
    memcpy(paho->content_type, CONTENT_TYPE, sizeof CONTENT_TYPE);
    paho->properties[0].identifier = MQTTPROPERTY_CODE_CONTENT_TYPE;
    paho->properties[0].value.data = (MQTTLenString){ sizeof CONTENT_TYPE - 1, paho->content_type };
    paho->properties[1].identifier = MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR;
    paho->properties[1].value.byte = 1; /* UTF-8 */
    paho->properties[2].identifier = MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL;
    int64_t delay_us = paho->config.will_delay_us;
    paho->delay[0].identifier = MQTTPROPERTY_CODE_WILL_DELAY_INTERVAL;
    paho->delay[1].identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL;
    for (int i = 0; i < 2; i++)
        paho->delay[i].value.integer4 = delay_us > 0 ? (unsigned)(delay_us / 1000000) : 0;
}

/* The TLS library would only say "cannot connect" at the first attempt, and at every one after. */
static int check_readable(const char *path)
{
    return path[0] == '\0' || access(path, R_OK) == 0 ? MW_OK : MW_ERR_IO;
}

static int fill(struct paho *paho)
{
    const struct mqtt_config *c = &paho->config;
    int result = MW_OK;
    paho->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (paho->event_fd < 0)
        return MW_ERR_IO;
    if (check_readable(c->ca_file) || check_readable(c->cert_file))
        return MW_ERR_IO;
    if (c->key_file[0])
        result = secret_check(c->key_file);
    if (result < 0)
        return result;
    paho->n_alpn = mqtt_alpn_wire(c->alpn, paho->alpn, sizeof paho->alpn);
    if (c->password_file[0])
        result = secret_read(paho->password, sizeof paho->password, c->password_file);
    prepare_properties(paho);
    atomic_store(&paho->keepalive_s, (uint32_t)(c->keepalive_us / 1000000));
    return result < 0 ? result : create_client(paho);
}

int paho_broker_create(struct broker *ret_broker, const struct mqtt_config *config)
{
    struct paho *paho = calloc(1, sizeof *paho);
    if (!paho)
        return MW_ERR_NO_MEMORY;
    paho->config = *config;
    pthread_mutex_init(&paho->mutex, NULL);
    int result = fill(paho);
    if (result < 0) {
        paho_destroy(paho);
        return result;
    }
    *ret_broker = (struct broker){
        paho,        paho_connect, paho_publish, paho_disconnect, paho_next_event, paho_descriptor,
        paho_destroy
    };
    return MW_OK;
}

uint64_t paho_broker_dropped(const struct broker *broker)
{
    struct paho *paho = broker->ctx;
    pthread_mutex_lock(&paho->mutex);
    uint64_t n_dropped = paho->n_dropped;
    pthread_mutex_unlock(&paho->mutex);
    return n_dropped;
}

const char *paho_broker_library_version(void)
{
    for (const MQTTAsync_nameValue *v = MQTTAsync_getVersionInfo(); v && v->name; v++)
        if (strcmp(v->name, "Version") == 0)
            return v->value;
    return "";
}
