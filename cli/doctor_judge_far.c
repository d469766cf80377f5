/* SPDX-License-Identifier: Apache-2.0 */
/* Facts to verdicts, pure: broker, certificates, secrets, the daemon. */
#include "base/result.h"
#include "cli/doctor.h"
#include "uplink/certificate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAY_US INT64_C(86400000000)

/* ---- broker ---- */

static bool judge_way(struct doctor_report *report, const struct doctor_broker *b)
{
    if (b->lookup != MW_OK) {
        doctor_say(report, DOCTOR_FAULT, "broker", "name", "no address for %s: %s", b->host,
                   b->lookup == MW_ERR_TIMEOUT ? "the name server does not answer"
                                               : "the name server does not know it");
        doctor_remedy(report,
                      "getent hosts %s; the name in mqtt.uri, the name server "
                      "(/etc/resolv.conf), or a line in /etc/hosts",
                      b->host);
        return false;
    }
    if (b->connected == MW_OK) {
        doctor_say(report, DOCTOR_OK, "broker", "connection", "%s port %u (%" PRId64 " ms)",
                   b->host, (unsigned)b->port, b->took_us / 1000);
        return true;
    }
    bool refused = b->connect_errno == ECONNREFUSED;
    doctor_say(report, DOCTOR_FAULT, "broker", "connection", "%s port %u: %s", b->host,
               (unsigned)b->port,
               b->connect_errno ? strerror(b->connect_errno) : "no answer within 5 s");
    if (refused)
        doctor_remedy(report,
                      "the broker does not run or listens elsewhere: at the broker ss -ltn; "
                      "here the port in mqtt.uri (1883, with TLS 8883)");
    else
        doctor_remedy(report, "ping %s; ip route; a firewall on the way to port %u", b->host,
                      (unsigned)b->port);
    return false;
}

static void remedy_tls(struct doctor_report *report, const struct doctor_broker *b)
{
    switch (b->handshake.outcome) {
    case TLS_EXPIRED:
        doctor_remedy(report, "a new certificate at the broker; if that is not old, this clock: "
                              "timedatectl");
        break;
    case TLS_NOT_YET:
        doctor_remedy(report, "this clock, or the one where it was made: timedatectl; date -u");
        break;
    case TLS_UNTRUSTED:
        doctor_remedy(report,
                      "mqtt.ca_file must hold the authority that signed the broker's certificate: "
                      "openssl s_client -connect %s:%u -showcerts </dev/null",
                      b->host, (unsigned)b->port);
        break;
    case TLS_OTHER_NAME:
        doctor_remedy(report,
                      "one of these names in mqtt.uri: %s; or a certificate with "
                      "subjectAltName %s at the broker",
                      b->handshake.names[0] ? b->handshake.names : "(none)", b->host);
        break;
    case TLS_WANTS_CERTIFICATE:
        doctor_remedy(report, "mqtt.cert_file and mqtt.key_file: a certificate from the broker's "
                              "authority for this gateway");
        break;
    case TLS_DISLIKES_CERTIFICATE:
        doctor_remedy(report, "mqtt.cert_file from the authority that the broker trusts: openssl "
                              "verify -CAfile BROKERS_CA CERT_FILE");
        break;
    case TLS_NO_TLS:
        doctor_remedy(report, "the port of the broker's TLS listener in mqtt.uri (8883 as a rule), "
                              "or mqtt:// where it has none");
        break;
    case TLS_FILES:
        doctor_remedy(report, "see certificates: the files of mqtt.ca_file, cert_file, key_file");
        break;
    case TLS_SILENT:
    case TLS_FAILED:
        doctor_remedy(report, "openssl s_client -connect %s:%u -CAfile %s", b->host,
                      (unsigned)b->port, b->ca_file);
        break;
    case TLS_NOT_TRIED:
    case TLS_OK: break;
    }
}

