/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of serial ports, and whether the peers of TCP buses take a connection. A port that another
 * program has is not opened, and nothing is sent to any device. */
#define _DEFAULT_SOURCE /* readlink, dirent's d_name of a folder that is searched */
#include "base/result.h"
#include "cli/doctor.h"
#include "cli/port.h"
#include "fieldbus/tcp_socket.h"
#include "fieldbus/tty_latency.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/serial.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* ---- ports ---- */

/* The kernel numbers USB adapters in the order in which it finds them. */
static bool is_numbered(const char *device)
{
    return strncmp(device, "/dev/ttyUSB", 11) == 0 || strncmp(device, "/dev/ttyACM", 11) == 0;
}

/* A name of this folder for the same device. */
static bool find_name(const char *folder, const struct stat *device, char *ret_name, size_t cap)
{
    DIR *names = opendir(folder);
    bool found = false;
    for (struct dirent *entry; names && !found && (entry = readdir(names));) {
        struct stat there;
        char name[300];
        int n = snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        found = n > 0 && (size_t)n < sizeof name && stat(name, &there) == 0 &&
                S_ISCHR(there.st_mode) && there.st_rdev == device->st_rdev;
        if (found)
            (void)snprintf(ret_name, cap, "%s", name);
    }
    if (names)
        closedir(names);
    return found;
}

static void look_at_name(const char *device, struct doctor_port *port)
{
    static const char *const folders[] = { "/dev/rs485", "/dev/serial/by-id",
                                           "/dev/serial/by-path" };
    struct stat there;
    port->renamed = is_numbered(device);
    if (stat(device, &there) != 0)
        return;
    const struct group *group = getgrgid(there.st_gid);
    port->mode = there.st_mode & 0777;
    if (group)
        (void)snprintf(port->group, sizeof port->group, "%s", group->gr_name);
    else
        (void)snprintf(port->group, sizeof port->group, "%lu", (unsigned long)there.st_gid);
    for (size_t i = 0; port->renamed && i < sizeof folders / sizeof folders[0]; i++)
        if (find_name(folders[i], &there, port->stable, sizeof port->stable))
            return;
}

/* systemd/millwrightd.service.in, DeviceAllow=. */
static void look_at_driver(const char *device, const struct doctor_user *user,
                           struct doctor_port *port)
{
    static const char *const allowed[] = { "ttyS", "ttyUSB", "ttyACM", "ttyAMA", "pts" };
    char *real = realpath(device, NULL);
    const char *name = real && strncmp(real, "/dev/", 5) == 0 ? real + 5 : "";
    size_t n = strcspn(name, "0123456789/");
    bool known = n == 0 || !doctor_is_of_unit(user);
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        known |= strlen(allowed[i]) == n && strncmp(allowed[i], name, n) == 0;
    if (!known)
        (void)snprintf(port->driver, sizeof port->driver, "%.*s", (int)(n < 15 ? n : 15), name);
    free(real);
}

static void look_at_owner(const char *device, const struct doctor_daemon *daemon,
                          struct doctor_port *port)
{
    struct port_owner owner;
    port_owner(device, &owner);
    port->owner_pid = owner.pid;
    port->locked = owner.pid > 0;
    port->owner_is_daemon = daemon && daemon->pid > 0 ? owner.pid == daemon->pid
                                                      : strncmp(owner.name, "millwrightd", 11) == 0;
    if (owner.pid > 0)
        (void)snprintf(port->owner, sizeof port->owner, "%.30s (process %ld)",
                       owner.name[0] ? owner.name : "a program", owner.pid);
}

/* Opening raises DTR and RTS, as every opening does; so only where nobody works on the line. */
static void look_inside(const char *device, struct doctor_port *port)
{
    struct termios settings;
    struct serial_rs485 rs485 = { 0 };
    struct stat there;
    port->is_tty = stat(device, &there) == 0 && S_ISCHR(there.st_mode);
    int fd = port->is_tty && !port->locked
                 ? open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
                 : -1;
    if (fd < 0)
        return;
    port->locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
    port->is_tty = tcgetattr(fd, &settings) == 0;
    if (port->is_tty && ioctl(fd, TIOCGRS485, &rs485) != 0)
        port->rs485 = RS485_NONE;
    else if (port->is_tty)
        port->rs485 = rs485.flags & SER_RS485_ENABLED ? RS485_ON : RS485_OFF;
    close(fd);
}

