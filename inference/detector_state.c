/* SPDX-License-Identifier: Apache-2.0 */
/* The detector's running state as bytes. Little-endian, in this order:
 *
 *   u32 magic, u8 version, u8[8] digest of the model, u8 n_channels
 *   each channel: str8 name, u16 active conditions, limits, sensor, trend series
 *   the machine: u16 active conditions, trend series of the score, the trend's clock
 *   alarm: u8 flags, u8 channel, u64 age, f32 value, expected, score, share
 *   u16 n, u8[n] the model's decision as score.h saves it; 0: no model
 *   u32 CRC-32 of all before
 *
 * Times are ages at the newest frame, microseconds. */
#include "inference/detector.h"

#include "base/bytes.h"
#include "base/crc.h"
#include "base/result.h"

#include <assert.h>
#include <string.h>

#define MAGIC     0x5344574du /* "MWDS" */
#define VERSION   1
#define CRC_BYTES 4

/* Bytes of one series at most: both buffers full, and less than 100 beside them. */
#define SERIES_MAX (4 * (MW_TREND_SAMPLES + MW_TREND_MAX_BASELINE) + 100)
static_assert((MW_MAX_CHANNELS + 1) * (SERIES_MAX + 200) + MW_SCORE_STATE_MAX + 100 <=
                  MW_DETECTOR_STATE_MAX,
              "the stated bound holds");

enum { RUNNING = 1, CONFIRMED = 2, CRITICAL = 4, TOLD_CRITICAL = 8 };
enum { NO_DATA = 1, STUCK = 2, STARTED = 4, VALID = 8, SUSPECT = 16, DEAD = 32 };

static void put_age(struct mw_writer *w, int64_t last_us, int64_t then_us)
{
    mw_put_u64le(w, (uint64_t)(last_us - then_us));
}

/* As a time relative to the next frame. */
static int64_t get_age(struct mw_reader *r)
{
    uint64_t age_us = mw_get_u64le(r);
    if (age_us > INT64_MAX) {
        r->failed = true;
        return 0;
    }
    return -(int64_t)age_us;
}

static uint16_t get_active(struct mw_reader *r)
{
    static_assert(MW_CONDITION_COUNT <= 16, "one bit each");
    return mw_get_u16le(r) & ((1u << MW_CONDITION_COUNT) - 1);
}

static void put_limits(struct mw_writer *w, const struct mw_limits *l)
{
    mw_put_u8(w, l->started);
    for (int i = 0; i < MW_LIMITS_COUNT; i++) {
        mw_put_u8(w, (uint8_t)(l->beyond[i] | l->active[i] << 1));
        put_age(w, l->last_us, l->beyond[i] ? l->since_us[i] : l->last_us);
    }
}

static struct mw_limits get_limits(struct mw_reader *r)
{
    struct mw_limits l = { .started = mw_get_u8(r) != 0 };
    for (int i = 0; i < MW_LIMITS_COUNT; i++) {
        uint8_t flags = mw_get_u8(r);
        l.beyond[i] = flags & 1;
        l.active[i] = flags & 2;
        l.since_us[i] = get_age(r);
    }
    return l;
}

static void put_sensor(struct mw_writer *w, const struct mw_sensor *s, int64_t last_us)
{
    mw_put_u8(w, (uint8_t)((s->no_data ? NO_DATA : 0) | (s->stuck ? STUCK : 0) |
                           (s->started ? STARTED : 0) | (s->valid ? VALID : 0) |
                           (s->suspect ? SUSPECT : 0) | (s->dead ? DEAD : 0)));
    mw_put_f32le(w, s->last);
    mw_put_u32le(w, s->run);
    mw_put_u8(w, s->changes);
    put_age(w, last_us, s->run > 0 ? s->run_since_us : last_us);
    put_age(w, last_us, s->started ? s->good_us : last_us);
}

static struct mw_sensor get_sensor(struct mw_reader *r)
{
    uint8_t flags = mw_get_u8(r);
    struct mw_sensor s = {
        .no_data = flags & NO_DATA,
        .stuck = flags & STUCK,
        .started = flags & STARTED,
        .valid = flags & VALID,
        .suspect = flags & SUSPECT,
        .dead = flags & DEAD,
    };
    s.last = mw_get_f32le(r);
    s.run = mw_get_u32le(r);
    s.changes = mw_get_u8(r);
    s.run_since_us = get_age(r);
    s.good_us = get_age(r);
    return s;
}

