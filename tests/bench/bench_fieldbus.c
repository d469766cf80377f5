/* SPDX-License-Identifier: Apache-2.0 */
/* What the fieldbus promises, in figures from simulated wires on virtual time: the poller, planner
 * and frame checks are the product's, the bus is the simulator's. One line per row:
 *
 *   key value unit reach ok|MISSED  # note
 *
 * bench_fieldbus [--quick] [KEY...]; ends with 1 where a row misses its reach. --quick: a hundredth
 * of the transactions. docs/BENCHMARKS.md says what each row means; bench_fieldbus.py adds the rows
 * of whole processes. */
#include "base/result.h"
#include "fieldbus/plan.h"
#include "fieldbus/poller.h"
#include "inference/framer.h"
#include "support/virtual_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S_US      INT64_C(1000000)
#define MAX_UNITS 32
#define MAX_REGS  100

struct plant {
    struct rs485 *line;
    struct tcp_peer peer;
    struct virtual_line wire;
    int (*send)(void *ctx, const struct line_request *request, int64_t now_us);
    struct poller *poller;
    struct bus_config bus;
    struct device_config devices[MAX_UNITS];
    struct point_config points[MAX_REGS];
    uint32_t indexes[MAX_UNITS];
    uint32_t n_units, n_points;
    int64_t now_us;
    /* The slaves: unit u's registers hold how many requests were sent to it. */
    uint32_t sent_to[256];
    bool dead[256];
    uint16_t bad_register; /* refused; UINT16_MAX: none */
    /* What was seen. */
    uint64_t n_sent, n_good, n_other, n_wrong, n_dead_exchanges;
    int64_t sent_us, longest_us;
    bool waiting;
    uint8_t asked_unit;
    int64_t dead_us; /* line time of exchanges with dead units */
    uint64_t good_of[MAX_REGS], other_of[MAX_REGS];
    void (*also)(struct plant *plant, const struct mw_sample *sample);
    void *ctx;
};

static void must(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "bench_fieldbus: %s\n", what);
    exit(2);
}

/* ---- slaves ---- */

static bool answers(void *ctx, uint8_t unit)
{
    const struct plant *plant = ctx;
    return unit >= 1 && unit <= plant->n_units && !plant->dead[unit];
}

static bool has_table(void *ctx, uint8_t unit, enum table table)
{
    (void)ctx;
    (void)unit;
    return table == TABLE_HOLDING;
}

static int read_words(void *ctx, const struct pdu_read *read, uint16_t *ret_words)
{
    const struct plant *plant = ctx;
    for (uint16_t i = 0; i < read->count; i++) {
        if (read->address + i == plant->bad_register)
            return MW_ERR_NOT_FOUND;
        ret_words[i] = (uint16_t)plant->sent_to[read->unit];
    }
    return 0;
}

static void answered(void *ctx, const struct pdu_read *read, int token, int64_t now_us)
{
    (void)ctx;
    (void)read;
    (void)token;
    (void)now_us;
}

/* ---- the gateway's side ---- */

static void exchange_over(struct plant *plant)
{
    if (!plant->waiting)
        return;
    plant->waiting = false;
    int64_t took_us = plant->now_us - plant->sent_us;
    if (took_us > plant->longest_us)
        plant->longest_us = took_us;
    if (plant->dead[plant->asked_unit]) {
        plant->dead_us += took_us;
        plant->n_dead_exchanges++;
    }
}

static int counted_send(void *ctx, const struct line_request *request, int64_t now_us)
{
    struct plant *plant = (struct plant *)(void *)((char *)ctx - offsetof(struct plant, wire));
    exchange_over(plant);
    plant->n_sent++;
    plant->sent_to[request->unit]++;
    plant->sent_us = now_us;
    plant->asked_unit = request->unit;
    plant->waiting = true;
    return plant->send(ctx, request, now_us);
}

static void on_sample(void *ctx, const struct mw_sample *sample)
{
    struct plant *plant = ctx;
    uint8_t unit = plant->asked_unit;
    bool good = sample->quality == MW_QUALITY_GOOD;
    exchange_over(plant);
    plant->n_good += good;
    plant->n_other += !good;
    plant->good_of[sample->point] += good;
    plant->other_of[sample->point] += !good;
    plant->n_wrong += good && sample->value != (float)(uint16_t)plant->sent_to[unit];
    if (plant->also)
        plant->also(plant, sample);
}

