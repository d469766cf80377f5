/* SPDX-License-Identifier: Apache-2.0 */
/* The line port on a trace: whoever polls it hears again what was answered when it was recorded, on
 * virtual time. A request is looked for from where the last one was found; its frames come with
 * the delay they had. What was not recorded is silence. Pure. */
#ifndef MW_FIELDBUS_TRACE_LINE_H
#define MW_FIELDBUS_TRACE_LINE_H

#include "fieldbus/line.h"
#include "fieldbus/trace.h"

struct trace_line_stats {
    uint64_t n_requests; /* asked */
    uint64_t n_unknown;  /* of them, not in the rest of the trace */
};

/* Of one bus's frames, in the order of the trace.
 *
 *   frames      [n], borrowed until destroy; those of other buses are passed over
 *   speaks_rtu  else frames have an MBAP header, whose transaction is not compared
 *
 * MW_ERR_NO_MEMORY. */
int trace_line_create(struct line **ret_line, const struct trace_frame *frames, size_t n,
                      uint32_t bus, bool speaks_rtu);

/* Of a line of trace_line_create. */
struct trace_line_stats trace_line_stats(const struct line *line);

/* When something recorded comes next, at the earliest now_us; INT64_MAX: nothing is under way. */
int64_t trace_line_next_us(const struct line *line, int64_t now_us);

#endif
