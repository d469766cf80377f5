/* links: simulator base */
/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of one TCP connection. Every request found lies within them, and its answer carries
 * its transaction and a true length. */
#include "base/bytes.h"
#include "base/result.h"
#include "simulator/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool answers(void *ctx, uint8_t unit)
{
    (void)ctx;
    return unit != 9;
}

static bool has_table(void *ctx, uint8_t unit, enum table table)
{
    (void)ctx;
    return unit % 2 == 1 || table == TABLE_INPUT;
}

static int read_words(void *ctx, const struct pdu_read *read, uint16_t *ret_words)
{
    (void)ctx;
    for (uint16_t i = 0; i < read->count; i++)
        ret_words[i] = i;
    return read->address > 60000 ? MW_ERR_AGAIN : MW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct pdu_bank bank = { answers, has_table, read_words, NULL, NULL };
    struct frame_request request;
    struct pdu_reply reply;
    uint8_t frame[FRAME_TCP_MAX];
    for (size_t at = 0; at < n;) {
        int used = tcp_request(&bytes[at], n - at, &request);
        if (used <= 0)
            return 0;
        if ((size_t)used > n - at || (size_t)used != FRAME_TCP_HEAD + (size_t)request.n_pdu)
            abort();
        at += (size_t)used;
        pdu_answer(&bank, request.unit, request.pdu, request.n_pdu, &reply);
        if (reply.n_bytes == 0)
            continue;
        size_t n_frame = tcp_frame(&request, &reply, frame);
        if (n_frame > FRAME_TCP_MAX || mw_load_u16be(&frame[4]) != n_frame - 6 ||
            mw_load_u16be(frame) != request.transaction)
            abort();
    }
    return 0;
}
