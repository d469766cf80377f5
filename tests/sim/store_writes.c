/* SPDX-License-Identifier: Apache-2.0 */
/* What the store stage writes, on virtual time: nothing where it was told so, no more than its
 * budget, and for history no more than a sync a second. */
#include "storage/history.h"
#include "storage/rollup.h"
#include "support/store_rig.h"
#include "support/suite.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

/* Frames of raw history, and values of rollups, that a machine has. */
static uint64_t raw_frames(const struct store_rig *rig, uint32_t machine)
{
    uint64_t n = 0;
    ck_assert_int_eq(
        history_count(rig->stage->history, rig->stage->history_machines[machine], 0, &n), 0);
    return n;
}

static uint64_t rolled_up(const struct store_rig *rig, uint32_t machine, int64_t span_us)
{
    struct rollup_reader *r = NULL;
    static struct rollup_row row;
    uint64_t n = 0;
    ck_assert_int_eq(rollup_reader_open(&r, rig->stage->history,
                                        rig->stage->history_machines[machine], span_us, 0,
                                        INT64_MAX),
                     0);
    while (rollup_reader_next(r, &row) == 0)
        n += row.slots[0].n;
    rollup_reader_close(r);
    return n;
}

/* Lives an hour after a quarter of one to settle; what that wrote and synced. */
static struct db_stats quiet_hour(struct store_rig *rig)
{
    rig_live(rig, 15 * MINUTE, false);
    struct db_stats before = rig->stats;
    rig_live(rig, HOUR, false);
    return (struct db_stats){
        .n_bytes_written = rig->stats.n_bytes_written - before.n_bytes_written,
        .n_syncs_wal = rig->stats.n_syncs_wal - before.n_syncs_wal,
        .n_syncs_database = rig->stats.n_syncs_database - before.n_syncs_database,
    };
}

START_TEST(a_quiet_hour_with_history_off_writes_nothing)
{
    struct store_rig rig;
    rig_begin(&rig, 20, SECOND, "history: off", NULL);
    rig_live(&rig, 10 * SECOND, true);
    ck_assert_uint_gt(rig.stats.n_bytes_written, 0); /* it can count: the start wrote */
    struct db_stats before = rig.stats;
    rig_live(&rig, HOUR, true); /* the pipeline hands over no frames then */
    ck_assert_uint_eq(rig.stats.n_bytes_written, before.n_bytes_written);
    ck_assert_uint_eq(rig.stats.n_syncs_wal, before.n_syncs_wal);
    ck_assert_uint_eq(rig.stats.n_syncs_database, before.n_syncs_database);
    rig_alarm(&rig, 3);
    rig_live(&rig, SECOND, true);
    rig_live(&rig, SECOND, true);
    ck_assert_uint_gt(rig.stats.n_bytes_written, before.n_bytes_written);
    ck_assert_uint_eq(rig.figures.n_syncs_alarms, 2); /* the clock's setting, the alarm */
    rig_end(&rig);
}
END_TEST

