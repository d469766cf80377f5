/* SPDX-License-Identifier: Apache-2.0 */
/* Machines and faults on virtual time; statistics over simulated minutes cost milliseconds. */
#include "simulator/world.h"

#include "base/result.h"
#include "support/suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US 1000000
#define MINUTE_US (60 * (int64_t)SECOND_US)
#define MAX_CELLS 22

static void hear(void *ctx, int line, const char *message)
{
    (void)ctx;
    ck_abort_msg("line %d: %s", line, message);
}

/* A steady pump at its rated point, its sensors without noise, and this fault. */
static struct scenario *steady(const char *fault)
{
    char text[1024];
    struct scenario *s;
    snprintf(text, sizeof text,
             "version: 1\ntick: 1s\nambient: {mean: 20degC, swing: 0K}\n"
             "buses:\n  - {name: a, tcp: 0}\n"
             "machines:\n"
             "  - {name: m, kind: pump, load_jitter: 0%%, wander: 0%%, temp_inertia: 1min,\n"
             "     programme: [{load: 100%%, hold: 60s}]}\n"
             "devices:\n"
             "  - {name: d, bus: a, unit: 1, map: qm30vt2, machine: m, noise: 0%%}\n"
             "faults:\n  - {%s}\n",
             fault);
    ck_assert_int_eq(scenario_parse(&s, text, strlen(text), hear, NULL), MW_OK);
    return s;
}

static double truth_at(const struct scenario *s, int64_t at_us, enum quantity q)
{
    struct world *w;
    ck_assert_int_eq(world_create(&w, s, 1, false), MW_OK);
    world_advance(w, at_us);
    double truth = world_truth(w, 0, q);
    world_destroy(w);
    return truth;
}

/* Before and an hour after the fault began. */
static void moved(const char *fault, enum quantity q, double *ret_before, double *ret_after)
{
    struct scenario *s = steady(fault);
    *ret_before = truth_at(s, 60 * MINUTE_US - SECOND_US, q);
    *ret_after = truth_at(s, 120 * MINUTE_US, q);
    scenario_free(s);
}

#define ck_assert_near(a, b, tolerance) ck_assert_double_eq_tol((a), (b), (tolerance))

START_TEST(imbalance_adds_its_size_in_quadrature)
{
    static const struct {
        enum quantity q;
        double share;
    } axes[] = { { QUANTITY_VEL_RMS_X, 1 },
                 { QUANTITY_VEL_RMS_Y, 0.2 },
                 { QUANTITY_VEL_RMS_Z, 0.8 } };
    for (size_t i = 0; i < 3; i++) {
        double before, after;
        moved("kind: imbalance, machine: m, at: 60min, size: 3mm/s", axes[i].q, &before, &after);
        ck_assert_near(after, hypot(before, 3 * axes[i].share), 1e-9);
    }
    double before, after;
    moved("kind: imbalance, machine: m, at: 60min, size: 3mm/s", QUANTITY_TEMP, &before, &after);
    ck_assert_near(after, before, 1e-9);
}
END_TEST

START_TEST(bearing_wear_shows_in_high_frequency_impact_and_heat)
{
    static const char fault[] = "kind: bearing_wear, machine: m, at: 60min, size: 1.5g";
    static const struct {
        enum quantity q;
        double by;
    } adds[] = { { QUANTITY_ACC_HF_RMS_X, 1.5 },
                 { QUANTITY_ACC_HF_RMS_Y, 1.05 },
                 { QUANTITY_KURTOSIS_Z, 6 },
                 { QUANTITY_CREST_X, 3 },
                 { QUANTITY_TEMP, 12 } };
    double before, after;
    for (size_t i = 0; i < sizeof adds / sizeof adds[0]; i++) {
        moved(fault, adds[i].q, &before, &after);
        ck_assert_near(after - before, adds[i].by, 1e-6);
    }
    moved(fault, QUANTITY_VEL_RMS_X, &before, &after);
    ck_assert_near(after, hypot(before, 0.75), 1e-9);
    moved(fault, QUANTITY_CURRENT, &before, &after);
    ck_assert_near(after, before * 1.03, 1e-9);
}
END_TEST