static bool judge_tls(struct doctor_report *report, const struct doctor_broker *b)
{
    static const char *const words[] = {
        [TLS_NOT_TRIED] = "not tried",
        [TLS_OK] = "",
        [TLS_EXPIRED] = "the broker's certificate, or one above it, has expired",
        [TLS_NOT_YET] = "the broker's certificate is not valid yet",
        [TLS_UNTRUSTED] = "the broker's certificate is not signed by an authority of mqtt.ca_file",
        [TLS_OTHER_NAME] = "the broker's certificate is for another name",
        [TLS_WANTS_CERTIFICATE] = "the broker wants a certificate of the gateway",
        [TLS_DISLIKES_CERTIFICATE] = "the broker does not accept the gateway's certificate",
        [TLS_NO_TLS] = "the broker speaks no TLS on this port",
        [TLS_SILENT] = "the broker does not answer",
        [TLS_FILES] = "the gateway's own files cannot be used",
        [TLS_FAILED] = "the handshake fails",
    };
    const struct doctor_tls *t = &b->handshake;
    if (t->outcome == TLS_NOT_TRIED) {
        doctor_say(report, DOCTOR_SKIPPED, "broker", "TLS",
                   "the gateway's certificate or key cannot be read by this user: run as root");
        return false;
    }
    if (t->outcome != TLS_OK) {
        doctor_say(report, DOCTOR_FAULT, "broker", "TLS", "%s%s%s", words[t->outcome],
                   t->words[0] ? ": " : "", t->words);
        remedy_tls(report, b);
        return false;
    }
    int days = t->not_after_us ? certificate_days(t->not_after_us, b->at_us) : CERTIFICATE_FAR;
    int64_t left = (t->not_after_us - b->at_us) / DAY_US;
    doctor_say(report, days == CERTIFICATE_FAR ? DOCTOR_OK : DOCTOR_WARNING, "broker", "TLS",
               "%s, the broker's certificate is good for %" PRId64 " days", t->protocol, left);
    if (days != CERTIFICATE_FAR)
        doctor_remedy(report, "a new certificate at the broker before it ends");
    return true;
}

/* MQTT 5 reason codes, and those of MQTT 3.1.1's CONNACK. */
static void remedy_refused(struct doctor_report *report, const struct doctor_broker *b)
{
    switch (b->reason) {
    case 0x04:
    case 0x05:
    case 0x86:
    case 0x87:
        doctor_remedy(report,
                      "mqtt.username%s%s%s and the line in mqtt.password_file as the broker has "
                      "them (mosquitto_passwd); its rules for client id %s",
                      b->username[0] ? " (" : "", b->username, b->username[0] ? ")" : "",
                      b->client_id);
        break;
    case 0x02:
    case 0x85:
        doctor_remedy(report,
                      "the broker ties client ids to users: the doctor asks as %s, since the "
                      "daemon's own would throw it off; see check daemon for the daemon's",
                      b->client_id);
        break;
    case 0x01:
    case 0x84: doctor_remedy(report, "mqtt.version: \"3.1.1\""); break;
    default: doctor_remedy(report, "the broker's log says why"); break;
    }
}

static void judge_connect(struct doctor_report *report, const struct doctor_broker *b)
{
    if (!b->asked) {
        doctor_say(report, DOCTOR_SKIPPED, "broker", "MQTT",
                   "the password or key file cannot be used; see secrets");
    } else if (b->up) {
        doctor_say(report, DOCTOR_OK, "broker", "MQTT", "accepted as %s; nothing was published",
                   b->client_id);
    } else if (b->daemon_up && b->reason != 0) {
        doctor_say(report, DOCTOR_WARNING, "broker", "MQTT",
                   "refused as %s: %s; the daemon's own connection is up", b->client_id, b->words);
        doctor_remedy(report, "nothing, where the broker ties client ids to users; else the "
                              "password has changed since: see mqtt.password_file, then systemctl "
                              "reload millwrightd");
    } else {
        bool tied = b->reason == 0x02 || b->reason == 0x85;
        doctor_say(report, tied ? DOCTOR_WARNING : DOCTOR_FAULT, "broker", "MQTT", "refused: %s",
                   b->words);
        remedy_refused(report, b);
    }
}

void judge_broker(struct doctor_report *report, const struct doctor_broker *b)
{
    if (judge_way(report, b) && (!b->tls || judge_tls(report, b)))
        judge_connect(report, b);
}

/* ---- certificates ---- */

#define RENEW                                                                            \
    "put the new file in place of %s: it is used at the next connect, systemctl reload " \
    "millwrightd takes it at once"

void judge_certificate(struct doctor_report *report, const struct doctor_certificate *c)
{
    if (c->unseen) {
        doctor_say(report, DOCTOR_SKIPPED, "certificates", c->setting,
                   "%s cannot be read by this user: run as root", c->path);
        return;
    }
    if (c->result != MW_OK) {
        doctor_say(report, DOCTOR_FAULT, "certificates", c->setting, "%s %s", c->path,
                   c->result == MW_ERR_FORMAT ? "holds no certificate in PEM form"
                                              : "cannot be read");
        doctor_remedy(report,
                      c->result == MW_ERR_FORMAT
                          ? "openssl x509 -inform DER -in FILE -out %s, if it is in DER form"
                          : "ls -l %s: it must be there and readable",
                      c->path);
        return;
    }
    int days = certificate_days(c->not_after_us, c->at_us);
    int64_t left = (c->not_after_us - c->at_us) / DAY_US;
    if (days == CERTIFICATE_FAR) {
        doctor_say(report, DOCTOR_OK, "certificates", c->setting, "%s is good for %" PRId64 " days",
                   c->path, left);
    } else if (days == 0) {
        doctor_say(report, DOCTOR_FAULT, "certificates", c->setting,
                   "%s ended %" PRId64 " days ago", c->path, -left);
        doctor_remedy(report, RENEW, c->path);
    } else {
        doctor_say(report, days == 1 ? DOCTOR_FAULT : DOCTOR_WARNING, "certificates", c->setting,
                   "%s ends within %d day%s", c->path, days, days == 1 ? "" : "s");
        doctor_remedy(report, RENEW, c->path);
    }
}

