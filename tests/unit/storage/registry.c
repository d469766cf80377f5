/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/registry.h"
#include "base/result.h"
#include "support/suite.h"
#include "unit/storage/temp_store.h"

#include <sqlite3.h>

/* A model of its own for each number. */
static void add(struct db *db, uint32_t machine, int number, uint8_t *ret_digest)
{
    uint8_t bytes[5000];
    memset(bytes, number, sizeof bytes);
    ck_assert_int_eq(db_begin(db), MW_OK);
    ck_assert_int_eq(
        registry_add(db, machine, bytes, sizeof bytes, 1000, 0.5f, AT_US + number, ret_digest),
        MW_OK);
    ck_assert_int_eq(db_commit(db), MW_OK);
}

static int set(struct db *db, uint32_t machine, const uint8_t *digest, enum registry_state state)
{
    ck_assert_int_eq(db_begin(db), MW_OK);
    int result = registry_set_state(db, machine, digest, state);
    ck_assert_int_eq(db_commit(db), MW_OK);
    return result;
}

static struct registry_entry list[40];

static size_t count(struct db *db, uint32_t machine, uint8_t state)
{
    size_t n, n_state = 0;
    ck_assert_int_eq(registry_list(db, machine, list, 40, &n), MW_OK);
    for (size_t i = 0; i < n; i++)
        n_state += list[i].state == state;
    return n_state;
}

START_TEST(a_model_goes_from_candidate_to_active_and_comes_back_whole)
{
    struct temp_store t;
    uint8_t digest[MW_SHA256_BYTES], expected[MW_SHA256_BYTES], *bytes;
    size_t n;
    temp_begin(&t, 0);
    ck_assert_int_eq(registry_active(t.db, 1, &bytes, &n), MW_ERR_NOT_FOUND);
    add(t.db, 1, 7, digest);
    ck_assert_int_eq(registry_active(t.db, 1, &bytes, &n), MW_ERR_NOT_FOUND);
    ck_assert_int_eq(set(t.db, 1, digest, MODEL_SHADOW), MW_OK);
    ck_assert_int_eq(set(t.db, 1, digest, MODEL_ACTIVE), MW_OK);
    temp_reopen(&t);
    ck_assert_int_eq(registry_active(t.db, 1, &bytes, &n), MW_OK);
    ck_assert_uint_eq(n, 5000);
    mw_sha256(bytes, n, expected);
    ck_assert_mem_eq(digest, expected, sizeof digest);
    free(bytes);
    ck_assert_uint_eq(count(t.db, 1, MODEL_ACTIVE), 1);
    ck_assert_uint_eq(list[0].n_rows, 1000);
    ck_assert_uint_eq(list[0].n_bytes, 5000);
    ck_assert_float_eq(list[0].r2, 0.5f);
    ck_assert_int_eq(list[0].added_us, AT_US + 7);
    temp_end(&t);
}
END_TEST

START_TEST(adding_the_same_again_changes_nothing_and_machines_do_not_meet)
{
    struct temp_store t;
    uint8_t digest[MW_SHA256_BYTES], again[MW_SHA256_BYTES];
    temp_begin(&t, 0);
    add(t.db, 1, 7, digest);
    ck_assert_int_eq(set(t.db, 1, digest, MODEL_ACTIVE), MW_OK);
    add(t.db, 1, 7, again);
    ck_assert_mem_eq(digest, again, sizeof digest);
    ck_assert_uint_eq(count(t.db, 1, MODEL_ACTIVE), 1);
    ck_assert_uint_eq(count(t.db, 1, MODEL_CANDIDATE), 0);
    ck_assert_int_eq(set(t.db, 2, digest, MODEL_ACTIVE), MW_ERR_NOT_FOUND);
    add(t.db, 2, 7, again);
    ck_assert_uint_eq(count(t.db, 2, MODEL_CANDIDATE), 1);
    temp_end(&t);
}
END_TEST

