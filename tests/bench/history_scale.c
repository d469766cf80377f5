/* SPDX-License-Identifier: Apache-2.0 */
/* What 500 machines with 8 points at 1 s write in a day and keep for three years, on virtual time
 * and with the code that runs: the store stage for a day, storage alone for three years.
 *
 *   history_scale [HOURS [MACHINES]]   of the day, 24; of the three years, 50
 *
 * Prints key value unit. What is kept is linear in machines, since each has rows of its own: with
 * MACHINES fewer than 500 the three years are scaled up to 500. The day is never scaled but by its
 * hours. Exit status 1 where a bound is missed. */
#include "base/result.h"
#include "storage/history.h"
#include "storage/reservoir.h"
#include "storage/rollup.h"
#include "storage/timebase.h"
#include "support/store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALL_MACHINES 500
#define SECOND       INT64_C(1000000)
#define DAY          (86400 * SECOND)
#define YEARS_DAYS   1096
#define BLOCK_FRAMES 60
#define GB           1e9

static int n_missed;

static void say(const char *key, double value, const char *unit, double most)
{
    printf("%s %.4g %s\n", key, value, unit);
    fflush(stdout);
    if (most > 0 && value > most) {
        fprintf(stderr, "missed: %s: %.4g %s, the bound is %g\n", key, value, unit, most);
        n_missed++;
    }
}

static void insist(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "history_scale: %s: %s\n", what, mw_result_text(result));
    exit(EXIT_FAILURE);
}

/* Bytes of raw history written and kept in a day. */
static double one_day(double hours)
{
    struct store_rig rig;
    rig_begin(&rig, ALL_MACHINES, SECOND, "max_size: 4GiB", NULL);
    rig_live(&rig, 1200 * SECOND, false);
    struct db_stats before = rig.stats;
    struct store_figures figures = rig.figures;
    rig_live(&rig, (int64_t)(hours * 3600) * SECOND, false);
    double days = hours / 24, n = (double)(rig.stats.n_bytes_written - before.n_bytes_written);
    double kept = (double)(rig.stats.file_bytes - before.file_bytes) / days;
    uint64_t n_blocks = rig.stats.n_history_blocks - before.n_history_blocks;
    say("history_written_mb_day", n / 1e6 / days, "MB/day", 500);
    say("history_raw_pct", 100.0 * (double)n_blocks * BLOCK_FRAMES / (ALL_MACHINES * hours * 3600),
        "%", 0);
    say("history_syncs_per_s",
        (double)(rig.figures.n_syncs_history - figures.n_syncs_history) / (hours * 3600), "1/s", 1);
    say("history_checkpoints_per_h",
        (double)(rig.stats.n_syncs_database - before.n_syncs_database) / hours, "1/h", 0);
    rig_end(&rig);
    return kept;
}

struct years {
    struct db *db;
    struct store_config config;
    uint32_t n_machines;
    uint64_t seed;
};

static const char *const NAMES[] = { "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7" };

static int noise(struct years *y, uint32_t range)
{
    y->seed = y->seed * 6364136223846793005 + 1442695040888963407;
    return (int)((y->seed >> 33) % range);
}

static void open_years(struct years *y, const char *folder)
{
    static const uint8_t boot[TIMEBASE_BOOT_BYTES] = { 1 };
    uint32_t number;
    y->config =
        (struct store_config){ .max_bytes = INT64_C(4) << 30, .windows = RESERVOIR_WINDOWS };
    snprintf(y->config.path, sizeof y->config.path, "%s/m.db", folder);
    insist(store_settle(&y->config, NULL), "settings");
    insist(db_open(&y->db, &y->config, RIG_UTC_US, NULL), "open");
    insist(timebase_begin(y->db, boot), "boot");
    insist(db_begin(y->db), "begin");
    insist(timebase_set(y->db, RIG_UTC_US, true), "clock");
    for (uint32_t m = 1; m <= y->n_machines; m++) {
        char name[16];
        snprintf(name, sizeof name, "m%u", (unsigned)m);
        insist(db_machine(y->db, name, &number), "machine");
    }
    insist(db_commit(y->db), "commit");
}