static void put_alarm(struct mw_writer *w, const struct mw_detector *d)
{
    const struct mw_detector_alarm *a = &d->alarm;
    mw_put_u8(w, (uint8_t)((a->running ? RUNNING : 0) | (a->confirmed ? CONFIRMED : 0) |
                           (a->critical ? CRITICAL : 0) | (d->told_critical ? TOLD_CRITICAL : 0)));
    mw_put_u8(w, a->channel);
    put_age(w, d->last_us, a->running ? a->since_us : d->last_us);
    mw_put_f32le(w, a->value);
    mw_put_f32le(w, a->expected);
    mw_put_f32le(w, a->score);
    mw_put_f32le(w, a->share);
}

static struct mw_detector_alarm get_alarm(struct mw_reader *r, bool *ret_told_critical)
{
    uint8_t flags = mw_get_u8(r);
    *ret_told_critical = flags & TOLD_CRITICAL;
    struct mw_detector_alarm a = {
        .running = flags & RUNNING,
        .confirmed = flags & CONFIRMED,
        .critical = flags & CRITICAL,
    };
    a.channel = mw_get_u8(r);
    a.since_us = get_age(r);
    a.value = mw_get_f32le(r);
    a.expected = mw_get_f32le(r);
    a.score = mw_get_f32le(r);
    a.share = mw_get_f32le(r);
    return a;
}

/* score: NULL where there is no model. */
static void put_score(struct mw_writer *w, const struct mw_score *score)
{
    uint8_t bytes[MW_SCORE_STATE_MAX];
    int n = score ? mw_score_save(score, bytes, sizeof bytes) : 0;
    assert(n >= 0);
    mw_put_u16le(w, (uint16_t)n);
    mw_put_bytes(w, bytes, (size_t)n);
}

int mw_detector_save(const struct mw_detector *d, uint8_t *ret_bytes, size_t cap)
{
    struct mw_writer w = { .bytes = ret_bytes, .n_bytes = cap };
    mw_put_u32le(&w, MAGIC);
    mw_put_u8(&w, VERSION);
    mw_put_bytes(&w, d->digest, sizeof d->digest);
    mw_put_u8(&w, (uint8_t)d->config->n_channels);
    for (uint16_t c = 0; c < d->config->n_channels; c++) {
        mw_put_str8(&w, d->config->channels[c].name);
        mw_put_u16le(&w, d->active[c]);
        put_limits(&w, &d->limits[c]);
        put_sensor(&w, &d->sensors[c], d->last_us);
        mw_trend_put_series(&d->trend.series[c], &w);
    }
    mw_put_u16le(&w, d->active[MW_MAX_CHANNELS]);
    mw_trend_put_series(&d->trend.score, &w);
    mw_trend_put_clock(&d->trend.clock, &w);
    put_alarm(&w, d);
    put_score(&w, d->score);
    if (w.failed)
        return MW_ERR_NO_SPACE;
    mw_put_u32le(&w, mw_crc32(ret_bytes, w.at));
    return w.failed ? MW_ERR_NO_SPACE : (int)w.at;
}

static uint8_t channel_of(const struct mw_detector_config *config, const char *name)
{
    for (uint16_t c = 0; c < config->n_channels; c++)
        if (strcmp(config->channels[c].name, name) == 0)
            return (uint8_t)c;
    return MW_CHANNEL_NONE;
}

/* Reads one channel into its place of today. Returns that place, or MW_CHANNEL_NONE. Where not
 * take, only reads. */
static uint8_t get_channel(struct mw_detector *d, struct mw_reader *r, bool take)
{
    char name[MW_NAME_MAX + 1] = { 0 };
    mw_get_str8(r, name, sizeof name);
    uint16_t active = get_active(r);
    struct mw_limits limits = get_limits(r);
    struct mw_sensor sensor = get_sensor(r);
    uint8_t c = r->failed ? MW_CHANNEL_NONE : channel_of(d->config, name);
    take = take && c != MW_CHANNEL_NONE;
    mw_trend_get_series(take ? &d->trend.series[c] : NULL, d->config->trend.n_baseline, r);
    if (!take)
        return c;
    for (int i = 0; i < MW_LIMITS_COUNT; i++) /* a limit that was removed ends */
        limits.active[i] = limits.active[i] && (d->config->channels[c].limits.armed >> i & 1);
    d->active[c] = active;
    limits.anchors = d->limits[c].anchors;
    d->limits[c] = limits;
    d->sensors[c] = sensor;
    return c;
}