START_TEST(a_quiet_hour_with_history_in_ram_writes_nothing_and_can_be_read)
{
    struct store_rig rig;
    rig_begin(&rig, 20, SECOND, "history: ram", NULL);
    struct db_stats hour = quiet_hour(&rig);
    ck_assert_uint_eq(hour.n_bytes_written, 0);
    ck_assert_uint_eq(hour.n_syncs_wal + hour.n_syncs_database, 0);
    ck_assert_uint_gt(raw_frames(&rig, 7), 4000);
    ck_assert_uint_eq(rolled_up(&rig, 7, ROLLUP_SPAN_US), 70 * 60);
    ck_assert_int_le(db_stats(rig.stage->history).file_bytes, 16 << 20);
    rig_restart(&rig); /* and it is gone with the process */
    ck_assert_uint_eq(raw_frames(&rig, 7), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(history_costs_at_most_a_sync_a_second)
{
    static const struct {
        size_t n_machines;
        int64_t period_us;
    } cases[] = { { 60, SECOND }, { 20, SECOND / 100 }, { 1, SECOND / 100 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct store_rig rig;
        rig_begin(&rig, cases[i].n_machines, cases[i].period_us, "write_budget: none, block: 1s",
                  NULL);
        rig_live(&rig, 10 * SECOND, false);
        struct store_figures before = rig.figures;
        uint64_t n_before = rig.stats.n_syncs_wal;
        rig_live(&rig, 3 * MINUTE, false);
        uint64_t n = rig.figures.n_syncs_history - before.n_syncs_history;
        ck_assert_uint_le(n, 181);
        ck_assert_uint_gt(n, 30);
        /* Nothing else was synced, but checkpoints, and each sync has one kind. */
        ck_assert_uint_eq(rig.figures.n_syncs_alarms, before.n_syncs_alarms);
        ck_assert_uint_eq(rig.figures.n_syncs_states, before.n_syncs_states);
        ck_assert_uint_le(rig.stats.n_syncs_wal - n_before, n + 1 + rig.stats.n_syncs_database);
        ck_assert_uint_eq(rig.stage->pipeline->frames.n_dropped, 0);
        rig_end(&rig);
    }
}
END_TEST

/* Each alarm is committed by itself, whatever history does meanwhile. */
START_TEST(alarms_are_synced_at_once_and_counted_apart)
{
    struct store_rig rig;
    rig_begin(&rig, 10, SECOND, "", NULL);
    rig_live(&rig, MINUTE, false);
    struct store_figures before = rig.figures;
    for (int i = 0; i < 30; i++) {
        rig_alarm(&rig, (uint32_t)i % 10);
        rig_live(&rig, 2 * SECOND, false);
    }
    ck_assert_uint_eq(rig.figures.n_syncs_alarms - before.n_syncs_alarms, 30);
    rig_end(&rig);
}
END_TEST

START_TEST(what_is_written_in_a_day_stays_within_the_budget_and_is_shared)
{
    struct store_rig rig;
    uint64_t least = UINT64_MAX, most = 0, all = 0;
    rig_begin(&rig, 60, SECOND, "write_budget: 64MiB", NULL);
    rig_live(&rig, HOUR, false);
    struct db_stats before = rig.stats;
    uint64_t kept_before = raw_frames(&rig, 11);
    rig_alarm(&rig, 11); /* its next ten minutes are kept in any case */
    rig_live(&rig, 11 * MINUTE, false);
    ck_assert_uint_ge(raw_frames(&rig, 11) - kept_before, 580);
    rig_live(&rig, 5 * HOUR + 49 * MINUTE, false);
    double share = (double)(rig.stats.n_bytes_written - before.n_bytes_written) / (16 << 20);
    ck_assert_double_le(share, 1.02);
    ck_assert_double_ge(share, 0.9);
    for (uint32_t m = 0; m < 60; m++) {
        uint64_t n = raw_frames(&rig, m);
        all += n;
        least = n < least && m != 11 ? n : least;
        most = n > most && m != 11 ? n : most;
        ck_assert_uint_ge(rolled_up(&rig, m, ROLLUP_SPAN_US), 6 * 3600); /* no budget for these */
    }
    ck_assert_uint_gt(rig.figures.n_frames_left_out, 0);
    ck_assert_uint_le(all + rig.figures.n_frames_left_out, 60 * 7 * 3600);
    ck_assert_msg(most < 2 * least, "%lu to %lu frames of a machine", (unsigned long)least,
                  (unsigned long)most);
    rig_end(&rig);
}
END_TEST

START_TEST(rollups_go_on_over_a_restart_and_a_night_of_silence)
{
    struct store_rig rig;
    rig_begin(&rig, 3, SECOND, "", NULL);
    rig_live(&rig, 25 * MINUTE + 7 * SECOND, false);
    rig_restart(&rig);
    rig_live(&rig, 24 * MINUTE + 53 * SECOND, false);
    rig_live(&rig, 36 * HOUR, true);
    ck_assert_uint_eq(rolled_up(&rig, 1, ROLLUP_SPAN_US), 50 * 60);
    rig_live(&rig, 12 * MINUTE, false);
    rig_live(&rig, 10 * MINUTE, true);
    ck_assert_uint_eq(rolled_up(&rig, 1, ROLLUP_HOUR_US), 62 * 60);
    ck_assert_uint_eq(rig.stats.n_days, 3); /* the first day of three machines is summed up */
    rig_end(&rig);
}
END_TEST

MW_SUITE("sim/store_writes", a_quiet_hour_with_history_off_writes_nothing,
         a_quiet_hour_with_history_in_ram_writes_nothing_and_can_be_read,
         history_costs_at_most_a_sync_a_second, alarms_are_synced_at_once_and_counted_apart,
         what_is_written_in_a_day_stays_within_the_budget_and_is_shared,
         rollups_go_on_over_a_restart_and_a_night_of_silence)
