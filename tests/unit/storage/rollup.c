/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/rollup.h"
#include "base/result.h"
#include "storage/history.h"
#include "storage/timebase.h"
#include "support/suite.h"
#include "unit/storage/temp_store.h"

#include <math.h>

#define SECOND   INT64_C(1000000)
#define HOUR     (3600 * SECOND)
#define DAY      (24 * HOUR)
#define OFFSET   (AT_US - HOUR) /* UTC minus monotonic time */
#define ALL_FROM 0, INT64_MAX

static const char *const NAMES[] = { "vib", "temp" };

static struct rollup_writer *writer_for(uint32_t machine)
{
    struct rollup_writer *w = NULL;
    ck_assert_int_eq(rollup_writer_create(&w, machine, NAMES, 2), MW_OK);
    return w;
}

static void begin(struct temp_store *t, bool synced)
{
    uint32_t machine;
    static const uint8_t boot[TIMEBASE_BOOT_BYTES] = { 1 };
    temp_begin(t, 0);
    ck_assert_int_eq(timebase_begin(t->db, boot), MW_OK);
    ck_assert_int_eq(db_begin(t->db), MW_OK);
    ck_assert_int_eq(db_machine(t->db, "pump", &machine), MW_OK);
    ck_assert_uint_eq(machine, 1);
    ck_assert_int_eq(db_machine(t->db, "fan", &machine), MW_OK);
    ck_assert_int_eq(timebase_set(t->db, OFFSET, synced), MW_OK);
    ck_assert_int_eq(db_commit(t->db), MW_OK);
}

static void restart(struct temp_store *t)
{
    static const uint8_t boot[TIMEBASE_BOOT_BYTES] = { 1 };
    temp_reopen(t);
    ck_assert_int_eq(timebase_begin(t->db, boot), MW_OK);
}

static int add(struct rollup_writer *w, int64_t at_us, float vib, float temp, uint32_t valid)
{
    struct mw_frame f = { at_us, at_us - OFFSET, 0, valid, valid, { vib, temp } };
    return rollup_add(w, &f, -1);
}

static void store(struct rollup_writer *w, struct db *db, bool all)
{
    ck_assert_int_eq(db_begin(db), MW_OK);
    ck_assert_int_eq(rollup_write(w, db, all), MW_OK);
    ck_assert_int_eq(db_commit(db), MW_OK);
}

static void sum_up(struct db *db)
{
    uint32_t n = 1;
    while (n > 0) {
        ck_assert_int_eq(db_begin(db), MW_OK);
        ck_assert_int_eq(rollup_sum_up(db, 3, &n), MW_OK);
        ck_assert_int_eq(db_commit(db), MW_OK);
    }
}

static void prune(struct db *db, int64_t at_us)
{
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(db_begin(db), MW_OK);
        ck_assert_int_eq(db_prune(db, at_us), MW_OK);
        ck_assert_int_eq(db_commit(db), MW_OK);
    }
}

/* All rows into ret, at most cap; how many. */
static size_t read_rows(struct db *db, uint32_t machine, int64_t span_us, int64_t from_us,
                        int64_t to_us, struct rollup_row *ret, size_t cap)
{
    struct rollup_reader *r = NULL;
    struct rollup_row row;
    size_t n = 0;
    int result;
    ck_assert_int_eq(rollup_reader_open(&r, db, machine, span_us, from_us, to_us), MW_OK);
    while ((result = rollup_reader_next(r, &row)) != MW_ERR_NOT_FOUND) {
        if (result == MW_ERR_AGAIN)
            continue;
        ck_assert_int_eq(result, MW_OK);
        if (n < cap)
            ret[n] = row;
        n++;
    }
    rollup_reader_close(r);
    return n;
}

static uint64_t values_in(struct db *db, uint32_t machine, int64_t span_us)
{
    static struct rollup_row rows[5000];
    uint64_t values = 0;
    size_t n = read_rows(db, machine, span_us, ALL_FROM, rows, 5000);
    ck_assert_uint_le(n, 5000);
    for (size_t i = 0; i < n; i++)
        values += rows[i].slots[0].n;
    return values;
}

