/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/reservoir.h"
#include "base/result.h"
#include "storage/history.h"
#include "support/suite.h"
#include "unit/storage/temp_store.h"

static const char *const NAMES[] = { "vib", "load" };
#define FRAMES 60

static void begin(struct temp_store *t, uint32_t windows)
{
    temp_make(t, 0);
    t->config.windows = windows;
    temp_open(t);
}

static struct history_writer *writer_for(uint32_t machine)
{
    struct history_writer *w = NULL;
    ck_assert_int_eq(history_writer_create(&w, machine, NAMES, 2, HISTORY_BLOCK_FRAMES, 60000000),
                     MW_OK);
    return w;
}

/* One block, at minute number i. */
static void put_block(struct temp_store *t, struct history_writer *w, int i, float load,
                      uint32_t valid, float score, uint64_t *seed)
{
    for (int k = 0; k < FRAMES; k++) {
        int64_t mono_us = ((int64_t)i * 60 + k) * 1000000;
        float noise = (float)(temp_draw(seed) % 1000) * 0.001f;
        struct mw_frame f = { AT_US + mono_us, mono_us, i * 60 + k,
                              valid,           valid,   { 2.0f + noise, load + 0.1f * noise } };
        history_add(w, &f, score);
    }
    ck_assert_int_eq(db_begin(t->db), MW_OK);
    ck_assert_int_eq(history_write(w, t->db), MW_OK);
    ck_assert_int_eq(db_commit(t->db), MW_OK);
}

static uint32_t frames_of(struct temp_store *t, uint32_t machine, int64_t from_us, int64_t to_us)
{
    struct history_reader *r = NULL;
    struct mw_frame f;
    uint32_t n = 0;
    int64_t last_us = INT64_MIN;
    ck_assert_int_eq(history_windows_open(&r, t->db, machine, NAMES, 2, from_us, to_us), MW_OK);
    while (history_reader_next(r, &f, NULL) == MW_OK) {
        ck_assert_int_ge(f.at_us, last_us);
        last_us = f.at_us;
        n++;
    }
    history_reader_close(r);
    return n;
}

START_TEST(a_steady_machine_has_one_state_and_its_windows_come_from_all_its_life)
{
    struct temp_store t;
    uint64_t seed = 4;
    uint32_t n_windows, n_states;
    begin(&t, 32);
    struct history_writer *w = writer_for(1);
    for (int i = 0; i < 800; i++)
        put_block(&t, w, i, 50.0f, 3, 0.2f, &seed);
    ck_assert_int_eq(reservoir_count(t.db, 1, &n_windows, &n_states), MW_OK);
    ck_assert_uint_eq(n_windows, 8);
    ck_assert_uint_eq(n_states, 1);
    ck_assert_uint_eq(frames_of(&t, 1, 0, INT64_MAX), 8 * FRAMES);
    ck_assert_uint_gt(frames_of(&t, 1, 0, AT_US + 400 * INT64_C(60000000)), 0);
    ck_assert_uint_gt(frames_of(&t, 1, AT_US + 400 * INT64_C(60000000), INT64_MAX), 0);
    ck_assert_uint_lt(db_stats(t.db).n_windows, 80); /* 8 (1 + ln 100) = 45 are to be expected */
    history_writer_destroy(w);
    temp_end(&t);
}
END_TEST

/* Over many machines every age has the same share, within four standard deviations. */
START_TEST(every_window_of_a_life_has_the_same_chance)
{
    struct temp_store t;
    uint64_t seed = 8;
    uint32_t n_late = 0;
    begin(&t, 16);
    for (uint32_t m = 1; m <= 60; m++) {
        struct history_writer *w = writer_for(m);
        for (int i = 0; i < 64; i++)
            put_block(&t, w, i, 50.0f, 3, 0.2f, &seed);
        history_writer_destroy(w);
        n_late += frames_of(&t, m, AT_US + 32 * INT64_C(60000000), INT64_MAX) / FRAMES;
    }
    ck_assert_uint_ge(n_late, 120 - 31); /* 240 windows, half of them expected; sigma 7.7 */
    ck_assert_uint_le(n_late, 120 + 31);
    temp_end(&t);
}
END_TEST

