/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/scenario.h"

#include "base/result.h"
#include "simulator/field.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

struct heard {
    int n;
    int lines[64];
    char text[64][240];
};

static void hear(void *ctx, int line, const char *message)
{
    struct heard *heard = ctx;
    if (heard->n == 64)
        return;
    heard->lines[heard->n] = line;
    snprintf(heard->text[heard->n++], sizeof heard->text[0], "%s", message);
}

#define HALL                                                     \
    "version: 1\n"                                               \
    "buses:\n"                                                   \
    "  - {name: a, tcp: 0}\n"                                    \
    "machines:\n"                                                \
    "  - {name: m, kind: pump}\n"                                \
    "devices:\n"                                                 \
    "  - {name: d, bus: a, unit: 1, map: qm30vt2, machine: m}\n" \
    "faults:\n"

static int parse(const char *text, struct scenario **ret, struct heard *heard)
{
    *heard = (struct heard){ 0 };
    return scenario_parse(ret, text, strlen(text), hear, heard);
}

/* This text has exactly one error, on this line, which says this. */
static void refused(const char *text, int line, const char *says)
{
    struct scenario *s = NULL;
    struct heard heard;
    ck_assert_msg(parse(text, &s, &heard) == MW_ERR_INVALID, "accepted: %s", text);
    ck_assert_msg(heard.n == 1 && heard.lines[0] == line && strstr(heard.text[0], says),
                  "%d errors, line %d: %s\n%s", heard.n, heard.lines[0], heard.text[0], text);
}

START_TEST(what_is_not_given_has_its_default)
{
    struct scenario *s;
    struct heard heard;
    ck_assert_int_eq(
        parse(HALL "  - {kind: imbalance, machine: m, at: 5min, size: 3mm/s}\n", &s, &heard),
        MW_OK);
    ck_assert_int_eq(s->tick_us, 100000);
    ck_assert_uint_eq(s->seed, 1);
    ck_assert_str_eq(s->wires[0].host, "127.0.0.1");
    ck_assert_int_eq(s->wires[0].turnaround_us, 0);
    ck_assert_double_eq(s->machines[0].speed_rpm, 2940);
    ck_assert_uint_eq(s->machines[0].n_steps, 2);
    ck_assert_uint_eq(s->slaves[0].n_cells, 22);
    ck_assert_int_eq(s->faults[0].at_us, 300000000);
    ck_assert_int_eq(s->faults[0].law, FAULT_STEP);
    ck_assert_double_eq(s->ambient.mean_degc, 20);
    scenario_free(s);
}
END_TEST

START_TEST(every_error_names_its_line_and_rule)
{
    static const char end[] =
        "devices:\n  - {name: d, bus: a, unit: 1, map: qm30vt2, machine: m}\n";
    char text[1024];
#define TOP(buses, machines)                                                                     \
    (snprintf(text, sizeof text, "version: 1\nbuses:\n%smachines:\n%s%s", buses, machines, end), \
     text)
#define BUS  "  - {name: a, tcp: 0}\n"
#define PUMP "  - {name: m, kind: pump}\n"
    refused(TOP("  - {name: a, tcp: 65536}\n", PUMP), 3, "tcp: 65536 is not in 0 to 65535");
    refused(TOP("  - {name: a, tcp: 0, rtu: x}\n", PUMP), 3, "either rtu: PATH or tcp: PORT");
    refused(TOP(BUS "  - {name: a, tcp: 0}\n", PUMP), 4, "another bus 'a'");
    refused(TOP(BUS, "  - {name: m, kind: pomp}\n"), 5, "kind: 'pomp' is none of pump, motor");
    refused(TOP(BUS, "  - {name: m, kind: pump, rated_speed: 1500}\n"), 5,
            "not a number followed by its unit, rpm");
    refused(TOP(BUS, "  - {name: m, kind: pump, rated_speed: 0x10rpm}\n"), 5, "rated_speed");
    refused(TOP(BUS, "  - {name: m, kind: pump, slip: 21%}\n"), 5,
            "slip: '21%' is not in 0 to 20%");
    refused(TOP(BUS, "  - {name: m, kind: pump, colour: red}\n"), 5, "'colour' is not a key");
    refused(TOP(BUS, "  - {name: m, kind: pump, slip: 1%, slip: 2%}\n"), 5, "slip: is given twice");
    refused(TOP(BUS, "  - {name: m, kind: pump, programme: [{load: 80%}]}\n"), 5,
            "hold: is missing");
    refused(TOP(BUS, "  - {name: m, kind: pump, programme: [{load: 1%, hold: 9s, ramp: 5s}]}\n"), 5,
            "longer than half of hold");
    refused(TOP(BUS, "  - {name: m, kind: pump, temp_inertia: 4m}\n"), 5, "'4m' is not a time");
}
END_TEST