/* As many windows of four loads as a machine may keep; the blocks they come from go at once. */
static void fill_windows(struct years *y)
{
    for (uint32_t m = 1; m <= y->n_machines; m++) {
        struct history_writer *w = NULL;
        insist(history_writer_create(&w, m, NAMES, 8, HISTORY_BLOCK_FRAMES, 60 * SECOND), "writer");
        insist(db_begin(y->db), "begin");
        for (int block = 0; block < RESERVOIR_WINDOWS; block++) {
            for (int i = 0; i < BLOCK_FRAMES; i++) {
                int64_t us = (int64_t)(block * BLOCK_FRAMES + i) * SECOND + noise(y, 900);
                struct mw_frame f = { RIG_UTC_US + us, us, us / SECOND, 255, 255, { 0 } };
                for (int c = 0; c < 8; c++)
                    f.values[c] = (float)(300 * (c + 1) * (1 + block % 4) + noise(y, 64)) * 0.01f;
                history_add(w, &f, (float)noise(y, 500) * 0.001f);
            }
            insist(history_write(w, y->db), "block");
        }
        insist(db_prune(y->db, RIG_UTC_US + y->config.history_us + DAY), "prune");
        insist(db_commit(y->db), "commit");
        history_writer_destroy(w);
    }
}

/* A frame each ten minutes stands for what 600 sum up to: least, mean and greatest differ, as they
 * do where a span has many. */
static void fill_day(struct years *y, struct rollup_writer **writers, int day)
{
    for (int span = 0; span < 144; span++) {
        insist(db_begin(y->db), "begin");
        for (uint32_t m = 0; m < y->n_machines; m++)
            for (int i = 0; i < 3; i++) {
                int64_t us = day * DAY + span * ROLLUP_SPAN_US + i * SECOND;
                struct mw_frame f = { RIG_UTC_US + us, us, us / SECOND, 255, 255, { 0 } };
                for (int c = 0; c < 8; c++)
                    f.values[c] = (float)(300 * (c + 1) + noise(y, 64)) * 0.01f;
                if (rollup_add(writers[m], &f, (float)noise(y, 500) * 0.001f))
                    insist(rollup_write(writers[m], y->db, false), "rollup");
            }
        insist(db_commit(y->db), "commit");
    }
}

static void sum_up_and_prune(struct years *y, int day)
{
    for (uint32_t n = 1; n > 0;) {
        insist(db_begin(y->db), "begin");
        insist(rollup_sum_up(y->db, 64, &n), "sum up");
        insist(db_prune(y->db, RIG_UTC_US + day * DAY), "prune");
        insist(db_commit(y->db), "commit");
    }
}

static void three_years(uint32_t n_machines, double raw_day_bytes)
{
    struct years y = { .n_machines = n_machines, .seed = 5 };
    char folder[] = "/tmp/mw-years-XXXXXX", memory[] = "/dev/shm/mw-years-XXXXXX", path[300];
    char *where = mkdtemp(access("/dev/shm", W_OK) == 0 ? memory : folder);
    insist(where ? MW_OK : MW_ERR_IO, "folder");
    open_years(&y, where);
    fill_windows(&y);
    struct rollup_writer **writers = calloc(n_machines, sizeof(struct rollup_writer *));
    insist(writers ? MW_OK : MW_ERR_NO_MEMORY, "memory");
    for (uint32_t m = 0; m < n_machines; m++)
        insist(rollup_writer_create(&writers[m], m + 1, NAMES, 8), "writer");
    for (int day = 1; day <= YEARS_DAYS; day++) {
        fill_day(&y, writers, day);
        sum_up_and_prune(&y, day);
    }
    struct db_stats stats = db_stats(y.db);
    double bytes = (double)stats.file_bytes * ALL_MACHINES / n_machines;
    say("history_3y_machines", n_machines, "count", 0);
    say("history_3y_rows_given_up", (double)stats.n_pruned_rollups, "count", 0.5);
    say("history_3y_gb", bytes / GB, "GB", 4);
    double room = (double)y.config.max_bytes * 7 / 8 - bytes;
    say("history_raw_room_days", room / raw_day_bytes, "days", 0);
    for (uint32_t m = 0; m < n_machines; m++)
        rollup_writer_destroy(writers[m]);
    free(writers);
    db_close(y.db);
    static const char *const tails[] = { "", "-wal", "-reserve" };
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/m.db%s", where, tails[i]);
        unlink(path);
    }
    rmdir(where);
}

int main(int argc, char **argv)
{
    double hours = argc > 1 ? strtod(argv[1], NULL) : 24;
    unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 50;
    if (hours <= 0 || hours > 1000 || n < 1 || n > ALL_MACHINES || argc > 3) {
        fputs("usage: history_scale [HOURS [MACHINES]]\n", stderr);
        return EXIT_FAILURE;
    }
    three_years((uint32_t)n, one_day(hours));
    return n_missed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
