/* SPDX-License-Identifier: Apache-2.0 */
/* One simulated machine: a load programme, heat with inertia, and what sensors on it would see.
 * Steps on simulated time; the same settings and seed give the same values. Pure.
 *
 * The formulas, with l = load and n = speed, both 1 at rated:
 *   rise over ambient   rated * n * (0.25 + 0.75 l^2), first order with the inertia
 *   vel_rms             rated * n^2 * (0.5 + 0.5 l), floor 0.05 mm/s in quadrature
 *   acc_rms             vel_rms at six times the rated speed's frequency, floor 0.003 g
 *   current             rated * n * (idle + (1 - idle) l); power at 400 V and power factor 0.85
 *   flow, pressure      rated * n * l;  rated * n^2 * (1.2 - 0.2 l^2)
 *   speed               rated * n * (1 - slip * (l - 1)) */
#ifndef MW_SIMULATOR_MACHINE_H
#define MW_SIMULATOR_MACHINE_H

#include "base/sample.h"
#include "simulator/fault.h"
#include "simulator/quantity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_MAX_STEPS 32

enum machine_kind {
    MACHINE_NONE = 0,
    MACHINE_PUMP,
    MACHINE_MOTOR,
    MACHINE_FAN,
    MACHINE_CONVEYOR,
    MACHINE_COMPRESSOR,
    MACHINE_KIND_COUNT
};

struct load_step {
    double load_pct, speed_pct; /* of rated; a speed of 0 is a stop */
    int64_t hold_us, ramp_us;   /* how long in all; how long the change into it takes */
};

struct machine_plan {
    char name[MW_NAME_MAX + 1];
    enum machine_kind kind;
    double speed_rpm, slip_pct;
    double current_a, idle_pct;                /* rated; share of it without load */
    double vel_x_mm_s, vel_y_mm_s, vel_z_mm_s; /* vel_rms when rated and healthy */
    double temp_rise_k, winding_rise_k;        /* over ambient when rated */
    int64_t temp_inertia_us, winding_inertia_us;
    double pressure_bar, flow_m3_h; /* rated; 0: the machine moves no medium */
    double load_jitter_pct;         /* each step's load differs by up to this, of 100 % load */
    double time_jitter_pct;         /* each step's length by up to this share of itself */
    double wander_pct; /* deviation of a slow random walk of the load about the step's */
    int64_t wander_us; /* its time constant */
    struct load_step steps[MACHINE_MAX_STEPS]; /* repeated for ever */
    uint32_t n_steps;
};

struct machine {
    const struct machine_plan *plan; /* borrowed */
    uint64_t seed;
    int64_t tick_us;
    uint64_t n_ticks, n_steps; /* done so far; steps count on through the repetitions */
    int64_t step_age_us, step_hold_us;
    double from_load, to_load, from_speed, to_speed; /* 1 = rated */
    double load, speed, wander;
    double ambient_degc, temp_degc, winding_degc;
    double keep_temp, keep_winding, keep_wander; /* exp(-tick / inertia) */
    struct strain strain;
};

/* "pump"; "" outside the enum. */
const char *machine_kind_name(enum machine_kind kind);

/* A typical machine of this kind with a two-step programme, for a scenario to change. */
void machine_defaults(struct machine_plan *ret_plan, enum machine_kind kind);

/* Starts in the first step, as warm as the programme's average makes it.
 *   tick_us  of all following steps, above 0 */
void machine_init(struct machine *machine, const struct machine_plan *plan, uint64_t seed,
                  int64_t tick_us, double ambient_degc);

/* One tick on. The strain is that of this tick and is kept for the readings that follow. */
void machine_step(struct machine *machine, double ambient_degc, const struct strain *strain);

/* The true value now, in the quantity's unit; 0 for what the machine does not have. */
double machine_truth(const struct machine *machine, enum quantity q);

/* Pressure and flow exist only where a medium is moved. */
bool machine_has(const struct machine_plan *plan, enum quantity q);

#endif
