/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/journal.h"
#include "base/result.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <systemd/sd-journal.h>

#define RELOAD_LINES_TOLD 20 /* into the journal, of one reload */

/* systemd sets JOURNAL_STREAM where stderr is its own; fields are wanted there. */
static bool under_systemd(void)
{
    return getenv("JOURNAL_STREAM") != NULL;
}

/* field: one "NAME=value", or NULL. */
__attribute__((format(printf, 3, 4))) static void say(int priority, const char *field,
                                                      const char *format, ...)
{
    char text[640];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (under_systemd())
        sd_journal_send("MESSAGE=%s", text, "PRIORITY=%i", priority,
                        "SYSLOG_IDENTIFIER=millwrightd", field ? "%s" : NULL, field, NULL);
    else
        fprintf(stderr, "millwrightd: %s\n", text);
}

void journal_started(const struct config *config, const char *config_file)
{
    say(LOG_NOTICE, NULL, "started with %s: %zu buses, %zu devices, %zu machines; broker %s",
        config_file, config->n_buses, config->n_devices, config->n_machines,
        config->mqtt.uri[0] ? config->mqtt.uri : "none");
}

void journal_reload(const struct reload_words *words)
{
    int priority = words->code ? LOG_ERR : LOG_NOTICE;
    say(priority, NULL, "configuration: %s%s", words->code ? "refused, " : "", words->text);
    for (size_t i = 0; i < words->n_lines && i < RELOAD_LINES_TOLD; i++)
        say(priority, NULL, "configuration: %s", words->lines[i]);
    size_t n_more = words->n_lines > RELOAD_LINES_TOLD ? words->n_lines - RELOAD_LINES_TOLD : 0;
    if (n_more + words->n_more > 0)
        say(priority, NULL, "configuration: and %zu more", n_more + words->n_more);
}

void journal_stopping(int signal_number)
{
    say(LOG_NOTICE, NULL, "stopping on signal %d", signal_number);
}

static void field_of(char *ret_field, size_t cap, const char *name, const char *value)
{
    snprintf(ret_field, cap, "%s=%s", name, value);
}

void journal_alert(const struct config *config, const struct mw_alert *alert)
{
    (void)config;
    char field[128];
    bool device = alert->class == MW_ALARM_DEVICE;
    field_of(field, sizeof field, device ? "MW_DEVICE" : "MW_MACHINE", alert->subject);
    say(alert->event == MW_ALERT_RAISED || alert->event == MW_ALERT_ESCALATED ? LOG_WARNING
                                                                              : LOG_NOTICE,
        field, "%s: %s alarm %s (%s, %s %s, score %.2f%s%s)", alert->subject,
        mw_alarm_class_text(alert->class), mw_alert_event_text(alert->event),
        mw_severity_text(alert->severity), mw_detector_text(alert->detector),
        mw_condition_text(alert->condition), (double)alert->score, alert->point[0] ? ", " : "",
        alert->point);
}

static const char *health_text(uint8_t health)
{
    switch ((enum device_health)health) {
    case DEVICE_ONLINE: return "online";
    case DEVICE_RETRYING: return "retrying";
    case DEVICE_OFFLINE: return "offline";
    case DEVICE_UNKNOWN: break;
    }
    return "unknown";
}

void journal_bus(const struct config *config, const struct bus_report *report)
{
    char field[128];
    const char *bus = config->buses[report->bus].name;
    if (report->device == UINT32_MAX) {
        field_of(field, sizeof field, "MW_BUS", bus);
        say(report->health == DEVICE_ONLINE ? LOG_NOTICE : LOG_WARNING, field, "bus %s is %s: %s",
            bus, health_text(report->health),
            report->event.result == MW_ERR_STATE ? "another program has the port"
                                                 : mw_result_text(report->event.result));
        return;
    }
    const char *device = config->devices[report->device].name;
    field_of(field, sizeof field, "MW_DEVICE", device);
    if (report->health == DEVICE_ONLINE)
        say(LOG_NOTICE, field, "device %s on bus %s is online", device, bus);
    else
        say(LOG_WARNING, field, "device %s on bus %s is %s: %s", device, bus,
            health_text(report->health), mw_result_text(report->event.result));
}

void journal_clock(const struct timebase *timebase, enum timebase_event event)
{
    double step_s = (double)timebase->step_us / 1e6;
    switch (event) {
    case TIMEBASE_STEADY: break;
    case TIMEBASE_SET:
        say(LOG_NOTICE, NULL, "clock %s, by %+.3f s%s",
            timebase->synced ? "confirmed" : "set, not confirmed", step_s,
            timebase->step_us != 0 ? "; what was stamped without confirmation moves with it" : "");
        break;
    case TIMEBASE_STEPPED: say(LOG_WARNING, NULL, "clock stepped by %+.3f s", step_s); break;
    case TIMEBASE_LOST: say(LOG_NOTICE, NULL, "clock no longer confirmed"); break;
    }
}

