/* SPDX-License-Identifier: Apache-2.0 */
/* The folder through which the daemon and training talk. The daemon writes NAME.csv and, last,
 * NAME.job; this runs the job and leaves NAME.tflite and, last, NAME.report, or NAME.error; then it
 * removes NAME.job. So a job that was cut off is run again, and a result is whole.
 *
 *   NAME.progress  while it works: percent as "42\n", replaced atomically; removed at the end
 *   NAME.report    n_rows=, r2=, train_mse=, digest= (64 hex digits), seconds=; one in a line
 *   NAME.error     one line in words
 *
 *   NAME.job.refused  was NAME.job and no regular file that can be read; NAME.error says so too
 *   refused-N.refused  was X.job with a name that is none of job_is_name
 *
 * Whatever ends in .job is gone in the end, so that who watches for it is not called for ever. All
 * else is left alone. */
#ifndef TRAINING_SPOOL_H
#define TRAINING_SPOOL_H

#include <stdint.h>

#define SPOOL_MAX_JOBS    256 /* of one run; further ones wait for the next */
#define SPOOL_MAX_REFUSED 999 /* names refused-N.refused; beyond, an entry stays where it is */

struct spool_world {
    int64_t (*now_us)(void *ctx);                                 /* monotonic */
    void (*done)(void *ctx, const char *name, const char *error); /* error NULL: a model */
    /* An entry that is no job, its new name, and why; as NULL: it could not be moved. */
    void (*refused)(void *ctx, const char *entry, const char *as, const char *why);
    void *ctx;
};

/* Runs every job there is, in the order of their names. Returns how many were run, failed ones
 * too; MW_ERR_NOT_FOUND where the folder cannot be read, MW_ERR_IO where a result cannot be
 * written or the job not removed: then that job is still there. Both leave errno. */
int spool_run(const char *folder, const struct spool_world *world);

#endif
