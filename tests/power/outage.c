/* SPDX-License-Identifier: Apache-2.0 */
/* Three days without a broker, on virtual time: 100,000 alerts, the outbox as it is, the link as it
 * is. Every alert is delivered afterwards, or counted as overflow where the limit was too small,
 * and then none of higher severity went before one of lower. */
#include "base/event.h"
#include "base/result.h"
#include "power/courier.h"
#include "storage/history.h"
#include "support/power_disk.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#define AT_US      ((int64_t)1767225600 * 1000000)
#define HOUR_US    INT64_C(3600000000)
#define OUTAGE_US  (72 * HOUR_US)
#define FLAP_US    (6 * HOUR_US) /* the broker takes messages this often, for FLAP_UP_US, ... */
#define FLAP_UP_US (70 * INT64_C(1000000))
#define MUTE_US    HOUR_US /* ... but never answers: half open, or an overloaded one */
#define ANSWER_US  2000
#define RESTART_US (20 * HOUR_US) /* the program is started anew this often */
#define AFTER_US   HOUR_US
#define SEQS       (OUTAGE_EVENTS + 1000) /* gap records have numbers, too */

struct outage {
    struct power_disk disk;
    struct store_config config;
    struct db *db;
    struct courier courier;
    int64_t now_us, push_us, restart_us;
    uint64_t n_pushed, n_received, n_doubles, n_settled, n_merged, newest, n_told;
    uint8_t severity[SEQS]; /* of each seq; 0: a gap record */
    bool arrived[SEQS];
    uint64_t most_bytes;
};

static void receive(void *ctx, const struct outbox_message *message)
{
    struct outage *o = ctx;
    struct mw_alert alert;
    struct mw_event event;
    ck_assert_uint_lt(message->seq, SEQS);
    if (mw_event_decode(&event, message->bytes, message->n_bytes) == MW_OK) {
        ck_assert_uint_eq(event.seq, message->seq);
        ck_assert_uint_eq(o->severity[message->seq], 0);
        if (event.gap.n_ever > o->n_told)
            o->n_told = event.gap.n_ever;
        return;
    }
    ck_assert_int_eq(mw_alert_decode(&alert, message->bytes, message->n_bytes), MW_OK);
    ck_assert_uint_eq(alert.seq, message->seq);
    o->n_received++;
    o->n_doubles += o->arrived[message->seq];
    o->arrived[message->seq] = true;
}

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void make_alert(uint64_t seq, struct mw_alert *a)
{
    uint64_t seed = seq;
    static const uint8_t severities[] = { MW_SEVERITY_INFO, MW_SEVERITY_INFO, MW_SEVERITY_WARNING,
                                          MW_SEVERITY_CRITICAL };
    *a = (struct mw_alert){ .seq = seq, .event = MW_ALERT_RAISED, .class = MW_ALARM_MACHINE };
    a->severity = severities[draw(&seed) % 4];
    a->n_contributors = (uint8_t)(draw(&seed) % (MW_ALERT_CONTRIBUTORS + 1));
    a->at_us = AT_US + (int64_t)seq;
    snprintf(a->subject, sizeof a->subject, "pump-%d", (int)(draw(&seed) % 40));
    for (int i = 0; i < a->n_contributors; i++)
        snprintf(a->contributors[i].name, sizeof a->contributors[i].name, "channel-%d", i);
}

/* As the daemon does: the row and its message in one transaction, at once. */
static void push(struct outage *o)
{
    struct outbox_message m = { .seq = outbox_next_seq(o->db), .at_us = AT_US + o->now_us };
    struct mw_alert a;
    make_alert(m.seq, &a);
    m.severity = a.severity;
    snprintf(m.subject, sizeof m.subject, "%s", a.subject);
    int n = mw_alert_encode(&a, m.bytes, sizeof m.bytes);
    ck_assert_int_gt(n, 0);
    m.n_bytes = (uint16_t)n;
    ck_assert_int_eq(db_begin(o->db), MW_OK);
    ck_assert_int_eq(outbox_push(o->db, &m), MW_OK);
    ck_assert_int_eq(history_alert(o->db, &a, 0), MW_OK);
    ck_assert_int_eq(db_commit(o->db), MW_OK);
    o->severity[m.seq] = m.severity;
    o->newest = m.seq;
    o->n_pushed++;
    struct db_stats stats = db_stats(o->db);
    if (stats.outbox_bytes > o->most_bytes)
        o->most_bytes = stats.outbox_bytes;
    ck_assert_int_le(stats.file_bytes, o->config.max_bytes);
}

