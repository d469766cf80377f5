/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/score.h"

#include "base/bytes.h"
#include "base/result.h"
#include "inference/float_bits.h"

#include <assert.h>
#include <string.h>

#define STATE_VERSION 1
#define SIGNAL_BITS   MW_SCORE_SIGNAL_BITS
#define SUM_BITS      26 /* a sum of z, below 2^36, is raised by them, so that its factor is small */
#define MAX_RANGE     0x1p20f /* of the network's output, sd */
#define MAX_SIGNAL    0x1p21  /* of a saved baseline, sd: clip_wide and MAX_RANGE are below 2^20 */
#define MAX_SCORE     (INT64_C(1) << 56) /* 2^32 sigmas */
#define MAX_PEAK      0x1p32

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
    if (!model || model->in_type != MW_INT8 || model->out_type == MW_FLOAT32)
        return false;
    float steps = model->out_type == MW_INT8 ? 256.0f : 65536.0f;
    return model->out.scale * steps <= MAX_RANGE &&
           model->n_in == (uint32_t)card->window * card->n_channels &&
           model->n_out == (uint32_t)card->window * n_scored;
}

static int64_t limited(double value, int32_t bits, int32_t most_bits)
{
    double most = (double)(INT64_C(1) << (most_bits - bits));
    return mw_fixed_wide(value < most ? value : most, bits);
}

static void init_signal(struct mw_score_signal *signal, const struct mw_card *card, uint16_t j)
{
    double sigma = (double)card->sigma[j];
    signal->baseline = signal->centre = mw_fixed_wide((double)card->baseline[j], SIGNAL_BITS);
    signal->reach = limited((double)card->baseline_bound * sigma, SIGNAL_BITS, 61);
    signal->per_sigma = mw_factor_of(1.0 / (double)(1 << (SIGNAL_BITS - MW_SCORE_BITS)) / sigma);
}

/* The finest z that fits 2^30 when clipped, and all that follows from it. */
static void init_units(struct mw_score *score)
{
    const struct mw_card *card = &score->card;
    score->z_bits = 24;
    while ((double)card->clip_wide * (1 << score->z_bits) > (double)(1 << 30))
        score->z_bits--;
    double one = (double)(1 << score->z_bits),
           mean = (double)(INT64_C(1) << SIGNAL_BITS) / card->window;
    score->clip_wide = (int32_t)((double)card->clip_wide * one);
    score->clip_in = (int32_t)((double)card->clip_in * one);
    score->per_window = mw_factor_of(mean / one / (1 << SUM_BITS));
    if (card->has_network) {
        score->rebuilt_unit = mw_factor_of(mean * (double)score->model.out.scale / 0x1p36);
        double in_unit = 1.0 / ((double)score->model.in.scale * one);
        score->in_unit = mw_factor_of(in_unit < 0x1p29 ? in_unit : 0x1p29); /* all but 0 clamps */
        if (score->in_unit.shift > 62) /* one step is 2^32 of what z can be */
            score->in_unit = (struct mw_factor){ 0, 62 };
    }
    for (uint16_t c = 0; c < card->n_channels; c++)
        score->gain[c] = 1.0f / card->channels[c].sd;
}

static void init_decision(struct mw_score *score)
{
    const struct mw_card *card = &score->card;
    double on = (double)card->on;
    score->on = mw_fixed_wide(on, MW_SCORE_BITS);
    score->off = mw_fixed_wide(on * (double)card->off_ratio, MW_SCORE_BITS);
    score->cap = mw_fixed_wide((double)card->cap, MW_SCORE_BITS);
    score->score_unit = (float)(1.0 / (on * (1 << MW_SCORE_BITS)));
    score->per_tau = mw_factor_of(1.0 / (double)card->tau);
    score->rho = mw_factor_of((double)card->rho);
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
        init_signal(&score->signals[j], card, j);
    init_units(score);
    init_decision(score);
    mw_window_init(&score->window, card->window, card->n_channels, card->max_gap);
    return MW_OK;
}

static int32_t clip(int32_t v, int32_t limit)
{
    return v > limit ? limit : v < -limit ? -limit : v;
}