void doctor_look_at_port(const struct bus_config *bus, const struct doctor_user *user,
                         const struct doctor_daemon *daemon, struct doctor_port *ret_port)
{
    struct doctor_port port = { .bus = bus->name,
                                .device = bus->device,
                                .user = user->name,
                                .rts = bus->rts,
                                .access = doctor_may(user, bus->device, R_OK | W_OK) };
    look_at_name(bus->device, &port);
    look_at_driver(bus->device, user, &port);
    look_at_owner(bus->device, daemon, &port);
    if (daemon && !port.locked) { /* whoever looks may not see the lock's owner */
        port.locked = port.owner_is_daemon = true;
        (void)snprintf(port.owner, sizeof port.owner, "millwrightd");
    }
    look_inside(bus->device, &port);
    port.latency_ms = tty_latency_ms(bus->device, "/sys", port.latency_file);
    *ret_port = port;
}

size_t doctor_adapters(struct bus_config *ret_buses, size_t cap)
{
    DIR *names = opendir("/dev");
    size_t n = 0;
    for (struct dirent *entry; names && n < cap && (entry = readdir(names));) {
        struct bus_config *bus = &ret_buses[n];
        struct doctor_port port = { .bus = "" };
        char device[300];
        (void)snprintf(device, sizeof device, "/dev/%s", entry->d_name);
        if (!is_numbered(device))
            continue;
        look_at_name(device, &port);
        *bus = (struct bus_config){ .kind = BUS_RTU };
        (void)snprintf(bus->name, sizeof bus->name, "%.*s", MW_NAME_MAX, entry->d_name);
        (void)snprintf(bus->device, sizeof bus->device, "%.255s",
                       port.stable[0] ? port.stable : device);
        n++;
    }
    if (names)
        closedir(names);
    return n;
}

/* ---- TCP peers ---- */

#define PEER_US   INT64_C(3000000)
#define AT_ONCE   64
#define LOOKUP_US 20000 /* how often a name that is asked for is looked at */

struct attempt {
    struct bus_config bus;
    struct tcp_socket tcp;
    struct doctor_peer *peer;
    int64_t since_us;
    bool over;
};

static void step(struct attempt *a, int64_t now_us)
{
    int result = a->over ? MW_OK : tcp_socket_open(&a->tcp, now_us);
    if (a->over || result == MW_ERR_AGAIN)
        return;
    /* Another address of the same name may do; the time is the whole peer's. */
    bool more = result != MW_OK && result != MW_ERR_NOT_FOUND && a->tcp.next &&
                now_us - a->since_us < PEER_US;
    a->over = !more;
    a->peer->result = result;
    a->peer->took_us = now_us - a->since_us;
}

static void wait_for(struct attempt *attempts, size_t n)
{
    struct pollfd fds[AT_ONCE];
    bool lookup = false, any = false;
    for (size_t i = 0; i < n; i++) {
        const struct attempt *a = &attempts[i];
        fds[i] = (struct pollfd){ .fd = a->over ? -1 : a->tcp.fd, .events = POLLOUT };
        lookup |= !a->over && a->tcp.fd < 0;
        any |= !a->over;
    }
    if (any)
        poll(fds, (nfds_t)n, lookup ? LOOKUP_US / 1000 : 100);
}

static void reach(struct attempt *attempts, size_t n)
{
    size_t n_over = 0;
    for (size_t i = 0; i < n; i++) {
        struct attempt *a = &attempts[i];
        a->bus.connect_timeout_us = PEER_US;
        a->since_us = doctor_mono_us();
        tcp_socket_init(&a->tcp, &a->bus);
    }
    while (n_over < n) {
        n_over = 0;
        for (size_t i = 0; i < n; i++) {
            step(&attempts[i], doctor_mono_us());
            n_over += attempts[i].over;
        }
        wait_for(attempts, n);
    }
    for (size_t i = 0; i < n; i++) {
        tcp_socket_close(&attempts[i].tcp);
        tcp_socket_finish(&attempts[i].tcp);
    }
}

void doctor_reach_peers(struct doctor_peer *peers, size_t n)
{
    struct attempt *attempts = calloc(AT_ONCE, sizeof *attempts);
    size_t n_now = 0;
    for (size_t i = 0; attempts && i < n; i++) {
        if (!peers[i].by_daemon && !peers[i].hidden) {
            struct attempt *a = &attempts[n_now++];
            *a = (struct attempt){ .peer = &peers[i], .bus = { .kind = BUS_TCP } };
            (void)snprintf(a->bus.host, sizeof a->bus.host, "%s", peers[i].host);
            a->bus.port = peers[i].port;
        }
        if (n_now == AT_ONCE || (i + 1 == n && n_now > 0)) {
            reach(attempts, n_now);
            n_now = 0;
        }
    }
    free(attempts);
}
