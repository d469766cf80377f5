/* SPDX-License-Identifier: Apache-2.0 */
/* systemd: readiness, watchdog, status line (sd_notify(3)). Outside systemd all of it is silent. */
#ifndef MW_DAEMON_NOTIFY_H
#define MW_DAEMON_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
/* Between both, systemd shows the unit as reloading. mono_us: CLOCK_MONOTONIC. */
void notify_reloading(int64_t mono_us);
void notify_stopping(void);
void notify_watchdog(void);
/* One line for 'systemctl status'. */
void notify_status(const char *line);
/* Half of the unit's WatchdogSec=; 0: none is set. */
int64_t notify_watchdog_us(void);

#endif
