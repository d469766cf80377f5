/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/history.h"
#include "base/result.h"
#include "storage/timebase.h"
#include "support/suite.h"
#include "unit/storage/temp_store.h"

#include <math.h>

static const char *const NAMES[] = { "vib_x", "vib_y", "temp" };

/* Frame i of a machine at 1 Hz, with jitter; every 7th lacks a channel, every 11th poll fell out.
 */
static struct mw_frame frame_at(int i)
{
    struct mw_frame f = { .at_us = AT_US + (int64_t)i * 1000000 + i % 5 * 100,
                          .mono_us = (int64_t)i * 1000000 + i % 5 * 100 + 5000000,
                          .slot = i + i / 11,
                          .valid = i % 7 == 0 ? 5u : 7u,
                          .fresh = i % 3 == 0 ? 3u : 7u };
    f.values[0] = (float)i * 0.1f;
    f.values[1] = i % 7 == 0 ? 0.0f : -3.25f;
    f.values[2] = 40.0f + (float)(i % 10) * 0.1f;
    f.fresh &= f.valid;
    return f;
}

static float score_at(int i)
{
    return i < 20 ? -1.0f : (float)i * 0.01f;
}

static struct history_writer *writer_for(uint32_t machine, int64_t block_us)
{
    struct history_writer *w = NULL;
    ck_assert_int_eq(history_writer_create(&w, machine, NAMES, 3, HISTORY_BLOCK_FRAMES, block_us),
                     MW_OK);
    return w;
}

static void write_now(struct history_writer *w, struct db *db)
{
    ck_assert_int_eq(db_begin(db), MW_OK);
    ck_assert_int_eq(history_write(w, db), MW_OK);
    ck_assert_int_eq(db_commit(db), MW_OK);
}

static void write_frames(struct history_writer *w, struct db *db, int from, int to)
{
    for (int i = from; i < to; i++) {
        struct mw_frame f = frame_at(i);
        if (history_add(w, &f, score_at(i)))
            write_now(w, db);
    }
    if (history_pending(w))
        write_now(w, db);
}

static void expect_frame(const struct mw_frame *f, float score, int i)
{
    struct mw_frame want = frame_at(i);
    ck_assert_int_eq(f->at_us, want.at_us);
    ck_assert_int_eq(f->mono_us, want.mono_us);
    ck_assert_int_eq(f->slot, want.slot);
    ck_assert_uint_eq(f->valid, want.valid);
    ck_assert_uint_eq(f->fresh, want.fresh);
    ck_assert_mem_eq(f->values, want.values, sizeof want.values);
    ck_assert_float_eq(score, score_at(i));
}

/* Reads [from, to) and expects the frames first to last - 1. */
static void expect_range(struct db *db, uint32_t machine, int64_t from_us, int64_t to_us, int first,
                         int last)
{
    struct history_reader *r = NULL;
    struct mw_frame f;
    float score;
    ck_assert_int_eq(history_reader_open(&r, db, machine, NAMES, 3, from_us, to_us), MW_OK);
    for (int i = first; i < last; i++) {
        ck_assert_int_eq(history_reader_next(r, &f, &score), MW_OK);
        expect_frame(&f, score, i);
    }
    ck_assert_int_eq(history_reader_next(r, &f, NULL), MW_ERR_NOT_FOUND);
    ck_assert_int_eq(history_reader_next(r, &f, NULL), MW_ERR_NOT_FOUND);
    history_reader_close(r);
}

