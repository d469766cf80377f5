/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* ppoll: a serial line needs more than poll's milliseconds */
#include "simulator/watch.h"

#include "base/result.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>

static int control(const struct watch *watch, int how, int fd, uint32_t slot, unsigned what)
{
    struct epoll_event event = { .data.u64 = (uint64_t)watch->wire << 32 | slot };
    event.events =
        (what & WATCH_IN ? (uint32_t)EPOLLIN : 0) | (what & WATCH_OUT ? (uint32_t)EPOLLOUT : 0);
    return epoll_ctl(watch->epoll, how, fd, &event);
}

bool watch_add(const struct watch *watch, int fd, uint32_t slot, unsigned what)
{
    return control(watch, EPOLL_CTL_ADD, fd, slot, what) == 0;
}

bool watch_change(const struct watch *watch, int fd, uint32_t slot, unsigned what)
{
    return control(watch, EPOLL_CTL_MOD, fd, slot, what) == 0;
}

int watch_open(int *ret_epoll)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return MW_ERR_IO;
    *ret_epoll = fd;
    return MW_OK;
}

int watch_wait(int epoll, int64_t max_wait_us, struct watch_event ret_events[WATCH_MAX_EVENTS])
{
    struct epoll_event events[WATCH_MAX_EVENTS];
    struct pollfd any = { .fd = epoll, .events = POLLIN };
    int64_t wait_us = max_wait_us > 0 ? max_wait_us : 0;
    struct timespec wait = { .tv_sec = (time_t)(wait_us / 1000000),
                             .tv_nsec = (long)(wait_us % 1000000) * 1000 };
    int n = ppoll(&any, 1, &wait, NULL);
    if (n > 0)
        n = epoll_wait(epoll, events, WATCH_MAX_EVENTS, 0);
    if (n < 0)
        return errno == EINTR ? 0 : MW_ERR_IO;
    for (int i = 0; i < n; i++)
        ret_events[i] = (struct watch_event){
            .wire = (uint32_t)(events[i].data.u64 >> 32),
            .slot = (uint32_t)events[i].data.u64,
            .what = (events[i].events & EPOLLIN ? WATCH_IN : 0) |
                    (events[i].events & EPOLLOUT ? WATCH_OUT : 0) |
                    (events[i].events & (EPOLLHUP | EPOLLERR) ? WATCH_END : 0),
        };
    return n;
}