START_TEST(misalignment_shows_axially_at_twice_the_speed)
{
    static const char fault[] = "kind: misalignment, machine: m, at: 60min, size: 4mm/s";
    double before, after;
    moved(fault, QUANTITY_VEL_RMS_Y, &before, &after);
    ck_assert_near(after, hypot(before, 4), 1e-9);
    moved(fault, QUANTITY_VEL_RMS_X, &before, &after);
    ck_assert_near(after, hypot(before, 2.4), 1e-9);
    moved(fault, QUANTITY_FREQ_Y, &before, &after);
    ck_assert_near(after, 2 * before, 1e-9);
    moved(fault, QUANTITY_TEMP, &before, &after);
    ck_assert_near(after - before, 8, 1e-6);
    moved(fault, QUANTITY_CURRENT, &before, &after);
    ck_assert_near(after, before * 1.06, 1e-9);
}
END_TEST

START_TEST(loose_mounting_is_unsteady_within_its_bounds)
{
    struct scenario *s = steady("kind: loose_mounting, machine: m, at: 0s, size: 2mm/s");
    struct world *w;
    double healthy = 1.1, least = 1e9, most = 0;
    ck_assert_int_eq(world_create(&w, s, 1, false), MW_OK);
    for (int64_t t = 1; t <= 600; t++) {
        world_advance(w, t * SECOND_US);
        double added =
            sqrt(pow(world_truth(w, 0, QUANTITY_VEL_RMS_Z), 2) - healthy * healthy - 0.05 * 0.05);
        least = fmin(least, added);
        most = fmax(most, added);
    }
    ck_assert_msg(least >= 0.8 - 1e-9 && least < 0.9, "least %g", least);
    ck_assert_msg(most <= 3.2 + 1e-9 && most > 3.1, "most %g", most);
    world_destroy(w);
    scenario_free(s);
}
END_TEST

START_TEST(blocked_cooling_multiplies_the_rise)
{
    double before, after;
    moved("kind: blocked_cooling, machine: m, at: 60min, size: 50%", QUANTITY_TEMP, &before,
          &after);
    ck_assert_near(before, 20 + 28, 1e-6);
    ck_assert_near(after, 20 + 1.5 * 28, 1e-6);
    moved("kind: blocked_cooling, machine: m, at: 60min, size: 50%", QUANTITY_WINDING_TEMP, &before,
          &after);
    ck_assert_near(after, 20 + 1.5 * 55, 1e-3);
    moved("kind: blocked_cooling, machine: m, at: 60min, size: 50%", QUANTITY_VEL_RMS_X, &before,
          &after);
    ck_assert_near(after, before, 1e-9);
}
END_TEST

START_TEST(heat_follows_with_the_stated_inertia)
{
    struct scenario *s = steady("kind: blocked_cooling, machine: m, at: 60min, size: 50%");
    double cold = 48, hot = 62;
    double after_one = truth_at(s, 61 * MINUTE_US, QUANTITY_TEMP);
    ck_assert_near(after_one, hot + (cold - hot) * exp(-61.0 / 60), 0.02);
    scenario_free(s);
}
END_TEST

START_TEST(a_fault_grows_by_its_law_and_ends_when_repaired)
{
    struct fault f = {
        .kind = FAULT_IMBALANCE, .at_us = 100, .until_us = 400, .grow_us = 200, .size = 8
    };
    ck_assert_double_eq(fault_severity(&f, 99), 0);
    ck_assert_double_eq(fault_severity(&f, 100), 8);
    f.law = FAULT_LINEAR;
    ck_assert_near(fault_severity(&f, 150), 2, 1e-12);
    ck_assert_double_eq(fault_severity(&f, 300), 8);
    ck_assert_double_eq(fault_severity(&f, 399), 8);
    ck_assert_double_eq(fault_severity(&f, 400), 0);
    f.law = FAULT_EXPONENTIAL;
    ck_assert_double_eq(fault_severity(&f, 100), 0);
    ck_assert_near(fault_severity(&f, 200), 8 * 9.0 / 99, 1e-12);
    ck_assert_double_eq(fault_severity(&f, 300), 8);
}
END_TEST

