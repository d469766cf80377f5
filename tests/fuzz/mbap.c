/* links: fieldbus base */
/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of a Modbus TCP device. The first four bytes choose the request. What passes for the
 * answer must have every byte of its head right, and no shorter prefix may pass. */
#include "base/result.h"
#include "fieldbus/frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct line_reply reply, shorter;
    if (n < 4)
        return 0;
    struct line_request asked = { bytes[0], (enum register_kind)(1 + bytes[1] % 4), 0, 0 };
    asked.count = (uint16_t)(bytes[2] % LINE_MAX_REGISTERS + 1);
    if (asked.kind == REGISTER_COIL || asked.kind == REGISTER_DISCRETE)
        asked.count = (uint16_t)(asked.count * 16);
    uint16_t transaction = bytes[3];
    bytes += 4;
    n -= 4;
    int result = mbap_reply(bytes, n, &asked, transaction, &reply);
    if (result != MW_OK && result != MW_ERR_REFUSED)
        return 0;
    size_t n_right = result == MW_OK ? 9 + frame_data_bytes(&asked) : 9;
    if (n != n_right || bytes[0] != 0 || bytes[1] != transaction || bytes[2] || bytes[3] ||
        (size_t)(bytes[4] << 8 | bytes[5]) != n - 6 || bytes[6] != asked.unit)
        abort();
    for (size_t cut = 0; cut < n; cut++)
        if (mbap_reply(bytes, cut, &asked, transaction, &shorter) != MW_ERR_AGAIN)
            abort();
    return 0;
}