START_TEST(making_one_active_retires_the_other_and_five_retired_are_kept)
{
    struct temp_store t;
    uint8_t digests[9][MW_SHA256_BYTES];
    temp_begin(&t, 0);
    for (int i = 0; i < 9; i++) {
        add(t.db, 1, i + 1, digests[i]);
        ck_assert_int_eq(set(t.db, 1, digests[i], MODEL_ACTIVE), MW_OK);
    }
    ck_assert_uint_eq(count(t.db, 1, MODEL_RETIRED), 5);
    ck_assert_uint_eq(count(t.db, 1, MODEL_ACTIVE), 1);
    ck_assert_int_eq(set(t.db, 1, digests[2], MODEL_ACTIVE), MW_ERR_NOT_FOUND);
    ck_assert_int_eq(set(t.db, 1, digests[3], MODEL_ACTIVE), MW_OK); /* back to an older one */
    ck_assert_uint_eq(count(t.db, 1, MODEL_RETIRED), 5);
    ck_assert_mem_eq(list[0].digest, digests[3], MW_SHA256_BYTES);
    ck_assert_int_eq(set(t.db, 1, digests[8], (enum registry_state)9), MW_ERR_INVALID);
    temp_end(&t);
}
END_TEST

START_TEST(candidates_are_bounded_and_a_sixth_shadow_is_refused)
{
    struct temp_store t;
    uint8_t digests[9][MW_SHA256_BYTES];
    temp_begin(&t, 0);
    for (int i = 0; i < 9; i++)
        add(t.db, 1, i + 1, digests[i]);
    ck_assert_uint_eq(count(t.db, 1, MODEL_CANDIDATE), 5);
    for (int i = 4; i < 9; i++)
        ck_assert_int_eq(set(t.db, 1, digests[i], MODEL_SHADOW), MW_OK);
    add(t.db, 1, 20, digests[0]);
    ck_assert_int_eq(set(t.db, 1, digests[0], MODEL_SHADOW), MW_ERR_TOO_BIG);
    ck_assert_uint_eq(count(t.db, 1, MODEL_SHADOW), 5);
    temp_end(&t);
}
END_TEST

START_TEST(a_model_that_no_longer_is_what_its_digest_says_is_corrupt)
{
    struct temp_store t;
    uint8_t digest[MW_SHA256_BYTES], *bytes;
    size_t n;
    sqlite3 *s;
    temp_begin(&t, 0);
    add(t.db, 1, 7, digest);
    ck_assert_int_eq(set(t.db, 1, digest, MODEL_ACTIVE), MW_OK);
    db_close(t.db);
    ck_assert_int_eq(sqlite3_open(t.config.path, &s), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(s, "UPDATE model SET bytes = x'0102'", NULL, NULL, NULL), 0);
    sqlite3_close(s);
    temp_open(&t);
    ck_assert_int_eq(registry_active(t.db, 1, &bytes, &n), MW_ERR_CORRUPT);
    temp_end(&t);
}
END_TEST

START_TEST(a_model_that_does_not_fit_is_refused_whole)
{
    struct temp_store t;
    static uint8_t bytes[REGISTRY_MODEL_MAX + 1];
    uint8_t digest[MW_SHA256_BYTES];
    temp_begin(&t, 4 * MIB);
    ck_assert_int_eq(db_begin(t.db), MW_OK);
    ck_assert_int_eq(registry_add(t.db, 1, bytes, sizeof bytes, 1, 0, AT_US, digest),
                     MW_ERR_TOO_BIG);
    ck_assert_int_eq(registry_add(t.db, 1, bytes, 0, 1, 0, AT_US, digest), MW_ERR_INVALID);
    ck_assert_int_eq(registry_add(t.db, 1, bytes, REGISTRY_MODEL_MAX, 1, 0, AT_US, digest),
                     MW_ERR_NO_SPACE);
    ck_assert_int_eq(registry_add(t.db, 1, bytes, MIB, 1, 0, AT_US, digest), MW_OK);
    ck_assert_int_eq(db_commit(t.db), MW_OK);
    ck_assert_uint_eq(count(t.db, 1, MODEL_CANDIDATE), 1);
    temp_end(&t);
}
END_TEST

MW_SUITE("storage/registry", a_model_goes_from_candidate_to_active_and_comes_back_whole,
         adding_the_same_again_changes_nothing_and_machines_do_not_meet,
         making_one_active_retires_the_other_and_five_retired_are_kept,
         candidates_are_bounded_and_a_sixth_shadow_is_refused,
         a_model_that_no_longer_is_what_its_digest_says_is_corrupt,
         a_model_that_does_not_fit_is_refused_whole)