static void settle(struct plant *plant, uint32_t n_units, uint32_t n_each, int64_t period_us,
                   int64_t turnaround_us)
{
    plant->n_units = n_units;
    plant->n_points = n_units * n_each;
    must(plant->n_points <= MAX_REGS, "too many points");
    must(bus_settle(&plant->bus, NULL) == MW_OK, "bus settings");
    for (uint32_t i = 0; i < n_units; i++) {
        plant->indexes[i] = i;
        plant->devices[i] = (struct device_config){ .unit = (uint8_t)(i + 1),
                                                    .first_point = i * n_each,
                                                    .n_points = n_each,
                                                    .turnaround_us = turnaround_us,
                                                    .retries = UINT32_MAX };
        must(device_settle(&plant->devices[i], &plant->bus, NULL) == MW_OK, "device settings");
        for (uint32_t k = 0; k < n_each; k++) {
            plant->points[i * n_each + k] = (struct point_config){
                .address = (uint16_t)k, .type = VALUE_UINT16, .bit = -1, .period_us = period_us
            };
            must(point_settle(&plant->points[i * n_each + k], NULL) == MW_OK, "point settings");
        }
    }
}

static void start(struct plant *plant)
{
    plant->send = plant->wire.port.send;
    plant->wire.port.send = counted_send;
    must(poller_create(&plant->poller, &plant->bus, plant->devices, plant->indexes, plant->n_units,
                       plant->points, &plant->wire.port, 0) == MW_OK,
         "poller");
}

static struct pdu_bank bank_of(struct plant *plant)
{
    return (struct pdu_bank){ .answers = answers,
                              .has_table = has_table,
                              .read = read_words,
                              .answered = answered,
                              .ctx = plant };
}

static struct plant *make_rtu(uint32_t baud, struct rs485_config config, uint32_t n_units,
                              uint32_t n_each, int64_t period_us, int64_t turnaround_us)
{
    struct plant *plant = calloc(1, sizeof *plant);
    must(plant != NULL, "memory");
    plant->bad_register = UINT16_MAX;
    plant->bus = (struct bus_config){ .kind = BUS_RTU,
                                      .device = "virtual",
                                      .baud = baud,
                                      .timeout_us = 300000,
                                      .retries = UINT32_MAX };
    config.baud = baud;
    struct pdu_bank bank = bank_of(plant);
    must(rs485_create(&plant->line, &config, &bank) == MW_OK, "line");
    virtual_line_rtu(&plant->wire, plant->line);
    settle(plant, n_units, n_each, period_us, turnaround_us);
    start(plant);
    return plant;
}

static struct plant *make_tcp(struct tcp_peer_config config, uint32_t n_units, uint32_t n_each,
                              int64_t period_us)
{
    struct plant *plant = calloc(1, sizeof *plant);
    must(plant != NULL, "memory");
    plant->bad_register = UINT16_MAX;
    plant->bus = (struct bus_config){
        .kind = BUS_TCP, .host = "127.0.0.1", .timeout_us = 300000, .retries = UINT32_MAX
    };
    struct pdu_bank bank = bank_of(plant);
    tcp_peer_init(&plant->peer, &config, &bank);
    virtual_line_tcp(&plant->wire, &plant->peer);
    settle(plant, n_units, n_each, period_us, 0);
    start(plant);
    return plant;
}

static int64_t step(struct plant *plant)
{
    struct poller_sink sink = { .sample = on_sample, .ctx = plant };
    int64_t wait_us = poller_step(plant->poller, plant->now_us, 0, &sink);
    return virtual_line_until(&plant->wire, plant->now_us, wait_us);
}

static void run_until(struct plant *plant, int64_t until_us)
{
    while (plant->now_us < until_us) {
        int64_t next_us = step(plant);
        plant->now_us = next_us < until_us ? next_us : until_us;
    }
}

static void run_requests(struct plant *plant, uint64_t n)
{
    while (plant->n_sent < n)
        plant->now_us = step(plant);
}

static void end(struct plant *plant)
{
    poller_destroy(plant->poller);
    rs485_destroy(plant->line);
    free(plant);
}

/* ---- rows ---- */

struct row {
    const char *key, *unit;
    double reach;
    enum { AT_LEAST, AT_MOST, EXACTLY } sense;
    const char *note;
    double (*measure)(uint64_t scale);
};

