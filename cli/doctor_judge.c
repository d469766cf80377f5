/* SPDX-License-Identifier: Apache-2.0 */
/* Facts to verdicts, pure: clock, ports, devices, versions. */
#include "base/result.h"
#include "cli/doctor.h"
#include "fieldbus/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- clock ---- */

#define CLOCK_EARLIEST_S INT64_C(1767225600) /* 2026-01-01, before the release: it ran back */
#define CLOCK_LATEST_S   INT64_C(4102444800) /* 2100-01-01: a battery clock gone wild */
#define RTC_OFF_S        30 /* a crystal of 20 ppm loses as much in 17 days without power */

static int64_t year_of(int64_t utc_s)
{
    return 1970 + utc_s / 31556952; /* mean Gregorian year, s: right to a day */
}

static void judge_rtc(struct doctor_report *report, const struct doctor_clock *c)
{
    int64_t off_s = c->rtc_read ? c->rtc_s - c->utc_s : 0;
    if (!c->has_rtc) {
        doctor_say(report, DOCTOR_OK, "clock", "rtc",
                   "none: after each start times are a guess until a time server answers; what was "
                   "recorded until then is corrected");
    } else if (!c->rtc_read) {
        doctor_say(report, DOCTOR_SKIPPED, "clock", "rtc", "cannot be read");
    } else if (off_s > RTC_OFF_S || off_s < -RTC_OFF_S) {
        doctor_say(report, DOCTOR_WARNING, "clock", "rtc",
                   "the battery clock is %" PRId64 " s %s: the next start begins with that",
                   off_s < 0 ? -off_s : off_s, off_s < 0 ? "behind" : "ahead");
        doctor_remedy(report, "once the time is right: hwclock --systohc --utc; if it drifts "
                              "again, the battery");
    } else {
        doctor_say(report, DOCTOR_OK, "clock", "rtc", "keeps the time, %" PRId64 " s off",
                   off_s < 0 ? -off_s : off_s);
    }
}

void judge_clock(struct doctor_report *report, const struct doctor_clock *c)
{
    if (c->utc_s < CLOCK_EARLIEST_S || c->utc_s > CLOCK_LATEST_S) {
        doctor_say(report, DOCTOR_FAULT, "clock", "",
                   "stands in the year %" PRId64 ": certificates are judged by it, and TLS fails",
                   year_of(c->utc_s));
        doctor_remedy(report, "timedatectl set-ntp true, and a time server in "
                              "/etc/systemd/timesyncd.conf (NTP=) that this network reaches");
    } else if (!c->synced) {
        doctor_say(report, DOCTOR_WARNING, "clock", "",
                   "not synchronised: times are a guess, order and delays are right all the same");
        doctor_remedy(report, "timedatectl set-ntp true; timedatectl timesync-status tells whether "
                              "a server answers (NTP= in /etc/systemd/timesyncd.conf)");
    } else {
        doctor_say(report, DOCTOR_OK, "clock", "", "synchronised");
    }
    judge_rtc(report, c);
}

/* ---- serial ports ---- */

static bool judge_port_there(struct doctor_report *report, const struct doctor_port *p)
{
    if (p->access == ACCESS_MISSING) {
        doctor_say(report, DOCTOR_FAULT, "serial", p->bus, "%s does not exist", p->device);
        doctor_remedy(report,
                      "ls -l /dev/serial/by-id /dev/rs485; plug the adapter in, or put its "
                      "name into rtu.device of bus %s",
                      p->bus);
        return false;
    }
    if (p->access == ACCESS_SEEN_NOT) {
        doctor_say(report, DOCTOR_SKIPPED, "serial", p->bus,
                   "%s cannot be looked at by this user: run as root", p->device);
        return false;
    }
    if (p->access == ACCESS_NO) {
        doctor_say(report, DOCTOR_FAULT, "serial", p->bus,
                   "user %s may not use %s (group %s, mode %04o)", p->user, p->device, p->group,
                   p->mode);
        if ((p->mode & 060) == 060 && strcmp(p->group, "root") != 0)
            doctor_remedy(report, "usermod -aG %s %s && systemctl restart millwrightd", p->group,
                          p->user);
        else
            doctor_remedy(report,
                          "chgrp dialout %s && chmod 0660 %s; for good a udev rule as in "
                          "61-millwright-rs485.rules",
                          p->device, p->device);
        return false;
    }
    return true;
}

