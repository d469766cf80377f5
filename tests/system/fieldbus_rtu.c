/* SPDX-License-Identifier: Apache-2.0 */
/* The poller, through libmodbus, against a serial device at the other end of a pseudo-terminal that
 * misbehaves on demand. It frames for itself. */
#define _XOPEN_SOURCE 700
#include "base/crc.h"
#include "base/result.h"
#include "support/real_bus.h"
#include "support/suite.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define MS_US         INT64_C(1000)
#define TIMEOUT_US    (60 * MS_US)
#define TURNAROUND_US (200 * MS_US)
#define LATE_MS       100

enum fault { GOOD = 0, LATE, BAD_CRC, SHORT, ECHO_OWN, SILENT, N_FAULTS };

/* The device, and the stable name under which its terminal is found. */
struct device {
    int master;
    char folder[64], name[96];
    pthread_t thread;
    _Atomic int fault;
    _Atomic bool stop;
    _Atomic uint32_t n_requests;
};

static bool wait_for(struct device *d, int fd, int timeout_ms)
{
    for (int waited_ms = 0; !d->stop && (timeout_ms < 0 || waited_ms < timeout_ms);
         waited_ms += 10) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        if (poll(&wait, 1, 10) > 0 && wait.revents & POLLIN)
            return true;
    }
    return false;
}

static void put(struct device *d, const uint8_t *bytes, size_t n)
{
    ssize_t done = write(d->master, bytes, n);
    (void)done; /* a terminal that is being closed; the gateway will see silence */
}

static size_t seal(uint8_t *frame, size_t n)
{
    uint16_t crc = mw_crc16_modbus(frame, n);
    frame[n] = (uint8_t)crc;
    frame[n + 1] = (uint8_t)(crc >> 8);
    return n + 2;
}

static void answer(struct device *d, const uint8_t *asked)
{
    uint32_t serial = ++d->n_requests;
    int fault = atomic_exchange(&d->fault, GOOD);
    uint8_t bytes[64] = { asked[0], asked[1], (uint8_t)(2 * asked[5]) };
    size_t n = 3;
    for (size_t i = 0; i < asked[5] && n + 4 < sizeof bytes; i++) {
        uint16_t value = (uint16_t)(serial * 8 + asked[3] + i);
        bytes[n++] = (uint8_t)(value >> 8);
        bytes[n++] = (uint8_t)value;
    }
    n = seal(bytes, n);
    if (fault == LATE)
        wait_for(d, -1, LATE_MS);
    if (fault == BAD_CRC)
        bytes[4] ^= 0x20;
    if (fault == SHORT)
        n = 6;
    if (fault == ECHO_OWN)
        put(d, asked, 8);
    if (fault != SILENT)
        put(d, bytes, n);
}

static void *run_device(void *ctx)
{
    struct device *d = ctx;
    uint8_t asked[8];
    size_t n = 0;
    while (!d->stop) {
        if (!wait_for(d, d->master, -1))
            continue;
        ssize_t got = read(d->master, asked + n, sizeof asked - n);
        n += got > 0 ? (size_t)got : 0;
        if (n < sizeof asked)
            continue;
        n = 0;
        if (asked[0] == REAL_UNIT && mw_crc16_modbus(asked, 8) == 0) /* its own CRC behind it */
            answer(d, asked);
    }
    return NULL;
}

/* A new terminal under the old name, as an adapter that comes back as ttyUSB1. */
static void plug_in(struct device *d)
{
    char fresh[112], terminal[64];
    d->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (d->master < 0 || grantpt(d->master) != 0 || unlockpt(d->master) != 0)
        ck_abort_msg("no pseudo-terminal");
    snprintf(terminal, sizeof terminal, "%s", ptsname(d->master));
    snprintf(fresh, sizeof fresh, "%s.new", d->name);
    if (symlink(terminal, fresh) != 0 || rename(fresh, d->name) != 0)
        ck_abort_msg("no link");
}

static void start(struct device *d)
{
    d->stop = false;
    ck_assert_int_eq(pthread_create(&d->thread, NULL, run_device, d), 0);
}

static void halt(struct device *d)
{
    d->stop = true;
    pthread_join(d->thread, NULL);
}

static void make_name(struct device *d)
{
    *d = (struct device){ .folder = "/tmp/mw_rtu_XXXXXX" };
    ck_assert_ptr_nonnull(mkdtemp(d->folder));
    snprintf(d->name, sizeof d->name, "%s/adapter", d->folder);
}