START_TEST(ten_minutes_have_count_least_greatest_and_mean)
{
    struct temp_store t;
    struct rollup_row rows[4];
    begin(&t, true);
    struct rollup_writer *w = writer_for(1);
    for (int i = 0; i < 600; i++)
        ck_assert_int_eq(add(w, AT_US + i * SECOND, (float)i, 40.0f, 3), 0);
    ck_assert_int_eq(add(w, AT_US + 600 * SECOND, 7.0f, 41.0f, 3), 1);
    store(w, t.db, false);
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_SPAN_US, ALL_FROM, rows, 4), 1);
    ck_assert_int_eq(rows[0].at_us, AT_US);
    ck_assert_uint_eq(rows[0].n_channels, 2);
    ck_assert_str_eq(rows[0].channels[1], "temp");
    ck_assert_uint_eq(rows[0].slots[0].n, 600);
    ck_assert_float_eq(rows[0].slots[0].min, 0.0f);
    ck_assert_float_eq(rows[0].slots[0].max, 599.0f);
    ck_assert_float_eq(rows[0].slots[0].mean, 299.5f);
    ck_assert_float_eq(rows[0].slots[1].mean, 40.0f);
    ck_assert_uint_eq(rows[0].slots[2].n, 0); /* never judged: no score is made up */
    store(w, t.db, true);
    ck_assert(!rollup_pending(w));
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_SPAN_US, ALL_FROM, rows, 4), 2);
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_SPAN_US, AT_US, AT_US + 1, rows, 4), 1);
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_SPAN_US, AT_US + 1, AT_US + HOUR, rows, 4), 1);
    ck_assert_uint_eq(read_rows(t.db, 2, ROLLUP_SPAN_US, ALL_FROM, rows, 4), 0);
    rollup_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(missing_values_are_not_made_up)
{
    struct temp_store t;
    struct rollup_row rows[4];
    begin(&t, true);
    struct rollup_writer *w = writer_for(1);
    for (int i = 0; i < 600;
         i++) /* vib is missing in half of the frames, temp is NaN or infinite */
        add(w, AT_US + i * SECOND, i % 2 ? 5.0f : 0.0f, i % 3 ? NAN : INFINITY, i % 2 ? 3 : 2);
    for (int i = 0; i < 600; i++) /* nothing valid: no row */
        add(w, AT_US + (600 + i) * SECOND, 0.0f, 0.0f, 0);
    store(w, t.db, true);
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_SPAN_US, ALL_FROM, rows, 4), 1);
    ck_assert_uint_eq(rows[0].slots[0].n, 300);
    ck_assert_float_eq(rows[0].slots[0].min, 5.0f);
    ck_assert_uint_eq(rows[0].slots[1].n, 0);
    rollup_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(a_span_that_a_restart_cuts_in_two_is_one_row)
{
    struct temp_store t;
    struct rollup_row rows[4];
    begin(&t, true);
    for (int half = 0; half < 2; half++) {
        struct rollup_writer *w = writer_for(1);
        for (int i = 0; i < 300; i++)
            add(w, AT_US + (300 * half + i) * SECOND, (float)half, 1.0f, 3);
        store(w, t.db, true);
        rollup_writer_destroy(w);
        restart(&t);
    }
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_SPAN_US, ALL_FROM, rows, 4), 1);
    ck_assert_uint_eq(rows[0].slots[0].n, 600);
    ck_assert_float_eq(rows[0].slots[0].mean, 0.5f);
    temp_end(&t);
}
END_TEST

START_TEST(spans_of_a_rolled_back_group_wait_on_and_too_many_are_counted)
{
    struct temp_store t;
    begin(&t, true);
    struct rollup_writer *w = writer_for(1);
    for (int i = 0; i < 3; i++)
        add(w, AT_US + i * ROLLUP_SPAN_US, 1.0f, 1.0f, 3);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(rollup_write(w, t.db, false), MW_OK);
    db_rollback(t.db);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_SPAN_US), 0);
    ck_assert(rollup_pending(w));
    store(w, t.db, true);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_SPAN_US), 3);
    for (int i = 10; i < 18; i++)
        add(w, AT_US + i * ROLLUP_SPAN_US, 1.0f, 1.0f, 3);
    ck_assert_uint_eq(rollup_dropped(w), 8 - ROLLUP_SPANS_MAX - 1);
    store(w, t.db, true);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_SPAN_US), 3 + ROLLUP_SPANS_MAX + 1);
    rollup_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(a_silent_machines_span_ends_by_the_clock)
{
    struct rollup_writer *w = writer_for(1);
    add(w, AT_US, 1.0f, 1.0f, 3);
    ck_assert_int_eq(rollup_end(w, AT_US + ROLLUP_SPAN_US - 1), 0);
    ck_assert_int_eq(rollup_end(w, AT_US + ROLLUP_SPAN_US), 1);
    rollup_writer_destroy(w);
}
END_TEST

