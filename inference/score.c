/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/score.h"

#include "base/bytes.h"
#include "base/result.h"

#include <assert.h>
#include <float.h>
#include <string.h>

#define STATE_VERSION 1

static_assert(MW_WINDOW_MAX_FRAMES == MW_CARD_MAX_WINDOW, "a card's window fits");
static_assert(MW_WINDOW_MAX_VALUES <= MW_MODEL_MAX_WIDTH, "a window is a legal network input");
static_assert(sizeof(double) == sizeof(uint64_t), "a double is kept as its 64 bits");

static uint32_t count_scored(const struct mw_card *card)
{
    uint32_t n_scored = 0;
    for (uint16_t c = 0; c < card->n_channels; c++)
        n_scored += card->channels[c].role == MW_ROLE_SCORE;
    return n_scored;
}

/* Card and network speak of the same window and the same channels. */
static bool fits(const struct mw_card *card, const struct mw_model *model)
{
    uint32_t n_scored = count_scored(card);
    uint32_t signals_each = card->has_network && card->level_guard ? 2 : 1;
    if (n_scored == 0 || card->n_signals != signals_each * n_scored)
        return false;
    if (!card->has_network)
        return true;
    return model && model->in_type == MW_INT8 && model->out_type == MW_INT8 &&
           model->n_in == (uint32_t)card->window * card->n_channels &&
           model->n_out == (uint32_t)card->window * n_scored;
}

int mw_score_init(struct mw_score *score, const struct mw_card *card, const struct mw_model *model,
                  bool reanchor)
{
    assert(card->window >= 2 && card->window <= MW_CARD_MAX_WINDOW);
    assert(card->n_channels >= 1 && card->n_channels <= MW_MAX_CHANNELS);
    if (!fits(card, model))
        return MW_ERR_MISMATCH;

    *score = (struct mw_score){
        .card = *card,
        .present = true,
        .reanchor = reanchor,
        .state = MW_MODEL_NORMAL,
    };
    if (card->has_network)
        score->model = *model;
    for (uint16_t c = 0; c < card->n_channels; c++)
        if (card->channels[c].role == MW_ROLE_SCORE)
            score->scored[score->n_scored++] = (uint8_t)c;
    for (uint16_t j = 0; j < card->n_signals; j++)
        score->baseline[j] = score->centre[j] = (double)card->baseline[j];
    mw_window_init(&score->window, card->window, card->n_channels, card->max_gap);
    return MW_OK;
}

static float clip(double z, float limit)
{
    return z > (double)limit ? limit : z < -(double)limit ? -limit : (float)z;
}

/* One frame into the window. An invalid value enters as the channel's mean, so that nothing odd
 * is computed from it; the window that holds it is not judged. */
static void push(struct mw_score *score, const float *x, uint32_t valid, int64_t slot)
{
    const struct mw_card *card = &score->card;
    float wide[MW_MAX_CHANNELS], narrow[MW_MAX_CHANNELS];
    int8_t input[MW_MAX_CHANNELS] = { 0 };
    bool clean = true;
    for (uint16_t c = 0; c < card->n_channels; c++) {
        const struct mw_card_channel *channel = &card->channels[c];
        bool good = (valid >> c & 1) && x[c] >= -FLT_MAX && x[c] <= FLT_MAX;
        double z = good ? ((double)x[c] - (double)channel->mu) / (double)channel->sd : 0.0;
        clean = clean && good;
        wide[c] = clip(z, card->clip_wide);
        narrow[c] = clip(z, card->clip_in);
    }
    if (card->has_network)
        mw_quantize_s8(&score->model.in, narrow, input, card->n_channels);
    mw_window_push(&score->window, wide, input, clean, slot);
}

/* Mean of the network's output for the k-th scored channel, in z: an exact sum of integers, then
 * one multiplication and one division. */
static double rebuilt_mean(const struct mw_score *score, size_t k)
{
    int32_t sum = 0; /* at most 64 * 255 */
    for (size_t i = 0; i < score->card.window; i++)
        sum += score->rebuilt[i * score->n_scored + k] - score->model.out.zero;
    return (double)sum * (double)score->model.out.scale / score->card.window;
}

