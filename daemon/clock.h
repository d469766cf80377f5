/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that reads a clock. */
#ifndef MW_DAEMON_CLOCK_H
#define MW_DAEMON_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock_time {
    int64_t mono_us; /* CLOCK_MONOTONIC: for everything that waits or measures */
    int64_t utc_us;  /* CLOCK_REALTIME: only ever written down */
};

struct clock_time clock_read(void);

/* Names the running boot of the computer; by chance, so like no other, where that is not known. */
void clock_boot(uint8_t ret_boot[16]);

/* Whether UTC is known to be right: the kernel says so, or systemd-timesyncd does. */
bool clock_is_synced(void);

#endif
