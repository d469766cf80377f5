/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/detector.h"

#include "base/result.h"
#include "base/sha256.h"
#include "inference/fault.h"
#include "inference/findings.h"

#include <assert.h>
#include <string.h>

#define CRITICAL_SCORE 3.0f

static size_t in_eights(size_t n_bytes)
{
    return (n_bytes + 7) / 8 * 8;
}

#define SCORE_BYTES in_eights(sizeof(struct mw_score))

#define ANCHOR_BYTES (MW_LIMITS_ANCHORS * sizeof(struct mw_limits_anchor))

static bool has_rate(const struct mw_detector_config *config, size_t channel)
{
    return config->channels[channel].limits.armed & MW_LIMIT_RATE;
}

size_t mw_detector_bytes(const struct mw_detector_config *config)
{
    size_t n = config->n_channels, n_rates = 0;
    for (size_t c = 0; c < n; c++)
        n_rates += has_rate(config, c);
    return in_eights(n * sizeof(struct mw_limits)) + in_eights(n * sizeof(struct mw_sensor)) +
           in_eights(n * sizeof(struct mw_sensor_habit)) + n_rates * in_eights(ANCHOR_BYTES) +
           mw_trend_bytes(&config->trend, config->n_channels);
}

/* The next n_bytes of the memory. */
static void *cut(uint8_t **memory, size_t n_bytes)
{
    void *piece = *memory;
    *memory += in_eights(n_bytes);
    return piece;
}

void mw_detector_init(struct mw_detector *d, const struct mw_detector_config *config, void *memory)
{
    assert(config->n_channels >= 1 && config->n_channels <= MW_MAX_CHANNELS);
    assert((uintptr_t)memory % 8 == 0);
    uint8_t *rest = memory;
    size_t n = config->n_channels;
    *d = (struct mw_detector){ .config = config };
    d->limits = cut(&rest, n * sizeof d->limits[0]);
    d->sensors = cut(&rest, n * sizeof d->sensors[0]);
    d->habits = cut(&rest, n * sizeof d->habits[0]);
    for (size_t c = 0; c < n; c++) {
        mw_limits_init(&d->limits[c], has_rate(config, c) ? cut(&rest, ANCHOR_BYTES) : NULL);
        mw_sensor_init(&d->sensors[c]);
        d->habits[c] = (struct mw_sensor_habit){ 0 };
    }
    mw_trend_init(&d->trend, &config->trend, config->n_channels, rest);
}

int mw_detector_measure(const uint8_t *tflite, size_t n_bytes, size_t *ret_memory_bytes,
                        struct mw_model_fault *ret_why)
{
    size_t n_model = 0;
    int result = mw_model_measure(tflite, n_bytes, &n_model, ret_why);
    if (result == MW_OK)
        *ret_memory_bytes = SCORE_BYTES + n_model;
    return result;
}

/* The machine's channel of this name that the model may know; MW_CHANNEL_NONE: there is none. */
static uint8_t find_channel(const struct mw_detector_config *config, const char *name)
{
    for (uint16_t c = 0; c < config->n_channels; c++)
        if (config->channels[c].role != MW_ROLE_OFF && strcmp(config->channels[c].name, name) == 0)
            return (uint8_t)c;
    return MW_CHANNEL_NONE;
}

static int match_channels(const struct mw_detector_config *config, const struct mw_card *card,
                          uint8_t *ret_channels, struct mw_model_fault *ret_why)
{
    uint32_t n_known = 0, seen = 0;
    for (uint16_t c = 0; c < config->n_channels; c++)
        n_known += config->channels[c].role != MW_ROLE_OFF;
    if (n_known != card->n_channels)
        return mw_fault(ret_why, MW_ERR_MISMATCH,
                        "the model has # channels, the machine has # to judge by", card->n_channels,
                        n_known);
    for (uint16_t k = 0; k < card->n_channels; k++) {
        uint8_t c = find_channel(config, card->channels[k].name);
        if (c == MW_CHANNEL_NONE || (seen >> c & 1))
            return mw_fault_named(ret_why, MW_ERR_MISMATCH,
                                  "the model's channel # $ is none of the machine's",
                                  card->channels[k].name, k, 0);
        seen |= 1u << c;
        ret_channels[k] = c;
    }
    return MW_OK;
}

static struct mw_sensor_habit habit(const struct mw_card_channel *channel)
{
    float mu = channel->mu < 0.0f ? -channel->mu : channel->mu;
    return (struct mw_sensor_habit){
        .longest_run = channel->longest_run,
        .slow = channel->role == MW_ROLE_CONTEXT,
        .zero_is_foreign = mu > MW_SENSOR_FOREIGN_SD * channel->sd,
    };
}

