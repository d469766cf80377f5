/* SPDX-License-Identifier: Apache-2.0 */
/* How long a USB adapter may hold received bytes back. FTDI's wait 16 ms by default for more, which
 * every reply then takes longer; Linux shows and sets that in sysfs. Read here, never written. */
#ifndef MW_FIELDBUS_TTY_LATENCY_H
#define MW_FIELDBUS_TTY_LATENCY_H

#include <stddef.h>

#define TTY_LATENCY_PATH_BYTES 512

/* device: a tty, or a link to one, such as /dev/serial/by-id/...; sysfs: where sysfs is, "/sys".
 * Returns milliseconds, 1 to 255, and the file that says so; MW_ERR_NOT_FOUND: no such device, or
 * an adapter without the setting; MW_ERR_FORMAT; MW_ERR_TOO_BIG: a path. */
int tty_latency_ms(const char *device, const char *sysfs, char ret_path[TTY_LATENCY_PATH_BYTES]);

#endif