/* What stops the line from working. */
static bool judge_port_use(struct doctor_report *report, const struct doctor_port *p)
{
    if (!p->is_tty) {
        doctor_say(report, DOCTOR_FAULT, "serial", p->bus, "%s is no serial port", p->device);
        doctor_remedy(report,
                      "ls -l /dev/serial/by-id /dev/rs485, and its name into rtu.device of "
                      "bus %s",
                      p->bus);
    } else if (p->locked && !p->owner_is_daemon) {
        doctor_say(report, DOCTOR_FAULT, "serial", p->bus, "%s: another program has it: %s",
                   p->device, p->owner[0] ? p->owner : "which one is not to be seen");
        if (p->owner_pid > 0)
            doctor_remedy(report, "ps -fp %ld, then end it: two masters on one line garble both",
                          p->owner_pid);
        else
            doctor_remedy(report, "as root: fuser -v %s", p->device);
    } else if (p->rts == RTS_KERNEL && p->rs485 == RS485_NONE) {
        doctor_say(report, DOCTOR_FAULT, "serial", p->bus,
                   "rts: kernel, but the driver of %s has no RS-485 mode", p->device);
        doctor_remedy(report,
                      "rtu.rts of bus %s: none for an adapter that switches by itself, else up or "
                      "down",
                      p->bus);
    } else {
        return true;
    }
    return false;
}

void judge_port(struct doctor_report *report, const struct doctor_port *p)
{
    static const char *const modes[] = { "", "", "", ", RS-485 mode on" };
    if (!judge_port_there(report, p) || !judge_port_use(report, p))
        return;
    bool well = true;
    if (p->renamed) {
        well = false;
        doctor_say(report, DOCTOR_WARNING, "serial", p->bus,
                   "%s may be another adapter after the next start", p->device);
        if (p->stable[0])
            doctor_remedy(report, "rtu.device of bus %s: %s", p->bus, p->stable);
        else
            doctor_remedy(report,
                          "udevadm trigger --subsystem-match=tty, then a name of /dev/rs485 as "
                          "rtu.device of bus %s",
                          p->bus);
    }
    if (p->driver[0] && !p->owner_is_daemon) {
        well = false;
        doctor_say(report, DOCTOR_WARNING, "serial", p->bus,
                   "the unit lets the daemon open ttyS, ttyUSB, ttyACM and ttyAMA alone, and this "
                   "is a %s",
                   p->driver);
        doctor_remedy(report,
                      "systemctl edit millwrightd: [Service] DeviceAllow=char-%s rw; then "
                      "systemctl restart millwrightd",
                      p->driver);
    }
    if (p->latency_ms > 1) {
        well = false;
        doctor_say(report, DOCTOR_WARNING, "serial", p->bus,
                   "the adapter holds every reply back for up to %d ms", p->latency_ms);
        doctor_remedy(
            report,
            "echo 1 > %s; for good 61-millwright-rs485.rules: udevadm control --reload && "
            "udevadm trigger --subsystem-match=usb-serial",
            p->latency_file);
    }
    if (well)
        doctor_say(report, DOCTOR_OK, "serial", p->bus, "%s, user %s may use it%s%s", p->device,
                   p->user, p->owner_is_daemon ? ", the daemon has it" : "", modes[p->rs485]);
}

/* ---- TCP ---- */

static void judge_peer_by_daemon(struct doctor_report *report, const struct doctor_peer *p)
{
    uint32_t n_online = p->n_devices - p->n_offline;
    if (n_online > 0 || p->n_devices == 0) {
        doctor_say(report, DOCTOR_OK, "tcp", p->bus,
                   "%s port %u: connected by the daemon, %u of %u devices answer", p->host,
                   (unsigned)p->port, (unsigned)n_online, (unsigned)p->n_devices);
        return;
    }
    doctor_say(report, DOCTOR_FAULT, "tcp", p->bus, "%s port %u: none of %u devices answers",
               p->host, (unsigned)p->port, (unsigned)p->n_devices);
    doctor_remedy(report,
                  "journalctl -u millwrightd MW_BUS=%s says why; then power and cable of "
                  "the device, tcp.host, tcp.port, unit",
                  p->bus);
}