static void begin(struct device *d, struct real_bus *real, int64_t period_us)
{
    make_name(d);
    plug_in(d);
    start(d);
    *real = (struct real_bus){ .bus = { .kind = BUS_RTU, .retries = 5, .baud = 115200 } };
    snprintf(real->bus.device, sizeof real->bus.device, "%s", d->name);
    real->bus.timeout_us = TIMEOUT_US;
    real->bus.turnaround_us = TURNAROUND_US;
    real->check_serial = true;
    real_bus_begin(real, period_us);
}

static void clean(struct device *d)
{
    unlink(d->name);
    rmdir(d->folder);
}

static void end(struct device *d, struct real_bus *real)
{
    real_bus_end(real);
    halt(d);
    close(d->master);
    clean(d);
}

static bool three_more(const struct real_bus *real)
{
    return real->n_good >= 3;
}

static bool has_other(const struct real_bus *real)
{
    return real->n_other > 0;
}

static bool bus_is_down(const struct real_bus *real)
{
    return real->bus_health == DEVICE_OFFLINE;
}

START_TEST(every_kind_of_wrong_reply_is_refused_and_data_is_good_again_after_the_turnaround)
{
    for (int fault = LATE; fault < N_FAULTS; fault++) {
        struct device d;
        struct real_bus real;
        begin(&d, &real, 50 * MS_US);
        ck_assert(real_bus_run(&real, three_more, 5000 * MS_US));
        ck_assert_uint_eq(real.n_other, 0);
        real.n_good = 0;
        d.fault = fault;
        int64_t began_us = real_now_us();
        ck_assert(real_bus_run(&real, has_other, 5000 * MS_US));
        real.n_good = 0;
        ck_assert(real_bus_run(&real, three_more, 5000 * MS_US));
        printf("fault %d: good again after %lld ms\n", fault,
               (long long)(real_now_us() - began_us) / 1000);
        ck_assert_int_lt(real_now_us() - began_us, 1000 * MS_US + TURNAROUND_US);
        struct poller_stats s = poller_bus_stats(real.poller);
        ck_assert_uint_eq(s.n_crc + s.n_mismatched + s.n_timeouts, 1);
        ck_assert_uint_eq(s.n_crc, fault == BAD_CRC);
        ck_assert_uint_eq(s.n_mismatched, fault == ECHO_OWN);
        if (fault == LATE)
            ck_assert_uint_ge(s.n_refused_stale, 1);
        ck_assert_uint_eq(real.n_wrong, 0);
        ck_assert_int_lt(real.longest_us, TIMEOUT_US / 2);
        end(&d, &real);
    }
}
END_TEST

START_TEST(an_adapter_that_comes_back_as_another_node_is_found_by_its_stable_name)
{
    struct device d;
    struct real_bus real;
    begin(&d, &real, 50 * MS_US);
    ck_assert(real_bus_run(&real, three_more, 5000 * MS_US));
    halt(&d);
    unlink(d.name);
    close(d.master);
    int64_t gone_us = real_now_us();
    ck_assert(real_bus_run(&real, bus_is_down, 1000 * MS_US));
    short events = 0;
    ck_assert_int_eq(poller_descriptor(real.poller, &events), -1);
    printf("closed after %lld ms\n", (long long)(real_now_us() - gone_us) / 1000);

    real.check_serial = false; /* a request may have been lost */
    plug_in(&d);
    start(&d);
    real.n_good = 0;
    ck_assert(real_bus_run(&real, three_more, 3000 * MS_US));
    ck_assert_int_eq(real.bus_health, DEVICE_ONLINE);
    ck_assert_uint_eq(poller_bus_stats(real.poller).n_reopens, 1);
    end(&d, &real);
}
END_TEST

