/* SPDX-License-Identifier: Apache-2.0 */
/* Files as the verbs need them: read whole. Errors are worded on stderr, and what comes back is the
 * exit status. Writing is training/outfile.h. */
#ifndef MW_CLI_FILE_H
#define MW_CLI_FILE_H

#include <stddef.h>
#include <stdint.h>

/* The whole of a regular file on the heap; the caller frees *ret_bytes. EX_NOINPUT, EX_IOERR, or
 * EX_DATAERR where it is larger than max_bytes. */
int file_load(const char *path, size_t max_bytes, uint8_t **ret_bytes, size_t *ret_n_bytes);

#endif