static void start(struct outage *o)
{
    bool first = o->db == NULL;
    uint64_t next_seq = first ? 1 : outbox_next_seq(o->db);
    o->n_merged += first ? 0 : db_stats(o->db).gaps_merged;
    db_close(o->db);
    ck_assert_int_eq(db_open(&o->db, &o->config, AT_US + o->now_us, NULL), MW_OK);
    ck_assert_uint_eq(outbox_next_seq(o->db), next_seq);
    o->n_settled += o->courier.n_settled;
    courier_init(&o->courier, o->db, 7 + (uint64_t)o->now_us);
    o->courier.receive = receive;
    o->courier.ctx = o;
}

/* After the outage; during it for a moment now and then, cut with messages in the air. */
static bool is_reachable(int64_t now_us)
{
    return now_us >= OUTAGE_US || now_us % FLAP_US < FLAP_UP_US;
}

static int64_t next_change(int64_t now_us)
{
    int64_t phase_us = now_us % FLAP_US;
    return now_us - phase_us + (phase_us < FLAP_UP_US ? FLAP_UP_US : FLAP_US);
}

static void advance(struct outage *o, int64_t wait_us)
{
    int64_t next_us = o->now_us + (wait_us > 0 ? wait_us : 1);
    if (o->n_pushed < OUTAGE_EVENTS && o->push_us < next_us)
        next_us = o->push_us;
    if (o->now_us < OUTAGE_US && next_change(o->now_us) < next_us)
        next_us = next_change(o->now_us);
    o->now_us = next_us;
}

static void run(struct outage *o)
{
    while (o->now_us < OUTAGE_US + AFTER_US &&
           (o->n_pushed < OUTAGE_EVENTS || db_stats(o->db).outbox_waiting > 0)) {
        if (o->n_pushed < OUTAGE_EVENTS && o->now_us >= o->push_us) {
            push(o);
            o->push_us += OUTAGE_US / OUTAGE_EVENTS;
        }
        if (o->now_us >= o->restart_us) {
            start(o);
            o->restart_us += RESTART_US;
        }
        o->courier.reachable = is_reachable(o->now_us);
        o->courier.latency_us = o->now_us < OUTAGE_US ? MUTE_US : ANSWER_US;
        advance(o, courier_step(&o->courier, o->now_us));
    }
}

/* How many left the outbox neither acknowledged nor counted, or did not arrive though they were
 * acknowledged. Those that arrived and were given up before the acknowledgement are counted, too.
 */
static uint64_t judge(const struct outage *o, uint64_t *ret_n_missing)
{
    uint64_t n_missing = 0, missing[MW_SEVERITY_CRITICAL + 1] = { 0 };
    for (uint64_t seq = 1; seq <= o->newest; seq++) {
        n_missing += !o->arrived[seq] && o->severity[seq] > 0;
        missing[o->severity[seq]] += !o->arrived[seq];
    }
    uint64_t n_counted = db_stats(o->db).outbox_dropped;
    printf("missing: %lu info, %lu warning, %lu critical; counted %lu\n",
           (unsigned long)missing[MW_SEVERITY_INFO], (unsigned long)missing[MW_SEVERITY_WARNING],
           (unsigned long)missing[MW_SEVERITY_CRITICAL], (unsigned long)n_counted);
    *ret_n_missing = n_missing;
    uint64_t n_gaps = outbox_next_seq(o->db) - 1 - o->n_pushed; /* all but the merged are settled */
    n_gaps -= o->n_merged + db_stats(o->db).gaps_merged;
    uint64_t n_covered = o->n_settled + o->courier.n_settled + n_counted - n_gaps;
    ck_assert_uint_eq(o->n_told, n_counted);
    printf("%lu gap records, %lu merged\n", (unsigned long)n_gaps,
           (unsigned long)(o->n_merged + db_stats(o->db).gaps_merged));
    ck_assert_uint_le(n_covered, o->n_pushed);
    uint64_t n_uncovered = o->n_pushed - n_covered;
    return n_uncovered > 0 || n_missing <= n_counted ? n_uncovered : n_missing - n_counted;
}

