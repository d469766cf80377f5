/* SPDX-License-Identifier: Apache-2.0 */
/* Files as the verbs need them: read whole, or written so that a reader sees the old one or the new
 * one and never half. Errors are worded on stderr, and what comes back is the exit status. */
#ifndef MW_CLI_FILE_H
#define MW_CLI_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The whole file on the heap; the caller frees *ret_bytes. EX_NOINPUT, EX_IOERR, or EX_DATAERR
 * where it is larger than max_bytes. */
int file_load(const char *path, size_t max_bytes, uint8_t **ret_bytes, size_t *ret_n_bytes);

struct file_new {
    FILE *stream;
    char part[4096]; /* the name it has until it is whole */
};

/* Begins a new file beside path. EX_CANTCREAT where that is not possible. */
int file_begin(struct file_new *file, const char *path);

/* Makes it durable and gives it its name, replacing what was there. EX_IOERR or EX_CANTCREAT; then
 * nothing is left of it. */
int file_commit(struct file_new *file, const char *path);

/* Leaves nothing of it. */
void file_abandon(struct file_new *file);

#endif