START_TEST(a_thousand_swaps_leak_no_descriptor_and_none_is_inherited)
{
    struct device d;
    struct line *line = NULL;
    struct bus_config bus = { .kind = BUS_RTU };
    make_name(&d);
    snprintf(bus.device, sizeof bus.device, "%s", d.name);
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    ck_assert_int_eq(modbus_line_create(&line, &bus), MW_OK);
    ck_assert_int_eq(line->open(line->ctx, 0), MW_ERR_GONE); /* not there yet */
    int before = real_count_descriptors();
    struct line_request request = { REAL_UNIT, REGISTER_HOLDING, 0, 1 };
    struct line_reply reply;
    for (int i = 0; i < 1000; i++) {
        short events = 0;
        plug_in(&d);
        int result = line->open(line->ctx, 0);
        int fd = line->descriptor(line->ctx, &events);
        if (result != MW_OK || !(fcntl(fd, F_GETFD) & FD_CLOEXEC) ||
            !(fcntl(fd, F_GETFL) & O_NONBLOCK) || line->drain(line->ctx, 0) != 0)
            ck_abort_msg("swap %d: %s", i, mw_result_text(result));
        if (i % 2 == 0 && line->send(line->ctx, &request, 0) != MW_OK)
            ck_abort_msg("swap %d: not sent", i);
        close(d.master);
        if (line->receive(line->ctx, 0, &reply) != MW_ERR_GONE)
            ck_abort_msg("swap %d: not noticed", i);
        if (line->send(line->ctx, &request, 0) != MW_ERR_GONE)
            ck_abort_msg("swap %d: sent to nobody", i);
        /* every other time it is opened again without having been closed */
        if (i % 2)
            line->close(line->ctx);
    }
    line->close(line->ctx);
    ck_assert_int_eq(real_count_descriptors(), before);
    line->destroy(line->ctx);
    clean(&d);
}
END_TEST

/* A pseudo-terminal has no RTS and no RS-485 mode: it says so, and stays closed. */
START_TEST(rts_that_a_port_does_not_have_is_refused_when_it_is_opened)
{
    static const enum rts_mode modes[] = { RTS_UP, RTS_DOWN, RTS_KERNEL };
    struct device d;
    make_name(&d);
    plug_in(&d);
    int before = real_count_descriptors();
    for (size_t i = 0; i < 3; i++) {
        struct line *line = NULL;
        struct bus_config bus = { .kind = BUS_RTU, .rts = modes[i] };
        snprintf(bus.device, sizeof bus.device, "%s", d.name);
        ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
        ck_assert_int_eq(modbus_line_create(&line, &bus), MW_OK);
        ck_assert_int_eq(line->open(line->ctx, 0), MW_ERR_UNSUPPORTED);
        ck_assert_int_eq(real_count_descriptors(), before);
        line->destroy(line->ctx);
    }
    close(d.master);
    clean(&d);
}
END_TEST

