/* SPDX-License-Identifier: Apache-2.0 */
#include "support/store_rig.h"
#include "base/result.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOOT_US  INT64_C(3600000000) /* the computer runs since an hour */
#define TEXT_MAX (128 * 1024)

static void insist(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "store_rig: %s\n", what);
    exit(EXIT_FAILURE);
}

static void tell(void *ctx, const struct config_error *error)
{
    (void)ctx;
    fprintf(stderr, "store_rig: %d:%d: %s: %s\n", error->line, error->column, error->path,
            error->message);
}

static void write_config(struct store_rig *rig, size_t n_machines, int64_t period_us,
                         const char *settings)
{
    char *text = malloc(TEXT_MAX);
    insist(text, "no memory");
    int n = snprintf(text, TEXT_MAX,
                     "version: 1\n"
                     "gateway: {spool: %s/spool, socket: %s/control}\n"
                     "store: {path: %s/m.db%s%s}\n"
                     "buses: [{name: b, tcp: {host: 127.0.0.1}}]\n"
                     "devices:\n"
                     "  - name: d\n"
                     "    bus: b\n"
                     "    unit: 1\n"
                     "    points:\n",
                     rig->folder, rig->folder, rig->folder, settings[0] ? ", " : "", settings);
    for (int c = 0; c < RIG_CHANNELS; c++)
        n += snprintf(text + n, (size_t)(TEXT_MAX - n),
                      "      - {name: p%d, address: %d, type: int16, scale: 0.01}\n", c, c);
    n += snprintf(text + n, (size_t)(TEXT_MAX - n),
                  "machine_types:\n  - name: t\n    period: %lldms\n    channels:\n",
                  (long long)(period_us / 1000));
    for (int c = 0; c < RIG_CHANNELS; c++)
        n += snprintf(text + n, (size_t)(TEXT_MAX - n), "      - {point: p%d}\n", c);
    n += snprintf(text + n, (size_t)(TEXT_MAX - n), "machines:\n");
    for (size_t m = 0; m < n_machines; m++)
        n +=
            snprintf(text + n, (size_t)(TEXT_MAX - n), "  - {name: m%zu, type: t, device: d}\n", m);
    int result = config_load_bytes(&rig->config, "rig", (const uint8_t *)text, (size_t)n, NULL,
                                   NULL, tell, NULL);
    free(text);
    insist(result == MW_OK, "the configuration is wrong");
}

struct clock_time rig_now(const struct store_rig *rig)
{
    return (struct clock_time){ BOOT_US + rig->now_us, RIG_UTC_US + rig->now_us };
}

static int64_t no_step(void *ctx, const struct clock_time *now)
{
    (void)ctx, (void)now;
    return 1000000;
}

static void open_stage(struct store_rig *rig)
{
    struct clock_time now = rig_now(rig);
    struct db_report report = { 0 };
    insist(pipeline_create(&rig->pipeline, rig->config, &rig->store, &rig->link) == MW_OK,
           "no pipeline");
    insist(store_stage_create(&rig->stage, rig->config, rig->pipeline, &rig->main, &rig->link, &now,
                              &report) == MW_OK,
           "no store");
    rig->stage->outbox_orders = &rig->outbox_orders;
    const struct store_order clock = { .kind = STORE_CLOCK,
                                       .machine = UINT32_MAX,
                                       .blob = NO_BLOB,
                                       .offset_us = RIG_UTC_US - BOOT_US,
                                       .synced = true };
    insist(mw_ring_push(&rig->pipeline->orders, &clock), "no room for an order");
}

void rig_begin(struct store_rig *rig, size_t n_machines, int64_t period_us, const char *settings,
               const char *folder)
{
    const struct stage nothing = { .name = "none", .step = no_step };
    *rig = (struct store_rig){ .seed = 1, .period_us = period_us };
    if (!folder)
        folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(rig->folder, sizeof rig->folder, "%.40s/mw-rig-XXXXXX", folder);
    insist(mkdtemp(rig->folder), "no folder");
    write_config(rig, n_machines, period_us, settings);
    insist(worker_init(&rig->main, &nothing) == MW_OK &&
               worker_init(&rig->store, &nothing) == MW_OK &&
               worker_init(&rig->link, &nothing) == MW_OK,
           "no worker");
    mw_ring_init(&rig->outbox_orders, rig->outbox_items, sizeof rig->outbox_items[0], 64);
    open_stage(rig);
}

