/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/payload.h"
#include "base/result.h"
#include "support/suite.h"
#include "uplink/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct payload_gateway gw = { "millwright/v1", "plant1", "gw-01" };

static struct mw_alert make_alert(void)
{
    struct mw_alert a = { .seq = 4711,
                          .number = 184,
                          .event = MW_ALERT_RAISED,
                          .state = MW_ALARM_ACTIVE_UNACKED,
                          .class = MW_ALARM_MACHINE,
                          .severity = MW_SEVERITY_WARNING,
                          .detector = MW_DETECTOR_MODEL,
                          .condition = MW_CONDITION_ANOMALY,
                          .n_contributors = 2,
                          .model_state = MW_MODEL_ALARM,
                          .clock_synced = true,
                          .at_us = INT64_C(1767225600123456),
                          .since_us = INT64_C(1767225600123456),
                          .score = 1.31f,
                          .clear_below = 0.85f,
                          .model_digest = { 0x9f, 0x2c, 0x4e, 0, 1, 2, 3, 0xff },
                          .subject = "press-07" };
    a.contributors[0] = (struct mw_contributor){ 3, "vel_rms_z", "mm/s", 6.4f, 2.1f, 0.61f };
    a.contributors[1] = (struct mw_contributor){ 5, "temp", "degC", 71.2f, 63.0f, 0.22f };
    return a;
}

START_TEST(an_alert_is_its_fields_in_their_order)
{
    static const char expected[] =
        "{\"schema\":\"millwright-alert/1\",\"id\":\"gw-01/4711\","
        "\"alarm_id\":\"gw-01/press-07/machine/000184\",\"seq\":4711,\"event\":\"raised\","
        "\"state\":\"active_unacked\",\"severity\":\"warning\",\"severity_num\":2,"
        "\"ts\":\"2026-01-01T00:00:00.123Z\",\"ts_ms\":1767225600123,\"since_ms\":1767225600123,"
        "\"published_ts_ms\":1767225600410,\"replayed\":false,\"clock_synced\":true,"
        "\"site\":\"plant1\",\"gateway\":\"gw-01\",\"machine\":\"press-07\","
        "\"class\":\"machine\",\"detector\":\"model\",\"condition\":\"anomaly\",\"point\":\"\","
        "\"score\":1.31,\"threshold\":1,\"clear_below\":0.85,\"health\":37,"
        "\"top_channel\":\"vel_rms_z\",\"top_share\":0.61,\"top_value\":6.4,\"top_expected\":2.1,"
        "\"top_unit\":\"mm/s\",\"model\":\"9f2c4e00010203ff\",\"model_state\":\"alarm\","
        "\"message\":\"press-07: vel_rms_z 6.4 mm/s, expected 2.1 (model, score 1.31)\","
        "\"contributors\":[{\"channel\":\"vel_rms_z\",\"value\":6.4,\"expected\":2.1,"
        "\"unit\":\"mm/s\",\"share\":0.61},{\"channel\":\"temp\",\"value\":71.2,\"expected\":63,"
        "\"unit\":\"degC\",\"share\":0.22}]}";
    struct mw_alert a = make_alert();
    char json[PAYLOAD_MAX];
    int n = payload_alert(json, sizeof json, &gw, &a, INT64_C(1767225600410000), false);
    ck_assert_str_eq(json, expected);
    ck_assert_int_eq(n, (int)strlen(expected));
}
END_TEST

