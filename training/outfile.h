/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are there whole or not at all: written beside their place, flushed, then renamed. A
 * symbolic link is followed, its target replaced; whatever else is there and is no regular file (a
 * device, a pipe, a folder) is refused. Between begin and commit or abandon the signals that end a
 * program wait, so that nothing is left behind; they act right after. For programs of one thread.
 */
#ifndef TRAINING_OUTFILE_H
#define TRAINING_OUTFILE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define OUTFILE_PATH_MAX 4096

struct outfile {
    FILE *stream;
    sigset_t held, before;
    char target[OUTFILE_PATH_MAX + 1];
    char part[OUTFILE_PATH_MAX + 32]; /* the name it has until it is whole */
};

/* Whether a file can be made at path, before the work is done: MW_ERR_STATE for what must not be
 * replaced, MW_ERR_TOO_BIG beyond OUTFILE_PATH_MAX, MW_ERR_IO. All failures here leave errno for
 * outfile_text. */
int outfile_check(const char *path);

/* Whether both names lead to the same file, there already: an input that the output would replace.
 */
bool outfile_is_input(const char *output, const char *input);

/* Begins a new file beside path; as outfile_check. */
int outfile_begin(struct outfile *file, const char *path);

/* Whether a signal waits that wants to end the program. */
bool outfile_interrupted(const struct outfile *file);

/* Makes it durable and gives it its name, replacing what was there. MW_ERR_IO: then what was there
 * before is untouched and nothing is left behind. */
int outfile_commit(struct outfile *file);

/* Leaves nothing of it. */
void outfile_abandon(struct outfile *file);

/* All of it: begin, these bytes, commit. */
int outfile_write(const char *path, const void *bytes, size_t n_bytes);

/* The failure of the call just made, in words. */
const char *outfile_text(int result);

#endif
