/* SPDX-License-Identifier: Apache-2.0 */
/* What storage/'s own files share, and the only place that sees SQLite. */
#ifndef MW_STORAGE_DB_INTERNAL_H
#define MW_STORAGE_DB_INTERNAL_H

#include "base/result.h"
#include "storage/db.h"
#include "storage/history_block.h"
#include "storage/reservoir.h"
#include "storage/rollup_pack.h"
#include "storage/timebase.h"

#include <sqlite3.h>
#include <stdbool.h>

#define DB_PAGE_BYTES    4096
#define OUTBOX_ROW_BYTES 64                      /* what a waiting message costs beside its bytes */
#define GAPS_MAX         4                       /* gap records that wait */
#define GAP_BYTES        (86 + OUTBOX_ROW_BYTES) /* of the outbox, for each */

/* Stored as the severity of gap records, so that the index of victims finds them and overflow does
 * not. */
#define OUTBOX_GAP_SEVERITY 255

/* Pages that others leave free for those who matter more. Deleting needs almost none, so that
 * acknowledgements work when nothing else does. */
#define ROOM_FOR_OUTBOX   48u
#define ROOM_FOR_STATE    64u
#define ROOM_FOR_REGISTRY 128u
#define ROOM_FOR_ALERTS   160u

/* One prepared statement each; its text stands where it is used. */
enum statement {
    ST_PAGE_COUNT,
    ST_FREE_COUNT,
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_COUNTER_PUT,
    ST_DROP_OLDEST_BLOCKS,
    ST_DROP_EXPIRED_BLOCKS,
    ST_DROP_OLDEST_ALERTS,
    ST_MACHINE_GET,
    ST_MACHINE_PUT,
    ST_STATE_GET,
    ST_STATE_PUT,
    ST_BLOCK_PUT,
    ST_BLOCK_NEXT,
    ST_BLOCK_COUNT,
    ST_BLOCK_AFTER,
    ST_BLOCK_EARLIEST,
    ST_SET_FIND,
    ST_SET_PUT,
    ST_SET_NAMES,
    ST_ROLLUP_GET,
    ST_ROLLUP_PUT,
    ST_ROLLUP_DELETE,
    ST_ROLLUP_RANGE,
    ST_ROLLUP_RANGE_CONFIRMED,
    ST_ROLLUP_DELETE_CONFIRMED,
    ST_ROLLUP_SPAN,
    ST_ROLLUP_AFTER,
    ST_ROLLUP_WRONG,
    ST_DROP_EXPIRED_ROLLUPS,
    ST_DROP_OLDEST_ROLLUPS,
    ST_DAY_PUT,
    ST_DAY_CLEAR,
    ST_DAY_RANGE,
    ST_DAY_AFTER,
    ST_DROP_EXPIRED_DAYS,
    ST_DROP_OLDEST_DAYS,
    ST_MACHINE_AFTER,
    ST_WINDOW_PUT,
    ST_WINDOW_NEXT,
    ST_WINDOW_CLEAR,
    ST_WINDOW_COUNT,
    ST_ALERT_PUT,
    ST_ALERT_TRIM,
    ST_ALERT_LIST,
    ST_ALERT_LIST_SUBJECT,
    ST_OUTBOX_PUT,
    ST_OUTBOX_PEEK,
    ST_OUTBOX_LIVE,
    ST_OUTBOX_SIZE,
    ST_OUTBOX_DELETE,
    ST_OUTBOX_VICTIM,
    ST_GAP_NEWEST,
    ST_GAP_SET,
    ST_DEAD_PUT,
    ST_DEAD_TRIM,
    ST_MODEL_FIND,
    ST_MODEL_PUT,
    ST_MODEL_RETIRE_ACTIVE,
    ST_MODEL_COUNT,
    ST_MODEL_SET,
    ST_MODEL_TRIM,
    ST_MODEL_ACTIVE,
    ST_MODEL_LIST,
    ST_TIMEBASE_TRIM,
    ST_TIMEBASE_FIND,
    ST_TIMEBASE_PUT,
    ST_TIMEBASE_SET,
    ST_TIMEBASE_TRIM_BOOT,
    ST_TIMEBASE_COUNT,
    ST_TIMEBASE_WRONG,
    ST_TIMEBASE_CORRECT,
    STATEMENT_COUNT
};

