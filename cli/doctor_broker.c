/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the broker, step by step, each bounded: name, connection, TLS, and one MQTT CONNECT by
 * the daemon's own adapter, but under another client id, since a second client of the same id would
 * throw the daemon off. Nothing is published and there is no Will. */
#include "base/result.h"
#include "cli/doctor.h"
#include "fieldbus/host_lookup.h"
#include "uplink/paho_broker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOKUP_US    INT64_C(5000000)
#define CONNECT_US   INT64_C(5000000)
#define HANDSHAKE_US INT64_C(10000000)
#define ANSWER_US    INT64_C(15000000)
#define ENDING_US    INT64_C(1000000)
#define LOOK_US      20000

/* ---- name ---- */

static int resolve(const char *host, uint16_t port, struct addrinfo **ret_addresses)
{
    struct host_lookup *lookup = NULL;
    int64_t until_us = doctor_mono_us() + LOOKUP_US;
    int result = host_numeric(host, port, ret_addresses);
    if (result == MW_OK)
        return result;
    result = host_lookup_create(&lookup, host, port);
    while (result == MW_OK &&
           (result = host_lookup_result(lookup, ret_addresses)) == MW_ERR_AGAIN &&
           doctor_mono_us() < until_us) {
        doctor_pause(LOOK_US);
        result = MW_OK;
    }
    host_lookup_destroy(lookup);
    return result == MW_ERR_AGAIN ? MW_ERR_TIMEOUT : result;
}

/* ---- connection ---- */

/* A descriptor, or -1 and an errno in *ret_error, 0 where the time was up. */
static int connect_one(const struct addrinfo *address, int64_t until_us, int *ret_error)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;
    socklen_t n = sizeof error;
    struct pollfd wait = { .fd = fd, .events = POLLOUT };
    if (fd >= 0 && connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    *ret_error = errno;
    if (fd >= 0 && errno == EINPROGRESS) {
        int64_t left_us = until_us - doctor_mono_us();
        int ready = left_us > 0 ? poll(&wait, 1, (int)(left_us / 1000) + 1) : 0;
        *ret_error = 0;
        if (ready > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0)
            return fd;
        *ret_error = ready > 0 ? error : 0;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_any(const struct addrinfo *addresses, struct doctor_broker *broker)
{
    int64_t since_us = doctor_mono_us();
    int fd = -1;
    for (const struct addrinfo *a = addresses; a && fd < 0; a = a->ai_next)
        fd = connect_one(a, since_us + CONNECT_US, &broker->connect_errno);
    broker->took_us = doctor_mono_us() - since_us;
    broker->connected = fd >= 0 ? MW_OK : MW_ERR_GONE;
    return fd;
}

/* ---- MQTT ---- */

static void wait_for_answer(struct broker *port, struct doctor_broker *broker)
{
    struct broker_event event;
    int64_t until_us = doctor_mono_us() + ANSWER_US;
    (void)snprintf(broker->words, sizeof broker->words, "no answer within 15 s");
    for (int64_t left_us = ANSWER_US; left_us > 0; left_us = until_us - doctor_mono_us()) {
        struct pollfd wait = { .fd = port->descriptor(port->ctx), .events = POLLIN };
        poll(&wait, 1, (int)(left_us / 1000) + 1);
        while (port->next_event(port->ctx, &event)) {
            broker->up = event.kind == BROKER_UP;
            broker->reason = event.reason;
            (void)snprintf(broker->words, sizeof broker->words, "%s", event.text);
            if (broker->up || event.kind == BROKER_REFUSED)
                return;
        }
    }
}

static int count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = 0;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        n += entry->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return n;
}

/* Paho's threads end a moment after its last client is destroyed; OpenSSL must not be torn down by
 * the program's end while one of them gives back what it had of it. */
static void wait_for_threads(int n_before)
{
    int64_t until_us = doctor_mono_us() + ENDING_US;
    while (count_threads() > n_before && doctor_mono_us() < until_us)
        doctor_pause(1000);
}

static void connect_mqtt(const struct mqtt_config *mqtt, struct doctor_broker *broker)
{
    struct mqtt_config own = *mqtt;
    struct broker port;
    int n_threads = count_threads();
    (void)snprintf(own.client_id, sizeof own.client_id, "%.40s-doctor-%ld", mqtt->client_id,
                   (long)getpid());
    (void)snprintf(broker->client_id, sizeof broker->client_id, "%s", own.client_id);
    if (paho_broker_create(&port, &own) != MW_OK)
        return;
    broker->asked = true;
    port.connect(port.ctx, NULL, NULL);
    wait_for_answer(&port, broker);
    if (broker->up)
        port.disconnect(port.ctx);
    port.destroy(port.ctx);
    wait_for_threads(n_threads);
}

/* ---- all in all ---- */

/* Of an IPv6 address in brackets, what is in them. */
static void take_host(const struct mqtt_endpoint *endpoint, char *ret_host)
{
    size_t n = strlen(endpoint->host);
    bool brackets = n > 2 && endpoint->host[0] == '[';
    (void)snprintf(ret_host, sizeof endpoint->host, "%.*s", (int)(brackets ? n - 2 : n),
                   endpoint->host + brackets);
}

/* A FIFO or a device, which the library would wait for; that it is wrong is another check's word.
 */
static bool is_endless(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 && !S_ISREG(there.st_mode);
}

/* By whoever runs the doctor; whether the daemon may is another check's. */
static bool are_readable(const struct mqtt_config *mqtt)
{
    const char *const paths[] = { mqtt->ca_file, mqtt->cert_file, mqtt->key_file };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (paths[i][0] &&
            (is_endless(paths[i]) ||
             (access(paths[i], R_OK) != 0 && (errno == EACCES || doctor_is_credential(paths[i])))))
            return false;
    return true;
}

static void follow(const struct mqtt_config *mqtt, int fd, void (*say)(const char *what),
                   struct doctor_broker *broker)
{
    if (broker->tls && are_readable(mqtt)) {
        say("TLS handshake with the broker, up to 10 s");
        doctor_shake_hands(fd, mqtt, broker->host, HANDSHAKE_US, &broker->handshake);
    }
    close(fd);
    if (!broker->tls || broker->handshake.outcome == TLS_OK) {
        say("MQTT CONNECT, up to 15 s");
        connect_mqtt(mqtt, broker);
    }
}

static int64_t utc_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void doctor_ask_broker(const struct mqtt_config *mqtt, char *host, void (*say)(const char *what),
                       struct doctor_broker *ret_broker)
{
    struct mqtt_endpoint endpoint = { 0 };
    struct addrinfo *addresses = NULL;
    struct doctor_broker broker = { .host = host,
                                    .ca_file = mqtt->ca_file,
                                    .username = mqtt->username,
                                    .connected = MW_ERR_GONE,
                                    .at_us = utc_us() };
    if (mqtt_parse_uri(mqtt->uri, &endpoint) == MW_OK)
        take_host(&endpoint, host);
    broker.port = endpoint.port;
    broker.tls = endpoint.tls;
    say("looking for the broker, up to 10 s");
    broker.lookup = resolve(host, endpoint.port, &addresses);
    int fd = broker.lookup == MW_OK ? connect_any(addresses, &broker) : -1;
    if (addresses)
        freeaddrinfo(addresses);
    if (fd >= 0)
        follow(mqtt, fd, say, &broker);
    *ret_broker = broker;
}