/* A frame every five minutes, days 0 to n_days - 1; value: the frame's number. */
static void live(struct temp_store *t, uint32_t machine, int n_days)
{
    struct rollup_writer *w = writer_for(machine);
    for (int i = 0; i < 288 * n_days; i++)
        if (add(w, AT_US + i * 300 * SECOND, (float)i, 1.0f, 3))
            store(w, t->db, false);
    store(w, t->db, true);
    rollup_writer_destroy(w);
}

START_TEST(hours_are_the_same_before_and_after_they_are_summed_up)
{
    static struct rollup_row before[100], after[100];
    struct temp_store t;
    begin(&t, true);
    live(&t, 1, 3);
    live(&t, 2, 2);
    size_t n = read_rows(t.db, 1, ROLLUP_HOUR_US, ALL_FROM, before, 100);
    ck_assert_uint_eq(n, 72);
    ck_assert_uint_eq(db_stats(t.db).n_days, 0);
    live(&t, 1, 0);
    sum_up(t.db);
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_HOUR_US, ALL_FROM, after, 100), 72);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(after[i].at_us, AT_US + (int64_t)i * HOUR);
        ck_assert_int_eq(after[i].at_us, before[i].at_us);
        ck_assert_uint_eq(after[i].slots[0].n, 12);
        ck_assert_float_eq(after[i].slots[0].min, (float)(12 * i));
        ck_assert_float_eq(after[i].slots[0].max, (float)(12 * i + 11));
        ck_assert_mem_eq(after[i].slots, before[i].slots, 3 * sizeof after[i].slots[0]);
    }
    ck_assert_uint_eq(db_stats(t.db).n_days, 1 + 1); /* the day that both have behind them */
    temp_end(&t);
}
END_TEST

START_TEST(ten_minutes_go_after_30_days_and_hours_after_three_years)
{
    struct temp_store t;
    struct rollup_row row;
    begin(&t, true);
    live(&t, 1, 4);
    prune(t.db, AT_US + 400 * DAY); /* nothing is summed up yet: nothing goes */
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_SPAN_US), 4 * 288);
    sum_up(t.db);
    prune(t.db, AT_US + 32 * DAY);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_SPAN_US), 2 * 288);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_HOUR_US), 4 * 288);
    prune(t.db, 0); /* the clock is not confirmed: nothing has an age */
    prune(t.db, AT_US + 1098 * DAY);
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_HOUR_US, ALL_FROM, &row, 1), 24 + 24);
    ck_assert_int_eq(row.at_us, AT_US + 2 * DAY);
    temp_end(&t);
}
END_TEST

START_TEST(what_comes_late_to_a_day_is_summed_up_with_it)
{
    struct temp_store t;
    begin(&t, true);
    live(&t, 1, 3);
    sum_up(t.db);
    struct rollup_writer *w = writer_for(1);
    add(w, AT_US + HOUR, 100000.0f, 1.0f, 3); /* the clock was set back for a moment */
    add(w, AT_US + 3 * DAY, 1.0f, 1.0f, 3);
    store(w, t.db, true);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_HOUR_US), 3 * 288 + 2);
    sum_up(t.db);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_HOUR_US), 3 * 288 + 2);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_SPAN_US), 3 * 288 + 2);
    /* The same to a day whose ten minutes are long gone. */
    add(w, AT_US + 60 * DAY, 1.0f, 1.0f, 3);
    store(w, t.db, true);
    sum_up(t.db);
    prune(t.db, AT_US + 60 * DAY);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_SPAN_US), 1);
    add(w, AT_US + HOUR, 100001.0f, 1.0f, 3);
    add(w, AT_US + 61 * DAY, 1.0f, 1.0f, 3);
    store(w, t.db, true);
    sum_up(t.db);
    sum_up(t.db);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_HOUR_US), 3 * 288 + 2 + 1 + 2);
    rollup_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(a_rolled_back_summing_up_begins_the_day_anew)
{
    struct temp_store t;
    uint32_t n;
    begin(&t, true);
    live(&t, 2, 3);
    live(&t, 1, 3);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(rollup_sum_up(t.db, 2, &n), MW_OK);
    db_rollback(t.db);
    sum_up(t.db);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_HOUR_US), 3 * 288);
    ck_assert_uint_eq(values_in(t.db, 2, ROLLUP_HOUR_US), 3 * 288);
    temp_reopen(&t);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_HOUR_US), 3 * 288);
    temp_end(&t);
}
END_TEST