static void end_alarm(struct mw_detector_alarm *alarm)
{
    alarm->running = alarm->confirmed = alarm->critical = false;
}

static void take_up(struct mw_detector *d, const uint8_t *channels, const uint8_t *digest)
{
    if (memcmp(d->digest, digest, sizeof d->digest) != 0)
        mw_trend_recommission_score(&d->trend);
    memcpy(d->digest, digest, sizeof d->digest);
    end_alarm(&d->alarm); /* its channel and numbers stay for the finding's end */
    for (uint16_t c = 0; c < d->config->n_channels; c++)
        d->habits[c] = (struct mw_sensor_habit){ 0 };
    for (uint16_t k = 0; k < d->score->card.n_channels; k++) {
        d->card_channels[k] = channels[k];
        d->habits[channels[k]] = habit(&d->score->card.channels[k]);
    }
}

int mw_detector_install(struct mw_detector *d, const uint8_t *tflite, size_t n_bytes, void *memory,
                        size_t memory_bytes, struct mw_model_fault *ret_why)
{
    struct mw_model model;
    struct mw_card card;
    struct mw_score *score = memory;
    uint8_t channels[MW_MAX_CHANNELS], digest[MW_SHA256_BYTES];
    if (memory_bytes < SCORE_BYTES)
        return mw_fault(ret_why, MW_ERR_NO_MEMORY, "# bytes of memory are too few, # are needed",
                        (int64_t)memory_bytes, (int64_t)SCORE_BYTES);
    assert((uintptr_t)memory % 8 == 0);
    int result =
        mw_model_init(&model, tflite, n_bytes, MW_ROUNDING_DOUBLE, (uint8_t *)memory + SCORE_BYTES,
                      memory_bytes - SCORE_BYTES, ret_why);
    if (result < 0)
        return result;
    if (!model.card)
        return mw_fault(ret_why, MW_ERR_UNSUPPORTED, "the model carries no detector card", 0, 0);
    result = mw_card_read(&card, model.card, model.n_card_bytes, ret_why);
    if (result < 0)
        return result;
    result = match_channels(d->config, &card, channels, ret_why);
    if (result < 0)
        return result;
    result = mw_score_init(score, &card, &model, d->config->reanchor);
    if (result < 0)
        return mw_fault(ret_why, result, "network and detector card are of different shapes", 0, 0);
    mw_sha256(tflite, n_bytes, digest);
    d->score = score;
    take_up(d, channels, digest);
    return MW_OK;
}

/* Times of a restored state were relative to the present frame. */
static void resume(struct mw_detector *d, int64_t now_us)
{
    for (uint16_t c = 0; c < d->config->n_channels; c++) {
        mw_limits_resume(&d->limits[c], now_us);
        d->sensors[c].run_since_us += now_us;
        d->sensors[c].good_us += now_us;
    }
    d->alarm.since_us += now_us;
    d->resumed = false;
}

/* The mask of values that may be given to model and trend. */
static uint32_t watch_sensors(struct mw_detector *d, const struct mw_frame *frame)
{
    uint32_t trusted = 0;
    for (uint16_t c = 0; c < d->config->n_channels; c++) {
        mw_sensor_step(&d->sensors[c], &d->config->channels[c].sensor, &d->habits[c],
                       frame->values[c], frame->valid >> c & 1, frame->mono_us);
        trusted |= mw_sensor_trusted(&d->sensors[c]) ? 1u << c : 0u;
    }
    return trusted;
}

static void watch_limits(struct mw_detector *d, const struct mw_frame *frame)
{
    for (uint16_t c = 0; c < d->config->n_channels; c++) {
        if (d->config->channels[c].limits.armed == 0)
            continue;
        const struct mw_sensor *sensor = &d->sensors[c];
        struct mw_limits_config config = d->config->channels[c].limits;
        uint8_t changed;
        if (!sensor->valid || sensor->dead) {
            mw_limits_hold(&d->limits[c]);
            continue;
        }
        if (!mw_sensor_trusted(sensor))
            config.armed &= MW_LIMIT_HIGH | MW_LIMIT_HIGH_HIGH;
        mw_limits_step(&d->limits[c], &config, frame->values[c], frame->mono_us, &changed);
    }
}

static uint8_t machine_channel(const struct mw_detector *d, uint8_t card_channel)
{
    return card_channel == MW_CHANNEL_NONE ? MW_CHANNEL_NONE : d->card_channels[card_channel];
}

