/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/timebase.h"
#include "base/result.h"
#include "storage/history.h"
#include "storage/outbox.h"
#include "support/suite.h"
#include "temp_store.h"

#define S           INT64_C(1000000)
#define BOOT_1970   INT64_C(60000000) /* UTC of the monotonic zero, as such a board has it */
#define BOOT_TRUE   INT64_C(1767225600000000)
#define CHANNELS    ((const char *const[]){ "a" })
#define N_PER_BLOCK 10

static const uint8_t first_boot[TIMEBASE_BOOT_BYTES] = { 1 };
static const uint8_t second_boot[TIMEBASE_BOOT_BYTES] = { 2 };

static void begin_boot(struct temp_store *t, const uint8_t *boot)
{
    ck_assert_int_eq(timebase_begin(t->db, boot), MW_OK);
}

static void set_clock(struct temp_store *t, int64_t offset_us, bool synced)
{
    ck_assert_int_eq(db_begin(t->db), MW_OK);
    ck_assert_int_eq(timebase_set(t->db, offset_us, synced), MW_OK);
    ck_assert_int_eq(db_commit(t->db), MW_OK);
}

static uint32_t correct_all(struct temp_store *t, uint32_t step)
{
    uint32_t n = 0, total = 0;
    do {
        ck_assert_int_eq(db_begin(t->db), MW_OK);
        ck_assert_int_eq(timebase_correct(t->db, step, &n), MW_OK);
        ck_assert_int_eq(db_commit(t->db), MW_OK);
        ck_assert_uint_le(n, step);
        total += n;
    } while (n > 0);
    return total;
}

static void push(struct temp_store *t, int64_t mono_us, int64_t offset_us)
{
    struct outbox_message m = { .seq = outbox_next_seq(t->db),
                                .at_us = mono_us + offset_us,
                                .offset_us = offset_us,
                                .severity = 1,
                                .n_bytes = 1 };
    ck_assert_int_eq(db_begin(t->db), MW_OK);
    ck_assert_int_eq(outbox_push(t->db, &m), MW_OK);
    ck_assert_int_eq(db_commit(t->db), MW_OK);
}

static struct outbox_message peek(struct temp_store *t, uint64_t after)
{
    struct outbox_message m;
    size_t n = 0;
    ck_assert_int_eq(outbox_peek(t->db, after, &m, 1, &n), MW_OK);
    ck_assert_uint_eq(n, 1);
    return m;
}

/* So many blocks of frames, one per second of monotonic time. */
static void put_history(struct temp_store *t, uint32_t n_blocks, int64_t mono_us, int64_t offset_us)
{
    struct history_writer *writer = NULL;
    uint32_t machine = 0;
    ck_assert_int_eq(db_begin(t->db), MW_OK);
    ck_assert_int_eq(db_machine(t->db, "pump", &machine), MW_OK);
    ck_assert_int_eq(history_writer_create(&writer, machine, CHANNELS, 1, 512, S), MW_OK);
    for (uint32_t b = 0; b < n_blocks; b++) {
        for (int i = 0; i < N_PER_BLOCK; i++, mono_us += S) {
            struct mw_frame frame = { .at_us = mono_us + offset_us,
                                      .mono_us = mono_us,
                                      .slot = mono_us / S,
                                      .valid = 1,
                                      .fresh = 1 };
            history_add(writer, &frame, -1.0f);
        }
        ck_assert_int_eq(history_write(writer, t->db), MW_OK);
    }
    ck_assert_int_eq(db_commit(t->db), MW_OK);
    history_writer_destroy(writer);
}

/* Frames of [from, to) that are UTC = monotonic time + offset. */
static uint64_t count_history(struct temp_store *t, int64_t from_us, int64_t to_us,
                              int64_t offset_us)
{
    struct history_reader *reader = NULL;
    struct mw_frame frame;
    uint32_t machine = 0;
    uint64_t n = 0;
    ck_assert_int_eq(db_begin(t->db), MW_OK);
    ck_assert_int_eq(db_machine(t->db, "pump", &machine), MW_OK);
    ck_assert_int_eq(db_commit(t->db), MW_OK);
    ck_assert_int_eq(history_reader_open(&reader, t->db, machine, CHANNELS, 1, from_us, to_us),
                     MW_OK);
    while (history_reader_next(reader, &frame, NULL) == MW_OK)
        n += frame.at_us - frame.mono_us == offset_us;
    history_reader_close(reader);
    return n;
}

START_TEST(a_message_of_before_the_clock_was_set_is_moved_when_it_is_read)
{
    struct temp_store t;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    set_clock(&t, BOOT_1970, false);
    push(&t, 5 * S, BOOT_1970);
    struct outbox_message m = peek(&t, 0);
    ck_assert(m.this_boot && !m.synced);
    ck_assert_int_eq(m.shift_us, 0);

    set_clock(&t, BOOT_TRUE, true);
    push(&t, 9 * S, BOOT_TRUE);
    m = peek(&t, 0);
    ck_assert(m.this_boot && m.synced);
    ck_assert_int_eq(m.at_us + m.shift_us, 5 * S + BOOT_TRUE);
    ck_assert_int_eq(m.at_us - m.offset_us, 5 * S);
    m = peek(&t, 1);
    ck_assert(m.synced);
    ck_assert_int_eq(m.shift_us, 0);
    temp_end(&t);
}
END_TEST