START_TEST(each_class_has_its_own_id_subject_and_words)
{
    char json[PAYLOAD_MAX];
    struct mw_alert a = make_alert();
    a.class = MW_ALARM_SENSOR;
    a.detector = MW_DETECTOR_SENSOR;
    a.condition = MW_CONDITION_STUCK;
    a.n_contributors = 0;
    snprintf(a.point, sizeof a.point, "vib-3.vel_rms_z");
    payload_alert(json, sizeof json, &gw, &a, 0, true);
    ck_assert(strstr(json, "\"alarm_id\":\"gw-01/press-07/sensor/vib-3.vel_rms_z/000184\""));
    ck_assert(strstr(json, "\"message\":\"press-07: vib-3.vel_rms_z is stuck\""));
    ck_assert(!strstr(json, "health") && !strstr(json, "top_") && strstr(json, "\"machine\""));

    a.class = MW_ALARM_DEVICE;
    a.condition = MW_CONDITION_NO_DATA;
    a.point[0] = '\0';
    snprintf(a.subject, sizeof a.subject, "vib-3");
    payload_alert(json, sizeof json, &gw, &a, 0, true);
    ck_assert(strstr(json, "\"device\":\"vib-3\"") && !strstr(json, "\"machine\""));
    ck_assert(strstr(json, "\"message\":\"vib-3: does not answer\""));
    ck_assert(strstr(json, "\"replayed\":true"));

    a.event = MW_ALERT_CLEARED;
    payload_alert(json, sizeof json, &gw, &a, 0, true);
    ck_assert(strstr(json, "\"message\":\"vib-3: cleared, answers again\""));
}
END_TEST

START_TEST(a_machines_message_tells_its_event_and_condition)
{
    char json[PAYLOAD_MAX];
    struct mw_alert a = make_alert();
    a.event = MW_ALERT_ESCALATED;
    a.detector = MW_DETECTOR_LIMIT;
    a.condition = MW_CONDITION_HIGH_HIGH;
    payload_alert(json, sizeof json, &gw, &a, 0, false);
    ck_assert(strstr(json, "\"press-07: escalated, vel_rms_z 6.4 mm/s, limit 2.1 "
                           "(limit high_high, score 1.31)\""));
    a.event = MW_ALERT_CLEARED;
    a.score = 0.5f;
    payload_alert(json, sizeof json, &gw, &a, 0, false);
    ck_assert(strstr(json, "\"press-07: cleared (limit high_high, score 0.5)\""));
    a.event = MW_ALERT_TEST;
    payload_alert(json, sizeof json, &gw, &a, 0, false);
    ck_assert(strstr(json, "\"press-07: test message\""));
}
END_TEST

START_TEST(no_number_that_is_none_ever_leaves)
{
    char json[PAYLOAD_MAX];
    struct mw_alert a = make_alert();
    a.score = NAN;
    a.clear_below = INFINITY;
    a.contributors[0].value = -INFINITY;
    payload_alert(json, sizeof json, &gw, &a, 0, false);
    ck_assert(strstr(json, "\"score\":null") && strstr(json, "\"clear_below\":null"));
    ck_assert(strstr(json, "\"top_value\":null") && !strstr(json, "health"));
    ck_assert(!strstr(json, "nan") && !strstr(json, "inf"));
}
END_TEST

START_TEST(the_worst_names_still_fit_with_fewer_contributors)
{
    char json[PAYLOAD_MAX];
    struct mw_alert a = make_alert();
    memset(a.subject, 1, MW_NAME_MAX);
    a.n_contributors = MW_ALERT_CONTRIBUTORS;
    for (int i = 0; i < MW_ALERT_CONTRIBUTORS; i++) {
        memset(a.contributors[i].name, '\x01', MW_NAME_MAX);
        memset(a.contributors[i].unit, '"', MW_UNIT_MAX);
        a.contributors[i].value = -1.23457e-30f;
    }
    int n = payload_alert(json, sizeof json, &gw, &a, 0, false);
    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(n, (int)strlen(json));
    ck_assert_int_eq(json[n - 1], '}');

    /* Names as people write them: all eight fit. */
    memset(a.subject, 's', MW_NAME_MAX);
    memset(a.point, 'p', sizeof a.point - 1);
    for (int i = 0; i < MW_ALERT_CONTRIBUTORS; i++) {
        memset(a.contributors[i].name, 'n', MW_NAME_MAX);
        memset(a.contributors[i].unit, 'u', MW_UNIT_MAX);
    }
    n = payload_alert(json, sizeof json, &gw, &a, 0, false);
    ck_assert_int_gt(n, 0);
    int n_channels = 0;
    for (const char *s = json; (s = strstr(s, "\"channel\"")); s++)
        n_channels++;
    ck_assert_int_eq(n_channels, MW_ALERT_CONTRIBUTORS);
}
END_TEST

