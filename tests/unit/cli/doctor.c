/* SPDX-License-Identifier: Apache-2.0 */
/* What each fact means to millwright doctor: verdict, words, remedy. One fact at a time is wrong.
 */
#include "cli/doctor.h"
#include "base/result.h"
#include "support/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DAY_US INT64_C(86400000000)
#define NOW_S  INT64_C(1800000000)
#define MIB    (INT64_C(1) << 20)

/* The finding that matters: the first that is wrong, else the first of this verdict. */
static const struct doctor_finding *first(const struct doctor_report *report,
                                          enum doctor_verdict verdict)
{
    ck_assert_uint_gt(report->n, 0);
    for (size_t i = 0; i < report->n; i++)
        if (report->findings[i].verdict >= DOCTOR_WARNING)
            return &report->findings[i];
    for (size_t i = 0; i < report->n; i++)
        if (report->findings[i].verdict == verdict)
            return &report->findings[i];
    return &report->findings[0];
}

struct expected {
    enum doctor_verdict verdict;
    const char *text, *remedy; /* parts of them; NULL: none */
};

/* Ends the report. What is wrong has a remedy, what is not has none. */
static void expect(struct doctor_report *report, const struct expected *e, const char *what)
{
    const struct doctor_finding *f = first(report, e->verdict);
    ck_assert_msg(f->verdict == e->verdict && strstr(f->text, e->text), "%s: %s: %s", what,
                  doctor_word(f->verdict), f->text);
    ck_assert_msg(strstr(f->remedy, e->remedy ? e->remedy : ""), "%s: -> %s", what, f->remedy);
    for (size_t i = 0; i < report->n; i++)
        ck_assert_msg((report->findings[i].verdict >= DOCTOR_WARNING) ==
                              (report->findings[i].remedy[0] != 0) ||
                          report->findings[i].verdict == DOCTOR_SKIPPED,
                      "%s: %s -> '%s'", what, report->findings[i].text, report->findings[i].remedy);
    ck_assert_int_eq(doctor_worst(report), e->verdict > DOCTOR_OK ? e->verdict : DOCTOR_OK);
    doctor_finish(report);
}

