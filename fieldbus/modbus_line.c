/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/modbus_line.h"
#include "base/bytes.h"
#include "base/crc.h"
#include "base/result.h"
#include "fieldbus/frame.h"
#include "fieldbus/tcp_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <modbus.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Room for a late frame in front of the answer; over TCP, for one byte too many to be seen. */
#define LINE_BYTES (2 * MBAP_MAX_BYTES)

struct modbus_line {
    struct line port;
    modbus_t *modbus;
    const struct bus_config *bus;
    struct tcp_socket tcp; /* of a TCP bus */
    int fd;                /* open and connected; -1: not */
    uint16_t transaction;  /* of the running exchange, where frames carry one */
    struct line_request asked;
    uint8_t bytes[LINE_BYTES];
    size_t n_bytes;
};

/* An adapter that was unplugged says so in many ways, and so does a peer; none of them is worth a
 * second try on the same descriptor. */
static int result_of(int error)
{
    switch (error) {
    case EAGAIN:
    case EINTR: return MW_ERR_AGAIN;
    case EIO:
    case ENODEV:
    case ENXIO:
    case ENOENT:
    case EBADF:
    case ECONNRESET:
    case ETIMEDOUT:
    case EPIPE: return MW_ERR_GONE;
    default: return MW_ERR_IO;
    }
}

static void tell(const struct modbus_line *line, enum line_way way, const uint8_t *bytes,
                 size_t n_bytes, int64_t now_us, int result)
{
    if (line->port.tap && n_bytes > 0)
        line->port.tap->frame(line->port.tap->ctx, way, bytes, n_bytes, now_us, result);
}

/* What a timeout left lying. */
static void forget_answer(struct modbus_line *line, int64_t now_us)
{
    tell(line, LINE_RECEIVED, line->bytes, line->n_bytes, now_us, MW_ERR_AGAIN);
    line->n_bytes = 0;
}

static void line_close(void *ctx)
{
    struct modbus_line *line = ctx;
    line->n_bytes = 0;
    if (line->bus->kind == BUS_TCP) {
        modbus_set_socket(line->modbus, -1);
        tcp_socket_close(&line->tcp);
    } else if (line->fd >= 0) {
        modbus_close(line->modbus);
    }
    line->fd = -1;
}

