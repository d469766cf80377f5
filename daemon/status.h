/* SPDX-License-Identifier: Apache-2.0 */
/* Everything the daemon knows of itself, as one JSON object and a newline: what 'millwright status
 * --json' prints. only: this machine alone and no devices, or NULL. The caller frees it; NULL
 * without memory. */
#ifndef MW_DAEMON_STATUS_H
#define MW_DAEMON_STATUS_H

#include "daemon/pipeline.h"

char *status_json(const struct pipeline *pipeline, const char *only, const struct clock_time *now);

#endif
