/* links: inference base */
/* SPDX-License-Identifier: Apache-2.0 */
/* The detector card comes with a model from anywhere. What is read obeys its ranges, so that a
 * score can be made of it, and reads the same again once written. The network is left out: the
 * card decides all else. */
#include "base/result.h"
#include "inference/score.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void must(int condition)
{
    if (!condition)
        abort();
}

/* Judges a few frames with the card's levels; every number that comes out is one. */
static void judge(struct mw_card *card)
{
    static struct mw_score score;
    struct mw_score_result result;
    float x[MW_MAX_CHANNELS];
    card->n_signals = (uint16_t)(card->level_guard ? card->n_signals / 2 : card->n_signals);
    card->has_network = card->level_guard = false;
    must(mw_score_init(&score, card, NULL, true) == MW_OK);
    for (int i = 0; i < 3 * card->window; i++) {
        for (int c = 0; c < MW_MAX_CHANNELS; c++)
            x[c] = i & 1 ? 3e38f : -3e38f * (float)(c & 1);
        mw_score_step(&score, x, UINT32_MAX, i, &result);
        must(result.score >= 0.0f && result.score <= card->cap / card->on * 1.001f);
        struct mw_score_reason why = mw_score_reason(&score);
        must(why.share >= 0.0f && why.share <= 1.0f);
    }
    uint8_t state[MW_SCORE_STATE_MAX];
    int n = mw_score_save(&score, state, sizeof state);
    must(n > 0 && mw_score_restore(&score, state, (size_t)n) == MW_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct mw_card card, again;
    struct mw_model_fault why;
    uint8_t first[MW_CARD_MAX_BYTES], second[MW_CARD_MAX_BYTES];
    if (mw_card_read(&card, bytes, n, &why) != MW_OK) {
        must(memchr(why.text, 0, sizeof why.text) != NULL);
        return 0;
    }
    int n_first = mw_card_write(&card, first, sizeof first);
    must(n_first > 0 && (size_t)n_first <= n);
    must(mw_card_read(&again, first, (size_t)n_first, &why) == MW_OK);
    must(mw_card_write(&again, second, sizeof second) == n_first);
    must(memcmp(first, second, (size_t)n_first) == 0);
    judge(&card);
    return 0;
}