START_TEST(frames_come_back_bit_for_bit_by_range_also_after_a_restart)
{
    struct temp_store t;
    temp_begin(&t, 0);
    struct history_writer *w = writer_for(1, 60000000), *other = writer_for(2, 60000000);
    write_frames(w, t.db, 0, 3000);
    write_frames(other, t.db, 0, 10);
    expect_range(t.db, 1, INT64_MIN, INT64_MAX, 0, 3000);
    temp_reopen(&t);
    expect_range(t.db, 1, INT64_MIN, INT64_MAX, 0, 3000);
    expect_range(t.db, 1, frame_at(100).at_us, frame_at(2500).at_us, 100, 2500);
    expect_range(t.db, 1, frame_at(100).at_us + 1, frame_at(101).at_us + 1, 101, 102);
    expect_range(t.db, 2, INT64_MIN, INT64_MAX, 0, 10);
    expect_range(t.db, 3, INT64_MIN, INT64_MAX, 0, 0);
    ck_assert_int_eq(db_begin(t.db), MW_OK); /* no statement of the readers stands in the way */
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    history_writer_destroy(w);
    history_writer_destroy(other);
    temp_end(&t);
}
END_TEST

START_TEST(a_block_is_due_by_its_age_or_when_it_is_full)
{
    struct history_writer *w = writer_for(1, 10000000);
    struct mw_frame f = frame_at(0);
    ck_assert_int_eq(history_pending(w), 0);
    ck_assert_int_eq(history_add(w, &f, 0), 0);
    ck_assert_int_eq(history_pending(w), 1);
    f.mono_us += 9999999;
    ck_assert_int_eq(history_add(w, &f, 0), 0);
    f.mono_us += 1;
    ck_assert_int_eq(history_add(w, &f, 0), 1);
    history_writer_destroy(w);

    w = writer_for(1, 10000000);
    for (int i = 1; i < HISTORY_BLOCK_FRAMES; i++)
        ck_assert_int_eq(history_add(w, &f, 0), 0);
    ck_assert_int_eq(history_add(w, &f, 0), 1);
    history_writer_destroy(w);
}
END_TEST

