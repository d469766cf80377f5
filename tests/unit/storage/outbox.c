/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/outbox.h"
#include "base/event.h"
#include "base/result.h"
#include "storage/history.h"
#include "support/suite.h"
#include "unit/storage/temp_store.h"

#include <sqlite3.h>

#define SMALL_LIMIT (64 * 1024)

static int push_sized(struct db *db, uint8_t severity, uint16_t n_bytes)
{
    struct outbox_message m = { .seq = outbox_next_seq(db), .at_us = AT_US, .severity = severity };
    m.n_bytes = n_bytes;
    for (int i = 0; i < n_bytes; i++)
        m.bytes[i] = (uint8_t)(m.seq + (uint64_t)i);
    return outbox_push(db, &m);
}

static void push_many(struct db *db, int n, uint8_t severity, uint16_t n_bytes)
{
    ck_assert_int_eq(db_begin(db), MW_OK);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(push_sized(db, severity, n_bytes), MW_OK);
    ck_assert_int_eq(db_commit(db), MW_OK);
}

static void acknowledge(struct db *db, uint64_t from, uint64_t to)
{
    ck_assert_int_eq(db_begin(db), MW_OK);
    for (uint64_t seq = from; seq <= to; seq++)
        ck_assert_int_eq(outbox_acknowledged(db, seq), MW_OK);
    ck_assert_int_eq(db_commit(db), MW_OK);
}

static struct outbox_message got[32];

static size_t peek(struct db *db, uint64_t after, size_t cap)
{
    size_t n = 99;
    ck_assert_int_eq(outbox_peek(db, after, got, cap, &n), MW_OK);
    return n;
}

START_TEST(messages_wait_in_order_until_acknowledged_also_over_a_restart)
{
    struct temp_store t;
    temp_begin(&t, 0);
    push_many(t.db, 20, 2, 300);
    temp_reopen(&t);
    ck_assert_uint_eq(peek(t.db, 0, 16), 16);
    for (uint64_t i = 0; i < 16; i++) {
        ck_assert_uint_eq(got[i].seq, i + 1);
        ck_assert_uint_eq(got[i].n_bytes, 300);
        ck_assert_uint_eq(got[i].bytes[7], i + 8);
        ck_assert_uint_eq(got[i].severity, 2);
        ck_assert_int_eq(got[i].at_us, AT_US);
    }
    ck_assert_uint_eq(peek(t.db, 16, 16), 4);
    ck_assert_uint_eq(got[0].seq, 17);
    acknowledge(t.db, 3, 5);
    acknowledge(t.db, 3, 5); /* late, twice, unknown: no error */
    acknowledge(t.db, 1000, 1001);
    ck_assert_uint_eq(peek(t.db, 0, 3), 3);
    ck_assert_uint_eq(got[2].seq, 6);
    ck_assert_uint_eq(db_stats(t.db).outbox_waiting, 17);
    temp_reopen(&t);
    ck_assert_uint_eq(db_stats(t.db).outbox_waiting, 17);
    ck_assert_uint_eq(db_stats(t.db).outbox_bytes, 17 * (300 + 64));
    ck_assert_uint_eq(peek(t.db, UINT64_MAX, 3), 0);
    temp_end(&t);
}
END_TEST

static void push_for(struct db *db, const char *subject, int n)
{
    ck_assert_int_eq(db_begin(db), MW_OK);
    for (int i = 0; i < n; i++) {
        struct outbox_message m = { .seq = outbox_next_seq(db), .at_us = AT_US, .severity = 2 };
        snprintf(m.subject, sizeof m.subject, "%s", subject);
        m.n_bytes = 100;
        ck_assert_int_eq(outbox_push(db, &m), MW_OK);
    }
    ck_assert_int_eq(db_commit(db), MW_OK);
}

static void expect_next(struct db *db, const struct outbox_ask *ask, size_t cap, const char *order)
{
    char text[256] = "";
    size_t n = 99;
    ck_assert_int_eq(outbox_next(db, ask, got, cap, &n), MW_OK);
    for (size_t i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d%s", i > 0 ? " " : "",
                 (int)got[i].seq, got[i].live ? "!" : "");
    ck_assert_str_eq(text, order);
}