START_TEST(a_port_is_set_to_what_each_device_wants)
{
    struct device d;
    struct line *line = NULL;
    struct bus_config bus = { .kind = BUS_RTU };
    struct termios now;
    make_name(&d);
    plug_in(&d);
    snprintf(bus.device, sizeof bus.device, "%s", d.name);
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    ck_assert_int_eq(modbus_line_create(&line, &bus), MW_OK);
    ck_assert_int_eq(line->open(line->ctx, 0), MW_OK);
    int before = real_count_descriptors();
    struct serial_config own = { 9600, 'N', 2 }, of_bus = bus_serial(&bus);
    for (int i = 0; i < 100; i++) {
        bool is_own = i % 2 == 0;
        ck_assert_int_eq(line->set_serial(line->ctx, is_own ? &own : &of_bus), MW_OK);
        ck_assert_int_eq(tcgetattr(d.master, &now), 0);
        ck_assert_uint_eq(cfgetospeed(&now), is_own ? B9600 : B19200);
        ck_assert_int_eq((now.c_cflag & CSTOPB) != 0, is_own);
        short events = 0;
        int fd = line->descriptor(line->ctx, &events);
        ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    ck_assert_int_eq(real_count_descriptors(), before);
    unlink(d.name);
    ck_assert_int_eq(line->set_serial(line->ctx, &own), MW_ERR_GONE);
    ck_assert_int_eq(real_count_descriptors(), before - 2); /* the port and its lock */
    line->destroy(line->ctx);
    close(d.master);
    clean(&d);
}
END_TEST

static struct line *new_line(struct bus_config *bus, const struct device *d)
{
    struct line *line = NULL;
    snprintf(bus->device, sizeof bus->device, "%s", d->name);
    ck_assert_int_eq(bus_settle(bus, NULL), MW_OK);
    ck_assert_int_eq(modbus_line_create(&line, bus), MW_OK);
    return line;
}

struct thief {
    struct line *line;
    _Atomic bool stop;
    _Atomic int n_opened, n_tried;
};

static void *steal(void *ctx)
{
    struct thief *t = ctx;
    while (!t->stop) {
        t->n_opened += t->line->open(t->line->ctx, 0) == MW_OK;
        t->n_tried++;
    }
    return NULL;
}

/* Settings and unread bytes of the one who holds the port outlive every refused attempt, and are
 * never others in between. */
START_TEST(a_second_opener_is_refused_and_disturbs_nothing)
{
    struct device d;
    struct bus_config holder_bus = { .kind = BUS_RTU, .baud = 115200, .parity = 'N' };
    struct bus_config other_bus = { .kind = BUS_RTU, .baud = 2400, .parity = 'O' };
    struct termios before, now;
    pthread_t thread;
    make_name(&d);
    plug_in(&d);
    struct line *holder = new_line(&holder_bus, &d);
    struct thief thief = { .line = new_line(&other_bus, &d) };
    struct line *other = thief.line;
    ck_assert_int_eq(holder->open(holder->ctx, 0), MW_OK);
    ck_assert_int_eq(tcgetattr(d.master, &before), 0);
    int n_before = real_count_descriptors(), n_changed = 0;
    put(&d, (const uint8_t[]){ 1, 2, 3 }, 3);
    ck_assert_int_eq(pthread_create(&thread, NULL, steal, &thief), 0);
    for (int i = 0; i < 10000000 && thief.n_tried < 2000; i++) {
        tcgetattr(d.master, &now);
        n_changed += cfgetospeed(&now) != B115200 || now.c_cflag != before.c_cflag ||
                     now.c_iflag != before.c_iflag || now.c_oflag != before.c_oflag ||
                     now.c_lflag != before.c_lflag ||
                     memcmp(now.c_cc, before.c_cc, sizeof now.c_cc) != 0;
    }
    thief.stop = true;
    pthread_join(thread, NULL);
    ck_assert_int_ge(thief.n_tried, 2000);
    ck_assert_int_eq(n_changed, 0);
    ck_assert_int_eq(thief.n_opened, 0);
    ck_assert_int_eq(other->open(other->ctx, 0), MW_ERR_STATE);
    struct serial_config own = { 4800, 'E', 1 };
    ck_assert_int_eq(other->set_serial(other->ctx, &own), MW_ERR_STATE);
    ck_assert_int_eq(real_count_descriptors(), n_before);
    ck_assert_int_eq(holder->drain(holder->ctx, 0), 3);
    holder->close(holder->ctx);
    ck_assert_int_eq(other->open(other->ctx, 0), MW_OK);
    holder->destroy(holder->ctx);
    other->destroy(other->ctx);
    close(d.master);
    clean(&d);
}
END_TEST

START_TEST(a_change_of_rate_gives_the_port_to_nobody_else)
{
    struct device d;
    struct bus_config holder_bus = { .kind = BUS_RTU }, other_bus = { .kind = BUS_RTU };
    pthread_t thread;
    make_name(&d);
    plug_in(&d);
    struct line *holder = new_line(&holder_bus, &d);
    struct thief thief = { .line = new_line(&other_bus, &d) };
    ck_assert_int_eq(holder->open(holder->ctx, 0), MW_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, steal, &thief), 0);
    struct serial_config own = { 9600, 'N', 2 }, of_bus = bus_serial(&holder_bus);
    int n_refused = 0;
    for (int i = 0; i < 200000 && (i < 2000 || thief.n_tried < 2000); i++)
        n_refused += holder->set_serial(holder->ctx, i % 2 ? &of_bus : &own) != MW_OK;
    thief.stop = true;
    pthread_join(thread, NULL);
    ck_assert_int_ge(thief.n_tried, 2000);
    ck_assert_int_eq(n_refused, 0);
    ck_assert_int_eq(thief.n_opened, 0);
    holder->destroy(holder->ctx);
    thief.line->destroy(thief.line->ctx);
    close(d.master);
    clean(&d);
}
END_TEST

struct tapped {
    uint8_t bytes[6][64];
    size_t n_bytes[6];
    enum line_way ways[6];
    int results[6];
    int64_t at_us[6];
    size_t n;
};

static void see(void *ctx, enum line_way way, const uint8_t *bytes, size_t n_bytes, int64_t at_us,
                int result)
{
    struct tapped *seen = ctx;
    if (seen->n == 6 || n_bytes > 64)
        return;
    memcpy(seen->bytes[seen->n], bytes, n_bytes);
    seen->n_bytes[seen->n] = n_bytes;
    seen->ways[seen->n] = way;
    seen->results[seen->n] = result;
    seen->at_us[seen->n++] = at_us;
}