static double rtu_efficiency(uint64_t scale)
{
    static const uint32_t bauds[] = { 9600, 19200, 38400, 57600, 115200 };
    double worst = 100;
    for (size_t i = 0; i < sizeof bauds / sizeof bauds[0]; i++) {
        struct rs485_config config = { .turnaround_us = 5000, .seed = 1 };
        struct plant *plant = make_rtu(bauds[i], config, 4, 10, 1000, 0);
        run_requests(plant, 100 * scale);
        struct rs485_stats stats = rs485_stats(plant->line);
        int64_t needed_us =
            rs485_characters_us(plant->line, stats.n_bytes_written + stats.n_bytes_heard) +
            (int64_t)stats.n_answers * (rs485_silence_us(plant->line) + config.turnaround_us);
        double percent = 100.0 * (double)needed_us / (double)plant->now_us;
        worst = percent < worst ? percent : worst;
        end(plant);
    }
    return worst;
}

static double silence_violations(uint64_t scale)
{
    static const uint32_t bauds[] = { 1200, 9600, 19200, 38400, 115200 };
    uint64_t n = 0;
    for (size_t i = 0; i < sizeof bauds / sizeof bauds[0]; i++) {
        struct rs485_config config = { .turnaround_us = 1000, .spread_us = 30000, .seed = i };
        struct plant *plant = make_rtu(bauds[i], config, 8, 2, 100000, 0);
        plant->wire.whole_frames = true;
        run_requests(plant, 2000 * scale);
        struct rs485_stats stats = rs485_stats(plant->line);
        n += stats.n_silence + stats.n_talked_over + stats.n_pauses;
        end(plant);
    }
    return (double)n;
}

static double slots_24h(uint64_t scale)
{
    (void)scale;
    struct rs485_config config = { .turnaround_us = 3000, .spread_us = 10000, .seed = 1 };
    struct plant *plant = make_rtu(19200, config, 1, 1, 100000, 0);
    plant->wire.whole_frames = true;
    run_until(plant, 86400 * S_US);
    struct poller_stats stats = poller_bus_stats(plant->poller);
    end(plant);
    return (double)(stats.n_slots_run + stats.n_slots_missed);
}

static double stale_values_rtu(uint64_t scale)
{
    static const struct disturbance list[] = {
        { .kind = DISTURBANCE_LATE, .rate = 0.03, .min_us = 300000, .max_us = 1900000 },
        { .kind = DISTURBANCE_SILENCE, .rate = 0.02 },
        { .kind = DISTURBANCE_BIT_FLIP, .rate = 0.0005 },
        { .kind = DISTURBANCE_LOST_BYTE, .rate = 0.0005 },
        { .kind = DISTURBANCE_WRONG_UNIT, .rate = 0.01 },
        { .kind = DISTURBANCE_BUSY, .rate = 0.01 },
    };
    struct rs485_config config = { .turnaround_us = 3000,
                                   .spread_us = 20000,
                                   .seed = 5,
                                   .disturbances = list,
                                   .n_disturbances = sizeof list / sizeof list[0] };
    struct plant *plant = make_rtu(19200, config, 6, 3, 100000, 2 * S_US);
    plant->wire.whole_frames = true;
    run_requests(plant, 10000 * scale);
    must(plant->n_good > plant->n_sent / 10, "hardly a good value: nothing is proved");
    double wrong = (double)plant->n_wrong;
    end(plant);
    return wrong;
}

static double stale_values_tcp(uint64_t scale)
{
    static const struct disturbance list[] = {
        { .kind = DISTURBANCE_LATE, .rate = 0.03, .min_us = 300000, .max_us = 1900000 },
        { .kind = DISTURBANCE_SILENCE, .rate = 0.02 },
        { .kind = DISTURBANCE_RESET, .rate = 0.01 },
        { .kind = DISTURBANCE_WRONG_TRANSACTION, .rate = 0.01 },
        { .kind = DISTURBANCE_WRONG_UNIT, .rate = 0.01 },
        { .kind = DISTURBANCE_TRAILING, .rate = 0.01 },
        { .kind = DISTURBANCE_DUPLICATE, .rate = 0.01, .min_us = 100, .max_us = 1000 },
        { .kind = DISTURBANCE_BUSY, .rate = 0.01 },
    };
    struct tcp_peer_config config = { .turnaround_us = 3000,
                                      .spread_us = 20000,
                                      .seed = 5,
                                      .disturbances = list,
                                      .n_disturbances = sizeof list / sizeof list[0] };
    struct plant *plant = make_tcp(config, 6, 3, 200000);
    run_requests(plant, 10000 * scale);
    must(plant->n_good > plant->n_sent / 10, "hardly a good value: nothing is proved");
    double wrong = (double)plant->n_wrong;
    end(plant);
    return wrong;
}

