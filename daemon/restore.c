/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/journal.h"
#include "daemon/store.h"
#include "storage/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The configuration's own model becomes the active one where none was learned yet. */
static int adopt_file(struct db *db, uint32_t number, const char *path, int64_t at_us,
                      uint8_t **ret_bytes, size_t *ret_n)
{
    uint8_t digest[MW_SHA256_BYTES];
    int result = read_model_file(path, ret_bytes, ret_n);
    if (result < 0)
        return result;
    result = db_begin(db);
    if (result >= 0)
        result = registry_add(db, number, *ret_bytes, *ret_n, 0, 0.0f, at_us, digest);
    if (result >= 0)
        result = registry_set_state(db, number, digest, MODEL_ACTIVE);
    if (result >= 0)
        return db_commit(db);
    db_rollback(db);
    free(*ret_bytes);
    return result;
}

static void restore_model(struct db *db, uint32_t number, struct machine *m, int64_t at_us)
{
    uint8_t *bytes = NULL, digest[MW_SHA256_BYTES];
    size_t n = 0;
    struct mw_model_fault why = { "" };
    int result = registry_active(db, number, &bytes, &n);
    if (result == MW_ERR_NOT_FOUND && m->config->model_file[0]) {
        result = adopt_file(db, number, m->config->model_file, at_us, &bytes, &n);
        if (result < 0)
            snprintf(why.text, sizeof why.text, "%.150s", m->config->model_file);
    } else if (result == MW_ERR_NOT_FOUND) {
        return; /* not commissioned yet */
    }
    memset(digest, 0, sizeof digest);
    if (result >= 0) {
        mw_sha256(bytes, n, digest);
        result = machine_install(m, bytes, n, digest, &why);
    }
    journal_model(m->config->name, digest, result, why.text);
}

static void restore_alarm(struct db *db, const char *name, struct alarm *alarm)
{
    uint8_t bytes[ALARM_STATE_MAX];
    size_t n = 0;
    if (state_get(db, "alarm", name, bytes, sizeof bytes, &n) == MW_OK)
        alarm_restore(alarm, bytes, n);
}

static void restore_alarms(struct db *db, struct machine *m)
{
    char name[ALARM_NAME_MAX + 1];
    alarm_name(name, 'm', m->config->name, NULL);
    restore_alarm(db, name, &m->alarm);
    for (uint32_t c = 0; c < m->config->detector.n_channels; c++) {
        alarm_name(name, 's', m->config->name, m->config->detector.channels[c].name);
        restore_alarm(db, name, &m->sensor_alarms[c]);
    }
}

int restore_all(struct db *db, const uint32_t *machines, struct pipeline *p,
                const struct clock_time *now)
{
    uint8_t *blob = malloc(p->blob_bytes);
    if (!blob)
        return MW_ERR_NO_MEMORY;
    for (size_t i = 0; i < p->config->n_machines; i++) {
        struct machine *m = &p->machines[i];
        size_t n = 0;
        restore_model(db, machines[i], m, now->utc_us);
        if (state_get(db, "detector", m->config->name, blob, p->blob_bytes, &n) == MW_OK)
            mw_detector_restore(&m->detector, blob, n);
        restore_alarms(db, m);
        m->news = true;
    }
    free(blob);
    for (size_t d = 0; d < p->config->n_devices; d++) {
        char name[ALARM_NAME_MAX + 1];
        alarm_name(name, 'd', p->config->devices[d].name, NULL);
        restore_alarm(db, name, &p->devices[d].alarm);
    }
    uint32_t number = 0;
    size_t n = 0;
    if (state_get(db, "counter", "alarm_number", &number, sizeof number, &n) == MW_OK)
        p->next_number = number + 1;
    return MW_OK;
}
