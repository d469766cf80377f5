/* SPDX-License-Identifier: Apache-2.0 */
/* What overflow gave up, as a message of its own. A gap record takes in more until the link has
 * been shown it: from then on its content belongs to its number. At most GAPS_MAX wait; beyond, the
 * newest is taken into the next. They have room of their own in the outbox and are never given up.
 */
#include "base/event.h"
#include "storage/db_internal.h"
#include "storage/outbox.h"

void gap_count(struct mw_gap *gap, uint64_t seq, uint8_t severity, int64_t at_us, uint8_t reason)
{
    struct mw_gap one = { .n = 1,
                          .first_seq = seq,
                          .last_seq = seq,
                          .from_us = at_us,
                          .to_us = at_us,
                          .reasons = reason };
    one.n_of_severity[severity < 4 ? severity : 3] = 1;
    mw_gap_merge(gap, &one);
}

/* The newest gap record that waits; MW_ERR_NOT_FOUND. */
static int newest(struct db *db, struct mw_event *ret_event)
{
    sqlite3_stmt *stmt;
    int result =
        db_use(db, ST_GAP_NEWEST,
               "SELECT bytes FROM outbox WHERE severity = ?1 ORDER BY seq DESC LIMIT 1", &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int(stmt, 1, OUTBOX_GAP_SEVERITY));
    if (result != MW_OK)
        return result;
    const void *bytes = sqlite3_column_blob(stmt, 0);
    int n = sqlite3_column_bytes(stmt, 0);
    result = bytes ? mw_event_decode(ret_event, bytes, (size_t)n) : MW_ERR_NO_MEMORY;
    sqlite3_reset(stmt);
    return result;
}

static int rewrite(struct db *db, const struct mw_event *event)
{
    uint8_t bytes[MW_EVENT_BYTES_MAX];
    sqlite3_stmt *stmt;
    int n = mw_event_encode(event, bytes, sizeof bytes);
    int result =
        n < 0 ? n : db_use(db, ST_GAP_SET, "UPDATE outbox SET bytes = ?2 WHERE seq = ?1", &stmt);
    if (result != MW_OK)
        return result;
    int bound = sqlite3_bind_int64(stmt, 1, (sqlite3_int64)event->seq) |
                sqlite3_bind_blob(stmt, 2, bytes, n, SQLITE_STATIC);
    return db_run(db, stmt, bound);
}

static int put_new(struct db *db, const struct mw_gap *gap, int64_t at_us, int64_t offset_us)
{
    struct mw_event event = { .seq = db->tally.next_seq,
                              .kind = MW_EVENT_OUTBOX_GAP,
                              .severity = 2, /* enum mw_severity: warning */
                              .at_us = at_us,
                              .gap = *gap };
    struct outbox_message m = {
        .seq = event.seq, .at_us = at_us, .offset_us = offset_us, .severity = OUTBOX_GAP_SEVERITY
    };
    int n = mw_event_encode(&event, m.bytes, sizeof m.bytes);
    if (n < 0)
        return n;
    m.n_bytes = (uint16_t)n;
    int result = outbox_put(db, &m);
    if (result == MW_OK)
        db->tally.open_gap = event.seq;
    return result;
}

int gap_record(struct db *db, struct mw_gap *gap, int64_t at_us, int64_t offset_us)
{
    struct mw_event event = { 0 };
    int result = MW_OK;
    if (gap->n == 0)
        return MW_OK;
    gap->n_ever = db->tally.dropped;
    if (db->tally.open_gap > 0 || db->tally.n_gaps >= GAPS_MAX)
        result = newest(db, &event);
    if (result != MW_OK)
        return result;
    mw_gap_merge(&event.gap, gap);
    if (db->tally.open_gap > 0)
        return rewrite(db, &event);
    if (db->tally.n_gaps >= GAPS_MAX) {
        result = outbox_take_out(db, event.seq);
        db->tally.merged++;
    }
    return result == MW_OK ? put_new(db, &event.gap, at_us, offset_us) : result;
}

void gap_shown(struct db *db, uint64_t seq)
{
    if (seq == db->tally.open_gap)
        db->tally.open_gap = db->at_begin.open_gap = 0;
}