static struct outage *outage_run(int64_t outbox_bytes)
{
    struct outage *o = calloc(1, sizeof *o);
    ck_assert_ptr_nonnull(o);
    o->config.outbox_bytes = outbox_bytes;
    snprintf(o->config.path, sizeof o->config.path, POWER_FOLDER "/m.db");
    ck_assert_int_eq(store_settle(&o->config, NULL), MW_OK);
    o->restart_us = RESTART_US;
    power_disk_install(&o->disk);
    start(o);
    run(o);
    return o;
}

static void outage_end(struct outage *o)
{
    db_close(o->db);
    power_disk_remove(&o->disk);
    power_disk_free(&o->disk);
    free(o);
}

static double cap_pct(const struct outage *o)
{
    return 100.0 * (double)o->most_bytes / (double)o->config.outbox_bytes;
}

START_TEST(three_days_without_a_broker_fit_the_default_outbox_and_all_is_delivered)
{
    uint64_t n_missing;
    struct outage *o = outage_run(0);
    uint64_t n_lost = judge(o, &n_missing);
    printf("outage_72h_events %lu count\noutage_72h_cap_pct %.1f %%\noutage_72h_lost %lu count\n"
           "%lu came more than once, at most %lu KiB in the outbox\n",
           (unsigned long)o->n_pushed, cap_pct(o), (unsigned long)n_lost,
           (unsigned long)o->n_doubles, (unsigned long)(o->most_bytes >> 10));
    ck_assert_uint_eq(o->n_pushed, OUTAGE_EVENTS);
    ck_assert_uint_eq(db_stats(o->db).outbox_dropped, 0);
    ck_assert_uint_eq(n_missing, 0);
    ck_assert_uint_eq(db_stats(o->db).outbox_waiting, 0);
    /* Each dial leaves at most a window unacknowledged; the link gives up after 15 s. */
    uint64_t dials = OUTAGE_US / FLAP_US * (FLAP_UP_US / LINK_ACK_TIMEOUT_US + 1);
    ck_assert_uint_ge(o->n_doubles, LINK_WINDOW_MAX);
    ck_assert_uint_le(o->n_doubles, dials * LINK_WINDOW_MAX);
    outage_end(o);
}
END_TEST

START_TEST(with_too_small_an_outbox_every_missing_alert_is_counted_and_of_low_severity)
{
    uint64_t n_missing;
    struct outage *o = outage_run((int64_t)OUTAGE_EVENTS * 80); /* a third of what comes */
    uint64_t n_lost = judge(o, &n_missing);
    printf("outage_72h_small_cap_pct %.1f %%\noutage_72h_small_lost %lu count\n", cap_pct(o),
           (unsigned long)n_lost);
    ck_assert(cap_pct(o) <= 101.0 && cap_pct(o) > 90.0);
    ck_assert_uint_gt(n_missing, OUTAGE_EVENTS / 10);
    ck_assert_uint_eq(n_lost, 0);
    ck_assert_uint_eq(db_stats(o->db).outbox_waiting, 0);
    for (uint64_t seq = 1; seq <= o->newest; seq++)
        ck_assert(o->arrived[seq] || o->severity[seq] < MW_SEVERITY_CRITICAL); /* gap records: 0 */
    outage_end(o);
}
END_TEST

MW_SUITE("power/outage", three_days_without_a_broker_fit_the_default_outbox_and_all_is_delivered,
         with_too_small_an_outbox_every_missing_alert_is_counted_and_of_low_severity)