START_TEST(news_overtakes_other_subjects_backlog_and_takes_its_own_along)
{
    struct temp_store t;
    temp_begin(&t, 0);
    push_for(t.db, "a", 2); /* 1 2 */
    push_for(t.db, "b", 2); /* 3 4 */
    push_for(t.db, "a", 1); /* 5 */
    push_for(t.db, "c", 3); /* 6 7 8 */
    struct outbox_ask ask = { .live_above = 8 };
    expect_next(t.db, &ask, 16, "1 2 3 4 5 6 7 8");
    push_for(t.db, "b", 1); /* 9 */
    push_for(t.db, "d", 2); /* 10 11 */
    expect_next(t.db, &ask, 16, "3! 10! 4! 11! 9! 1 2 5 6 7 8");
    expect_next(t.db, &ask, 4, "3! 10! 1 2"); /* half of the places */
    ask.flying[ask.n_flying++] = 3;
    ask.flying[ask.n_flying++] = 10;
    ask.flying[ask.n_flying++] = 1;
    expect_next(t.db, &ask, 16, "4! 11! 9! 2 5 6 7 8");
    acknowledge(t.db, 9, 9);
    expect_next(t.db, &ask, 16, "11! 2 4 5 6 7 8"); /* b has no news any more */
    ask.live_above = UINT64_MAX;
    expect_next(t.db, &ask, 16, "2 4 5 6 7 8 11");
    temp_end(&t);
}
END_TEST

START_TEST(whatever_waits_each_subject_keeps_its_order)
{
    struct temp_store t;
    uint64_t seed = 3;
    temp_begin(&t, 0);
    for (int round = 0; round < 60; round++) {
        struct outbox_ask ask = { .live_above = temp_draw(&seed) % outbox_next_seq(t.db) };
        uint64_t last[6] = { 0 };
        bool backlog = false;
        size_t n;
        for (uint64_t k = temp_draw(&seed) % 20; k > 0; k--) {
            char subject[2] = { (char)('a' + temp_draw(&seed) % 6), 0 };
            push_for(t.db, subject, 1);
        }
        ck_assert_int_eq(outbox_next(t.db, &ask, got, 32, &n), MW_OK);
        for (size_t i = 0; i < n; i++) {
            uint64_t *before = &last[got[i].subject[0] - 'a'];
            ck_assert_uint_gt(got[i].seq, *before);
            *before = got[i].seq;
            ck_assert(got[i].live ? !backlog : true); /* live ones come first */
            backlog = !got[i].live;
        }
        for (uint64_t k = temp_draw(&seed) % 20; k > 0; k--) {
            uint64_t seq = temp_draw(&seed) % outbox_next_seq(t.db) + 1;
            acknowledge(t.db, seq, seq);
        }
    }
    temp_end(&t);
}
END_TEST

START_TEST(nothing_overtakes_while_a_message_of_an_unknown_subject_waits)
{
    struct temp_store t;
    temp_begin(&t, 0);
    push_for(t.db, "a", 2);
    db_close(t.db);
    sqlite3 *raw; /* as the migration leaves what an older program stored */
    ck_assert_int_eq(sqlite3_open(t.config.path, &raw), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(raw, "UPDATE outbox SET subject = NULL WHERE seq = 1", 0, 0, 0),
                     SQLITE_OK);
    sqlite3_close(raw);
    temp_open(&t);
    push_for(t.db, "b", 1);
    struct outbox_ask ask = { .live_above = 2 };
    expect_next(t.db, &ask, 16, "1 2 3");
    acknowledge(t.db, 1, 1);
    expect_next(t.db, &ask, 16, "3! 2");
    temp_end(&t);
}
END_TEST

