/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "fieldbus/tty_latency.h"
#include "base/result.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MS 255 /* a byte of the FTDI chip */

static int read_ms(const char *path)
{
    char text[16];
    FILE *file = fopen(path, "r");
    if (!file)
        return MW_ERR_NOT_FOUND;
    bool got = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    char *end = text;
    long ms = got ? strtol(text, &end, 10) : 0;
    return end != text && (*end == '\n' || *end == '\0') && ms >= 1 && ms <= MAX_MS ? (int)ms
                                                                                    : MW_ERR_FORMAT;
}

int tty_latency_ms(const char *device, const char *sysfs, char ret_path[TTY_LATENCY_PATH_BYTES])
{
    char path[TTY_LATENCY_PATH_BYTES];
    char *tty = realpath(device, NULL);
    if (!tty)
        return MW_ERR_NOT_FOUND;
    const char *name = strrchr(tty, '/');
    int n = snprintf(path, sizeof path, "%s/class/tty%s/device/latency_timer", sysfs, name);
    free(tty);
    if (n < 0 || (size_t)n >= sizeof path)
        return MW_ERR_TOO_BIG;
    int ms = read_ms(path);
    if (ms >= 0)
        memcpy(ret_path, path, (size_t)n + 1);
    return ms;
}
