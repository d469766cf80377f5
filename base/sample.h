/* SPDX-License-Identifier: Apache-2.0 */
/* One value of one point at one time, and one frame: the values of all channels of one machine
 * at one time. The vocabulary of the way out: fieldbus makes samples, the pipeline gathers them
 * into frames, inference judges frames, storage keeps them, training reads them back. */
#ifndef MW_BASE_SAMPLE_H
#define MW_BASE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#define MW_MAX_CHANNELS 32 /* channels of one machine; a frame's valid mask has one bit each */
#define MW_NAME_MAX     32 /* a name's characters without the terminator */

enum mw_quality {
    MW_QUALITY_NONE = 0, /* no value yet */
    MW_QUALITY_GOOD,
    MW_QUALITY_STALE,   /* the device did not answer; value is the last good one, or 0 */
    MW_QUALITY_BAD,     /* the device refused or cannot be trusted now; value means nothing */
    MW_QUALITY_INVALID, /* it answered, with a sentinel or outside the plausible range */
};

struct mw_sample {
    int64_t at_us; /* UTC, microseconds, of the exchange: of the request, on which the device reads
                      its registers; without an answer, of giving up */
    int64_t mono_us; /* the same instant on the monotonic clock */
    int64_t slot;    /* number of the poll on the point's own grid; a skipped poll leaves a hole */
    uint32_t point;  /* index into the configuration's points */
    float value;     /* in the point's unit; meaningful only with quality GOOD */
    uint8_t quality; /* enum mw_quality */
};

struct mw_frame {
    int64_t at_us;   /* UTC, microseconds: the newest of its samples */
    int64_t mono_us; /* monotonic */
    int64_t slot;    /* number on the machine's grid; holes mean skipped polls */
    uint32_t valid;  /* bit c set: values[c] is good */
    uint32_t fresh;  /* bit c set: values[c] was measured for this slot, not held from before */
    float values[MW_MAX_CHANNELS];
};

/* The port through which training and replay read frames, in the order of time. */
struct mw_frame_source {
    /* MW_OK and a frame, MW_ERR_NOT_FOUND after the last one, or an error. */
    int (*next)(void *ctx, struct mw_frame *ret_frame);
    void *ctx;
};

#endif
