/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

/* The process that holds a lock on this inode, as /proc/locks has it (proc(5)); 0: not found. */
static long lock_owner(const struct stat *file)
{
    FILE *locks = fopen("/proc/locks", "r");
    char line[256];
    long owner = 0;
    while (locks && owner == 0 && fgets(line, sizeof line, locks)) {
        long pid = 0;
        unsigned major = 0, minor = 0;
        unsigned long inode = 0;
        if (sscanf(line, "%*s FLOCK %*s %*s %ld %x:%x:%lu", &pid, &major, &minor, &inode) == 4 &&
            inode == file->st_ino && major == major(file->st_dev) && minor == minor(file->st_dev))
            owner = pid;
    }
    if (locks)
        fclose(locks);
    return owner;
}

/* First line of /proc/PID/what, without its end; empty where it cannot be read. */
static void proc_line(long pid, const char *what, char *ret_line, int cap)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, what);
    FILE *file = fopen(path, "r");
    ret_line[0] = 0;
    if (file && fgets(ret_line, cap, file))
        ret_line[strcspn(ret_line, "\n")] = 0;
    if (file)
        fclose(file);
}

void port_owner(const char *device, struct port_owner *ret_owner)
{
    struct stat there;
    char group[256];
    *ret_owner = (struct port_owner){ .pid = stat(device, &there) == 0 ? lock_owner(&there) : 0 };
    if (ret_owner->pid <= 0)
        return;
    proc_line(ret_owner->pid, "comm", ret_owner->name, sizeof ret_owner->name);
    proc_line(ret_owner->pid, "cgroup", group, sizeof group);
    const char *unit = strrchr(group, '/');
    if (unit && strstr(unit, ".service"))
        snprintf(ret_owner->unit, sizeof ret_owner->unit, "%s", unit + 1);
}

static void say_owner(const char *device)
{
    struct port_owner owner;
    port_owner(device, &owner);
    if (owner.pid <= 0) {
        fprintf(stderr, "millwright: %s: another program has it\n", device);
        return;
    }
    fprintf(stderr, "millwright: %s: %s has it (process %ld%s%s)", device,
            owner.name[0] ? owner.name : "another program", owner.pid, owner.unit[0] ? ", " : "",
            owner.unit);
    if (strncmp(owner.name, "millwrightd", 11) == 0)
        fprintf(stderr, "; with --config FILE or --socket PATH it is asked to do the reading");
    fputc('\n', stderr);
}

static int say(const char *device, int error)
{
    fprintf(stderr, "millwright: %s: %s%s\n", device, strerror(error),
            error == EACCES ? "; a member of the group dialout may use serial ports" : "");
    return error == ENOENT || error == ENXIO || error == ENODEV ? EX_NOINPUT
           : error == EACCES || error == EPERM                  ? EX_NOPERM
           : error == EBUSY                                     ? EX_TEMPFAIL
                                                                : EX_IOERR;
}

int port_check(const char *device)
{
    struct stat there;
    struct termios settings;
    if (stat(device, &there) < 0)
        return say(device, errno);
    if (!S_ISCHR(there.st_mode)) {
        fprintf(stderr, "millwright: %s: is no serial port\n", device);
        return EX_DATAERR;
    }
    int fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return say(device, errno);
    int status = EX_OK;
    if (tcgetattr(fd, &settings) < 0) {
        fprintf(stderr, "millwright: %s: is no serial port\n", device);
        status = EX_DATAERR;
    } else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        say_owner(device);
        status = EX_TEMPFAIL;
    }
    close(fd);
    return status;
}
