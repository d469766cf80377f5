/* SPDX-License-Identifier: Apache-2.0 */
/* A look at a database that is nobody's business to change: which version wrote it, who has it
 * open, whether it is whole. Takes no lock, writes nothing, makes no file beside it. */
#ifndef MW_STORAGE_EXAMINE_H
#define MW_STORAGE_EXAMINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db_examined {
    int32_t version, newest;       /* of its schema; what this program knows */
    uint64_t n_bytes, n_wal_bytes; /* a WAL is left by an unclean stop, or in use */
    bool held;                     /* another program has it open */
    long holder;                   /* that program's process, or 0 where that is not known */
    bool checked;                  /* whole was asked for and came to an end */
    char trouble[160];             /* SQLite's first complaint, or empty */
    int64_t quarantined_s;         /* UTC: when the newest corrupt one was put aside, or 0 */
};

/* False: stop asking. */
typedef bool db_patience_fn(void *ctx);

/* whole: SQLite's quick_check too, its WAL included, only where nobody has the database open; for
 * as long as patience says. MW_OK; MW_ERR_NOT_FOUND; MW_ERR_INVALID (no regular
 * file); MW_ERR_IO (it cannot be read);
 * MW_ERR_FORMAT (no database of SQLite); MW_ERR_UNSUPPORTED (not ours, or a newer program wrote
 * it); MW_ERR_CORRUPT, and trouble says why; MW_ERR_STATE: it was opened by another meanwhile;
 * MW_ERR_NO_MEMORY. *ret_found is filled as far as it was found in any case. */
int db_examine(const char *path, bool whole, db_patience_fn *patience, void *ctx,
               struct db_examined *ret_found);

/* SQLite's version, as linked. */
const char *db_library_version(void);

#endif
