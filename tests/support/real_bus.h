/* SPDX-License-Identifier: Apache-2.0 */
/* A poller on a real wire and the real monotonic clock, waiting in poll(2) as the daemon does; and
 * what its samples and events were. One device, unit 7, with three registers from address 0. */
#ifndef MW_TESTS_SUPPORT_REAL_BUS_H
#define MW_TESTS_SUPPORT_REAL_BUS_H

#include "fieldbus/modbus_line.h"
#include "fieldbus/poller.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REAL_UNIT   7
#define REAL_POINTS 3

struct real_bus {
    struct bus_config bus;
    struct device_config device;
    struct point_config points[REAL_POINTS];
    struct poller *poller;
    struct mw_sample last[REAL_POINTS];
    uint64_t n_good, n_other; /* of point 0 */
    uint64_t n_events;
    enum device_health bus_health;
    /* Values of good samples are held against the number of requests sent so far; the slave counts
     * what it receives, so that an answer to an older request differs. */
    bool check_serial;
    uint64_t n_wrong;
    int64_t longest_us;   /* from the start of a poll(2)-driven step to its end */
    int64_t failed_us;    /* when the last sample that is not good came */
    int64_t epoch_us;     /* of the grid */
    uint64_t serial_from; /* requests before the slave began to count */
};

int64_t real_now_us(void);

/* Settles, creates line and poller; aborts the test where that fails. period_us of every point. */
void real_bus_begin(struct real_bus *real, int64_t period_us);
void real_bus_end(struct real_bus *real);

/* Runs the poller until done(real) or for at most max_us; true where it was done. NULL: runs for
 * max_us. */
bool real_bus_run(struct real_bus *real, bool (*done)(const struct real_bus *), int64_t max_us);

/* Open descriptors of this process. */
int real_count_descriptors(void);

#endif
