/* SPDX-License-Identifier: Apache-2.0 */
/* The folder through which training, another process, gets its data and gives back its models.
 * One job at a time per machine: NAME.job starts it, NAME.progress tells how far it is, and
 * NAME.tflite with NAME.report, or NAME.error, ends it. Used by the store stage only. */
#ifndef MW_DAEMON_SPOOL_H
#define MW_DAEMON_SPOOL_H

#include "config/config.h"

#include <stddef.h>
#include <stdint.h>

/* Makes the folder at the start: later there is no leave to (sandbox.h). Where that fails, the
 * first export says so. */
void spool_make(const char *folder);

/* A data set being written: NAME.csv, columns datetime and the channels of the machine. */
struct spool_export;
int spool_export_open(struct spool_export **ret_export, const char *folder,
                      const struct machine_config *machine);
int spool_export_row(struct spool_export *export, const struct mw_frame *frame);
/* Closes the data set and places the job; or, with failed, removes it. */
int spool_export_close(struct spool_export *export, bool failed);

enum spool_state { SPOOL_WAITING = 0, SPOOL_DONE, SPOOL_FAILED };

/* Looks for the outcome. percent: as far as the training says. */
enum spool_state spool_look(const char *folder, const char *machine, uint8_t *ret_percent,
                            char *ret_text, size_t cap);

/* Whether a job of this machine is under way or its outcome waits. */
bool spool_holds(const char *folder, const char *machine);

/* After SPOOL_DONE: the model's bytes, allocated; free() them. The spool's files are left until
 * spool_clear. */
int spool_take(const char *folder, const char *machine, uint8_t **ret_bytes, size_t *ret_n,
               uint32_t *ret_rows, float *ret_r2);

/* Removes everything of this machine. */
void spool_clear(const char *folder, const char *machine);

#endif