static void measure(struct mw_score *score)
{
    const struct mw_card *card = &score->card;
    if (card->has_network)
        mw_model_run(&score->model, score->window.input, score->rebuilt);
    size_t j = 0;
    for (size_t k = 0; k < score->n_scored; k++)
        score->mean[k] = mw_window_mean(&score->window, score->scored[k]);
    if (card->has_network)
        for (size_t k = 0; k < score->n_scored; k++)
            score->signals[j++] = score->mean[k] - rebuilt_mean(score, k);
    if (!card->has_network || card->level_guard)
        for (size_t k = 0; k < score->n_scored; k++)
            score->signals[j++] = score->mean[k];
    assert(j == card->n_signals);
}

bool mw_score_signals(struct mw_score *score, double *ret_signals)
{
    if (!mw_window_ready(&score->window))
        return false;
    measure(score);
    memcpy(ret_signals, score->signals, score->card.n_signals * sizeof ret_signals[0]);
    return true;
}

void mw_score_prime(struct mw_score *score, const float *x, uint32_t valid, int64_t slot)
{
    push(score, x, valid, slot);
    score->judged = false;
}

/* |s_j - b_j| / sigma_j */
static double deviation(const struct mw_score *score, size_t j)
{
    double off = score->signals[j] - score->baseline[j];
    return (off < 0.0 ? -off : off) / (double)score->card.sigma[j];
}

/* The signal of the k-th scored channel that deviates most: its residual or its level. */
static size_t worst_signal(const struct mw_score *score, size_t k)
{
    size_t level = k + score->n_scored;
    if (level < score->card.n_signals && deviation(score, level) > deviation(score, k))
        return level;
    return k;
}

/* S: the largest deviation, capped; in *ret_k the scored channel it belongs to. */
static double worst(const struct mw_score *score, size_t *ret_k)
{
    double top = -1.0;
    for (size_t k = 0; k < score->n_scored; k++) {
        double s = deviation(score, worst_signal(score, k));
        if (s > top) {
            top = s;
            *ret_k = k;
        }
    }
    return top < (double)score->card.cap ? top : (double)score->card.cap;
}

/* The present level is the new baseline and its centre. */
static void anchor(struct mw_score *score)
{
    size_t n_bytes = score->card.n_signals * sizeof score->signals[0];
    memcpy(score->baseline, score->signals, n_bytes);
    memcpy(score->centre, score->signals, n_bytes);
}

/* The slow baseline follows, but never further than the bound: a growing fault is not learnt. */
static void learn(struct mw_score *score)
{
    const struct mw_card *card = &score->card;
    for (size_t j = 0; j < card->n_signals; j++) {
        double reach = (double)card->baseline_bound * (double)card->sigma[j];
        double b = score->baseline[j];
        b += (score->signals[j] - b) / (double)card->tau;
        if (b > score->centre[j] + reach)
            b = score->centre[j] + reach;
        if (b < score->centre[j] - reach)
            b = score->centre[j] - reach;
        score->baseline[j] = b;
    }
}

static void decide_normal(struct mw_score *score, double s)
{
    score->n_on = s > (double)score->card.on ? (uint16_t)(score->n_on + 1) : 0;
    if (score->n_on < score->card.k_on)
        return;
    score->state = MW_MODEL_ALARM;
    score->peak = s;
    score->n_on = 0;
    score->n_off = 0;
}

/* Without re-anchoring only a return below off ends an alarm; with it, so does a fall far below
 * the alarm's own peak, by way of RECOVERING. */
static void decide_alarm(struct mw_score *score, double s)
{
    const struct mw_card *card = &score->card;
    double clear = (double)card->on * (double)card->off_ratio;
    if (s > score->peak)
        score->peak = s;
    if (score->reanchor && (double)card->rho * score->peak > clear)
        clear = (double)card->rho * score->peak;
    score->n_off = s < clear ? (uint16_t)(score->n_off + 1) : 0;
    if (score->n_off < card->k_off)
        return;
    score->state = score->reanchor ? MW_MODEL_RECOVERING : MW_MODEL_NORMAL;
    score->n_hold = 0;
    score->n_on = 0;
}