/* The byte that z is to the network: rounded half up. */
static int8_t input_byte(const struct mw_score *score, int32_t z)
{
    int64_t half = (int64_t)1 << (score->in_unit.shift - 1);
    int64_t q =
        ((int64_t)clip(z, score->clip_in) * score->in_unit.mantissa + half) >> score->in_unit.shift;
    q += score->model.in.zero;
    return (int8_t)(q < INT8_MIN ? INT8_MIN : q > INT8_MAX ? INT8_MAX : q);
}

/* One frame into the window. An invalid value enters as the channel's mean, so that nothing odd
 * is computed from it; the window that holds it is not judged. */
static void push(struct mw_score *score, const float *x, uint32_t valid, int64_t slot)
{
    const struct mw_card *card = &score->card;
    int32_t wide[MW_MAX_CHANNELS];
    int8_t input[MW_MAX_CHANNELS];
    bool clean = true;
    for (uint16_t c = 0; c < card->n_channels; c++) {
        bool good = (valid >> c & 1) && mw_float_finite(x[c]);
        clean = clean && good;
        wide[c] = good ? mw_fixed((x[c] - card->channels[c].mu) * score->gain[c], score->z_bits,
                                  score->clip_wide)
                       : 0;
        input[c] = card->has_network ? input_byte(score, wide[c]) : 0;
    }
    mw_window_push(&score->window, wide, input, clean, slot);
}

/* Sum of the network's output for the k-th scored channel over the window, in 2^-36 of its steps:
 * high enough for its factor to be an integer's. */
static int64_t rebuilt_sum(const struct mw_score *score, size_t k)
{
    size_t n = score->n_scored, end = score->card.window * n;
    int32_t sum = -score->model.out.zero * (int32_t)score->card.window; /* within 2^22 */
    if (score->model.out_type == MW_INT8) {
        const int8_t *at = score->rebuilt.s8;
        size_t i = k;
        for (; i + 3 * n < end; i += 4 * n)
            sum += at[i] + at[i + n] + at[i + 2 * n] + at[i + 3 * n];
        for (; i < end; i += n)
            sum += at[i];
    } else
        for (size_t i = k; i < end; i += n)
            sum += score->rebuilt.s16[i];
    return sum * (INT64_C(1) << 36);
}

static void measure(struct mw_score *score)
{
    const struct mw_card *card = &score->card;
    size_t j = 0;
    for (size_t k = 0; k < score->n_scored; k++)
        score->mean[k] =
            mw_times(score->window.sums[score->scored[k]] * (1 << SUM_BITS), score->per_window);
    if (card->has_network) {
        mw_model_run(&score->model, mw_window_input(&score->window), &score->rebuilt);
        for (size_t k = 0; k < score->n_scored; k++)
            score->signals[j++].now =
                score->mean[k] - mw_times(rebuilt_sum(score, k), score->rebuilt_unit);
    }
    if (!card->has_network || card->level_guard)
        for (size_t k = 0; k < score->n_scored; k++)
            score->signals[j++].now = score->mean[k];
    assert(j == card->n_signals);
}

static double in_sd(int64_t signal)
{
    return (double)signal / (double)(INT64_C(1) << SIGNAL_BITS);
}

bool mw_score_signals(struct mw_score *score, double *ret_signals)
{
    if (!mw_window_ready(&score->window))
        return false;
    measure(score);
    for (uint16_t j = 0; j < score->card.n_signals; j++)
        ret_signals[j] = in_sd(score->signals[j].now);
    return true;
}

void mw_score_prime(struct mw_score *score, const float *x, uint32_t valid, int64_t slot)
{
    push(score, x, valid, slot);
    score->judged = false;
}

/* |s_j - b_j| / sigma_j, in 2^-24. */
static int64_t deviation(const struct mw_score *score, size_t j)
{
    const struct mw_score_signal *signal = &score->signals[j];
    int64_t off = signal->now - signal->baseline;
    int64_t s = mw_times(off < 0 ? -off : off, signal->per_sigma);
    return s < MAX_SCORE ? s : MAX_SCORE;
}

/* The deviation of the k-th scored channel: the greater one of its residual and its level; in
 * *ret_j which signal that is. */
static int64_t channel_deviation(const struct mw_score *score, size_t k, size_t *ret_j)
{
    size_t level = k + score->n_scored;
    int64_t s = deviation(score, k);
    *ret_j = k;
    if (level >= score->card.n_signals)
        return s;
    int64_t l = deviation(score, level);
    *ret_j = l > s ? level : k;
    return l > s ? l : s;
}