static int receive_fully(struct line *line, struct line_reply *reply, int64_t now_us)
{
    int result = MW_ERR_AGAIN;
    for (int i = 0; i < 500 && result == MW_ERR_AGAIN; i++) {
        struct pollfd wait = { .fd = -1 };
        wait.fd = line->descriptor(line->ctx, &wait.events);
        poll(&wait, 1, 10);
        result = line->receive(line->ctx, now_us, reply);
    }
    return result;
}

/* One good exchange, one answer of another unit, and noise while nobody asks. */
START_TEST(a_tap_sees_the_very_bytes_of_the_wire)
{
    struct device d;
    struct line *line = NULL;
    struct bus_config bus = { .kind = BUS_RTU };
    struct line_request request = { 0x11, REGISTER_HOLDING, 0x6b, 2 };
    struct line_reply reply;
    struct tapped seen = { .n = 0 };
    struct line_tap tap = { see, &seen };
    make_name(&d);
    plug_in(&d);
    snprintf(bus.device, sizeof bus.device, "%s", d.name);
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    ck_assert_int_eq(modbus_line_create(&line, &bus), MW_OK);
    line->tap = &tap;
    ck_assert_int_eq(line->open(line->ctx, 1), MW_OK);

    uint8_t asked[16], answer[16] = { 0x11, 3, 4, 0xae, 0x41, 0x56, 0x52 };
    uint8_t other[16] = { 0x12, 3, 2, 0, 1 };
    size_t n_answer = seal(answer, 7), n_other = seal(other, 5);
    ck_assert_int_eq(line->send(line->ctx, &request, 2), MW_OK);
    ck_assert_int_eq(read(d.master, asked, sizeof asked), 8);
    put(&d, other, n_other);
    put(&d, answer, n_answer);
    ck_assert_int_eq(receive_fully(line, &reply, 3), MW_ERR_MISMATCH);
    ck_assert_int_eq(receive_fully(line, &reply, 4), MW_OK);
    put(&d, (const uint8_t[]){ 0xff, 0 }, 2);
    struct pollfd wait = { .fd = -1 };
    wait.fd = line->descriptor(line->ctx, &wait.events);
    ck_assert_int_eq(poll(&wait, 1, 5000), 1);
    ck_assert_int_eq(line->drain(line->ctx, 5), 2);

    static const enum line_way ways[] = { LINE_SENT, LINE_RECEIVED, LINE_RECEIVED, LINE_UNASKED };
    static const int results[] = { MW_OK, MW_ERR_MISMATCH, MW_OK, MW_OK };
    const uint8_t *bytes[] = { asked, other, answer, (const uint8_t[]){ 0xff, 0 } };
    const size_t n_bytes[] = { 8, n_other, n_answer, 2 };
    ck_assert_uint_eq(seen.n, 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(seen.ways[i], ways[i]);
        ck_assert_int_eq(seen.results[i], results[i]);
        ck_assert_int_eq(seen.at_us[i], 2 + (int64_t)i);
        ck_assert_uint_eq(seen.n_bytes[i], n_bytes[i]);
        ck_assert_mem_eq(seen.bytes[i], bytes[i], n_bytes[i]);
    }
    line->destroy(line->ctx);
    close(d.master);
    clean(&d);
}
END_TEST

START_TEST(what_is_not_a_tty_is_not_opened)
{
    struct device d;
    struct line *line = NULL;
    struct bus_config bus = { .kind = BUS_RTU };
    make_name(&d);
    snprintf(bus.device, sizeof bus.device, "%s", d.name);
    FILE *file = fopen(d.name, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    ck_assert_int_eq(bus_settle(&bus, NULL), MW_OK);
    ck_assert_int_eq(modbus_line_create(&line, &bus), MW_OK);
    int before = real_count_descriptors();
    ck_assert_int_eq(line->open(line->ctx, 0), MW_ERR_IO);
    ck_assert_int_eq(real_count_descriptors(), before);
    line->destroy(line->ctx);
    clean(&d);
}
END_TEST

MW_SUITE("fieldbus rtu",
         every_kind_of_wrong_reply_is_refused_and_data_is_good_again_after_the_turnaround,
         an_adapter_that_comes_back_as_another_node_is_found_by_its_stable_name,
         a_thousand_swaps_leak_no_descriptor_and_none_is_inherited,
         rts_that_a_port_does_not_have_is_refused_when_it_is_opened,
         a_port_is_set_to_what_each_device_wants, a_second_opener_is_refused_and_disturbs_nothing,
         a_change_of_rate_gives_the_port_to_nobody_else, a_tap_sees_the_very_bytes_of_the_wire,
         what_is_not_a_tty_is_not_opened)
