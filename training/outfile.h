/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are there whole or not at all: written beside their place, flushed, then renamed. */
#ifndef TRAINING_OUTFILE_H
#define TRAINING_OUTFILE_H

#include <stddef.h>

#define OUTFILE_PATH_MAX 4096

/* Replaces the file at path. MW_ERR_TOO_BIG for a path beyond OUTFILE_PATH_MAX, MW_ERR_IO with
 * errno set; then what was there before is untouched and nothing is left behind. */
int outfile_write(const char *path, const void *bytes, size_t n_bytes);

#endif