START_TEST(each_operating_state_has_windows_though_one_is_rare)
{
    struct temp_store t;
    uint64_t seed = 6;
    uint32_t n_windows, n_states;
    begin(&t, 16);
    struct history_writer *w = writer_for(1);
    for (int i = 0; i < 500; i++)
        put_block(&t, w, i, i % 100 == 50 ? 90.0f : i % 2 ? 20.0f : 50.0f, 3, -1.0f, &seed);
    ck_assert_int_eq(reservoir_count(t.db, 1, &n_windows, &n_states), MW_OK);
    ck_assert_uint_eq(n_states, 3);
    ck_assert_uint_eq(n_windows, 12);
    history_writer_destroy(w);
    temp_reopen(&t);
    w = writer_for(1); /* the states are known again after a restart */
    for (int i = 500; i < 600; i++)
        put_block(&t, w, i, i % 2 ? 20.0f : 50.0f, 3, -1.0f, &seed);
    ck_assert_int_eq(reservoir_count(t.db, 1, &n_windows, &n_states), MW_OK);
    ck_assert_uint_eq(n_states, 3);
    for (int i = 600; i < 700; i++) /* more loads than states: bounded all the same */
        put_block(&t, w, i, (float)(i * 37 % 1000), 3, -1.0f, &seed);
    ck_assert_int_eq(reservoir_count(t.db, 1, &n_windows, &n_states), MW_OK);
    ck_assert_uint_eq(n_states, RESERVOIR_STATES);
    ck_assert_uint_eq(n_windows, 16);
    history_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(what_is_not_fit_to_learn_from_is_not_kept)
{
    struct temp_store t;
    uint64_t seed = 2;
    begin(&t, 16);
    struct history_writer *w = writer_for(1);
    put_block(&t, w, 0, 50.0f, 1, 0.2f, &seed);  /* a channel is missing */
    put_block(&t, w, 1, 50.0f, 3, 1.01f, &seed); /* the model speaks */
    ck_assert_uint_eq(frames_of(&t, 1, 0, INT64_MAX), 0);
    struct mw_frame f = { AT_US, 1, 1, 3, 3, { 1, 1 } };
    history_add(w, &f, 0); /* too short */
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(history_write(w, t.db), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    ck_assert_uint_eq(frames_of(&t, 1, 0, INT64_MAX), 0);
    history_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(another_machine_behind_the_name_begins_anew)
{
    static const char *const later[] = { "vib", "speed" };
    struct temp_store t;
    uint64_t seed = 2;
    uint32_t n_windows, n_states;
    begin(&t, 16);
    struct history_writer *w = writer_for(1);
    for (int i = 0; i < 10; i++)
        put_block(&t, w, i, 50.0f, 3, -1, &seed);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(reservoir_clear(t.db, 1), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    history_forget_reservoir(w);
    ck_assert_int_eq(reservoir_count(t.db, 1, &n_windows, &n_states), MW_OK);
    ck_assert_uint_eq(n_windows + n_states, 0);
    for (int i = 0; i < 10; i++)
        put_block(&t, w, i, 50.0f, 3, -1, &seed);
    history_writer_destroy(w);
    ck_assert_int_eq(history_writer_create(&w, 1, later, 2, HISTORY_BLOCK_FRAMES, 60000000), MW_OK);
    put_block(&t, w, 20, 50.0f, 3, -1, &seed);
    ck_assert_int_eq(reservoir_count(t.db, 1, &n_windows, &n_states), MW_OK);
    ck_assert_uint_eq(n_windows, 1);
    history_writer_destroy(w);
    temp_end(&t);
}
END_TEST

START_TEST(the_bound_follows_the_room_and_the_number_of_machines)
{
    struct store_config c = { .max_bytes = INT64_C(4096) * MIB };
    ck_assert_uint_eq(reservoir_bound(&c, 500), 64);
    c.max_bytes = 256 * MIB;
    ck_assert_uint_eq(reservoir_bound(&c, 500), 16);
    ck_assert_uint_eq(reservoir_bound(&c, 5), 64);
    c.max_bytes = 4 * MIB;
    ck_assert_uint_eq(reservoir_bound(&c, 1000), 0);
}
END_TEST

MW_SUITE("storage/reservoir", a_steady_machine_has_one_state_and_its_windows_come_from_all_its_life,
         every_window_of_a_life_has_the_same_chance,
         each_operating_state_has_windows_though_one_is_rare,
         what_is_not_fit_to_learn_from_is_not_kept, another_machine_behind_the_name_begins_anew,
         the_bound_follows_the_room_and_the_number_of_machines)