START_TEST(rows_of_before_the_clock_was_set_move_to_their_place)
{
    struct temp_store t;
    struct rollup_row rows[8];
    uint32_t n = 1;
    begin(&t, false);
    struct rollup_writer *w = writer_for(1);
    for (int i = 0; i < 1200; i++)
        add(w, AT_US + i * SECOND, 1.0f, 1.0f, 3);
    store(w, t.db, true);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(timebase_set(t.db, OFFSET + 50 * DAY + 120 * SECOND, true), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    prune(t.db, AT_US + 100 * DAY); /* what waits to be moved has no age */
    while (n > 0) {
        ck_assert_int_eq(db_begin(t.db), MW_OK);
        ck_assert_int_eq(timebase_correct(t.db, 1, &n), MW_OK);
        ck_assert_int_eq(db_commit(t.db), MW_OK);
    }
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_SPAN_US, ALL_FROM, rows, 8), 2);
    ck_assert_int_eq(rows[0].at_us, AT_US + 50 * DAY); /* the nearest ten minutes */
    ck_assert_uint_eq(rows[0].slots[0].n, 600);
    rollup_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(unconfirmed_and_confirmed_values_of_one_span_meet_once_both_are)
{
    struct temp_store t;
    struct rollup_row rows[8];
    uint32_t n = 1;
    begin(&t, false);
    struct rollup_writer *w = writer_for(1);
    add(w, AT_US, 1.0f, 1.0f, 3);
    store(w, t.db, true);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(timebase_set(t.db, OFFSET + 100, true), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    struct mw_frame f = { AT_US + 1000, AT_US + 1000 - OFFSET - 100, 0, 3, 3, { 3.0f, 1.0f } };
    rollup_add(w, &f, -1);
    store(w, t.db, true);
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_SPAN_US, ALL_FROM, rows, 8), 2);
    ck_assert_uint_eq(values_in(t.db, 1, ROLLUP_HOUR_US), 2);
    while (n > 0) {
        ck_assert_int_eq(db_begin(t.db), MW_OK);
        ck_assert_int_eq(timebase_correct(t.db, 8, &n), MW_OK);
        ck_assert_int_eq(db_commit(t.db), MW_OK);
    }
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_SPAN_US, ALL_FROM, rows, 8), 1);
    ck_assert_float_eq(rows[0].slots[0].mean, 2.0f);
    rollup_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(a_change_of_the_channels_keeps_both_sets)
{
    static const char *const later[] = { "temp", "rpm", "vib" };
    static struct rollup_row rows[60];
    struct temp_store t;
    begin(&t, true);
    struct rollup_writer *w = writer_for(1), *changed = NULL;
    add(w, AT_US + HOUR, 1.0f, 20.0f, 3);
    store(w, t.db, true);
    ck_assert_int_eq(rollup_writer_create(&changed, 1, later, 3), MW_OK);
    struct mw_frame f = { AT_US + HOUR + 1, HOUR + HOUR + 1, 0, 7, 7, { 30.0f, 900.0f, 2.0f } };
    rollup_add(changed, &f, 0.5f);
    store(changed, t.db, true);
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_SPAN_US, ALL_FROM, rows, 60), 2);
    f.at_us += 2 * DAY;
    f.mono_us += 2 * DAY;
    rollup_add(changed, &f, 0.5f);
    store(changed, t.db, true);
    sum_up(t.db);
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_HOUR_US, ALL_FROM, rows, 60), 3);
    ck_assert_str_eq(rows[0].channels[0], "vib");
    ck_assert_float_eq(rows[0].slots[1].max, 20.0f);
    ck_assert_str_eq(rows[1].channels[1], "rpm");
    ck_assert_float_eq(rows[1].slots[1].mean, 900.0f);
    ck_assert_float_eq(rows[1].slots[3].mean, 0.5f);
    rollup_writer_destroy(w);
    rollup_writer_destroy(changed);
    temp_end(&t);
}
END_TEST

