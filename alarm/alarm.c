/* SPDX-License-Identifier: Apache-2.0 */
#include "alarm/alarm.h"
#include "base/bytes.h"
#include "base/result.h"

#include <inttypes.h>
#include <stdio.h>

#define ALARM_VERSION 1

static int check_delay(int64_t delay_us, const char *setting, const struct mw_complaints *to)
{
    if (delay_us >= 0 && delay_us <= ALARM_DELAY_MAX_US)
        return MW_OK;
    char value[32];
    snprintf(value, sizeof value, "%" PRId64 "us", delay_us);
    return mw_complain(to, setting, value, "is not in 0 to 24h");
}

int alarm_settle(struct alarm_config *config, const struct mw_complaints *to)
{
    int on = check_delay(config->on_delay_us, "on_delay", to);
    int off = check_delay(config->off_delay_us, "off_delay", to);
    return on != MW_OK ? on : off;
}

static bool is_active(uint8_t state)
{
    return state == MW_ALARM_ACTIVE_UNACKED || state == MW_ALARM_ACTIVE_ACKED;
}

/* Whether the facts have contradicted the state for as long as the delay asks. */
static bool delay_over(struct alarm *alarm, const struct alarm_config *config,
                       const struct alarm_facts *facts, int64_t now_us)
{
    if (alarm->state == MW_ALARM_SHELVED || facts->active == is_active(alarm->state)) {
        alarm->pending_us = 0;
        return false;
    }
    int64_t delay_us = facts->active ? config->on_delay_us : config->off_delay_us;
    if (alarm->pending_us == 0 && delay_us > 0)
        alarm->pending_us = now_us + delay_us;
    return now_us >= alarm->pending_us;
}

static int begin_episode(struct alarm *alarm, const struct alarm_facts *facts, uint32_t number,
                         int64_t at_us)
{
    *alarm = (struct alarm){ .state = MW_ALARM_ACTIVE_UNACKED,
                             .severity = facts->severity,
                             .detectors = facts->detectors,
                             .number = number,
                             .since_us = at_us };
    return MW_ALERT_RAISED;
}

/* What changed within an episode. Another severity is announced before another detector. */
static int grade(struct alarm *alarm, const struct alarm_facts *facts)
{
    uint8_t severity = alarm->severity;
    bool joined = (facts->detectors & ~alarm->detectors) != 0;
    alarm->severity = facts->severity;
    alarm->detectors |= facts->detectors;
    if (facts->severity < severity)
        return MW_ALERT_DEESCALATED;
    if (facts->severity == severity && !joined)
        return 0;
    alarm->state = MW_ALARM_ACTIVE_UNACKED; /* what is worse than known wants another look */
    return MW_ALERT_ESCALATED;
}

static int follow_facts(struct alarm *alarm, const struct alarm_config *config,
                        const struct alarm_facts *facts, bool due, uint32_t next_number,
                        int64_t at_us)
{
    if (alarm->state == MW_ALARM_SHELVED)
        return 0;
    if (!due)
        return is_active(alarm->state) && facts->active ? grade(alarm, facts) : 0;

    alarm->pending_us = 0;
    if (alarm->state == MW_ALARM_NORMAL)
        return begin_episode(alarm, facts, next_number, at_us);
    if (alarm->state == MW_ALARM_LATCHED) {
        alarm->state = MW_ALARM_ACTIVE_UNACKED;
        return grade(alarm, facts);
    }
    alarm->state = config->latch ? MW_ALARM_LATCHED : MW_ALARM_NORMAL;
    return config->latch ? 0 : MW_ALERT_CLEARED;
}

static int acknowledge(struct alarm *alarm, const struct alarm_facts *facts)
{
    if (alarm->state == MW_ALARM_LATCHED && !facts->active) {
        alarm->state = MW_ALARM_NORMAL;
        return MW_ALERT_CLEARED;
    }
    if (alarm->state != MW_ALARM_LATCHED && alarm->state != MW_ALARM_ACTIVE_UNACKED)
        return 0;
    if (alarm->state == MW_ALARM_LATCHED)
        alarm->pending_us = 0;
    alarm->state = MW_ALARM_ACTIVE_ACKED;
    return MW_ALERT_ACKNOWLEDGED;
}