/* S: the largest deviation, capped; in *ret_k the scored channel it belongs to. */
static int64_t worst(const struct mw_score *score, size_t *ret_k)
{
    int64_t top = -1;
    for (size_t k = 0; k < score->n_scored; k++) {
        size_t j;
        int64_t s = channel_deviation(score, k, &j);
        if (s > top) {
            top = s;
            *ret_k = k;
        }
    }
    return top < score->cap ? top : score->cap;
}

/* The present level is the new baseline and its centre. */
static void anchor(struct mw_score *score)
{
    for (uint16_t j = 0; j < score->card.n_signals; j++)
        score->signals[j].baseline = score->signals[j].centre = score->signals[j].now;
}

/* The slow baseline follows, but never further than the bound: a growing fault is not learnt. */
static void learn(struct mw_score *score)
{
    struct mw_score_signal *end = score->signals + score->card.n_signals;
    for (struct mw_score_signal *s = score->signals; s < end; s++) {
        int64_t b = s->baseline + mw_times(s->now - s->baseline, score->per_tau);
        int64_t most = s->centre + s->reach, least = s->centre - s->reach;
        s->baseline = b > most ? most : b < least ? least : b;
    }
}

static void decide_normal(struct mw_score *score, int64_t s)
{
    score->n_on = s > score->on ? (uint16_t)(score->n_on + 1) : 0;
    if (score->n_on < score->card.k_on)
        return;
    score->state = MW_MODEL_ALARM;
    score->peak = s;
    score->n_on = 0;
    score->n_off = 0;
}

/* Without re-anchoring only a return below off ends an alarm; with it, so does a fall far below
 * the alarm's own peak, by way of RECOVERING. */
static void decide_alarm(struct mw_score *score, int64_t s)
{
    const struct mw_card *card = &score->card;
    int64_t clear = score->off;
    if (s > score->peak)
        score->peak = s;
    if (score->reanchor && mw_times(score->peak, score->rho) > clear)
        clear = mw_times(score->peak, score->rho);
    score->n_off = s < clear ? (uint16_t)(score->n_off + 1) : 0;
    if (score->n_off < card->k_off)
        return;
    score->state = score->reanchor ? MW_MODEL_RECOVERING : MW_MODEL_NORMAL;
    score->n_hold = 0;
    score->n_on = 0;
}