void judge_key(struct doctor_report *report, const char *cert_file, const char *key_file,
               int result)
{
    switch (result) {
    case MW_OK:
        doctor_say(report, DOCTOR_OK, "certificates", "key_file", "%s is the key of %s", key_file,
                   cert_file);
        break;
    case MW_ERR_IO:
        doctor_say(report, DOCTOR_SKIPPED, "certificates", "key_file",
                   "%s cannot be read by this user; see secrets", key_file);
        break;
    case MW_ERR_MISMATCH:
        doctor_say(report, DOCTOR_FAULT, "certificates", "key_file", "%s is not the key of %s",
                   key_file, cert_file);
        doctor_remedy(report,
                      "the two that belong together in mqtt.cert_file and mqtt.key_file: openssl "
                      "x509 -pubkey -noout -in %s; openssl pkey -pubout -in %s",
                      cert_file, key_file);
        break;
    default:
        doctor_say(report, DOCTOR_FAULT, "certificates", "key_file",
                   "%s holds no private key in PEM form without a passphrase", key_file);
        doctor_remedy(report, "openssl pkey -in %s -out NEW_FILE, then chmod 0600", key_file);
    }
}

/* ---- secrets ---- */

void judge_secret(struct doctor_report *report, const struct doctor_secret *s)
{
    if (s->access == ACCESS_MISSING && s->credential) {
        doctor_say(report, DOCTOR_SKIPPED, "secrets", s->setting,
                   "%s is a credential of systemd, there only while the daemon runs", s->path);
    } else if (s->hidden) {
        doctor_say(report, DOCTOR_FAULT, "secrets", s->setting,
                   "%s: the unit hides /home, /root and /tmp from the daemon", s->path);
        doctor_remedy(report, "mv %s /etc/millwright/, and its new name in mqtt.%s", s->path,
                      s->setting);
    } else if (s->access == ACCESS_MISSING) {
        doctor_say(report, DOCTOR_FAULT, "secrets", s->setting, "%s does not exist", s->path);
        if (s->only_public)
            doctor_remedy(report, "the file that mqtt.%s names: install -m 0644 FILE %s",
                          s->setting, s->path);
        else
            doctor_remedy(report, "the file that mqtt.%s names: install -m 0600 -o %s FILE %s",
                          s->setting, s->user, s->path);
    } else if (s->access == ACCESS_SEEN_NOT) {
        doctor_say(report, DOCTOR_SKIPPED, "secrets", s->setting,
                   "%s cannot be looked at by this user: run as root", s->path);
    } else if (s->open_to_others) {
        doctor_say(report, DOCTOR_FAULT, "secrets", s->setting,
                   "%s can be read by others than its owner: the daemon does not start", s->path);
        doctor_remedy(report, "chmod 0600 %s, and a new secret, since this one may be known",
                      s->path);
    } else if (s->access == ACCESS_NO) {
        doctor_say(report, DOCTOR_FAULT, "secrets", s->setting, "user %s may not read %s", s->user,
                   s->path);
        if (s->only_public)
            doctor_remedy(report, "chmod 0644 %s, and its folders 0755", s->path);
        else
            doctor_remedy(report, "chown %s %s, and its folders 0755", s->user, s->path);
    } else if (s->malformed) {
        doctor_say(report, DOCTOR_FAULT, "secrets", s->setting,
                   "%s must hold one line of 1 to 255 bytes", s->path);
        doctor_remedy(report, "printf '%%s\\n' 'PASSWORD' > %s", s->path);
    } else {
        doctor_say(report, DOCTOR_OK, "secrets", s->setting, "%s, readable by user %s%s", s->path,
                   s->user, s->only_public ? "" : " alone");
    }
}

/* ---- daemon ---- */

#define RISING "systemctl status millwrightd; journalctl -u millwrightd -e"

static void judge_absent(struct doctor_report *report, const struct doctor_daemon *d)
{
    if (d->connect_errno == EACCES) {
        doctor_say(report, DOCTOR_SKIPPED, "daemon", "", "%s may not be used by this user",
                   d->socket);
        doctor_remedy(report, "run as root, or usermod -aG dialout YOURSELF");
    } else if (d->connect_errno != 0) {
        doctor_say(report, DOCTOR_FAULT, "daemon", "", "does not run: nobody at %s (%s)", d->socket,
                   strerror(d->connect_errno));
        doctor_remedy(report, "systemctl enable --now millwrightd; if it does not stay: " RISING);
    } else {
        doctor_say(report, DOCTOR_FAULT, "daemon", "", "gives no answer at %s", d->socket);
        doctor_remedy(report, "journalctl -u millwrightd -e, then systemctl restart millwrightd");
    }
}

