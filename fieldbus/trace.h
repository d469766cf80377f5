/* SPDX-License-Identifier: Apache-2.0 */
/* A recording of what went over buses, as text, one line per frame: docs/SPEC-trace.md. Pure: a
 * line in, a frame out, and back. Written by the daemon and the command line, read by replay. It
 * holds no names and no host addresses unless the writer adds names itself; buses are numbers. */
#ifndef MW_FIELDBUS_TRACE_H
#define MW_FIELDBUS_TRACE_H

#include "fieldbus/device.h"
#include "fieldbus/frame.h"
#include "fieldbus/line.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_FIRST_LINE "millwright-trace 1"
#define TRACE_MAX_BYTES  (2 * MBAP_MAX_BYTES) /* of one frame; a longer one is cut */
#define TRACE_LINE_MAX   (128 + 2 * TRACE_MAX_BYTES)
#define TRACE_MAX_BUSES  1024

struct trace_frame {
    int64_t mono_us, utc_us;
    uint32_t bus; /* index into the configuration's buses */
    enum line_way way;
    int result; /* enum mw_result: what was made of it */
    uint16_t n_bytes;
    uint8_t bytes[TRACE_MAX_BYTES];
};

/* What a line of a trace is. */
enum trace_line_kind {
    TRACE_NOTHING = 0, /* empty, or a comment from # on */
    TRACE_HEAD,        /* the first line */
    TRACE_BUS,         /* a bus's number and kind */
    TRACE_FRAME,
    TRACE_LOST, /* the recorder could not keep up: this many frames of this bus are missing */
};

struct trace_record {
    enum trace_line_kind kind;
    uint32_t bus;    /* of BUS, LOST */
    bool speaks_rtu; /* of BUS */
    uint64_t n_lost; /* of LOST */
    struct trace_frame frame;
};

/* Each writes one line with its end into text, and returns its characters. cap: TRACE_LINE_MAX
 * always fits; MW_ERR_NO_SPACE. */
int trace_write_frame(const struct trace_frame *frame, char *ret_text, size_t cap);
/* with_name: the bus's name stands behind its kind. */
int trace_write_bus(const struct bus_config *bus, uint32_t index, bool with_name, char *ret_text,
                    size_t cap);
int trace_write_lost(uint32_t bus, uint64_t n_lost, int64_t mono_us, int64_t utc_us, char *ret_text,
                     size_t cap);

/* One line without its end. MW_ERR_FORMAT, with the rule that is broken in *ret_why. */
int trace_read(const char *line, size_t n, struct trace_record *ret_record, const char **ret_why);

/* The word of a result, "ok", "timeout", …; "error" for those that no exchange ends in. */
const char *trace_result_word(int result);

#endif