static struct mw_score_result run_model(struct mw_detector *d, const struct mw_frame *frame,
                                        uint32_t trusted)
{
    struct mw_score_result result = { .top_channel = MW_CHANNEL_NONE };
    float x[MW_MAX_CHANNELS];
    uint32_t valid = 0;
    if (!d->score)
        return result;
    for (uint16_t k = 0; k < d->score->card.n_channels; k++) {
        uint8_t c = d->card_channels[k];
        x[k] = frame->values[c];
        valid |= (trusted >> c & 1) << k;
    }
    mw_score_step(d->score, x, valid, frame->slot, &result);
    result.top_channel = machine_channel(d, result.top_channel);
    return result;
}

/* Whether channel c, one of the model's, shows that the alarm speaks of a sensor. */
static bool spoils(const struct mw_detector *d, uint8_t c)
{
    const struct mw_sensor *sensor = &d->sensors[c];
    bool blamed = c == d->alarm.channel;
    if ((sensor->suspect || sensor->stuck) && sensor->run_since_us <= d->alarm.since_us)
        return true;
    return blamed && (d->alarm.confirmed ? sensor->stuck : !mw_sensor_trusted(sensor));
}

/* Whether channel c may yet turn out to spoil the alarm. */
static bool doubts(const struct mw_detector *d, uint8_t c)
{
    const struct mw_sensor *sensor = &d->sensors[c];
    if (!mw_sensor_judges_runs(&d->config->channels[c].sensor, &d->habits[c]) ||
        sensor->run_since_us > d->alarm.since_us)
        return false;
    return c == d->alarm.channel || mw_sensor_doubtful(sensor, &d->habits[c]);
}

static bool any_channel(const struct mw_detector *d,
                        bool (*is)(const struct mw_detector *d, uint8_t c))
{
    for (uint16_t k = 0; k < d->score->card.n_channels; k++)
        if (is(d, d->card_channels[k]))
            return true;
    return false;
}

static void describe_alarm(struct mw_detector *d, const struct mw_score_result *result)
{
    struct mw_detector_alarm *alarm = &d->alarm;
    alarm->score = result->score;
    if (alarm->confirmed && result->top_channel != alarm->channel)
        return; /* value and expected stay the blamed channel's */
    struct mw_score_reason why = mw_score_reason(d->score);
    alarm->channel = result->top_channel;
    alarm->value = why.value;
    alarm->expected = why.expected;
    alarm->share = why.share;
}

/* The model's decision on its way to a finding, or to nothing. */
static void follow_alarm(struct mw_detector *d, const struct mw_score_result *result,
                         int64_t now_us)
{
    struct mw_detector_alarm *alarm = &d->alarm;
    if (alarm->running && any_channel(d, spoils)) {
        mw_score_dismiss(d->score);
        end_alarm(alarm);
        return;
    }
    if (!result->judged)
        return;
    if (result->state != MW_MODEL_ALARM) {
        end_alarm(alarm);
        alarm->score = result->score;
        return;
    }
    if (!alarm->running)
        alarm->since_us = now_us;
    alarm->running = true;
    describe_alarm(d, result);
    if (now_us - alarm->since_us >= d->config->model_delay_us && !any_channel(d, doubts))
        alarm->confirmed = true;
    alarm->critical = alarm->critical || (alarm->confirmed && alarm->score >= CRITICAL_SCORE);
}

void mw_detector_step(struct mw_detector *d, const struct mw_frame *frame,
                      struct mw_verdict *ret_verdict)
{
    if (d->resumed)
        resume(d, frame->mono_us);
    d->last_us = frame->mono_us;
    uint32_t trusted = watch_sensors(d, frame);
    watch_limits(d, frame);
    struct mw_score_result result = run_model(d, frame, trusted);
    follow_alarm(d, &result, frame->mono_us);
    mw_trend_step(&d->trend, &d->config->trend, frame->values, trusted,
                  result.judged ? &result.score : NULL, frame->mono_us);
    ret_verdict->at_us = frame->at_us;
    ret_verdict->slot = frame->slot;
    ret_verdict->model_state = result.state;
    ret_verdict->top_channel = result.top_channel;
    ret_verdict->n_findings = 0; /* the others are not touched: they are most of a verdict */
    ret_verdict->reanchored = result.reanchored;
    ret_verdict->score = result.score;
    mw_findings_tell(d, frame->at_us, ret_verdict);
}

void mw_detector_accept(struct mw_detector *d)
{
    if (d->score)
        mw_score_accept(d->score);
    end_alarm(&d->alarm);
    mw_trend_recommission(&d->trend);
}

uint32_t mw_detector_contributors(const struct mw_detector *d,
                                  struct mw_contributor ret[MW_ALERT_CONTRIBUTORS])
{
    if (!d->score)
        return 0;
    uint32_t n = mw_score_contributors(d->score, ret);
    for (uint32_t i = 0; i < n; i++)
        ret[i].channel = machine_channel(d, ret[i].channel);
    return n;
}
