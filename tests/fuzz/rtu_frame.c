/* links: fieldbus base */
/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a serial line, in pieces, as the poller sees them. The first three bytes choose the
 * request. What is used never exceeds what came, and what passes for the answer is of the asked
 * unit with a good checksum. */
#include "base/crc.h"
#include "base/result.h"
#include "fieldbus/frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(const uint8_t *bytes, size_t n, const struct line_request *asked)
{
    struct line_reply reply;
    while (n > 0) {
        size_t used = 0;
        int result = rtu_reply(bytes, n, asked, &reply, &used);
        if (result != MW_OK && result != MW_ERR_REFUSED && result != MW_ERR_MISMATCH)
            return;
        if (used < 5 || used > n || mw_crc16_modbus(bytes, used) != 0)
            abort();
        if ((result == MW_ERR_MISMATCH) == (bytes[0] == asked->unit))
            abort();
        if (result == MW_OK && used != 5 + frame_data_bytes(asked))
            abort();
        bytes += used;
        n -= used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 3)
        return 0;
    struct line_request asked = { bytes[0], (enum register_kind)(1 + bytes[1] % 4), 0, 0 };
    asked.count = (uint16_t)(bytes[2] % LINE_MAX_REGISTERS + 1);
    if (asked.kind == REGISTER_COIL || asked.kind == REGISTER_DISCRETE)
        asked.count = (uint16_t)(asked.count * 16);
    for (size_t cut = 0; cut <= n - 3; cut++)
        check(bytes + 3, cut, &asked);
    return 0;
}
