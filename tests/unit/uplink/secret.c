/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/secret.h"
#include "base/result.h"
#include "support/suite.h"
#include "uplink/certificate.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/mw-secret-XXXXXX";

static int read_from(const void *bytes, size_t n, mode_t mode, char secret[16])
{
    char name[sizeof path];
    memcpy(name, path, sizeof path);
    int fd = mkstemp(name);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
    int result = secret_read(secret, 16, name);
    int checked = secret_check(name); /* the same, but for the content */
    ck_assert_int_eq(checked, result == MW_ERR_FORMAT ? MW_OK : result);
    unlink(name);
    return result;
}

START_TEST(a_secret_is_one_line_without_its_end)
{
    char secret[16];
    ck_assert_int_eq(read_from("geheim\n", 7, 0600, secret), MW_OK);
    ck_assert_str_eq(secret, "geheim");
    ck_assert_int_eq(read_from("0123456789abcde", 15, 0400, secret), MW_OK);
    ck_assert_str_eq(secret, "0123456789abcde");
}
END_TEST

START_TEST(a_file_that_others_may_read_is_refused)
{
    char secret[16] = "untouched";
    static const mode_t modes[] = { 0644, 0640, 0604, 0660, 0440 };
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        ck_assert_int_eq(read_from("geheim", 6, modes[i], secret), MW_ERR_REFUSED);
    ck_assert_str_eq(secret, "untouched");
}
END_TEST

START_TEST(what_is_no_password_is_malformed)
{
    char secret[16];
    ck_assert_int_eq(read_from("", 0, 0600, secret), MW_ERR_FORMAT);
    ck_assert_int_eq(read_from("\n", 1, 0600, secret), MW_ERR_FORMAT);
    ck_assert_int_eq(read_from("a\nb\n", 4, 0600, secret), MW_ERR_FORMAT);
    ck_assert_int_eq(read_from("a\0b", 3, 0600, secret), MW_ERR_FORMAT);
    ck_assert_int_eq(read_from("a\r\n", 3, 0600, secret), MW_ERR_FORMAT);
    ck_assert_int_eq(read_from("0123456789abcdef", 16, 0600, secret), MW_ERR_FORMAT);
}
END_TEST

START_TEST(a_missing_file_or_a_folder_is_an_error_of_reading)
{
    char secret[16];
    ck_assert_int_eq(secret_read(secret, sizeof secret, "/nonexistent/secret"), MW_ERR_IO);
    ck_assert_int_eq(secret_read(secret, sizeof secret, "/tmp"), MW_ERR_IO);
}
END_TEST

START_TEST(a_fifo_is_no_secret_and_is_not_waited_for)
{
    char folder[] = "/tmp/mw-fifo-XXXXXX", text[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    char fifo[64];
    snprintf(fifo, sizeof fifo, "%s/password", folder);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    ck_assert_int_eq(secret_read(text, sizeof text, fifo), MW_ERR_IO);
    ck_assert_int_eq(secret_check(fifo), MW_ERR_IO);
    int64_t end_us;
    ck_assert_int_eq(certificate_not_after(fifo, &end_us), MW_ERR_IO);
    ck_assert_int_eq(certificate_fits_key(fifo, fifo), MW_ERR_IO);
    unlink(fifo);
    rmdir(folder);
}
END_TEST

START_TEST(a_wiped_secret_is_zeroes)
{
    char secret[8] = "geheim", zeroes[8] = { 0 };
    secret_wipe(secret, sizeof secret);
    ck_assert_mem_eq(secret, zeroes, sizeof zeroes);
}
END_TEST

MW_SUITE("uplink/secret", a_secret_is_one_line_without_its_end,
         a_file_that_others_may_read_is_refused, what_is_no_password_is_malformed,
         a_missing_file_or_a_folder_is_an_error_of_reading, a_wiped_secret_is_zeroes,
         a_fifo_is_no_secret_and_is_not_waited_for)
