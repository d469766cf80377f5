/* SPDX-License-Identifier: Apache-2.0 */
/* bench-fill-outbox PATH N: a database with N alerts of forty machines that wait for the broker, as
 * after a long outage. Says how many bytes they are. */
#include "base/alert.h"
#include "base/result.h"
#include "storage/history.h"
#include "storage/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MACHINES 40
#define GROUP    500 /* in one transaction */

static int push(struct db *db, int64_t at_us)
{
    struct outbox_message m = { .seq = outbox_next_seq(db), .at_us = at_us, .severity = 2 };
    struct mw_alert a = { .seq = m.seq,
                          .number = (uint32_t)m.seq,
                          .event = MW_ALERT_RAISED,
                          .state = MW_ALARM_ACTIVE_UNACKED,
                          .class = MW_ALARM_MACHINE,
                          .severity = MW_SEVERITY_WARNING,
                          .detector = MW_DETECTOR_MODEL,
                          .condition = MW_CONDITION_ANOMALY,
                          .model_state = MW_MODEL_ALARM,
                          .at_us = at_us,
                          .since_us = at_us,
                          .score = 1.31f,
                          .clear_below = 0.85f,
                          .n_contributors = 3 };
    snprintf(a.subject, sizeof a.subject, "waiting-%d", (int)(m.seq % MACHINES));
    snprintf(m.subject, sizeof m.subject, "%s", a.subject);
    for (int i = 0; i < a.n_contributors; i++) {
        snprintf(a.contributors[i].name, sizeof a.contributors[i].name, "vel_rms_%d", i);
        snprintf(a.contributors[i].unit, sizeof a.contributors[i].unit, "mm/s");
        a.contributors[i].value = 6.4f;
        a.contributors[i].expected = 2.1f;
        a.contributors[i].share = 0.3f;
    }
    int n = mw_alert_encode(&a, m.bytes, sizeof m.bytes);
    m.n_bytes = (uint16_t)n;
    int result = n < 0 ? n : outbox_push(db, &m);
    return result == MW_OK ? history_alert(db, &a, 0) : result;
}

static int fill(struct db *db, long n, int64_t at_us)
{
    int result = MW_OK;
    for (long i = 0; result == MW_OK && i < n; i++) {
        if (i % GROUP == 0)
            result = db_begin(db);
        if (result == MW_OK)
            result = push(db, at_us + i * 1000);
        if (result == MW_OK && (i % GROUP == GROUP - 1 || i == n - 1))
            result = db_commit(db);
    }
    return result;
}

int main(int argc, char **argv)
{
    struct store_config config = { 0 };
    struct db *db;
    if (argc != 3)
        return 64;
    snprintf(config.path, sizeof config.path, "%s", argv[1]);
    int64_t at_us = ((int64_t)time(NULL) - 3600) * 1000000;
    int result = store_settle(&config, NULL);
    if (result == MW_OK)
        result = db_open(&db, &config, at_us, NULL);
    if (result == MW_OK) {
        result = fill(db, strtol(argv[2], NULL, 10), at_us);
        struct db_stats stats = db_stats(db);
        printf("%lu waiting, %lu bytes, %lu dropped\n", (unsigned long)stats.outbox_waiting,
               (unsigned long)stats.outbox_bytes, (unsigned long)stats.outbox_dropped);
        db_close(db);
    }
    if (result != MW_OK)
        fprintf(stderr, "%s: %s\n", argv[1], mw_result_text(result));
    return result == MW_OK ? 0 : 1;
}
