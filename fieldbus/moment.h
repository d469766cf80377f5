/* SPDX-License-Identifier: Apache-2.0 */
/* Instants on the monotonic clock, in microseconds, compared. */
#ifndef MW_FIELDBUS_MOMENT_H
#define MW_FIELDBUS_MOMENT_H

#include <stdint.h>

/* Before every instant, and far enough from the end of the type that times may be added to it and
 * taken from it. */
#define MOMENT_LONG_AGO_US (INT64_MIN / 4)

static inline int64_t moment_later(int64_t a_us, int64_t b_us)
{
    return a_us > b_us ? a_us : b_us;
}

static inline int64_t moment_earlier(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

#endif