void judge_peer(struct doctor_report *report, const struct doctor_peer *p)
{
    if (p->by_daemon) {
        judge_peer_by_daemon(report, p);
    } else if (p->hidden) {
        doctor_say(report, DOCTOR_SKIPPED, "tcp", p->bus,
                   "%s port %u: the daemon has it and may not be asked by this user: run as root",
                   p->host, (unsigned)p->port);
    } else if (p->result == MW_OK) {
        doctor_say(report, DOCTOR_OK, "tcp", p->bus,
                   "%s port %u takes connections (%" PRId64 " ms)", p->host, (unsigned)p->port,
                   p->took_us / 1000);
    } else if (p->result == MW_ERR_NOT_FOUND) {
        doctor_say(report, DOCTOR_FAULT, "tcp", p->bus, "no address for the name %s", p->host);
        doctor_remedy(report,
                      "getent hosts %s; an address instead of a name in tcp.host of bus %s "
                      "needs no name server",
                      p->host, p->bus);
    } else if (p->result == MW_ERR_TIMEOUT) {
        doctor_say(report, DOCTOR_FAULT, "tcp", p->bus, "%s port %u: no answer", p->host,
                   (unsigned)p->port);
        doctor_remedy(report, "ping %s; its power, cable, address (tcp.host of bus %s), a firewall",
                      p->host, p->bus);
    } else {
        doctor_say(report, DOCTOR_FAULT, "tcp", p->bus, "%s port %u: connection refused", p->host,
                   (unsigned)p->port);
        doctor_remedy(
            report,
            "Modbus TCP must be on at the device; its port (502 as a rule) is tcp.port of "
            "bus %s; some take few masters at once",
            p->bus);
    }
}

/* ---- versions ---- */

struct known_version {
    const char *name;
    int from[3], below[3]; /* from <= version < below */
    enum doctor_verdict verdict;
    const char *words, *remedy;
};

/* Sources: the projects' change logs and advisories; README of each release. Only what harms this
 * program: it opens its database once, and keeps Paho's own window and persistence out of use. */
static const struct known_version KNOWN[] = {
    { "kernel",
      { 0, 0, 0 },
      { 4, 14, 0 },
      DOCTOR_WARNING,
      "is too old for MILLWRIGHT_SANDBOX=kill (4.14)",
      "a newer system" },
    { "libmodbus",
      { 0, 0, 0 },
      { 3, 1, 6 },
      DOCTOR_FAULT,
      "is older than what the lines are tried with",
      "apt install libmodbus5" },
    { "Paho",
      { 0, 0, 0 },
      { 1, 3, 9 },
      DOCTOR_FAULT,
      "is older than what the uplink is tried with",
      "apt install libpaho-mqtt1.3" },
    { "SQLite",
      { 0, 0, 0 },
      { 3, 40, 0 },
      DOCTOR_FAULT,
      "is older than what the store needs",
      "apt install libsqlite3-0" },
    { "OpenSSL",
      { 0, 0, 0 },
      { 3, 0, 0 },
      DOCTOR_FAULT,
      "has no more security updates",
      "a newer system" },
    { "OpenSSL",
      { 3, 0, 0 },
      { 3, 0, 7 },
      DOCTOR_WARNING,
      "overruns a buffer at a crafted certificate (CVE-2022-3602)",
      "apt install libssl3" },
    { "libcyaml",
      { 0, 0, 0 },
      { 1, 3, 1 },
      DOCTOR_FAULT,
      "is older than what the configuration needs",
      "apt install libcyaml1" },
};

static void read_numbers(const char *text, int ret_numbers[3])
{
    for (int i = 0; i < 3; i++) {
        char *end = NULL;
        long n = strtol(text, &end, 10);
        ret_numbers[i] = end != text && n >= 0 && n < 100000 ? (int)n : 0;
        text = *end == '.' ? end + 1 : "";
    }
}

static int compare(const int a[3], const int b[3])
{
    for (int i = 0; i < 3; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

void judge_version(struct doctor_report *report, const struct doctor_version *v)
{
    int numbers[3];
    read_numbers(v->text, numbers);
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        const struct known_version *k = &KNOWN[i];
        if (strcmp(k->name, v->name) != 0 || compare(numbers, k->from) < 0 ||
            compare(numbers, k->below) >= 0)
            continue;
        doctor_say(report, k->verdict, "versions", v->name, "%s %s", v->text, k->words);
        doctor_remedy(report, "%s", k->remedy);
        return;
    }
    doctor_say(report, DOCTOR_OK, "versions", v->name, "%s", v->text);
}
