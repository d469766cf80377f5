/* SPDX-License-Identifier: Apache-2.0 */
/* The schema, as numbered steps: a step that was released is never changed, another is added.
 * docs/SPEC-database.md says what the columns mean. */
#include "storage/db_internal.h"

#include <inttypes.h>
#include <stdio.h>

/* application_id: "MWDB" in ASCII. */
static const char *const steps[] = {
    "PRAGMA application_id = 0x4d574442;"
    "CREATE TABLE counter ("
    " name TEXT PRIMARY KEY,"
    " value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO counter VALUES ('next_seq', 1), ('outbox_dropped', 0), ('dead_letters', 0);"

    "CREATE TABLE machine ("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE) STRICT;"

    "CREATE TABLE state ("
    " kind TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " bytes BLOB NOT NULL,"
    " PRIMARY KEY (kind, name)) STRICT;"

    "CREATE TABLE block ("
    " id INTEGER PRIMARY KEY,"
    " machine INTEGER NOT NULL,"
    " first_us INTEGER NOT NULL,"
    " last_us INTEGER NOT NULL,"
    " n_frames INTEGER NOT NULL,"
    " bytes BLOB NOT NULL) STRICT;"
    "CREATE INDEX block_range ON block (machine, first_us, last_us, n_frames);"
    "CREATE INDEX block_age ON block (last_us);"

    "CREATE TABLE alert ("
    " id INTEGER PRIMARY KEY,"
    " subject TEXT NOT NULL,"
    " bytes BLOB NOT NULL) STRICT;"
    "CREATE INDEX alert_subject ON alert (subject);"

    "CREATE TABLE outbox ("
    " seq INTEGER PRIMARY KEY,"
    " at_us INTEGER NOT NULL,"
    " severity INTEGER NOT NULL,"
    " bytes BLOB NOT NULL) STRICT;"
    "CREATE INDEX outbox_victim ON outbox (severity, seq);"

    "CREATE TABLE dead_letter ("
    " seq INTEGER PRIMARY KEY,"
    " at_us INTEGER NOT NULL,"
    " severity INTEGER NOT NULL,"
    " reason INTEGER NOT NULL,"
    " bytes BLOB NOT NULL) STRICT;"

    "CREATE TABLE model ("
    " id INTEGER PRIMARY KEY,"
    " machine INTEGER NOT NULL,"
    " digest BLOB NOT NULL,"
    " state INTEGER NOT NULL,"
    " turn INTEGER NOT NULL,"
    " added_us INTEGER NOT NULL,"
    " n_bytes INTEGER NOT NULL,"
    " n_rows INTEGER NOT NULL,"
    " r2 REAL NOT NULL,"
    " bytes BLOB NOT NULL,"
    " UNIQUE (machine, digest)) STRICT;"
    "CREATE UNIQUE INDEX model_active ON model (machine) WHERE state = 3;",

    "CREATE TABLE timebase ("
    " id INTEGER PRIMARY KEY,"
    " boot BLOB NOT NULL,"
    " offset_us INTEGER NOT NULL,"
    " synced INTEGER NOT NULL,"
    " turn INTEGER NOT NULL,"
    " UNIQUE (boot, offset_us)) STRICT;"
    "CREATE INDEX timebase_best ON timebase (boot, synced, turn);"
    "ALTER TABLE block ADD COLUMN timebase INTEGER;"
    "ALTER TABLE block ADD COLUMN shift_us INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX block_unconfirmed ON block (timebase) WHERE timebase IS NOT NULL;"
    "ALTER TABLE outbox ADD COLUMN timebase INTEGER;"
    "ALTER TABLE alert ADD COLUMN timebase INTEGER;",

    /* Keys that rise with time, so that what is written together lies together: an index by machine
     * first would cost a page for each block. 600000000 is HISTORY_LOOKUP_US. */
    "DROP INDEX block_range;"
    "CREATE INDEX block_window ON block (first_us / 600000000, machine, first_us, last_us,"
    " n_frames);"
    "CREATE TABLE channel_set ("
    " id INTEGER PRIMARY KEY,"
    " names BLOB NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE rollup ("
    " id INTEGER PRIMARY KEY,"
    " channel_set INTEGER NOT NULL,"
    " timebase INTEGER,"
    " bytes BLOB NOT NULL) STRICT;"
    "CREATE INDEX rollup_unconfirmed ON rollup (timebase) WHERE timebase IS NOT NULL;"
    "CREATE TABLE rollup_day ("
    " id INTEGER PRIMARY KEY,"
    " channel_set INTEGER NOT NULL,"
    " bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE training_window ("
    " id INTEGER PRIMARY KEY,"
    " first_us INTEGER NOT NULL,"
    " last_us INTEGER NOT NULL,"
    " n_frames INTEGER NOT NULL,"
    " bytes BLOB NOT NULL) STRICT;"
    "INSERT INTO counter VALUES ('rollup_day', 0);",

    ("ALTER TABLE outbox ADD COLUMN subject TEXT;"
     "CREATE INDEX outbox_subject ON outbox (subject, seq);"),
};

int migrations_newest(void)
{
    return (int)(sizeof steps / sizeof steps[0]);
}

static int execute(struct db *db, const char *sql)
{
    return db_result(db, sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL));
}

/* One step and its number in one transaction. */
static int take_step(struct db *db, int version, uint64_t first_seq)
{
    char end[160];
    int n = 0;
    if (version == 1)
        n = snprintf(end, sizeof end,
                     "UPDATE counter SET value = %" PRIu64 " WHERE name = 'next_seq';", first_seq);
    snprintf(end + n, sizeof end - (size_t)n, "PRAGMA user_version = %d; COMMIT;", version);

    int result = execute(db, "BEGIN IMMEDIATE");
    if (result == MW_OK)
        result = execute(db, steps[version - 1]);
    if (result == MW_OK)
        result = execute(db, end);
    if (result != MW_OK && !sqlite3_get_autocommit(db->sqlite))
        sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    return result;
}

int migrations_apply(struct db *db, int from, int to, uint64_t first_seq)
{
    int result = MW_OK;
    for (int version = from + 1; result == MW_OK && version <= to; version++)
        result = take_step(db, version, first_seq);
    return result;
}