/* Returns whether the present level was accepted. */
static bool decide_recovering(struct mw_score *score, int64_t s)
{
    const struct mw_card *card = &score->card;
    int64_t on = score->on, off = score->off, relapse = mw_times(score->peak, score->rho);
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
static bool decide(struct mw_score *score, int64_t s)
{
    if (score->state == MW_MODEL_NORMAL)
        decide_normal(score, s);
    else if (score->state == MW_MODEL_ALARM)
        decide_alarm(score, s);
    /* The frame that leaves ALARM is RECOVERING's first. */
    return score->state == MW_MODEL_RECOVERING && decide_recovering(score, s);
}

/* What the k-th scored channel is, and what it should have been, in its own unit; share: of the
 * sum of all deviations, in 2^-24. */
static struct mw_score_reason reason(const struct mw_score *score, size_t k, int64_t sum)
{
    const struct mw_card_channel *channel = &score->card.channels[score->scored[k]];
    size_t j;
    int64_t s = channel_deviation(score, k, &j);
    int64_t expected = score->mean[k] - (score->signals[j].now - score->signals[j].baseline);
    return (struct mw_score_reason){
        .value = (float)((double)channel->mu + (double)channel->sd * in_sd(score->mean[k])),
        .expected = (float)((double)channel->mu + (double)channel->sd * in_sd(expected)),
        .share = sum > 0 ? (float)((double)s / (double)sum) : 0.0f,
    };
}

static int64_t sum_of_deviations(const struct mw_score *score)
{
    int64_t sum = 0; /* at most 32 * 2^56 */
    size_t j;
    for (size_t k = 0; k < score->n_scored; k++)
        sum += channel_deviation(score, k, &j);
    return sum;
}

struct mw_score_reason mw_score_reason(const struct mw_score *score)
{
    size_t k = 0;
    if (!score->judged)
        return (struct mw_score_reason){ 0 };
    worst(score, &k);
    return reason(score, k, sum_of_deviations(score));
}

static void judge(struct mw_score *score, struct mw_score_result *ret)
{
    size_t k = 0;
    if (score->accept_pending) {
        anchor(score);
        score->accept_pending = false;
    }
    int64_t s = worst(score, &k);
    *ret = (struct mw_score_result){
        .judged = true,
        .top_channel = score->scored[k],
        .score = (float)s * score->score_unit,
    };
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
    score->peak = 0;
    score->n_on = score->n_off = score->n_hold = 0;
}

void mw_score_accept(struct mw_score *score)
{
    mw_score_dismiss(score);
    score->accept_pending = !score->judged;
    if (score->judged)
        anchor(score);
}

static void describe(const struct mw_score *score, size_t k, int64_t sum,
                     struct mw_contributor *ret)
{
    uint8_t c = score->scored[k];
    struct mw_score_reason why = reason(score, k, sum);
    *ret = (struct mw_contributor){
        .channel = c, .value = why.value, .expected = why.expected, .share = why.share
    };
    memcpy(ret->name, score->card.channels[c].name, sizeof ret->name);
    memcpy(ret->unit, score->card.channels[c].unit, sizeof ret->unit);
}

uint32_t mw_score_contributors(const struct mw_score *score,
                               struct mw_contributor ret[MW_ALERT_CONTRIBUTORS])
{
    if (!score->judged)
        return 0;
    int64_t sum = sum_of_deviations(score);
    bool told[MW_MAX_CHANNELS] = { false };
    uint32_t n = 0;
    while (n < MW_ALERT_CONTRIBUTORS && n < score->n_scored) {
        size_t best = score->n_scored, j;
        int64_t most = -1;
        for (size_t k = 0; k < score->n_scored; k++) {
            int64_t s = channel_deviation(score, k, &j);
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

/* Numbers are saved as doubles, which hold every baseline up to 8,192 sd exactly. */
static void put_f64(struct mw_writer *w, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    mw_put_u64le(w, bits);
}

/* A finite double of at most that magnitude; anything else fails the reader. */
static double get_f64(struct mw_reader *r, double most)
{
    uint64_t bits = mw_get_u64le(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    if (!(v >= -most && v <= most)) {
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
    put_f64(&w, (double)score->peak / (1 << MW_SCORE_BITS));
    for (size_t j = 0; j < score->card.n_signals; j++) {
        put_f64(&w, in_sd(score->signals[j].baseline));
        put_f64(&w, in_sd(score->signals[j].centre));
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
    double peak = get_f64(&r, MAX_PEAK);
    int64_t baseline[MW_CARD_MAX_SIGNALS], centre[MW_CARD_MAX_SIGNALS];
    if (r.failed || version != STATE_VERSION || n_signals > MW_CARD_MAX_SIGNALS ||
        state < MW_MODEL_NORMAL || state > MW_MODEL_RECOVERING || accept_pending > 1 ||
        judged_once > 1 || peak < 0.0)
        return MW_ERR_FORMAT;
    if (n_signals != score->card.n_signals)
        return MW_ERR_MISMATCH;
    for (size_t j = 0; j < n_signals; j++) {
        baseline[j] = mw_fixed_wide(get_f64(&r, MAX_SIGNAL), SIGNAL_BITS);
        centre[j] = mw_fixed_wide(get_f64(&r, MAX_SIGNAL), SIGNAL_BITS);
    }
    if (r.failed || r.at != n_bytes)
        return MW_ERR_FORMAT;

    for (size_t j = 0; j < n_signals; j++) {
        score->signals[j].baseline = baseline[j];
        score->signals[j].centre = centre[j];
    }
    /* The setting may have changed since: without re-anchoring there is no RECOVERING. */
    bool recovering = state == MW_MODEL_RECOVERING && !score->reanchor;
    score->state = recovering ? MW_MODEL_ALARM : state;
    score->n_on = n_on;
    score->n_off = recovering ? 0 : n_off;
    score->n_hold = n_hold;
    score->accept_pending = accept_pending;
    score->judged_once = judged_once;
    score->peak = mw_fixed_wide(peak, MW_SCORE_BITS);
    return MW_OK;
}