START_TEST(it_is_moved_also_after_the_next_boot)
{
    struct temp_store t;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    set_clock(&t, BOOT_1970, false);
    push(&t, 5 * S, BOOT_1970);
    set_clock(&t, BOOT_TRUE, true);
    temp_reopen(&t);
    begin_boot(&t, second_boot);
    set_clock(&t, BOOT_1970, false);
    struct outbox_message m = peek(&t, 0);
    ck_assert(!m.this_boot && m.synced);
    ck_assert_int_eq(m.at_us + m.shift_us, 5 * S + BOOT_TRUE);
    temp_end(&t);
}
END_TEST

START_TEST(a_boot_whose_clock_was_never_set_keeps_its_stamps_and_says_so)
{
    struct temp_store t;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    set_clock(&t, BOOT_1970, false);
    push(&t, 5 * S, BOOT_1970);
    put_history(&t, 2, 0, BOOT_1970);
    temp_reopen(&t);
    begin_boot(&t, second_boot);
    set_clock(&t, BOOT_TRUE, true);
    struct outbox_message m = peek(&t, 0);
    ck_assert(!m.this_boot && !m.synced);
    ck_assert_int_eq(m.shift_us, 0);
    ck_assert_uint_eq(correct_all(&t, 10), 0);
    ck_assert_uint_eq(count_history(&t, 0, INT64_MAX, BOOT_1970), 20);
    temp_end(&t);
}
END_TEST

START_TEST(a_confirmed_stamp_is_never_moved)
{
    struct temp_store t;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    set_clock(&t, BOOT_TRUE, true);
    push(&t, 5 * S, BOOT_TRUE);
    put_history(&t, 1, 0, BOOT_TRUE);
    set_clock(&t, BOOT_TRUE - 7200 * S, true);
    struct outbox_message m = peek(&t, 0);
    ck_assert_int_eq(m.shift_us, 0);
    ck_assert(m.synced);
    ck_assert_uint_eq(correct_all(&t, 10), 0);
    ck_assert_uint_eq(count_history(&t, 0, INT64_MAX, BOOT_TRUE), 10);
    temp_end(&t);
}
END_TEST

START_TEST(history_is_moved_a_few_blocks_at_a_time_and_is_read_where_it_belongs)
{
    struct temp_store t;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    set_clock(&t, BOOT_1970, false);
    put_history(&t, 7, 0, BOOT_1970);
    set_clock(&t, BOOT_TRUE, true);
    put_history(&t, 1, 70 * S, BOOT_TRUE);
    ck_assert_uint_eq(correct_all(&t, 3), 7);
    ck_assert_uint_eq(count_history(&t, BOOT_TRUE, INT64_MAX, BOOT_TRUE), 80);
    ck_assert_uint_eq(count_history(&t, 0, BOOT_TRUE, BOOT_1970), 0);
    ck_assert_uint_eq(count_history(&t, BOOT_TRUE + 5 * S, BOOT_TRUE + 15 * S, BOOT_TRUE), 10);
    uint64_t n = 0;
    ck_assert_int_eq(history_count(t.db, 1, BOOT_TRUE + 65 * S, &n), MW_OK);
    ck_assert_uint_eq(n, 15);
    temp_end(&t);
}
END_TEST

START_TEST(a_clock_set_by_hand_and_confirmed_later_moves_everything_twice)
{
    struct temp_store t;
    int64_t by_hand = BOOT_TRUE + 240 * S;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    set_clock(&t, BOOT_1970, false);
    put_history(&t, 2, 0, BOOT_1970);
    push(&t, 5 * S, BOOT_1970);
    set_clock(&t, by_hand, false);
    put_history(&t, 2, 20 * S, by_hand);
    push(&t, 25 * S, by_hand);
    ck_assert_uint_eq(correct_all(&t, 1), 2);
    ck_assert_uint_eq(count_history(&t, 0, INT64_MAX, by_hand), 40);
    ck_assert(!peek(&t, 0).synced);
    ck_assert_int_eq(peek(&t, 0).at_us + peek(&t, 0).shift_us, 5 * S + by_hand);

    set_clock(&t, BOOT_TRUE, true);
    ck_assert_uint_eq(correct_all(&t, 1), 4);
    ck_assert_uint_eq(count_history(&t, 0, INT64_MAX, BOOT_TRUE), 40);
    ck_assert_int_eq(peek(&t, 0).at_us + peek(&t, 0).shift_us, 5 * S + BOOT_TRUE);
    ck_assert_int_eq(peek(&t, 1).at_us + peek(&t, 1).shift_us, 25 * S + BOOT_TRUE);
    temp_end(&t);
}
END_TEST

