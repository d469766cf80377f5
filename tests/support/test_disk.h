/* SPDX-License-Identifier: Apache-2.0 */
/* A disk between SQLite and the files: counts what changes them, and at a chosen change fails,
 * or kills the process in the middle of it. */
#ifndef MW_TESTS_SUPPORT_TEST_DISK_H
#define MW_TESTS_SUPPORT_TEST_DISK_H

#include <sqlite3.h>
#include <stdbool.h>

struct disk {
    sqlite3_vfs vfs;
    long n_changes;
    long fail_at;   /* the number of the change that fails, from 1; 0: none */
    bool fail_on;   /* and all after it */
    int fail_write; /* SQLite's code: SQLITE_FULL or SQLITE_IOERR_WRITE */
    long kill_at;   /* the change in the middle of which the process dies; 0: never */
};

/* Becomes SQLite's default until removed; disk must stay where it is, zeroed but for the choice. */
void disk_install(struct disk *disk);
void disk_remove(struct disk *disk);

#endif