START_TEST(the_clock)
{
    static const struct {
        struct doctor_clock clock;
        struct expected expected;
    } cases[] = {
        { { NOW_S, true, true, true, NOW_S + 2 }, { DOCTOR_OK, "synchronised", NULL } },
        { { NOW_S, true, false, false, 0 }, { DOCTOR_OK, "synchronised", NULL } },
        { { NOW_S, false, true, true, NOW_S }, { DOCTOR_WARNING, "not synch", "set-ntp true" } },
        { { 3600, false, false, false, 0 }, { DOCTOR_FAULT, "year 1970", "timesyncd.conf" } },
        { { 5000000000, true, false, false, 0 }, { DOCTOR_FAULT, "year 2128", "timesyncd" } },
        { { NOW_S, true, true, true, NOW_S - 90 },
          { DOCTOR_WARNING, "90 s behind", "hwclock --systohc" } },
        { { NOW_S, true, true, true, NOW_S + 31 }, { DOCTOR_WARNING, "31 s ahead", "hwclock" } },
        { { NOW_S, true, true, false, 0 }, { DOCTOR_OK, "synchronised", NULL } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct doctor_report report = { 0 };
        judge_clock(&report, &cases[i].clock);
        expect(&report, &cases[i].expected, "clock");
    }
}
END_TEST

static struct doctor_port good_port(void)
{
    return (struct doctor_port){ .bus = "hall",
                                 .device = "/dev/serial/by-id/x",
                                 .user = "millwright",
                                 .is_tty = true,
                                 .group = "dialout",
                                 .mode = 0660,
                                 .latency_ms = 1 };
}

static void expect_port(const struct doctor_port *port, enum doctor_verdict verdict,
                        const char *text, const char *remedy)
{
    struct doctor_report report = { 0 };
    judge_port(&report, port);
    expect(&report, &(struct expected){ verdict, text, remedy }, text);
}

START_TEST(a_port_that_cannot_be_used)
{
    struct doctor_port p = good_port();
    expect_port(&p, DOCTOR_OK, "user millwright may use it", NULL);
    p.access = ACCESS_MISSING;
    expect_port(&p, DOCTOR_FAULT, "does not exist", "ls -l /dev/serial/by-id");
    p.access = ACCESS_SEEN_NOT;
    expect_port(&p, DOCTOR_SKIPPED, "run as root", NULL);
    p.access = ACCESS_NO;
    expect_port(&p, DOCTOR_FAULT, "group dialout, mode 0660", "usermod -aG dialout millwright");
    p.mode = 0600;
    expect_port(&p, DOCTOR_FAULT, "mode 0600", "chmod 0660 /dev/serial/by-id/x");
    p = good_port();
    p.is_tty = false;
    expect_port(&p, DOCTOR_FAULT, "is no serial port", "rtu.device of bus hall");
}
END_TEST

START_TEST(a_port_that_another_has)
{
    struct doctor_port p = good_port();
    p.locked = true;
    p.owner_pid = 77;
    snprintf(p.owner, sizeof p.owner, "minicom (process 77)");
    expect_port(&p, DOCTOR_FAULT, "minicom (process 77)", "ps -fp 77");
    p.owner_pid = 0;
    p.owner[0] = 0;
    expect_port(&p, DOCTOR_FAULT, "not to be seen", "fuser -v /dev/serial/by-id/x");
    p.owner_is_daemon = true;
    expect_port(&p, DOCTOR_OK, "the daemon has it", NULL);
}
END_TEST

START_TEST(a_port_that_works_badly)
{
    struct doctor_port p = good_port();
    p.latency_ms = 16;
    snprintf(p.latency_file, sizeof p.latency_file, "/sys/x/latency_timer");
    expect_port(&p, DOCTOR_WARNING, "up to 16 ms", "echo 1 > /sys/x/latency_timer");
    p.latency_ms = -9;
    expect_port(&p, DOCTOR_OK, "may use it", NULL);
    p.renamed = true;
    expect_port(&p, DOCTOR_WARNING, "another adapter", "udevadm trigger");
    snprintf(p.stable, sizeof p.stable, "/dev/rs485/y");
    expect_port(&p, DOCTOR_WARNING, "another adapter", "rtu.device of bus hall: /dev/rs485/y");
    p = good_port();
    snprintf(p.driver, sizeof p.driver, "ttymxc");
    expect_port(&p, DOCTOR_WARNING, "this is a ttymxc", "DeviceAllow=char-ttymxc rw");
    p.owner_is_daemon = true;
    expect_port(&p, DOCTOR_OK, "the daemon has it", NULL);
    p = good_port();
    p.rts = RTS_KERNEL;
    p.rs485 = RS485_OFF;
    expect_port(&p, DOCTOR_OK, "may use it", NULL);
    p.rs485 = RS485_ON;
    expect_port(&p, DOCTOR_OK, "RS-485 mode on", NULL);
    p.rs485 = RS485_NONE;
    expect_port(&p, DOCTOR_FAULT, "no RS-485 mode", "rtu.rts of bus hall");
}
END_TEST

START_TEST(peers)
{
    static const struct {
        struct doctor_peer peer;
        struct expected expected;
    } cases[] = {
        { { .took_us = 1500 }, { DOCTOR_OK, "takes connections (1 ms)", NULL } },
        { { .result = MW_ERR_NOT_FOUND }, { DOCTOR_FAULT, "no address", "getent hosts plc" } },
        { { .result = MW_ERR_TIMEOUT }, { DOCTOR_FAULT, "no answer", "ping plc" } },
        { { .result = MW_ERR_GONE }, { DOCTOR_FAULT, "refused", "tcp.port of bus hall" } },
        { { .hidden = true }, { DOCTOR_SKIPPED, "may not be asked", NULL } },
        { { .by_daemon = true, .n_devices = 3, .n_offline = 1 },
          { DOCTOR_OK, "2 of 3 devices answer", NULL } },
        { { .by_daemon = true, .n_devices = 3, .n_offline = 3 },
          { DOCTOR_FAULT, "none of 3 devices", "MW_BUS=hall" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct doctor_report report = { 0 };
        struct doctor_peer peer = cases[i].peer;
        peer.bus = "hall";
        peer.host = "plc";
        peer.port = 502;
        judge_peer(&report, &peer);
        expect(&report, &cases[i].expected, "peer");
    }
}
END_TEST

static struct doctor_disk good_disk(void)
{
    return (struct doctor_disk){ .folder = "/d",
                                 .user = "millwright",
                                 .kind = "ext4",
                                 .has_figures = true,
                                 .timed = true,
                                 .free_bytes = 300 * MIB,
                                 .max_bytes = 257 * MIB,
                                 .n_syncs = 64,
                                 .p50_us = 4000,
                                 .p99_us = 9000 };
}

static void expect_disk(const struct doctor_disk *disk, enum doctor_verdict verdict,
                        const char *text, const char *remedy)
{
    struct doctor_report report = { 0 };
    judge_disk(&report, disk);
    expect(&report, &(struct expected){ verdict, text, remedy }, text);
}

START_TEST(a_disk_and_its_room)
{
    struct doctor_disk d = good_disk();
    expect_disk(&d, DOCTOR_OK, "ext4", NULL);
    d.free_bytes = 100 * MIB;
    expect_disk(&d, DOCTOR_WARNING, "room for a database of 100 MiB", "store.max_size: 50MiB");
    d.used_bytes = 157 * MIB;
    expect_disk(&d, DOCTOR_OK, "ext4", NULL);
    d.free_bytes = 100 * 1024;
    expect_disk(&d, DOCTOR_FAULT, "is full: 100 KiB free", "du -xh");
    d = good_disk();
    d.outside = true;
    expect_disk(&d, DOCTOR_WARNING, "below /var/lib/millwright alone", "ReadWritePaths=/d");
    d.outside = false;
    d.read_only = true;
    expect_disk(&d, DOCTOR_FAULT, "read-only", "mount -o remount,rw");
    d = good_disk();
    d.access = ACCESS_NO;
    expect_disk(&d, DOCTOR_FAULT, "user millwright may not write to /d", "chown -R millwright /d");
    d.access = ACCESS_MISSING;
    expect_disk(&d, DOCTOR_FAULT, "does not exist", "install -d -m 0750 -o millwright /d");
    d.access = ACCESS_SEEN_NOT;
    expect_disk(&d, DOCTOR_SKIPPED, "run as root", NULL);
}
END_TEST

START_TEST(a_disk_and_what_it_is)
{
    static const struct {
        enum doctor_medium medium;
        const char *text;
    } cases[] = { { MEDIUM_RAM, "is memory" },
                  { MEDIUM_OVERLAY, "thrown away" },
                  { MEDIUM_NETWORK, "another computer's" },
                  { MEDIUM_FAT, "no journal" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct doctor_disk d = good_disk();
        d.medium = cases[i].medium;
        expect_disk(&d, DOCTOR_WARNING, cases[i].text, "store.path");
    }
    struct doctor_disk d = good_disk();
    d.p99_us = 200000;
    expect_disk(&d, DOCTOR_OK, "ext4", NULL);
    d.p99_us = 200001;
    expect_disk(&d, DOCTOR_WARNING, "200.0 ms (p99)", "industrial card");
    d.timed = false;
    d.sync_error = ENOSPC;
    expect_disk(&d, DOCTOR_FAULT, strerror(ENOSPC), "make room");
}
END_TEST

static void expect_database(const struct doctor_database *d, enum doctor_verdict verdict,
                            const char *text, const char *remedy)
{
    struct doctor_report report = { 0 };
    judge_database(&report, d);
    expect(&report, &(struct expected){ verdict, text, remedy }, text);
}

START_TEST(a_database)
{
    const struct doctor_database good = {
        .path = "/d/m.db",
        .found = { .version = 3, .newest = 3, .n_bytes = 3 * 1048576, .checked = true },
        .has_reserve = true
    };
    struct doctor_database d = good;
    expect_database(&d, DOCTOR_OK, "schema 3, 3.0 MiB, whole", NULL);
    d.found.checked = false;
    expect_database(&d, DOCTOR_SKIPPED, "takes longer", NULL);
    d.found.held = true;
    d.found.holder = 42;
    expect_database(&d, DOCTOR_SKIPPED, "process 42 has it open", NULL);
    d.by_daemon = d.well = true;
    expect_database(&d, DOCTOR_OK, "the daemon has it open", NULL);
    d = good;
    d.result = MW_ERR_UNSUPPORTED;
    d.found.version = 4;
    expect_database(&d, DOCTOR_FAULT, "schema 4, this release knows 3", "mv /d/m.db /d/m.db.newer");
    d.found.version = 0;
    expect_database(&d, DOCTOR_FAULT, "another program", "store.path");
    d.result = MW_ERR_CORRUPT;
    snprintf(d.found.trouble, sizeof d.found.trouble, "page 7 is never used");
    expect_database(&d, DOCTOR_FAULT, "corrupt: page 7", "systemctl restart millwrightd");
    d = good;
    d.has_reserve = false;
    expect_database(&d, DOCTOR_WARNING, "-reserve is missing", "df -h /d/m.db");
    d = good;
    d.found.quarantined_s = 1700000000;
    expect_database(&d, DOCTOR_WARNING, "/d/m.db.corrupt-1700000000", "rm /d/m.db.corrupt-");
    d = good;
    d.access = ACCESS_MISSING;
    expect_database(&d, DOCTOR_OK, "none yet", NULL);
    d.access = ACCESS_SEEN_NOT;
    expect_database(&d, DOCTOR_SKIPPED, "run as root", NULL);
}
END_TEST

static struct doctor_broker good_broker(void)
{
    return (struct doctor_broker){ .host = "b",
                                   .port = 8883,
                                   .tls = true,
                                   .ca_file = "/ca",
                                   .username = "gw",
                                   .handshake = { .outcome = TLS_OK,
                                                  .protocol = "TLSv1.3",
                                                  .not_after_us = NOW_S * 1000000 + 90 * DAY_US },
                                   .asked = true,
                                   .up = true,
                                   .client_id = "gw-doctor-1",
                                   .at_us = NOW_S * 1000000 };
}

static void expect_broker(const struct doctor_broker *b, enum doctor_verdict verdict,
                          const char *text, const char *remedy)
{
    struct doctor_report report = { 0 };
    judge_broker(&report, b);
    expect(&report, &(struct expected){ verdict, text, remedy }, text);
}

START_TEST(the_way_to_the_broker)
{
    struct doctor_broker b = good_broker();
    expect_broker(&b, DOCTOR_OK, "b port 8883", NULL);
    b.lookup = MW_ERR_NOT_FOUND;
    expect_broker(&b, DOCTOR_FAULT, "does not know it", "getent hosts b");
    b.lookup = MW_ERR_TIMEOUT;
    expect_broker(&b, DOCTOR_FAULT, "does not answer", "/etc/resolv.conf");
    b = good_broker();
    b.connected = MW_ERR_GONE;
    expect_broker(&b, DOCTOR_FAULT, "no answer within 5 s", "firewall on the way to port 8883");
    b.connect_errno = ECONNREFUSED;
    expect_broker(&b, DOCTOR_FAULT, strerror(ECONNREFUSED), "port in mqtt.uri");
}
END_TEST

START_TEST(the_handshake)
{
    static const struct {
        enum doctor_tls_outcome outcome;
        struct expected expected;
    } cases[] = {
        { TLS_NOT_TRIED, { DOCTOR_SKIPPED, "cannot be read by this user", NULL } },
        { TLS_EXPIRED, { DOCTOR_FAULT, "has expired", "new certificate at the broker" } },
        { TLS_NOT_YET, { DOCTOR_FAULT, "not valid yet", "timedatectl" } },
        { TLS_UNTRUSTED, { DOCTOR_FAULT, "not signed by", "mqtt.ca_file" } },
        { TLS_OTHER_NAME, { DOCTOR_FAULT, "another name", "x.example" } },
        { TLS_WANTS_CERTIFICATE, { DOCTOR_FAULT, "wants a certificate", "mqtt.cert_file" } },
        { TLS_DISLIKES_CERTIFICATE, { DOCTOR_FAULT, "does not accept", "openssl verify" } },
        { TLS_NO_TLS, { DOCTOR_FAULT, "speaks no TLS", "8883" } },
        { TLS_SILENT, { DOCTOR_FAULT, "does not answer", "openssl s_client -connect b:8883" } },
        { TLS_FILES, { DOCTOR_FAULT, "own files", "see certificates" } },
        { TLS_FAILED, { DOCTOR_FAULT, "handshake fails", "openssl s_client" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct doctor_broker b = good_broker();
        b.handshake =
            (struct doctor_tls){ .outcome = cases[i].outcome, .names = "x.example, y.example" };
        expect_broker(&b, cases[i].expected.verdict, cases[i].expected.text,
                      cases[i].expected.remedy);
    }
    struct doctor_broker b = good_broker();
    b.handshake.not_after_us = b.at_us + 6 * DAY_US + 1;
    expect_broker(&b, DOCTOR_WARNING, "good for 6 days", "new certificate at the broker");
}
END_TEST

START_TEST(the_brokers_answer)
{
    static const struct {
        uint8_t reason;
        struct expected expected;
    } cases[] = {
        { 0x04, { DOCTOR_FAULT, "words", "mqtt.username (gw)" } },
        { 0x05, { DOCTOR_FAULT, "words", "mqtt.password_file" } },
        { 0x87, { DOCTOR_FAULT, "words", "client id gw-doctor-1" } },
        { 0x85, { DOCTOR_WARNING, "words", "ties client ids" } },
        { 0x84, { DOCTOR_FAULT, "words", "mqtt.version" } },
        { 0x88, { DOCTOR_FAULT, "words", "broker's log" } },
        { 0, { DOCTOR_FAULT, "words", "broker's log" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct doctor_broker b = good_broker();
        b.up = false;
        b.reason = cases[i].reason;
        snprintf(b.words, sizeof b.words, "words");
        expect_broker(&b, cases[i].expected.verdict, cases[i].expected.text,
                      cases[i].expected.remedy);
    }
}
END_TEST

START_TEST(a_refusal_of_the_doctor_alone)
{
    struct doctor_broker b = good_broker();
    b.up = false;
    b.daemon_up = true;
    b.reason = 0x87;
    snprintf(b.words, sizeof b.words, "not authorized");
    expect_broker(&b, DOCTOR_WARNING, "refused as gw-doctor-1: not authorized; the daemon's own",
                  "ties client ids");
    b.reason = 0;
    snprintf(b.words, sizeof b.words, "no answer within 15 s");
    expect_broker(&b, DOCTOR_FAULT, "no answer", "broker's log");
}
END_TEST

START_TEST(certificates_and_keys)
{
    static const struct {
        int64_t left_us;
        struct expected expected;
    } cases[] = {
        { 31 * DAY_US, { DOCTOR_OK, "good for 31 days", NULL } },
        { 30 * DAY_US, { DOCTOR_WARNING, "within 30 days", "systemctl reload" } },
        { 7 * DAY_US, { DOCTOR_WARNING, "within 7 days", "/c.pem" } },
        { DAY_US, { DOCTOR_FAULT, "within 1 day", "/c.pem" } },
        { -3 * DAY_US, { DOCTOR_FAULT, "ended 3 days ago", "/c.pem" } },
    };
    struct doctor_report report = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct doctor_certificate certificate = { .setting = "cert_file",
                                                        .path = "/c.pem",
                                                        .at_us = NOW_S * 1000000,
                                                        .not_after_us =
                                                            NOW_S * 1000000 + cases[i].left_us };
        judge_certificate(&report, &certificate);
        expect(&report, &cases[i].expected, "certificate");
    }
    judge_certificate(&report, &(struct doctor_certificate){
                                   .setting = "ca_file", .path = "/c", .result = MW_ERR_FORMAT });
    expect(&report, &(struct expected){ DOCTOR_FAULT, "no certificate in PEM", "openssl x509" },
           "form");
    judge_key(&report, "/c", "/k", MW_OK);
    expect(&report, &(struct expected){ DOCTOR_OK, "is the key of /c", NULL }, "key");
    judge_key(&report, "/c", "/k", MW_ERR_MISMATCH);
    expect(&report, &(struct expected){ DOCTOR_FAULT, "not the key of /c", "openssl pkey" }, "key");
    judge_key(&report, "/c", "/k", MW_ERR_FORMAT);
    expect(&report, &(struct expected){ DOCTOR_FAULT, "passphrase", "openssl pkey -in /k" }, "key");
}
END_TEST

static void expect_secret(const struct doctor_secret *s, enum doctor_verdict verdict,
                          const char *text, const char *remedy)
{
    struct doctor_report report = { 0 };
    judge_secret(&report, s);
    expect(&report, &(struct expected){ verdict, text, remedy }, text);
}

START_TEST(secrets)
{
    struct doctor_secret s = { .setting = "password_file", .path = "/p", .user = "u" };
    expect_secret(&s, DOCTOR_OK, "readable by user u alone", NULL);
    s.access = ACCESS_MISSING;
    expect_secret(&s, DOCTOR_FAULT, "does not exist", "install -m 0600 -o u FILE /p");
    s.access = ACCESS_NO;
    expect_secret(&s, DOCTOR_FAULT, "user u may not read /p", "chown u /p");
    s.hidden = true;
    expect_secret(&s, DOCTOR_FAULT, "the unit hides", "mv /p /etc/millwright/");
    s.hidden = false;
    s.open_to_others = true;
    expect_secret(&s, DOCTOR_FAULT, "by others", "chmod 0600 /p");
    s.access = ACCESS_SEEN_NOT;
    expect_secret(&s, DOCTOR_SKIPPED, "run as root", NULL);
    s = (struct doctor_secret){ .setting = "password_file", .path = "/p", .user = "u" };
    s.malformed = true;
    expect_secret(&s, DOCTOR_FAULT, "one line", "printf '%s\\n'");
    s.credential = true;
    s.access = ACCESS_MISSING;
    expect_secret(&s, DOCTOR_SKIPPED, "only while the daemon runs", NULL);
    s = (struct doctor_secret){ .setting = "ca_file", .path = "/ca", .user = "u" };
    s.only_public = true;
    expect_secret(&s, DOCTOR_OK, "readable by user u", NULL);
    s.access = ACCESS_NO;
    expect_secret(&s, DOCTOR_FAULT, "may not read /ca", "chmod 0644 /ca");
    s.access = ACCESS_MISSING;
    expect_secret(&s, DOCTOR_FAULT, "does not exist", "install -m 0644 FILE /ca");
}
END_TEST

static struct doctor_daemon good_daemon(void)
{
    return (struct doctor_daemon){ .socket = "/s",
                                   .own_version = "1.0",
                                   .answered = true,
                                   .version = "1.0",
                                   .store_well = true,
                                   .broker_state = "up" };
}

static void expect_daemon(const struct doctor_daemon *d, enum doctor_verdict verdict,
                          const char *text, const char *remedy)
{
    struct doctor_report report = { 0 };
    judge_daemon(&report, d);
    expect(&report, &(struct expected){ verdict, text, remedy }, text);
}

START_TEST(the_daemon)
{
    struct doctor_daemon d = good_daemon();
    expect_daemon(&d, DOCTOR_OK, "1.0, up for", NULL);
    snprintf(d.version, sizeof d.version, "0.9");
    expect_daemon(&d, DOCTOR_WARNING, "is 0.9, this program is 1.0", "systemctl restart");
    d = good_daemon();
    d.store_well = false;
    snprintf(d.store_text, sizeof d.store_text, "disk full");
    expect_daemon(&d, DOCTOR_FAULT, "disk full", "see disk");
    d = good_daemon();
    snprintf(d.broker_state, sizeof d.broker_state, "down");
    snprintf(d.broker_text, sizeof d.broker_text, "cannot connect");
    expect_daemon(&d, DOCTOR_FAULT, "down: cannot connect", "see broker");
    snprintf(d.broker_state, sizeof d.broker_state, "none");
    expect_daemon(&d, DOCTOR_OK, "1.0", NULL);
    d = good_daemon();
    d.other_config = "/etc/other.yaml";
    expect_daemon(&d, DOCTOR_WARNING, "/etc/other.yaml", "--config /etc/other.yaml");
    d.answered = false;
    expect_daemon(&d, DOCTOR_FAULT, "gives no answer", "journalctl");
    d.connect_errno = ECONNREFUSED;
    expect_daemon(&d, DOCTOR_FAULT, "does not run", "systemctl enable --now millwrightd");
    d.connect_errno = EACCES;
    expect_daemon(&d, DOCTOR_SKIPPED, "may not be used by this user", "dialout");
}
END_TEST

START_TEST(polls)
{
    static const struct {
        struct doctor_polling polling;
        struct expected expected;
    } cases[] = {
        { { "b", 200000, 400000, 10, 12, 2, 0, "", false },
          { DOCTOR_OK, "2 polls within 0.4 s", NULL } },
        { { "b", 200000, 3000000, 10, 10, 2, 0, "", false },
          { DOCTOR_FAULT, "no poll for 3.0 s", "MW_BUS=b" } },
        { { "b", 60000000, 3000000, 10, 10, 2, 0, "", false },
          { DOCTOR_OK, "one is due every 60 s", NULL } },
        { { "b", 200000, 3000000, 10, 10, 2, 2, "pump", false },
          { DOCTOR_FAULT, "2 of 2 devices do not answer: pump", "MW_DEVICE=pump" } },
        { { "b", 200000, 400000, 10, 12, 2, 0, "", true },
          { DOCTOR_WARNING, "cannot keep up", "millwright plan" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct doctor_report report = { 0 };
        judge_polling(&report, &cases[i].polling);
        expect(&report, &cases[i].expected, "polls");
    }
}
END_TEST

START_TEST(versions)
{
    static const struct {
        struct doctor_version version;
        struct expected expected;
    } cases[] = {
        { { "OpenSSL", "3.0.6" }, { DOCTOR_WARNING, "CVE-2022-3602", "apt install libssl3" } },
        { { "OpenSSL", "3.0.7" }, { DOCTOR_OK, "3.0.7", NULL } },
        { { "OpenSSL", "1.1.1w" }, { DOCTOR_FAULT, "no more security", "newer system" } },
        { { "OpenSSL", "3.5.0-beta1" }, { DOCTOR_OK, "3.5.0", NULL } },
        { { "libmodbus", "3.1.10" }, { DOCTOR_OK, "3.1.10", NULL } },
        { { "libmodbus", "3.1.4" }, { DOCTOR_FAULT, "older", "apt install libmodbus5" } },
        { { "kernel", "4.9.0-19-armmp" }, { DOCTOR_WARNING, "4.14", "newer system" } },
        { { "kernel", "6.1.0" }, { DOCTOR_OK, "6.1.0", NULL } },
        { { "Paho", "" }, { DOCTOR_FAULT, "older", "apt" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct doctor_report report = { 0 };
        judge_version(&report, &cases[i].version);
        expect(&report, &cases[i].expected, cases[i].version.text);
    }
}
END_TEST

START_TEST(a_finding_is_one_line)
{
    struct doctor_report report = { 0 };
    doctor_say(&report, DOCTOR_FAULT, "broker", "a\nb", "%s", "one\ntwo\x1b[2J");
    doctor_remedy(&report, "%s", "three\r\nfour");
    ck_assert_str_eq(report.findings[0].text, "one two [2J");
    ck_assert_str_eq(report.findings[0].remedy, "three  four");
    ck_assert_str_eq(report.findings[0].subject, "a b");
    for (int i = 0; i < 100; i++)
        doctor_say(&report, DOCTOR_OK, "serial", "", "%d", i);
    ck_assert_uint_eq(doctor_count(&report, DOCTOR_OK), 100);
    ck_assert_int_eq(doctor_worst(&report), DOCTOR_FAULT);
    doctor_finish(&report);
}
END_TEST

MW_SUITE("cli/doctor", the_clock, a_port_that_cannot_be_used, a_port_that_another_has,
         a_port_that_works_badly, peers, a_disk_and_its_room, a_disk_and_what_it_is, a_database,
         the_way_to_the_broker, the_handshake, the_brokers_answer, a_refusal_of_the_doctor_alone,
         certificates_and_keys, secrets, the_daemon, polls, versions, a_finding_is_one_line)