START_TEST(a_short_buffer_is_never_overrun)
{
    struct mw_alert a = make_alert();
    char json[PAYLOAD_MAX + 1];
    int whole = payload_alert(json, sizeof json, &gw, &a, 0, false);
    for (int cap = 0; cap <= whole + 1; cap++) {
        memset(json, '~', sizeof json);
        int n = payload_alert(json, (size_t)cap, &gw, &a, 0, false);
        ck_assert_int_eq(json[cap], '~');
        if (n < 0)
            ck_assert_int_eq(n, MW_ERR_NO_SPACE);
        else
            ck_assert_int_lt(n, cap);
    }
    ck_assert_int_eq(payload_alert(json, (size_t)whole + 1, &gw, &a, 0, false), whole);
}
END_TEST

START_TEST(text_is_escaped_and_always_utf8)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "Pumpe \xc3\xbc", "{\"k\":\"Pumpe \xc3\xbc\"}" },
        { "a\"b\\c", "{\"k\":\"a\\\"b\\\\c\"}" },
        { "\n\x1f\x7f", "{\"k\":\"\\u000a\\u001f\\u007f\"}" },
        { "\xff", "{\"k\":\"\xef\xbf\xbd\"}" },
        { "\xc3", "{\"k\":\"\xef\xbf\xbd\"}" },                                 /* cut short */
        { "\xc0\x80", "{\"k\":\"\xef\xbf\xbd\xef\xbf\xbd\"}" },                 /* overlong */
        { "\xed\xa0\x80", "{\"k\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}" }, /* surrogate */
        { "\xf0\x9f\x94\xa7", "{\"k\":\"\xf0\x9f\x94\xa7\"}" },
        { "\xf4\x90\x80\x80", "{\"k\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[64];
        struct json j;
        emit_open(&j, json, sizeof json);
        emit_string(&j, "k", cases[i].in);
        ck_assert_int_gt(emit_close(&j), 0);
        ck_assert_str_eq(json, cases[i].out);
    }
}
END_TEST

