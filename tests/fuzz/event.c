/* links: base */
/* SPDX-License-Identifier: Apache-2.0 */
/* Stored events are read back from a disk that may lie. What decodes must encode to the same. */
#include "base/event.h"
#include "base/result.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct mw_event event;
    uint8_t again[MW_EVENT_BYTES_MAX];
    if (mw_event_decode(&event, bytes, n) != MW_OK)
        return 0;
    if (event.kind == MW_EVENT_OUTBOX_GAP)
        mw_gap_merge(&event.gap, &event.gap);
    if (mw_event_decode(&event, bytes, n) != MW_OK)
        abort();
    int n_again = mw_event_encode(&event, again, sizeof again);
    if (n_again != (int)n)
        abort();
    return 0;
}