START_TEST(a_guess_that_proves_right_needs_no_move)
{
    struct temp_store t;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    set_clock(&t, BOOT_TRUE, false);
    push(&t, 5 * S, BOOT_TRUE);
    put_history(&t, 2, 0, BOOT_TRUE);
    set_clock(&t, BOOT_TRUE, true);
    ck_assert_int_eq(peek(&t, 0).shift_us, 0);
    ck_assert(peek(&t, 0).synced);
    correct_all(&t, 10);
    ck_assert_uint_eq(count_history(&t, 0, INT64_MAX, BOOT_TRUE), 20);
    temp_end(&t);
}
END_TEST

START_TEST(an_alert_read_back_wears_the_better_stamp)
{
    struct temp_store t;
    struct mw_alert got, alert = { .event = MW_ALERT_RAISED,
                                   .class = MW_ALARM_MACHINE,
                                   .severity = MW_SEVERITY_WARNING,
                                   .at_us = 5 * S + BOOT_1970,
                                   .since_us = 4 * S + BOOT_1970,
                                   .subject = "pump" };
    size_t n = 0;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(history_alert(t.db, &alert, BOOT_1970), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    set_clock(&t, BOOT_TRUE, true);
    ck_assert_int_eq(history_alerts(t.db, "pump", &got, 1, &n), MW_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(got.at_us, 5 * S + BOOT_TRUE);
    ck_assert_int_eq(got.since_us, 4 * S + BOOT_TRUE);
    ck_assert(got.clock_synced);
    temp_end(&t);
}
END_TEST

START_TEST(retention_leaves_history_of_1970_until_it_is_moved)
{
    struct temp_store t;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    set_clock(&t, BOOT_1970, false);
    put_history(&t, 7, 0, BOOT_1970);
    set_clock(&t, BOOT_TRUE, true);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(db_prune(t.db, BOOT_TRUE + 100 * S), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    ck_assert_uint_eq(correct_all(&t, 3), 7);
    ck_assert_uint_eq(count_history(&t, 0, INT64_MAX, BOOT_TRUE), 70);
    temp_end(&t);
}
END_TEST

START_TEST(a_confirmed_offset_is_better_than_one_set_by_hand_later)
{
    struct temp_store t;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    set_clock(&t, BOOT_1970, false);
    push(&t, 5 * S, BOOT_1970);
    set_clock(&t, BOOT_TRUE, true);
    set_clock(&t, BOOT_TRUE + 3600 * S, false);
    struct outbox_message m = peek(&t, 0);
    ck_assert(m.synced);
    ck_assert_int_eq(m.at_us + m.shift_us, 5 * S + BOOT_TRUE);
    temp_end(&t);
}
END_TEST

START_TEST(an_episode_of_before_the_boot_keeps_its_beginning)
{
    struct mw_alert alert = { .at_us = 5 * S + BOOT_1970, .since_us = BOOT_TRUE - 3600 * S };
    mw_alert_restamp(&alert, BOOT_1970, BOOT_TRUE - BOOT_1970, true);
    ck_assert_int_eq(alert.at_us, 5 * S + BOOT_TRUE);
    ck_assert_int_eq(alert.since_us, BOOT_TRUE - 3600 * S);
}
END_TEST

START_TEST(offsets_that_no_row_needs_do_not_pile_up)
{
    struct temp_store t;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    push(&t, S, BOOT_1970);
    for (int64_t i = 0; i < 1000; i++)
        set_clock(&t, BOOT_TRUE + i * S, true);
    struct outbox_message m = peek(&t, 0);
    ck_assert_int_eq(m.at_us + m.shift_us, S + BOOT_TRUE + 999 * S);
    int64_t n = 0;
    ck_assert_int_eq(timebase_count(t.db, &n), MW_OK);
    ck_assert_int_le(n, 70);
    temp_end(&t);
}
END_TEST

START_TEST(a_rolled_back_offset_is_found_anew)
{
    struct temp_store t;
    temp_begin(&t, 0);
    begin_boot(&t, first_boot);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(timebase_set(t.db, BOOT_TRUE, true), MW_OK);
    db_rollback(t.db);
    set_clock(&t, BOOT_TRUE, true);
    push(&t, 5 * S, BOOT_TRUE);
    struct outbox_message m = peek(&t, 0);
    ck_assert(m.synced && m.this_boot);
    temp_end(&t);
}
END_TEST

MW_SUITE("storage/timebase", a_rolled_back_offset_is_found_anew,
         retention_leaves_history_of_1970_until_it_is_moved,
         a_confirmed_offset_is_better_than_one_set_by_hand_later,
         an_episode_of_before_the_boot_keeps_its_beginning,
         offsets_that_no_row_needs_do_not_pile_up,
         a_message_of_before_the_clock_was_set_is_moved_when_it_is_read,
         it_is_moved_also_after_the_next_boot,
         a_boot_whose_clock_was_never_set_keeps_its_stamps_and_says_so,
         a_confirmed_stamp_is_never_moved,
         history_is_moved_a_few_blocks_at_a_time_and_is_read_where_it_belongs,
         a_clock_set_by_hand_and_confirmed_later_moves_everything_twice,
         a_guess_that_proves_right_needs_no_move, an_alert_read_back_wears_the_better_stamp)
