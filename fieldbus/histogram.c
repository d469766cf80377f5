/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/histogram.h"

#define FIRST_OCTAVE 4 /* 16 us */

/* Half octaves: 16, 24, 32, 48, 64 ... */
int64_t histogram_upper_us(uint32_t bucket)
{
    int64_t octave_us = INT64_C(1) << (FIRST_OCTAVE + bucket / 2);
    return bucket % 2 ? octave_us + octave_us / 2 : octave_us;
}

void histogram_add(struct histogram *histogram, int64_t us)
{
    uint32_t bucket = 0;
    while (bucket < HISTOGRAM_BUCKETS - 1 && us >= histogram_upper_us(bucket))
        bucket++;
    if (histogram->counts[bucket] < UINT32_MAX)
        histogram->counts[bucket]++;
}

int64_t histogram_percentile_us(const struct histogram *histogram, double share)
{
    uint64_t total = 0, seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += histogram->counts[i];
    for (uint32_t i = 0; total > 0 && i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if ((double)seen >= share * (double)total)
            return histogram_upper_us(i);
    }
    return 0;
}
