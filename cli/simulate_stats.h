/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulation has counted, in words and as JSON; docs/SPEC-scenario.md says what each is. */
#ifndef MW_CLI_SIMULATE_STATS_H
#define MW_CLI_SIMULATE_STATS_H

#include "simulator/service.h"

#include <stdio.h>

/* One line: what masters did wrong, and what was done to them. */
void simulate_stats_say(const struct service *service, FILE *to);

/* Writes the file anew, whole or not at all. MW_OK, or an error of training/outfile.h. */
int simulate_stats_write(const struct service *service, const char *path);

#endif