static double drip_block_s(uint64_t scale)
{
    static const struct disturbance list[] = {
        { .kind = DISTURBANCE_DRIP, .rate = 1, .min_us = 200000, .max_us = 200000 },
    };
    struct tcp_peer_config config = { .seed = 1, .disturbances = list, .n_disturbances = 1 };
    (void)scale;
    struct plant *plant = make_tcp(config, 1, 2, S_US);
    run_until(plant, 60 * S_US);
    must(plant->n_good == 0 && plant->n_sent > 5, "the server did not drip");
    double longest_s = (double)plant->longest_us / 1e6;
    end(plant);
    return longest_s;
}

/* 32 slaves on a line at 19200 baud, eight of them dead. */
static struct plant *sick_line(double *ret_share_of_probes)
{
    const int64_t period_us = 2 * S_US, settled_us = 3 * period_us, for_us = 1800 * S_US;
    struct rs485_config config = { .turnaround_us = 3000, .spread_us = 3000, .seed = 1 };
    struct plant *plant = make_rtu(19200, config, MAX_UNITS, 3, period_us, 2 * S_US);
    for (uint8_t u = 4; u <= MAX_UNITS; u = (uint8_t)(u + 4))
        plant->dead[u] = true;
    run_until(plant, settled_us);
    plant->dead_us = 0;
    memset(plant->good_of, 0, sizeof plant->good_of);
    run_until(plant, settled_us + for_us);
    *ret_share_of_probes = 100.0 * (double)plant->dead_us / (double)for_us;
    return plant;
}

static double healthy_polls(uint64_t scale)
{
    double share = 0, worst = 100;
    (void)scale;
    struct plant *plant = sick_line(&share);
    for (uint32_t u = 1; u <= MAX_UNITS; u++) {
        double kept = 100.0 * (double)plant->good_of[3 * (u - 1)] / 900.0;
        if (!plant->dead[u] && kept < worst)
            worst = kept;
    }
    end(plant);
    return worst;
}

static double probe_bus(uint64_t scale)
{
    double share = 0;
    (void)scale;
    struct plant *plant = sick_line(&share);
    must(plant->n_dead_exchanges > 8, "no dead slave was probed");
    end(plant);
    return share;
}

static double fields_lost(uint64_t scale)
{
    struct rs485_config config = { .turnaround_us = 3000, .seed = 1 };
    (void)scale;
    struct plant *plant = make_rtu(19200, config, 1, 100, S_US, 0);
    plant->bad_register = 57;
    uint32_t n_lost = 0;
    run_until(plant, 20 * S_US);
    for (uint32_t i = 0; i < plant->n_points; i++)
        n_lost += plant->other_of[i] > 0; /* in any cycle, the first one too */
    must(plant->good_of[0] >= 18, "the healthy rest was not read");
    end(plant);
    return n_lost;
}

/* Telegraf's max_insert rule, stated anew: on a sorted map a field joins while at most max_insert
 * unused registers lie before it and the request stays within the limit. */
static uint32_t by_max_insert(const bool *used, uint32_t n_used, uint32_t max_insert,
                              uint32_t limit)
{
    uint32_t n = 0, first = 0, last = 0;
    for (uint32_t a = 0; a < n_used; a++) {
        if (!used[a])
            continue;
        if (n == 0 || a - last - 1 > max_insert || a - first + 1 > limit) {
            n++;
            first = a;
        }
        last = a;
    }
    return n;
}

static double requests_vs_planner(uint64_t scale)
{
    enum { N = 200, SPACE = 1000 };
    static struct point_config points[N];
    uint64_t seed = 11;
    double worst = 0;
    (void)scale;
    for (int run = 0; run < 100; run++) {
        bool used[SPACE] = { false };
        for (uint32_t i = 0; i < N;) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint16_t address = (uint16_t)((seed >> 33) % SPACE);
            if (used[address])
                continue;
            used[address] = true;
            points[i++] = (struct point_config){ .address = address,
                                                 .kind = REGISTER_HOLDING,
                                                 .type = VALUE_UINT16,
                                                 .bit = -1,
                                                 .period_us = S_US };
        }
        struct device_config device = {
            .unit = 1, .max_registers = 125, .max_gap = (uint16_t)(1 + run % 30), .n_points = N
        };
        struct plan plan;
        must(plan_init(&plan, &device, 1, points, 0) == MW_OK, "plan");
        double ratio =
            (double)plan.n_polls / by_max_insert(used, SPACE, device.max_gap, device.max_registers);
        worst = ratio > worst ? ratio : worst;
        plan_finish(&plan);
    }
    return worst;
}

/* Two buses feed one machine; one answers late. The skew is that of the measurements in one frame.
 */
