/* SPDX-License-Identifier: Apache-2.0 */
/* The database: SQLite in WAL mode behind exactly one connection in one thread (3.40 has a
 * corruption race with two). Everything here is called from the store thread only.
 *
 * A group of changes is one transaction: db_begin, changes, db_commit. After MW_OK from db_commit
 * the group survives a power cut, if the storage honours flush. */
#ifndef MW_STORAGE_DB_H
#define MW_STORAGE_DB_H

#include "base/complaint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_config {
    char path[256];        /* default /var/lib/millwright/millwright.db */
    int64_t max_bytes;     /* of the database file; default 256 MiB, 4 MiB .. 64 GiB */
    int64_t outbox_bytes;  /* of waiting alerts; default a quarter of max_bytes, at most 64 MiB */
    bool no_history;       /* none is written; what there is ages all the same */
    int64_t history_us;    /* oldest history kept; default 90 days; the size limit comes first */
    int64_t block_us;      /* one history block per machine at least this often; default 60 s */
    bool history_in_ram;   /* it is kept in a database of memory alone and gone at the end */
    int64_t ram_bytes;     /* of that one; default 16 MiB, 4 MiB .. 4 GiB */
    int64_t day_bytes;     /* to be written in a day: blocks of history give way; default 400 MiB,
                              32 MiB and more, -1: no limit */
    int64_t checkpoint_us; /* a detector's state is stored this often beside the alarms; default 6
                              h, 1 min .. 24 h */
    uint32_t windows;      /* of training, kept for each machine; see reservoir_bound */
    bool in_memory;        /* no file at all: path, outbox and reserve are not used */
};

int store_settle(struct store_config *store, const struct mw_complaints *to);

/* Committed numbers that the database knows nothing of any more: its log was cut or damaged, or it
 * was removed or replaced by an older copy. They are not given again. */
struct db_rewound {
    uint64_t first_seq, last_seq;  /* 0: nothing is missing; first 1: all of it */
    uint64_t n_bytes, n_wal_bytes; /* the files as they were found */
};

/* What opening found. */
struct db_report {
    int32_t migrated_from, migrated_to; /* schema versions; equal: nothing to do; 0: none yet */
    char quarantined[300];              /* where a corrupt database was moved to, or empty */
    struct db_rewound rewound; /* found again until a message is pushed, unless it is all */
};

struct db_stats {
    uint64_t n_commits, n_errors, n_history_frames, n_history_blocks, n_pruned_blocks;
    uint64_t outbox_waiting, outbox_dropped, outbox_bytes; /* dropped: overflow, since ever */
    uint64_t dead_letters;                                 /* since ever */
    uint64_t gaps_merged; /* gap records taken into others, in this run */
    int64_t file_bytes;
    uint64_t n_rollups, n_days, n_windows;  /* rows stored */
    uint64_t n_pruned_rollups;              /* for want of room, not of age */
    uint64_t n_bytes_written;               /* to the database and its WAL, checkpoints included */
    uint64_t n_syncs_wal, n_syncs_database; /* commits; checkpoints */
};

struct db;

/* Opens or creates, migrates, checks integrity. A corrupt file is moved aside to
 * PATH.corrupt-<UTC seconds> and a new one begun. MW_ERR_IO, MW_ERR_NO_SPACE. MW_ERR_UNSUPPORTED: a
 * newer program or another one wrote it; file and WAL stay as they are, byte by byte, and the
 * report alone is filled in: migrated_from is the file's schema (0: another program's),
 * migrated_to the newest that is known here. at_us: UTC. */
int db_open(struct db **ret_db, const struct store_config *config, int64_t at_us,
            struct db_report *ret_report);
void db_close(struct db *db);

int db_begin(struct db *db);
int db_commit(struct db *db); /* on failure everything since db_begin is rolled back */
void db_rollback(struct db *db);

/* The machine's number in the database; created at first use. */
int db_machine(struct db *db, const char *name, uint32_t *ret_machine);

#define STATE_BYTES_MAX (256 * 1024)

/* Small named values with a life longer than the process (detector states, alarm states,
 * counters): kind and name are keys. state_get: MW_ERR_NOT_FOUND, MW_ERR_NO_SPACE where cap is
 * too small. state_put: MW_ERR_TOO_BIG above STATE_BYTES_MAX. */
int state_put(struct db *db, const char *kind, const char *name, const void *bytes, size_t n);
int state_get(struct db *db, const char *kind, const char *name, void *ret_bytes, size_t cap,
              size_t *ret_n);

/* Removes what retention and the size limit say must go; call now and then, inside a
 * transaction. at_us: UTC now, 0 where it is not confirmed. Blocks whose own times are not
 * confirmed have no age: only the size limit takes them. */
int db_prune(struct db *db, int64_t at_us);

struct db_stats db_stats(const struct db *db);

/* The newest quarantined database beside this one: its name without the folder, its time in UTC
 * seconds and both sizes. MW_ERR_NOT_FOUND, MW_ERR_IO. */
struct db_quarantined {
    char file[256];
    int64_t at_s;
    uint64_t n_bytes, n_wal_bytes;
};
int db_quarantined(const struct db *db, struct db_quarantined *ret_newest);

/* The last SQLite error in words, for the journal. */
const char *db_error(const struct db *db);

#endif
