/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/modbus_line.h"
#include "base/result.h"
#include "fieldbus/frame.h"
#include "fieldbus/tcp_line.h"

#include <errno.h>
#include <fcntl.h>
#include <modbus.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rtu_line {
    struct line port;
    modbus_t *modbus;
    int fd; /* libmodbus's; -1 while closed */
    struct line_request asked;
    uint8_t bytes[2 * RTU_MAX_BYTES]; /* room for a late frame in front of the answer */
    size_t n_bytes;
};

/* An adapter that was unplugged says so in many ways; none of them is worth a second try on the
 * same descriptor. */
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
    case EPIPE: return MW_ERR_GONE;
    default: return MW_ERR_IO;
    }
}

static void rtu_close(void *ctx)
{
    struct rtu_line *rtu = ctx;
    if (rtu->fd >= 0)
        modbus_close(rtu->modbus);
    rtu->fd = -1;
    rtu->n_bytes = 0;
}

static int rtu_open(void *ctx, int64_t now_us)
{
    struct rtu_line *rtu = ctx;
    (void)now_us;
    rtu_close(rtu); /* a second modbus_connect() would leak the first one's descriptor */
    if (modbus_connect(rtu->modbus) != 0) {
        int result = result_of(errno);
        return result == MW_ERR_AGAIN ? MW_ERR_IO : result;
    }
    rtu->fd = modbus_get_socket(rtu->modbus);
    int flags = fcntl(rtu->fd, F_GETFL);
    if (flags < 0 || fcntl(rtu->fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(rtu->fd, F_SETFD, FD_CLOEXEC) != 0) {
        rtu_close(rtu);
        return MW_ERR_IO;
    }
    return MW_OK;
}

static int rtu_send(void *ctx, const struct line_request *request, int64_t now_us)
{
    struct rtu_line *rtu = ctx;
    (void)now_us;
    uint8_t bytes[FRAME_REQUEST_BYTES];
    if (rtu->fd < 0)
        return MW_ERR_GONE;
    frame_request(request, bytes);
    rtu->asked = *request;
    rtu->n_bytes = 0;
    if (modbus_send_raw_request(rtu->modbus, bytes, sizeof bytes) >= 0)
        return MW_OK;
    int result = result_of(errno);
    return result == MW_ERR_AGAIN ? MW_ERR_IO : result;
}

/* Bytes read, or why none. A tty gives 0 both for "nothing there" and for "hung up". */
static int tty_read(int fd, uint8_t *ret_bytes, size_t cap)
{
    if (fd < 0)
        return MW_ERR_GONE;
    ssize_t n = read(fd, ret_bytes, cap);
    if (n > 0)
        return (int)n;
    if (n < 0)
        return result_of(errno);
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    if (poll(&wait, 1, 0) > 0 && wait.revents & (POLLHUP | POLLERR | POLLNVAL))
        return MW_ERR_GONE;
    return MW_ERR_AGAIN;
}

static int rtu_receive(void *ctx, int64_t now_us, struct line_reply *ret_reply)
{
    struct rtu_line *rtu = ctx;
    (void)now_us;
    int n = tty_read(rtu->fd, rtu->bytes + rtu->n_bytes, sizeof rtu->bytes - rtu->n_bytes);
    if (n < 0 && n != MW_ERR_AGAIN)
        return n;
    rtu->n_bytes += n > 0 ? (size_t)n : 0;

    size_t n_used = 0;
    int result = rtu_reply(rtu->bytes, rtu->n_bytes, &rtu->asked, ret_reply, &n_used);
    if (result == MW_ERR_AGAIN && rtu->n_bytes == sizeof rtu->bytes)
        return MW_ERR_FORMAT;
    if (result == MW_ERR_MISMATCH) {
        rtu->n_bytes -= n_used;
        memmove(rtu->bytes, rtu->bytes + n_used, rtu->n_bytes);
    }
    return result;
}

static int rtu_drain(void *ctx)
{
    struct rtu_line *rtu = ctx;
    uint8_t bytes[RTU_MAX_BYTES];
    int n = tty_read(rtu->fd, bytes, sizeof bytes);
    rtu->n_bytes = 0;
    return n == MW_ERR_AGAIN ? 0 : n;
}

static int rtu_descriptor(void *ctx, short *ret_events)
{
    const struct rtu_line *rtu = ctx;
    if (rtu->fd >= 0)
        *ret_events = POLLIN;
    return rtu->fd;
}

static void rtu_destroy(void *ctx)
{
    struct rtu_line *rtu = ctx;
    if (!rtu)
        return;
    rtu_close(rtu);
    modbus_free(rtu->modbus);
    free(rtu);
}

static int rtu_create(struct line **ret_line, const struct bus_config *bus)
{
    struct rtu_line *rtu = calloc(1, sizeof *rtu);
    if (!rtu)
        return MW_ERR_NO_MEMORY;
    rtu->fd = -1;
    rtu->modbus =
        modbus_new_rtu(bus->device, (int)bus->baud, bus->parity, bus->data_bits, bus->stop_bits);
    if (!rtu->modbus) {
        int result = errno == ENOMEM ? MW_ERR_NO_MEMORY : MW_ERR_INVALID;
        free(rtu);
        return result;
    }
    modbus_set_error_recovery(rtu->modbus, MODBUS_ERROR_RECOVERY_NONE);
    modbus_set_byte_timeout(rtu->modbus, 0, 0);
    rtu->port = (struct line){ .ctx = rtu,
                               .open = rtu_open,
                               .send = rtu_send,
                               .receive = rtu_receive,
                               .drain = rtu_drain,
                               .descriptor = rtu_descriptor,
                               .close = rtu_close,
                               .destroy = rtu_destroy };
    *ret_line = &rtu->port;
    return MW_OK;
}

int modbus_line_create(struct line **ret_line, const struct bus_config *bus)
{
    if (bus->kind == BUS_TCP)
        return tcp_line_create(ret_line, bus);
    return rtu_create(ret_line, bus);
}