struct machine_state {
    uint16_t active;
    struct mw_reader series; /* where the score's series begins */
    struct mw_trend_clock clock;
    struct mw_detector_alarm alarm;
    bool told_critical;
    const uint8_t *score;
    uint16_t n_score_bytes;
};

static struct machine_state get_machine(struct mw_reader *r)
{
    struct machine_state m = { 0 };
    m.active = get_active(r);
    m.series = *r;
    mw_trend_get_series(NULL, 0, r);
    mw_trend_get_clock(&m.clock, r);
    m.alarm = get_alarm(r, &m.told_critical);
    m.n_score_bytes = mw_get_u16le(r);
    m.score = mw_get_bytes(r, m.n_score_bytes);
    return m;
}

/* Returns whether all of it was of the model that is installed. */
static bool take_machine(struct mw_detector *d, const struct machine_state *m, bool same_model,
                         const uint8_t *places)
{
    struct mw_reader series = m->series;
    d->active[MW_MAX_CHANNELS] = m->active;
    d->trend.clock = m->clock;
    d->told_critical = m->told_critical;
    d->alarm = m->alarm;
    d->alarm.channel =
        m->alarm.channel < MW_MAX_CHANNELS ? places[m->alarm.channel] : MW_CHANNEL_NONE;
    if (same_model &&
        (!d->score || mw_score_restore(d->score, m->score, m->n_score_bytes) == MW_OK)) {
        mw_trend_get_series(&d->trend.score, d->config->trend.n_baseline, &series);
        return true;
    }
    d->alarm.running = d->alarm.confirmed = d->alarm.critical = false;
    return false;
}

/* The whole state; in *ret_fits whether channels and model are today's. */
static void get_state(struct mw_detector *d, struct mw_reader *r, bool take, bool *ret_fits)
{
    uint8_t places[MW_MAX_CHANNELS];
    for (int i = 0; i < MW_MAX_CHANNELS; i++)
        places[i] = MW_CHANNEL_NONE;
    const uint8_t *digest = mw_get_bytes(r, sizeof d->digest);
    uint8_t n_channels = mw_get_u8(r);
    if (n_channels < 1 || n_channels > MW_MAX_CHANNELS)
        r->failed = true;
    bool fits = n_channels == d->config->n_channels;
    for (uint8_t c = 0; c < n_channels && !r->failed; c++) {
        places[c] = get_channel(d, r, take);
        fits = fits && places[c] != MW_CHANNEL_NONE;
    }
    struct machine_state machine = get_machine(r);
    if (r->failed || !take)
        return;
    bool same_model = memcmp(digest, d->digest, sizeof d->digest) == 0;
    *ret_fits = take_machine(d, &machine, same_model, places) && fits;
    d->last_us = 0;
    d->resumed = true;
}

int mw_detector_restore(struct mw_detector *d, const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes <= CRC_BYTES)
        return MW_ERR_FORMAT;
    struct mw_reader crc = { .bytes = bytes + n_bytes - CRC_BYTES, .n_bytes = CRC_BYTES };
    struct mw_reader r = { .bytes = bytes, .n_bytes = n_bytes - CRC_BYTES };
    if (mw_get_u32le(&r) != MAGIC || mw_get_u8(&r) != VERSION)
        return MW_ERR_FORMAT;
    if (mw_get_u32le(&crc) != mw_crc32(bytes, n_bytes - CRC_BYTES))
        return MW_ERR_CHECKSUM;
    struct mw_reader body = r;
    bool fits = false;
    get_state(d, &r, false, &fits); /* once to see that it is whole, then to take it */
    if (r.failed || r.at != r.n_bytes)
        return MW_ERR_FORMAT;
    get_state(d, &body, true, &fits);
    return fits ? MW_OK : MW_ERR_MISMATCH;
}
