/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a daemon under test: the wall clock is off by what a file says, and whether it is
 * confirmed says the file too. FAKE_CLOCK names it; its text is "OFFSET_US CONFIRMED". The
 * monotonic clock is real. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#ifdef SYS_clock_gettime64 /* 32-bit processors: the older call fills 32-bit times */
#define CALL SYS_clock_gettime64
#else
#define CALL SYS_clock_gettime
#endif

static int read_file(long long *ret_offset_us)
{
    int confirmed = 0;
    const char *path = getenv("FAKE_CLOCK");
    FILE *file = path ? fopen(path, "re") : NULL;
    *ret_offset_us = 0;
    if (file) {
        if (fscanf(file, "%lld %d", ret_offset_us, &confirmed) != 2)
            confirmed = 0;
        fclose(file);
    }
    return confirmed;
}

int clock_gettime(clockid_t id, struct timespec *ret_time)
{
    long long offset_us = 0;
    if (syscall(CALL, id, ret_time) != 0)
        return -1;
    if (id != CLOCK_REALTIME)
        return 0;
    (void)read_file(&offset_us);
    long long ns = (long long)ret_time->tv_sec * 1000000000 + ret_time->tv_nsec + offset_us * 1000;
    ret_time->tv_sec = (time_t)(ns / 1000000000);
    ret_time->tv_nsec = (long)(ns % 1000000000);
    return 0;
}

int adjtimex(struct timex *t)
{
    long long offset_us = 0;
    memset(t, 0, sizeof *t);
    int confirmed = read_file(&offset_us);
    t->status = confirmed ? 0 : STA_UNSYNC;
    return confirmed ? TIME_OK : TIME_ERROR;
}

/* timesyncd of the computer that tests is not asked. */
int access(const char *path, int mode)
{
    if (strstr(path, "/timesync/")) {
        errno = ENOENT;
        return -1;
    }
    int (*next)(const char *, int) = NULL;
    *(void **)&next = dlsym(RTLD_NEXT, "access");
    return next ? next(path, mode) : -1;
}
