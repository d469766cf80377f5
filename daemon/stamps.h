/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline's UTC: one offset for everything that is stamped, told to the store; when the clock
 * is set, what is remembered here moves with it. */
#ifndef MW_DAEMON_STAMPS_H
#define MW_DAEMON_STAMPS_H

#include "daemon/pipeline.h"

/* The present time with the UTC to stamp with. Call it first in every step of the main stage. */
struct clock_time stamps_now(struct pipeline *pipeline, const struct clock_time *reading);

#endif