void journal_load(const struct config *config, uint32_t bus, uint64_t n_missed, uint64_t n_polls,
                  bool overloaded)
{
    char field[128];
    const char *name = config->buses[bus].name;
    field_of(field, sizeof field, "MW_BUS", name);
    if (overloaded)
        say(LOG_WARNING, field,
            "bus %s cannot keep up: %llu of the last minute's %llu polls were left out; poll "
            "slower, or "
            "split the bus",
            name, (unsigned long long)n_missed, (unsigned long long)n_polls);
    else
        say(LOG_NOTICE, field, "bus %s keeps up again", name);
}

void journal_model(const char *machine, const uint8_t *digest, int result, const char *why)
{
    char field[128];
    field_of(field, sizeof field, "MW_MACHINE", machine);
    if (result == MW_OK)
        say(LOG_NOTICE, field, "%s: model %02x%02x%02x%02x is active", machine, digest[0],
            digest[1], digest[2], digest[3]);
    else
        say(LOG_ERR, field, "%s: model %02x%02x%02x%02x refused: %s (%s)", machine, digest[0],
            digest[1], digest[2], digest[3], why, mw_result_text(result));
}

void journal_store(const char *text)
{
    if (text)
        say(LOG_ERR, NULL, "store: %s; polling and detection go on", text);
    else
        say(LOG_NOTICE, NULL, "store: well again");
}

void journal_db(const struct db_report *report)
{
    if (report->quarantined[0])
        say(LOG_ERR, NULL, "store: the database was corrupt; moved to %s, a new one begun",
            report->quarantined);
    if (report->rewound.last_seq > 0)
        say(LOG_ERR, NULL,
            "store: the database lacks what it had (its log was cut or damaged, or it was removed "
            "or replaced by an older copy): messages %llu to %llu are gone, but for those that had "
            "been delivered",
            (unsigned long long)report->rewound.first_seq,
            (unsigned long long)report->rewound.last_seq);
    if (report->migrated_from != report->migrated_to)
        say(LOG_NOTICE, NULL, "store: schema %d migrated to %d", report->migrated_from,
            report->migrated_to);
}

void journal_db_refused(const char *path, const struct db_report *report)
{
    if (report->migrated_from == 0)
        say(LOG_ERR, NULL, "%s: another program wrote it; it is left as it is", path);
    else
        say(LOG_ERR, NULL,
            "%s: a newer release wrote it (schema %d, this one knows %d); it is left as it is. "
            "Install that release again, or begin anew: OPERATING.md, Back to an older release",
            path, report->migrated_from, report->migrated_to);
}

void journal_dead_letter(uint64_t n)
{
    say(LOG_ERR, NULL,
        "broker: an alert was refused for good and put aside; %llu dead letters since the start",
        (unsigned long long)n);
}

void journal_unheard(uint64_t n)
{
    say(LOG_WARNING, NULL,
        "broker: nobody is subscribed to an alert or event it was sent; %llu unheard since the "
        "start",
        (unsigned long long)n);
}

void journal_expiry(const struct mw_event *event)
{
    bool client = event->certificate == MW_CERTIFICATE_CLIENT;
    if (event->days == 0)
        say(LOG_ERR, NULL, "broker: the %s certificate %s has expired",
            client ? "client" : "authority", event->file);
    else
        say(LOG_WARNING, NULL, "broker: the %s certificate %s expires within %u days",
            client ? "client" : "authority", event->file, (unsigned)event->days);
}

void journal_overflow(uint64_t n)
{
    say(LOG_ERR, NULL,
        "store: the outbox is full; the oldest of the lowest severity are given up, %llu ever",
        (unsigned long long)n);
}

void journal_link(const struct link_report *report)
{
    switch ((enum link_state)report->state) {
    case LINK_UP: say(LOG_NOTICE, NULL, "broker: connected"); break;
    case LINK_DOWN: say(LOG_WARNING, NULL, "broker: not connected: %s", report->text); break;
    case LINK_DIALLING: break;
    }
}

void journal_failed(const char *what, const char *why)
{
    say(LOG_ERR, NULL, "%s: %s", what, why);
}

void journal_hung(const char *stage)
{
    say(LOG_CRIT, NULL, "stage %s shows no sign of life; waiting for the watchdog", stage);
}