START_TEST(an_outbox_of_before_there_were_subjects_is_taken_over)
{
    struct temp_store t;
    temp_begin(&t, 0);
    push_for(t.db, "a", 3);
    db_close(t.db);
    sqlite3 *raw;
    ck_assert_int_eq(sqlite3_open(t.config.path, &raw), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(raw,
                     "DROP INDEX outbox_subject; ALTER TABLE outbox DROP COLUMN subject;"
                     "PRAGMA user_version = 3;",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(raw);
    temp_open(&t);
    ck_assert_int_eq(t.report.migrated_from, 3);
    ck_assert_int_ge(t.report.migrated_to, 4);
    struct outbox_ask ask = { .live_above = 3 };
    expect_next(t.db, &ask, 16, "1 2 3");
    ck_assert_str_eq(got[0].subject, "");
    push_for(t.db, "a", 1);
    expect_next(t.db, &ask, 16, "1 2 3 4");
    acknowledge(t.db, 1, 3);
    expect_next(t.db, &ask, 16, "4!");
    temp_end(&t);
}
END_TEST

START_TEST(a_number_is_never_given_twice_though_all_was_acknowledged)
{
    struct temp_store t;
    temp_begin(&t, 0);
    ck_assert_uint_eq(outbox_next_seq(t.db), 1);
    for (uint64_t round = 0; round < 5; round++) {
        push_many(t.db, 3, 1, 10);
        acknowledge(t.db, 1, round * 3 + 3);
        ck_assert_uint_eq(db_stats(t.db).outbox_waiting, 0);
        temp_reopen(&t);
        ck_assert_uint_eq(outbox_next_seq(t.db), round * 3 + 4);
    }
    temp_end(&t);
}
END_TEST

START_TEST(a_number_from_elsewhere_and_impossible_sizes_are_refused)
{
    struct temp_store t;
    temp_begin(&t, 0);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    struct outbox_message m = { .seq = 2, .n_bytes = 1 };
    ck_assert_int_eq(outbox_push(t.db, &m), MW_ERR_INVALID);
    m.seq = 1;
    m.n_bytes = 0;
    ck_assert_int_eq(outbox_push(t.db, &m), MW_ERR_INVALID);
    m.n_bytes = OUTBOX_MESSAGE_MAX + 1;
    ck_assert_int_eq(outbox_push(t.db, &m), MW_ERR_INVALID);
    m.n_bytes = OUTBOX_MESSAGE_MAX;
    ck_assert_int_eq(outbox_push(t.db, &m), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    temp_end(&t);
}
END_TEST

START_TEST(overflow_takes_the_lowest_severity_and_of_that_the_oldest)
{
    struct temp_store t;
    temp_make(&t, 4 * MIB);
    t.config.outbox_bytes = SMALL_LIMIT;
    temp_open(&t);
    push_many(t.db, 30, 3, 936); /* 1000 each with its row: 64 fit, beside four gap records */
    push_many(t.db, 20, 1, 936);
    push_many(t.db, 14, 2, 936);
    ck_assert_uint_eq(db_stats(t.db).outbox_dropped, 0);
    push_many(t.db, 25, 2, 936); /* takes the 20 of severity 1, then 5 of its own */
    struct db_stats s = db_stats(t.db);
    ck_assert_uint_eq(s.outbox_dropped, 25);
    ck_assert_uint_eq(s.outbox_waiting, 64 + 1); /* and the gap record */
    ck_assert_uint_le(s.outbox_bytes, SMALL_LIMIT);
    ck_assert_uint_eq(peek(t.db, 30, 1), 1);
    ck_assert_uint_eq(got[0].seq, 56); /* 31 to 50 and 51 to 55 are gone */
    push_many(t.db, 4, 1, 936);        /* lower than all that wait: these go themselves, counted */
    ck_assert_uint_eq(db_stats(t.db).outbox_dropped, 29);
    ck_assert_uint_eq(db_stats(t.db).outbox_waiting, 64 + 1);
    ck_assert_uint_eq(outbox_next_seq(t.db), 95);
    temp_reopen(&t);
    ck_assert_uint_eq(db_stats(t.db).outbox_dropped, 29); /* for ever */
    temp_end(&t);
}
END_TEST

START_TEST(any_mixture_adds_up_pushed_is_acknowledged_dropped_dead_or_waiting)
{
    struct temp_store t;
    uint64_t seed = 5, n_acknowledged = 0, n_dead = 0;
    temp_make(&t, 4 * MIB);
    t.config.outbox_bytes = SMALL_LIMIT;
    temp_open(&t);
    for (int round = 0; round < 300; round++) {
        ck_assert_int_eq(db_begin(t.db), MW_OK);
        for (uint64_t k = temp_draw(&seed) % 12; k > 0; k--)
            ck_assert_int_eq(push_sized(t.db, (uint8_t)(temp_draw(&seed) % 3 + 1),
                                        (uint16_t)(temp_draw(&seed) % 2048 + 1)),
                             MW_OK);
        size_t n = peek(t.db, temp_draw(&seed) % outbox_next_seq(t.db), 5);
        for (size_t i = 0; i < n; i++) {
            bool dead = temp_draw(&seed) % 8 == 0;
            ck_assert_int_eq(dead ? outbox_dead_letter(t.db, got[i].seq, 0x87)
                                  : outbox_acknowledged(t.db, got[i].seq),
                             MW_OK);
            *(dead ? &n_dead : &n_acknowledged) += 1;
        }
        if (temp_draw(&seed) % 4 == 0) {
            db_rollback(t.db);
            struct db_stats s = db_stats(t.db);
            n_dead = s.dead_letters;
            n_acknowledged = outbox_next_seq(t.db) - 1 - s.outbox_dropped - s.dead_letters -
                             s.outbox_waiting - s.gaps_merged;
        } else {
            ck_assert_int_eq(db_commit(t.db), MW_OK);
        }
        struct db_stats s = db_stats(t.db);
        ck_assert_uint_eq(outbox_next_seq(t.db) - 1, n_acknowledged + n_dead + s.outbox_dropped +
                                                         s.outbox_waiting + s.gaps_merged);
        ck_assert_uint_eq(n_dead, s.dead_letters);
        ck_assert_uint_le(s.outbox_bytes, SMALL_LIMIT);
    }
    struct db_stats before = db_stats(t.db);
    ck_assert_uint_gt(before.outbox_dropped, 0);
    ck_assert_uint_gt(before.dead_letters, 0);
    temp_reopen(&t);
    struct db_stats after = db_stats(t.db);
    ck_assert_uint_eq(before.outbox_waiting, after.outbox_waiting);
    ck_assert_uint_eq(before.outbox_bytes, after.outbox_bytes);
    ck_assert_uint_eq(before.outbox_dropped, after.outbox_dropped);
    ck_assert_uint_eq(before.dead_letters, after.dead_letters);
    temp_end(&t);
}
END_TEST

/* The gap records that wait, oldest first; shows nothing of them to the link. */
static size_t read_gaps(struct temp_store *t, struct mw_event *ret_events, size_t cap)
{
    sqlite3 *raw;
    sqlite3_stmt *stmt;
    size_t n = 0;
    db_close(t->db);
    ck_assert_int_eq(sqlite3_open(t->config.path, &raw), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_prepare_v2(raw, "SELECT bytes FROM outbox WHERE severity = 255 ORDER BY seq", -1,
                           &stmt, NULL),
        SQLITE_OK);
    for (; n < cap && sqlite3_step(stmt) == SQLITE_ROW; n++)
        ck_assert_int_eq(mw_event_decode(&ret_events[n], sqlite3_column_blob(stmt, 0),
                                         (size_t)sqlite3_column_bytes(stmt, 0)),
                         MW_OK);
    sqlite3_finalize(stmt);
    sqlite3_close(raw);
    temp_open(t);
    return n;
}

START_TEST(a_gap_record_tells_how_many_which_when_and_why)
{
    struct temp_store t;
    struct mw_event e[8];
    temp_make(&t, 4 * MIB);
    t.config.outbox_bytes = SMALL_LIMIT;
    temp_open(&t);
    push_many(t.db, 10, 1, 936);
    push_many(t.db, 54, 2, 936);
    push_many(t.db, 12, 3, 936); /* 1 to 10 and 11, 12 go; the record is number 66 */
    ck_assert_uint_eq(read_gaps(&t, e, 8), 1);
    ck_assert_int_eq(e[0].kind, MW_EVENT_OUTBOX_GAP);
    ck_assert_uint_eq(e[0].seq, 66);
    ck_assert_uint_eq(e[0].gap.n, 12);
    ck_assert_uint_eq(e[0].gap.n_ever, 12);
    ck_assert_uint_eq(e[0].gap.n_of_severity[1], 10);
    ck_assert_uint_eq(e[0].gap.n_of_severity[2], 2);
    ck_assert_uint_eq(e[0].gap.first_seq, 1);
    ck_assert_uint_eq(e[0].gap.last_seq, 12);
    ck_assert_int_eq(e[0].gap.from_us, AT_US);
    ck_assert_int_eq(e[0].gap.to_us, AT_US);
    ck_assert_int_eq(e[0].gap.reasons, MW_GAP_OUTBOX_LIMIT);
    temp_end(&t);
}
END_TEST

START_TEST(a_gap_record_takes_more_in_until_it_is_shown_and_few_ever_wait)
{
    struct temp_store t;
    struct mw_event e[8];
    temp_make(&t, 4 * MIB);
    t.config.outbox_bytes = SMALL_LIMIT;
    temp_open(&t);
    push_many(t.db, 64, 2, 936);
    push_many(t.db, 3, 2, 936);
    push_many(t.db, 2, 2, 936); /* the same record */
    ck_assert_uint_eq(db_stats(t.db).outbox_waiting, 64 + 1);
    struct outbox_ask ask = { .live_above = UINT64_MAX };
    static struct outbox_message all[80];
    size_t n;
    ck_assert_int_eq(outbox_next(t.db, &ask, all, 80, &n), MW_OK);
    ck_assert_uint_eq(n, 65);
    push_many(t.db, 1, 2, 936); /* it was shown: another one */
    ck_assert_uint_eq(read_gaps(&t, e, 8), 2);
    ck_assert_uint_eq(e[0].gap.n, 5);
    ck_assert_uint_eq(e[1].gap.n, 1);
    ck_assert_uint_eq(e[1].gap.n_ever, 6);
    for (int i = 0; i < 10; i++) { /* a new start closes it as well */
        push_many(t.db, 1, 2, 936);
        temp_reopen(&t);
    }
    ck_assert_uint_eq(read_gaps(&t, e, 8), 4);
    ck_assert_uint_eq(e[0].gap.n + e[1].gap.n + e[2].gap.n + e[3].gap.n, 16);
    ck_assert_uint_eq(e[3].gap.n_ever, 16);
    ck_assert_uint_le(db_stats(t.db).outbox_bytes, SMALL_LIMIT);
    acknowledge(t.db, 1, outbox_next_seq(t.db));
    ck_assert_uint_eq(db_stats(t.db).outbox_bytes, 0);
    ck_assert_uint_eq(db_stats(t.db).outbox_dropped, 16); /* what was acknowledged never counts */
    temp_end(&t);
}
END_TEST

START_TEST(a_gap_that_was_rolled_back_was_none)
{
    struct temp_store t;
    struct mw_event e[8];
    temp_make(&t, 4 * MIB);
    t.config.outbox_bytes = SMALL_LIMIT;
    temp_open(&t);
    push_many(t.db, 64, 2, 936);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(push_sized(t.db, 2, 936), MW_OK);
    db_rollback(t.db);
    ck_assert_uint_eq(db_stats(t.db).outbox_waiting, 64);
    ck_assert_uint_eq(db_stats(t.db).outbox_dropped, 0);
    push_many(t.db, 1, 2, 936);
    ck_assert_uint_eq(read_gaps(&t, e, 8), 1);
    ck_assert_uint_eq(e[0].gap.n, 1);
    temp_end(&t);
}
END_TEST

START_TEST(dead_letters_leave_the_outbox_are_counted_and_bounded)
{
    struct temp_store t;
    temp_begin(&t, 4 * MIB);
    for (int round = 0; round < 10; round++) {
        uint64_t first = outbox_next_seq(t.db);
        push_many(t.db, 100, 2, 1000);
        ck_assert_int_eq(db_begin(t.db), MW_OK);
        for (uint64_t i = 0; i < 100; i++)
            ck_assert_int_eq(outbox_dead_letter(t.db, first + i, 0x99), MW_OK);
        ck_assert_int_eq(outbox_dead_letter(t.db, first, 0x99), MW_OK); /* unknown by now */
        ck_assert_int_eq(db_commit(t.db), MW_OK);
    }
    ck_assert_uint_eq(db_stats(t.db).outbox_waiting, 0);
    ck_assert_uint_eq(db_stats(t.db).dead_letters, 1000);
    ck_assert_int_lt(db_stats(t.db).file_bytes, MIB);
    temp_reopen(&t);
    ck_assert_uint_eq(db_stats(t.db).dead_letters, 1000);
    ck_assert_uint_eq(outbox_next_seq(t.db), 1001);
    temp_end(&t);
}
END_TEST

/* Everything at its fullest: history, models, states, alert rows and messages. */
static void fill(struct temp_store *t)
{
    static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    static uint8_t state[20000];
    struct history_writer *w;
    uint64_t seed = 9;
    ck_assert_int_eq(history_writer_create(&w, 1, names, 8, 512, 60000000), MW_OK);
    for (int i = 0; i < 100000; i++) {
        struct mw_frame f = {
            AT_US + (int64_t)i * 1000000, (int64_t)i * 1000000, i, 255, 255, { 0 }
        };
        for (int c = 0; c < 8; c++)
            f.values[c] = (float)(temp_draw(&seed) % 65536);
        if (!history_add(w, &f, 1))
            continue;
        ck_assert_int_eq(db_begin(t->db), MW_OK);
        ck_assert_int_eq(history_write(w, t->db), MW_OK);
        ck_assert_int_eq(db_commit(t->db), MW_OK);
    }
    history_writer_destroy(w);
    ck_assert_int_eq(db_begin(t->db), MW_OK);
    for (int i = 0; i < 400; i++) { /* until it is full: then the answer is said, not hidden */
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        int result = state_put(t->db, "detector", name, state, sizeof state);
        ck_assert(result == MW_OK || result == MW_ERR_NO_SPACE);
    }
    ck_assert_int_eq(db_commit(t->db), MW_OK);
}

START_TEST(a_full_database_still_takes_acknowledgements_and_new_messages)
{
    struct temp_store t;
    temp_begin(&t, 4 * MIB);
    push_many(t.db, 400, 2, 1000);
    fill(&t);
    struct db_stats full = db_stats(t.db);
    ck_assert_int_le(full.file_bytes, 4 * MIB);
    ck_assert_int_ge(full.file_bytes, 3 * MIB);

    acknowledge(t.db, 1, 100);
    ck_assert_uint_eq(outbox_next_seq(t.db) - 1,
                      100 + db_stats(t.db).outbox_waiting + db_stats(t.db).outbox_dropped);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    for (int i = 0; i < 2000; i++) {
        struct mw_alert a = { .seq = outbox_next_seq(t.db), .event = MW_ALERT_RAISED };
        int result = history_alert(t.db, &a, 0);
        ck_assert(result == MW_OK || result == MW_ERR_NO_SPACE);
        ck_assert_int_eq(push_sized(t.db, 2, 1500), MW_OK);
    }
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    struct db_stats s = db_stats(t.db);
    ck_assert_uint_eq(outbox_next_seq(t.db) - 1, 2401); /* one gap record */
    ck_assert_uint_eq(100 + s.outbox_waiting + s.outbox_dropped, 2401);
    ck_assert_uint_gt(s.outbox_dropped, 0);
    ck_assert_uint_gt(s.outbox_waiting, 20);
    acknowledge(t.db, 1, 2401);
    ck_assert_uint_eq(db_stats(t.db).outbox_waiting, 0);
    ck_assert_int_le(db_stats(t.db).file_bytes, 4 * MIB);
    temp_reopen(&t);
    ck_assert_uint_eq(db_stats(t.db).outbox_dropped, s.outbox_dropped);
    temp_end(&t);
}
END_TEST

MW_SUITE("storage/outbox", messages_wait_in_order_until_acknowledged_also_over_a_restart,
         news_overtakes_other_subjects_backlog_and_takes_its_own_along,
         whatever_waits_each_subject_keeps_its_order,
         nothing_overtakes_while_a_message_of_an_unknown_subject_waits,
         an_outbox_of_before_there_were_subjects_is_taken_over,
         a_number_is_never_given_twice_though_all_was_acknowledged,
         a_number_from_elsewhere_and_impossible_sizes_are_refused,
         overflow_takes_the_lowest_severity_and_of_that_the_oldest,
         any_mixture_adds_up_pushed_is_acknowledged_dropped_dead_or_waiting,
         a_gap_record_tells_how_many_which_when_and_why,
         a_gap_record_takes_more_in_until_it_is_shown_and_few_ever_wait,
         a_gap_that_was_rolled_back_was_none, dead_letters_leave_the_outbox_are_counted_and_bounded,
         a_full_database_still_takes_acknowledgements_and_new_messages)
