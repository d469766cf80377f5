/* SPDX-License-Identifier: Apache-2.0 */
/* Opens files that people name. */
#ifndef MW_SIMULATOR_REGULAR_H
#define MW_SIMULATOR_REGULAR_H

#include <stdio.h>

/* For reading; NULL where it cannot be opened or is no regular file: a pipe would be waited for, a
 * device never ends. */
FILE *regular_open(const char *path);

#endif
