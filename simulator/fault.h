/* SPDX-License-Identifier: Apache-2.0 */
/* Planted faults: how each grows, and what it does to a machine. Faults of the machine act through
 * a struct strain; faults of a sensor or slave are acted on by world.c. Pure.
 *
 * kind             size   acts on
 * imbalance        mm/s   vel_rms x by size, z by 0.8, y by 0.2 (in quadrature), with speed squared
 * misalignment     mm/s   vel_rms y by size, x by 0.6, z by 0.5, with load; freq becomes twice the
 *                         speed where it dominates; temp +2 K and current +1.5 % per mm/s
 * loose_mounting   mm/s   vel_rms z by size, x by 0.4, y by 0.2, unsteady within 0.4 to 1.6 of
 * that; crest +0.3, kurtosis +0.5 per mm/s bearing_wear     g      acc_hf_rms by size on x and z,
 * by 0.7 on y (added); crest +2, kurtosis +4 per g; vel_rms 0.5 mm/s per g (in quadrature); temp +8
 * K, current +2 % per g blocked_cooling  %      the rise of temp and winding_temp over ambient
 * grows by size stuck_sensor     -      the last value for ever drifting_sensor  unit   size is
 * added to the measured value dead_sensor      -      every register reads as the fault's word
 * dead_slave       -      no answer at all */
#ifndef MW_SIMULATOR_FAULT_H
#define MW_SIMULATOR_FAULT_H

#include "simulator/quantity.h"

#include <stdbool.h>
#include <stdint.h>

#define FAULT_NOWHERE UINT32_MAX

enum fault_kind {
    FAULT_NONE = 0,
    FAULT_IMBALANCE,
    FAULT_MISALIGNMENT,
    FAULT_LOOSE_MOUNTING,
    FAULT_BEARING_WEAR,
    FAULT_BLOCKED_COOLING,
    FAULT_STUCK_SENSOR, /* from here on: of a sensor, not of the machine */
    FAULT_DRIFTING_SENSOR,
    FAULT_DEAD_SENSOR,
    FAULT_DEAD_SLAVE,
    FAULT_KIND_COUNT
};

enum fault_law { FAULT_STEP = 0, FAULT_LINEAR, FAULT_EXPONENTIAL };

/* Times are of the fault clock: simulated microseconds since the faults were armed. */
struct fault {
    enum fault_kind kind;
    enum fault_law law;
    int64_t at_us, until_us; /* begin; end, or 0 for never */
    int64_t grow_us;         /* linear and exponential: until size is reached; then it stays */
    double size;             /* in the kind's unit */
    uint32_t machine, slave; /* index, or FAULT_NOWHERE */
    enum quantity quantity;  /* of a sensor fault; QUANTITY_NONE: all of the slave's */
    uint16_t word;           /* dead_sensor: what its registers read; 0xffff unless given */
};

/* Sum of all faults of one machine at one moment. */
struct strain {
    double vel_mm_s[3]; /* added in quadrature */
    double acc_hf_g[3]; /* added */
    double crest, kurtosis;
    double heat_k;         /* added to the housing's rise */
    double hot_factor;     /* added to 1: multiplies the rises */
    double current_factor; /* added to 1 */
    double second_mm_s;    /* part of vel that turns at twice the speed */
};

/* "imbalance"; "" outside the enum. Its unit of size; "" for none and for drifting_sensor. */
const char *fault_name(enum fault_kind kind);
const char *fault_unit(enum fault_kind kind);

/* True from at_us on and before until_us. */
bool fault_active(const struct fault *fault, int64_t clock_us);

/* How far it has grown: 0 while inactive, then by its law up to size. Exponential starts from a
 * hundredth of size: size * (100^(t / grow) - 1) / 99. */
double fault_severity(const struct fault *fault, int64_t clock_us);

/* Adds this fault's effect.
 *   severity     as fault_severity says
 *   load, speed  of the machine, 1 = rated
 *   unsteady     0 .. 1, fresh for each moment; used by loose_mounting */
void fault_strain(const struct fault *fault, double severity, double load, double speed,
                  double unsteady, struct strain *strain);

/* True where a fault of this kind moves this quantity of its machine. */
bool fault_moves(enum fault_kind kind, enum quantity q);

#endif