START_TEST(devices_must_fit_buses_and_machines)
{
#define DEVICE(text)                                                                     \
    "version: 1\nbuses:\n  - {name: a, rtu: x}\nmachines:\n  - {name: m, kind: motor}\n" \
    "devices:\n  - " text "\n"
    refused(DEVICE("{name: d, bus: b, unit: 1, map: qm30vt2, machine: m}"), 7,
            "bus: there is no 'b'");
    refused(DEVICE("{name: d, bus: a, unit: 1, map: qm30vt2, machine: n}"), 7,
            "machine: there is no 'n'");
    refused(DEVICE("{name: d, bus: a, unit: 248, map: qm30vt2, machine: m}"), 7, "unit: 248");
    refused(DEVICE("{name: d, bus: a, unit: 1, map: list, machine: m}"), 7, "registers: belong");
    refused(DEVICE("{name: d, bus: a, unit: 1, map: list, machine: m, registers:"
                   " [{quantity: flow, address: 0}]}"),
            7, "machine 'm' has no flow");
    refused(DEVICE("{name: d, bus: a, unit: 1, map: list, machine: m, registers:"
                   " [{quantity: current, address: 0}, {quantity: temp, address: 1}]}"),
            7, "overlaps register 'current'");
    refused(DEVICE("{name: d, bus: a, unit: 1, map: list, machine: m, registers:"
                   " [{quantity: running, address: 0, kind: coil}]}"),
            7, "hold bits");
    refused(DEVICE("{name: d, bus: a, unit: 1, map: list, machine: m, registers:"
                   " [{quantity: current, address: 65535}]}"),
            7, "ends beyond 65535");
    refused(DEVICE("{name: d, bus: a, unit: 1, map: wtvb01, machine: m}\n"
                   "  - {name: e, bus: a, unit: 1, map: wtvb01, machine: m}"),
            8, "already that of 'd'");
}
END_TEST

START_TEST(faults_must_fit_what_they_act_on)
{
    refused(HALL "  - {kind: imbalance, device: d, at: 1s, size: 1mm/s}\n", 9, "needs machine:");
    refused(HALL "  - {kind: dead_slave, machine: m, at: 1s}\n", 9, "needs device:");
    refused(HALL "  - {kind: imbalance, machine: m, at: 1s, size: 1g}\n", 9, "its unit, mm/s");
    refused(HALL "  - {kind: imbalance, machine: m, at: 1s}\n", 9, "size: is missing");
    refused(HALL "  - {kind: imbalance, machine: m, at: 2s, until: 1s, size: 1mm/s}\n", 9,
            "until: is not after at");
    refused(HALL "  - {kind: imbalance, machine: m, at: 2s, law: linear, size: 1mm/s}\n", 9,
            "grow: goes with law");
    refused(HALL "  - {kind: stuck_sensor, device: d, quantity: flow, at: 2s}\n", 9,
            "'d' does not measure flow");
    refused(HALL "  - {kind: drifting_sensor, device: d, quantity: temp, at: 2s, size: 1K}\n", 9,
            "its unit, degC");
    refused(HALL "  - {kind: dead_slave, device: d, at: 2s, size: 1}\n", 9, "this fault has none");
    refused(HALL "  - {kind: dead_slave, device: d, at: 2s, word: 0}\n", 9,
            "belongs to dead_sensor");
}
END_TEST

#define WIRE(text)                                                         \
    "version: 1\nmachines:\n  - {name: m, kind: pump}\n"                   \
    "devices:\n  - {name: d, bus: a, unit: 1, map: qm30vt2, machine: m}\n" \
    "buses:\n  - " text "\n"
#define RTU(text) WIRE("{name: a, rtu: x, disturbances: [" text "]}")
#define TCP(text) WIRE("{name: a, tcp: 0, disturbances: [" text "]}")

