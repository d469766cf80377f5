/* SPDX-License-Identifier: Apache-2.0 */
/* The way from one configuration to the next while the daemon runs. The file is read and compared
 * by a thread of its own; a file that is wrong, or that wants what only a restart can give, changes
 * nothing. Then store and link come to rest, what they were given is stored, and all that can fail
 * is made; then the buses whose wires are touched come to rest, and the numbers of the new
 * configuration are put into force at once. Buses that are not touched go on all the while: they do
 * not know the configuration, only their own settings. Lives in the main thread; one at a time, at
 * most one a second. */
#ifndef MW_DAEMON_RELOAD_H
#define MW_DAEMON_RELOAD_H

#include "daemon/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define RELOAD_PAUSE_US INT64_C(1000000)  /* between two, so that signals in a row do no harm */
#define RELOAD_REST_US  INT64_C(30000000) /* stages may take so long to come to rest */

struct gateway;
struct reload;

/* Borrows gateway until destroyed. */
int reload_create(struct reload **ret_reload, struct gateway *gateway);
void reload_destroy(struct reload *reload);

/* Somebody wants the file read again. Returns the ticket; once reload_served is as high or higher,
 * it was done, by a reading that began after the wish. */
uint64_t reload_ask(struct reload *reload);
uint64_t reload_served(const struct reload *reload);
/* The outcome of the last one as a line of JSON: {"ok":true,"text":...,"changes":[...]} or
 * {"error":...,"code":...,"errors":[...]}. To be freed; NULL: out of memory. */
char *reload_answer(const struct reload *reload);

/* Goes on where it is; microseconds until it wants to be called again. */
int64_t reload_step(struct reload *reload, const struct clock_time *now);
/* Store and link have come to rest and everything else of the main thread must wait. */
bool reload_is_swapping(const struct reload *reload);
/* Stages rest by intent, and not for too long. */
bool reload_is_busy(const struct reload *reload, int64_t now_us);

#endif
