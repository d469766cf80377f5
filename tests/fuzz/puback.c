/* links: uplink base */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a broker sends. The first byte chooses the pieces it comes in: any of them give the same as
 * the whole, and the same as a walk from packet to packet with everything in sight. */
#include "uplink/puback.h"
#include "base/result.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* The length of the packet at bytes, or 0 where it is not whole; *lost where it has none. */
static size_t packet(const uint8_t *bytes, size_t n, size_t *ret_head, bool *lost)
{
    size_t length = 0;
    for (size_t i = 1; i <= 4 && i < n; i++) {
        length += (size_t)(bytes[i] & 0x7f) << 7 * (i - 1);
        *ret_head = i + 1;
        if (!(bytes[i] & 0x80))
            return n - i - 1 >= length ? i + 1 + length : 0;
        *lost = i == 4;
    }
    return 0;
}

static void walk(const uint8_t *bytes, size_t n, int *ret_packet_id, int *ret_reason)
{
    size_t head = 0;
    bool lost = false;
    *ret_packet_id = *ret_reason = -1;
    for (size_t size; (size = packet(bytes, n, &head, &lost)) > 0; bytes += size, n -= size) {
        if (bytes[0] >> 4 != 4 || size < head + 2)
            continue;
        *ret_packet_id = bytes[head] << 8 | bytes[head + 1];
        *ret_reason = size > head + 2 ? bytes[head + 2] : 0;
    }
    if (lost)
        *ret_packet_id = *ret_reason = -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct puback_scanner whole = { 0 }, pieces = { 0 };
    int packet_id, reason;
    if (n == 0)
        return 0;
    size_t piece = bytes[0] % 7 + (size_t)1;
    bytes++;
    n--;
    puback_begin(&whole);
    puback_begin(&pieces);
    puback_scan(&whole, bytes, n);
    for (size_t at = 0; at < n; at += piece)
        puback_scan(&pieces, &bytes[at], n - at < piece ? n - at : piece);
    walk(bytes, n, &packet_id, &reason);
    if (whole.any != (packet_id >= 0) || pieces.any != whole.any)
        abort();
    if (packet_id >= 0 && (puback_reason(&whole, (uint16_t)packet_id) != reason ||
                           puback_reason(&pieces, (uint16_t)packet_id) != reason))
        abort();
    if (puback_reason(&whole, (uint16_t)(packet_id + 1)) != MW_ERR_NOT_FOUND)
        abort();
    return 0;
}
