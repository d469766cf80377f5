/* SPDX-License-Identifier: Apache-2.0 */
/* What dashboards see retained: a machine's state when it changed, the gateway's figures with it
 * and now and then. Handed to the link; what finds a full ring stays marked and goes later. */
#ifndef MW_DAEMON_NEWS_H
#define MW_DAEMON_NEWS_H

#include "daemon/pipeline.h"

void news_send(struct pipeline *pipeline, const struct clock_time *now);

#endif