/* Returns whether the present level was accepted. */
static bool decide_recovering(struct mw_score *score, double s)
{
    const struct mw_card *card = &score->card;
    double on = (double)card->on, off = on * (double)card->off_ratio;
    double relapse = (double)card->rho * score->peak;
    score->n_hold++;
    if (s > (relapse > on ? relapse : on)) {
        score->state = MW_MODEL_ALARM;
        score->n_off = 0;
        return false;
    }
    if (s >= off && score->n_hold < card->k_recover)
        return false;
    score->state = MW_MODEL_NORMAL;
    if (s < off)
        return false;
    anchor(score);
    return true;
}

/* Moves the decision by one judged window of score s; returns whether the level was accepted. */
static bool decide(struct mw_score *score, double s)
{
    if (score->state == MW_MODEL_NORMAL)
        decide_normal(score, s);
    else if (score->state == MW_MODEL_ALARM)
        decide_alarm(score, s);
    /* The frame that leaves ALARM is RECOVERING's first. */
    return score->state == MW_MODEL_RECOVERING && decide_recovering(score, s);
}

/* What the k-th scored channel is, and what it should have been, in its own unit. */
static void in_units(const struct mw_score *score, size_t k, float *ret_value, float *ret_expected)
{
    const struct mw_card_channel *channel = &score->card.channels[score->scored[k]];
    size_t j = worst_signal(score, k);
    double expected = score->mean[k] - (score->signals[j] - score->baseline[j]);
    *ret_value = (float)((double)channel->mu + (double)channel->sd * score->mean[k]);
    *ret_expected = (float)((double)channel->mu + (double)channel->sd * expected);
}

static double sum_of_deviations(const struct mw_score *score)
{
    double sum = 0.0;
    for (size_t k = 0; k < score->n_scored; k++)
        sum += deviation(score, worst_signal(score, k));
    return sum;
}

static float share(double part, double sum)
{
    return sum > 0.0 ? (float)(part / sum) : 0.0f;
}

static void judge(struct mw_score *score, struct mw_score_result *ret)
{
    size_t k = 0;
    if (score->accept_pending) {
        anchor(score);
        score->accept_pending = false;
    }
    double s = worst(score, &k);
    *ret = (struct mw_score_result){
        .judged = true,
        .top_channel = score->scored[k],
        .score = (float)(s / (double)score->card.on),
        .share = share(deviation(score, worst_signal(score, k)), sum_of_deviations(score)),
    };
    in_units(score, k, &ret->value, &ret->expected);
    ret->reanchored = decide(score, s);
    ret->state = score->state;
    if (score->state == MW_MODEL_NORMAL)
        learn(score);
}

bool mw_score_step(struct mw_score *score, const float *x, uint32_t valid, int64_t slot,
                   struct mw_score_result *ret)
{
    push(score, x, valid, slot);
    score->judged = mw_window_ready(&score->window);
    if (!score->judged) {
        *ret = (struct mw_score_result){
            .state = score->judged_once ? MW_MODEL_HOLD : MW_MODEL_ABSENT,
            .top_channel = MW_CHANNEL_NONE,
        };
        return false;
    }
    score->judged_once = true;
    measure(score);
    judge(score, ret);
    return true;
}

void mw_score_dismiss(struct mw_score *score)
{
    score->state = MW_MODEL_NORMAL;
    score->peak = 0.0;
    score->n_on = score->n_off = score->n_hold = 0;
}

void mw_score_accept(struct mw_score *score)
{
    mw_score_dismiss(score);
    score->accept_pending = !score->judged;
    if (score->judged)
        anchor(score);
}

static void describe(const struct mw_score *score, size_t k, double sum, struct mw_contributor *ret)
{
    uint8_t c = score->scored[k];
    *ret = (struct mw_contributor){
        .channel = c,
        .share = share(deviation(score, worst_signal(score, k)), sum),
    };
    memcpy(ret->name, score->card.channels[c].name, sizeof ret->name);
    memcpy(ret->unit, score->card.channels[c].unit, sizeof ret->unit);
    in_units(score, k, &ret->value, &ret->expected);
}

