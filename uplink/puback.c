/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/puback.h"
#include "base/load.h"
#include "base/result.h"

#include <assert.h>

#define TYPE_PUBACK  4 /* MQTT 5.0 section 2.1.2 */
#define LENGTH_BYTES 4 /* section 2.1.4, a variable byte integer of section 1.5.5 */

static_assert((UINT64_C(1) << 7 * LENGTH_BYTES) - 1 == 268435455, "n_left holds any length");

void puback_begin(struct puback_scanner *s)
{
    *s = (struct puback_scanner){ .state = PUBACK_TYPE };
}

/* Section 3.4: packet identifier, then a reason unless it is 0 and nothing follows it. */
static void end_packet(struct puback_scanner *s)
{
    s->state = PUBACK_TYPE;
    if (s->type != TYPE_PUBACK || s->n_begun < 2)
        return;
    s->any = true;
    s->packet_id = mw_load_u16be(s->begun);
    s->reason = s->n_begun > 2 ? s->begun[2] : 0;
}

static void take_type(struct puback_scanner *s, uint8_t byte)
{
    s->state = PUBACK_LENGTH;
    s->type = byte >> 4; /* the flags of a PUBACK are reserved, and say nothing here */
    s->n_length = 0;
    s->n_left = s->n_begun = 0;
}

static void take_length(struct puback_scanner *s, uint8_t byte)
{
    s->n_left |= (uint32_t)(byte & 0x7f) << 7 * s->n_length++;
    if (!(byte & 0x80))
        s->state = PUBACK_BODY;
    else if (s->n_length == LENGTH_BYTES)
        *s = (struct puback_scanner){ .state = PUBACK_REST };
    if (s->state == PUBACK_BODY && s->n_left == 0)
        end_packet(s);
}

/* Returns how many of the n bytes were the packet's. */
static size_t take_body(struct puback_scanner *s, const uint8_t *bytes, size_t n)
{
    size_t n_taken = n < s->n_left ? n : s->n_left;
    for (size_t i = 0; i < n_taken && s->n_begun < sizeof s->begun; i++)
        s->begun[s->n_begun++] = bytes[i];
    s->n_left -= (uint32_t)n_taken;
    if (s->n_left == 0)
        end_packet(s);
    return n_taken;
}

void puback_scan(struct puback_scanner *s, const uint8_t *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        switch (s->state) {
        case PUBACK_REST: return;
        case PUBACK_TYPE: take_type(s, bytes[at++]); break;
        case PUBACK_LENGTH: take_length(s, bytes[at++]); break;
        case PUBACK_BODY: at += take_body(s, &bytes[at], n - at); break;
        }
    }
}

int puback_reason(const struct puback_scanner *s, uint16_t packet_id)
{
    return s->any && s->packet_id == packet_id ? s->reason : MW_ERR_NOT_FOUND;
}
