/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/certificate.h"
#include "base/result.h"
#include "support/suite.h"

#include <stdio.h>
#include <unistd.h>

#define DAY_US INT64_C(86400000000)
#define END_US (20000 * DAY_US)

START_TEST(thresholds_are_thirty_seven_and_one_day_and_the_end)
{
    static const struct {
        int64_t left_us;
        int days;
    } cases[] = { { 31 * DAY_US, CERTIFICATE_FAR },
                  { 30 * DAY_US + 1, CERTIFICATE_FAR },
                  { 30 * DAY_US, 30 },
                  { 7 * DAY_US + 1, 30 },
                  { 7 * DAY_US, 7 },
                  { DAY_US + 1, 7 },
                  { DAY_US, 1 },
                  { 1, 1 },
                  { 0, 0 },
                  { -400 * DAY_US, 0 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_int_eq(certificate_days(END_US, END_US - cases[i].left_us), cases[i].days);
}
END_TEST

static int look(const char *text, int64_t *ret_us)
{
    char name[] = "/tmp/mw-certificate-XXXXXX";
    int fd = mkstemp(name);
    ck_assert_int_ge(fd, 0);
    FILE *file = fdopen(fd, "w");
    fputs(text, file);
    fclose(file);
    int result = certificate_not_after(name, ret_us);
    unlink(name);
    return result;
}

START_TEST(what_is_no_certificate_has_no_end)
{
    int64_t us = 42;
    ck_assert_int_eq(certificate_not_after("/nonexistent/ca.pem", &us), MW_ERR_IO);
    ck_assert_int_eq(look("", &us), MW_ERR_FORMAT);
    ck_assert_int_eq(look("hello\n", &us), MW_ERR_FORMAT);
    ck_assert_int_eq(look("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &us),
                     MW_ERR_FORMAT);
    ck_assert_int_eq(us, 42);
}
END_TEST

/* What fits and what does not is tried with real ones in tests/system/doctor.py. */
START_TEST(what_is_no_key_fits_nothing)
{
    char name[] = "/tmp/mw-certificate-XXXXXX";
    int fd = mkstemp(name);
    ck_assert_int_eq(write(fd, "hello\n", 6), 6);
    close(fd);
    ck_assert_int_eq(certificate_fits_key(name, name), MW_ERR_FORMAT);
    ck_assert_int_eq(certificate_fits_key(name, "/nonexistent/key.pem"), MW_ERR_IO);
    ck_assert_int_eq(certificate_fits_key("/nonexistent/cert.pem", name), MW_ERR_IO);
    unlink(name);
}
END_TEST

MW_SUITE("uplink/certificate", what_is_no_key_fits_nothing,
         thresholds_are_thirty_seven_and_one_day_and_the_end, what_is_no_certificate_has_no_end)