uint32_t mw_score_contributors(const struct mw_score *score,
                               struct mw_contributor ret[MW_ALERT_CONTRIBUTORS])
{
    if (!score->judged)
        return 0;
    double sum = sum_of_deviations(score);
    bool told[MW_MAX_CHANNELS] = { false };
    uint32_t n = 0;
    while (n < MW_ALERT_CONTRIBUTORS && n < score->n_scored) {
        size_t best = score->n_scored;
        double most = -1.0;
        for (size_t k = 0; k < score->n_scored; k++) {
            double s = deviation(score, worst_signal(score, k));
            if (!told[k] && s > most) {
                most = s;
                best = k;
            }
        }
        told[best] = true;
        describe(score, best, sum, &ret[n++]);
    }
    return n;
}

static void put_f64(struct mw_writer *w, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    mw_put_u64le(w, bits);
}

/* A finite double; anything else fails the reader. */
static double get_f64(struct mw_reader *r)
{
    uint64_t bits = mw_get_u64le(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    if (!(v >= -DBL_MAX && v <= DBL_MAX)) {
        r->failed = true;
        return 0.0;
    }
    return v;
}

static_assert(2 + 2 + 3 * 2 + 2 + 8 + 2 * 8 * MW_CARD_MAX_SIGNALS <= MW_SCORE_STATE_MAX,
              "the stated bound holds");

int mw_score_save(const struct mw_score *score, uint8_t *ret_bytes, size_t cap)
{
    struct mw_writer w = { .bytes = ret_bytes, .n_bytes = cap };
    mw_put_u8(&w, STATE_VERSION);
    mw_put_u8(&w, score->state);
    mw_put_u16le(&w, score->card.n_signals);
    mw_put_u16le(&w, score->n_on);
    mw_put_u16le(&w, score->n_off);
    mw_put_u16le(&w, score->n_hold);
    mw_put_u8(&w, score->accept_pending);
    mw_put_u8(&w, score->judged_once);
    put_f64(&w, score->peak);
    for (size_t j = 0; j < score->card.n_signals; j++) {
        put_f64(&w, score->baseline[j]);
        put_f64(&w, score->centre[j]);
    }
    return w.failed ? MW_ERR_NO_SPACE : (int)w.at;
}

int mw_score_restore(struct mw_score *score, const uint8_t *bytes, size_t n_bytes)
{
    struct mw_reader r = { .bytes = bytes, .n_bytes = n_bytes };
    uint8_t version = mw_get_u8(&r), state = mw_get_u8(&r);
    uint16_t n_signals = mw_get_u16le(&r), n_on = mw_get_u16le(&r), n_off = mw_get_u16le(&r),
             n_hold = mw_get_u16le(&r);
    uint8_t accept_pending = mw_get_u8(&r), judged_once = mw_get_u8(&r);
    double peak = get_f64(&r), baseline[MW_CARD_MAX_SIGNALS], centre[MW_CARD_MAX_SIGNALS];
    if (r.failed || version != STATE_VERSION || n_signals > MW_CARD_MAX_SIGNALS ||
        state < MW_MODEL_NORMAL || state > MW_MODEL_RECOVERING || accept_pending > 1 ||
        judged_once > 1 || peak < 0.0)
        return MW_ERR_FORMAT;
    if (n_signals != score->card.n_signals)
        return MW_ERR_MISMATCH;
    for (size_t j = 0; j < n_signals; j++) {
        baseline[j] = get_f64(&r);
        centre[j] = get_f64(&r);
    }
    if (r.failed || r.at != n_bytes)
        return MW_ERR_FORMAT;

    memcpy(score->baseline, baseline, n_signals * sizeof baseline[0]);
    memcpy(score->centre, centre, n_signals * sizeof centre[0]);
    /* The setting may have changed since: without re-anchoring there is no RECOVERING. */
    bool recovering = state == MW_MODEL_RECOVERING && !score->reanchor;
    score->state = recovering ? MW_MODEL_ALARM : state;
    score->n_on = n_on;
    score->n_off = recovering ? 0 : n_off;
    score->n_hold = n_hold;
    score->accept_pending = accept_pending;
    score->judged_once = judged_once;
    score->peak = peak;
    return MW_OK;
}