static int open_tty(struct modbus_line *line)
{
    line_close(line); /* a second modbus_connect() would leak the first one's descriptor */
    if (modbus_connect(line->modbus) != 0) {
        int result = result_of(errno);
        return result == MW_ERR_AGAIN ? MW_ERR_IO : result;
    }
    line->fd = modbus_get_socket(line->modbus);
    int flags = fcntl(line->fd, F_GETFL);
    if (flags < 0 || fcntl(line->fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(line->fd, F_SETFD, FD_CLOEXEC) != 0) {
        line_close(line);
        return MW_ERR_IO;
    }
    if (flock(line->fd, LOCK_EX | LOCK_NB) != 0) { /* two masters on a line disturb each other */
        line_close(line);
        return MW_ERR_STATE;
    }
    return MW_OK;
}

static int line_open(void *ctx, int64_t now_us)
{
    struct modbus_line *line = ctx;
    if (line->bus->kind != BUS_TCP)
        return open_tty(line);
    int result = tcp_socket_open(&line->tcp, now_us);
    if (result == MW_OK) {
        line->fd = line->tcp.fd;
        modbus_set_socket(line->modbus, line->fd);
    }
    return result;
}

/* libmodbus frames and sends. Before 3.1.8 it numbers every TCP transaction 0. */
static int hand_over(struct modbus_line *line, const uint8_t *bytes)
{
#ifdef MW_MODBUS_NUMBERS_TRANSACTIONS
    line->transaction++;
    return modbus_send_raw_request_tid(line->modbus, bytes, FRAME_REQUEST_BYTES, line->transaction);
#else
    return modbus_send_raw_request(line->modbus, bytes, FRAME_REQUEST_BYTES);
#endif
}

static void tell_request(const struct modbus_line *line, int64_t now_us)
{
    uint8_t bytes[MBAP_REQUEST_BYTES];
    if (bus_speaks_rtu(line->bus)) {
        frame_request(&line->asked, bytes);
        uint16_t crc = mw_crc16_modbus(bytes, FRAME_REQUEST_BYTES);
        bytes[FRAME_REQUEST_BYTES] = (uint8_t)(crc & 0xff); /* low byte first */
        bytes[FRAME_REQUEST_BYTES + 1] = (uint8_t)(crc >> 8);
        tell(line, LINE_SENT, bytes, FRAME_REQUEST_BYTES + 2, now_us, MW_OK);
    } else {
        mbap_request(&line->asked, line->transaction, bytes);
        tell(line, LINE_SENT, bytes, sizeof bytes, now_us, MW_OK);
    }
}

static int line_send(void *ctx, const struct line_request *request, int64_t now_us)
{
    struct modbus_line *line = ctx;
    uint8_t bytes[FRAME_REQUEST_BYTES];
    if (line->fd < 0)
        return MW_ERR_GONE;
    forget_answer(line, now_us);
    frame_request(request, bytes);
    line->asked = *request;
    if (hand_over(line, bytes) < 0) {
        int result = result_of(errno);
        return result == MW_ERR_AGAIN ? MW_ERR_IO : result;
    }
    if (line->port.tap)
        tell_request(line, now_us);
    return MW_OK;
}

/* Bytes read, or why none. A tty gives 0 both for "nothing there" and for "hung up". */
static int read_some(const struct modbus_line *line, uint8_t *ret_bytes, size_t cap)
{
    if (line->fd < 0)
        return MW_ERR_GONE;
    ssize_t n = read(line->fd, ret_bytes, cap);
    if (n > 0)
        return (int)n;
    if (n < 0)
        return result_of(errno);
    if (line->bus->kind == BUS_TCP)
        return MW_ERR_GONE;
    struct pollfd wait = { .fd = line->fd, .events = POLLIN };
    if (poll(&wait, 1, 0) > 0 && wait.revents & (POLLHUP | POLLERR | POLLNVAL))
        return MW_ERR_GONE;
    return MW_ERR_AGAIN;
}

static int judge(struct modbus_line *line, struct line_reply *ret_reply, size_t *ret_used)
{
    *ret_used = line->n_bytes;
    if (!bus_speaks_rtu(line->bus))
        return mbap_reply(line->bytes, line->n_bytes, &line->asked, line->transaction, ret_reply);
    int result = rtu_reply(line->bytes, line->n_bytes, &line->asked, ret_reply, ret_used);
    if (result == MW_ERR_AGAIN && line->n_bytes == sizeof line->bytes)
        return MW_ERR_FORMAT;
    return result;
}

static int line_receive(void *ctx, int64_t now_us, struct line_reply *ret_reply)
{
    struct modbus_line *line = ctx;
    int n = read_some(line, line->bytes + line->n_bytes, sizeof line->bytes - line->n_bytes);
    if (n < 0 && n != MW_ERR_AGAIN)
        return n;
    line->n_bytes += n > 0 ? (size_t)n : 0;

    size_t n_used = 0;
    int result = judge(line, ret_reply, &n_used);
    if (result == MW_ERR_AGAIN)
        return result;
    bool goes_on = result == MW_ERR_MISMATCH && bus_speaks_rtu(line->bus);
    tell(line, LINE_RECEIVED, line->bytes, goes_on ? n_used : line->n_bytes, now_us, result);
    line->n_bytes = goes_on ? line->n_bytes - n_used : 0;
    memmove(line->bytes, line->bytes + n_used, line->n_bytes);
    return result;
}

static int line_drain(void *ctx, int64_t now_us)
{
    struct modbus_line *line = ctx;
    forget_answer(line, now_us);
    int n = read_some(line, line->bytes, MBAP_MAX_BYTES);
    if (n > 0)
        tell(line, LINE_UNASKED, line->bytes, (size_t)n, now_us, MW_OK);
    return n == MW_ERR_AGAIN ? 0 : n;
}

static int line_descriptor(void *ctx, short *ret_events)
{
    const struct modbus_line *line = ctx;
    if (line->bus->kind == BUS_TCP && line->tcp.connecting) {
        *ret_events = POLLOUT;
        return line->tcp.fd;
    }
    if (line->fd >= 0)
        *ret_events = POLLIN;
    return line->fd;
}

static void line_destroy(void *ctx)
{
    struct modbus_line *line = ctx;
    if (!line)
        return;
    if (line->modbus)
        line_close(line);
    if (line->bus->kind == BUS_TCP)
        tcp_socket_finish(&line->tcp);
    modbus_free(line->modbus);
    free(line);
}

/* Over TCP the context never connects: it frames, and writes to the socket it is given. */
static modbus_t *new_context(const struct bus_config *bus)
{
    if (bus->kind != BUS_TCP)
        return modbus_new_rtu(bus->device, (int)bus->baud, bus->parity, bus->data_bits,
                              bus->stop_bits);
    if (bus->framing == FRAMING_RTU)
        return modbus_new_rtu("-", 19200, 'N', 8, 1);
    return modbus_new_tcp_pi(NULL, "502");
}

int modbus_line_create(struct line **ret_line, const struct bus_config *bus)
{
    struct modbus_line *line = calloc(1, sizeof *line);
    if (!line)
        return MW_ERR_NO_MEMORY;
    line->fd = -1;
    line->bus = bus;
    line->modbus = new_context(bus);
    if (!line->modbus) {
        int result = errno == ENOMEM ? MW_ERR_NO_MEMORY : MW_ERR_INVALID;
        free(line);
        return result;
    }
    modbus_set_error_recovery(line->modbus, MODBUS_ERROR_RECOVERY_NONE);
    modbus_set_byte_timeout(line->modbus, 0, 0);
    if (bus->kind == BUS_TCP)
        tcp_socket_init(&line->tcp, bus);
    line->port = (struct line){ .ctx = line,
                                .open = line_open,
                                .send = line_send,
                                .receive = line_receive,
                                .drain = line_drain,
                                .descriptor = line_descriptor,
                                .close = line_close,
                                .destroy = line_destroy };
    *ret_line = &line->port;
    return MW_OK;
}