static int shelve(struct alarm *alarm, int64_t until_us, int64_t at_us)
{
    if (until_us <= at_us || until_us <= 0)
        return 0;
    if (alarm->state != MW_ALARM_SHELVED)
        alarm->under_shelf = alarm->state;
    alarm->state = MW_ALARM_SHELVED;
    alarm->shelved_until_us = until_us;
    alarm->pending_us = 0;
    return MW_ALERT_SHELVED;
}

/* Whether the shelf was lifted. */
static int unshelve(struct alarm *alarm)
{
    if (alarm->state != MW_ALARM_SHELVED)
        return 0;
    alarm->state = alarm->under_shelf;
    alarm->under_shelf = MW_ALARM_NORMAL;
    alarm->shelved_until_us = 0;
    return MW_ALERT_UNSHELVED;
}

int alarm_step(struct alarm *alarm, const struct alarm_config *config,
               const struct alarm_facts *facts, enum alarm_request request, int64_t until_us,
               uint32_t next_number, int64_t now_us, int64_t at_us)
{
    int lifted = 0;
    if (alarm->state == MW_ALARM_SHELVED && at_us >= alarm->shelved_until_us)
        lifted = unshelve(alarm);
    bool due = !lifted && delay_over(alarm, config, facts, now_us);

    int event = 0;
    switch (request) {
    case ALARM_TICK: break;
    case ALARM_ACKNOWLEDGE: event = acknowledge(alarm, facts); break;
    case ALARM_SHELVE: event = shelve(alarm, until_us, at_us); break;
    case ALARM_UNSHELVE: event = unshelve(alarm); break;
    }
    if (event)
        return event;
    if (lifted)
        return lifted;
    return follow_facts(alarm, config, facts, due, next_number, at_us);
}

int alarm_save(const struct alarm *alarm, uint8_t *ret_bytes, size_t cap)
{
    if (cap < ALARM_SAVED_BYTES)
        return MW_ERR_NO_SPACE;
    struct mw_writer w = { .bytes = ret_bytes, .n_bytes = cap };
    mw_put_u8(&w, ALARM_VERSION);
    mw_put_u8(&w, alarm->state);
    mw_put_u8(&w, alarm->under_shelf);
    mw_put_u8(&w, alarm->severity);
    mw_put_u32le(&w, alarm->detectors);
    mw_put_u32le(&w, alarm->number);
    mw_put_u64le(&w, (uint64_t)alarm->since_us);
    mw_put_u64le(&w, (uint64_t)alarm->shelved_until_us);
    return (int)w.at;
}

/* The states that alarm_step produces, but for shelved. */
static bool is_plain(uint8_t state)
{
    return state == MW_ALARM_NORMAL || is_active(state) || state == MW_ALARM_LATCHED;
}

int alarm_restore(struct alarm *alarm, const uint8_t *bytes, size_t n_bytes)
{
    struct mw_reader r = { .bytes = bytes, .n_bytes = n_bytes };
    if (n_bytes != ALARM_SAVED_BYTES || mw_get_u8(&r) != ALARM_VERSION)
        return MW_ERR_FORMAT;
    struct alarm a = { 0 };
    a.state = mw_get_u8(&r);
    a.under_shelf = mw_get_u8(&r);
    a.severity = mw_get_u8(&r);
    a.detectors = mw_get_u32le(&r);
    a.number = mw_get_u32le(&r);
    a.since_us = (int64_t)mw_get_u64le(&r);
    a.shelved_until_us = (int64_t)mw_get_u64le(&r);

    bool shelved = a.state == MW_ALARM_SHELVED;
    if (!is_plain(shelved ? a.under_shelf : a.state) || a.severity > MW_SEVERITY_CRITICAL ||
        shelved != (a.shelved_until_us > 0))
        return MW_ERR_FORMAT;
    *alarm = a;
    return MW_OK;
}
