/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "fieldbus/tty_latency.h"
#include "base/result.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/mw_tty_XXXXXX";

static const char *at(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(the_latency_is_that_of_the_tty_behind_the_stable_name)
{
    static const char *const folders[] = { "class", "class/tty", "class/tty/ttyUSB7",
                                           "class/tty/ttyUSB7/device" };
    const char *file = "class/tty/ttyUSB7/device/latency_timer";
    char path[TTY_LATENCY_PATH_BYTES] = "", by_id[256], tty[256];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(mkdir(at(folders[i]), 0700), 0);
    write_text("ttyUSB7", "");
    strcpy(tty, at("ttyUSB7"));
    strcpy(by_id, at("by-id"));
    ck_assert_int_eq(symlink(tty, by_id), 0);

    ck_assert_int_eq(tty_latency_ms(by_id, folder, path), MW_ERR_NOT_FOUND);
    write_text(file, "16\n");
    ck_assert_int_eq(tty_latency_ms(by_id, folder, path), 16);
    ck_assert_str_eq(path, at(file));
    static const char *const wrong[] = { "", "x\n", "0\n", "-1\n", "256\n", "16 ms\n" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        write_text(file, wrong[i]);
        ck_assert_int_eq(tty_latency_ms(by_id, folder, path), MW_ERR_FORMAT);
    }
    ck_assert_int_eq(tty_latency_ms(at("none"), folder, path), MW_ERR_NOT_FOUND);

    unlink(by_id);
    unlink(tty);
    unlink(at(file));
    for (size_t i = 4; i-- > 0;)
        rmdir(at(folders[i]));
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

MW_SUITE("fieldbus/tty_latency", the_latency_is_that_of_the_tty_behind_the_stable_name)
