/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "cli/port_list.h"
#include "support/suite.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int drop(const char *path, const struct stat *there, int flag, struct FTW *walk)
{
    (void)there;
    (void)flag;
    (void)walk;
    return remove(path);
}

static void make(const char *dev, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dev, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
}

static void lead(const char *dev, const char *name, const char *to)
{
    char path[256], target[256];
    snprintf(path, sizeof path, "%s/%s", dev, name);
    snprintf(target, sizeof target, "%s/%s", dev, to);
    ck_assert_int_eq(symlink(target, path), 0);
}

START_TEST(a_port_is_listed_once_by_the_name_that_lasts_longest)
{
    char dev[] = "/tmp/port_list.XXXXXX", path[256];
    struct port_list list;
    ck_assert_ptr_nonnull(mkdtemp(dev));
    for (const char *const *folder =
             (const char *const[]){ "serial", "serial/by-id", "rs485", NULL };
         *folder; folder++) {
        snprintf(path, sizeof path, "%s/%s", dev, *folder);
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    for (const char *const *name = (const char *const[]){ "ttyUSB0", "ttyUSB1", "ttyUSB2",
                                                          "ttyAMA0", "ttyS0", "tty1", NULL };
         *name; name++)
        make(dev, *name);
    lead(dev, "serial/by-id/usb-FTDI", "ttyUSB1");
    lead(dev, "serial/by-id/usb-gone", "ttyUSB9");
    lead(dev, "rs485/1-1.2", "ttyUSB1");
    lead(dev, "rs485/1-1.3", "ttyUSB0");
    port_list(dev, &list);
    const char *const WANTED[] = { "serial/by-id/usb-FTDI", "rs485/1-1.3", "ttyAMA0", "ttyUSB2" };
    ck_assert_uint_eq(list.n, sizeof WANTED / sizeof WANTED[0]);
    for (size_t i = 0; i < list.n; i++)
        ck_assert_str_eq(list.names[i] + strlen(dev) + 1, WANTED[i]);
    ck_assert_int_eq(nftw(dev, drop, 8, FTW_DEPTH | FTW_PHYS), 0);
}
END_TEST

START_TEST(a_computer_without_ports_has_none)
{
    struct port_list list;
    port_list("/nonexistent", &list);
    ck_assert_uint_eq(list.n, 0);
}
END_TEST

MW_SUITE("cli/port_list", a_port_is_listed_once_by_the_name_that_lasts_longest,
         a_computer_without_ports_has_none)
