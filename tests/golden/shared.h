/* SPDX-License-Identifier: Apache-2.0 */
/* Reference data that is too big for the repository: found through the environment variable
 * MW_SHARED. Where it is not there, MW_SHARED_SUITE skips (exit status 77) and says so. */
#ifndef MW_TESTS_GOLDEN_SHARED_H
#define MW_TESTS_GOLDEN_SHARED_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Opens $MW_SHARED/name; NULL where either is missing. */
static inline FILE *shared_open(const char *name)
{
    char path[4096];
    const char *root = getenv("MW_SHARED");
    if (!root)
        return NULL;
    snprintf(path, sizeof path, "%s/%s", root, name);
    return fopen(path, "rb");
}

/* A whole file on the heap; the caller frees it. */
static inline uint8_t *shared_load(const char *name, size_t *ret_n_bytes)
{
    FILE *file = shared_open(name);
    ck_assert_msg(file != NULL, "%s is missing", name);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    long n = ftell(file);
    ck_assert_int_gt(n, 0);
    rewind(file);
    uint8_t *bytes = malloc((size_t)n);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)n, file), (size_t)n);
    fclose(file);
    *ret_n_bytes = (size_t)n;
    return bytes;
}

/* As MW_SUITE, where needs is the file that tells whether the data is there. */
#define MW_SHARED_SUITE(name, needs, ...)                           \
    int main(void)                                                  \
    {                                                               \
        const TTest *const tests[] = { __VA_ARGS__ };               \
        FILE *there = shared_open(needs);                           \
        if (!there) {                                               \
            puts("skipped: $MW_SHARED/" needs " is not there");     \
            return 77;                                              \
        }                                                           \
        fclose(there);                                              \
        Suite *suite = suite_create(name);                          \
        TCase *tcase = tcase_create(name);                          \
        for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) \
            tcase_add_test(tcase, tests[i]);                        \
        suite_add_tcase(suite, tcase);                              \
        SRunner *runner = srunner_create(suite);                    \
        srunner_run_all(runner, CK_NORMAL);                         \
        int n_failed = srunner_ntests_failed(runner);               \
        srunner_free(runner);                                       \
        return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;              \
    }

#endif