START_TEST(a_day_of_utc_has_24_hours_also_where_daylight_saving_changes)
{
    static struct rollup_row rows[100];
    struct temp_store t;
    const int64_t march_29 = (int64_t)1774742400 * SECOND; /* 2026: Europe's clocks go forward */
    begin(&t, true);
    struct rollup_writer *w = writer_for(1);
    for (int i = 0; i < 3 * 144; i++) {
        add(w, march_29 - DAY + i * ROLLUP_SPAN_US, 1.0f, 1.0f, 3);
        store(w, t.db, true);
    }
    sum_up(t.db);
    ck_assert_uint_eq(read_rows(t.db, 1, ROLLUP_HOUR_US, march_29, march_29 + DAY, rows, 100), 24);
    for (int i = 0; i < 24; i++)
        ck_assert_uint_eq(rows[i].slots[0].n, 6);
    rollup_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(in_a_small_database_raw_blocks_give_way_first_then_the_oldest_rollups)
{
    static const char *const many[] = {
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"
    };
    struct temp_store t;
    struct rollup_row row;
    struct history_writer *raw;
    uint64_t n_frames;
    temp_begin(&t, 4 * MIB);
    ck_assert_int_eq(history_writer_create(&raw, 1, many, 12, 512, HOUR), MW_OK);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    for (int i = 0; i < 512; i++)
        history_add(raw, &(struct mw_frame){ AT_US + i, i, i, 1, 1, { 1 } }, 0);
    ck_assert_int_eq(history_write(raw, t.db), MW_OK);
    ck_assert_int_eq(timebase_set(t.db, OFFSET, true), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    for (uint32_t m = 1; m <= 12; m++) {
        struct rollup_writer *w = NULL;
        ck_assert_int_eq(rollup_writer_create(&w, m, many, 12), MW_OK);
        ck_assert_int_eq(db_begin(t.db), MW_OK);
        for (int i = 0; i < 3000; i++) {
            struct mw_frame f = {
                AT_US + i * ROLLUP_SPAN_US, HOUR + i * ROLLUP_SPAN_US, i, 0xfff, 0xfff, { 0 }
            };
            for (int c = 0; c < 12; c++)
                f.values[c] = (float)(i * (c + 3)) * 0.37f;
            if (rollup_add(w, &f, -1))
                ck_assert_int_eq(rollup_write(w, t.db, false), MW_OK);
            if (i % 100 == 99) {
                ck_assert_int_eq(db_commit(t.db), MW_OK);
                ck_assert_int_eq(db_begin(t.db), MW_OK);
            }
        }
        ck_assert_int_eq(db_commit(t.db), MW_OK);
        rollup_writer_destroy(w);
    }
    ck_assert_int_le(db_stats(t.db).file_bytes, 4 * MIB);
    ck_assert_uint_gt(db_stats(t.db).n_pruned_rollups, 0);
    ck_assert_int_eq(history_count(t.db, 1, 0, &n_frames), MW_OK);
    ck_assert_uint_eq(n_frames, 0);
    ck_assert_uint_gt(read_rows(t.db, 12, ROLLUP_SPAN_US, ALL_FROM, &row, 1), 0);
    history_writer_destroy(raw);
    temp_end(&t);
}
END_TEST

START_TEST(names_and_spans_out_of_range_are_refused)
{
    struct rollup_writer *w = NULL;
    struct rollup_reader *r = NULL;
    static const char *const empty[] = { "" };
    ck_assert_int_eq(rollup_writer_create(&w, 1, NAMES, 0), MW_ERR_INVALID);
    ck_assert_int_eq(rollup_writer_create(&w, 1, NAMES, 33), MW_ERR_INVALID);
    ck_assert_int_eq(rollup_writer_create(&w, 1, empty, 1), MW_ERR_INVALID);
    ck_assert_int_eq(rollup_reader_open(&r, NULL, 1, 1, 0, 1), MW_ERR_INVALID);
    rollup_writer_destroy(NULL);
    rollup_reader_close(NULL);
}
END_TEST

MW_SUITE("storage/rollup", ten_minutes_have_count_least_greatest_and_mean,
         missing_values_are_not_made_up, a_span_that_a_restart_cuts_in_two_is_one_row,
         spans_of_a_rolled_back_group_wait_on_and_too_many_are_counted,
         a_silent_machines_span_ends_by_the_clock,
         hours_are_the_same_before_and_after_they_are_summed_up,
         ten_minutes_go_after_30_days_and_hours_after_three_years,
         what_comes_late_to_a_day_is_summed_up_with_it,
         a_rolled_back_summing_up_begins_the_day_anew,
         rows_of_before_the_clock_was_set_move_to_their_place,
         unconfirmed_and_confirmed_values_of_one_span_meet_once_both_are,
         a_change_of_the_channels_keeps_both_sets,
         a_day_of_utc_has_24_hours_also_where_daylight_saving_changes,
         in_a_small_database_raw_blocks_give_way_first_then_the_oldest_rollups,
         names_and_spans_out_of_range_are_refused)