START_TEST(a_bus_says_how_its_line_is)
{
    struct scenario *s;
    struct heard heard;
    ck_assert_int_eq(parse(WIRE("{name: a, rtu: x, baud: 9600, parity: none, stop_bits: 2, spread: "
                                "3ms, seed: 9}"),
                           &s, &heard),
                     MW_OK);
    ck_assert_uint_eq(s->wires[0].baud, 9600);
    ck_assert_int_eq(s->wires[0].parity, 'N');
    ck_assert_uint_eq(s->wires[0].stop_bits, 2);
    ck_assert_int_eq(s->wires[0].turnaround_us, 2000);
    ck_assert_int_eq(s->wires[0].spread_us, 3000);
    ck_assert(s->wires[0].has_seed && s->wires[0].seed == 9);
    scenario_free(s);
    ck_assert_int_eq(parse(WIRE("{name: a, tcp: 0, framing: rtu}"), &s, &heard), MW_OK);
    ck_assert(s->wires[0].rtu_over_tcp && !s->wires[0].has_seed);
    scenario_free(s);
    refused(WIRE("{name: a, rtu: x, baud: 299}"), 7, "baud: 299 is not in 300 to 4000000");
    refused(WIRE("{name: a, rtu: x, parity: odd}"), 7, "need baud");
    refused(WIRE("{name: a, rtu: x, baud: 9600, parity: O}"), 7, "'O' is none of none, even, odd");
    refused(WIRE("{name: a, rtu: x, framing: rtu}"), 7, "framing: belongs to a tcp bus");
    refused(WIRE("{name: a, tcp: 0, baud: 9600}"), 7, "baud: belongs to an rtu bus");
}
END_TEST

START_TEST(disturbances_are_read_with_their_defaults)
{
    struct scenario *s;
    struct heard heard;
    ck_assert_int_eq(parse(RTU("{kind: late, unit: 3, rate: 0.5%, delay: 100ms, up_to: 2s}, "
                               "{kind: unplug, at: 10s, for: 1s, every: 60s}, "
                               "{kind: exception, code: 4}, {kind: duplicate, delay: 1ms}"),
                           &s, &heard),
                     MW_OK);
    const struct disturbance *d = s->wires[0].disturbances;
    ck_assert_uint_eq(s->wires[0].n_disturbances, 4);
    ck_assert_int_eq(d[0].kind, DISTURBANCE_LATE);
    ck_assert_uint_eq(d[0].unit, 3);
    ck_assert_double_eq_tol(d[0].rate, 0.005, 1e-12);
    ck_assert(d[0].min_us == 100000 && d[0].max_us == 2000000);
    ck_assert(d[1].at_us == 10000000 && d[1].for_us == 1000000 && d[1].every_us == 60000000);
    ck_assert(d[2].exception == 4 && d[2].rate == 1 && d[2].unit == 0);
    ck_assert(d[3].min_us == 1000 && d[3].max_us == 1000);
    scenario_free(s);
}
END_TEST

START_TEST(every_kind_of_disturbance_has_its_word)
{
    for (int kind = 1; kind < DISTURBANCE_KIND_COUNT; kind++) {
        struct scenario *s = NULL;
        struct heard heard;
        char text[512], entry[128];
        const char *name = disturbance_name((enum disturbance_kind)kind);
        bool tcp = kind >= DISTURBANCE_RESET;
        bool lasts = kind >= DISTURBANCE_BABBLE && kind <= DISTURBANCE_UNPLUG;
        bool delay =
            kind == DISTURBANCE_LATE || kind == DISTURBANCE_DRIP || kind == DISTURBANCE_IDLE_CLOSE;
        snprintf(entry, sizeof entry, "%s%s%s%s", name, delay ? ", delay: 1s" : "",
                 lasts ? ", for: 1s" : "", kind == DISTURBANCE_EXCEPTION ? ", code: 2" : "");
        snprintf(text, sizeof text, WIRE("{name: a, %s, disturbances: [{kind: %s}]}"),
                 tcp ? "tcp: 0" : "rtu: x", entry);
        ck_assert_msg(parse(text, &s, &heard) == MW_OK, "%s: %s", name, heard.text[0]);
        ck_assert_int_eq(s->wires[0].disturbances[0].kind, kind);
        scenario_free(s);
    }
}
END_TEST

START_TEST(disturbances_must_fit_their_bus_and_kind)
{
    refused(RTU("{kind: reset}"), 7, "reset does not happen on this sort of bus");
    refused(TCP("{kind: unplug, for: 1s}"), 7, "unplug does not happen on this sort of bus");
    refused(TCP("{kind: bit_flip}"), 7, "bit_flip does not happen");
    refused(WIRE("{name: a, tcp: 0, framing: rtu, disturbances: [{kind: wrong_length}]}"), 7,
            "wrong_length does not happen");
    refused(RTU("{kind: silent}"), 7, "kind: 'silent' is none of silence, late");
    refused(RTU("{kind: silence, rate: 101%}"), 7, "rate: '101%' is not in 0 to 100%");
    refused(RTU("{kind: silence, rate: 0.1}"), 7, "not a number followed by its unit, %");
    refused(RTU("{kind: late}"), 7, "delay: is missing");
    refused(RTU("{kind: late, delay: 2s, up_to: 1s}"), 7, "up_to: is shorter than delay");
    refused(RTU("{kind: silence, delay: 2s}"), 7, "delay: silence has none");
    refused(RTU("{kind: exception}"), 7, "code: belongs to exception, and must be there");
    refused(RTU("{kind: busy, code: 6}"), 7, "code: belongs to exception");
    refused(RTU("{kind: silence, every: 2s}"), 7, "every: needs for");
    refused(RTU("{kind: silence, for: 2s, every: 2s}"), 7, "for: is not shorter than every");
    refused(RTU("{kind: unplug, at: 1s}"), 7, "for: is missing: how long unplug lasts");
    refused(RTU("{kind: unplug, for: 1s, unit: 3}"), 7, "unit: unplug is of the whole bus");
    refused(RTU("{kind: babble, for: 1s, rate: 5%}"), 7, "rate: babble goes by at, for and every");
    refused(RTU("{kind: silence, address: 5}"), 7, "belong to second_master");
}
END_TEST

