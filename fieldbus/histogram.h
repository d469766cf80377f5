/* SPDX-License-Identifier: Apache-2.0 */
/* How often a time was how long: fixed buckets, each half an octave wide, from 16 us to 23 s. All
 * zeroes is an empty one. Values beyond the ends go into the end buckets. Pure. */
#ifndef MW_FIELDBUS_HISTOGRAM_H
#define MW_FIELDBUS_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 42

struct histogram {
    uint32_t counts[HISTOGRAM_BUCKETS]; /* each stays at its largest value rather than wrap */
};

void histogram_add(struct histogram *histogram, int64_t us);

/* Upper end of a bucket: values in it are below. */
int64_t histogram_upper_us(uint32_t bucket);

/* The upper end of the bucket that holds this share of all values (0.99: the 99th percentile); 0
 * where there are none. */
int64_t histogram_percentile_us(const struct histogram *histogram, double share);

#endif
