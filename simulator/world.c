/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/world.h"

#include "base/result.h"
#include "simulator/draw.h"

#include <math.h>
#include <stdlib.h>

#define TWO_PI 6.283185307179586

/* Streams of randomness, clear of each other and of the machines' own, which have other seeds. */
#define STREAM_UNSTEADY 1
#define STREAM_SENSORS  1000
#define STREAM_MACHINES 500

struct world {
    const struct scenario *scenario;
    uint64_t seed, n_ticks;
    int64_t armed_us; /* start of the fault clock; INT64_MAX while held */
    struct machine machines[SCENARIO_MAX_MACHINES];
    bool was_stuck[SCENARIO_MAX_FAULTS];
    double frozen[SCENARIO_MAX_FAULTS][SLAVE_MAX_CELLS];
};

static double ambient(const struct ambient *a, int64_t now_us)
{
    double turn = (double)(a->start_us + now_us - a->warmest_us) / (double)a->day_us;
    return a->mean_degc + a->swing_k * cos(TWO_PI * turn);
}

int world_create(struct world **ret_world, const struct scenario *scenario, uint64_t seed,
                 bool hold_faults)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        return MW_ERR_NO_MEMORY;
    w->scenario = scenario;
    w->seed = seed;
    w->armed_us = hold_faults ? INT64_MAX : scenario->faults_after_us;
    for (uint32_t m = 0; m < scenario->n_machines; m++)
        machine_init(&w->machines[m], &scenario->machines[m], draw_bits(seed, STREAM_MACHINES, m),
                     scenario->tick_us, ambient(&scenario->ambient, 0));
    *ret_world = w;
    return MW_OK;
}

void world_destroy(struct world *world)
{
    free(world);
}

int64_t world_now_us(const struct world *w)
{
    return (int64_t)w->n_ticks * w->scenario->tick_us;
}

int64_t world_fault_clock_us(const struct world *w)
{
    return w->armed_us == INT64_MAX ? INT64_MIN : world_now_us(w) - w->armed_us;
}

void world_arm(struct world *w)
{
    if (w->armed_us == INT64_MAX)
        w->armed_us = world_now_us(w);
}

static bool active(const struct world *w, const struct fault *f)
{
    return fault_active(f, world_fault_clock_us(w));
}

static struct strain strain_on(const struct world *w, uint32_t machine)
{
    const struct machine *m = &w->machines[machine];
    struct strain strain = { 0 };
    for (uint32_t i = 0; i < w->scenario->n_faults; i++) {
        const struct fault *f = &w->scenario->faults[i];
        if (f->slave == FAULT_NOWHERE && f->machine == machine && active(w, f))
            fault_strain(f, fault_severity(f, world_fault_clock_us(w)), m->load, m->speed,
                         draw_uniform(w->seed, STREAM_UNSTEADY + i, w->n_ticks), &strain);
    }
    return strain;
}

static double measure_fresh(const struct world *w, uint32_t slave, uint32_t cell)
{
    const struct slave_config *s = &w->scenario->slaves[slave];
    const struct cell *c = &s->cells[cell];
    const struct machine *m = &w->machines[c->machine];
    double truth = machine_truth(m, c->quantity);
    double deviation = quantity_noise(c->quantity, truth);
    if (c->quantity >= QUANTITY_ACC_X && c->quantity <= QUANTITY_ACC_Z)
        deviation = machine_truth(m, QUANTITY_ACC_RMS_X + (c->quantity - QUANTITY_ACC_X));
    /* One sensor has one noise for a quantity, in whatever unit and register it is read. */
    uint64_t stream = STREAM_SENSORS +
                      ((uint64_t)slave * SCENARIO_MAX_MACHINES + c->machine) * QUANTITY_COUNT +
                      (uint64_t)c->quantity;
    double value = truth + s->noise * deviation * draw_normal(w->seed, stream, w->n_ticks);
    for (uint32_t i = 0; i < w->scenario->n_faults; i++) {
        const struct fault *f = &w->scenario->faults[i];
        if (f->kind == FAULT_DRIFTING_SENSOR && scenario_fault_touches(w->scenario, f, slave, cell))
            value += fault_severity(f, world_fault_clock_us(w));
    }
    return value;
}

/* At the tick in which a sensor sticks, its last values are kept. */
static void hold_stuck(struct world *w)
{
    for (uint32_t i = 0; i < w->scenario->n_faults; i++) {
        const struct fault *f = &w->scenario->faults[i];
        bool stuck = f->kind == FAULT_STUCK_SENSOR && active(w, f);
        if (stuck && !w->was_stuck[i])
            for (uint32_t c = 0; c < w->scenario->slaves[f->slave].n_cells; c++)
                w->frozen[i][c] = measure_fresh(w, f->slave, c);
        w->was_stuck[i] = stuck;
    }
}

void world_advance(struct world *w, int64_t now_us)
{
    while (world_now_us(w) + w->scenario->tick_us <= now_us) {
        w->n_ticks++;
        double degc = ambient(&w->scenario->ambient, world_now_us(w));
        for (uint32_t m = 0; m < w->scenario->n_machines; m++) {
            struct strain strain = strain_on(w, m);
            machine_step(&w->machines[m], degc, &strain);
        }
        hold_stuck(w);
    }
}

bool world_answers(const struct world *w, uint32_t slave)
{
    for (uint32_t i = 0; i < w->scenario->n_faults; i++) {
        const struct fault *f = &w->scenario->faults[i];
        if (f->kind == FAULT_DEAD_SLAVE && f->slave == slave && active(w, f))
            return false;
    }
    return true;
}

double world_measure(const struct world *w, uint32_t slave, uint32_t cell)
{
    for (uint32_t i = 0; i < w->scenario->n_faults; i++)
        if (w->was_stuck[i] &&
            scenario_fault_touches(w->scenario, &w->scenario->faults[i], slave, cell))
            return w->frozen[i][cell];
    return measure_fresh(w, slave, cell);
}

void world_registers(const struct world *w, uint32_t slave, uint32_t cell, uint16_t *ret_words)
{
    const struct cell *c = &w->scenario->slaves[slave].cells[cell];
    for (uint32_t i = 0; i < w->scenario->n_faults; i++) {
        const struct fault *f = &w->scenario->faults[i];
        if (f->kind != FAULT_DEAD_SENSOR || !active(w, f) ||
            !scenario_fault_touches(w->scenario, f, slave, cell))
            continue;
        for (uint16_t k = 0; k < cell_width(c->type); k++)
            ret_words[k] = f->word;
        return;
    }
    cell_encode(c, world_measure(w, slave, cell), ret_words);
}

double world_truth(const struct world *w, uint32_t machine, enum quantity q)
{
    return machine_truth(&w->machines[machine], q);
}
