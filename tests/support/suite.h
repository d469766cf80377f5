/* SPDX-License-Identifier: Apache-2.0 */
/* One Check suite per file: MW_SUITE("fieldbus/plan", test_a, test_b) is its main(). */
#ifndef MW_TESTS_SUPPORT_SUITE_H
#define MW_TESTS_SUPPORT_SUITE_H

#include <check.h>
#include <stdlib.h>

#define MW_SUITE(name, ...)                                         \
    int main(void)                                                  \
    {                                                               \
        const TTest *const tests[] = { __VA_ARGS__ };               \
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
