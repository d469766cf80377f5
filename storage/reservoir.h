/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded sample of each machine's whole life, to train from: windows of frames, for each
 * operating state as many, each window of a state's life kept with the same chance (reservoir
 * sampling, Vitter 1985, algorithm R). So old loads are not forgotten, and what is written fades
 * out: the n-th window of a state replaces one of k with the chance k / n.
 *
 * A window is one block of history. It belongs to an operating state where each channel's mean lies
 * within four of the window's own standard deviations, or 5 %, of the state's; else it begins a new
 * one, up to RESERVOIR_STATES, and then joins the nearest. Windows with missing values, too few
 * frames or a score above 1 are not taken. history_write offers every block by itself. */
#ifndef MW_STORAGE_RESERVOIR_H
#define MW_STORAGE_RESERVOIR_H

#include "storage/db.h"

#include <stdbool.h>

#define RESERVOIR_STATES      4
#define RESERVOIR_WINDOWS     64 /* of a machine, of all its states, at most */
#define RESERVOIR_FRAMES_MIN  32
#define RESERVOIR_WINDOW_ROOM 4096 /* bytes that a window may take, for the bound */

/* How many windows each machine may keep, so that all of them take an eighth of max_bytes at most:
 * 0, or a multiple of RESERVOIR_STATES up to RESERVOIR_WINDOWS. */
uint32_t reservoir_bound(const struct store_config *config, size_t n_machines);

/* Inside a transaction: the machine is another one now. A history writer of it must be told by
 * history_forget_reservoir. */
int reservoir_clear(struct db *db, uint32_t machine);

/* Windows and operating states that are kept of a machine. */
int reservoir_count(struct db *db, uint32_t machine, uint32_t *ret_windows, uint32_t *ret_states);

#endif