static void judge_store(struct doctor_report *report, const struct doctor_daemon *d)
{
    if (d->store_well) {
        doctor_say(report, DOCTOR_OK, "daemon", "store", "well");
        return;
    }
    doctor_say(report, DOCTOR_FAULT, "daemon", "store", "%s", d->store_text);
    doctor_remedy(report, "see disk and database; polling and detection go on, alarms are raised "
                          "as soon as they can be stored");
}

static void judge_link(struct doctor_report *report, const struct doctor_daemon *d)
{
    bool down = strcmp(d->broker_state, "down") == 0 || strcmp(d->broker_state, "dialling") == 0;
    if (!down) {
        doctor_say(report, DOCTOR_OK, "daemon", "broker", "%s, %" PRId64 " messages wait",
                   d->broker_state, d->outbox_waiting);
        return;
    }
    doctor_say(report, DOCTOR_FAULT, "daemon", "broker", "%s%s%s; %" PRId64 " messages wait",
               d->broker_state, d->broker_text[0] ? ": " : "", d->broker_text, d->outbox_waiting);
    doctor_remedy(report, "see broker; nothing is lost, the messages wait in the database");
}

void judge_daemon(struct doctor_report *report, const struct doctor_daemon *d)
{
    if (!d->answered) {
        judge_absent(report, d);
        return;
    }
    if (strcmp(d->version, d->own_version) != 0) {
        doctor_say(report, DOCTOR_WARNING, "daemon", "version",
                   "the daemon that runs is %s, this program is %s", d->version, d->own_version);
        doctor_remedy(report, "systemctl restart millwrightd");
    } else {
        doctor_say(report, DOCTOR_OK, "daemon", "version", "%s, up for %" PRId64 " s", d->version,
                   d->uptime_s);
    }
    if (d->other_config) {
        doctor_say(report, DOCTOR_WARNING, "daemon", "configuration",
                   "the daemon that runs has read another file: %s", d->other_config);
        doctor_remedy(report, "millwright doctor --config %s", d->other_config);
    }
    judge_store(report, d);
    judge_link(report, d);
    if (d->n_without_model > 0)
        doctor_say(report, DOCTOR_OK, "daemon", "models",
                   "%u of %u machines are not commissioned: limits and trend watch them, "
                   "millwright learn MACHINE adds the model",
                   (unsigned)d->n_without_model, (unsigned)d->n_machines);
}

#define LOOK_US INT64_C(1000000)

static void judge_pace(struct doctor_report *report, const struct doctor_polling *p)
{
    bool due = p->waited_us >= 2 * p->period_us + LOOK_US && p->n_devices > p->n_offline;
    uint64_t n = p->polls_after - p->polls_before;
    if (p->overloaded) {
        doctor_say(report, DOCTOR_WARNING, "daemon", p->bus,
                   "the bus cannot keep up: polls are left out");
        doctor_remedy(report, "millwright plan FILE shows the load: longer periods, a higher baud "
                              "rate, two buses, or the device that is silent");
    } else if (due && n == 0) {
        doctor_say(report, DOCTOR_FAULT, "daemon", p->bus,
                   "no poll for %.1f s, one is due every %.1f s", (double)p->waited_us / 1e6,
                   (double)p->period_us / 1e6);
        doctor_remedy(report, "millwright status; journalctl -u millwrightd MW_BUS=%s", p->bus);
    } else if (n > 0) {
        doctor_say(report, DOCTOR_OK, "daemon", p->bus, "%" PRIu64 " polls within %.1f s", n,
                   (double)p->waited_us / 1e6);
    } else {
        doctor_say(report, DOCTOR_OK, "daemon", p->bus,
                   "%" PRIu64 " polls since the start, one is due every %.0f s", p->polls_after,
                   (double)p->period_us / 1e6);
    }
}

void judge_polling(struct doctor_report *report, const struct doctor_polling *p)
{
    if (p->n_offline > 0) {
        doctor_say(report, DOCTOR_FAULT, "daemon", p->bus, "%u of %u devices do not answer: %s%s",
                   (unsigned)p->n_offline, (unsigned)p->n_devices, p->offline,
                   p->n_offline > 1 ? ", ..." : "");
        doctor_remedy(report,
                      "wiring, unit, baud rate and parity: journalctl -u millwrightd MW_DEVICE=%s; "
                      "millwright scan %s --config FILE",
                      p->offline, p->bus);
    }
    if (p->period_us > 0)
        judge_pace(report, p);
}