START_TEST(a_full_unwritten_block_pushes_out_the_oldest_and_counts)
{
    struct temp_store t;
    temp_begin(&t, 0);
    struct history_writer *w = writer_for(1, 60000000);
    for (int i = 0; i < HISTORY_BLOCK_FRAMES + 100; i++) {
        struct mw_frame f = frame_at(i);
        history_add(w, &f, score_at(i));
    }
    ck_assert_uint_eq(history_dropped(w), 100);
    write_now(w, t.db);
    expect_range(t.db, 1, INT64_MIN, INT64_MAX, 100, HISTORY_BLOCK_FRAMES + 100);
    history_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(frames_of_a_rolled_back_group_wait_on)
{
    struct temp_store t;
    temp_begin(&t, 0);
    struct history_writer *w = writer_for(1, 60000000);
    for (int i = 0; i < 50; i++) {
        struct mw_frame f = frame_at(i);
        history_add(w, &f, score_at(i));
    }
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(history_write(w, t.db), MW_OK);
    ck_assert_int_eq(history_pending(w), 0);
    db_rollback(t.db);
    ck_assert_int_eq(history_pending(w), 1);
    expect_range(t.db, 1, INT64_MIN, INT64_MAX, 0, 0);

    /* Frames that come between write and commit are the next block's. */
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(history_write(w, t.db), MW_OK);
    struct mw_frame f = frame_at(50);
    history_add(w, &f, score_at(50));
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    ck_assert_int_eq(history_pending(w), 1);
    write_now(w, t.db);
    expect_range(t.db, 1, INT64_MIN, INT64_MAX, 0, 51);
    ck_assert_uint_eq(history_dropped(w), 0);
    history_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(a_writer_may_go_in_the_middle_of_its_transaction)
{
    struct temp_store t;
    temp_begin(&t, 0);
    struct history_writer *a = writer_for(1, 60000000), *b = writer_for(2, 60000000);
    struct mw_frame f = frame_at(0);
    history_add(a, &f, score_at(0));
    history_add(b, &f, score_at(0));
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(history_write(a, t.db), MW_OK);
    ck_assert_int_eq(history_write(b, t.db), MW_OK);
    history_writer_destroy(a);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    expect_range(t.db, 1, INT64_MIN, INT64_MAX, 0, 1);
    ck_assert_int_eq(history_pending(b), 0);
    history_writer_destroy(b);
    temp_end(&t);
}
END_TEST

START_TEST(a_change_of_the_channels_does_not_mix_them_up)
{
    static const char *const later[] = { "temp", "pressure", "vib_x" };
    static const char *const asked[] = { "pressure", "vib_x", "never", "temp" };
    struct temp_store t;
    struct history_writer *w;
    struct history_reader *r;
    struct mw_frame f;
    temp_begin(&t, 0);
    w = writer_for(1, 60000000);
    f = (struct mw_frame){ AT_US, 1, 1, 7, 6, { 1.0f, 2.0f, 3.0f } };
    history_add(w, &f, 0);
    write_now(w, t.db);
    history_writer_destroy(w);
    ck_assert_int_eq(history_writer_create(&w, 1, later, 3, HISTORY_BLOCK_FRAMES, 60000000), MW_OK);
    f = (struct mw_frame){ AT_US + 1, 2, 2, 7, 7, { 30.0f, 40.0f, 10.0f } };
    history_add(w, &f, 0);
    write_now(w, t.db);
    history_writer_destroy(w);

    ck_assert_int_eq(history_reader_open(&r, t.db, 1, asked, 4, 0, INT64_MAX), MW_OK);
    ck_assert_int_eq(history_reader_next(r, &f, NULL), MW_OK);
    ck_assert_uint_eq(f.valid, 1u << 1 | 1u << 3);
    ck_assert_uint_eq(f.fresh, 1u << 3);
    ck_assert_float_eq(f.values[1], 1.0f);
    ck_assert_float_eq(f.values[3], 3.0f);
    ck_assert_int_eq(history_reader_next(r, &f, NULL), MW_OK);
    ck_assert_uint_eq(f.valid, 1u << 0 | 1u << 1 | 1u << 3);
    ck_assert_float_eq(f.values[0], 40.0f);
    ck_assert_float_eq(f.values[1], 10.0f);
    ck_assert_float_eq(f.values[2], 0.0f);
    ck_assert_float_eq(f.values[3], 30.0f);
    history_reader_close(r);
    temp_end(&t);
}
END_TEST

START_TEST(time_never_runs_back_for_a_reader_though_the_clock_did)
{
    struct temp_store t;
    struct history_reader *r;
    struct mw_frame f;
    temp_begin(&t, 0);
    struct history_writer *w = writer_for(1, 600000000);
    for (int i = 0; i < 400; i++) {
        f = frame_at(i);
        if (i >= 200)
            f.at_us -= 50 * (int64_t)1000000; /* set back by 50 s in the middle of the block */
        history_add(w, &f, 0);
    }
    write_now(w, t.db);
    ck_assert_int_eq(history_reader_open(&r, t.db, 1, NAMES, 3, 0, INT64_MAX), MW_OK);
    int64_t last_us = 0;
    int n = 0;
    while (history_reader_next(r, &f, NULL) == MW_OK) {
        ck_assert_int_ge(f.at_us, last_us);
        last_us = f.at_us;
        n++;
    }
    ck_assert_int_eq(n, 351); /* the 49 that overlap are passed over */
    history_reader_close(r);
    history_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(the_count_is_exact_at_any_instant)
{
    struct temp_store t;
    uint64_t n;
    temp_begin(&t, 0);
    struct history_writer *w = writer_for(1, 60000000);
    write_frames(w, t.db, 0, 1000);
    for (int i = 0; i < 1000; i += 37) {
        ck_assert_int_eq(history_count(t.db, 1, frame_at(i).at_us, &n), MW_OK);
        ck_assert_uint_eq(n, (uint64_t)(1000 - i));
        ck_assert_int_eq(history_count(t.db, 1, frame_at(i).at_us + 1, &n), MW_OK);
        ck_assert_uint_eq(n, (uint64_t)(999 - i));
    }
    ck_assert_int_eq(history_count(t.db, 2, 0, &n), MW_OK);
    ck_assert_uint_eq(n, 0);
    history_writer_destroy(w);
    temp_end(&t);
}
END_TEST

static void prune(struct db *db, int64_t at_us)
{
    ck_assert_int_eq(db_begin(db), MW_OK);
    ck_assert_int_eq(db_prune(db, at_us), MW_OK);
    ck_assert_int_eq(db_commit(db), MW_OK);
}

static void confirm_clock(struct temp_store *t)
{
    ck_assert_int_eq(db_begin(t->db), MW_OK);
    ck_assert_int_eq(timebase_set(t->db, frame_at(0).at_us - frame_at(0).mono_us, true), MW_OK);
    ck_assert_int_eq(db_commit(t->db), MW_OK);
}

START_TEST(blocks_older_than_the_retention_go_and_a_reader_goes_on)
{
    struct temp_store t;
    uint64_t n;
    struct history_reader *r;
    struct mw_frame f;
    temp_begin(&t, 0);
    struct history_writer *w = writer_for(1, 60000000);
    confirm_clock(&t);
    write_frames(w, t.db, 0, 6100);
    prune(t.db, AT_US);
    ck_assert_int_eq(history_count(t.db, 1, 0, &n), MW_OK);
    ck_assert_uint_eq(n, 6100);
    ck_assert_int_eq(history_reader_open(&r, t.db, 1, NAMES, 3, 0, INT64_MAX), MW_OK);
    ck_assert_int_eq(history_reader_next(r, &f, NULL), MW_OK);
    prune(t.db, AT_US + t.config.history_us + 3050 * (int64_t)1000000);
    ck_assert_int_eq(history_count(t.db, 1, 0, &n), MW_OK);
    ck_assert_uint_eq(n, 6100 - 3050);
    ck_assert_uint_gt(db_stats(t.db).n_pruned_blocks, 0);
    int m = 1;
    while (history_reader_next(r, &f, NULL) == MW_OK)
        m++;
    ck_assert_int_eq(m, 61 + 3050); /* the block in hand, and what is left */
    history_reader_close(r);
    history_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(the_size_limit_takes_the_oldest_blocks_first)
{
    struct temp_store t;
    struct history_reader *r;
    struct mw_frame f;
    uint64_t seed = 3;
    temp_begin(&t, 4 * MIB);
    struct history_writer *w = writer_for(1, 60000000);
    int64_t last_us = 0;
    for (int i = 0; i < 400000; i++) {
        f = frame_at(i);
        for (int c = 0; c < 3; c++) /* noise, so that it does not pack well */
            f.values[c] = (float)(temp_draw(&seed) % 1000000) * 0.001f;
        if (history_add(w, &f, 1.0f))
            write_now(w, t.db);
        last_us = f.at_us;
    }
    if (history_pending(w))
        write_now(w, t.db);
    struct db_stats s = db_stats(t.db);
    ck_assert_int_le(s.file_bytes, 4 * MIB);
    ck_assert_uint_gt(s.n_pruned_blocks, 0);
    ck_assert_uint_eq(s.n_history_frames, 400000);
    ck_assert_int_eq(history_reader_open(&r, t.db, 1, NAMES, 3, 0, INT64_MAX), MW_OK);
    ck_assert_int_eq(history_reader_next(r, &f, NULL), MW_OK);
    int64_t expected_us = f.at_us;
    uint64_t n = 1;
    ck_assert_int_gt(expected_us, AT_US + 1000000);
    while (history_reader_next(r, &f, NULL) == MW_OK) {
        ck_assert_int_le(f.at_us - expected_us, 1001000); /* no hole: only the oldest went */
        expected_us = f.at_us;
        n++;
    }
    ck_assert_int_eq(expected_us, last_us);
    ck_assert_uint_gt(n, 100000);
    history_reader_close(r);
    history_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(names_and_numbers_out_of_range_are_refused)
{
    struct history_writer *w = NULL;
    struct history_reader *r = NULL;
    static const char *const empty[] = { "" };
    static const char *const long_one[] = { "123456789012345678901234567890123" };
    ck_assert_int_eq(history_writer_create(&w, 1, NAMES, 0, HISTORY_BLOCK_FRAMES, 1),
                     MW_ERR_INVALID);
    ck_assert_int_eq(history_writer_create(&w, 1, NAMES, 33, HISTORY_BLOCK_FRAMES, 1),
                     MW_ERR_INVALID);
    ck_assert_int_eq(history_writer_create(&w, 1, NAMES, 3, HISTORY_BLOCK_FRAMES, 0),
                     MW_ERR_INVALID);
    ck_assert_int_eq(history_writer_create(&w, 1, empty, 1, HISTORY_BLOCK_FRAMES, 1),
                     MW_ERR_INVALID);
    ck_assert_int_eq(history_writer_create(&w, 1, long_one, 1, HISTORY_BLOCK_FRAMES, 1),
                     MW_ERR_INVALID);
    ck_assert_int_eq(history_reader_open(&r, NULL, 1, empty, 1, 0, 1), MW_ERR_INVALID);
    history_writer_destroy(NULL);
    history_reader_close(NULL);
}
END_TEST

static void put_alert(struct db *db, uint64_t seq, const char *subject)
{
    struct mw_alert a = { .seq = seq, .event = MW_ALERT_RAISED, .score = 1.5f, .at_us = AT_US };
    strncpy(a.subject, subject, MW_NAME_MAX);
    ck_assert_int_eq(history_alert(db, &a, 0), MW_OK);
}

START_TEST(alerts_are_listed_newest_first_also_by_subject)
{
    struct temp_store t;
    struct mw_alert got[10];
    size_t n;
    temp_begin(&t, 0);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    for (uint64_t seq = 1; seq <= 20; seq++)
        put_alert(t.db, seq, seq % 4 == 0 ? "fan-2" : "press-07");
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    temp_reopen(&t);
    ck_assert_int_eq(history_alerts(t.db, NULL, got, 3, &n), MW_OK);
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(got[0].seq, 20);
    ck_assert_uint_eq(got[2].seq, 18);
    ck_assert_int_eq(history_alerts(t.db, "fan-2", got, 10, &n), MW_OK);
    ck_assert_uint_eq(n, 5);
    ck_assert_uint_eq(got[4].seq, 4);
    ck_assert_str_eq(got[0].subject, "fan-2");
    ck_assert_int_eq(history_alerts(t.db, "none", got, 10, &n), MW_OK);
    ck_assert_uint_eq(n, 0);
    temp_end(&t);
}
END_TEST

START_TEST(alert_rows_are_bounded_and_the_oldest_go)
{
    struct temp_store t;
    static struct mw_alert got[2000];
    size_t n;
    temp_begin(&t, 4 * MIB);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    for (uint64_t seq = 1; seq <= 3000; seq++)
        put_alert(t.db, seq, "press-07");
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    ck_assert_int_eq(history_alerts(t.db, NULL, got, 2000, &n), MW_OK);
    ck_assert_uint_eq(n, 1024);
    ck_assert_uint_eq(got[0].seq, 3000);
    ck_assert_uint_eq(got[1023].seq, 3000 - 1023);
    temp_end(&t);
}
END_TEST

MW_SUITE("storage/history", frames_come_back_bit_for_bit_by_range_also_after_a_restart,
         a_block_is_due_by_its_age_or_when_it_is_full,
         a_full_unwritten_block_pushes_out_the_oldest_and_counts,
         frames_of_a_rolled_back_group_wait_on, a_writer_may_go_in_the_middle_of_its_transaction,
         a_change_of_the_channels_does_not_mix_them_up,
         time_never_runs_back_for_a_reader_though_the_clock_did, the_count_is_exact_at_any_instant,
         blocks_older_than_the_retention_go_and_a_reader_goes_on,
         the_size_limit_takes_the_oldest_blocks_first, names_and_numbers_out_of_range_are_refused,
         alerts_are_listed_newest_first_also_by_subject, alert_rows_are_bounded_and_the_oldest_go)
