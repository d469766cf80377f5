/* links: simulator base */
/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a noisy serial line. Whatever is taken for a request has a right CRC, fits its bounds
 * and is answered with a frame that fits the line. The first byte spaces the others out. */
#include "base/crc.h"
#include "base/result.h"
#include "simulator/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool answers(void *ctx, uint8_t unit)
{
    (void)ctx;
    return unit % 2 == 1;
}

static bool has_table(void *ctx, uint8_t unit, enum table table)
{
    (void)ctx;
    return unit % 4 == 1 || table == TABLE_HOLDING;
}

static int read_words(void *ctx, const struct pdu_read *read, uint16_t *ret_words)
{
    (void)ctx;
    if (read->address + read->count > 65536)
        abort(); /* promised by the PDU's own check */
    for (uint16_t i = 0; i < read->count; i++)
        ret_words[i] = (uint16_t)(read->address + i);
    return read->address > 60000 ? MW_ERR_NOT_FOUND : MW_OK;
}

static void answer(const struct frame_request *request)
{
    struct pdu_bank bank = { answers, has_table, read_words, NULL, NULL };
    struct pdu_reply reply;
    uint8_t frame[FRAME_RTU_MAX];
    pdu_answer(&bank, request->unit, request->pdu, request->n_pdu, &reply);
    if (reply.n_bytes == 0)
        return;
    size_t n = rtu_frame(request->unit, &reply, frame);
    if (n > FRAME_RTU_MAX || mw_crc16_modbus(frame, n) != 0)
        abort(); /* the CRC over a frame and its CRC is 0 */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct rtu_receiver receiver = { .gap_us = 1000 };
    struct frame_request request;
    int64_t now_us = 0, step_us = n > 0 ? bytes[0] : 0;
    for (size_t i = 1; i < n; i++) {
        now_us += i % 16 == 0 ? step_us * 16 : 1;
        if (!rtu_receive(&receiver, bytes[i], now_us, &request))
            continue;
        if (request.n_pdu < 1 || request.n_pdu > PDU_MAX_BYTES)
            abort();
        answer(&request);
    }
    return 0;
}
