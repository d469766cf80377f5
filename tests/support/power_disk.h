/* SPDX-License-Identifier: Apache-2.0 */
/* A disk in memory that remembers in which order it was written, so that every moment at which
 * the power may fail can be rebuilt. It stands below SQLite as a VFS, and below storage/ itself by
 * the linker's --wrap: cmake function mw_power_test lists the calls. Paths below POWER_FOLDER are
 * its own, all others go through.
 *
 * The model: a write, truncation or allocation is durable after a sync of its file that came later;
 * creating, deleting and renaming after a sync of the folder. Until then any subset of the former
 * and any first part of the latter may be there (metadata journals keep their order), and the last
 * write may have ended at any multiple of 512 bytes. Bytes beside a write do not change. */
#ifndef MW_TESTS_SUPPORT_POWER_DISK_H
#define MW_TESTS_SUPPORT_POWER_DISK_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POWER_FOLDER       "/power-cut"
#define POWER_NODES_MAX    96 /* files ever created in one recording */
#define POWER_NAMES_MAX    16 /* files that exist at a time */
#define POWER_NAME_MAX     64
#define POWER_PENDING_MAX  16384
#define POWER_SECTOR_BYTES 512

/* A file's content; what lies between n_stored and size is zero. */
struct power_node {
    uint8_t *bytes;
    size_t n_stored, cap;
    int64_t size;
};

struct power_entry {
    char name[POWER_NAME_MAX];
    int node;
};

struct power_files {
    struct power_node nodes[POWER_NODES_MAX];
    struct power_entry entries[POWER_NAMES_MAX];
    int n_nodes, n_entries;
};

enum power_op_kind {
    POWER_WRITE = 1,
    POWER_TRUNCATE, /* to at; also an allocation */
    POWER_SYNC,
    POWER_CREATE,
    POWER_UNLINK,
    POWER_RENAME,
    POWER_SYNC_FOLDER,
    POWER_MARK, /* not of the disk: at carries what the test has been promised so far */
};

struct power_op {
    enum power_op_kind kind;
    int node;
    int64_t at;
    size_t n_bytes;
    uint8_t *bytes;
    char name[POWER_NAME_MAX], to[POWER_NAME_MAX];
};

/* A sync that a lying disk, or a program with a fault, leaves out. */
enum power_lie {
    POWER_HONEST = 0,
    POWER_NO_WAL_SYNC,
    POWER_NO_DATABASE_SYNC,
    POWER_NO_FOLDER_SYNC
};

enum power_fault { POWER_EIO = 0, POWER_ENOSPC };

struct power_disk {
    sqlite3_vfs vfs;
    struct power_files files;
    enum power_lie lie;
    bool recording;
    struct power_op *ops;
    size_t n_ops, cap_ops;
    long n_calls; /* that could fail: open, write, truncate, sync, delete, rename, allocate */
    long n_reads; /* counted apart */
    long read_fail_at;
    long fail_at; /* the number of the one that does, from 1; 0: none */
    bool fail_on; /* and all after it */
    enum power_fault fault;
    /* A disk that others fill: what makes a file longer takes blocks of 4096 bytes, what makes one
     * shorter or deletes it gives them back, or to others where these are greedy. */
    bool limited, greedy;
    int64_t n_free;
};

/* Becomes SQLite's default and the owner of POWER_FOLDER until removed; one at a time. */
void power_disk_install(struct power_disk *disk);
void power_disk_remove(struct power_disk *disk);
void power_disk_free(struct power_disk *disk); /* files and recording */
void power_disk_mark(struct power_disk *disk, int64_t promised);

void power_files_copy(struct power_files *to, const struct power_files *from);
void power_files_free(struct power_files *files);
/* Equal for equal names and contents; 64 bits. */
uint64_t power_files_digest(const struct power_files *files);
/* Applies an operation; the first n_bytes of a write only. */
void power_files_apply(struct power_files *files, const struct power_op *op, size_t n_bytes);
/* Spoils the beginning of each 4096 bytes of a file. */
void power_files_spoil(struct power_files *files, const char *name);
/* The file's number or -1. */
int power_files_find(const struct power_files *files, const char *name);

/* Goes along a recording. files: what is durable for certain before operation number next;
 * pending: what may be there besides, oldest first. */
struct power_walk {
    const struct power_disk *disk;
    struct power_files files;
    size_t next;
    int64_t promised;
    size_t pending[POWER_PENDING_MAX];
    size_t n_pending;
};

void power_walk_init(struct power_walk *walk, const struct power_disk *disk,
                     const struct power_files *from);
/* One operation further; false at the end. *ret_changed: whether the disk was concerned. */
bool power_walk_step(struct power_walk *walk, bool *ret_changed);
void power_walk_finish(struct power_walk *walk);
/* What the disk holds where of the pending ones those with kept[i] came through; the last write of
 * them, where torn, its first n_torn bytes only. */
void power_walk_build(const struct power_walk *walk, const bool *kept, size_t n_torn,
                      struct power_files *ret_files);

#endif
