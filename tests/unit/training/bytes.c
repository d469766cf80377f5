/* SPDX-License-Identifier: Apache-2.0 */
/* Same seed, same bytes: the committed digest holds for every compiler, optimisation and
 * processor. Where it changes on purpose, CHANGELOG.md says so: every model does. */
#include "base/sha256.h"
#include "support/suite.h"
#include "training/train.h"
#include "unit/training/table.h"

#include <string.h>

static void digest_of(const struct train_options *options, char ret[65])
{
    struct csv table = table_make(300);
    struct train_report report;
    struct train_fault why;
    uint8_t *tflite = NULL, digest[MW_SHA256_BYTES];
    size_t n = 0;
    ck_assert_msg(train_run(options, &table, NULL, &tflite, &n, &report, &why) == 0, "%s",
                  why.text);
    mw_sha256(tflite, n, digest);
    ck_assert_mem_eq(digest, report.digest, sizeof digest);
    for (int i = 0; i < MW_SHA256_BYTES; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    free(tflite);
    csv_destroy(&table);
}

static const char *const CONTEXT[] = { "temperature" };

START_TEST(a_network_has_the_committed_bytes)
{
    const struct train_options options = { .context = CONTEXT, .n_context = 1, .seed = 1 };
    char digest[65];
    digest_of(&options, digest);
    ck_assert_str_eq(digest, "631774237fe1f7ce13591caedc5184d1a460eb549fcbe70383a63c72e8c53661");
}
END_TEST

START_TEST(levels_alone_have_the_committed_bytes)
{
    const struct train_options options = { .no_network = true, .seed = 1 };
    char digest[65];
    digest_of(&options, digest);
    ck_assert_str_eq(digest, "4b18d188ab2af6e6dabb86351021ed4cb3478024231ebd59a16a55f684f01b56");
}
END_TEST

START_TEST(another_seed_has_other_bytes)
{
    struct train_options options = { .seed = 1 };
    char one[65], two[65];
    digest_of(&options, one);
    options.seed = 2;
    digest_of(&options, two);
    ck_assert_str_ne(one, two);
}
END_TEST

MW_SUITE("training/bytes", a_network_has_the_committed_bytes, levels_alone_have_the_committed_bytes,
         another_seed_has_other_bytes)
