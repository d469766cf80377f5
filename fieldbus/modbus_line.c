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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* Room for a late frame in front of the answer; over TCP, for one byte too many to be seen. */
#define LINE_BYTES (2 * MBAP_MAX_BYTES)

struct modbus_line {
    struct line port;
    modbus_t *modbus;
    const struct bus_config *bus;
    struct serial_config serial; /* what the next opening sets */
    struct tcp_socket tcp;       /* of a TCP bus */
    int fd;                      /* open and connected; -1: not */
    int lock_fd;                 /* of a tty: holds its lock while fd is open; -1: not */
    uint16_t transaction;        /* of the running exchange, where frames carry one */
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

/* Closes a tty, and keeps its lock. */
static void close_port(struct modbus_line *line)
{
    line->n_bytes = 0;
    if (line->fd >= 0) {
        /* what a stuck line has not sent would hold close(2) up for as long as 30 s */
        (void)tcflush(line->fd, TCOFLUSH);
        modbus_close(line->modbus);
    }
    line->fd = -1;
}

static void line_close(void *ctx)
{
    struct modbus_line *line = ctx;
    if (line->bus->kind == BUS_TCP) {
        line->n_bytes = 0;
        modbus_set_socket(line->modbus, -1);
        tcp_socket_close(&line->tcp);
        line->fd = -1;
        return;
    }
    close_port(line);
    if (line->lock_fd >= 0)
        close(line->lock_fd);
    line->lock_fd = -1;
}

/* libmodbus ignores a refusal of RTS, which pseudo-terminals and some adapters give; then requests
 * would not leave the adapter, or nobody else could speak. */
static int set_rts(const struct modbus_line *line)
{
    int lines = 0;
    switch (line->bus->rts) {
    case RTS_NONE: return MW_OK;
    case RTS_KERNEL:
        return modbus_rtu_set_serial_mode(line->modbus, MODBUS_RTU_RS485) == 0 ? MW_OK
                                                                               : MW_ERR_UNSUPPORTED;
    case RTS_UP:
    case RTS_DOWN: break;
    }
    bool up = line->bus->rts == RTS_UP;
    if (ioctl(line->fd, TIOCMGET, &lines) != 0 ||
        modbus_rtu_set_rts(line->modbus, up ? MODBUS_RTU_RTS_UP : MODBUS_RTU_RTS_DOWN) != 0 ||
        modbus_rtu_set_rts_delay(line->modbus, (int)line->bus->rts_delay_us) != 0)
        return MW_ERR_UNSUPPORTED;
    return MW_OK;
}

/* Two masters on a line disturb each other, and so does a mere attempt: modbus_connect() sets the
 * terminal up. So the lock comes first, on a descriptor of its own, which changes nothing. */
static int lock_tty(struct modbus_line *line)
{
    int fd = open(line->bus->device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        int result = result_of(errno);
        return result == MW_ERR_AGAIN ? MW_ERR_IO : result;
    }
    int result = isatty(fd) ? MW_OK : MW_ERR_IO;
    if (result == MW_OK && flock(fd, LOCK_EX | LOCK_NB) != 0)
        result = errno == EWOULDBLOCK ? MW_ERR_STATE : MW_ERR_IO;
    if (result == MW_OK)
        line->lock_fd = fd;
    else
        close(fd);
    return result;
}

/* A stable name may mean another node by now, which this lock does not guard. */
static bool is_locked_node(const struct modbus_line *line)
{
    struct stat locked, opened;
    return fstat(line->lock_fd, &locked) == 0 && fstat(line->fd, &opened) == 0 &&
           locked.st_dev == opened.st_dev && locked.st_ino == opened.st_ino;
}

/* Opens and sets up a tty whose lock is held. */
static int connect_tty(struct modbus_line *line)
{
    if (modbus_connect(line->modbus) != 0) {
        int result = result_of(errno);
        return result == MW_ERR_AGAIN ? MW_ERR_IO : result;
    }
    line->fd = modbus_get_socket(line->modbus);
    if (!is_locked_node(line))
        return MW_ERR_GONE;
    int flags = fcntl(line->fd, F_GETFL);
    if (flags < 0 || fcntl(line->fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(line->fd, F_SETFD, FD_CLOEXEC) != 0)
        return MW_ERR_IO;
    return set_rts(line);
}

static int open_tty(struct modbus_line *line)
{
    line_close(line); /* a second modbus_connect() would leak the first one's descriptor */
    int result = lock_tty(line);
    if (result == MW_OK)
        result = connect_tty(line);
    if (result != MW_OK)
        line_close(line);
    return result;
}

static modbus_t *new_tty_context(const struct bus_config *bus, const struct serial_config *serial)
{
    return modbus_new_rtu(bus->device, (int)serial->baud, serial->parity, bus->data_bits,
                          serial->stop_bits);
}

static void use_context(struct modbus_line *line, modbus_t *modbus)
{
    line->modbus = modbus;
    modbus_set_error_recovery(modbus, MODBUS_ERROR_RECOVERY_NONE);
    modbus_set_byte_timeout(modbus, 0, 0);
}

/* libmodbus sets a tty up when it opens it, and has no other way. The lock is held meanwhile, so
 * that nobody takes the line away in between. */
static int line_set_serial(void *ctx, const struct serial_config *serial)
{
    struct modbus_line *line = ctx;
    if (line->bus->kind == BUS_TCP)
        return MW_ERR_UNSUPPORTED;
    if (line->fd >= 0 && serial_equal(serial, &line->serial))
        return MW_OK;
    modbus_t *fresh = new_tty_context(line->bus, serial);
    close_port(line);
    if (!fresh) {
        line_close(line);
        return MW_ERR_INVALID;
    }
    modbus_free(line->modbus);
    use_context(line, fresh);
    line->serial = *serial;
    if (line->lock_fd < 0)
        return open_tty(line);
    int result = connect_tty(line);
    if (result != MW_OK)
        line_close(line);
    return result;
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
    struct serial_config serial = bus_serial(bus);
    if (bus->kind != BUS_TCP)
        return new_tty_context(bus, &serial);
    if (bus->framing == FRAMING_RTU)
        return modbus_new_rtu("-", 19200, 'N', 8, 1);
    return modbus_new_tcp_pi(NULL, "502");
}

int modbus_line_create(struct line **ret_line, const struct bus_config *bus)
{
    struct modbus_line *line = calloc(1, sizeof *line);
    if (!line)
        return MW_ERR_NO_MEMORY;
    line->fd = line->lock_fd = -1;
    line->bus = bus;
    line->serial = bus_serial(bus);
    modbus_t *modbus = new_context(bus);
    if (!modbus) {
        int result = errno == ENOMEM ? MW_ERR_NO_MEMORY : MW_ERR_INVALID;
        free(line);
        return result;
    }
    use_context(line, modbus);
    if (bus->kind == BUS_TCP)
        tcp_socket_init(&line->tcp, bus);
    line->port = (struct line){ .ctx = line,
                                .open = line_open,
                                .send = line_send,
                                .receive = line_receive,
                                .drain = line_drain,
                                .set_serial = line_set_serial,
                                .descriptor = line_descriptor,
                                .close = line_close,
                                .destroy = line_destroy };
    *ret_line = &line->port;
    return MW_OK;
}

void modbus_line_library_version(char *ret_text, size_t cap)
{
    (void)snprintf(ret_text, cap, "%u.%u.%u", libmodbus_version_major, libmodbus_version_minor,
                   libmodbus_version_micro);
}