/* cell 5 is vel_rms_x, 3 is temp, 1 is vel_rms_z. */
START_TEST(sensor_faults_change_what_is_measured_and_not_the_machine)
{
    struct scenario *s = steady("kind: drifting_sensor, device: d, quantity: temp, at: 1min,"
                                " law: linear, grow: 10min, size: -5degC");
    struct world *w;
    ck_assert_int_eq(world_create(&w, s, 1, false), MW_OK);
    world_advance(w, 6 * MINUTE_US);
    ck_assert_near(world_measure(w, 0, 3), world_truth(w, 0, QUANTITY_TEMP) - 2.5, 1e-9);
    ck_assert_near(world_measure(w, 0, 5), world_truth(w, 0, QUANTITY_VEL_RMS_X), 1e-9);
    world_destroy(w);
    scenario_free(s);

    uint16_t word;
    s = steady("kind: dead_sensor, device: d, quantity: vel_rms_x, at: 1min, until: 2min");
    ck_assert_int_eq(world_create(&w, s, 1, false), MW_OK);
    world_advance(w, MINUTE_US);
    world_registers(w, 0, 5, &word);
    ck_assert_uint_eq(word, 0xffff);
    world_registers(w, 0, 1, &word);
    ck_assert_uint_ne(word, 0xffff);
    world_advance(w, 2 * MINUTE_US);
    world_registers(w, 0, 5, &word);
    ck_assert_uint_ne(word, 0xffff);
    world_destroy(w);
    scenario_free(s);
}
END_TEST

START_TEST(a_stuck_sensor_keeps_its_last_value_while_others_go_on)
{
    struct scenario *s = steady("kind: stuck_sensor, device: d, quantity: vel_rms_x, at: 1min,"
                                " until: 10min");
    s->slaves[0].noise = 1;
    struct world *w;
    int n_same_x = 0, n_same_z = 0;
    ck_assert_int_eq(world_create(&w, s, 1, false), MW_OK);
    world_advance(w, MINUTE_US);
    double x = world_measure(w, 0, 5), z = world_measure(w, 0, 1);
    for (int64_t t = 61; t < 600; t++) {
        world_advance(w, t * SECOND_US);
        n_same_x += world_measure(w, 0, 5) == x;
        n_same_z += world_measure(w, 0, 1) == z;
    }
    ck_assert_int_eq(n_same_x, 539);
    ck_assert_int_eq(n_same_z, 0);
    world_advance(w, 600 * (int64_t)SECOND_US);
    ck_assert(world_measure(w, 0, 5) != x);
    world_destroy(w);
    scenario_free(s);
}
END_TEST

START_TEST(a_dead_slave_is_silent_until_its_end)
{
    struct scenario *s = steady("kind: dead_slave, device: d, at: 1min, until: 2min");
    struct world *w;
    ck_assert_int_eq(world_create(&w, s, 1, false), MW_OK);
    world_advance(w, MINUTE_US - 1);
    ck_assert(world_answers(w, 0));
    world_advance(w, MINUTE_US);
    ck_assert(!world_answers(w, 0));
    world_advance(w, 2 * MINUTE_US);
    ck_assert(world_answers(w, 0));
    world_destroy(w);
    scenario_free(s);
}
END_TEST

START_TEST(held_faults_count_from_the_moment_they_are_armed)
{
    struct scenario *s = steady("kind: dead_slave, device: d, at: 1min");
    struct world *w;
    ck_assert_int_eq(world_create(&w, s, 1, true), MW_OK);
    world_advance(w, 100 * MINUTE_US);
    ck_assert(world_answers(w, 0));
    world_arm(w);
    world_advance(w, 101 * MINUTE_US - SECOND_US);
    ck_assert(world_answers(w, 0));
    world_arm(w); /* not twice */
    world_advance(w, 101 * MINUTE_US);
    ck_assert(!world_answers(w, 0));
    world_destroy(w);
    scenario_free(s);
}
END_TEST

static void registers_of(const struct world *w, const struct scenario *s, uint16_t *ret,
                         size_t *ret_n)
{
    size_t n = 0;
    for (uint32_t i = 0; i < s->n_slaves; i++)
        for (uint32_t c = 0; c < s->slaves[i].n_cells; c++) {
            world_registers(w, i, c, &ret[n]);
            n += cell_width(s->slaves[i].cells[c].type);
        }
    *ret_n = n;
}