/* What is counted beside the rows; goes back with them when a transaction is rolled back. */
struct tally {
    uint64_t next_seq, dropped, dead_letters; /* kept in the table counter */
    uint64_t rollup_day;                      /* as these: the first day not summed up yet */
    uint64_t waiting, waiting_bytes;          /* of the outbox, its rows included */
    uint64_t n_gaps;                          /* gap records among them */
    uint64_t open_gap;                        /* seq of the one that nobody was shown yet, or 0 */
    uint64_t merged;                          /* gap records taken into others, in this run */
};

/* A row of the table timebase. */
struct known_timebase {
    int64_t id, offset_us;
    bool synced, known;
};

/* timebase.c, inside a transaction: the row of this boot and offset, unconfirmed where it is new.
 */
int timebase_of(struct db *db, int64_t offset_us, struct known_timebase *ret_known);

struct outbox_message;
struct mw_gap;

/* outbox.c, inside a transaction: puts a message with the next number; takes one out,
 * MW_ERR_NOT_FOUND. */
int outbox_put(struct db *db, const struct outbox_message *message);
int outbox_take_out(struct db *db, uint64_t seq);

/* gap.c: counts a message that is given up; records what was counted, inside the same transaction,
 * with the stamp of the message for whose sake it was; the link is shown this message. */
void gap_count(struct mw_gap *gap, uint64_t seq, uint8_t severity, int64_t at_us, uint8_t reason);
int gap_record(struct db *db, struct mw_gap *gap, int64_t at_us, int64_t offset_us);
void gap_shown(struct db *db, uint64_t seq);

struct history_writer;
struct rollup_writer;

/* meter.c: what the files of one connection were given to write. */
struct db_meter {
    sqlite3_vfs vfs, *real;
    char name[32];
    uint64_t n_bytes, n_syncs_wal, n_syncs_database;
};

/* Stands between the connection that is opened with meter->name and SQLite's default file system;
 * an SQLite code. meter stays where it is until meter_end, after the connection's end. */
int meter_begin(struct db_meter *meter);
void meter_end(struct db_meter *meter);

/* The hours of one machine's day, for each set of channels that it had. */
#define ROLLUP_DAY_SETS 4
struct rollup_day {
    uint32_t n_sets;
    struct {
        int64_t id; /* of channel_set */
        uint32_t n_slots, n_hours;
        struct rollup_entry hours[ROLLUP_MAX_ENTRIES]; /* those with values, in order */
    } sets[ROLLUP_DAY_SETS];
};

struct db {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct store_config config;
    uint32_t max_pages;
    bool in_transaction;
    bool squeezed; /* the disk was full; the reserve is gone until db_prune makes it anew */
    struct tally tally, at_begin;
    uint8_t boot[16];               /* all zeroes: not told */
    struct known_timebase timebase; /* used last */
    struct history_writer *writers; /* those whose frames are in this transaction */
    struct rollup_writer *rollups;  /* those whose spans are */
    int64_t rollup_newest;          /* ten-minute span stored last in this run; 0: none */
    uint32_t summed_machine;        /* of tally.rollup_day, the machines up to this are summed up */
    struct db_meter meter;
    struct db_stats stats; /* the counters of this run only */
    char error[200];
    uint8_t scratch[HISTORY_BLOCK_BYTES_MAX];
    struct rollup_entry entries[ROLLUP_MAX_ENTRIES];
    struct rollup_day day;
};

/* An SQLite code as a result; trouble is counted and its words are kept. */
int db_result(struct db *db, int code);

/* The prepared statement, reset and without bindings. MW_ERR_STATE where SQLite has rolled the
 * open transaction back by itself: nothing may be written as if it were part of it. */
int db_use(struct db *db, enum statement which, const char *sql, sqlite3_stmt **ret_stmt);

/* Runs a bound statement that returns no row. bound: the sum of the bind calls' codes. */
int db_run(struct db *db, sqlite3_stmt *stmt, int bound);

/* Steps once: MW_OK with a row (reset it after reading), MW_ERR_NOT_FOUND without; any other
 * outcome has reset it. */
int db_row(struct db *db, sqlite3_stmt *stmt, int bound);

/* One number from a statement without parameters. */
int db_number(struct db *db, enum statement which, const char *sql, int64_t *ret_number);

/* What is given up for others, each with all before it. */
enum db_give { GIVE_BLOCKS, GIVE_ROLLUPS, GIVE_ALERTS };

/* Makes room for n_bytes more, leaving reserve_pages free: the oldest blocks go, then the oldest
 * rollups, then, where alerts_too, the oldest alert rows. MW_ERR_NO_SPACE where all that is gone.
 */
