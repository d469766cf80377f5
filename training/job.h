/* SPDX-License-Identifier: Apache-2.0 */
/* A training job as text, one key=value in a line:
 *
 *   csv=pump-1.csv          the table, in the spool folder; required
 *   rows=0:3600             half-open; default all
 *   context=inlet,oil       columns that are network input only
 *   off=door                columns that are no part of the model
 *   window=16  seed=1  level_guard=on|off  period_us=1000000
 *
 * Lines starting with # and empty lines are skipped. Everything else is refused: an unknown key, a
 * key twice, a value out of range. Pure. */
#ifndef TRAINING_JOB_H
#define TRAINING_JOB_H

#include "training/train.h"

#define JOB_MAX_BYTES 8192
#define JOB_NAME_MAX  32 /* of the job: [A-Za-z0-9_-], 1 to 32 */

struct job {
    char csv[JOB_NAME_MAX + 5];   /* a name of the same kind and ".csv" */
    struct train_options options; /* its lists point into this job: do not copy it */
    const char *context[CSV_MAX_COLUMNS], *off[CSV_MAX_COLUMNS];
    char text[JOB_MAX_BYTES + 1];
};

/* Whether the n characters are a job's name. */
bool job_is_name(const char *name, size_t n);

/* MW_ERR_FORMAT or MW_ERR_TOO_BIG with words: "line 3: window=1 is not in 2 to 64". */
int job_parse(struct job *job, const char *text, size_t n_bytes, struct train_fault *ret_why);

/* Cuts a list at its commas, in place; the pointers go to ret_names, which holds cap. Returns how
 * many, or MW_ERR_TOO_BIG, or MW_ERR_FORMAT for an empty name. An empty text is an empty list. */
int job_split(char *text, const char **ret_names, uint32_t cap);

/* "A:B" as two row numbers, A < B. */
bool job_parse_rows(const char *text, uint32_t *ret_first, uint32_t *ret_end);

/* A decimal number of digits alone, at most `most`. */
bool job_parse_number(const char *text, uint64_t most, uint64_t *ret);

#endif