static uint32_t noise(struct store_rig *rig)
{
    rig->seed = rig->seed * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(rig->seed >> 33);
}

static void put_frames(struct store_rig *rig)
{
    struct clock_time now = rig_now(rig);
    struct frame_record record = { .score = 0.3f };
    struct mw_frame *f = &record.frame;
    f->at_us = now.utc_us;
    f->mono_us = now.mono_us;
    f->slot = rig->slot++;
    f->valid = f->fresh = (1u << RIG_CHANNELS) - 1;
    int wave = (int)(rig->slot / 600 % 40);
    for (uint32_t m = 0; m < rig->config->n_machines; m++) {
        record.machine = m;
        record.score = (float)(noise(rig) % 500) * 0.001f;
        for (int c = 0; c < RIG_CHANNELS; c++)
            f->values[c] = (float)(300 * (c + 1) + wave + (int)(noise(rig) % 64)) * 0.01f;
        insist(mw_ring_push(&rig->pipeline->frames, &record), "the stage lags behind");
    }
}

static void take_reports(struct store_rig *rig)
{
    struct store_report report;
    while (mw_ring_pop(&rig->stage->reports, &report))
        if (report.kind == STORE_STATS) {
            rig->stats = report.stats;
            rig->figures = report.figures;
        } else {
            insist(report.kind != STORE_TROUBLE, report.text);
        }
}

void rig_live(struct store_rig *rig, int64_t us, bool silent)
{
    struct stage stage = store_stage(rig->stage);
    for (int64_t end_us = rig->now_us + us; rig->now_us < end_us;) {
        while (!silent && rig->frame_us <= rig->now_us) {
            put_frames(rig);
            rig->frame_us += rig->period_us;
        }
        if (rig->step_us <= rig->now_us) {
            struct clock_time now = rig_now(rig);
            int64_t wait_us = stage.step(stage.ctx, &now);
            take_reports(rig);
            rig->step_us = rig->now_us + (wait_us > 0 ? wait_us : 1);
        }
        int64_t next_us = rig->step_us;
        if (!silent && rig->frame_us < next_us)
            next_us = rig->frame_us;
        rig->now_us = next_us < end_us ? next_us : end_us;
    }
    if (silent)
        rig->frame_us = rig->now_us;
}

void rig_alarm(struct store_rig *rig, uint32_t machine)
{
    struct store_order order = { .kind = STORE_ALERT,
                                 .machine = machine,
                                 .blob = NO_BLOB,
                                 .offset_us = RIG_UTC_US - BOOT_US,
                                 .alert = { .event = MW_ALERT_RAISED,
                                            .severity = MW_SEVERITY_WARNING,
                                            .at_us = rig_now(rig).utc_us } };
    snprintf(order.alarm_name, sizeof order.alarm_name, "m:m%u", (unsigned)machine);
    snprintf(order.alert.subject, sizeof order.alert.subject, "m%u", (unsigned)machine);
    insist(mw_ring_push(&rig->pipeline->orders, &order), "no room for an order");
}

static void close_stage(struct store_rig *rig)
{
    store_stage_destroy(rig->stage);
    pipeline_destroy(rig->pipeline);
}

void rig_restart(struct store_rig *rig)
{
    close_stage(rig);
    open_stage(rig);
}

void rig_end(struct store_rig *rig)
{
    close_stage(rig);
    worker_finish(&rig->main);
    worker_finish(&rig->store);
    worker_finish(&rig->link);
    config_free(rig->config);
    DIR *dir = opendir(rig->folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", rig->folder, entry->d_name);
        unlink(path);
    }
    if (dir)
        closedir(dir);
    rmdir(rig->folder);
}
