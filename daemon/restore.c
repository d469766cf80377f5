/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/journal.h"
#include "daemon/store.h"
#include "storage/history.h"
#include "storage/outbox.h"
#include "storage/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEWEST_ALERTS 16 /* of a machine: looked through for those of its alarms */

static int read_model_file(const char *path, uint8_t **ret_bytes, size_t *ret_n)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return MW_ERR_NOT_FOUND;
    uint8_t *bytes = malloc(MW_MODEL_MAX_BYTES + 1);
    size_t n = bytes ? fread(bytes, 1, MW_MODEL_MAX_BYTES + 1, file) : 0;
    bool whole = bytes && !ferror(file) && n > 0 && n <= MW_MODEL_MAX_BYTES;
    fclose(file);
    if (!whole) {
        free(bytes);
        return MW_ERR_IO;
    }
    *ret_bytes = bytes;
    *ret_n = n;
    return MW_OK;
}

/* The configuration's own model becomes the active one where none was learned yet; it is in use
 * already, so that a file that is refused is never adopted. */
static int adopt(struct db *db, uint32_t number, const struct machine *m, int64_t at_us)
{
    uint8_t digest[MW_SHA256_BYTES];
    int result = db_begin(db);
    if (result >= 0)
        result = registry_add(db, number, m->model, m->n_model, 0, 0.0f, at_us, digest);
    if (result >= 0)
        result = registry_set_state(db, number, digest, MODEL_ACTIVE);
    if (result >= 0)
        return db_commit(db);
    db_rollback(db);
    return result;
}

static void restore_model(struct db *db, uint32_t number, struct machine *m, int64_t at_us)
{
    uint8_t *bytes = NULL, digest[MW_SHA256_BYTES] = { 0 };
    size_t n = 0;
    struct mw_model_fault why = { "" };
    int result = registry_active(db, number, &bytes, &n);
    bool from_file = result == MW_ERR_NOT_FOUND && m->config->model_file[0];
    if (result == MW_ERR_NOT_FOUND && !from_file)
        return; /* not commissioned yet */
    if (from_file) {
        result = read_model_file(m->config->model_file, &bytes, &n);
        if (result < 0)
            snprintf(why.text, sizeof why.text, "%.150s", m->config->model_file);
    }
    if (result >= 0) {
        mw_sha256(bytes, n, digest);
        result = machine_install(m, bytes, n, digest, &why);
    }
    if (result >= 0 && from_file)
        result = adopt(db, number, m, at_us);
    journal_model(m->config->name, digest, result, why.text);
}

static void restore_alarm(struct db *db, const char *name, struct alarm *alarm,
                          struct mw_finding *finding)
{
    uint8_t bytes[ALARM_SAVED_MAX];
    size_t n = 0;
    struct mw_finding none;
    int result = state_get(db, "alarm", name, bytes, sizeof bytes, &n);
    if (result == MW_OK)
        result = machine_restore_alarm(alarm, finding ? finding : &none, bytes, n);
    if (result != MW_OK && result != MW_ERR_NOT_FOUND)
        journal_failed(name, "the saved alarm cannot be read; it begins anew");
}

/* The alerts know by now how wrong the clock was when the alarm was saved. */
static void restamp(struct alarm *alarm, enum mw_alarm_class class, const struct mw_alert *alerts,
                    size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (alerts[i].number == alarm->number && alerts[i].class == class) {
            alarm->since_us = alerts[i].since_us;
            return;
        }
}

static void restore_alarms(struct db *db, struct machine *m)
{
    char name[ALARM_NAME_MAX + 1];
    struct mw_alert newest[NEWEST_ALERTS];
    size_t n = 0;
    if (history_alerts(db, m->config->name, newest, NEWEST_ALERTS, &n) == MW_OK && n > 0)
        m->last_alert_seq = newest[0].seq;
    alarm_name(name, 'm', m->config->name, NULL);
    restore_alarm(db, name, &m->alarm, &m->newest);
    restamp(&m->alarm, MW_ALARM_MACHINE, newest, n);
    m->state_since_us = m->alarm.since_us;
    for (uint32_t c = 0; c < m->config->detector.n_channels; c++) {
        alarm_name(name, 's', m->config->name, m->config->detector.channels[c].name);
        restore_alarm(db, name, &m->sensor_alarms[c], &m->newest_of_sensor[c]);
        restamp(&m->sensor_alarms[c], MW_ALARM_SENSOR, newest, n);
    }
}

static void restore_detector(struct db *db, struct machine *m, uint8_t *blob, size_t cap)
{
    size_t n = 0;
    int result = state_get(db, "detector", m->config->name, blob, cap, &n);
    if (result == MW_OK)
        result = mw_detector_restore(&m->detector, blob, n);
    if (result == MW_ERR_MISMATCH)
        journal_failed(m->config->name,
                       "saved with another model or other points; what still fits is kept");
    else if (result != MW_OK && result != MW_ERR_NOT_FOUND)
        journal_failed(m->config->name, "the saved detector state cannot be read; it begins anew");
}

void restore_machine(struct db *db, uint32_t number, struct machine *m, uint8_t *scratch,
                     size_t n_scratch, const struct clock_time *now)
{
    restore_model(db, number, m, now->utc_us);
    restore_detector(db, m, scratch, n_scratch);
    restore_alarms(db, m);
    m->news = true;
}

void restore_device(struct db *db, const char *device, struct alarm *alarm)
{
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, 'd', device, NULL);
    restore_alarm(db, name, alarm, NULL);
}

static void restore_expiry(struct db *db, struct pipeline *p)
{
    for (int i = 0; i < MW_CERTIFICATES; i++) {
        struct expiry_told told;
        size_t n = 0;
        const char *name = expiry_name((enum mw_certificate)i);
        if (state_get(db, "certificate", name, &told, sizeof told, &n) == MW_OK && n == sizeof told)
            p->expiry_told[i] = told;
    }
}

/* No number names two alarms, also beside a database that is lost or older than what was sent:
 * every alarm has used up a message's number, and a database begun anew counts messages from a
 * number of seconds times 65536. */
static uint32_t first_number(struct db *db, const struct db_report *report)
{
    uint32_t number = 0;
    size_t n = 0;
    uint64_t anew = outbox_next_seq(db) >> 16;
    if (state_get(db, "counter", "alarm_number", &number, sizeof number, &n) != MW_OK)
        number = (uint32_t)anew;
    if (report->rewound.last_seq > 0)
        number += (uint32_t)(report->rewound.last_seq - report->rewound.first_seq) + 1;
    return number + 1;
}

int restore_all(struct db *db, const struct db_report *report, const uint32_t *machines,
                struct pipeline *p, const struct clock_time *now)
{
    uint8_t *scratch = malloc(p->blob_bytes);
    if (!scratch)
        return MW_ERR_NO_MEMORY;
    for (size_t i = 0; i < p->config->n_machines; i++)
        restore_machine(db, machines[i], p->machines[i], scratch, p->blob_bytes, now);
    free(scratch);
    for (size_t d = 0; d < p->config->n_devices; d++)
        restore_device(db, p->config->devices[d].name, &p->devices[d].alarm);
    p->next_number = first_number(db, report);
    restore_expiry(db, p);
    return MW_OK;
}