START_TEST(instants_are_right_and_stay_four_digit_years)
{
    static const struct {
        int64_t at_us;
        const char *out;
    } cases[] = {
        { 0, "{\"t\":\"1970-01-01T00:00:00.000Z\"}" },
        { -1, "{\"t\":\"1969-12-31T23:59:59.999Z\"}" },
        { INT64_C(951782400000000), "{\"t\":\"2000-02-29T00:00:00.000Z\"}" },
        { INT64_C(4107542399999999), "{\"t\":\"2100-02-28T23:59:59.999Z\"}" },
        { INT64_MIN, "{\"t\":\"0001-01-01T00:00:00.000Z\"}" },
        { INT64_MAX, "{\"t\":\"9999-12-31T23:59:59.999Z\"}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[64];
        struct json j;
        emit_open(&j, json, sizeof json);
        emit_instant(&j, "t", cases[i].at_us);
        emit_close(&j);
        ck_assert_str_eq(json, cases[i].out);
    }
}
END_TEST

START_TEST(a_state_is_flat_and_a_machine_at_rest_has_no_detector)
{
    struct payload_state s = { .machine = "press-07",
                               .at_us = 5000,
                               .since_us = 1000,
                               .model_state = MW_MODEL_NORMAL,
                               .score = 0.5f,
                               .last_alert_seq = 12,
                               .model = "9f2c4e00010203ff",
                               .data_quality = "good" };
    char json[PAYLOAD_MAX];
    payload_state(json, sizeof json, &gw, &s);
    ck_assert_str_eq(json, "{\"schema\":\"millwright-state/1\",\"ts\":\"1970-01-01T00:00:00.005Z\","
                           "\"ts_ms\":5,\"since_ms\":1,\"site\":\"plant1\",\"gateway\":\"gw-01\","
                           "\"machine\":\"press-07\",\"active\":false,\"state\":\"normal\","
                           "\"severity\":\"none\",\"severity_num\":0,\"detector\":\"none\","
                           "\"condition\":\"none\",\"point\":\"\",\"score\":0.5,\"threshold\":1,"
                           "\"health\":80,\"last_alert_seq\":12,\"model\":\"9f2c4e00010203ff\","
                           "\"model_state\":\"normal\",\"data_quality\":\"good\"}");
}
END_TEST

START_TEST(a_status_has_figures_and_a_will_has_none)
{
    struct payload_status s = { .state = "degraded", .version = "0.1.0", .n_machines = 3 };
    char json[PAYLOAD_MAX];
    payload_status(json, sizeof json, &gw, &s);
    ck_assert(strstr(json, "\"state\":\"degraded\",\"state_num\":1,"));
    ck_assert(strstr(json, "\"machines\":3,"));
    s.state = "offline";
    payload_status(json, sizeof json, &gw, &s);
    ck_assert_str_eq(json,
                     "{\"schema\":\"millwright-status/1\",\"ts\":\"1970-01-01T00:00:00.000Z\","
                     "\"ts_ms\":0,\"site\":\"plant1\",\"gateway\":\"gw-01\","
                     "\"state\":\"offline\",\"state_num\":0,\"version\":\"0.1.0\"}");
}
END_TEST

START_TEST(topics_are_one_tree)
{
    char topic[TOPIC_MAX];
    ck_assert_int_eq(topic_format(topic, sizeof topic, &gw, TOPIC_STATUS, NULL), MW_OK);
    ck_assert_str_eq(topic, "millwright/v1/plant1/gw-01/status");
    ck_assert_int_eq(topic_format(topic, sizeof topic, &gw, TOPIC_EVENT, NULL), MW_OK);
    ck_assert_str_eq(topic, "millwright/v1/plant1/gw-01/event");
    ck_assert_int_eq(topic_format(topic, sizeof topic, &gw, TOPIC_ALERT, "press-07"), MW_OK);
    ck_assert_str_eq(topic, "millwright/v1/plant1/gw-01/press-07/alert");
    ck_assert_int_eq(topic_format(topic, sizeof topic, &gw, TOPIC_STATE, "press-07"), MW_OK);
    ck_assert_str_eq(topic, "millwright/v1/plant1/gw-01/press-07/state");
}
END_TEST

START_TEST(a_name_never_becomes_another_topic_and_a_short_buffer_stays_untouched)
{
    static const char *const bad[] = { "", "a/b", "+", "#", "a\nb" };
    char topic[TOPIC_MAX] = "untouched";
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(topic_format(topic, sizeof topic, &gw, TOPIC_ALERT, bad[i]),
                         MW_ERR_INVALID);
    struct payload_gateway odd = { "millwright/v1", "plant/1", "gw-01" };
    ck_assert_int_eq(topic_format(topic, sizeof topic, &odd, TOPIC_STATUS, NULL), MW_ERR_INVALID);
    size_t n = strlen("millwright/v1/plant1/gw-01/status");
    ck_assert_int_eq(topic_format(topic, n, &gw, TOPIC_STATUS, NULL), MW_ERR_NO_SPACE);
    ck_assert_str_eq(topic, "untouched");
    ck_assert_int_eq(topic_format(topic, n + 1, &gw, TOPIC_STATUS, NULL), MW_OK);
}
END_TEST

START_TEST(an_event_of_each_kind_is_its_fields)
{
    char json[PAYLOAD_MAX];
    struct mw_event e = { .seq = 7, .kind = MW_EVENT_OUTBOX_GAP, .severity = 2, .at_us = 2000000 };
    e.gap = (struct mw_gap){ 3, 9, { 0, 1, 2, 0 }, 4, 6, 1000, 1999, MW_GAP_OUTBOX_LIMIT };
    ck_assert_int_gt(payload_event(json, sizeof json, &gw, &e, 3000000, true), 0);
    ck_assert_str_eq(
        json,
        "{\"schema\":\"millwright-event/1\",\"id\":\"gw-01/7\",\"seq\":7,\"event\":\"outbox_gap\","
        "\"severity\":\"warning\",\"severity_num\":2,\"ts\":\"1970-01-01T00:00:02.000Z\","
        "\"ts_ms\":2000,\"published_ts_ms\":3000,\"replayed\":true,\"clock_synced\":false,"
        "\"site\":\"plant1\",\"gateway\":\"gw-01\",\"count\":3,\"count_info\":1,\"count_warning\":"
        "2,"
        "\"count_critical\":0,\"count_ever\":9,\"first_seq\":4,\"last_seq\":6,\"from_ms\":1,"
        "\"to_ms\":1,\"reason\":\"outbox_full\","
        "\"message\":\"gw-01: 3 messages were given up: the outbox was full\"}");
    e = (struct mw_event){ .seq = 8,
                           .kind = MW_EVENT_STORE_QUARANTINED,
                           .severity = 2,
                           .n_bytes = 4096,
                           .n_wal_bytes = 32,
                           .file = "m.db.corrupt-5" };
    ck_assert_int_gt(payload_event(json, sizeof json, &gw, &e, 0, false), 0);
    ck_assert_ptr_nonnull(
        strstr(json, "\"file\":\"m.db.corrupt-5\",\"bytes\":4096,\"wal_bytes\":32,"));
    e = (struct mw_event){ .seq = 8,
                           .kind = MW_EVENT_STORE_REWOUND,
                           .severity = 2,
                           .n_bytes = 4096,
                           .n_wal_bytes = 32,
                           .first_seq = 5,
                           .last_seq = 6 };
    ck_assert_int_gt(payload_event(json, sizeof json, &gw, &e, 0, false), 0);
    ck_assert_ptr_nonnull(
        strstr(json, "\"first_seq\":5,\"last_seq\":6,\"bytes\":4096,\"wal_bytes\":32,"));
    ck_assert_ptr_nonnull(strstr(json, "messages 5 to 6 are gone"));
    e = (struct mw_event){ .seq = 9,
                           .kind = MW_EVENT_CERTIFICATE_EXPIRES,
                           .severity = 3,
                           .days = 1,
                           .certificate = MW_CERTIFICATE_CLIENT,
                           .not_after_us = 5000000,
                           .file = "/c.pem" };
    ck_assert_int_gt(payload_event(json, sizeof json, &gw, &e, 0, false), 0);
    ck_assert_ptr_nonnull(strstr(json, "\"certificate\":\"client\",\"file\":\"/c.pem\",\"days\":1,"
                                       "\"not_after_ms\":5000,"));
    ck_assert_ptr_nonnull(strstr(json, "expires within 1 day\"}"));
    memset(e.file, 1, MW_EVENT_FILE_MAX); /* the worst: six characters for each byte */
    ck_assert_int_gt(payload_event(json, sizeof json, &gw, &e, 0, false), 0);
    for (size_t cap = 0; cap < 200; cap++)
        ck_assert_int_eq(payload_event(json, cap, &gw, &e, 0, false), MW_ERR_NO_SPACE);
}
END_TEST

MW_SUITE("uplink/payload", an_event_of_each_kind_is_its_fields,
         an_alert_is_its_fields_in_their_order, each_class_has_its_own_id_subject_and_words,
         a_machines_message_tells_its_event_and_condition, no_number_that_is_none_ever_leaves,
         the_worst_names_still_fit_with_fewer_contributors, a_short_buffer_is_never_overrun,
         text_is_escaped_and_always_utf8, instants_are_right_and_stay_four_digit_years,
         a_state_is_flat_and_a_machine_at_rest_has_no_detector,
         a_status_has_figures_and_a_will_has_none, topics_are_one_tree,
         a_name_never_becomes_another_topic_and_a_short_buffer_stays_untouched)
