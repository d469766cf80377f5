/* SPDX-License-Identifier: Apache-2.0 */
/* Opens what is read whole: regular files alone. A pipe, a device or a folder is refused at once
 * instead of being waited for. */
#ifndef TRAINING_INFILE_H
#define TRAINING_INFILE_H

#include <stdbool.h>
#include <stdio.h>

/* Opens path to be read; symbolic links are followed if `follow`. MW_ERR_STATE for what is no
 * regular file, MW_ERR_NOT_FOUND with errno set for what cannot be opened. */
int infile_open(FILE **ret_file, const char *path, bool follow);

/* The failure of the call just made, in words. */
const char *infile_text(int result);

#endif
