/* links: base */
/* SPDX-License-Identifier: Apache-2.0 */
/* Stored alerts are read back from a disk that may lie. What decodes must encode to the same. */
#include "base/alert.h"
#include "base/result.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct mw_alert alert;
    uint8_t again[4 * MW_ALERT_BYTES_MAX];
    if (mw_alert_decode(&alert, bytes, n) != MW_OK)
        return 0;
    int n_again = mw_alert_encode(&alert, again, sizeof again);
    if (n_again != (int)n)
        abort();
    return 0;
}