int db_room(struct db *db, size_t n_bytes, uint32_t reserve_pages, bool alerts_too);
/* The same, giving up no more than that. */
int db_room_by(struct db *db, size_t n_bytes, uint32_t reserve_pages, enum db_give give);

/* The pages that history leaves free for all others: it is the only thing that grows all day. */
uint32_t db_history_leaves(const struct db *db);

/* migrations.c: brings the schema from one version to a newer one, each step a transaction of its
 * own. first_seq: of a database just made. */
int migrations_newest(void);
int migrations_apply(struct db *db, int from, int to, uint64_t first_seq);

/* history.c, rollup.c: the transaction's end, told to each writer in db->writers, db->rollups. */
void history_transaction_over(struct db *db, bool committed);
void rollup_transaction_over(struct db *db, bool committed);

/* rollup.c. Ten-minute rows and days have keys that rise with time: ROLLUP_KEY(span or day,
 * machine) and up to ROLLUP_VARIANTS - 1 more, for other channels or an unconfirmed clock. */
#define ROLLUP_VARIANTS         16
#define ROLLUP_KEY(at, machine) ((int64_t)(at) << 24 | (int64_t)(machine) << 4)
#define ROLLUP_SPANS_OF_DAY     144
#define ROLLUP_SPANS_OF_HOUR    6

/* A row of one span into the table, merged with what is there of the same set and timebase.
 * timebase 0: confirmed. */
int rollup_put(struct db *db, uint32_t machine, int64_t span, int64_t set, int64_t timebase,
               const struct rollup_entry *entry, uint32_t n_slots);
/* Moves at most max_rows rows stamped by a timebase that is now known to have been off by step_us;
 * *ret_n how many. */
int rollup_correct(struct db *db, int64_t timebase, int64_t step_us, uint32_t max_rows,
                   uint32_t *ret_n);
/* The machine's hours of a day into db->day: from the days already summed up, else from the spans
 * of ten minutes. */
int rollup_load_day(struct db *db, uint32_t machine, int64_t day, bool summed);
/* The row the statement stands on, columns channel_set and bytes at 0, into db->entries; the number
 * of entries. MW_ERR_CORRUPT. */
int rollup_take_row(struct db *db, sqlite3_stmt *stmt, uint32_t *ret_n_slots);
/* The first span with a row, not before 'from'; MW_ERR_NOT_FOUND. */
int rollup_first_span(struct db *db, int64_t from, int64_t *ret_span);
/* Retention of both tables; at_us as in db_prune. */
int rollup_prune(struct db *db, int64_t at_us);

/* reservoir.c: what is known of a machine's operating states; kept by its history writer, and in
 * the table state since the last window that was stored. */
struct reservoir {
    bool loaded;
    uint32_t n_channels, names, n_states; /* names: a digest */
    struct operating_state {
        uint64_t n; /* windows seen of it */
        float centre[MW_MAX_CHANNELS];
    } states[RESERVOIR_STATES];
};

/* A block that history_write has packed is offered to the machine's reservoir. */
int reservoir_offer(struct db *db, struct reservoir *reservoir, uint32_t machine,
                    const uint8_t *block, size_t n_bytes);

/* Copies n channel names; MW_ERR_INVALID where n is not 1 to 32 or a name not 1 to 32 characters.
 */
int history_copy_names(char (*ret_names)[MW_NAME_MAX + 1], const char *const *names, uint32_t n);

/* reserve.c: files beside the database. */

/* A file of 1 MiB that is given back to a full disk, so that deletes work again. Made only where
 * the disk has several times as much free; whether it is there now. */
bool reserve_is_there(const char *path);
/* Whether a full disk has what acknowledgements need besides. */
bool reserve_has_room(const char *path);
bool reserve_make(const char *path);
void reserve_release(const char *path);

/* mark.c: the number of the next message, beside the database; read: 0 where none can be read. */
uint64_t mark_read(const char *path);
void mark_write(const char *path, uint64_t next_seq);

/* Moves a corrupt database aside, its WAL with it; the three newest of such are kept. */
int quarantine(const char *path, int64_t at_us, char *ret_where, size_t cap);

/* The UTC seconds in the name of the newest quarantined database, or 0. MW_ERR_IO where the folder
 * cannot be read. */
int quarantine_newest_s(const char *path, int64_t *ret_newest_s);

#endif
