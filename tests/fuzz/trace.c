/* links: fieldbus base */
/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a trace from anywhere. What is read as a frame or a loss is the same after it was
 * written and read again, and a frame is never longer than its bytes. */
#include "fieldbus/trace.h"
#include "base/result.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void again(const struct trace_record *first)
{
    char line[TRACE_LINE_MAX];
    struct trace_record second;
    const char *why;
    const struct trace_frame *f = &first->frame;
    int n = first->kind == TRACE_FRAME ? trace_write_frame(f, line, sizeof line)
                                       : trace_write_lost(first->bus, first->n_lost, f->mono_us,
                                                          f->utc_us, line, sizeof line);
    if (n <= 0 || trace_read(line, (size_t)n - 1, &second, &why) != MW_OK)
        abort();
    if (second.kind != first->kind || second.n_lost != first->n_lost ||
        second.frame.mono_us != f->mono_us || second.frame.utc_us != f->utc_us ||
        second.frame.bus != f->bus || second.frame.way != f->way ||
        second.frame.result != f->result || second.frame.n_bytes != f->n_bytes ||
        memcmp(second.frame.bytes, f->bytes, f->n_bytes) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const char *text = (const char *)bytes;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - text) - at : n - at;
        struct trace_record record;
        const char *why = NULL;
        int result = trace_read(text + at, length, &record, &why);
        if (result != MW_OK && (result != MW_ERR_FORMAT || !why))
            abort();
        if (result == MW_OK && (record.kind == TRACE_FRAME || record.kind == TRACE_LOST))
            again(&record);
        at += length + 1;
    }
    return 0;
}
