/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/json.h"
#include "base/result.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put(struct json *j, const char *bytes, size_t n)
{
    if (j->failed || n >= j->cap - j->n) {
        j->failed = true;
        return;
    }
    memcpy(j->text + j->n, bytes, n);
    j->n += n;
}

static void put_text(struct json *j, const char *text)
{
    put(j, text, strlen(text));
}

static void put_escaped(struct json *j, unsigned char c)
{
    char text[8] = { '\\', (char)c };
    if (c != '"' && c != '\\')
        (void)snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
    put_text(j, text);
}

static void put_quoted(struct json *j, const char *value)
{
    const unsigned char *s = (const unsigned char *)value;
    put(j, "\"", 1);
    while (*s) {
        size_t n = mw_utf8_length(s);
        if (n == 0) {
            put_text(j, "\xef\xbf\xbd");
            n = 1;
        } else if (*s < 0x20 || *s == 0x7f || *s == '"' || *s == '\\') {
            put_escaped(j, *s);
        } else {
            put(j, (const char *)s, n);
        }
        s += n;
    }
    put(j, "\"", 1);
}

static void put_key(struct json *j, const char *key)
{
    if (j->comma)
        put(j, ",", 1);
    j->comma = true;
    put_quoted(j, key);
    put(j, ":", 1);
}

void emit_open(struct json *j, char *text, size_t cap)
{
    *j = (struct json){ .text = text, .cap = cap, .failed = cap == 0 };
    put(j, "{", 1);
}

int emit_close(struct json *j)
{
    put(j, "}", 1);
    if (j->failed)
        return MW_ERR_NO_SPACE;
    j->text[j->n] = '\0';
    return (int)j->n;
}

void emit_string(struct json *j, const char *key, const char *value)
{
    put_key(j, key);
    put_quoted(j, value);
}

void emit_int(struct json *j, const char *key, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    put_key(j, key);
    put_text(j, text);
}

void emit_uint(struct json *j, const char *key, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    put_key(j, key);
    put_text(j, text);
}

void emit_bool(struct json *j, const char *key, bool value)
{
    put_key(j, key);
    put_text(j, value ? "true" : "false");
}

void emit_float(struct json *j, const char *key, float value)
{
    char text[24] = "null";
    if (isfinite(value))
        (void)snprintf(text, sizeof text, "%.6g", (double)value);
    /* A program that set a locale may have a decimal comma; JSON has a point. */
    char *comma = strchr(text, ',');
    if (comma)
        *comma = '.';
    put_key(j, key);
    put_text(j, text);
}

/* Days since 1970 to the proleptic Gregorian calendar: Hinnant, "chrono-compatible low-level date
 * algorithms", civil_from_days. */
static void civil_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *ret_year = (int)(yoe + era * 400 + (*ret_month <= 2));
}

#define FIRST_MS INT64_C(-62135596800000) /* 0001-01-01T00:00:00.000Z */
#define LAST_MS  INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */
#define DAY_MS   INT64_C(86400000)

void emit_instant(struct json *j, const char *key, int64_t at_us)
{
    int64_t ms = at_us / 1000 - (at_us % 1000 < 0);
    ms = ms < FIRST_MS ? FIRST_MS : ms > LAST_MS ? LAST_MS : ms;
    int64_t days = ms / DAY_MS - (ms % DAY_MS < 0);
    int64_t rest = ms - days * DAY_MS;
    int year, month, day;
    civil_from_days(days, &year, &month, &day);
    char text[64];
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month, day,
                   (int)(rest / 3600000), (int)(rest / 60000 % 60), (int)(rest / 1000 % 60),
                   (int)(rest % 1000));
    emit_string(j, key, text);
}

void emit_begin_array(struct json *j, const char *key)
{
    put_key(j, key);
    put(j, "[", 1);
    j->comma = false;
}

void emit_end_array(struct json *j)
{
    put(j, "]", 1);
    j->comma = true;
}

void emit_begin_object(struct json *j)
{
    if (j->comma)
        put(j, ",", 1);
    put(j, "{", 1);
    j->comma = false;
}

void emit_end_object(struct json *j)
{
    put(j, "}", 1);
    j->comma = true;
}