START_TEST(the_rough_bus_is_whole)
{
    struct scenario *s;
    struct heard heard = { 0 };
    ck_assert_msg(scenario_load(&s, MW_SOURCE_DIR "/simulator/scenarios/rough-bus.yaml", hear,
                                &heard) == MW_OK,
                  "line %d: %s", heard.lines[0], heard.text[0]);
    ck_assert_uint_eq(s->n_wires, 3);
    ck_assert_uint_eq(s->wires[0].n_disturbances, 13); /* every kind of a serial line */
    scenario_free(s);
}
END_TEST

START_TEST(a_thousand_buses_fit)
{
    struct scenario *s;
    struct heard heard;
    size_t n = 0, size = (size_t)256 * 1024;
    char *text = malloc(size);
    ck_assert_ptr_nonnull(text);
    n += (size_t)snprintf(text + n, size - n,
                          "version: 1\nmachines: [{name: m, kind: fan}]\nbuses:\n");
    for (int i = 0; i < 1024; i++)
        n += (size_t)snprintf(text + n, size - n, "  - {name: b%d, tcp: 0}\n", i);
    n += (size_t)snprintf(text + n, size - n, "devices:\n");
    for (int i = 0; i < 1024; i++)
        n +=
            (size_t)snprintf(text + n, size - n,
                             "  - {name: d%d, bus: b%d, unit: 1, map: wtvb01, machine: m}\n", i, i);
    ck_assert_uint_lt(n, size - 1);
    ck_assert_int_eq(parse(text, &s, &heard), MW_OK);
    ck_assert_uint_eq(s->n_wires, 1024);
    ck_assert_uint_eq(s->slaves[1023].wire, 1023);
    scenario_free(s);
    free(text);
}
END_TEST

START_TEST(all_errors_are_reported_in_one_run)
{
    struct scenario *s = NULL;
    struct heard heard;
    ck_assert_int_eq(parse("version: 2\nbuses: []\nmachines: 7\n", &s, &heard), MW_ERR_INVALID);
    ck_assert_int_eq(heard.n, 4); /* version, devices missing, buses, machines */
    ck_assert_int_eq(parse("a: [1\nb: 2\n", &s, &heard), MW_ERR_FORMAT);
    ck_assert_int_eq(parse("", &s, &heard), MW_ERR_INVALID);
    ck_assert_ptr_null(s);
    ck_assert_int_eq(scenario_load(&s, "/nonexistent.yaml", hear, &heard), MW_ERR_NOT_FOUND);
}
END_TEST

START_TEST(numbers_and_times_are_strict)
{
    double value;
    int64_t us;
    ck_assert(field_number("-1.5mm/s", "mm/s", &value) && value == -1.5);
    ck_assert(field_number("3 bar", "bar", &value) && value == 3);
    ck_assert(field_number("1e3", NULL, &value) && value == 1000);
    static const char *const bad[] = { "",       "mm/s",    "1",       "1mm",     "1mm/s2",
                                       " 1mm/s", "infmm/s", "nanmm/s", "0x1mm/s", "1e999mm/s" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!field_number(bad[i], "mm/s", &value), "'%s'", bad[i]);
    ck_assert(field_time("250ms", &us) && us == 250000);
    ck_assert(field_time("1.5min", &us) && us == 90000000);
    ck_assert(field_time("1d", &us) && us == 86400000000);
    ck_assert(!field_time("10", &us) && !field_time("10m", &us) && !field_time("1e12d", &us));
}
END_TEST

MW_SUITE("simulator/scenario", what_is_not_given_has_its_default,
         every_error_names_its_line_and_rule, devices_must_fit_buses_and_machines,
         faults_must_fit_what_they_act_on, a_bus_says_how_its_line_is,
         disturbances_are_read_with_their_defaults, every_kind_of_disturbance_has_its_word,
         disturbances_must_fit_their_bus_and_kind, the_rough_bus_is_whole, a_thousand_buses_fit,
         all_errors_are_reported_in_one_run, numbers_and_times_are_strict)