struct skew {
    struct mw_framer framer;
    int64_t measured_us[2][64]; /* [channel][slot modulo] */
    int64_t worst_us;
    uint64_t n_frames;
};

static void take_frame(void *ctx, const struct mw_frame *frame)
{
    struct skew *skew = ctx;
    if (frame->fresh != 3)
        return;
    int64_t us = skew->measured_us[0][frame->slot % 64] - skew->measured_us[1][frame->slot % 64];
    us = us < 0 ? -us : us;
    skew->worst_us = us > skew->worst_us ? us : skew->worst_us;
    skew->n_frames++;
}

static void take_sample(struct plant *plant, const struct mw_sample *sample)
{
    struct skew *skew = plant->ctx;
    uint16_t channel = plant->n_units > 1;
    if (sample->point != 0)
        return;
    skew->measured_us[channel][sample->slot % 64] = sample->mono_us;
    mw_framer_feed(&skew->framer, channel, sample->slot, sample, take_frame, skew);
}

static double channel_skew(uint64_t scale)
{
    struct rs485_config fast = { .turnaround_us = 2000, .seed = 1 };
    struct rs485_config slow = { .turnaround_us = 60000, .spread_us = 40000, .seed = 2 };
    struct skew skew = { .n_frames = 0 };
    const int64_t period_us = S_US;
    (void)scale;
    mw_framer_init(&skew.framer, 2);
    struct plant *a = make_rtu(115200, fast, 1, 1, period_us, 0);
    struct plant *b = make_rtu(9600, slow, 8, 10, period_us, 0);
    a->also = b->also = take_sample;
    a->ctx = b->ctx = &skew;
    for (int64_t t = 0; t < 3600 * S_US; t += 10000) {
        run_until(a, t);
        run_until(b, t);
    }
    must(skew.n_frames > 3000, "hardly a whole frame");
    end(a);
    end(b);
    return (double)skew.worst_us / (double)period_us;
}

static const struct row rows[] = {
    { "rtu_efficiency_pct", "%", 95, AT_LEAST, "Telegraf's serial library: 13-83 by arithmetic",
      rtu_efficiency },
    { "silence_violations", "1", 0, EXACTLY, "seen by the slaves", silence_violations },
    { "slots_24h", "1", 864000, EXACTLY, "24 h at 10 Hz, run and counted missed", slots_24h },
    { "stale_values_rtu", "1", 0, EXACTLY, "libmodbus RTU: 5 of 5 after one late reply",
      stale_values_rtu },
    { "stale_values_tcp", "1", 0, EXACTLY, "", stale_values_tcp },
    { "drip_block_s", "s", 0.33, AT_MOST, "libmodbus default: 51.8", drip_block_s },
    { "healthy_polls_pct", "%", 98, AT_LEAST, "the worst of 24 healthy slaves beside 8 dead ones",
      healthy_polls },
    { "probe_bus_pct", "%", 2, AT_MOST, "", probe_bus },
    { "fields_lost", "1", 1, EXACTLY, "of 100, one bad; from the first cycle on", fields_lost },
    { "requests_vs_planner", "1", 1, AT_MOST, "against the max_insert rule", requests_vs_planner },
    { "channel_skew_periods", "1", 1, AT_MOST, "", channel_skew },
};

static bool within(const struct row *row, double value)
{
    switch (row->sense) {
    case AT_LEAST: return value >= row->reach;
    case AT_MOST: return value <= row->reach;
    case EXACTLY: break;
    }
    return value <= row->reach && value >= row->reach;
}

static bool wanted(const struct row *row, int argc, char **argv)
{
    int n_keys = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], row->key) == 0)
            return true;
        n_keys += argv[i][0] != '-';
    }
    return n_keys == 0;
}

int main(int argc, char **argv)
{
    static const char *const senses[] = { ">=", "<=", "=" };
    bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    int missed = 0;
    if (argc > 1 && argv[1][0] == '-' && !quick) {
        puts("usage: bench_fieldbus [--quick] [KEY...]");
        return strcmp(argv[1], "--help") == 0 ? 0 : 64;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!wanted(&rows[i], argc, argv))
            continue;
        double value = rows[i].measure(quick ? 1 : 100);
        bool right = within(&rows[i], value);
        missed += !right;
        printf("%s %.6g %s %s%.6g %s%s%s\n", rows[i].key, value, rows[i].unit,
               senses[rows[i].sense], rows[i].reach, right ? "ok" : "MISSED",
               rows[i].note[0] ? "  # " : "", rows[i].note);
        fflush(stdout);
    }
    return missed > 0;
}
