/* SPDX-License-Identifier: Apache-2.0 */
/* The hall in motion: machines, faults and sensors on simulated time. Pure: the same scenario,
 * seed and time give the same values, however often and in whatever steps time was advanced. */
#ifndef MW_SIMULATOR_WORLD_H
#define MW_SIMULATOR_WORLD_H

#include "simulator/scenario.h"

struct world;

/* MW_OK, or MW_ERR_NO_MEMORY. Borrows the scenario until world_destroy. Time starts at 0.
 *   hold_faults  true: the fault clock stands before its start until world_arm */
int world_create(struct world **ret_world, const struct scenario *scenario, uint64_t seed,
                 bool hold_faults);
void world_destroy(struct world *world);

/* Runs every whole tick up to now_us, simulated microseconds; going back does nothing. */
void world_advance(struct world *world, int64_t now_us);

/* The fault clock starts now, at the last tick; it is not started twice. */
void world_arm(struct world *world);

/* Simulated time of the last tick; time on the fault clock, negative before its start (INT64_MIN
 * while it is held). */
int64_t world_now_us(const struct world *world);
int64_t world_fault_clock_us(const struct world *world);

/* False while a dead_slave fault holds it. */
bool world_answers(const struct world *world, uint32_t slave);

/* What this cell's sensor measures now, in the quantity's unit: truth and noise, drifted or
 * stuck where a fault says so. */
double world_measure(const struct world *world, uint32_t slave, uint32_t cell);

/* What its registers hold: the measurement as the map writes it, or a dead sensor's word.
 *   ret_words  uint16 [cell_width] */
void world_registers(const struct world *world, uint32_t slave, uint32_t cell, uint16_t *ret_words);

/* Without sensor and noise; for tests and for judging. */
double world_truth(const struct world *world, uint32_t machine, enum quantity q);

#endif
