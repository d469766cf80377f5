/* SPDX-License-Identifier: Apache-2.0 */
/* How a wire's descriptors are waited for: one epoll for all wires of a service. */
#ifndef MW_SIMULATOR_WATCH_H
#define MW_SIMULATOR_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct watch {
    int epoll;
    uint32_t wire; /* both numbers come back with each event */
};

#define WATCH_IN  1u
#define WATCH_OUT 2u
#define WATCH_END 4u /* hung up or broken; always watched */

struct watch_event {
    uint32_t wire, slot;
    unsigned what;
};

/* Begins, or changes, what is waited for; a closed descriptor is forgotten by itself. False with
 * errno. */
bool watch_add(const struct watch *watch, int fd, uint32_t slot, unsigned what);
bool watch_change(const struct watch *watch, int fd, uint32_t slot, unsigned what);

/* MW_OK and the descriptor in *ret_epoll, or MW_ERR_IO with errno. */
int watch_open(int *ret_epoll);

#define WATCH_MAX_EVENTS 128 /* taken at a time; the others wait for the next */

/* Waits until something happens, at most max_wait_us, to the microsecond where the system allows;
 * returns the number of events, 0 also when interrupted by a signal, or MW_ERR_IO. */
int watch_wait(int epoll, int64_t max_wait_us, struct watch_event ret_events[WATCH_MAX_EVENTS]);

#endif
