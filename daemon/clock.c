/* SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE /* adjtimex */
#include "daemon/clock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static_assert(sizeof(time_t) >= 8, "32 bits end in January 2038: -D_TIME_BITS=64");

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct clock_time clock_read(void)
{
    return (struct clock_time){ read_us(CLOCK_MONOTONIC), read_us(CLOCK_REALTIME) };
}

static int digit_of(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void clock_boot(uint8_t ret_boot[16])
{
    uint8_t boot[16] = { 0 };
    unsigned n = 0;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    for (int c = 0; file && n < 32 && (c = fgetc(file)) != EOF;) {
        int digit = digit_of(c);
        if (digit < 0)
            continue;
        boot[n / 2] = (uint8_t)(boot[n / 2] << 4 | digit);
        n++;
    }
    if (file)
        fclose(file);
    /* Where nobody can say which boot this is, it is one that was never before. */
    if (n < 32 && getrandom(boot, sizeof boot, 0) != (ssize_t)sizeof boot)
        memset(boot, 0xff, sizeof boot);
    memcpy(ret_boot, boot, sizeof boot);
}

bool clock_is_synced(void)
{
    struct timex t = { 0 };
    int state = adjtimex(&t);
    /* ProtectClock= in the unit takes adjtimex away; timesyncd leaves a file instead. */
    if (state < 0 || state == TIME_ERROR || (t.status & STA_UNSYNC))
        return access("/run/systemd/timesync/synchronized", F_OK) == 0;
    return true;
}