START_TEST(the_same_seed_gives_the_same_registers_in_whatever_steps)
{
    struct scenario *s;
    struct world *one, *two, *other;
    uint16_t a[512], b[512], c[512];
    size_t n, n_b, n_differ = 0;
    ck_assert_int_eq(scenario_load(&s, MW_SOURCE_DIR "/simulator/scenarios/hall.yaml", hear, NULL),
                     MW_OK);
    ck_assert_int_eq(world_create(&one, s, 5, false), MW_OK);
    ck_assert_int_eq(world_create(&two, s, 5, false), MW_OK);
    ck_assert_int_eq(world_create(&other, s, 6, false), MW_OK);
    for (int64_t t = 0; t <= 130 * MINUTE_US; t += 7777777)
        world_advance(one, t);
    world_advance(one, 130 * MINUTE_US);
    world_advance(two, 130 * MINUTE_US);
    world_advance(other, 130 * MINUTE_US);
    registers_of(one, s, a, &n);
    registers_of(two, s, b, &n_b);
    registers_of(other, s, c, &n_b);
    ck_assert_uint_ge(n, 150);
    ck_assert_mem_eq(a, b, n * sizeof *a);
    for (size_t i = 0; i < n; i++)
        n_differ += a[i] != c[i];
    ck_assert_uint_gt(n_differ, n / 2);
    world_destroy(one);
    world_destroy(two);
    world_destroy(other);
    scenario_free(s);
}
END_TEST

struct sums {
    double n, mean, sd;
};

/* Mean and deviation of one cell between two simulated minutes, one value each 6 seconds. */
static void measure_minutes(const struct scenario *s, int64_t from_min, int64_t to_min,
                            struct sums ret[SCENARIO_MAX_SLAVES][MAX_CELLS])
{
    struct world *w;
    memset(ret, 0, sizeof(struct sums[SCENARIO_MAX_SLAVES][MAX_CELLS]));
    ck_assert_int_eq(world_create(&w, s, s->seed, true), MW_OK);
    for (int64_t t = from_min * MINUTE_US; t < to_min * MINUTE_US; t += 6 * SECOND_US) {
        world_advance(w, t);
        for (uint32_t i = 0; i < s->n_slaves; i++)
            for (uint32_t c = 0; c < s->slaves[i].n_cells; c++) {
                double v = world_measure(w, i, c);
                ret[i][c].n++;
                ret[i][c].mean += v;
                ret[i][c].sd += v * v;
            }
    }
    for (uint32_t i = 0; i < s->n_slaves; i++)
        for (uint32_t c = 0; c < s->slaves[i].n_cells; c++) {
            struct sums *x = &ret[i][c];
            x->mean /= x->n;
            x->sd = sqrt(fmax(0, x->sd / x->n - x->mean * x->mean));
        }
    world_destroy(w);
}

/* What is learned in the demonstration's first minute (60 simulated ones) holds in the second and
 * third: means within a quarter of a deviation, deviations within a fifth. */
START_TEST(healthy_machines_stay_as_they_were_learned)
{
    static struct sums first[SCENARIO_MAX_SLAVES][MAX_CELLS], later[SCENARIO_MAX_SLAVES][MAX_CELLS];
    struct scenario *s;
    ck_assert_int_eq(scenario_load(&s, MW_SOURCE_DIR "/simulator/scenarios/hall.yaml", hear, NULL),
                     MW_OK);
    measure_minutes(s, 0, 60, first);
    measure_minutes(s, 60, 180, later);
    for (uint32_t i = 0; i < s->n_slaves; i++)
        for (uint32_t c = 0; c < s->slaves[i].n_cells; c++) {
            const struct sums *a = &first[i][c], *b = &later[i][c];
            const char *name = s->slaves[i].cells[c].name, *slave = s->slaves[i].name;
            ck_assert_msg(fabs(b->mean - a->mean) <= 0.25 * a->sd, "%s.%s: mean %g, then %g; sd %g",
                          slave, name, a->mean, b->mean, a->sd);
            ck_assert_msg(fabs(b->sd / a->sd - 1) <= 0.2, "%s.%s: sd %g, then %g", slave, name,
                          a->sd, b->sd);
        }
    scenario_free(s);
}
END_TEST

MW_SUITE("simulator/world", imbalance_adds_its_size_in_quadrature,
         bearing_wear_shows_in_high_frequency_impact_and_heat,
         misalignment_shows_axially_at_twice_the_speed,
         loose_mounting_is_unsteady_within_its_bounds, blocked_cooling_multiplies_the_rise,
         heat_follows_with_the_stated_inertia, a_fault_grows_by_its_law_and_ends_when_repaired,
         sensor_faults_change_what_is_measured_and_not_the_machine,
         a_stuck_sensor_keeps_its_last_value_while_others_go_on,
         a_dead_slave_is_silent_until_its_end, held_faults_count_from_the_moment_they_are_armed,
         the_same_seed_gives_the_same_registers_in_whatever_steps,
         healthy_machines_stay_as_they_were_learned)
